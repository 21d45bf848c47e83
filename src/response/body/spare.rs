//! Memory of bodies that are done with, for those to come.
//!
//! Every page of memory that is new to the process costs a fault, 256 of them for a megabyte: more than
//! to copy the bytes. So a worker keeps a few buffers of a moderate size.

use std::cell::RefCell;

/// How many buffers are kept.
const SLOTS: usize = 4;
/// Smaller ones are not worth a slot, and larger ones are given back to the system.
const SIZES: std::ops::RangeInclusive<usize> = 16 << 10..=2 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer, with the memory of an earlier one if there is one left.
pub fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps the memory of a buffer that is done with, or frees it; says whether it is kept.
pub fn give(mut buffer: Vec<u8>) -> bool {
    if !SIZES.contains(&buffer.capacity()) {
        return false;
    }
    buffer.clear();
    // While a thread ends there is no place for it any more.
    let kept = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let has_room = spare.len() < SLOTS;
        if has_room {
            spare.push(buffer);
        }
        has_room
    });
    kept.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_moderate_size_is_used_again() {
        assert!(!give(Vec::with_capacity(SIZES.start() - 1)));
        assert!(!give(Vec::with_capacity(SIZES.end() + 1)));
        assert_eq!(take().capacity(), 0);
        let mut used = Vec::with_capacity(*SIZES.start());
        used.push(1);
        assert!(give(used));
        let again = take();
        assert!(again.is_empty());
        assert!(again.capacity() >= *SIZES.start());
        assert_eq!(take().capacity(), 0);
    }

    #[test]
    fn no_more_is_kept_than_there_are_slots() {
        for _ in 0..SLOTS + 3 {
            give(Vec::with_capacity(*SIZES.end()));
        }
        let kept = std::iter::repeat_with(take).take_while(|buffer| buffer.capacity() > 0).count();
        assert_eq!(kept, SLOTS);
    }
}
