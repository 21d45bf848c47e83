//! Delayed responses: `exit` stores them in `ngx.ctx`, and the gateway sends them later.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::error::Error;
use crate::lua::edge::call::{Caller, flag, push_field, raise};
use crate::lua::edge::stack::{Slot, push_slot, type_name};

const CALLER: Caller = Caller::ThroughFacade;
/// The indexes of the arguments of `exit` on the stack.
pub const STATUS: c_int = 1;
pub const BODY: c_int = 2;
pub const HEADERS: c_int = 3;

/// Replaces the only argument, an `ngx.ctx`, by the arguments of the delayed `exit`. Then the stack has the status,
/// the body, the headers and that `ngx.ctx`. Returns the index of `ngx.ctx`.
///
/// # Safety
///
/// Running, bound, slots; the stack has one argument. It raises.
pub unsafe fn unpack_delayed(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound, slots, in step 1. `must_be_table` has checked both tables.
    unsafe {
        must_be_table(state, 1, "ctx");
        push_field(state, 1, Slot::DelayedResponse, CALLER);
        must_be_table(state, 2, "ctx.delayed_response");
        for field in [Slot::StatusCode, Slot::Content, Slot::Headers] {
            push_field(state, 2, field, CALLER);
        }
        ffi::lua_pushvalue(state, 1);
        ffi::lua_remove(state, 1);
        ffi::lua_remove(state, 1);
        4
    }
}

/// Raises `<what> must be a table, got <type>` if the value at `index` is not a table.
///
/// # Safety
///
/// Running, slots; `index` is valid. It raises.
unsafe fn must_be_table(state: *mut lua_State, index: c_int, what: &'static str) {
    // SAFETY: running, and the index is valid. No value is alive that Rust has to drop.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TTABLE {
            let got = type_name(state, index);
            raise(state, CALLER, Error::NotTable { what, got });
        }
    }
}

/// Whether `exit` must delay the response: `ctx.delay_response` is true, and no response is stored yet.
///
/// # Safety
///
/// Running, bound, slots; `ngx.ctx` is at `ctx`. It raises what a metamethod raises.
pub unsafe fn is_delayed(state: *mut lua_State, ctx: c_int) -> bool {
    // SAFETY: the contract of `flag` is the same.
    unsafe {
        flag(state, ctx, Slot::DelayResponse, CALLER)
            && !flag(state, ctx, Slot::DelayedResponse, CALLER)
    }
}

/// `ctx.KONG_EXITED = true`
///
/// # Safety
///
/// Running, bound, slots; `ngx.ctx` is at `ctx`, which is absolute. It raises if there is no memory.
pub unsafe fn mark_exited(state: *mut lua_State, ctx: c_int) {
    // SAFETY: running, bound, slots, and a table is at `ctx`. lua_rawset runs no Lua code.
    unsafe {
        push_slot(state, Slot::Exited);
        ffi::lua_pushboolean(state, 1);
        ffi::lua_rawset(state, ctx);
    }
}

/// Stores a response in `ctx.delayed_response`, and the function that sends it in `ctx.delayed_response_callback`.
///
/// # Safety
///
/// As [`mark_exited`]; the status is at its index of the stack; each of the two functions pushes one value.
pub unsafe fn store_delayed(
    state: *mut lua_State,
    ctx: c_int,
    push_content: impl FnOnce(*mut lua_State),
    push_headers: impl FnOnce(*mut lua_State),
) {
    // SAFETY: running, bound, slots, and a table is at `ctx`. Raw writes run no Lua code.
    unsafe {
        push_slot(state, Slot::DelayedResponse);
        ffi::lua_createtable(state, 0, 3);
        push_slot(state, Slot::StatusCode);
        ffi::lua_pushvalue(state, STATUS);
        ffi::lua_rawset(state, -3);
        push_slot(state, Slot::Content);
        push_content(state);
        ffi::lua_rawset(state, -3);
        push_slot(state, Slot::Headers);
        push_headers(state);
        ffi::lua_rawset(state, -3);
        ffi::lua_rawset(state, ctx);
        push_slot(state, Slot::DelayedResponseCallback);
        push_slot(state, Slot::Flush);
        ffi::lua_rawset(state, ctx);
    }
}
