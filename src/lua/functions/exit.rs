//! `exit`, `error`, and the sending of a delayed response.
//!
//! The facade prints, exits and yields, because a C function cannot do this. It gets the status to exit with and the
//! text to print. It gets nothing if the response is delayed.

use std::ffi::c_int;

use http::StatusCode;
use mlua::ffi::{self, lua_State};

use super::delayed::{
    BODY, HEADERS, STATUS, is_delayed, mark_exited, store_delayed, unpack_delayed,
};
use super::pages::{LuaPages, push_pieces};
use crate::error::Error;
use crate::host::Host;
use crate::lua::edge::args::{self, PooledHeaders, number};
use crate::lua::edge::call::{Call, Caller, Needs, begin, guard, phase_of};
use crate::lua::edge::server::Server;
use crate::lua::edge::stack::{Slot, push_bytes, push_slot, string};
use crate::lua::json::LuaTable;
use crate::phase;
use crate::response::error::{self, Message, Page};
use crate::response::exit::{self, Body, Payload, Place, Sent, TableBody};
use crate::response::header::Headers;
use crate::response::status;

const CALLER: Caller = Caller::ThroughFacade;

/// The result of step 2: what step 3 must do.
enum Outcome {
    /// Store the response in `ngx.ctx`. `error` has changed the headers of the call; for `exit`, they are `None`.
    Delayed(Option<PooledHeaders>),
    /// Hand the payload to the facade, or in the header filter to `ctx.response_body`.
    Send { sent: Sent, in_filter: bool },
}

/// # Safety
///
/// Lua calls it, as a closure that `bind` has made: running, bound.
pub unsafe extern "C-unwind" fn exit<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        let call = begin::<S>(state, CALLER, Needs::request_and_ctx(phase::WRITE, 3));
        let delayed = is_delayed(state, call.ctx);
        let outcome = guard(state, CALLER, || {
            let arguments = read_arguments(&call)?;
            if !delayed {
                return arguments.send(&call);
            }
            call.with_request(|request| {
                let mut table = LuaTable { state, index: BODY };
                let place = place(&call, &request);
                exit::check_later(&request, body_at(state, &mut table), &arguments.headers, place)
            })?;
            Ok(Outcome::Delayed(None))
        });
        end(&call, outcome, None)
    }
}

/// # Safety
///
/// As [`exit`].
pub unsafe extern "C-unwind" fn error<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        let call = begin::<S>(state, CALLER, Needs::request_and_ctx(phase::WRITE, 3));
        let delayed = is_delayed(state, call.ctx);
        let (outcome, document) = guard(state, CALLER, || compose_error(&call, delayed));
        end(&call, outcome, Some(document))
    }
}

/// The callback of a delayed response: its argument is the `ngx.ctx` that holds it.
///
/// # Safety
///
/// As [`exit`].
pub unsafe extern "C-unwind" fn flush<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. `unpack_delayed` raises in step 1, while no
    // value is alive that Rust has to drop.
    unsafe {
        let mut call = begin::<S>(
            state,
            CALLER,
            Needs { arguments: 1, phases: None, ctx: false, only_ctx: false },
        );
        // The gateway calls it, not the plugin.
        call.caller = None;
        call.ctx = unpack_delayed(state);
        let outcome = guard(state, CALLER, || {
            call.phase = phase_of(state, call.ctx)?;
            read_arguments(&call)?.send(&call)
        });
        finish(&call, outcome, None)
    }
}

/// The checked arguments of `exit`. The body stays on the stack.
struct Arguments {
    status: StatusCode,
    headers: PooledHeaders,
}

/// Checks status, body and headers, and copies the headers.
///
/// # Errors
///
/// `headers have already been sent`, and the errors for a wrong status, body or header.
///
/// # Safety
///
/// The call is the running one; status, body and headers are at their indexes of the stack. Guarded.
unsafe fn read_arguments<S: Server>(call: &Call<S>) -> Result<Arguments, Error> {
    let state = call.state;
    call.refuse_when_sent()?;
    // SAFETY: running, bound, slots: the call is the running one. The caller has put the arguments there.
    unsafe {
        let status = status::check(number(state, STATUS).ok_or(Error::StatusType)?)?;
        match ffi::lua_type(state, BODY) {
            ffi::LUA_TNIL | ffi::LUA_TSTRING | ffi::LUA_TTABLE => (),
            _ => return Err(Error::BodyType),
        }
        Ok(Arguments { status, headers: read_headers(state)? })
    }
}

/// # Errors
///
/// `headers must be a nil or table`, and the errors for a wrong header.
///
/// # Safety
///
/// Running, bound, slots; the headers are at their index of the stack. Guarded.
unsafe fn read_headers(state: *mut lua_State) -> Result<PooledHeaders, Error> {
    // SAFETY: the caller guarantees running, bound, slots and the value.
    unsafe {
        match ffi::lua_type(state, HEADERS) {
            ffi::LUA_TNIL | ffi::LUA_TTABLE => args::headers(state, HEADERS),
            _ => Err(Error::HeadersType),
        }
    }
}

/// The body of the call. `table` refers to it if it is a table.
///
/// # Safety
///
/// Running; the body stays at its index of the stack for `'a`. Guarded.
unsafe fn body_at<'a>(state: *mut lua_State, table: &'a mut LuaTable) -> Body<'a> {
    // SAFETY: running. A string on the stack is reachable, so its bytes stay for `'a`.
    unsafe {
        match string(state, BODY) {
            Some(bytes) => Body::Bytes(bytes),
            None if ffi::lua_type(state, BODY) == ffi::LUA_TTABLE => Body::Table(table),
            None => Body::None,
        }
    }
}

fn place<S: Server>(call: &Call<S>, request: &impl Host) -> Place {
    // SAFETY: running, bound, slots: `Call` exists during the running call only. `begin` has put `ngx.ctx` at
    // `call.ctx`, and `flush` its argument, which is a table. A raw read runs no Lua code.
    Place::of(request, call.phase, || unsafe {
        let state = call.state;
        push_slot(state, Slot::KeepsEmptyBody);
        push_slot(state, Slot::LifecycleKeepsEmptyBody);
        ffi::lua_rawget(state, call.ctx);
        let keeps = ffi::lua_toboolean(state, -2) != 0 || ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 2);
        keeps
    })
}

impl Arguments {
    /// Sets status and headers of the response.
    ///
    /// # Errors
    ///
    /// As [`exit::send`].
    ///
    /// # Safety
    ///
    /// As [`read_arguments`].
    unsafe fn send<S: Server>(&self, call: &Call<S>) -> Result<Outcome, Error> {
        let state = call.state;
        call.with_request(|mut request| {
            let mut table = LuaTable { state, index: BODY };
            // SAFETY: running: the call is the running one. The body stays on the stack until the function returns.
            let body = unsafe { body_at(state, &mut table) };
            let place = place(call, &request);
            let sent = exit::send(&mut request, self.status, body, &self.headers, place)?;
            Ok(Outcome::Send { sent, in_filter: place.is_filter() })
        })
    }
}

/// Checks the arguments of `error`, makes the document, and sets status and headers of the response. A gRPC response
/// has no document.
///
/// # Errors
///
/// The errors for a wrong status, message or header, and those of [`exit::send`].
///
/// # Safety
///
/// As [`read_arguments`], with the message in place of the body.
unsafe fn compose_error<S: Server>(
    call: &Call<S>,
    delayed: bool,
) -> Result<(Outcome, Option<Page>), Error> {
    let state = call.state;
    call.refuse_when_sent()?;
    // SAFETY: running, bound, slots: the call is the running one. The message stays on the stack, so the bytes of a
    // string are reachable.
    unsafe {
        let status = status::check_error(number(state, STATUS).ok_or(Error::StatusType)?)?;
        let (json, field);
        let message = match ffi::lua_type(state, BODY) {
            ffi::LUA_TNIL => Message::Default,
            ffi::LUA_TSTRING => Message::Text(string(state, BODY).unwrap_or_default()),
            ffi::LUA_TTABLE => {
                let mut table = LuaTable { state, index: BODY };
                json = table.encode().map_err(Error::MessageEncoding)?;
                field = table.message().map_err(Error::MessageEncoding)?;
                Message::Table { json: &json, field: field.as_deref() }
            }
            _ => return Err(Error::MessageType),
        };
        let mut headers = read_headers(state)?;
        call.with_request(|mut request| {
            exit::check_can_print(&request)?;
            let mut pages = LuaPages { call };
            let document = error::document(&request, status, message, &mut headers, &mut pages);
            if delayed {
                return Ok((Outcome::Delayed(Some(headers)), document));
            }
            let body = document.as_ref().map_or(Body::None, |page| Body::Bytes(&page.text));
            let place = place(call, &request);
            let sent = exit::send(&mut request, status, body, &headers, place)?;
            Ok((Outcome::Send { sent, in_filter: place.is_filter() }, document))
        })
    }
}

/// Step 3 of `exit` and `error`: sets `ctx.KONG_EXITED`, then [`finish`].
///
/// # Safety
///
/// As [`finish`].
unsafe fn end<S: Server>(
    call: &Call<S>,
    outcome: Outcome,
    document: Option<Option<Page>>,
) -> c_int {
    // SAFETY: the contract of `finish` includes that of `mark_exited`.
    unsafe {
        mark_exited(call.state, call.ctx);
        finish(call, outcome, document)
    }
}

/// Stores the response or its body in `ngx.ctx`, and pushes the results for the facade. Returns the number of
/// results.
///
/// For `error`, `document` is its document, or `Some(None)` if there is none. For `exit`, it is `None`, and the body
/// is the argument on the stack.
///
/// # Safety
///
/// The call is the running one; `ngx.ctx` and the arguments of `exit` are at their indexes of the stack. It raises if
/// memory lacks. Then unwinding drops the arguments of this function.
unsafe fn finish<S: Server>(
    call: &Call<S>,
    outcome: Outcome,
    document: Option<Option<Page>>,
) -> c_int {
    let state = call.state;
    // SAFETY: running, bound, slots, in step 3. The caller has put `ngx.ctx` and the arguments on the stack.
    unsafe {
        let push_given = |state| match &document {
            Some(Some(page)) => push_bytes(state, &page.text),
            Some(None) => ffi::lua_pushnil(state),
            None => ffi::lua_pushvalue(state, BODY),
        };
        match outcome {
            Outcome::Delayed(headers) => {
                store_delayed(state, call.ctx, push_given, |state| match headers {
                    Some(headers) => push_headers(state, &headers),
                    None => ffi::lua_pushvalue(state, HEADERS),
                });
                0
            }
            Outcome::Send { sent: Sent { payload, code }, in_filter } => {
                ffi::lua_pushnumber(state, f64::from(code));
                match payload {
                    Payload::None if !in_filter => return 1,
                    // The upstream's body stays. An earlier call may have set another one.
                    Payload::None => ffi::lua_pushnil(state),
                    Payload::Given => match &document {
                        Some(Some(page)) if !in_filter => push_pieces(state, page),
                        _ => push_given(state),
                    },
                    Payload::Bytes(bytes) => push_bytes(state, &bytes),
                }
                if !in_filter {
                    return 2;
                }
                push_slot(state, Slot::ResponseBody);
                ffi::lua_insert(state, -2);
                ffi::lua_rawset(state, call.ctx);
                1
            }
        }
    }
}

/// Pushes a table of headers like the argument of `exit`: one value is a string, several are an array.
///
/// # Safety
///
/// Running, slots. It raises.
unsafe fn push_headers(state: *mut lua_State, headers: &Headers) {
    // SAFETY: running, slots, in step 3.
    unsafe {
        ffi::lua_createtable(state, 0, 4);
        for (name, values) in headers.iter() {
            push_bytes(state, name);
            if values.len() == 1 {
                values.for_each(|value| push_bytes(state, value));
            } else {
                ffi::lua_createtable(state, values.len() as c_int, 0);
                for (i, value) in (1..).zip(values) {
                    push_bytes(state, value);
                    ffi::lua_rawseti(state, -2, i);
                }
            }
            ffi::lua_rawset(state, -3);
        }
    }
}
