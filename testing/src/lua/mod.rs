//! The native module of the test kit: hosts and their methods, and functions for the kit's `ngx`.

mod errors;
pub mod host;
mod methods;
mod ngx;
mod request;
mod values;

use mlua::{Function, Lua, Result, Table, Value};

use errors::{RAISING, raising_function, returning_status};
use host::Host;

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
