//! The requests of nginx, through the C functions of lua-nginx-module.

mod api;
mod buffers;
mod cleanup;
mod request;
mod vm;

pub use api::{Api, NgxRequest, api, load};
pub use request::{Probe, Request};
pub use vm::{exdata_field, main_thread};
