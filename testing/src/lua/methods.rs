//! The methods of a host, with which the test kit plays nginx.

use std::cell::RefCell;

use http::Method;
use kong_response::error::Error;
use kong_response::host::{Host as _, Write};
use kong_response::response::warning;
use mlua::{
    IntoLua, IntoLuaMulti, Lua, LuaString, MetaMethod, Result, Table, UserData, UserDataFields,
    Value,
};

use super::errors::{of_lua, raising_function};
use super::host::{self, Host};
use super::values::{
    arg_index, bytes, chunk, is_true, misuse, number, pairs, status, table as optional_table,
};
use crate::memory::{Answer, Field, Memory, Stage, joined};

type Outcome<T> = std::result::Result<T, Error>;

/// The key in Lua's registry of the metatable for lists of headers.
const HEADERS_MT: &str = "kong.response.memory_headers";

impl UserData for Host {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field(MetaMethod::Type, "kong.response.memory_host");
        fields.add_meta_field_with(MetaMethod::Index, table);
    }
}

/// The methods by name. They have at most two arguments.
fn table(lua: &Lua) -> Result<Table> {
    let index = lua.create_function(dashed_index)?;
    lua.set_named_registry_value(HEADERS_MT, lua.create_table_from([("__index", index)])?)?;

    let methods = lua.create_table()?;
    macro_rules! methods {
        ($($name:ident)*) => {
            $(methods.raw_set(stringify!($name), method(lua, $name)?)?;)*
        };
    }
    methods! {
        upstream set_request set_phase get_phase get_status set_status headers_sent mark_headers_sent
        get_header set_header get_headers
        start_output answer_conditions start_page special_response abort clean_head finish_head
        set_chunk get_chunk get_arg set_arg body_ended buffered relabelling take_log
    }
    Ok(methods)
}

fn method<R: IntoLuaMulti + 'static>(
    lua: &Lua,
    work: fn(&Lua, &RefCell<Memory>, Value, Value) -> Outcome<R>,
) -> Result<mlua::Function> {
    raising_function(lua, move |lua, (this, first, second): (Value, Value, Value)| {
        work(lua, host::of(&this)?.memory(), first, second)
    })
}

fn text(lua: &Lua, bytes: impl AsRef<[u8]>) -> Outcome<LuaString> {
    lua.create_string(bytes).map_err(of_lua)
}

/// A list of `{ first, second }`.
fn list<A: IntoLua, B: IntoLua>(
    lua: &Lua,
    pairs: impl IntoIterator<Item = (A, B)>,
) -> Outcome<Table> {
    let pair = |(first, second): (A, B)| {
        lua.create_sequence_from([first.into_lua(lua)?, second.into_lua(lua)?])
    };
    let list =
        || lua.create_sequence_from(pairs.into_iter().map(pair).collect::<Result<Vec<_>>>()?);
    list().map_err(of_lua)
}

/// `host:upstream(status, headers)`
fn upstream(_: &Lua, memory: &RefCell<Memory>, code: Value, headers: Value) -> Outcome<()> {
    let status = status(&code)?;
    let headers = match optional_table(&headers, "headers")? {
        Some(headers) => pairs(&headers, "headers")?,
        None => Vec::new(),
    };
    let headers = headers.iter().map(|(name, value)| (&name[..], &value[..]));
    memory.borrow_mut().upstream(status, headers);
    Ok(())
}

/// `host:set_request(method, headers)`: changes the request, like `ngx.req`.
fn set_request(_: &Lua, memory: &RefCell<Memory>, method: Value, headers: Value) -> Outcome<()> {
    let method = bytes(&method).and_then(|method| Method::from_bytes(&method).ok());
    let method = method.ok_or_else(|| misuse("the method must be a token".to_owned()))?;
    let headers = optional_table(&headers, "headers")?;
    let headers = headers.map(|headers| pairs(&headers, "headers")).transpose()?;
    memory.borrow_mut().change_request(method, headers.unwrap_or_default());
    Ok(())
}

/// `host:set_phase(name)`
fn set_phase(_: &Lua, memory: &RefCell<Memory>, name: Value, _: Value) -> Outcome<()> {
    let name = bytes(&name).ok_or_else(|| misuse("the phase must be a string".to_owned()))?;
    let unknown = || misuse(format!("unknown phase {:?}", String::from_utf8_lossy(&name)));
    memory.borrow_mut().enter(Stage::named(&name).ok_or_else(unknown)?);
    Ok(())
}

/// `host:get_phase() -> name`
fn get_phase(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<&'static str> {
    Ok(memory.borrow().stage().name)
}

/// `host:get_status() -> number`
fn get_status(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<u16> {
    memory.borrow().status()
}

/// `host:set_status(number)`
fn set_status(_: &Lua, memory: &RefCell<Memory>, code: Value, _: Value) -> Outcome<()> {
    memory.borrow_mut().force_status(status(&code)?);
    Ok(())
}

/// `host:headers_sent() -> boolean`
fn headers_sent(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<bool> {
    Ok(memory.borrow().headers_sent())
}

/// `host:mark_headers_sent()`
fn mark_headers_sent(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<()> {
    memory.borrow_mut().mark_headers_sent();
    Ok(())
}

/// `host:get_header(name) -> nil | string | array`
fn get_header(lua: &Lua, memory: &RefCell<Memory>, name: Value, _: Value) -> Outcome<Value> {
    let values = memory.borrow().read_header(&bytes(&name).ok_or(Error::HeaderNameType)?);
    let text = |value: &Vec<u8>| lua.create_string(value);
    match &values[..] {
        [] => Ok(Value::Nil),
        [one] => text(one).map(Value::String),
        several => several
            .iter()
            .map(text)
            .collect::<Result<Vec<_>>>()
            .and_then(|items| lua.create_sequence_from(items))
            .map(Value::Table),
    }
    .map_err(of_lua)
}

/// The result of Lua's `tostring` for a value.
fn to_string(lua: &Lua, value: Value) -> Result<LuaString> {
    match lua.coerce_string(value.clone())? {
        Some(text) => Ok(text),
        None => lua.create_string(value.to_string()?),
    }
}

/// `host:set_header(name, value)`: like `ngx.header[name] = value`.
fn set_header(lua: &Lua, memory: &RefCell<Memory>, name: Value, value: Value) -> Outcome<()> {
    // A metamethod may use the request, so it must run before the request is borrowed.
    let name = to_string(lua, name).map_err(of_lua)?;
    let values = match value {
        Value::Nil => Vec::new(),
        Value::Table(array) => {
            let item = |i| to_string(lua, array.raw_get(i)?);
            (1..=array.raw_len()).map(item).collect::<Result<_>>().map_err(of_lua)?
        }
        value => vec![to_string(lua, value).map_err(of_lua)?],
    };
    let values: Vec<_> = values.iter().map(LuaString::as_bytes).collect();
    let values: Vec<&[u8]> = values.iter().map(|value| &**value).collect();
    match memory.borrow_mut().write_header(&name.as_bytes(), &values, Write::Set) {
        Err(Error::HeadersSent) => Ok(()),
        outcome => outcome,
    }
}

/// `host:get_headers(max, raw) -> table, "truncated"|nil`: like `ngx.resp.get_headers`.
fn get_headers(
    lua: &Lua,
    memory: &RefCell<Memory>,
    max: Value,
    raw: Value,
) -> Outcome<(Table, Option<&'static str>)> {
    let max = number(&max, "max")?.map(|max| max as i64);
    let (headers, truncated) = memory.borrow().list(max);
    let table = headers_table(lua, &headers, is_true(&raw)).map_err(of_lua)?;
    Ok((table, truncated.then_some("truncated")))
}

fn headers_table(lua: &Lua, headers: &[Field], raw: bool) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, headers.len())?;
    for (name, value) in headers {
        let name = if raw {
            lua.create_string(name)?
        } else {
            lua.create_string(name.to_ascii_lowercase())?
        };
        let value = lua.create_string(value)?;
        match table.raw_get::<Value>(&name)? {
            Value::Nil => table.raw_set(name, value)?,
            Value::Table(values) => values.raw_push(value)?,
            first => {
                table.raw_set(name, lua.create_sequence_from([first, Value::String(value)])?)?;
            }
        }
    }
    if !raw {
        table.set_metatable(Some(lua.named_registry_value(HEADERS_MT)?))?;
    }
    Ok(table)
}

/// The `__index` of nginx's lists of headers: searches the name in lower case, with `_` as `-`.
fn dashed_index(lua: &Lua, (headers, name): (Value, Value)) -> Result<Value> {
    let (Value::Table(headers), Value::String(name)) = (headers, name) else {
        return Ok(Value::Nil);
    };
    let dash = |&byte: &u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let dashed: Vec<u8> = name.as_bytes().iter().map(dash).collect();
    headers.raw_get(lua.create_string(dashed)?)
}

/// `host:start_output(length|nil)`
fn start_output(_: &Lua, memory: &RefCell<Memory>, length: Value, _: Value) -> Outcome<()> {
    let length = number(&length, "length")?.map(|length| length as u64);
    memory.borrow_mut().start_output(length);
    Ok(())
}

/// `host:start_page(status)`
fn start_page(_: &Lua, memory: &RefCell<Memory>, code: Value, _: Value) -> Outcome<()> {
    memory.borrow_mut().start_page(status(&code)?);
    Ok(())
}

/// `host:special_response(status) -> body`
fn special_response(
    lua: &Lua,
    memory: &RefCell<Memory>,
    code: Value,
    _: Value,
) -> Outcome<LuaString> {
    let page = memory.borrow_mut().special_response(status(&code)?);
    text(lua, page)
}

/// `host:abort()`
fn abort(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<()> {
    memory.borrow_mut().abort();
    Ok(())
}

/// `host:answer_conditions() -> 304 | 412 | nil`
fn answer_conditions(
    _: &Lua,
    memory: &RefCell<Memory>,
    _: Value,
    _: Value,
) -> Outcome<Option<u16>> {
    Ok(match memory.borrow_mut().answer_conditions() {
        Answer::Whole => None,
        Answer::NotModified => Some(304),
        Answer::PreconditionFailed => Some(412),
    })
}

/// `host:clean_head()`
fn clean_head(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<()> {
    memory.borrow_mut().clean_head();
    Ok(())
}

/// `host:finish_head() -> headers, body_allowed`
fn finish_head(lua: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<(Table, bool)> {
    if memory.borrow().headers_sent() {
        return Err(Error::HeadersSent);
    }
    let wire = memory.borrow_mut().finish_head();
    let fields = wire.fields.iter().map(|(name, value)| Ok((text(lua, name)?, text(lua, value)?)));
    Ok((list(lua, fields.collect::<Outcome<Vec<_>>>()?)?, wire.body_allowed))
}

/// `host:set_chunk(string|array of pieces, last)`
fn set_chunk(lua: &Lua, memory: &RefCell<Memory>, pieces: Value, last: Value) -> Outcome<()> {
    let pieces = chunk(lua, &pieces)?;
    memory.borrow_mut().set_chunk(pieces, is_true(&last));
    Ok(())
}

/// `host:get_chunk() -> string, last`: the bytes that are sent to the client.
fn get_chunk(
    lua: &Lua,
    memory: &RefCell<Memory>,
    _: Value,
    _: Value,
) -> Outcome<(LuaString, bool)> {
    let (bytes, last) = memory.borrow().outgoing_chunk();
    Ok((text(lua, bytes)?, last))
}

/// `host:get_arg(1|2)`: like reading `ngx.arg` in a body filter.
fn get_arg(lua: &Lua, memory: &RefCell<Memory>, index: Value, _: Value) -> Outcome<Value> {
    Ok(match arg_index(&index)? {
        1 => {
            // Making a string may run a finalizer that uses the request, so the borrow must end before.
            let bytes = memory.borrow().arg_body();
            Value::String(text(lua, bytes)?)
        }
        _ => Value::Boolean(memory.borrow().outgoing_chunk().1),
    })
}

/// `host:set_arg(1|2, value)`: like assigning to `ngx.arg` in a body filter.
fn set_arg(lua: &Lua, memory: &RefCell<Memory>, index: Value, value: Value) -> Outcome<()> {
    if arg_index(&index)? == 1 {
        let bytes = joined(chunk(lua, &value)?.iter());
        memory.borrow_mut().set_arg_body(bytes);
    } else {
        memory.borrow_mut().set_arg_last(is_true(&value));
    }
    Ok(())
}

/// `host:body_ended() -> boolean`
fn body_ended(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<bool> {
    Ok(memory.borrow().body_ended())
}

/// `host:buffered() -> number`
fn buffered(_: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<f64> {
    Ok(memory.borrow().buffered() as f64)
}

/// `host:relabelling(body) -> string|nil`: the warning if `body` replaces an encoded body and the Content-Encoding
/// stays.
fn relabelling(
    _: &Lua,
    memory: &RefCell<Memory>,
    body: Value,
    _: Value,
) -> Outcome<Option<String>> {
    let body = bytes(&body);
    let body = body.as_deref().unwrap_or_default();
    let memory = memory.borrow();
    let is_there = memory.outgoing_chunk().0 == body;
    let warning = warning::of_relabelling(&*memory, body).filter(|_| !is_there);
    Ok(warning.map(|warning| warning.text()))
}

/// `host:take_log() -> { {level, message}, ... }`
fn take_log(lua: &Lua, memory: &RefCell<Memory>, _: Value, _: Value) -> Outcome<Table> {
    let lines = memory.borrow().take_log();
    let lines = lines.iter().map(|(level, line)| Ok((*level as i32, text(lua, line)?)));
    list(lua, lines.collect::<Outcome<Vec<_>>>()?)
}
