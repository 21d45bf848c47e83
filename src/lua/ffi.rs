//! The fast paths: small functions that compiled Lua code calls through LuaJIT's FFI. They use neither the Lua stack
//! nor Lua values.
//!
//! A fast path works if there is no error, nothing to log, and nothing that only Lua can do. Otherwise it returns
//! [`USE_SLOW_PATH`], and `lua/kong/response/fast_paths.lua` calls the native function of the same name. Both use the
//! same rules and the same host. Lua checks the phase, because the phase is in a Lua table.

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use mlua::ffi::lua_State;

use super::edge::stack::is_running;
use super::nginx::NoCallbacks;
#[cfg(feature = "fault-injection")]
use crate::fault::{self, Fault};
use crate::host::nginx::{NgxRequest, Probe, Request, api};
use crate::host::{Host, Write};
use crate::response::header::{self, Lookup, Pair};

/// The maximum number of headers for the fast path of `set_headers`.
pub const MAX_HEADERS: usize = 32;

/// The C declarations for LuaJIT's FFI: the functions of this file, and four functions of lua-nginx-module that need
/// no rule. A test compares them with their types in Rust.
pub const DECLARATIONS: &str = r#"
    bool kong_response_runs(void *thread);
    int kong_response_get_header(void *request, const char *name, size_t length,
                                 const char **value, size_t *value_length);
    int kong_response_write_header(void *request, const char *name, size_t length,
                                   const char *value, size_t value_length, int add);
    int kong_response_clear_header(void *request, const char *name, size_t length);
    int kong_response_set_headers(void *request, size_t count,
                                  const char *const *names, const size_t *lengths,
                                  const char *const *values, const size_t *value_lengths);

    int kong_response_ngx_ctx(void *request, int *in_ssl_phase, int *ssl_ctx)
        __asm__("ngx_http_lua_ffi_get_ctx_ref");
    int kong_response_ngx_status(void *request) __asm__("ngx_http_lua_ffi_get_resp_status");
    int kong_response_ngx_set_status(void *request, int status)
        __asm__("ngx_http_lua_ffi_set_resp_status");
    int kong_response_ngx_headers_sent(void *request) __asm__("ngx_http_lua_ffi_headers_sent");
"#;

/// The work is done.
const DONE: c_int = 0;
/// There is a value.
const FOUND: c_int = 1;
/// The value is in nginx's list of headers, which only Lua can read; see [`Lookup::Listed`].
const LISTED: c_int = 2;
/// The same for [`Lookup::Synthesised`].
const SYNTHESISED: c_int = 3;
/// The caller must call the native function, which repeats the work.
const USE_SLOW_PATH: c_int = -1;

/// The results that Lua distinguishes, by name.
pub const RESULTS: [(&CStr, c_int); 4] =
    [(c"done", DONE), (c"found", FOUND), (c"listed", LISTED), (c"synthesised", SYNTHESISED)];

/// Whether `thread` has a function that has not returned yet. Not for the calling thread: compiled code does not
/// maintain its frames, so the result could be wrong.
///
/// # Safety
///
/// `thread` is null, or the main thread of the calling VM, which lives as long as the VM.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_runs(thread: *mut lua_State) -> bool {
    // SAFETY: if the thread is not null, `fast_paths.lua` passes the main thread of the calling VM, so it is alive.
    NonNull::new(thread).is_some_and(|thread| unsafe { is_running(thread) })
}

/// `get_header`. Returns [`FOUND`] and writes pointer and length of the value to `value` and `value_length`, or
/// returns [`DONE`] if there is no value, or [`LISTED`] or [`SYNTHESISED`]. The value is in nginx's memory, so the
/// caller must copy it before it calls anything else.
///
/// # Safety
///
/// `fast_paths.lua` guarantees this for all functions below:
///
/// 1. `request` is null, or nginx's request of the running Lua code (the `exdata` of its thread). nginx keeps the
///    request until the call returns.
/// 2. Each name and value is the data of a Lua string with its length. Local variables and tables of the caller keep
///    the strings alive.
/// 3. Outputs and arrays are FFI objects of the declared types, which the caller keeps alive.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_get_header(
    request: *mut NgxRequest,
    name: *const u8,
    length: usize,
    value: *mut *const u8,
    value_length: *mut usize,
) -> c_int {
    // SAFETY: contract 1 is that of `lend`; by 2 the name is readable, and by 3 the outputs are writable.
    unsafe {
        let name = std::slice::from_raw_parts(name, length);
        lend(request, |request, _| {
            match header::lookup(name) {
                Lookup::Direct => (),
                Lookup::Listed => return Some(LISTED),
                Lookup::Synthesised => return Some(SYNTHESISED),
            }
            let Some(found) = request.header(name).ok()? else { return Some(DONE) };
            value.write(found.as_ptr());
            value_length.write(found.len());
            Some(FOUND)
        })
    }
}

/// `set_header`, or `add_header` if `add` is not 0. Returns [`DONE`] or [`USE_SLOW_PATH`], like the functions below.
///
/// # Safety
///
/// As [`kong_response_get_header`]: 1 and 2.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_write_header(
    request: *mut NgxRequest,
    name: *const u8,
    length: usize,
    value: *const u8,
    value_length: usize,
    add: c_int,
) -> c_int {
    let how = if add == 0 { Write::Set } else { Write::Add };
    // SAFETY: contract 1 is that of `change`; by 2 name and value are readable for this call.
    unsafe {
        let name = std::slice::from_raw_parts(name, length);
        let value = std::slice::from_raw_parts(value, value_length);
        change(request, |request| {
            !header::may_be_ignored(name)
                && header::write_unchecked(request, name, &[value], how).is_ok()
        })
    }
}

/// `clear_header`.
///
/// # Safety
///
/// As [`kong_response_get_header`]: 1 and 2.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_clear_header(
    request: *mut NgxRequest,
    name: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: contract 1 is that of `change`; by contract 2 the name is readable for this call.
    unsafe {
        let name = std::slice::from_raw_parts(name, length);
        change(request, |request| {
            !header::may_be_ignored(name)
                && header::write_unchecked(request, name, &[], Write::Set).is_ok()
        })
    }
}

/// `set_headers`, if all values are strings.
///
/// # Safety
///
/// As [`kong_response_get_header`]. The four arrays have `count` elements.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_set_headers(
    request: *mut NgxRequest,
    count: usize,
    names: *const *const u8,
    lengths: *const usize,
    values: *const *const u8,
    value_lengths: *const usize,
) -> c_int {
    // SAFETY: contract 1 is that of `change`; by 3 the arrays have `count` elements, which is checked against
    // MAX_HEADERS before they are read, and by 2 what they point to is readable.
    unsafe {
        change(request, |request| {
            let mut pairs: [Pair<'_>; MAX_HEADERS] = [(b"", b""); MAX_HEADERS];
            let Some(pairs) = pairs.get_mut(..count) else { return false };
            for (i, pair) in pairs.iter_mut().enumerate() {
                let name = std::slice::from_raw_parts(*names.add(i), *lengths.add(i));
                if header::may_be_ignored(name) {
                    return false;
                }
                let value = std::slice::from_raw_parts(*values.add(i), *value_lengths.add(i));
                *pair = (name, value);
            }
            header::write_pairs(request, pairs).is_ok()
        })
    }
}

/// Calls `work` with the request, if its head is not sent. Returns [`DONE`] if `work` returns true.
///
/// # Safety
///
/// As [`lend`].
unsafe fn change(request: *mut NgxRequest, work: impl FnOnce(&mut Request<'_>) -> bool) -> c_int {
    // SAFETY: the contract of `lend` is the same.
    unsafe { lend(request, |lent, is_sent| (!is_sent && work(lent)).then_some(DONE)) }
}

/// Calls `work` with the request of a client, and with true if its head is sent. Returns the result of `work`, or
/// [`USE_SLOW_PATH`] for `None`, for a panic, and without a client.
///
/// # Safety
///
/// Contract 1 of [`kong_response_get_header`].
unsafe fn lend(
    request: *mut NgxRequest,
    work: impl FnOnce(&mut Request<'_>, bool) -> Option<c_int>,
) -> c_int {
    let (Some(api), Some(pointer)) = (api(), NonNull::new(request)) else { return USE_SLOW_PATH };
    // SAFETY: the request is not null. So it is nginx's request of the running code, which nginx keeps until this
    // returns.
    let (mut request, is_sent) = unsafe {
        let Probe::Real { headers_sent } = Request::probe(api, request) else {
            return USE_SLOW_PATH;
        };
        (Request::new(api, pointer, &NoCallbacks), headers_sent)
    };
    // After a panic, the native function repeats the work and reports the error.
    let done = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "fault-injection")]
        if fault::is_ordered(Fault::Panic) || fault::fast_path_panics() {
            return None;
        }
        work(&mut request, is_sent)
    }));
    done.ok().flatten().unwrap_or(USE_SLOW_PATH)
}

#[cfg(test)]
mod tests;
