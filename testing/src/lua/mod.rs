//! The native module of the test kit: hosts and their methods, and functions for the kit's `ngx`.

pub mod host;
mod methods;
mod ngx;
mod request;
mod values;

use kong_response::error::Error;
use kong_response::lua::attempt;
use mlua::{FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Result, Table, Value};

use host::Host;

/// The key in Lua's registry of a function of `glue.lua`: it wraps a function of [`returning_status`] into one that
/// raises.
const RAISING: &str = "kong.response.testing.raising";

/// Makes a table with `version`, `memory_host`, `memory` and `ngx`. `bind(ngx, services, host)` makes the functions for a
/// host.
pub fn module(lua: &Lua, bind: Function) -> Result<Table> {
    let id = returning_status(lua, |_, host: Value| Ok(host::of(&host)?.id() as f64))?;
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

/// Makes a Lua function that calls `work` and raises its error as a string with the caller's position.
fn raising_function<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    work: impl Fn(&Lua, A) -> std::result::Result<R, Error> + 'static,
) -> Result<Function> {
    lua.named_registry_value::<Function>(RAISING)?.call(returning_status(lua, work)?)
}

/// Makes a Lua function that returns true and the results of `work`, or false and the text of its error. (For an `Err`,
/// mlua would raise a userdata.) A panic is also an error.
fn returning_status<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    work: impl Fn(&Lua, A) -> std::result::Result<R, Error> + 'static,
) -> Result<Function> {
    lua.create_function(move |lua, arguments: A| -> Result<MultiValue> {
        let work = || work(lua, arguments)?.into_lua_multi(lua).map_err(of_lua);
        let (succeeded, mut values) = match attempt(work) {
            Ok(values) => (true, values),
            Err(error) => {
                let mut text = Vec::new();
                error.write_to(&mut text);
                (false, lua.create_string(text)?.into_lua_multi(lua)?)
            }
        };
        values.push_front(succeeded.into_lua(lua)?);
        Ok(values)
    })
}

/// The error for an error in Lua: lack of memory, or an error of a metamethod.
fn of_lua(error: mlua::Error) -> Error {
    Error::Host(error.to_string())
}

/// `order_fault("panic"|"allocation"|nil, chances)`: makes the fault happen after `chances` opportunities.
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
