//! The request that a call is about, wherever it lives.

use std::borrow::Cow;

use http::{StatusCode, Version};

use crate::error::Error;
use crate::host::memory::Shared;
use crate::host::nginx::Request;
use crate::host::{BodyFilter, Chunk, Host, Level, ServerPhase, Write};
use crate::response::body::Held;
use crate::response::mistake::Mistake;

/// A request, for the time of one call.
#[derive(Clone, Copy, Debug)]
pub enum Served<'call> {
    /// The one that nginx is serving.
    Nginx(Request<'call>),
    /// One in memory.
    Memory(Shared<'call>),
}

/// The same question to either.
macro_rules! ask {
    ($served:ident.$method:ident($($argument:expr),*)) => {
        match $served {
            Self::Nginx(request) => request.$method($($argument),*),
            Self::Memory(request) => aside(|| request.$method($($argument),*)),
        }
    };
}

/// Keeps the code for memory out of the way of nginx's, where time counts.
#[cold]
#[inline(never)]
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    work()
}

impl Host for Served<'_> {
    fn headers_sent(&self) -> bool {
        ask!(self.headers_sent())
    }

    fn status(&self) -> Result<u16, Error> {
        ask!(self.status())
    }

    fn set_status(&mut self, status: StatusCode) -> Result<(), Error> {
        ask!(self.set_status(status))
    }

    fn header(&self, name: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error> {
        ask!(self.header(name))
    }

    fn write_header(&mut self, name: &[u8], values: &[&[u8]], write: Write) -> Result<(), Error> {
        ask!(self.write_header(name, values, write))
    }

    fn server_phase(&self) -> ServerPhase {
        ask!(self.server_phase())
    }

    fn is_head(&self) -> bool {
        ask!(self.is_head())
    }

    fn request_content_type(&self) -> Option<Cow<'_, [u8]>> {
        ask!(self.request_content_type())
    }

    fn request_id(&self) -> Option<Cow<'_, [u8]>> {
        ask!(self.request_id())
    }

    fn http_version(&self) -> Option<f64> {
        ask!(self.http_version())
    }

    fn protocol(&self) -> Option<Version> {
        ask!(self.protocol())
    }

    fn request_headers(&self, name: &str) -> Vec<Cow<'_, [u8]>> {
        ask!(self.request_headers(name))
    }

    fn has_request_header(&self, names: &[&str]) -> bool {
        ask!(self.has_request_header(names))
    }

    fn upstream_header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        ask!(self.upstream_header(name))
    }

    fn is_upgraded(&self) -> bool {
        ask!(self.is_upgraded())
    }

    fn is_subrequest(&self) -> bool {
        ask!(self.is_subrequest())
    }

    fn log(&self, level: Level, message: &[u8]) {
        ask!(self.log(level, message))
    }

    fn is_new(&self, mistake: &Mistake, position: &str) -> bool {
        ask!(self.is_new(mistake, position))
    }
}

impl BodyFilter for Served<'_> {
    fn chunk(&self) -> Result<Chunk<'_>, Error> {
        ask!(self.chunk())
    }

    fn gather(&self, room: &mut [u8]) {
        ask!(self.gather(room))
    }

    fn take_body(&self) -> Option<Held> {
        ask!(self.take_body())
    }

    fn keep_body(&self, held: Held) -> Result<(), Error> {
        ask!(self.keep_body(held))
    }

    fn promised_length(&self) -> Option<u64> {
        ask!(self.promised_length())
    }
}
