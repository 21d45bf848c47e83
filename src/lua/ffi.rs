//! The fast paths: small functions that compiled Lua code calls through LuaJIT's FFI. They see no Lua stack
//! and no Lua values.
//!
//! Each does its work where nothing is to be refused, logged, or asked of Lua. Otherwise it changes nothing and
//! returns [`USE_SLOW_PATH`], and `lua/kong/response/fast_paths.lua` calls the C function of that name. Both
//! use the same rules and the same host. The phase is in a Lua table, so Lua checks it.

use std::ffi::c_int;
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

/// How many headers the fast path of `set_headers` takes at most.
pub const MAX_HEADERS: usize = 32;

/// The functions that compiled code calls, for LuaJIT's FFI: those of this file, and four of
/// lua-nginx-module, where no rule of ours is needed. A test compares them with their types in Rust.
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
/// The value is in nginx's list of headers, which only Lua can read: [`Lookup::Listed`].
const LISTED: c_int = 2;
/// As [`LISTED`], for [`Lookup::Synthesised`].
const SYNTHESISED: c_int = 3;
/// Nothing was done: the caller must use the C function.
const USE_SLOW_PATH: c_int = -1;

/// Whether code runs in `thread`. That must not be the calling thread: compiled code does not maintain the
/// frames of its own.
///
/// # Safety
///
/// `thread` is null, or the main thread of the calling VM, which lives as long as the VM.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_runs(thread: *mut lua_State) -> bool {
    // SAFETY: a thread that is not null is by contract one of the calling VM, which is open.
    NonNull::new(thread).is_some_and(|thread| unsafe { is_running(thread) })
}

/// [`FOUND`], with the value at `value` and `value_length`; [`DONE`] where there is none; [`LISTED`] or
/// [`SYNTHESISED`]. The value is nginx's: the caller copies it before it calls anything else.
///
/// # Safety
///
/// `fast_paths.lua` calls this and the functions below with what it has of LuaJIT:
///
/// 1. `request` is null, or nginx's request of the running Lua code (the `exdata` of its thread), and nginx
///    does not go on before the call returns.
/// 2. Each name and value is the data of a Lua string with its length. The caller's locals and tables keep
///    the strings alive.
/// 3. Outputs and arrays are FFI objects that the caller holds, of the declared types.
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

/// `set_header`, or `add_header` where `add` is not 0.
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
                && header::write(request, name, &[value], how, None).is_ok()
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
            !header::may_be_ignored(name) && header::clear(request, name, None).is_ok()
        })
    }
}

/// `set_headers`, with values that are strings.
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

/// Lends a request whose head is not sent to `work`, which returns whether it has changed the response.
///
/// # Safety
///
/// As [`lend`].
unsafe fn change(request: *mut NgxRequest, work: impl FnOnce(&mut Request<'_>) -> bool) -> c_int {
    // SAFETY: the contract is the same.
    unsafe { lend(request, |lent, is_sent| (!is_sent && work(lent)).then_some(DONE)) }
}

/// Lends a client's request to `work`, with whether its head is sent. Returns [`USE_SLOW_PATH`] where
/// anything fails.
///
/// # Safety
///
/// `request` is null, or nginx's request of the running Lua code, and nginx does not go on before this
/// returns: contract 1 of the exported functions.
unsafe fn lend(
    request: *mut NgxRequest,
    work: impl FnOnce(&mut Request<'_>, bool) -> Option<c_int>,
) -> c_int {
    let (Some(api), Some(there)) = (api(), NonNull::new(request)) else { return USE_SLOW_PATH };
    // SAFETY: it is not null, so by contract nginx's request of the running code, and alive until this returns.
    let (mut request, is_sent) = unsafe {
        let Probe::Real { headers_sent } = Request::probe(api, request) else {
            return USE_SLOW_PATH;
        };
        (Request::new(api, there, &NoCallbacks), headers_sent)
    };
    // The C function repeats the work and reports a panic as an error.
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
