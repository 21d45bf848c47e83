//! The traits of a server, [`Host`] and [`BodyFilter`], for a request in memory.

use std::borrow::Cow;

use bytes::{BufMut, Bytes};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{StatusCode, Version};

use super::escape;
use super::request::Memory;
use kong_response::body::BodyState;
use kong_response::content_length;
use kong_response::error::Error;
use kong_response::host::{BodyFilter, Chunk, ChunkBytes, Host, Level, ServerPhase, Write};

impl Host for Memory {
    fn headers_sent(&self) -> bool {
        self.sent
    }

    fn status(&self) -> Result<u16, Error> {
        Ok(match self.head.status_sent() {
            0 if self.http_version < Version::HTTP_10 => 9,
            status => status,
        })
    }

    fn set_status(&mut self, status: StatusCode) -> Result<(), Error> {
        if self.sent {
            return Err(Error::HeadersSent);
        }
        self.force_status(status.as_u16());
        Ok(())
    }

    fn header(&self, name: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error> {
        Ok(self.head.first(name).map(Cow::Owned))
    }

    fn last_modified(&self) -> Option<Cow<'_, [u8]>> {
        self.head.first(b"Last-Modified").map(Cow::Owned)
    }

    fn write_header(&mut self, name: &[u8], values: &[&[u8]], write: Write) -> Result<(), Error> {
        if self.sent {
            return Err(Error::HeadersSent);
        }
        let values = if values.is_empty() { &[&b""[..]][..] } else { values };
        for (i, value) in values.iter().enumerate() {
            let write = if i == 0 { write } else { Write::Add };
            let refused = |_| Error::Host("failed to set header".to_owned());
            self.head.write(name, value, write).map_err(refused)?;
        }
        Ok(())
    }

    fn server_phase(&self) -> ServerPhase {
        self.stage.server
    }

    fn is_head(&self) -> bool {
        self.variable("request_method").map_or(self.is_head_request(), |method| method == b"HEAD")
    }

    fn request_content_type(&self) -> Option<Cow<'_, [u8]>> {
        let given = self.variable("content_type");
        given.or_else(|| self.request_header(&CONTENT_TYPE).next()).map(Cow::Borrowed)
    }

    fn request_id(&self) -> Option<Cow<'_, [u8]>> {
        self.variable("request_id").map(Cow::Borrowed)
    }

    fn http_version(&self) -> Option<Version> {
        Some(self.http_version)
    }

    fn protocol(&self) -> Option<Version> {
        Some(self.http_version)
    }

    fn request_headers(&self, name: &HeaderName) -> Vec<Cow<'_, [u8]>> {
        self.request_header(name).map(Cow::Borrowed).collect()
    }

    fn upstream_header(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>> {
        let variable = escape::variable(name.as_ref());
        if let Some(given) = self.variable([b"upstream_http_", &variable[..]].concat()) {
            return Some(Cow::Borrowed(given));
        }
        let same = |known: &[u8]| escape::variable(known) == variable;
        let found = self.upstream_headers.iter().find(|(known, _)| same(known));
        found.map(|(_, value)| Cow::Borrowed(value.as_slice()))
    }

    fn is_upgraded(&self) -> bool {
        self.upstream_status == Some(101)
    }

    fn is_subrequest(&self) -> bool {
        false
    }

    fn log(&self, level: Level, message: &[u8]) {
        self.log.borrow_mut().push((level, message.to_vec()));
    }

    fn is_new(&self, cause: &str) -> bool {
        self.warnings.borrow_mut().is_new(cause)
    }
}

impl BodyFilter for Memory {
    fn chunk(&self) -> Result<Chunk<'_>, Error> {
        if self.stage.server != ServerPhase::BodyFilter {
            return Err(Error::Disabled);
        }
        let mut pieces = self.chain.readable();
        let bytes = match pieces.len() {
            0 | 1 => {
                ChunkBytes::Whole(Cow::Borrowed(pieces.next().map_or(&[], |piece| &piece[..])))
            }
            _ => ChunkBytes::Scattered(pieces.map(Bytes::len).sum()),
        };
        Ok(Chunk { last: self.chain.is_last(), bytes })
    }

    fn gather(&self, into: &mut Vec<u8>) {
        self.chain.readable().for_each(|piece| into.put(piece.clone()));
    }

    fn take_body(&self) -> Option<BodyState> {
        self.body.take()
    }

    fn keep_body(&self, state: BodyState) -> Result<(), Error> {
        self.body.replace(Some(state));
        Ok(())
    }

    fn declared_length(&self) -> Option<u64> {
        content_length::parse(&self.upstream_header(&CONTENT_LENGTH)?)
    }
}
