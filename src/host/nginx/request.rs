//! [`Host`] for an `ngx_http_request_t`.
#![allow(unsafe_code)]

mod body_filter;

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_uchar};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use http::header::{HeaderName, UPGRADE};
use http::{StatusCode, Version};

use super::api::{
    Api, BAD_CONTEXT, FfiStr, FfiTableElt, NGX_DECLINED, NGX_OK, NO_REQ_CTX, NgxRequest,
};
use crate::error::Error;
use crate::host::{Callbacks, Host, Level, LogOnce, ServerPhase, Write};

thread_local! {
    /// The warnings that this worker has logged, for all of its Lua VMs.
    static LOGGED: RefCell<LogOnce> = RefCell::default();
}

/// A header's name and value.
type Field<'a> = (&'a [u8], &'a [u8]);

/// The array on the stack has this length. Only requests with more headers need an allocation.
const FEW_HEADERS: usize = 32;

/// lua-nginx-module's bits for its phases. They are not the bits of the gateway's phases.
mod context {
    pub const SET: i32 = 0x1;
    pub const CONTENT: i32 = 0x8;
    pub const LOG: i32 = 0x10;
    pub const HEADER_FILTER: i32 = 0x20;
    pub const BODY_FILTER: i32 = 0x40;
    pub const BALANCER: i32 = 0x200;
}

/// The kind of request that Lua code runs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// No request, or one without a Lua context: not even `ngx.ctx` works.
    Absent,
    /// The module's request without a client, for example in a timer: only `ngx.ctx` works.
    Fake,
    /// The request of a client.
    Real {
        /// Whether the head of its response is sent.
        headers_sent: bool,
    },
}

/// The request of the running Lua code, for the time of one call.
///
/// The lifetime keeps it from being stored: nginx may free the request as soon as the call returns.
#[derive(Clone, Copy)]
pub struct Request<'call> {
    api: &'static Api,
    request: NonNull<NgxRequest>,
    callbacks: &'call dyn Callbacks,
    _call: PhantomData<&'call mut NgxRequest>,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.request).finish()
    }
}

impl<'call> Request<'call> {
    /// What kind of request `request` is.
    ///
    /// # Safety
    ///
    /// `request` is null, or nginx's request of the running Lua code.
    pub unsafe fn probe(api: &Api, request: *mut NgxRequest) -> Probe {
        if request.is_null() {
            return Probe::Absent;
        }
        // SAFETY: it is not null, so the caller gives the request of the running code, which is alive.
        match unsafe { (api.headers_sent)(request) } {
            NO_REQ_CTX => Probe::Absent,
            BAD_CONTEXT => Probe::Fake,
            sent => Probe::Real { headers_sent: sent == 1 },
        }
    }

    /// The index of the request's `ngx.ctx` in the module's table, or a negative number if there is no `ngx.ctx` yet.
    ///
    /// # Safety
    ///
    /// As [`Request::probe`], but `request` is not null.
    pub unsafe fn ctx_reference(api: &Api, request: *mut NgxRequest) -> c_int {
        // SAFETY: the caller gives the request of the running code. The pointers for TLS phases are null, so the
        // module does not write to them.
        unsafe { (api.get_ctx_ref)(request, ptr::null_mut(), ptr::null_mut()) }
    }

    /// Makes a `Request` for nginx's request.
    ///
    /// # Safety
    ///
    /// `request` is nginx's request of the running Lua code, with [`Probe::Real`]. nginx keeps it during `'call`.
    pub unsafe fn new(
        api: &'static Api,
        request: NonNull<NgxRequest>,
        callbacks: &'call dyn Callbacks,
    ) -> Self {
        Self { api, request, callbacks, _call: PhantomData }
    }

    /// Calls `read` with the names and values of the request's headers. `None` if the module does not list them.
    fn with_request_headers<'a, T>(
        &'a self,
        read: impl FnOnce(&mut dyn Iterator<Item = Field<'a>>) -> T,
    ) -> Option<T> {
        const NONE: FfiTableElt = FfiTableElt { key: FfiStr::EMPTY, value: FfiStr::EMPTY };
        let mut truncated = 0;
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call; 0 asks for all headers.
        let count = unsafe { (self.api.req_get_headers_count)(self.raw(), 0, &mut truncated) };
        let length = usize::try_from(count).ok()?;
        let (mut few, mut many) = ([NONE; FEW_HEADERS], Vec::new());
        let fields = match few.get_mut(..length) {
            Some(few) => few,
            None => {
                many.resize(length, NONE);
                &mut many[..]
            }
        };
        // SAFETY: `fields` has `count` elements, and the module writes no more. With raw (1), it does not change the
        // names.
        let code = unsafe { (self.api.req_get_headers)(self.raw(), fields.as_mut_ptr(), count, 1) };
        let bytes = |text: FfiStr| {
            // SAFETY: nginx keeps names and values in the request's pool or buffers until it ends.
            unsafe { slice(text.data, usize::try_from(text.len).unwrap_or(0)) }
        };
        let mut pairs = fields.iter().map(|field| (bytes(field.key), bytes(field.value)));
        (code == NGX_OK).then(|| read(&mut pairs))
    }

    fn raw(&self) -> *mut NgxRequest {
        self.request.as_ptr()
    }

    fn context(&self) -> c_int {
        let mut message: *mut c_char = ptr::null_mut();
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call. The pointer to the message is
        // writable.
        unsafe { (self.api.get_phase)(self.raw(), &mut message) }
    }

    /// The value of the nginx variable `name`, which is in lower case. Not for `$sent_http_*`: if the configuration
    /// uses such a variable, nginx caches the value of the first read, and the access log would show that.
    fn variable(&self, name: &str) -> Option<&[u8]> {
        let mut lowcase = [0u8; 40];
        if name.len() > lowcase.len() {
            return None;
        }
        let mut value: *mut c_uchar = ptr::null_mut();
        let mut length = 0;
        let mut message: *mut c_char = ptr::null_mut();
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call. The length is that of the name,
        // `lowcase` is at least as long, and the three outputs are writable.
        let code = unsafe {
            (self.api.var_get)(
                self.raw(),
                name.as_ptr(),
                name.len(),
                lowcase.as_mut_ptr(),
                0,
                &mut value,
                &mut length,
                &mut message,
            )
        };
        // SAFETY: after NGX_OK, `value` points to `length` bytes that live as long as the request.
        (code == NGX_OK).then(|| unsafe { slice(value, length) })
    }
}

impl Host for Request<'_> {
    fn headers_sent(&self) -> bool {
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call.
        unsafe { (self.api.headers_sent)(self.raw()) == 1 }
    }

    fn status(&self) -> Result<u16, Error> {
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call.
        let status = unsafe { (self.api.get_resp_status)(self.raw()) };
        u16::try_from(status).map_err(|_| Error::Disabled)
    }

    fn set_status(&mut self, status: StatusCode) -> Result<(), Error> {
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call.
        match unsafe { (self.api.set_resp_status)(self.raw(), c_int::from(status.as_u16())) } {
            NGX_OK => Ok(()),
            NGX_DECLINED => Err(Error::HeadersSent),
            _ => Err(Error::Disabled),
        }
    }

    fn header(&self, name: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Error> {
        // The module writes a copy of a name with `_`. Searching for `_` takes longer than preparing a buffer.
        let (mut short, mut long) = ([0; 64], Vec::new());
        let dashed = if name.len() <= short.len() {
            &mut short[..]
        } else {
            long.resize(name.len(), 0);
            &mut long
        };
        let mut value = FfiStr::EMPTY;
        let mut message: *mut c_char = ptr::null_mut();
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call. `dashed` is at least as long as the
        // name. The module writes at most one value, to `value`.
        let count = unsafe {
            (self.api.get_resp_header)(
                self.raw(),
                name.as_ptr(),
                name.len(),
                dashed.as_mut_ptr(),
                &mut value,
                1,
                &mut message,
            )
        };
        match count {
            0 => Ok(None),
            1 => {
                let length = usize::try_from(value.len).unwrap_or(0);
                // SAFETY: the value is in the request's pool, which nginx does not free during the call.
                Ok(Some(Cow::Borrowed(unsafe { slice(value.data, length) })))
            }
            _ => Err(refusal(count, message)),
        }
    }

    fn last_modified(&self) -> Option<Cow<'_, [u8]>> {
        self.callbacks.last_modified().map(Cow::Owned)
    }

    fn write_header(&mut self, name: &[u8], values: &[&[u8]], write: Write) -> Result<(), Error> {
        let [first, rest @ ..] = values else {
            return self.call_setter(name, None, &[], write);
        };
        if rest.is_empty() {
            return self.call_setter(name, Some(first), &[], write);
        }
        let values = values.iter().map(|value| ffi_str(value)).collect::<Result<Vec<_>, _>>()?;
        self.call_setter(name, None, &values, write)
    }

    fn server_phase(&self) -> ServerPhase {
        match self.context() {
            context::CONTENT => ServerPhase::Content,
            context::HEADER_FILTER => ServerPhase::HeaderFilter,
            context::BODY_FILTER => ServerPhase::BodyFilter,
            context::BALANCER => ServerPhase::Balancer,
            context::SET | context::LOG => ServerPhase::Passive,
            _ => ServerPhase::Active,
        }
    }

    fn is_head(&self) -> bool {
        self.variable("request_method") == Some(b"HEAD")
    }

    fn request_content_type(&self) -> Option<Cow<'_, [u8]>> {
        self.variable("content_type").map(Cow::Borrowed)
    }

    fn request_id(&self) -> Option<Cow<'_, [u8]>> {
        self.variable("request_id").map(Cow::Borrowed)
    }

    fn http_version(&self) -> Option<Version> {
        self.callbacks.http_version()
    }

    fn protocol(&self) -> Option<Version> {
        match self.variable("server_protocol")? {
            b"HTTP/1.0" => Some(Version::HTTP_10),
            b"HTTP/1.1" => Some(Version::HTTP_11),
            b"HTTP/2.0" => Some(Version::HTTP_2),
            b"HTTP/3.0" => Some(Version::HTTP_3),
            _ => None,
        }
    }

    fn request_headers(&self, name: &HeaderName) -> Vec<Cow<'_, [u8]>> {
        self.with_request_headers(|fields| {
            let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name.as_ref()));
            named.map(|(_, value)| Cow::Borrowed(value)).collect()
        })
        .unwrap_or_default()
    }

    fn has_request_header(&self, names: &[HeaderName]) -> bool {
        self.with_request_headers(|mut fields| {
            Iterator::any(&mut fields, |(field, _)| {
                names.iter().any(|name| field.eq_ignore_ascii_case(name.as_ref()))
            })
        })
        .unwrap_or(false)
    }

    fn upstream_header(&self, name: &HeaderName) -> Option<Cow<'_, [u8]>> {
        let variable = format!("upstream_http_{}", name.as_str().replace('-', "_"));
        self.variable(&variable).map(Cow::Borrowed)
    }

    fn is_upgraded(&self) -> bool {
        // nginx opens the tunnel only for a request with this header. Reading the variable takes longer. It has a
        // status for each attempt, for example `502, 101`.
        self.has_request_header(&[UPGRADE])
            && self.variable("upstream_status").is_some_and(|statuses| statuses.ends_with(b"101"))
    }

    fn is_subrequest(&self) -> bool {
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call.
        unsafe { (self.api.is_subrequest)(self.raw()) == 1 }
    }

    fn log(&self, level: Level, message: &[u8]) {
        if let Some(line) = self.callbacks.log(level, message) {
            // SAFETY: the caller of `Request::new` keeps the request alive for 'call. The module copies the line.
            unsafe { (self.api.raw_log)(self.raw(), level as c_int, line.as_ptr(), line.len()) };
        }
    }

    fn is_new(&self, cause: &str) -> bool {
        LOGGED.with_borrow_mut(|logged| logged.is_new(cause))
    }
}

impl Request<'_> {
    /// Sets the header to `one` value or to `many`. Without any value, removes the header.
    fn call_setter(
        &mut self,
        name: &[u8],
        one: Option<&[u8]>,
        many: &[FfiStr],
        write: Write,
    ) -> Result<(), Error> {
        let is_nil = c_int::from(one.is_none() && many.is_empty());
        let one = one.unwrap_or_default();
        let many_data = if many.is_empty() { ptr::null() } else { many.as_ptr() };
        let mut message: *mut c_char = ptr::null_mut();
        // SAFETY: the caller of `Request::new` keeps the request alive for 'call. Each length is that of its pointer.
        // The module copies names and values into the request's pool.
        let code = unsafe {
            (self.api.set_resp_header)(
                self.raw(),
                name.as_ptr(),
                name.len(),
                is_nil,
                one.as_ptr(),
                one.len(),
                many_data,
                many.len(),
                c_int::from(write == Write::Set),
                &mut message,
            )
        };
        if code == NGX_OK { Ok(()) } else { Err(refusal(code, message)) }
    }
}

fn ffi_str(bytes: &[u8]) -> Result<FfiStr, Error> {
    let len = c_int::try_from(bytes.len()).map_err(|_| Error::Host("no memory".to_owned()))?;
    Ok(FfiStr { len, data: bytes.as_ptr() })
}

/// The error for a code other than NGX_OK.
fn refusal(code: c_int, message: *const c_char) -> Error {
    match code {
        NO_REQ_CTX | BAD_CONTEXT => Error::Disabled,
        NGX_DECLINED => Error::HeadersSent,
        _ if message.is_null() => Error::Host("unknown error".to_owned()),
        _ => {
            // SAFETY: the module has set it to a static C string.
            let message = unsafe { CStr::from_ptr(message) };
            Error::Host(message.to_string_lossy().into_owned())
        }
    }
}

/// The `length` bytes at `data`, which may be null if `length` is 0.
///
/// # Safety
///
/// `data` is valid for reads of `length` bytes for `'a`, or `length` is 0.
unsafe fn slice<'a>(data: *const c_uchar, length: usize) -> &'a [u8] {
    if length == 0 || data.is_null() {
        return &[];
    }
    // SAFETY: `length` is not 0, so the caller guarantees that `data` is valid for reads for `'a`. It is not null.
    unsafe { std::slice::from_raw_parts(data, length) }
}
