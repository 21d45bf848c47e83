//! The rules of `error`, which sends an error document in the format that the client accepts.

use std::ops::Range;

use http::StatusCode;
use http::header::ACCEPT;

use crate::host::Host;
use crate::response::accept;
use crate::response::error_page::{self, Document, Template};
use crate::response::exit::{grpc_request, grpc_web_request};
use crate::response::grpc;
use crate::response::header::Headers;

const CONTENT_TYPE: &[u8] = b"Content-Type";
const GRPC_MESSAGE: &[u8] = b"grpc-message";

/// What makes a document, beside the message.
pub trait Pages {
    /// The custom template of a document, if there is one.
    fn template(&mut self, document: Document) -> Option<std::rc::Rc<Template>>;

    /// The id of the request; empty where none is known.
    fn request_id(&mut self) -> Vec<u8>;
}

/// The body of an error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its bytes.
    pub text: Vec<u8>,
    /// Where the request's id stands in it: the one part that is never the same. Empty where it does not.
    pub id: Range<usize>,
}

impl Page {
    fn new(text: Vec<u8>, id: &[u8]) -> Self {
        let length = id.len();
        let place =
            (length > 0).then(|| text.windows(length).rposition(|part| part == id)).flatten();
        let id = place.map_or(0..0, |start| start..start + length);
        Self { text, id }
    }
}

/// The message of an error.
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// The one that the status has.
    Default,
    /// A string.
    Text(&'a [u8]),
    /// A table.
    Table {
        /// The table as JSON.
        json: &'a [u8],
        /// Its field `message`, if that is a string.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Message<'a> {
    /// What a document says.
    fn document(self) -> Option<&'a [u8]> {
        match self {
            Self::Default => None,
            Self::Text(text) => Some(text),
            Self::Table { json, .. } => Some(json),
        }
    }

    /// What `grpc-message` says.
    fn grpc(self) -> Option<&'a [u8]> {
        match self {
            Self::Table { field: Some(field), .. } => Some(field),
            other => other.document(),
        }
    }
}

/// The body of an error response; `headers` become those to send.
///
/// The Content-Type is, in this order: the caller's own; `application/grpc` for a gRPC request, and
/// its own for one of gRPC-Web; what the request's Accept headers ask for; JSON. A gRPC response has no
/// document, and so no body: its message is in `grpc-message`.
pub fn document<H: Host>(
    host: &H,
    status: StatusCode,
    message: Message<'_>,
    headers: &mut Headers,
    pages: &mut dyn Pages,
) -> Option<Page> {
    let content_type = match headers.first(CONTENT_TYPE) {
        Some(own) => Some(own.to_vec()),
        None => grpc_request(host).or_else(|| grpc_web_request(host)),
    };
    let (content_type, document) = match content_type {
        Some(given) if grpc::is_content_type(&given) => (given, None),
        Some(given) => {
            let document = Document::of_content_type(&given);
            (given, Some(document))
        }
        None => {
            let accept = host.request_headers(&ACCEPT);
            let document = accept::negotiate(accept.iter().map(|field| &**field));
            (document.content_type().as_bytes().to_vec(), Some(document))
        }
    };
    headers.replace(CONTENT_TYPE, &content_type);

    let Some(document) = document else {
        if let Some(text) = message.grpc()
            && !headers.has(GRPC_MESSAGE)
        {
            headers.replace(GRPC_MESSAGE, &grpc::encode_message(text));
        }
        return None;
    };
    let request_id = pages.request_id();
    let template = pages.template(document);
    let default = error_page::default_message(status.as_u16());
    let message = message.document().unwrap_or(default.as_bytes());
    let text = error_page::render(document, template.as_deref(), message, &request_id);
    Some(Page::new(text, &request_id))
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::memory::Memory;

    struct Plain;

    impl Pages for Plain {
        fn template(&mut self, _: Document) -> Option<std::rc::Rc<Template>> {
            None
        }

        fn request_id(&mut self) -> Vec<u8> {
            b"id".to_vec()
        }
    }

    fn answer(host: &Memory, own: &[(&str, &[&str])]) -> (String, Option<String>) {
        let mut headers = Headers::from_fields(own);
        let message = Message::Default;
        let body = document(host, StatusCode::NOT_FOUND, message, &mut headers, &mut Plain);
        let sent: Vec<_> = headers.iter().flat_map(|(_, values)| values).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(Page { text, id }) = &body {
            assert_eq!(&text[id.clone()], b"id");
        }
        (text(&sent.concat()), body.map(|page| text(&page.text)))
    }

    #[test]
    fn the_place_of_the_id_is_known() {
        let place = |text: &str, id: &str| Page::new(text.into(), id.as_bytes()).id;
        assert_eq!(place("a 4f: 4f.", "4f"), 6..8);
        assert_eq!(place("a page without", "4f"), 0..0);
        assert_eq!(place("a page", ""), 0..0);
    }

    #[test]
    fn the_callers_own_type_comes_first_and_is_sent_as_given() {
        let host = Memory::new().with_request_header("Accept", "text/html");
        let plain = Some("Not found\nrequest_id: id\n".to_owned());
        for spelling in ["Content-Type", "content_type", "CONTENT-TYPE"] {
            let own: &[(&str, &[&str])] = &[(spelling, &["text/PLAIN; a=b", "text/html"])];
            assert_eq!(answer(&host, own), ("text/PLAIN; a=b".to_owned(), plain.clone()));
        }
        let grpc: &[(&str, &[&str])] = &[("Content-Type", &["application/grpc+proto"])];
        assert_eq!(answer(&host, grpc), ("application/grpc+proto".to_owned(), None));
    }

    #[test]
    fn then_grpc_then_accept_then_json() {
        let grpc = Memory::new()
            .with_request_header("Content-Type", "application/grpc")
            .with_request_header("Accept", "text/html")
            .with_http_version(Version::HTTP_2);
        assert_eq!(answer(&grpc, &[]), ("application/grpc".to_owned(), None));
        let xml = Memory::new()
            .with_request_header("Accept", "image/png")
            .with_request_header("accept", "application/xml");
        assert_eq!(answer(&xml, &[]).0, "application/xml; charset=utf-8");
        let (content_type, body) = answer(&Memory::new(), &[("Content-Type", &[])]);
        assert_eq!(content_type, "application/json; charset=utf-8");
        let json = "{\n  \"message\":\"Not found\",\n  \"request_id\":\"id\"\n}";
        assert_eq!(body.as_deref(), Some(json));
    }

    #[test]
    fn grpc_gets_the_message_in_a_header() {
        let requests = [
            ("application/grpc", Version::HTTP_2, "application/grpc"),
            ("application/grpc+proto", Version::HTTP_2, "application/grpc"),
            ("application/grpc-web+proto", Version::HTTP_2, "application/grpc-web+proto"),
            ("application/grpc-web-text", Version::HTTP_11, "application/grpc-web-text"),
        ];
        for (request, version, content_type) in requests {
            let host = Memory::new()
                .with_request_header("Content-Type", request)
                .with_http_version(version);
            type Own<'a> = &'a [(&'a str, &'a [&'a str])];
            let cases: [(Message<'_>, Own<'_>, Option<&str>); 6] = [
                (Message::Default, &[], None),
                (Message::Text(b"50 %"), &[], Some("50 %25")),
                (Message::Text(b"no"), &[("Grpc_Message", &["own"])], Some("own")),
                (Message::Text(b"no"), &[("grpc-message", &[])], None),
                (Message::Table { json: b"{}", field: None }, &[], Some("{}")),
                (Message::Table { json: b"{}", field: Some(b"no") }, &[], Some("no")),
            ];
            for (message, own, expected) in cases {
                let mut headers = Headers::from_fields(own);
                let page =
                    document(&host, StatusCode::FORBIDDEN, message, &mut headers, &mut Plain);
                assert_eq!(page, None);
                assert_eq!(headers.last(b"Content-Type"), Some(content_type.as_bytes()));
                assert_eq!(headers.last(GRPC_MESSAGE), expected.map(str::as_bytes), "{message:?}");
            }
        }
    }
}
