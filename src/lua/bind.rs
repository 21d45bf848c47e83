//! The native module of the library, which Lua gets from `require "kong.response.core"`.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::NonNull;

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::edge::call::{Caller, attempt, guard, raise_plain};
use super::edge::server::Server;
use super::edge::stack::{SERVICES, STRINGS, Slot, invoke, push_bytes, type_name, upvalue};
use super::ffi as fast_paths;
use super::functions::{body, exit, headers, json, source, stream};
use super::nginx::Nginx;
use crate::error::Error;
use crate::host::nginx;
use crate::phase;
use crate::response::source::Source;
use crate::response::status;

/// Its address is the value `empty_array`, if the `cjson` of the VM has none.
static EMPTY_ARRAY: u8 = 0;

/// The functions of an instance for one server, by name. For some of them, the facade has a function of the same
/// name, which calls the native one.
const fn functions<S: Server>() -> [(&'static CStr, lua_CFunction); 14] {
    [
        (c"get_status", headers::get_status::<S>),
        (c"get_header", headers::get_header::<S>),
        (c"get_headers", headers::get_headers::<S>),
        (c"get_source", source::get_source::<S>),
        (c"set_status", headers::set_status::<S>),
        (c"set_header", headers::set_header::<S>),
        (c"add_header", headers::add_header::<S>),
        (c"clear_header", headers::clear_header::<S>),
        (c"set_headers", headers::set_headers::<S>),
        (c"get_raw_body", body::get_raw_body::<S>),
        (c"set_raw_body", body::set_raw_body::<S>),
        (c"exit", exit::exit::<S>),
        (c"error", exit::error::<S>),
        (c"flush", exit::flush::<S>),
    ]
}

/// Opens the module for a Lua VM: a table with `version`, `nginx`, `stream`, `json`, `statuses`, `phases`,
/// `read_phases`, `write_phases`, `sources`, `declarations`, `max_headers`, `results`, `null` and `empty_array`.
///
/// # Safety
///
/// Lua calls it, in `require` or `package.loadlib`.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
pub unsafe extern "C-unwind" fn luaopen_kong_response_core(state: *mut lua_State) -> c_int {
    // SAFETY: running, slots: at most 4. It may raise if there is no memory, but no value is alive that Rust has to drop.
    unsafe {
        ffi::lua_createtable(state, 0, 16);
        push_bytes(state, env!("CARGO_PKG_VERSION").as_bytes());
        ffi::lua_setfield(state, -2, c"version".as_ptr());
        ffi::lua_pushcclosure(state, bind_nginx, 0);
        ffi::lua_setfield(state, -2, c"nginx".as_ptr());
        ffi::lua_pushcclosure(state, bind_stream, 0);
        ffi::lua_setfield(state, -2, c"stream".as_ptr());
        ffi::lua_pushcclosure(state, bind_json, 0);
        ffi::lua_setfield(state, -2, c"json".as_ptr());
        push_statuses(state);
        ffi::lua_setfield(state, -2, c"statuses".as_ptr());
        for (set, name) in [(phase::READ, c"read_phases"), (phase::WRITE, c"write_phases")] {
            ffi::lua_pushnumber(state, f64::from(set.bits()));
            ffi::lua_setfield(state, -2, name.as_ptr());
        }
        ffi::lua_createtable(state, 0, phase::PHASES.len() as c_int);
        for (bit, name) in phase::PHASES {
            push_bytes(state, name.as_bytes());
            ffi::lua_pushnumber(state, f64::from(bit));
            ffi::lua_rawset(state, -3);
        }
        ffi::lua_setfield(state, -2, c"phases".as_ptr());
        push_sources(state);
        ffi::lua_setfield(state, -2, c"sources".as_ptr());
        push_bytes(state, fast_paths::DECLARATIONS.as_bytes());
        ffi::lua_setfield(state, -2, c"declarations".as_ptr());
        ffi::lua_pushnumber(state, fast_paths::MAX_HEADERS as f64);
        ffi::lua_setfield(state, -2, c"max_headers".as_ptr());
        ffi::lua_createtable(state, 0, fast_paths::RESULTS.len() as c_int);
        for (name, result) in fast_paths::RESULTS {
            ffi::lua_pushnumber(state, f64::from(result));
            ffi::lua_setfield(state, -2, name.as_ptr());
        }
        ffi::lua_setfield(state, -2, c"results".as_ptr());
        let address: *const u8 = &EMPTY_ARRAY;
        ffi::lua_pushlightuserdata(state, address.cast_mut().cast::<c_void>());
        ffi::lua_setfield(state, -2, c"empty_array".as_ptr());
        ffi::lua_pushlightuserdata(state, std::ptr::null_mut());
        ffi::lua_setfield(state, -2, c"null".as_ptr());
        #[cfg(feature = "fault-injection")]
        {
            ffi::lua_pushcclosure(state, order_fault, 0);
            ffi::lua_setfield(state, -2, c"order_fault".as_ptr());
        }
        1
    }
}

/// `order_fault("panic"|"fast path"|"allocation"|nil, chances)`: makes the fault happen after `chances`
/// opportunities.
///
/// # Safety
///
/// Lua calls it: running.
#[cfg(feature = "fault-injection")]
unsafe extern "C-unwind" fn order_fault(state: *mut lua_State) -> c_int {
    use super::edge::stack::string;
    use crate::fault::{Fault, order};
    // SAFETY: running, slots. Reads of a string and a number run no code.
    unsafe {
        ffi::lua_settop(state, 2);
        let chances = ffi::lua_tonumber(state, 2) as u32;
        order(match string(state, 1) {
            Some(b"panic") => Some((Fault::Panic, chances)),
            Some(b"fast path") => Some((Fault::FastPath, chances)),
            Some(b"allocation") => Some((Fault::Allocation, chances)),
            _ => None,
        });
        0
    }
}

/// `nginx(ngx, services) -> functions, main, request`: makes the functions of an instance for the requests of nginx.
/// `main` and `request` are light userdata: the VM's main thread, and the address of its field with nginx's request.
/// If one is not known, both are missing.
///
/// Raises `kong.response needs lua-nginx-module 0.10.23 or later: symbol <name> not found`, and the errors of
/// [`push_functions`].
///
/// # Safety
///
/// Lua calls it: running.
unsafe extern "C-unwind" fn bind_nginx(state: *mut lua_State) -> c_int {
    // SAFETY: running, slots. If it raises, only the text is alive, and `raise_plain` drops it. The main thread is
    // one of this VM.
    unsafe {
        let refusal =
            attempt(|| Ok(nginx::load().err())).unwrap_or_else(|panic| Some(panic.to_string()));
        if let Some(text) = refusal {
            raise_plain(state, text);
        }
        ffi::lua_settop(state, 2);
        // If code of a request makes the instance, the running thread is not the main thread, but nginx knows that.
        let is_main = ffi::lua_pushthread(state) == 1;
        ffi::lua_pop(state, 1);
        let main = if is_main { NonNull::new(state) } else { nginx::main_thread(state) };
        match main {
            Some(main) => ffi::lua_pushlightuserdata(state, main.as_ptr().cast()),
            None => ffi::lua_pushnil(state),
        }
        push_functions(state, &functions::<Nginx>());
        ffi::lua_pushvalue(state, 3);
        match main.and_then(|main| nginx::exdata_field(state, main)) {
            Some(field) => {
                ffi::lua_pushlightuserdata(state, field.as_ptr().cast());
                3
            }
            None => {
                ffi::lua_pop(state, 1);
                1
            }
        }
    }
}

/// `json(services) -> { encode, decode }`: makes the functions of `kong.response.json`. They need only the services
/// for JSON.
///
/// # Safety
///
/// Lua calls it: running.
unsafe extern "C-unwind" fn bind_json(state: *mut lua_State) -> c_int {
    // SAFETY: running, slots. No value is alive that Rust has to drop, so `push_functions` may raise.
    unsafe {
        ffi::lua_settop(state, 1);
        // These functions do not use `ngx`, so an empty table replaces it.
        ffi::lua_createtable(state, 0, 0);
        ffi::lua_insert(state, 1);
        push_functions(state, &json::FUNCTIONS)
    }
}

/// `stream(ngx, services) -> functions`: makes the functions of an instance for the streams of nginx.
///
/// # Safety
///
/// Lua calls it: running.
unsafe extern "C-unwind" fn bind_stream(state: *mut lua_State) -> c_int {
    // SAFETY: running, slots. No value is alive that Rust has to drop, so `push_functions` may raise.
    unsafe {
        ffi::lua_settop(state, 2);
        push_functions(state, &stream::FUNCTIONS)
    }
}

/// Pushes a table with the functions of an instance for the server `S`. At 1, 2 and 3 of the stack are `ngx`, the
/// services, and the value with which the server finds its request. Returns the number of pushed values.
///
/// # Safety
///
/// Running, slots. It raises, also if `ngx` or the services are not a table.
pub unsafe fn bind<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: the contract of `push_functions` is the same.
    unsafe { push_functions(state, &functions::<S>()) }
}

/// Pushes a table of `functions` that share the three values of [`bind`].
///
/// # Safety
///
/// As [`bind`].
unsafe fn push_functions(state: *mut lua_State, functions: &[(&CStr, lua_CFunction)]) -> c_int {
    // SAFETY: running, slots, and it may raise. Each closure gets the upvalues in the order of `upvalue`, so the
    // functions are *bound*.
    unsafe {
        ffi::lua_settop(state, 3);
        guard(state, Caller::Direct, || {
            for (index, what) in [(1, "ngx"), (2, "services")] {
                if ffi::lua_type(state, index) != ffi::LUA_TTABLE {
                    return Err(Error::NotTable { what, got: type_name(state, index) });
                }
            }
            Ok(())
        });
        push_slots(state);
        ffi::lua_replace(state, 2);
        ffi::lua_pushcclosure(state, invoke, 0);
        ffi::lua_createtable(state, 0, functions.len() as c_int);
        for &(name, function) in functions {
            // In the order of `upvalue`.
            ffi::lua_pushvalue(state, 1);
            ffi::lua_pushvalue(state, 2);
            ffi::lua_pushvalue(state, 4);
            ffi::lua_pushvalue(state, 3);
            ffi::lua_pushcclosure(state, function, upvalue::COUNT);
            ffi::lua_setfield(state, -2, name.as_ptr());
        }
        1
    }
}

/// Pushes a table in which `table[status]` is true for every status that `set_status` accepts.
///
/// # Safety
///
/// Running, slots. It raises.
unsafe fn push_statuses(state: *mut lua_State) {
    // SAFETY: running, slots. Only an array of booleans is alive when lua_createtable raises.
    unsafe {
        let may_be_set = guard(state, Caller::Direct, || {
            Ok(std::array::from_fn::<_, 1000, _>(|code| status::check(code as f64).is_ok()))
        });
        ffi::lua_createtable(state, 600, 0);
        for (code, _) in (0..).zip(may_be_set).filter(|&(_, may)| may) {
            ffi::lua_pushboolean(state, 1);
            ffi::lua_rawseti(state, -2, code);
        }
    }
}

/// Pushes a table with the results of `get_source`. The key is the sum of the flags in `ngx.ctx`: 4 for
/// `KONG_UNEXPECTED`, 2 for `KONG_EXITED`, 1 for `KONG_PROXIED`.
///
/// # Safety
///
/// Running, slots. It raises.
unsafe fn push_sources(state: *mut lua_State) {
    // SAFETY: running, slots. No value is alive that Rust has to drop.
    unsafe {
        ffi::lua_createtable(state, 8, 0);
        for flags in 0..8 {
            let source = Source::of(flags & 4 != 0, flags & 2 != 0, flags & 1 != 0);
            push_bytes(state, source.name().as_bytes());
            ffi::lua_rawseti(state, -2, flags);
        }
    }
}

/// Pushes the array of slots: the services from the table at 2, the strings, and space for the main thread.
///
/// # Safety
///
/// Running, slots; a table is at 2. It raises.
unsafe fn push_slots(state: *mut lua_State) {
    // SAFETY: running, slots, a table at 2. No value is alive that Rust has to drop.
    unsafe {
        ffi::lua_createtable(state, Slot::MainThread.index(), 0);
        for &(service, field) in SERVICES {
            ffi::lua_getfield(state, 2, field.as_ptr());
            ffi::lua_rawseti(state, -2, service.index().into());
        }
        for &(string, text) in STRINGS {
            push_bytes(state, text.as_bytes());
            ffi::lua_rawseti(state, -2, string.index().into());
        }
    }
}
