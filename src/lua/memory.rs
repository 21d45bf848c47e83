//! The in-memory host as Lua holds it: `memory_host` makes one, `memory` binds the functions to it.
//! Its methods are nginx's side of a request, for a test kit to play.

use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{self, NonNull};

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::bind::{functions, push_functions};
use super::call::{Caller, guard};
use super::stack::{push_bytes, string, type_name};
use crate::error::Error;
use crate::host::memory::{Memory, Stage};
use crate::host::{Host, Write};

/// The name of the metatable of hosts in the registry.
const TYPE: &CStr = c"kong.response.memory_host";
/// The name of the metatable of lists of headers in the registry.
const HEADERS_TYPE: &CStr = c"kong.response.memory_headers";

const METHODS: [(&CStr, lua_CFunction); 22] = [
    (c"upstream", upstream),
    (c"set_phase", set_phase),
    (c"get_phase", get_phase),
    (c"get_status", get_status),
    (c"set_status", set_status),
    (c"headers_sent", headers_sent),
    (c"mark_headers_sent", mark_headers_sent),
    (c"get_header", get_header),
    (c"set_header", set_header),
    (c"get_headers", get_headers),
    (c"start_output", start_output),
    (c"special_response", special_response),
    (c"abort", abort),
    (c"clean_head", clean_head),
    (c"finish_head", finish_head),
    (c"set_chunk", set_chunk),
    (c"get_chunk", get_chunk),
    (c"get_arg", get_arg),
    (c"set_arg", set_arg),
    (c"body_ended", body_ended),
    (c"buffered", buffered),
    (c"take_log", take_log),
];

/// What a host's userdata holds; null once it is freed, which happens while its VM is closed.
type Slot = *mut RefCell<Memory>;
/// A header in Lua's strings.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The request in the userdata of a host; `None` where it was freed.
///
/// # Safety
///
/// `host` is the memory of a userdata that [`new_host`] made.
pub unsafe fn held(host: *mut c_void) -> Option<NonNull<RefCell<Memory>>> {
    // SAFETY: by contract.
    NonNull::new(unsafe { host.cast::<Slot>().read() })
}

/// The host at 1; it raises what `luaL_checkudata` does, or that the host is closed.
unsafe fn host<'a>(state: *mut lua_State) -> &'a RefCell<Memory> {
    // SAFETY: Lua calls, and nothing of Rust is alive. The host stays on the stack.
    unsafe {
        let host = ffi::luaL_checkudata(state, 1, TYPE.as_ptr());
        match held(host) {
            Some(host) => host.as_ref(),
            None => refuse(state, "the host is gone".to_owned()),
        }
    }
}

unsafe fn refuse(state: *mut lua_State, words: String) -> ! {
    // SAFETY: Lua calls.
    unsafe { super::call::raise(state, Caller::Direct, Error::Host(words)) }
}

/// A method: the work is guarded, what it returns is pushed by the second closure.
macro_rules! method {
    ($(#[$doc:meta])* $name:ident($arguments:literal) |$state:ident, $memory:ident| $work:block, |$result:pat_param| $push:block) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// Called by Lua.
        unsafe extern "C-unwind" fn $name($state: *mut lua_State) -> c_int {
            // SAFETY: Lua calls. Arguments stay on the stack. What is pushed at the end may raise for
            // want of memory, which costs no more than what is alive.
            unsafe {
                ffi::lua_settop($state, $arguments + 1);
                let $memory = host($state);
                let $result = guard($state, Caller::Direct, || $work);
                $push
            }
        }
    };
}

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

/// `memory(host, ngx, services)`: the functions of an instance, for the host.
///
/// # Safety
///
/// Called by Lua.
pub unsafe extern "C-unwind" fn bind(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls; nothing of Rust is alive.
    unsafe {
        ffi::lua_settop(state, 3);
        host(state);
        for (index, what) in [(2, "ngx"), (3, "services")] {
            if ffi::lua_type(state, index) != ffi::LUA_TTABLE {
                let got = type_name(state, index);
                refuse(state, format!("{what} must be a table, got {got}"));
            }
        }
        ffi::lua_pushvalue(state, 1);
        ffi::lua_remove(state, 1);
        push_functions(state, &functions::<true>())
    }
}

unsafe fn push_metatable(state: *mut lua_State) {
    // SAFETY: Lua calls; nothing of Rust is alive.
    unsafe {
        if ffi::luaL_newmetatable(state, TYPE.as_ptr()) == 0 {
            return;
        }
        // Nobody but the collector gets at the finalizer: a host is never freed while it is in use.
        ffi::lua_pushcclosure(state, free, 0);
        ffi::lua_setfield(state, -2, c"__gc".as_ptr());
        ffi::lua_pushboolean(state, 0);
        ffi::lua_setfield(state, -2, c"__metatable".as_ptr());
        ffi::lua_createtable(state, 0, METHODS.len() as c_int);
        for (name, method) in METHODS {
            ffi::lua_pushcclosure(state, method, 0);
            ffi::lua_setfield(state, -2, name.as_ptr());
        }
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
    }
}

/// The finalizer of a host.
///
/// # Safety
///
/// Called by Lua's collector.
unsafe extern "C-unwind" fn free(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls, with a host. The pointer came from a box; it is taken away before that is
    // freed. A function that is bound to the host keeps it from being collected.
    unsafe {
        let slot = ffi::luaL_checkudata(state, 1, TYPE.as_ptr()).cast::<Slot>();
        let memory = slot.replace(ptr::null_mut());
        if !memory.is_null() {
            drop(Box::from_raw(memory));
        }
        0
    }
}

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
unsafe extern "C-unwind" fn set_header(state: *mut lua_State) -> c_int {
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
unsafe extern "C-unwind" fn get_headers(state: *mut lua_State) -> c_int {
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

method! {
    /// `host:set_chunk(string|array of pieces, last)`
    set_chunk(2) |state, memory| {
        let pieces = chunk(state, 2)?.unwrap_or_default();
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
            let bytes = chunk(state, 3)?.unwrap_or_default().concat();
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

fn misuse(words: &str) -> Error {
    Error::Host(words.to_owned())
}

/// The index of the value at `index` if it is there and of the type `kind`.
unsafe fn optional(
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

unsafe fn status(state: *mut lua_State, index: c_int) -> Result<u16, Error> {
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

unsafe fn arg_index(state: *mut lua_State) -> Result<u8, Error> {
    // SAFETY: the argument is on the stack; to read a number runs nothing.
    let index = unsafe { ffi::lua_tonumber(state, 2) };
    match index {
        1.0 => Ok(1),
        2.0 => Ok(2),
        _ => Err(misuse(&format!("bad index: {index}"))),
    }
}

/// The strings of the array at `index`, up to what is none.
unsafe fn items<'a>(state: *mut lua_State, index: c_int) -> Vec<&'a [u8]> {
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
unsafe fn pairs<'a>(
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

/// The pieces of a chunk at `index`: a string, a number, an array of such, or none for nil.
unsafe fn chunk(state: *mut lua_State, index: c_int) -> Result<Option<Vec<Vec<u8>>>, Error> {
    // SAFETY: the index is valid; what is read runs nothing.
    unsafe {
        match ffi::lua_type(state, index) {
            ffi::LUA_TNIL => Ok(None),
            ffi::LUA_TSTRING => Ok(string(state, index).map(|bytes| vec![bytes.to_vec()])),
            ffi::LUA_TTABLE => {
                let mut pieces = Vec::new();
                for i in 1..=ffi::lua_rawlen(state, index) as ffi::lua_Integer {
                    ffi::lua_rawgeti(state, index, i);
                    let piece = chunk(state, ffi::lua_gettop(state));
                    ffi::lua_pop(state, 1);
                    pieces.push(piece?.unwrap_or_default().concat());
                }
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
