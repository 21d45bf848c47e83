//! The memory of a body that is being buffered.

use bytes::Bytes;

use crate::error::Error;

/// The promised length is asked for above this size: up to it, the question costs more than it saves.
const ASK_ABOVE: usize = 64 << 10;
/// The first capacities. A buffer takes the smallest that is large enough.
const FIRST: [usize; 4] = [4 << 10, 16 << 10, ASK_ABOVE, 1 << 20];
/// The smallest capacity above those: a mapping, which grows without being copied.
const LARGE: usize = 4 << 20;
/// A Content-Length up to this one is reserved at once.
const BELIEVED: usize = 2 << 20;

/// A body that is not complete yet. Dropping it frees its memory.
#[derive(Debug, Default)]
pub struct BodyBuffer {
    bytes: Vec<u8>,
    /// The length that Content-Length promises, once it was asked for.
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

    /// Reserves memory for `more` bytes, which `write` appends. `promised` reads the length that
    /// Content-Length promises.
    ///
    /// # Errors
    ///
    /// `no memory for a body of <n> bytes`
    pub fn append(
        &mut self,
        more: usize,
        promised: impl Fn() -> Option<u64>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        self.reserve(more, promised)?;
        write(&mut self.bytes);
        Ok(())
    }

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

/// The capacity for `length` bytes that are about to be `needed`, when no length is promised: a few steps,
/// and then it doubles.
fn unpromised(length: usize, needed: usize) -> usize {
    match FIRST.into_iter().find(|&first| needed <= first) {
        Some(first) => first,
        None => needed.max(length.saturating_mul(2)).max(LARGE),
    }
}

/// The capacity for a body of which `length` bytes are here and `needed` are about to be.
///
/// A promised length is reached without overshooting it. A promise above [`BELIEVED`] reserves nothing that
/// would not be reserved without it, because it may be a lie. `limit` is exceeded only by what has arrived.
fn grown(length: usize, needed: usize, promised: Option<usize>, limit: Option<usize>) -> usize {
    let unpromised = unpromised(length, needed);
    let target = match promised {
        Some(promised) if (needed..=BELIEVED).contains(&promised) => promised,
        Some(promised) if promised >= needed => unpromised.min(promised),
        _ => unpromised,
    };
    target.min(limit.unwrap_or(usize::MAX)).max(needed)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;

    fn append(buffer: &mut BodyBuffer, bytes: &[u8], promised: Option<u64>) {
        buffer.append(bytes.len(), || promised, |into| into.extend_from_slice(bytes)).unwrap();
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
        for (chunk, total) in [(4, 100_000), (80, 80 * KIB), (64, MIB), (16, 2 * MIB), (8, 5 * MIB)]
        {
            let mut buffer = BodyBuffer::new(None);
            fill(&mut buffer, Some(total as u64), (chunk * KIB, total), |_| ());
            assert_eq!(buffer.capacity(), total);
        }
    }

    #[test]
    fn a_hostile_promise_costs_no_more_than_none() {
        for promised in [u64::MAX, i64::MAX as u64, 1 << 40, 64 << 20] {
            let mut buffer = BodyBuffer::new(None);
            append(&mut buffer, &[b'x'; 10], Some(promised));
            assert_eq!(buffer.capacity(), FIRST[0]);
            append(&mut buffer, &[b'x'; ASK_ABOVE], Some(promised));
            fill(&mut buffer, Some(promised), (10_000, 9 * MIB), |buffer| {
                let most = match buffer.len() {
                    0..=MIB => MIB,
                    length => (4 * MIB).max(2 * length),
                };
                assert!(buffer.capacity() <= most, "{} for {}", buffer.capacity(), buffer.len());
            });
        }
    }

    #[test]
    fn without_a_promise_it_doubles() {
        assert_eq!(grown(0, 1, None, None), 4 * KIB);
        assert_eq!(grown(4 * KIB, 4 * KIB + 1, None, None), 16 * KIB);
        assert_eq!(grown(16 * KIB, 16 * KIB + 1, Some(100), None), 64 * KIB);
        assert_eq!(grown(64 * KIB, 64 * KIB + 1, None, None), MIB);
        assert_eq!(grown(MIB, MIB + 1, None, None), 4 * MIB);
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
        let mut buffer = BodyBuffer::new(None);
        append(&mut buffer, b"kept", None);
        for (more, told) in [(usize::MAX - 8, usize::MAX - 4), (usize::MAX, usize::MAX)] {
            let refused = buffer.append(more, || None, |_| unreachable!("there is no memory"));
            let refused = refused.map_err(|error| error.to_string());
            assert_eq!(refused, Err(format!("no memory for a body of {told} bytes")));
        }
        append(&mut buffer, b"!", None);
        assert_eq!(buffer.into_bytes(), b"kept!"[..]);
    }
}
