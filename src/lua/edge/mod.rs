//! The ground floor: Lua's stack, arguments, the way into a function and out of it.

pub mod args;
pub mod call;
pub mod server;
pub mod stack;
pub mod warnings;
