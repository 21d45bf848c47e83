//! The thirteen functions in any order and with any arguments, for a request in memory, in a Lua
//! VM. `lua/sequence.lua` has the checks.

/// See `lua/sequence.lua` for how the bytes are read.
pub fn check(bytes: &[u8]) {
    crate::lua::check("fuzz.sequence", bytes);
}
