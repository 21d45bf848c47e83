//! A request and a response in memory. They treat headers and bodies like nginx with lua-nginx-module: which headers
//! exist only once, how bytes are escaped, the order of headers, cleared chunks, and the bytes on the wire.

mod chain;
mod conditions;
mod escape;
mod head;
mod host;
mod page;
mod request;
mod shared;
mod stage;
mod wire;

pub use chain::joined;
pub use conditions::Answer;
pub use request::{Field, Memory};
pub use shared::Shared;
pub use stage::Stage;
pub use wire::Wire;

#[cfg(test)]
mod tests;
