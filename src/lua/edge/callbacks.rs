//! The calls of the rules into Lua: the HTTP version of the request, Last-Modified, and the log.

use std::borrow::Cow;

use http::Version;
use mlua::ffi::{self, lua_State};

use super::call::Call;
use super::server::Server;
use super::stack::{self, Slot, push_bytes, push_slot, string};
use crate::host::{Callbacks, Level, version_of};

impl<S: Server> Callbacks for Call<S> {
    fn http_version(&self) -> Option<Version> {
        let state = self.state;
        // SAFETY: running, bound, slots: `Call` exists during the running call only. `pcall` catches errors.
        unsafe {
            push_slot(state, Slot::HttpVersion);
            stack::pcall(state, 0, 1).ok()?;
            let is_number = ffi::lua_type(state, -1) == ffi::LUA_TNUMBER;
            let version = is_number.then(|| ffi::lua_tonumber(state, -1)).and_then(version_of);
            ffi::lua_pop(state, 1);
            version
        }
    }

    fn last_modified(&self) -> Option<Vec<u8>> {
        let state = self.state;
        // SAFETY: as in `http_version`.
        unsafe {
            push_slot(state, Slot::ListedHeader);
            push_slot(state, Slot::LastModified);
            stack::pcall(state, 1, 1).ok()?;
            let value = string(state, -1).map(<[u8]>::to_vec);
            ffi::lua_pop(state, 1);
            value
        }
    }

    fn log<'line>(&self, level: Level, message: &'line [u8]) -> Option<Cow<'line, [u8]>> {
        let state = self.state;
        // SAFETY: as in `http_version`. Pushing the line may raise, so it runs under `protect`.
        unsafe {
            let mut line = Cow::Borrowed(message);
            if level == Level::Warn {
                // The option `warnings` is checked here, because all lines that a call logs pass here.
                if !warnings_enabled(state) {
                    return None;
                }
                let position = self.position();
                if !position.is_empty() {
                    line = Cow::Owned([position.as_bytes(), message].concat());
                }
            }
            push_slot(state, Slot::Log);
            if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
                ffi::lua_pop(state, 1);
                return Some(line);
            }
            let logged = stack::protect(state, 1, 0, &mut |state| {
                ffi::lua_pushnumber(state, f64::from(level as i32));
                push_bytes(state, &line);
                ffi::lua_call(state, 2, 0);
                0
            });
            logged.err().map(|_| line)
        }
    }
}

/// Whether warnings reach the log: the option `warnings`, true by default.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
pub unsafe fn warnings_enabled(state: *mut lua_State) -> bool {
    // SAFETY: running, bound, slots. Reading a boolean runs no code.
    unsafe {
        push_slot(state, Slot::Warnings);
        let enabled = ffi::lua_isnil(state, -1) != 0 || ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 1);
        enabled
    }
}
