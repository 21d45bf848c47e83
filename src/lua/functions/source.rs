//! `get_source`.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::error::Error;
use crate::lua::edge::call::{Caller, Needs, begin, flag, guard, raise};
use crate::lua::edge::server::Server;
use crate::lua::edge::stack::{Slot, push_bytes, type_name};
use crate::phase;
use crate::response::source::Source;

/// `get_source(ctx|nil)`: with a table, reads that instead of `ngx.ctx`, and does not check the phase.
///
/// # Safety
///
/// Lua calls it, as a closure that `bind` has made: running, bound.
pub unsafe extern "C-unwind" fn get_source<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. Reading a field may raise, but only numbers
    // and booleans are alive then.
    unsafe {
        ffi::lua_settop(state, 1);
        let ctx = match ffi::lua_type(state, 1) {
            ffi::LUA_TTABLE => 1,
            ffi::LUA_TNIL => {
                let phases = Some(phase::READ);
                let needs = Needs { arguments: 0, phases, ctx: true, only_ctx: true };
                begin::<S>(state, Caller::Direct, needs).ctx
            }
            _ => {
                let got = type_name(state, 1);
                raise(state, Caller::Direct, Error::NotTable { what: "ctx", got })
            }
        };
        let caller = Caller::Direct;
        let unexpected = flag(state, ctx, Slot::Unexpected, caller);
        let exited = !unexpected && flag(state, ctx, Slot::Exited, caller);
        let proxied = !unexpected && !exited && flag(state, ctx, Slot::Proxied, caller);
        let source = guard(state, caller, || Ok(Source::of(unexpected, exited, proxied)));
        push_bytes(state, source.name().as_bytes());
        1
    }
}
