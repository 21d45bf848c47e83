//! `kong.response`, the client-response module of Kong Gateway's plugin API, as a native library for
//! OpenResty, nginx with lua-nginx-module, and plain LuaJIT.
//!
//! - [`response`]: the rules, in pure Rust;
//! - [`host`]: the places to run, which the rules see as a [`Host`](host::Host);
//! - [`lua`]: the edge to Lua;
//! - [`phase`], [`error`], [`json_error`], [`body`], [`content_length`] and [`date`]: the ground floor,
//!   which all of these use;
//! - `allocator`: their memory.
//!
//! Lua loads it with `require "kong.response"`; `lua/kong/response/instance.lua` is the thin facade.

// The server in memory names this crate by its name. It is compiled here for the tests of the rules alone.
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

/// A fuzzer watches the memory of the C library instead.
#[cfg(not(fuzzing))]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator::new();
