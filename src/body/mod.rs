//! What a request keeps of its response's body from one call to the next.

mod buffer;

pub use buffer::BodyBuffer;

/// The state of a body between two chunks.
#[derive(Debug)]
pub enum BodyState {
    /// `get_raw_body` buffers it.
    Buffering(BodyBuffer),
    /// It is larger than the limit and passes on to the client: nothing is buffered.
    Passing(Passing),
    /// The whole body was read, and it is an encoded one.
    ReadEncoded,
}

/// A body that is larger than the limit.
#[derive(Debug, Clone, Copy)]
pub struct Passing {
    /// The limit.
    pub limit: TooLarge,
    /// Whether a part of it is on its way to the client.
    pub begun: bool,
    /// Whether the log says already that it cannot be replaced.
    pub refusal_logged: bool,
}

/// A body has more bytes than this limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge(pub usize);

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "body is larger than max_body_size ({} bytes)", self.0)
    }
}
