//! The small functions for Lua code that LuaJIT has compiled, which calls them through its FFI: there is
//! no Lua stack, and no value of Lua's.
//!
//! Each does the plain case. What is to be refused, to be logged, or to be asked of Lua it leaves as it
//! is and says [`USE_SLOW_PATH`]; `lua/kong/response/fast_paths.lua` then calls the C function of that name,
//! which knows the rest. The rules and the host behind both are the same. The phase stands in a Lua
//! table: Lua has checked it.

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

/// Up to how many headers `set_headers` takes along.
pub const MAX_HEADERS: usize = 32;

/// It was done.
const DONE: c_int = 0;
/// There is a value.
const FOUND: c_int = 1;
/// Nothing was done: the C function has to.
const USE_SLOW_PATH: c_int = -1;

/// Whether code runs in `thread`, which is not the one that calls: compiled code has not written down the
/// frames of its own.
///
/// # Safety
///
/// `thread` is null, or a thread of a VM that is open.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_runs(thread: *mut lua_State) -> bool {
    // SAFETY: by contract.
    NonNull::new(thread).is_some_and(|thread| unsafe { is_running(thread) })
}

/// [`FOUND`], with the value at `value` and `value_length`; [`DONE`] where there is none.
///
/// # Safety
///
/// `request` is null, or nginx's request of the running Lua code; so it is for all below. `name` is valid
/// for reads of `length` bytes, both outputs are valid for writes. The value lives as long as the request
/// does not change.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_get_header(
    request: *mut NgxRequest,
    name: *const u8,
    length: usize,
    value: *mut *const u8,
    value_length: *mut usize,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let name = std::slice::from_raw_parts(name, length);
        lend(request, |request, _| {
            if header::lookup(name) != Lookup::Direct {
                return None;
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
/// As [`kong_response_get_header`]; `name` and `value` are valid for reads of so many bytes.
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
    // SAFETY: by contract.
    unsafe {
        let name = std::slice::from_raw_parts(name, length);
        let value = std::slice::from_raw_parts(value, value_length);
        change(request, |request| {
            !header::may_be_ignored(name)
                && header::write(request, name, &[value], how, None).is_ok()
        })
    }
}

/// `set_headers`, with values that are strings.
///
/// # Safety
///
/// As [`kong_response_get_header`]; the four arrays have `count` elements, and each name and value is
/// valid for reads of so many bytes.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C" fn kong_response_set_headers(
    request: *mut NgxRequest,
    count: usize,
    names: *const *const u8,
    lengths: *const usize,
    values: *const *const u8,
    value_lengths: *const usize,
) -> c_int {
    // SAFETY: by contract.
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

/// Lends a request whose head is not sent to `work`, which says whether it has changed it.
unsafe fn change(request: *mut NgxRequest, work: impl FnOnce(&mut Request<'_>) -> bool) -> c_int {
    // SAFETY: by contract of the exported functions.
    unsafe { lend(request, |lent, is_sent| (!is_sent && work(lent)).then_some(DONE)) }
}

/// Lends a client's request to `work`, and says whether its head is sent; what fails in any way is
/// [`USE_SLOW_PATH`].
unsafe fn lend(
    request: *mut NgxRequest,
    work: impl FnOnce(&mut Request<'_>, bool) -> Option<c_int>,
) -> c_int {
    let (Some(api), Some(there)) = (api(), NonNull::new(request)) else { return USE_SLOW_PATH };
    // SAFETY: by contract; nginx does not go on before the exported functions return.
    let (mut request, is_sent) = unsafe {
        let Probe::Real { headers_sent } = Request::probe(api, request) else {
            return USE_SLOW_PATH;
        };
        (Request::new(api, there, &NoCallbacks), headers_sent)
    };
    // A panic changes nothing here: the C function meets it again, and tells.
    let done = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "fault-injection")]
        if fault::is_ordered(Fault::Panic) || fault::fast_path_panics() {
            return None;
        }
        work(&mut request, is_sent)
    }));
    done.ok().flatten().unwrap_or(USE_SLOW_PATH)
}
