//! What nginx does with a response: its phases, its status, and the head on its way.

use std::ffi::c_int;

use mlua::ffi;

use super::values::{misuse, optional, pairs, status};
use crate::error::Error;
use crate::host::Host;
use crate::host::memory::Stage;
use crate::lua::stack::{push_bytes, string};

method! {
    /// `host:upstream(status, headers)`
    upstream(2) |state, memory| {
        let status = status(state, 2)?;
        let headers = match optional(state, 3, "headers", ffi::LUA_TTABLE)? {
            Some(headers) => pairs(state, headers, "headers")?,
            None => Vec::new(),
        };
        memory.borrow_mut().upstream(status, headers);
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:set_phase(name)`
    set_phase(1) |state, memory| {
        let name = string(state, 2).ok_or_else(|| misuse("the phase must be a string"))?;
        let unknown = || misuse(&format!("unknown phase {:?}", String::from_utf8_lossy(name)));
        memory.borrow_mut().enter(Stage::named(name).ok_or_else(unknown)?);
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:get_phase() -> name`
    get_phase(0) |state, memory| { Ok(memory.borrow().stage().name) }, |name| {
        push_bytes(state, name.as_bytes());
        1
    }
}

method! {
    /// `host:get_status() -> number`
    get_status(0) |state, memory| { memory.borrow().status() }, |status| {
        ffi::lua_pushnumber(state, f64::from(status));
        1
    }
}

method! {
    /// `host:set_status(number)`
    set_status(1) |state, memory| {
        memory.borrow_mut().force_status(status(state, 2)?);
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:headers_sent() -> boolean`
    headers_sent(0) |state, memory| { Ok(memory.borrow().headers_sent()) }, |sent| {
        ffi::lua_pushboolean(state, c_int::from(sent));
        1
    }
}

method! {
    /// `host:mark_headers_sent()`
    mark_headers_sent(0) |state, memory| {
        memory.borrow_mut().mark_headers_sent();
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:start_output(length|nil)`
    start_output(1) |state, memory| {
        let length = optional(state, 2, "length", ffi::LUA_TNUMBER)?;
        let length = length.map(|length| ffi::lua_tonumber(state, length) as u64);
        memory.borrow_mut().start_output(length);
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:special_response(status) -> body`
    special_response(1) |state, memory| {
        let status = status(state, 2)?;
        Ok(memory.borrow_mut().special_response(status))
    }, |page| {
        push_bytes(state, &page);
        1
    }
}

method! {
    /// `host:abort()`
    abort(0) |state, memory| {
        memory.borrow_mut().abort();
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:answer_conditions() -> boolean`
    answer_conditions(0) |state, memory| { Ok(memory.borrow_mut().answer_conditions()) }, |done| {
        ffi::lua_pushboolean(state, c_int::from(done));
        1
    }
}

method! {
    /// `host:clean_head()`
    clean_head(0) |state, memory| {
        memory.borrow_mut().clean_head();
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:finish_head() -> headers, body_allowed`
    finish_head(0) |state, memory| {
        if memory.borrow().headers_sent() {
            return Err(Error::HeadersSent);
        }
        Ok(memory.borrow_mut().finish_head())
    }, |wire| {
        ffi::lua_createtable(state, wire.fields.len() as c_int, 0);
        for (i, (name, value)) in (1..).zip(&wire.fields) {
            ffi::lua_createtable(state, 2, 0);
            push_bytes(state, name);
            ffi::lua_rawseti(state, -2, 1);
            push_bytes(state, value);
            ffi::lua_rawseti(state, -2, 2);
            ffi::lua_rawseti(state, -2, i);
        }
        ffi::lua_pushboolean(state, c_int::from(wire.body_allowed));
        2
    }
}
