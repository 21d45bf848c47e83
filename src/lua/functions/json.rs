//! `encode` and `decode` of `kong.response.json`. They need no request.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_CFunction, lua_State};

use crate::lua::edge::call::{Caller, guard};
use crate::lua::edge::stack::{Slot, protect, push_bytes, push_slot};
use crate::lua::json;
use crate::lua::json::read::Tape;

/// The functions, by name.
pub const FUNCTIONS: [(&CStr, lua_CFunction); 2] = [(c"encode", encode), (c"decode", decode)];

/// `encode(value) -> string | nil, reason`
///
/// # Safety
///
/// Lua calls it, as a closure that `bind` has made: running, bound.
unsafe extern "C-unwind" fn encode(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The push may raise and borrows the text, so
    // `protect` runs it.
    unsafe {
        ffi::lua_settop(state, 1);
        let written = guard(state, Caller::Direct, || {
            Ok(match json::encode(state, 1) {
                Ok(text) => protect(state, 0, 1, &mut |state| {
                    push_bytes(state, &text);
                    1
                }),
                Err(error) => {
                    let mut reason = Vec::new();
                    error.write_to(&mut reason);
                    Err(reason)
                }
            })
        });
        push_outcome(state, written)
    }
}

/// `decode(text) -> value | nil, reason`
///
/// # Safety
///
/// As [`encode`].
unsafe extern "C-unwind" fn decode(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The text stays at 1, so it is reachable.
    // The pushes may raise and borrow the tape, so `protect` runs them.
    unsafe {
        ffi::lua_settop(state, 1);
        let read = guard(state, Caller::Direct, || {
            Ok(Tape::read_at(state, 1).and_then(|tape| {
                push_slot(state, Slot::ArrayMt);
                protect(state, 1, 1, &mut |state| {
                    tape.push_value(state);
                    1
                })
            }))
        });
        push_outcome(state, read)
    }
}

/// Leaves the value on top of the stack, or pushes nil and the reason. Returns the number of results.
///
/// # Safety
///
/// Running, slots. It raises.
unsafe fn push_outcome(state: *mut lua_State, outcome: Result<(), Vec<u8>>) -> c_int {
    let Err(reason) = outcome else { return 1 };
    // SAFETY: running, slots, in step 3. If there is no memory for the reason, unwinding drops it.
    unsafe {
        ffi::lua_pushnil(state);
        push_bytes(state, &reason);
    }
    2
}
