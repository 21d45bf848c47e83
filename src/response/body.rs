//! The rules of `get_raw_body` and `set_raw_body`, which buffer and replace a body in the body filter.

use std::borrow::Cow;

use bytes::Bytes;

use crate::body::{BodyBuffer, BodyState, Passing, TooLarge};
use crate::error::Error;
use crate::host::{BodyFilter, Chunk, ChunkBytes, Level};

/// The result of [`consume`].
#[derive(Debug, PartialEq, Eq)]
pub enum Consumed<'a> {
    /// The chunk is buffered. The caller must not send it now.
    Buffered,
    /// The chunk is the whole body. The caller may send it unchanged.
    AsItIs(Cow<'a, [u8]>),
    /// The chunk is the last one. The caller must replace it by this whole body.
    Whole(Bytes),
    /// The body exceeds the limit and goes to the client.
    Passing {
        /// The buffered chunks and this one, which replace the chunk. With `None`, the chunk is sent unchanged.
        released: Option<Bytes>,
        /// At the end of the body: the reason why it was not read.
        refusal: Option<TooLarge>,
    },
}

/// Consumes the current chunk of the body filter, for `get_raw_body`. Does not buffer a body of more than `limit`
/// bytes.
///
/// # Errors
///
/// - `API disabled in the current context` outside a body filter
/// - `no memory for a body of <n> bytes`. The buffer is freed.
pub fn consume<H: BodyFilter>(host: &H, limit: Option<usize>) -> Result<Consumed<'_>, Error> {
    let chunk = host.chunk()?;
    let buffer = match host.take_body() {
        Some(BodyState::Passing(passing)) => {
            host.keep_body(BodyState::Passing(passing))?;
            let refusal = chunk.last.then_some(passing.limit);
            return Ok(Consumed::Passing { released: None, refusal });
        }
        Some(BodyState::Buffering(buffer)) => Some(buffer),
        Some(BodyState::ReadEncoded) | None => None,
    };
    let length = buffer.as_ref().map_or(0, BodyBuffer::len).saturating_add(chunk.bytes.len());
    if let Some(limit) = limit.filter(|&limit| length > limit) {
        return pass(host, buffer, chunk, TooLarge(limit));
    }
    let mut buffer = match (buffer, chunk.last) {
        (Some(buffer), _) => buffer,
        (None, true) => match chunk.bytes {
            ChunkBytes::Whole(bytes) => return Ok(Consumed::AsItIs(bytes)),
            ChunkBytes::Scattered(_) => BodyBuffer::new(limit),
        },
        (None, false) => BodyBuffer::new(limit),
    };
    append(&mut buffer, host, &chunk)?;
    if chunk.last {
        return Ok(Consumed::Whole(buffer.into_bytes()));
    }
    host.keep_body(BodyState::Buffering(buffer))?;
    Ok(Consumed::Buffered)
}

/// Appends a chunk to the buffer.
///
/// # Errors
///
/// `no memory for a body of <n> bytes`
fn append<H: BodyFilter>(
    buffer: &mut BodyBuffer,
    host: &H,
    chunk: &Chunk<'_>,
) -> Result<(), Error> {
    buffer.append(
        chunk.bytes.len(),
        || host.declared_length(),
        |into| match &chunk.bytes {
            ChunkBytes::Whole(bytes) => into.extend_from_slice(bytes),
            ChunkBytes::Scattered(_) => host.gather(into),
        },
    )
}

/// Releases the buffer, because the body exceeds the limit.
fn pass<'a, H: BodyFilter>(
    host: &'a H,
    buffer: Option<BodyBuffer>,
    chunk: Chunk<'a>,
    limit: TooLarge,
) -> Result<Consumed<'a>, Error> {
    let released = match buffer {
        Some(mut buffer) => {
            append(&mut buffer, host, &chunk)?;
            Some(buffer.into_bytes())
        }
        None => None,
    };
    host.keep_body(BodyState::Passing(Passing {
        limit,
        begun: !chunk.last,
        refusal_logged: false,
    }))?;
    host.log(Level::Warn, format!("get_raw_body lets the body pass: {limit}").as_bytes());
    Ok(Consumed::Passing { released, refusal: chunk.last.then_some(limit) })
}

/// The result of [`replace`]: what the caller must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// Replace the chunk by the body.
    Wanted,
    /// Nothing: the chunk already is that body, because [`consume`] has set it.
    Already,
    /// End the body here. nginx would send a body after an upstream's 204 or 304, and the client would read it as the
    /// next response.
    Bodiless,
    /// Nothing: a part of a body that exceeds the limit is already sent.
    Refused(TooLarge),
}

/// The bytes that are sent for the body of `set_raw_body`. Gateways send a newline for an empty body.
pub fn sent(body: &[u8]) -> &[u8] {
    if body.is_empty() { b"\n" } else { body }
}

/// Checks that `body` can replace the body, and frees the buffer, for `set_raw_body`. `None` is a value that is not a
/// string.
///
/// If a part of a body that exceeds the limit is already sent, logs a warning, and the body stays as it is.
///
/// # Errors
///
/// - `API disabled in the current context` outside a body filter
/// - `body must be a string`
pub fn replace<H: BodyFilter>(host: &H, body: Option<&[u8]>) -> Result<Replaced, Error> {
    let chunk = host.chunk()?;
    let body = sent(body.ok_or(Error::RawBodyType)?);
    match host.take_body() {
        Some(BodyState::Passing(passing)) if passing.begun => {
            host.keep_body(BodyState::Passing(Passing { refusal_logged: true, ..passing }))?;
            if !passing.refusal_logged {
                let text = format!("set_raw_body leaves the body as it is: {}", passing.limit);
                host.log(Level::Warn, text.as_bytes());
            }
            Ok(Replaced::Refused(passing.limit))
        }
        state => {
            if matches!(state, Some(BodyState::ReadEncoded)) {
                note_read(host);
            }
            if matches!(host.status()?, 100..200 | 204 | 304) {
                return Ok(Replaced::Bodiless);
            }
            // Comparing is much cheaper than copying, and most bodies differ in their length.
            let is_same = matches!(chunk.bytes, ChunkBytes::Whole(bytes) if *bytes == *body);
            Ok(if is_same { Replaced::Already } else { Replaced::Wanted })
        }
    }
}

/// Notes that a plugin has read the whole encoded body, and that the log has a warning of that. Without memory, does
/// nothing.
pub fn note_read<H: BodyFilter>(host: &H) {
    host.keep_body(BodyState::ReadEncoded).ok();
}

/// Whether a new body replaces this one, and [`note_read`] has not been called.
pub fn is_replaced_unread<H: BodyFilter>(host: &H) -> bool {
    let Some(state) = host.take_body() else { return true };
    let is_unread = match state {
        BodyState::ReadEncoded => false,
        BodyState::Passing(passing) => !passing.begun,
        BodyState::Buffering(_) => true,
    };
    host.keep_body(state).ok();
    is_unread
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn consume(host: &Memory) -> Result<Consumed<'_>, Error> {
        super::consume(host, None)
    }

    #[test]
    fn a_whole_body_in_one_piece_stays_as_it_is() {
        let mut host = Memory::new();
        host.at_chunk(&[b"whole"], true);
        assert_eq!(consume(&host), Ok(Consumed::AsItIs(Cow::Borrowed(&b"whole"[..]))));
        host.at_chunk(&[], true);
        assert_eq!(consume(&host), Ok(Consumed::AsItIs(Cow::Borrowed(&[]))));
        host.at_chunk(&[b"in ", b"pieces"], true);
        assert_eq!(consume(&host), Ok(Consumed::Whole(b"in pieces"[..].into())));
    }

    #[test]
    fn does_not_replace_a_chunk_by_the_same_bytes() {
        let mut host = Memory::new();
        host.at_chunk(&[b"body"], true);
        assert_eq!(replace(&host, Some(b"body")), Ok(Replaced::Already));
        assert_eq!(replace(&host, Some(b"b0dy")), Ok(Replaced::Wanted));
        host.at_chunk(&[b"bo", b"dy"], true);
        assert_eq!(replace(&host, Some(b"body")), Ok(Replaced::Wanted));
        host.at_chunk(&[], true);
        assert_eq!(replace(&host, Some(b"")), Ok(Replaced::Wanted));
    }

    #[test]
    fn ends_the_body_of_a_status_without_one() {
        use Replaced::{Bodiless, Wanted};
        for (status, expected) in [(100, Bodiless), (200, Wanted), (204, Bodiless), (304, Bodiless)]
        {
            let mut host = Memory::new();
            host.upstream(status, []);
            host.at_chunk(&[], true);
            assert_eq!(replace(&host, Some(b"x")), Ok(expected), "{status}");
        }
    }

    #[test]
    fn buffers_chunks_until_the_last() {
        let mut host = Memory::new();
        host.at_chunk(&[b"one "], false);
        assert_eq!(consume(&host), Ok(Consumed::Buffered));
        host.at_chunk(&[b"two ", b"three "], false);
        assert_eq!(consume(&host), Ok(Consumed::Buffered));
        host.at_chunk(&[b"four"], true);
        assert_eq!(consume(&host), Ok(Consumed::Whole(b"one two three four"[..].into())));
        assert!(host.take_body().is_none());
    }

    #[test]
    fn a_body_is_replaced_only_by_a_string_and_in_the_body_filter() {
        let mut host = Memory::new();
        assert_eq!(replace(&host, Some(b"x")), Err(Error::Disabled));
        assert_eq!(consume(&host), Err(Error::Disabled));
        host.at_chunk(&[b"one"], false);
        consume(&host).unwrap();
        assert_eq!(replace(&host, None), Err(Error::RawBodyType));
        assert!(host.take_body().is_some());
        consume(&host).unwrap();
        assert_eq!(replace(&host, Some(b"")), Ok(Replaced::Wanted));
        assert!(host.take_body().is_none());
    }

    #[test]
    fn releases_the_buffer_of_a_body_above_the_limit() {
        let mut host = Memory::new();
        let limit = Some(8);
        let passing = |released: Option<&'static [u8]>, refusal| {
            Ok(Consumed::Passing { released: released.map(Bytes::from_static), refusal })
        };
        host.at_chunk(&[b"1234"], false);
        assert_eq!(super::consume(&host, limit), Ok(Consumed::Buffered));
        host.at_chunk(&[b"5678"], false);
        assert_eq!(super::consume(&host, limit), Ok(Consumed::Buffered));
        host.at_chunk(&[b"9", b"0"], false);
        assert_eq!(super::consume(&host, limit), passing(Some(b"1234567890"), None));
        assert_eq!(host.buffered(), 0);
        host.at_chunk(&[b"a"], false);
        assert_eq!(super::consume(&host, limit), passing(None, None));
        // A call without a limit gets no body either, because its first chunks are already sent.
        assert_eq!(super::consume(&host, None), passing(None, None));
        assert_eq!(replace(&host, Some(b"x")), Ok(Replaced::Refused(TooLarge(8))));
        host.at_chunk(&[b""], true);
        assert_eq!(super::consume(&host, limit), passing(None, Some(TooLarge(8))));
        assert_eq!(replace(&host, Some(b"x")), Ok(Replaced::Refused(TooLarge(8))));
        let lines = [
            "get_raw_body lets the body pass: body is larger than max_body_size (8 bytes)",
            "set_raw_body leaves the body as it is: body is larger than max_body_size (8 bytes)",
        ];
        assert_eq!(host.logged(), lines.map(|line| (Level::Warn, line.to_owned())));
    }

    #[test]
    fn reads_a_body_of_exactly_the_limit() {
        let mut host = Memory::new();
        host.at_chunk(&[b"1234"], true);
        let whole = Consumed::AsItIs(Cow::Borrowed(&b"1234"[..]));
        assert_eq!(super::consume(&host, Some(4)), Ok(whole));
        host.at_chunk(&[b"12"], false);
        assert_eq!(super::consume(&host, Some(4)), Ok(Consumed::Buffered));
        host.at_chunk(&[b"34"], true);
        assert_eq!(super::consume(&host, Some(4)), Ok(Consumed::Whole(b"1234"[..].into())));
    }

    #[test]
    fn replaces_a_body_above_the_limit_if_nothing_is_sent() {
        let mut host = Memory::new();
        host.at_chunk(&[b"12"], false);
        assert_eq!(super::consume(&host, Some(4)), Ok(Consumed::Buffered));
        host.at_chunk(&[b"345"], true);
        for released in [Some(b"12345"[..].into()), None] {
            let refusal = Some(TooLarge(4));
            let passing = Consumed::Passing { released, refusal };
            assert_eq!(super::consume(&host, Some(4)), Ok(passing));
        }
        assert_eq!(replace(&host, Some(b"short")), Ok(Replaced::Wanted));
        assert!(host.take_body().is_none());
        assert_eq!(host.logged().len(), 1);
    }
}
