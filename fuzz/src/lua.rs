//! A Lua VM with the library and the Lua files of `lua/`. These make the values and the calls,
//! because hostile code is easiest to write in Lua.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;

use kong_response as _;
use kong_response_testing as _;
use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table};

#[allow(unsafe_code)]
mod core {
    use super::c_int;

    // SAFETY: this is how the library declares what `require` calls.
    unsafe extern "C-unwind" {
        pub fn luaopen_kong_response_core(state: *mut mlua::lua_State) -> c_int;
        pub fn luaopen_kong_response_testing_native(state: *mut mlua::lua_State) -> c_int;
    }
}

/// The number of inputs after which a new VM replaces the old one, so that few inputs share a
/// state.
const INPUTS: u32 = 500;

/// The paths where `require` finds the library's modules, and the files of `lua/` as `fuzz.*`.
const FIND_MODULES: &str = r#"
local folder = ...
package.path = folder .. "/../lua/?.lua"
package.cpath = ""
table.insert(package.loaders, function(name)
  local own = name:match("^fuzz%.(.+)$")
  return own and assert(loadfile(folder .. "/lua/" .. own .. ".lua"))
end)
"#;

thread_local! {
    static VM: RefCell<Option<(Lua, u32)>> = const { RefCell::new(None) };
    /// Whether the next VM has the JIT on. Finalizers raise only where it is off.
    static JIT: Cell<bool> = const { Cell::new(false) };
}

/// Calls `check(bytes)` of a Lua module of `lua/`, and returns its strings. An error is a finding.
pub fn check(module: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (lua, used) = VM.take().unwrap_or_else(|| (open().expect("a VM"), 0));
    let check = || -> mlua::Result<MultiValue> {
        let require: Function = lua.globals().get("require")?;
        let module: Table = require.call(module)?;
        module.get::<Function>("check")?.call(lua.create_string(bytes)?)
    };
    let results = check().unwrap_or_else(|error| panic!("{error}"));
    let text = |value: &mlua::Value| Some(value.as_string()?.as_bytes().to_vec());
    let texts = results.iter().filter_map(text).collect();
    drop(results);
    if used < INPUTS {
        VM.set(Some((lua, used + 1)));
    }
    texts
}

#[allow(unsafe_code)]
fn open() -> mlua::Result<Lua> {
    // A panic that the library catches is also a finding.
    let options = LuaOptions::new().catch_rust_panics(false);
    // SAFETY: the Lua files of `lua/` do not break memory with `ffi` and `debug`, and the functions
    // are those that the libraries declare for `require`.
    let (lua, core, native) = unsafe {
        let lua = Lua::unsafe_new_with(StdLib::ALL, options);
        let core = lua.create_c_function(core::luaopen_kong_response_core)?;
        let native = lua.create_c_function(core::luaopen_kong_response_testing_native)?;
        (lua, core, native)
    };
    let preload: Table = lua.globals().get::<Table>("package")?.get("preload")?;
    preload.set("kong.response.core", core)?;
    preload.set("kong.response.testing.native", native)?;
    // Without the module cjson, the library uses its own sentinels.
    preload.set("cjson", lua.load("return false").into_function()?)?;
    lua.load(FIND_MODULES).call::<()>(env!("CARGO_MANIFEST_DIR"))?;
    let jit_on = JIT.replace(!JIT.get());
    lua.load(if jit_on { "jit.on()" } else { "jit.off()" }).exec()?;
    Ok(lua)
}
