//! Reads JSON into Lua values.
//!
//! serde_json reads the text into a [`Tape`], a flat list of nodes in the order of the text. Then one protected call
//! makes the values in Lua. It borrows the tape, so the tape is dropped even if Lua raises.

use std::cell::Cell;
use std::ffi::c_int;
use std::fmt;
use std::io;
use std::slice;

use mlua::ffi::{self, lua_State};
use serde_core::de::{
    DeserializeSeed, Deserializer, Error as Refusal, MapAccess, SeqAccess, Visitor,
};
use serde_json::Error;
use serde_json::de::{Deserializer as Json, Read};

use super::state::MAX_DEPTH;
use crate::lua::edge::stack::{push_bytes, string, type_name};

/// The longest text. Its offsets fit into the `u32` of a [`Span`].
const MAX_LENGTH: usize = 256 << 20;
/// Stack slots for a value and its metatable. Each level needs two more, for a table and a key.
const SLOTS: usize = 4;

/// The capacity of the largest list that is kept: 1 MB.
const MAX_KEPT_NODES: usize = 64 << 10;

thread_local! {
    /// The list of nodes of an earlier tape, kept for the next one.
    static NODES: Cell<Vec<Node>> = const { Cell::new(Vec::new()) };
}

/// A part of the text, or of [`Tape::unescaped`].
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    length: u32,
}

/// A node of the tape. The nodes inside an array or an object follow it.
#[derive(Clone, Copy)]
enum Node {
    Null,
    Boolean(bool),
    Number(f64),
    /// A string or a key without escapes: a part of the text.
    Plain(Span),
    /// A string or a key with escapes: a part of [`Tape::unescaped`].
    Unescaped(Span),
    /// The number of the items that follow.
    Array(u32),
    /// The number of the keys that follow, each with its value.
    Object(u32),
}

/// The nodes of a text.
pub struct Tape<'t> {
    text: &'t [u8],
    nodes: Vec<Node>,
    unescaped: Vec<u8>,
    depth: usize,
    max_depth: usize,
}

impl<'t> Tape<'t> {
    /// Reads the string at `index`.
    ///
    /// # Errors
    ///
    /// The reason why it is not JSON, with line and column; `expected a string, got <type>`; `text too long: …`.
    ///
    /// # Safety
    ///
    /// `index` is valid, and the string stays reachable from Lua for `'t`.
    pub unsafe fn read_at(state: *mut lua_State, index: c_int) -> Result<Self, Vec<u8>> {
        // SAFETY: the caller keeps the string reachable.
        let Some(text) = (unsafe { string(state, index) }) else {
            // SAFETY: the index is valid.
            let got = unsafe { type_name(state, index) };
            return Err(format!("expected a string, got {got}").into_bytes());
        };
        Self::read(text).map_err(String::into_bytes)
    }

    fn read(text: &'t [u8]) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            let length = text.len();
            return Err(format!("text too long: {length} bytes, maximum {MAX_LENGTH}"));
        }
        let nodes = NODES.take();
        let mut tape = Self { text, nodes, unescaped: Vec::new(), depth: 0, max_depth: 0 };
        let read = match std::str::from_utf8(text) {
            Ok(text) => tape.fill(Json::from_str(text), None),
            Err(_) => {
                let consumed = Cell::new(0);
                tape.fill(Json::from_reader(Source { text, consumed: &consumed }), Some(&consumed))
            }
        };
        read.map(|()| tape).map_err(|error| error.to_string())
    }

    fn fill<R: Read<'t>>(
        &mut self,
        mut json: Json<R>,
        consumed: Option<&Cell<usize>>,
    ) -> Result<(), Error> {
        json.disable_recursion_limit();
        Reader { tape: self, consumed, start: 0 }.deserialize(&mut json)?;
        json.end()
    }

    fn push<E: Refusal>(&mut self, node: Node) -> Result<(), E> {
        if self.nodes.len() == self.nodes.capacity() {
            reserve(&mut self.nodes, 1)?;
        }
        self.nodes.push(node);
        Ok(())
    }

    /// A string that is a part of the text.
    fn plain<E: Refusal>(&mut self, string: &'t [u8]) -> Result<(), E> {
        let start = string.as_ptr().addr() - self.text.as_ptr().addr();
        self.push(Node::Plain(span(start, string.len())))
    }

    /// A string that differs from the text because of escapes.
    fn unescaped<E: Refusal>(&mut self, string: &[u8]) -> Result<(), E> {
        reserve(&mut self.unescaped, string.len())?;
        let start = self.unescaped.len();
        self.unescaped.extend_from_slice(string);
        self.push(Node::Unescaped(span(start, string.len())))
    }

    /// Begins an array or an object; returns the index of its node.
    fn begin<E: Refusal>(&mut self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!(
                "arrays and objects nested deeper than {MAX_DEPTH}"
            )));
        }
        self.depth += 1;
        self.max_depth = self.max_depth.max(self.depth);
        self.push(Node::Null)?;
        Ok(self.nodes.len() - 1)
    }

    fn end(&mut self, index: usize, node: Node) {
        self.depth -= 1;
        self.nodes[index] = node;
    }

    /// Pushes the value. It raises if there is no memory, and if a finalizer raises.
    ///
    /// # Safety
    ///
    /// The caller runs it in a protected call, not directly in a `catch_unwind`. The metatable of arrays is at index 1.
    pub unsafe fn push_value(&self, state: *mut lua_State) {
        // SAFETY: this frame owns nothing that needs dropping: the tape is borrowed.
        unsafe {
            let slots = 2 * self.max_depth + SLOTS;
            if ffi::lua_checkstack(state, slots as c_int) == 0 {
                push_bytes(state, b"stack overflow");
                ffi::lua_error(state);
            }
            self.push_next(state, &mut self.nodes.iter());
        }
    }

    /// Pushes the value of the next node and of the nodes inside it.
    ///
    /// # Safety
    ///
    /// As [`Tape::push_value`]. The stack has slots for the depth of the node.
    unsafe fn push_next(&self, state: *mut lua_State, nodes: &mut slice::Iter<'_, Node>) {
        let Some(&node) = nodes.next() else { return };
        // SAFETY: `push_value` has reserved the slots, and owns nothing that needs dropping.
        unsafe {
            match node {
                Node::Null => ffi::lua_pushlightuserdata(state, std::ptr::null_mut()),
                Node::Boolean(flag) => ffi::lua_pushboolean(state, flag.into()),
                Node::Number(number) => ffi::lua_pushnumber(state, number),
                Node::Plain(span) => push_bytes(state, span.of(self.text)),
                Node::Unescaped(span) => push_bytes(state, span.of(&self.unescaped)),
                Node::Array(length) => {
                    ffi::lua_createtable(state, length as c_int, 0);
                    for i in 1..=length {
                        self.push_next(state, nodes);
                        ffi::lua_rawseti(state, -2, i.into());
                    }
                    ffi::lua_pushvalue(state, 1);
                    ffi::lua_setmetatable(state, -2);
                }
                Node::Object(fields) => {
                    ffi::lua_createtable(state, 0, fields as c_int);
                    for _ in 0..fields {
                        self.push_next(state, nodes);
                        self.push_next(state, nodes);
                        ffi::lua_rawset(state, -3);
                    }
                }
            }
        }
    }
}

impl Drop for Tape<'_> {
    fn drop(&mut self) {
        let mut nodes = std::mem::take(&mut self.nodes);
        if nodes.capacity() <= MAX_KEPT_NODES {
            nodes.clear();
            NODES.set(nodes);
        }
    }
}

impl Span {
    fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.length as usize).unwrap_or_default()
    }
}

/// A span of a text of at most [`MAX_LENGTH`] bytes. The unescaped strings are never longer than the text.
fn span(start: usize, length: usize) -> Span {
    Span { start: start as u32, length: length as u32 }
}

#[cold]
fn refuse<E: Refusal>() -> E {
    E::custom("no memory for the values")
}

/// Reserves memory for `more` items, or fails.
fn reserve<T, E: Refusal>(list: &mut Vec<T>, more: usize) -> Result<(), E> {
    #[cfg(feature = "fault-injection")]
    if crate::fault::happens(crate::fault::Fault::Allocation) {
        return Err(refuse());
    }
    list.try_reserve(more).map_err(|_| refuse())
}

/// Reads a text that is not UTF-8 byte by byte. `consumed` counts the bytes that serde_json has read.
struct Source<'a> {
    text: &'a [u8],
    consumed: &'a Cell<usize>,
}

impl io::Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.consumed.get();
        let (Some(to), Some(&byte)) = (buffer.first_mut(), self.text.get(at)) else { return Ok(0) };
        *to = byte;
        self.consumed.set(at + 1);
        Ok(1)
    }
}

/// Reads one value, or one key, onto the tape.
///
/// serde_json refuses strings that are not UTF-8, unless `deserialize_bytes` is called, and that works only if a string
/// comes next. So if the text is not UTF-8, the reader looks at the next byte.
struct Reader<'a, 't> {
    tape: &'a mut Tape<'t>,
    /// If the text is not UTF-8: the number of bytes that serde_json has read.
    consumed: Option<&'a Cell<usize>>,
    /// If the text is not UTF-8: the offset where the value starts.
    start: usize,
}

impl<'t> Reader<'_, 't> {
    fn next(&mut self) -> Reader<'_, 't> {
        Reader { tape: self.tape, consumed: self.consumed, start: 0 }
    }
}

/// The offset where the next value starts. serde_json has already read its first byte, except at the start of the text
/// and after a colon.
fn start_of_next(text: &[u8], consumed: usize) -> usize {
    match consumed.checked_sub(1) {
        Some(last) if text[last] != b':' => last,
        _ => {
            let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            consumed + text[consumed..].iter().take_while(is_space).count()
        }
    }
}

impl<'t> DeserializeSeed<'t> for Reader<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(mut self, json: D) -> Result<(), D::Error> {
        if let Some(consumed) = self.consumed {
            self.start = start_of_next(self.tape.text, consumed.get());
            if self.tape.text.get(self.start) == Some(&b'"') {
                return json.deserialize_bytes(self);
            }
        }
        json.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Reader<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Refusal>(self) -> Result<(), E> {
        self.tape.push(Node::Null)
    }

    fn visit_bool<E: Refusal>(self, flag: bool) -> Result<(), E> {
        self.tape.push(Node::Boolean(flag))
    }

    fn visit_u64<E: Refusal>(self, number: u64) -> Result<(), E> {
        self.tape.push(Node::Number(number as f64))
    }

    fn visit_i64<E: Refusal>(self, number: i64) -> Result<(), E> {
        self.tape.push(Node::Number(number as f64))
    }

    fn visit_f64<E: Refusal>(self, number: f64) -> Result<(), E> {
        self.tape.push(Node::Number(number))
    }

    fn visit_borrowed_str<E: Refusal>(self, string: &'t str) -> Result<(), E> {
        self.tape.plain(string.as_bytes())
    }

    fn visit_str<E: Refusal>(self, string: &str) -> Result<(), E> {
        self.tape.unescaped(string.as_bytes())
    }

    fn visit_bytes<E: Refusal>(self, string: &[u8]) -> Result<(), E> {
        // `deserialize_bytes` accepts control characters and lone surrogates, so check for them here.
        let end = self.consumed.map_or(0, Cell::get);
        let written = self.tape.text.get(self.start..end).unwrap_or_default();
        if serde_json::from_str::<String>(&String::from_utf8_lossy(written)).is_err() {
            return Err(E::custom("control character or lone surrogate in a string"));
        }
        self.tape.unescaped(string)
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut items: A) -> Result<(), A::Error> {
        let index = self.tape.begin()?;
        let mut length = 0;
        while items.next_element_seed(self.next())?.is_some() {
            length += 1;
        }
        self.tape.end(index, Node::Array(length));
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let index = self.tape.begin()?;
        let mut count = 0;
        while fields.next_key_seed(self.next())?.is_some() {
            fields.next_value_seed(self.next())?;
            count += 1;
        }
        self.tape.end(index, Node::Object(count));
        Ok(())
    }
}
