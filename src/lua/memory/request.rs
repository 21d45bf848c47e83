//! `memory_host`: the request of a new host.

use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::ptr;

use mlua::ffi::{self, lua_State};

use super::values::{misuse, optional, pairs};
use super::{Slot, push_metatable, refuse};
use crate::error::Error;
use crate::host::memory::Memory;
use crate::lua::call::{Caller, guard};
use crate::lua::stack::{string, type_name};

/// `memory_host(request)`: a new host.
///
/// # Safety
///
/// Called by Lua.
pub unsafe extern "C-unwind" fn new_host(state: *mut lua_State) -> c_int {
    const FIELDS: [&CStr; 7] = [
        c"method",
        c"http_version",
        c"headers",
        c"variables",
        c"www_authenticate_repeats",
        c"default_type",
        c"transform_underscores",
    ];
    // SAFETY: Lua calls. Fields are read in front of any Rust value, for that may raise.
    unsafe {
        ffi::lua_settop(state, 1);
        if ffi::lua_isnil(state, 1) != 0 {
            ffi::lua_createtable(state, 0, 0);
            ffi::lua_replace(state, 1);
        }
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
            let got = type_name(state, 1);
            refuse(state, format!("request must be a table, got {got}"));
        }
        for field in FIELDS {
            ffi::lua_getfield(state, 1, field.as_ptr());
        }
        let slot = ffi::lua_newuserdata(state, size_of::<Slot>()).cast::<Slot>();
        slot.write(ptr::null_mut());
        push_metatable(state);
        ffi::lua_setmetatable(state, -2);
        let memory = guard(state, Caller::Direct, || read_request(state));
        slot.write(Box::into_raw(Box::new(RefCell::new(memory))));
        1
    }
}

/// The request whose fields are at 2 to 8.
unsafe fn read_request(state: *mut lua_State) -> Result<Memory, Error> {
    let mut memory = Memory::new();
    // SAFETY: the fields are on the stack, and so are their strings; nothing here raises.
    unsafe {
        if let Some(method) = optional(state, 2, "request.method", ffi::LUA_TSTRING)? {
            memory = memory.with_method(string(state, method).unwrap_or_default());
        }
        if let Some(version) = optional(state, 3, "request.http_version", ffi::LUA_TNUMBER)? {
            memory = memory.with_http_version(ffi::lua_tonumber(state, version));
        }
        if let Some(headers) = optional(state, 4, "request.headers", ffi::LUA_TTABLE)? {
            for (name, value) in pairs(state, headers, "request.headers")? {
                memory = memory.with_request_header(name, value);
            }
        }
        if let Some(variables) = optional(state, 5, "request.variables", ffi::LUA_TTABLE)? {
            ffi::lua_pushnil(state);
            while ffi::lua_next(state, variables) != 0 {
                let (Some(name), Some(value)) = (string(state, -2), string(state, -1)) else {
                    return Err(misuse("request.variables must have strings for names and values"));
                };
                memory = memory.with_variable(name, value);
                ffi::lua_pop(state, 1);
            }
        }
        let repeats = "request.www_authenticate_repeats";
        if let Some(repeats) = optional(state, 6, repeats, ffi::LUA_TBOOLEAN)? {
            let repeats = ffi::lua_toboolean(state, repeats) != 0;
            memory = memory.with_repeated_www_authenticate(repeats);
        }
        if let Some(value) = optional(state, 7, "request.default_type", ffi::LUA_TSTRING)? {
            memory = memory.with_default_type(string(state, value).unwrap_or_default());
        }
        let transforms = "request.transform_underscores";
        if let Some(transforms) = optional(state, 8, transforms, ffi::LUA_TBOOLEAN)? {
            let transforms = ffi::lua_toboolean(state, transforms) != 0;
            memory = memory.with_transformed_underscores(transforms);
        }
    }
    Ok(memory)
}
