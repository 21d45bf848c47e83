//! The body of a response while it is being buffered.

use std::borrow::Cow;

use bytes::BytesMut;

use crate::error::Error;
use crate::host::{BodyFilter, ChunkBytes};

/// How much is reserved ahead of what has arrived, whatever a Content-Length promises.
const MOST_AHEAD: usize = 1 << 20;

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub enum Consumed<'a> {
    /// It is buffered: nothing of it may go out now.
    Buffered,
    /// It was the whole body, and may go out as it is.
    AsItIs(Cow<'a, [u8]>),
    /// It was the end of this body, which has to take its place.
    Whole(BytesMut),
}

/// Consumes the chunk that the body filter is at: `get_raw_body`.
///
/// # Errors
///
/// - `API disabled in the current context` outside a body filter
/// - `no memory for a body of <n> bytes`
pub fn consume<H: BodyFilter>(host: &H) -> Result<Consumed<'_>, Error> {
    let chunk = host.chunk()?;
    let mut buffer = match (host.take_buffer(), chunk.last) {
        (Some(buffer), _) => buffer,
        (None, true) => match chunk.bytes {
            ChunkBytes::Whole(bytes) => return Ok(Consumed::AsItIs(bytes)),
            ChunkBytes::Scattered(_) => BodyBuffer::new(None),
        },
        (None, false) => BodyBuffer::new(host.promised_length()),
    };
    match &chunk.bytes {
        ChunkBytes::Whole(bytes) => buffer.append(bytes)?,
        ChunkBytes::Scattered(length) => buffer.append_with(*length, |room| host.gather(room))?,
    }
    if chunk.last {
        return Ok(Consumed::Whole(buffer.bytes));
    }
    host.keep_buffer(buffer)?;
    Ok(Consumed::Buffered)
}

/// Makes sure that the body can be replaced by `body`, and forgets what was buffered: `set_raw_body`.
/// `None` stands for what is no string. Says whether the response may have a body: nginx would send one
/// behind the 204 or 304 of an upstream, and the client would take it for the next response.
///
/// # Errors
///
/// - `API disabled in the current context` outside a body filter
/// - `body must be a string`
pub fn replace<H: BodyFilter>(host: &H, body: Option<&[u8]>) -> Result<bool, Error> {
    host.chunk()?;
    body.ok_or(Error::RawBodyType)?;
    drop(host.take_buffer());
    Ok(!matches!(host.status()?, 100..200 | 204 | 304))
}

/// A body that is not complete yet.
#[derive(Debug, Default)]
pub struct BodyBuffer {
    bytes: BytesMut,
    /// What Content-Length promises: it steers how the buffer grows, and is not believed beyond that.
    promised: Option<usize>,
}

impl BodyBuffer {
    /// An empty buffer for a body of which Content-Length says that it has `promised` bytes.
    pub fn new(promised: Option<u64>) -> Self {
        let promised = promised.and_then(|length| usize::try_from(length).ok());
        Self { bytes: BytesMut::new(), promised }
    }

    /// What has arrived.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes it can hold without growing.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// `no memory for a body of <n> bytes`
    pub fn append(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.reserve(chunk.len())?;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Appends a chunk of `length` bytes that `fill` writes into the room it is given.
    ///
    /// # Errors
    ///
    /// `no memory for a body of <n> bytes`
    pub fn append_with(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), Error> {
        self.reserve(length)?;
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        fill(&mut self.bytes[start..]);
        Ok(())
    }

    fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let length = self.bytes.len();
        let needed = length.checked_add(more).ok_or(Error::BodyMemory(usize::MAX))?;
        if needed <= self.bytes.capacity() {
            return Ok(());
        }
        let target = grown(length, needed, self.promised);
        // BytesMut aborts the process where there is no memory; Vec can say so.
        Vec::<u8>::new().try_reserve_exact(target).map_err(|_| Error::BodyMemory(needed))?;
        self.bytes.reserve(target - length);
        Ok(())
    }
}

/// The capacity for a body of which `length` bytes are here and `needed` are about to be.
///
/// It doubles, so that appending stays linear; a promised length is reached without overshooting it,
/// and no promise makes it reserve more than [`MOST_AHEAD`] beyond that.
fn grown(length: usize, needed: usize, promised: Option<usize>) -> usize {
    let doubled = needed.max(length.saturating_mul(2));
    match promised {
        Some(promised) if promised >= needed => {
            promised.min(doubled.max(needed.saturating_add(MOST_AHEAD)))
        }
        _ => doubled.max(4096),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::memory::Memory;

    #[test]
    fn the_first_chunk_that_is_the_last_stays_as_it_is() {
        let mut host = Memory::new();
        host.at_chunk(&[b"whole"], true);
        assert_eq!(consume(&host), Ok(Consumed::AsItIs(Cow::Borrowed(&b"whole"[..]))));
        host.at_chunk(&[], true);
        assert_eq!(consume(&host), Ok(Consumed::AsItIs(Cow::Borrowed(&[]))));
        host.at_chunk(&[b"in ", b"pieces"], true);
        assert_eq!(consume(&host), Ok(Consumed::Whole(BytesMut::from("in pieces"))));
    }

    #[test]
    fn chunks_are_buffered_to_the_end() {
        let mut host = Memory::new();
        host.at_chunk(&[b"one "], false);
        assert_eq!(consume(&host), Ok(Consumed::Buffered));
        host.at_chunk(&[b"two ", b"three "], false);
        assert_eq!(consume(&host), Ok(Consumed::Buffered));
        host.at_chunk(&[b"four"], true);
        let whole = BytesMut::from("one two three four");
        assert_eq!(consume(&host), Ok(Consumed::Whole(whole)));
        assert!(host.take_buffer().is_none());
    }

    #[test]
    fn a_body_is_replaced_only_by_a_string_and_in_the_body_filter() {
        let mut host = Memory::new();
        assert_eq!(replace(&host, Some(b"x")), Err(Error::Disabled));
        assert_eq!(consume(&host), Err(Error::Disabled));
        host.at_chunk(&[b"one"], false);
        consume(&host).unwrap();
        assert_eq!(replace(&host, None), Err(Error::RawBodyType));
        assert!(host.take_buffer().is_some());
        consume(&host).unwrap();
        assert_eq!(replace(&host, Some(b"")), Ok(true));
        assert!(host.take_buffer().is_none());
    }

    #[test]
    fn a_status_without_a_body_gets_none() {
        for (status, expected) in [(100, false), (200, true), (204, false), (304, false)] {
            let mut host = Memory::new();
            host.upstream(status, []);
            host.at_chunk(&[], true);
            assert_eq!(replace(&host, Some(b"x")), Ok(expected), "{status}");
        }
    }

    #[test]
    fn chunks_add_up() {
        let mut buffer = BodyBuffer::new(None);
        buffer.append(b"one ").unwrap();
        buffer.append(b"").unwrap();
        buffer.append_with(3, |room| room.copy_from_slice(b"two")).unwrap();
        assert_eq!(buffer.as_slice(), b"one two");
    }

    #[test]
    fn a_true_promise_is_reserved_exactly() {
        assert_eq!(grown(0, 16_384, Some(100_000)), 100_000);
        assert_eq!(grown(0, 16_384, Some(16_384)), 16_384);
        assert_eq!(grown(40 << 20, (40 << 20) + 1, Some(64 << 20)), 64 << 20);
    }

    #[test]
    fn a_hostile_promise_costs_at_most_a_megabyte_ahead() {
        let first = grown(0, 10, Some(usize::MAX));
        assert_eq!(first, 10 + MOST_AHEAD);
        let mut buffer = BodyBuffer::new(Some(u64::MAX));
        buffer.append(&[b'x'; 10]).unwrap();
        assert!(buffer.bytes.capacity() <= 10 + MOST_AHEAD + 64);
    }

    #[test]
    fn without_a_promise_it_doubles() {
        assert_eq!(grown(0, 1, None), 4096);
        assert_eq!(grown(8192, 8193, None), 16_384);
        assert_eq!(grown(8192, 8193, Some(100)), 16_384);
    }

    #[test]
    fn a_body_beyond_all_memory_is_an_error() {
        let mut buffer = BodyBuffer::new(None);
        buffer.append(b"kept").unwrap();
        let refused = buffer.append_with(usize::MAX - 8, |_| unreachable!());
        let text = format!("no memory for a body of {} bytes", usize::MAX - 4);
        assert_eq!(refused.map_err(|error| error.to_string()), Err(text));
        assert_eq!(buffer.as_slice(), b"kept");
    }
}
