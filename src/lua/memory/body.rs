//! The body's chunks, `ngx.arg`, and the log.

use std::ffi::c_int;

use mlua::ffi;

use super::values::{arg_index, chunk};
use crate::lua::stack::{push_bytes, string};
use crate::response::mistake;

method! {
    /// `host:set_chunk(string|array of pieces, last)`
    set_chunk(2) |state, memory| {
        let pieces = chunk(state, 2, &mut Vec::new())?.unwrap_or_default();
        memory.borrow_mut().set_chunk(pieces, ffi::lua_toboolean(state, 3) != 0);
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:get_chunk() -> string, last`: what goes on to the client.
    get_chunk(0) |state, memory| { Ok(memory.borrow().outgoing_chunk()) }, |(bytes, last)| {
        push_bytes(state, &bytes);
        ffi::lua_pushboolean(state, c_int::from(last));
        2
    }
}

method! {
    /// `host:get_arg(1|2)`: as reading `ngx.arg` in a body filter.
    get_arg(1) |state, memory| {
        let memory = memory.borrow();
        Ok(match arg_index(state)? {
            1 => (Some(memory.arg_body()), false),
            _ => (None, memory.outgoing_chunk().1),
        })
    }, |(body, last)| {
        match body {
            Some(body) => push_bytes(state, &body),
            None => ffi::lua_pushboolean(state, c_int::from(last)),
        }
        1
    }
}

method! {
    /// `host:set_arg(1|2, value)`: as assigning to `ngx.arg` in a body filter.
    set_arg(2) |state, memory| {
        if arg_index(state)? == 1 {
            let bytes = chunk(state, 3, &mut Vec::new())?.unwrap_or_default().concat();
            memory.borrow_mut().set_arg_body(bytes);
        } else {
            memory.borrow_mut().set_arg_last(ffi::lua_toboolean(state, 3) != 0);
        }
        Ok(())
    }, |()| { 0 }
}

method! {
    /// `host:body_ended() -> boolean`
    body_ended(0) |state, memory| { Ok(memory.borrow().body_ended()) }, |ended| {
        ffi::lua_pushboolean(state, c_int::from(ended));
        1
    }
}

method! {
    /// `host:buffered() -> number`
    buffered(0) |state, memory| { Ok(memory.borrow().buffered()) }, |bytes| {
        ffi::lua_pushnumber(state, bytes as f64);
        1
    }
}

method! {
    /// `host:relabelling(body) -> string|nil`: what is wrong with replacing the body by this one, of which
    /// the head says that it is encoded.
    relabelling(1) |state, memory| {
        let body = string(state, 2).unwrap_or_default();
        let memory = memory.borrow();
        let is_there = memory.outgoing_chunk().0 == body;
        Ok(mistake::of_relabelling(&*memory, body).filter(|_| !is_there))
    }, |mistake| {
        match mistake {
            Some(mistake) => push_bytes(state, mistake.text().as_bytes()),
            None => ffi::lua_pushnil(state),
        }
        1
    }
}

method! {
    /// `host:take_log() -> { {level, message}, ... }`
    take_log(0) |state, memory| { Ok(memory.borrow().take_log()) }, |lines| {
        ffi::lua_createtable(state, lines.len() as c_int, 0);
        for (i, (level, line)) in (1..).zip(&lines) {
            ffi::lua_createtable(state, 2, 0);
            ffi::lua_pushnumber(state, f64::from(*level as i32));
            ffi::lua_rawseti(state, -2, 1);
            push_bytes(state, line);
            ffi::lua_rawseti(state, -2, 2);
            ffi::lua_rawseti(state, -2, i);
        }
        1
    }
}
