//! Reads JSON into Lua's values: the test kit looks at bodies with it.

use kong_response::error::Error;
use mlua::{Lua, Result, Table, Value};
use serde_json::Value as Json;

use super::of_lua;
use super::values::type_name;

/// `json_decode(bytes, array_mt?) -> value | nil, err`. Null is the light userdata NULL; arrays get the
/// metatable, which tells an empty one from an object.
pub fn decode(
    lua: &Lua,
    (text, array_mt): (Value, Value),
) -> std::result::Result<(Value, Option<String>), Error> {
    let read = match &text {
        Value::String(text) => {
            serde_json::from_slice(&text.as_bytes()).map_err(|error| error.to_string())
        }
        other => Err(format!("expected a string, got {}", type_name(other))),
    };
    match read {
        Ok(json) => Ok((value(lua, &json, array_mt.as_table()).map_err(of_lua)?, None)),
        Err(text) => Ok((Value::Nil, Some(text))),
    }
}

/// serde_json nests 128 deep at most.
fn value(lua: &Lua, json: &Json, array_mt: Option<&Table>) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let array = lua.create_table_with_capacity(items.len(), 0)?;
            for (i, item) in (1..).zip(items) {
                array.raw_set(i, value(lua, item, array_mt)?)?;
            }
            array.set_metatable(array_mt.cloned())?;
            Value::Table(array)
        }
        Json::Object(fields) => {
            let object = lua.create_table_with_capacity(0, fields.len())?;
            for (name, field) in fields {
                object.raw_set(name.as_str(), value(lua, field, array_mt)?)?;
            }
            Value::Table(object)
        }
    })
}
