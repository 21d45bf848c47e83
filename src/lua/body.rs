//! `get_raw_body` and `set_raw_body`. Only Lua can set `ngx.arg`: the facade does, as it is told here.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::call::{Caller, Needs, Reply, begin, guard, run};
use super::stack::string;
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

/// Checks that the body can be replaced by the string given, and forgets what was buffered.
///
/// # Safety
///
/// As [`get_raw_body`].
pub unsafe extern "C-unwind" fn set_raw_body<const MEMORY: bool>(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls.
    unsafe {
        run::<MEMORY>(state, Caller::ThroughFacade, Needs::request(phase::BODY, 1), |call| {
            call.with_request(|request| {
                body::replace(&request, string(state, 1))?;
                Ok(Reply::Nothing)
            })
        })
    }
}
