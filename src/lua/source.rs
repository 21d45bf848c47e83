//! `get_source`.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::call::{Caller, Needs, begin, guard, raise};
use super::stack::{self, Kept, push_bytes, type_name};
use crate::error::Error;
use crate::phase;
use crate::response::source::Source;

/// With a table as its argument, that is the `ngx.ctx` to look at, and no phase is checked.
///
/// # Safety
///
/// Called by Lua, with the upvalues of [`upvalue`](super::stack::upvalue).
pub unsafe extern "C-unwind" fn get_source<const MEMORY: bool>(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls. Reading a field may raise: no Rust value is alive then.
    unsafe {
        ffi::lua_settop(state, 1);
        let ctx = match ffi::lua_type(state, 1) {
            ffi::LUA_TTABLE => 1,
            ffi::LUA_TNIL => {
                let phases = Some(phase::READ);
                let needs = Needs { arguments: 0, phases, ctx: true, only_ctx: true };
                begin::<MEMORY>(state, Caller::Direct, needs).ctx
            }
            _ => {
                let got = type_name(state, 1);
                raise(state, Caller::Direct, Error::NotTable { what: "ctx", got })
            }
        };
        let caller = Caller::Direct;
        let unexpected = flag(state, ctx, Kept::Unexpected, caller);
        let exited = !unexpected && flag(state, ctx, Kept::Exited, caller);
        let proxied = !unexpected && !exited && flag(state, ctx, Kept::Proxied, caller);
        let source = guard(state, caller, || Ok(Source::of(unexpected, exited, proxied)));
        push_bytes(state, source.name().as_bytes());
        1
    }
}

/// Whether a field of the table at `ctx` is true. It raises what a metamethod raises, as a string.
///
/// # Safety
///
/// As [`push_field`].
pub unsafe fn flag(state: *mut lua_State, ctx: c_int, name: Kept, caller: Caller) -> bool {
    // SAFETY: by contract.
    unsafe {
        push_field(state, ctx, name, caller);
        let is_true = ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 1);
        is_true
    }
}

/// Pushes a field of the table at `table`. It raises what a metamethod raises, as a string.
///
/// # Safety
///
/// As [`stack::push_field`]; no `catch_unwind` is below.
pub unsafe fn push_field(state: *mut lua_State, table: c_int, name: Kept, caller: Caller) {
    // SAFETY: by contract.
    unsafe {
        if let Err(text) = stack::push_field(state, table, name) {
            raise(state, caller, Error::thrown(text));
        }
    }
}
