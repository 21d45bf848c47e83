use http::{Method, Version};

use super::framing::exit_code;
use super::*;
use crate::host::{Level, Write};
use crate::memory::Memory;
use crate::response::json::EncodeError;

struct Table(Option<&'static str>);

impl TableBody for Table {
    fn message(&mut self) -> Result<Option<Vec<u8>>, EncodeError> {
        Ok(self.0.map(|text| text.as_bytes().to_vec()))
    }

    fn encode(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.0
            .map(|text| format!("{{\"message\":\"{text}\"}}").into_bytes())
            .ok_or(EncodeError::Value("function"))
    }
}

fn headers(fields: &[(&str, &str)]) -> Headers {
    let fields: Vec<(&str, &[&str])> =
        fields.iter().map(|(name, value)| (*name, std::slice::from_ref(value))).collect();
    Headers::from_fields(&fields)
}

const FILTER: Place = Place::HeaderFilter { keeps_empty_body: true };
const LOSING_FILTER: Place = Place::HeaderFilter { keeps_empty_body: false };

fn reply_at(
    host: &mut Memory,
    place: Place,
    status: u16,
    body: Body<'_>,
    headers: &Headers,
) -> Result<Payload, Error> {
    let status = StatusCode::from_u16(status).unwrap();
    send(host, status, body, headers, place).map(|sent| sent.payload)
}

/// Sends a response, in the header filter if `in_filter` is true.
fn reply(
    host: &mut Memory,
    status: u16,
    body: Body<'_>,
    headers: &Headers,
    in_filter: bool,
) -> Result<Payload, Error> {
    let place = match host.server_phase() {
        _ if in_filter => FILTER,
        ServerPhase::Balancer | ServerPhase::HeaderFilter => Place::Silent,
        _ => Place::Printed,
    };
    reply_at(host, place, status, body, headers)
}

fn head(host: &Memory) -> Vec<String> {
    let status = host.status().unwrap().to_string();
    let lines = host.listed().into_iter().map(|(name, value)| format!("{name}: {value}"));
    std::iter::once(status).chain(lines).collect()
}

#[test]
fn a_body_of_bytes_gets_a_content_length() {
    let mut host = Memory::new();
    let sent = reply(&mut host, 403, Body::Bytes(b"no"), &headers(&[]), false);
    assert_eq!(sent, Ok(Payload::Given));
    assert_eq!(head(&host), ["403", "Content-Length: 2"]);
}

#[test]
fn a_table_is_sent_as_json_unless_the_call_has_a_content_type() {
    let mut host = Memory::new();
    let mut table = Table(Some("x"));
    let sent = reply(&mut host, 200, Body::Table(&mut table), &headers(&[]), false);
    assert_eq!(sent, Ok(Payload::Bytes(b"{\"message\":\"x\"}".to_vec())));
    assert_eq!(host.first("content-type").as_deref(), Some("application/json; charset=utf-8"));

    let mut host = Memory::new();
    let own = headers(&[("content_type", "application/problem+json")]);
    reply(&mut host, 200, Body::Table(&mut table), &own, false).unwrap();
    assert_eq!(host.first("content-type").as_deref(), Some("application/problem+json"));
}

#[test]
fn a_grpc_response_prints_an_empty_body_except_where_nothing_can_be_printed() {
    let own = headers(&[("Content-Type", "application/grpc")]);
    let cases = [
        (ServerPhase::Active, false, Payload::Bytes(Vec::new())),
        (ServerPhase::HeaderFilter, true, Payload::Bytes(Vec::new())),
        (ServerPhase::HeaderFilter, false, Payload::None),
        (ServerPhase::Balancer, false, Payload::None),
    ];
    for (phase, in_filter, payload) in cases {
        let mut host = Memory::new().in_phase(phase);
        assert_eq!(reply(&mut host, 502, Body::None, &own, in_filter), Ok(payload), "{phase:?}");
    }
}

#[test]
fn a_table_without_a_json_form_changes_nothing() {
    let mut host = Memory::new();
    let own = headers(&[("X-A", "1")]);
    let sent = reply(&mut host, 200, Body::Table(&mut Table(None)), &own, false);
    assert_eq!(
        sent.map_err(|error| error.to_string()),
        Err("body encoding failed while flushing response: \
             Cannot serialise function: type not supported"
            .to_owned())
    );
    assert_eq!(head(&host), ["0"]);
}

#[test]
fn a_length_that_does_not_fit_is_corrected_except_for_head() {
    for (method, body, expected, warned) in [
        (Method::GET, Body::Bytes(b"four"), "4", true),
        (Method::HEAD, Body::Bytes(b"four"), "9", false),
        (Method::GET, Body::None, "0", true),
        (Method::HEAD, Body::None, "9", false),
        (Method::GET, Body::Bytes(b"123456789"), "9", false),
    ] {
        let mut host = Memory::new().with_method(method);
        reply(&mut host, 200, body, &headers(&[("Content-Length", "9")]), false).unwrap();
        assert_eq!(host.first("content-length").as_deref(), Some(expected));
        let text =
            format!("Content-Length 9 does not match the body's {expected} bytes: corrected");
        let expected = if warned { vec![(Level::Warn, text)] } else { vec![] };
        assert_eq!(host.logged(), expected);
    }
}

#[test]
fn a_length_without_a_body_in_the_filter_keeps_the_upstreams_body() {
    let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
    let sent = reply(&mut host, 200, Body::None, &headers(&[("Content-Length", "9")]), true);
    assert_eq!(sent, Ok(Payload::None));
    assert_eq!(head(&host), ["200", "Content-Length: 9"]);
}

#[test]
fn without_a_body_the_length_is_left_to_the_server() {
    for (phase, status) in [
        (ServerPhase::Active, 410),
        (ServerPhase::Content, 301),
        (ServerPhase::Balancer, 200),
        (ServerPhase::HeaderFilter, 200),
    ] {
        for own in [headers(&[]), headers(&[("content_length", "9")])] {
            let mut host = Memory::new().in_phase(phase);
            assert_eq!(reply(&mut host, status, Body::None, &own, false), Ok(Payload::None));
            assert_eq!(head(&host), [status.to_string()]);
        }
    }
}

#[test]
fn a_204_and_a_304_have_neither_body_nor_length() {
    let mut table = Table(Some("x"));
    let own = headers(&[("Content-Length", "4"), ("ETag", "\"v\"")]);
    for status in [204, 304] {
        for method in [Method::GET, Method::HEAD] {
            for body in
                [Body::None, Body::Bytes(b""), Body::Bytes(b"lost"), Body::Table(&mut table)]
            {
                let mut host = Memory::new().with_method(method.clone());
                let sent = reply(&mut host, status, body, &own, false);
                assert_eq!(sent, Ok(Payload::Bytes(vec![])));
                assert_eq!(host.first("Content-Length"), None, "{status}");
                assert_eq!(host.first("ETag").as_deref(), Some("\"v\""));
            }
        }
        // Another handler may set a status that has a body.
        for (body, payload) in
            [(Body::None, Payload::Bytes(vec![])), (Body::Bytes(b"kept"), Payload::Given)]
        {
            let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
            host.write_header(b"Content-Length", &[b"9"], Write::Set).unwrap();
            assert_eq!(reply(&mut host, status, body, &own, true), Ok(payload));
            assert_eq!(host.first("Content-Length"), None);
        }
        let mut host = Memory::new().in_phase(ServerPhase::Balancer);
        assert_eq!(reply(&mut host, status, Body::None, &own, false), Ok(Payload::None));
        assert_eq!(host.first("Content-Length"), None);
    }
}

#[test]
fn if_an_empty_body_would_not_end_a_newline_replaces_it() {
    for (body, own) in [
        (Body::None, headers(&[])),
        (Body::Bytes(b""), headers(&[])),
        (Body::Bytes(b""), headers(&[("Content-Length", "0")])),
    ] {
        let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
        let sent = reply_at(&mut host, LOSING_FILTER, 404, body, &own);
        assert_eq!(sent, Ok(Payload::Bytes(b"\n".to_vec())));
        assert_eq!(head(&host), ["404", "Content-Length: 1"]);
        assert_eq!(host.logged(), []);
    }
    let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
    assert_eq!(
        reply_at(&mut host, LOSING_FILTER, 404, Body::Bytes(b"x"), &headers(&[])),
        Ok(Payload::Given)
    );
    // A gRPC response over HTTP/2 ends with its head.
    let mut host = Memory::new()
        .with_request_header("Content-Type", "application/grpc")
        .with_http_version(Version::HTTP_2)
        .in_phase(ServerPhase::HeaderFilter);
    let sent = reply_at(&mut host, LOSING_FILTER, 404, Body::Bytes(b"no"), &headers(&[]));
    assert_eq!(sent, Ok(Payload::Bytes(vec![])));
    assert_eq!(host.first("Content-Length").as_deref(), Some("0"));
}

/// A request with a response of the upstream, in the header filter.
fn answered(status: u16, fields: &[(&str, &str)]) -> Memory {
    let mut host = Memory::new();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    host.upstream(status, fields);
    host.in_phase(ServerPhase::HeaderFilter)
}

#[test]
fn headers_that_describe_a_replaced_body_are_removed() {
    let upstreams = [
        ("Content-Encoding", "gzip"),
        ("Content-Range", "bytes 0-1/9"),
        ("Accept-Ranges", "bytes"),
        ("ETag", "\"v\""),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Content-MD5", "x"),
        ("Digest", "x"),
        ("Content-Digest", "x"),
        ("Repr-Digest", "x"),
        ("Trailer", "x"),
        ("X-A", "stays"),
    ];
    let mut host = answered(206, &upstreams);
    let own = headers(&[("etag", "\"w\"")]);
    assert_eq!(reply(&mut host, 502, Body::Bytes(b"no"), &own, true), Ok(Payload::Given));
    assert_eq!(head(&host), ["502", "etag: \"w\"", "X-A: stays", "Content-Length: 2"]);
    assert_eq!(host.logged(), []);

    // A body that passes keeps them.
    let mut host = answered(200, &upstreams);
    let own = headers(&[("Content-Length", "9")]);
    assert_eq!(reply(&mut host, 200, Body::None, &own, true), Ok(Payload::None));
    assert_eq!(host.first("Content-Encoding").as_deref(), Some("gzip"));

    let mut host = answered(206, &upstreams);
    reply(&mut host, 206, Body::Bytes(b"all"), &headers(&[]), true).unwrap();
    let text = "status 206 is sent with a whole body and no Content-Range";
    assert_eq!(host.logged(), [(Level::Warn, text.to_owned())]);
    let own = headers(&[("Content-Range", "bytes 0-2/9")]);
    let mut host = answered(206, &upstreams);
    reply(&mut host, 206, Body::Bytes(b"all"), &own, true).unwrap();
    assert_eq!(host.logged(), []);
}

#[test]
fn nginx_cuts_no_range_out_of_a_replaced_body() {
    let host = || Memory::new().with_request_header("Range", "bytes=0-1");
    for (status, in_filter, length) in
        [(200, true, None), (403, true, Some("3")), (200, false, Some("3"))]
    {
        let mut host = host();
        reply(&mut host, status, Body::Bytes(b"all"), &headers(&[]), in_filter).unwrap();
        assert_eq!(host.first("Content-Length").as_deref(), length, "{status}");
    }
}

#[test]
fn an_accepted_upgrade_ends_with_an_error() {
    for body in [Body::None, Body::Bytes(b"no")] {
        let mut host = answered(101, &[("Upgrade", "websocket")]);
        let sent = send(&mut host, StatusCode::FORBIDDEN, body, &headers(&[("X-A", "1")]), FILTER);
        assert_eq!(sent, Ok(Sent { payload: Payload::None, code: Sent::ERROR }));
        assert_eq!(host.status(), Ok(403));
    }
    let mut host = answered(101, &[]);
    let refused =
        send(&mut host, StatusCode::OK, Body::Table(&mut Table(None)), &headers(&[]), FILTER);
    assert!(matches!(refused, Err(Error::BodyEncoding(_))));
    assert_eq!(host.status(), Ok(101));
}

#[test]
fn a_precondition_that_fails_is_answered_with_412() {
    let own = headers(&[("ETag", "\"v\""), ("X-A", "1")]);
    for (status, place, tag, code) in [
        (200, Place::Printed, "\"x\"", 412),
        (200, Place::Printed, "\"v\"", 200),
        (201, Place::Printed, "\"x\"", 201),
        (200, FILTER, "\"x\"", 0),
    ] {
        let mut host = Memory::new().with_request_header("If-Match", tag);
        let status = StatusCode::from_u16(status).unwrap();
        let sent = send(&mut host, status, Body::Bytes(b"x"), &own, place).unwrap();
        assert_eq!(sent.code, code, "{tag}");
        if code == 412 {
            assert_eq!(sent.payload, Payload::None);
            assert_eq!(head(&host), ["412"]);
        }
    }
}

#[test]
fn a_status_below_200_is_sent_as_500() {
    let phases = [ServerPhase::Active, ServerPhase::Content, ServerPhase::HeaderFilter];
    for (phase, status) in phases.into_iter().flat_map(|phase| [(phase, 100), (phase, 199)]) {
        let mut host = Memory::new().in_phase(phase);
        let in_filter = phase == ServerPhase::HeaderFilter;
        let sent = reply(&mut host, status, Body::Bytes(b"no"), &headers(&[]), in_filter);
        assert_eq!(sent, Ok(Payload::Given));
        assert_eq!(head(&host), ["500", "Content-Length: 2"]);
        let warning = format!("status {status} ends no response: 500 is sent");
        assert_eq!(host.logged(), [(Level::Warn, warning)]);
    }
}

#[test]
fn a_printed_body_is_not_cut_off() {
    let code = |status, payload| exit_code(StatusCode::from_u16(status).unwrap(), &payload);
    assert_eq!(code(408, Payload::Given), 200);
    assert_eq!(code(499, Payload::Bytes(vec![])), 200);
    assert_eq!(code(204, Payload::Bytes(vec![])), 200);
    assert_eq!(code(304, Payload::Bytes(vec![])), 200);
    assert_eq!(code(408, Payload::None), 408);
    assert_eq!(code(204, Payload::None), 204);
    assert_eq!(code(444, Payload::Given), 444);
    assert_eq!(code(403, Payload::Given), 403);
}

#[test]
fn no_body_prints_nothing_but_empties_a_response_in_the_filter() {
    let mut host = Memory::new();
    assert_eq!(reply(&mut host, 404, Body::None, &headers(&[]), false), Ok(Payload::None));
    assert_eq!(head(&host), ["404"]);
    let mut host = Memory::new();
    assert_eq!(reply(&mut host, 200, Body::None, &headers(&[]), false), Ok(Payload::None));
    assert_eq!(head(&host), ["200", "Content-Length: 0"]);
    let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
    let sent = reply(&mut host, 404, Body::None, &headers(&[]), true);
    assert_eq!(sent, Ok(Payload::Bytes(vec![])));
    let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
    let kept = reply(&mut host, 404, Body::None, &headers(&[("Content-Length", "5")]), true);
    assert_eq!(kept, Ok(Payload::None));
}

#[test]
fn a_grpc_request_gets_the_body_as_its_message() {
    let grpc = || Memory::new().with_request_header("Content-Type", "application/grpc");
    let mut host = grpc().with_http_version(Version::HTTP_2);
    let sent = reply(&mut host, 403, Body::Bytes(b"no"), &headers(&[]), false);
    assert_eq!(sent, Ok(Payload::Bytes(vec![])));
    assert_eq!(
        head(&host),
        [
            "403",
            "Content-Type: application/grpc",
            "grpc-status: 7",
            "grpc-message: no",
            "Content-Length: 0"
        ]
    );

    let mut host = grpc().with_http_version(Version::HTTP_2);
    reply(&mut host, 403, Body::Bytes(b""), &headers(&[]), false).unwrap();
    assert_eq!(
        head(&host),
        ["403", "Content-Type: application/grpc", "grpc-status: 7", "Content-Length: 0"]
    );

    let mut host = grpc().with_http_version(Version::HTTP_2);
    let sent = reply(&mut host, 403, Body::Table(&mut Table(None)), &headers(&[]), false);
    assert_eq!(sent, Ok(Payload::Bytes(vec![])));
    assert_eq!(
        head(&host),
        [
            "403",
            "Content-Type: application/grpc",
            "grpc-status: 7",
            "grpc-message: PermissionDenied",
            "Content-Length: 0"
        ]
    );
    assert_eq!(host.logged().len(), 1);

    let mut host = grpc().with_http_version(Version::HTTP_11);
    reply(&mut host, 403, Body::Bytes(b"no"), &headers(&[]), false).unwrap();
    assert_eq!(head(&host), ["403", "Content-Length: 2"]);
}

#[test]
fn a_grpc_response_keeps_its_body_and_what_was_set() {
    let mut host = Memory::new();
    let own = headers(&[("Content-Type", "application/grpc+proto")]);
    let sent = reply(&mut host, 404, Body::Bytes(b"\0"), &own, false);
    assert_eq!(sent, Ok(Payload::Given));
    assert_eq!(host.first("grpc-status").as_deref(), Some("5"));
    assert_eq!(host.first("grpc-message").as_deref(), Some("NotFound"));

    let mut host = Memory::new();
    let own = headers(&[("Content-Type", "application/grpc"), ("grpc-status", "9")]);
    reply(&mut host, 404, Body::Bytes(b"\0"), &own, false).unwrap();
    assert_eq!(host.first("grpc-status").as_deref(), Some("9"));
    assert_eq!(host.first("grpc-message"), None);

    let mut host = Memory::new();
    let refused = reply(&mut host, 404, Body::Table(&mut Table(Some("x"))), &own, false);
    assert_eq!(refused, Err(Error::GrpcTableBody));
    assert_eq!(head(&host), ["0"]);
}

#[test]
fn a_response_that_the_server_cannot_send_changes_nothing() {
    for (phase, body, refusal) in [
        (ServerPhase::Balancer, Body::Bytes(b"x"), Error::DisabledIn("balancer_by_lua*")),
        (ServerPhase::HeaderFilter, Body::Bytes(b"x"), Error::Disabled),
        (ServerPhase::Passive, Body::None, Error::Disabled),
        (ServerPhase::BodyFilter, Body::None, Error::Disabled),
    ] {
        let mut host = Memory::new().in_phase(phase);
        assert_eq!(reply(&mut host, 500, body, &headers(&[]), false), Err(refusal));
        assert_eq!(head(&host), ["0"]);
    }
    let mut host = Memory::new().in_phase(ServerPhase::Balancer);
    assert_eq!(reply(&mut host, 500, Body::None, &headers(&[]), false), Ok(Payload::None));
    let mut host = Memory::new().with_headers_sent();
    let refused = reply(&mut host, 500, Body::None, &headers(&[]), false);
    assert_eq!(refused, Err(Error::HeadersSent));
}
