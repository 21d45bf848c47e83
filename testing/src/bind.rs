//! The functions of `kong.response`, bound to a request in memory, and the module as `require` opens it.

use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::ptr::NonNull;

use kong_response::error::Error;
use kong_response::host::{Callbacks, Client};
use kong_response::lua::{self, Server, attempt, upvalue};
use mlua::ffi::{self, lua_State};
use mlua::{Lua, Result};

use crate::lua::{host, module};
use crate::memory::{Memory, Shared};

/// Where the module stands in Lua's registry while it is opened.
const MODULE: &CStr = c"kong.response.testing.native";

/// The request that a function is bound to.
#[derive(Debug, Clone, Copy)]
struct InMemory(NonNull<RefCell<Memory>>);

impl Server for InMemory {
    type Request<'call> = Shared<'call>;

    unsafe fn current(state: *mut lua_State) -> std::result::Result<(Self, Client), Error> {
        // SAFETY: running, bound, slots: the upvalue is the table `{ id, host }` of glue.lua. Raw reads run no Lua
        // code.
        let id = unsafe {
            ffi::lua_rawgeti(state, ffi::lua_upvalueindex(upvalue::SERVER), 1);
            let id = ffi::lua_tonumber(state, -1);
            ffi::lua_pop(state, 1);
            id
        };
        // While the VM is closed, functions may outlive their host: then its id leads nowhere.
        let memory = host::by_id(id as u64).ok_or(Error::Disabled)?;
        // SAFETY: the table keeps the host from being collected, and the host its request.
        let client = unsafe { memory.as_ref() }.borrow().stage().client;
        Ok((Self(memory), client))
    }

    unsafe fn lend<'call>(self, callbacks: &'call dyn Callbacks) -> Shared<'call> {
        // SAFETY: the upvalue of the running function keeps the host, and that the request, as long as the call
        // lasts. The caller says that this outlives `'call`.
        Shared::new(unsafe { &*self.0.as_ptr() }, callbacks)
    }

    unsafe fn push_ctx(self, state: *mut lua_State) -> Option<c_int> {
        // SAFETY: running, bound, slots: the upvalue is the kit's `ngx`, a table that has `ctx` as a field. A raw
        // read runs no Lua code.
        unsafe {
            ffi::lua_pushstring(state, c"ctx".as_ptr());
            let kind = ffi::lua_rawget(state, ffi::lua_upvalueindex(upvalue::NGX));
            (kind == ffi::LUA_TTABLE).then(|| ffi::lua_gettop(state))
        }
    }
}

/// `bind(ngx, services, { id, host })`: the functions of an instance, for the host.
unsafe extern "C-unwind" fn bind(state: *mut lua_State) -> c_int {
    // SAFETY: running: the Lua code of glue.lua calls this function. No value of Rust is alive.
    unsafe { lua::bind::<InMemory>(state) }
}

fn open(lua: &Lua) -> Result<()> {
    // A protected call for each string would double the time of a test. Where a test runs out of memory, the
    // process ends.
    #[cfg(feature = "module")]
    lua.skip_memory_check(true);
    // SAFETY: `bind` is a C function that takes any arguments and leaves nothing alive when it raises.
    let bind = unsafe { lua.create_c_function(bind)? };
    lua.set_named_registry_value(&MODULE.to_string_lossy(), module(lua, bind)?)
}

/// Opens the module for a Lua VM.
///
/// # Safety
///
/// `state` is that of the running function, as `require` and `package.loadlib` give it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn luaopen_kong_response_testing_native(
    state: *mut lua_State,
) -> c_int {
    // SAFETY: the VM is open. What mlua keeps for a VM, it keeps in the VM's registry.
    let lua = unsafe { Lua::get_or_init_from_ptr(state) };
    let opened = attempt(|| open(lua).map_err(|error| Error::Host(error.to_string())));
    // SAFETY: C functions have 20 slots. Nothing of Rust is alive where this raises.
    unsafe {
        match opened {
            Ok(()) => {
                ffi::lua_getfield(state, ffi::LUA_REGISTRYINDEX, MODULE.as_ptr());
                1
            }
            Err(error) => {
                {
                    let text = error.to_string();
                    drop(error);
                    ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
                }
                ffi::lua_error(state)
            }
        }
    }
}
