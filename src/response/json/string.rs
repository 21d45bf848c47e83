//! Strings in JSON.

/// The number of bytes that are tested together. If none of them needs an escape, they are copied together.
const BLOCK: usize = 64;
/// The same for the end of a string and for short strings.
const CHUNK: usize = 16;

/// Appends `bytes` to `out` as a JSON string: in quotes, with the escapes of [`write_escaped`].
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
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    write_escaped(out, bytes);
    out.push(b'"');
}

/// Appends `bytes` to `out` as the key of an object: a JSON string and the colon after it.
#[inline]
pub fn write_key(out: &mut Vec<u8>, bytes: &[u8]) {
    write_string(out, bytes);
    out.push(b':');
}

/// Appends `bytes` to `out` as the content of a JSON string, without the quotes.
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
    // Most keys are that short.
    let is_written = match bytes.len() {
        4..8 => write_short::<4>(out, bytes),
        8..CHUNK => write_short::<8>(out, bytes),
        _ => false,
    };
    if !is_written {
        write_long(out, bytes);
    }
}

/// Writes `bytes`, which are from `N` to `2 * N`, if none of them needs an escape. Returns whether that is so.
#[inline]
fn write_short<const N: usize>(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else {
        return false;
    };
    let is_plain = is_plain(first) && is_plain(last);
    if is_plain {
        // Two copies of constant length, where the second one overwrites bytes with the same bytes.
        out.extend_from_slice(first);
        out.truncate(out.len() + bytes.len() - 2 * N);
        out.extend_from_slice(last);
    }
    is_plain
}

fn write_long(out: &mut Vec<u8>, bytes: &[u8]) {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        if is_plain(block) {
            out.extend_from_slice(block);
        } else {
            write_chunks(out, block);
        }
    }
    write_chunks(out, rest);
}

fn write_chunks(out: &mut Vec<u8>, bytes: &[u8]) {
    let (chunks, rest) = bytes.as_chunks::<CHUNK>();
    for chunk in chunks {
        if is_plain(chunk) {
            out.extend_from_slice(chunk);
        } else {
            write_runs(out, chunk);
        }
    }
    match bytes.last_chunk::<CHUNK>() {
        Some(last) if !rest.is_empty() && is_plain(last) => {
            // A copy of constant length takes half the time. It overwrites the end of the previous chunk with the same
            // bytes. Those are plain, so they have the same length in `out`.
            out.truncate(out.len() + rest.len() - CHUNK);
            out.extend_from_slice(last);
        }
        _ => write_runs(out, rest),
    }
}

/// Whether no byte needs an escape. This compiles to vector instructions, because the length is constant and no byte is
/// tested alone.
#[inline]
fn is_plain<const N: usize>(bytes: &[u8; N]) -> bool {
    bytes.iter().fold(u8::MAX, |least, &byte| least.min(zero_if_escaped(byte))) != 0
}

/// Returns zero if `byte` needs an escape, else another number.
///
/// Comparisons with `||` compile to a jump for each byte. This compiles to vector instructions.
#[inline]
fn zero_if_escaped(byte: u8) -> u8 {
    let control = byte.saturating_sub(0x1F).min(byte ^ 0x7F);
    control.min(byte ^ b'"').min(byte ^ b'/').min(byte ^ b'\\')
}

/// Writes runs of bytes without escapes, and the escapes between them.
fn write_runs(out: &mut Vec<u8>, mut bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    while let Some(at) = bytes.iter().position(|&byte| ESCAPES[usize::from(byte)] != 0) {
        let (run, byte) = (&bytes[..at], bytes[at]);
        out.extend_from_slice(run);
        match ESCAPES[usize::from(byte)] {
            b'u' => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}

/// For each byte, the character after the backslash of its escape, or 0 if it has none.
static ESCAPES: [u8; 256] = escapes();

const fn escapes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[0x7F] = b'u';
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0C] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'/' as usize] = b'/';
    table[b'\\' as usize] = b'\\';
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
        // The bytes that are already in `out` stay, and `out` grows if necessary.
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
