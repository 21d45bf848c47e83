//! The module in Lua: hosts and their methods, a reader of JSON.

pub mod host;
mod methods;
mod ngx;
mod request;
mod values;

use kong_response::error::Error;
use kong_response::lua::attempt;
use mlua::{FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Result, Table, Value};

use host::Host;

/// Wraps a function made by [`answering`] into one that raises; see `glue.lua`.
const RAISING: &str = "kong.response.testing.raising";

/// A table with `version`, `memory_host` and `memory`. `bind(ngx, services, host)` makes the
/// functions for a host.
pub fn module(lua: &Lua, bind: Function) -> Result<Table> {
    let id = answering(lua, |_, host: Value| Ok(host::of(&host)?.id() as f64))?;
    let glue = lua.load(include_str!("glue.lua")).set_name("=kong.response.testing");
    let (raising, memory): (Function, Function) = glue.call((bind, id))?;
    lua.set_named_registry_value(RAISING, &raising)?;
    let module = lua.create_table()?;
    module.raw_set("version", env!("CARGO_PKG_VERSION"))?;
    module.raw_set("memory", memory)?;
    module.raw_set(
        "memory_host",
        raising_function(lua, |_, request: Value| Ok(Host::new(request::read(&request)?)))?,
    )?;
    module.raw_set("ngx", ngx::table(lua)?)?;
    #[cfg(feature = "fault-injection")]
    module.raw_set("order_fault", lua.create_function(order_fault)?)?;
    Ok(module)
}

/// A function of Lua that does `work` and raises its error as a string with the caller's position.
fn raising_function<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    work: impl Fn(&Lua, A) -> std::result::Result<R, Error> + 'static,
) -> Result<Function> {
    lua.named_registry_value::<Function>(RAISING)?.call(answering(lua, work)?)
}

/// A function of Lua that returns true and the results of `work`, or false and its error's text: mlua would
/// raise a userdata. A panic is an error, too.
fn answering<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    work: impl Fn(&Lua, A) -> std::result::Result<R, Error> + 'static,
) -> Result<Function> {
    lua.create_function(move |lua, arguments: A| -> Result<MultiValue> {
        let work = || work(lua, arguments)?.into_lua_multi(lua).map_err(of_lua);
        let (worked, mut values) = match attempt(work) {
            Ok(values) => (true, values),
            Err(error) => {
                let mut text = Vec::new();
                error.write_to(&mut text);
                (false, lua.create_string(text)?.into_lua_multi(lua)?)
            }
        };
        values.push_front(worked.into_lua(lua)?);
        Ok(values)
    })
}

/// An error of Lua's: no memory, or what a metamethod has raised.
fn of_lua(error: mlua::Error) -> Error {
    Error::Host(error.to_string())
}

/// `order_fault("panic"|"allocation"|nil, chances)`: has that happen, after so many chances.
#[cfg(feature = "fault-injection")]
fn order_fault(_: &Lua, (fault, chances): (Option<String>, Option<u32>)) -> Result<()> {
    use kong_response::fault::{Fault, order};
    let chances = chances.unwrap_or(0);
    order(match fault.as_deref() {
        Some("panic") => Some((Fault::Panic, chances)),
        Some("allocation") => Some((Fault::Allocation, chances)),
        _ => None,
    });
    Ok(())
}
