//! Accept: the document that a client gets.

use kong_response::response::accept::negotiate;
use kong_response::response::error_page::Document;

use crate::input::Input;

/// The first byte decides how the rest is read. Either it is values of the header, one per line;
/// then the check knows only what holds for every value. Or it is choices; then the check makes a
/// list from them and knows the right document.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    if input.byte().is_multiple_of(2) {
        any(input.rest());
    } else {
        known(&mut input);
    }
}

fn any(bytes: &[u8]) {
    let fields: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let chosen = negotiate(fields.iter().copied());
    assert!(Document::ALL.contains(&chosen));

    let upper: Vec<Vec<u8>> = fields.iter().map(|field| field.to_ascii_uppercase()).collect();
    assert_eq!(chosen, negotiate(upper.iter().map(|field| &field[..])), "the case counts");

    // A type that the library does not offer changes nothing, at any place in the list.
    let foreign = b"image/png;q=0.9".as_slice();
    let before = std::iter::once(foreign).chain(fields.iter().copied());
    assert_eq!(chosen, negotiate(before), "a foreign type in front counts");
    let behind = fields.iter().copied().chain([foreign]);
    assert_eq!(chosen, negotiate(behind), "a foreign type behind counts");
    let twice = fields.iter().chain(&fields).copied();
    assert_eq!(chosen, negotiate(twice), "to say it twice counts");

    // One header per item is the same list, if no quoted string contains a comma.
    if !bytes.contains(&b'"') {
        let items = fields.iter().flat_map(|field| field.split(|byte| *byte == b','));
        assert_eq!(chosen, negotiate(items), "one list and several headers differ");
        let one = fields.join(&b","[..]);
        assert_eq!(chosen, negotiate([&one[..]]), "several headers and one list differ");
    }
}

/// A range in the list, and its weight.
struct Range {
    kind: &'static str,
    subtype: &'static str,
    weight: u16,
}

fn known(input: &mut Input<'_>) {
    let mut text = String::new();
    let mut ranges = Vec::new();
    while input.more() && ranges.len() < 40 {
        if input.below(8) == 0 {
            text.push_str(input.pick(&BROKEN));
        } else {
            ranges.push(write_range(input, &mut text));
        }
        // A comma or the end of the header ends the item.
        text.push_str(input.pick(&[",", ", ", ",,", " ,\t", "\n"]));
    }
    let chosen = negotiate(text.split('\n').map(str::as_bytes));
    assert_eq!(chosen, expected(&ranges), "{text:?}");
}

/// Items that break the grammar. The library skips them.
const BROKEN: [&str; 16] = [
    "text",
    "text/",
    "/html",
    "*/html",
    "text /html",
    "text/html;q",
    "text/html;q=",
    "text/html;q=2",
    "text/html;q=1.001",
    "text/html;q=0.0001",
    "text/html;q=-0",
    "text/html;a=\"\u{1}\"",
    "text/html x",
    "text/html;a =1",
    "te(xt/html",
    "text/html;q=\"1\"",
];

const TYPES: [(&str, &str); 10] = [
    ("application", "json"),
    ("text", "html"),
    ("text", "plain"),
    ("application", "xml"),
    ("*", "*"),
    ("text", "*"),
    ("application", "*"),
    ("image", "png"),
    ("image", "*"),
    ("text", "xml"),
];

fn write_range(input: &mut Input<'_>, text: &mut String) -> Range {
    let (kind, subtype) = input.pick(&TYPES);
    let name = format!("{kind}/{subtype}");
    text.push_str(&if input.below(4) == 0 { name.to_ascii_uppercase() } else { name });
    let mut weight = None;
    for _ in 0..input.below(4) {
        text.push_str(input.pick(&[";", "; ", " ;", ";;", "\t;\t"]));
        if input.below(2) == 0 {
            text.push_str(input.pick(&PARAMETERS));
            continue;
        }
        let thousandths = u16::from(input.byte()) * 4 % 1001;
        text.push_str(input.pick(&["q=", "Q="]));
        text.push_str(&match thousandths {
            1000 => input.pick(&["1", "1.", "1.0", "1.000"]).to_owned(),
            0 => input.pick(&["0", "0.", "0.00"]).to_owned(),
            _ => format!("0.{thousandths:03}"),
        });
        weight.get_or_insert(thousandths);
    }
    Range { kind, subtype, weight: weight.unwrap_or(1000) }
}

const PARAMETERS: [&str; 6] =
    ["level=1", "charset=\"utf-8\"", "a=\",text/html\"", "b=\"\\\"\"", "qq=0", ""];

/// The right document, straight from RFC 9110, section 12.5.1, and the library's documentation.
fn expected(ranges: &[Range]) -> Document {
    let offers = [
        (Document::Json, "application", "json"),
        (Document::Html, "text", "html"),
        (Document::Plain, "text", "plain"),
        (Document::Xml, "application", "xml"),
    ];
    let mut best: Option<(u16, usize, usize, Document)> = None;
    for (order, (document, kind, subtype)) in offers.into_iter().enumerate() {
        let at = |kind: &str, subtype: &str| {
            let named =
                |(_, range): &(usize, &Range)| range.kind == kind && range.subtype == subtype;
            let mut found: Option<(u16, usize)> = None;
            for (position, range) in ranges.iter().enumerate().filter(named) {
                if found.is_none_or(|(weight, _)| weight < range.weight) {
                    found = Some((range.weight, position));
                }
            }
            found
        };
        let whole = at(kind, "*").filter(|_| at(kind, subtype).is_none());
        let found = at(kind, subtype).or(whole).or_else(|| at("*", "*"));
        let Some((weight, position)) = found.filter(|(weight, _)| *weight > 0) else { continue };
        // For text/*, the library prefers plain text.
        let order = if whole.is_some() && document == Document::Plain { 0 } else { order + 1 };
        let better = best.is_none_or(|(best_weight, best_position, best_order, _)| {
            (weight, usize::MAX - position, usize::MAX - order)
                > (best_weight, usize::MAX - best_position, usize::MAX - best_order)
        });
        if better {
            best = Some((weight, position, order, document));
        }
    }
    best.map_or(Document::Json, |(.., document)| document)
}
