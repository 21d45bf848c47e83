//! What nginx makes of a request that asks whether something has changed: its filter for that runs
//! before those of Lua.

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};

use super::Memory;
use super::head::Single;
use kong_response::date;
use kong_response::response::precondition::{self, Comparison};

impl Memory {
    /// Makes a 304 of a 200 that the client has already; says whether it did. That of an upstream is
    /// left alone. (nginx also knows If-Match and If-Unmodified-Since, and answers 412: not here.)
    pub fn answer_conditions(&mut self) -> bool {
        if self.sent || self.proxied || self.head.status_sent() != 200 {
            return false;
        }
        let since = self.request_header(&IF_MODIFIED_SINCE).next();
        let tags = self.request_header(&IF_NONE_MATCH).next();
        let has_changed = since.is_some_and(|since| {
            self.head.last_modified.is_none_or(|time| date::parse(since) != Some(time))
        });
        let is_another = tags.is_some_and(|tags| {
            let etag = self.head.single(Single::ETag).map(|slot| slot.value.as_slice());
            !precondition::lists(tags, etag, Comparison::Weak)
        });
        if since.is_none() && tags.is_none() || has_changed || is_another {
            return false;
        }

        self.head.status = 304;
        self.head.error_status = 0;
        self.head.set_content_type(Vec::new());
        self.head.content_length = None;
        for single in [Single::ContentLength, Single::AcceptRanges, Single::ContentEncoding] {
            self.head.drop_single(single);
        }
        true
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
        host.answer_conditions();
        host.status().unwrap()
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
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
    fn the_head_of_a_304_has_nothing_of_the_body() {
        let mut host = Memory::new().with_request_header("If-None-Match", "*");
        host.set_status(StatusCode::OK).unwrap();
        for name in ["Content-Type", "Content-Encoding", "Accept-Ranges", "X-A"] {
            host.write_header(name.as_bytes(), &[b"x"], Write::Set).unwrap();
        }
        host.write_header(b"Content-Length", &[b"3"], Write::Set).unwrap();
        assert!(host.answer_conditions());
        assert_eq!(host.listed(), [("X-A".to_owned(), "x".to_owned())]);
        assert!(!host.finish_head().body_allowed);
    }

    #[test]
    fn other_answers_are_left_alone() {
        let mut host = Memory::new().with_request_header("If-None-Match", "*");
        host.upstream(200, [(&b"ETag"[..], &b"x"[..])]);
        assert!(!host.answer_conditions());
        assert_eq!(host.status(), Ok(200));

        let mut host = Memory::new().with_request_header("If-None-Match", "*");
        host.set_status(StatusCode::CREATED).unwrap();
        assert!(!host.answer_conditions());
        assert_eq!(host.status(), Ok(201));
    }
}
