//! The memory of the library: the bodies of responses above all, and what else Rust allocates.
//!
//! | block | where it comes from | where it goes when it is freed |
//! |---|---|---|
//! | below 16 KiB | the C library | back there |
//! | up to 2 MiB | the C library, rounded up to a power of two | into a pool of two for each size, else back |
//! | above 2 MiB | a mapping of its own, in steps of 2 MiB | to the system at once, or it becomes the spare |
//!
//! Every page of memory that is new to the process costs a fault, 256 of them for a megabyte: more than to
//! copy the bytes. So blocks of a moderate size are pooled, large ones are on huge pages and grow where
//! they are (`mremap` moves pages, not bytes), and one of them, of at most 32 MiB, is kept. The system may
//! take the pages of that one whenever it wants (`MADV_FREE`).
//!
//! In the heap of the C library, large blocks would leave holes that nobody gives back but `malloc_trim`,
//! which walks through the whole heap while nginx waits.
//!
//! There are no locks and no thread-locals: nginx forks, threads end, and memory is freed whenever. Each
//! place where a block is kept is one atomic pointer, and who has taken the pointer owns the block.
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
/// How many blocks of each size are kept.
const SLOTS: usize = 2;
/// The spare is not larger.
const LARGEST_SPARE: usize = 32 << 20;
const _: () = assert!(LARGEST_SPARE / STEP <= mapping::PACKED_STEPS);
/// The alignment of every block. The C library allocates blocks with a larger alignment.
const ALIGNMENT: usize = 16;

/// Rust's memory in this library.
#[derive(Debug)]
pub struct Allocator {
    pool: [[AtomicPtr<u8>; SLOTS]; CLASSES],
    /// The mapping that is kept, if there is one.
    spare: AtomicPtr<u8>,
    /// The spare that is in use as a block smaller than it is, if there is one.
    lent: AtomicPtr<u8>,
}

/// How a block is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Pooled { class: usize },
    Mapped,
}

/// The kind of every block with this layout: it is the same when the block is freed.
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
    // SAFETY: the alignment is a power of two, and no class is near the largest size there may be.
    unsafe { Layout::from_size_align_unchecked(SMALLEST_POOLED << class, ALIGNMENT) }
}

/// The length of the mapping for a block of `size` bytes.
fn mapped_length(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(STEP)
}

impl Allocator {
    /// One that keeps nothing yet.
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
            // To look first is cheaper than to exchange.
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

    /// A mapping of at least `length` bytes, longer only if it is noted as lent.
    fn map(&self, length: usize) -> Option<Mapping> {
        let Some(spare) = Mapping::unpacked(self.spare.swap(null_mut(), Ordering::Acquire)) else {
            return Mapping::new(length);
        };
        if spare.length > length && put(&self.lent, spare.packed()) {
            return Some(spare);
        }
        // SAFETY: whoever has taken the spare is its only owner, and nobody has it in use.
        unsafe {
            let resized = spare.resized(length);
            if resized.is_none() {
                spare.unmap();
            }
            resized
        }
    }

    /// The mapping of the block at `block`, which was asked for with `size` bytes; whether it is lent.
    fn mapping_of(&self, block: NonNull<u8>, size: usize) -> (Mapping, bool) {
        // An entry for this block was made by its owner, before anybody else had it.
        match Mapping::unpacked(self.lent.load(Ordering::Relaxed)) {
            Some(lent) if lent.start == block => (lent, true),
            // The same multiple was there when the block was made.
            _ => (Mapping { start: block, length: size.next_multiple_of(STEP) }, false),
        }
    }

    /// Frees a mapping, or makes it the spare.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    unsafe fn unmap(&self, mapping: Mapping) {
        // SAFETY: the caller says that nobody uses the mapping. `swap` gives the spare to one owner only.
        unsafe {
            if mapping.length > LARGEST_SPARE || !mapping.discard() {
                return mapping.unmap();
            }
            // The larger one stays.
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

    /// Makes the block at `block` one of `new` bytes instead of `old`, both mapped.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::realloc`]: the block was made here with `old` bytes, and only the caller uses it.
    unsafe fn remap(&self, block: NonNull<u8>, old: usize, new: usize) -> Option<NonNull<u8>> {
        let (mapping, is_lent) = self.mapping_of(block, old);
        let length = mapped_length(new)?;
        if is_lent && length <= mapping.length {
            return Some(block);
        }
        if is_lent {
            // Once it has moved, its old place may become somebody else's.
            self.lent.store(null_mut(), Ordering::Relaxed);
        }
        // SAFETY: only the caller uses the block, and after this only where it is then.
        unsafe {
            let resized = mapping.resized(length);
            if resized.is_none() && is_lent {
                // Nobody notes any more what is beyond the block's own length.
                mapping.truncate(old.next_multiple_of(STEP));
            }
            resized.map(|mapping| mapping.start)
        }
    }
}

/// Stores a pointer in an empty slot. Returns false if the slot is not empty.
fn put(place: &AtomicPtr<u8>, pointer: *mut u8) -> bool {
    place.load(Ordering::Relaxed).is_null()
        && place.compare_exchange(null_mut(), pointer, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// A null pointer, which tells Rust that there is no memory.
fn or_null(block: Option<NonNull<u8>>) -> *mut u8 {
    block.map_or(null_mut(), NonNull::as_ptr)
}

// SAFETY: a block of each kind is valid for its layout's size, which its class or mapping is no smaller
// than, and aligned to at least `ALIGNMENT`; `kind` says the same of a layout each time, so that a block
// goes back where it came from. Nothing here panics.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match kind(layout) {
            // SAFETY: the caller of `alloc` gives a layout that is not empty.
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
        // SAFETY: the caller gives a layout that is not empty; a block has at least the size of its layout.
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
        // SAFETY: the caller says that the block was made here with this layout, and that nobody uses it. So its
        // kind is the one that it was made as, and it is not null.
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
        // SAFETY: the caller says that the block was made here with this layout, that only it uses the block, and
        // that the new size makes a layout. The copy is of two blocks, and of no more bytes than each has.
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
