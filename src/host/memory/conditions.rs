//! What nginx makes of a request that asks whether something has changed: its filter for that runs
//! before those of Lua.

use super::head::Single;
use super::{Memory, date};

impl Memory {
    /// Makes a 304 of a 200 that the client has already; says whether it did. That of an upstream is
    /// left alone. (nginx also knows If-Match and If-Unmodified-Since, and answers 412: not here.)
    pub fn answer_conditions(&mut self) -> bool {
        if self.sent || self.proxied || self.head.status_sent() != 200 {
            return false;
        }
        let since = self.request_header("If-Modified-Since").next();
        let tags = self.request_header("If-None-Match").next();
        let has_changed = since.is_some_and(|since| {
            self.head.last_modified.is_none_or(|time| date::parse(since) != Some(time))
        });
        let is_another = tags.is_some_and(|tags| {
            let etag = self.head.single(Single::ETag).map(|slot| slot.value.as_slice());
            !lists(tags, etag)
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

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the mark of a weak one.
fn strong(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").filter(|rest| !rest.is_empty()).unwrap_or(tag)
}

/// Whether a list of tags has the one of the response.
fn lists(tags: &[u8], etag: Option<&[u8]>) -> bool {
    if tags == b"*" {
        return true;
    }
    let Some(etag) = etag.map(strong) else { return false };
    let mut rest = tags;
    while !rest.is_empty() {
        rest = strong(rest);
        if etag.len() > rest.len() {
            return false;
        }
        if let Some(behind) = rest.strip_prefix(etag) {
            rest = &behind[behind.iter().take_while(|byte| is_space(byte)).count()..];
            if rest.first().is_none_or(|byte| *byte == b',') {
                return true;
            }
        }
        let comma = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        rest = &rest[comma..];
        let gap = rest.iter().take_while(|byte| is_space(byte) || **byte == b',').count();
        rest = &rest[gap..];
    }
    false
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::host::{Host, Write};

    const TIME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn a_list_of_tags_is_read_as_nginx_reads_it() {
        let is_listed = |tags: &str, etag: &str| lists(tags.as_bytes(), Some(etag.as_bytes()));
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"b\",W/\"a\" , \"c\"", "*"] {
            assert!(is_listed(tags, "\"a\"") && is_listed(tags, "W/\"a\""), "{tags}");
        }
        for tags in ["", "\"b\"", "\"a", "\"a\"x", "a", "* ", "\"c\", \"ab\""] {
            assert!(!is_listed(tags, "\"a\""), "{tags}");
        }
        assert!(lists(b"*", None) && !lists(b"\"a\"", None));
    }

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
