//! An in-memory request and response that treat headers as nginx does: which are held once, what is
//! escaped, and where in the list a header ends up.

use std::borrow::Cow;
use std::cell::RefCell;

use http::StatusCode;

use crate::error::Error;
use crate::host::{BodyFilter, Chunk, ChunkBytes, Host, Level, ServerPhase, Write};
use crate::response::body::BodyBuffer;
use crate::response::header;

/// Headers of which nginx keeps a list of its own: a removed one's place is taken by the next.
const MULTI: [&[u8]; 3] = [b"Cache-Control", b"Link", b"WWW-Authenticate"];

/// A place in the list of headers; nginx never takes one out.
#[derive(Debug, Clone)]
struct Slot {
    name: Vec<u8>,
    value: Vec<u8>,
    live: bool,
}

/// A request and its response.
#[derive(Debug)]
pub struct Memory {
    method: Vec<u8>,
    http_version: f64,
    request_headers: Vec<(Vec<u8>, Vec<u8>)>,
    phase: ServerPhase,
    status: u16,
    sent: bool,
    slots: Vec<Slot>,
    content_type: Vec<u8>,
    chunk: Vec<Vec<u8>>,
    last_chunk: bool,
    buffer: RefCell<Option<BodyBuffer>>,
    log: RefCell<Vec<(Level, String)>>,
}

impl Memory {
    /// A GET request over HTTP/1.1 without headers, and a response of which nothing is set.
    #[expect(clippy::new_without_default, reason = "a request is made, not defaulted to")]
    pub fn new() -> Self {
        Self {
            method: b"GET".to_vec(),
            http_version: 1.1,
            request_headers: Vec::new(),
            phase: ServerPhase::Active,
            status: 0,
            sent: false,
            slots: Vec::new(),
            content_type: Vec::new(),
            chunk: Vec::new(),
            last_chunk: false,
            buffer: RefCell::default(),
            log: RefCell::default(),
        }
    }

    /// The same with another method.
    pub fn with_method(mut self, method: &str) -> Self {
        self.method = method.as_bytes().to_vec();
        self
    }

    /// The same with another HTTP version.
    pub fn with_http_version(mut self, version: f64) -> Self {
        self.http_version = version;
        self
    }

    /// The same with one more request header.
    pub fn with_request_header(mut self, name: &str, value: &str) -> Self {
        self.request_headers.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        self
    }

    /// The same in another phase of the server.
    pub fn in_phase(mut self, phase: ServerPhase) -> Self {
        self.phase = phase;
        self
    }

    /// The same with its head sent.
    pub fn with_headers_sent(mut self) -> Self {
        self.sent = true;
        self
    }

    /// Puts the body filter at a chunk, given in pieces.
    pub fn at_chunk(&mut self, pieces: &[&[u8]], last: bool) {
        self.phase = ServerPhase::BodyFilter;
        self.chunk = pieces.iter().map(|piece| piece.to_vec()).collect();
        self.last_chunk = last;
    }

    /// The lines logged so far.
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.log.borrow().clone()
    }

    /// The headers in the order of the list, Content-Type first.
    pub fn listed(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let content_type = (!self.content_type.is_empty())
            .then(|| ("Content-Type".into(), text(&self.content_type)));
        let live = self.slots.iter().filter(|slot| slot.live);
        content_type.into_iter().chain(live.map(|s| (text(&s.name), text(&s.value)))).collect()
    }

    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<String> {
        let value = self.header(name.as_bytes()).ok()??;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    fn request_header(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |(n, _): &&(Vec<u8>, Vec<u8>)| n.eq_ignore_ascii_case(name.as_bytes());
        self.request_headers.iter().filter(named).map(|(_, value)| value.as_slice())
    }

    /// To set a single header again, even after it was removed, keeps its place.
    fn write_single(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let known = |slot: &&mut Slot| same_single(&slot.name, &name);
        match self.slots.iter_mut().find(known) {
            Some(slot) if value.is_empty() => slot.live = false,
            Some(slot) => *slot = Slot { name, value, live: true },
            None => self.push(name, value),
        }
    }

    fn write_multi(&mut self, name: Vec<u8>, value: Vec<u8>, write: Write) {
        let mut places = self.slots.iter_mut().filter(|slot| header::is(&slot.name, &name));
        match write {
            Write::Add => match places.find(|slot| !slot.live) {
                Some(slot) => (slot.value, slot.live) = (value, true),
                None => self.push(name, value),
            },
            Write::Set => match places.next() {
                Some(first) => {
                    (first.live, first.value) = (!value.is_empty(), value);
                    places.for_each(|slot| slot.live = false);
                }
                None => self.push(name, value),
            },
        }
    }

    fn write_other(&mut self, name: Vec<u8>, value: Vec<u8>, write: Write) {
        if write == Write::Add {
            return self.push(name, value);
        }
        let named = |slot: &&mut Slot| slot.live && slot.name.eq_ignore_ascii_case(&name);
        let mut places = self.slots.iter_mut().filter(named);
        match places.next() {
            Some(first) => {
                (first.live, first.value) = (!value.is_empty(), value);
                places.for_each(|slot| slot.live = false);
            }
            None => self.push(name, value),
        }
    }

    fn push(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let live = !value.is_empty();
        self.slots.push(Slot { name, value, live });
    }
}

/// Whether two names are one of nginx's single headers; ETag has a second spelling.
fn same_single(a: &[u8], b: &[u8]) -> bool {
    let etag = |name: &[u8]| header::is(name, b"ETag") || header::is(name, b"E-Tag");
    header::is(a, b) || (etag(a) && etag(b))
}

impl Host for Memory {
    fn headers_sent(&self) -> bool {
        self.sent
    }

    fn status(&self) -> Result<u16, Error> {
        Ok(self.status)
    }

    fn set_status(&mut self, status: StatusCode) -> Result<(), Error> {
        self.status = status.as_u16();
        Ok(())
    }

    fn header(&self, name: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error> {
        if header::is(name, b"Content-Type") && !self.content_type.is_empty() {
            return Ok(Some(Cow::Borrowed(&self.content_type)));
        }
        let named = |slot: &&Slot| slot.live && slot.name.eq_ignore_ascii_case(name);
        Ok(self.slots.iter().find(named).map(|slot| Cow::Borrowed(&slot.value[..])))
    }

    fn write_header(&mut self, name: &[u8], values: &[&[u8]], write: Write) -> Result<(), Error> {
        let name = escape(&dashed(name), Part::Name);
        let values = if values.is_empty() { &[&b""[..]][..] } else { values };
        for (i, value) in values.iter().enumerate() {
            let write = if i == 0 { write } else { Write::Add };
            let value = escape(value, Part::Value);
            if header::is(&name, b"Content-Type") {
                self.content_type = value;
            } else if header::is_single(&name) {
                self.write_single(name.clone(), value);
            } else if MULTI.iter().any(|multi| header::is(&name, multi)) {
                self.write_multi(name.clone(), value, write);
            } else {
                self.write_other(name.clone(), value, write);
            }
        }
        Ok(())
    }

    fn server_phase(&self) -> ServerPhase {
        self.phase
    }

    fn is_head(&self) -> bool {
        self.method == b"HEAD"
    }

    fn request_content_type(&self) -> Option<Cow<'_, [u8]>> {
        self.request_header("Content-Type").next().map(Cow::Borrowed)
    }

    fn http_version(&self) -> Option<f64> {
        Some(self.http_version)
    }

    fn accept(&self) -> Vec<Cow<'_, [u8]>> {
        self.request_header("Accept").map(Cow::Borrowed).collect()
    }

    fn log(&self, level: Level, message: &[u8]) {
        self.log.borrow_mut().push((level, String::from_utf8_lossy(message).into_owned()));
    }
}

impl BodyFilter for Memory {
    fn chunk(&self) -> Result<Chunk<'_>, Error> {
        if self.phase != ServerPhase::BodyFilter {
            return Err(Error::Disabled);
        }
        let bytes = match &self.chunk[..] {
            [] => ChunkBytes::Whole(Cow::Borrowed(&[])),
            [piece] => ChunkBytes::Whole(Cow::Borrowed(piece)),
            pieces => ChunkBytes::Scattered(pieces.iter().map(Vec::len).sum()),
        };
        Ok(Chunk { last: self.last_chunk, bytes })
    }

    fn gather(&self, room: &mut [u8]) {
        room.copy_from_slice(&self.chunk.concat());
    }

    fn take_buffer(&self) -> Option<BodyBuffer> {
        self.buffer.take()
    }

    fn keep_buffer(&self, buffer: BodyBuffer) -> Result<(), Error> {
        self.buffer.replace(Some(buffer));
        Ok(())
    }

    fn promised_length(&self) -> Option<u64> {
        None
    }
}

fn dashed(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Name,
    Value,
}

/// Percent-escapes what nginx escapes: control bytes but TAB in a value; in a name also TAB, the
/// separators of RFC 9110 section 5.6.2 without `!#$%&'*+-.^_|~`, and every byte from 0x80.
fn escape(bytes: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        let escaped = match byte {
            b'\t' => part == Part::Name,
            0..=0x1F | 0x7F => true,
            b' '
            | b'"'
            | b'('
            | b')'
            | b','
            | b'/'
            | b':'..=b'@'
            | b'['
            | b'\\'
            | b']'
            | b'{'
            | b'}'
            | 0x80.. => part == Part::Name,
            _ => false,
        };
        if escaped {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(steps: &[(&str, &[&str], Write)]) -> Vec<String> {
        let mut host = Memory::new();
        for (name, values, write) in steps {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            host.write_header(name.as_bytes(), &values, *write).unwrap();
        }
        host.listed().into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn single_headers_keep_the_last_value_and_their_place() {
        let steps: &[(&str, &[&str], Write)] = &[
            ("Location", &["/a", "/b"], Write::Set),
            ("X-A", &["1"], Write::Set),
            ("Location", &[], Write::Set),
            ("location", &["/c"], Write::Add),
        ];
        assert_eq!(written(steps), ["location: /c", "X-A: 1"]);
        let steps: &[(&str, &[&str], Write)] =
            &[("E-Tag", &["1"], Write::Set), ("ETag", &["2"], Write::Add)];
        assert_eq!(written(steps), ["ETag: 2"]);
    }

    #[test]
    fn other_headers_repeat_and_lose_their_place_when_removed() {
        let steps: &[(&str, &[&str], Write)] = &[
            ("X-A", &["1", "2"], Write::Set),
            ("X-B", &["3"], Write::Set),
            ("x_a", &["4"], Write::Add),
        ];
        assert_eq!(written(steps), ["X-A: 1", "X-A: 2", "X-B: 3", "x-a: 4"]);
        let steps: &[(&str, &[&str], Write)] = &[
            ("X-A", &["1", "2"], Write::Set),
            ("X-B", &["3"], Write::Set),
            ("X-A", &[], Write::Set),
            ("X-A", &["5"], Write::Set),
        ];
        assert_eq!(written(steps), ["X-B: 3", "X-A: 5"]);
    }

    #[test]
    fn control_bytes_are_escaped() {
        assert_eq!(escape(b"a\r\nX: 1\t\x7f\xff", Part::Value), b"a%0D%0AX: 1\t%7F\xff");
        assert_eq!(escape(b"a b:\t\xff!#~", Part::Name), b"a%20b%3A%09%FF!#~");
    }
}
