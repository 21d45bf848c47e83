//! Why a value has no JSON form.

/// Why a value cannot be written as JSON; the texts are those of lua-cjson.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// NaN or an infinity, as a value or a key.
    NotFinite,
    /// Tables nested deeper than allowed; the depth that was too much.
    TooDeep(usize),
    /// An array with far more holes than items.
    Sparse,
    /// A key of this Lua type.
    Key(&'static str),
    /// A value of this Lua type.
    Value(&'static str),
    /// An error that a metamethod raised.
    Thrown(Vec<u8>),
    /// Lua's stack cannot grow any more.
    StackOverflow,
    /// There is no memory for a text of this many bytes.
    Memory(usize),
}

impl EncodeError {
    /// Appends the message to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::NotFinite => "Cannot serialise number: must not be NaN or Infinity".to_owned(),
            Self::TooDeep(depth) => format!("Cannot serialise, excessive nesting ({depth})"),
            Self::Sparse => "Cannot serialise table: excessively sparse array".to_owned(),
            Self::Key(got) => {
                format!("Cannot serialise {got}: table key must be a number or string")
            }
            Self::Value(got) => format!("Cannot serialise {got}: type not supported"),
            Self::Thrown(text) => return out.extend_from_slice(text),
            Self::StackOverflow => "stack overflow".to_owned(),
            Self::Memory(bytes) => format!("no memory for a body of {bytes} bytes"),
        };
        out.extend_from_slice(text.as_bytes());
    }
}
