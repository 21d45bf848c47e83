//! Warnings about mistakes that the server accepts silently and that harm the client or the next plugin.
//! The call succeeds, and the log names the consequence.

use http::header::CONTENT_ENCODING;

use crate::content_length;
use crate::host::BodyFilter;
use crate::response::body;

/// The maximum length of a value in a line of the log.
const MAX_BYTES: usize = 100;

/// A probable mistake of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// `set_raw_body` has set a body whose length differs from the Content-Length that was sent.
    BodyLength {
        /// The Content-Length that was sent.
        sent: u64,
        /// The length of the new body.
        set: usize,
    },
    /// `get_raw_body` has read an encoded body, for example one in gzip.
    EncodedBody {
        /// The Content-Encoding.
        encoding: Vec<u8>,
    },
    /// `set_raw_body` has replaced an encoded body, but the Content-Encoding still tells the client to decode it.
    Relabelled {
        /// The Content-Encoding that was sent.
        encoding: Vec<u8>,
    },
}

impl Warning {
    /// The line in the log. Values are escaped, so they cannot start a new line.
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

    /// The cause, which is logged only once. It contains no values of an upstream, because an upstream could send many
    /// and fill the list of causes.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::BodyLength { .. } => "Content-Length",
            Self::EncodedBody { .. } => "Content-Encoding",
            Self::Relabelled { .. } => "Content-Encoding of another body",
        }
    }
}

/// A value as the log shows it.
fn shown(bytes: &[u8]) -> std::slice::EscapeAscii<'_> {
    bytes[..bytes.len().min(MAX_BYTES)].escape_ascii()
}

/// The warning that a plugin has read an encoded body.
///
/// The header alone is not enough: nginx's gzip filter sets it before the body filter, but encodes after it. So the
/// upstream must have sent the header, or the body must start with the bytes of gzip.
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

/// The warning that the length of a new body differs from the Content-Length of the head.
pub fn of_replacing<H: BodyFilter>(host: &H, length: usize) -> Option<Warning> {
    let sent = content_length::parse(&host.header(b"Content-Length").ok()??)?;
    // If a chunk keeps its length, the length of the body does not change, even if earlier chunks are already sent.
    // No client gets the head of a subrequest.
    let is_wrong = u64::try_from(length) != Ok(sent)
        && host.chunk().ok()?.bytes.len() != length
        && !host.is_subrequest();
    is_wrong.then_some(Warning::BodyLength { sent, set: length })
}

/// The warning that `body` replaces an encoded body, but the Content-Encoding stays. If a plugin has read the encoded
/// body before, the log already has a warning, so there is no second one.
pub fn of_relabelling<H: BodyFilter>(host: &H, body: &[u8]) -> Option<Warning> {
    let encoding = host.header(b"Content-Encoding").ok()?.filter(|value| encodes(value))?;
    // nginx's gzip filter and plugins also set this header. Only the upstream's header describes its body.
    let given = host.upstream_header(&CONTENT_ENCODING)?;
    let is_wrong = given.trim_ascii().eq_ignore_ascii_case(encoding.trim_ascii())
        && !is_encoded(&encoding, body)
        && !host.is_subrequest()
        && body::is_replaced_unread(host);
    is_wrong.then(|| Warning::Relabelled { encoding: encoding.into_owned() })
}

/// Whether `body` starts with the first bytes of this encoding. False for encodings without fixed first bytes.
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
    fn warns_of_reading_a_body_that_the_upstream_has_encoded() {
        let text = "get_raw_body read a body with Content-Encoding: gzip";
        assert_eq!(reading(&[("Content-Encoding", "gzip")], b"x").as_deref(), Some(text));
        assert_eq!(reading(&[("Content-Encoding", " Identity ")], b"x"), None);
        assert_eq!(reading(&[("Content-Encoding", "gzip")], b""), None);
        assert_eq!(reading(&[], b"\x1f\x8b"), None);
    }

    #[test]
    fn warns_of_reading_a_body_that_starts_like_gzip() {
        let mut host = answered(&[], b"");
        host.write_header(b"Content-Encoding", &[b"gzip"], Write::Set).unwrap();
        assert_eq!(of_reading(&host, b"plain, for nginx to encode"), None);
        let encoding = b"gzip".to_vec();
        let warning = Warning::EncodedBody { encoding };
        assert_eq!(of_reading(&host, b"\x1f\x8b\x08"), Some(warning));
    }

    #[test]
    fn does_not_warn_of_reading_a_decoded_body() {
        let mut host = answered(&[("Content-Encoding", "gzip")], b"plain");
        host.write_header(b"Content-Encoding", &[], Write::Set).unwrap();
        assert_eq!(of_reading(&host, b"plain"), None);
    }

    fn replacing(headers: &[(&str, &str)], chunk: &[u8], length: usize) -> Option<String> {
        of_replacing(&answered(headers, chunk), length).map(|warning| warning.text())
    }

    #[test]
    fn warns_of_a_body_whose_length_differs_from_content_length() {
        let text = "Content-Length: 3 was left in place, and set_raw_body made the body 6 bytes";
        let length = [("Content-Length", "3")];
        assert_eq!(replacing(&length, b"abc", 6).as_deref(), Some(text));
        assert_eq!(replacing(&length, b"abc", 3), None);
        assert_eq!(replacing(&[], b"abc", 6), None);
        // The last chunk of a longer body, whose first chunks are already sent.
        assert_eq!(replacing(&[("Content-Length", "10")], b"end", 3), None);
    }

    fn relabelling(headers: &[(&str, &str)], body: &[u8]) -> Option<String> {
        of_relabelling(&answered(headers, b"encoded"), body).map(|warning| warning.text())
    }

    #[test]
    fn warns_of_a_plain_body_with_the_content_encoding_of_the_upstream() {
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
    fn does_not_warn_of_another_body_if_the_head_is_right_or_reading_has_warned() {
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
    fn values_of_an_upstream_are_not_part_of_the_cause() {
        let length = |sent, set| Warning::BodyLength { sent, set }.cause();
        assert_eq!(length(3, 6), length(4, 7));
        let encoding =
            |encoding: &[u8]| Warning::EncodedBody { encoding: encoding.to_vec() }.cause();
        assert_eq!(encoding(b"gzip"), encoding(b"br"));
        assert_ne!(length(3, 6), encoding(b"gzip"));
    }

    #[test]
    fn values_cannot_start_a_new_line() {
        let text = |encoding: &[u8]| Warning::EncodedBody { encoding: encoding.to_vec() }.text();
        let before = "get_raw_body read a body with Content-Encoding: ";
        assert_eq!(text(b"a\n\"b"), format!(r#"{before}a\n\"b"#));
        assert_eq!(text(&[b'x'; 1000]), format!("{before}{}", "x".repeat(MAX_BYTES)));
    }
}
