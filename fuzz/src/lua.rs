//! A Lua VM with the library in it, and the Lua of this folder: the values and the calls are made
//! there, where hostile code is easiest to write.

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

/// After so many inputs a VM makes room for a new one, so that they do not live on what others left.
const INPUTS: u32 = 500;

/// Where `require` finds the library's modules, and those of this folder, which are `fuzz.*`.
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

/// Runs `check(bytes)` of a Lua module of this folder. It returns the strings that this
/// returns; what it raises is a finding.
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
    // A panic that is caught in the library is a finding: nothing may hide it.
    let options = LuaOptions::new().catch_rust_panics(false);
    // SAFETY: the Lua of this folder uses `ffi` and `debug` as they are meant to be used, and the
    // functions are those that the libraries give to `require`.
    let (lua, core, native) = unsafe {
        let lua = Lua::unsafe_new_with(StdLib::ALL, options);
        let core = lua.create_c_function(core::luaopen_kong_response_core)?;
        let native = lua.create_c_function(core::luaopen_kong_response_testing_native)?;
        (lua, core, native)
    };
    let preload: Table = lua.globals().get::<Table>("package")?.get("preload")?;
    preload.set("kong.response.core", core)?;
    preload.set("kong.response.testing.native", native)?;
    // Without a cjson the sentinels are the library's own.
    preload.set("cjson", lua.load("return false").into_function()?)?;
    lua.load(FIND_MODULES).call::<()>(env!("CARGO_MANIFEST_DIR"))?;
    let jit_on = JIT.replace(!JIT.get());
    lua.load(if jit_on { "jit.on()" } else { "jit.off()" }).exec()?;
    Ok(lua)
}
