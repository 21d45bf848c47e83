//! The headers as Lua code reads and writes them: `ngx.header`, `ngx.resp.get_headers`.

use std::ffi::{CStr, c_int};
use std::ptr;

use mlua::ffi::{self, lua_State};

use super::host;
use super::values::{items, optional};
use crate::error::Error;
use crate::host::{Host, Write};
use crate::lua::call::{Caller, guard};
use crate::lua::stack::{push_bytes, string};

/// The name of the metatable of lists of headers in the registry.
const HEADERS_TYPE: &CStr = c"kong.response.memory_headers";

method! {
    /// `host:get_header(name) -> nil | string | array`
    get_header(1) |state, memory| {
        let name = string(state, 2).ok_or(Error::HeaderNameType)?;
        Ok(memory.borrow().read_header(name))
    }, |values| {
        match &values[..] {
            [] => ffi::lua_pushnil(state),
            [one] => push_bytes(state, one),
            several => {
                ffi::lua_createtable(state, several.len() as c_int, 0);
                for (i, value) in (1..).zip(several) {
                    push_bytes(state, value);
                    ffi::lua_rawseti(state, -2, i);
                }
            }
        }
        1
    }
}

/// `host:set_header(name, value)`: as `ngx.header[name] = value`.
///
/// # Safety
///
/// Called by Lua.
pub unsafe extern "C-unwind" fn set_header(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls. Values become strings in front of any Rust value, for that may raise; the
    // strings of an array are in a table of our own, which stays on the stack.
    unsafe {
        ffi::lua_settop(state, 3);
        let memory = host(state);
        ffi::luaL_tolstring(state, 2, ptr::null_mut());
        ffi::lua_replace(state, 2);
        match ffi::lua_type(state, 3) {
            ffi::LUA_TNIL => (),
            ffi::LUA_TTABLE => {
                let count = ffi::lua_rawlen(state, 3) as c_int;
                ffi::lua_createtable(state, count, 0);
                for i in 1..=count {
                    ffi::lua_rawgeti(state, 3, i.into());
                    ffi::luaL_tolstring(state, -1, ptr::null_mut());
                    ffi::lua_rawseti(state, 4, i.into());
                    ffi::lua_pop(state, 1);
                }
                ffi::lua_replace(state, 3);
            }
            _ => {
                ffi::luaL_tolstring(state, 3, ptr::null_mut());
                ffi::lua_replace(state, 3);
            }
        }
        guard(state, Caller::Direct, || {
            let name = string(state, 2).ok_or(Error::HeaderNameType)?;
            let values = match string(state, 3) {
                Some(value) => vec![value],
                None if ffi::lua_type(state, 3) == ffi::LUA_TTABLE => items(state, 3),
                None => Vec::new(),
            };
            match memory.borrow_mut().write_header(name, &values, Write::Set) {
                Err(Error::HeadersSent) => Ok(()),
                outcome => outcome,
            }
        });
        0
    }
}

/// `host:get_headers(max, raw) -> table, "truncated"|nil`: as `ngx.resp.get_headers`.
///
/// # Safety
///
/// Called by Lua.
pub unsafe extern "C-unwind" fn get_headers(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls. What is pushed may raise for want of memory, which costs no more than what
    // is alive.
    unsafe {
        ffi::lua_settop(state, 3);
        let memory = host(state);
        let raw = ffi::lua_toboolean(state, 3) != 0;
        let (headers, truncated) = guard(state, Caller::Direct, || {
            let max = optional(state, 2, "max", ffi::LUA_TNUMBER)?;
            Ok(memory.borrow().list(max.map(|max| ffi::lua_tonumber(state, max) as i64)))
        });
        ffi::lua_createtable(state, 0, headers.len() as c_int);
        for (name, value) in &headers {
            if raw {
                push_bytes(state, name);
            } else {
                push_bytes(state, &name.to_ascii_lowercase());
            }
            push_bytes(state, value);
            add_value(state);
        }
        if !raw {
            if ffi::luaL_newmetatable(state, HEADERS_TYPE.as_ptr()) != 0 {
                ffi::lua_pushcclosure(state, dashed_index, 0);
                ffi::lua_setfield(state, -2, c"__index".as_ptr());
            }
            ffi::lua_setmetatable(state, -2);
        }
        if truncated {
            push_bytes(state, b"truncated");
        } else {
            ffi::lua_pushnil(state);
        }
        2
    }
}

/// Puts the value on top under the key below it into the table below that; a second value makes an
/// array.
unsafe fn add_value(state: *mut lua_State) {
    // SAFETY: the three are there, and slots enough.
    unsafe {
        ffi::lua_pushvalue(state, -2);
        match ffi::lua_rawget(state, -4) {
            ffi::LUA_TNIL => {
                ffi::lua_pop(state, 1);
                ffi::lua_rawset(state, -3);
            }
            ffi::LUA_TTABLE => {
                ffi::lua_insert(state, -2);
                let next = ffi::lua_rawlen(state, -2) + 1;
                ffi::lua_rawseti(state, -2, next as ffi::lua_Integer);
                ffi::lua_pop(state, 2);
            }
            _ => {
                // key, second, first
                ffi::lua_createtable(state, 2, 0);
                ffi::lua_insert(state, -3);
                ffi::lua_rawseti(state, -3, 1);
                ffi::lua_rawseti(state, -2, 2);
                ffi::lua_rawset(state, -3);
            }
        }
    }
}

/// The `__index` of nginx's lists of headers: in lower case, with `_` as `-`.
///
/// # Safety
///
/// Called by Lua, with a table and a key.
unsafe extern "C-unwind" fn dashed_index(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls. What is pushed may raise for want of memory, which costs no more than what
    // is alive.
    unsafe {
        ffi::lua_settop(state, 2);
        match string(state, 2) {
            Some(name) if ffi::lua_type(state, 1) == ffi::LUA_TTABLE => {
                let dashed: Vec<u8> = name
                    .iter()
                    .map(|&byte| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() })
                    .collect();
                push_bytes(state, &dashed);
                ffi::lua_rawget(state, 1);
            }
            _ => ffi::lua_pushnil(state),
        }
        1
    }
}
