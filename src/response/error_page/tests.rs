use super::*;
use Document::{Html, Json, Plain, Xml};

fn built_in(document: Document, message: &[u8], request_id: &[u8]) -> Vec<u8> {
    render(document, None, message, request_id)
}

fn custom(document: Document, template: &str, message: &[u8], request_id: &[u8]) -> String {
    let template = Template::parse(template.as_bytes());
    String::from_utf8(render(document, Some(&template), message, request_id)).unwrap()
}

/// The escaped `message` in `document`.
fn escaped(document: Document, message: &[u8]) -> String {
    custom(document, "%s", message, b"")
}

/// A small generator of reproducible bytes (xorshift).
struct Bytes(u64);

impl Bytes {
    fn take(&mut self, len: usize) -> Vec<u8> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u8
        };
        (0..len).map(|_| next()).collect()
    }
}

/// Messages of each single byte, of each byte among others, of all bytes, and random ones.
fn messages() -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    messages.extend((0..=u8::MAX).map(|byte| vec![b'a', byte, 0x80, b'"', byte]));
    messages.push((0..=u8::MAX).collect());
    messages.push((0..=u8::MAX).rev().collect());
    let mut bytes = Bytes(0x9e37_79b9_7f4a_7c15);
    messages.extend((0..2_000).map(|at| bytes.take(at % 97)));
    messages
}

#[test]
fn documents_byte_for_byte() {
    let page = |document| String::from_utf8(built_in(document, b"No way", b"a1b2")).unwrap();
    assert_eq!(page(Json), "{\n  \"message\":\"No way\",\n  \"request_id\":\"a1b2\"\n}");
    assert_eq!(
        page(Html),
        "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    \
         <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n    \
         <p>No way.</p>\n    <p>request_id: a1b2</p>\n  </body>\n</html>\n"
    );
    assert_eq!(
        page(Xml),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>No way</message>\n  \
         <requestid>a1b2</requestid>\n</error>\n"
    );
    assert_eq!(page(Plain), "No way\nrequest_id: a1b2\n");
}

#[test]
fn documents_of_empty_values() {
    assert_eq!(built_in(Json, b"", b""), b"{\n  \"message\":\"\",\n  \"request_id\":\"\"\n}");
    assert_eq!(built_in(Plain, b"", b""), b"\nrequest_id: \n");
    let page = String::from_utf8(built_in(Html, b"", b"")).unwrap();
    assert!(page.contains("    <p>.</p>\n    <p>request_id: </p>\n"));
    let page = String::from_utf8(built_in(Xml, b"", b"")).unwrap();
    assert!(page.contains("  <message></message>\n  <requestid></requestid>\n"));
}

#[test]
fn names_and_content_types() {
    let table: Vec<_> = Document::ALL.map(|d| (d, d.name(), d.content_type())).into();
    assert_eq!(
        table,
        [
            (Json, "json", "application/json; charset=utf-8"),
            (Html, "html", "text/html; charset=utf-8"),
            (Plain, "plain", "text/plain; charset=utf-8"),
            (Xml, "xml", "application/xml; charset=utf-8"),
        ]
    );
    for (document, _, content_type) in table {
        assert_eq!(Document::of_content_type(content_type.as_bytes()), document);
    }
}

#[test]
fn document_of_a_content_type() {
    for (value, document) in [
        ("application/json", Json),
        ("APPLICATION/Json", Json),
        (" \tapplication/json\t ;charset=utf-8", Json),
        ("application/json;", Json),
        ("application/problem+json", Json),
        ("application/problem+JSON; charset=utf-8", Json),
        ("application/vnd.api+json", Json),
        ("text/x+json", Json),
        ("text/html", Html),
        ("Text/HTML;charset=iso-8859-1", Html),
        ("application/xml", Xml),
        ("text/xml; charset=utf-8", Xml),
        ("TEXT/XML", Xml),
        ("application/xhtml+xml", Xml),
        ("image/svg+XML", Xml),
        ("text/plain", Plain),
        ("text/css", Plain),
        ("text/json", Plain),
        ("application/octet-stream", Plain),
        ("application/jsonp", Plain),
        ("application/json+x", Plain),
        ("application/x;y=application/json", Plain),
        ("application/x;y=a+json", Plain),
        ("application/json, text/html", Plain),
        ("application/ json", Plain),
        ("json", Plain),
        ("+json", Plain),
        ("/", Plain),
        (";", Plain),
        (";application/json", Plain),
        (" \t ", Plain),
        ("", Plain),
    ] {
        assert_eq!(Document::of_content_type(value.as_bytes()), document, "{value:?}");
    }
    assert_eq!(Document::of_content_type(b"text/html\xff"), Plain);
    assert_eq!(Document::of_content_type(b"\xff/\xff+json"), Json);
}

#[test]
fn json_escapes() {
    for (message, expected) in [
        (&b"\"\\/"[..], r#"\"\\/"#),
        (b"\x08\t\n\x0c\r", r"\b\t\n\f\r"),
        (b"\0\x01\x0b\x1f\x7f", r"\u0000\u0001\u000b\u001f\u007f"),
        (b"'&<>%s%%", "'&<>%s%%"),
        ("\u{80}é\u{2028}\u{ffff}😀".as_bytes(), "\u{80}é\u{2028}\u{ffff}😀"),
        (b"\x80", "\u{fffd}"),
        (b"a\xffb\xc0\xafc", "a\u{fffd}b\u{fffd}\u{fffd}c"),
        (b"cut short \xe2\x82", "cut short \u{fffd}"),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xe2\"", "\u{fffd}\\\""),
    ] {
        assert_eq!(escaped(Json, message), expected, "{message:?}");
    }
}

#[test]
fn markup_escapes() {
    for document in [Html, Xml] {
        for (message, expected) in [
            (&b"a & b < c > d"[..], "a &amp; b &lt; c &gt; d"),
            (b"<script>alert('x')</script>", "&lt;script&gt;alert('x')&lt;/script&gt;"),
            (b"]]>&amp;<!--", "]]&gt;&amp;amp;&lt;!--"),
            (b"\"'", "\"'"),
            (b"\t\n\r", "\t\n\r"),
            (b"a\0b\x08\x0b\x0c\x1b\x1f", "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\x7f", "\x7f"),
            ("\u{80}é\u{2028}\u{fffd}😀".as_bytes(), "\u{80}é\u{2028}\u{fffd}😀"),
            ("\u{fffe}\u{ffff}".as_bytes(), "\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"a\xff<\xc0\xaf>", "a\u{fffd}&lt;\u{fffd}\u{fffd}&gt;"),
            (b"cut short \xf0\x9f\x98", "cut short \u{fffd}"),
            (b"\xe2<", "\u{fffd}&lt;"),
        ] {
            assert_eq!(escaped(document, message), expected, "{message:?}");
        }
    }
}

#[test]
fn plain_text_stays_as_it_is() {
    let message: Vec<u8> = (0..=u8::MAX).collect();
    let expected = [&message[..], b"\nrequest_id: <&\"\n"].concat();
    assert_eq!(built_in(Plain, &message, b"<&\""), expected);
}

#[test]
fn the_request_id_is_escaped_as_well() {
    let id = b"\"<&>\x01\xff";
    let page = |document| String::from_utf8(built_in(document, b"", id)).unwrap();
    assert!(page(Json).ends_with("\"request_id\":\"\\\"<&>\\u0001\u{fffd}\"\n}"));
    assert!(page(Html).contains("<p>request_id: \"&lt;&amp;&gt;\u{fffd}\u{fffd}</p>"));
    assert!(page(Xml).contains("<requestid>\"&lt;&amp;&gt;\u{fffd}\u{fffd}</requestid>"));
}

#[test]
fn placeholders_in_values_are_not_replaced() {
    assert_eq!(built_in(Plain, b"%s %% %d", b"%s"), b"%s %% %d\nrequest_id: %s\n");
    assert_eq!(custom(Plain, "%s|%s", b"%s%%", b"%s%"), "%s%%|%s%");
}

#[test]
fn every_json_document_parses() {
    for message in messages() {
        let text = String::from_utf8_lossy(&message);
        let expected = serde_json::json!({ "message": text, "request_id": text });
        let page = built_in(Json, &message, &message);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&page).unwrap(), expected);

        let page = custom(Json, r#"{"message":"%s","request_id":"%s"}"#, &message, &message);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&page).unwrap(), expected);
    }
}

#[test]
fn every_markup_document_keeps_its_markup() {
    for document in [Html, Xml] {
        let bare = built_in(document, b"", b"");
        let brackets = |page: &str| page.matches(['<', '>']).count();
        let expected = brackets(std::str::from_utf8(&bare).unwrap());
        for message in messages() {
            let page = String::from_utf8(built_in(document, &message, &message)).unwrap();
            assert_eq!(brackets(&page), expected);
            assert!(
                page.chars().all(|c| {
                    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
                })
            );
            for entity in page.split('&').skip(1) {
                assert!(["amp;", "lt;", "gt;"].iter().any(|name| entity.starts_with(name)));
            }
        }
    }
}

#[test]
fn templates() {
    for (template, expected) in [
        ("", ""),
        ("no slots", "no slots"),
        ("%s", "M"),
        ("%s%s", "MR"),
        ("[%s|%s]", "[M|R]"),
        ("%s %s %s %s", "M R %s %s"),
        ("%s %s %%s %%", "M R %s %"),
        ("%%", "%"),
        ("%%%", "%%"),
        ("%%%%", "%%"),
        ("%%s", "%s"),
        ("%%%s", "%M"),
        ("%", "%"),
        ("%s%", "M%"),
        ("%d %S %1s %-s %", "%d %S %1s %-s %"),
        ("width: 50%; height: 100%\n%s", "width: 50%; height: 100%\nM"),
        ("é%s\u{0}%s😀", "éM\u{0}R😀"),
    ] {
        assert_eq!(custom(Plain, template, b"M", b"R"), expected, "{template:?}");
    }
    let template = Template::parse(b"\xff%s\xfe");
    assert_eq!(render(Html, Some(&template), b"<", b""), b"\xff&lt;\xfe");
}

/// Renders a template byte by byte: replaces the first two `%s` and each `%%`.
fn replaced(template: &[u8]) -> Vec<u8> {
    let mut values = [b'M', b'R'].into_iter();
    let mut out = Vec::new();
    let mut rest = template;
    while let [first, tail @ ..] = rest {
        let replacement = match rest {
            [b'%', b'%', ..] => Some(b'%'),
            [b'%', b's', ..] => values.next(),
            _ => None,
        };
        out.push(replacement.unwrap_or(*first));
        rest = if replacement.is_some() { &tail[1..] } else { tail };
    }
    out
}

#[test]
fn any_template_is_rendered_as_by_a_naive_model() {
    let mut bytes = Bytes(0x2545_f491_4f6c_dd1d);
    for _ in 0..20_000 {
        let text: Vec<u8> =
            bytes.take(12).into_iter().map(|byte| b"%%%s<>\"\xff"[byte as usize % 8]).collect();
        let template = Template::parse(&text);
        assert!(template.slots.len() <= 2);
        assert_eq!(render(Xml, Some(&template), b"M", b"R"), replaced(&text), "{text:?}");
    }
}

#[test]
fn values_in_templates_are_escaped() {
    let message = b"\"<b>\" & '\x01\xff'";
    assert_eq!(
        custom(Json, r#"{"error":"%s","id":"%s"}"#, message, b"\\"),
        "{\"error\":\"\\\"<b>\\\" & '\\u0001\u{fffd}'\",\"id\":\"\\\\\"}"
    );
    assert_eq!(
        custom(Html, "<b>%s</b><i>%s</i>", message, b"<"),
        "<b>\"&lt;b&gt;\" &amp; '\u{fffd}\u{fffd}'</b><i>&lt;</i>"
    );
}

#[test]
fn quotes_are_escaped_inside_a_tag_only() {
    let template = "<a title=\"%s\">%s</a>";
    for document in [Html, Xml] {
        assert_eq!(
            custom(document, template, b"\" onclick='x'", b"\"'"),
            "<a title=\"&quot; onclick=&#39;x&#39;\">\"'</a>"
        );
    }
    assert_eq!(custom(Html, "<a>%s<b title='%s'>", b"'", b"'"), "<a>'<b title='&#39;'>");
    assert_eq!(custom(Plain, template, b"\"", b"'"), "<a title=\"\"\">'</a>");
}

#[test]
fn default_messages() {
    let table = [
        (400, "Bad request"),
        (401, "Unauthorized"),
        (402, "Payment required"),
        (403, "Forbidden"),
        (404, "Not found"),
        (405, "Method not allowed"),
        (406, "Not acceptable"),
        (407, "Proxy authentication required"),
        (408, "Request timeout"),
        (409, "Conflict"),
        (410, "Gone"),
        (411, "Length required"),
        (412, "Precondition failed"),
        (413, "Payload too large"),
        (414, "URI too long"),
        (415, "Unsupported media type"),
        (416, "Range not satisfiable"),
        (417, "Expectation failed"),
        (418, "I'm a teapot"),
        (421, "Misdirected request"),
        (422, "Unprocessable entity"),
        (423, "Locked"),
        (424, "Failed dependency"),
        (425, "Too early"),
        (426, "Upgrade required"),
        (428, "Precondition required"),
        (429, "Too many requests"),
        (431, "Request header fields too large"),
        (451, "Unavailable for legal reasons"),
        (494, "Request header or cookie too large"),
        (500, "An unexpected error occurred"),
        (501, "Not implemented"),
        (502, "An invalid response was received from the upstream server"),
        (503, "The upstream server is currently unavailable"),
        (504, "The upstream server is timing out"),
        (505, "HTTP version not supported"),
        (506, "Variant also negotiates"),
        (507, "Insufficient storage"),
        (508, "Loop detected"),
        (510, "Not extended"),
        (511, "Network authentication required"),
    ];
    for (status, message) in table {
        assert_eq!(default_message(StatusCode::from_u16(status).unwrap()), message);
    }
    let named = table.map(|(status, _)| status);
    for status in (100..=999).filter(|status| !named.contains(status)) {
        let message = format!("The upstream server responded with {status}");
        assert_eq!(default_message(StatusCode::from_u16(status).unwrap()), message);
    }
}
