//! The way into a function and out of it.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use mlua::ffi::{self, lua_State};

use super::memory;
use super::mistakes::are_said;
use super::served::{Served, aside};
use super::stack::{
    self, Kept, is_running, main_thread, push_bytes, push_kept, type_name, upvalue,
};
use crate::error::Error;
use crate::host::memory::{Client, Memory, Shared};
use crate::host::nginx::{Api, NgxRequest, Probe, Request, api};
use crate::host::{Callbacks, Host, Level, ServerPhase};
use crate::phase::{self, PhaseSet};
use crate::response::{body, status};

/// Whose line an error names.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum Caller {
    /// The plugin calls the C function itself.
    Direct = 1,
    /// A Lua function of ours stands between.
    ThroughFacade = 2,
}

/// What a function needs before it can start.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// How many arguments it takes: missing ones become nil, others are dropped.
    pub arguments: c_int,
    /// The phases it may be called in; none are checked where there are none.
    pub phases: Option<PhaseSet>,
    /// Whether it reads or writes `ngx.ctx` beyond the phase.
    pub ctx: bool,
    /// Whether `ngx.ctx` is all it needs: no client's request.
    pub only_ctx: bool,
}

impl Needs {
    /// A request in one of `phases`.
    pub const fn request(phases: PhaseSet, arguments: c_int) -> Self {
        Self { arguments, phases: Some(phases), ctx: false, only_ctx: false }
    }

    /// A request in one of `phases`, and its `ngx.ctx`.
    pub const fn request_and_ctx(phases: PhaseSet, arguments: c_int) -> Self {
        Self { arguments, phases: Some(phases), ctx: true, only_ctx: false }
    }
}

/// A call that may go on: its request, its phase, its `ngx.ctx`.
#[derive(Clone, Copy)]
pub struct Call {
    pub state: *mut lua_State,
    place: Place,
    /// The bits of `ngx.ctx.KONG_PHASE`, where `ngx.ctx` was read and has them.
    pub phase: Option<u32>,
    /// Where `ngx.ctx` is on the stack; 0 where it was not needed.
    pub ctx: c_int,
}

/// Where the request of a call lives.
#[derive(Clone, Copy)]
enum Place {
    Nginx {
        api: &'static Api,
        request: *mut NgxRequest,
    },
    /// In the host that the function is bound to, which is one of its upvalues: it outlives the call.
    Memory(NonNull<RefCell<Memory>>),
}

/// What Lua is handed back.
pub enum Reply {
    Nothing,
    Nil,
    Number(f64),
    Bytes(Vec<u8>),
    /// Bytes of nginx's, which are still there when Lua copies them.
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
    /// Pushes it; says how many values these are.
    ///
    /// # Safety
    ///
    /// There is a slot on the stack; no `catch_unwind` is below.
    pub unsafe fn push(self, state: *mut lua_State) -> c_int {
        // SAFETY: by contract.
        unsafe {
            match self {
                Self::Nothing => return 0,
                Self::Nil => ffi::lua_pushnil(state),
                Self::Number(number) => ffi::lua_pushnumber(state, number),
                Self::Bytes(bytes) => {
                    push_bytes(state, &bytes);
                    body::recycle(bytes);
                }
                // SAFETY: nothing has run since the rules took it from nginx.
                Self::Slice(bytes) => push_bytes(state, &*bytes),
            }
        }
        1
    }
}

/// A whole function: checks, works, and answers.
///
/// # Safety
///
/// Called by a function that Lua calls, as its last act, with the upvalues of [`upvalue`].
pub unsafe fn run<const MEMORY: bool>(
    state: *mut lua_State,
    caller: Caller,
    needs: Needs,
    work: impl FnOnce(&Call) -> Result<Reply, Error>,
) -> c_int {
    // SAFETY: by contract.
    unsafe {
        let call = begin::<MEMORY>(state, caller, needs);
        let reply = guard(state, caller, || work(&call));
        reply.push(state)
    }
}

/// The step before the work: finds the request, and checks the phase. Each function exists twice, for
/// nginx's request and for one in memory, so that neither has to ask which it is.
///
/// # Safety
///
/// As [`run`]; no Rust value is alive that needs dropping, because this raises.
pub unsafe fn begin<const MEMORY: bool>(
    state: *mut lua_State,
    caller: Caller,
    needs: Needs,
) -> Call {
    // SAFETY: by contract. Lua gives every C function 20 slots beyond its arguments.
    unsafe {
        ffi::lua_settop(state, needs.arguments);
        match open::<MEMORY>(state, needs) {
            Ok(call) => call,
            Err(error) => raise(state, caller, error),
        }
    }
}

/// The work itself: a panic becomes an error, and an error is raised.
///
/// # Safety
///
/// As [`run`]. The work calls nothing of Lua that raises, unless through [`stack::protect`].
pub unsafe fn guard<T>(
    state: *mut lua_State,
    caller: Caller,
    work: impl FnOnce() -> Result<T, Error>,
) -> T {
    match attempt(work) {
        Ok(value) => value,
        // SAFETY: by contract, and nothing of the work is alive any more.
        Err(error) => unsafe { raise(state, caller, error) },
    }
}

/// The work itself: a panic becomes an error.
pub fn attempt<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let work = || {
        #[cfg(feature = "fault-injection")]
        crate::fault::panic_here();
        work()
    };
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Error::Internal(panic_text(panic.as_ref()))))
}

/// Raises `error` as a string with the caller's position.
///
/// # Safety
///
/// There are four slots on the stack; no `catch_unwind` is below.
pub unsafe fn raise(state: *mut lua_State, caller: Caller, error: Error) -> ! {
    // SAFETY: by contract.
    unsafe {
        ffi::luaL_where(state, caller as c_int);
        {
            let mut text = Vec::new();
            error.write_to(&mut text);
            drop(error);
            push_bytes(state, &text);
        }
        ffi::lua_concat(state, 2);
        ffi::lua_error(state)
    }
}

/// Raises `text` as it is.
///
/// # Safety
///
/// As [`raise`].
pub unsafe fn raise_plain(state: *mut lua_State, text: String) -> ! {
    // SAFETY: by contract.
    unsafe {
        push_bytes(state, text.as_bytes());
        drop(text);
        ffi::lua_error(state)
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

unsafe fn open<const MEMORY: bool>(state: *mut lua_State, needs: Needs) -> Result<Call, Error> {
    // SAFETY: the functions for memory have a host as an upvalue. The others are bound only where the
    // API is whole, and called by nginx's Lua, so that the request is that of the running code.
    unsafe {
        let (place, client) = if MEMORY {
            let host = ffi::lua_touserdata(state, ffi::lua_upvalueindex(upvalue::HOST));
            let memory = memory::held(host).ok_or(Error::Disabled)?;
            // SAFETY: the host is alive, being an upvalue, and nobody borrows it while Lua runs.
            let client = memory.as_ref().borrow().stage().client;
            (Place::Memory(memory), client)
        } else {
            let api = api().ok_or(Error::Disabled)?;
            let request = current_request(state, api);
            refuse_another_request(state, api, request)?;
            let client = match Request::probe(api, request) {
                Probe::Real { .. } => Client::Real,
                Probe::Fake => Client::Fake,
                Probe::Absent => Client::Absent,
            };
            (Place::Nginx { api, request }, client)
        };
        let has_ctx = client != Client::Absent || !MEMORY && ctx_is_replaced(state);
        let is_served = client == Client::Real || needs.only_ctx && has_ctx;
        let mut call = Call { state, place, phase: None, ctx: 0 };
        // Fast path: the phase is allowed, so skip the gateway lookup.
        if let Some(phases) = needs.phases
            && is_served
            && client != Client::Absent
            && call.push_ctx_at_hand()
            && call.is_in(phases)
        {
            return Ok(call);
        }
        let here = needs.phases.is_some() && gateway_is_here(state)?;
        let checked = needs.phases.filter(|_| here && has_ctx);
        if checked.is_some() || needs.ctx && is_served {
            call.push_ctx()?;
            // Functions that change the response ask where they are, also where nothing is checked.
            if checked.is_some() || !needs.only_ctx {
                call.phase = phase_of(state, call.ctx)?;
            }
        }
        if let Some(phases) = checked {
            let in_content = || client == Client::Real && call.with_request(|r| in_content(&r));
            phases.check(call.phase, in_content)?;
        }
        if !is_served {
            return Err(Error::Disabled);
        }
        Ok(call)
    }
}

fn in_content(request: &Served<'_>) -> bool {
    request.server_phase() == ServerPhase::Content
}

/// The bits of `KONG_PHASE` in the table at `ctx`.
///
/// # Errors
///
/// `ngx.ctx.KONG_PHASE must be a number, got <type>`
///
/// # Safety
///
/// There is a table at `ctx`, and the upvalues are there.
pub unsafe fn phase_of(state: *mut lua_State, ctx: c_int) -> Result<Option<u32>, Error> {
    // SAFETY: by contract; a raw read runs no Lua code.
    unsafe {
        push_kept(state, Kept::Phase);
        let phase = match ffi::lua_rawget(state, ctx) {
            ffi::LUA_TNIL => Ok(None),
            ffi::LUA_TNUMBER => Ok(Some(phase::bits_of(ffi::lua_tonumber(state, -1)))),
            _ => Err(Error::PhaseType(stack::type_name(state, -1))),
        };
        ffi::lua_pop(state, 1);
        phase
    }
}

/// Whether the globals `kong` and `kong.ctx` exist.
///
/// # Errors
///
/// What a metatable of `kong` raises.
unsafe fn gateway_is_here(state: *mut lua_State) -> Result<bool, Error> {
    // SAFETY: there are slots enough on the stack, which is left as it was.
    unsafe {
        let top = ffi::lua_gettop(state);
        let here = push_kong(state)
            && stack::push_field(state, ffi::lua_gettop(state), Kept::Ctx)
                .map_err(Error::thrown)?
                != ffi::LUA_TNIL;
        ffi::lua_settop(state, top);
        Ok(here)
    }
}

/// Pushes the global `kong`, if it is a table; says whether it is.
///
/// No Lua code runs: globals are often guarded against reading what is not there. Old versions of the
/// module have the globals in a table behind those of each request.
unsafe fn push_kong(state: *mut lua_State) -> bool {
    // SAFETY: as its caller's; an `__index` is followed as long as it is a table.
    unsafe {
        ffi::lua_pushvalue(state, ffi::LUA_GLOBALSINDEX);
        for _ in 0..4 {
            push_kept(state, Kept::Kong);
            match ffi::lua_rawget(state, -2) {
                ffi::LUA_TNIL => ffi::lua_pop(state, 1),
                kind => return kind == ffi::LUA_TTABLE,
            }
            if ffi::lua_getmetatable(state, -1) == 0 {
                return false;
            }
            push_kept(state, Kept::Index);
            if ffi::lua_rawget(state, -2) != ffi::LUA_TTABLE {
                return false;
            }
        }
        false
    }
}

/// Whether somebody has put a table of their own in the place of `ngx.ctx`: then it works everywhere.
unsafe fn ctx_is_replaced(state: *mut lua_State) -> bool {
    // SAFETY: `ngx` is an upvalue and a table; a raw read runs no Lua code.
    unsafe {
        push_kept(state, Kept::Ctx);
        let is_table =
            ffi::lua_rawget(state, ffi::lua_upvalueindex(upvalue::NGX)) == ffi::LUA_TTABLE;
        ffi::lua_pop(state, 1);
        is_table
    }
}

/// A coroutine keeps the request that it was made for, also when the code of another one resumes it. What
/// nginx runs in the main thread (filters, log) tells that: there the main thread has the request.
///
/// # Errors
///
/// `this coroutine belongs to another request`
unsafe fn refuse_another_request(
    state: *mut lua_State,
    api: &Api,
    request: *mut NgxRequest,
) -> Result<(), Error> {
    // SAFETY: the upvalues are there; lua_getexdata takes any state, and the main one lives as long as
    // its VM. Requests are compared here, never followed.
    unsafe {
        let (Some(lua_getexdata), Some(main)) = (api.lua_getexdata, main_thread(state)) else {
            return Ok(());
        };
        let is_anothers = !request.is_null()
            && main.as_ptr() != state
            && is_running(main)
            && lua_getexdata(main.as_ptr()) != request;
        if is_anothers { Err(Error::OtherRequest) } else { Ok(()) }
    }
}

/// nginx's request of the running coroutine; null where there is none.
unsafe fn current_request(state: *mut lua_State, api: &Api) -> *mut NgxRequest {
    // SAFETY: lua_getexdata takes any state. Without it, the module keeps a light userdata among the
    // globals.
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

impl Call {
    /// Pushes `ngx.ctx`, if it can be found without running Lua code; says whether it did.
    ///
    /// lua-nginx-module keeps the table of each request in the registry. The Lua code behind `ngx.ctx`
    /// reads it there, and makes it where there is none yet.
    unsafe fn push_ctx_at_hand(&mut self) -> bool {
        let state = self.state;
        // SAFETY: `begin` has left slots on the stack; `open` has found that nginx's request is there.
        unsafe {
            push_kept(state, Kept::Ctx);
            let field = ffi::lua_rawget(state, ffi::lua_upvalueindex(upvalue::NGX));
            let at_hand = match self.place {
                // The kit's `ngx` has it as a field.
                Place::Memory(_) => field == ffi::LUA_TTABLE,
                Place::Nginx { api, request } => {
                    let reference = Request::ctx_reference(api, request);
                    push_kept(state, Kept::CtxTables);
                    // A field is a table that somebody has put there.
                    field == ffi::LUA_TNIL
                        && reference >= 0
                        && ffi::lua_rawget(state, ffi::LUA_REGISTRYINDEX) == ffi::LUA_TTABLE
                        && ffi::lua_rawgeti(state, -1, reference.into()) == ffi::LUA_TTABLE
                }
            };
            if at_hand {
                self.ctx = ffi::lua_gettop(state);
            }
            at_hand
        }
    }

    /// Pushes `ngx.ctx`, unless it is there. It may raise.
    unsafe fn push_ctx(&mut self) -> Result<(), Error> {
        let state = self.state;
        // SAFETY: there are slots enough on the stack; no Rust value is alive.
        unsafe {
            if self.ctx == 0 {
                push_kept(state, Kept::Ctx);
                let kind = ffi::lua_gettable(state, ffi::lua_upvalueindex(upvalue::NGX));
                if kind != ffi::LUA_TTABLE {
                    return Err(Error::NotTable { what: "ngx.ctx", got: type_name(state, -1) });
                }
                self.ctx = ffi::lua_gettop(state);
            }
        }
        Ok(())
    }

    /// Whether the phase is plainly one of `phases`.
    unsafe fn is_in(&mut self, phases: PhaseSet) -> bool {
        // SAFETY: `ngx.ctx` is on the stack. What is no number is an error only where phases are checked.
        self.phase = unsafe { phase_of(self.state, self.ctx) }.ok().flatten();
        self.phase.is_some_and(|bits| bits & phases.bits() != 0)
    }

    /// # Errors
    ///
    /// `headers have already been sent`
    pub fn refuse_when_sent(&self) -> Result<(), Error> {
        self.with_request(|request| status::refuse_when_sent(&request))
    }

    /// Lends the request to `work`.
    pub fn with_request<T>(&self, work: impl FnOnce(Served<'_>) -> T) -> T {
        match self.place {
            Place::Nginx { api, request } => {
                let Some(request) = NonNull::new(request) else {
                    unreachable!("a call without a request does not begin")
                };
                // SAFETY: `open` has found that this is the client's request of the running code, and
                // nginx does not go on before the call returns.
                work(Served::Nginx(unsafe { Request::new(api, request, self) }))
            }
            Place::Memory(memory) => {
                // SAFETY: the host is an upvalue of the running function: nothing collects it.
                let memory = unsafe { memory.as_ref() };
                aside(|| work(Served::Memory(Shared::new(memory, self))))
            }
        }
    }
}

impl Callbacks for Call {
    fn http_version(&self) -> Option<f64> {
        let state = self.state;
        // SAFETY: the upvalues are there; the call is a protected one.
        unsafe {
            push_kept(state, Kept::HttpVersion);
            stack::pcall(state, 0, 1).ok()?;
            let is_number = ffi::lua_type(state, -1) == ffi::LUA_TNUMBER;
            let version = is_number.then(|| ffi::lua_tonumber(state, -1));
            ffi::lua_pop(state, 1);
            version
        }
    }

    fn log(&self, level: Level, message: &[u8]) -> bool {
        let state = self.state;
        // SAFETY: the upvalues are there; pushing the message may raise, so it is in the job.
        unsafe {
            // The option `warnings`: here every line passes that a call logs.
            if level == Level::Warn && !are_said(state) {
                return true;
            }
            push_kept(state, Kept::Log);
            if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
                ffi::lua_pop(state, 1);
                return false;
            }
            stack::protect(state, 1, 0, &mut |state| {
                ffi::lua_pushnumber(state, f64::from(level as i32));
                push_bytes(state, message);
                ffi::lua_call(state, 2, 0);
                0
            })
            .is_ok()
        }
    }
}
