//! The rules of `exit`, which sends a response in place of the upstream's.
//!
//! [`send`] makes a `Plan`, which changes nothing, and then applies it. `kind` decides whether the response is one of
//! gRPC, and `framing` decides on its body and its Content-Length.

mod framing;
mod kind;
mod plan;

use http::StatusCode;

use crate::error::Error;
use crate::host::{Host, ServerPhase};
use crate::response::header::Headers;
use crate::response::json::EncodeError;
use crate::response::precondition;
use kind::Kind;
pub use kind::{grpc_request, grpc_web_request};
use plan::Plan;

/// A body that is a table of the caller's language.
pub trait TableBody {
    /// Its field `message`, if that is a string.
    ///
    /// # Errors
    ///
    /// An error that a metamethod raised.
    fn message(&mut self) -> Result<Option<Vec<u8>>, EncodeError>;

    /// The table as JSON.
    ///
    /// # Errors
    ///
    /// The reason why it has no JSON form.
    fn encode(&mut self) -> Result<Vec<u8>, EncodeError>;
}

/// The body of a response.
pub enum Body<'a> {
    /// None. For an error status, the server sends its own page or the configured one.
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

/// The body that the caller must print after [`send`] has set status and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Nothing. The server may send a page of its own.
    None,
    /// The bytes of the call, unchanged.
    Given,
    /// These bytes. If there are none, the body is empty, and the server sends no page of its own.
    Bytes(Vec<u8>),
}

/// Where code calls `exit`. This decides how the body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The body is printed.
    Printed,
    /// In the header filter. The body becomes `ctx.response_body`, which the body filter sends in place of the
    /// upstream's.
    HeaderFilter {
        /// Whether the response ends if that body filter sends an empty body.
        keeps_empty_body: bool,
    },
    /// Nothing can be printed: in the balancer, or in the header filter if the gateway's phase is another one.
    Silent,
}

impl Place {
    /// The place of a call in the gateway's phase `phase`, or if that is not known, in the phase of the server. Calls
    /// `keeps_empty_body` only in the header filter.
    pub fn of<H: Host>(
        host: &H,
        phase: Option<u32>,
        keeps_empty_body: impl FnOnce() -> bool,
    ) -> Self {
        let server = host.server_phase();
        let in_filter = match phase {
            Some(bit) => bit == crate::phase::HEADER_FILTER,
            None => server == ServerPhase::HeaderFilter,
        };
        match server {
            ServerPhase::Balancer => Self::Silent,
            _ if in_filter => Self::HeaderFilter { keeps_empty_body: keeps_empty_body() },
            ServerPhase::HeaderFilter => Self::Silent,
            _ => Self::Printed,
        }
    }

    /// Whether it is the header filter.
    pub fn is_filter(self) -> bool {
        matches!(self, Self::HeaderFilter { .. })
    }
}

/// A response whose status and headers are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The body to print, or in the header filter the new `ctx.response_body`.
    pub payload: Payload,
    /// The argument for `ngx.exit`: in the header filter [`OK`](Self::OK) or [`ERROR`](Self::ERROR), elsewhere a
    /// status.
    pub code: i32,
}

impl Sent {
    /// `ngx.OK`
    pub const OK: i32 = 0;
    /// `ngx.ERROR`: nginx closes the connection.
    pub const ERROR: i32 = -1;

    /// The server's own page for this status.
    fn page(status: StatusCode) -> Self {
        Self { payload: Payload::None, code: i32::from(status.as_u16()) }
    }
}

/// Refuses a response that the server cannot send here, before anything changes.
///
/// # Errors
///
/// - `headers have already been sent`
/// - `API disabled in the context of balancer_by_lua*`, if `prints` is true
/// - `API disabled in the current context`
fn check_place<H: Host>(host: &H, place: Place, prints: bool) -> Result<(), Error> {
    if host.headers_sent() {
        return Err(Error::HeadersSent);
    }
    if prints {
        check_can_print(host)?;
    }
    match host.server_phase() {
        ServerPhase::HeaderFilter if prints && place == Place::Silent => Err(Error::Disabled),
        ServerPhase::Passive | ServerPhase::BodyFilter => Err(Error::Disabled),
        _ => Ok(()),
    }
}

/// Refuses to print in the balancer.
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

/// Checks a response that is sent later: a table must have a JSON form, unless the response is one of gRPC.
///
/// # Errors
///
/// As [`send`].
pub fn check_later<H: Host>(
    host: &H,
    body: Body<'_>,
    headers: &Headers,
    place: Place,
) -> Result<(), Error> {
    if let Body::Table(table) = body {
        match Kind::of(host, headers, place)? {
            Kind::Plain => drop(table.encode().map_err(Error::BodyEncoding)?),
            Kind::GrpcOutput => return Err(Error::GrpcTableBody),
            Kind::GrpcMessage(_) => (),
        }
    }
    Ok(())
}

/// Sets status and headers of a response, and returns what the caller must print.
///
/// # Errors
///
/// - `headers have already been sent`
/// - `API disabled in the context of balancer_by_lua*` for a response with a body
/// - `table body encoding with gRPC is not supported`
/// - `body encoding failed while flushing response: <reason>`
/// - an error of the host
pub fn send<H: Host>(
    host: &mut H,
    status: StatusCode,
    body: Body<'_>,
    headers: &Headers,
    place: Place,
) -> Result<Sent, Error> {
    check_place(host, place, !matches!(body, Body::None))?;
    let plan = Plan::of(host, status, body, headers, place)?;

    if place.is_filter() && host.is_upgraded() {
        // After any head, nginx would open the tunnel. Only an error prevents that.
        host.set_status(status)?;
        return Ok(Sent { payload: Payload::None, code: Sent::ERROR });
    }
    if place == Place::Printed
        && status == StatusCode::OK
        && !host.is_subrequest()
        && precondition::fails(host, headers)?
    {
        host.set_status(StatusCode::PRECONDITION_FAILED)?;
        return Ok(Sent::page(StatusCode::PRECONDITION_FAILED));
    }
    plan.apply(host)
}

#[cfg(test)]
mod tests;
