//! Lua values as JSON. `lua/json.lua` makes the values in a Lua VM, and compares the bytes of the
//! library with those of a slow and simple encoder. Here, a parser reads the bytes.

use serde::Deserialize;
use serde_json::de::Deserializer;

/// See `lua/json.lua` for how the bytes are read.
pub fn check(bytes: &[u8]) {
    for written in crate::lua::check("fuzz.json", bytes) {
        parses(&written);
    }
}

/// Lua's strings may contain any bytes. The documentation says that the library does not change
/// them, so the result is JSON only for strings in UTF-8.
fn parses(json: &[u8]) {
    let Ok(text) = std::str::from_utf8(json) else { return };
    let mut reader = Deserializer::from_str(text);
    reader.disable_recursion_limit();
    match serde::de::IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end()) {
        Ok(()) => (),
        // Rounded to sixteen digits, the greatest doubles become greater than any double.
        Err(error) if error.to_string().starts_with("number out of range") => (),
        Err(error) => panic!("{error}: {text:?}"),
    }
}
