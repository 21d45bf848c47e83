//! JSON of Lua values, written by the library from a real Lua VM. `lua/json.lua` makes the values, and
//! compares the bytes with those of an encoder that is slow and simple; here a parser reads them.

use serde::Deserialize;
use serde_json::de::Deserializer;

/// See `lua/json.lua` for how the bytes are read.
pub fn check(bytes: &[u8]) {
    for written in crate::lua::check("fuzz.json", bytes) {
        parses(&written);
    }
}

/// Strings of Lua are bytes: those that are no text make no JSON, which users are told.
fn parses(json: &[u8]) {
    let Ok(text) = std::str::from_utf8(json) else { return };
    let mut reader = Deserializer::from_str(text);
    reader.disable_recursion_limit();
    match serde::de::IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end()) {
        Ok(()) => (),
        // The greatest doubles, rounded to sixteen digits, are greater than any double.
        Err(error) if error.to_string().starts_with("number out of range") => (),
        Err(error) => panic!("{error}: {text:?}"),
    }
}
