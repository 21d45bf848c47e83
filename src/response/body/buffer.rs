//! What has arrived of a body.

use bytes::Bytes;

use crate::error::Error;
use crate::host::{BodyFilter, Chunk, ChunkBytes};

/// What is reserved for small bodies: the first of these that will do.
const SMALL: [usize; 3] = [4 << 10, 16 << 10, ASK_ABOVE];
/// To ask for the length that was promised costs more than to buffer so much.
const ASK_ABOVE: usize = 64 << 10;
/// How much is reserved beyond that: with a promise, which is not believed beyond it, and without one.
const AHEAD_PROMISED: usize = 4 << 20;
const AHEAD: usize = 2 << 20;

/// A body that is not complete yet. Its memory goes back when it is dropped.
#[derive(Debug, Default)]
pub struct BodyBuffer {
    bytes: Vec<u8>,
    /// What Content-Length promises, once that was asked.
    promised: Option<Option<usize>>,
    limit: Option<usize>,
}

impl BodyBuffer {
    /// An empty buffer, which will not be asked to hold more than `limit`.
    pub fn new(limit: Option<usize>) -> Self {
        Self { bytes: Vec::new(), promised: None, limit }
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
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    /// Appends a chunk of the body filter's.
    ///
    /// # Errors
    ///
    /// `no memory for a body of <n> bytes`
    pub fn append<H: BodyFilter>(&mut self, host: &H, chunk: &Chunk<'_>) -> Result<(), Error> {
        self.reserve(chunk.bytes.len(), || host.promised_length())?;
        match &chunk.bytes {
            ChunkBytes::Whole(bytes) => self.bytes.extend_from_slice(bytes),
            ChunkBytes::Scattered(_) => host.gather(&mut self.bytes),
        }
        Ok(())
    }

    /// Makes sure that there is room for `more` bytes. `promised` asks what Content-Length promises.
    fn reserve(&mut self, more: usize, promised: impl Fn() -> Option<u64>) -> Result<(), Error> {
        let length = self.bytes.len();
        let needed = length.checked_add(more).ok_or(Error::BodyMemory(usize::MAX))?;
        if needed <= self.bytes.capacity() {
            return Ok(());
        }
        #[cfg(feature = "fault-injection")]
        crate::fault::allocate_here(needed)?;
        if needed > ASK_ABOVE && self.promised.is_none() {
            self.promised = Some(promised().and_then(|length| usize::try_from(length).ok()));
        }
        let target = grown(length, needed, self.promised.flatten(), self.limit);
        self.bytes.try_reserve_exact(target - length).map_err(|_| Error::BodyMemory(needed))
    }
}

/// The capacity for a body of which `length` bytes are here and `needed` are about to be.
///
/// It grows a few times only, and from a moderate size on to where the memory is a mapping, which grows
/// without being copied; then it doubles. A promised length is reached without overshooting it, and is not
/// believed beyond [`AHEAD_PROMISED`], or what would be reserved without it. More than `limit` is reserved
/// only where it is needed.
fn grown(length: usize, needed: usize, promised: Option<usize>, limit: Option<usize>) -> usize {
    let doubled = needed.max(length.saturating_mul(2));
    let target = match promised {
        Some(promised) if promised >= needed => promised.min(doubled.max(AHEAD_PROMISED)),
        _ => match SMALL.into_iter().find(|&small| needed <= small) {
            Some(small) => small,
            None => doubled.max(AHEAD),
        },
    };
    target.min(limit.unwrap_or(usize::MAX)).max(needed)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::cell::Cell;

    use super::*;
    use crate::memory::Memory;

    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;

    fn append(buffer: &mut BodyBuffer, bytes: &[u8], promised: Option<u64>) {
        buffer.reserve(bytes.len(), || promised).unwrap();
        buffer.bytes.extend_from_slice(bytes);
    }

    /// Appends chunks of `chunk` bytes up to `total`, with `check` behind each.
    fn fill(
        buffer: &mut BodyBuffer,
        promised: Option<u64>,
        (chunk, total): (usize, usize),
        check: impl Fn(&BodyBuffer),
    ) {
        let bytes = vec![b'x'; chunk];
        while buffer.len() < total {
            append(buffer, &bytes[..chunk.min(total - buffer.len())], promised);
            check(buffer);
        }
    }

    #[test]
    fn chunks_add_up() {
        let mut host = Memory::new();
        let mut buffer = BodyBuffer::new(None);
        for pieces in [&[&b"one "[..]][..], &[], &[b"", b""], &[b"t", b"w", b"o"]] {
            host.at_chunk(pieces, false);
            buffer.append(&host, &host.chunk().unwrap()).unwrap();
        }
        assert_eq!(buffer.into_bytes(), b"one two"[..]);
    }

    #[test]
    fn a_promise_is_asked_for_once_and_only_where_it_pays() {
        let asked = Cell::new(0);
        let mut buffer = BodyBuffer::new(None);
        for (more, expected) in
            [(2 * KIB, 0), (62 * KIB, 0), (1, 1), (30 * KIB, 1), (3 * MIB, 1), (9 * MIB, 1)]
        {
            buffer
                .reserve(more, || {
                    asked.set(asked.get() + 1);
                    Some(100 * KIB as u64)
                })
                .unwrap();
            buffer.bytes.resize(buffer.len() + more, 0);
            assert_eq!(asked.get(), expected, "{more}");
        }
    }

    #[test]
    fn a_true_promise_is_reserved_exactly() {
        for (chunk, total) in
            [(4 * KIB, 100_000), (80 * KIB, 80 * KIB), (65_536, MIB), (8 * KIB, 5 * MIB)]
        {
            let mut buffer = BodyBuffer::new(None);
            fill(&mut buffer, Some(total as u64), (chunk, total), |_| ());
            assert_eq!(buffer.capacity(), total);
        }
    }

    #[test]
    fn a_hostile_promise_costs_no_more_than_four_mebibytes_or_what_has_arrived() {
        for promised in [u64::MAX, i64::MAX as u64, 1 << 40, 64 << 20] {
            let mut buffer = BodyBuffer::new(None);
            append(&mut buffer, &[b'x'; 10], Some(promised));
            assert_eq!(buffer.capacity(), SMALL[0]);
            append(&mut buffer, &[b'x'; ASK_ABOVE], Some(promised));
            assert_eq!(buffer.capacity(), 4 * MIB);
            fill(&mut buffer, Some(promised), (10_000, 9 * MIB), |buffer| {
                let most = (4 * MIB).max(2 * buffer.len());
                assert!(buffer.capacity() <= most, "{} for {}", buffer.capacity(), buffer.len());
            });
        }
    }

    #[test]
    fn without_a_promise_it_doubles() {
        assert_eq!(grown(0, 1, None, None), 4 * KIB);
        assert_eq!(grown(4 * KIB, 4 * KIB + 1, None, None), 16 * KIB);
        assert_eq!(grown(16 * KIB, 16 * KIB + 1, Some(100), None), 64 * KIB);
        assert_eq!(grown(64 * KIB, 64 * KIB + 1, None, None), 2 * MIB);
        assert_eq!(grown(40 * MIB, 40 * MIB + 1, None, None), 80 * MIB);
    }

    #[test]
    fn it_grows_a_few_times_whatever_the_size() {
        for promised in [None, Some(100 << 20), Some(u64::MAX)] {
            let (mut buffer, growths) = (BodyBuffer::new(None), Cell::new(0));
            let before = Cell::new(0);
            fill(&mut buffer, promised, (100 * KIB, 100 * MIB), |buffer| {
                growths.set(growths.get() + u32::from(buffer.capacity() != before.get()));
                before.set(buffer.capacity());
            });
            assert!(growths.get() <= 8, "{} times", growths.get());
        }
    }

    #[test]
    fn no_room_is_made_beyond_the_limit_but_what_is_needed() {
        for promised in [None, Some(u64::MAX), Some(5 * MIB as u64)] {
            for limit in [10, 10_000, MIB, 2 * MIB + 1] {
                let mut buffer = BodyBuffer::new(Some(limit));
                fill(&mut buffer, promised, (1_000, limit), |buffer| {
                    assert!(buffer.capacity() <= limit);
                });
                append(&mut buffer, b"more", promised);
                assert_eq!(buffer.capacity(), limit + 4);
            }
        }
    }

    #[test]
    fn a_body_beyond_all_memory_is_an_error() {
        let mut host = Memory::new();
        let mut buffer = BodyBuffer::new(None);
        append(&mut buffer, b"kept", None);
        for (more, told) in [(usize::MAX - 8, usize::MAX - 4), (usize::MAX, usize::MAX)] {
            host.at_chunk(&[b"not read"], false);
            let chunk = Chunk { last: false, bytes: ChunkBytes::Scattered(more) };
            let refused = buffer.append(&host, &chunk).map_err(|error| error.to_string());
            assert_eq!(refused, Err(format!("no memory for a body of {told} bytes")));
        }
        let chunk = Chunk { last: true, bytes: ChunkBytes::Whole(Cow::Borrowed(b"!")) };
        buffer.append(&host, &chunk).unwrap();
        assert_eq!(buffer.into_bytes(), b"kept!"[..]);
    }
}
