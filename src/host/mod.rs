//! What a server must offer, as traits.

mod log_once;
pub(crate) mod nginx;

use std::borrow::Cow;

use http::{HeaderName, StatusCode, Version};

pub use log_once::LogOnce;

use crate::body::BodyState;
use crate::error::Error;

/// How [`Host::write_header`] treats what is there under the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Replaces it.
    Set,
    /// Keeps it, unless the server holds that header only once.
    Add,
}

/// The level of a line in the log; the numbers are nginx's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Level {
    /// Something failed.
    Error = 4,
    /// Something was set right, or left out.
    Warn = 5,
}

/// The phase that the server itself is in, as far as the rules tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPhase {
    /// The one that makes the content.
    Content,
    /// The head of the response passes.
    HeaderFilter,
    /// The body passes.
    BodyFilter,
    /// An upstream server is chosen.
    Balancer,
    /// Neither printing nor exiting is possible: set, log.
    Passive,
    /// Any other with a request: printing and exiting are the server's to refuse.
    Active,
}

/// Who is at the other end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Nobody: there is no request at all.
    Absent,
    /// Nobody, but there is a stand-in for a request: `ngx.ctx` works.
    Fake,
    /// A client.
    Real,
}

/// The HTTP version that `ngx.req.http_version()` tells with this number.
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

/// One request and its response, wherever they live.
pub trait Host {
    /// Whether the head of the response is on its way to the client.
    fn headers_sent(&self) -> bool;

    /// The status of the response: 0 where none is set yet, and any number that an upstream has sent. So
    /// it is no [`StatusCode`].
    ///
    /// # Errors
    ///
    /// `API disabled in the current context`
    fn status(&self) -> Result<u16, Error>;

    /// Sets the status of the response.
    ///
    /// # Errors
    ///
    /// What the server says.
    fn set_status(&mut self, status: StatusCode) -> Result<(), Error>;

    /// The first value of the header `name`, which has no `_` and is not Last-Modified, `connection`
    /// or `transfer-encoding`; see [`lookup`](crate::response::header::lookup).
    ///
    /// # Errors
    ///
    /// What the server says.
    fn header(&self, name: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error>;

    /// Sets or adds `values` under `name`; to set none removes the header. Values are not empty.
    ///
    /// # Errors
    ///
    /// What the server says.
    fn write_header(&mut self, name: &[u8], values: &[&[u8]], write: Write) -> Result<(), Error>;

    /// The phase that the server is in.
    fn server_phase(&self) -> ServerPhase;

    /// Whether the request's method is HEAD: its response has no body, whatever its Content-Length.
    fn is_head(&self) -> bool;

    /// The request's Content-Type.
    fn request_content_type(&self) -> Option<Cow<'_, [u8]>>;

    /// The id that the server gives the request, its variable `$request_id`.
    fn request_id(&self) -> Option<Cow<'_, [u8]>>;

    /// The request's HTTP version as `ngx.req.http_version()` tells it, which gateways and their tests
    /// replace. `None` where it is unknown.
    fn http_version(&self) -> Option<Version>;

    /// The protocol that the client speaks, whatever Lua code says; `None` where it is unknown.
    fn protocol(&self) -> Option<Version>;

    /// The values of the request's headers of this name.
    fn request_headers(&self, name: &HeaderName) -> Vec<Cow<'_, [u8]>>;

    /// Whether the request has a header of one of these names.
    fn has_request_header(&self, names: &[HeaderName]) -> bool {
        names.iter().any(|name| !self.request_headers(name).is_empty())
    }

    /// A header as the upstream has sent it, even where it was changed since.
    fn upstream_header(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>>;

    /// Whether the upstream has accepted an upgrade of the connection (101): once the head is sent, the
    /// server passes bytes on in both directions.
    fn is_upgraded(&self) -> bool;

    /// Whether the response becomes a part of another one, which has a head of its own.
    fn is_subrequest(&self) -> bool;

    /// Writes a line to the log.
    fn log(&self, level: Level, message: &[u8]);

    /// Whether this worker has not been asked about this cause of a warning before; see [`LogOnce`].
    fn is_new(&self, cause: &str) -> bool;
}

/// What only the language side can do for a request.
pub trait Callbacks {
    /// The request's HTTP version, as `ngx.req.http_version()` tells it.
    fn http_version(&self) -> Option<Version>;

    /// Logs through the user's own function; `false` where there is none.
    fn log(&self, level: Level, message: &[u8]) -> bool;
}

/// The body of a response on its way through the body filter.
pub trait BodyFilter: Host {
    /// The chunk that the filter is at.
    ///
    /// # Errors
    ///
    /// `API disabled in the current context` outside a body filter.
    fn chunk(&self) -> Result<Chunk<'_>, Error>;

    /// Appends a chunk that is in several pieces to `into`, which has room for it.
    fn gather(&self, into: &mut Vec<u8>);

    /// Takes the state of this request's body out of where [`keep_body`](Self::keep_body) has put it.
    fn take_body(&self) -> Option<BodyState>;

    /// Keeps the state of this request's body until it is taken or the request ends.
    ///
    /// # Errors
    ///
    /// What the server says.
    fn keep_body(&self, state: BodyState) -> Result<(), Error>;

    /// The Content-Length of the upstream, also after a plugin has changed or removed it.
    fn declared_length(&self) -> Option<u64>;
}

/// A chunk of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Whether this is the last of the body.
    pub last: bool,
    /// Its bytes.
    pub bytes: ChunkBytes<'a>,
}

/// The bytes of a [`Chunk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkBytes<'a> {
    /// In one piece.
    Whole(Cow<'a, [u8]>),
    /// In several, of this length together: [`BodyFilter::gather`] copies them.
    Scattered(usize),
}

impl ChunkBytes<'_> {
    /// How many they are.
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
