//! The memory of the library: the bodies of responses, and everything else that Rust allocates.
//!
//! | block | source | when it is freed |
//! |---|---|---|
//! | below 16 KiB | the C library | back to the C library |
//! | up to 2 MiB | the C library, rounded up to a power of two | into the pool, which has two slots for each size; if both are full, back to the C library |
//! | above 2 MiB | a mapping of its own, a multiple of 2 MiB | becomes the spare mapping, or back to the system at once |
//!
//! Each new page of memory costs a page fault, and 256 faults for a megabyte take longer than copying the bytes. So:
//!
//! - Blocks up to 2 MiB are pooled.
//! - Larger blocks use huge pages and grow without a copy, because `mremap` moves pages.
//! - One mapping of at most 32 MiB is kept as the spare. The system may free its pages at any time (`MADV_FREE`).
//!
//! In the heap of the C library, large blocks would leave holes. Only `malloc_trim` returns these to the system, and
//! it walks through the whole heap while nginx waits.
//!
//! There are no locks and no thread-locals, because nginx forks, and because a thread frees memory even while it
//! ends. Each slot for a block is one atomic pointer. Code that takes the pointer out of the slot owns the block.
#![allow(unsafe_code)]

mod mapping;
#[cfg(test)]
mod tests;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{self, NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use mapping::{Mapping, STEP};

/// The block sizes of the pool: 16 KiB, 32 KiB, and so on up to 2 MiB.
const SMALLEST_POOLED: usize = 16 << 10;
const LARGEST_POOLED: usize = 2 << 20;
const CLASSES: usize = (LARGEST_POOLED / SMALLEST_POOLED).ilog2() as usize + 1;
/// The maximum number of blocks of each size in the pool.
const SLOTS: usize = 2;
/// The maximum length of the spare.
const LARGEST_SPARE: usize = 32 << 20;
const _: () = assert!(LARGEST_SPARE / STEP <= mapping::PACKED_STEPS);
/// The alignment of every block. The C library allocates blocks with a larger alignment.
const ALIGNMENT: usize = 16;

/// The global allocator of the library.
#[derive(Debug)]
pub struct Allocator {
    pool: [[AtomicPtr<u8>; SLOTS]; CLASSES],
    /// The spare mapping, packed, or null.
    spare: AtomicPtr<u8>,
    /// A former spare that is now a block and is longer than the block needs, packed, or null.
    lent: AtomicPtr<u8>,
}

/// The source of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Pooled { class: usize },
    Mapped,
}

/// The kind of every block with this layout, so it is the same when the block is freed.
fn kind(layout: Layout) -> Kind {
    let size = layout.size();
    if size < SMALLEST_POOLED || layout.align() > ALIGNMENT {
        Kind::Plain
    } else if size <= LARGEST_POOLED {
        Kind::Pooled { class: (size.next_power_of_two() / SMALLEST_POOLED).ilog2() as usize }
    } else {
        Kind::Mapped
    }
}

/// The layout of the blocks of a class.
fn pooled(class: usize) -> Layout {
    // SAFETY: the alignment is a power of two. `kind` makes only classes up to LARGEST_POOLED, so the size is small
    // enough.
    unsafe { Layout::from_size_align_unchecked(SMALLEST_POOLED << class, ALIGNMENT) }
}

/// The length of the mapping for a block of `size` bytes.
fn mapped_length(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(STEP)
}

impl Allocator {
    /// An allocator with an empty pool and without a spare.
    pub const fn new() -> Self {
        Self {
            pool: [const { [const { AtomicPtr::new(null_mut()) }; SLOTS] }; CLASSES],
            spare: AtomicPtr::new(null_mut()),
            lent: AtomicPtr::new(null_mut()),
        }
    }

    /// A block of the pool, if there is one.
    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        self.pool[class].iter().find_map(|slot| {
            // Reading first is cheaper than an exchange.
            let is_there = !slot.load(Ordering::Relaxed).is_null();
            NonNull::new(if is_there {
                slot.swap(null_mut(), Ordering::Acquire)
            } else {
                null_mut()
            })
        })
    }

    /// Puts a block into the pool. Returns false if there is no free slot.
    fn keep(&self, class: usize, block: *mut u8) -> bool {
        self.pool[class].iter().any(|slot| put(slot, block))
    }

    /// A mapping of `length` bytes. It may be longer if it is the one in `lent`.
    fn map(&self, length: usize) -> Option<Mapping> {
        let Some(spare) = Mapping::unpacked(self.spare.swap(null_mut(), Ordering::Acquire)) else {
            return Mapping::new(length);
        };
        if spare.length > length && put(&self.lent, spare.packed()) {
            return Some(spare);
        }
        // SAFETY: `swap` has taken the spare, so this function owns it, and no block uses it.
        unsafe {
            let resized = spare.resized(length);
            if resized.is_none() {
                spare.unmap();
            }
            resized
        }
    }

    /// The mapping of `block`, which was allocated with `size` bytes, and whether it is the one in `lent`.
    fn mapping_of(&self, block: NonNull<u8>, size: usize) -> (Mapping, bool) {
        // If `lent` is this block, `map` has stored it before the block had an owner. So the owner reads it.
        match Mapping::unpacked(self.lent.load(Ordering::Relaxed)) {
            Some(lent) if lent.start == block => (lent, true),
            // `map` has made the mapping with the same multiple.
            _ => (Mapping { start: block, length: size.next_multiple_of(STEP) }, false),
        }
    }

    /// Frees a mapping, or makes it the spare.
    ///
    /// # Safety
    ///
    /// The caller owns the mapping, and no block uses it.
    unsafe fn unmap(&self, mapping: Mapping) {
        // SAFETY: the caller owns the mapping. `swap` has taken the spare, so this function owns that too.
        unsafe {
            if mapping.length > LARGEST_SPARE || !mapping.discard() {
                return mapping.unmap();
            }
            // Keep the larger one.
            let spare = Mapping::unpacked(self.spare.swap(null_mut(), Ordering::Acquire));
            let (kept, freed) = match spare {
                Some(spare) if spare.length >= mapping.length => (spare, Some(mapping)),
                spare => (mapping, spare),
            };
            freed.into_iter().for_each(|mapping| mapping.unmap());
            if !put(&self.spare, kept.packed()) {
                kept.unmap();
            }
        }
    }

    /// Changes the length of a mapped block from `old` to `new` bytes. The block may move.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::realloc`]: the block was allocated here with `old` bytes, and only the caller uses it.
    unsafe fn remap(&self, block: NonNull<u8>, old: usize, new: usize) -> Option<NonNull<u8>> {
        let (mapping, is_lent) = self.mapping_of(block, old);
        let length = mapped_length(new)?;
        if is_lent && length <= mapping.length {
            return Some(block);
        }
        if is_lent {
            // After the block has moved, another mapping may get its old address.
            self.lent.store(null_mut(), Ordering::Relaxed);
        }
        // SAFETY: only the caller uses the block, and it uses the new address afterwards.
        unsafe {
            let resized = mapping.resized(length);
            if resized.is_none() && is_lent {
                // `lent` no longer has the length of this mapping, so the rest would be lost.
                mapping.truncate(old.next_multiple_of(STEP));
            }
            resized.map(|mapping| mapping.start)
        }
    }
}

/// Stores a pointer in an empty slot. Returns false if the slot is not empty.
fn put(slot: &AtomicPtr<u8>, pointer: *mut u8) -> bool {
    slot.load(Ordering::Relaxed).is_null()
        && slot.compare_exchange(null_mut(), pointer, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// The block as a pointer, or null, which means for Rust that there is no memory.
fn or_null(block: Option<NonNull<u8>>) -> *mut u8 {
    block.map_or(null_mut(), NonNull::as_ptr)
}

// SAFETY: a class or a mapping is at least as large as the layout of its block, and aligned to `ALIGNMENT`. `kind`
// returns the same for a layout each time, so `dealloc` and `realloc` treat a block like `alloc`. Nothing here
// panics.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match kind(layout) {
            // SAFETY: the caller of `alloc` guarantees that the layout is not empty.
            Kind::Plain => unsafe { System.alloc(layout) },
            Kind::Pooled { class } => match self.take(class) {
                Some(block) => block.as_ptr(),
                // SAFETY: the layout of a class is not empty.
                None => unsafe { System.alloc(pooled(class)) },
            },
            Kind::Mapped => {
                let mapping = mapped_length(layout.size()).and_then(|length| self.map(length));
                or_null(mapping.map(|mapping| mapping.start))
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees that the layout is not empty. A block has at least the size of its layout.
        unsafe {
            if kind(layout) == Kind::Plain {
                return System.alloc_zeroed(layout);
            }
            let block = self.alloc(layout);
            if !block.is_null() {
                ptr::write_bytes(block, 0, layout.size());
            }
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller guarantees that the block was allocated here with this layout, and that nobody uses it.
        // So its kind is the same as in `alloc`, and it is not null.
        unsafe {
            match kind(layout) {
                Kind::Plain => System.dealloc(block, layout),
                Kind::Pooled { class } => {
                    if !self.keep(class, block) {
                        System.dealloc(block, pooled(class));
                    }
                }
                Kind::Mapped => {
                    let (mapping, is_lent) =
                        self.mapping_of(NonNull::new_unchecked(block), layout.size());
                    if is_lent {
                        self.lent.store(null_mut(), Ordering::Relaxed);
                    }
                    self.unmap(mapping);
                }
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that the block was allocated here with this layout, that only the caller uses
        // it, and that the new size is valid for a layout. The two blocks of the copy do not overlap, and both have
        // that many bytes.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (kind(layout), kind(new)) {
                (Kind::Plain, Kind::Plain) => System.realloc(block, layout, size),
                (Kind::Mapped, Kind::Mapped) => {
                    or_null(self.remap(NonNull::new_unchecked(block), layout.size(), size))
                }
                (before, after) if before == after => block,
                _ => {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}
