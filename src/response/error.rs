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

/// The parts of an error document that the language side provides.
pub trait Pages {
    /// The custom template of a document, if there is one.
    fn template(&mut self, document: Document) -> Option<std::rc::Rc<Template>>;

    /// The id of the request, or empty if there is none.
    fn request_id(&mut self) -> Vec<u8>;
}

/// The body of an error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its bytes.
    pub text: Vec<u8>,
    /// The range of the request's id in `text`. It is empty if the text does not contain the id.
    pub id: Range<usize>,
}

impl Page {
    fn new(text: Vec<u8>, id: &[u8]) -> Self {
        let length = id.len();
        let start =
            (length > 0).then(|| text.windows(length).rposition(|part| part == id)).flatten();
        let id = start.map_or(0..0, |start| start..start + length);
        Self { text, id }
    }
}

/// The message of an error.
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// The default message of the status.
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
    /// The text for a document. `None` for the default message.
    fn document(self) -> Option<&'a [u8]> {
        match self {
            Self::Default => None,
            Self::Text(text) => Some(text),
            Self::Table { json, .. } => Some(json),
        }
    }

    /// The text for `grpc-message`. `None` for the default message.
    fn grpc(self) -> Option<&'a [u8]> {
        match self {
            Self::Table { field: Some(field), .. } => Some(field),
            other => other.document(),
        }
    }
}

/// Makes the body of an error response, and sets Content-Type in `headers`. The Content-Type is the first of these:
///
/// 1. the Content-Type in `headers`
/// 2. for a gRPC request `application/grpc`, for a gRPC-Web request its own Content-Type
/// 3. the type that the Accept headers of the request prefer
/// 4. JSON
///
/// A gRPC response has no body. Its message becomes the header `grpc-message`.
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
    let default = error_page::default_message(status);
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
    fn a_page_has_the_last_range_of_the_id() {
        let range = |text: &str, id: &str| Page::new(text.into(), id.as_bytes()).id;
        assert_eq!(range("a 4f: 4f.", "4f"), 6..8);
        assert_eq!(range("a page without", "4f"), 0..0);
        assert_eq!(range("a page", ""), 0..0);
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
    fn without_an_own_type_grpc_comes_before_accept_and_json_is_the_default() {
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
