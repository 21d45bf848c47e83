//! JSON as lua-cjson writes it, byte for byte: numbers, strings, and why a value has no JSON form.
//! What walks a Lua table with them is `lua::json`.

mod number;
mod power;
mod string;

pub use crate::json_error::EncodeError;
pub use number::{NotFinite, write_number};
pub use string::{write_escaped, write_key, write_string};

impl From<NotFinite> for EncodeError {
    fn from(_: NotFinite) -> Self {
        Self::NotFinite
    }
}
