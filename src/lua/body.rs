//! `get_raw_body` and `set_raw_body`. Only Lua can set `ngx.arg`: the facade does, as it is told here.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::call::{Caller, Needs, Reply, begin, guard, raise};
use super::stack::{main_thread_runs, string};
use crate::error::Error;
use crate::phase;
use crate::response::body::{self, Consumed};

/// Consumes the current chunk. Returns the body, if this is its end, else nil; and whether the chunk
/// may stay as it is.
///
/// # Safety
///
/// Called by Lua, with the upvalues of [`upvalue`](super::stack::upvalue).
pub unsafe extern "C-unwind" fn get_raw_body<const MEMORY: bool>(state: *mut lua_State) -> c_int {
    let caller = Caller::ThroughFacade;
    // SAFETY: Lua calls.
    unsafe {
        let call = begin::<MEMORY>(state, caller, Needs::request(phase::BODY, 0));
        refuse_a_stale_phase::<MEMORY>(state);
        let (reply, keep) = guard(state, caller, || {
            call.with_request(|request| {
                Ok(match body::consume(&request)? {
                    Consumed::Buffered => (Reply::Nil, false),
                    Consumed::AsItIs(bytes) => (Reply::from(bytes), true),
                    Consumed::Whole(body) => (Reply::Bytes(body), false),
                })
            })
        });
        reply.push(state);
        ffi::lua_pushboolean(state, c_int::from(keep));
        2
    }
}

/// Checks that the body can be replaced by the string given, and forgets what was buffered. Returns
/// whether the response may have a body.
///
/// # Safety
///
/// As [`get_raw_body`].
pub unsafe extern "C-unwind" fn set_raw_body<const MEMORY: bool>(state: *mut lua_State) -> c_int {
    let caller = Caller::ThroughFacade;
    // SAFETY: Lua calls.
    unsafe {
        let call = begin::<MEMORY>(state, caller, Needs::request(phase::BODY, 1));
        refuse_a_stale_phase::<MEMORY>(state);
        let has_body = guard(state, caller, || {
            call.with_request(|request| body::replace(&request, string(state, 1)))
        });
        ffi::lua_pushboolean(state, c_int::from(has_body));
        1
    }
}

/// lua-nginx-module forgets to leave the body filter's phase when something is printed behind the end
/// of a body: then only where the code runs tells that this is no filter, and that the chunk is gone.
///
/// # Safety
///
/// As [`main_thread_runs`].
unsafe fn refuse_a_stale_phase<const MEMORY: bool>(state: *mut lua_State) {
    // SAFETY: by contract; nothing of Rust is alive.
    unsafe {
        if !MEMORY && !main_thread_runs(state) {
            raise(state, Caller::ThroughFacade, Error::Disabled);
        }
    }
}
