//! The state of a writer, and the kinds of values and tables.

use std::ffi::{c_int, c_void};

use mlua::ffi::lua_State;

use crate::response::json::EncodeError;

/// The maximum depth of nested tables, arrays and objects. It is lua-cjson's limit for reading and writing.
pub const MAX_DEPTH: usize = 1000;

/// Writing has failed. The reason is in [`Writer::error`], so that a `Result` fits into a register.
pub struct Failed;

pub type Outcome<T> = Result<T, Failed>;

/// The text so far, and the state of the walk.
///
/// Its unsafe methods rely on the conditions of [`encode`](super::encode): running, bound, slots. They are guarded: only `protect`
/// runs code that may raise. Between two of them, the stack has the tables that are being written ([`Open`]), and above
/// them the values that the method's comment names. `begin` reserves stack slots for a table before it is read.
pub struct Writer {
    pub state: *mut lua_State,
    pub out: Vec<u8>,
    /// The reason, if writing has failed.
    pub error: EncodeError,
    pub sentinels: Option<Sentinels>,
    /// The stack has slots for tables of this depth.
    pub reserved_depth: usize,
    /// Whether Lua code has run, or may run at any call because a debug hook is set. If so, tables may have changed.
    pub code_ran: bool,
}

/// How the items of an array are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Items {
    Raw,
    /// The value of a hole comes from the metatable's `__index`.
    Indexed,
}

/// A table that is being written.
///
/// On Lua's stack it is below the value that is written. The key of an object is between the two. The outer tables are in
/// a list, not on Rust's stack, so deep nesting cannot overflow that.
#[derive(Clone, Copy)]
pub enum Open {
    Object,
    Array {
        /// The number of the next item.
        next: c_int,
        length: c_int,
        items: Items,
        /// How many slots of the stack are above the table.
        above: u8,
    },
}

/// The kind of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A value that is written.
    Scalar,
    /// A nil that is written as `null`.
    Nil,
    /// A table, which is not written yet.
    Table,
}

/// Where writing a table has stopped.
pub enum Step {
    /// At a nested table, which is on top. The outer table continues as [`Open`] says.
    Nested(Open),
    /// At the end of the table.
    Closed,
}

/// The values and metatables by which plugins mark arrays that look like objects.
#[derive(Clone, Copy)]
pub struct Sentinels {
    pub empty_array: *mut c_void,
    pub array_mt: *const c_void,
    pub empty_array_mt: *const c_void,
}

/// How a table is written.
pub enum Shape {
    Object,
    Array(c_int),
}
