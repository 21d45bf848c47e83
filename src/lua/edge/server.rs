//! The trait for the server whose requests the functions of an instance use.

use std::ffi::c_int;

use mlua::ffi::lua_State;

use crate::error::Error;
use crate::host::{BodyFilter, Callbacks, Client};

/// The request that the running Lua code is for. A value is valid during one call.
///
/// The functions are generic over this trait, so the compiler makes one copy for each server, without a check at run
/// time.
pub trait Server: Copy + 'static {
    /// The request for the rules.
    type Request<'call>: BodyFilter;

    /// Finds the request of the running code, and whether it has a client.
    ///
    /// # Errors
    ///
    /// `API disabled in the current context`, `this coroutine belongs to another request`
    ///
    /// # Safety
    ///
    /// Running, bound to this server, slots. It may raise if the server has to read a global; see `lua::nginx`.
    /// ([`crate::lua`] explains these words.)
    unsafe fn current(state: *mut lua_State) -> Result<(Self, Client), Error>;

    /// Lends the request to the rules. They call Lua through `callbacks`.
    ///
    /// # Safety
    ///
    /// [`current`](Self::current) has found the request in the running call, with [`Client::Real`]. The call lasts
    /// longer than `'call`.
    unsafe fn lend<'call>(self, callbacks: &'call dyn Callbacks) -> Self::Request<'call>;

    /// Whether the running code can read `ngx.ctx`.
    ///
    /// # Safety
    ///
    /// Running, bound to this server, slots. Guarded.
    unsafe fn has_ctx(state: *mut lua_State, client: Client) -> bool {
        let _ = state;
        client != Client::Absent
    }

    /// Pushes `ngx.ctx` and returns its index, if that is possible without running Lua code. Otherwise it may leave
    /// other values on the stack.
    ///
    /// # Safety
    ///
    /// Running, bound to this server, slots. [`current`](Self::current) has found a request in the running call. It
    /// raises, but only if there is no memory.
    unsafe fn push_ctx(self, state: *mut lua_State) -> Option<c_int> {
        let _ = state;
        None
    }

    /// If the server's phase is body_filter: whether the running code really is a body filter, so that there is a
    /// chunk.
    ///
    /// # Safety
    ///
    /// Running, bound to this server, slots. Guarded.
    unsafe fn may_filter_body(state: *mut lua_State) -> bool {
        let _ = state;
        true
    }
}
