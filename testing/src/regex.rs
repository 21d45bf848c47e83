//! Regular expressions with the options and errors of `ngx.re`.
//!
//! The options `j` and `o` change only the speed. `J` has no effect, because the crate does not support it.

use std::iter::repeat_n;

use pcre2::bytes::{Regex as Pcre, RegexBuilder};

/// The options of `ngx.re`.
const FLAGS: &[u8] = b"adDijJmsuUxo";

/// Allows several groups with the same name.
const DUPLICATE_NAMES: &str = "(?J)";

/// The error messages of PCRE 1 that differ from those of PCRE2, by PCRE2's code. `ngx.re` returns those of PCRE 1.
const TEXTS: [(i32, &str); 9] = [
    (109, "nothing to repeat"),
    (112, "unrecognized character after (? or (?-"),
    (114, "missing )"),
    (115, "reference to non-existent subpattern"),
    (122, "unmatched parentheses"),
    (125, "lookbehind assertion is not fixed length"),
    (130, "unknown POSIX class name"),
    (143, "two named subpatterns have the same name"),
    (102, "\\c at end of pattern"),
];

/// PCRE 1's codes for errors of a match.
const BAD_UTF: i32 = -10;
const BAD_UTF_OFFSET: i32 = -11;
const BAD_OFFSET: i32 = -24;

/// Start and end of a group, or `None` if the group has not matched.
pub type Span = Option<(usize, usize)>;

/// A compiled expression.
#[derive(Debug)]
pub struct Regex {
    pcre: Pcre,
    /// With the option `d`, which searches the longest match: the same expression, but it must match up to the end of
    /// the subject.
    whole: Option<Pcre>,
    names: Vec<(usize, String)>,
}

/// The expression as UTF-8, which the crate requires. Other bytes become escapes.
fn readable(pattern: &[u8]) -> String {
    let mut text = String::with_capacity(pattern.len());
    for chunk in pattern.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The offset in `pattern` for an offset in its [`readable`] text.
fn original_offset(pattern: &[u8], offset: usize) -> usize {
    let widths = pattern.utf8_chunks().flat_map(|chunk| {
        repeat_n(1, chunk.valid().len()).chain(repeat_n("\\xff".len(), chunk.invalid().len()))
    });
    let mut end = 0;
    let is_before = |width: &usize| {
        end += width;
        end <= offset
    };
    widths.take_while(is_before).count()
}

fn compile_error(text: &str, pattern: &[u8], offset: usize) -> Vec<u8> {
    let mut error = format!("pcre_compile() failed: {text} in \"").into_bytes();
    error.extend_from_slice(pattern);
    error.push(b'"');
    if offset < pattern.len() {
        error.extend_from_slice(b" at \"");
        error.extend_from_slice(&pattern[offset..]);
        error.push(b'"');
    }
    error
}

impl Regex {
    /// Compiles an expression. Ignores unknown letters in `options`; see [`Regex::unknown_option`].
    ///
    /// # Errors
    ///
    /// The message of `ngx.re`, for example `pcre_compile() failed: missing ) in "(a"`.
    pub fn new(pattern: &[u8], options: &[u8]) -> Result<Self, Vec<u8>> {
        let has = |letter: u8| options.contains(&letter);
        let utf = has(b'u') || has(b'U');
        if utf && let Err(error) = std::str::from_utf8(pattern) {
            return Err(compile_error("invalid UTF-8 string", pattern, error.valid_up_to()));
        }
        let mut builder = RegexBuilder::new();
        builder
            .caseless(has(b'i'))
            .multi_line(has(b'm'))
            .dotall(has(b's'))
            .extended(has(b'x'))
            .utf(utf)
            .jit_if_available(has(b'j'));
        let prefix = if has(b'D') { DUPLICATE_NAMES } else { "" };
        let text = readable(pattern);
        let refused = |error: pcre2::Error| {
            let message = error.to_string();
            let message = message.rsplit_once(": ").map_or(&*message, |(_, text)| text);
            let known = TEXTS.iter().find(|(code, _)| *code == error.code());
            let message = known.map_or(message, |(_, text)| text);
            let offset = error.offset().unwrap_or(0).saturating_sub(prefix.len());
            compile_error(message, pattern, original_offset(pattern, offset))
        };
        let plain = builder.build(&format!("{prefix}{text}")).map_err(refused)?;
        // With the option `x`, the expression may end with a comment, which only a newline ends.
        let end = if has(b'x') { "\n" } else { "" };
        let anchored = format!("{prefix}\\G(?:{text}{end})");
        let whole = has(b'd').then(|| builder.build(&format!("{anchored}\\z")));
        let names = plain.capture_names().iter().enumerate();
        let names = names.filter_map(|(at, name)| Some((at, name.clone()?))).collect();
        let pcre = if has(b'a') { builder.build(&anchored).map_err(refused)? } else { plain };
        Ok(Self { pcre, whole: whole.transpose().map_err(refused)?, names })
    }

    /// The first letter that is not an option of `ngx.re`.
    pub fn unknown_option(options: &[u8]) -> Option<u8> {
        options.iter().copied().find(|letter| !FLAGS.contains(letter))
    }

    /// The groups with a name, each with its number.
    pub fn names(&self) -> &[(usize, String)] {
        &self.names
    }

    /// The number of groups, without the whole match. With the option `d`, there are none.
    pub fn groups(&self) -> usize {
        if self.whole.is_some() { 0 } else { self.pcre.captures_len() - 1 }
    }

    /// Searches a match from an offset. Returns the span of the whole match, and then that of each group.
    ///
    /// # Errors
    ///
    /// The message of `ngx.re`, for example `pcre_exec() failed: -10`.
    pub fn find(&self, subject: &[u8], offset: usize) -> Result<Option<Vec<Span>>, String> {
        if offset > subject.len() {
            return Err(format!("pcre_exec() failed: {BAD_OFFSET}"));
        }
        let failed = |error: pcre2::Error| {
            let code = match error.code() {
                -23..=-3 => BAD_UTF,
                -36 => BAD_UTF_OFFSET,
                code => code,
            };
            format!("pcre_exec() failed: {code}")
        };
        let mut found = self.pcre.capture_locations();
        if self.pcre.captures_read_at(&mut found, subject, offset).map_err(failed)?.is_none() {
            return Ok(None);
        }
        let spans: Vec<Span> = (0..found.len()).map(|group| found.get(group)).collect();
        match (&self.whole, spans[0]) {
            (Some(whole), Some((from, to))) => {
                let reaches = |end: &usize| {
                    whole.find_at(&subject[..*end], from).is_ok_and(|found| found.is_some())
                };
                let end = (to..=subject.len()).rev().find(reaches).unwrap_or(to);
                Ok(Some(vec![Some((from, end))]))
            }
            _ => Ok(Some(spans)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, options: &str, subject: &[u8], offset: usize) -> Option<Vec<Span>> {
        Regex::new(pattern.as_bytes(), options.as_bytes()).unwrap().find(subject, offset).unwrap()
    }

    fn refused(pattern: &[u8], options: &str) -> String {
        String::from_utf8_lossy(&Regex::new(pattern, options.as_bytes()).unwrap_err()).into_owned()
    }

    #[test]
    fn groups_that_have_not_matched_have_no_span() {
        assert_eq!(found("(a)(b)?", "", b"xa", 0), Some(vec![Some((1, 2)), Some((1, 2)), None]));
        assert_eq!(found("b", "", b"xa", 0), None);
    }

    #[test]
    fn each_option_changes_the_match_as_in_nginx() {
        assert_eq!(found("b # c", "xa", b"ab", 0), None);
        assert_eq!(found("b # c", "xa", b"ab", 1), Some(vec![Some((1, 2))]));
        assert_eq!(found("a.C", "is", b"A\nc", 0), Some(vec![Some((0, 3))]));
        assert_eq!(found("^b", "m", b"a\nb", 0), Some(vec![Some((2, 3))]));
        assert_eq!(found("h|hello", "d", b"hello", 0), Some(vec![Some((0, 5))]));
        assert_eq!(found(".$", "u", "é".as_bytes(), 0), Some(vec![Some((0, 2))]));
        assert_eq!(Regex::new(b"(?<n>a)|(?<n>b)", b"D").unwrap().names().len(), 2);
        assert_eq!(Regex::unknown_option(b"joq"), Some(b'q'));
    }

    #[test]
    fn errors_have_the_messages_of_nginx() {
        assert_eq!(refused(b"(abc", ""), "pcre_compile() failed: missing ) in \"(abc\"");
        let text = "pcre_compile() failed: unmatched parentheses in \"a)\" at \")\"";
        assert_eq!(refused(b"a)", ""), text);
        assert_eq!(refused(b"a)", "D"), text);
        let text = "pcre_compile() failed: invalid UTF-8 string in \"\u{fffd}\" at \"\u{fffd}\"";
        assert_eq!(refused(b"\xff", "u"), text);
        let utf = Regex::new(b".", b"u").unwrap();
        assert_eq!(utf.find(b"\xff", 0), Err("pcre_exec() failed: -10".to_owned()));
        assert_eq!(utf.find("é".as_bytes(), 1), Err("pcre_exec() failed: -11".to_owned()));
        assert_eq!(utf.find(b"a", 2), Err("pcre_exec() failed: -24".to_owned()));
    }

    #[test]
    fn errors_name_the_place_in_an_expression_that_is_not_utf8() {
        let text = "pcre_compile() failed: unmatched parentheses in \"\u{fffd}é)\" at \")\"";
        assert_eq!(refused(b"\xff\xc3\xa9)", ""), text);
        assert_eq!(refused(b"(\xff", ""), "pcre_compile() failed: missing ) in \"(\u{fffd}\"");
    }

    #[test]
    fn bytes_that_are_not_utf8_match_themselves() {
        let regex = Regex::new(b"a\xff+", b"").unwrap();
        assert_eq!(regex.find(b"xa\xff\xff", 0), Ok(Some(vec![Some((1, 4))])));
    }
}
