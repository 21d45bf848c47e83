//! Links the library so that it is never unloaded. A Lua VM unloads its libraries when it is closed, and nginx closes
//! one for each request if `lua_code_cache` is off. But nginx still calls functions of this library, for example when
//! the request ends.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
