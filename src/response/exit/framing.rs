//! Decides on the body of a response and its Content-Length (RFC 9110 sections 6.4 and 8.6).

use http::StatusCode;
use http::header::RANGE;

use super::kind::{Kind, is_multiplexed};
use super::parts::{Payload, Place};
use crate::host::Host;
use crate::response::body;

/// The change of Content-Length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Remove it.
    Absent,
    /// Keep it, and ignore that of the call, because the server sends a body of its own.
    Unchanged,
    /// Set that of the call.
    Given,
    /// Set this length of the body.
    Body(usize),
}

/// A body with its Content-Length.
#[derive(Debug, PartialEq, Eq)]
pub struct Framing {
    pub payload: Payload,
    pub length: Length,
    /// The warning, if the Content-Length of the call is wrong.
    pub correction: Option<String>,
}

/// The facts that decide on the framing of a response.
#[derive(Debug)]
pub struct Facts<'a, H> {
    pub host: &'a H,
    pub status: StatusCode,
    pub place: Place,
    pub kind: &'a Kind,
    /// The length of [`Payload::Given`].
    pub given_bytes: usize,
    /// The Content-Length that the call gives.
    pub given_length: Option<u64>,
}

impl<H: Host> Facts<'_, H> {
    /// How `payload` is sent.
    pub fn frame(&self, payload: Payload) -> Framing {
        if forbids_body(self.status) {
            let payload = self.without_body(payload);
            return Framing { payload, length: Length::Absent, correction: None };
        }
        if let Some(length) = self.length_of_servers_body(&payload) {
            return Framing { payload, length, correction: None };
        }
        let bytes = self.bytes_of(&payload);
        let payload = self.body_sent(payload);
        let length = self.length_of(&payload, bytes);
        let given = self.given_length.filter(|&given| usize::try_from(given) != Ok(bytes));
        let correction = match (given, length) {
            (Some(given), Length::Body(_)) => Some(format!(
                "Content-Length {given} does not match the body's {bytes} bytes: corrected"
            )),
            _ => None,
        };
        Framing { payload, length, correction }
    }

    fn bytes_of(&self, payload: &Payload) -> usize {
        match payload {
            Payload::None => 0,
            Payload::Given => self.given_bytes,
            Payload::Bytes(bytes) => bytes.len(),
        }
    }

    /// The payload of a 204 or 304. In the header filter the body stays, because another handler may set a status
    /// that allows it.
    fn without_body(&self, payload: Payload) -> Payload {
        match (self.place, payload) {
            // If Lua code printed nothing, nginx would remove the validators and send a page of its own.
            (Place::Printed, _) | (Place::HeaderFilter { .. }, Payload::None) => {
                Payload::Bytes(Vec::new())
            }
            (_, payload) => payload,
        }
    }

    /// The Content-Length if the call has no body but the server sends one:
    ///
    /// - its own page or the configured one, for an error status
    /// - the upstream's, if the call gives a Content-Length in the header filter
    /// - any other, if nothing can be printed
    fn length_of_servers_body(&self, payload: &Payload) -> Option<Length> {
        if *payload != Payload::None {
            return None;
        }
        let is_plain = *self.kind == Kind::Plain;
        match self.place {
            Place::Silent => Some(Length::Unchanged),
            Place::Printed => {
                (is_plain && self.status.as_u16() >= 300).then_some(Length::Unchanged)
            }
            Place::HeaderFilter { .. } => {
                (is_plain && self.given_length.is_some()).then_some(Length::Given)
            }
        }
    }

    /// The body that is sent. An empty one must be explicit to replace the upstream's in the header filter, and for
    /// gRPC to replace the server's own page.
    fn body_sent(&self, payload: Payload) -> Payload {
        let is_plain = *self.kind == Kind::Plain;
        match self.place {
            Place::HeaderFilter { keeps_empty_body } if self.bytes_of(&payload) == 0 => {
                // If the body filter loses the end of an empty body, the client gets not even the head. A gRPC
                // response over HTTP/2 ends with its head.
                let loses_end = !keeps_empty_body && (is_plain || !is_multiplexed(self.host));
                Payload::Bytes(if loses_end { body::sent(b"").to_vec() } else { Vec::new() })
            }
            Place::Printed if payload == Payload::None && !is_plain => Payload::Bytes(Vec::new()),
            _ => payload,
        }
    }

    /// The Content-Length of the body `payload`. The body of the call has `bytes` bytes.
    fn length_of(&self, payload: &Payload, bytes: usize) -> Length {
        if self.is_cut_to_a_range() {
            return Length::Absent;
        }
        let sent = self.bytes_of(payload);
        let is_fitting = |given| {
            // For HEAD, the Content-Length is that of the response to GET.
            usize::try_from(given) == Ok(bytes) && sent == bytes || self.host.is_head()
        };
        match self.given_length {
            Some(given) if is_fitting(given) => Length::Given,
            _ => Length::Body(sent),
        }
    }

    /// Whether nginx would announce only a part of this body, because the client asks for a range. But nginx cuts the
    /// body before Lua's body filter, which then sends the whole new body.
    fn is_cut_to_a_range(&self) -> bool {
        self.place.is_filter()
            && self.status == StatusCode::OK
            && self.host.has_request_header(&[RANGE])
    }
}

/// Whether a response of this status has no body. A 204 has no Content-Length (RFC 9110 section 8.6). A 304 would
/// have the Content-Length of the 200, which `exit` does not know.
fn forbids_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The argument for `ngx.exit` after a response of this status. If a body is printed, the head has the right status
/// already, and 200 only ends the request. nginx would do more for these statuses:
///
/// - 408, 499: closes the connection and drops all bytes that it has not sent.
/// - 204: does not end the body, which is an error if a header filter has changed the status.
/// - 304: logs an error if a header filter has changed the status.
pub fn exit_code(status: StatusCode, payload: &Payload) -> u16 {
    match status.as_u16() {
        204 | 304 | 408 | 499 if *payload != Payload::None => 200,
        status => status,
    }
}
