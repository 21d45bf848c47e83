//! Any bytes, read as JSON by `kong.response.json`. For UTF-8, the values of serde_json must agree.

use serde::Deserialize;
use serde_json::Value;
use serde_json::de::Deserializer;

/// See `lua/decode.lua` for what holds in Lua.
pub fn check(bytes: &[u8]) {
    let found = crate::lua::check("fuzz.decode", bytes);
    let [outcome, written] = &found[..] else { panic!("two strings") };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let expected = parse(text);
    if outcome == b"refused" {
        let is_deep = written.starts_with(b"arrays and objects nested deeper");
        assert!(is_deep || expected.is_err(), "{text:?}");
        return;
    }
    let written = std::str::from_utf8(written).expect("UTF-8 for UTF-8");
    match parse(written) {
        Ok(value) => assert!(same(&expected.expect("it was read"), &value), "{text:?} {written:?}"),
        // Rounded to sixteen digits, the greatest doubles become greater than any double.
        Err(error) => assert!(error.to_string().starts_with("number out of range"), "{error}"),
    }
}

fn parse(text: &str) -> serde_json::Result<Value> {
    let mut reader = Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

/// Whether two values are equal. Numbers may differ after sixteen digits, because the library
/// writes only these.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let [a, b] = [a, b].map(|number| number.as_f64().expect("a double"));
            a == b || format!("{a:.15e}") == format!("{b:.15e}")
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let found = |(key, value)| b.get(key).is_some_and(|other| same(value, other));
            a.len() == b.len() && a.iter().all(found)
        }
        _ => a == b,
    }
}
