//! The chunk of the body filter, and how `ngx.arg` changes it.

use bytes::{BufMut, Bytes, BytesMut};

/// A piece of a chunk: one of nginx's buffers.
#[derive(Debug, Clone, Default)]
struct Piece {
    bytes: Bytes,
    last: bool,
}

/// A chunk in pieces. A cleared chunk that is not the last one has no pieces: nginx has no buffer then, so
/// `ngx.arg[2] = true` cannot set the flag of the end.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    pieces: Vec<Piece>,
    /// A filter has seen the end of the body. nginx runs no filter for the chunks after it.
    ended: bool,
}

impl Chain {
    /// Sets the next chunk.
    pub fn next(&mut self, pieces: Vec<Bytes>, last: bool) {
        self.pieces = pieces.into_iter().map(|bytes| Piece { bytes, last: false }).collect();
        if self.pieces.is_empty() {
            self.pieces.push(Piece::default());
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.last = last;
        }
    }

    /// `ngx.arg[2]`: whether the chunk contains the end of the body.
    pub fn is_last(&self) -> bool {
        self.pieces.iter().any(|piece| piece.last)
    }

    /// Whether a filter has seen the end of the body, in this chunk or an earlier one.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The bytes that are sent to the client.
    pub fn outgoing(&self) -> Bytes {
        joined(self.pieces.iter().map(|piece| &piece.bytes))
    }

    /// The pieces that `ngx.arg[1]` reads: all pieces up to the end of the body.
    pub fn readable(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        let end = self.pieces.iter().position(|piece| piece.last);
        let end = end.map_or(self.pieces.len(), |i| i + 1);
        self.pieces[..end].iter().map(|piece| &piece.bytes)
    }

    /// `ngx.arg[1]`
    pub fn arg(&self) -> Bytes {
        joined(self.readable())
    }

    /// `ngx.arg[1] = bytes`. Empty `bytes` stand for nil and for `""`.
    pub fn replace(&mut self, bytes: Bytes) {
        let last = self.is_last();
        self.ended |= last;
        self.pieces.clear();
        if last || !bytes.is_empty() {
            self.pieces.push(Piece { bytes, last });
        }
    }

    /// `ngx.arg[2] = last`
    pub fn set_last(&mut self, last: bool) {
        self.ended = last;
        if last {
            if let Some(piece) = self.pieces.last_mut() {
                piece.last = true;
            }
        } else {
            self.pieces.iter_mut().for_each(|piece| piece.last = false);
        }
    }
}

/// Joins the pieces. A single piece is not copied.
pub fn joined<'a>(mut pieces: impl ExactSizeIterator<Item = &'a Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.next().cloned().unwrap_or_default();
    }
    let mut all = BytesMut::new();
    pieces.for_each(|piece| all.put(piece.clone()));
    all.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pieces: &[&str], last: bool) -> Chain {
        let mut chain = Chain::default();
        chain.next(
            pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect(),
            last,
        );
        chain
    }

    #[test]
    fn a_cleared_chunk_keeps_its_end_but_cannot_get_one() {
        let mut chain = at(&["a"], true);
        chain.replace(Bytes::new());
        assert!(chain.is_last());
        let mut chain = at(&["a"], false);
        chain.replace(Bytes::new());
        chain.set_last(true);
        assert!(!chain.is_last());
        assert!(chain.ended());
    }

    #[test]
    fn set_bytes_replace_all_pieces() {
        let mut chain = at(&["a", "b"], true);
        assert_eq!(chain.readable().len(), 2);
        chain.replace(Bytes::from_static(b"c"));
        assert_eq!(
            (chain.outgoing(), chain.is_last(), chain.ended()),
            (Bytes::from_static(b"c"), true, true)
        );
        chain.set_last(false);
        assert_eq!((chain.is_last(), chain.ended()), (false, false));
    }
}
