//! Functions of Lua that call Rust, and their errors. An error must be a string, but for an `Err` mlua would raise a
//! userdata.

use kong_response::error::Error;
use kong_response::lua::attempt;
use mlua::{FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Result};

/// The key in Lua's registry of a function of `glue.lua`: it wraps a function of [`returning_status`] into one that
/// raises.
pub const RAISING: &str = "kong.response.testing.raising";

/// Makes a Lua function that calls `work` and raises its error as a string with the caller's position.
pub fn raising_function<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    work: impl Fn(&Lua, A) -> std::result::Result<R, Error> + 'static,
) -> Result<Function> {
    lua.named_registry_value::<Function>(RAISING)?.call(returning_status(lua, work)?)
}

/// Makes a Lua function that returns true and the results of `work`, or false and the text of its error. (For an `Err`,
/// mlua would raise a userdata.) A panic is also an error.
pub fn returning_status<A: FromLuaMulti, R: IntoLuaMulti>(
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
pub fn of_lua(error: mlua::Error) -> Error {
    Error::Host(error.to_string())
}
