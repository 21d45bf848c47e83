//! JSON with the exact bytes of lua-cjson: numbers, strings, and the reasons why a value has no JSON form.
//! `lua::json` walks a Lua table and uses these functions.

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
