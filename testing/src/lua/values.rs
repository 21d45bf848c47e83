//! Reads the arguments that the kit passes to the methods of a host.

use std::ffi::c_void;

use bytes::Bytes;
use kong_response::error::Error;
use mlua::{BorrowedBytes, Lua, Table, Value};

use super::errors::of_lua;
use crate::memory::{Field, joined};

/// The error for a wrong argument.
pub fn misuse(text: String) -> Error {
    Error::Host(text)
}

/// The name of a value's type, as Lua's `type` returns it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        value => value.type_name(),
    }
}

/// The bytes of a string.
pub fn bytes(value: &Value) -> Option<BorrowedBytes> {
    Some(value.as_string()?.as_bytes())
}

/// The result of `take` for a value, or `None` for nil. Without a result, an error names the expected type.
fn optional<'a, T>(
    value: &'a Value,
    what: &str,
    expected: &str,
    take: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, Error> {
    if value.is_nil() {
        return Ok(None);
    }
    let refused = || misuse(format!("{what} must be a {expected}, got {}", type_name(value)));
    take(value).map(Some).ok_or_else(refused)
}

/// A string, or `None` for nil.
pub fn string(value: &Value, what: &str) -> Result<Option<BorrowedBytes>, Error> {
    optional(value, what, "string", bytes)
}

/// A number, or `None` for nil.
pub fn number(value: &Value, what: &str) -> Result<Option<f64>, Error> {
    optional(value, what, "number", as_number)
}

/// A boolean, or `None` for nil.
pub fn boolean(value: &Value, what: &str) -> Result<Option<bool>, Error> {
    optional(value, what, "boolean", Value::as_boolean)
}

/// A table, or `None` for nil.
pub fn table(value: &Value, what: &str) -> Result<Option<Table>, Error> {
    optional(value, what, "table", |value| value.as_table().cloned())
}

/// The number in a Lua value.
pub fn as_number(value: &Value) -> Option<f64> {
    match *value {
        Value::Integer(number) => Some(number as f64),
        Value::Number(number) => Some(number),
        _ => None,
    }
}

/// Whether a value is true for Lua.
pub fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Nil | Value::Boolean(false))
}

/// A status with at most three digits.
pub fn status(value: &Value) -> Result<u16, Error> {
    let status = as_number(value).ok_or(Error::StatusType)?;
    if (0.0..1000.0).contains(&status) {
        Ok(status as u16)
    } else {
        Err(misuse("the status must be a number below 1000".to_owned()))
    }
}

/// The index of `ngx.arg`: 1 or 2.
pub fn arg_index(value: &Value) -> Result<u8, Error> {
    match as_number(value).unwrap_or(0.0) {
        1.0 => Ok(1),
        2.0 => Ok(2),
        index => Err(misuse(format!("bad index: {index}"))),
    }
}

/// The strings of an array, up to the first value that is not a string.
pub fn items(array: &Table) -> Result<Vec<Vec<u8>>, Error> {
    let mut items = Vec::new();
    for i in 1.. {
        let item: Value = array.raw_get(i).map_err(of_lua)?;
        match bytes(&item) {
            Some(item) => items.push(item.to_vec()),
            None => break,
        }
    }
    Ok(items)
}

/// A list of pairs `{ name, value }`.
pub fn pairs(list: &Table, what: &str) -> Result<Vec<Field>, Error> {
    let mut pairs = Vec::new();
    for i in 1.. {
        let pair: Value = list.raw_get(i).map_err(of_lua)?;
        let strings = match &pair {
            Value::Nil => break,
            Value::Table(pair) => items(pair)?,
            _ => Vec::new(),
        };
        let Ok([name, value]) = <[Vec<u8>; 2]>::try_from(strings) else {
            return Err(misuse(format!("{what}[{i}] must be {{ name, value }}, two strings")));
        };
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// The maximum depth of nested arrays in a chunk. nginx has no limit, and crashes if an array contains itself.
const MAX_CHUNK_DEPTH: usize = 100;

/// The pieces of a chunk: a string, a number, an array of chunks, or none for nil.
///
/// # Errors
///
/// The errors of nginx for `ngx.arg[1] = value`, and `bad chunk: tables nested too deep`.
pub fn chunk(lua: &Lua, value: &Value) -> Result<Vec<Bytes>, Error> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Table(array) => SET_ARG.pieces(lua, array, &mut Vec::new()),
        value => {
            let refused = || misuse(format!("bad chunk data type: {}", type_name(value)));
            Ok(vec![text(lua, value)?.ok_or_else(refused)?])
        }
    }
}

/// A function of nginx that takes an array of pieces.
#[derive(Debug, Clone, Copy)]
pub struct Taker<'a> {
    /// The argument, as in `bad argument #3 to '__newindex'`.
    pub argument: &'a str,
    /// Whether it refuses nil, booleans and `ngx.null` as pieces. Otherwise, they are their names.
    pub is_strict: bool,
}

/// `ngx.arg[1] = table`
const SET_ARG: Taker = Taker { argument: "#3 to '__newindex'", is_strict: true };

impl Taker<'_> {
    /// The bytes of an array of pieces.
    ///
    /// # Errors
    ///
    /// The errors of nginx, and `bad chunk: tables nested too deep`.
    pub fn join(&self, lua: &Lua, array: &Table) -> Result<Bytes, Error> {
        Ok(joined(self.pieces(lua, array, &mut Vec::new())?.iter()))
    }

    /// The pieces in an array. `outer` has the tables that contain it.
    fn pieces(
        &self,
        lua: &Lua,
        array: &Table,
        outer: &mut Vec<*const c_void>,
    ) -> Result<Vec<Bytes>, Error> {
        let table = array.to_pointer();
        if outer.len() == MAX_CHUNK_DEPTH || outer.contains(&table) {
            return Err(misuse("bad chunk: tables nested too deep".to_owned()));
        }
        outer.push(table);
        let mut read = Vec::new();
        for i in 1..=self.length(array)? {
            let piece: Value = array.raw_get(i).map_err(of_lua)?;
            let refused = || self.refused(&format!("bad data type {} found", type_name(&piece)));
            read.push(match &piece {
                Value::Table(inner) => joined(self.pieces(lua, inner, outer)?.iter()),
                piece => match self.name(piece) {
                    Some(name) => Bytes::from_static(name.as_bytes()),
                    None => text(lua, piece)?.ok_or_else(refused)?,
                },
            });
        }
        outer.pop();
        Ok(read)
    }

    /// The text of nil, a boolean or `ngx.null`.
    fn name(&self, piece: &Value) -> Option<&'static str> {
        match piece {
            _ if self.is_strict => None,
            Value::Nil => Some("nil"),
            Value::Boolean(true) => Some("true"),
            Value::Boolean(false) => Some("false"),
            Value::LightUserData(pointer) if pointer.0.is_null() => Some("null"),
            _ => None,
        }
    }

    /// The greatest index of an array.
    ///
    /// # Errors
    ///
    /// An error if a key is not a whole number from 1 up.
    fn length(&self, array: &Table) -> Result<usize, Error> {
        let mut length = 0.0;
        for pair in array.pairs::<Value, Value>() {
            let (key, _) = pair.map_err(of_lua)?;
            match as_number(&key) {
                Some(index) if index >= 1.0 && index.fract() == 0.0 => length = index.max(length),
                _ => return Err(self.refused("non-array table found")),
            }
        }
        Ok(length as usize)
    }

    fn refused(&self, reason: &str) -> Error {
        misuse(format!("bad argument {} ({reason})", self.argument))
    }
}

/// The bytes of a string, or of a number as Lua's `tostring` writes it. `None` for other types.
fn text(lua: &Lua, value: &Value) -> Result<Option<Bytes>, Error> {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => {
            let text = lua.coerce_string(value.clone()).map_err(of_lua)?;
            Ok(text.map(|text| Bytes::copy_from_slice(&text.as_bytes())))
        }
        _ => Ok(None),
    }
}
