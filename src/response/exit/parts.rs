//! The parts of a response: its body, the place of the call, and the result of `exit`.

use http::StatusCode;

use crate::host::{Host, ServerPhase};
use crate::phase;
use crate::response::json::EncodeError;

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

/// The body that the caller must print after [`send`](super::send) has set status and headers.
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
            Some(bit) => bit == phase::HEADER_FILTER,
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
    pub(super) fn page(status: StatusCode) -> Self {
        Self { payload: Payload::None, code: i32::from(status.as_u16()) }
    }
}
