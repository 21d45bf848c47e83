//! Links the library so that it is never unloaded. A Lua VM unloads its libraries when it is closed, but the thread
//! that ran the VM still calls destructors of this library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
