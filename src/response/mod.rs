//! The rules of a response: what the functions refuse, change and send. They use the server only through the trait
//! [`Host`](crate::host::Host), and do not use Lua.

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
