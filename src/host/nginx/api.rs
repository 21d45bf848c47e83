//! The C functions of nginx and lua-nginx-module that this library calls.
//!
//! `dlsym` finds them when a Lua VM of nginx loads the library. They are not linked, so the same file loads in a
//! process without nginx. lua-nginx-module needs these signatures for its own Lua library. They are the same from
//! 0.10.23 on.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_uchar, c_void};
use std::marker::{PhantomData, PhantomPinned};
use std::sync::OnceLock;

/// nginx's `ngx_http_request_t`. It is opaque, so only pointers to it exist.
#[repr(C)]
#[derive(Debug)]
pub struct NgxRequest {
    opaque: [u8; 0],
    marker: PhantomData<(*mut u8, PhantomPinned)>,
}

/// lua-nginx-module's `ngx_http_lua_ffi_str_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FfiStr {
    pub len: c_int,
    pub data: *const c_uchar,
}

impl FfiStr {
    pub const EMPTY: Self = Self { len: 0, data: std::ptr::null() };
}

/// lua-nginx-module's `ngx_http_lua_ffi_table_elt_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FfiTableElt {
    pub key: FfiStr,
    pub value: FfiStr,
}

/// nginx's `ngx_http_cleanup_t`.
#[repr(C)]
#[derive(Debug)]
pub struct Cleanup {
    pub handler: Option<unsafe extern "C" fn(*mut c_void)>,
    pub data: *mut c_void,
    next: *mut Cleanup,
}

pub const NGX_OK: c_int = 0;
pub const NGX_AGAIN: c_int = -2;
pub const NGX_DECLINED: c_int = -5;
/// There is no Lua context for the request.
pub const NO_REQ_CTX: c_int = -100;
/// The request is one without a client, for example in a timer.
pub const BAD_CONTEXT: c_int = -101;

/// The list of functions: each with its field, its symbol and its type.
macro_rules! api {
    ($($field:ident = $symbol:literal: fn($($arg:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        /// The functions. All of them exist, except `lua_getexdata`.
        #[derive(Debug)]
        pub struct Api {
            $(pub $field: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
            /// `lua_getexdata` of OpenResty's LuaJIT. For another LuaJIT, lua-nginx-module stores the request as a
            /// light userdata in a global.
            pub lua_getexdata: Option<unsafe extern "C-unwind" fn(*mut mlua::ffi::lua_State) -> *mut NgxRequest>,
        }

        impl Api {
            fn load() -> Result<Self, &'static CStr> {
                Ok(Self {
                    $($field: {
                        let symbol = find($symbol).ok_or($symbol)?;
                        // SAFETY: lua-nginx-module (nginx, for ngx_http_cleanup_add) defines this
                        // symbol as a C function of exactly this type.
                        unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C" fn($($arg),*) $(-> $ret)?,
                            >(symbol)
                        }
                    },)*
                    lua_getexdata: find(c"lua_getexdata").map(|symbol| {
                        // SAFETY: OpenResty's LuaJIT defines it as `void *lua_getexdata(lua_State *)`.
                        unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C-unwind" fn(*mut mlua::ffi::lua_State) -> *mut NgxRequest,
                            >(symbol)
                        }
                    }),
                })
            }
        }
    };
}

api! {
    get_resp_status = c"ngx_http_lua_ffi_get_resp_status": fn(*mut NgxRequest) -> c_int;
    set_resp_status = c"ngx_http_lua_ffi_set_resp_status": fn(*mut NgxRequest, c_int) -> c_int;
    headers_sent = c"ngx_http_lua_ffi_headers_sent": fn(*mut NgxRequest) -> c_int;
    get_resp_header = c"ngx_http_lua_ffi_get_resp_header": fn(
        *mut NgxRequest, *const c_uchar, usize, *mut c_uchar, *mut FfiStr, c_int, *mut *mut c_char,
    ) -> c_int;
    set_resp_header = c"ngx_http_lua_ffi_set_resp_header": fn(
        *mut NgxRequest, *const c_uchar, usize, c_int, *const c_uchar, usize,
        *const FfiStr, usize, c_int, *mut *mut c_char,
    ) -> c_int;
    get_ctx_ref = c"ngx_http_lua_ffi_get_ctx_ref": fn(*mut NgxRequest, *mut c_int, *mut c_int) -> c_int;
    req_get_headers_count = c"ngx_http_lua_ffi_req_get_headers_count": fn(
        *mut NgxRequest, c_int, *mut c_int,
    ) -> c_int;
    req_get_headers = c"ngx_http_lua_ffi_req_get_headers": fn(
        *mut NgxRequest, *mut FfiTableElt, c_int, c_int,
    ) -> c_int;
    var_get = c"ngx_http_lua_ffi_var_get": fn(
        *mut NgxRequest, *const c_uchar, usize, *mut c_uchar, c_int,
        *mut *mut c_uchar, *mut usize, *mut *mut c_char,
    ) -> c_int;
    get_phase = c"ngx_http_lua_ffi_get_phase": fn(*mut NgxRequest, *mut *mut c_char) -> c_int;
    raw_log = c"ngx_http_lua_ffi_raw_log": fn(
        *mut NgxRequest, c_int, *const c_uchar, usize,
    ) -> c_int;
    body_eof = c"ngx_http_lua_ffi_get_body_filter_param_eof": fn(*mut NgxRequest) -> c_int;
    body_chunk = c"ngx_http_lua_ffi_get_body_filter_param_body": fn(
        *mut NgxRequest, *mut *mut c_uchar, *mut usize,
    ) -> c_int;
    copy_body_chunk = c"ngx_http_lua_ffi_copy_body_filter_param_body": fn(
        *mut NgxRequest, *mut c_uchar,
    ) -> c_int;
    is_subrequest = c"ngx_http_lua_ffi_is_subrequest": fn(*mut NgxRequest) -> c_int;
    cleanup_add = c"ngx_http_cleanup_add": fn(*mut NgxRequest, usize) -> *mut Cleanup;
}

pub(super) fn find(symbol: &CStr) -> Option<*mut c_void> {
    // SAFETY: dlsym takes any C string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) };
    (!found.is_null()).then_some(found)
}

static API: OnceLock<Result<Api, &'static CStr>> = OnceLock::new();

/// Finds the functions, once per process.
///
/// # Errors
///
/// `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`
pub fn load() -> Result<&'static Api, String> {
    API.get_or_init(Api::load).as_ref().map_err(|symbol| {
        let symbol = symbol.to_string_lossy();
        format!("kong.response needs lua-nginx-module 0.10.23 or later: symbol {symbol} not found")
    })
}

/// The functions, if [`load`] has found them.
#[inline]
pub fn api() -> Option<&'static Api> {
    API.get()?.as_ref().ok()
}
