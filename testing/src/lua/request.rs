//! The argument of `memory_host(request)`: the request of a new host.

use http::Method;
use kong_response::error::Error;
use kong_response::host::version_of;
use mlua::Value;

use super::errors::of_lua;
use super::values::{boolean, bytes, misuse, number, pairs, string, table, type_name};
use crate::memory::Memory;

/// Makes the request that the table describes. For nil, makes an empty request.
pub fn read(request: &Value) -> Result<Memory, Error> {
    let mut memory = Memory::new();
    let fields = match request {
        Value::Nil => return Ok(memory),
        Value::Table(fields) => fields,
        _ => return Err(misuse(format!("request must be a table, got {}", type_name(request)))),
    };
    let field = |name: &str| fields.get::<Value>(name).map_err(of_lua);
    if let Some(method) = string(&field("method")?, "request.method")? {
        let invalid = |_| misuse("request.method must be a token".to_owned());
        memory = memory.with_method(Method::from_bytes(&method).map_err(invalid)?);
    }
    if let Some(version) = number(&field("http_version")?, "request.http_version")? {
        let unknown = || misuse(format!("request.http_version must not be {version}"));
        memory = memory.with_http_version(version_of(version).ok_or_else(unknown)?);
    }
    if let Some(headers) = table(&field("headers")?, "request.headers")? {
        for (name, value) in pairs(&headers, "request.headers")? {
            memory = memory.with_request_header(name, value);
        }
    }
    if let Some(variables) = table(&field("variables")?, "request.variables")? {
        for pair in variables.pairs::<Value, Value>() {
            let (name, value) = pair.map_err(of_lua)?;
            let (Some(name), Some(value)) = (bytes(&name), bytes(&value)) else {
                let text = "request.variables must have strings for names and values";
                return Err(misuse(text.to_owned()));
            };
            memory = memory.with_variable(&*name, &*value);
        }
    }
    let repeats = "www_authenticate_repeats";
    if let Some(repeats) = boolean(&field(repeats)?, "request.www_authenticate_repeats")? {
        memory = memory.with_repeated_www_authenticate(repeats);
    }
    if let Some(drops) = boolean(&field("drops_repeats")?, "request.drops_repeats")? {
        memory = memory.with_repeats_dropped(drops);
    }
    if let Some(value) = string(&field("default_type")?, "request.default_type")? {
        memory = memory.with_default_type(&*value);
    }
    let transforms = "transform_underscores";
    if let Some(transforms) = boolean(&field(transforms)?, "request.transform_underscores")? {
        memory = memory.with_transformed_underscores(transforms);
    }
    Ok(memory)
}
