//! The buffer that the text is written into.

use super::state::{Failed, MAX_DEPTH, Outcome, Writer};
use crate::response::json::{EncodeError, write_escaped, write_key, write_number, write_string};

/// The writer reserves so many bytes more than a value needs: it writes brackets, commas and numbers without a further
/// check. It does not check on the way down into nested tables, and each of those begins with a bracket.
pub(super) const SLACK: usize = 160 + MAX_DEPTH;
/// The capacity of the buffer when writing begins.
pub(super) const INITIAL_CAPACITY: usize = 2048;
/// Longer strings are written in pieces of this length.
const PIECE_LENGTH: usize = 4096;
/// The length of the longest escape of one byte: `\u00xx`.
const MAX_ESCAPED: usize = 6;

impl Writer {
    /// Reserves memory for `more` bytes, or fails. After that, writing them does not allocate: an allocation that fails
    /// there would end the process.
    #[inline(always)]
    pub(super) fn reserve(&mut self, more: usize) -> Outcome<()> {
        if self.out.capacity() - self.out.len() >= more { Ok(()) } else { self.grow(more) }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Outcome<()> {
        let out = &mut self.out;
        let refused = EncodeError::Memory(out.len().saturating_add(more));
        #[cfg(feature = "fault-injection")]
        if crate::fault::happens(crate::fault::Fault::Allocation) {
            return Err(self.fail(refused));
        }
        // `try_reserve` doubles the buffer. If memory lacks for that, try exactly what is needed.
        let grown = out.try_reserve(more).or_else(|_| out.try_reserve_exact(more));
        grown.map_err(|_| self.fail(refused))
    }

    #[inline(always)]
    pub(super) fn key(&mut self, key: &[u8]) -> Outcome<()> {
        if key.len() > PIECE_LENGTH {
            return self.long_string(key, "\":");
        }
        self.reserve(MAX_ESCAPED * key.len() + SLACK)?;
        write_key(&mut self.out, key);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn string(&mut self, string: &[u8]) -> Outcome<()> {
        if string.len() > PIECE_LENGTH {
            return self.long_string(string, "\"");
        }
        self.reserve(MAX_ESCAPED * string.len() + SLACK)?;
        write_string(&mut self.out, string);
        Ok(())
    }

    /// Writes a string in pieces, and then `end`. Reserving for the case that all bytes are escaped would take six times
    /// the memory.
    #[cold]
    fn long_string(&mut self, string: &[u8], end: &str) -> Outcome<()> {
        self.reserve(string.len().saturating_add(MAX_ESCAPED * PIECE_LENGTH + SLACK))?;
        self.out.push(b'"');
        for piece in string.chunks(PIECE_LENGTH) {
            self.reserve(MAX_ESCAPED * PIECE_LENGTH + SLACK)?;
            write_escaped(&mut self.out, piece);
        }
        self.text(end);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn number(&mut self, number: f64) -> Outcome<()> {
        write_number(&mut self.out, number).map_err(|error| self.fail(error.into()))
    }

    #[cold]
    pub(super) fn fail(&mut self, error: EncodeError) -> Failed {
        self.error = error;
        Failed
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}
