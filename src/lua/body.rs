//! `get_raw_body` and `set_raw_body`. Only Lua can set `ngx.arg`: the facade does, as it is told here.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::call::{Call, Caller, Needs, Reply, begin, guard, run};
use super::stack::string;
use crate::error::Error;
use crate::phase;
use crate::response::body::BodyBuffer;

/// Consumes the current chunk. Returns the body, if this is its end, else nil; and whether the chunk
/// may stay as it is.
///
/// # Safety
///
/// Called by Lua, with the upvalues of [`upvalue`](super::stack::upvalue).
pub unsafe extern "C-unwind" fn get_raw_body(state: *mut lua_State) -> c_int {
    let caller = Caller::ThroughFacade;
    // SAFETY: Lua calls.
    unsafe {
        let call = begin(state, caller, Needs::request(phase::BODY, 0));
        let (reply, keep) = guard(state, caller, || consume(&call));
        reply.push(state);
        ffi::lua_pushboolean(state, c_int::from(keep));
        2
    }
}

fn consume(call: &Call) -> Result<(Reply, bool), Error> {
    call.with_request(|request| {
        let chunk = request.chunk()?;
        let mut buffer = match request.take_buffer() {
            Some(buffer) => buffer,
            None if chunk.last => {
                // The first chunk is the last: nginx has the whole body as it is to go out.
                if let Some(piece) = request.piece(chunk) {
                    return Ok((Reply::Slice(piece), true));
                }
                BodyBuffer::new(None)
            }
            None => BodyBuffer::new(request.promised_length()),
        };
        request.append(chunk, &mut buffer)?;
        if chunk.last {
            return Ok((Reply::Bytes(buffer.into_bytes()), false));
        }
        request.keep_buffer(buffer)?;
        Ok((Reply::Nil, false))
    })
}

/// Checks that the body can be replaced by the string given, and forgets what was buffered.
///
/// # Safety
///
/// As [`get_raw_body`].
pub unsafe extern "C-unwind" fn set_raw_body(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls.
    unsafe {
        run(state, Caller::ThroughFacade, Needs::request(phase::BODY, 1), |call| {
            call.with_request(|request| {
                if !request.in_body_filter() {
                    return Err(Error::Disabled);
                }
                if string(state, 1).is_none() {
                    return Err(Error::RawBodyType);
                }
                drop(request.take_buffer());
                Ok(Reply::Nothing)
            })
        })
    }
}
