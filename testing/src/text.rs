//! The encodings and digests of lua-nginx-module.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG.with_encode_padding(false));

/// `ngx.encode_base64`
pub fn encode_base64(bytes: &[u8], padded: bool) -> String {
    if padded { PADDED.encode(bytes) } else { PLAIN.encode(bytes) }
}

/// `ngx.decode_base64`. Like nginx, reads up to the first `=`.
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    PADDED.decode(&text[..end]).ok()
}

/// `ngx.md5_bin`
pub fn md5(bytes: &[u8]) -> Vec<u8> {
    Md5::digest(bytes).to_vec()
}

/// `ngx.sha1_bin`
pub fn sha1(bytes: &[u8]) -> Vec<u8> {
    Sha1::digest(bytes).to_vec()
}

/// `ngx.hmac_sha1`
pub fn hmac_sha1(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    match Hmac::<Sha1>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(bytes).finalize().into_bytes().to_vec(),
        // HMAC accepts keys of any length, so this does not happen.
        Err(_) => Vec::new(),
    }
}

/// `ngx.crc32_long`
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The characters that `ngx.escape_uri` escapes, by its `type`. It also escapes control characters and spaces, and
/// for the types below 5 all bytes from 0x7F.
const ESCAPED: [&[u8]; 7] =
    [b"#%?", b"#%+?", b"\"#$%&+,/:;<=>?@[\\]^`{|}", b"\"#%'", b"\"'", b"%", b"%"];

/// `ngx.escape_uri`. `None` if nginx has no such type.
pub fn escape_uri(bytes: &[u8], kind: usize) -> Option<Vec<u8>> {
    let set = *ESCAPED.get(kind)?;
    let mut escaped = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte <= b' ' || byte >= 0x7f && kind < 5 || set.contains(&byte) {
            escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            escaped.push(byte);
        }
    }
    Some(escaped)
}

/// `ngx.unescape_uri`. Invalid escapes do not change.
pub fn unescape_uri(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        rest = tail;
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            (b'+', ..) => plain.push(b' '),
            _ => plain.push(*first),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: Vec<u8>) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_are_those_of_known_examples() {
        assert_eq!(hex(md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        let mac = "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9";
        assert_eq!(hex(hmac_sha1(b"key", b"The quick brown fox jumps over the lazy dog")), mac);
        assert_eq!(crc32(b"1234"), 2_615_402_659);
    }

    #[test]
    fn base64_with_and_without_padding() {
        assert_eq!(encode_base64(b"abcd", true), "YWJjZA==");
        assert_eq!(encode_base64(b"abcd", false), "YWJjZA");
        for text in ["YWJjZA==", "YWJjZA", "YWJjZA=", "YWJjZB==", "YWJjZA==\n", "YWJjZA===x"] {
            assert_eq!(decode_base64(text.as_bytes()).as_deref(), Some(&b"abcd"[..]), "{text}");
        }
        for text in ["YWJj\n", "YW Jj", "Y", "a-_b"] {
            assert_eq!(decode_base64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decode_base64(b"="), Some(Vec::new()));
    }

    #[test]
    fn escape_uri_escapes_by_type_and_unescape_uri_keeps_invalid_escapes() {
        assert_eq!(escape_uri(b"a b~'\xff", 2).as_deref(), Some(&b"a%20b~'%FF"[..]));
        assert_eq!(escape_uri(b"a b/\xff", 5).as_deref(), Some(&b"a%20b/\xff"[..]));
        assert_eq!(escape_uri(b"a", 7), None);
        assert_eq!(unescape_uri(b"%41%4%4g?a+b%2B%"), b"A%4%4g?a b+%");
    }
}
