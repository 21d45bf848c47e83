//! Keys that were written before: lists of objects have the same ones over and over.

use crate::response::json::write_key;

/// How many keys are remembered.
const SLOTS: usize = 32;
/// Longer ones, with their quotes and the colon, are not.
const LONGEST: usize = 16;

/// Where keys were last written, by the address of Lua's string: equal strings are one.
pub struct Keys([Written; SLOTS]);

#[derive(Clone, Copy, Default)]
struct Written {
    address: usize,
    start: u32,
    length: u32,
}

impl Default for Keys {
    fn default() -> Self {
        Self([Written::default(); SLOTS])
    }
}

impl Keys {
    /// Writes a key to the end of `out`, as it was written before or anew.
    ///
    /// What was written of keys so far is still there, and so are their strings: see [`Keys::forget`].
    #[inline]
    pub fn write(&mut self, out: &mut Vec<u8>, key: &[u8]) {
        let address = key.as_ptr().addr();
        // The lowest four bits of an address say nothing.
        let written = &mut self.0[((address >> 4) ^ (address >> 9)) % SLOTS];
        // Sixteen bytes and a cut are one load and one store. Something mostly follows the key.
        if written.address == address
            && let Some(&bytes) = out.get(written.start as usize..).and_then(<[u8]>::first_chunk)
        {
            let bytes: [u8; LONGEST] = bytes;
            let end = out.len() + written.length as usize;
            out.extend_from_slice(&bytes);
            out.truncate(end);
            return;
        }
        let start = out.len();
        write_key(out, key);
        let length = out.len() - start;
        if length <= LONGEST
            && let Ok(start) = u32::try_from(start)
        {
            *written = Written { address, start, length: length as u32 };
        }
    }

    /// Forgets all keys: Lua code may have run, so strings may be gone, and others in their place.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(keys: &[&[u8]]) -> Vec<u8> {
        let (mut known, mut out) = (Keys::default(), Vec::new());
        for &key in keys {
            known.write(&mut out, key);
            out.extend_from_slice(b"1,");
        }
        out
    }

    #[test]
    fn a_key_is_written_again_as_it_was() {
        let (id, long) = (&b"id"[..], &b"x-forwarded-for"[..]);
        let escaped = &b"a/\"\n"[..];
        assert_eq!(
            written(&[id, escaped, long, id, escaped, long, id]),
            br#""id":1,"a\/\"\n":1,"x-forwarded-for":1,"id":1,"a\/\"\n":1,"x-forwarded-for":1,"id":1,"#
        );
        assert_eq!(written(&[b"", b"", b""]), br#""":1,"":1,"":1,"#);
    }

    #[test]
    fn keys_of_every_length_and_with_the_same_slot_are_kept_apart() {
        let text: Vec<u8> = (b'a'..=b'z').cycle().take(4096).collect();
        // Far more keys than slots, each of them twice in a row and once more at the end.
        let keys: Vec<&[u8]> = (0..200)
            .map(|at| &text[at * 16..at * 16 + at % 20])
            .flat_map(|key| [key, key])
            .collect();
        let keys: Vec<&[u8]> = keys.iter().chain(&keys).copied().collect();
        let mut expected = Vec::new();
        for key in &keys {
            write_key(&mut expected, key);
            expected.extend_from_slice(b"1,");
        }
        assert_eq!(written(&keys), expected);
    }

    #[test]
    fn what_was_forgotten_is_written_anew() {
        let (mut keys, mut out) = (Keys::default(), Vec::new());
        let mut string = *b"before";
        keys.write(&mut out, &string);
        out.extend_from_slice(b"0123456789");
        keys.forget();
        string.copy_from_slice(b"behind");
        keys.write(&mut out, &string);
        assert_eq!(out, br#""before":0123456789"behind":"#);
    }
}
