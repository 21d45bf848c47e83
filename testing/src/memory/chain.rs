//! The chunk that a body filter is at, and what `ngx.arg` makes of it.

/// A piece of a chunk: one of nginx's buffers.
#[derive(Debug, Clone, Default)]
struct Piece {
    bytes: Vec<u8>,
    last: bool,
}

/// A chunk in pieces. Without any it is what nginx has after a chunk was cleared that was not the
/// last: no flag can be put on it.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    pieces: Vec<Piece>,
    /// Somebody has seen the end of the body: nginx runs no filter on what comes after it.
    ended: bool,
}

impl Chain {
    /// Comes to the next chunk.
    pub fn next(&mut self, pieces: Vec<Vec<u8>>, last: bool) {
        self.pieces = pieces.into_iter().map(|bytes| Piece { bytes, last: false }).collect();
        if self.pieces.is_empty() {
            self.pieces.push(Piece::default());
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.last = last;
        }
    }

    /// Whether the end of the body is in it: `ngx.arg[2]`.
    pub fn is_last(&self) -> bool {
        self.pieces.iter().any(|piece| piece.last)
    }

    /// Whether the end of the body was seen, in this chunk or before.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The bytes that go on to the client.
    pub fn outgoing(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| &piece.bytes).copied().collect()
    }

    /// What `ngx.arg[1]` reads: the pieces up to the one that is the last of the body.
    pub fn readable(&self) -> Vec<&[u8]> {
        let end = self.pieces.iter().position(|piece| piece.last);
        let end = end.map_or(self.pieces.len(), |i| i + 1);
        self.pieces[..end].iter().map(|piece| &piece.bytes[..]).collect()
    }

    /// `ngx.arg[1] = bytes`; none stand for nil and for `""`.
    pub fn replace(&mut self, bytes: Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pieces: &[&str], last: bool) -> Chain {
        let mut chain = Chain::default();
        chain.next(pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect(), last);
        chain
    }

    #[test]
    fn a_cleared_chunk_keeps_the_end_but_takes_none() {
        let mut chain = at(&["a"], true);
        chain.replace(Vec::new());
        assert!(chain.is_last());
        let mut chain = at(&["a"], false);
        chain.replace(Vec::new());
        chain.set_last(true);
        assert!(!chain.is_last());
        assert!(chain.ended());
    }

    #[test]
    fn a_new_chunk_takes_the_place_of_all_pieces() {
        let mut chain = at(&["a", "b"], true);
        assert_eq!(chain.readable().len(), 2);
        chain.replace(b"c".to_vec());
        assert_eq!((chain.outgoing(), chain.is_last(), chain.ended()), (b"c".to_vec(), true, true));
        chain.set_last(false);
        assert_eq!((chain.is_last(), chain.ended()), (false, false));
    }
}
