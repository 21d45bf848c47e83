//! The edge to Lua. It reads arguments from the stack, calls the rules, and pushes results or raises errors. It
//! contains no rule of HTTP.
//!
//! LuaJIT raises an error by unwinding through the frames of Rust, and this must not reach a `catch_unwind`. So every
//! function has three steps:
//!
//! 1. Before: code that may run Lua code and raise an error, above all reading `ngx.ctx`. No value is alive that Rust
//!    has to drop.
//! 2. The work, inside `catch_unwind`. It calls nothing of Lua that may raise an error, except through
//!    `edge::stack::protect` or `pcall`.
//! 3. After: the function pushes its results, or raises the error as a string with the caller's position.
//!
//! # The contract of unsafe functions
//!
//! Their `# Safety` sections and the `SAFETY` comments name these items:
//!
//! - **running**: `state` is the thread of the C function that runs now. Lua has passed it, and keeps it until
//!   that function returns.
//! - **bound**: the running function is a closure with the upvalues of `edge::stack::upvalue`. `bind` makes all
//!   closures with them. Lua code changes them only with `debug.setupvalue`.
//! - **slots**: the stack has free slots. Lua gives a C function 20 slots beyond its arguments, and 20 more to the
//!   job of `protect`. A function needs at most 6, unless its contract names another number. For nested tables, the
//!   code asks for more with `lua_checkstack`.
//! - **raises**: the function may leave by unwinding, so it may be called only in the steps 1 and 3. No
//!   `catch_unwind` is between it and Lua. If values are alive that Rust has to drop, unwinding drops them.
//! - **guarded**: the function does not raise, so it may be called in step 2. Raw reads of tables, and pushes of
//!   numbers, booleans and values that are on the stack already, neither run Lua code nor allocate.
//! - **reachable**: a string stays on the stack, or in a table that nobody changes, as long as its bytes are used.
//!   Lua's collector does not move strings.
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
