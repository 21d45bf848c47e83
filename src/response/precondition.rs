//! The preconditions If-Match and If-Unmodified-Since (RFC 9110 section 13), with nginx's result for each request.

use std::borrow::Cow;

use http::header::{IF_MATCH, IF_UNMODIFIED_SINCE};

use crate::date;
use crate::error::Error;
use crate::host::Host;
use crate::response::header::Headers;

const LAST_MODIFIED: &[u8] = b"Last-Modified";

/// Whether If-Unmodified-Since or If-Match fails for a response of status 200 with `headers`. Then the response must
/// be a 412.
///
/// nginx checks this later. But with `error_page 412`, it clears the context of the request, and lua-nginx-module
/// before 0.10.28 still uses that context. Then the worker crashes.
///
/// # Errors
///
/// An error of the host.
pub fn fails<H: Host>(host: &H, headers: &Headers) -> Result<bool, Error> {
    if !host.has_request_header(&[IF_UNMODIFIED_SINCE, IF_MATCH]) {
        return Ok(false);
    }
    if let Some(since) = host.request_headers(&IF_UNMODIFIED_SINCE).first() {
        let modified = value_sent(host, headers, &[LAST_MODIFIED])?;
        if is_modified_since(since, modified.and_then(|modified| date::parse(&modified))) {
            return Ok(true);
        }
    }
    if let Some(tags) = host.request_headers(&IF_MATCH).first() {
        let etag = value_sent(host, headers, &[b"ETag", b"E-Tag"])?;
        return Ok(!lists(tags, etag.as_deref(), Comparison::Strong));
    }
    Ok(false)
}

/// Whether If-Unmodified-Since fails for a response that was modified at this time, in seconds since 1970. As in nginx,
/// a response without a time fails, and an invalid `since` counts as the last second of 1969.
pub fn is_modified_since(since: &[u8], modified: Option<i64>) -> bool {
    modified.is_none_or(|modified| date::parse(since).unwrap_or(date::INVALID) < modified)
}

/// The value of a response header: the first of `names` that is set, in the call or before. `None` also for a value
/// with control bytes, because nginx escapes them, so the value cannot match.
fn value_sent<H: Host>(
    host: &H,
    headers: &Headers,
    names: &[&[u8]],
) -> Result<Option<Vec<u8>>, Error> {
    for name in names {
        let value = match headers.last(name) {
            Some(value) => Some(value.to_vec()),
            None if headers.has(name) => None,
            None if *name == LAST_MODIFIED => host.last_modified().map(Cow::into_owned),
            None => host.header(name)?.map(Cow::into_owned),
        };
        if let Some(value) = value {
            let is_escaped = value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
            return Ok((!is_escaped).then_some(value));
        }
    }
    Ok(None)
}

/// How nginx compares entity tags (compare RFC 9110 section 8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Byte by byte.
    Strong,
    /// The prefix of a weak tag, `W/`, is ignored.
    Weak,
}

/// Whether `tags`, a list of entity tags or `*`, contains the entity tag of the response.
pub fn lists(tags: &[u8], etag: Option<&[u8]>, comparison: Comparison) -> bool {
    let opaque = |tag| if comparison == Comparison::Weak { without_prefix(tag) } else { tag };
    if tags == b"*" {
        return true;
    }
    let Some(etag) = etag.map(opaque) else { return false };
    let mut rest = tags;
    while !rest.is_empty() {
        rest = opaque(rest);
        if etag.len() > rest.len() {
            return false;
        }
        if let Some(after) = rest.strip_prefix(etag) {
            rest = &after[after.iter().take_while(|byte| is_blank(byte)).count()..];
            if rest.first().is_none_or(|byte| *byte == b',') {
                return true;
            }
        }
        let comma = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        rest = &rest[comma..];
        let gap = rest.iter().take_while(|byte| is_blank(byte) || **byte == b',').count();
        rest = &rest[gap..];
    }
    false
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn without_prefix(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").filter(|rest| !rest.is_empty()).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Write;
    use crate::memory::Memory;

    const EARLY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATE: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn failing(request: &[(&str, &str)], response: &[(&str, &[&str])]) -> bool {
        let mut host = Memory::new();
        for (name, value) in request {
            host = host.with_request_header(name, value);
        }
        fails(&host, &Headers::from_fields(response)).unwrap()
    }

    #[test]
    fn if_match_fails_unless_the_list_contains_the_tag() {
        let tag: &[(&str, &[&str])] = &[("etag", &["\"a\""])];
        for (tags, fails) in [
            ("\"a\"", false),
            ("\"b\", \"a\"", false),
            ("*", false),
            ("\"b\"", true),
            ("W/\"a\"", true),
            ("", true),
        ] {
            assert_eq!(failing(&[("If-Match", tags)], tag), fails, "{tags}");
        }
        assert!(failing(&[("If-Match", "W/\"a\"")], &[("ETag", &["W/\"b\""])]));
        assert!(failing(&[("If-Match", "\"a\"")], &[]));
        assert!(!failing(&[("If-Match", "*")], &[]));
        assert!(failing(&[("If-Match", "\"\u{1}\"")], &[("ETag", &["\"\u{1}\""])]));
        assert!(!failing(&[], tag));
    }

    #[test]
    fn if_unmodified_since_fails_for_a_later_or_invalid_date() {
        for (since, modified, fails) in [
            (LATE, EARLY, false),
            (EARLY, EARLY, false),
            (EARLY, LATE, true),
            ("yesterday", EARLY, true),
            (EARLY, "yesterday", true),
            ("yesterday", "Mon, 01 Jan 0001 00:00:00 GMT", false),
        ] {
            let request = [("If-Unmodified-Since", since)];
            assert_eq!(failing(&request, &[("Last-Modified", &[modified])]), fails, "{since}");
        }
        assert!(failing(&[("If-Unmodified-Since", EARLY)], &[]));
    }

    #[test]
    fn headers_of_the_response_count_unless_the_call_removes_them() {
        let mut host = Memory::new().with_request_header("If-Match", "\"a\"");
        host.write_header(b"ETag", &[b"\"a\""], Write::Set).unwrap();
        assert_eq!(fails(&host, &Headers::default()), Ok(false));
        assert_eq!(fails(&host, &Headers::from_fields(&[("ETag", &[])])), Ok(true));
        assert_eq!(fails(&host, &Headers::from_fields(&[("ETag", &["\"b\""])])), Ok(true));
    }

    #[test]
    fn a_list_of_tags_is_read_as_nginx_reads_it() {
        let is_listed = |tags: &str, etag: &str| {
            lists(tags.as_bytes(), Some(etag.as_bytes()), Comparison::Weak)
        };
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "\"b\",W/\"a\" , \"c\"", "*"] {
            assert!(is_listed(tags, "\"a\"") && is_listed(tags, "W/\"a\""), "{tags}");
        }
        for tags in ["", "\"b\"", "\"a", "\"a\"x", "a", "* ", "\"c\", \"ab\""] {
            assert!(!is_listed(tags, "\"a\""), "{tags}");
        }
        assert!(lists(b"*", None, Comparison::Weak) && !lists(b"\"a\"", None, Comparison::Weak));
    }
}
