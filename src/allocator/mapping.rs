//! Memory straight from the system.
#![allow(unsafe_code)]

use std::ptr::{NonNull, null_mut};

/// What lengths are multiples of: a huge page, and so a multiple of every page size.
pub const STEP: usize = 2 << 20;

/// The bits for the number of steps in a packed mapping: less than the smallest page.
pub const PACKED_STEPS: usize = 0xFFF;

/// A mapping: pages that are readable, writable, and this library's alone.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    pub start: NonNull<u8>,
    pub length: usize,
}

impl Mapping {
    pub fn new(length: usize) -> Option<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, wherever the system wants it, touches none that is there.
        let start = unsafe { libc::mmap(null_mut(), length, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        count(0, length);
        // SAFETY: the mapping is there. That it is not put on huge pages costs time only.
        unsafe { libc::madvise(start, length, libc::MADV_HUGEPAGE) };
        Some(Self { start: NonNull::new(start.cast())?, length })
    }

    /// The mapping with another length, perhaps elsewhere. If there is none, this one is as it was.
    ///
    /// # Safety
    ///
    /// Nobody uses the mapping's old place, or what is cut off, any more.
    pub unsafe fn resized(self, length: usize) -> Option<Self> {
        if length == self.length {
            return Some(self);
        }
        // SAFETY: the mapping is there, and the caller has given up its old place.
        let start = unsafe {
            libc::mremap(self.start.as_ptr().cast(), self.length, length, libc::MREMAP_MAYMOVE)
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        count(self.length, length);
        Some(Self { start: NonNull::new(start.cast())?, length })
    }

    /// Gives the memory back to the system.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn unmap(self) {
        // SAFETY: the mapping is there, and the caller has given it up.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
        count(self.length, 0);
    }

    /// Lets the system take the pages before they are written to again; says whether it will.
    ///
    /// # Safety
    ///
    /// Nobody reads what is in it any more.
    pub unsafe fn discard(self) -> bool {
        // SAFETY: the mapping is there, and its bytes are anybody's.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.length, libc::MADV_FREE) == 0 }
    }

    /// Start and length as one pointer: mappings start at a page, so the lowest bits are free for the
    /// number of steps, of which a spare has few.
    pub fn packed(self) -> *mut u8 {
        self.start.as_ptr().map_addr(|start| start | (self.length / STEP))
    }

    /// The mapping that [`packed`](Self::packed) has made the pointer of, if it is not null.
    pub fn unpacked(packed: *mut u8) -> Option<Self> {
        let start = NonNull::new(packed.map_addr(|start| start & !PACKED_STEPS))?;
        Some(Self { start, length: (packed.addr() & PACKED_STEPS) * STEP })
    }
}

#[cfg(test)]
thread_local! {
    /// How many bytes the mappings have that this thread has made.
    pub static MAPPED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Notes for tests that a mapping has another length.
#[inline(always)]
fn count(_before: usize, _now: usize) {
    #[cfg(test)]
    MAPPED.set(MAPPED.get().wrapping_add(_now).wrapping_sub(_before));
}
