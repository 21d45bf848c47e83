//! What the body of a response and its Content-Length become (RFC 9110 sections 6.4 and 8.6).

use http::StatusCode;
use http::header::RANGE;

use super::kind::{Kind, is_multiplexed};
use super::{Payload, Place};
use crate::host::Host;

/// The change of Content-Length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The response has none.
    Absent,
    /// It stays as it is, without the one that the call gives: the body is the server's.
    Unchanged,
    /// It is the one that the call gives.
    Given,
    /// It is the length of the body.
    Body(usize),
}

/// A body with its Content-Length.
#[derive(Debug, PartialEq, Eq)]
pub struct Framing {
    pub payload: Payload,
    pub length: Length,
    /// The warning that the Content-Length of the call is corrected.
    pub correction: Option<String>,
}

/// What the framing of a response follows from.
#[derive(Debug)]
pub struct Facts<'a, H> {
    pub host: &'a H,
    pub status: StatusCode,
    pub place: Place,
    pub kind: &'a Kind,
    /// How many bytes [`Payload::Given`] has.
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

    /// The payload of a 204 or 304. In the header filter the body stays: another handler may set a
    /// status that has one.
    fn without_body(&self, payload: Payload) -> Payload {
        match (self.place, payload) {
            // With nothing printed nginx would drop the validators, and answer with a page of its own.
            (Place::Printed, _) | (Place::HeaderFilter { .. }, Payload::None) => {
                Payload::Bytes(Vec::new())
            }
            (_, payload) => payload,
        }
    }

    /// The length where no body is given and the server sends one: its own page or the configured one
    /// for an error status; the upstream's, if the call gives its length in the header filter; another
    /// one where nothing can be printed.
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

    /// The body that is sent. In the header filter an explicit one has to take the place of the
    /// upstream's, and for gRPC that of a page of the server's.
    fn body_sent(&self, payload: Payload) -> Payload {
        let is_plain = *self.kind == Kind::Plain;
        match self.place {
            Place::HeaderFilter { keeps_empty_body } if self.bytes_of(&payload) == 0 => {
                // Where the body filter loses the end of an empty body, the client waits for the head,
                // too. gRPC over HTTP/2 has its end in the head.
                let is_lost = !keeps_empty_body && (is_plain || !is_multiplexed(self.host));
                Payload::Bytes(if is_lost { b"\n".to_vec() } else { Vec::new() })
            }
            Place::Printed if payload == Payload::None && !is_plain => Payload::Bytes(Vec::new()),
            _ => payload,
        }
    }

    /// The length of the body `payload`, which the call gave as `bytes` bytes.
    fn length_of(&self, payload: &Payload, bytes: usize) -> Length {
        if self.is_cut_to_a_range() {
            return Length::Absent;
        }
        let sent = self.bytes_of(payload);
        let is_fitting = |given| {
            // To HEAD the length is that of what GET gets.
            usize::try_from(given) == Ok(bytes) && sent == bytes || self.host.is_head()
        };
        match self.given_length {
            Some(given) if is_fitting(given) => Length::Given,
            _ => Length::Body(sent),
        }
    }

    /// Whether nginx would cut this body to the range that the client asks for, as far as the head
    /// tells. It has cut the upstream's body by then, and Lua's body filter replaces that by the whole.
    fn is_cut_to_a_range(&self) -> bool {
        self.place.is_filter()
            && self.status == StatusCode::OK
            && self.host.has_request_header(&[RANGE])
    }
}

/// Whether a response of this status has no body: a 204 has no Content-Length either (RFC 9110 section
/// 8.6), and that of a 304 would be the one of the 200, which `exit` does not know.
fn forbids_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What to exit with after a response of this status.
///
/// nginx hangs up on 408 and 499 and drops what it has not sent yet. It ends a 204 without an end of the
/// body, which is missing where a header filter has made it another status; and where that happens to a
/// 304, it logs an error. So once a body is printed, and its head on its way with the right status, the
/// request simply ends.
pub fn exit_code(status: StatusCode, payload: &Payload) -> u16 {
    match status.as_u16() {
        204 | 304 | 408 | 499 if *payload != Payload::None => 200,
        status => status,
    }
}
