//! The in-memory host as Lua holds it: `memory_host` makes one, `memory` binds the functions to it.
//! Its methods are nginx's side of a request, for a test kit to play.

/// A method: the work is guarded, what it returns is pushed by the second closure.
macro_rules! method {
    ($(#[$doc:meta])* $name:ident($arguments:literal) |$state:ident, $memory:ident| $work:block, |$result:pat_param| $push:block) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// Called by Lua.
        pub unsafe extern "C-unwind" fn $name($state: *mut ::mlua::ffi::lua_State) -> c_int {
            // SAFETY: Lua calls. Arguments stay on the stack. What is pushed at the end may raise for
            // want of memory, which costs no more than what is alive.
            unsafe {
                ffi::lua_settop($state, $arguments + 1);
                ffi::luaL_checkstack($state, super::values::DEEPEST_CHUNK as c_int, c"a chunk".as_ptr());
                let $memory = $crate::lua::memory::host($state);
                let $result = $crate::lua::call::guard($state, $crate::lua::call::Caller::Direct, || $work);
                $push
            }
        }
    };
}

mod body;
mod headers;
mod request;
mod response;
mod values;

use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{self, NonNull};

use mlua::ffi::{self, lua_CFunction, lua_State};

use super::bind::{functions, push_functions};
use super::call::Caller;
use crate::error::Error;
use crate::host::memory::Memory;
pub use request::new_host;

/// The name of the metatable of hosts in the registry.
const TYPE: &CStr = c"kong.response.memory_host";

const METHODS: [(&CStr, lua_CFunction); 24] = [
    (c"upstream", response::upstream),
    (c"set_phase", response::set_phase),
    (c"get_phase", response::get_phase),
    (c"get_status", response::get_status),
    (c"set_status", response::set_status),
    (c"headers_sent", response::headers_sent),
    (c"mark_headers_sent", response::mark_headers_sent),
    (c"get_header", headers::get_header),
    (c"set_header", headers::set_header),
    (c"get_headers", headers::get_headers),
    (c"start_output", response::start_output),
    (c"answer_conditions", response::answer_conditions),
    (c"special_response", response::special_response),
    (c"abort", response::abort),
    (c"clean_head", response::clean_head),
    (c"finish_head", response::finish_head),
    (c"set_chunk", body::set_chunk),
    (c"get_chunk", body::get_chunk),
    (c"get_arg", body::get_arg),
    (c"set_arg", body::set_arg),
    (c"body_ended", body::body_ended),
    (c"buffered", body::buffered),
    (c"relabelling", body::relabelling),
    (c"take_log", body::take_log),
];

/// What a host's userdata holds; null once it is freed, which happens while its VM is closed.
type Slot = *mut RefCell<Memory>;

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
