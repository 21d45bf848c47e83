//! Error documents: their parts that come from Lua, and how Lua gets them.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};

use super::templates;
use crate::host::{Host, Level};
use crate::lua::edge::call::Call;
use crate::lua::edge::server::Server;
use crate::lua::edge::stack::{self, Slot, push_bytes, push_slot, string, upvalue};
use crate::response::error::{Page, Pages};
use crate::response::error_page::{Document, Template};

/// The parts of error documents that come from Lua.
pub struct LuaPages<'a, S> {
    pub call: &'a Call<S>,
}

impl<S: Server> Pages for LuaPages<'_, S> {
    fn template(&mut self, document: Document) -> Option<Rc<Template>> {
        let state = self.call.state;
        // SAFETY: running, bound, slots: `Call` exists during the running call only. Pushing the name allocates, and
        // the path may come from a metamethod, so `protect` runs both.
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
        // SAFETY: running, bound, slots: `Call` exists during the running call only. `begin` has put `ngx.ctx` at
        // `call.ctx`. A raw read runs no Lua code.
        unsafe {
            let state = self.call.state;
            push_slot(state, Slot::DecidedRequestId);
            ffi::lua_rawget(state, self.call.ctx);
            let decided = string(state, -1).map(<[u8]>::to_vec);
            ffi::lua_pop(state, 1);
            if let Some(id) = decided {
                return id;
            }
            if let Some(id) = self.call_for_id(Slot::RequestId) {
                return id;
            }
            if let Some(id) = self.call_for_id(Slot::GatewayRequestId) {
                return id;
            }
        }
        let id = self.call.with_request(|request| request.request_id().map(Cow::into_owned));
        id.unwrap_or_default()
    }
}

impl<S: Server> LuaPages<'_, S> {
    /// Calls the service `service`, which returns the request's id. The id is empty if the service raises an error or
    /// returns no string. `None` if there is no such service.
    ///
    /// If [`Slot::GatewayRequestId`] returns false, there is no gateway. Then false replaces the service in its slot,
    /// so that no call asks again.
    ///
    /// # Safety
    ///
    /// The call is the running one. Guarded.
    unsafe fn call_for_id(&self, service: Slot) -> Option<Vec<u8>> {
        let state = self.call.state;
        // SAFETY: running, bound, slots: the call is the running one. `pcall` catches what the service raises. The
        // array has this slot already, so lua_rawseti does not allocate.
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
                let slots = ffi::lua_upvalueindex(upvalue::SLOTS);
                ffi::lua_rawseti(state, slots, service.index().into());
                return None;
            }
            ffi::lua_pop(state, 1);
            Some(id.unwrap_or_default())
        }
    }
}

/// Pushes an array of the pieces of a page, which `ngx.print` prints one after the other.
///
/// LuaJIT hashes only a few bytes of a long string. Pages that differ only in the id have the same hash, and LuaJIT
/// would compare each new page with all earlier ones. In the id alone, those few bytes differ.
///
/// # Safety
///
/// Running, slots. It raises.
pub unsafe fn push_pieces(state: *mut lua_State, page: &Page) {
    let Range { start, end } = page.id;
    // SAFETY: running, slots, in step 3.
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
