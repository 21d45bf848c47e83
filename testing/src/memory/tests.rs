use http::{Method, StatusCode, Version};

use super::*;
use kong_response::error::Error;
use kong_response::host::{Host, Write};

#[test]
fn a_proxied_head_reaches_the_wire() {
    let mut host = Memory::new();
    let headers: [(&[u8], &[u8]); 6] = [
        (b"Server", b"up"),
        (b"Connection", b"close"),
        (b"Content-Type", b"text/html"),
        (b"content-length", b"5"),
        (b"X_Foo", b""),
        (b"Cache-Control", b"no-store"),
    ];
    host.upstream(200, headers);
    host.write_header(b"Server", &[], Write::Set).unwrap();
    let wire = host.finish_head();
    let text = |(name, value): &(Vec<u8>, Vec<u8>)| {
        format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
    };
    let lines: Vec<String> = wire.fields.iter().map(text).collect();
    let expected = [
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "Content-Type: text/html",
        "Content-Length: 5",
        "Connection: keep-alive",
        "X_Foo: ",
        "Cache-Control: no-store",
    ];
    assert_eq!(lines, expected);
    assert!(wire.body_allowed && host.headers_sent());
    assert_eq!(host.write_header(b"X-A", &[b"1"], Write::Set), Err(Error::HeadersSent));
}

#[test]
fn without_a_length_the_body_is_chunked_or_ends_the_connection() {
    let names = |host: &mut Memory| -> Vec<String> {
        host.start_output(None);
        let wire = host.finish_head();
        wire.fields[2..].iter().map(|(_, value)| String::from_utf8_lossy(value).into()).collect()
    };
    assert_eq!(names(&mut Memory::new()), ["text/plain", "chunked", "keep-alive"]);
    let mut old = Memory::new()
        .with_http_version(Version::HTTP_10)
        .with_request_header("connection", "keep-alive");
    assert_eq!(names(&mut old), ["text/plain", "close"]);
    assert_eq!(names(&mut Memory::new().with_method(Method::HEAD)), ["text/plain", "keep-alive"]);
}

#[test]
fn the_page_of_a_500_closes_the_connection() {
    let mut host = Memory::new();
    host.set_status(StatusCode::SWITCHING_PROTOCOLS).unwrap();
    assert!(host.list(None).0.contains(&(b"connection".to_vec(), b"upgrade".to_vec())));
    host.special_response(500);
    assert!(host.list(None).0.contains(&(b"connection".to_vec(), b"close".to_vec())));
}

#[test]
fn nginxs_own_page_replaces_headers_of_the_body() {
    let mut host = Memory::new();
    host.set_status(StatusCode::OK).unwrap();
    for (name, value) in [("Content-Length", "3"), ("ETag", "x"), ("Content-Type", "a/b")] {
        host.write_header(name.as_bytes(), &[value.as_bytes()], Write::Set).unwrap();
    }
    let page = host.special_response(404);
    assert!(page.starts_with(b"<html>\r\n<head><title>404 Not Found</title>"));
    assert_eq!(host.status(), Ok(404));
    assert_eq!(host.listed(), [("Content-Type".to_owned(), "text/html".to_owned())]);
    assert_eq!(host.first("Content-Length"), Some(page.len().to_string()));
    assert_eq!(host.special_response(418), b"");
    assert_eq!(host.first("Content-Type"), None);
}

#[test]
fn the_limit_of_a_list_counts_dead_slots_and_headers_that_nginx_adds() {
    let mut host = Memory::new();
    for name in [&b"X-A"[..], b"X-B", b"X-C"] {
        host.write_header(name, &[b"1"], Write::Set).unwrap();
    }
    host.write_header(b"X-A", &[], Write::Set).unwrap();
    let names = |max| {
        let (listed, truncated) = host.list(max);
        let names: Vec<String> =
            listed.iter().map(|(name, _)| String::from_utf8_lossy(name).into()).collect();
        (names.join(" "), truncated)
    };
    assert_eq!(names(None), ("connection X-B X-C".to_owned(), false));
    assert_eq!(names(Some(3)), ("connection X-B X-C".to_owned(), true));
    assert_eq!(names(Some(1)), ("connection X-B".to_owned(), true));
    assert_eq!(names(Some(0)), ("connection X-B X-C".to_owned(), false));
}

#[test]
fn newer_servers_drop_what_an_upstream_repeats() {
    let headers: [(&[u8], &[u8]); 8] = [
        (b"ETag", b"1"),
        (b"etag", b"2"),
        (b"Location", b"/1"),
        (b"Location", b"/2"),
        (b"Content-Type", b"text/a"),
        (b"Content-Type", b"text/b"),
        (b"X-A", b"1"),
        (b"X-A", b"2"),
    ];
    for (drops, tags, locations, kind) in
        [(true, &["1"][..], &["/1"][..], "text/a"), (false, &["1", "2"], &["/1", "/2"], "text/b")]
    {
        let mut host = Memory::new().with_repeats_dropped(drops);
        host.upstream(200, headers);
        let fields = host.finish_head().fields;
        let values = |name: &[u8]| -> Vec<String> {
            let own = fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            own.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
        };
        assert_eq!(values(b"ETag"), tags);
        assert_eq!(values(b"Location"), locations);
        assert_eq!(values(b"Content-Type"), [kind]);
        assert_eq!(values(b"X-A"), ["1", "2"]);
    }
}
