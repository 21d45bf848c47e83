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
fn the_highest_weight_of_equally_specific_ranges_counts() {
    check(&[
        ("text/html;q=0.1, text/plain;q=0.5, text/html;q=0.9", Html),
        ("text/html;q=0.9, text/plain;q=0.5, text/html;q=0.1", Html),
        ("text/html;q=0, text/plain;q=0.5, text/html", Html),
        ("text/html, text/html;q=0", Html),
        // The position of the range whose weight counts, not of the first range with the type.
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
        // The comma is quoted. The item is invalid for another reason.
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
        // The quote never closes, so only this item is skipped.
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
fn the_first_of_several_q_counts() {
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

/// A second, slow and literal implementation of the rules, for parsed ranges.
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
fn random_fields_do_not_change_the_result_of_other_fields() {
    let alphabet = b"texhml/*;=q01.,\"\\ \t\n\0\x7f\x80\xff";
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for _ in 0..50_000 {
        let len = numbers.below(24);
        let field: Vec<u8> = (0..len).map(|_| alphabet[numbers.below(alphabet.len())]).collect();
        // None of the random fields has the name of a type, and "*/*" results in JSON.
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
    /// The number of bytes that this thread has read.
    pub static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// The parser reads each byte only a few times: to find the end of an item, in the item, and as the first byte after a
/// token or blanks.
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
