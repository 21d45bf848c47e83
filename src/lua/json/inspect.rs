//! Inspects a table: its metatable, its keys, and the stack slots that it needs.

use std::ffi::c_int;

use mlua::ffi;

use super::state::{Outcome, Sentinels, Shape, Writer};
use crate::lua::edge::stack::{self, Slot, push_slot};
use crate::response::json::EncodeError;

/// Stack slots that a nested table needs: for itself and its key.
const SLOTS: usize = 2;
/// Stack slots for the values of the method that runs.
const HEADROOM: usize = 10;
/// Stack slots that Lua reserves for each C function that it calls (`LUA_MINSTACK`).
const FREE_SLOTS: usize = 20;
/// Slots for so many levels of tables are reserved at once.
const LEVELS: usize = 64;
/// Up to this length an array may have any number of holes.
const SPARSE_SAFE: f64 = 32_768.0;

impl Writer {
    /// The sentinels. They are read at the first use, because few bodies need them.
    pub(super) unsafe fn sentinels(&mut self) -> Sentinels {
        let state = self.state;
        *self.sentinels.get_or_insert_with(|| {
            // SAFETY: there are enough slots. The slots of the instance keep the sentinels reachable.
            unsafe {
                push_slot(state, Slot::EmptyArray);
                push_slot(state, Slot::ArrayMt);
                push_slot(state, Slot::EmptyArrayMt);
                let sentinels = Sentinels {
                    empty_array: ffi::lua_touserdata(state, -3),
                    array_mt: ffi::lua_topointer(state, -2),
                    empty_array_mt: ffi::lua_topointer(state, -1),
                };
                ffi::lua_pop(state, 3);
                sentinels
            }
        })
    }

    /// Whether the metatable on top has the field of this name.
    pub(super) unsafe fn has_field(&mut self, name: Slot) -> bool {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`. A raw read runs no code.
        unsafe {
            push_slot(state, name);
            let has = ffi::lua_rawget(state, -2) != ffi::LUA_TNIL;
            ffi::lua_pop(state, 1);
            has
        }
    }

    /// Calls `__len` of the table. The metatable is above the table, and is popped.
    pub(super) unsafe fn call_len(&mut self) -> Outcome<c_int> {
        let state = self.state;
        self.code_will_run();
        // SAFETY: running, bound, slots and the stack of `Writer`; the call is protected.
        unsafe {
            push_slot(state, Slot::Len);
            ffi::lua_rawget(state, -2);
            ffi::lua_replace(state, -2);
            ffi::lua_pushvalue(state, -2);
            stack::pcall(state, 1, 1).map_err(|text| self.fail(EncodeError::Thrown(text)))?;
            // Also converts a string of digits, which allocates nothing.
            let length = ffi::lua_tonumber(state, -1);
            ffi::lua_pop(state, 1);
            // The array is written with its holes, so its length must have a limit. After the last item, the number
            // of the next one must fit too.
            if length >= f64::from(i32::MAX) {
                return Err(self.fail(EncodeError::Sparse));
            }
            // The array is empty for lengths below 1. NaN becomes 0.
            Ok(length as c_int)
        }
    }

    /// Whether the table on top is an array: all its keys are whole numbers of at least 1.
    pub(super) unsafe fn shape(&mut self) -> Outcome<Shape> {
        let state = self.state;
        let mut greatest = 0.0_f64;
        let mut items = 0.0_f64;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            ffi::lua_pushnil(state);
            while self.next(-2)? {
                ffi::lua_pop(state, 1);
                let is_number = ffi::lua_type(state, -1) == ffi::LUA_TNUMBER;
                let key = if is_number { ffi::lua_tonumber(state, -1) } else { 0.0 };
                if key.is_infinite() {
                    return Err(self.fail(EncodeError::NotFinite));
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
            return Err(self.fail(EncodeError::Sparse));
        }
        Ok(if items == 0.0 { Shape::Object } else { Shape::Array(greatest as c_int) })
    }

    /// Replaces the key on top by the next key and value of the table at `table`, counted from the top; see
    /// [`stack::next`].
    #[inline]
    pub(super) unsafe fn next(&mut self, table: c_int) -> Outcome<bool> {
        let state = self.state;
        // SAFETY: running, bound, slots and the stack of `Writer`.
        unsafe {
            if !self.code_ran {
                return Ok(ffi::lua_next(state, table) != 0);
            }
            let table = ffi::lua_gettop(state) + 1 + table;
            stack::next(state, table, true).map_err(|text| self.fail(EncodeError::Thrown(text)))
        }
    }

    /// Reserves stack slots for a table of this depth.
    pub(super) unsafe fn reserve_stack(&mut self, depth: usize) -> Outcome<()> {
        if depth <= self.reserved_depth {
            return Ok(());
        }
        // SAFETY: growing the stack may raise, so it is protected. `HEADROOM` includes the slots for that call.
        unsafe {
            let used = ffi::lua_gettop(self.state) as usize;
            if depth == 1 && used + SLOTS + HEADROOM <= FREE_SLOTS {
                self.reserved_depth = 1;
                return Ok(());
            }
            let slots = (LEVELS * SLOTS + HEADROOM) as c_int;
            let mut grown = false;
            stack::protect(self.state, 0, 0, &mut |state| {
                grown = ffi::lua_checkstack(state, slots) != 0;
                0
            })
            .map_err(|_| self.fail(EncodeError::StackOverflow))?;
            if !grown {
                return Err(self.fail(EncodeError::StackOverflow));
            }
        }
        self.reserved_depth = depth + LEVELS - 1;
        Ok(())
    }
}
