//! The rules for names and values of headers: which are refused, ignored or sent.

mod collection;
mod ignored;
mod name;
mod raw;

pub use collection::Headers;
pub use ignored::{
    CONTENT_LENGTH_IGNORED, Ignored, TRANSFER_ENCODING_IGNORED, may_be_ignored, warn,
};
pub use name::{is, is_single};
pub use raw::{Pair, check_value, write_pairs, write_unchecked};

use crate::error::Error;
use crate::host::{Host, Write};

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
