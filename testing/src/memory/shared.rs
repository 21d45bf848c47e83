//! The request in memory that a function of the library borrows for a call.

use std::borrow::Cow;
use std::cell::RefCell;

use http::{HeaderName, StatusCode, Version};

use super::request::Memory;
use kong_response::body::BodyState;
use kong_response::error::Error;
use kong_response::host::{
    BodyFilter, Callbacks, Chunk, ChunkBytes, Host, Level, ServerPhase, Write,
};

/// A request that Lua code can also use. Each method borrows it only while it runs, and no Lua code runs during that
/// time.
#[derive(Clone, Copy)]
pub struct Shared<'call> {
    memory: &'call RefCell<Memory>,
    callbacks: &'call dyn Callbacks,
}

impl std::fmt::Debug for Shared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(self.memory).finish()
    }
}

impl<'call> Shared<'call> {
    /// The request in `memory`.
    pub fn new(memory: &'call RefCell<Memory>, callbacks: &'call dyn Callbacks) -> Self {
        Self { memory, callbacks }
    }
}

fn owned<'a>(bytes: Cow<'_, [u8]>) -> Cow<'a, [u8]> {
    Cow::Owned(bytes.into_owned())
}

impl Host for Shared<'_> {
    fn headers_sent(&self) -> bool {
        self.memory.borrow().headers_sent()
    }

    fn status(&self) -> Result<u16, Error> {
        self.memory.borrow().status()
    }

    fn set_status(&mut self, status: StatusCode) -> Result<(), Error> {
        self.memory.borrow_mut().set_status(status)
    }

    fn header(&self, name: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error> {
        Ok(self.memory.borrow().header(name)?.map(owned))
    }

    fn last_modified(&self) -> Option<Cow<'_, [u8]>> {
        self.memory.borrow().last_modified().map(owned)
    }

    fn write_header(&mut self, name: &[u8], values: &[&[u8]], write: Write) -> Result<(), Error> {
        self.memory.borrow_mut().write_header(name, values, write)
    }

    fn server_phase(&self) -> ServerPhase {
        self.memory.borrow().server_phase()
    }

    fn is_head(&self) -> bool {
        self.memory.borrow().is_head()
    }

    fn request_content_type(&self) -> Option<Cow<'_, [u8]>> {
        self.memory.borrow().request_content_type().map(owned)
    }

    fn request_id(&self) -> Option<Cow<'_, [u8]>> {
        self.memory.borrow().request_id().map(owned)
    }

    fn http_version(&self) -> Option<Version> {
        self.callbacks.http_version().or_else(|| self.memory.borrow().http_version())
    }

    fn protocol(&self) -> Option<Version> {
        self.memory.borrow().protocol()
    }

    fn request_headers(&self, name: &HeaderName) -> Vec<Cow<'_, [u8]>> {
        self.memory.borrow().request_headers(name).into_iter().map(owned).collect()
    }

    fn upstream_header(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>> {
        self.memory.borrow().upstream_header(name).map(owned)
    }

    fn is_upgraded(&self) -> bool {
        self.memory.borrow().is_upgraded()
    }

    fn is_subrequest(&self) -> bool {
        self.memory.borrow().is_subrequest()
    }

    fn log(&self, level: Level, message: &[u8]) {
        if let Some(line) = self.callbacks.log(level, message) {
            self.memory.borrow().log(level, &line);
        }
    }

    fn is_new(&self, cause: &str) -> bool {
        self.memory.borrow().is_new(cause)
    }
}

impl BodyFilter for Shared<'_> {
    fn chunk(&self) -> Result<Chunk<'_>, Error> {
        let memory = self.memory.borrow();
        let chunk = memory.chunk()?;
        let bytes = match chunk.bytes {
            ChunkBytes::Whole(bytes) => ChunkBytes::Whole(owned(bytes)),
            ChunkBytes::Scattered(length) => ChunkBytes::Scattered(length),
        };
        Ok(Chunk { last: chunk.last, bytes })
    }

    fn gather(&self, into: &mut Vec<u8>) {
        self.memory.borrow().gather(into);
    }

    fn take_body(&self) -> Option<BodyState> {
        self.memory.borrow().take_body()
    }

    fn keep_body(&self, state: BodyState) -> Result<(), Error> {
        self.memory.borrow().keep_body(state)
    }

    fn declared_length(&self) -> Option<u64> {
        self.memory.borrow().declared_length()
    }
}
