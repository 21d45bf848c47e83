//! Warnings about mistakes that the server accepts silently. A worker logs each cause once for each line of code.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use super::call::{Call, Caller};
use super::server::Server;
use crate::host::{Host, Level};
use crate::response::warning::Warning;

/// Logs a warning, unless it was logged before.
pub fn emit<S: Server>(call: &Call<S>, caller: Caller, warning: &Warning) {
    let position = position(call.state, caller as c_int);
    call.with_request(|request| {
        if request.is_new(&format!("{position}{}", warning.cause())) {
            request.log(Level::Warn, format!("{position}{}", warning.text()).as_bytes());
        }
    });
}

/// The position of the function at `level`, as `luaL_where` writes it: `plugin.lua:12: `. It allocates no memory of
/// Lua, so it cannot raise an error.
fn position(state: *mut lua_State, level: c_int) -> String {
    // SAFETY: running: `emit` gets the state from the `Call` of the running function, so the frames and their names
    // stay while they are read. Zeroes are a valid lua_Debug.
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
