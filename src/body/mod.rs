//! The state of a response's body between two calls.

mod buffer;

pub use buffer::BodyBuffer;

/// The state of a body between two chunks.
#[derive(Debug)]
pub enum BodyState {
    /// `get_raw_body` buffers it.
    Buffering(BodyBuffer),
    /// It exceeds the limit, so it goes to the client and nothing is buffered.
    Passing(Passing),
    /// A plugin has read the whole body, and it is encoded.
    ReadEncoded,
}

/// A body that exceeds the limit.
#[derive(Debug, Clone, Copy)]
pub struct Passing {
    /// The limit.
    pub limit: TooLarge,
    /// Whether a part of it is already sent.
    pub begun: bool,
    /// Whether the log has the warning that it cannot be replaced.
    pub refusal_logged: bool,
}

/// The reason why a body is not buffered: it has more bytes than this limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge(pub usize);

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "body is larger than max_body_size ({} bytes)", self.0)
    }
}
