//! nginx as a [`Server`]: finds the request of the running coroutine and its `ngx.ctx`.

use std::borrow::Cow;
use std::ffi::c_int;
use std::ptr::NonNull;

use http::Version;
use mlua::ffi::{self, lua_State};

use super::edge::server::Server;
use super::edge::stack::{Slot, is_running, push_slot, upvalue};
use crate::error::Error;
use crate::host::nginx::{Api, NgxRequest, Probe, Request, api};
use crate::host::{Callbacks, Client, Level};

/// The request of the running code.
#[derive(Clone, Copy)]
pub struct Nginx {
    api: &'static Api,
    /// Null if there is no request.
    request: *mut NgxRequest,
}

impl Server for Nginx {
    type Request<'call> = Request<'call>;

    unsafe fn current(state: *mut lua_State) -> Result<(Self, Client), Error> {
        // SAFETY: running, bound, slots. The request of the running thread is null, or alive, because nginx runs this
        // code for it. `refuse_another_request` has refused a coroutine that another request resumes.
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
        // SAFETY: the caller guarantees that `current` has found this request of a client in the running call. nginx
        // keeps the request until that call returns, which is after `'call`.
        unsafe { Request::new(self.api, request, callbacks) }
    }

    unsafe fn has_ctx(state: *mut lua_State, client: Client) -> bool {
        // SAFETY: the caller guarantees running, bound and slots.
        client != Client::Absent || unsafe { ctx_is_replaced(state) }
    }

    /// lua-nginx-module stores the table of each request in the registry. The metamethod of `ngx` reads `ngx.ctx`
    /// there, and makes the table at the first access. This function only reads it.
    unsafe fn push_ctx(self, state: *mut lua_State) -> Option<c_int> {
        // SAFETY: running, bound, slots; the caller guarantees that there is a request. Raw reads run no Lua code.
        unsafe {
            push_slot(state, Slot::Ctx);
            // A program may have replaced `ngx.ctx` by its own value.
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

    /// If Lua code prints after the end of a body, lua-nginx-module stays in the phase body_filter, although the
    /// chunk no longer exists. The threads of the VM show the difference. nginx runs filters in the main thread. It
    /// runs code that may yield in other threads, and resumes them while the main thread is idle. If the main thread
    /// is not known, the answer is false.
    unsafe fn may_filter_body(state: *mut lua_State) -> bool {
        // SAFETY: running, bound, slots. The main thread lives as long as its VM, which runs this.
        unsafe { main_thread(state).is_some_and(|main| is_running(main)) }
    }
}

/// The callbacks of an FFI call, which must not call Lua: they do nothing.
pub struct NoCallbacks;

impl Callbacks for NoCallbacks {
    fn http_version(&self) -> Option<Version> {
        None
    }

    fn last_modified(&self) -> Option<Vec<u8>> {
        None
    }

    fn log<'line>(&self, _: Level, message: &'line [u8]) -> Option<Cow<'line, [u8]>> {
        Some(Cow::Borrowed(message))
    }
}

/// Whether a program has replaced `ngx.ctx` by its own table. Then code can read it even without a request.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
unsafe fn ctx_is_replaced(state: *mut lua_State) -> bool {
    // SAFETY: running, bound, slots. `push_functions` has checked that the upvalue `ngx` is a table. A raw read runs
    // no Lua code.
    unsafe {
        push_slot(state, Slot::Ctx);
        let is_table =
            ffi::lua_rawget(state, ffi::lua_upvalueindex(upvalue::NGX)) == ffi::LUA_TTABLE;
        ffi::lua_pop(state, 1);
        is_table
    }
}

/// Refuses a coroutine of another request. A coroutine keeps the request that has created it, even if a filter or the
/// log phase of another request resumes it. nginx runs those in the main thread, so the main thread has the right
/// request.
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
    // SAFETY: running, bound, slots. lua_getexdata takes any thread that is alive, and the main thread lives as long
    // as the VM. The code only compares the requests, and does not read them.
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

/// The VM's main thread, if it is known: either nginx knew it when the instance was made, or a call has run in it
/// since.
///
/// # Safety
///
/// Running, bound to nginx, slots. Guarded.
unsafe fn main_thread(state: *mut lua_State) -> Option<NonNull<lua_State>> {
    // SAFETY: running, bound, slots. `bind_nginx` has put the main thread or nil into the upvalue, and
    // `push_slots` has made the array with space for the slot, so lua_rawseti does not allocate.
    unsafe {
        let main = ffi::lua_touserdata(state, ffi::lua_upvalueindex(upvalue::SERVER));
        if let Some(main) = NonNull::new(main.cast()) {
            return Some(main);
        }
        push_slot(state, Slot::MainThread);
        let main = NonNull::new(ffi::lua_touserdata(state, -1).cast());
        ffi::lua_pop(state, 1);
        if main.is_some() {
            return main;
        }
        let is_main = ffi::lua_pushthread(state) == 1;
        ffi::lua_pop(state, 1);
        if !is_main {
            return None;
        }
        ffi::lua_pushlightuserdata(state, state.cast());
        let slots = ffi::lua_upvalueindex(upvalue::SLOTS);
        ffi::lua_rawseti(state, slots, Slot::MainThread.index().into());
        NonNull::new(state)
    }
}

/// nginx's request of the running coroutine, or null if there is none.
///
/// # Safety
///
/// Running, slots. It raises: if LuaJIT has no `lua_getexdata`, reading a global may run a metamethod.
unsafe fn current_request(state: *mut lua_State, api: &Api) -> *mut NgxRequest {
    // SAFETY: running, slots. lua_getexdata takes any thread that is alive. For a LuaJIT without it, lua-nginx-module
    // stores the request as a light userdata in a global.
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
