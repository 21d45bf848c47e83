//! Warnings about mistakes that the server accepts silently. A worker logs each cause once for each line of code.

use std::ffi::{CStr, c_int};

use mlua::ffi;

use super::call::Call;
use super::server::Server;
use crate::host::{Host, Level};
use crate::response::warning::Warning;

/// Logs a warning, unless it was logged before.
pub fn emit<S: Server>(call: &Call<S>, warning: &Warning) {
    let position = call.position();
    call.with_request(|request| {
        if request.is_new(&format!("{position}{}", warning.cause())) {
            request.log(Level::Warn, warning.text().as_bytes());
        }
    });
}

impl<S: Server> Call<S> {
    /// The position of the caller, as `luaL_where` writes it: `plugin.lua:12: `. It allocates no memory of Lua, so it
    /// cannot raise an error.
    pub fn position(&self) -> String {
        let (state, Some(caller)) = (self.state, self.caller) else { return String::new() };
        // SAFETY: running: `Call` exists during the running call only, so the frames and their names stay while they
        // are read. Zeroes are a valid lua_Debug.
        unsafe {
            let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
            if ffi::lua_getstack(state, caller as c_int, &mut frame) == 0
                || ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut frame) == 0
                || frame.currentline <= 0
            {
                return String::new();
            }
            let source = CStr::from_ptr(frame.short_src.as_ptr()).to_string_lossy();
            format!("{source}:{}: ", frame.currentline)
        }
    }
}
