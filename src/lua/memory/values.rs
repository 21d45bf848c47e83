//! What the kit gives to a host's methods, read from the stack.

use std::ffi::{CStr, c_int, c_void};

use mlua::ffi::{self, lua_State};

use crate::error::Error;
use crate::lua::stack::{string, type_name};

/// A header in Lua's strings.
type Pair<'a> = (&'a [u8], &'a [u8]);

pub fn misuse(words: &str) -> Error {
    Error::Host(words.to_owned())
}

/// The index of the value at `index` if it is there and of the type `kind`.
pub unsafe fn optional(
    state: *mut lua_State,
    index: c_int,
    what: &str,
    kind: c_int,
) -> Result<Option<c_int>, Error> {
    // SAFETY: the index is valid; the name of a type is a static C string.
    unsafe {
        match ffi::lua_type(state, index) {
            ffi::LUA_TNIL => Ok(None),
            found if found == kind => Ok(Some(index)),
            _ => {
                let expected = CStr::from_ptr(ffi::lua_typename(state, kind)).to_string_lossy();
                let got = type_name(state, index);
                Err(misuse(&format!("{what} must be a {expected}, got {got}")))
            }
        }
    }
}

pub unsafe fn status(state: *mut lua_State, index: c_int) -> Result<u16, Error> {
    // SAFETY: the index is valid; to read a number runs nothing.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TNUMBER {
            return Err(Error::StatusType);
        }
        let status = ffi::lua_tonumber(state, index);
        if (0.0..1000.0).contains(&status) {
            Ok(status as u16)
        } else {
            Err(misuse("the status must be a number below 1000"))
        }
    }
}

pub unsafe fn arg_index(state: *mut lua_State) -> Result<u8, Error> {
    // SAFETY: the argument is on the stack; to read a number runs nothing.
    let index = unsafe { ffi::lua_tonumber(state, 2) };
    match index {
        1.0 => Ok(1),
        2.0 => Ok(2),
        _ => Err(misuse(&format!("bad index: {index}"))),
    }
}

/// The strings of the array at `index`, up to what is none.
pub unsafe fn items<'a>(state: *mut lua_State, index: c_int) -> Vec<&'a [u8]> {
    let mut items = Vec::new();
    for i in 1.. {
        // SAFETY: a table is at `index`, and holds its strings; a raw read runs nothing.
        unsafe {
            ffi::lua_rawgeti(state, index, i);
            let item = string(state, -1);
            ffi::lua_pop(state, 1);
            match item {
                Some(item) => items.push(item),
                None => break,
            }
        }
    }
    items
}

/// The list of pairs `{ name, value }` at `index`.
pub unsafe fn pairs<'a>(
    state: *mut lua_State,
    index: c_int,
    what: &str,
) -> Result<Vec<Pair<'a>>, Error> {
    let mut pairs = Vec::new();
    for i in 1.. {
        // SAFETY: a table is at `index`, and holds its strings; raw reads run nothing.
        unsafe {
            match ffi::lua_rawgeti(state, index, i) {
                ffi::LUA_TNIL => {
                    ffi::lua_pop(state, 1);
                    break;
                }
                ffi::LUA_TTABLE => {
                    let pair = items(state, ffi::lua_gettop(state));
                    ffi::lua_pop(state, 1);
                    if let [name, value] = pair[..] {
                        pairs.push((name, value));
                        continue;
                    }
                }
                _ => (),
            }
        }
        return Err(misuse(&format!("{what}[{i}] must be {{ name, value }}, two strings")));
    }
    Ok(pairs)
}

/// How deep the arrays of a chunk may be nested. nginx has no limit, and dies of one that holds itself.
pub const DEEPEST_CHUNK: usize = 100;

/// The pieces of a chunk at `index`: a string, a number, an array of such, or none for nil. It
/// stands in the tables `around` it, of which each has a slot of the stack.
///
/// # Safety
///
/// The index is valid; there are [`DEEPEST_CHUNK`] slots on the stack.
pub unsafe fn chunk(
    state: *mut lua_State,
    index: c_int,
    around: &mut Vec<*const c_void>,
) -> Result<Option<Vec<Vec<u8>>>, Error> {
    // SAFETY: the index is valid, and there is a slot; what is read runs nothing.
    unsafe {
        match ffi::lua_type(state, index) {
            ffi::LUA_TNIL => Ok(None),
            ffi::LUA_TSTRING => Ok(string(state, index).map(|bytes| vec![bytes.to_vec()])),
            ffi::LUA_TTABLE => {
                let table = ffi::lua_topointer(state, index);
                if around.len() == DEEPEST_CHUNK || around.contains(&table) {
                    return Err(misuse("bad chunk: tables nested too deep"));
                }
                around.push(table);
                let mut pieces = Vec::new();
                for i in 1..=ffi::lua_rawlen(state, index) as ffi::lua_Integer {
                    ffi::lua_rawgeti(state, index, i);
                    let piece = chunk(state, ffi::lua_gettop(state), around);
                    ffi::lua_pop(state, 1);
                    pieces.push(piece?.unwrap_or_default().concat());
                }
                around.pop();
                Ok(Some(pieces))
            }
            ffi::LUA_TNUMBER => {
                let number = ffi::lua_tonumber(state, index);
                Ok(Some(vec![format!("{number}").into_bytes()]))
            }
            _ => Err(misuse(&format!("bad chunk data type: {}", type_name(state, index)))),
        }
    }
}
