//! The old browsers that nginx has special care for.

/// What the User-Agent says, as far as nginx looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Browser {
    msie: bool,
    /// Version 4 to 6: it may hang when an answer to POST keeps the connection open.
    pub msie6: bool,
    chrome: bool,
}

impl Browser {
    /// Reads a User-Agent.
    pub fn of(agent: &[u8]) -> Self {
        let find =
            |text: &[u8], word: &[u8]| text.windows(word.len()).position(|part| part == word);
        let opera = find(agent, b"Opera").is_some();
        let msie = find(agent, b"MSIE ").filter(|at| at + 7 < agent.len() && !opera);
        let msie6 = msie.is_some_and(|at| match (agent[at + 5], agent[at + 6]) {
            (b'4' | b'5', b'.') => true,
            (b'6', b'.') => find(&agent[at + 8..], b"SV1").is_none(),
            _ => false,
        });
        let gecko = find(agent, b"Gecko/").is_some();
        let chrome = !opera && msie.is_none() && !gecko && find(agent, b"Chrome/").is_some();
        Self { msie: msie.is_some(), msie6, chrome }
    }

    /// Whether it would show a page of its own in the place of a short one.
    pub fn hides_short_pages(self) -> bool {
        self.msie || self.chrome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_are_told_apart() {
        let of = |agent: &str| {
            let browser = Browser::of(agent.as_bytes());
            (browser.hides_short_pages(), browser.msie6)
        };
        assert_eq!(of("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT)"), (true, true));
        assert_eq!(of("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT; SV1)"), (true, false));
        assert_eq!(of("Mozilla/4.0 (compatible; MSIE 8.0)"), (true, false));
        assert_eq!(of("MSIE 6.0 Opera"), (false, false));
        assert_eq!(of("Mozilla/5.0 (KHTML, like Gecko) Chrome/120.0"), (true, false));
        assert_eq!(of("Gecko/20100101 Chrome/1"), (false, false));
        assert_eq!(of("MSIE 6"), (false, false));
        assert_eq!(of(""), (false, false));
    }
}
