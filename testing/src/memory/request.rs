//! A request in memory: how it is made, and what Lua code reads and changes in it.

use std::cell::RefCell;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName};
use http::{Method, Version};

use super::chain::Chain;
use super::head::Head;
use super::stage::Stage;
use kong_response::body::BodyState;
use kong_response::host::{Host, Level, LogOnce, ServerPhase};

/// The default limit of `ngx.resp.get_headers`.
const MAX_HEADERS: i64 = 100;

/// The headers of an upstream of which nginx 1.23 and later take the first one only.
const DROPPED: [&[u8]; 7] =
    [b"Content-Type", b"ETag", b"Expires", b"Last-Modified", b"Location", b"Refresh", b"Status"];

/// Whether nginx drops this header of the upstream because of the earlier ones.
fn is_dropped(name: &[u8], earlier: &[Field]) -> bool {
    DROPPED.iter().any(|dropped| dropped.eq_ignore_ascii_case(name))
        && earlier.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name))
}

/// A header's name and value.
pub type Field = (Vec<u8>, Vec<u8>);

/// A request and its response.
#[derive(Debug)]
pub struct Memory {
    pub(super) method: Method,
    pub(super) http_version: Version,
    pub(super) request_headers: Vec<Field>,
    pub(super) variables: Vec<Field>,
    pub(super) default_type: Vec<u8>,
    pub(super) stage: &'static Stage,
    pub(super) sent: bool,
    pub(super) keepalive: bool,
    pub(super) aborted: bool,
    pub(super) chunked: bool,
    pub(super) proxied: bool,
    pub(super) head: Head,
    pub(super) upstream_status: Option<u16>,
    pub(super) upstream_headers: Vec<Field>,
    /// Whether nginx drops headers of the upstream that it has already got, see [`DROPPED`].
    pub(super) drops_repeats: bool,
    pub(super) chain: Chain,
    pub(super) body: RefCell<Option<BodyState>>,
    pub(super) log: RefCell<Vec<(Level, Vec<u8>)>>,
    /// The warnings that were logged. Each request in memory is like a worker of its own.
    pub(super) warnings: RefCell<LogOnce>,
}

impl Memory {
    /// A GET request over HTTP/1.1 without headers, and an empty response.
    #[expect(clippy::new_without_default, reason = "a request is made, not defaulted to")]
    pub fn new() -> Self {
        Self {
            method: Method::GET,
            http_version: Version::HTTP_11,
            request_headers: Vec::new(),
            variables: Vec::new(),
            default_type: b"text/plain".to_vec(),
            stage: Stage::of(ServerPhase::Active),
            sent: false,
            keepalive: true,
            aborted: false,
            chunked: false,
            proxied: false,
            head: Head::new(true),
            upstream_status: None,
            upstream_headers: Vec::new(),
            drops_repeats: true,
            chain: Chain::default(),
            body: RefCell::default(),
            log: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// The same with another method.
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self.keepalive = self.is_kept_alive();
        self
    }

    /// The same with another HTTP version.
    pub fn with_http_version(mut self, version: Version) -> Self {
        self.http_version = version;
        self.keepalive = self.is_kept_alive();
        self
    }

    /// The same with one more request header.
    pub fn with_request_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.request_headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self.keepalive = self.is_kept_alive();
        self
    }

    /// The same with a variable of nginx.
    pub fn with_variable(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.variables.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The same with another default for the Content-Type of responses from Lua code.
    pub fn with_default_type(mut self, value: impl AsRef<[u8]>) -> Self {
        self.default_type = value.as_ref().to_vec();
        self
    }

    /// The same with WWW-Authenticate as a header that may repeat, or that exists only once.
    pub fn with_repeated_www_authenticate(mut self, repeats: bool) -> Self {
        let keeps_underscores = self.head.keeps_underscores;
        self.head = Head::new(repeats);
        self.head.keeps_underscores = keeps_underscores;
        self
    }

    /// The same with a server that drops an upstream's second ETag, and headers like it, or sends both.
    pub fn with_repeats_dropped(mut self, drops: bool) -> Self {
        self.drops_repeats = drops;
        self
    }

    /// The same with the directive `lua_transform_underscores_in_response_headers`: whether `_` becomes `-` in names
    /// that Lua code sets.
    pub fn with_transformed_underscores(mut self, transforms: bool) -> Self {
        self.head.keeps_underscores = !transforms;
        self
    }

    /// The same in another phase of the server.
    pub fn in_phase(mut self, phase: ServerPhase) -> Self {
        self.stage = Stage::of(phase);
        self
    }

    /// The same with its head sent.
    pub fn with_headers_sent(mut self) -> Self {
        self.sent = true;
        self
    }

    /// Changes the method and the headers of the request, like `ngx.req`. Whether the connection is kept alive does
    /// not change.
    pub fn change_request(&mut self, method: Method, headers: Vec<Field>) {
        self.method = method;
        self.request_headers = headers;
    }

    /// Enters a phase of the server.
    pub fn enter(&mut self, stage: &'static Stage) {
        self.stage = stage;
    }

    /// The phase of the server.
    pub fn stage(&self) -> &'static Stage {
        self.stage
    }

    /// Enters the body filter with a chunk, given in pieces.
    pub fn at_chunk(&mut self, pieces: &[&[u8]], last: bool) {
        self.stage = Stage::of(ServerPhase::BodyFilter);
        self.set_chunk(pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect(), last);
    }

    /// Sets the next chunk of the body, given in pieces.
    pub fn set_chunk(&mut self, pieces: Vec<Bytes>, last: bool) {
        self.chain.next(pieces, last);
    }

    /// The bytes of the chunk that are sent to the client, and whether it is the last one.
    pub fn outgoing_chunk(&self) -> (Bytes, bool) {
        (self.chain.outgoing(), self.chain.is_last())
    }

    /// `ngx.arg[1]`
    pub fn arg_body(&self) -> Bytes {
        self.chain.arg()
    }

    /// `ngx.arg[1] = bytes`. Empty `bytes` also stand for nil.
    pub fn set_arg_body(&mut self, bytes: Bytes) {
        self.chain.replace(bytes);
    }

    /// `ngx.arg[2] = last`
    pub fn set_arg_last(&mut self, last: bool) {
        self.chain.set_last(last);
    }

    /// Whether a filter has seen the end of the body. nginx drops the chunks after it.
    pub fn body_ended(&self) -> bool {
        self.chain.ended()
    }

    /// The number of bytes that `get_raw_body` has buffered.
    pub fn buffered(&self) -> usize {
        match &*self.body.borrow() {
            Some(BodyState::Buffering(buffer)) => buffer.len(),
            _ => 0,
        }
    }

    /// Copies status and headers from the response of an upstream, like nginx's proxy.
    pub fn upstream<'a>(
        &mut self,
        status: u16,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        let mut chunked = false;
        self.head.content_length = None;
        for (name, value) in headers {
            if self.drops_repeats && is_dropped(name, &self.upstream_headers) {
                continue;
            }
            self.upstream_headers.push((name.to_vec(), value.to_vec()));
            chunked |= name.eq_ignore_ascii_case(b"Transfer-Encoding")
                && value.eq_ignore_ascii_case(b"chunked");
            self.head.copy_from_upstream(name, value);
        }
        if chunked {
            self.head.content_length = None;
        }
        self.upstream_status = Some(status);
        self.head.status = status;
        self.head.keeps_status_line = true;
        self.proxied = true;
    }

    /// Closes the connection without a response, like nginx for the statuses 408, 444 and 499.
    pub fn abort(&mut self) {
        self.aborted = true;
    }

    /// Marks the head as sent.
    pub fn mark_headers_sent(&mut self) {
        self.sent = true;
    }

    /// The values of `ngx.header[name]`.
    pub fn read_header(&self, name: &[u8]) -> Vec<Vec<u8>> {
        self.head.read(name)
    }

    /// `ngx.status = status`, which has no effect if the head is sent.
    pub fn force_status(&mut self, status: u16) {
        if !self.sent {
            self.head.status = status;
            self.head.error_status = 0;
            self.head.keeps_status_line = false;
        }
    }

    /// `ngx.resp.get_headers(max)`, with the names as they were set, and whether the list is truncated.
    pub fn list(&self, max: Option<i64>) -> (Vec<Field>, bool) {
        let mut listed: Vec<Field> = Vec::new();
        let mut add = |name: &str, value: &[u8]| listed.push((name.into(), value.to_vec()));
        if !self.head.content_type.is_empty() {
            add("content-type", &self.head.content_type);
        }
        if let Some(length) = self.head.length_without_slot() {
            add("content-length", length.to_string().as_bytes());
        }
        // When the response is complete, nginx lists the connection as closed.
        let over = self.stage.name == "log" && self.http_version < Version::HTTP_2 && !self.aborted;
        add(
            "connection",
            if over && self.head.status_sent() != 101 { b"close" } else { self.connection() },
        );
        if self.chunked {
            add("transfer-encoding", b"chunked");
        }
        let max = max.unwrap_or(MAX_HEADERS);
        let slots = self.head.slots();
        let (count, extra) = (slots.len() as i64, listed.len() as i64);
        let truncated = max > 0 && count + extra > max;
        // nginx checks the limit only after it has listed a header, so it lists at least one.
        let limit = if truncated { (max - extra).max(1) } else { count };
        let live = slots.iter().filter(|slot| slot.live).take(limit as usize);
        listed.extend(live.map(|slot| (slot.name.clone(), slot.value.clone())));
        (listed, truncated)
    }

    /// The lines logged so far.
    pub fn logged(&self) -> Vec<(Level, String)> {
        let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
        self.log.borrow().iter().map(|(level, line)| (*level, text(line))).collect()
    }

    /// Returns the lines logged so far, and clears them.
    pub fn take_log(&self) -> Vec<(Level, Vec<u8>)> {
        self.log.take()
    }

    /// The headers in the order of the list, Content-Type first.
    pub fn listed(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let content_type = (!self.head.content_type.is_empty())
            .then(|| ("Content-Type".into(), text(&self.head.content_type)));
        let live = self.head.slots().iter().filter(|slot| slot.live);
        content_type.into_iter().chain(live.map(|s| (text(&s.name), text(&s.value)))).collect()
    }

    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<String> {
        let value = self.header(name.as_bytes()).ok()??;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    pub(super) fn request_header(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        let named = move |(n, _): &&Field| n.eq_ignore_ascii_case(name.as_ref());
        self.request_headers.iter().filter(named).map(|(_, value)| value.as_slice())
    }

    pub(super) fn variable(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let named = |(known, _): &&Field| known == name.as_ref();
        self.variables.iter().find(named).map(|(_, value)| value.as_slice())
    }

    pub(super) fn is_head_request(&self) -> bool {
        self.method == Method::HEAD
    }

    fn is_kept_alive(&self) -> bool {
        let contains = |value: &[u8], word: &[u8]| {
            value.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
        };
        match self.request_header(&CONNECTION).last() {
            Some(value) if contains(value, b"close") => false,
            Some(value) if contains(value, b"keep-alive") => true,
            _ => self.http_version > Version::HTTP_10,
        }
    }
}
