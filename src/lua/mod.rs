//! The edge to Lua: arguments come off the stack, results and errors go back. No rule of HTTP is here.
//!
//! Every function has the same three steps, because of how LuaJIT raises errors (by unwinding through
//! the frames of Rust, which must not meet a `catch_unwind`):
//!
//! 1. before: what may run Lua code and raise, `ngx.ctx` above all, with no Rust value alive;
//! 2. the work, inside `catch_unwind`, calling nothing of Lua that can raise: what could is called
//!    through `edge::stack::protect`;
//! 3. after: results are pushed, or the error is raised, as a string with the position of the caller.
//!
//! # The contract of unsafe functions
//!
//! Their `# Safety` sections and the `SAFETY` comments name these items:
//!
//! - **running**: `state` is the thread of the C function that runs now. Lua has passed it, and keeps it until
//!   that function returns.
//! - **bound**: the running function is a closure with the upvalues of `edge::stack::upvalue`. `bind` makes all
//!   closures with them, and Lua code cannot change them.
//! - **slots**: the stack has free slots. Lua gives a C function 20 beyond its arguments, and gives 20 more to
//!   the job of `protect`. Functions without a number need 6 at most; where tables are nested, the code asks
//!   for more with `lua_checkstack`.
//! - **raises**: the function may leave by unwinding. No `catch_unwind` is below it, and no value is alive whose
//!   drop matters: the steps 1 and 3 above.
//! - **guarded**: the function does not raise, so it may be called in step 2. Raw reads of tables, pushes of
//!   numbers, booleans and values that are on the stack already neither run Lua code nor allocate.
//! - **reachable**: a string stays on the stack or in a table that nobody changes for as long as its bytes are
//!   used. Lua's collector moves nothing.
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
