//! The result of a function.

use std::borrow::Cow;
use std::ffi::c_int;

use bytes::Bytes;
use mlua::ffi::{self, lua_State};

use super::stack::push_bytes;

/// The value that a function returns to Lua.
pub enum Reply {
    Nothing,
    Nil,
    Number(f64),
    Bytes(Vec<u8>),
    Body(Bytes),
    /// Bytes in the memory of nginx's request, which outlives the call.
    Slice(*const [u8]),
}

impl From<Cow<'_, [u8]>> for Reply {
    fn from(bytes: Cow<'_, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => Self::Slice(bytes),
            Cow::Owned(bytes) => Self::Bytes(bytes),
        }
    }
}

impl Reply {
    /// Pushes the value and returns the number of pushed values.
    ///
    /// # Safety
    ///
    /// Running, slots. It raises if there is no memory. Then unwinding drops `self`. A [`Self::Slice`] is from the running
    /// call.
    pub unsafe fn push(self, state: *mut lua_State) -> c_int {
        // SAFETY: running, slots. The caller is in step 3, where this may raise.
        unsafe {
            match self {
                Self::Nothing => return 0,
                Self::Nil => ffi::lua_pushnil(state),
                Self::Number(number) => ffi::lua_pushnumber(state, number),
                Self::Bytes(bytes) => push_bytes(state, &bytes),
                Self::Body(bytes) => push_bytes(state, &bytes),
                // SAFETY: the slice is in the request's memory. The server keeps the request until the call returns,
                // even if a user's `log` has run since the rules got the slice.
                Self::Slice(bytes) => push_bytes(state, &*bytes),
            }
        }
        1
    }
}
