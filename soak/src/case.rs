//! A request and its right answer. A seed determines both. The query tells `plugin.lua` and
//! `upstream.rs` what to do.

use bytes::Bytes;
use fastrand::Rng;
use hyper::{Method, Version};

/// The possible ends of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The whole body arrives.
    Whole,
    /// The body breaks off, and the client sees that.
    Broken,
    /// Any beginning of the body is right, because the client cannot see whether it is complete, or
    /// because the connection may end earlier.
    Either,
}

/// The answer that the client must get.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The headers whose names begin with `x-` or `grpc-`, sorted.
    pub headers: Vec<(String, String)>,
    pub content_type: Option<&'static str>,
    pub content_length: Option<usize>,
    pub body: Bytes,
    pub ending: Ending,
}

#[derive(Debug)]
pub struct Case {
    /// Its name in the report.
    pub kind: String,
    pub method: Method,
    pub version: Version,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    pub answer: Answer,
    /// The failure of the upstream, if it fails.
    pub death: Option<&'static str>,
}

/// Bytes that depend on the whole seed and on their position.
pub fn bytes_of(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut state = seed;
    while bytes.len() < length {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The same text as `text_of` of `plugin.lua`.
fn text_of(seed: u64, length: usize) -> Bytes {
    format!("{seed}|").into_bytes().into_iter().cycle().take(length).collect()
}

/// The size of a body: usually small, sometimes several megabytes.
fn size(rng: &mut Rng, longest: usize) -> usize {
    let size = match rng.u8(0..20) {
        0 => 0,
        1..=9 => rng.usize(1..2_000),
        10..=15 => rng.usize(2_000..100_000),
        16..=18 => rng.usize(100_000..1_000_000),
        _ => rng.usize(1_000_000..6_000_000),
    };
    if size > longest { rng.usize(longest / 2..=longest) } else { size }
}

const ACCEPTS: [(&str, &str); 5] = [
    ("application/json", "application/json; charset=utf-8"),
    ("text/html, */*;q=0.1", "text/html; charset=utf-8"),
    ("application/xml;q=0.9, text/plain;q=0.1", "application/xml; charset=utf-8"),
    ("text/plain", "text/plain; charset=utf-8"),
    ("*/*", "application/json; charset=utf-8"),
];

/// An error document. The arguments are the message escaped for JSON, for XML, and unchanged.
fn document(content_type: &str, id: u64, json: &str, xml: &str, plain: &str) -> Bytes {
    let text = match content_type {
        "application/json; charset=utf-8" => {
            format!("{{\n  \"message\":\"{json}\",\n  \"request_id\":\"{id}\"\n}}")
        }
        "text/html; charset=utf-8" => format!(
            "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    \
             <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n    <p>{xml}.</p>\n    \
             <p>request_id: {id}</p>\n  </body>\n</html>\n"
        ),
        "application/xml; charset=utf-8" => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>{xml}</message>\n  \
             <requestid>{id}</requestid>\n</error>\n"
        ),
        _ => format!("{plain}\nrequest_id: {id}\n"),
    };
    text.into()
}

fn answer(status: u16, body: Bytes) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        content_type: Some("text/plain"),
        content_length: Some(body.len()),
        body,
        ending: Ending::Whole,
    }
}

impl Answer {
    fn with(mut self, headers: &[(&str, &str)]) -> Self {
        self.headers.extend(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        self
    }

    fn of_type(mut self, content_type: &'static str) -> Self {
        self.content_type = Some(content_type);
        self
    }
}

/// Cases that the access phase answers.
fn local(
    rng: &mut Rng,
    seed: u64,
    http2: bool,
    longest: usize,
) -> (&'static str, usize, Answer, &'static str) {
    let n = size(rng, longest);
    let s = seed.to_string();
    let seeded = [("x-seed", s.as_str())];
    let (accept, negotiated) = ACCEPTS[rng.usize(0..ACCEPTS.len())];
    let (kind, answer) = match rng.u8(0..if http2 { 9 } else { 7 }) {
        0 => (
            "string",
            answer(201, text_of(seed, n)).with(&[("x-seed", &s), ("x-two", "1"), ("x-two", &s)]),
        ),
        1 => {
            let body = format!(
                r#"[{{"seed":"{seed}"}},{n},{},true,["a\/b\"","\u0001"],{{}}]"#,
                n as f64 / 4.0
            );
            let answer = answer(409, body.into()).with(&seeded);
            ("table", answer.of_type("application/json; charset=utf-8"))
        }
        2 if rng.bool() => ("empty", answer(200, Bytes::new()).with(&seeded)),
        2 => {
            let mut answer = answer(204, Bytes::new()).with(&seeded);
            (answer.content_type, answer.content_length) = (None, None);
            ("no_content", answer)
        }
        3 => {
            let page = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n\
                        <center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx</center>\r\n\
                        </body>\r\n</html>\r\n";
            ("page", answer(404, page.into()).of_type("text/html"))
        }
        4 | 5 => {
            let json = format!("<b> & \\\"{seed}\\\"/\\r\\n");
            let xml = format!("&lt;b&gt; &amp; \"{seed}\"/\r\n");
            let plain = format!("<b> & \"{seed}\"/\r\n");
            let body = document(negotiated, seed, &json, &xml, &plain);
            ("error", answer(403, body).with(&seeded).of_type(negotiated))
        }
        6 => ("delayed", answer(402, text_of(seed, n)).with(&seeded)),
        7 => {
            let message = format!("no: {seed}");
            let mut answer =
                answer(403, Bytes::new()).with(&[("grpc-status", "7"), ("grpc-message", &message)]);
            answer.content_type = None;
            ("message", answer)
        }
        _ => {
            let answer =
                answer(200, text_of(seed, n)).with(&[("grpc-status", "0"), ("grpc-message", "OK")]);
            ("output", answer.of_type("application/grpc+proto"))
        }
    };
    (kind, n, answer, accept)
}

/// Cases in which a plugin changes the answer of the upstream.
fn proxied(
    rng: &mut Rng,
    seed: u64,
    length: usize,
    chunked: bool,
) -> (&'static str, usize, Answer) {
    let s = seed.to_string();
    let upstream = bytes_of(seed, length);
    let upstreams = [("x-up", s.as_str()), ("x-removed", "1"), ("x-removed", "2")];
    let n = rng.usize(1..3_000);
    let unsized_answer = |body: Bytes| {
        let mut answer = answer(200, body).with(&upstreams);
        answer.content_length = None;
        answer
    };
    match rng.u8(0..6) {
        0 => {
            let was = format!("was {seed}");
            let mut answer = answer(203, upstream.into()).with(&[
                ("x-up", &was),
                ("x-many", &s),
                ("x-many", "a%0D%0AX-Evil: 1"),
                ("x-many", ""),
                ("x-a", "true"),
                ("x-b", &s),
                ("x-c", "1"),
                ("x-c", "2"),
            ]);
            answer.content_length = (!chunked).then_some(length);
            ("headers", n, answer)
        }
        1 | 2 => {
            let mut body = format!("{seed}:").into_bytes();
            body.extend(upstream.iter().rev());
            ("replace", n, unsized_answer(body.into()))
        }
        3 => ("read", n, unsized_answer(upstream.into())),
        4 => ("discard", n, unsized_answer(text_of(seed, n))),
        _ => {
            let answer = answer(418, text_of(seed, n)).with(&upstreams).with(&[("x-seed", &s)]);
            ("exit", n, answer)
        }
    }
}

/// The answer if the upstream gives none.
fn failed(status: u16, message: &str, negotiated: &'static str, seed: u64) -> Answer {
    let body = document(negotiated, seed, message, message, message);
    answer(status, body).of_type(negotiated)
}

impl Case {
    /// Bodies of more than 3,000 bytes have at most `longest` bytes.
    pub fn new(rng: &mut Rng, version: Version, drips: bool, longest: usize) -> Self {
        let seed = rng.u64(1..1 << 53);
        let http2 = version == Version::HTTP_2;
        let mut headers = Vec::new();
        let mut method = Method::GET;
        let mut death = None;
        let (kind, path, mut answer);

        if rng.u8(0..10) < 4 {
            let (name, n, expected, accept) = local(rng, seed, http2, longest);
            if matches!(name, "message" | "output") {
                headers.push(("content-type", "application/grpc".to_owned()));
            }
            headers.push(("accept", accept.to_owned()));
            kind = name.to_owned();
            path = format!("/up?kind={name}&seed={seed}&n={n}");
            answer = expected;
        } else {
            let length = size(rng, longest);
            let chunked = rng.bool();
            let (name, n, expected) = proxied(rng, seed, length, chunked);
            let (accept, negotiated) = ACCEPTS[rng.usize(0..ACCEPTS.len())];
            headers.push(("accept", accept.to_owned()));
            answer = expected;
            let mut location = if rng.bool() { "up" } else { "unbuffered" };
            let mut query = format!("kind={name}&seed={seed}&n={n}&length={length}");
            query.push_str(if chunked { "&chunked=1" } else { "" });
            match rng.u8(0..40) {
                0..=1 => {
                    location = "refused";
                    death = Some("refuses");
                    answer = failed(502, BAD_GATEWAY, negotiated, seed);
                }
                2 => {
                    location = "impatient";
                    query.push_str("&die=hang");
                    death = Some("times out");
                    answer = failed(504, GATEWAY_TIMEOUT, negotiated, seed);
                }
                3..=4 => {
                    query.push_str("&die=head");
                    death = Some("closes before its head");
                    answer = failed(502, BAD_GATEWAY, negotiated, seed);
                }
                5..=8 if length > 1 => {
                    query.push_str(&format!("&die={}", rng.usize(0..length)));
                    death = Some("closes in the middle of the body");
                    answer.ending = match name {
                        // If a chunk has arrived, the plugin has ended the body.
                        "discard" | "exit" => Ending::Either,
                        _ if version == Version::HTTP_10 => Ending::Either,
                        _ => Ending::Broken,
                    };
                }
                9 if drips && rng.u8(0..8) == 0 => query.push_str("&drip=1"),
                _ => (),
            }
            kind = name.to_owned();
            path = format!("/{location}?{query}");
        }

        if death.is_none() && kind != "message" && kind != "output" && rng.u8(0..12) == 0 {
            method = Method::HEAD;
            answer.body = Bytes::new();
        }
        let body = if method == Method::GET && rng.u8(0..5) == 0 {
            method = Method::POST;
            let length = size(rng, 300_000);
            bytes_of(!seed, length).into()
        } else {
            Bytes::new()
        };
        if version == Version::HTTP_10 && rng.bool() {
            headers.push(("connection", "keep-alive".to_owned()));
        }
        answer.headers.sort();
        Self { kind, method, version, path, headers, body, answer, death }
    }
}

const BAD_GATEWAY: &str = "An invalid response was received from the upstream server";
const GATEWAY_TIMEOUT: &str = "The upstream server is timing out";
