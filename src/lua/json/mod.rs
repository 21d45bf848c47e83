//! Writes a Lua table as JSON while it walks through the table.
//!
//! The bytes are those of lua-cjson with a gateway's settings. Its rules, not serde's, decide which tables are arrays
//! and how holes are written. Nothing here allocates in Lua. Metamethods run protected. After one has run, any of the
//! tables may have changed, and `lua_next` may raise for a changed table: from then on, every step is protected.

mod array;
mod inspect;
mod output;
pub mod read;
mod state;

use std::cell::Cell;
use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use state::{Failed, Items, MAX_DEPTH, Open, Outcome, Shape, Step, Value, Writer};

use super::edge::stack::{self, Slot, string, type_name};
use crate::response::exit::TableBody;
use crate::response::json::EncodeError;

thread_local! {
    /// The list of [`Writer::table`], kept for the next call: growing a new list for each call is measurably slower.
    static OUTER: Cell<Vec<Open>> = const { Cell::new(Vec::new()) };
}

/// A table on the stack.
#[derive(Debug)]
pub struct LuaTable {
    pub state: *mut lua_State,
    /// Its absolute index.
    pub index: c_int,
}

impl TableBody for LuaTable {
    fn message(&mut self) -> Result<Option<Vec<u8>>, EncodeError> {
        let Self { state, index } = *self;
        // SAFETY: running, bound, slots: `LuaTable` exists during the running call only. `push_field` returns what a
        // metamethod raises.
        unsafe {
            stack::push_field(state, index, Slot::Message).map_err(EncodeError::Thrown)?;
            let message = string(state, -1).map(<[u8]>::to_vec);
            ffi::lua_pop(state, 1);
            Ok(message)
        }
    }

    fn encode(&mut self) -> Result<Vec<u8>, EncodeError> {
        // SAFETY: running, bound, slots, as in `message`, and the table is at its index.
        unsafe { encode(self.state, self.index) }
    }
}

/// Writes the value at `index`.
///
/// # Safety
///
/// Running, bound, slots; `index` is absolute and valid. Guarded.
pub unsafe fn encode(state: *mut lua_State, index: c_int) -> Result<Vec<u8>, EncodeError> {
    // SAFETY: running, bound, slots. A copy of the value is on top, as `begin` needs it.
    unsafe {
        let top = ffi::lua_gettop(state);
        let mut writer = Writer::new(state);
        ffi::lua_pushvalue(state, index);
        let outcome = match writer.value() {
            Ok(Value::Table) => writer.table(),
            Ok(Value::Scalar | Value::Nil) => Ok(()),
            Err(failed) => Err(failed),
        };
        ffi::lua_settop(state, top);
        match outcome {
            Ok(()) => Ok(writer.out),
            Err(Failed) => Err(writer.error),
        }
    }
}

impl Writer {
    fn new(state: *mut lua_State) -> Self {
        Self {
            state,
            out: Vec::with_capacity(output::INITIAL_CAPACITY),
            error: EncodeError::NotFinite,
            sentinels: None,
            reserved_depth: 0,
            // SAFETY: reading the hook runs no code.
            code_ran: unsafe { ffi::lua_gethook(state) }.is_some(),
        }
    }

    /// Writes the table on top.
    unsafe fn table(&mut self) -> Outcome<()> {
        let mut outer = OUTER.take();
        // SAFETY: the table is on top.
        let outcome = unsafe { self.tables(&mut outer) };
        outer.clear();
        OUTER.set(outer);
        outcome
    }

    /// Writes the table on top and the tables in it.
    unsafe fn tables(&mut self, outer: &mut Vec<Open>) -> Outcome<()> {
        // SAFETY: the table is on top. `Step::Nested` has the nested table on top.
        unsafe {
            let mut step = self.begin(1)?;
            loop {
                match step {
                    Step::Nested(open) => {
                        outer.push(open);
                        step = self.begin(outer.len() + 1)?;
                    }
                    Step::Closed => {
                        self.reserve(output::SLACK)?;
                        let Some(open) = outer.pop() else { return Ok(()) };
                        step = self.resume(open)?;
                    }
                }
            }
        }
    }

    /// Begins the table on top, which is nested `depth` levels deep, and writes it up to the first nested table.
    unsafe fn begin(&mut self, depth: usize) -> Outcome<Step> {
        if depth > MAX_DEPTH {
            return Err(self.fail(EncodeError::TooDeep(depth)));
        }
        let state = self.state;
        // SAFETY: the table is on top. `reserve_stack` has reserved the slots above it.
        unsafe {
            self.reserve_stack(depth)?;
            if ffi::lua_getmetatable(state, -1) == 0 {
                return self.table_without_metatable();
            }
            let metatable = ffi::lua_topointer(state, -1);
            let sentinels = self.sentinels();
            if metatable == sentinels.array_mt {
                ffi::lua_pop(state, 1);
                return self.array(ffi::lua_objlen(state, -1) as c_int, Items::Raw);
            }
            let items = if self.has_field(Slot::Index) { Items::Indexed } else { Items::Raw };
            if self.has_field(Slot::Len) {
                let length = self.call_len()?;
                return self.array(length, items);
            }
            ffi::lua_pop(state, 1);
            match self.shape()? {
                Shape::Array(length) => self.array(length, items),
                Shape::Object if metatable == sentinels.empty_array_mt => {
                    self.text("[]");
                    Ok(Step::Closed)
                }
                Shape::Object => self.object(),
            }
        }
    }

    /// Continues a table after a nested table.
    unsafe fn resume(&mut self, open: Open) -> Outcome<Step> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            match open {
                Open::Object => {
                    ffi::lua_pop(state, 1);
                    if self.next(-2)? {
                        self.out.push(b',');
                        return self.fields();
                    }
                    self.out.push(b'}');
                }
                Open::Array { next, length, items, above } => {
                    ffi::lua_pop(state, above.into());
                    if next <= length {
                        self.out.push(b',');
                        return self.items(next, length, items);
                    }
                    self.out.push(b']');
                }
            }
        }
        Ok(Step::Closed)
    }

    /// Begins the table on top, which has no metatable. For most tables, the first key decides: array or object.
    unsafe fn table_without_metatable(&mut self) -> Outcome<Step> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            ffi::lua_pushnil(state);
            if !self.next(-2)? {
                self.text("{}");
                return Ok(Step::Closed);
            }
            match ffi::lua_type(state, -2) {
                ffi::LUA_TSTRING => {
                    self.out.push(b'{');
                    return self.fields();
                }
                ffi::LUA_TNUMBER if ffi::lua_tonumber(state, -2) == 1.0 => {
                    let start = self.out.len();
                    if let Some(step) = self.sequence()? {
                        return Ok(step);
                    }
                    self.out.truncate(start);
                }
                _ => (),
            }
            ffi::lua_pop(state, 2);
            match self.shape()? {
                Shape::Array(length) => self.array(length, Items::Raw),
                Shape::Object => self.object(),
            }
        }
    }

    /// Begins the table on top as an object.
    unsafe fn object(&mut self) -> Outcome<Step> {
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            ffi::lua_pushnil(self.state);
            if self.next(-2)? {
                self.out.push(b'{');
                return self.fields();
            }
        }
        self.text("{}");
        Ok(Step::Closed)
    }

    /// Writes the fields of an object, starting with the key and the value on top.
    unsafe fn fields(&mut self) -> Outcome<Step> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            loop {
                match ffi::lua_type(state, -2) {
                    ffi::LUA_TSTRING => self.key(bytes(state, -2))?,
                    ffi::LUA_TNUMBER => {
                        self.reserve(output::SLACK)?;
                        self.out.push(b'"');
                        self.number(ffi::lua_tonumber(state, -2))?;
                        self.text("\":");
                    }
                    _ => return Err(self.fail(EncodeError::Key(type_name(state, -2)))),
                }
                if self.value()? == Value::Table {
                    return Ok(Step::Nested(Open::Object));
                }
                ffi::lua_pop(state, 1);
                if !self.next(-2)? {
                    self.out.push(b'}');
                    return Ok(Step::Closed);
                }
                self.out.push(b',');
            }
        }
    }

    /// Writes the value on top, unless it is a table, and leaves it on the stack.
    #[inline(always)] // a call for each value, with its result in memory, is measurably slower
    unsafe fn value(&mut self) -> Outcome<Value> {
        let state = self.state;
        // SAFETY: a value is on top. Reading it runs no code.
        unsafe {
            let kind = ffi::lua_type(state, -1);
            match kind {
                ffi::LUA_TTABLE => return Ok(Value::Table),
                ffi::LUA_TSTRING => return self.string(bytes(state, -1)).map(|()| Value::Scalar),
                _ => self.reserve(output::SLACK)?,
            }
            match kind {
                ffi::LUA_TNUMBER => self.number(ffi::lua_tonumber(state, -1))?,
                ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, -1) != 0 => self.text("true"),
                ffi::LUA_TBOOLEAN => self.text("false"),
                ffi::LUA_TNIL => {
                    self.text("null");
                    return Ok(Value::Nil);
                }
                ffi::LUA_TLIGHTUSERDATA => match ffi::lua_touserdata(state, -1) {
                    pointer if pointer.is_null() => self.text("null"),
                    pointer if pointer == self.sentinels().empty_array => self.text("[]"),
                    _ => return Err(self.fail(EncodeError::Value("userdata"))),
                },
                _ => return Err(self.fail(EncodeError::Value(type_name(state, -1)))),
            }
        }
        Ok(Value::Scalar)
    }

    /// Lua code is about to run. Its garbage collector may also shrink the stack.
    fn code_will_run(&mut self) {
        self.code_ran = true;
        self.reserved_depth = 0;
    }
}

/// The bytes of the string at `index`. They are valid while the string is on the stack.
#[inline(always)]
unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: a string is at `index`. For a string, lua_tolstring allocates nothing and returns a pointer to its bytes.
    unsafe {
        let data = ffi::lua_tolstring(state, index, &mut length);
        std::slice::from_raw_parts(data.cast(), length)
    }
}
