//! A Lua VM that is closed unloads its libraries, and nginx closes one per request where
//! `lua_code_cache` is off. What nginx still has to call must stay: the library is never unloaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
