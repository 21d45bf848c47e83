//! Which document a client accepts: content negotiation by the `Accept` header.

use std::cmp::Reverse;
use std::iter;

use super::error_page::Document;

/// Picks the document to answer with from the values of a request's `Accept` headers.
///
/// `fields` holds one value per header; several headers are one list (RFC 9110 section 5.3). The
/// choice is made among the four media types of [`Document`] as RFC 9110 section 12.5.1 says:
///
/// - The most specific range that matches a type (`type/subtype`, then `type/*`, then `*/*`) gives
///   the type its weight. Of several ranges as specific as each other the highest weight counts,
///   from the first range that carries it. A weight of 0 excludes the type.
/// - The type with the highest weight wins. Of equal weights it is the type whose range stands
///   first in the list. Types that share one range follow the order of [`Document::ALL`], except
///   that `text/*` means `text/plain` before `text/html`.
/// - Names match in any case, and parameters other than `q` are ignored: `text/html;level=1` is
///   `text/html`.
/// - An item that breaks the grammar is skipped and the others still count: no slash, an empty
///   name or one with a blank in it, `*/html`, a parameter without a value, a weight outside of
///   0 to 1 or with more than three decimals (section 12.4.2). A quote that never closes breaks its
///   own item only, which then ends at the next comma.
/// - `q` counts wherever it stands among the parameters; if it is repeated, the first one counts.
///
/// Returns [`Document::Json`] when there is no field or when nothing offered is acceptable.
///
/// Values are bytes and need not be text. Takes time linear in their length, and allocates nothing.
///
/// # Examples
///
/// ```
/// use kong_response::response::accept::negotiate;
/// use kong_response::response::error_page::Document;
///
/// assert_eq!(negotiate([b"text/html;q=0.5, application/xml;q=0.9".as_slice()]), Document::Xml);
/// assert_eq!(negotiate([b"image/png".as_slice(), b"text/*".as_slice()]), Document::Plain);
/// assert_eq!(negotiate([]), Document::Json);
/// ```
pub fn negotiate<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Document {
    let mut offers = Document::ALL.map(Offer::new);
    let ranges = fields.into_iter().flat_map(items).filter_map(Range::parse);
    for (position, range) in ranges.enumerate() {
        for offer in &mut offers {
            offer.consider(&range, position);
        }
    }
    offers
        .iter()
        .filter_map(|offer| Some((offer.rank()?, offer.document)))
        .min_by_key(|(rank, _)| *rank)
        .map_or(Document::Json, |(_, document)| document)
}

/// How precisely a range names a type, as an index into [`Offer::found`].
const EXACT: usize = 0;
const WHOLE_TYPE: usize = 1;
const ANYTHING: usize = 2;

/// A document on offer and the best range seen for it at each precision.
struct Offer {
    document: Document,
    kind: &'static [u8],
    subtype: &'static [u8],
    found: [Option<Found>; 3],
}

/// The weight a range gives, in thousandths, and where that range stands in the list.
#[derive(Clone, Copy)]
struct Found {
    weight: u16,
    position: usize,
}

impl Offer {
    fn new(document: Document) -> Self {
        let (kind, subtype): (&[u8], &[u8]) = match document {
            Document::Json => (b"application", b"json"),
            Document::Html => (b"text", b"html"),
            Document::Plain => (b"text", b"plain"),
            Document::Xml => (b"application", b"xml"),
        };
        Offer { document, kind, subtype, found: [None; 3] }
    }

    /// Takes note of `range` if it matches and outweighs what was found at its precision.
    fn consider(&mut self, range: &Range<'_>, position: usize) {
        let precision = if range.kind == b"*" {
            ANYTHING
        } else if !range.kind.eq_ignore_ascii_case(self.kind) {
            return;
        } else if range.subtype == b"*" {
            WHOLE_TYPE
        } else if range.subtype.eq_ignore_ascii_case(self.subtype) {
            EXACT
        } else {
            return;
        };
        let found = &mut self.found[precision];
        if found.is_none_or(|found| found.weight < range.weight) {
            *found = Some(Found { weight: range.weight, position });
        }
    }

    /// The smaller, the better; `None` if the client does not accept the type.
    fn rank(&self) -> Option<(Reverse<u16>, usize, bool)> {
        let precision = self.found.iter().position(Option::is_some)?;
        let Found { weight, position } = self.found[precision]?;
        // Only types of one and the same wildcard get as far as comparing the last element.
        let second_choice = precision != WHOLE_TYPE || self.document != Document::Plain;
        (weight > 0).then_some((Reverse(weight), position, second_choice))
    }
}

/// Splits a field at its commas, except those inside quoted strings (RFC 9110 section 5.6.1).
fn items(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    let mut quotes_close = true;
    iter::from_fn(move || {
        let field = rest?;
        let mut at = 0;
        while let Some(&byte) = field.get(at) {
            count_step();
            match byte {
                b',' => {
                    rest = Some(&field[at + 1..]);
                    return Some(&field[..at]);
                }
                b'"' if quotes_close => match quoted_len(&field[at..]) {
                    Some(len) => at += len,
                    // Behind a quote that never closes, every other quote is an escaped one, so
                    // none of them closes either: looking again would take quadratic time.
                    None => quotes_close = false,
                },
                _ => at += 1,
            }
        }
        rest = None;
        Some(field)
    })
}

/// A media range and its weight in thousandths.
struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    weight: u16,
}

impl<'a> Range<'a> {
    /// Reads `media-range [ weight ]`; `None` if the item is malformed, or empty.
    fn parse(item: &'a [u8]) -> Option<Self> {
        let (kind, rest) = token(skip_blanks(item))?;
        let (subtype, mut rest) = token(rest.strip_prefix(b"/")?)?;
        // `*` is a token character, so the grammar of tokens alone would let `*/html` pass.
        if kind == b"*" && subtype != b"*" {
            return None;
        }
        let mut weight = None;
        loop {
            rest = skip_blanks(rest);
            if rest.is_empty() {
                return Some(Range { kind, subtype, weight: weight.unwrap_or(1000) });
            }
            rest = skip_blanks(rest.strip_prefix(b";")?);
            // RFC 9110 section 5.6.6 lets a parameter be left out between semicolons.
            if matches!(rest.first(), None | Some(b';')) {
                continue;
            }
            let (name, after_name) = token(rest)?;
            let (value, after_value) = parameter_value(after_name.strip_prefix(b"=")?)?;
            rest = after_value;
            if name.eq_ignore_ascii_case(b"q") {
                let thousandths = qvalue(value)?;
                weight.get_or_insert(thousandths);
            }
        }
    }
}

/// A weight in thousandths (RFC 9110 section 12.4.2): 0 to 1 with at most three decimals.
fn qvalue(value: &[u8]) -> Option<u16> {
    let (whole, decimals): (u8, &[u8]) = match value {
        [whole] => (*whole, b""),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (*whole, decimals),
        _ => return None,
    };
    let mut thousandths = 0;
    for (digit, unit) in decimals.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths += u16::from(digit - b'0') * unit;
    }
    match (whole, thousandths) {
        (b'0', _) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

/// Splits a token or a quoted string, quotes included, off the front of `bytes`.
fn parameter_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.first() != Some(&b'"') {
        return token(bytes);
    }
    let (quoted, rest) = bytes.split_at_checked(quoted_len(bytes)?)?;
    // What may stand in a quoted string and what may be escaped there are the same bytes.
    let text = |byte: &u8| {
        count_step();
        *byte == b'\t' || !byte.is_ascii_control()
    };
    quoted.iter().all(text).then_some((quoted, rest))
}

/// Length of the quoted string (RFC 9110 section 5.6.4) that the first byte opens, both quotes
/// included; `None` if it never closes.
fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        count_step();
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Splits a token (RFC 9110 section 5.6.2) off the front of `bytes`; `None` if none stands there.
fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
    if len == 0 { None } else { bytes.split_at_checked(len) }
}

fn is_token_byte(byte: u8) -> bool {
    count_step();
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Drops optional white space (RFC 9110 section 5.6.3) from the front of `bytes`.
fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &&u8| {
        count_step();
        matches!(byte, b' ' | b'\t')
    };
    &bytes[bytes.iter().take_while(is_blank).count()..]
}

/// Counts a look at a byte, in tests.
#[inline(always)]
fn count_step() {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use Document::{Html, Json, Plain, Xml};

    /// One header.
    fn accept(field: impl AsRef<[u8]>) -> Document {
        negotiate([field.as_ref()])
    }

    #[track_caller]
    fn check(cases: &[(&str, Document)]) {
        for (field, document) in cases {
            assert_eq!(accept(field), *document, "Accept: {field}");
        }
    }

    #[test]
    fn known_cases() {
        check(&[
            (
                "text/plain;q=0.3, text/html;q=0.7, text/html;level=1, \
                 text/html;level=2;q=0.4, */*;q=0.5",
                Html,
            ),
            ("*/*, text/html", Json),
            ("text/html, */*", Html),
            ("text/html;q=0.5, application/xml;q=0.9", Xml),
            ("json", Json),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,\
                 image/avif,image/webp,*/*;q=0.8",
                Html,
            ),
            ("image/png, text/html;q=0.9", Html),
        ]);
    }

    #[test]
    fn defaults_of_clients() {
        check(&[
            ("*/*", Json),
            ("application/json, text/plain, */*", Json),
            ("application/json, text/javascript, */*; q=0.01", Json),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Html),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Html),
            ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", Json),
            ("text/css,*/*;q=0.1", Json),
        ]);
    }

    #[test]
    fn nothing_acceptable() {
        assert_eq!(negotiate([]), Json);
        check(&[
            ("", Json),
            (" \t ", Json),
            (",,, ,", Json),
            ("image/png", Json),
            ("image/*, audio/*;q=0.5", Json),
            ("text/html;q=0", Json),
            ("*/*;q=0", Json),
            ("application/json;q=0", Json),
            ("text/xml", Json),
            ("application/problem+json, application/xhtml+xml", Json),
        ]);
    }

    #[test]
    fn each_type_in_any_case() {
        check(&[
            ("application/json", Json),
            ("text/html", Html),
            ("text/plain", Plain),
            ("application/xml", Xml),
            ("TEXT/HTML", Html),
            ("Text/Plain", Plain),
            ("APPLICATION/xml", Xml),
            ("TEXT/*", Plain),
            ("text/plain;Q=0.1, text/html;q=0.2", Html),
            ("text/plain;Q=0.3, text/html;q=0.2", Plain),
        ]);
    }

    #[test]
    fn wildcards() {
        check(&[
            ("text/*", Plain),
            ("application/*", Json),
            ("text/*, text/html", Plain),
            ("text/html, text/*", Html),
            ("text/*, application/*", Plain),
            ("application/*, text/*", Json),
            ("*/*, text/*", Json),
            ("image/*, text/*;q=0.1", Plain),
            ("text/*, text/plain;q=0", Html),
            ("text/*, text/plain;q=0.9", Html),
            ("application/*, application/json;q=0", Xml),
            ("*/*, application/json;q=0", Html),
            ("*/*, application/json;q=0, text/html;q=0", Plain),
            ("*/*, application/json;q=0, text/*;q=0", Xml),
            ("*/*, application/*;q=0", Html),
            ("*/*, application/*;q=0, text/*;q=0", Json),
        ]);
    }

    #[test]
    fn the_most_specific_range_gives_the_weight() {
        check(&[
            ("*/*;q=1, application/json;q=0.1", Html),
            ("application/json;q=0.1, */*;q=1", Html),
            ("text/*;q=0.9, text/html;q=0.2, application/xml;q=0.5", Plain),
            ("text/*;q=0.9, text/plain;q=0.2, application/xml;q=0.5", Html),
            ("text/html;q=0.2, text/*;q=0.1, */*;q=0.3", Json),
            ("*/*;q=0, text/html;q=0.001", Html),
            ("text/*;q=0, text/html;q=0.5", Html),
            ("text/*;q=0, */*", Json),
            ("application/*;q=0, text/*;q=0, */*", Json),
        ]);
    }

    #[test]
    fn weights_order_types() {
        check(&[
            ("text/html;q=0.1, text/plain;q=0.2", Plain),
            ("text/html;q=0.999, text/plain", Plain),
            ("text/html;q=0.001, text/plain;q=0.002", Plain),
            ("text/html;q=0.12, text/plain;q=0.119", Html),
            ("text/html;q=0.1, text/plain;q=0.100", Html),
            ("text/plain;q=0., text/html;q=0.1", Html),
            ("text/plain;q=1., text/html", Plain),
            ("text/plain;q=1.000, text/html", Plain),
            ("text/html;q=0.5, text/plain;q=1", Plain),
            ("text/html;q=0.0, text/plain;q=0.1", Plain),
            ("text/html;q=0.000, text/plain;q=0.1", Plain),
        ]);
    }

    #[test]
    fn equal_weights_go_by_position() {
        check(&[
            ("application/xml, text/plain, text/html, application/json", Xml),
            ("text/plain, application/xml", Plain),
            ("text/plain;q=0.5, application/xml;q=0.5, application/json;q=0.4", Plain),
            ("application/xml, */*", Xml),
            ("*/*, application/xml", Json),
        ]);
    }

    #[test]
    fn of_several_ranges_for_a_type_the_highest_weight_counts() {
        check(&[
            ("text/html;q=0.1, text/plain;q=0.5, text/html;q=0.9", Html),
            ("text/html;q=0.9, text/plain;q=0.5, text/html;q=0.1", Html),
            ("text/html;q=0, text/plain;q=0.5, text/html", Html),
            ("text/html, text/html;q=0", Html),
            // Where the weight that counts stands, not where the type is first named.
            ("text/html;q=0.5, text/plain, text/html", Plain),
            ("text/html, text/plain, text/html", Html),
            ("*/*;q=0.1, text/plain;q=0.5, */*;q=0.5", Plain),
        ]);
    }

    #[test]
    fn several_headers_are_one_list() {
        let fields: [&[u8]; 3] = [b"image/png", b"text/plain;q=0.5", b"application/xml;q=0.6"];
        assert_eq!(negotiate(fields), Xml);
        assert_eq!(negotiate([&b"*/*"[..], b"text/html"]), Json);
        assert_eq!(negotiate([&b"text/html"[..], b"*/*"]), Html);
        assert_eq!(negotiate([&b""[..], b"text/html"]), Html);
        assert_eq!(negotiate(vec![&b"text/plain;x=\"open"[..], b"text/html;y=\"shut\""]), Html);
    }

    #[test]
    fn white_space_and_empty_elements() {
        check(&[
            (" \ttext/html\t ", Html),
            ("text/html ; q=0.2 , text/plain\t;\tq=0.3", Plain),
            (",text/html", Html),
            (", ,\t, text/html,", Html),
            ("text/html;", Html),
            ("text/html;;", Html),
            ("text/html; ; q=0.1;, text/plain;q=0.2", Plain),
            ("text/html;,text/plain", Html),
        ]);
    }

    #[test]
    fn parameters_are_ignored() {
        check(&[
            ("text/html;level=1", Html),
            ("text/html;charset=utf-8;q=0.1, text/plain;q=0.2", Plain),
            ("text/html;q=0.3;charset=utf-8, text/plain;q=0.2", Html),
            ("text/html;q=0.1;ext=\"1\", text/plain;q=0.2", Plain),
            ("text/html;qq=7;xq=8", Html),
            ("text/html;x=*", Html),
        ]);
    }

    #[test]
    fn quoted_values() {
        check(&[
            (r#"text/html;x="a,b;c", text/plain"#, Html),
            (r#"text/html;x="a, text/plain;q=1, b";q=0.1, application/xml;q=0.2"#, Xml),
            (r#"text/html;x=";q=0", text/plain"#, Html),
            (r#"text/html;x="\"", text/plain"#, Html),
            (r#"text/html;x="\\", text/plain;q=0.5"#, Html),
            (r#"text/html;x="\", text/plain, ", application/xml"#, Html),
            (r#"text/html;q=0;x=", text/plain;y=", application/xml"#, Xml),
            (r#"text/html;x="";q=0.1, text/plain;q=0.2"#, Plain),
            ("text/html;x=\"tab\there\"", Html),
            // The comma is quoted, although the item is malformed for another reason.
            (r#"text html;x="a, text/plain, b", application/xml"#, Xml),
        ]);
        assert_eq!(accept(b"text/html;x=\"\xff\xc3\""), Html);
        assert_eq!(accept(b"text/html;x=\"\xff\\\xff\""), Html);
    }

    #[test]
    fn malformed_quoted_values() {
        check(&[
            (r#"text/html;x="a"b, text/plain"#, Plain),
            (r#"text/html;x=a"b", text/plain"#, Plain),
            (r#"text/html;x="a" b, text/plain"#, Plain),
            (r#"text/html;"x"=a, text/plain"#, Plain),
            (r#""text/html", text/plain"#, Plain),
            ("text/html;x=\"a\x00\", text/plain", Plain),
            ("text/html;x=\"a\x7f\", text/plain", Plain),
            ("text/html;x=\"a\\\n\", text/plain", Plain),
            // Never closed: the item is lost, the list is not.
            (r#"text/html;x="a, text/plain"#, Plain),
            (r#"text/html;x="a\", text/plain"#, Plain),
            (r#"text/html;x="a\"#, Json),
            (r#"text/html;x="\", text/plain;y=\", application/xml"#, Xml),
        ]);
    }

    #[test]
    fn malformed_ranges_are_skipped() {
        for item in [
            "text",
            "*",
            "*;q=1",
            "/",
            "/html",
            "text/",
            "text/;q=1",
            "*/html",
            "*/",
            "/*",
            "text//html",
            "text/html/",
            "text/html/x",
            "text /html",
            "text/ html",
            "te xt/html",
            "text/ht ml",
            "text/html x",
            "text/html q=0.5",
            "text\\html",
            "text/html:q=1",
            "text/(html)",
            "text/html\0",
            "text/html\n",
            "\u{feff}text/html",
            "text/html\u{e9}",
        ] {
            check(&[
                (item, Json),
                (&format!("{item}, text/plain;q=0.1"), Plain),
                (&format!("text/plain;q=0.1,{item}"), Plain),
            ]);
        }
        assert_eq!(accept(b"\xfftext/html, text/plain"), Plain);
    }

    #[test]
    fn malformed_parameters_are_skipped() {
        for parameter in [
            "level",
            "level=",
            "=1",
            "level =1",
            "level= 1",
            "level=1 2",
            "level=1=2",
            "le vel=1",
            "level=a/b",
            "level=(1)",
            "level=\u{e9}",
            "q",
            "q=",
            "q=\"0.5\"",
            "q =1",
            "q= 1",
            "q=.5",
            "q=0.0001",
            "q=0.5000",
            "q=1.0000",
            "q=1.001",
            "q=1.1",
            "q=2",
            "q=10",
            "q=00",
            "q=01",
            "q=-1",
            "q=-0",
            "q=+1",
            "q=1e0",
            "q=0,5",
            "q=0.5.",
            "q=0.a",
            "q=0x1",
            "q=abc",
            "q=NaN",
            "q=0.5;q=2",
            "q=0.5;level",
        ] {
            check(&[
                (&format!("text/html;{parameter}, text/plain;q=0.1"), Plain),
                (&format!("text/plain;q=0.1, text/html;{parameter}"), Plain),
                (&format!("text/html;x=y;{parameter};z=1, text/plain;q=0.1"), Plain),
            ]);
        }
    }

    #[test]
    fn a_skipped_item_does_not_hide_wider_ranges() {
        check(&[
            ("text/html;q=5, text/*;q=0.2", Plain),
            ("application/json;q=0.0000, */*", Json),
            ("text/html;q=-1, */*;q=0.5, application/json;q=0.1", Html),
        ]);
    }

    #[test]
    fn of_a_repeated_q_the_first_counts() {
        check(&[
            ("text/html;q=0.1;q=0.9, text/plain;q=0.5", Plain),
            ("text/html;q=0.9;q=0.1, text/plain;q=0.5", Html),
        ]);
    }

    #[test]
    fn tokens_may_hold_any_token_character() {
        check(&[
            ("!#$%&'*+-.^_`|~/!#$%&'*+-.^_`|~, text/html;!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~", Html),
            ("*x/*x, text/*x, text/html;q=0.1", Html),
        ]);
    }

    /// A small generator of reproducible numbers (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % limit
        }
    }

    /// The rules once more, as slowly and as literally as possible, on ranges already parsed.
    fn model(ranges: &[(&str, u16)]) -> Document {
        let mut accepted = Vec::new();
        for (document, kind, exact) in [
            (Json, "application/*", "application/json"),
            (Html, "text/*", "text/html"),
            (Plain, "text/*", "text/plain"),
            (Xml, "application/*", "application/xml"),
        ] {
            let Some(name) =
                [exact, kind, "*/*"].into_iter().find(|name| ranges.iter().any(|r| r.0 == *name))
            else {
                continue;
            };
            let weight = ranges.iter().filter(|r| r.0 == name).map(|r| r.1).max().unwrap();
            let position = ranges.iter().position(|r| *r == (name, weight)).unwrap();
            if weight > 0 {
                accepted.push((document, weight, position));
            }
        }
        let Some(highest) = accepted.iter().map(|a| a.1).max() else { return Json };
        accepted.retain(|a| a.1 == highest);
        let first = accepted.iter().map(|a| a.2).min().unwrap();
        accepted.retain(|a| a.2 == first);
        let has = |document| accepted.iter().any(|a| a.0 == document);
        match ranges[first].0 {
            "text/*" if has(Plain) => Plain,
            _ => [Json, Html, Plain, Xml].into_iter().find(|document| has(*document)).unwrap(),
        }
    }

    #[test]
    fn agrees_with_a_naive_model() {
        let names = [
            "application/json",
            "text/html",
            "text/plain",
            "application/xml",
            "text/*",
            "application/*",
            "*/*",
            "image/png",
        ];
        let weights =
            [("", 1000), (";q=0", 0), (";q=0.5", 500), (" ; Q=0.50", 500), (";x=1;q=0.125", 125)];
        let noise = ["", "", "", "json, ", "text/html;q=7, ", ",", "*/html, "];
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for _ in 0..20_000 {
            let mut ranges = Vec::new();
            let mut fields = vec![String::new()];
            for _ in 0..numbers.below(7) {
                let name = names[numbers.below(names.len())];
                let (written, weight) = weights[numbers.below(weights.len())];
                ranges.push((name, weight));
                if numbers.below(4) == 0 {
                    fields.push(String::new());
                }
                let field = fields.last_mut().unwrap();
                *field += noise[numbers.below(noise.len())];
                *field += &format!("{name}{written}, ");
            }
            let document = negotiate(fields.iter().map(String::as_bytes));
            assert_eq!(document, model(&ranges), "{fields:?}");
        }
    }

    #[test]
    fn fields_of_any_bytes_do_not_change_what_other_fields_say() {
        let alphabet = b"texhml/*;=q01.,\"\\ \t\n\0\x7f\x80\xff";
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
        for _ in 0..50_000 {
            let len = numbers.below(24);
            let field: Vec<u8> =
                (0..len).map(|_| alphabet[numbers.below(alphabet.len())]).collect();
            // By chance, none has the name of a type; "*/*" stands for JSON.
            assert_eq!(accept(&field), Json, "{field:?}");
            if !field.windows(3).any(|bytes| bytes == b"*/*") {
                assert_eq!(negotiate([&field[..], b"text/plain"]), Plain, "{field:?}");
                assert_eq!(negotiate([b"text/plain", &field[..]]), Plain, "{field:?}");
            }
        }
    }

    #[test]
    fn each_byte_in_the_place_of_a_range_a_quoted_value_and_a_weight() {
        for byte in 0..=u8::MAX {
            assert_eq!(accept([byte]), Json, "{byte}");
            let quoted = accept([b"text/html;x=\"".as_slice(), &[byte]].concat());
            assert_eq!(quoted, if byte == b'"' { Html } else { Json }, "{byte}");
            let weighed = accept([b"text/html;q=".as_slice(), &[byte]].concat());
            assert_eq!(weighed, if byte == b'1' { Html } else { Json }, "{byte}");
        }
    }

    thread_local! {
        /// How often this thread has looked at a byte.
        pub static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// Every byte is looked at a few times only: where items end, what is in them, and as the first that
    /// does not belong to a token or to blanks.
    #[test]
    fn hostile_fields_take_linear_time() {
        const LEN: usize = 1 << 14;
        const MOST: usize = 6;
        for pattern in [
            "\"",
            "\\",
            "\\\"",
            "\",",
            ",",
            " ",
            "a",
            "*/*,",
            "text/html;q=0.001,",
            "a/b;x=\",",
            "a/b;x=\"\\\",",
            "a/b;x=\"\",",
            ";",
            "; ",
            "a=b;",
            "a=\"b\";",
            "a/b;c=\"",
        ] {
            for head in ["", "text/html", "\"", "text/html;x=", "text/html;x=\"", "a/b;x=\"\\"] {
                let field = [head, &pattern.repeat(LEN / pattern.len())].concat();
                STEPS.set(0);
                accept(&field);
                let steps = STEPS.get();
                let range = field.len() / 2..=MOST * field.len();
                assert!(range.contains(&steps), "{head}{pattern}...: {steps} for {}", field.len());
            }
        }
        assert_eq!(accept(["image/png,".repeat(LEN / 10), "text/html".into()].concat()), Html);
    }
}
