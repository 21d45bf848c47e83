//! Names and values of headers: what is refused, what is ignored, what is sent.

use std::cmp::Ordering;

use crate::error::Error;
use crate::host::{Host, Level, ServerPhase, Write};

/// What the log says when a plugin sets Transfer-Encoding, which belongs to the server.
pub const TRANSFER_ENCODING_IGNORED: &str = "manually setting Transfer-Encoding. Ignored.";

/// What the log says when a plugin touches Content-Length before the response is made.
pub const CONTENT_LENGTH_IGNORED: &str =
    "changing Content-Length before the response is made. Ignored.";

/// A byte of a header's name as names are compared: lower-case, `_` as `-`.
#[inline]
fn fold(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

/// Whether `name` is the header `known`, whatever its case, and with `_` for `-`.
///
/// ```
/// use kong_response::response::header::is;
/// assert!(is(b"content_Type", b"Content-Type"));
/// ```
#[inline]
pub fn is(name: &[u8], known: &[u8]) -> bool {
    name.len() == known.len() && name.iter().zip(known).all(|(&a, &b)| fold(a) == fold(b))
}

/// The headers that nginx holds once. (WWW-Authenticate depends on the version: the server decides.)
const SINGLE: [&[u8]; 13] = [
    b"Server",
    b"Date",
    b"Content-Encoding",
    b"Location",
    b"Refresh",
    b"Last-Modified",
    b"Content-Range",
    b"Accept-Ranges",
    b"Expires",
    b"ETag",
    b"E-Tag",
    b"Content-Length",
    b"Content-Type",
];

/// Whether a response holds the header `name` only once: of several values the last is sent.
pub fn is_single(name: &[u8]) -> bool {
    SINGLE.iter().any(|single| is(name, single))
}

/// What goes to the wire for `value`: nginx reads an empty value as a removal, so it is sent as one
/// space.
#[inline]
fn sendable(value: &[u8]) -> &[u8] {
    if value.is_empty() { b" " } else { value }
}

/// Refuses a Content-Length that nginx could not take: it holds a non-negative number of 63 bits,
/// written in digits (RFC 9110 section 8.6). Other names pass.
///
/// # Errors
///
/// `invalid header value for "Content-Length": got "abc", expected a non-negative integer`
pub fn check_value(name: &[u8], value: &[u8]) -> Result<(), Error> {
    if is(name, b"Content-Length") && parse_length(value).is_none() {
        return Err(Error::InvalidContentLength { name: name.to_vec(), got: value.to_vec() });
    }
    Ok(())
}

/// The length that a Content-Length tells; `None` where it is none that nginx could take.
pub fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let mut length: i64 = 0;
    for &byte in value {
        if !byte.is_ascii_digit() {
            return None;
        }
        length = length.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    u64::try_from(length).ok()
}

/// How a getter finds a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The server's getter answers.
    Direct,
    /// The getter would change the name (`_`) or the value (Last-Modified): read the list.
    Listed,
    /// The server adds `connection` and `transfer-encoding` after the last filter: only its list of
    /// all headers shows them.
    Synthesised,
}

/// How to find the header `name`.
pub fn lookup(name: &[u8]) -> Lookup {
    match name.len() {
        10 if name.eq_ignore_ascii_case(b"connection") => Lookup::Synthesised,
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => Lookup::Synthesised,
        13 if name.eq_ignore_ascii_case(b"last-modified") => Lookup::Listed,
        _ if name.contains(&b'_') => Lookup::Listed,
        _ => Lookup::Direct,
    }
}

/// Whether a plugin's attempts to write the header `name` may be ignored, with a warning.
pub fn may_be_ignored(name: &[u8]) -> bool {
    is_servers_own(name) || is(name, b"Content-Length")
}

/// Whether the header `name` belongs to the server.
fn is_servers_own(name: &[u8]) -> bool {
    is(name, b"Transfer-Encoding")
}

/// Whether it is too early for Content-Length, which is then ignored with a warning.
///
/// Once the response is made, nginx knows its length, or sends it in chunks; but what was set before
/// stays in its list of headers and is sent beside that, and what was removed before is not sent at
/// all.
fn is_too_early<H: Host>(host: &H, name: &[u8]) -> bool {
    let too_early = is(name, b"Content-Length")
        && matches!(host.server_phase(), ServerPhase::Active | ServerPhase::Balancer);
    if too_early {
        host.log(Level::Warn, CONTENT_LENGTH_IGNORED.as_bytes());
    }
    too_early
}

/// `set_header` and `add_header`, whose caller has made sure that the head is not sent: [`write()`], but
/// not too early.
///
/// # Errors
///
/// As [`check_value`], and what the host says.
pub fn check_and_write<H: Host>(
    host: &mut H,
    name: &[u8],
    values: &[&[u8]],
    how: Write,
) -> Result<(), Error> {
    values.iter().try_for_each(|value| check_value(name, value))?;
    if is_too_early(host, name) { Ok(()) } else { write(host, name, values, how) }
}

/// `clear_header`, whose caller has made sure that the head is not sent: removes a header, but not too
/// early.
///
/// # Errors
///
/// What the host says.
pub fn clear<H: Host>(host: &mut H, name: &[u8]) -> Result<(), Error> {
    if is_too_early(host, name) { Ok(()) } else { host.write_header(name, &[], Write::Set) }
}

/// `set_headers`: [`Headers::apply`], but not too early.
///
/// # Errors
///
/// What the host says.
pub fn write_all<H: Host>(host: &mut H, headers: &Headers) -> Result<(), Error> {
    let with_length = !(headers.has(b"Content-Length") && is_too_early(host, b"Content-Length"));
    headers.apply(host, with_length)
}

/// Sets, adds or removes one header. The values are to be checked already.
///
/// Transfer-Encoding is ignored with a warning. To set no value removes the header; to add none
/// does nothing.
///
/// # Errors
///
/// What the host says.
pub fn write<H: Host>(
    host: &mut H,
    name: &[u8],
    values: &[&[u8]],
    write: Write,
) -> Result<(), Error> {
    if is_servers_own(name) {
        host.log(Level::Warn, TRANSFER_ENCODING_IGNORED.as_bytes());
        return Ok(());
    }
    // nginx means to hold these once, but loses sight of a Location that is a path and of an upstream's
    // Refresh: it would add a second one.
    if (write == Write::Add || values.len() > 1)
        && is_single(name)
        && let Some(last) = values.last()
    {
        return host.write_header(name, &[sendable(last)], Write::Set);
    }
    match values {
        [] if write == Write::Add => Ok(()),
        [one] => host.write_header(name, &[sendable(one)], write),
        several if several.iter().any(|value| value.is_empty()) => {
            let several: Vec<&[u8]> = several.iter().map(|value| sendable(value)).collect();
            host.write_header(name, &several, write)
        }
        several => host.write_header(name, several, write),
    }
}

/// The first eight bytes of `name`, folded, in the order of a number. A shorter name is filled up with
/// zeros, so that it comes before the longer ones that begin alike.
#[inline]
fn prefix(name: &[u8]) -> u64 {
    const BYTES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = BYTES * 0x7F;

    let bytes = match name.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..name.len()].copy_from_slice(name);
            u64::from_be_bytes(first)
        }
    };
    // Eight bytes at once, by what carries into the highest bit of each.
    let low = bytes & LOW;
    let from_a = low + BYTES * u64::from(0x80 - b'A');
    let beyond_z = low + BYTES * u64::from(0x7F - b'Z');
    let upper = from_a & !beyond_z & !bytes & !LOW;
    let other = bytes ^ (BYTES * u64::from(b'_'));
    let underscore = !(((other & LOW) + LOW) | other | LOW);
    (bytes | (upper >> 2)) ^ ((underscore >> 7) * u64::from(b'_' ^ b'-'))
}

/// Compares two names, each with its [`prefix`], by the order of [`Headers::sort`].
#[inline]
fn compare(a: (u64, &[u8]), b: (u64, &[u8])) -> Ordering {
    a.0.cmp(&b.0).then_with(|| {
        let (a, b) = (a.1, b.1);
        a.iter().map(|&c| fold(c)).cmp(b.iter().map(|&c| fold(c))).then_with(|| a.cmp(b))
    })
}

/// `set_headers` for names and values that nothing is to be said about: none of the names
/// [may be ignored](may_be_ignored).
///
/// # Errors
///
/// What the host says.
pub fn write_pairs<H: Host>(host: &mut H, pairs: &mut [Pair<'_>]) -> Result<(), Error> {
    pairs.sort_unstable_by(|a, b| compare((a.prefix, a.name), (b.prefix, b.name)));
    pairs.iter().try_for_each(|pair| write(host, pair.name, &[pair.value], Write::Set))
}

/// A header with one value.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    prefix: u64,
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Pair<'a> {
    /// The header of this name.
    pub fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self { prefix: prefix(name), name, value }
    }
}

/// The headers of one call, copied from the caller: nothing the caller does later changes them.
#[derive(Debug, Default, Clone)]
pub struct Headers {
    bytes: Vec<u8>,
    values: Vec<Span>,
    fields: Vec<Field>,
}

/// A piece of [`Headers::bytes`].
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    /// The first eight bytes of the name, as names are compared: they decide most comparisons.
    prefix: u64,
    name: Span,
    /// Its values, as a range of [`Headers::values`].
    values: Span,
}

impl Headers {
    /// Begins a header; its values follow with [`Headers::push_value`].
    pub fn push_name(&mut self, name: &[u8]) {
        let prefix = prefix(name);
        let name = self.copy(name);
        let next = self.values.len();
        self.fields.push(Field { prefix, name, values: Span { start: next, end: next } });
    }

    /// Adds a value to the header begun last.
    pub fn push_value(&mut self, value: &[u8]) {
        let value = self.copy(value);
        self.values.push(value);
        if let Some(field) = self.fields.last_mut() {
            field.values.end = self.values.len();
        }
    }

    /// Forgets them all, and keeps the memory unless it has become large: for the headers of a later
    /// call.
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

    /// Puts the headers in the order in which they are sent: by lower-cased name with `_` as `-`;
    /// names that are the same header by raw bytes, so that the last of them wins.
    pub fn sort(&mut self) {
        let Self { bytes, fields, .. } = self;
        let name = |span: Span| &bytes[span.start..span.end];
        fields.sort_by(|a, b| compare((a.prefix, name(a.name)), (b.prefix, name(b.name))));
    }

    /// Each header's name and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], impl ExactSizeIterator<Item = &[u8]>)> {
        self.fields.iter().map(|field| (self.slice(field.name), self.values_of(field)))
    }

    fn values_of(&self, field: &Field) -> impl ExactSizeIterator<Item = &[u8]> {
        let values = &self.values[field.values.start..field.values.end];
        values.iter().map(|&value| self.slice(value))
    }

    /// The field that decides `known`: of several spellings the last, if it has a value.
    fn decisive(&self, known: &[u8]) -> Option<&Field> {
        let mut all = self.fields.iter().rev();
        let field = all.find(|field| is(self.slice(field.name), known))?;
        (field.values.start < field.values.end).then_some(field)
    }

    /// The first value of the header `known`, in whatever spelling it was given.
    pub fn first(&self, known: &[u8]) -> Option<&[u8]> {
        self.decisive(known).and_then(|field| self.values_of(field).next())
    }

    /// The last value of the header `known`: the one sent, of a header that the server holds once.
    pub fn last(&self, known: &[u8]) -> Option<&[u8]> {
        self.decisive(known).and_then(|field| self.values_of(field).last())
    }

    /// The Content-Length that the call brings along.
    pub fn content_length(&self) -> Option<u64> {
        self.last(b"Content-Length").and_then(parse_length)
    }

    /// Removes the header `known` in every spelling.
    pub fn remove(&mut self, known: &[u8]) {
        let Self { bytes, fields, .. } = self;
        fields.retain(|field| !is(&bytes[field.name.start..field.name.end], known));
    }

    /// Checks every value; see [`check_value`].
    ///
    /// # Errors
    ///
    /// The first value that is refused.
    pub fn check(&self) -> Result<(), Error> {
        self.iter().try_for_each(|(name, mut values)| {
            values.try_for_each(|value| check_value(name, value))
        })
    }

    /// Whether the header `known` is there in any spelling, if only to be removed.
    pub fn has(&self, known: &[u8]) -> bool {
        self.iter().any(|(name, _)| is(name, known))
    }

    /// Sets every header, in order; Content-Length only if told so.
    ///
    /// # Errors
    ///
    /// What the host says.
    pub fn apply<H: Host>(&self, host: &mut H, with_length: bool) -> Result<(), Error> {
        for (name, mut values) in self.iter() {
            if !with_length && is(name, b"Content-Length") {
                continue;
            }
            match values.len() {
                0 => write(host, name, &[], Write::Set)?,
                1 => write(host, name, &[values.next().unwrap_or_default()], Write::Set)?,
                _ => write(host, name, &values.collect::<Vec<_>>(), Write::Set)?,
            }
        }
        Ok(())
    }
}

/// The limit that `get_headers` passes to the server: 1 to 1000 headers.
///
/// # Errors
///
/// `max_headers must be >= 1` (also for NaN), `max_headers must be <= 1000`
pub fn check_max(max: f64) -> Result<u16, Error> {
    if max > 1000.0 {
        Err(Error::MaxHeadersHigh)
    } else if max >= 1.0 {
        Ok(max as u16)
    } else {
        Err(Error::MaxHeadersLow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::memory::Memory;

    fn headers(fields: &[(&str, &[&str])]) -> Headers {
        let mut headers = Headers::default();
        for (name, values) in fields {
            headers.push_name(name.as_bytes());
            values.iter().for_each(|value| headers.push_value(value.as_bytes()));
        }
        headers.sort();
        headers
    }

    fn names(headers: &Headers) -> Vec<String> {
        headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    #[test]
    fn order_is_by_folded_name_then_by_raw_bytes() {
        let given = headers(&[("x_b", &["1"]), ("X-a", &["2"]), ("X-B", &["3"]), ("Age", &["4"])]);
        assert_eq!(names(&given), ["Age", "X-a", "X-B", "x_b"]);
    }

    #[test]
    fn the_first_bytes_are_folded_as_one_by_one() {
        for length in 0..=9 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut name: Vec<u8> = (b'W'..).take(length).collect();
                    name[at] = byte;
                    let mut expected = [0; 8];
                    expected.iter_mut().zip(&name).for_each(|(to, &from)| *to = fold(from));
                    assert_eq!(prefix(&name), u64::from_be_bytes(expected), "{name:?}");
                }
            }
        }
    }

    #[test]
    fn pairs_are_sent_as_headers_are() {
        let fields = [
            ("x_b", "1"),
            ("X-a", "2"),
            ("X-B", "3"),
            ("Age", "4"),
            ("Cache-Control", ""),
            ("Cache_Control", "5"),
            ("Set-Cookie", "6"),
        ];
        let mut one_by_one = Memory::new();
        let all: Vec<(&str, &[&str])> =
            fields.iter().map(|(name, value)| (*name, std::slice::from_ref(value))).collect();
        write_all(&mut one_by_one, &headers(&all)).unwrap();

        let mut paired = Memory::new();
        let mut pairs = fields.map(|(name, value)| Pair::new(name.as_bytes(), value.as_bytes()));
        write_pairs(&mut paired, &mut pairs).unwrap();
        assert_eq!(paired.listed(), one_by_one.listed());
    }

    #[test]
    fn order_is_decided_behind_the_first_eight_bytes_too() {
        let fields: Vec<String> =
            ["", "x", "X-", "x-a", "X-Aaaaaa", "x_aaaaaaa", "X-AAAAAAB", "x-aaaaaab\0", "x-b"]
                .map(str::to_owned)
                .into();
        let mut given = Headers::default();
        for name in fields.iter().rev() {
            given.push_name(name.as_bytes());
        }
        given.sort();
        assert_eq!(names(&given), fields);
    }

    #[test]
    fn of_several_spellings_the_last_wins() {
        let given = headers(&[("content_type", &["b"]), ("Content-Type", &["a"])]);
        assert_eq!(given.first(b"Content-Type"), Some(&b"b"[..]));
        let removed = headers(&[("content_type", &[]), ("Content-Type", &["a"])]);
        assert_eq!(removed.first(b"Content-Type"), None);
    }

    #[test]
    fn content_length_is_digits_within_63_bits() {
        for good in ["0", "12", "0012", "9223372036854775807"] {
            assert_eq!(check_value(b"content_length", good.as_bytes()), Ok(()));
        }
        for bad in ["", " ", "-1", "+1", "1.0", "1e3", "abc", "12 ", "9223372036854775808"] {
            let got = check_value(b"Content-Length", bad.as_bytes());
            let text = format!(
                "invalid header value for \"Content-Length\": got \"{bad}\", \
                 expected a non-negative integer"
            );
            assert_eq!(got.map_err(|error| error.to_string()), Err(text));
        }
        assert_eq!(check_value(b"X-Content-Length", b"abc"), Ok(()));
    }

    #[test]
    fn names_are_looked_up_where_they_can_be_found() {
        assert_eq!(lookup(b"X-Foo"), Lookup::Direct);
        assert_eq!(lookup(b"x_foo"), Lookup::Listed);
        assert_eq!(lookup(b"LAST_modified"), Lookup::Listed);
        assert_eq!(lookup(b"Connection"), Lookup::Synthesised);
        assert_eq!(lookup(b"Transfer-Encoding"), Lookup::Synthesised);
        assert_eq!(lookup(b"Transfer_Encoding"), Lookup::Listed);
        assert_eq!(lookup(b""), Lookup::Direct);
    }

    #[test]
    fn empty_values_are_sent_as_a_space_and_no_value_removes() {
        let mut host = Memory::new();
        write(&mut host, b"X-A", &[b""], Write::Set).unwrap();
        write(&mut host, b"X-B", &[b"1", b""], Write::Set).unwrap();
        write(&mut host, b"X-C", &[b"1"], Write::Set).unwrap();
        write(&mut host, b"X-C", &[], Write::Add).unwrap();
        write(&mut host, b"X-D", &[b"1"], Write::Set).unwrap();
        write(&mut host, b"X-D", &[], Write::Set).unwrap();
        let expected = [("X-A", " "), ("X-B", "1"), ("X-B", " "), ("X-C", "1")];
        assert_eq!(host.listed(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn of_a_single_header_the_last_value_is_sent() {
        for name in ["Location", "refresh", "content_type", "E-Tag"] {
            let mut host = Memory::new();
            write(&mut host, name.as_bytes(), &[b"/a", b""], Write::Set).unwrap();
            assert_eq!(host.listed()[0].1, " ");
            write(&mut host, name.as_bytes(), &[b"/b", b"/c"], Write::Add).unwrap();
            assert_eq!(host.listed().len(), 1);
            assert_eq!(host.listed()[0].1, "/c");
        }
    }

    #[test]
    fn transfer_encoding_is_ignored_in_every_spelling() {
        let mut host = Memory::new();
        for name in ["Transfer-Encoding", "transfer_encoding", "TRANSFER-ENCODING"] {
            write(&mut host, name.as_bytes(), &[b"chunked"], Write::Set).unwrap();
            write(&mut host, name.as_bytes(), &[b"chunked"], Write::Add).unwrap();
        }
        assert_eq!(host.listed(), []);
        assert_eq!(host.logged().len(), 6);
        assert_eq!(host.logged()[0], (Level::Warn, TRANSFER_ENCODING_IGNORED.to_owned()));
    }

    #[test]
    fn a_content_length_is_ignored_before_the_response_is_made() {
        type Step = fn(&mut Memory) -> Result<(), Error>;
        let steps: [(Step, Option<&str>); 5] = [
            (|host| check_and_write(host, b"content_length", &[b"5"], Write::Set), Some("5")),
            (|host| check_and_write(host, b"Content-Length", &[b"3", b"5"], Write::Add), Some("5")),
            (|host| write_all(host, &headers(&[("CONTENT-LENGTH", &["5"])])), Some("5")),
            (|host| write_all(host, &headers(&[("Content-Length", &[])])), None),
            (|host| clear(host, b"CONTENT_LENGTH"), None),
        ];
        for (phase, ignored) in [
            (ServerPhase::Active, true),
            (ServerPhase::Balancer, true),
            (ServerPhase::Content, false),
            (ServerPhase::HeaderFilter, false),
        ] {
            for (step, expected) in steps {
                let mut host = Memory::new().in_phase(phase);
                host.write_header(b"Content-Length", &[b"7"], Write::Set).unwrap();
                step(&mut host).unwrap();
                let expected = if ignored { Some("7") } else { expected };
                assert_eq!(host.first("Content-Length").as_deref(), expected, "{phase:?}");
                let warning = (Level::Warn, CONTENT_LENGTH_IGNORED.to_owned());
                assert_eq!(host.logged(), if ignored { vec![warning] } else { vec![] });
            }
        }
    }

    #[test]
    fn max_headers_is_between_1_and_1000() {
        assert_eq!(check_max(1.0), Ok(1));
        assert_eq!(check_max(1000.0), Ok(1000));
        assert_eq!(check_max(1.5), Ok(1));
        for low in [0.0, 0.9, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(check_max(low), Err(Error::MaxHeadersLow));
        }
        for high in [1000.5, 1001.0, f64::INFINITY] {
            assert_eq!(check_max(high), Err(Error::MaxHeadersHigh));
        }
    }
}
