//! The traits that a server implements.

mod log_once;
pub(crate) mod nginx;

use std::borrow::Cow;

use http::{HeaderName, StatusCode, Version};

pub use log_once::LogOnce;

use crate::body::BodyState;
use crate::error::Error;

/// What [`Host::write_header`] does with the values that the header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Replaces them.
    Set,
    /// Keeps them, unless a response has that header only once.
    Add,
}

/// The level of a line in the log, with nginx's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Level {
    /// A failure.
    Error = 4,
    /// The library has corrected or ignored something.
    Warn = 5,
}

/// The phase of the server, as far as the rules need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPhase {
    /// content
    Content,
    /// header_filter
    HeaderFilter,
    /// body_filter
    BodyFilter,
    /// balancer
    Balancer,
    /// set and log, where code can neither print nor exit.
    Passive,
    /// Any other phase. The server itself refuses to print or to exit.
    Active,
}

/// Whether there is a request, and whether it has a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// There is no request.
    Absent,
    /// The server's request without a client, for example in a timer. `ngx.ctx` works.
    Fake,
    /// The request of a client.
    Real,
}

/// The HTTP version for a result of `ngx.req.http_version()`.
pub fn version_of(number: f64) -> Option<Version> {
    match number {
        0.9 => Some(Version::HTTP_09),
        1.0 => Some(Version::HTTP_10),
        1.1 => Some(Version::HTTP_11),
        2.0 => Some(Version::HTTP_2),
        3.0 => Some(Version::HTTP_3),
        _ => None,
    }
}

/// A request and its response.
pub trait Host {
    /// Whether the head of the response is sent.
    fn headers_sent(&self) -> bool;

    /// The status of the response, or 0 if none is set. An upstream may send any number, so this is not a
    /// [`StatusCode`].
    ///
    /// # Errors
    ///
    /// `API disabled in the current context`
    fn status(&self) -> Result<u16, Error>;

    /// Sets the status of the response.
    ///
    /// # Errors
    ///
    /// An error of the server.
    fn set_status(&mut self, status: StatusCode) -> Result<(), Error>;

    /// The first value of the header `name`, which has no `_` and is not Last-Modified, `connection`
    /// or `transfer-encoding`; see [`lookup`](crate::response::header::lookup).
    ///
    /// # Errors
    ///
    /// An error of the server.
    fn header(&self, name: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error>;

    /// Last-Modified as it was set. The getter of lua-nginx-module formats its date, and finds no date before 1970.
    fn last_modified(&self) -> Option<Cow<'_, [u8]>>;

    /// Sets or adds `values`. Setting no values removes the header. No value is empty.
    ///
    /// # Errors
    ///
    /// An error of the server.
    fn write_header(&mut self, name: &[u8], values: &[&[u8]], write: Write) -> Result<(), Error>;

    /// The phase of the server.
    fn server_phase(&self) -> ServerPhase;

    /// Whether the request's method is HEAD. Then the response has no body, even with a Content-Length.
    fn is_head(&self) -> bool;

    /// The request's Content-Type.
    fn request_content_type(&self) -> Option<Cow<'_, [u8]>>;

    /// The server's id of the request, the variable `$request_id`.
    fn request_id(&self) -> Option<Cow<'_, [u8]>>;

    /// The request's HTTP version according to `ngx.req.http_version()`, which gateways and their tests replace.
    /// `None` if it is unknown.
    fn http_version(&self) -> Option<Version>;

    /// The HTTP version of the connection, which Lua code cannot replace. `None` if it is unknown.
    fn protocol(&self) -> Option<Version>;

    /// The values of the request's headers with this name.
    fn request_headers(&self, name: &HeaderName) -> Vec<Cow<'_, [u8]>>;

    /// Whether the request has a header of one of these names.
    fn has_request_header(&self, names: &[HeaderName]) -> bool {
        names.iter().any(|name| !self.request_headers(name).is_empty())
    }

    /// A header as the upstream has sent it, even if code has changed it since.
    fn upstream_header(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>>;

    /// Whether the upstream has accepted an upgrade of the connection (101). After the head, the server then passes
    /// bytes in both directions.
    fn is_upgraded(&self) -> bool;

    /// Whether this is a subrequest. Its response becomes a part of another one, so its head is not sent.
    fn is_subrequest(&self) -> bool;

    /// Writes a line to the log.
    fn log(&self, level: Level, message: &[u8]);

    /// Whether this worker asks about this cause of a warning for the first time; see [`LogOnce`].
    fn is_new(&self, cause: &str) -> bool;
}

/// The functions for a request that only Lua can provide.
pub trait Callbacks {
    /// The result of `ngx.req.http_version()`.
    fn http_version(&self) -> Option<Version>;

    /// Last-Modified in the list of headers, which only Lua can read.
    fn last_modified(&self) -> Option<Vec<u8>>;

    /// Logs with the user's own function. Returns the line if the server must log it: if there is no such function, or if
    /// it raises an error. The line of a warning has the position of the call.
    fn log<'line>(&self, level: Level, message: &'line [u8]) -> Option<Cow<'line, [u8]>>;
}

/// The body of a response in the body filter.
pub trait BodyFilter: Host {
    /// The current chunk.
    ///
    /// # Errors
    ///
    /// `API disabled in the current context` outside a body filter.
    fn chunk(&self) -> Result<Chunk<'_>, Error>;

    /// Appends a chunk that has several pieces to `into`.
    fn gather(&self, into: &mut Vec<u8>);

    /// Takes the state of this request's body, which [`keep_body`](Self::keep_body) has stored.
    fn take_body(&self) -> Option<BodyState>;

    /// Stores the state of this request's body until it is taken or the request ends.
    ///
    /// # Errors
    ///
    /// An error of the server.
    fn keep_body(&self, state: BodyState) -> Result<(), Error>;

    /// The Content-Length of the upstream, also after a plugin has changed or removed it.
    fn declared_length(&self) -> Option<u64>;
}

/// A chunk of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Whether it is the last one of the body.
    pub last: bool,
    /// Its bytes.
    pub bytes: ChunkBytes<'a>,
}

/// The bytes of a [`Chunk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkBytes<'a> {
    /// One piece.
    Whole(Cow<'a, [u8]>),
    /// Several pieces with this total length. [`BodyFilter::gather`] copies them.
    Scattered(usize),
}

impl ChunkBytes<'_> {
    /// Their number.
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Scattered(length) => *length,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
