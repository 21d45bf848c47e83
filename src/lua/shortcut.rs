//! The small functions for Lua code that LuaJIT has compiled, which calls them through its FFI: there is
//! no Lua stack, and no value of Lua's.
//!
//! Each does the plain case. What is to be refused, to be logged, or to be asked of Lua it leaves as it
//! is and says [`NOT_MINE`]; `lua/kong/response/shortcuts.lua` then calls the C function of that name,
//! which knows the rest. The rules and the host behind both are the same.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use crate::host::nginx::{NgxRequest, Probe, Request, api};
use crate::host::{Callbacks, Host, Level, Write};
use crate::phase::{self, PhaseSet};
use crate::response::header::{self, Lookup};
use crate::response::status;

/// It was done.
const DONE: c_int = 0;
/// There is a value.
const FOUND: c_int = 1;
/// Nothing was done: the C function has to.
const NOT_MINE: c_int = -1;

/// An FFI call must not call Lua back. What would need to is left to the C functions before.
struct NoCallbacks;

impl Callbacks for NoCallbacks {
    fn http_version(&self) -> Option<f64> {
        None
    }

    fn log(&self, _: Level, _: &[u8]) -> bool {
        false
    }
}

/// Where the registry's `ngx_lua_ctx_tables` has `ngx.ctx`; negative where it has none yet.
///
/// # Safety
///
/// `request` is null, or nginx's request of the running Lua code. So it is for all below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kong_response_ctx_reference(request: *mut NgxRequest) -> c_int {
    match api() {
        // SAFETY: by contract.
        Ok(api) if !request.is_null() => unsafe { Request::ctx_reference(api, request) },
        _ => NOT_MINE,
    }
}

/// The status, or [`NOT_MINE`]. `phase` is what `ngx.ctx.KONG_PHASE` holds, or a number with every bit
/// where there is no gateway.
///
/// # Safety
///
/// As [`kong_response_ctx_reference`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kong_response_get_status(request: *mut NgxRequest, phase: f64) -> c_int {
    // SAFETY: by contract.
    unsafe { enter(request, phase, phase::READ, |request| request.status().ok().map(c_int::from)) }
}

/// # Safety
///
/// As [`kong_response_ctx_reference`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kong_response_set_status(
    request: *mut NgxRequest,
    phase: f64,
    status: f64,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        enter(request, phase, phase::WRITE, |request| {
            status::set(request, Some(status)).ok()?;
            Some(DONE)
        })
    }
}

/// [`FOUND`], with the value at `value` and `value_length`; [`DONE`] where there is none.
///
/// # Safety
///
/// As [`kong_response_ctx_reference`]; `name` is valid for reads of `length` bytes, both outputs are
/// valid for writes. The value lives as long as the request does not change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kong_response_get_header(
    request: *mut NgxRequest,
    phase: f64,
    name: *const u8,
    length: usize,
    value: *mut *const u8,
    value_length: *mut usize,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let name = std::slice::from_raw_parts(name, length);
        enter(request, phase, phase::READ, |request| {
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
/// As [`kong_response_ctx_reference`]; `name` and `value` are valid for reads of so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kong_response_write_header(
    request: *mut NgxRequest,
    phase: f64,
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
        enter(request, phase, phase::WRITE, |request| {
            if header::is_ignored(name) {
                return None;
            }
            status::refuse_when_sent(request).ok()?;
            header::check_and_write(request, name, &[value], how).ok()?;
            Some(DONE)
        })
    }
}

/// # Safety
///
/// As [`kong_response_ctx_reference`]; `name` is valid for reads of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kong_response_clear_header(
    request: *mut NgxRequest,
    phase: f64,
    name: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let name = std::slice::from_raw_parts(name, length);
        enter(request, phase, phase::WRITE, |request| {
            status::refuse_when_sent(request).ok()?;
            header::clear(request, name).ok()?;
            Some(DONE)
        })
    }
}

/// Lends a client's request to `work`, if this phase is one of `phases`; what fails in any way is
/// [`NOT_MINE`].
unsafe fn enter(
    request: *mut NgxRequest,
    phase: f64,
    phases: PhaseSet,
    work: impl FnOnce(&mut Request<'_>) -> Option<c_int>,
) -> c_int {
    let work = AssertUnwindSafe(|| {
        let api = api().ok()?;
        let there = NonNull::new(request)?;
        // SAFETY: by contract of the exported functions; nginx does not go on before they return.
        let mut request = unsafe {
            if !matches!(Request::probe(api, request), Probe::Real { .. }) {
                return None;
            }
            Request::new(api, there, &NoCallbacks)
        };
        if !phases.holds(phase) {
            return None;
        }
        work(&mut request)
    });
    catch_unwind(work).ok().flatten().unwrap_or(NOT_MINE)
}
