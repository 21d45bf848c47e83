//! `get_raw_body` and `set_raw_body`. Only Lua can set `ngx.arg`, so the facade sets it to what these functions
//! return.

use std::ffi::c_int;

use bytes::Bytes;
use mlua::ffi::{self, lua_State};

use crate::error::Error;
use crate::lua::edge::args::number;
use crate::lua::edge::call::{Caller, Needs, begin, guard, raise};
use crate::lua::edge::callbacks::warnings_enabled;
use crate::lua::edge::reply::Reply;
use crate::lua::edge::server::Server;
use crate::lua::edge::stack::{Slot, push_bytes, push_slot, string};
use crate::lua::edge::warnings;
use crate::phase;
use crate::response::body::{self, Consumed, Replaced};
use crate::response::warning;

/// `get_raw_body() -> body|nil, chunk, reason|nil`: consumes the current chunk.
///
/// - `body`: the whole body, at its end.
/// - `chunk`: what the facade must assign to `ngx.arg[1]`. With true, the chunk stays unchanged.
/// - `reason`: why there is no body, at the end of a body that exceeds the limit.
///
/// # Safety
///
/// Lua calls it, as a closure that `bind` has made: running, bound.
pub unsafe extern "C-unwind" fn get_raw_body<S: Server>(state: *mut lua_State) -> c_int {
    let caller = Caller::ThroughFacade;
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        let call = begin::<S>(state, caller, Needs::request(phase::BODY, 0));
        refuse_a_stale_phase::<S>(state);
        let limit = max_body_size(state);
        let (reply, chunk, refusal) = guard(state, caller, || {
            call.with_request(|request| {
                // SAFETY: running, bound, slots: this runs in the call of `get_raw_body`.
                let warn_if_encoded = |body: &[u8]| {
                    if warnings_enabled(state)
                        && let Some(warning) = warning::of_reading(&request, body)
                    {
                        warnings::emit(&call, &warning);
                        body::note_read(&request);
                    }
                };
                Ok(match body::consume(&request, limit)? {
                    Consumed::Buffered => (Reply::Nil, Chunk::Cleared, None),
                    Consumed::AsItIs(bytes) => {
                        warn_if_encoded(&bytes);
                        (Reply::from(bytes), Chunk::Stays, None)
                    }
                    Consumed::Whole(body) => {
                        warn_if_encoded(&body);
                        (Reply::Body(body), Chunk::Reply, None)
                    }
                    Consumed::Passing { released, refusal } => {
                        (Reply::Nil, released.map_or(Chunk::Stays, Chunk::Bytes), refusal)
                    }
                })
            })
        });
        reply.push(state);
        match chunk {
            Chunk::Stays => ffi::lua_pushboolean(state, 1),
            Chunk::Cleared => ffi::lua_pushnil(state),
            Chunk::Reply => ffi::lua_pushvalue(state, -1),
            Chunk::Bytes(bytes) => push_bytes(state, &bytes),
        }
        match refusal {
            Some(limit) => 2 + push_text(state, &limit),
            None => 2,
        }
    }
}

/// What the consumed chunk becomes.
enum Chunk {
    Stays,
    Cleared,
    /// The body that the plugin gets.
    Reply,
    Bytes(Bytes),
}

/// `set_raw_body(body) -> chunk, reason|nil`: checks that `body` can replace the body, and frees the buffer.
///
/// - `chunk`: what the facade must assign to `ngx.arg[1]`. With false, the chunk already is the body. With nil, the
///   response has no body, or `reason` says why the body stays as it is.
///
/// # Safety
///
/// As [`get_raw_body`].
pub unsafe extern "C-unwind" fn set_raw_body<S: Server>(state: *mut lua_State) -> c_int {
    let caller = Caller::ThroughFacade;
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        let call = begin::<S>(state, caller, Needs::request(phase::BODY, 1));
        refuse_a_stale_phase::<S>(state);
        let warns = warnings_enabled(state);
        let replaced = guard(state, caller, || {
            call.with_request(|request| {
                let body = string(state, 1);
                let replaced = body::replace(&request, body)?;
                let goes_out = matches!(replaced, Replaced::Wanted | Replaced::Already);
                if let Some(body) = body.filter(|_| warns && goes_out).map(body::sent) {
                    let length = warning::of_replacing(&request, body.len());
                    let label = warning::of_relabelling(&request, body)
                        .filter(|_| replaced == Replaced::Wanted);
                    for warning in length.iter().chain(&label) {
                        warnings::emit(&call, warning);
                    }
                }
                Ok(replaced)
            })
        });
        match replaced {
            Replaced::Wanted => match string(state, 1) {
                Some(b"") => push_bytes(state, body::sent(b"")),
                _ => ffi::lua_pushvalue(state, 1),
            },
            Replaced::Already => ffi::lua_pushboolean(state, 0),
            Replaced::Bodiless => ffi::lua_pushnil(state),
            Replaced::Refused(limit) => {
                ffi::lua_pushnil(state);
                return 1 + push_text(state, &limit);
            }
        }
        1
    }
}

/// The option `max_body_size`, in bytes.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
unsafe fn max_body_size(state: *mut lua_State) -> Option<usize> {
    // SAFETY: running, bound, slots. Reading a number runs no code.
    unsafe {
        push_slot(state, Slot::MaxBodySize);
        let limit = number(state, -1).map(|limit| limit as usize);
        ffi::lua_pop(state, 1);
        limit
    }
}

/// Pushes a text. Returns the number of pushed values.
///
/// # Safety
///
/// Running, slots. It raises.
unsafe fn push_text(state: *mut lua_State, text: &dyn std::fmt::Display) -> c_int {
    // SAFETY: running, slots; the caller is in step 3. If there is no memory, unwinding drops the text.
    unsafe { push_bytes(state, text.to_string().as_bytes()) };
    1
}

/// Raises `API disabled in the current context` if the server's phase is body_filter, but the running code is not a
/// filter; see [`Server::may_filter_body`].
///
/// # Safety
///
/// Running, bound to the server `S`, slots. It raises.
unsafe fn refuse_a_stale_phase<S: Server>(state: *mut lua_State) {
    // SAFETY: running, bound, slots; the caller is in step 1, where `raise` may be called.
    unsafe {
        if !S::may_filter_body(state) {
            raise(state, Caller::ThroughFacade, Error::Disabled);
        }
    }
}
