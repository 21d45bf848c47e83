//! The head that the client gets, as nginx's filters write it.

use http::Version;

use super::head::Single;
use super::page;
use super::request::{Field, Memory};

/// The Date of responses in tests.
pub const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// A head that is sent to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// The headers, in order.
    pub fields: Vec<Field>,
    /// Whether a body follows.
    pub body_allowed: bool,
}

impl Memory {
    /// Prepares the head before output of Lua code is sent, like nginx: sets the status 200 if none is set, and the
    /// default Content-Type. `length` is the length of the whole body, if it is known. Responses over HTTP/1.0 get it as
    /// Content-Length.
    pub fn start_output(&mut self, length: Option<u64>) {
        if self.sent {
            return;
        }
        if self.head.status == 0 {
            self.head.status = 200;
        }
        if !self.head.content_type_written {
            self.head.content_type_written = true;
            if self.head.content_type.is_empty() && self.head.status != 304 {
                self.head.set_content_type(self.default_type.clone());
            }
        }
        if self.http_version < Version::HTTP_11
            && self.head.content_length.is_none()
            && self.head.single(Single::ContentLength).is_none()
            && !self.is_head_request()
        {
            self.head.content_length = length;
        }
    }

    /// Removes everything from the head. nginx does this if a header filter exits with another status than an earlier
    /// phase.
    pub fn clean_head(&mut self) {
        self.head.clean();
    }

    /// Prepares the response for the page of a status: nginx's own page, or one that `error_page` names.
    pub fn start_page(&mut self, status: u16) {
        self.head.error_status = if matches!(status, 494..=497) { 400 } else { status };
        if page::closes(status) {
            self.keepalive = false;
        }
        self.head.set_content_type(Vec::new());
    }

    /// Makes nginx's own page for `status` the response, and returns its body.
    pub fn special_response(&mut self, status: u16) -> Vec<u8> {
        self.start_page(status);
        let page = page::page(status);
        self.head.set_content_type(page.as_ref().map_or(&b""[..], |_| b"text/html").to_vec());
        let page = page.unwrap_or_default();
        self.head.content_length = Some(page.len() as u64);
        for single in
            [Single::ContentLength, Single::AcceptRanges, Single::LastModified, Single::ETag]
        {
            self.head.remove_single(single);
        }
        self.head.last_modified = None;
        page
    }

    /// Sends the head, like the last of nginx's header filters.
    pub fn finish_head(&mut self) -> Wire {
        if self.head.error_status != 0 {
            self.head.status = self.head.error_status;
            self.head.keeps_status_line = false;
        }
        let status = self.head.status;
        let http2 = self.http_version >= Version::HTTP_2;
        let bodiless = matches!(status, 204 | 304);
        let checks_status = http2 || !self.head.keeps_status_line;
        let no_body = bodiless && checks_status || self.is_head_request();
        self.sent = true;
        if !bodiless
            && !self.is_head_request()
            && status >= 200
            && !http2
            && self.head.content_length.is_none()
        {
            if self.http_version >= Version::HTTP_11 {
                self.chunked = true;
            } else {
                self.keepalive = false;
            }
        }
        if !matches!(status, 200 | 206 | 304) && (http2 || self.head.last_modified.is_some()) {
            self.head.last_modified = None;
            self.head.clear_pointer(Single::LastModified);
        }
        if status == 204 && checks_status {
            self.head.set_content_type(Vec::new());
            self.head.content_length = None;
            self.head.clear_pointer(Single::ContentLength);
        }
        Wire { fields: self.write_fields(http2), body_allowed: !no_body }
    }

    /// The headers that nginx's last filter writes.
    fn write_fields(&mut self, http2: bool) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        let mut add = |name: &str, value: &[u8]| fields.push((name.into(), value.to_vec()));
        if self.head.single(Single::Server).is_none() {
            add("Server", b"nginx");
        }
        if self.head.single(Single::Date).is_none() {
            add("Date", DATE.as_bytes());
        }
        if let Some(value) = self.head.content_type_sent() {
            add("Content-Type", &value);
            // nginx stores the value that it has sent, and the access log shows that one.
            self.head.content_type = value;
        }
        if let Some(length) = self.head.length_without_slot() {
            add("Content-Length", length.to_string().as_bytes());
        }
        if !http2 {
            if self.chunked {
                add("Transfer-Encoding", b"chunked");
            }
            add("Connection", self.connection());
        }
        let live = self.head.slots().iter().filter(|slot| slot.live);
        fields.extend(live.map(|slot| (slot.name.clone(), slot.value.clone())));
        if http2 {
            fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        }
        fields
    }

    /// The value of Connection.
    pub(super) fn connection(&self) -> &'static [u8] {
        if self.head.status_sent() == 101 {
            b"upgrade"
        } else if self.keepalive {
            b"keep-alive"
        } else {
            b"close"
        }
    }
}
