//! Faults for tests: a test orders a fault, and the library then fails at that point. Only builds with the feature
//! `fault-injection` have them, and `make build` has not.

use std::cell::Cell;

use crate::error::Error;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A native function panics.
    Panic,
    /// A function that compiled code calls panics.
    FastPath,
    /// There is no memory for the body of a response.
    Allocation,
}

thread_local! {
    /// The ordered fault, and the number of opportunities before it happens.
    static ORDERED: Cell<Option<(Fault, u32)>> = const { Cell::new(None) };
}

/// Orders a fault, which happens after `chances` opportunities. `None` cancels the order.
pub fn order(fault: Option<(Fault, u32)>) {
    ORDERED.set(fault);
}

/// Whether the fault happens now. Each call is an opportunity.
pub fn happens(fault: Fault) -> bool {
    match ORDERED.get() {
        Some((ordered, 0)) if ordered == fault => {
            ORDERED.set(None);
            true
        }
        Some((ordered, chances)) if ordered == fault => {
            ORDERED.set(Some((ordered, chances - 1)));
            false
        }
        _ => false,
    }
}

/// Whether the fault is ordered.
pub fn is_ordered(fault: Fault) -> bool {
    ORDERED.get().is_some_and(|(ordered, _)| ordered == fault)
}

/// Panics if [`Fault::FastPath`] is ordered. Otherwise returns false.
pub fn fast_path_panics() -> bool {
    assert!(!happens(Fault::FastPath), "as ordered");
    false
}

/// Panics if [`Fault::Panic`] is ordered.
pub fn panic_here() {
    assert!(!happens(Fault::Panic), "as ordered");
}

/// Fails if [`Fault::Allocation`] is ordered, like an allocation for a body of `needed` bytes.
///
/// # Errors
///
/// `no memory for a body of <n> bytes`
pub fn allocate_here(needed: usize) -> Result<(), Error> {
    if happens(Fault::Allocation) { Err(Error::BodyMemory(needed)) } else { Ok(()) }
}
