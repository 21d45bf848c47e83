//! `get_raw_body` and `set_raw_body`. Only Lua can set `ngx.arg`: the facade does, as it is told here.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::call::{Caller, Needs, Reply, begin, guard, raise};
use super::headers::number;
use super::mistakes;
use super::stack::{Kept, is_running, main_thread, push_bytes, push_kept, string};
use crate::error::Error;
use crate::phase;
use crate::response::body::{self, Consumed, Replaced};
use crate::response::mistake;

/// Consumes the current chunk. Returns the body, if this is its end, else nil; what becomes of the
/// chunk: true where it stays as it is, else what takes its place; and at the end of a body that is too
/// large, why it is none.
///
/// # Safety
///
/// Called by Lua, with the upvalues of [`upvalue`](super::stack::upvalue).
pub unsafe extern "C-unwind" fn get_raw_body<const MEMORY: bool>(state: *mut lua_State) -> c_int {
    let caller = Caller::ThroughFacade;
    // SAFETY: Lua calls.
    unsafe {
        let call = begin::<MEMORY>(state, caller, Needs::request(phase::BODY, 0));
        refuse_a_stale_phase::<MEMORY>(state);
        let limit = max_body_size(state);
        let warns = mistakes::are_said(state);
        let (reply, chunk, refusal) = guard(state, caller, || {
            call.with_request(|request| {
                let look_at = |body: &[u8]| {
                    if warns && let Some(mistake) = mistake::of_reading(&request, body) {
                        mistakes::say(&call, caller, &mistake);
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
                        (Reply::Bytes(body), Chunk::Reply, None)
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
    Bytes(Vec<u8>),
}

/// Checks that the body can be replaced by the string given, and forgets what was buffered. Returns
/// whether the chunk has to become that string; nil where the response has no body; nil, and why, where
/// the body stays as it is.
///
/// # Safety
///
/// As [`get_raw_body`].
pub unsafe extern "C-unwind" fn set_raw_body<const MEMORY: bool>(state: *mut lua_State) -> c_int {
    let caller = Caller::ThroughFacade;
    // SAFETY: Lua calls.
    unsafe {
        let call = begin::<MEMORY>(state, caller, Needs::request(phase::BODY, 1));
        refuse_a_stale_phase::<MEMORY>(state);
        let warns = mistakes::are_said(state);
        let replaced = guard(state, caller, || {
            call.with_request(|request| {
                let body = string(state, 1);
                let replaced = body::replace(&request, body)?;
                let goes_out = matches!(replaced, Replaced::Wanted | Replaced::Already);
                if let Some(body) = body.filter(|_| warns && goes_out).map(body::sent) {
                    let length = mistake::of_replacing(&request, body.len());
                    let label = mistake::of_relabelling(&request, body)
                        .filter(|_| replaced == Replaced::Wanted);
                    for mistake in length.iter().chain(&label) {
                        mistakes::say(&call, caller, mistake);
                    }
                }
                Ok(replaced)
            })
        });
        match replaced {
            Replaced::Wanted => ffi::lua_pushboolean(state, 1),
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
/// The upvalues are there, and two slots on the stack.
unsafe fn max_body_size(state: *mut lua_State) -> Option<usize> {
    // SAFETY: by contract; to read a number runs nothing.
    unsafe {
        push_kept(state, Kept::MaxBodySize);
        let limit = number(state, -1).map(|limit| limit as usize);
        ffi::lua_pop(state, 1);
        limit
    }
}

/// Pushes a text; says how many values these are.
///
/// # Safety
///
/// There is a slot on the stack; no `catch_unwind` is below.
unsafe fn push_text(state: *mut lua_State, text: &dyn std::fmt::Display) -> c_int {
    // SAFETY: by contract. It may raise for want of memory, which costs no more than the text.
    unsafe { push_bytes(state, text.to_string().as_bytes()) };
    1
}

/// lua-nginx-module forgets to leave the body filter's phase when something is printed behind the end
/// of a body: then only where the code runs tells that this is no filter, and that the chunk is gone.
///
/// nginx runs its filters in the main thread, and what may yield in threads of its own, which it resumes
/// while the main one is idle. Where the main thread is not known, code in another one is refused.
///
/// # Safety
///
/// As [`main_thread`].
unsafe fn refuse_a_stale_phase<const MEMORY: bool>(state: *mut lua_State) {
    // SAFETY: by contract; nothing of Rust is alive.
    unsafe {
        if !MEMORY && !main_thread(state).is_some_and(|main| is_running(main)) {
            raise(state, Caller::ThroughFacade, Error::Disabled);
        }
    }
}
