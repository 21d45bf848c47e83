//! The edge to Lua: arguments come off the stack, results and errors go back. No rule of HTTP is here.
//!
//! Every function has the same three steps, because of how LuaJIT raises errors (by unwinding through
//! the frames of Rust, which must not meet a `catch_unwind`):
//!
//! 1. before: what may run Lua code and raise, `ngx.ctx` above all, with no Rust value alive;
//! 2. the work, inside `catch_unwind`, calling nothing of Lua that can raise: what could is called
//!    through [`protect`](stack::protect);
//! 3. after: results are pushed, or the error is raised, as a string with the position of the caller.
#![allow(unsafe_code)]

mod answer;
mod args;
mod bind;
mod body;
mod call;
mod codec;
mod headers;
mod json;
mod memory;
mod mistakes;
mod served;
mod shortcut;
mod source;
mod stack;
mod stream;
mod templates;
