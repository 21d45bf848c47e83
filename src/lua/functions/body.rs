//! `get_raw_body` and `set_raw_body`. Only Lua can set `ngx.arg`: the facade does, as it is told here.

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

/// Consumes the current chunk. Returns the body, if this is its end, else nil; what becomes of the
/// chunk: true where it stays as it is, else what takes its place; and at the end of a body that is too
/// large, why it is none.
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
                // SAFETY: running, bound, slots, as in the function around it.
                let look_at = |body: &[u8]| {
                    if warnings_enabled(state)
                        && let Some(warning) = warning::of_reading(&request, body)
                    {
                        warnings::emit(&call, caller, &warning);
                        body::note_read(&request);
                    }
                };
                Ok(match body::consume(&request, limit)? {
                    Consumed::Buffered => (Reply::Nil, Chunk::Cleared, None),
                    Consumed::AsItIs(bytes) => {
                        look_at(&bytes);
                        (Reply::from(bytes), Chunk::Stays, None)
                    }
                    Consumed::Whole(body) => {
                        look_at(&body);
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

/// What becomes of the chunk that was consumed.
enum Chunk {
    Stays,
    Cleared,
    /// It becomes what the plugin is given.
    Reply,
    Bytes(Bytes),
}

/// Checks that the body can be replaced by the given string, and frees what is buffered. Returns what the chunk
/// has to become; false where it is that already; nil where the response has no body; nil and the reason where
/// the body stays as it is.
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
                        warnings::emit(&call, caller, warning);
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

/// The option of that name.
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

/// Pushes a text; returns the number of values pushed.
///
/// # Safety
///
/// Running, slots. It raises.
unsafe fn push_text(state: *mut lua_State, text: &dyn std::fmt::Display) -> c_int {
    // SAFETY: running, slots; the caller is in step 3. If there is no memory, unwinding drops the text.
    unsafe { push_bytes(state, text.to_string().as_bytes()) };
    1
}

/// Raises where the server's phase is body_filter, but the running code is no filter.
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
