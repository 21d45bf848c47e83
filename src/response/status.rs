//! The status of a response (RFC 9110 section 15).

use http::StatusCode;

use crate::error::Error;
use crate::host::Host;

/// Refuses to change a head that is sent.
///
/// # Errors
///
/// `headers have already been sent`
pub fn refuse_when_sent<H: Host>(host: &H) -> Result<(), Error> {
    if host.headers_sent() { Err(Error::HeadersSent) } else { Ok(()) }
}

/// Sets the status, for `set_status`. The caller has checked that the head is not sent.
///
/// # Errors
///
/// `code must be a number between 100 and 599`, and an error of the host.
pub fn set<H: Host>(host: &mut H, code: f64) -> Result<(), Error> {
    let status = check(code)?;
    host.set_status(status)
}

/// The status for the `code` of `set_status` and `exit`, without its fraction.
///
/// # Errors
///
/// `code must be a number between 100 and 599`, also for NaN.
pub fn check(code: f64) -> Result<StatusCode, Error> {
    in_range(code, 100.0).ok_or(Error::StatusRange)
}

/// The status for the `code` of `error`, without its fraction.
///
/// # Errors
///
/// `code must be a number between 400 and 599`, also for NaN.
pub fn check_error(code: f64) -> Result<StatusCode, Error> {
    in_range(code, 400.0).ok_or(Error::ErrorStatusRange)
}

fn in_range(code: f64, lowest: f64) -> Option<StatusCode> {
    // Comparisons with NaN are false, so NaN is not in range.
    let whole = (code >= lowest && code <= 599.0).then_some(code as u16)?;
    StatusCode::from_u16(whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_whole_and_within_range() {
        let whole = |status: Result<StatusCode, Error>| status.map(|status| status.as_u16());
        assert_eq!(whole(check(100.0)), Ok(100));
        assert_eq!(whole(check(200.9)), Ok(200));
        assert_eq!(whole(check(599.0)), Ok(599));
        assert_eq!(whole(check_error(400.0)), Ok(400));
        for code in [99.9, 599.1, 0.0, -200.0, f64::NAN, f64::INFINITY] {
            assert_eq!(check(code), Err(Error::StatusRange));
        }
        for code in [200.0, 399.9, 600.0, f64::NAN] {
            assert_eq!(check_error(code), Err(Error::ErrorStatusRange));
        }
    }
}
