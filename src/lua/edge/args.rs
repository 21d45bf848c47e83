//! The arguments of functions: numbers, headers, and how error messages show them.

use std::cell::Cell;
use std::ffi::c_int;
use std::mem;
use std::ops::{Deref, DerefMut};

use mlua::ffi::{self, lua_State};

use super::stack::{self, Slot, push_slot, string, type_name};
use crate::error::{Error, Setter};
use crate::response::header::Headers;

/// The number at `index`. `None` for other types, also for a string of digits.
///
/// # Safety
///
/// Running; `index` is acceptable. Guarded.
pub unsafe fn number(state: *mut lua_State, index: c_int) -> Option<f64> {
    // SAFETY: running. For a number, lua_tonumber runs no code.
    unsafe {
        let is_number = ffi::lua_type(state, index) == ffi::LUA_TNUMBER;
        is_number.then(|| ffi::lua_tonumber(state, index))
    }
}

/// A number or a boolean as Lua's `tostring` writes it.
pub enum Scalar {
    /// An integer below 10^14, which needs no call of Lua.
    Integer(itoa::Buffer, i64),
    Boolean(&'static str),
    /// Any other number.
    Number(Vec<u8>),
}

impl Scalar {
    /// The text.
    pub fn as_bytes(&mut self) -> &[u8] {
        match self {
            Self::Integer(buffer, number) => buffer.format(*number).as_bytes(),
            Self::Boolean(text) => text.as_bytes(),
            Self::Number(text) => text,
        }
    }
}

/// The number or boolean at `index`. `None` for other types.
///
/// # Errors
///
/// Lua's error if there is no memory.
///
/// # Safety
///
/// Running, bound, slots; `index` is valid. Guarded.
pub unsafe fn scalar(state: *mut lua_State, index: c_int) -> Result<Option<Scalar>, Error> {
    // SAFETY: running, bound, slots. Reads of booleans and numbers run no code; `number_text` is protected.
    unsafe {
        Ok(match ffi::lua_type(state, index) {
            ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, index) != 0 => {
                Some(Scalar::Boolean("true"))
            }
            ffi::LUA_TBOOLEAN => Some(Scalar::Boolean("false")),
            ffi::LUA_TNUMBER => {
                let number = ffi::lua_tonumber(state, index);
                // Lua writes at most 14 digits, and minus zero as `-0`.
                let is_plain = number.fract() == 0.0
                    && number.abs() < 1e14
                    && !(number == 0.0 && number.is_sign_negative());
                Some(if is_plain {
                    Scalar::Integer(itoa::Buffer::new(), number as i64)
                } else {
                    Scalar::Number(number_text(state, number)?)
                })
            }
            _ => None,
        })
    }
}

/// A number as LuaJIT's `tostring` writes it. C's `%.14g` would differ, because it rounds halves in another way.
///
/// # Errors
///
/// Lua's error if there is no memory.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
unsafe fn number_text(state: *mut lua_State, number: f64) -> Result<Vec<u8>, Error> {
    // SAFETY: running, bound, slots. The conversion allocates, so `protect` runs it.
    unsafe {
        stack::protect(state, 0, 1, &mut |state| {
            ffi::lua_pushnumber(state, number);
            ffi::lua_tolstring(state, -1, std::ptr::null_mut());
            1
        })
        .map_err(Error::thrown)?;
        let text = string(state, -1).unwrap_or_default().to_vec();
        ffi::lua_pop(state, 1);
        Ok(text)
    }
}

/// The value at `index` as Lua's `tostring` returns it, or the name of its type if `tostring` raises an error.
///
/// # Safety
///
/// Running, bound, slots; `index` is absolute and valid. Guarded.
pub unsafe fn display(state: *mut lua_State, index: c_int) -> Vec<u8> {
    // SAFETY: running, bound, slots. `tostring` may run a metamethod, so `pcall` calls it.
    unsafe {
        push_slot(state, Slot::ToString);
        ffi::lua_pushvalue(state, index);
        let fallback = || type_name(state, index).as_bytes().to_vec();
        if stack::pcall(state, 1, 1).is_err() {
            return fallback();
        }
        let text = string(state, -1).map_or_else(fallback, <[u8]>::to_vec);
        ffi::lua_pop(state, 1);
        text
    }
}

/// Calls `each` with every string of the array at `index`, up to the first nil.
///
/// # Errors
///
/// `invalid header value in array "<name>": got <type>, expected string`
///
/// # Safety
///
/// Running, slots; a table is at `index`, which is absolute. The table keeps the strings reachable, so nobody changes
/// it during `'a`. Guarded.
pub unsafe fn each_item<'a>(
    state: *mut lua_State,
    index: c_int,
    name: &[u8],
    mut each: impl FnMut(&'a [u8]),
) -> Result<(), Error> {
    for i in 1.. {
        // SAFETY: running, slots. A raw read runs no Lua code, and the table keeps the string reachable.
        unsafe {
            let kind = ffi::lua_rawgeti(state, index, i);
            let item = string(state, -1);
            let got = if item.is_none() { type_name(state, -1) } else { "string" };
            ffi::lua_pop(state, 1);
            match item {
                Some(item) => each(item),
                None if kind == ffi::LUA_TNIL => break,
                None => return Err(Error::InvalidHeaderItem { name: name.to_vec(), got }),
            }
        }
    }
    Ok(())
}

thread_local! {
    /// The memory of the headers of an earlier call, for the next call.
    static SPARE: Cell<Headers> = Cell::default();
}

/// The headers of a call. When they are dropped, the next call reuses their memory.
#[derive(Default)]
pub struct PooledHeaders(Headers);

impl PooledHeaders {
    /// An empty collection with the memory of an earlier call.
    pub fn take() -> Self {
        Self(SPARE.take())
    }
}

impl Deref for PooledHeaders {
    type Target = Headers;

    fn deref(&self) -> &Headers {
        &self.0
    }
}

impl DerefMut for PooledHeaders {
    fn deref_mut(&mut self) -> &mut Headers {
        &mut self.0
    }
}

impl Drop for PooledHeaders {
    fn drop(&mut self) {
        self.0.clear();
        // When a thread ends, its SPARE may already be dropped.
        let _ = SPARE.try_with(|spare| spare.set(mem::take(&mut self.0)));
    }
}

/// The headers in the table at `index`, checked and sorted as they are sent. For nil, there are none.
///
/// # Errors
///
/// The errors of `set_headers` for a wrong name or value.
///
/// # Safety
///
/// Running, bound, slots; a table or nil is at `index`, which is absolute. Guarded.
pub unsafe fn headers(state: *mut lua_State, index: c_int) -> Result<PooledHeaders, Error> {
    let mut headers = PooledHeaders::take();
    // To convert a number, Lua allocates. Then its collector may run a finalizer that changes the table.
    let mut code_ran = false;
    // SAFETY: running, bound, slots. Key and value stay on the stack while their bytes are copied. `code_ran` is true
    // as soon as code may have changed the table.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TTABLE {
            return Ok(headers);
        }
        ffi::lua_pushnil(state);
        while stack::next(state, index, code_ran).map_err(Error::thrown)? {
            let value = ffi::lua_gettop(state);
            let key = value - 1;
            let Some(name) = string(state, key) else {
                let got = type_name(state, key);
                return Err(Error::InvalidHeaderName { name: display(state, key), got });
            };
            headers.push_name(name);
            if let Some(text) = string(state, value) {
                headers.push_value(text);
            } else if let Some(mut scalar) = scalar(state, value)? {
                code_ran |= matches!(scalar, Scalar::Number(_));
                headers.push_value(scalar.as_bytes());
            } else if ffi::lua_type(state, value) == ffi::LUA_TTABLE {
                each_item(state, value, name, |item| headers.push_value(item))?;
            } else {
                let got = type_name(state, value);
                let name = name.to_vec();
                return Err(Error::InvalidHeaderValue { name, got, setter: Setter::Many });
            }
            ffi::lua_pop(state, 1);
        }
    }
    headers.sort();
    headers.check()?;
    Ok(headers)
}
