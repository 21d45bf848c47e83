//! What has arrived of a body.

use crate::error::Error;
use crate::host::{BodyFilter, Chunk, ChunkBytes};

/// How much is reserved ahead of what has arrived, whatever a Content-Length promises.
const MOST_AHEAD: usize = 1 << 20;
/// How much is reserved at least.
const LEAST: usize = 4096;

/// A body that is not complete yet.
///
/// It is held in pieces, so that it grows without being copied, and never has room for more than 1 MiB
/// ahead.
#[derive(Debug, Default)]
pub struct BodyBuffer {
    /// All but the last are full.
    pieces: Vec<Vec<u8>>,
    length: usize,
    /// What Content-Length promises: it steers how much is reserved, and is not believed beyond that.
    promised: Option<usize>,
    limit: Option<usize>,
}

impl BodyBuffer {
    /// An empty buffer for a body of which Content-Length says that it has `promised` bytes. It will not
    /// be asked to hold more than `limit`.
    pub fn new(promised: Option<u64>, limit: Option<usize>) -> Self {
        let promised = promised.and_then(|length| usize::try_from(length).ok());
        Self { promised, limit, ..Self::default() }
    }

    /// How many bytes have arrived.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many bytes it can hold without growing.
    pub fn capacity(&self) -> usize {
        self.pieces.iter().map(Vec::capacity).sum()
    }

    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// `no memory for a body of <n> bytes`: nothing of it is appended
    pub fn append(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let room = self.room();
        if chunk.len() > room && !self.grow_in_place(chunk.len())? {
            let (fits, rest) = chunk.split_at(room);
            let mut piece = self.new_piece(self.length + room, rest.len())?;
            piece.extend_from_slice(rest);
            self.last().extend_from_slice(fits);
            self.pieces.push(piece);
        } else {
            self.last().extend_from_slice(chunk);
        }
        self.length += chunk.len();
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
        if length > self.room() && !self.grow_in_place(length)? {
            let piece = self.new_piece(self.length, length)?;
            self.last().shrink_to_fit();
            self.pieces.push(piece);
        }
        let piece = self.last();
        let start = piece.len();
        piece.resize(start + length, 0);
        fill(&mut piece[start..]);
        self.length += length;
        Ok(())
    }

    /// The body in one piece.
    ///
    /// # Errors
    ///
    /// `no memory for a body of <n> bytes`
    pub fn into_whole(mut self) -> Result<Vec<u8>, Error> {
        if self.pieces.len() <= 1 {
            return Ok(self.pieces.pop().unwrap_or_default());
        }
        let mut whole = Vec::new();
        reserve(&mut whole, self.length, self.length)?;
        // Each piece is freed as soon as it is copied.
        for piece in self.pieces {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
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

    /// How many bytes fit into the last piece.
    fn room(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.capacity() - piece.len())
    }

    fn last(&mut self) -> &mut Vec<u8> {
        if self.pieces.is_empty() {
            self.pieces.push(Vec::new());
        }
        let last = self.pieces.len() - 1;
        &mut self.pieces[last]
    }

    /// Makes room for `more` bytes in the only piece, as long as that is small, or where there is none
    /// yet; says whether it did.
    ///
    /// It doubles, so that appending stays linear; a promised length is reached without overshooting it.
    fn grow_in_place(&mut self, more: usize) -> Result<bool, Error> {
        let needed = self.length.checked_add(more).ok_or(Error::BodyMemory(usize::MAX))?;
        if self.length > 0 && (self.pieces.len() > 1 || needed > MOST_AHEAD) {
            return Ok(false);
        }
        let target = match self.promised {
            Some(promised) if promised >= needed => promised.min(needed.saturating_add(MOST_AHEAD)),
            _ => needed.max(self.length * 2).max(LEAST),
        };
        let ahead = self.most(needed).min(target - needed);
        let length = self.length;
        reserve(self.last(), needed + ahead - length, needed)?;
        Ok(true)
    }

    /// A piece for `more` bytes behind the first `start`, and for some that are still to come.
    fn new_piece(&self, start: usize, more: usize) -> Result<Vec<u8>, Error> {
        let needed = start.checked_add(more).ok_or(Error::BodyMemory(usize::MAX))?;
        let ahead = match self.promised {
            Some(promised) if promised >= needed => promised - needed,
            _ => MOST_AHEAD,
        };
        let mut piece = Vec::new();
        let size = more.max(MOST_AHEAD.min(more.saturating_add(ahead)));
        reserve(&mut piece, size.min(more.saturating_add(self.most(needed))), needed)?;
        Ok(piece)
    }

    /// How much room there may be behind the first `needed` bytes.
    fn most(&self, needed: usize) -> usize {
        self.limit.map_or(MOST_AHEAD, |limit| limit.saturating_sub(needed).min(MOST_AHEAD))
    }
}

/// Makes room for `more` bytes in a piece of a body that is about to have `needed`.
fn reserve(piece: &mut Vec<u8>, more: usize, needed: usize) -> Result<(), Error> {
    #[cfg(feature = "fault-injection")]
    crate::fault::allocate_here(needed)?;
    piece.try_reserve_exact(more).map_err(|_| Error::BodyMemory(needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Appends chunks of `chunk` bytes up to `total`; at no time there may be more room than arrived
    /// and 1 MiB.
    fn fill(buffer: &mut BodyBuffer, chunk: usize, total: usize) {
        let bytes: Vec<u8> = (0..chunk).map(|i| (i % 251) as u8).collect();
        while buffer.len() < total {
            let next = &bytes[..chunk.min(total - buffer.len())];
            buffer.append(next).unwrap();
            let ahead = buffer.capacity() - buffer.len();
            assert!(ahead <= MIB, "{ahead} bytes ahead of {}", buffer.len());
        }
    }

    #[test]
    fn chunks_add_up() {
        let mut buffer = BodyBuffer::new(None, None);
        buffer.append(b"one ").unwrap();
        buffer.append(b"").unwrap();
        buffer.append_with(3, |room| room.copy_from_slice(b"two")).unwrap();
        assert_eq!(buffer.into_whole(), Ok(b"one two".to_vec()));
        assert_eq!(BodyBuffer::new(None, None).into_whole(), Ok(Vec::new()));
    }

    #[test]
    fn chunks_of_every_size_add_up() {
        let total = 3 * MIB + 12_345;
        let body: Vec<u8> = (0..total).map(|i| (i % 253) as u8).collect();
        for size in [1_000, 65_536, MIB - 1, MIB, MIB + 1, total] {
            for promised in [None, Some(total as u64), Some(10), Some(u64::MAX)] {
                let mut buffer = BodyBuffer::new(promised, None);
                for (i, chunk) in body.chunks(size).enumerate() {
                    if i % 2 == 0 {
                        buffer.append(chunk).unwrap();
                    } else {
                        let fill = |room: &mut [u8]| room.copy_from_slice(chunk);
                        buffer.append_with(chunk.len(), fill).unwrap();
                    }
                    assert!(buffer.capacity() - buffer.len() <= MIB);
                }
                assert_eq!(buffer.len(), total);
                assert!(buffer.into_whole().unwrap() == body);
            }
        }
    }

    #[test]
    fn a_true_promise_is_reserved_exactly() {
        for (chunk, total) in [(4096, 100_000), (16_384, 16_384), (65_536, MIB), (8192, 5 * MIB)] {
            let mut buffer = BodyBuffer::new(Some(total as u64), None);
            fill(&mut buffer, chunk, total);
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
            fill(&mut buffer, 10_000, 9 * MIB);
        }
    }

    #[test]
    fn without_a_promise_it_doubles_up_to_a_mebibyte() {
        let mut buffer = BodyBuffer::new(None, None);
        buffer.append(b"x").unwrap();
        assert_eq!(buffer.capacity(), LEAST);
        fill(&mut buffer, 1024, LEAST);
        buffer.append(b"x").unwrap();
        assert_eq!(buffer.capacity(), 2 * LEAST);
        fill(&mut buffer, 1_000, 9 * MIB);
    }

    #[test]
    fn no_room_is_made_beyond_the_limit() {
        for promised in [None, Some(u64::MAX), Some(5 * MIB as u64)] {
            for limit in [10_000, MIB, 2 * MIB + 1] {
                let mut buffer = BodyBuffer::new(promised, Some(limit));
                fill(&mut buffer, 1_000, limit);
                assert!(buffer.capacity() <= limit);
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
        assert_eq!(buffer.into_whole(), Ok(b"kept".to_vec()));
    }
}
