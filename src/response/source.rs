//! The source of a response.

/// The result of `get_source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A call of `exit` or `error` made the response.
    Exit,
    /// Something failed while the request was processed.
    Error,
    /// The upstream service answered.
    Service,
}

impl Source {
    /// The source, by the three flags of `ngx.ctx`: `KONG_UNEXPECTED`, `KONG_EXITED`, `KONG_PROXIED`.
    pub fn of(unexpected: bool, exited: bool, proxied: bool) -> Self {
        match (unexpected, exited, proxied) {
            (true, _, _) => Self::Error,
            (_, true, _) => Self::Exit,
            (_, _, true) => Self::Service,
            _ => Self::Error,
        }
    }

    /// The string that `get_source` returns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Error => "error",
            Self::Service => "service",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unexpected_comes_before_exited_and_exited_before_proxied() {
        for bits in 0..8 {
            let (unexpected, exited, proxied) = (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0);
            let expected = match bits {
                4.. => "error",
                2.. => "exit",
                1 => "service",
                _ => "error",
            };
            assert_eq!(Source::of(unexpected, exited, proxied).name(), expected);
        }
    }
}
