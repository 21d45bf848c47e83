//! The buffer for a body, and how it grows.

use bytes::Bytes;

use crate::error::Error;

/// Only a buffer above this size reads the Content-Length. For smaller ones, that takes longer than to grow.
const SMALL: usize = 64 << 10;
/// The first capacities. A buffer takes the smallest one that is large enough.
const FIRST: [usize; 4] = [4 << 10, 16 << 10, SMALL, 1 << 20];
/// The next capacity. The allocator maps such a block, so it grows without a copy.
const LARGE: usize = 4 << 20;
/// The maximum Content-Length that is reserved at once. A larger one may be false.
const MAX_RESERVED: usize = 2 << 20;

/// A body that is not complete yet. Dropping it frees its memory.
#[derive(Debug, Default)]
pub struct BodyBuffer {
    bytes: Vec<u8>,
    /// The Content-Length, after it was read. The inner `None` means that there is none.
    declared: Option<Option<usize>>,
    limit: Option<usize>,
}

impl BodyBuffer {
    /// An empty buffer. It reserves at most `limit` bytes, unless more have arrived.
    pub fn new(limit: Option<usize>) -> Self {
        Self { bytes: Vec::new(), declared: None, limit }
    }

    /// The number of bytes that have arrived.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no bytes have arrived.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of bytes for which memory is reserved.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes that have arrived.
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    /// Reserves memory for `more` bytes, and calls `write`, which appends them. `declared` reads the Content-Length.
    ///
    /// # Errors
    ///
    /// `no memory for a body of <n> bytes`
    pub fn append(
        &mut self,
        more: usize,
        declared: impl Fn() -> Option<u64>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        self.reserve(more, declared)?;
        write(&mut self.bytes);
        Ok(())
    }

    fn reserve(&mut self, more: usize, declared: impl Fn() -> Option<u64>) -> Result<(), Error> {
        let length = self.bytes.len();
        let needed = length.checked_add(more).ok_or(Error::BodyMemory(usize::MAX))?;
        if needed <= self.bytes.capacity() {
            return Ok(());
        }
        #[cfg(feature = "fault-injection")]
        crate::fault::allocate_here(needed)?;
        if needed > SMALL && self.declared.is_none() {
            self.declared = Some(declared().and_then(|length| usize::try_from(length).ok()));
        }
        let target = grown(length, needed, self.declared.flatten(), self.limit);
        self.bytes.try_reserve_exact(target - length).map_err(|_| Error::BodyMemory(needed))
    }
}

/// The next capacity of a buffer with `length` bytes that must hold `needed` bytes, without a Content-Length. Above
/// [`LARGE`], it doubles.
fn undeclared(length: usize, needed: usize) -> usize {
    match FIRST.into_iter().find(|&first| needed <= first) {
        Some(first) => first,
        None => needed.max(length.saturating_mul(2)).max(LARGE),
    }
}

/// The next capacity of a buffer with `length` bytes that must hold `needed` bytes.
///
/// The capacity does not exceed the Content-Length, unless more bytes arrive. A Content-Length above [`MAX_RESERVED`]
/// may be false, so it reserves no more than without one. The capacity exceeds `limit` only if `needed` does.
fn grown(length: usize, needed: usize, declared: Option<usize>, limit: Option<usize>) -> usize {
    let undeclared = undeclared(length, needed);
    let target = match declared {
        Some(declared) if (needed..=MAX_RESERVED).contains(&declared) => declared,
        Some(declared) if declared >= needed => undeclared.min(declared),
        _ => undeclared,
    };
    target.min(limit.unwrap_or(usize::MAX)).max(needed)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;

    fn append(buffer: &mut BodyBuffer, bytes: &[u8], declared: Option<u64>) {
        buffer.append(bytes.len(), || declared, |into| into.extend_from_slice(bytes)).unwrap();
    }

    /// Appends chunks of `chunk` bytes up to `total`, and calls `check` after each.
    fn fill(
        buffer: &mut BodyBuffer,
        declared: Option<u64>,
        (chunk, total): (usize, usize),
        check: impl Fn(&BodyBuffer),
    ) {
        let bytes = vec![b'x'; chunk];
        while buffer.len() < total {
            append(buffer, &bytes[..chunk.min(total - buffer.len())], declared);
            check(buffer);
        }
    }

    #[test]
    fn the_content_length_is_read_once_and_only_for_large_bodies() {
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
    fn a_true_content_length_is_reserved_exactly() {
        for (chunk, total) in [(4, 100_000), (80, 80 * KIB), (64, MIB), (16, 2 * MIB), (8, 5 * MIB)]
        {
            let mut buffer = BodyBuffer::new(None);
            fill(&mut buffer, Some(total as u64), (chunk * KIB, total), |_| ());
            assert_eq!(buffer.capacity(), total);
        }
    }

    #[test]
    fn a_false_content_length_reserves_no_more_than_none() {
        for declared in [u64::MAX, i64::MAX as u64, 1 << 40, 64 << 20] {
            let mut buffer = BodyBuffer::new(None);
            append(&mut buffer, &[b'x'; 10], Some(declared));
            assert_eq!(buffer.capacity(), FIRST[0]);
            append(&mut buffer, &[b'x'; SMALL], Some(declared));
            fill(&mut buffer, Some(declared), (10_000, 9 * MIB), |buffer| {
                let maximum = match buffer.len() {
                    0..=MIB => MIB,
                    length => (4 * MIB).max(2 * length),
                };
                assert!(buffer.capacity() <= maximum, "{} for {}", buffer.capacity(), buffer.len());
            });
        }
    }

    #[test]
    fn without_a_content_length_the_capacity_doubles() {
        assert_eq!(grown(0, 1, None, None), 4 * KIB);
        assert_eq!(grown(4 * KIB, 4 * KIB + 1, None, None), 16 * KIB);
        assert_eq!(grown(16 * KIB, 16 * KIB + 1, Some(100), None), 64 * KIB);
        assert_eq!(grown(64 * KIB, 64 * KIB + 1, None, None), MIB);
        assert_eq!(grown(MIB, MIB + 1, None, None), 4 * MIB);
        assert_eq!(grown(40 * MIB, 40 * MIB + 1, None, None), 80 * MIB);
    }

    #[test]
    fn a_large_body_grows_at_most_8_times() {
        for declared in [None, Some(100 << 20), Some(u64::MAX)] {
            let (mut buffer, growths) = (BodyBuffer::new(None), Cell::new(0));
            let before = Cell::new(0);
            fill(&mut buffer, declared, (100 * KIB, 100 * MIB), |buffer| {
                growths.set(growths.get() + u32::from(buffer.capacity() != before.get()));
                before.set(buffer.capacity());
            });
            assert!(growths.get() <= 8, "{} times", growths.get());
        }
    }

    #[test]
    fn the_capacity_exceeds_the_limit_only_if_more_bytes_arrive() {
        for declared in [None, Some(u64::MAX), Some(5 * MIB as u64)] {
            for limit in [10, 10_000, MIB, 2 * MIB + 1] {
                let mut buffer = BodyBuffer::new(Some(limit));
                fill(&mut buffer, declared, (1_000, limit), |buffer| {
                    assert!(buffer.capacity() <= limit);
                });
                append(&mut buffer, b"more", declared);
                assert_eq!(buffer.capacity(), limit + 4);
            }
        }
    }

    #[test]
    fn a_body_larger_than_memory_is_an_error() {
        let mut buffer = BodyBuffer::new(None);
        append(&mut buffer, b"kept", None);
        for (more, named) in [(usize::MAX - 8, usize::MAX - 4), (usize::MAX, usize::MAX)] {
            let refused = buffer.append(more, || None, |_| unreachable!("there is no memory"));
            let refused = refused.map_err(|error| error.to_string());
            assert_eq!(refused, Err(format!("no memory for a body of {named} bytes")));
        }
        append(&mut buffer, b"!", None);
        assert_eq!(buffer.into_bytes(), b"kept!"[..]);
    }
}
