//! The functions for the status and for headers.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::error::{Error, Setter};
use crate::host::{Host, Write};
use crate::lua::edge::args::{self, each_item, number, scalar};
use crate::lua::edge::call::{Call, Caller, Needs, begin, guard, raise, run};
use crate::lua::edge::reply::Reply;
use crate::lua::edge::server::Server;
use crate::lua::edge::stack::{self, Slot, push_slot, string, type_name};
use crate::phase;
use crate::response::header::{self, Lookup};
use crate::response::status;

const fn reads(arguments: c_int) -> Needs {
    Needs::request(phase::READ, arguments)
}

const fn writes(arguments: c_int) -> Needs {
    Needs::request(phase::WRITE, arguments)
}

/// # Safety
///
/// Lua calls it, as a closure that `bind` has made: running, bound.
pub unsafe extern "C-unwind" fn get_status<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        run::<S>(state, Caller::Direct, reads(0), |call| {
            let status = call.with_request(|request| request.status())?;
            Ok(Reply::Number(f64::from(status)))
        })
    }
}

/// # Safety
///
/// As [`get_status`].
pub unsafe extern "C-unwind" fn set_status<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        run::<S>(state, Caller::Direct, writes(1), |call| {
            call.refuse_when_sent()?;
            let code = number(state, 1).ok_or(Error::StatusType)?;
            call.with_request(|mut request| status::set(&mut request, code))?;
            Ok(Reply::Nothing)
        })
    }
}

/// # Safety
///
/// As [`get_status`].
pub unsafe extern "C-unwind" fn get_header<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order. The name stays on
    // the stack, so its bytes are reachable.
    unsafe {
        let call = begin::<S>(state, Caller::Direct, reads(1));
        let found = guard(state, Caller::Direct, || {
            let name = string(state, 1).ok_or(Error::HeaderNameType)?;
            match header::lookup(name) {
                Lookup::Direct => call.with_request(|request| {
                    let value = request.header(name)?;
                    Ok(Ok(value.map_or(Reply::Nil, Reply::from)))
                }),
                in_list => Ok(Err(in_list)),
            }
        });
        match found {
            Ok(reply) => reply.push(state),
            // Only Lua can read the list of headers.
            Err(lookup) => {
                push_slot(state, Slot::ListedHeader);
                ffi::lua_pushvalue(state, 1);
                ffi::lua_pushboolean(state, c_int::from(lookup == Lookup::Synthesised));
                call_service(state, 2, 1)
            }
        }
    }
}

/// # Safety
///
/// As [`get_status`].
pub unsafe extern "C-unwind" fn get_headers<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        begin::<S>(state, Caller::Direct, reads(1));
        let max = guard(state, Caller::Direct, || match ffi::lua_type(state, 1) {
            ffi::LUA_TNIL => Ok(None),
            _ => header::check_max(number(state, 1).ok_or(Error::MaxHeadersType)?).map(Some),
        });
        push_slot(state, Slot::AllHeaders);
        match max {
            Some(max) => ffi::lua_pushnumber(state, f64::from(max)),
            None => ffi::lua_pushnil(state),
        }
        call_service(state, 1, 2)
    }
}

/// Calls the service below its arguments, and leaves its results on the stack. Raises its error as a string. Returns
/// the number of results.
///
/// # Safety
///
/// Running; the service and its arguments are on top of the stack. It raises.
unsafe fn call_service(state: *mut lua_State, arguments: c_int, results: c_int) -> c_int {
    // SAFETY: running, and the values are there. Only the text of the error is alive, and `raise` drops it.
    unsafe {
        if let Err(text) = stack::pcall(state, arguments, results) {
            raise(state, Caller::Direct, Error::thrown(text));
        }
    }
    results
}

/// # Safety
///
/// As [`get_status`].
pub unsafe extern "C-unwind" fn set_header<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe { run::<S>(state, Caller::Direct, writes(2), |call| write(call, Write::Set)) }
}

/// # Safety
///
/// As [`get_status`].
pub unsafe extern "C-unwind" fn add_header<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe { run::<S>(state, Caller::Direct, writes(2), |call| write(call, Write::Add)) }
}

/// # Safety
///
/// As [`get_status`].
pub unsafe extern "C-unwind" fn clear_header<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        run::<S>(state, Caller::Direct, writes(1), |call| {
            call.refuse_when_sent()?;
            let name = string(state, 1).ok_or(Error::HeaderNameType)?;
            call.with_request(|mut request| header::clear(&mut request, name, call.phase))?;
            Ok(Reply::Nothing)
        })
    }
}

/// # Safety
///
/// As [`get_status`].
pub unsafe extern "C-unwind" fn set_headers<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        run::<S>(state, Caller::Direct, writes(1), |call| {
            call.refuse_when_sent()?;
            if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
                return Err(Error::HeadersNotTable);
            }
            let headers = args::headers(state, 1)?;
            call.with_request(|mut request| header::write_all(&mut request, &headers, call.phase))?;
            Ok(Reply::Nothing)
        })
    }
}

/// Step 2 of `set_header` and `add_header`. The name is at 1, the value at 2.
///
/// # Errors
///
/// `headers have already been sent`, and the errors for a wrong name or value.
///
/// # Safety
///
/// The call is the running one, bound. Guarded.
unsafe fn write<S: Server>(call: &Call<S>, how: Write) -> Result<Reply, Error> {
    call.refuse_when_sent()?;
    let state = call.state;
    // SAFETY: running, bound, slots: the call is the running one. Name and value stay on the stack, and no Lua code
    // runs before the strings of an array are used, so nothing removes them from the table. All strings are
    // reachable.
    unsafe {
        let Some(name) = string(state, 1) else {
            let got = type_name(state, 1);
            return Err(Error::InvalidHeaderName { name: args::display(state, 1), got });
        };
        let set = |values: &[&[u8]]| {
            call.with_request(|mut request| {
                header::write(&mut request, name, values, how, call.phase)
            })
        };
        if let Some(text) = string(state, 2) {
            set(&[text])?;
        } else if let Some(mut scalar) = scalar(state, 2)? {
            set(&[scalar.as_bytes()])?;
        } else if ffi::lua_type(state, 2) == ffi::LUA_TTABLE {
            let mut items = Vec::new();
            each_item(state, 2, name, |item| items.push(item))?;
            set(&items)?;
        } else {
            let (name, got) = (name.to_vec(), type_name(state, 2));
            return Err(Error::InvalidHeaderValue { name, got, setter: Setter::One });
        }
    }
    Ok(Reply::Nothing)
}
