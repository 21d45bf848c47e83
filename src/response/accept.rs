//! Which document a client accepts: content negotiation by the `Accept` header.

use std::cmp::Reverse;
use std::iter;

use super::error_page::Document;

/// Chooses the document of a response by the values of the request's `Accept` headers.
///
/// `fields` has one value per header. Several headers are one list (RFC 9110 section 5.3). The function chooses among
/// the four media types of [`Document`] by RFC 9110 section 12.5.1:
///
/// - The most specific range that matches a type (`type/subtype`, then `type/*`, then `*/*`) gives
///   the type its weight. If several ranges are equally specific, the highest weight counts, from the first range with
///   that weight. A weight of 0 excludes the type.
/// - The type with the highest weight wins. If weights are equal, the type whose range is first in the list wins. Types
///   that share one range follow the order of [`Document::ALL`], except that `text/*` prefers `text/plain` to
///   `text/html`.
/// - Names match in any case. Parameters other than `q` are ignored: `text/html;level=1` is `text/html`.
/// - An invalid item is skipped, and the others still count. Invalid are: no slash, an empty name, a name with a blank,
///   `*/html`, a parameter without a value, a weight below 0 or above 1 or with more than three decimals (section
///   12.4.2). A quote that never closes makes only its own item invalid, and that item ends at the next comma.
/// - `q` may have any position among the parameters. If it is repeated, the first one counts.
///
/// Returns [`Document::Json`] if there is no field, or if the client accepts none of the types.
///
/// Values are bytes and need not be UTF-8. Takes time linear in their length, and allocates nothing.
///
/// # Examples
///
/// ```
/// use kong_response::response::accept::negotiate;
/// use kong_response::response::error_page::Document;
///
/// assert_eq!(negotiate([b"text/html;q=0.5, application/xml;q=0.9".as_slice()]), Document::Xml);
/// assert_eq!(negotiate([b"image/png".as_slice(), b"text/*".as_slice()]), Document::Plain);
/// assert_eq!(negotiate([]), Document::Json);
/// ```
pub fn negotiate<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Document {
    let mut offers = Document::ALL.map(Offer::new);
    let ranges = fields.into_iter().flat_map(items).filter_map(Range::parse);
    for (position, range) in ranges.enumerate() {
        for offer in &mut offers {
            offer.consider(&range, position);
        }
    }
    offers
        .iter()
        .filter_map(|offer| Some((offer.rank()?, offer.document)))
        .min_by_key(|(rank, _)| *rank)
        .map_or(Document::Json, |(_, document)| document)
}

/// How precisely a range names a type, as an index into [`Offer::found`].
const EXACT: usize = 0;
const WHOLE_TYPE: usize = 1;
const ANYTHING: usize = 2;

/// A document on offer and the best range seen for it at each precision.
struct Offer {
    document: Document,
    kind: &'static [u8],
    subtype: &'static [u8],
    found: [Option<Found>; 3],
}

/// The weight of a range, in thousandths, and the position of that range in the list.
#[derive(Clone, Copy)]
struct Found {
    weight: u16,
    position: usize,
}

impl Offer {
    fn new(document: Document) -> Self {
        let (kind, subtype): (&[u8], &[u8]) = match document {
            Document::Json => (b"application", b"json"),
            Document::Html => (b"text", b"html"),
            Document::Plain => (b"text", b"plain"),
            Document::Xml => (b"application", b"xml"),
        };
        Offer { document, kind, subtype, found: [None; 3] }
    }

    /// Stores the weight of `range`, if it matches and its weight is higher than the stored one of its precision.
    fn consider(&mut self, range: &Range<'_>, position: usize) {
        let precision = if range.kind == b"*" {
            ANYTHING
        } else if !range.kind.eq_ignore_ascii_case(self.kind) {
            return;
        } else if range.subtype == b"*" {
            WHOLE_TYPE
        } else if range.subtype.eq_ignore_ascii_case(self.subtype) {
            EXACT
        } else {
            return;
        };
        let found = &mut self.found[precision];
        if found.is_none_or(|found| found.weight < range.weight) {
            *found = Some(Found { weight: range.weight, position });
        }
    }

    /// The rank of the document: the smallest wins. `None` if the client does not accept the type.
    fn rank(&self) -> Option<(Reverse<u16>, usize, bool)> {
        let precision = self.found.iter().position(Option::is_some)?;
        let Found { weight, position } = self.found[precision]?;
        // Weight and position are equal only for types that share a wildcard. Then the last element decides.
        let second_choice = precision != WHOLE_TYPE || self.document != Document::Plain;
        (weight > 0).then_some((Reverse(weight), position, second_choice))
    }
}

/// Splits a field at its commas, except those inside quoted strings (RFC 9110 section 5.6.1).
fn items(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field);
    let mut quotes_close = true;
    iter::from_fn(move || {
        let field = rest?;
        let mut at = 0;
        while let Some(&byte) = field.get(at) {
            count_step();
            match byte {
                b',' => {
                    rest = Some(&field[at + 1..]);
                    return Some(&field[..at]);
                }
                b'"' if quotes_close => match quoted_len(&field[at..]) {
                    Some(len) => at += len,
                    // After a quote that never closes, all further quotes are escaped, so none of them closes
                    // either. Searching again from each quote would take quadratic time.
                    None => quotes_close = false,
                },
                _ => at += 1,
            }
        }
        rest = None;
        Some(field)
    })
}

/// A media range and its weight in thousandths.
struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    weight: u16,
}

impl<'a> Range<'a> {
    /// Reads `media-range [ weight ]`. Returns `None` if the item is invalid or empty.
    fn parse(item: &'a [u8]) -> Option<Self> {
        let (kind, rest) = token(skip_blanks(item))?;
        let (subtype, mut rest) = token(rest.strip_prefix(b"/")?)?;
        // `*` is a token character, so the grammar of tokens alone would let `*/html` pass.
        if kind == b"*" && subtype != b"*" {
            return None;
        }
        let mut weight = None;
        loop {
            rest = skip_blanks(rest);
            if rest.is_empty() {
                return Some(Range { kind, subtype, weight: weight.unwrap_or(1000) });
            }
            rest = skip_blanks(rest.strip_prefix(b";")?);
            // RFC 9110 section 5.6.6 allows empty parameters between semicolons.
            if matches!(rest.first(), None | Some(b';')) {
                continue;
            }
            let (name, after_name) = token(rest)?;
            let (value, after_value) = parameter_value(after_name.strip_prefix(b"=")?)?;
            rest = after_value;
            if name.eq_ignore_ascii_case(b"q") {
                let thousandths = qvalue(value)?;
                weight.get_or_insert(thousandths);
            }
        }
    }
}

/// A weight in thousandths (RFC 9110 section 12.4.2): 0 to 1 with at most three decimals.
fn qvalue(value: &[u8]) -> Option<u16> {
    let (whole, decimals): (u8, &[u8]) = match value {
        [whole] => (*whole, b""),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (*whole, decimals),
        _ => return None,
    };
    let mut thousandths = 0;
    for (digit, unit) in decimals.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths += u16::from(digit - b'0') * unit;
    }
    match (whole, thousandths) {
        (b'0', _) => Some(thousandths),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

/// Splits a token or a quoted string, including its quotes, off the front of `bytes`.
fn parameter_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.first() != Some(&b'"') {
        return token(bytes);
    }
    let (quoted, rest) = bytes.split_at_checked(quoted_len(bytes)?)?;
    // The same bytes are allowed plain and after a backslash.
    let text = |byte: &u8| {
        count_step();
        *byte == b'\t' || !byte.is_ascii_control()
    };
    quoted.iter().all(text).then_some((quoted, rest))
}

/// The length of the quoted string (RFC 9110 section 5.6.4) that the first byte opens, including both quotes. `None`
/// if it never closes.
fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        count_step();
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Splits a token (RFC 9110 section 5.6.2) off the front of `bytes`. `None` if `bytes` does not start with one.
fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
    if len == 0 { None } else { bytes.split_at_checked(len) }
}

fn is_token_byte(byte: u8) -> bool {
    count_step();
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Drops optional white space (RFC 9110 section 5.6.3) from the front of `bytes`.
fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &&u8| {
        count_step();
        matches!(byte, b' ' | b'\t')
    };
    &bytes[bytes.iter().take_while(is_blank).count()..]
}

/// Counts how often a byte is read, for tests.
#[inline(always)]
fn count_step() {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
}

#[cfg(test)]
mod tests;
