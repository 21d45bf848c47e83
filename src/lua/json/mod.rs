//! JSON of a Lua table, written while it is walked.
//!
//! The bytes are those of lua-cjson with a gateway's settings: what is an array and how its holes are
//! written follows its rules, not serde's. Nothing here allocates in Lua. Metamethods run protected;
//! once one has run, any table on the way may have changed, and stepping through a changed table may
//! raise: then every step is protected.

mod look;

use std::cell::Cell;
use std::ffi::c_int;

use look::{Sentinels, Shape};
use mlua::ffi::{self, lua_State};

use super::stack::{self, Kept, string, type_name};
use crate::response::body;
use crate::response::exit::TableBody;
use crate::response::json::{EncodeError, write_escaped, write_key, write_number, write_string};

/// How deep tables may be nested.
const DEEPEST: usize = 1000;
/// So many holes are written of an array whose metatable has said how long it is, before there must be
/// as many items: nothing else bounds what has to fit into memory.
const MOST_HOLES: c_int = 1 << 20;
/// Room for what is written between two looks at it, besides what a string needs for each of its bytes.
const SLACK: usize = 160;
/// The room that a text begins with.
const FIRST: usize = 1024;
/// Long strings are written in pieces of so many bytes.
const PIECE: usize = 4096;
/// What one byte of a string may become: `\u00xx`.
const ESCAPED: usize = 6;

thread_local! {
    /// The list of [`Writer::table`], kept for the next one: growing it anew each time would show.
    static OUTER: Cell<Vec<Open>> = const { Cell::new(Vec::new()) };
}

/// The table at a place of the stack.
#[derive(Debug)]
pub struct LuaTable {
    pub state: *mut lua_State,
    /// Its absolute index.
    pub index: c_int,
}

impl TableBody for LuaTable {
    fn message(&mut self) -> Result<Option<Vec<u8>>, EncodeError> {
        let Self { state, index } = *self;
        // SAFETY: the upvalues are there; the read may run a metamethod, so it is protected.
        unsafe {
            stack::push_field(state, index, Kept::Message).map_err(EncodeError::Thrown)?;
            let message = string(state, -1).map(<[u8]>::to_vec);
            ffi::lua_pop(state, 1);
            Ok(message)
        }
    }

    fn encode(&mut self) -> Result<Vec<u8>, EncodeError> {
        // SAFETY: the upvalues are there, and the table is at its index.
        unsafe {
            let top = ffi::lua_gettop(self.state);
            let mut writer = Writer::new(self.state);
            ffi::lua_pushvalue(self.state, self.index);
            let outcome = writer.table();
            ffi::lua_settop(self.state, top);
            outcome.map(|()| writer.out)
        }
    }
}

struct Writer {
    state: *mut lua_State,
    out: Vec<u8>,
    sentinels: Option<Sentinels>,
    /// The stack is known to have room for tables of this depth.
    room: usize,
    /// The table that is being written.
    open: Open,
    /// Whether Lua code has run: tables may have changed under way.
    code_ran: bool,
}

/// How the items of an array are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Items {
    Raw,
    /// A hole is asked of the metatable's `__index`.
    Indexed,
}

/// A table that is being written.
///
/// On Lua's stack it is below the value that is written; an object's key is between the two. Tables in
/// tables are kept in a list, not on Rust's stack: it does not matter how deep they are.
#[derive(Clone, Copy)]
enum Open {
    Object,
    Array {
        /// The item that comes next.
        next: c_int,
        length: c_int,
        items: Items,
        /// How many slots of the stack are above the table.
        above: c_int,
    },
}

/// How writing a table has come to a stop.
enum Step {
    /// At a table in it, which is on top.
    Deeper,
    Closed,
}

impl Writer {
    fn new(state: *mut lua_State) -> Self {
        let mut out = body::spare();
        out.reserve(FIRST);
        Self { state, out, sentinels: None, room: 0, open: Open::Object, code_ran: false }
    }

    /// Writes the table on top.
    unsafe fn table(&mut self) -> Result<(), EncodeError> {
        let mut outer = OUTER.take();
        // SAFETY: the table is on top.
        let outcome = unsafe { self.tables(&mut outer) };
        outer.clear();
        OUTER.set(outer);
        outcome
    }

    /// Writes the table on top, and all that are in it.
    unsafe fn tables(&mut self, outer: &mut Vec<Open>) -> Result<(), EncodeError> {
        // SAFETY: the table is on top; so is each that is stepped into.
        unsafe {
            let mut step = self.begin(1)?;
            loop {
                match step {
                    Step::Deeper => {
                        outer.push(self.open);
                        step = self.begin(outer.len() + 1)?;
                    }
                    Step::Closed => {
                        self.make_space(SLACK)?;
                        let Some(open) = outer.pop() else { return Ok(()) };
                        self.open = open;
                        step = self.go_on()?;
                    }
                }
            }
        }
    }

    /// Begins the table on top, of this depth, and writes it up to the first table in it.
    unsafe fn begin(&mut self, depth: usize) -> Result<Step, EncodeError> {
        if depth > DEEPEST {
            return Err(EncodeError::TooDeep(depth));
        }
        let state = self.state;
        // SAFETY: the table is on top, with room above it.
        unsafe {
            self.make_room(depth)?;
            if ffi::lua_getmetatable(state, -1) == 0 {
                return self.plain();
            }
            let metatable = ffi::lua_topointer(state, -1);
            let sentinels = self.sentinels();
            if metatable == sentinels.array_mt {
                ffi::lua_pop(state, 1);
                return self.array(ffi::lua_objlen(state, -1) as c_int, Items::Raw);
            }
            let items = if self.has_field(Kept::Index) { Items::Indexed } else { Items::Raw };
            if self.has_field(Kept::Len) {
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

    /// Writes on, behind a table in the one that is open.
    unsafe fn go_on(&mut self) -> Result<Step, EncodeError> {
        let state = self.state;
        // SAFETY: as for `begin`.
        unsafe {
            match self.open {
                Open::Object => {
                    ffi::lua_pop(state, 1);
                    if self.next(-2)? {
                        self.out.push(b',');
                        return self.fields();
                    }
                    self.out.push(b'}');
                }
                Open::Array { next, length, items, above } => {
                    ffi::lua_pop(state, above);
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

    /// Begins the table on top, which has no metatable. Its first key tells most of them apart.
    unsafe fn plain(&mut self) -> Result<Step, EncodeError> {
        let state = self.state;
        // SAFETY: as for `begin`.
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

    /// Begins the table below its first key, 1, and value, as long as it goes on with 2, 3 and so on.
    /// Nothing where it does not: then a key and a value are on top, and nothing deeper has been looked at.
    unsafe fn sequence(&mut self) -> Result<Option<Step>, EncodeError> {
        let state = self.state;
        self.out.push(b'[');
        let mut last = 1;
        // SAFETY: as for `begin`.
        unsafe {
            loop {
                if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                    // Before going deeper, the whole table has to be known.
                    let Some(length) = self.end_of_sequence(last)? else { return Ok(None) };
                    self.open = Open::Array { next: last + 1, length, items: Items::Raw, above: 2 };
                    return Ok(Some(Step::Deeper));
                }
                match self.scalar() {
                    Ok(_) => (),
                    Err(refused @ EncodeError::Memory(_)) => return Err(refused),
                    // What else is wrong with the table is said first.
                    Err(_) => return Ok(None),
                }
                ffi::lua_pop(state, 1);
                if !self.next(-2)? {
                    self.out.push(b']');
                    return Ok(Some(Step::Closed));
                }
                last += 1;
                if !self.is_key(last) {
                    return Ok(None);
                }
                self.out.push(b',');
            }
        }
    }

    /// The last key of the sequence that has come to `last`, which is below its value; nothing if other
    /// keys follow.
    unsafe fn end_of_sequence(&mut self, mut last: c_int) -> Result<Option<c_int>, EncodeError> {
        let state = self.state;
        // SAFETY: as for `begin`.
        unsafe {
            ffi::lua_pushvalue(state, -2);
            while self.next(-4)? {
                last += 1;
                let goes_on = self.is_key(last);
                ffi::lua_pop(state, 1);
                if !goes_on {
                    ffi::lua_pop(state, 1);
                    return Ok(None);
                }
            }
        }
        Ok(Some(last))
    }

    /// Whether the key below the value on top is this number.
    unsafe fn is_key(&self, number: c_int) -> bool {
        // SAFETY: key and value are there.
        unsafe {
            ffi::lua_type(self.state, -2) == ffi::LUA_TNUMBER
                && ffi::lua_tonumber(self.state, -2) == f64::from(number)
        }
    }

    /// Begins the table on top as an array.
    unsafe fn array(&mut self, length: c_int, items: Items) -> Result<Step, EncodeError> {
        self.out.push(b'[');
        if length > 0 {
            // SAFETY: as for `begin`.
            return unsafe { self.items(1, length, items) };
        }
        self.out.push(b']');
        Ok(Step::Closed)
    }

    /// Writes the items of the array on top from `next` on, of which there is one.
    unsafe fn items(
        &mut self,
        mut next: c_int,
        length: c_int,
        items: Items,
    ) -> Result<Step, EncodeError> {
        let state = self.state;
        let first = next;
        let mut holes = 0;
        loop {
            // SAFETY: as for `begin`.
            unsafe {
                ffi::lua_rawgeti_(state, -1, next);
                if items == Items::Indexed && ffi::lua_type(state, -1) == ffi::LUA_TNIL {
                    ffi::lua_pop(state, 1);
                    self.indexed(next)?;
                }
                next += 1;
                if self.code_ran && ffi::lua_type(state, -1) == ffi::LUA_TNIL {
                    holes += 1;
                    if holes > MOST_HOLES && holes > (next - first) / 2 {
                        return Err(EncodeError::Sparse);
                    }
                }
                if !self.scalar()? {
                    self.open = Open::Array { next, length, items, above: 1 };
                    return Ok(Step::Deeper);
                }
                ffi::lua_pop(state, 1);
            }
            if next > length {
                self.out.push(b']');
                return Ok(Step::Closed);
            }
            self.out.push(b',');
        }
    }

    /// Pushes the item `i` of the table on top, as its metatable has it.
    unsafe fn indexed(&mut self, i: c_int) -> Result<(), EncodeError> {
        let state = self.state;
        self.code_ran = true;
        // SAFETY: as for `begin`; the read is protected.
        unsafe {
            ffi::lua_pushvalue(state, -1);
            ffi::lua_pushnumber(state, i.into());
            stack::protect(state, 2, 1, &mut |state| {
                ffi::lua_gettable(state, 1);
                1
            })
            .map_err(EncodeError::Thrown)
        }
    }

    /// Begins the table on top as an object.
    unsafe fn object(&mut self) -> Result<Step, EncodeError> {
        // SAFETY: as for `begin`.
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

    /// Writes the fields of an object from the key and the value on top on.
    unsafe fn fields(&mut self) -> Result<Step, EncodeError> {
        let state = self.state;
        // SAFETY: as for `begin`.
        unsafe {
            loop {
                match ffi::lua_type(state, -2) {
                    ffi::LUA_TSTRING => self.string(-2, write_key, "\":")?,
                    ffi::LUA_TNUMBER => {
                        self.out.push(b'"');
                        write_number(&mut self.out, ffi::lua_tonumber(state, -2))?;
                        self.text("\":");
                    }
                    _ => return Err(EncodeError::Key(type_name(state, -2))),
                }
                if !self.scalar()? {
                    self.open = Open::Object;
                    return Ok(Step::Deeper);
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

    /// Writes the value on top and leaves it there; says whether it could, being no table.
    #[inline(always)] // a call for each value, and its result in memory, would show
    unsafe fn scalar(&mut self) -> Result<bool, EncodeError> {
        let state = self.state;
        // SAFETY: the value is there; reading it runs nothing.
        unsafe {
            let kind = ffi::lua_type(state, -1);
            if kind == ffi::LUA_TSTRING {
                self.string(-1, write_string, "\"")?;
                return Ok(true);
            }
            self.make_space(SLACK)?;
            match kind {
                ffi::LUA_TNUMBER => write_number(&mut self.out, ffi::lua_tonumber(state, -1))?,
                ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, -1) != 0 => self.text("true"),
                ffi::LUA_TBOOLEAN => self.text("false"),
                ffi::LUA_TNIL => self.text("null"),
                ffi::LUA_TTABLE => return Ok(false),
                ffi::LUA_TLIGHTUSERDATA => match ffi::lua_touserdata(state, -1) {
                    pointer if pointer.is_null() => self.text("null"),
                    pointer if pointer == self.sentinels().empty_array => self.text("[]"),
                    _ => return Err(EncodeError::Value("userdata")),
                },
                _ => return Err(EncodeError::Value(type_name(state, -1))),
            }
        }
        Ok(true)
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Makes sure that so many bytes can be written without asking for memory, which nobody could refuse
    /// without ending the process.
    #[inline]
    fn make_space(&mut self, more: usize) -> Result<(), EncodeError> {
        if self.out.capacity() - self.out.len() >= more { Ok(()) } else { self.grow(more) }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Result<(), EncodeError> {
        let refused = EncodeError::Memory(self.out.len().saturating_add(more));
        #[cfg(feature = "fault-injection")]
        if crate::fault::happens(crate::fault::Fault::Allocation) {
            return Err(refused);
        }
        // It doubles; where there is no memory for that, there may be for what is needed.
        let out = &mut self.out;
        out.try_reserve(more).or_else(|_| out.try_reserve_exact(more)).map_err(|_| refused)
    }

    /// Writes the string at `index` with `write`, which puts `end` behind it.
    #[inline]
    unsafe fn string(
        &mut self,
        index: c_int,
        write: impl Fn(&mut Vec<u8>, &[u8]),
        end: &'static str,
    ) -> Result<(), EncodeError> {
        let mut length = 0;
        // SAFETY: of a string, lua_tolstring allocates nothing and gives a pointer to its bytes.
        let bytes = unsafe {
            let data = ffi::lua_tolstring(self.state, index, &mut length);
            std::slice::from_raw_parts(data.cast(), length)
        };
        if length > PIECE {
            return self.long_string(bytes, end);
        }
        self.make_space(ESCAPED * length + SLACK)?;
        write(&mut self.out, bytes);
        Ok(())
    }

    /// Writes a string in pieces: room for all of it, were every byte escaped, would be far too much.
    #[cold]
    fn long_string(&mut self, bytes: &[u8], end: &str) -> Result<(), EncodeError> {
        self.make_space(bytes.len().saturating_add(ESCAPED * PIECE + SLACK))?;
        self.out.push(b'"');
        for piece in bytes.chunks(PIECE) {
            self.make_space(ESCAPED * PIECE + SLACK)?;
            write_escaped(&mut self.out, piece);
        }
        self.text(end);
        Ok(())
    }
}
