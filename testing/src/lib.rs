//! The native part of the test kit of `kong.response`, which Lua gets from `require "kong.response.testing.native"`.
//! Its server in memory treats responses like nginx with lua-nginx-module.
//!
//! - [`memory`]: the server in memory, which the tests of the rules also use
//! - [`regex`], [`text`]: `ngx.re`, encodings and digests for the kit's `ngx`
//! - `lua`: the objects of both in Lua, with mlua's safe API
//! - `bind`: the functions of `kong.response` for the server in memory; the only file with unsafe code

#[allow(unsafe_code)]
mod bind;
#[forbid(unsafe_code)]
mod lua;
#[forbid(unsafe_code)]
pub mod memory;
#[forbid(unsafe_code)]
pub mod regex;
#[forbid(unsafe_code)]
pub mod text;

pub use bind::luaopen_kong_response_testing_native;
