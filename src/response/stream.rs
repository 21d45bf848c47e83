//! `exit` on layer 4: the connection ends with a code that only logs and statistics see; a text goes
//! to the client or, where the service is at fault, to the log.

use crate::error::Error;
use crate::response::exit::Body;

/// Every code that the session of a connection can end with.
const CODES: [u16; 6] = [200, 400, 403, 500, 502, 503];

/// What is done with the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The client gets it.
    Client,
    /// The log gets it, as [`log_line`] says it.
    Log,
}

/// The code that a connection ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(u16);

impl Code {
    /// The code of a call of `exit`.
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

    /// Where a body goes that comes with this code: what a service or the gateway did wrong is for the
    /// log alone.
    pub fn delivery(self) -> Delivery {
        if self.0 >= 500 { Delivery::Log } else { Delivery::Client }
    }
}

/// The text of a body, where that is not the caller's own bytes: a table as JSON.
///
/// # Errors
///
/// `invalid body: <reason>` for a table without a JSON form.
pub fn encode(body: Body<'_>) -> Result<Option<Vec<u8>>, Error> {
    match body {
        Body::None | Body::Bytes(_) => Ok(None),
        Body::Table(table) => table.encode().map(Some).map_err(Error::StreamBody),
    }
}

/// The line of the log for a body that is not sent.
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
    fn six_codes_are_accepted_and_nothing_near_them() {
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
    fn what_went_wrong_behind_the_gateway_is_logged_and_not_sent() {
        for code in CODES {
            let delivery = Code::check(f64::from(code)).unwrap().delivery();
            let log = matches!(code, 500 | 502 | 503);
            assert_eq!(delivery == Delivery::Log, log, "{code}");
        }
    }

    #[test]
    fn the_line_of_the_log_has_the_code_and_the_bytes() {
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
