//! `error`: a document that says what went wrong, in the format that the client asked for.

use std::ops::Range;

use http::StatusCode;

use crate::host::Host;
use crate::response::accept;
use crate::response::error_page::{self, Document, Template};
use crate::response::exit::is_grpc_request;
use crate::response::grpc;
use crate::response::header::Headers;

const CONTENT_TYPE: &[u8] = b"Content-Type";

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

/// The body of an error response; `headers` become those to send.
///
/// The Content-Type is, in this order: the caller's own; `application/grpc` for a gRPC request; what
/// the request's Accept headers ask for; JSON. A gRPC response has no document, and so no body.
pub fn document<H: Host>(
    host: &H,
    status: StatusCode,
    message: Option<&[u8]>,
    headers: &mut Headers,
    pages: &mut dyn Pages,
) -> Option<Page> {
    let own = headers.first(CONTENT_TYPE).map(<[u8]>::to_vec);
    let (content_type, document) = match own {
        Some(own) => {
            let document = (!grpc::is_content_type(&own)).then(|| Document::of_content_type(&own));
            (own, document)
        }
        None if is_grpc_request(host) => (grpc::CONTENT_TYPE.as_bytes().to_vec(), None),
        None => {
            let document = accept::negotiate(host.accept().iter().map(|field| &**field));
            (document.content_type().as_bytes().to_vec(), Some(document))
        }
    };
    headers.remove(CONTENT_TYPE);
    headers.push_name(CONTENT_TYPE);
    headers.push_value(&content_type);
    headers.sort();

    let document = document?;
    let request_id = pages.request_id();
    let template = pages.template(document);
    let default = error_page::default_message(status.as_u16());
    let message = message.unwrap_or(default.as_bytes());
    let text = error_page::render(document, template.as_deref(), message, &request_id);
    Some(Page::new(text, &request_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::memory::Memory;

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
        let mut headers = Headers::default();
        for (name, values) in own {
            headers.push_name(name.as_bytes());
            values.iter().for_each(|value| headers.push_value(value.as_bytes()));
        }
        headers.sort();
        let body = document(host, StatusCode::NOT_FOUND, None, &mut headers, &mut Plain);
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
            .with_http_version(2.0);
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
}
