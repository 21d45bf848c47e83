//! Reads JSON into Lua's values: the test kit looks at bodies with it.

use std::ffi::c_int;
use std::ptr;

use mlua::ffi::{self, lua_State};
use serde_json::Value;

use super::call::{Caller, guard};
use super::stack::{push_bytes, string, type_name};

/// What the reader takes nests no deeper than 128, and each level keeps a table and a key.
const SLOTS: c_int = 300;

/// Where the metatable of arrays is.
const ARRAY_MT: c_int = 2;

/// `json_decode(bytes, array_mt?) -> value | nil, err`. Null is the light userdata NULL; arrays get the
/// metatable, which tells an empty one from an object.
///
/// # Safety
///
/// Called by Lua.
pub unsafe extern "C-unwind" fn json_decode(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls. What is pushed at the end may raise for want of memory, which costs no more
    // than what is alive.
    unsafe {
        ffi::lua_settop(state, ARRAY_MT);
        let read = guard(state, Caller::Direct, || {
            Ok(match string(state, 1) {
                Some(bytes) => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
                None => Err(format!("expected a string, got {}", type_name(state, 1))),
            })
        });
        let read = read.and_then(|value: Value| match ffi::lua_checkstack(state, SLOTS) {
            0 => Err("no room on Lua's stack".to_owned()),
            _ => Ok(value),
        });
        match read {
            Ok(value) => {
                push(state, &value);
                1
            }
            Err(text) => {
                ffi::lua_pushnil(state);
                push_bytes(state, text.as_bytes());
                2
            }
        }
    }
}

/// Pushes a value.
///
/// # Safety
///
/// There are slots for its depth, and a metatable or nil at [`ARRAY_MT`]; no `catch_unwind` is below.
unsafe fn push(state: *mut lua_State, value: &Value) {
    // SAFETY: by contract.
    unsafe {
        match value {
            Value::Null => ffi::lua_pushlightuserdata(state, ptr::null_mut()),
            Value::Bool(flag) => ffi::lua_pushboolean(state, (*flag).into()),
            Value::Number(number) => {
                ffi::lua_pushnumber(state, number.as_f64().unwrap_or(f64::NAN));
            }
            Value::String(text) => push_bytes(state, text.as_bytes()),
            Value::Array(items) => {
                ffi::lua_createtable(state, c_int::try_from(items.len()).unwrap_or(0), 0);
                for (i, item) in (1..).zip(items) {
                    push(state, item);
                    ffi::lua_rawseti(state, -2, i);
                }
                if ffi::lua_istable(state, ARRAY_MT) != 0 {
                    ffi::lua_pushvalue(state, ARRAY_MT);
                    ffi::lua_setmetatable(state, -2);
                }
            }
            Value::Object(fields) => {
                ffi::lua_createtable(state, 0, c_int::try_from(fields.len()).unwrap_or(0));
                for (name, field) in fields {
                    push_bytes(state, name.as_bytes());
                    push(state, field);
                    ffi::lua_rawset(state, -3);
                }
            }
        }
    }
}
