//! The rules of `exit`, which sends a response in place of the upstream's.
//!
//! [`send`] makes a `Plan`, which changes nothing, and then applies it. `kind` decides whether the response is one of
//! gRPC, and `framing` decides on its body and its Content-Length.

mod framing;
mod kind;
mod parts;
mod plan;

use http::StatusCode;

use crate::error::Error;
use crate::host::{Host, ServerPhase};
use crate::response::header::Headers;
use crate::response::precondition;
use kind::Kind;
pub use kind::{grpc_request, grpc_web_request};
pub use parts::{Body, Payload, Place, Sent, TableBody};
use plan::Plan;

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
