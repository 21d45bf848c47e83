//! The lowest layer of the edge: Lua's stack, arguments, the start and the end of each function.

pub mod args;
pub mod call;
pub mod callbacks;
pub mod reply;
pub mod server;
pub mod stack;
pub mod warnings;
