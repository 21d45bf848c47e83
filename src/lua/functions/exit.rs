//! `exit`, `error`, and the sending of a delayed response.
//!
//! The facade prints, exits and yields, because a C function cannot do this. It gets
//! the status to exit with and what to print, or nothing when the response was delayed.

use std::borrow::Cow;
use std::ffi::c_int;
use std::ops::Range;
use std::rc::Rc;

use http::StatusCode;
use mlua::ffi::{self, lua_State};

use super::delayed::{
    BODY, HEADERS, STATUS, is_delayed, mark_exited, store_delayed, unpack_delayed,
};
use super::templates;
use crate::error::Error;
use crate::host::{Host, Level};
use crate::lua::edge::args::{self, PooledHeaders, number};
use crate::lua::edge::call::{Call, Caller, Needs, begin, guard, phase_of};
use crate::lua::edge::server::Server;
use crate::lua::edge::stack::{self, Slot, push_bytes, push_slot, string, upvalue};
use crate::lua::json::LuaTable;
use crate::phase;
use crate::response::error::{self, Message, Page, Pages};
use crate::response::error_page::{Document, Template};
use crate::response::exit::{self, Body, Payload, Place, Sent, TableBody};
use crate::response::header::Headers;
use crate::response::status;

const CALLER: Caller = Caller::ThroughFacade;

/// What is left for Lua to do.
enum Outcome {
    /// To yield: the response was stored. These are its headers, where they are not the caller's.
    Delayed(Option<PooledHeaders>),
    /// To print the payload and to exit.
    Send { sent: Sent, in_filter: bool },
}

/// # Safety
///
/// Lua calls it, as a closure that `bind` has made: running, bound. So are all below.
pub unsafe extern "C-unwind" fn exit<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound: Lua calls the closure that `bind` has made. The steps are in order.
    unsafe {
        let call = begin::<S>(state, CALLER, Needs::request_and_ctx(phase::WRITE, 3));
        let delayed = is_delayed(state, call.ctx);
        let left = guard(state, CALLER, || {
            let answer = read_answer(&call)?;
            if !delayed {
                return answer.send(&call);
            }
            call.with_request(|request| {
                let mut table = LuaTable { state, index: BODY };
                let place = place(&call, &request);
                exit::check_later(&request, body_at(state, &mut table), &answer.headers, place)
            })?;
            Ok(Outcome::Delayed(None))
        });
        end(&call, left, None)
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
        let (left, document) = guard(state, CALLER, || compose_error(&call, delayed));
        end(&call, left, Some(document))
    }
}

/// The callback of a delayed response: its argument is the `ngx.ctx` that holds it.
///
/// # Safety
///
/// As [`exit`].
pub unsafe extern "C-unwind" fn flush<S: Server>(state: *mut lua_State) -> c_int {
    // SAFETY: running, bound. Reading fields may raise, so that comes before any Rust value exists.
    unsafe {
        let mut call = begin::<S>(
            state,
            CALLER,
            Needs { arguments: 1, phases: None, ctx: false, only_ctx: false },
        );
        call.ctx = unpack_delayed(state);
        let left = guard(state, CALLER, || {
            call.phase = phase_of(state, call.ctx)?;
            read_answer(&call)?.send(&call)
        });
        finish(&call, left, None)
    }
}

/// The arguments of a call of `exit`, checked.
struct Answer {
    status: StatusCode,
    headers: PooledHeaders,
}

/// Reads status, body and headers at 1, 2, 3.
unsafe fn read_answer<S: Server>(call: &Call<S>) -> Result<Answer, Error> {
    let state = call.state;
    call.refuse_when_sent()?;
    // SAFETY: the three are on the stack.
    unsafe {
        let status = status::check(number(state, STATUS).ok_or(Error::StatusType)?)?;
        match ffi::lua_type(state, BODY) {
            ffi::LUA_TNIL | ffi::LUA_TSTRING | ffi::LUA_TTABLE => (),
            _ => return Err(Error::BodyType),
        }
        Ok(Answer { status, headers: read_headers(state)? })
    }
}

unsafe fn read_headers(state: *mut lua_State) -> Result<PooledHeaders, Error> {
    // SAFETY: the value is on the stack.
    unsafe {
        match ffi::lua_type(state, HEADERS) {
            ffi::LUA_TNIL | ffi::LUA_TTABLE => args::headers(state, HEADERS),
            _ => Err(Error::HeadersType),
        }
    }
}

/// The body at its place of the stack.
unsafe fn body_at<'a>(state: *mut lua_State, table: &'a mut LuaTable) -> Body<'a> {
    // SAFETY: the body stays on the stack, and so does its string.
    unsafe {
        match string(state, BODY) {
            Some(bytes) => Body::Bytes(bytes),
            None if ffi::lua_type(state, BODY) == ffi::LUA_TTABLE => Body::Table(table),
            None => Body::None,
        }
    }
}

/// Where the response is made.
fn place<S: Server>(call: &Call<S>, request: &impl Host) -> Place {
    // SAFETY: `begin` has put `ngx.ctx`, or `flush` its argument, at `call.ctx`; a raw read runs no Lua
    // code.
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

impl Answer {
    unsafe fn send<S: Server>(&self, call: &Call<S>) -> Result<Outcome, Error> {
        let state = call.state;
        call.with_request(|mut request| {
            let mut table = LuaTable { state, index: BODY };
            // SAFETY: the body is on the stack.
            let body = unsafe { body_at(state, &mut table) };
            let place = place(call, &request);
            let sent = exit::send(&mut request, self.status, body, &self.headers, place)?;
            Ok(Outcome::Send { sent, in_filter: place.is_filter() })
        })
    }
}

/// What `error` sends: its document, if there is one, beside what is left to do.
unsafe fn compose_error<S: Server>(
    call: &Call<S>,
    delayed: bool,
) -> Result<(Outcome, Option<Page>), Error> {
    let state = call.state;
    call.refuse_when_sent()?;
    // SAFETY: status, message and headers are on the stack.
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

/// What Lua knows of error documents.
struct LuaPages<'a, S> {
    call: &'a Call<S>,
}

impl<S: Server> Pages for LuaPages<'_, S> {
    fn template(&mut self, document: Document) -> Option<Rc<Template>> {
        let state = self.call.state;
        // SAFETY: the upvalues are there. The name is pushed in a protected call, for it allocates, and
        // the path may come from a metamethod.
        unsafe {
            push_slot(state, Slot::Templates);
            if ffi::lua_type(state, -1) != ffi::LUA_TTABLE {
                ffi::lua_pop(state, 1);
                return None;
            }
            stack::protect(state, 1, 1, &mut |state| {
                push_bytes(state, document.name().as_bytes());
                ffi::lua_gettable(state, 1);
                1
            })
            .ok()?;
            let path = string(state, -1).map(<[u8]>::to_vec);
            ffi::lua_pop(state, 1);
            templates::template(document, &path?, |line| {
                self.call.with_request(|request| request.log(Level::Error, line.as_bytes()));
            })
        }
    }

    fn request_id(&mut self) -> Vec<u8> {
        // SAFETY: the upvalues are there, and so is `ngx.ctx`; a raw read runs no Lua code.
        unsafe {
            let state = self.call.state;
            push_slot(state, Slot::DecidedRequestId);
            ffi::lua_rawget(state, self.call.ctx);
            let decided = string(state, -1).map(<[u8]>::to_vec);
            ffi::lua_pop(state, 1);
            if let Some(id) = decided {
                return id;
            }
            if let Some(id) = self.ask(Slot::RequestId) {
                return id;
            }
            if let Some(id) = self.ask(Slot::GatewayRequestId) {
                return id;
            }
        }
        let id = self.call.with_request(|request| request.request_id().map(Cow::into_owned));
        id.unwrap_or_default()
    }
}

impl<S: Server> LuaPages<'_, S> {
    /// The id that a service says, empty if it does not say one; nothing where there is no such service.
    /// One that says false is never asked again.
    unsafe fn ask(&self, service: Slot) -> Option<Vec<u8>> {
        let state = self.call.state;
        // SAFETY: the upvalues are there; the call is protected. The array has that place already.
        unsafe {
            push_slot(state, service);
            if ffi::lua_type(state, -1) != ffi::LUA_TFUNCTION {
                ffi::lua_pop(state, 1);
                return None;
            }
            if stack::pcall(state, 0, 1).is_err() {
                return Some(Vec::new());
            }
            let id = string(state, -1).map(<[u8]>::to_vec);
            if matches!(service, Slot::GatewayRequestId)
                && ffi::lua_type(state, -1) == ffi::LUA_TBOOLEAN
            {
                let kept = ffi::lua_upvalueindex(upvalue::SLOTS);
                ffi::lua_rawseti(state, kept, service.index().into());
                return None;
            }
            ffi::lua_pop(state, 1);
            Some(id.unwrap_or_default())
        }
    }
}

/// The end of `exit` and `error`: notes that there is an answer, and hands over.
unsafe fn end<S: Server>(call: &Call<S>, left: Outcome, document: Option<Option<Page>>) -> c_int {
    // SAFETY: ctx is on the stack, and so are the arguments; nothing that raises is below.
    unsafe {
        mark_exited(call.state, call.ctx);
        finish(call, left, document)
    }
}

/// Hands over to the facade. For `error`, `document` is what it composed; for `exit`, the body is the
/// caller's, at its place of the stack.
unsafe fn finish<S: Server>(
    call: &Call<S>,
    left: Outcome,
    document: Option<Option<Page>>,
) -> c_int {
    let state = call.state;
    // SAFETY: ctx and the arguments are on the stack; on OOM, unwinding drops what is alive.
    unsafe {
        let push_given = |state| match &document {
            Some(Some(page)) => push_bytes(state, &page.text),
            Some(None) => ffi::lua_pushnil(state),
            None => ffi::lua_pushvalue(state, BODY),
        };
        match left {
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
                    Payload::None => return 1,
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

/// Pushes the pieces of a page, to be printed one after the other.
///
/// LuaJIT looks at a few bytes of a string only to tell it from those it has. Pages that differ by the id
/// in their middle all look alike, and each new one would be compared with those before it.
unsafe fn push_pieces(state: *mut lua_State, page: &Page) {
    let Range { start, end } = page.id;
    // SAFETY: there are slots enough.
    unsafe {
        ffi::lua_createtable(state, 3, 0);
        for (i, piece) in
            (1..).zip([&page.text[..start], &page.text[start..end], &page.text[end..]])
        {
            push_bytes(state, piece);
            ffi::lua_rawseti(state, -2, i);
        }
    }
}

/// Pushes a table of headers, as a caller would write it.
unsafe fn push_headers(state: *mut lua_State, headers: &Headers) {
    // SAFETY: there are slots enough.
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
