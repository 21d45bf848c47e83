//! The native functions of the kit's `ngx`: regular expressions, encodings, digests, times.

use kong_response::date;
use kong_response::error::Error;
use mlua::{Lua, LuaString, Result, Table, UserData, Value};

use super::errors::{of_lua, raising_function, returning_status};
use super::values::{Taker, bytes, misuse, number};
use crate::{regex, text};

/// A compiled expression as a userdata.
#[derive(Debug)]
struct Regex(regex::Regex);

impl UserData for Regex {}

type Outcome<T> = std::result::Result<T, Error>;

fn given(value: &Value) -> Outcome<mlua::BorrowedBytes> {
    bytes(value).ok_or_else(|| misuse("string argument only".to_owned()))
}

fn string(lua: &Lua, bytes: impl AsRef<[u8]>) -> Outcome<LuaString> {
    lua.create_string(bytes).map_err(of_lua)
}

/// `compile(pattern, options) -> regex | nil, err`
fn compile(
    lua: &Lua,
    (pattern, options): (Value, Value),
) -> Outcome<(Option<mlua::AnyUserData>, Option<LuaString>)> {
    match regex::Regex::new(&given(&pattern)?, &given(&options)?) {
        Ok(regex) => Ok((Some(lua.create_userdata(Regex(regex)).map_err(of_lua)?), None)),
        Err(error) => Ok((None, Some(string(lua, error)?))),
    }
}

/// `describe(regex) -> groups, { { number, name }, ... }`
fn describe(lua: &Lua, regex: mlua::UserDataRef<Regex>) -> Outcome<(usize, Table)> {
    let names = regex.0.names().iter().map(|(group, name)| {
        let pair = lua.create_table()?;
        pair.raw_set(1, *group)?;
        pair.raw_set(2, name.as_str())?;
        Ok(pair)
    });
    let names = names.collect::<Result<Vec<_>>>().map_err(of_lua)?;
    Ok((regex.0.groups(), lua.create_sequence_from(names).map_err(of_lua)?))
}

/// `find(regex, subject, offset) -> { from, to, ... } | nil, err`: the group 0 is the whole match. A group that has not
/// matched is false.
fn find(
    lua: &Lua,
    (regex, subject, offset): (mlua::UserDataRef<Regex>, Value, Value),
) -> Outcome<(Option<Table>, Option<String>)> {
    let offset = number(&offset, "offset")?.unwrap_or(0.0).max(0.0) as usize;
    let spans = match regex.0.find(&given(&subject)?, offset) {
        Ok(None) => return Ok((None, None)),
        Err(error) => return Ok((None, Some(error))),
        Ok(Some(spans)) => spans,
    };
    let ends = spans.into_iter().flat_map(|span| match span {
        Some((from, to)) => [Value::Number(from as f64), Value::Number(to as f64)],
        None => [Value::Boolean(false), Value::Boolean(false)],
    });
    Ok((Some(lua.create_sequence_from(ends).map_err(of_lua)?), None))
}

/// `parse_http_time(text) -> seconds | nil`
fn parse_http_time(_: &Lua, text: Value) -> Outcome<Option<f64>> {
    Ok(date::parse(&given(&text)?).map(|time| time as f64))
}

/// `http_time(seconds) -> text`
fn http_time(_: &Lua, seconds: Value) -> Outcome<Option<String>> {
    let seconds = number(&seconds, "seconds")?;
    Ok(seconds.map(|seconds| date::format(seconds as i64)))
}

/// `join(array, argument, is_strict) -> true, text | false, err`: the text of an array of pieces. `argument` is the
/// beginning of nginx's error, for example `#1 to 'print'`.
fn join(lua: &Lua, (array, argument, is_strict): (Table, String, bool)) -> Outcome<LuaString> {
    string(lua, Taker { argument: &argument, is_strict }.join(lua, &array)?)
}

/// The functions, by name.
pub fn table(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("compile", raising_function(lua, compile)?)?;
    table.raw_set("describe", raising_function(lua, describe)?)?;
    table.raw_set("find", raising_function(lua, find)?)?;
    table.raw_set("parse_http_time", raising_function(lua, parse_http_time)?)?;
    table.raw_set("http_time", raising_function(lua, http_time)?)?;
    table.raw_set("join", returning_status(lua, join)?)?;
    let unknown_option = |lua: &Lua, options: Value| {
        let letter = regex::Regex::unknown_option(&given(&options)?);
        letter.map(|letter| string(lua, [letter])).transpose()
    };
    table.raw_set("unknown_option", raising_function(lua, unknown_option)?)?;
    let encode_base64 =
        |_: &Lua, (text, plain): (Value, bool)| Ok(text::encode_base64(&given(&text)?, !plain));
    table.raw_set("encode_base64", raising_function(lua, encode_base64)?)?;
    let decode_base64 = |lua: &Lua, text: Value| {
        text::decode_base64(&given(&text)?).map(|bytes| string(lua, bytes)).transpose()
    };
    table.raw_set("decode_base64", raising_function(lua, decode_base64)?)?;
    let md5 = |lua: &Lua, text: Value| string(lua, text::md5(&given(&text)?));
    table.raw_set("md5", raising_function(lua, md5)?)?;
    let sha1 = |lua: &Lua, text: Value| string(lua, text::sha1(&given(&text)?));
    table.raw_set("sha1", raising_function(lua, sha1)?)?;
    let hmac_sha1 = |lua: &Lua, (key, text): (Value, Value)| {
        string(lua, text::hmac_sha1(&given(&key)?, &given(&text)?))
    };
    table.raw_set("hmac_sha1", raising_function(lua, hmac_sha1)?)?;
    let crc32 = |_: &Lua, text: Value| Ok(text::crc32(&given(&text)?));
    table.raw_set("crc32", raising_function(lua, crc32)?)?;
    let escape_uri = |lua: &Lua, (text, kind): (Value, usize)| {
        text::escape_uri(&given(&text)?, kind).map(|bytes| string(lua, bytes)).transpose()
    };
    table.raw_set("escape_uri", raising_function(lua, escape_uri)?)?;
    let unescape_uri = |lua: &Lua, text: Value| string(lua, text::unescape_uri(&given(&text)?));
    table.raw_set("unescape_uri", raising_function(lua, unescape_uri)?)?;
    Ok(table)
}
