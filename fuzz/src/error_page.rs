//! Error documents: for any message and any request id, a parser reads the document, and finds
//! exactly these two texts.

use std::cell::RefCell;

use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};
use kong_response::response::error_page::{Document, Template, render};
use serde_json::Value;

use crate::input::Input;

/// One byte for the document, then the message's length and the message; the rest is the request
/// id.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let way = input.below(8);
    let message = input.bytes(255);
    let id = input.rest();
    match way {
        0 => json(&render(Document::Json, None, message, id), message, id),
        1 => html(&render(Document::Html, None, message, id), message, id),
        2 => xml(&render(Document::Xml, None, message, id), message, id),
        3 => plain(&render(Document::Plain, None, message, id), message, id),
        4 => {
            let template = Template::parse(br#"<e m="%s" class='a%%b'><i id='%s'/></e>"#);
            attributes(&render(Document::Xml, Some(&template), message, id), message, id);
        }
        5 => {
            let template = Template::parse(b"<p style='width:50%'>%s</p><br title=\"%s\">");
            let page = render(Document::Html, Some(&template), message, id);
            let (tags, _) = tokens(&page);
            let title = format!("<br title={:?}>", newlines(&in_markup(id)));
            assert_eq!(tags, ["<p style=\"width:50%\">", "</p>", &title], "{page:?}");
        }
        6 => {
            let template = Template::parse(br#"{"m":"%s","percent":"%%","id":"%s"}"#);
            let page = render(Document::Json, Some(&template), message, id);
            let value: Value = serde_json::from_slice(&page).expect("it is JSON");
            assert_eq!(value["m"], lossy(message));
            assert_eq!(value["percent"], "%");
            assert_eq!(value["id"], lossy(id));
        }
        // A template may be any text, and a media type may be any bytes.
        _ => {
            let template = Template::parse(message);
            let document = Document::of_content_type(message);
            let page = render(document, Some(&template), b"<m>", b"\"r\"");
            assert!(page.len() <= message.len() + 64);
        }
    }
}

/// Replaces every piece that is not UTF-8 with U+FFFD.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Like [`lossy`], and also replaces the characters that XML forbids.
fn in_markup(bytes: &[u8]) -> String {
    let forbidden = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f');
    let keep =
        |c| if forbidden(c) || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c };
    lossy(bytes).chars().map(keep).collect()
}

/// Normalises the ends of lines, as parsers of markup do.
fn newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn json(page: &[u8], message: &[u8], id: &[u8]) {
    let value: Value = serde_json::from_slice(page).expect("it is JSON");
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(value["message"], lossy(message));
    assert_eq!(value["request_id"], lossy(id));
}

fn xml(page: &[u8], message: &[u8], id: &[u8]) {
    let text = std::str::from_utf8(page).expect("it is UTF-8");
    let document = roxmltree::Document::parse(text).expect("it is XML");
    let names: Vec<&str> = document
        .descendants()
        .filter(roxmltree::Node::is_element)
        .map(|element| element.tag_name().name())
        .collect();
    assert_eq!(names, ["error", "message", "requestid"]);
    for (name, value) in [("message", message), ("requestid", id)] {
        let element = document.descendants().find(|node| node.has_tag_name(name));
        let found = element.and_then(|element| element.text()).unwrap_or_default();
        // roxmltree does not change a carriage return before an entity to a line feed.
        assert_eq!(newlines(found), newlines(&in_markup(value)));
    }
}

fn attributes(page: &[u8], message: &[u8], id: &[u8]) {
    let text = std::str::from_utf8(page).expect("it is UTF-8");
    let document = roxmltree::Document::parse(text).expect("it is XML");
    let root = document.root_element();
    let blanks = |bytes| newlines(&in_markup(bytes)).replace(['\n', '\t'], " ");
    assert_eq!(root.attributes().len(), 2);
    assert_eq!(root.attribute("m"), Some(&*blanks(message)));
    let inner = root.first_child().expect("an element in it");
    assert_eq!(inner.attributes().len(), 1);
    assert_eq!(inner.attribute("id"), Some(&*blanks(id)));
}

fn plain(page: &[u8], message: &[u8], id: &[u8]) {
    assert_eq!(page, [message, b"\nrequest_id: ", id, b"\n"].concat());
}

fn html(page: &[u8], message: &[u8], id: &[u8]) {
    let (tags, text) = tokens(page);
    let expected = [
        "<!html>",
        "<html>",
        "<head>",
        "<meta charset=\"utf-8\">",
        "<title>",
        "</title>",
        "</head>",
        "<body>",
        "<h1>",
        "</h1>",
        "<p>",
        "</p>",
        "<p>",
        "</p>",
        "</body>",
        "</html>",
    ];
    assert_eq!(tags, expected);
    let [message, id] = [message, id].map(|bytes| newlines(&in_markup(bytes)));
    assert!(text.contains(&format!("    {message}.\n    request_id: {id}\n")), "{text:?}");
}

/// The tags of a page, and the text between them.
fn tokens(page: &[u8]) -> (Vec<String>, String) {
    let text = std::str::from_utf8(page).expect("it is UTF-8");
    let queue = BufferQueue::default();
    queue.push_back(text.into());
    let tokenizer = Tokenizer::new(Seen::default(), Default::default());
    let _done = tokenizer.feed(&queue);
    assert!(queue.is_empty());
    tokenizer.end();
    (tokenizer.sink.tags.take(), tokenizer.sink.text.take())
}

#[derive(Default)]
struct Seen {
    tags: RefCell<Vec<String>>,
    text: RefCell<String>,
}

impl TokenSink for Seen {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut tags = self.tags.borrow_mut();
        match token {
            Token::DoctypeToken(doctype) => {
                tags.push(format!("<!{}>", doctype.name.unwrap_or_default()));
            }
            Token::TagToken(tag) => {
                let mut shown = String::from(if tag.kind == TagKind::EndTag { "</" } else { "<" });
                shown.push_str(&tag.name);
                for attribute in &tag.attrs {
                    shown.push_str(&format!(" {}={:?}", attribute.name.local, &*attribute.value));
                }
                shown.push('>');
                tags.push(shown);
            }
            Token::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
            Token::NullCharacterToken => panic!("a NUL in the page"),
            Token::CommentToken(text) => panic!("a comment in the page: {text}"),
            Token::ParseError(words) => panic!("ill-formed HTML: {words}"),
            Token::EOFToken => (),
        }
        TokenSinkResult::Continue
    }
}
