//! Error documents.

use std::borrow::Cow;

use http::StatusCode;

use super::json;

/// Replaces invalid UTF-8 and characters that a document must not contain.
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
    /// Every document, starting with the preferred one.
    pub const ALL: [Document; 4] = [Document::Json, Document::Html, Document::Plain, Document::Xml];

    /// The `Content-Type` of a document, if the caller sets none.
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

    /// The document for the value of a `Content-Type` header.
    ///
    /// Only the media type counts, in any case. Parameters and white space around it are ignored (RFC 9110 section
    /// 8.3.1):
    ///
    /// - [`Html`](Document::Html) for `text/html`;
    /// - [`Json`](Document::Json) for `application/json` and the suffix `+json` (RFC 6839 section
    ///   3.1);
    /// - [`Xml`](Document::Xml) for `application/xml`, its other name `text/xml` (RFC 7303 section
    ///   9.2) and the suffix `+xml`;
    /// - [`Plain`](Document::Plain) for everything else, including invalid values.
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

    /// The built-in document: its parts before the message, between message and request id, and after the request id.
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

/// A custom document, which is parsed once and used for many errors.
///
/// The message replaces the first `%s`, the request id the second one, and `%` replaces `%%`. Every other `%` stays as
/// it is, for example in style sheets. Further `%s` stay as they are.
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
    /// The text up to the next slot, or to the end.
    tail: Vec<u8>,
}

/// The position of a value in HTML or XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Text,
    /// Between `<` and `>`: in the value of an attribute, which a quote would end.
    Tag,
}

impl Template {
    /// Parses a template. Every text is a template, even without `%s`.
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

/// Writes an error as a document: with `template` if there is one, else with the built-in document.
///
/// Message and request id are bytes. The function escapes them for the document, also in a template, so that they cannot
/// add markup:
///
/// - JSON: the string escapes of [`json`], but `/` stays as it is. Bytes that are not UTF-8 become U+FFFD: RFC
///   8259 section 8.1 allows only UTF-8 in a document that leaves its system.
/// - HTML and XML: `&`, `<` and `>` become entities. Bytes that are not UTF-8 and characters XML
///   1.0 section 2.2 forbids (control characters other than tab, line feed and carriage return;
///   U+FFFE and U+FFFF) become U+FFFD. Inside a tag of a template, `"` and `'` also become references, so that values are
///   safe in quoted attributes.
/// - Plain text: no escapes.
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

/// The message of an error that has only a status.
///
/// The default for a status without a message is `The upstream server responded with <status>`.
pub fn default_message(status: StatusCode) -> Cow<'static, str> {
    let message = match status.as_u16() {
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

/// Appends `value` as text, or as part of an attribute, in HTML or XML.
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

/// The escape of a character, if it needs one.
fn markup_escape(character: char, place: Place) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' if place == Place::Tag => Some("&quot;"),
        // HTML before version 5 has no `&apos;`.
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
mod tests;
