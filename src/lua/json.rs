//! JSON of a Lua table, written while it is walked.
//!
//! The bytes are those of lua-cjson with a gateway's settings: what is an array and how its holes are
//! written follows its rules, not serde's. Nothing here allocates in Lua. Metamethods run protected;
//! once one has run, any table on the way may have changed, and stepping through a changed table may
//! raise: then every step is protected.

use std::ffi::{c_int, c_void};

use mlua::ffi::{self, lua_State};

use super::stack::{self, Kept, push_kept, string, type_name};
use crate::response::exit::TableBody;
use crate::response::json::{EncodeError, write_number, write_string};

/// How deep tables may be nested.
const DEEPEST: usize = 1000;
/// Up to this length an array may have any number of holes.
const SPARSE_SAFE: f64 = 32_768.0;
/// Slots of the stack that one table needs: key, value, and what is looked at meanwhile.
const SLOTS: c_int = 8;

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
            let outcome = writer.value(0);
            ffi::lua_settop(self.state, top);
            outcome.map(|()| writer.out)
        }
    }
}

struct Writer {
    state: *mut lua_State,
    out: Vec<u8>,
    empty_array: *mut c_void,
    array_mt: *const c_void,
    empty_array_mt: *const c_void,
    /// The stack is known to have room up to here.
    room: c_int,
    /// Whether Lua code has run: tables may have changed under way.
    code_ran: bool,
}

/// What a table is written as.
enum Shape {
    Object,
    Array(u64),
}

/// How the items of an array are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Items {
    Raw,
    /// A hole is asked of the metatable's `__index`.
    Indexed,
}

impl Writer {
    /// # Safety
    ///
    /// The upvalues are there, and four slots on the stack.
    unsafe fn new(state: *mut lua_State) -> Self {
        // SAFETY: by contract; the sentinels stay reachable through the services.
        unsafe {
            push_kept(state, Kept::EmptyArray);
            push_kept(state, Kept::ArrayMt);
            push_kept(state, Kept::EmptyArrayMt);
            let writer = Self {
                state,
                out: Vec::with_capacity(256),
                empty_array: ffi::lua_touserdata(state, -3),
                array_mt: ffi::lua_topointer(state, -2),
                empty_array_mt: ffi::lua_topointer(state, -1),
                room: 0,
                code_ran: false,
            };
            ffi::lua_pop(state, 3);
            writer
        }
    }

    /// Writes the value on top, in a table of this depth, and leaves it there.
    unsafe fn value(&mut self, depth: usize) -> Result<(), EncodeError> {
        let state = self.state;
        // SAFETY: the value is there; reading it runs nothing.
        unsafe {
            match ffi::lua_type(state, -1) {
                ffi::LUA_TSTRING => {
                    write_string(&mut self.out, string(state, -1).unwrap_or_default());
                }
                ffi::LUA_TNUMBER => write_number(&mut self.out, ffi::lua_tonumber(state, -1))?,
                ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, -1) != 0 => self.text("true"),
                ffi::LUA_TBOOLEAN => self.text("false"),
                ffi::LUA_TNIL => self.text("null"),
                ffi::LUA_TTABLE => return self.table(depth + 1),
                ffi::LUA_TLIGHTUSERDATA => match ffi::lua_touserdata(state, -1) {
                    pointer if pointer.is_null() => self.text("null"),
                    pointer if pointer == self.empty_array => self.text("[]"),
                    _ => return Err(EncodeError::Value("userdata")),
                },
                _ => return Err(EncodeError::Value(type_name(state, -1))),
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Writes the table on top, of this depth.
    unsafe fn table(&mut self, depth: usize) -> Result<(), EncodeError> {
        if depth > DEEPEST {
            return Err(EncodeError::TooDeep(depth));
        }
        let state = self.state;
        // SAFETY: the table is on top, with room for SLOTS above it.
        unsafe {
            self.make_room()?;
            if ffi::lua_getmetatable(state, -1) == 0 {
                return match self.shape()? {
                    Shape::Object => self.object(depth),
                    Shape::Array(length) => self.array(length, Items::Raw, depth),
                };
            }
            let metatable = ffi::lua_topointer(state, -1);
            if metatable == self.array_mt {
                ffi::lua_pop(state, 1);
                return self.array(ffi::lua_objlen(state, -1) as u64, Items::Raw, depth);
            }
            let items = if self.has_field(Kept::Index) { Items::Indexed } else { Items::Raw };
            if self.has_field(Kept::Len) {
                let length = self.call_len()?;
                return self.array(length, items, depth);
            }
            ffi::lua_pop(state, 1);
            match self.shape()? {
                Shape::Array(length) => self.array(length, items, depth),
                Shape::Object if metatable == self.empty_array_mt => {
                    self.text("[]");
                    Ok(())
                }
                Shape::Object => self.object(depth),
            }
        }
    }

    /// Whether the metatable on top has the field of this name.
    unsafe fn has_field(&mut self, name: Kept) -> bool {
        let state = self.state;
        // SAFETY: as for `table`; a raw read runs nothing.
        unsafe {
            push_kept(state, name);
            let has = ffi::lua_rawget(state, -2) != ffi::LUA_TNIL;
            ffi::lua_pop(state, 1);
            has
        }
    }

    /// What `__len` says of the table; the metatable is above it, and is popped.
    unsafe fn call_len(&mut self) -> Result<u64, EncodeError> {
        let state = self.state;
        self.code_ran = true;
        // SAFETY: as for `table`; the call is protected.
        unsafe {
            push_kept(state, Kept::Len);
            ffi::lua_rawget(state, -2);
            ffi::lua_replace(state, -2);
            ffi::lua_pushvalue(state, -2);
            stack::pcall(state, 1, 1).map_err(EncodeError::Thrown)?;
            // A string of digits would be converted: that allocates nothing.
            let length = ffi::lua_tonumber(state, -1);
            ffi::lua_pop(state, 1);
            // Written out with its holes, it has to fit somewhere.
            if length > f64::from(i32::MAX) {
                return Err(EncodeError::Sparse);
            }
            // Negative and NaN become 0.
            Ok(length as u64)
        }
    }

    /// Whether the table on top is an array: every key a whole number from 1 up.
    unsafe fn shape(&mut self) -> Result<Shape, EncodeError> {
        let state = self.state;
        let mut greatest = 0.0_f64;
        let mut items = 0.0_f64;
        // SAFETY: as for `table`.
        unsafe {
            ffi::lua_pushnil(state);
            while self.next()? {
                ffi::lua_pop(state, 1);
                let is_number = ffi::lua_type(state, -1) == ffi::LUA_TNUMBER;
                let key = if is_number { ffi::lua_tonumber(state, -1) } else { 0.0 };
                if key.is_infinite() {
                    return Err(EncodeError::NotFinite);
                }
                if key < 1.0 || key.fract() != 0.0 {
                    ffi::lua_pop(state, 1);
                    return Ok(Shape::Object);
                }
                greatest = greatest.max(key);
                items += 1.0;
            }
        }
        if greatest > 2.0 * items && greatest > SPARSE_SAFE {
            return Err(EncodeError::Sparse);
        }
        Ok(if items == 0.0 { Shape::Object } else { Shape::Array(greatest as u64) })
    }

    unsafe fn array(&mut self, length: u64, items: Items, depth: usize) -> Result<(), EncodeError> {
        let state = self.state;
        self.out.push(b'[');
        for i in 1..=length {
            if i > 1 {
                self.out.push(b',');
            }
            // SAFETY: as for `table`; the length fits, being that of an array or below i32::MAX.
            unsafe {
                let kind = ffi::lua_rawgeti(state, -1, i as ffi::lua_Integer);
                if kind == ffi::LUA_TNIL && items == Items::Indexed {
                    ffi::lua_pop(state, 1);
                    self.indexed(i)?;
                }
                self.value(depth)?;
                ffi::lua_pop(state, 1);
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// Pushes the item `i` of the table on top, as its metatable has it.
    unsafe fn indexed(&mut self, i: u64) -> Result<(), EncodeError> {
        let state = self.state;
        self.code_ran = true;
        // SAFETY: as for `table`; the read is protected.
        unsafe {
            ffi::lua_pushvalue(state, -1);
            ffi::lua_pushnumber(state, i as f64);
            stack::protect(state, 2, 1, &mut |state| {
                ffi::lua_gettable(state, 1);
                1
            })
            .map_err(EncodeError::Thrown)
        }
    }

    unsafe fn object(&mut self, depth: usize) -> Result<(), EncodeError> {
        let state = self.state;
        self.out.push(b'{');
        let mut first = true;
        // SAFETY: as for `table`.
        unsafe {
            ffi::lua_pushnil(state);
            while self.next()? {
                if !first {
                    self.out.push(b',');
                }
                first = false;
                match ffi::lua_type(state, -2) {
                    ffi::LUA_TSTRING => {
                        write_string(&mut self.out, string(state, -2).unwrap_or_default());
                    }
                    ffi::LUA_TNUMBER => {
                        self.out.push(b'"');
                        write_number(&mut self.out, ffi::lua_tonumber(state, -2))?;
                        self.out.push(b'"');
                    }
                    _ => return Err(EncodeError::Key(type_name(state, -2))),
                }
                self.out.push(b':');
                self.value(depth)?;
                ffi::lua_pop(state, 1);
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Steps through the table below the key on top; see [`stack::next`].
    unsafe fn next(&mut self) -> Result<bool, EncodeError> {
        // SAFETY: as for `table`.
        unsafe {
            let table = ffi::lua_gettop(self.state) - 1;
            stack::next(self.state, table, self.code_ran).map_err(EncodeError::Thrown)
        }
    }

    /// Makes sure of room for one more table on the stack.
    unsafe fn make_room(&mut self) -> Result<(), EncodeError> {
        let state = self.state;
        // SAFETY: growing the stack may raise, so it is protected; pushing for that takes two slots,
        // which are kept free.
        unsafe {
            let needed = ffi::lua_gettop(state) + SLOTS;
            if needed <= self.room {
                return Ok(());
            }
            let more = 16 * SLOTS;
            let mut grown = false;
            stack::protect(state, 0, 0, &mut |state| {
                grown = ffi::lua_checkstack(state, more) != 0;
                0
            })
            .map_err(|_| EncodeError::StackOverflow)?;
            if !grown {
                return Err(EncodeError::StackOverflow);
            }
            self.room = ffi::lua_gettop(state) + more;
            Ok(())
        }
    }
}
