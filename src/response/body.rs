//! `get_raw_body` and `set_raw_body`: a body is buffered and replaced in the body filter.

use std::borrow::Cow;

use bytes::Bytes;

use crate::body::{BodyBuffer, BodyState, Passing, TooLarge};
use crate::error::Error;
use crate::host::{BodyFilter, Chunk, ChunkBytes, Level};

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub enum Consumed<'a> {
    /// It is buffered: nothing of it may go out now.
    Buffered,
    /// It was the whole body, and may go out as it is.
    AsItIs(Cow<'a, [u8]>),
    /// It was the end of this body, which has to take its place.
    Whole(Bytes),
    /// The body is larger than it may be, and goes on to the client.
    Passing {
        /// What takes the chunk's place: what was held, and the chunk. Else it goes out as it is.
        released: Option<Bytes>,
        /// At the end of the body: why it was not read.
        refusal: Option<TooLarge>,
    },
}

/// Consumes the chunk that the body filter is at: `get_raw_body`. A body of more than `limit` bytes is
/// not held.
///
/// # Errors
///
/// - `API disabled in the current context` outside a body filter
/// - `no memory for a body of <n> bytes`: what was held is freed
pub fn consume<H: BodyFilter>(host: &H, limit: Option<usize>) -> Result<Consumed<'_>, Error> {
    let chunk = host.chunk()?;
    let held = match host.take_body() {
        Some(BodyState::Passing(passing)) => {
            host.keep_body(BodyState::Passing(passing))?;
            let refusal = chunk.last.then_some(passing.limit);
            return Ok(Consumed::Passing { released: None, refusal });
        }
        Some(BodyState::Buffering(buffer)) => Some(buffer),
        Some(BodyState::ReadEncoded) | None => None,
    };
    let length = held.as_ref().map_or(0, BodyBuffer::len).saturating_add(chunk.bytes.len());
    if let Some(limit) = limit.filter(|&limit| length > limit) {
        return pass(host, held, chunk, TooLarge(limit));
    }
    let mut buffer = match (held, chunk.last) {
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

/// Appends a chunk of the body filter.
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
        || host.promised_length(),
        |into| match &chunk.bytes {
            ChunkBytes::Whole(bytes) => into.extend_from_slice(bytes),
            ChunkBytes::Scattered(_) => host.gather(into),
        },
    )
}

/// Releases what is buffered: the body has turned out too large.
fn pass<'a, H: BodyFilter>(
    host: &'a H,
    held: Option<BodyBuffer>,
    chunk: Chunk<'a>,
    limit: TooLarge,
) -> Result<Consumed<'a>, Error> {
    let released = match held {
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

/// What is left to do for `set_raw_body`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// To put the body in the chunk's place.
    Wanted,
    /// Nothing: the chunk is that body already, as [`consume`] has set it.
    Already,
    /// To end the body here: nginx would send one behind the 204 or 304 of an upstream, and the client
    /// would take it for the next response.
    Bodiless,
    /// Nothing: a part of a body that is too large is on its way.
    Refused(TooLarge),
}

/// What goes out for the body `body` of `set_raw_body`: gateways send a newline for none.
pub fn sent(body: &[u8]) -> &[u8] {
    if body.is_empty() { b"\n" } else { body }
}

/// Makes sure that the body can be replaced by `body`, and forgets what was buffered: `set_raw_body`.
/// `None` stands for what is no string.
///
/// It says so where nothing may be replaced, because a part of a body that is too large is on its way
/// to the client: what came behind that would not fit.
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
        held => {
            if matches!(held, Some(BodyState::ReadEncoded)) {
                note_read(host);
            }
            if matches!(host.status()?, 100..200 | 204 | 304) {
                return Ok(Replaced::Bodiless);
            }
            // To compare costs a fraction of a copy, and most bodies differ in their length.
            let is_there = matches!(chunk.bytes, ChunkBytes::Whole(there) if *there == *body);
            Ok(if is_there { Replaced::Already } else { Replaced::Wanted })
        }
    }
}

/// Notes that the whole body was read while it was an encoded one, of which the log was told. Where there is
/// no memory for the note, there is none.
pub fn note_read<H: BodyFilter>(host: &H) {
    host.keep_body(BodyState::ReadEncoded).ok();
}

/// Whether a body that replaces this one goes out, and [`note_read`] has not been called.
pub fn is_replaced_unread<H: BodyFilter>(host: &H) -> bool {
    let Some(held) = host.take_body() else { return true };
    let is_unread = match held {
        BodyState::ReadEncoded => false,
        BodyState::Passing(passing) => !passing.begun,
        BodyState::Buffering(_) => true,
    };
    host.keep_body(held).ok();
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
    fn the_first_chunk_that_is_the_last_stays_as_it_is() {
        let mut host = Memory::new();
        host.at_chunk(&[b"whole"], true);
        assert_eq!(consume(&host), Ok(Consumed::AsItIs(Cow::Borrowed(&b"whole"[..]))));
        host.at_chunk(&[], true);
        assert_eq!(consume(&host), Ok(Consumed::AsItIs(Cow::Borrowed(&[]))));
        host.at_chunk(&[b"in ", b"pieces"], true);
        assert_eq!(consume(&host), Ok(Consumed::Whole(b"in pieces"[..].into())));
    }

    #[test]
    fn a_chunk_that_is_the_body_already_stays() {
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
    fn a_status_without_a_body_gets_none() {
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
    fn chunks_are_buffered_to_the_end() {
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
    fn a_body_that_is_too_large_passes_with_what_was_held() {
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
        // Nor for whom there is no limit: the beginning is gone.
        assert_eq!(super::consume(&host, None), passing(None, None));
        assert_eq!(replace(&host, Some(b"x")), Ok(Replaced::Refused(TooLarge(8))));
        host.at_chunk(&[b""], true);
        assert_eq!(super::consume(&host, limit), passing(None, Some(TooLarge(8))));
        assert_eq!(replace(&host, Some(b"x")), Ok(Replaced::Refused(TooLarge(8))));
        let said = [
            "get_raw_body lets the body pass: body is larger than max_body_size (8 bytes)",
            "set_raw_body leaves the body as it is: body is larger than max_body_size (8 bytes)",
        ];
        assert_eq!(host.logged(), said.map(|line| (Level::Warn, line.to_owned())));
    }

    #[test]
    fn a_body_of_just_the_limit_is_read() {
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
    fn a_body_of_which_nothing_has_gone_out_can_be_replaced() {
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
