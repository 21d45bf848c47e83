//! The start and the end of each function.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua::ffi::{self, lua_State};

use super::reply::Reply;
use super::server::Server;
use super::stack::{self, Slot, push_bytes, push_slot, type_name, upvalue};
use crate::error::Error;
use crate::host::{Client, Host, ServerPhase};
use crate::phase::{self, PhaseSet};
use crate::response::{phases, status};

/// The function whose line an error names.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum Caller {
    /// The plugin calls the C function directly.
    Direct = 1,
    /// The plugin calls a function of the facade, which calls the C function.
    ThroughFacade = 2,
}

/// The requirements of a function.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The number of its arguments. Missing arguments become nil, further ones are dropped.
    pub arguments: c_int,
    /// The allowed phases. With `None`, the phase is not checked.
    pub phases: Option<PhaseSet>,
    /// Whether it uses `ngx.ctx` for more than the phase.
    pub ctx: bool,
    /// Whether it needs only `ngx.ctx`, and no request of a client.
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

/// A call that has passed the checks: its request, its phase, its `ngx.ctx`.
#[derive(Clone, Copy)]
pub struct Call<S> {
    pub state: *mut lua_State,
    pub server: S,
    /// The function whose line warnings name. With `None`, they name no line.
    pub caller: Option<Caller>,
    /// The bits of `ngx.ctx.KONG_PHASE`, if `ngx.ctx` was read and has that field.
    pub phase: Option<u32>,
    /// The index of `ngx.ctx` on the stack, or 0 if it is not there.
    pub ctx: c_int,
}

/// Runs all three steps of a function: the checks, the work, and the reply.
///
/// # Safety
///
/// Running, bound to the server `S`. The C function returns its result at once. It raises. `work` is guarded.
pub unsafe fn run<S: Server>(
    state: *mut lua_State,
    caller: Caller,
    needs: Needs,
    work: impl FnOnce(&Call<S>) -> Result<Reply, Error>,
) -> c_int {
    // SAFETY: the caller guarantees running and bound. The three steps are in order. Only the reply is alive in the
    // next step, and unwinding may drop it.
    unsafe {
        let call = begin::<S>(state, caller, needs);
        let reply = guard(state, caller, || work(&call));
        reply.push(state)
    }
}

/// Step 1: finds the request and checks the phase.
///
/// # Safety
///
/// Running, bound to the server `S`. It raises.
pub unsafe fn begin<S: Server>(state: *mut lua_State, caller: Caller, needs: Needs) -> Call<S> {
    // SAFETY: running, bound. `lua_settop` drops further arguments, so the slots are free.
    unsafe {
        ffi::lua_settop(state, needs.arguments);
        match open::<S>(state, caller, needs) {
            Ok(call) => call,
            Err(error) => raise(state, caller, error),
        }
    }
}

/// Step 2: runs the work. A panic becomes an error. Raises the error.
///
/// # Safety
///
/// Running. It raises. `work` is guarded: it runs code that may raise through [`stack::protect`].
pub unsafe fn guard<T>(
    state: *mut lua_State,
    caller: Caller,
    work: impl FnOnce() -> Result<T, Error>,
) -> T {
    match attempt(work) {
        Ok(value) => value,
        // SAFETY: running. `attempt` has dropped all values of the work, so this is step 3.
        Err(error) => unsafe { raise(state, caller, error) },
    }
}

/// Runs the work. A panic becomes an error.
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
    // SAFETY: running, slots, and the caller is in step 1 or 3. The text is dropped before lua_error. If Lua has no
    // memory to copy it, unwinding drops it.
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

/// Raises `text` without a position.
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
unsafe fn open<S: Server>(
    state: *mut lua_State,
    caller: Caller,
    needs: Needs,
) -> Result<Call<S>, Error> {
    // SAFETY: the caller guarantees running and bound, and `begin` the slots. `push_ctx` may raise, and this is step 1.
    unsafe {
        let (server, client) = S::current(state)?;
        let has_ctx = S::has_ctx(state, client);
        let is_served = client == Client::Real || needs.only_ctx && has_ctx;
        let mut call = Call { state, server, caller: Some(caller), phase: None, ctx: 0 };
        // Fast path: the phase is allowed, so skip the gateway lookup.
        if let Some(phases) = needs.phases
            && is_served
            && client != Client::Absent
            && call.push_ctx_without_code()
            && call.is_in(phases)
        {
            return Ok(call);
        }
        let in_gateway = needs.phases.is_some() && gateway_exists(state)?;
        let checked = needs.phases.filter(|_| in_gateway && has_ctx);
        if checked.is_some() || needs.ctx && is_served {
            call.push_ctx()?;
            // Functions that change the response need the phase even if it is not checked.
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
/// The error that a metatable of `kong` raises.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
unsafe fn gateway_exists(state: *mut lua_State) -> Result<bool, Error> {
    // SAFETY: running, bound, slots. `push_field` returns what a metamethod raises as an `Err`.
    unsafe {
        let top = ffi::lua_gettop(state);
        let exists = push_kong(state)
            && stack::push_field(state, ffi::lua_gettop(state), Slot::Ctx)
                .map_err(Error::thrown)?
                != ffi::LUA_TNIL;
        ffi::lua_settop(state, top);
        Ok(exists)
    }
}

/// Pushes the global `kong` and returns true, if it is a table.
///
/// No Lua code runs, because a metatable of the globals often raises an error for a missing global. In old versions of
/// the module each request has its own globals, whose `__index` is the table of the global ones.
///
/// # Safety
///
/// Running, bound, slots for four tables with two values each. Guarded.
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
    /// Pushes `ngx.ctx` and returns true, if that needs no Lua code.
    ///
    /// # Safety
    ///
    /// The call is the running one; the server has a request. It raises, but only if there is no memory.
    unsafe fn push_ctx_without_code(&mut self) -> bool {
        // SAFETY: `open` has got the server from `S::current` in this call, with a request.
        let ctx = unsafe { self.server.push_ctx(self.state) };
        self.ctx = ctx.unwrap_or(0);
        ctx.is_some()
    }

    /// Pushes `ngx.ctx`, unless it is on the stack.
    ///
    /// # Safety
    ///
    /// The call is the running one. It raises the errors of the metamethod of `ngx`.
    unsafe fn push_ctx(&mut self) -> Result<(), Error> {
        let state = self.state;
        // SAFETY: running, bound, slots. `open` is in step 1, where lua_gettable may raise.
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

    /// Whether the phase in `ngx.ctx` is one of `phases`.
    ///
    /// # Safety
    ///
    /// The call is the running one, and has pushed `ngx.ctx`. Guarded.
    unsafe fn is_in(&mut self, phases: PhaseSet) -> bool {
        // SAFETY: running, bound, and a table is at `self.ctx`. If the phase is no number, the slow path returns the
        // error.
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
        // SAFETY: `open` has found the request in this call, and the server keeps it until the call returns. `work`
        // cannot keep the request that it borrows.
        work(unsafe { self.server.lend(self) })
    }
}

/// Whether a field of the table at `ctx` is true. Raises the error of a metamethod as a string.
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

/// Pushes a field of the table at `table`. Raises the error of a metamethod as a string.
///
/// # Safety
///
/// As [`stack::push_field`], but it raises.
pub unsafe fn push_field(state: *mut lua_State, table: c_int, name: Slot, caller: Caller) {
    // SAFETY: running, bound, slots, a table. The caller is in step 1 or 3, where `raise` may be called.
    unsafe {
        if let Err(text) = stack::push_field(state, table, name) {
            raise(state, caller, Error::thrown(text));
        }
    }
}
