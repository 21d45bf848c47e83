//! Strings as JSON writes them.

/// The bytes looked at together: what the compiler keeps in one vector register.
const CHUNK: usize = 16;
/// The bytes skipped together where nothing is to escape.
const BLOCK: usize = 64;

/// Appends `bytes` to `out` as a JSON string: between quotes, escaped as by [`write_escaped`].
///
/// # Examples
///
/// ```
/// use kong_response::response::json::write_string;
///
/// let mut out = Vec::new();
/// write_string(&mut out, b"text/html; \"\xFF\"\n");
/// assert_eq!(out, b"\"text\\/html; \\\"\xFF\\\"\\n\"");
/// ```
#[inline]
pub fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    write_quoted::<false>(out, bytes);
}

/// Appends `bytes` to `out` as the key of an object: a JSON string and the colon behind it.
#[inline]
pub fn write_key(out: &mut Vec<u8>, bytes: &[u8]) {
    write_quoted::<true>(out, bytes);
}

/// Appends `bytes` to `out` as they stand between the quotes of a JSON string.
///
/// `"`, `\` and `/` get a backslash before them. Bytes below 0x20 and 0x7F become `\b`, `\t`, `\n`,
/// `\f`, `\r` or `\u00xx` in lower-case hex. All others are copied, valid UTF-8 or not.
///
/// # Examples
///
/// ```
/// use kong_response::response::json::write_escaped;
///
/// let mut out = b"\"".to_vec();
/// write_escaped(&mut out, b"a/b");
/// write_escaped(&mut out, b"\x00\x7F");
/// assert_eq!(out, br#""a\/b\u0000\u007f"#);
/// ```
pub fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + CHUNK);
    escape(out, bytes);
}

/// Most keys and many values are short and plain. They stay in ordinary registers, since the way to a
/// vector's and back takes longer than the work, and are one store with the quotes around them.
#[inline]
fn write_quoted<const KEY: bool>(out: &mut Vec<u8>, bytes: &[u8]) {
    const QUOTE: u128 = b'"' as u128;
    const COLON: u128 = b':' as u128;
    let (close, close_length) = if KEY { (QUOTE | COLON << 8, 2) } else { (QUOTE, 1) };
    let length = bytes.len();
    if length > 0
        && 1 + length + close_length <= CHUNK
        && let Some(chunk) = plain_chunk(bytes)
    {
        let word = QUOTE | chunk << 8 | close << (8 * (1 + length));
        let end = out.len() + 1 + length + close_length;
        out.extend_from_slice(&word.to_le_bytes());
        out.truncate(end);
    } else {
        write_long_quoted(out, bytes, if KEY { b"\":" } else { b"\"" });
    }
}

#[inline(never)]
fn write_long_quoted(out: &mut Vec<u8>, bytes: &[u8], close: &[u8]) {
    out.reserve(1 + bytes.len() + close.len() + CHUNK);
    out.push(b'"');
    if bytes.len() <= 2 * CHUNK
        && let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk())
        && are_plain(first, last)
    {
        // The two overlap.
        let end = out.len() + bytes.len();
        out.extend_from_slice(first);
        out.truncate(end - CHUNK);
        out.extend_from_slice(last);
    } else {
        escape(out, bytes);
    }
    out.extend_from_slice(close);
}

/// Whether no byte of the two must be escaped.
#[inline]
fn are_plain(first: &[u8; CHUNK], last: &[u8; CHUNK]) -> bool {
    let least = |at: usize| zero_if_escaped(first[at]).min(zero_if_escaped(last[at]));
    u128::from_le_bytes(std::array::from_fn(|at| u8::from(least(at) == 0))) == 0
}

/// Returns one to fifteen bytes that are ASCII and need no escape, the first lowest, with nothing above.
#[inline(always)] // its result in memory would cost more than its work
fn plain_chunk(bytes: &[u8]) -> Option<u128> {
    let length = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        let chunk = u128::from(first) | u128::from(last) << (8 * (length - 8));
        (plain(first) & plain(last) == HIGHEST).then_some(chunk)
    } else {
        let chunk = load_end(bytes, length) as u64;
        // Blanks in the place of what is not there.
        let filled = chunk | (BYTES * 0x20) << (8 * length);
        (plain(filled) == HIGHEST).then_some(chunk.into())
    }
}

/// The number whose eight bytes are one.
const BYTES: u64 = 0x0101_0101_0101_0101;
/// The highest bit of each byte.
const HIGHEST: u64 = BYTES * 0x80;

/// Sets the highest bit of each byte that is ASCII and needs no escape; all other bits are 0.
#[inline]
fn plain(bytes: u64) -> u64 {
    // Added to seven bits, nothing carries further than into the byte's own highest bit.
    let seven = bytes & !HIGHEST;
    let is_not = |byte: u8| (seven ^ (BYTES * u64::from(byte))) + BYTES * 0x7F;
    let is_blank_or_above = seven + BYTES * 0x60;
    let is_del = seven + BYTES;
    is_not(b'"') & is_not(b'/') & is_not(b'\\') & is_blank_or_above & !is_del & !bytes & HIGHEST
}

#[inline]
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        // Without a test per byte, so that it becomes vector code.
        let least = block.iter().fold(u8::MAX, |least, &byte| least.min(zero_if_escaped(byte)));
        if least != 0 {
            out.extend_from_slice(block);
        } else {
            for chunk in block.as_chunks::<CHUNK>().0 {
                write_chunk(out, u128::from_le_bytes(*chunk), CHUNK);
            }
        }
    }

    let (chunks, rest) = rest.as_chunks::<CHUNK>();
    for chunk in chunks {
        write_chunk(out, u128::from_le_bytes(*chunk), CHUNK);
    }
    if !rest.is_empty() {
        write_chunk(out, load_end(bytes, rest.len()), rest.len());
    }
}

/// Returns the last `length` bytes of `bytes`, at least one and fewer than sixteen, the first of
/// them lowest. Above fewer than eight is nothing, above more than that anything.
///
/// Two loads that overlap take the place of a loop over the bytes.
#[inline]
fn load_end(bytes: &[u8], length: usize) -> u128 {
    if let Some(last) = bytes.last_chunk::<16>() {
        u128::from_le_bytes(*last) >> (8 * (16 - length))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let last = u128::from(u64::from_le_bytes(*last)) << (8 * (length - 8));
        u128::from(u64::from_le_bytes(*first)) | last
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4));
        u128::from(u64::from(u32::from_le_bytes(*first)) | last)
    } else {
        let byte = |at: usize| u32::from(bytes[at]) << (8 * at);
        u128::from(byte(0) | byte(length / 2) | byte(length - 1))
    }
}

/// Writes the lowest `length` bytes of `chunk`.
#[inline]
fn write_chunk(out: &mut Vec<u8>, chunk: u128, length: usize) {
    let marks = marks(&chunk.to_le_bytes()) & !(u32::MAX << length);
    if marks == 0 {
        // Sixteen bytes and a cut are one store; a slice as long as the text would be a call.
        let end = out.len() + length;
        out.extend_from_slice(&chunk.to_le_bytes());
        out.truncate(end);
    } else {
        write_marked(out, chunk, marks, length);
    }
}

/// Returns a bit for each byte that must be escaped, the lowest for the first.
#[inline]
fn marks(chunk: &[u8; CHUNK]) -> u32 {
    let flags = chunk.map(|byte| u8::from(zero_if_escaped(byte) == 0));
    // The product has flag i, which is bit 8i, at bit 56 + i.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let flags = u128::from_le_bytes(flags);
    let low = (flags as u64).wrapping_mul(GATHER) >> 56;
    let high = ((flags >> 64) as u64).wrapping_mul(GATHER) >> 56;
    (low | high << 8) as u32
}

/// Returns zero if `byte` must be escaped, anything else if not.
///
/// Comparing and joining the answers with "or" becomes a jump for each byte; this becomes vector
/// instructions, as SSE2 and NEON have them.
#[inline]
fn zero_if_escaped(byte: u8) -> u8 {
    let control = byte.saturating_sub(0x1F).min(byte ^ 0x7F);
    control.min(byte ^ b'"').min(byte ^ b'/').min(byte ^ b'\\')
}

/// Writes the lowest `length` bytes of `chunk`, those escaped that `marks` names.
///
/// Not inlined: the registers that it needs would be saved for strings without escapes too.
#[inline(never)]
fn write_marked(out: &mut Vec<u8>, chunk: u128, mut marks: u32, length: usize) {
    // The text before an escape is written with all that follows, and that then again behind the
    // escape: whole words at places that need no test. Sixteen escapes of six bytes are 96.
    const PLACES: usize = 128;
    let start = out.len();
    out.extend_from_slice(&[0; PLACES + CHUNK]);
    let window: &mut [u8; PLACES + CHUNK] =
        out[start..].first_chunk_mut().expect("as long as what was appended");

    window[..CHUNK].copy_from_slice(&chunk.to_le_bytes());
    let mut added = 0;
    while marks != 0 {
        let at = marks.trailing_zeros() as usize;
        let rest = chunk >> (8 * at);
        let escape = ESCAPES[rest as usize % ESCAPES.len()];
        let place = (at + added) % PLACES;
        window[place..place + 8].copy_from_slice(&escape.to_le_bytes());

        let longer = (escape >> 56) as usize;
        let place = (place + 1 + longer) % PLACES;
        window[place..place + CHUNK].copy_from_slice(&(rest >> 8).to_le_bytes());
        added += longer;
        marks &= marks - 1;
    }
    out.truncate(start + length + added);
}

/// The escapes of the ASCII characters as eight bytes, of which the last is by how much the escape
/// is longer than the character.
static ESCAPES: [u64; 128] = escapes();

const fn escapes() -> [u64; 128] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut table = [0; 128];
    let mut at = 0;
    while at < table.len() {
        let byte = at as u8;
        let letter = match byte {
            b'"' | b'\\' | b'/' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0C => b'f',
            b'\r' => b'r',
            _ => 0,
        };
        table[at] = u64::from_le_bytes(if letter != 0 {
            [b'\\', letter, 0, 0, 0, 0, 0, 1]
        } else {
            [b'\\', b'u', b'0', b'0', HEX[at >> 4], HEX[at & 15], 0, 5]
        });
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &byte in bytes {
            match byte {
                b'"' | b'\\' | b'/' => out.extend([b'\\', byte]),
                0x08 => out.extend(b"\\b"),
                b'\t' => out.extend(b"\\t"),
                b'\n' => out.extend(b"\\n"),
                0x0C => out.extend(b"\\f"),
                b'\r' => out.extend(b"\\r"),
                0..0x20 | 0x7F => out.extend(format!("\\u{byte:04x}").bytes()),
                _ => out.push(byte),
            }
        }
        out
    }

    #[track_caller]
    fn check(bytes: &[u8]) {
        let expected = escaped(bytes);
        // What is there already stays, and room is made where there is none.
        for before in [&b""[..], b"[1,"] {
            let mut out = before.to_vec();
            write_escaped(&mut out, bytes);
            assert!(out == [before, &expected].concat(), "{bytes:x?}: {out:x?}");

            let mut out = before.to_vec();
            write_string(&mut out, bytes);
            assert!(out == [before, b"\"", &expected, b"\""].concat(), "{bytes:x?}: {out:x?}");

            let mut out = before.to_vec();
            write_key(&mut out, bytes);
            assert!(out == [before, b"\"", &expected, b"\":"].concat(), "{bytes:x?}: {out:x?}");
        }
    }

    #[test]
    fn writes_every_byte() {
        for byte in 0..=u8::MAX {
            check(&[byte]);
        }
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for start in 0..=u8::MAX {
            check(&all[start.into()..]);
        }
    }

    #[test]
    fn writes_every_byte_at_every_position() {
        for length in 0..=40 {
            let mut bytes: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
            check(&bytes);
            for position in 0..length {
                let letter = bytes[position];
                for byte in 0..=u8::MAX {
                    bytes[position] = byte;
                    let mut out = Vec::new();
                    write_escaped(&mut out, &bytes);
                    assert!(out == escaped(&bytes), "{bytes:x?}: {out:x?}");
                }
                bytes[position] = letter;
            }
        }
    }

    #[test]
    fn writes_every_arrangement_of_escapes_in_a_chunk() {
        for (short, long) in [(b'/', b'a'), (0x01, 0xFF), (b'"', 0x7F)] {
            for arrangement in 0..=u16::MAX {
                let bytes: [u8; 16] =
                    std::array::from_fn(|at| if arrangement >> at & 1 == 1 { short } else { long });
                let mut out = Vec::new();
                write_escaped(&mut out, &bytes);
                assert!(out == escaped(&bytes), "{bytes:x?}: {out:x?}");
            }
        }
    }

    #[test]
    fn writes_long_strings() {
        for length in 41..=300 {
            let mut bytes: Vec<u8> = (b' '..=b'.').cycle().take(length).collect();
            bytes.retain(|&byte| byte != b'"');
            check(&bytes);
            for position in 0..bytes.len() {
                let byte = bytes[position];
                bytes[position] = b'/';
                let mut out = Vec::new();
                write_escaped(&mut out, &bytes);
                assert!(out == escaped(&bytes), "{bytes:x?}: {out:x?}");
                bytes[position] = byte;
            }
        }
        check(&b"https://example.test/a/b?c=\"d\"\n".repeat(100));
        check(&[0; 1000]);
    }

    #[test]
    fn reserves_little_more_than_the_string() {
        let mut out = Vec::new();
        write_string(&mut out, &[b'a'; 10_000]);
        assert!(out.capacity() <= 10_100, "{}", out.capacity());
    }
}
