//! How names of headers are compared.

use std::cmp::Ordering;

/// The byte by which names of headers are compared: in lower case, with `_` as `-`.
#[inline]
fn fold(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

/// Whether `name` is the header `known`, in any case, and with `_` or `-`.
///
/// ```
/// use kong_response::response::header::is;
/// assert!(is(b"content_Type", b"Content-Type"));
/// ```
#[inline]
pub fn is(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len() && name.iter().zip(known).all(|(&a, &b)| fold(a) == fold(b))
}

/// The headers that a response of nginx has only once. (For WWW-Authenticate this depends on nginx's version, so the
/// server decides.)
const SINGLE: [&[u8]; 13] = [
    b"Server",
    b"Date",
    b"Content-Encoding",
    b"Location",
    b"Refresh",
    b"Last-Modified",
    b"Content-Range",
    b"Accept-Ranges",
    b"Expires",
    b"ETag",
    b"E-Tag",
    b"Content-Length",
    b"Content-Type",
];

/// Whether a response has the header `name` only once. Only the last of several values is sent.
pub fn is_single(name: &[u8]) -> bool {
    SINGLE.iter().any(|single| is(name, single))
}

/// Compares names in the order in which headers are sent: by lower-cased name with `_` as `-`. Several spellings of one
/// header are sorted by their bytes, and the last of them wins.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(|&c| fold(c)).cmp(b.iter().map(|&c| fold(c))).then_with(|| a.cmp(b))
}
