//! Warnings about mistakes that the server accepts silently, and that harm the client or the next plugin.
//! The call does what it was asked to do, and the log tells the consequence.

use http::header::CONTENT_ENCODING;

use crate::content_length;
use crate::host::BodyFilter;
use crate::response::body;

/// How many bytes of a value are shown.
const MAX_BYTES: usize = 100;

/// What a plugin has probably not intended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// `set_raw_body` has made a body of another length than the head has told the client.
    BodyLength {
        /// The Content-Length that was sent.
        sent: u64,
        /// How many bytes the body has.
        set: usize,
    },
    /// `get_raw_body` has read a body that is encoded, with gzip for instance.
    EncodedBody {
        /// The Content-Encoding.
        encoding: Vec<u8>,
    },
    /// `set_raw_body` has replaced an encoded body, and the head still tells the client to decode.
    Relabelled {
        /// The Content-Encoding that was sent.
        encoding: Vec<u8>,
    },
}

impl Warning {
    /// The line in the log. Values are escaped: they cannot begin a line of their own.
    pub fn text(&self) -> String {
        match self {
            Self::BodyLength { sent, set } => format!(
                "Content-Length: {sent} was left in place, and set_raw_body made the body {set} bytes"
            ),
            Self::EncodedBody { encoding } => {
                format!("get_raw_body read a body with Content-Encoding: {}", shown(encoding))
            }
            Self::Relabelled { encoding } => format!(
                "Content-Encoding: {} was left in place, and set_raw_body replaced the body",
                shown(encoding)
            ),
        }
    }

    /// What makes two warnings the same one. What an upstream says does not count: it could use up all
    /// causes that are remembered.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::BodyLength { .. } => "Content-Length",
            Self::EncodedBody { .. } => "Content-Encoding",
            Self::Relabelled { .. } => "Content-Encoding of another body",
        }
    }
}

/// A value, in a line of the log.
fn shown(bytes: &[u8]) -> std::slice::EscapeAscii<'_> {
    bytes[..bytes.len().min(MAX_BYTES)].escape_ascii()
}

/// The warning that the body of this response was read while it is encoded.
///
/// The header alone does not tell: nginx's gzip filter sets it before the body filter, and encodes after
/// it. So the upstream must have sent the header, or the body must begin as gzip does.
pub fn of_reading<H: BodyFilter>(host: &H, body: &[u8]) -> Option<Warning> {
    if body.is_empty() {
        return None;
    }
    let encoding = host.header(b"Content-Encoding").ok()?.filter(|value| encodes(value))?;
    let is_encoded = body.starts_with(&[0x1F, 0x8B])
        || host.upstream_header(&CONTENT_ENCODING).is_some_and(|value| encodes(&value));
    is_encoded.then(|| Warning::EncodedBody { encoding: encoding.into_owned() })
}

fn encodes(encoding: &[u8]) -> bool {
    let encoding = encoding.trim_ascii();
    !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
}

/// The warning that a new body of `length` bytes does not fit the Content-Length of the head.
pub fn of_replacing<H: BodyFilter>(host: &H, length: usize) -> Option<Warning> {
    let sent = content_length::parse(&host.header(b"Content-Length").ok()??)?;
    // A chunk that keeps its length does not change the body's, whatever has passed before it.
    // The head of a subrequest is sent to nobody.
    let is_wrong = u64::try_from(length) != Ok(sent)
        && host.chunk().ok()?.bytes.len() != length
        && !host.is_subrequest();
    is_wrong.then_some(Warning::BodyLength { sent, set: length })
}

/// The warning that `body` replaces an encoded body under its old Content-Encoding. There is none where the
/// encoded body was read before: that was warned about.
pub fn of_relabelling<H: BodyFilter>(host: &H, body: &[u8]) -> Option<Warning> {
    let encoding = host.header(b"Content-Encoding").ok()?.filter(|value| encodes(value))?;
    // nginx's gzip filter and plugins set this header, too: only the upstream's tells of its body.
    let given = host.upstream_header(&CONTENT_ENCODING)?;
    let is_wrong = given.trim_ascii().eq_ignore_ascii_case(encoding.trim_ascii())
        && !is_encoded(&encoding, body)
        && !host.is_subrequest()
        && body::is_replaced_unread(host);
    is_wrong.then(|| Warning::Relabelled { encoding: encoding.into_owned() })
}

/// Whether `body` begins as bodies of that encoding do. False for encodings without a fixed beginning.
fn is_encoded(encoding: &[u8], body: &[u8]) -> bool {
    let beginnings: &[&[u8]] = match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => &[b"\x1F\x8B"],
        b"deflate" => &[b"\x78\x01", b"\x78\x5E", b"\x78\x9C", b"\x78\xDA"],
        b"zstd" => &[b"\x28\xB5\x2F\xFD"],
        _ => &[],
    };
    beginnings.iter().any(|beginning| body.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, Write};
    use crate::memory::Memory;

    fn answered(headers: &[(&str, &str)], body: &[u8]) -> Memory {
        let mut host = Memory::new();
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        host.upstream(200, headers);
        host.at_chunk(&[body], true);
        host
    }

    fn reading(headers: &[(&str, &str)], body: &[u8]) -> Option<String> {
        of_reading(&answered(headers, body), body).map(|warning| warning.text())
    }

    #[test]
    fn an_encoded_body_is_one_by_its_upstream() {
        let text = "get_raw_body read a body with Content-Encoding: gzip";
        assert_eq!(reading(&[("Content-Encoding", "gzip")], b"x").as_deref(), Some(text));
        assert_eq!(reading(&[("Content-Encoding", " Identity ")], b"x"), None);
        assert_eq!(reading(&[("Content-Encoding", "gzip")], b""), None);
        assert_eq!(reading(&[], b"\x1f\x8b"), None);
    }

    #[test]
    fn an_encoded_body_is_one_by_its_first_bytes() {
        let mut host = answered(&[], b"");
        host.write_header(b"Content-Encoding", &[b"gzip"], Write::Set).unwrap();
        assert_eq!(of_reading(&host, b"plain, for nginx to encode"), None);
        let encoding = b"gzip".to_vec();
        let mistake = Warning::EncodedBody { encoding };
        assert_eq!(of_reading(&host, b"\x1f\x8b\x08"), Some(mistake));
    }

    #[test]
    fn a_body_that_was_decoded_is_none() {
        let mut host = answered(&[("Content-Encoding", "gzip")], b"plain");
        host.write_header(b"Content-Encoding", &[], Write::Set).unwrap();
        assert_eq!(of_reading(&host, b"plain"), None);
    }

    fn replacing(headers: &[(&str, &str)], chunk: &[u8], length: usize) -> Option<String> {
        of_replacing(&answered(headers, chunk), length).map(|warning| warning.text())
    }

    #[test]
    fn a_body_of_another_length_than_was_told_is_one() {
        let text = "Content-Length: 3 was left in place, and set_raw_body made the body 6 bytes";
        let length = [("Content-Length", "3")];
        assert_eq!(replacing(&length, b"abc", 6).as_deref(), Some(text));
        assert_eq!(replacing(&length, b"abc", 3), None);
        assert_eq!(replacing(&[], b"abc", 6), None);
        // The end of a longer body, of which the rest has passed.
        assert_eq!(replacing(&[("Content-Length", "10")], b"end", 3), None);
    }

    fn relabelling(headers: &[(&str, &str)], body: &[u8]) -> Option<String> {
        of_relabelling(&answered(headers, b"encoded"), body).map(|warning| warning.text())
    }

    #[test]
    fn another_body_under_the_encoding_of_the_upstream_is_one() {
        let text = "Content-Encoding: br was left in place, and set_raw_body replaced the body";
        assert_eq!(relabelling(&[("Content-Encoding", "br")], b"plain").as_deref(), Some(text));
        for (encoding, body) in [
            ("gzip", &b"\x1F\x8B\x08"[..]),
            (" X-GZIP ", b"\x1F\x8B\x08"),
            ("deflate", b"\x78\x9C."),
            ("zstd", b"\x28\xB5\x2F\xFD."),
        ] {
            let headers = [("Content-Encoding", encoding)];
            assert_eq!(relabelling(&headers, body), None, "{encoding}");
            assert!(relabelling(&headers, b"plain").is_some(), "{encoding}");
        }
        assert_eq!(relabelling(&[("Content-Encoding", "identity")], b"plain"), None);
        assert_eq!(relabelling(&[], b"plain"), None);
    }

    #[test]
    fn another_body_is_none_where_the_head_is_right_or_the_reader_was_told() {
        let encoded = [("Content-Encoding", "gzip")];
        for encoding in [&[][..], &[&b"br"[..]]] {
            let mut host = answered(&encoded, b"x");
            host.write_header(b"Content-Encoding", encoding, Write::Set).unwrap();
            assert_eq!(of_relabelling(&host, b"plain"), None);
        }
        let mut host = answered(&[], b"x");
        host.write_header(b"Content-Encoding", &[b"gzip"], Write::Set).unwrap();
        assert_eq!(of_relabelling(&host, b"plain"), None);

        let host = answered(&encoded, b"x");
        body::note_read(&host);
        body::replace(&host, Some(b"plain")).unwrap();
        assert_eq!(of_relabelling(&host, b"plain"), None);
        assert_eq!(of_relabelling(&host, b"plain"), None);
        body::consume(&host, None).unwrap();
        assert!(of_relabelling(&host, b"plain").is_some());
    }

    #[test]
    fn what_an_upstream_says_makes_no_cause_of_its_own() {
        let length = |sent, set| Warning::BodyLength { sent, set }.cause();
        assert_eq!(length(3, 6), length(4, 7));
        let encoding =
            |encoding: &[u8]| Warning::EncodedBody { encoding: encoding.to_vec() }.cause();
        assert_eq!(encoding(b"gzip"), encoding(b"br"));
        assert_ne!(length(3, 6), encoding(b"gzip"));
    }

    #[test]
    fn values_cannot_break_the_line() {
        let text = |encoding: &[u8]| Warning::EncodedBody { encoding: encoding.to_vec() }.text();
        let before = "get_raw_body read a body with Content-Encoding: ";
        assert_eq!(text(b"a\n\"b"), format!(r#"{before}a\n\"b"#));
        assert_eq!(text(&[b'x'; 1000]), format!("{before}{}", "x".repeat(MAX_BYTES)));
    }
}
