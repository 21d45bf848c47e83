//! `exit` for streams (layer 4). The client does not get the status code; only logs and statistics have it. The body
//! goes to the client, or to the log if the code says that the service failed.

use crate::error::Error;
use crate::response::exit::Body;

/// The status codes of a stream in nginx.
const CODES: [u16; 6] = [200, 400, 403, 500, 502, 503];

/// The destination of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The client.
    Client,
    /// The log, with the line of [`log_line`].
    Log,
}

/// A status code of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(u16);

impl Code {
    /// Checks the code of a call of `exit`.
    ///
    /// # Errors
    ///
    /// `unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted`
    pub fn check(code: f64) -> Result<Self, Error> {
        let known = CODES.into_iter().find(|known| f64::from(*known) == code);
        known.map(Self).ok_or(Error::StreamCode)
    }

    /// The code as a number.
    pub fn as_u16(self) -> u16 {
        self.0
    }

    /// The destination of a body with this code. Failures of the service or the gateway are only for the log.
    pub fn delivery(self) -> Delivery {
        if self.0 >= 500 { Delivery::Log } else { Delivery::Client }
    }
}

/// Encodes a table as JSON. Returns `None` for other bodies, which are sent unchanged.
///
/// # Errors
///
/// `invalid body: <reason>` if the table has no JSON form.
pub fn encode(body: Body<'_>) -> Result<Option<Vec<u8>>, Error> {
    match body {
        Body::None | Body::Bytes(_) => Ok(None),
        Body::Table(table) => table.encode().map(Some).map_err(Error::StreamBody),
    }
}

/// The line in the log for a body that the client does not get.
pub fn log_line(code: Code, body: &[u8]) -> Vec<u8> {
    let text = format!("unable to proxy stream connection, status: {}, err: ", code.0);
    [text.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::exit::TableBody;
    use crate::response::json::EncodeError;

    struct Table(Result<&'static [u8], EncodeError>);

    impl TableBody for Table {
        fn message(&mut self) -> Result<Option<Vec<u8>>, EncodeError> {
            unreachable!("layer 4 has no gRPC")
        }

        fn encode(&mut self) -> Result<Vec<u8>, EncodeError> {
            self.0.clone().map(<[u8]>::to_vec)
        }
    }

    #[test]
    fn only_the_six_codes_are_accepted() {
        for code in 0..=700 {
            let known = matches!(code, 200 | 400 | 403 | 500 | 502 | 503);
            let checked = Code::check(f64::from(code)).map(Code::as_u16);
            let expected = if known { Ok(code) } else { Err(Error::StreamCode) };
            assert_eq!(checked, expected, "{code}");
        }
        for code in [200.5, 199.999, -200.0, 65736.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Code::check(code), Err(Error::StreamCode), "{code}");
        }
        assert_eq!(
            Error::StreamCode.to_string(),
            "unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted"
        );
    }

    #[test]
    fn bodies_of_failures_go_to_the_log() {
        for code in CODES {
            let delivery = Code::check(f64::from(code)).unwrap().delivery();
            let log = matches!(code, 500 | 502 | 503);
            assert_eq!(delivery == Delivery::Log, log, "{code}");
        }
    }

    #[test]
    fn the_line_in_the_log_has_the_code_and_the_bytes() {
        let code = Code::check(502.0).unwrap();
        let line = log_line(code, b"refused \xff\0");
        assert_eq!(line, b"unable to proxy stream connection, status: 502, err: refused \xff\0");
    }

    #[test]
    fn only_a_table_is_encoded() {
        assert_eq!(encode(Body::None), Ok(None));
        assert_eq!(encode(Body::Bytes(b"text")), Ok(None));
        let encoded = encode(Body::Table(&mut Table(Ok(b"{\"a\":1}"))));
        assert_eq!(encoded, Ok(Some(b"{\"a\":1}".to_vec())));
    }

    #[test]
    fn a_table_without_a_json_form_is_refused() {
        let refused = encode(Body::Table(&mut Table(Err(EncodeError::Sparse))));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "invalid body: Cannot serialise table: excessively sparse array"
        );
    }
}
