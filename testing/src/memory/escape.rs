//! The escapes of lua-nginx-module for bytes that a header must not contain.

/// The part of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Name,
    Value,
}

/// Percent-escapes bytes of a header. In values: all control bytes except TAB. In names: all control bytes, the
/// separators of RFC 9110 section 5.6.2 without `!#$%&'*+-.^_|~`, and all bytes from 0x80.
pub fn escape(bytes: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        let escaped = match byte {
            b'\t' => part == Part::Name,
            0..=0x1F | 0x7F => true,
            b' '
            | b'"'
            | b'('
            | b')'
            | b','
            | b'/'
            | b':'..=b'@'
            | b'['
            | b'\\'
            | b']'
            | b'{'
            | b'}'
            | 0x80.. => part == Part::Name,
            _ => false,
        };
        if escaped {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
    out
}

/// `name` with `_` as `-`.
pub fn dashed(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect()
}

/// `name` as part of the name of a variable: in lower case, with `_` for `-`.
pub fn variable(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bytes_are_escaped() {
        assert_eq!(escape(b"a\r\nX: 1\t\x7f\xff", Part::Value), b"a%0D%0AX: 1\t%7F\xff");
        assert_eq!(escape(b"a b:\t\xff!#~", Part::Name), b"a%20b%3A%09%FF!#~");
        assert_eq!(escape(b"<=>?@[\\]^_`{|}~", Part::Name), b"%3C%3D%3E%3F%40%5B%5C%5D^_`%7B|%7D~");
    }
}
