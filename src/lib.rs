//! `kong.response`, the client-response module of Kong Gateway's plugin API, as a native library for
//! OpenResty, nginx with lua-nginx-module, and plain LuaJIT.
//!
//! - [`response`]: the rules, in pure Rust
//! - [`host`]: the traits that a server implements, and nginx as such a server
//! - [`lua`]: the edge to Lua
//! - [`phase`], [`error`], [`json_error`], [`body`], [`content_length`] and [`date`]: the lowest layer, which the other
//!   parts use
//! - `allocator`: the memory of the library
//!
//! Lua loads it with `require "kong.response"`. `lua/kong/response/instance.lua` chooses the facade.

// The server in memory uses this crate by its name. The tests of the rules compile it here.
#[cfg(test)]
extern crate self as kong_response;

#[cfg(not(fuzzing))]
mod allocator;
pub mod body;
pub mod content_length;
pub mod date;
pub mod error;
#[cfg(feature = "fault-injection")]
pub mod fault;
pub mod host;
pub mod json_error;
pub mod lua;
#[cfg(test)]
#[path = "../testing/src/memory/mod.rs"]
pub mod memory;
pub mod phase;
pub mod response;

/// A fuzzer checks the memory of the C library, so its builds have no allocator.
#[cfg(not(fuzzing))]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator::new();
