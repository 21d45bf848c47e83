//! Memory mapped directly from the system.
#![allow(unsafe_code)]

use std::ptr::{NonNull, null_mut};

/// Lengths are multiples of a huge page, and so of every page size.
pub const STEP: usize = 2 << 20;

/// The bits of a packed mapping that hold the number of steps. The smallest page is larger than this mask.
pub const PACKED_STEPS: usize = 0xFFF;

/// A mapping: private pages that only this library reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    pub start: NonNull<u8>,
    pub length: usize,
}

impl Mapping {
    pub fn new(length: usize) -> Option<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: without an address, the system chooses a free one, so no existing mapping changes.
        let start = unsafe { libc::mmap(null_mut(), length, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        count(0, length);
        // SAFETY: the mapping exists. If the system refuses huge pages, access is only slower.
        unsafe { libc::madvise(start, length, libc::MADV_HUGEPAGE) };
        Some(Self { start: NonNull::new(start.cast())?, length })
    }

    /// Changes the length of the mapping, which may move. If the system refuses, returns `None` and changes nothing.
    ///
    /// # Safety
    ///
    /// The caller no longer uses the old address, nor the bytes after the new length.
    pub unsafe fn resized(self, length: usize) -> Option<Self> {
        if length == self.length {
            return Some(self);
        }
        // SAFETY: the mapping exists, and the caller no longer uses its old address.
        let start = unsafe {
            libc::mremap(self.start.as_ptr().cast(), self.length, length, libc::MREMAP_MAYMOVE)
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        count(self.length, length);
        Some(Self { start: NonNull::new(start.cast())?, length })
    }

    /// Returns the bytes after `length` to the system. The mapping stays where it is; `mremap` may move it, and does so
    /// under qemu.
    ///
    /// # Safety
    ///
    /// `length` is a multiple of [`STEP`] and not larger than the mapping. The caller no longer uses the bytes after it.
    pub unsafe fn truncate(self, length: usize) {
        // SAFETY: the bytes after `length` belong to the mapping, and the caller no longer uses them.
        let tail = unsafe { Self { start: self.start.add(length), length: self.length - length } };
        if tail.length > 0 {
            // SAFETY: nothing else uses the tail.
            unsafe { tail.unmap() };
        }
    }

    /// Returns the memory to the system.
    ///
    /// # Safety
    ///
    /// The caller no longer uses the mapping or a copy of it.
    pub unsafe fn unmap(self) {
        // SAFETY: the mapping exists, and the caller no longer uses it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
        count(self.length, 0);
    }

    /// Allows the system to free the pages until they are written again. Returns whether the system accepts that.
    ///
    /// # Safety
    ///
    /// The caller no longer reads the present bytes.
    pub unsafe fn discard(self) -> bool {
        // SAFETY: the mapping exists, and the caller no longer needs its bytes.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.length, libc::MADV_FREE) == 0 }
    }

    /// Start and length as one pointer. Mappings start at a page, so the lowest bits can hold the number of steps.
    /// The spare mapping has few steps.
    pub fn packed(self) -> *mut u8 {
        self.start.as_ptr().map_addr(|start| start | (self.length / STEP))
    }

    /// The mapping of a pointer from [`packed`](Self::packed), or `None` for null.
    pub fn unpacked(packed: *mut u8) -> Option<Self> {
        let start = NonNull::new(packed.map_addr(|start| start & !PACKED_STEPS))?;
        Some(Self { start, length: (packed.addr() & PACKED_STEPS) * STEP })
    }
}

#[cfg(test)]
thread_local! {
    /// The number of bytes that this thread has mapped.
    pub static MAPPED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts mapped bytes, for tests.
#[inline(always)]
fn count(_before: usize, _now: usize) {
    #[cfg(test)]
    MAPPED.set(MAPPED.get().wrapping_add(_now).wrapping_sub(_before));
}
