//! The status of a response (RFC 9110 section 15).

use http::StatusCode;

use crate::error::Error;
use crate::host::Host;

/// What every change of a response's head begins with.
///
/// # Errors
///
/// `headers have already been sent`
pub fn refuse_when_sent<H: Host>(host: &H) -> Result<(), Error> {
    if host.headers_sent() { Err(Error::HeadersSent) } else { Ok(()) }
}

/// `set_status`, whose caller has made sure that the head is not sent.
///
/// # Errors
///
/// `code must be a number between 100 and 599`, and what the host says.
pub fn set<H: Host>(host: &mut H, code: f64) -> Result<(), Error> {
    let status = check(code)?;
    host.set_status(status)
}

/// The status that is sent for `code`, as `set_status` and `exit` take it: a fraction is dropped.
///
/// # Errors
///
/// `code must be a number between 100 and 599`, also for NaN.
pub fn check(code: f64) -> Result<StatusCode, Error> {
    match within(code, 100.0) {
        Some(status) => Ok(status),
        None => Err(Error::StatusRange),
    }
}

/// The status that is sent for `code`, as `error` takes it.
///
/// # Errors
///
/// `code must be a number between 400 and 599`, also for NaN.
pub fn check_error(code: f64) -> Result<StatusCode, Error> {
    match within(code, 400.0) {
        Some(status) => Ok(status),
        None => Err(Error::ErrorStatusRange),
    }
}

fn within(code: f64, lowest: f64) -> Option<StatusCode> {
    // Comparisons with NaN are false, so it is outside.
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
