//! The rules of a response: what is refused, what is changed, what is sent. They know of Lua and of
//! nginx only what the [`Host`](crate::host::Host) trait says.

pub mod accept;
pub mod body;
pub mod error;
pub mod error_page;
pub mod exit;
pub mod grpc;
pub mod header;
pub mod json;
pub mod phases;
pub mod precondition;
pub mod source;
pub mod status;
pub mod stream;
pub mod warning;
