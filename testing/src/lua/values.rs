//! Reads the arguments that the kit passes to the methods of a host.

use std::ffi::c_void;

use bytes::Bytes;
use kong_response::error::Error;
use mlua::{BorrowedBytes, Table, Value};

use super::of_lua;
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

/// The pieces of a chunk: a string, a number, an array of chunks, or none for nil. `outer` has the tables that contain
/// the value.
pub fn chunk(value: &Value, outer: &mut Vec<*const c_void>) -> Result<Vec<Bytes>, Error> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Bytes::copy_from_slice(&text.as_bytes())]),
        Value::Table(pieces) => {
            let table = pieces.to_pointer();
            if outer.len() == MAX_CHUNK_DEPTH || outer.contains(&table) {
                return Err(misuse("bad chunk: tables nested too deep".to_owned()));
            }
            outer.push(table);
            let piece = |i| {
                let piece: Value = pieces.raw_get(i).map_err(of_lua)?;
                Ok(joined(chunk(&piece, outer)?.iter()))
            };
            let read = (1..=pieces.raw_len()).map(piece).collect::<Result<_, Error>>()?;
            outer.pop();
            Ok(read)
        }
        value => match as_number(value) {
            Some(number) => Ok(vec![number.to_string().into()]),
            None => Err(misuse(format!("bad chunk data type: {}", type_name(value)))),
        },
    }
}
