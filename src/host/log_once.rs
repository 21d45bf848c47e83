//! The list of warnings that were logged.

use std::collections::HashSet;

/// The maximum number of causes. Without it, a program that generates code for each request could use up the memory.
const MAX_CAUSES: usize = 1000;

/// The causes of the warnings that were logged.
#[derive(Debug, Default)]
pub struct LogOnce(HashSet<String>);

impl LogOnce {
    /// Returns whether `cause` is new, so that its warning must be logged, and adds it.
    pub fn is_new(&mut self, cause: &str) -> bool {
        if self.0.contains(cause) || self.0.len() >= MAX_CAUSES {
            return false;
        }
        self.0.insert(cause.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_new_once_and_their_number_is_limited() {
        let mut causes = LogOnce::default();
        assert!(causes.is_new("a.lua:1: Content-Length"));
        assert!(!causes.is_new("a.lua:1: Content-Length"));
        assert!(causes.is_new("a.lua:2: Content-Length"));
        for i in 0..2 * MAX_CAUSES {
            causes.is_new(&format!("b.lua:{i}: "));
        }
        assert_eq!(causes.0.len(), MAX_CAUSES);
        assert!(!causes.is_new("c.lua:1: "));
    }
}
