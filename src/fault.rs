//! Faults to order, for tests of what becomes of them. Only builds with the feature `fault-injection`
//! have them; `make build` makes none such.

use std::cell::Cell;

use crate::error::Error;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A function of the library panics.
    Panic,
    /// A function panics that compiled code calls.
    FastPath,
    /// There is no memory for the body of a response.
    Allocation,
}

thread_local! {
    /// The fault that was ordered, and how many chances it has to let pass before.
    static ORDERED: Cell<Option<(Fault, u32)>> = const { Cell::new(None) };
}

/// Orders a fault, in place of the one that is on order, or takes that back. `chances` to happen pass
/// before it does.
pub fn order(fault: Option<(Fault, u32)>) {
    ORDERED.set(fault);
}

/// Whether a fault happens here.
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

/// Whether a fault is on order.
pub fn is_ordered(fault: Fault) -> bool {
    ORDERED.get().is_some_and(|(ordered, _)| ordered == fault)
}

/// Panics in what compiled code calls, if that was ordered; else says that it does not.
pub fn fast_path_panics() -> bool {
    assert!(!happens(Fault::FastPath), "as ordered");
    false
}

/// Panics, if that was ordered.
pub fn panic_here() {
    assert!(!happens(Fault::Panic), "as ordered");
}

/// Fails as an allocation of a body that is about to have `needed` bytes, if that was ordered.
///
/// # Errors
///
/// `no memory for a body of <n> bytes`
pub fn allocate_here(needed: usize) -> Result<(), Error> {
    if happens(Fault::Allocation) { Err(Error::BodyMemory(needed)) } else { Ok(()) }
}
