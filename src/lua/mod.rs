//! The edge to Lua: arguments come off the stack, results and errors go back. No rule of HTTP is here.
//!
//! Every function has the same three steps, because of how LuaJIT raises errors (by unwinding through
//! the frames of Rust, which must not meet a `catch_unwind`):
//!
//! 1. before: what may run Lua code and raise, `ngx.ctx` above all, with no Rust value alive;
//! 2. the work, inside `catch_unwind`, calling nothing of Lua that can raise: what could is called
//!    through `edge::stack::protect`;
//! 3. after: results are pushed, or the error is raised, as a string with the position of the caller.
#![allow(unsafe_code)]

mod bind;
mod edge;
#[cfg_attr(not(feature = "exports"), allow(dead_code, reason = "only compiled code calls it"))]
mod ffi;
mod functions;
mod json;
mod nginx;

pub use bind::{bind, luaopen_kong_response_core};
pub use edge::call::attempt;
pub use edge::server::Server;
pub use edge::stack::upvalue;
