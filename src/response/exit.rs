//! `exit`: a response of our own instead of the upstream's.

use std::borrow::Cow;

use http::StatusCode;

use crate::error::Error;
use crate::host::{Host, Level, ServerPhase, Write};
use crate::response::grpc;
use crate::response::header::Headers;
use crate::response::json::EncodeError;

const CONTENT_TYPE: &[u8] = b"Content-Type";
const CONTENT_LENGTH: &[u8] = b"Content-Length";
const GRPC_STATUS: &[u8] = b"grpc-status";
const GRPC_MESSAGE: &[u8] = b"grpc-message";
const JSON: &[u8] = b"application/json; charset=utf-8";

/// A table body: it lives where the caller does.
pub trait TableBody {
    /// Its field `message`, if that is a string.
    ///
    /// # Errors
    ///
    /// What a metamethod threw.
    fn message(&mut self) -> Result<Option<Vec<u8>>, EncodeError>;

    /// The table as JSON.
    ///
    /// # Errors
    ///
    /// Why it has no JSON form.
    fn encode(&mut self) -> Result<Vec<u8>, EncodeError>;
}

/// The body of a response.
pub enum Body<'a> {
    /// None: for an error status the server's own page, or the configured one, answers.
    None,
    /// Bytes, sent as they are.
    Bytes(&'a [u8]),
    /// A table, sent as JSON.
    Table(&'a mut dyn TableBody),
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&bytes.len()).finish(),
            Self::Table(_) => f.write_str("Table"),
        }
    }
}

/// What the server is left to send after status and headers are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: nothing is printed.
    None,
    /// The caller's own bytes, as they are.
    Given,
    /// These bytes; none of them, too, are an explicit empty body.
    Bytes(Vec<u8>),
}

/// How a response relates to gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grpc {
    /// Not at all.
    No,
    /// Its body is a gRPC message, given by the caller.
    Output,
    /// It answers a gRPC request; what it has to say goes into `grpc-message`.
    Message,
}

/// Whether the request is a gRPC call: by its Content-Type, and over HTTP/2.
pub fn is_grpc_request<H: Host>(host: &H) -> bool {
    host.request_content_type().is_some_and(|value| grpc::is_content_type(&value))
        && host.http_version() == Some(2.0)
}

/// Which kind of response this becomes with `headers` set.
fn classify<H: Host>(host: &H, headers: &Headers) -> Result<Grpc, Error> {
    let content_type = match headers.last(CONTENT_TYPE) {
        Some(own) => Some(Cow::Borrowed(own)),
        None => host.header(CONTENT_TYPE)?,
    };
    Ok(match content_type {
        Some(value) if grpc::is_content_type(&value) => Grpc::Output,
        Some(_) => Grpc::No,
        None if is_grpc_request(host) => Grpc::Message,
        None => Grpc::No,
    })
}

/// Whether a response is being made while its head passes the filters. The phase that the gateway
/// says counts; where it says none, the server's.
pub fn in_header_filter<H: Host>(host: &H, phase: Option<u32>) -> bool {
    match phase {
        Some(bit) => bit == crate::phase::HEADER_FILTER,
        None => host.server_phase() == ServerPhase::HeaderFilter,
    }
}

/// Refuses what the server could not carry out, before anything is changed.
///
/// # Errors
///
/// - `headers have already been sent`
/// - `API disabled in the context of balancer_by_lua*`, where nothing can be printed
/// - `API disabled in the current context`
fn check_place<H: Host>(host: &H, in_filter: bool, prints: bool) -> Result<(), Error> {
    if host.headers_sent() {
        return Err(Error::HeadersSent);
    }
    if prints {
        check_can_print(host)?;
    }
    match host.server_phase() {
        ServerPhase::HeaderFilter if prints && !in_filter => Err(Error::Disabled),
        ServerPhase::Passive | ServerPhase::BodyFilter => Err(Error::Disabled),
        _ => Ok(()),
    }
}

/// Whether a body can be sent: in the header filter only as `ctx.response_body`.
fn can_print<H: Host>(host: &H, in_filter: bool) -> bool {
    match host.server_phase() {
        ServerPhase::Balancer => false,
        ServerPhase::HeaderFilter => in_filter,
        _ => true,
    }
}

/// Refuses the balancer, where the server cannot print.
///
/// # Errors
///
/// `API disabled in the context of balancer_by_lua*`
pub fn check_can_print<H: Host>(host: &H) -> Result<(), Error> {
    match host.server_phase() {
        ServerPhase::Balancer => Err(Error::DisabledIn("balancer_by_lua*")),
        _ => Ok(()),
    }
}

/// Makes sure that a response which is sent later can be: that a table has a JSON form, unless gRPC
/// will not ask for it.
///
/// # Errors
///
/// As [`send`].
pub fn check_later<H: Host>(host: &H, body: Body<'_>, headers: &Headers) -> Result<(), Error> {
    if let Body::Table(table) = body {
        match classify(host, headers)? {
            Grpc::No => drop(table.encode().map_err(Error::BodyEncoding)?),
            Grpc::Output => return Err(Error::GrpcTableBody),
            Grpc::Message => (),
        }
    }
    Ok(())
}

/// Sets status and headers of a response, and says what is left to print.
///
/// The order of things: everything that can fail for the caller's sake; status; headers; what follows
/// from the body (Content-Type, Content-Length, `grpc-status`, `grpc-message`).
///
/// # Errors
///
/// - `headers have already been sent`
/// - `API disabled in the context of balancer_by_lua*`: nothing can be printed there
/// - `table body encoding with gRPC is not supported`
/// - `body encoding failed while flushing response: <reason>`
/// - what the host says
pub fn send<H: Host>(
    host: &mut H,
    status: StatusCode,
    body: Body<'_>,
    headers: &Headers,
    in_filter: bool,
) -> Result<Payload, Error> {
    check_place(host, in_filter, !matches!(body, Body::None))?;

    let given = if let Body::Bytes(bytes) = &body { bytes.len() } else { 0 };
    let kind = classify(host, headers)?;
    let (payload, is_json) = match body {
        Body::None => (Payload::None, false),
        Body::Bytes(_) if kind != Grpc::Message => (Payload::Given, false),
        Body::Bytes(bytes) => (Payload::Bytes(bytes.to_vec()), false),
        Body::Table(table) => match kind {
            Grpc::No => (Payload::Bytes(table.encode().map_err(Error::BodyEncoding)?), true),
            Grpc::Output => return Err(Error::GrpcTableBody),
            Grpc::Message => match table.message().map_err(Error::BodyEncoding)? {
                Some(message) => (Payload::Bytes(message), false),
                None => {
                    let text = "body was removed because table body encoding with gRPC \
                                is not supported";
                    host.log(Level::Warn, text.as_bytes());
                    (Payload::None, false)
                }
            },
        },
    };
    // A 204 has no body, and clients of HTTP/2 refuse one that has another length than 0.
    let is_lost = status == StatusCode::NO_CONTENT && kind != Grpc::Message;
    let payload = match payload {
        Payload::Given | Payload::Bytes(_) if is_lost && !in_filter => Payload::Bytes(Vec::new()),
        payload => payload,
    };
    let length = match &payload {
        Payload::None => 0,
        Payload::Given => given,
        Payload::Bytes(bytes) => bytes.len(),
    };

    // An error status without a body is answered by the server's own page, or the configured one, and
    // where nothing can be printed another body follows: its length is not for us to say.
    let is_anothers = payload == Payload::None
        && (kind == Grpc::No && !in_filter && status.as_u16() >= 300
            || !can_print(host, in_filter));

    host.set_status(status)?;
    headers.apply(host, !is_anothers)?;

    let added_status = if kind != Grpc::No && host.header(GRPC_STATUS)?.is_none() {
        let status = grpc::Status::of(status);
        set(host, GRPC_STATUS, status.number().to_string().as_bytes())?;
        Some(status)
    } else {
        None
    };
    if is_json && headers.last(CONTENT_TYPE).is_none() {
        set(host, CONTENT_TYPE, JSON)?;
    }
    if kind == Grpc::Message
        && let Payload::Bytes(message) = payload
    {
        set(host, CONTENT_LENGTH, b"0")?;
        if !message.is_empty() {
            set(host, GRPC_MESSAGE, &message)?;
        }
        return Ok(Payload::Bytes(Vec::new()));
    }
    let length_is_ours = if is_lost && length > 0 {
        host.write_header(CONTENT_LENGTH, &[], Write::Set)?;
        true
    } else {
        !is_anothers && set_length(host, headers, &payload, length, in_filter, is_lost)?
    };
    if let Some(status) = added_status
        && host.header(GRPC_MESSAGE)?.is_none()
    {
        set(host, GRPC_MESSAGE, status.name().as_bytes())?;
    }
    Ok(match payload {
        // Where nothing can be printed, nothing is; elsewhere the default page of an error must not
        // reach gRPC.
        Payload::None if kind != Grpc::No && can_print(host, in_filter) => {
            Payload::Bytes(Vec::new())
        }
        // Its head promises no body, so that of the upstream must not follow.
        Payload::None if in_filter && length_is_ours => Payload::Bytes(Vec::new()),
        payload => payload,
    })
}

/// What the server is told to exit with after a response of this status.
///
/// nginx hangs up on 408 and 499 and drops what it has not sent yet. A 204 it ends without an end of the
/// body, which is missing where a header filter has made it another status. So once a body is printed, and
/// its head on its way with the right status, the request simply ends.
pub fn exit_code(status: StatusCode, payload: &Payload) -> u16 {
    match status.as_u16() {
        204 | 408 | 499 if *payload != Payload::None => 200,
        status => status,
    }
}

/// Sets the Content-Length, unless the call brings one that fits; says whether it did.
fn set_length<H: Host>(
    host: &mut H,
    headers: &Headers,
    payload: &Payload,
    length: usize,
    in_filter: bool,
    is_lost: bool,
) -> Result<bool, Error> {
    if let Some(given) = headers.content_length() {
        let fits = usize::try_from(given) == Ok(length);
        // In the filter it tells the length of the upstream's body, which then passes.
        let is_upstreams = in_filter && *payload == Payload::None;
        if fits || !is_lost && (is_upstreams || host.is_head()) {
            return Ok(false);
        }
        let text =
            format!("Content-Length {given} does not match the body's {length} bytes: corrected");
        host.log(Level::Warn, text.as_bytes());
    }
    let mut digits = Digits::default();
    set(host, CONTENT_LENGTH, digits.write(length))?;
    Ok(true)
}

fn set<H: Host>(host: &mut H, name: &[u8], value: &[u8]) -> Result<(), Error> {
    host.write_header(name, &[value], Write::Set)
}

/// Room for a number in decimal digits.
#[derive(Default)]
struct Digits([u8; 20]);

impl Digits {
    fn write(&mut self, mut number: usize) -> &[u8] {
        let mut start = self.0.len();
        loop {
            start -= 1;
            self.0[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return &self.0[start..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::memory::Memory;

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
        let mut headers = Headers::default();
        for (name, value) in fields {
            headers.push_name(name.as_bytes());
            headers.push_value(value.as_bytes());
        }
        headers.sort();
        headers
    }

    fn reply(
        host: &mut Memory,
        status: u16,
        body: Body<'_>,
        headers: &Headers,
        in_filter: bool,
    ) -> Result<Payload, Error> {
        send(host, StatusCode::from_u16(status).unwrap(), body, headers, in_filter)
    }

    fn head(host: &Memory) -> Vec<String> {
        let status = host.status().unwrap().to_string();
        let lines = host.listed().into_iter().map(|(name, value)| format!("{name}: {value}"));
        std::iter::once(status).chain(lines).collect()
    }

    #[test]
    fn bytes_get_their_length() {
        let mut host = Memory::new();
        let sent = reply(&mut host, 403, Body::Bytes(b"no"), &headers(&[]), false);
        assert_eq!(sent, Ok(Payload::Given));
        assert_eq!(head(&host), ["403", "Content-Length: 2"]);
    }

    #[test]
    fn a_table_is_json_unless_the_caller_says_otherwise() {
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
    fn grpc_prints_nothing_where_nothing_can_be_printed() {
        let own = headers(&[("Content-Type", "application/grpc")]);
        let cases = [
            (ServerPhase::Active, false, Payload::Bytes(Vec::new())),
            (ServerPhase::HeaderFilter, true, Payload::Bytes(Vec::new())),
            (ServerPhase::HeaderFilter, false, Payload::None),
            (ServerPhase::Balancer, false, Payload::None),
        ];
        for (phase, in_filter, payload) in cases {
            let mut host = Memory::new().in_phase(phase);
            assert_eq!(
                reply(&mut host, 502, Body::None, &own, in_filter),
                Ok(payload),
                "{phase:?}"
            );
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
            ("GET", Body::Bytes(b"four"), "4", true),
            ("HEAD", Body::Bytes(b"four"), "9", false),
            ("GET", Body::None, "0", true),
            ("HEAD", Body::None, "9", false),
            ("GET", Body::Bytes(b"123456789"), "9", false),
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
    fn in_the_filter_a_length_may_be_that_of_the_upstreams_body() {
        let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
        let sent = reply(&mut host, 200, Body::None, &headers(&[("Content-Length", "9")]), true);
        assert_eq!(sent, Ok(Payload::None));
        assert_eq!(head(&host), ["200", "Content-Length: 9"]);
    }

    #[test]
    fn a_body_of_another_has_its_own_length() {
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
    fn no_content_has_no_length() {
        let mut host = Memory::new();
        let sent = reply(&mut host, 204, Body::Bytes(b"lost"), &headers(&[]), false);
        assert_eq!(sent, Ok(Payload::Bytes(vec![])));
        assert_eq!(head(&host), ["204", "Content-Length: 0"]);
        let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
        let own = headers(&[("Content-Length", "4")]);
        let sent = reply(&mut host, 204, Body::Bytes(b"lost"), &own, true);
        assert_eq!(sent, Ok(Payload::Given));
        assert_eq!(head(&host), ["204"]);

        // Nor one that is right elsewhere: to HEAD, and for the upstream's body.
        let mut host = Memory::new().with_method("HEAD");
        let sent = reply(&mut host, 204, Body::None, &own, false);
        assert_eq!(sent, Ok(Payload::None));
        assert_eq!(head(&host), ["204", "Content-Length: 0"]);
        let mut host = Memory::new().in_phase(ServerPhase::HeaderFilter);
        let sent = reply(&mut host, 204, Body::None, &own, true);
        assert_eq!(sent, Ok(Payload::Bytes(vec![])));
        assert_eq!(head(&host), ["204", "Content-Length: 0"]);
    }

    #[test]
    fn a_printed_body_is_not_cut_off() {
        let code = |status, payload| exit_code(StatusCode::from_u16(status).unwrap(), &payload);
        assert_eq!(code(408, Payload::Given), 200);
        assert_eq!(code(499, Payload::Bytes(vec![])), 200);
        assert_eq!(code(204, Payload::Bytes(vec![])), 200);
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
        let mut host = grpc().with_http_version(2.0);
        let sent = reply(&mut host, 403, Body::Bytes(b"no"), &headers(&[]), false);
        assert_eq!(sent, Ok(Payload::Bytes(vec![])));
        assert_eq!(head(&host), ["403", "grpc-status: 7", "Content-Length: 0", "grpc-message: no"]);

        let mut host = grpc().with_http_version(2.0);
        reply(&mut host, 403, Body::Bytes(b""), &headers(&[]), false).unwrap();
        assert_eq!(head(&host), ["403", "grpc-status: 7", "Content-Length: 0"]);

        let mut host = grpc().with_http_version(2.0);
        let sent = reply(&mut host, 403, Body::Table(&mut Table(None)), &headers(&[]), false);
        assert_eq!(sent, Ok(Payload::Bytes(vec![])));
        assert_eq!(
            head(&host),
            ["403", "grpc-status: 7", "Content-Length: 0", "grpc-message: PermissionDenied"]
        );
        assert_eq!(host.logged().len(), 1);

        let mut host = grpc().with_http_version(1.1);
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
    fn what_the_server_could_not_do_is_refused_first() {
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
}
