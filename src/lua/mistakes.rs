//! Saying mistakes aloud that the server lets through: once per worker, place in the code, and cause.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use super::call::{Call, Caller};
use super::stack::{Kept, push_kept};
use crate::host::{Host, Level};
use crate::response::mistake::Mistake;

/// Whether warnings reach the log: the option `warnings`, true by default.
///
/// # Safety
///
/// The upvalues are there, and two slots on the stack.
pub unsafe fn are_said(state: *mut lua_State) -> bool {
    // SAFETY: by contract.
    unsafe {
        push_kept(state, Kept::Warnings);
        let said = ffi::lua_isnil(state, -1) != 0 || ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 1);
        said
    }
}

/// Logs a mistake, unless it was logged before.
pub fn say(call: &Call, caller: Caller, mistake: &Mistake) {
    let position = position(call.state, caller as c_int);
    call.with_request(|request| {
        if request.is_new(mistake, &position) {
            request.log(Level::Warn, format!("{position}{}", mistake.text()).as_bytes());
        }
    });
}

/// Where the function at `level` is, as `luaL_where` writes it, but without Lua's memory.
fn position(state: *mut lua_State, level: c_int) -> String {
    // SAFETY: the running function and its callers are there; all this only reads them.
    unsafe {
        let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
        if ffi::lua_getstack(state, level, &mut frame) == 0
            || ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut frame) == 0
            || frame.currentline <= 0
        {
            return String::new();
        }
        let source = CStr::from_ptr(frame.short_src.as_ptr()).to_string_lossy();
        format!("{source}:{}: ", frame.currentline)
    }
}
