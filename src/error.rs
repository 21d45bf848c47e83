//! The errors of calls.
//!
//! [`Error::write_to`] writes the exact text that a plugin gets. Messages contain names and values from the plugin, so
//! they are bytes. [`Display`](std::fmt::Display) replaces invalid UTF-8.

use std::fmt;

use crate::json_error::EncodeError;
use crate::phase::PhaseSet;

/// Why a call was refused. A refused call changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no request, or the function does not work in nginx's phase.
    Disabled,
    /// The function does not work in this phase of nginx, for example `balancer_by_lua*`.
    DisabledIn(&'static str),
    /// The running coroutine belongs to another request than the current one.
    OtherRequest,
    /// `ngx.ctx.KONG_PHASE` is missing. The value has the allowed phases of the function.
    NoPhase(PhaseSet),
    /// `ngx.ctx.KONG_PHASE` is not a number but a value of this Lua type.
    PhaseType(&'static str),
    /// The function is not allowed in this phase.
    WrongPhase {
        /// The bits of `ngx.ctx.KONG_PHASE`.
        current: u32,
        /// The allowed phases of the function.
        allowed: PhaseSet,
    },
    /// The head of the response is already sent.
    HeadersSent,
    /// A status that is not a number.
    StatusType,
    /// A status outside 100 to 599.
    StatusRange,
    /// A status of `error` outside 400 to 599.
    ErrorStatusRange,
    /// A name for a getter or `clear_header` that is not a string.
    HeaderNameType,
    /// `max_headers` is not a number.
    MaxHeadersType,
    /// `max_headers` is less than 1.
    MaxHeadersLow,
    /// `max_headers` is more than 1000.
    MaxHeadersHigh,
    /// A header's name that is not a string.
    InvalidHeaderName {
        /// The name, as Lua's `tostring` writes it.
        name: Vec<u8>,
        /// Its Lua type.
        got: &'static str,
    },
    /// An item of an array of values that is not a string.
    InvalidHeaderItem {
        /// The header's name.
        name: Vec<u8>,
        /// The item's Lua type.
        got: &'static str,
    },
    /// A header's value of a type that cannot be sent.
    InvalidHeaderValue {
        /// The header's name.
        name: Vec<u8>,
        /// The value's Lua type.
        got: &'static str,
        /// The kind of function, which decides the order of the types in the message.
        setter: Setter,
    },
    /// A Content-Length that is not a number of bytes.
    InvalidContentLength {
        /// The name in the caller's spelling.
        name: Vec<u8>,
        /// The value.
        got: Vec<u8>,
    },
    /// The argument of `set_headers` is not a table.
    HeadersNotTable,
    /// The `headers` of `exit` or `error` are neither nil nor a table.
    HeadersType,
    /// The `body` of `exit` is of a wrong type.
    BodyType,
    /// The body of `set_raw_body` is not a string.
    RawBodyType,
    /// The `message` of `error` is of a wrong type.
    MessageType,
    /// A table body that has no JSON form.
    BodyEncoding(EncodeError),
    /// A table message that has no JSON form.
    MessageEncoding(EncodeError),
    /// A table body for a gRPC response.
    GrpcTableBody,
    /// A code that `exit` refuses on layer 4.
    StreamCode,
    /// A table body on layer 4 that has no JSON form.
    StreamBody(EncodeError),
    /// A value that must be a table but is not.
    NotTable {
        /// Its name in the message.
        what: &'static str,
        /// Its Lua type.
        got: &'static str,
    },
    /// There is no memory for a body of this many bytes.
    BodyMemory(usize),
    /// An error of the host, with the host's message.
    Host(String),
    /// A defect of this library: a panic that was caught before it reached Lua.
    Internal(String),
}

/// The kind of function that sets headers. It decides the order of the types in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setter {
    /// `set_header` and `add_header`.
    One,
    /// `set_headers`, `exit` and `error`.
    Many,
}

impl Error {
    /// The error that Lua code raised, for example in a metamethod.
    pub(crate) fn thrown(text: Vec<u8>) -> Self {
        Self::Host(String::from_utf8_lossy(&text).into_owned())
    }

    /// Appends the message to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let text: &str = match self {
            Self::Disabled => "API disabled in the current context",
            Self::OtherRequest => "this coroutine belongs to another request",
            Self::HeadersSent => "headers have already been sent",
            Self::StatusType => "code must be a number",
            Self::StatusRange => "code must be a number between 100 and 599",
            Self::ErrorStatusRange => "code must be a number between 400 and 599",
            Self::HeaderNameType => "header name must be a string",
            Self::MaxHeadersType => "max_headers must be a number",
            Self::MaxHeadersLow => "max_headers must be >= 1",
            Self::MaxHeadersHigh => "max_headers must be <= 1000",
            Self::HeadersNotTable => "headers must be a table",
            Self::HeadersType => "headers must be a nil or table",
            Self::BodyType => "body must be a nil, string or table",
            Self::RawBodyType => "body must be a string",
            Self::MessageType => "message must be a nil, a string or a table",
            Self::GrpcTableBody => "table body encoding with gRPC is not supported",
            Self::StreamCode => {
                "unacceptable code, only 200, 400, 403, 500, 502 and 503 are accepted"
            }
            Self::Host(words) => words,
            Self::DisabledIn(place) => {
                return concat(out, &[b"API disabled in the context of ", place.as_bytes()]);
            }
            Self::PhaseType(got) => {
                return concat(
                    out,
                    &[b"ngx.ctx.KONG_PHASE must be a number, got ", got.as_bytes()],
                );
            }
            Self::NoPhase(allowed) => {
                let text = format!("no phase in ngx.ctx.KONG_PHASE, (need one of {allowed})");
                return out.extend_from_slice(text.as_bytes());
            }
            Self::WrongPhase { current, allowed } => {
                let name = PhaseSet::name_of(*current);
                let text =
                    format!("function cannot be called in {name} phase (only in: {allowed})");
                return out.extend_from_slice(text.as_bytes());
            }
            Self::InvalidHeaderName { name, got } => {
                out.extend_from_slice(b"invalid header name ");
                write_quoted(out, name);
                return concat(out, &[b": got ", got.as_bytes(), b", expected string"]);
            }
            Self::InvalidHeaderItem { name, got } => {
                out.extend_from_slice(b"invalid header value in array ");
                write_quoted(out, name);
                return concat(out, &[b": got ", got.as_bytes(), b", expected string"]);
            }
            Self::InvalidHeaderValue { name, got, setter } => {
                let expected = match setter {
                    Setter::One => "array of string, string, number or boolean",
                    Setter::Many => "string, number, boolean or array of strings",
                };
                out.extend_from_slice(b"invalid header value for ");
                write_quoted(out, name);
                let rest: [&[u8]; 4] =
                    [b": got ", got.as_bytes(), b", expected ", expected.as_bytes()];
                return concat(out, &rest);
            }
            Self::InvalidContentLength { name, got } => {
                out.extend_from_slice(b"invalid header value for ");
                write_quoted(out, name);
                out.extend_from_slice(b": got ");
                write_quoted(out, got);
                return out.extend_from_slice(b", expected a non-negative integer");
            }
            Self::BodyEncoding(reason) => {
                out.extend_from_slice(b"body encoding failed while flushing response: ");
                return reason.write_to(out);
            }
            Self::MessageEncoding(reason) => {
                out.extend_from_slice(b"could not JSON encode the error message: ");
                return reason.write_to(out);
            }
            Self::StreamBody(reason) => {
                out.extend_from_slice(b"invalid body: ");
                return reason.write_to(out);
            }
            Self::NotTable { what, got } => {
                return concat(out, &[what.as_bytes(), b" must be a table, got ", got.as_bytes()]);
            }
            Self::BodyMemory(bytes) => {
                let text = format!("no memory for a body of {bytes} bytes");
                return out.extend_from_slice(text.as_bytes());
            }
            Self::Internal(words) => {
                return concat(out, &[b"kong.response: internal error: ", words.as_bytes()]);
            }
        };
        out.extend_from_slice(text.as_bytes());
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write_to(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl std::error::Error for Error {}

fn concat(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends `bytes` like LuaJIT's `string.format("%q", …)`.
///
/// Quotes, backslashes and newlines get a backslash before them. Other control bytes become a backslash and their
/// decimal number. If a digit follows, the number has three digits.
pub fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for (i, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' | b'\\' | b'\n' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1F | 0x7F => {
                let digit_follows = bytes.get(i + 1).is_some_and(u8::is_ascii_digit);
                let number =
                    if digit_follows { format!("\\{byte:03}") } else { format!("\\{byte}") };
                out.extend_from_slice(number.as_bytes());
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase;

    fn quoted(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_quoted(&mut out, bytes);
        out
    }

    #[test]
    fn quotes_as_luajit_does() {
        assert_eq!(quoted(b"plain"), b"\"plain\"");
        assert_eq!(quoted(b"a\"b\\c"), b"\"a\\\"b\\\\c\"");
        assert_eq!(quoted(b"a\nb"), b"\"a\\\nb\"");
        assert_eq!(quoted(b"\0x\r\x7f"), b"\"\\0x\\13\\127\"");
        assert_eq!(quoted(b"\x001\r2"), b"\"\\0001\\0132\"");
        assert_eq!(quoted(b"\xff"), b"\"\xff\"");
    }

    #[test]
    fn messages_are_exact() {
        let name = b"X-Foo".to_vec();
        let cases = [
            (
                Error::InvalidHeaderName { name: b"1".to_vec(), got: "number" },
                "invalid header name \"1\": got number, expected string",
            ),
            (
                Error::InvalidHeaderItem { name: name.clone(), got: "table" },
                "invalid header value in array \"X-Foo\": got table, expected string",
            ),
            (
                Error::InvalidHeaderValue { name: name.clone(), got: "nil", setter: Setter::One },
                "invalid header value for \"X-Foo\": got nil, \
                 expected array of string, string, number or boolean",
            ),
            (
                Error::InvalidHeaderValue { name, got: "nil", setter: Setter::Many },
                "invalid header value for \"X-Foo\": got nil, \
                 expected string, number, boolean or array of strings",
            ),
            (
                Error::InvalidContentLength {
                    name: b"Content-Length".to_vec(),
                    got: b"abc".to_vec(),
                },
                "invalid header value for \"Content-Length\": got \"abc\", \
                 expected a non-negative integer",
            ),
            (
                Error::WrongPhase { current: phase::LOG, allowed: phase::WRITE },
                "function cannot be called in log phase (only in: rewrite, access, balancer, \
                 response, header_filter, error, admin_api)",
            ),
            (
                Error::WrongPhase { current: 0x8000, allowed: phase::BODY },
                "function cannot be called in 'unknown phase' phase (only in: body_filter)",
            ),
            (
                Error::NoPhase(phase::READ),
                "no phase in ngx.ctx.KONG_PHASE, (need one of response, header_filter, \
                 body_filter, log, error, admin_api)",
            ),
            (
                Error::DisabledIn("balancer_by_lua*"),
                "API disabled in the context of balancer_by_lua*",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }
}
