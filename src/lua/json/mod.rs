//! JSON of a Lua table, written while it is walked.
//!
//! The bytes are those of lua-cjson with a gateway's settings: what is an array and how its holes are
//! written follows its rules, not serde's. Nothing here allocates in Lua. Metamethods run protected;
//! once one has run, any table on the way may have changed, and stepping through a changed table may
//! raise: then every step is protected.

mod array;
mod look;
pub mod read;

use std::cell::Cell;
use std::ffi::c_int;

use look::{Sentinels, Shape};
use mlua::ffi::{self, lua_State};

use super::edge::stack::{self, Slot, string, type_name};
use crate::response::exit::TableBody;
use crate::response::json::{EncodeError, write_escaped, write_key, write_number, write_string};

/// How deep tables may be nested.
const DEEPEST: usize = 1000;
/// Room for what is written between two looks at it, besides what a string needs for each of its bytes.
/// On the way down into tables nobody looks: that is a bracket for each.
const SLACK: usize = 160 + DEEPEST;
/// The room that a text begins with.
const FIRST: usize = 2048;
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
        // SAFETY: running, bound, slots, as above, and the table is at its index.
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

/// Writing has failed. The reason is in [`Writer::error`], so that a result fits a register.
struct Failed;

type Outcome<T> = Result<T, Failed>;

/// What is written, and how far.
///
/// Its unsafe methods rely on what [`encode`] is given: running, bound, slots. They are guarded: only `protect` runs
/// what may raise. Between two of them the stack has the tables that are being written ([`Open`]), and above them
/// what the method's comment names. `begin` makes room for a table before it is read.
struct Writer {
    state: *mut lua_State,
    out: Vec<u8>,
    /// Why writing has failed, once it has.
    error: EncodeError,
    sentinels: Option<Sentinels>,
    /// The stack is known to have room for tables of this depth.
    room: usize,
    /// Whether Lua code has run, or may run at any call because a debug hook is set. Then tables may have
    /// changed.
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
        above: u8,
    },
}

/// What a value turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// It is written.
    Scalar,
    /// It is written, as `null`.
    Nil,
    /// It is not written.
    Table,
}

/// How writing a table has come to a stop.
enum Step {
    /// At a table in it, which is on top; this is how the outer one goes on.
    Deeper(Open),
    Closed,
}

impl Writer {
    fn new(state: *mut lua_State) -> Self {
        Self {
            state,
            out: Vec::with_capacity(FIRST),
            error: EncodeError::NotFinite,
            sentinels: None,
            room: 0,
            // SAFETY: reading the hook runs nothing.
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

    /// Writes the table on top, and all that are in it.
    unsafe fn tables(&mut self, outer: &mut Vec<Open>) -> Outcome<()> {
        // SAFETY: the table is on top; so is each that is stepped into.
        unsafe {
            let mut step = self.begin(1)?;
            loop {
                match step {
                    Step::Deeper(open) => {
                        outer.push(open);
                        step = self.begin(outer.len() + 1)?;
                    }
                    Step::Closed => {
                        self.make_space(SLACK)?;
                        let Some(open) = outer.pop() else { return Ok(()) };
                        step = self.go_on(open)?;
                    }
                }
            }
        }
    }

    /// Begins the table on top, of this depth, and writes it up to the first table in it.
    unsafe fn begin(&mut self, depth: usize) -> Outcome<Step> {
        if depth > DEEPEST {
            return Err(self.fail(EncodeError::TooDeep(depth)));
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

    /// Goes on with a table, behind one in it.
    unsafe fn go_on(&mut self, open: Open) -> Outcome<Step> {
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

    /// Begins the table on top, which has no metatable. Its first key tells most of them apart.
    unsafe fn plain(&mut self) -> Outcome<Step> {
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

    /// Writes the fields of an object from the key and the value on top on.
    unsafe fn fields(&mut self) -> Outcome<Step> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            loop {
                match ffi::lua_type(state, -2) {
                    ffi::LUA_TSTRING => self.key(bytes(state, -2))?,
                    ffi::LUA_TNUMBER => {
                        self.make_space(SLACK)?;
                        self.out.push(b'"');
                        self.number(ffi::lua_tonumber(state, -2))?;
                        self.text("\":");
                    }
                    _ => return Err(self.fail(EncodeError::Key(type_name(state, -2)))),
                }
                if self.value()? == Value::Table {
                    return Ok(Step::Deeper(Open::Object));
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

    /// Writes the value on top, unless it is a table, and leaves it there.
    #[inline(always)] // a call for each value, and its result in memory, would show
    unsafe fn value(&mut self) -> Outcome<Value> {
        let state = self.state;
        // SAFETY: the value is there; reading it runs nothing.
        unsafe {
            let kind = ffi::lua_type(state, -1);
            match kind {
                ffi::LUA_TTABLE => return Ok(Value::Table),
                ffi::LUA_TSTRING => return self.string(bytes(state, -1)).map(|()| Value::Scalar),
                _ => self.make_space(SLACK)?,
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

    /// Makes sure that so many bytes can be written without asking for memory, which nobody could refuse
    /// without ending the process.
    #[inline(always)]
    fn make_space(&mut self, more: usize) -> Outcome<()> {
        if self.out.capacity() - self.out.len() >= more { Ok(()) } else { self.grow(more) }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Outcome<()> {
        let out = &mut self.out;
        let refused = EncodeError::Memory(out.len().saturating_add(more));
        #[cfg(feature = "fault-injection")]
        if crate::fault::happens(crate::fault::Fault::Allocation) {
            return Err(self.fail(refused));
        }
        // It doubles; where there is no memory for that, there may be for what is needed.
        let grown = out.try_reserve(more).or_else(|_| out.try_reserve_exact(more));
        grown.map_err(|_| self.fail(refused))
    }

    #[inline(always)]
    fn key(&mut self, key: &[u8]) -> Outcome<()> {
        if key.len() > PIECE {
            return self.long_string(key, "\":");
        }
        self.make_space(ESCAPED * key.len() + SLACK)?;
        write_key(&mut self.out, key);
        Ok(())
    }

    #[inline(always)]
    fn string(&mut self, string: &[u8]) -> Outcome<()> {
        if string.len() > PIECE {
            return self.long_string(string, "\"");
        }
        self.make_space(ESCAPED * string.len() + SLACK)?;
        write_string(&mut self.out, string);
        Ok(())
    }

    /// Writes a string in pieces, and `end` behind it: room for all of it, were every byte escaped, would be
    /// far too much.
    #[cold]
    fn long_string(&mut self, string: &[u8], end: &str) -> Outcome<()> {
        self.make_space(string.len().saturating_add(ESCAPED * PIECE + SLACK))?;
        self.out.push(b'"');
        for piece in string.chunks(PIECE) {
            self.make_space(ESCAPED * PIECE + SLACK)?;
            write_escaped(&mut self.out, piece);
        }
        self.text(end);
        Ok(())
    }

    #[inline(always)]
    fn number(&mut self, number: f64) -> Outcome<()> {
        write_number(&mut self.out, number).map_err(|error| self.fail(error.into()))
    }

    /// Lua code is about to run. Its garbage collector may also shrink the stack.
    fn let_code_run(&mut self) {
        self.code_ran = true;
        self.room = 0;
    }

    #[cold]
    fn fail(&mut self, error: EncodeError) -> Failed {
        self.error = error;
        Failed
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// The string at `index`, to be used at once.
#[inline(always)]
unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: of a string, lua_tolstring allocates nothing and gives a pointer to its bytes.
    unsafe {
        let data = ffi::lua_tolstring(state, index, &mut length);
        std::slice::from_raw_parts(data.cast(), length)
    }
}
