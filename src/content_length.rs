//! The grammar of Content-Length (RFC 9110 section 8.6).

/// The length in a Content-Length. `None` if nginx would refuse it: the value must have only digits, and the number must
/// fit into 63 bits.
///
/// ```
/// use kong_response::content_length::parse;
/// assert_eq!(parse(b"0012"), Some(12));
/// assert_eq!(parse(b"+12"), None);
/// ```
pub fn parse(value: &[u8]) -> Option<u64> {
    // `str::parse` would take a sign.
    let is_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let digits = is_digits.then(|| std::str::from_utf8(value).ok()).flatten()?;
    digits.parse::<i64>().ok().and_then(|length| u64::try_from(length).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_within_63_bits() {
        for (good, length) in
            [("0", 0), ("12", 12), ("0012", 12), ("9223372036854775807", i64::MAX as u64)]
        {
            assert_eq!(parse(good.as_bytes()), Some(length));
        }
        for bad in ["", " ", "-1", "+1", "1.0", "1e3", "abc", "12 ", "9223372036854775808"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse(b"1\xff"), None);
    }
}
