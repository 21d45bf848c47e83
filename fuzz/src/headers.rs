//! Names and values of headers in a response in memory: the client gets exactly these headers, and
//! one header never becomes two.

use std::collections::HashMap;

use http::Version;
use kong_response::error::Error;
use kong_response::host::{Host, Write, version_of};
use kong_response::response::header::{self, Headers};
use kong_response_testing::memory::{Field, Memory};

use crate::input::Input;

/// The headers that nginx adds itself.
const ITS_OWN: [&str; 6] =
    ["server", "date", "content-type", "content-length", "connection", "transfer-encoding"];

const CONNECTION_SPECIFIC: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "upgrade", "te"];

const NAMES: [&[u8]; 27] = [
    b"X-A",
    b"x_a",
    b"X-B",
    b"Content-Type",
    b"content_length",
    b"Content-Length",
    b"Transfer-Encoding",
    b"transfer_encoding",
    b"Connection",
    b"Keep-Alive",
    b"Upgrade",
    b"te",
    b"Location",
    b"Refresh",
    b"Last-Modified",
    b"ETag",
    b"E-Tag",
    b"Cache-Control",
    b"Link",
    b"WWW-Authenticate",
    b"Set-Cookie",
    b"Server",
    b"Date",
    b"Content-Encoding",
    b"grpc-message",
    b"X-A\r\nX-Evil",
    b"X-A: 1\r\n\r\n<html>",
];

/// A list of calls, each with the function, a name and values.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let version = input.pick(&[1.1, 1.0, 2.0]);
    let version = version_of(version).expect("a version");
    let mut host = Memory::new().with_http_version(version);
    let mut asked: Vec<Field> = Vec::new();
    let mut model = Model { version, fields: Vec::new() };
    for _ in 0..64 {
        if !input.more() {
            break;
        }
        let call = input.below(8);
        let name = if input.below(3) == 0 { input.bytes(40) } else { input.pick(&NAMES) };
        let mut values: Vec<&[u8]> = Vec::new();
        for _ in 0..if call < 5 { 1 } else { input.below(4) } {
            values.push(if input.below(2) == 0 { input.bytes(40) } else { b"1" });
        }
        match call {
            0..=3 | 5 | 6 => {
                let how = if call.is_multiple_of(2) { Write::Set } else { Write::Add };
                write(&mut host, name, &values, how, &mut asked, &mut model);
            }
            4 => {
                host.write_header(name, &[], Write::Set).expect("clearing never fails");
                model.set(name, &[]);
            }
            _ => {
                let mut headers = Headers::default();
                headers.push_name(name);
                values.iter().for_each(|value| headers.push_value(value));
                headers.sort();
                let checked = headers.check();
                assert_eq!(checked.is_err(), values.iter().any(|v| refused(name, v)), "{name:?}");
                if checked.is_ok() {
                    headers.apply(&mut host, true).expect("what passes the check can be set");
                    asked.extend(values.iter().map(|value| (name.to_vec(), value.to_vec())));
                    model.set(name, &values);
                }
            }
        }
        assert!(host.logged().len() <= 64);
    }
    model.compare(&host);
    if input.below(4) == 0 {
        host.start_output(None);
    }
    let wire = host.finish_head();
    check_lines(&wire.fields, &asked);
    check_framing(&wire.fields);
    check_connection(version, &wire.fields);
    parse_back(&wire.fields);
}

/// Sets or adds a header, like the functions after they have read their arguments.
fn write(
    host: &mut Memory,
    name: &[u8],
    values: &[&[u8]],
    how: Write,
    asked: &mut Vec<Field>,
    model: &mut Model,
) {
    let before = host.listed();
    let checked = values.iter().try_for_each(|value| header::check_value(name, value));
    if let Err(error) = checked {
        assert!(matches!(error, Error::InvalidContentLength { .. }), "{error}");
        assert_eq!(before, host.listed());
        return;
    }
    header::write(host, name, values, how, None).expect("what passes the check can be set");
    asked.extend(values.iter().map(|value| (name.to_vec(), value.to_vec())));
    match how {
        Write::Set => model.set(name, values),
        Write::Add => model.add(name, values),
    }
}

fn refused(name: &[u8], value: &[u8]) -> bool {
    header::check_value(name, value).is_err()
}

/// A name for comparisons: in lower case, with `-` for `_`, escaped.
fn key(name: &[u8]) -> Vec<u8> {
    let dash = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    escaped(&name.iter().map(dash).collect::<Vec<u8>>(), is_token).to_ascii_lowercase()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

fn escaped(bytes: &[u8], stays: fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in bytes {
        if stays(byte) {
            out.push(byte);
        } else {
            out.extend(format!("%{byte:02X}").bytes());
        }
    }
    out
}

/// A model of the headers that nginx does not treat specially: a list of names and values.
struct Model {
    version: Version,
    fields: Vec<Field>,
}

impl Model {
    /// Whether nginx does not treat a header with this name specially.
    fn covers(name: &[u8]) -> bool {
        let key = key(name);
        let special: [&[u8]; 4] =
            [b"transfer-encoding", b"cache-control", b"link", b"www-authenticate"];
        !key.is_empty() && !special.contains(&&key[..]) && !header::is_single(&key)
    }

    /// Whether the library ignores the header, because HTTP/2 forbids it, or because nginx sets it.
    fn ignores(&self, name: &[u8], values: &[&[u8]]) -> bool {
        let key = key(name);
        if values.is_empty() || !CONNECTION_SPECIFIC.iter().any(|known| known.as_bytes() == key) {
            return false;
        }
        let persists = |value: &&[u8]| {
            let options = value.split(|&byte| byte == b',');
            let mut options = options.map(|option| option.trim_ascii().to_ascii_lowercase());
            options.any(|option| option == b"close" || option == b"keep-alive")
        };
        self.version >= Version::HTTP_2 || key == b"connection" && values.iter().any(persists)
    }

    fn set(&mut self, name: &[u8], values: &[&[u8]]) {
        if !Self::covers(name) || self.ignores(name, values) {
            return;
        }
        let key = key(name);
        if values.is_empty() {
            self.fields.retain(|(known, _)| *known != key);
            return;
        }
        // The first header with this name keeps its place.
        let first = escaped(sendable(values[0]), is_text);
        match self.fields.iter().position(|(known, _)| *known == key) {
            Some(at) => {
                self.fields[at].1 = first;
                let mut index = 0;
                self.fields.retain(|(known, _)| {
                    index += 1;
                    *known != key || index == at + 1
                });
            }
            None => self.fields.push((key, first)),
        }
        self.append(name, &values[1..]);
    }

    fn add(&mut self, name: &[u8], values: &[&[u8]]) {
        if Self::covers(name) && !self.ignores(name, values) {
            self.append(name, values);
        }
    }

    fn append(&mut self, name: &[u8], values: &[&[u8]]) {
        let field = |value: &&[u8]| (key(name), escaped(sendable(value), is_text));
        self.fields.extend(values.iter().map(field));
    }

    fn compare(&self, host: &Memory) {
        let (listed, _) = host.list(Some(0));
        // The headers up to Connection are those that nginx adds.
        let own = listed.iter().position(|(name, _)| name == b"connection").expect("it is there");
        let lower = |(name, value): &Field| (name.to_ascii_lowercase(), value.clone());
        let mut found: Vec<Field> = listed[own + 1..].iter().map(lower).collect();
        found.retain(|(name, _)| Self::covers(name));
        assert_eq!(found, self.fields);
    }
}

fn sendable(value: &[u8]) -> &[u8] {
    if value.is_empty() { b" " } else { value }
}

/// Every line is one header. Its name and value come from a call or from nginx.
fn check_lines(fields: &[Field], asked: &[Field]) {
    let sent = |(name, value): &Field| (key(name), escaped(sendable(value), is_text));
    let asked: Vec<Field> = asked.iter().map(sent).collect();
    let named = |name: &[u8]| asked.iter().filter(|(known, _)| known == name).count();
    let mut seen = HashMap::new();
    for (name, value) in fields {
        assert!(!name.is_empty() && name.iter().copied().all(is_token), "the name {name:x?}");
        assert!(value.iter().copied().all(is_text), "the value {value:x?} of {name:x?}");
        let field = (name.to_ascii_lowercase(), value.clone());
        if ITS_OWN.iter().any(|own| own.as_bytes() == field.0) {
            continue;
        }
        assert!(asked.contains(&field), "{name:x?}: {value:x?} was never set");
        let count = seen.entry(field.0.clone()).or_insert(0);
        *count += 1;
        assert!(*count <= named(&field.0), "{name:x?} became more");
    }
}

/// Only one header frames the body: Content-Length or Transfer-Encoding.
fn check_framing(fields: &[Field]) {
    let count = |name: &str| {
        fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).count()
    };
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    assert!(lengths <= 1, "{lengths} Content-Length");
    assert!(codings <= 1, "{codings} Transfer-Encoding");
    assert!(lengths + codings <= 1, "Content-Length and Transfer-Encoding");
}

/// Over HTTP/2, no header belongs to the connection (RFC 9113, section 8.2.2).
fn check_connection(version: Version, fields: &[Field]) {
    if version >= Version::HTTP_2 {
        for (name, _) in fields {
            let key = key(name);
            assert!(!CONNECTION_SPECIFIC.iter().any(|known| known.as_bytes() == key), "{name:x?}");
        }
    }
}

/// A parser of HTTP finds the same headers in the sent bytes.
fn parse_back(fields: &[Field]) {
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in fields {
        head.extend_from_slice(&[name, &b": "[..], value, b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    let mut room = vec![httparse::EMPTY_HEADER; fields.len() + 8];
    let mut response = httparse::Response::new(&mut room);
    let end = response.parse(&head).expect("it is a head of HTTP");
    assert_eq!(end, httparse::Status::Complete(head.len()));
    assert_eq!(response.headers.len(), fields.len());
    for (found, (name, value)) in response.headers.iter().zip(fields) {
        assert_eq!(found.name.as_bytes(), name);
        assert_eq!(found.value.trim_ascii(), value.trim_ascii());
    }
}
