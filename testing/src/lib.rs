//! The native part of the test kit of `kong.response`: a server in memory that treats responses as nginx
//! with lua-nginx-module does, for `require "kong.response.testing.native"`.
//!
//! - [`memory`]: the server, in pure Rust; the tests of the rules compile it, too;
//! - [`regex`], [`text`]: what else nginx's Lua has from native code: `ngx.re`, encodings, digests;
//! - `lua`: its objects in Lua, with mlua's safe API;
//! - `bind`: the functions of `kong.response` over that server: the one file with unsafe code.

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
