//! nginx as a [`Server`]: the request of the running coroutine, and its `ngx.ctx`.

use std::ffi::c_int;
use std::ptr::NonNull;

use http::Version;
use mlua::ffi::{self, lua_State};

use super::edge::server::Server;
use super::edge::stack::{Slot, is_running, main_thread, push_slot, upvalue};
use crate::error::Error;
use crate::host::nginx::{Api, NgxRequest, Probe, Request, api};
use crate::host::{Callbacks, Client, Level};

/// The request of the running code.
#[derive(Clone, Copy)]
pub struct Nginx {
    api: &'static Api,
    /// Null where there is none.
    request: *mut NgxRequest,
}

impl Server for Nginx {
    type Request<'call> = Request<'call>;

    unsafe fn current(state: *mut lua_State) -> Result<(Self, Client), Error> {
        // SAFETY: running, bound. `bind_nginx` binds functions only where all of the API was found. The request
        // of the running thread is null, or nginx's and alive, because nginx runs this code for it.
        unsafe {
            let api = api().ok_or(Error::Disabled)?;
            let request = current_request(state, api);
            refuse_another_request(state, api, request)?;
            let client = match Request::probe(api, request) {
                Probe::Real { .. } => Client::Real,
                Probe::Fake => Client::Fake,
                Probe::Absent => Client::Absent,
            };
            Ok((Self { api, request }, client))
        }
    }

    unsafe fn lend<'call>(self, callbacks: &'call dyn Callbacks) -> Request<'call> {
        let Some(request) = NonNull::new(self.request) else {
            unreachable!("a call without a request does not begin")
        };
        // SAFETY: the caller says that `current` has found this request, a client's, in the running call. nginx
        // does not go on before that returns, and it outlives `'call`.
        unsafe { Request::new(self.api, request, callbacks) }
    }

    unsafe fn has_ctx(state: *mut lua_State, client: Client) -> bool {
        // SAFETY: running, bound, slots, as `ctx_is_replaced` needs them.
        client != Client::Absent || unsafe { ctx_is_replaced(state) }
    }

    /// lua-nginx-module keeps the table of each request in the registry. The Lua code behind `ngx.ctx`
    /// reads it there, and makes it where there is none yet.
    unsafe fn push_ctx(self, state: *mut lua_State) -> Option<c_int> {
        // SAFETY: running, bound, slots; the caller says that there is a request. Raw reads run no Lua code.
        unsafe {
            push_slot(state, Slot::Ctx);
            // A program may have put a table of its own there.
            if ffi::lua_rawget(state, ffi::lua_upvalueindex(upvalue::NGX)) != ffi::LUA_TNIL {
                return None;
            }
            let reference = Request::ctx_reference(self.api, self.request);
            push_slot(state, Slot::CtxTables);
            let found = reference >= 0
                && ffi::lua_rawget(state, ffi::LUA_REGISTRYINDEX) == ffi::LUA_TTABLE
                && ffi::lua_rawgeti(state, -1, reference.into()) == ffi::LUA_TTABLE;
            found.then(|| ffi::lua_gettop(state))
        }
    }

    /// lua-nginx-module forgets to leave the body filter's phase when something is printed after the end
    /// of a body. Then only the place where the code runs tells that this is no filter, and that the chunk
    /// is gone: nginx runs its filters in the main thread, and runs what may yield in threads of its own,
    /// which it resumes while the main one is idle. Where the main thread is not known, code in another one
    /// is refused.
    unsafe fn may_filter_body(state: *mut lua_State) -> bool {
        // SAFETY: running, bound, slots. The main thread lives as long as its VM, which runs this.
        unsafe { main_thread(state).is_some_and(|main| is_running(main)) }
    }
}

/// For work that asks nothing of Lua. An FFI call must not call Lua back.
pub struct NoCallbacks;

impl Callbacks for NoCallbacks {
    fn http_version(&self) -> Option<Version> {
        None
    }

    fn log(&self, _: Level, _: &[u8]) -> bool {
        false
    }
}

/// Whether a program has put a table of its own in the place of `ngx.ctx`: then it works everywhere.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
unsafe fn ctx_is_replaced(state: *mut lua_State) -> bool {
    // SAFETY: bound, so `ngx` is an upvalue; `push_functions` has checked that it is a table. A raw read runs no
    // Lua code.
    unsafe {
        push_slot(state, Slot::Ctx);
        let is_table =
            ffi::lua_rawget(state, ffi::lua_upvalueindex(upvalue::NGX)) == ffi::LUA_TTABLE;
        ffi::lua_pop(state, 1);
        is_table
    }
}

/// A coroutine keeps the request that it was made for, even if the code of another request resumes it.
/// What nginx runs in the main thread (filters, log) shows that: there the main thread has the request.
///
/// # Errors
///
/// `this coroutine belongs to another request`
///
/// # Safety
///
/// Running, bound, slots. Guarded.
unsafe fn refuse_another_request(
    state: *mut lua_State,
    api: &Api,
    request: *mut NgxRequest,
) -> Result<(), Error> {
    // SAFETY: running, bound, slots. lua_getexdata takes any thread that is alive, and the main one lives as long
    // as the VM. Requests are compared, and not followed.
    unsafe {
        let (Some(lua_getexdata), Some(main)) = (api.lua_getexdata, main_thread(state)) else {
            return Ok(());
        };
        let belongs_elsewhere = !request.is_null()
            && main.as_ptr() != state
            && is_running(main)
            && lua_getexdata(main.as_ptr()) != request;
        if belongs_elsewhere { Err(Error::OtherRequest) } else { Ok(()) }
    }
}

/// nginx's request of the running coroutine; null where there is none.
///
/// # Safety
///
/// Running, slots. Guarded with `lua_getexdata`; without it, reading a global runs what a metatable of the
/// globals has.
unsafe fn current_request(state: *mut lua_State, api: &Api) -> *mut NgxRequest {
    // SAFETY: running. lua_getexdata takes any thread; LuaJIT without it has the request as a light userdata
    // among the globals.
    unsafe {
        if let Some(lua_getexdata) = api.lua_getexdata {
            return lua_getexdata(state);
        }
        ffi::lua_getfield(state, ffi::LUA_GLOBALSINDEX, c"__ngx_req".as_ptr());
        let request = ffi::lua_touserdata(state, -1);
        ffi::lua_pop(state, 1);
        request.cast()
    }
}
