//! The headers of one call.

use super::ignored::{Ignored, warn};
use super::name::{compare, is};
use super::raw::{check_value, write_unchecked};
use crate::content_length;
use crate::error::Error;
use crate::host::{Host, Write};

/// The headers of one call. They are a copy, so the caller cannot change them later.
#[derive(Debug, Default, Clone)]
pub struct Headers {
    bytes: Vec<u8>,
    values: Vec<Span>,
    fields: Vec<Field>,
}

/// A part of [`Headers::bytes`].
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    /// Its values, as a range of [`Headers::values`].
    values: Span,
}

impl Headers {
    /// Adds a header without values. [`Headers::push_value`] adds the values.
    pub fn push_name(&mut self, name: &[u8]) {
        let name = self.copy(name);
        let next = self.values.len();
        self.fields.push(Field { name, values: Span { start: next, end: next } });
    }

    /// Adds a value to the header that was added last.
    pub fn push_value(&mut self, value: &[u8]) {
        let value = self.copy(value);
        self.values.push(value);
        if let Some(field) = self.fields.last_mut() {
            field.values.end = self.values.len();
        }
    }

    /// Replaces all spellings of the header `name` by one header with this value.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.push_name(name);
        self.push_value(value);
        self.sort();
    }

    /// Removes all headers. Keeps the memory for a later call, unless it is large.
    pub fn clear(&mut self) {
        const LARGE: usize = 1 << 16;
        if self.bytes.capacity() > LARGE || self.values.capacity() > LARGE / 16 {
            *self = Self::default();
        }
        self.bytes.clear();
        self.values.clear();
        self.fields.clear();
    }

    fn copy(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Span { start, end: self.bytes.len() }
    }

    fn slice(&self, span: Span) -> &[u8] {
        &self.bytes[span.start..span.end]
    }

    /// Sorts the headers in the order in which they are sent: by lower-cased name with `_` as `-`. Several spellings of
    /// one header are sorted by their bytes, and the last of them wins.
    pub fn sort(&mut self) {
        let Self { bytes, fields, .. } = self;
        let name = |span: Span| &bytes[span.start..span.end];
        fields.sort_by(|a, b| compare(name(a.name), name(b.name)));
    }

    /// The names and values of the headers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], impl ExactSizeIterator<Item = &[u8]>)> {
        self.fields.iter().map(|field| (self.slice(field.name), self.values_of(field)))
    }

    fn values_of(&self, field: &Field) -> impl ExactSizeIterator<Item = &[u8]> {
        let values = &self.values[field.values.start..field.values.end];
        values.iter().map(|&value| self.slice(value))
    }

    /// The field that counts for the header `known`: the last spelling, if it has a value.
    fn decisive(&self, known: &[u8]) -> Option<&Field> {
        let mut all = self.fields.iter().rev();
        let field = all.find(|field| is(self.slice(field.name), known))?;
        (field.values.start < field.values.end).then_some(field)
    }

    /// The first value of the header `known` in any spelling.
    pub fn first(&self, known: &[u8]) -> Option<&[u8]> {
        self.decisive(known).and_then(|field| self.values_of(field).next())
    }

    /// The last value of the header `known` in any spelling. If a response has the header only once, this value is sent.
    pub fn last(&self, known: &[u8]) -> Option<&[u8]> {
        self.decisive(known).and_then(|field| self.values_of(field).last())
    }

    /// The Content-Length among these headers.
    pub fn content_length(&self) -> Option<u64> {
        self.last(b"Content-Length").and_then(content_length::parse)
    }

    /// Removes all spellings of the header `known`.
    pub fn remove(&mut self, known: &[u8]) {
        let Self { bytes, fields, .. } = self;
        fields.retain(|field| !is(&bytes[field.name.start..field.name.end], known));
    }

    /// Checks every value with [`check_value`].
    ///
    /// # Errors
    ///
    /// The error for the first value that is refused.
    pub fn check(&self) -> Result<(), Error> {
        self.iter().try_for_each(|(name, mut values)| {
            values.try_for_each(|value| check_value(name, value))
        })
    }

    /// Whether the headers contain `known` in any spelling, with or without values.
    pub fn has(&self, known: &[u8]) -> bool {
        self.fields.iter().any(|field| is(self.slice(field.name), known))
    }

    /// Sets every header, in order. Sets Content-Length only if `with_length` is true. Skips headers that are
    /// [ignored](Ignored), with one warning for each reason.
    ///
    /// # Errors
    ///
    /// An error of the host.
    pub fn apply<H: Host>(&self, host: &mut H, with_length: bool) -> Result<(), Error> {
        let mut ignored: Vec<(Ignored, &[u8])> = Vec::new();
        let mut several = Vec::new();
        for (name, mut values) in self.iter() {
            if !with_length && is(name, b"Content-Length") {
                continue;
            }
            let first;
            let values = match values.len() {
                0 => &[][..],
                1 => {
                    first = [values.next().unwrap_or_default()];
                    &first[..]
                }
                _ => {
                    several.clear();
                    several.extend(values);
                    &several[..]
                }
            };
            match Ignored::of(host, name, values) {
                Some(reason) => ignored.push((reason, name)),
                None => write_unchecked(host, name, values, Write::Set)?,
            }
        }
        // The order of the warnings is that of the first header of each reason.
        while let Some(&(reason, _)) = ignored.first() {
            let names: Vec<&[u8]> =
                ignored.extract_if(.., |(other, _)| *other == reason).map(|(_, n)| n).collect();
            warn(host, reason, &names);
        }
        Ok(())
    }
}

#[cfg(test)]
impl Headers {
    /// The headers of a call with these names and values.
    pub fn from_fields(fields: &[(&str, &[&str])]) -> Self {
        let mut headers = Self::default();
        for (name, values) in fields {
            headers.push_name(name.as_bytes());
            values.iter().for_each(|value| headers.push_value(value.as_bytes()));
        }
        headers.sort();
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &Headers) -> Vec<String> {
        headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    #[test]
    fn order_is_by_folded_name_then_by_raw_bytes() {
        let given = Headers::from_fields(&[
            ("x_b", &["1"]),
            ("X-a", &["2"]),
            ("X-B", &["3"]),
            ("Age", &["4"]),
        ]);
        assert_eq!(names(&given), ["Age", "X-a", "X-B", "x_b"]);

        let sorted =
            ["", "x", "X-", "x-a", "X-Aaaaaa", "x_aaaaaaa", "X-AAAAAAB", "x-aaaaaab\0", "x-b"];
        let mut given = Headers::default();
        sorted.iter().rev().for_each(|name| given.push_name(name.as_bytes()));
        given.sort();
        assert_eq!(names(&given), sorted);
    }

    #[test]
    fn the_last_of_several_spellings_wins() {
        let given = Headers::from_fields(&[("content_type", &["b"]), ("Content-Type", &["a"])]);
        assert_eq!(given.first(b"Content-Type"), Some(&b"b"[..]));
        let removed = Headers::from_fields(&[("content_type", &[]), ("Content-Type", &["a"])]);
        assert_eq!(removed.first(b"Content-Type"), None);
    }

    #[test]
    fn a_header_is_replaced_in_every_spelling() {
        let mut given = Headers::from_fields(&[("content_type", &["b"]), ("Content-Type", &["a"])]);
        given.replace(b"Content-Type", b"c");
        assert_eq!(names(&given), ["Content-Type"]);
        assert_eq!(given.last(b"content-type"), Some(&b"c"[..]));
    }
}
