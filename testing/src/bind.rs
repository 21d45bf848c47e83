//! The functions of `kong.response` for a request in memory, and the function that `require` calls to open the
//! module.

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

/// The key of the module in Lua's registry.
const MODULE: &CStr = c"kong.response.testing.native";

/// The request in memory to which a function is bound.
#[derive(Debug, Clone, Copy)]
struct InMemory(NonNull<RefCell<Memory>>);

impl Server for InMemory {
    type Request<'call> = Shared<'call>;

    unsafe fn current(state: *mut lua_State) -> std::result::Result<(Self, Client), Error> {
        // SAFETY: running, bound, slots. The upvalue is the table `{ id, host }`, because only glue.lua calls `bind`.
        // Raw reads run no Lua code.
        let id = unsafe {
            ffi::lua_rawgeti(state, ffi::lua_upvalueindex(upvalue::SERVER), 1);
            let id = ffi::lua_tonumber(state, -1);
            ffi::lua_pop(state, 1);
            id
        };
        // When the VM closes, a function may outlive its host. Then there is no host with this id.
        let memory = host::by_id(id as u64).ok_or(Error::Disabled)?;
        // SAFETY: `by_id` finds only requests whose userdata is alive, and the userdata keeps its request.
        let client = unsafe { memory.as_ref() }.borrow().stage().client;
        Ok((Self(memory), client))
    }

    unsafe fn lend<'call>(self, callbacks: &'call dyn Callbacks) -> Shared<'call> {
        // SAFETY: the upvalue of the running function keeps the userdata of the host, which keeps the request, until
        // the call returns. The caller guarantees that this is after `'call`.
        Shared::new(unsafe { &*self.0.as_ptr() }, callbacks)
    }

    unsafe fn push_ctx(self, state: *mut lua_State) -> Option<c_int> {
        // SAFETY: running, bound, slots. `bind` has checked that the upvalue `ngx` is a table. A raw read runs no Lua
        // code. Pushing the string may raise, as the contract allows.
        unsafe {
            ffi::lua_pushstring(state, c"ctx".as_ptr());
            let kind = ffi::lua_rawget(state, ffi::lua_upvalueindex(upvalue::NGX));
            (kind == ffi::LUA_TTABLE).then(|| ffi::lua_gettop(state))
        }
    }
}

/// `bind(ngx, services, { id, host }) -> functions`: makes the functions of an instance for a host.
///
/// # Safety
///
/// Lua calls it: running.
unsafe extern "C-unwind" fn bind(state: *mut lua_State) -> c_int {
    // SAFETY: running, slots. No value is alive that Rust has to drop, so `bind` may raise.
    unsafe { lua::bind::<InMemory>(state) }
}

/// Makes the module and stores it in Lua's registry.
fn open(lua: &Lua) -> Result<()> {
    // Without this, mlua makes each string in a protected call, and tests take twice the time. With it, the process
    // ends if Lua has no memory.
    #[cfg(feature = "module")]
    lua.skip_memory_check(true);
    // SAFETY: `bind` accepts any arguments, and no value that Rust has to drop is alive when it raises.
    let bind = unsafe { lua.create_c_function(bind)? };
    lua.set_named_registry_value(&MODULE.to_string_lossy(), module(lua, bind)?)
}

/// Opens the module for a Lua VM.
///
/// # Safety
///
/// Lua calls it, in `require` or `package.loadlib`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn luaopen_kong_response_testing_native(
    state: *mut lua_State,
) -> c_int {
    // SAFETY: the VM is open, because it runs this function. mlua stores its data for a VM in the VM's registry, so
    // it does not outlive the VM.
    let lua = unsafe { Lua::get_or_init_from_ptr(state) };
    let opened = attempt(|| open(lua).map_err(|error| Error::Host(error.to_string())));
    // SAFETY: a C function has 20 free slots. No value is alive that Rust has to drop when this raises.
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
