//! `exit` in the stream subsystem. It reads `ngx.ctx` and calls no C function of nginx. The process may have the C
//! functions for HTTP, but they would read a stream as an HTTP request.
//!
//! The facade prints, exits and yields, because a C function cannot do this. It gets the code to exit with, the text
//! to print and the line to log. It gets nothing if the response is delayed.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::delayed::{BODY, HEADERS, STATUS, is_delayed, store_delayed, unpack_delayed};
use crate::error::Error;
use crate::lua::edge::args::number;
use crate::lua::edge::call::{Caller, guard, raise};
use crate::lua::edge::stack::{self, Slot, push_bytes, string, type_name, upvalue};
use crate::lua::json::LuaTable;
use crate::response::exit::Body;
use crate::response::stream::{self, Code, Delivery};

const CALLER: Caller = Caller::ThroughFacade;
/// The index of `ngx.ctx` on the stack.
const CTX: c_int = 4;

/// The native functions of an instance for streams.
pub const FUNCTIONS: [(&CStr, lua_CFunction); 2] = [(c"exit", exit), (c"flush", flush)];

/// The checked arguments of `exit`. A body that is a string stays on the stack.
struct Arguments {
    code: Code,
    /// The JSON of a body that is a table.
    encoded: Option<Vec<u8>>,
}

/// # Safety
///
/// Lua calls it, as a closure that `bind` has made: running, bound.
unsafe extern "C-unwind" fn exit(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. Reading fields may raise, but only in step
    // 1. If there is no memory for the results, unwinding drops the arguments.
    unsafe {
        ffi::lua_settop(state, HEADERS);
        push_ctx(state);
        let delayed = is_delayed(state, CTX);
        let arguments = guard(state, CALLER, || read(state));
        if !delayed {
            return arguments.finish(state);
        }
        drop(arguments);
        store_delayed(
            state,
            CTX,
            |state| ffi::lua_pushvalue(state, BODY),
            |state| ffi::lua_pushvalue(state, HEADERS),
        );
        0
    }
}

/// The callback of a delayed response: its argument is the `ngx.ctx` that holds it.
///
/// # Safety
///
/// As [`exit`].
unsafe extern "C-unwind" fn flush(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. Reading fields may raise, but only in step
    // 1. If there is no memory for the results, unwinding drops the arguments.
    unsafe {
        ffi::lua_settop(state, 1);
        unpack_delayed(state);
        let arguments = guard(state, CALLER, || read(state));
        arguments.finish(state)
    }
}

/// Pushes `ngx.ctx`. Raises `API disabled in the current context` if nginx serves no stream.
///
/// # Safety
///
/// Running, bound, slots. It raises.
unsafe fn push_ctx(state: *mut lua_State) {
    // SAFETY: running, bound, slots. Reading `ngx.ctx` runs Lua code; `push_field` returns what that raises.
    unsafe {
        let read = stack::push_field(state, ffi::lua_upvalueindex(upvalue::NGX), Slot::Ctx);
        if read.is_err() {
            drop(read);
            raise(state, CALLER, Error::Disabled);
        }
        if ffi::lua_type(state, -1) != ffi::LUA_TTABLE {
            let got = type_name(state, -1);
            raise(state, CALLER, Error::NotTable { what: "ngx.ctx", got });
        }
    }
}

/// Checks code and body, and encodes a table.
///
/// # Errors
///
/// The errors for a wrong code or body.
///
/// # Safety
///
/// Running, bound, slots; code and body are at their indexes of the stack. Guarded.
unsafe fn read(state: *mut lua_State) -> Result<Arguments, Error> {
    // SAFETY: running, bound, slots. Both values stay on the stack, so the bytes of a string are reachable.
    unsafe {
        let code = Code::check(number(state, STATUS).ok_or(Error::StatusType)?)?;
        let mut table = LuaTable { state, index: BODY };
        let body = match ffi::lua_type(state, BODY) {
            ffi::LUA_TNIL => Body::None,
            ffi::LUA_TSTRING => Body::Bytes(string(state, BODY).unwrap_or_default()),
            ffi::LUA_TTABLE => Body::Table(&mut table),
            _ => return Err(Error::BodyType),
        };
        Ok(Arguments { code, encoded: stream::encode(body)? })
    }
}

impl Arguments {
    /// Pushes the results for the facade: the code, the text to print, the line to log. Returns the number of
    /// results.
    ///
    /// # Safety
    ///
    /// Running, slots; the body is at its index of the stack. It raises if there is no memory. Then unwinding drops `self`.
    unsafe fn finish(self, state: *mut lua_State) -> c_int {
        // SAFETY: running, slots; the body stays on the stack, so its bytes are reachable. The caller is in step 3.
        unsafe {
            ffi::lua_pushnumber(state, f64::from(self.code.as_u16()));
            let given = string(state, BODY);
            match (self.code.delivery(), self.encoded.as_deref().or(given)) {
                (_, None) => return 1,
                (Delivery::Client, Some(_)) if self.encoded.is_none() => {
                    ffi::lua_pushvalue(state, BODY);
                }
                (Delivery::Client, Some(body)) => push_bytes(state, body),
                (Delivery::Log, Some(body)) => {
                    ffi::lua_pushnil(state);
                    push_bytes(state, &stream::log_line(self.code, body));
                    return 3;
                }
            }
            2
        }
    }
}
