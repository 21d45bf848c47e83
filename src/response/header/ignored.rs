//! Headers that only the server sets. If a plugin writes one, the log gets a warning and the header is not sent.

use http::Version;

use super::name::is;
use crate::host::{Host, Level, ServerPhase};
use crate::phase;

/// The warning when a plugin sets Transfer-Encoding.
pub const TRANSFER_ENCODING_IGNORED: &str = "manually setting Transfer-Encoding. Ignored.";

/// The warning when a plugin changes Content-Length before there is a response.
pub const CONTENT_LENGTH_IGNORED: &str =
    "changing Content-Length before the response is made. Ignored.";

/// The headers that HTTP/2 and HTTP/3 forbid (RFC 9113 section 8.2.2, RFC 9114 section 4.2), without
/// Transfer-Encoding.
const CONNECTION_SPECIFIC: [&[u8]; 5] =
    [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"Upgrade", b"TE"];

/// Why a header that a plugin writes is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Transfer-Encoding: the server frames the body.
    TransferEncoding,
    /// Content-Length before the response of the upstream.
    EarlyContentLength,
    /// A connection-specific header over HTTP/2 or HTTP/3: clients reject responses with one.
    ConnectionSpecific,
    /// `Connection: close` or `keep-alive` over HTTP/1.x: the server sends its own Connection header.
    Persistence,
}

impl Ignored {
    /// Why the header `name` is not sent with these values, in any phase.
    pub fn of<H: Host>(host: &H, name: &[u8], values: &[&[u8]]) -> Option<Self> {
        if is(name, b"Transfer-Encoding") {
            return Some(Self::TransferEncoding);
        }
        if values.is_empty() || !is_connection_specific(name) {
            return None;
        }
        if host.protocol().is_some_and(|version| version >= Version::HTTP_2) {
            return Some(Self::ConnectionSpecific);
        }
        let persists = |value: &&[u8]| {
            let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            options.any(|option| {
                option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive")
            })
        };
        (is(name, b"Connection") && values.iter().any(persists)).then_some(Self::Persistence)
    }

    /// Why the header `name` is not sent in this phase: Content-Length before the response of the upstream. `phase` has
    /// the bits of `KONG_PHASE`, if they are known.
    ///
    /// nginx would keep that Content-Length and send it with the framing of the upstream. In the phases response and
    /// admin_api, Lua code makes the response itself and knows its length.
    pub fn if_early<H: Host>(host: &H, name: &[u8], phase: Option<u32>) -> Option<Self> {
        let is_early = is(name, b"Content-Length")
            && matches!(host.server_phase(), ServerPhase::Active | ServerPhase::Balancer)
            && phase.is_none_or(|bits| bits & (phase::RESPONSE | phase::ADMIN_API) == 0);
        is_early.then_some(Self::EarlyContentLength)
    }
}

/// Whether a rule may ignore the header `name`.
pub fn may_be_ignored(name: &[u8]) -> bool {
    is(name, b"Transfer-Encoding") || is(name, b"Content-Length") || is_connection_specific(name)
}

fn is_connection_specific(name: &[u8]) -> bool {
    CONNECTION_SPECIFIC.iter().any(|known| is(name, known))
}

/// Logs that the headers `names` are not sent.
pub fn warn<H: Host>(host: &H, reason: Ignored, names: &[&[u8]]) {
    let names = || {
        let shown: Vec<String> = names.iter().map(|name| name.escape_ascii().to_string()).collect();
        shown.join(", ")
    };
    let text = match reason {
        Ignored::TransferEncoding => TRANSFER_ENCODING_IGNORED.to_owned(),
        Ignored::EarlyContentLength => CONTENT_LENGTH_IGNORED.to_owned(),
        Ignored::ConnectionSpecific => {
            format!("setting {}, which HTTP/2 and HTTP/3 forbid. Ignored.", names())
        }
        Ignored::Persistence => {
            format!("setting {} to close or keep-alive, which nginx decides. Ignored.", names())
        }
    };
    host.log(Level::Warn, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{Headers, clear, write, write_all};
    use super::*;
    use crate::error::Error;
    use crate::host::Write;
    use crate::memory::Memory;

    fn headers(fields: &[(&str, &[&str])]) -> Headers {
        Headers::from_fields(fields)
    }

    #[test]
    fn transfer_encoding_is_ignored_in_every_spelling() {
        let mut host = Memory::new();
        for name in ["Transfer-Encoding", "transfer_encoding", "TRANSFER-ENCODING"] {
            for how in [Write::Set, Write::Add] {
                write(&mut host, name.as_bytes(), &[b"chunked"], how, None).unwrap();
            }
        }
        assert_eq!(host.listed(), []);
        assert_eq!(host.logged().len(), 6);
        assert_eq!(host.logged()[0], (Level::Warn, TRANSFER_ENCODING_IGNORED.to_owned()));
    }

    #[test]
    fn connection_specific_headers_are_ignored_over_http2_with_one_warning() {
        let text = "setting CONNECTION, Keep_Alive, proxy-connection, TE, Upgrade, \
                    which HTTP/2 and HTTP/3 forbid. Ignored.";
        let all = headers(&[
            ("CONNECTION", &["x"]),
            ("Keep_Alive", &["timeout=5"]),
            ("proxy-connection", &["x"]),
            ("Upgrade", &["h2c"]),
            ("TE", &["trailers", "x"]),
            ("X-A", &["1"]),
        ]);
        for version in [Version::HTTP_2, Version::HTTP_3] {
            let mut host = Memory::new().with_http_version(version);
            write_all(&mut host, &all, None).unwrap();
            assert_eq!(host.listed(), [("X-A".to_owned(), "1".to_owned())]);
            assert_eq!(host.logged(), [(Level::Warn, text.to_owned())]);
        }
        let mut host = Memory::new();
        write_all(&mut host, &all, None).unwrap();
        assert_eq!(host.listed().len(), 7);
        assert_eq!(host.logged(), []);
    }

    #[test]
    fn connection_close_and_keep_alive_are_ignored_over_http1() {
        for (value, ignored) in [
            ("close", true),
            ("Keep-Alive", true),
            ("upgrade , CLOSE", true),
            ("upgrade", false),
            ("closed", false),
            ("", false),
        ] {
            let mut host = Memory::new();
            write(&mut host, b"connection", &[value.as_bytes()], Write::Add, None).unwrap();
            assert_eq!(host.listed().is_empty(), ignored, "{value}");
            assert_eq!(host.logged().len(), usize::from(ignored), "{value}");
        }
    }

    #[test]
    fn content_length_is_ignored_before_the_response_is_made() {
        type Step = fn(&mut Memory, Option<u32>) -> Result<(), Error>;
        const LENGTH: &[u8] = b"Content-Length";
        let steps: [(Step, Option<&str>); 5] = [
            (|host, at| write(host, b"content_length", &[b"5"], Write::Set, at), Some("5")),
            (|host, at| write(host, LENGTH, &[b"3", b"5"], Write::Add, at), Some("5")),
            (|host, at| write_all(host, &headers(&[("CONTENT-LENGTH", &["5"])]), at), Some("5")),
            (|host, at| write_all(host, &headers(&[("Content-Length", &[])]), at), None),
            (|host, at| clear(host, b"CONTENT_LENGTH", at), None),
        ];
        const ACCESS: u32 = 0x20;
        for (server, phase, ignored) in [
            (ServerPhase::Active, None, true),
            (ServerPhase::Active, Some(ACCESS), true),
            (ServerPhase::Active, Some(phase::RESPONSE), false),
            (ServerPhase::Active, Some(phase::ADMIN_API), false),
            (ServerPhase::Balancer, None, true),
            (ServerPhase::Content, None, false),
            (ServerPhase::HeaderFilter, None, false),
        ] {
            for (step, expected) in steps {
                let mut host = Memory::new().in_phase(server);
                host.write_header(LENGTH, &[b"7"], Write::Set).unwrap();
                step(&mut host, phase).unwrap();
                let expected = if ignored { Some("7") } else { expected };
                assert_eq!(host.first("Content-Length").as_deref(), expected, "{server:?}");
                let warning = (Level::Warn, CONTENT_LENGTH_IGNORED.to_owned());
                assert_eq!(host.logged(), if ignored { vec![warning] } else { vec![] });
            }
        }
    }
}
