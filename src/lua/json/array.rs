//! Arrays: which tables are arrays, where they end, and their items.

use std::ffi::c_int;

use mlua::ffi;

use super::state::{Failed, Items, Open, Outcome, Step, Value, Writer};
use crate::lua::edge::stack::{self, Slot, push_slot};
use crate::response::json::EncodeError;

/// If `__len` gives the length of an array, so many holes are written. With more holes, at least half of what is written
/// must be items. Without this limit, a `__len` could use up the memory.
const MAX_HOLES: c_int = 1 << 20;
/// After so many items in sequence, Lua counts the keys of the table. If the count is the length, the other items are read
/// by number, which is faster than `lua_next`.
const COUNT_KEYS_FROM: c_int = 8;

/// Stops at the table on top, which is an item of an array without a metatable. Its key is below it.
fn nested(next: c_int, length: c_int) -> Step {
    Step::Nested(Open::Array { next, length, items: Items::Raw, above: 2 })
}

impl Writer {
    /// Begins the table below the key 1 and its value, as long as `lua_next` gives the keys 2, 3 and so on. If it gives
    /// another key, returns `None`: then a key and a value are on top, and no nested table has been read.
    pub(super) unsafe fn sequence(&mut self) -> Outcome<Option<Step>> {
        let state = self.state;
        self.out.push(b'[');
        let mut last = 1;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            loop {
                if last == COUNT_KEYS_FROM
                    && let Some(length) = self.length_by_count(-3)
                {
                    return self.long_sequence(last, length);
                }
                match self.value() {
                    Ok(Value::Table) => {
                        // Read all keys of this table before the nested one: it may be no array.
                        let Some(length) = self.end_of_sequence(last)? else { return Ok(None) };
                        return Ok(Some(nested(last + 1, length)));
                    }
                    Ok(_) => (),
                    Err(failed) => return self.abandon_sequence(failed),
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

    /// The last key of the sequence, from the key `last` on, which is below its value; `None` if other keys follow.
    unsafe fn end_of_sequence(&mut self, mut last: c_int) -> Outcome<Option<c_int>> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            ffi::lua_pushvalue(state, -2);
            while self.next(-4)? {
                last += 1;
                let continues = self.is_key(last);
                ffi::lua_pop(state, 1);
                if !continues {
                    ffi::lua_pop(state, 1);
                    return Ok(None);
                }
                if last == COUNT_KEYS_FROM
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

    /// The length of the table at `table`, if the number of its keys is the same. Then it is a sequence, unless it has a
    /// hole.
    unsafe fn length_by_count(&mut self, table: c_int) -> Option<c_int> {
        let state = self.state;
        if self.code_ran {
            return None;
        }
        // SAFETY: running, bound, slots and the stack of `Writer`. The function is LuaJIT's `table.nkeys`, which runs no
        // Lua code.
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

    /// Continues a table with `length` keys up to the first nested table. The table is below a key and the value of
    /// `next`. Returns `None` if it has a hole, like [`sequence`](Self::sequence).
    unsafe fn long_sequence(&mut self, mut next: c_int, length: c_int) -> Outcome<Option<Step>> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`. Each value is popped before the next is pushed.
        unsafe {
            loop {
                match self.value() {
                    Ok(Value::Scalar) => (),
                    Ok(Value::Table) => {
                        if self.has_hole(-3, next + 1, length) {
                            return Ok(None);
                        }
                        return Ok(Some(nested(next + 1, length)));
                    }
                    Ok(Value::Nil) => return Ok(None),
                    Err(failed) => return self.abandon_sequence(failed),
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

    /// The result of [`sequence`](Self::sequence) if a value has no JSON form: `None`, because errors of the table's keys
    /// come first. Without memory, the slow path would fail as well, so that error is returned at once.
    fn abandon_sequence(&self, failed: Failed) -> Outcome<Option<Step>> {
        if matches!(self.error, EncodeError::Memory(_)) { Err(failed) } else { Ok(None) }
    }

    /// Whether the table at `table` lacks one of the items `first` to `last`.
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
        // SAFETY: the caller has a key and a value on top.
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

    /// Writes the items of the array on top, starting with `next`, which is at most `length`.
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
                        if self.code_ran && holes > MAX_HOLES && holes > (next - first) / 2 {
                            return Err(self.fail(EncodeError::Sparse));
                        }
                    }
                    Value::Table => {
                        return Ok(Step::Nested(Open::Array { next, length, items, above: 1 }));
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

    /// Pushes the item `i` of the table on top, through the metatable's `__index`.
    unsafe fn indexed(&mut self, i: c_int) -> Outcome<()> {
        let state = self.state;
        self.code_will_run();
        // SAFETY: running, bound, slots and the stack of `Writer`. The read is protected.
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
