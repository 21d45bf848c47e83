//! The way into a function and out of it.

use std::any::Any;
use std::borrow::Cow;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use http::Version;
use mlua::ffi::{self, lua_State};

use super::server::Server;
use super::stack::{self, Slot, push_bytes, push_slot, type_name, upvalue};
use crate::error::Error;
use crate::host::{Callbacks, Client, Host, Level, ServerPhase, version_of};
use crate::phase::{self, PhaseSet};
use crate::response::{phases, status};

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
pub struct Call<S> {
    pub state: *mut lua_State,
    pub server: S,
    /// The bits of `ngx.ctx.KONG_PHASE`, if `ngx.ctx` was read and has them.
    pub phase: Option<u32>,
    /// Where `ngx.ctx` is on the stack; 0 where it was not needed.
    pub ctx: c_int,
}

/// What Lua is handed back.
pub enum Reply {
    Nothing,
    Nil,
    Number(f64),
    Bytes(Vec<u8>),
    Body(Bytes),
    /// Bytes in the memory of nginx's request, which outlives the call.
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
    /// Running, slots. It raises, for want of memory; then unwinding drops the bytes.
    pub unsafe fn push(self, state: *mut lua_State) -> c_int {
        // SAFETY: running, slots; the caller is in step 3, where this may raise.
        unsafe {
            match self {
                Self::Nothing => return 0,
                Self::Nil => ffi::lua_pushnil(state),
                Self::Number(number) => ffi::lua_pushnumber(state, number),
                Self::Bytes(bytes) => push_bytes(state, &bytes),
                Self::Body(bytes) => push_bytes(state, &bytes),
                // SAFETY: the request's memory is freed with the request, which the server keeps until the
                // call is over, even where a user's `log` has run since the rules took the slice from it.
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
/// Running, bound to the server `S`; it is the last thing that the function does. It raises. `work` is guarded.
pub unsafe fn run<S: Server>(
    state: *mut lua_State,
    caller: Caller,
    needs: Needs,
    work: impl FnOnce(&Call<S>) -> Result<Reply, Error>,
) -> c_int {
    // SAFETY: running and bound are the caller's; the three steps are in order, and nothing of one is alive in
    // the next but the reply, which unwinding may drop.
    unsafe {
        let call = begin::<S>(state, caller, needs);
        let reply = guard(state, caller, || work(&call));
        reply.push(state)
    }
}

/// The step before the work: finds the request, and checks the phase.
///
/// # Safety
///
/// Running, bound to the server `S`. It raises.
pub unsafe fn begin<S: Server>(state: *mut lua_State, caller: Caller, needs: Needs) -> Call<S> {
    // SAFETY: running, bound; with the arguments cut to their number, the slots are free.
    unsafe {
        ffi::lua_settop(state, needs.arguments);
        match open::<S>(state, needs) {
            Ok(call) => call,
            Err(error) => raise(state, caller, error),
        }
    }
}

/// The work itself: a panic becomes an error, and an error is raised.
///
/// # Safety
///
/// Running. It raises. `work` is guarded: what may raise goes through [`stack::protect`].
pub unsafe fn guard<T>(
    state: *mut lua_State,
    caller: Caller,
    work: impl FnOnce() -> Result<T, Error>,
) -> T {
    match attempt(work) {
        Ok(value) => value,
        // SAFETY: running; `attempt` has dropped all of the work, so this is step 3.
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
/// Running, slots. It raises.
pub unsafe fn raise(state: *mut lua_State, caller: Caller, error: Error) -> ! {
    // SAFETY: running, slots, and the caller is in step 1 or 3. The text is dropped before lua_error; if Lua has
    // no memory to copy it, unwinding drops it.
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
    // SAFETY: as in `raise`.
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

/// Finds the request, and checks the phase.
///
/// # Safety
///
/// As [`begin`].
unsafe fn open<S: Server>(state: *mut lua_State, needs: Needs) -> Result<Call<S>, Error> {
    // SAFETY: running, bound and the slots are those of `begin`; what may raise (`push_ctx`) is called in step 1.
    unsafe {
        let (server, client) = S::current(state)?;
        let has_ctx = S::has_ctx(state, client);
        let is_served = client == Client::Real || needs.only_ctx && has_ctx;
        let mut call = Call { state, server, phase: None, ctx: 0 };
        // Fast path: the phase is allowed, so skip the gateway lookup.
        if let Some(phases) = needs.phases
            && is_served
            && client != Client::Absent
            && call.push_ctx_at_once()
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
        if let Some(allowed) = checked {
            let in_content = || client == Client::Real && call.with_request(|r| in_content(&r));
            phases::check(allowed, call.phase, in_content)?;
        }
        if !is_served {
            return Err(Error::Disabled);
        }
        Ok(call)
    }
}

fn in_content(request: &impl Host) -> bool {
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
/// Running, bound, slots; a table is at `ctx`. Guarded.
pub unsafe fn phase_of(state: *mut lua_State, ctx: c_int) -> Result<Option<u32>, Error> {
    // SAFETY: running, bound, slots. A raw read runs no Lua code.
    unsafe {
        push_slot(state, Slot::Phase);
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
///
/// # Safety
///
/// Running, bound, slots. Guarded.
unsafe fn gateway_is_here(state: *mut lua_State) -> Result<bool, Error> {
    // SAFETY: running, bound, slots. `push_field` turns what is raised into an error.
    unsafe {
        let top = ffi::lua_gettop(state);
        let here = push_kong(state)
            && stack::push_field(state, ffi::lua_gettop(state), Slot::Ctx)
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
///
/// # Safety
///
/// Running, bound, slots: four tables with two values each. Guarded.
unsafe fn push_kong(state: *mut lua_State) -> bool {
    // SAFETY: running, bound, slots. All reads are raw, of values that are tables.
    unsafe {
        ffi::lua_pushvalue(state, ffi::LUA_GLOBALSINDEX);
        for _ in 0..4 {
            push_slot(state, Slot::Kong);
            match ffi::lua_rawget(state, -2) {
                ffi::LUA_TNIL => ffi::lua_pop(state, 1),
                kind => return kind == ffi::LUA_TTABLE,
            }
            if ffi::lua_getmetatable(state, -1) == 0 {
                return false;
            }
            push_slot(state, Slot::Index);
            if ffi::lua_rawget(state, -2) != ffi::LUA_TTABLE {
                return false;
            }
        }
        false
    }
}

impl<S: Server> Call<S> {
    /// Pushes `ngx.ctx`, if it can be found without running Lua code; returns whether it did.
    ///
    /// # Safety
    ///
    /// The call is the running one; the server has a request. Guarded.
    unsafe fn push_ctx_at_once(&mut self) -> bool {
        // SAFETY: `open` has got the server from `S::current` in this call, with a request.
        let ctx = unsafe { self.server.push_ctx(self.state) };
        self.ctx = ctx.unwrap_or(0);
        ctx.is_some()
    }

    /// Pushes `ngx.ctx`, unless it is on the stack.
    ///
    /// # Safety
    ///
    /// The call is the running one. It raises what the metamethod of `ngx` raises.
    unsafe fn push_ctx(&mut self) -> Result<(), Error> {
        let state = self.state;
        // SAFETY: running, bound, slots; `open` is in step 1, where lua_gettable may raise.
        unsafe {
            if self.ctx == 0 {
                push_slot(state, Slot::Ctx);
                let kind = ffi::lua_gettable(state, ffi::lua_upvalueindex(upvalue::NGX));
                if kind != ffi::LUA_TTABLE {
                    return Err(Error::NotTable { what: "ngx.ctx", got: type_name(state, -1) });
                }
                self.ctx = ffi::lua_gettop(state);
            }
        }
        Ok(())
    }

    /// Whether `ngx.ctx` says that the phase is one of `phases`.
    ///
    /// # Safety
    ///
    /// The call is the running one, and has pushed `ngx.ctx`. Guarded.
    unsafe fn is_in(&mut self, phases: PhaseSet) -> bool {
        // SAFETY: running, bound, and a table is at `self.ctx`. A phase that is no number is an error only where
        // phases are checked.
        self.phase = unsafe { phase_of(self.state, self.ctx) }.ok().flatten();
        self.phase.is_some_and(|bits| phases.contains(bits))
    }

    /// # Errors
    ///
    /// `headers have already been sent`
    pub fn refuse_when_sent(&self) -> Result<(), Error> {
        self.with_request(|request| status::refuse_when_sent(&request))
    }

    /// Lends the request to `work`.
    pub fn with_request<T>(&self, work: impl FnOnce(S::Request<'_>) -> T) -> T {
        // SAFETY: `open` has found the request in this call, and the server keeps it until the call returns; the
        // request that is lent does not outlive `work`.
        work(unsafe { self.server.lend(self) })
    }
}

impl<S: Server> Callbacks for Call<S> {
    fn http_version(&self) -> Option<Version> {
        let state = self.state;
        // SAFETY: running, bound, slots: `Call` exists during the running call only. pcall catches what is raised.
        unsafe {
            push_slot(state, Slot::HttpVersion);
            stack::pcall(state, 0, 1).ok()?;
            let is_number = ffi::lua_type(state, -1) == ffi::LUA_TNUMBER;
            let version = is_number.then(|| ffi::lua_tonumber(state, -1)).and_then(version_of);
            ffi::lua_pop(state, 1);
            version
        }
    }

    fn log(&self, level: Level, message: &[u8]) -> bool {
        let state = self.state;
        // SAFETY: as in `http_version`. Pushing the message may raise, so the job does it under `protect`.
        unsafe {
            // The option `warnings`: here every line passes that a call logs.
            if level == Level::Warn && !warnings_enabled(state) {
                return true;
            }
            push_slot(state, Slot::Log);
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

/// Whether warnings reach the log: the option `warnings`, true by default.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
pub unsafe fn warnings_enabled(state: *mut lua_State) -> bool {
    // SAFETY: running, bound, slots. Reading a boolean runs no code.
    unsafe {
        push_slot(state, Slot::Warnings);
        let enabled = ffi::lua_isnil(state, -1) != 0 || ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 1);
        enabled
    }
}

/// Whether a field of the table at `ctx` is true. It raises what a metamethod raises, as a string.
///
/// # Safety
///
/// As [`push_field`].
pub unsafe fn flag(state: *mut lua_State, ctx: c_int, name: Slot, caller: Caller) -> bool {
    // SAFETY: the contract of `push_field` is the same.
    unsafe {
        push_field(state, ctx, name, caller);
        let is_true = ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 1);
        is_true
    }
}

/// Pushes a field of the table at `table`. It raises what a metamethod raises, as a string.
///
/// # Safety
///
/// As [`stack::push_field`], but it raises.
pub unsafe fn push_field(state: *mut lua_State, table: c_int, name: Slot, caller: Caller) {
    // SAFETY: running, bound, slots, a table; the caller is in step 1 or 3, where `raise` may be called.
    unsafe {
        if let Err(text) = stack::push_field(state, table, name) {
            raise(state, caller, Error::thrown(text));
        }
    }
}
