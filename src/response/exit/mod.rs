//! `exit`: a response of our own instead of the upstream's.
//!
//! [`send`] works out a `Plan`, which changes nothing, and then applies it. `kind` tells what a
//! response is to gRPC, `framing` what its body and Content-Length become.

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

/// A table body: it lives where the caller does.
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
    /// These bytes. No bytes are an explicit empty body: the head is sent, and no page of the server's.
    Bytes(Vec<u8>),
}

/// Where a response is made, which decides how its body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The body is printed.
    Printed,
    /// The head is passing the header filter: the body becomes `ctx.response_body`, which the body
    /// filter sends instead of the upstream's.
    HeaderFilter {
        /// Whether that body filter keeps the end of a response whose body is empty.
        keeps_empty_body: bool,
    },
    /// Nothing can be printed: an upstream server is being chosen, or the header filter runs while the
    /// gateway's phase is another one.
    Silent,
}

impl Place {
    /// The place of a call in the gateway's phase `phase`; where that is not known, the server's counts.
    /// `keeps_empty_body` is asked in the header filter.
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
    /// What to print, or in the header filter to put into `ctx.response_body`.
    pub payload: Payload,
    /// What to exit with: [`OK`](Self::OK) or [`ERROR`](Self::ERROR) in the header filter, elsewhere a
    /// status.
    pub code: i32,
}

impl Sent {
    /// `ngx.OK`
    pub const OK: i32 = 0;
    /// `ngx.ERROR`: nginx closes the connection.
    pub const ERROR: i32 = -1;

    /// nginx's own answer of this status.
    fn page(status: StatusCode) -> Self {
        Self { payload: Payload::None, code: i32::from(status.as_u16()) }
    }
}

/// Refuses what the server could not carry out, before anything is changed.
///
/// # Errors
///
/// - `headers have already been sent`
/// - `API disabled in the context of balancer_by_lua*`, where nothing can be printed
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
/// - `API disabled in the context of balancer_by_lua*`: nothing can be printed there
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
        // Behind any head nginx would open the tunnel: only an error keeps it shut.
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
