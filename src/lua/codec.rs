//! `encode` and `decode` of `kong.response.json`. They need no request.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::bind::push_functions;
use super::call::{Caller, guard};
use super::json;
use super::json::read::Tape;
use super::stack::{Kept, protect, push_bytes, push_kept};
use crate::response::body;

/// `json(services) -> { encode, decode }`: the functions, with the sentinels among the services.
///
/// # Safety
///
/// Called by Lua.
pub unsafe extern "C-unwind" fn bind(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls, so the stack has free slots; nothing of Rust is alive. No `ngx` is needed: an
    // empty table takes its place.
    unsafe {
        ffi::lua_settop(state, 1);
        ffi::lua_createtable(state, 0, 0);
        ffi::lua_insert(state, 1);
        push_functions(state, &[(c"encode", encode), (c"decode", decode)])
    }
}

/// `encode(value) -> string | nil, reason`
///
/// # Safety
///
/// Called by Lua, with the upvalues of [`upvalue`](super::stack::upvalue).
unsafe extern "C-unwind" fn encode(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls. The string is pushed under `protect`, which borrows the bytes.
    unsafe {
        ffi::lua_settop(state, 1);
        let written = guard(state, Caller::Direct, || {
            Ok(match json::encode(state, 1) {
                Ok(text) => {
                    let pushed = protect(state, 0, 1, &mut |state| {
                        push_bytes(state, &text);
                        1
                    });
                    body::recycle(text);
                    pushed
                }
                Err(error) => {
                    let mut reason = Vec::new();
                    error.write_to(&mut reason);
                    Err(reason)
                }
            })
        });
        answer(state, written)
    }
}

/// `decode(text) -> value | nil, reason`
///
/// # Safety
///
/// As [`encode`].
unsafe extern "C-unwind" fn decode(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls. The text stays at 1, so Lua keeps it. The values are pushed under `protect`, which
    // borrows the tape.
    unsafe {
        ffi::lua_settop(state, 1);
        let read = guard(state, Caller::Direct, || {
            Ok(Tape::read_at(state, 1).and_then(|tape| {
                push_kept(state, Kept::ArrayMt);
                protect(state, 1, 1, &mut |state| {
                    tape.push_value(state);
                    1
                })
            }))
        });
        answer(state, read)
    }
}

/// Answers with the value on top, or with nil and the reason.
///
/// # Safety
///
/// There are two slots on the stack; no `catch_unwind` is below.
unsafe fn answer(state: *mut lua_State, outcome: Result<(), Vec<u8>>) -> c_int {
    let Err(reason) = outcome else { return 1 };
    // SAFETY: the caller has seen to the slots. If there is no memory for the reason, unwinding drops it.
    unsafe {
        ffi::lua_pushnil(state);
        push_bytes(state, &reason);
    }
    2
}
