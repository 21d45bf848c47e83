//! Writes headers that no rule ignores.

use super::name::{compare, is, is_single};
use crate::content_length;
use crate::error::Error;
use crate::host::{Host, Write};

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

/// Sets, adds or removes one header that is checked and not ignored, or whose name no rule [ignores](super::may_be_ignored).
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

/// Sets headers for `set_headers`, if no rule may [ignore](super::may_be_ignored) any of the names.
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

#[cfg(test)]
mod tests {
    use super::super::{Headers, write_all};
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
}
