//! The rules for names and values of headers: which are refused, ignored or sent.

mod collection;
mod ignored;

use std::cmp::Ordering;

pub use collection::Headers;
pub use ignored::{
    CONTENT_LENGTH_IGNORED, Ignored, TRANSFER_ENCODING_IGNORED, may_be_ignored, warn,
};

use crate::content_length;
use crate::error::Error;
use crate::host::{Host, Write};

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

/// The bytes that are sent for `value`. nginx removes a header with an empty value, so a space is sent instead.
#[inline]
fn sendable(value: &[u8]) -> &[u8] {
    if value.is_empty() { b" " } else { value }
}

/// Refuses a Content-Length that nginx cannot use; see [`content_length`]. Accepts all other headers.
///
/// # Errors
///
/// `invalid header value for "Content-Length": got "abc", expected a non-negative integer`
pub fn check_value(name: &[u8], value: &[u8]) -> Result<(), Error> {
    if is(name, b"Content-Length") && content_length::parse(value).is_none() {
        return Err(Error::InvalidContentLength { name: name.to_vec(), got: value.to_vec() });
    }
    Ok(())
}

/// How a getter finds a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// With the server's getter.
    Direct,
    /// In the list of headers, because the getter would change the name (`_`) or the value (Last-Modified).
    Listed,
    /// In the list of headers, because the server adds `connection` and `transfer-encoding` after the last filter.
    Synthesised,
}

/// How to find the header `name`.
pub fn lookup(name: &[u8]) -> Lookup {
    match name.len() {
        10 if name.eq_ignore_ascii_case(b"connection") => Lookup::Synthesised,
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => Lookup::Synthesised,
        13 if name.eq_ignore_ascii_case(b"last-modified") => Lookup::Listed,
        _ if name.contains(&b'_') => Lookup::Listed,
        _ => Lookup::Direct,
    }
}

/// Sets, adds or removes one header for `set_header` and `add_header`. The caller has checked that the head is not sent.
/// If the header is [ignored](Ignored), logs a warning instead.
///
/// # Errors
///
/// As [`check_value`], and an error of the host.
pub fn write<H: Host>(
    host: &mut H,
    name: &[u8],
    values: &[&[u8]],
    how: Write,
    phase: Option<u32>,
) -> Result<(), Error> {
    values.iter().try_for_each(|value| check_value(name, value))?;
    match Ignored::of(host, name, values).or_else(|| Ignored::if_early(host, name, phase)) {
        Some(reason) => warn(host, reason, &[name]),
        None => write_unchecked(host, name, values, how)?,
    }
    Ok(())
}

/// Removes a header for `clear_header`. The caller has checked that the head is not sent.
///
/// # Errors
///
/// An error of the host.
pub fn clear<H: Host>(host: &mut H, name: &[u8], phase: Option<u32>) -> Result<(), Error> {
    match Ignored::if_early(host, name, phase) {
        Some(reason) => warn(host, reason, &[name]),
        None => host.write_header(name, &[], Write::Set)?,
    }
    Ok(())
}

/// Sets all of `headers` for `set_headers`, in order.
///
/// # Errors
///
/// An error of the host.
pub fn write_all<H: Host>(
    host: &mut H,
    headers: &Headers,
    phase: Option<u32>,
) -> Result<(), Error> {
    let length: &[u8] = b"Content-Length";
    let early = headers.has(length).then(|| Ignored::if_early(host, length, phase)).flatten();
    if let Some(reason) = early {
        warn(host, reason, &[length]);
    }
    headers.apply(host, early.is_none())
}

/// Sets, adds or removes one header that is checked and not ignored, or whose name no rule [ignores](may_be_ignored).
/// Setting no value removes the header. Adding no value does nothing.
///
/// # Errors
///
/// An error of the host.
pub fn write_unchecked<H: Host>(
    host: &mut H,
    name: &[u8],
    values: &[&[u8]],
    write: Write,
) -> Result<(), Error> {
    // A response should have these headers only once. But nginx would add a second one to a Location that is a path, or
    // to an upstream's Refresh.
    if (write == Write::Add || values.len() > 1)
        && is_single(name)
        && let Some(last) = values.last()
    {
        return host.write_header(name, &[sendable(last)], Write::Set);
    }
    match values {
        [] if write == Write::Add => Ok(()),
        [one] => host.write_header(name, &[sendable(one)], write),
        several if several.iter().any(|value| value.is_empty()) => {
            let several: Vec<&[u8]> = several.iter().map(|value| sendable(value)).collect();
            host.write_header(name, &several, write)
        }
        several => host.write_header(name, several, write),
    }
}

/// Compares names in the order in which headers are sent: by lower-cased name with `_` as `-`. Several spellings of one
/// header are sorted by their bytes, and the last of them wins.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(|&c| fold(c)).cmp(b.iter().map(|&c| fold(c))).then_with(|| a.cmp(b))
}

/// Sets headers for `set_headers`, if no rule may [ignore](may_be_ignored) any of the names.
///
/// # Errors
///
/// An error of the host.
pub fn write_pairs<H: Host>(host: &mut H, pairs: &mut [Pair<'_>]) -> Result<(), Error> {
    pairs.sort_unstable_by(|a, b| compare(a.0, b.0));
    pairs.iter().try_for_each(|(name, value)| write_unchecked(host, name, &[value], Write::Set))
}

/// The name and the value of a header.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// Checks the limit of `get_headers`, which is 1 to 1000 headers.
///
/// # Errors
///
/// `max_headers must be >= 1` (also for NaN), `max_headers must be <= 1000`
pub fn check_max(max: f64) -> Result<u16, Error> {
    if max > 1000.0 {
        Err(Error::MaxHeadersHigh)
    } else if max >= 1.0 {
        Ok(max as u16)
    } else {
        Err(Error::MaxHeadersLow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn pairs_are_sent_like_headers() {
        let fields = [
            ("x_b", "1"),
            ("X-a", "2"),
            ("X-B", "3"),
            ("Age", "4"),
            ("Cache-Control", ""),
            ("Cache_Control", "5"),
            ("Set-Cookie", "6"),
        ];
        let mut one_by_one = Memory::new();
        let all: Vec<(&str, &[&str])> =
            fields.iter().map(|(name, value)| (*name, std::slice::from_ref(value))).collect();
        write_all(&mut one_by_one, &Headers::from_fields(&all), None).unwrap();

        let mut paired = Memory::new();
        let mut pairs = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        write_pairs(&mut paired, &mut pairs).unwrap();
        assert_eq!(paired.listed(), one_by_one.listed());
    }

    #[test]
    fn a_content_length_in_any_spelling_is_checked() {
        assert_eq!(check_value(b"content_length", b"12"), Ok(()));
        let refused = check_value(b"Content-Length", b"abc").map_err(|error| error.to_string());
        let text = "invalid header value for \"Content-Length\": got \"abc\", \
                    expected a non-negative integer";
        assert_eq!(refused, Err(text.to_owned()));
        assert_eq!(check_value(b"X-Content-Length", b"abc"), Ok(()));
    }

    #[test]
    fn each_name_has_its_lookup() {
        assert_eq!(lookup(b"X-Foo"), Lookup::Direct);
        assert_eq!(lookup(b"x_foo"), Lookup::Listed);
        assert_eq!(lookup(b"LAST_modified"), Lookup::Listed);
        assert_eq!(lookup(b"Connection"), Lookup::Synthesised);
        assert_eq!(lookup(b"Transfer-Encoding"), Lookup::Synthesised);
        assert_eq!(lookup(b"Transfer_Encoding"), Lookup::Listed);
        assert_eq!(lookup(b""), Lookup::Direct);
    }

    #[test]
    fn empty_values_are_sent_as_a_space_and_no_value_removes() {
        let mut host = Memory::new();
        write(&mut host, b"X-A", &[b""], Write::Set, None).unwrap();
        write(&mut host, b"X-B", &[b"1", b""], Write::Set, None).unwrap();
        write(&mut host, b"X-C", &[b"1"], Write::Set, None).unwrap();
        write(&mut host, b"X-C", &[], Write::Add, None).unwrap();
        write(&mut host, b"X-D", &[b"1"], Write::Set, None).unwrap();
        write(&mut host, b"X-D", &[], Write::Set, None).unwrap();
        let expected = [("X-A", " "), ("X-B", "1"), ("X-B", " "), ("X-C", "1")];
        assert_eq!(host.listed(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn the_last_value_of_a_single_header_is_sent() {
        for name in ["Location", "refresh", "content_type", "E-Tag"] {
            let mut host = Memory::new();
            write(&mut host, name.as_bytes(), &[b"/a", b""], Write::Set, None).unwrap();
            assert_eq!(host.listed()[0].1, " ");
            write(&mut host, name.as_bytes(), &[b"/b", b"/c"], Write::Add, None).unwrap();
            assert_eq!(host.listed().len(), 1);
            assert_eq!(host.listed()[0].1, "/c");
        }
    }

    #[test]
    fn max_headers_is_between_1_and_1000() {
        assert_eq!(check_max(1.0), Ok(1));
        assert_eq!(check_max(1000.0), Ok(1000));
        assert_eq!(check_max(1.5), Ok(1));
        for low in [0.0, 0.9, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(check_max(low), Err(Error::MaxHeadersLow));
        }
        for high in [1000.5, 1001.0, f64::INFINITY] {
            assert_eq!(check_max(high), Err(Error::MaxHeadersHigh));
        }
    }
}
