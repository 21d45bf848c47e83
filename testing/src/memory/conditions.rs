//! nginx's filter for conditional requests (`If-None-Match`, `If-Modified-Since` and so on). It runs before the filters
//! of Lua.

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use super::head::Single;
use super::request::Memory;
use kong_response::date;
use kong_response::response::precondition::{self, Comparison};

/// The result of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The response does not change.
    Whole,
    /// The response is now a 304, because the client has the body.
    NotModified,
    /// The response must become nginx's own page for a 412.
    PreconditionFailed,
}

impl Memory {
    /// Checks the conditions of the request for a 200, and changes it to a 304 if the client already has the body.
    /// Responses of an upstream do not change.
    pub fn answer_conditions(&mut self) -> Answer {
        if self.sent || self.proxied || self.head.status_sent() != 200 {
            return Answer::Whole;
        }
        if self.precondition_fails() {
            return Answer::PreconditionFailed;
        }
        let since = self.request_header(&IF_MODIFIED_SINCE).next();
        let tags = self.request_header(&IF_NONE_MATCH).next();
        let has_changed = since.is_some_and(|since| {
            self.head.last_modified.is_none_or(|time| date::parse(since) != Some(time))
        });
        let no_tag_matches = tags.is_some_and(|tags| {
            let etag = self.head.single(Single::ETag).map(|slot| slot.value.as_slice());
            !precondition::lists(tags, etag, Comparison::Weak)
        });
        if since.is_none() && tags.is_none() || has_changed || no_tag_matches {
            return Answer::Whole;
        }

        self.head.status = 304;
        self.head.error_status = 0;
        self.head.set_content_type(Vec::new());
        self.head.content_length = None;
        for single in [Single::ContentLength, Single::AcceptRanges, Single::ContentEncoding] {
            self.head.remove_single(single);
        }
        Answer::NotModified
    }

    fn precondition_fails(&self) -> bool {
        let is_newer = self
            .request_header(&IF_UNMODIFIED_SINCE)
            .next()
            .is_some_and(|since| precondition::is_modified_since(since, self.head.last_modified));
        let no_tag_matches = || {
            self.request_header(&IF_MATCH).next().is_some_and(|tags| {
                let etag = self.head.single(Single::ETag).map(|slot| slot.value.as_slice());
                !precondition::lists(tags, etag, Comparison::Strong)
            })
        };
        is_newer || no_tag_matches()
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use kong_response::host::{Host, Write};

    const TIME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn status(request: &[(&str, &str)], response: &[(&str, &str)]) -> u16 {
        let mut host = Memory::new();
        for (name, value) in request {
            host = host.with_request_header(name, value);
        }
        host.set_status(StatusCode::OK).unwrap();
        for (name, value) in response {
            host.write_header(name.as_bytes(), &[value.as_bytes()], Write::Set).unwrap();
        }
        match host.answer_conditions() {
            Answer::PreconditionFailed => 412,
            _ => host.status().unwrap(),
        }
    }

    #[test]
    fn sends_a_304_if_the_client_has_the_body() {
        let (tag, since) = (("If-None-Match", "\"a\""), ("If-Modified-Since", TIME));
        let (etag, modified) = (("ETag", "\"a\""), ("Last-Modified", TIME));
        assert_eq!(status(&[tag], &[etag]), 304);
        assert_eq!(status(&[since], &[modified]), 304);
        assert_eq!(status(&[tag, since], &[etag, modified]), 304);
        assert_eq!(status(&[tag, since], &[etag]), 200);
        assert_eq!(status(&[tag, since], &[modified]), 200);
        assert_eq!(status(&[], &[etag, modified]), 200);
        assert_eq!(status(&[("If-Modified-Since", "yesterday")], &[]), 200);
    }

    #[test]
    fn a_failed_precondition_is_a_412() {
        let (tag, since) = (("If-Match", "\"a\""), ("If-Unmodified-Since", TIME));
        let (etag, modified) = (("ETag", "\"a\""), ("Last-Modified", TIME));
        assert_eq!(status(&[tag], &[etag]), 200);
        assert_eq!(status(&[tag], &[("ETag", "W/\"a\"")]), 412);
        assert_eq!(status(&[("If-Match", "*")], &[]), 200);
        assert_eq!(status(&[tag], &[]), 412);
        assert_eq!(status(&[since], &[modified]), 200);
        assert_eq!(status(&[since], &[]), 412);
        assert_eq!(status(&[("If-Unmodified-Since", "yesterday")], &[modified]), 412);
        assert_eq!(status(&[since, ("If-None-Match", "*")], &[]), 412);
    }

    #[test]
    fn a_304_has_no_headers_of_the_body() {
        let mut host = Memory::new().with_request_header("If-None-Match", "*");
        host.set_status(StatusCode::OK).unwrap();
        for name in ["Content-Type", "Content-Encoding", "Accept-Ranges", "X-A"] {
            host.write_header(name.as_bytes(), &[b"x"], Write::Set).unwrap();
        }
        host.write_header(b"Content-Length", &[b"3"], Write::Set).unwrap();
        assert_eq!(host.answer_conditions(), Answer::NotModified);
        assert_eq!(host.listed(), [("X-A".to_owned(), "x".to_owned())]);
        assert!(!host.finish_head().body_allowed);
    }

    #[test]
    fn responses_of_an_upstream_and_other_statuses_do_not_change() {
        let mut host = Memory::new().with_request_header("If-None-Match", "*");
        host.upstream(200, [(&b"ETag"[..], &b"x"[..])]);
        assert_eq!(host.answer_conditions(), Answer::Whole);
        assert_eq!(host.status(), Ok(200));

        let mut host = Memory::new().with_request_header("If-None-Match", "*");
        host.set_status(StatusCode::CREATED).unwrap();
        assert_eq!(host.answer_conditions(), Answer::Whole);
        assert_eq!(host.status(), Ok(201));
    }
}
