//! The documents an error is answered with.

use std::borrow::Cow;

use super::json;

/// What stands in for anything a document cannot hold.
const REPLACEMENT: &str = "\u{fffd}";

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// `application/json`
    Json,
    /// `text/html`
    Html,
    /// `text/plain`
    Plain,
    /// `application/xml`
    Xml,
}

impl Document {
    /// Every document, the preferred first.
    pub const ALL: [Document; 4] = [Document::Json, Document::Html, Document::Plain, Document::Xml];

    /// The `Content-Type` a document is sent with when the caller gave none.
    pub fn content_type(self) -> &'static str {
        match self {
            Document::Json => "application/json; charset=utf-8",
            Document::Html => "text/html; charset=utf-8",
            Document::Plain => "text/plain; charset=utf-8",
            Document::Xml => "application/xml; charset=utf-8",
        }
    }

    /// The short name: `json`, `html`, `plain` or `xml`, as in the keys of the gateway's
    /// configuration that name custom templates.
    pub fn name(self) -> &'static str {
        match self {
            Document::Json => "json",
            Document::Html => "html",
            Document::Plain => "plain",
            Document::Xml => "xml",
        }
    }

    /// The document that fits the value of a `Content-Type` header.
    ///
    /// Goes by the media type alone, in any case and whatever parameters and white space stand
    /// around it (RFC 9110 section 8.3.1):
    ///
    /// - [`Html`](Document::Html) for `text/html`;
    /// - [`Json`](Document::Json) for `application/json` and the suffix `+json` (RFC 6839 section
    ///   3.1);
    /// - [`Xml`](Document::Xml) for `application/xml`, its other name `text/xml` (RFC 7303 section
    ///   9.2) and the suffix `+xml`;
    /// - [`Plain`](Document::Plain) for everything else, a malformed value included.
    pub fn of_content_type(value: &[u8]) -> Document {
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let media_type = trim_blanks(&value[..end]).to_ascii_lowercase();
        match media_type.as_slice() {
            b"application/json" => Document::Json,
            b"text/html" => Document::Html,
            b"application/xml" | b"text/xml" => Document::Xml,
            other if !other.contains(&b'/') => Document::Plain,
            other if other.ends_with(b"+json") => Document::Json,
            other if other.ends_with(b"+xml") => Document::Xml,
            _ => Document::Plain,
        }
    }

    /// The built-in document: what stands before, between and behind message and request id.
    fn frame(self) -> [&'static str; 3] {
        match self {
            Document::Json => ["{\n  \"message\":\"", "\",\n  \"request_id\":\"", "\"\n}"],
            Document::Html => [
                "<!doctype html>\n\
                 <html>\n\
                 \x20 <head>\n\
                 \x20   <meta charset=\"utf-8\">\n\
                 \x20   <title>Error</title>\n\
                 \x20 </head>\n\
                 \x20 <body>\n\
                 \x20   <h1>Error</h1>\n\
                 \x20   <p>",
                ".</p>\n    <p>request_id: ",
                "</p>\n  </body>\n</html>\n",
            ],
            Document::Plain => ["", "\nrequest_id: ", "\n"],
            Document::Xml => [
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>",
                "</message>\n  <requestid>",
                "</requestid>\n</error>\n",
            ],
        }
    }

    /// Appends `value` escaped for a place in this document.
    fn write(self, out: &mut Vec<u8>, value: &[u8], place: Place) {
        match self {
            Document::Json => write_json(out, value),
            Document::Html | Document::Xml => write_markup(out, value, place),
            Document::Plain => out.extend_from_slice(value),
        }
    }
}

/// A custom document, read once and used for many errors.
///
/// The first `%s` stands for the message, the second for the request id, and `%%` for `%`. Any
/// other `%` stands for itself, so that style sheets survive, and so does every `%s` after the
/// second.
#[derive(Clone, Debug)]
pub struct Template {
    head: Vec<u8>,
    /// At most two: the message, then the request id.
    slots: Vec<Slot>,
}

/// A `%s` of a template.
#[derive(Clone, Debug)]
struct Slot {
    place: Place,
    /// What follows up to the next slot, or to the end.
    tail: Vec<u8>,
}

/// Where in a document of markup a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Text,
    /// Between `<` and `>`: in the value of an attribute, where a quote would end it.
    Tag,
}

impl Template {
    /// Reads a template. Every text is one, even without any `%s`.
    pub fn parse(text: &[u8]) -> Template {
        let mut template = Template { head: Vec::new(), slots: Vec::new() };
        let mut place = Place::Text;
        let mut bytes = text.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'<' => place = Place::Tag,
                b'>' => place = Place::Text,
                b'%' => {
                    if template.slots.len() < 2 && bytes.next_if_eq(&b's').is_some() {
                        template.slots.push(Slot { place, tail: Vec::new() });
                        continue;
                    }
                    bytes.next_if_eq(&b'%');
                }
                _ => {}
            }
            template.slots.last_mut().map_or(&mut template.head, |slot| &mut slot.tail).push(byte);
        }
        template
    }
}

/// Writes an error as a document: from `template` if there is one, else the built-in one.
///
/// Message and request id are bytes and are escaped for their document, in a template too, so that
/// they cannot break it or bring markup of their own:
///
/// - JSON: the string escapes of [`json`], but `/` stays as it is. Bytes that are not UTF-8 become U+FFFD: RFC 8259 section
///   8.1 allows only UTF-8 in a document that leaves its system.
/// - HTML and XML: `&`, `<` and `>` become entities. Bytes that are not UTF-8 and characters XML
///   1.0 section 2.2 forbids (control characters other than tab, line feed and carriage return;
///   U+FFFE and U+FFFF) become U+FFFD. Inside a tag of a template `"` and `'` become references
///   too, so that an attribute in quotes can hold a value.
/// - Plain text: as they are.
///
/// # Examples
///
/// ```
/// use kong_response::response::error_page::{Document, Template, render};
///
/// let page = render(Document::Plain, None, b"Not found", b"4f2a");
/// assert_eq!(page, b"Not found\nrequest_id: 4f2a\n");
///
/// let template = Template::parse(b"<p style='width: 50%'>%s</p>");
/// let page = render(Document::Html, Some(&template), b"a < b", b"4f2a");
/// assert_eq!(page, b"<p style='width: 50%'>a &lt; b</p>");
/// ```
pub fn render(
    document: Document,
    template: Option<&Template>,
    message: &[u8],
    request_id: &[u8],
) -> Vec<u8> {
    let values = [message, request_id];
    let mut out = Vec::with_capacity(256 + message.len() + request_id.len());
    match template {
        Some(Template { head, slots }) => {
            out.extend_from_slice(head);
            for (slot, value) in slots.iter().zip(values) {
                document.write(&mut out, value, slot.place);
                out.extend_from_slice(&slot.tail);
            }
        }
        None => {
            let [head, tails @ ..] = document.frame();
            out.extend_from_slice(head.as_bytes());
            for (tail, value) in tails.iter().zip(values) {
                document.write(&mut out, value, Place::Text);
                out.extend_from_slice(tail.as_bytes());
            }
        }
    }
    out
}

/// The message of an error that was raised with a status alone.
///
/// A status without a text of its own gets `The upstream server responded with <status>`.
pub fn default_message(status: u16) -> Cow<'static, str> {
    let message = match status {
        400 => "Bad request",
        401 => "Unauthorized",
        402 => "Payment required",
        403 => "Forbidden",
        404 => "Not found",
        405 => "Method not allowed",
        406 => "Not acceptable",
        407 => "Proxy authentication required",
        408 => "Request timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length required",
        412 => "Precondition failed",
        413 => "Payload too large",
        414 => "URI too long",
        415 => "Unsupported media type",
        416 => "Range not satisfiable",
        417 => "Expectation failed",
        418 => "I'm a teapot",
        421 => "Misdirected request",
        422 => "Unprocessable entity",
        423 => "Locked",
        424 => "Failed dependency",
        425 => "Too early",
        426 => "Upgrade required",
        428 => "Precondition required",
        429 => "Too many requests",
        431 => "Request header fields too large",
        451 => "Unavailable for legal reasons",
        494 => "Request header or cookie too large",
        500 => "An unexpected error occurred",
        501 => "Not implemented",
        502 => "An invalid response was received from the upstream server",
        503 => "The upstream server is currently unavailable",
        504 => "The upstream server is timing out",
        505 => "HTTP version not supported",
        506 => "Variant also negotiates",
        507 => "Insufficient storage",
        508 => "Loop detected",
        510 => "Not extended",
        511 => "Network authentication required",
        other => return format!("The upstream server responded with {other}").into(),
    };
    message.into()
}

/// Appends `value` as the inside of a JSON string. A slash stays as it is.
fn write_json(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for (i, part) in chunk.valid().split('/').enumerate() {
            if i > 0 {
                out.push(b'/');
            }
            json::write_escaped(out, part.as_bytes());
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(REPLACEMENT.as_bytes());
        }
    }
}

/// Appends `value` as text, or as part of an attribute, of HTML and XML.
fn write_markup(out: &mut Vec<u8>, value: &[u8], place: Place) {
    for chunk in value.utf8_chunks() {
        let text = chunk.valid();
        let mut written = 0;
        for (at, character) in text.char_indices() {
            if let Some(escape) = markup_escape(character, place) {
                out.extend_from_slice(&text.as_bytes()[written..at]);
                out.extend_from_slice(escape.as_bytes());
                written = at + character.len_utf8();
            }
        }
        out.extend_from_slice(&text.as_bytes()[written..]);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(REPLACEMENT.as_bytes());
        }
    }
}

/// What is written instead of a character, if it cannot stay.
fn markup_escape(character: char, place: Place) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' if place == Place::Tag => Some("&quot;"),
        // HTML before version 5 does not know `&apos;`.
        '\'' if place == Place::Tag => Some("&#39;"),
        '\t' | '\n' | '\r' => None,
        '\0'..' ' | '\u{fffe}' | '\u{ffff}' => Some(REPLACEMENT),
        _ => None,
    }
}

/// Drops optional white space (RFC 9110 section 5.6.3) from both ends.
fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use Document::{Html, Json, Plain, Xml};

    fn built_in(document: Document, message: &[u8], request_id: &[u8]) -> Vec<u8> {
        render(document, None, message, request_id)
    }

    fn custom(document: Document, template: &str, message: &[u8], request_id: &[u8]) -> String {
        let template = Template::parse(template.as_bytes());
        String::from_utf8(render(document, Some(&template), message, request_id)).unwrap()
    }

    /// How `message` looks inside of `document`.
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

    /// Every byte alone, every pair's first half, all of them at once, and random strings.
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
    fn values_are_no_templates() {
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
                assert!(page.chars().all(|c| {
                    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
                }));
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

    /// A template with its values, byte by byte: the first two `%s` and each `%%` are replaced.
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
            assert_eq!(default_message(status), message);
        }
        let named = table.map(|(status, _)| status);
        for status in (0..=999).chain([u16::MAX]).filter(|status| !named.contains(status)) {
            let message = format!("The upstream server responded with {status}");
            assert_eq!(default_message(status), message);
        }
    }
}
