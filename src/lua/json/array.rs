//! Arrays: what is one, where it ends, and its items.

use std::ffi::c_int;

use mlua::ffi;

use super::{Failed, Items, Open, Outcome, Step, Value, Writer};
use crate::lua::edge::stack::{self, Slot, push_slot};
use crate::response::json::EncodeError;

/// So many holes are written of an array whose metatable has said how long it is, before there must be
/// as many items: nothing else bounds what has to fit into memory.
const MOST_HOLES: c_int = 1 << 20;
/// When so many items of an array have been found one behind the other, Lua is asked how many keys there are:
/// the others are then read by their number, which is faster than stepping from key to key.
const LONG: c_int = 8;

/// Into the table on top, which is an item of one without a metatable, below a key.
fn deeper(next: c_int, length: c_int) -> Step {
    Step::Deeper(Open::Array { next, length, items: Items::Raw, above: 2 })
}

impl Writer {
    /// Begins the table below its first key, 1, and value, as long as it goes on with 2, 3 and so on.
    /// Nothing where it does not: then a key and a value are on top, and nothing deeper has been looked at.
    pub(super) unsafe fn sequence(&mut self) -> Outcome<Option<Step>> {
        let state = self.state;
        self.out.push(b'[');
        let mut last = 1;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            loop {
                if last == LONG
                    && let Some(length) = self.length_by_count(-3)
                {
                    return self.long_sequence(last, length);
                }
                match self.value() {
                    Ok(Value::Table) => {
                        // Before going deeper, the whole table has to be known.
                        let Some(length) = self.end_of_sequence(last)? else { return Ok(None) };
                        return Ok(Some(deeper(last + 1, length)));
                    }
                    Ok(_) => (),
                    Err(failed) => return self.is_no_sequence(failed),
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
    unsafe fn end_of_sequence(&mut self, mut last: c_int) -> Outcome<Option<c_int>> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
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
                if last == LONG
                    && let Some(length) = self.length_by_count(-4)
                {
                    let has_hole = self.has_hole(-4, last + 1, length);
                    ffi::lua_pop(state, 1);
                    return Ok((!has_hole).then_some(length));
                }
            }
        }
        Ok(Some(last))
    }

    /// The length of the table at `table`, if it has as many keys: it is a sequence then, unless it has a hole.
    unsafe fn length_by_count(&mut self, table: c_int) -> Option<c_int> {
        let state = self.state;
        if self.code_ran {
            return None;
        }
        // SAFETY: running, bound, slots and the stack of `Writer`. The function is Lua's own, and runs no other code.
        unsafe {
            let length = ffi::lua_objlen(state, table);
            push_slot(state, Slot::NumberOfKeys);
            if ffi::lua_iscfunction(state, -1) == 0 {
                ffi::lua_pop(state, 1);
                return None;
            }
            ffi::lua_pushvalue(state, table - 1);
            stack::pcall(state, 1, 1).ok()?;
            let keys = ffi::lua_tonumber(state, -1);
            ffi::lua_pop(state, 1);
            if keys == length as f64 { c_int::try_from(length).ok() } else { None }
        }
    }

    /// Goes on with a table that has `length` keys, below a key and the value of `next`, up to the first table
    /// in it. Nothing if it has a hole, as for [`sequence`](Self::sequence).
    unsafe fn long_sequence(&mut self, mut next: c_int, length: c_int) -> Outcome<Option<Step>> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`; the value on top makes room for the next.
        unsafe {
            loop {
                match self.value() {
                    Ok(Value::Scalar) => (),
                    Ok(Value::Table) => {
                        if self.has_hole(-3, next + 1, length) {
                            return Ok(None);
                        }
                        return Ok(Some(deeper(next + 1, length)));
                    }
                    Ok(Value::Nil) => return Ok(None),
                    Err(failed) => return self.is_no_sequence(failed),
                }
                next += 1;
                if next > length {
                    self.out.push(b']');
                    ffi::lua_pop(state, 2);
                    return Ok(Some(Step::Closed));
                }
                self.out.push(b',');
                ffi::lua_pop(state, 1);
                ffi::lua_rawgeti_(state, -2, next);
            }
        }
    }

    /// What a value makes of a sequence that has no JSON form: nothing, for what else is wrong with the table is
    /// said first. Memory would be lacking then, too.
    fn is_no_sequence(&self, failed: Failed) -> Outcome<Option<Step>> {
        if matches!(self.error, EncodeError::Memory(_)) { Err(failed) } else { Ok(None) }
    }

    /// Whether one of these items is missing in the table at `table`.
    unsafe fn has_hole(&mut self, table: c_int, first: c_int, last: c_int) -> bool {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        (first..=last).any(|i| unsafe {
            ffi::lua_rawgeti_(state, table, i);
            let is_missing = ffi::lua_type(state, -1) == ffi::LUA_TNIL;
            ffi::lua_pop(state, 1);
            is_missing
        })
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
    pub(super) unsafe fn array(&mut self, length: c_int, items: Items) -> Outcome<Step> {
        self.out.push(b'[');
        if length > 0 {
            // SAFETY: running, bound, slots and the stack of `Writer`.
            return unsafe { self.items(1, length, items) };
        }
        self.out.push(b']');
        Ok(Step::Closed)
    }

    /// Writes the items of the array on top from `next` on, of which there is one.
    pub(super) unsafe fn items(
        &mut self,
        mut next: c_int,
        length: c_int,
        items: Items,
    ) -> Outcome<Step> {
        let state = self.state;
        let first = next;
        let mut holes = 0;
        loop {
            // SAFETY: running, bound, slots and the stack of `Writer`.
            unsafe {
                ffi::lua_rawgeti_(state, -1, next);
                if items == Items::Indexed && ffi::lua_type(state, -1) == ffi::LUA_TNIL {
                    ffi::lua_pop(state, 1);
                    self.indexed(next)?;
                }
                next += 1;
                match self.value()? {
                    Value::Scalar => (),
                    Value::Nil => {
                        holes += 1;
                        if self.code_ran && holes > MOST_HOLES && holes > (next - first) / 2 {
                            return Err(self.fail(EncodeError::Sparse));
                        }
                    }
                    Value::Table => {
                        return Ok(Step::Deeper(Open::Array { next, length, items, above: 1 }));
                    }
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
    unsafe fn indexed(&mut self, i: c_int) -> Outcome<()> {
        let state = self.state;
        self.let_code_run();
        // SAFETY: running, bound, slots and the stack of `Writer`; the read is protected.
        unsafe {
            ffi::lua_pushvalue(state, -1);
            ffi::lua_pushnumber(state, i.into());
            stack::protect(state, 2, 1, &mut |state| {
                ffi::lua_gettable(state, 1);
                1
            })
            .map_err(|text| self.fail(EncodeError::Thrown(text)))
        }
    }
}
