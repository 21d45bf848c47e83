//! What the functions of an instance need of the server whose requests they work on.

use std::ffi::c_int;

use mlua::ffi::lua_State;

use crate::error::Error;
use crate::host::{BodyFilter, Callbacks, Client};

/// A server, as a handle on the request that its Lua code works on, for the time of one call.
///
/// The functions are instantiated once for each server, so that none of them has to ask which one it is.
pub trait Server: Copy + 'static {
    /// The request, as the rules see it.
    type Request<'call>: BodyFilter;

    /// The request of the running code, and who its client is.
    ///
    /// # Errors
    ///
    /// `API disabled in the current context`, `this coroutine belongs to another request`
    ///
    /// # Safety
    ///
    /// Running, bound to this server, slots. Guarded. ([`crate::lua`] explains these words.)
    unsafe fn current(state: *mut lua_State) -> Result<(Self, Client), Error>;

    /// Lends the request to the rules. `callbacks` does what only the language side can do.
    ///
    /// # Safety
    ///
    /// [`current`](Self::current) has found it in the running call, with a [`Client::Real`], or the rules
    /// only log; the call lasts longer than `'call`.
    unsafe fn lend<'call>(self, callbacks: &'call dyn Callbacks) -> Self::Request<'call>;

    /// Whether code finds an `ngx.ctx`.
    ///
    /// # Safety
    ///
    /// As [`current`](Self::current).
    unsafe fn has_ctx(state: *mut lua_State, client: Client) -> bool {
        let _ = state;
        client != Client::Absent
    }

    /// Pushes `ngx.ctx` and returns its index, if it can be found without running Lua code.
    ///
    /// # Safety
    ///
    /// As [`current`](Self::current); the request is there.
    unsafe fn push_ctx(self, state: *mut lua_State) -> Option<c_int> {
        let _ = state;
        None
    }

    /// Whether the running code may touch the chunk, where the server's phase is body_filter.
    ///
    /// # Safety
    ///
    /// As [`current`](Self::current).
    unsafe fn may_filter_body(state: *mut lua_State) -> bool {
        let _ = state;
        true
    }
}
