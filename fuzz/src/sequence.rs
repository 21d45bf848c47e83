//! The thirteen functions in any order and with any arguments, over a request in memory, from a real
//! Lua VM. What must hold is in `lua/sequence.lua`.

/// See `lua/sequence.lua` for how the bytes are read.
pub fn check(bytes: &[u8]) {
    crate::lua::check("fuzz.sequence", bytes);
}
