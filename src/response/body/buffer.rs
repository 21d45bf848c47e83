//! What has arrived of a body.

use super::spare;
use crate::error::Error;
use crate::host::{BodyFilter, Chunk, ChunkBytes};

/// How much is reserved ahead of what has arrived, whatever a Content-Length promises.
const MOST_AHEAD: usize = 1 << 20;
/// How much is reserved at least.
const LEAST: usize = 4096;

/// A body that is not complete yet.
#[derive(Debug, Default)]
pub struct BodyBuffer {
    bytes: Vec<u8>,
    /// What Content-Length promises: it steers how much is reserved, and is not believed beyond that.
    promised: Option<usize>,
    limit: Option<usize>,
}

impl BodyBuffer {
    /// An empty buffer for a body of which Content-Length says that it has `promised` bytes. It will not
    /// be asked to hold more than `limit`.
    pub fn new(promised: Option<u64>, limit: Option<usize>) -> Self {
        let promised = promised.and_then(|length| usize::try_from(length).ok());
        Self { bytes: spare::take(), promised, limit }
    }

    /// How many bytes have arrived.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes it can hold without growing.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes that have arrived.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
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
    /// As [`append`](Self::append).
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

    /// Appends a chunk of the body filter's.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_chunk<H: BodyFilter>(
        &mut self,
        host: &H,
        chunk: &Chunk<'_>,
    ) -> Result<(), Error> {
        match &chunk.bytes {
            ChunkBytes::Whole(bytes) => self.append(bytes),
            ChunkBytes::Scattered(length) => self.append_with(*length, |room| host.gather(room)),
        }
    }

    fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let length = self.bytes.len();
        let needed = length.checked_add(more).ok_or(Error::BodyMemory(usize::MAX))?;
        if needed <= self.bytes.capacity() {
            return Ok(());
        }
        #[cfg(feature = "fault-injection")]
        crate::fault::allocate_here(needed)?;
        let target = grown(length, needed, self.promised, self.limit);
        self.bytes.try_reserve_exact(target - length).map_err(|_| Error::BodyMemory(needed))
    }
}

/// The capacity for a body of which `length` bytes are here and `needed` are about to be.
///
/// It doubles, so that appending stays linear. A promised length is reached without overshooting it, in
/// steps of [`MOST_AHEAD`], so that a promise costs no more than that: the system can mostly grow a large
/// buffer where it is. More than `limit` is reserved only where it is needed.
fn grown(length: usize, needed: usize, promised: Option<usize>, limit: Option<usize>) -> usize {
    let target = match promised {
        Some(promised) if promised >= needed => promised.min(needed.saturating_add(MOST_AHEAD)),
        _ => needed.max(length.saturating_mul(2)).max(LEAST),
    };
    target.min(limit.unwrap_or(usize::MAX)).max(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Appends chunks of `chunk` bytes up to `total`, with `check` behind each.
    fn fill(buffer: &mut BodyBuffer, chunk: usize, total: usize, check: impl Fn(&BodyBuffer)) {
        let bytes = vec![b'x'; chunk];
        while buffer.len() < total {
            buffer.append(&bytes[..chunk.min(total - buffer.len())]).unwrap();
            check(buffer);
        }
    }

    /// There is no more room than for 1 MiB ahead of what has arrived.
    fn at_most_a_mebibyte_ahead(buffer: &BodyBuffer) {
        let ahead = buffer.capacity() - buffer.len();
        assert!(ahead <= MIB, "{ahead} bytes ahead of {}", buffer.len());
    }

    #[test]
    fn chunks_add_up() {
        let mut buffer = BodyBuffer::new(None, None);
        buffer.append(b"one ").unwrap();
        buffer.append(b"").unwrap();
        buffer.append_with(3, |room| room.copy_from_slice(b"two")).unwrap();
        assert_eq!(buffer.into_bytes(), b"one two");
    }

    #[test]
    fn a_true_promise_is_reserved_exactly() {
        for (chunk, total) in [(4096, 100_000), (16_384, 16_384), (65_536, MIB), (8192, 5 * MIB)] {
            let mut buffer = BodyBuffer::new(Some(total as u64), None);
            fill(&mut buffer, chunk, total, at_most_a_mebibyte_ahead);
            assert_eq!(buffer.capacity(), total);
        }
        let mut buffer = BodyBuffer::new(Some(100_000), None);
        buffer.append(&[0; 10]).unwrap();
        assert_eq!(buffer.capacity(), 100_000);
    }

    #[test]
    fn a_hostile_promise_costs_at_most_a_mebibyte_ahead() {
        for promised in [u64::MAX, i64::MAX as u64, 1 << 40, 64 << 20] {
            let mut buffer = BodyBuffer::new(Some(promised), None);
            buffer.append(&[b'x'; 10]).unwrap();
            assert_eq!(buffer.capacity(), 10 + MIB);
            fill(&mut buffer, 10_000, 9 * MIB, at_most_a_mebibyte_ahead);
        }
    }

    #[test]
    fn without_a_promise_it_doubles() {
        assert_eq!(grown(0, 1, None, None), LEAST);
        assert_eq!(grown(8192, 8193, None, None), 16_384);
        assert_eq!(grown(8192, 8193, Some(100), None), 16_384);
        assert_eq!(grown(40 * MIB, 40 * MIB + 1, None, None), 80 * MIB);
    }

    #[test]
    fn no_room_is_made_beyond_the_limit_but_what_is_needed() {
        for promised in [None, Some(u64::MAX), Some(5 * MIB as u64)] {
            for limit in [10, 10_000, MIB, 2 * MIB + 1] {
                let mut buffer = BodyBuffer::new(promised, Some(limit));
                fill(&mut buffer, 1_000, limit, |buffer| assert!(buffer.capacity() <= limit));
                buffer.append(b"more").unwrap();
                assert_eq!(buffer.capacity(), limit + 4);
            }
        }
    }

    #[test]
    fn a_body_beyond_all_memory_is_an_error() {
        let mut buffer = BodyBuffer::new(None, None);
        buffer.append(b"kept").unwrap();
        let refused = buffer.append_with(usize::MAX - 8, |_| unreachable!());
        let text = format!("no memory for a body of {} bytes", usize::MAX - 4);
        assert_eq!(refused.map_err(|error| error.to_string()), Err(text));
        let text = format!("no memory for a body of {} bytes", usize::MAX);
        let refused = buffer.append_with(usize::MAX, |_| unreachable!());
        assert_eq!(refused.map_err(|error| error.to_string()), Err(text));
        assert_eq!(buffer.into_bytes(), b"kept");
    }
}
