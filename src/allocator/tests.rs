//! Tests of the allocator. Each test makes its own allocator.

use super::mapping::MAPPED;
use super::*;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A block filled with a pattern. Dropping it frees the block.
struct Block<'a> {
    allocator: &'a Allocator,
    start: *mut u8,
    layout: Layout,
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

impl<'a> Block<'a> {
    fn new(allocator: &'a Allocator, size: usize) -> Self {
        // SAFETY: the layout is not empty.
        let start = unsafe { allocator.alloc(layout(size)) };
        assert!(!start.is_null());
        assert_eq!(start.addr() % ALIGNMENT, 0);
        let mut block = Self { allocator, start, layout: layout(size) };
        block.fill();
        block
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the block has that many bytes, and `fill` writes them before a test reads them.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
    }

    /// Writes the pattern, which repeats after 251 bytes.
    fn fill(&mut self) {
        for (i, byte) in self.bytes().iter_mut().enumerate() {
            *byte = (i % 251) as u8;
        }
    }

    #[track_caller]
    fn check(&mut self, size: usize) {
        let wrong =
            self.bytes()[..size].iter().enumerate().position(|(i, b)| *b != (i % 251) as u8);
        assert_eq!(wrong, None);
    }

    /// Changes the size, and checks that the bytes have not changed.
    #[track_caller]
    fn resize(&mut self, size: usize) {
        let kept = self.layout.size().min(size);
        // SAFETY: the block was allocated with this layout. Only the new address is used afterwards.
        let start = unsafe { self.allocator.realloc(self.start, self.layout, size) };
        assert!(!start.is_null());
        (self.start, self.layout) = (start, layout(size));
        self.check(kept);
        self.fill();
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // SAFETY: the block was allocated with this layout, and nobody uses it afterwards.
        unsafe { self.allocator.dealloc(self.start, self.layout) };
    }
}

impl Allocator {
    fn spare_length(&self) -> usize {
        Mapping::unpacked(self.spare.load(Ordering::Relaxed)).map_or(0, |spare| spare.length)
    }

    fn lent_length(&self) -> usize {
        Mapping::unpacked(self.lent.load(Ordering::Relaxed)).map_or(0, |lent| lent.length)
    }

    fn pooled_blocks(&self) -> usize {
        let slots = self.pool.iter().flatten();
        slots.filter(|slot| !slot.load(Ordering::Relaxed).is_null()).count()
    }
}

impl Drop for Allocator {
    fn drop(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.take(class) {
                // SAFETY: the block is from `System`, with this layout, and `take` has removed it from the pool.
                unsafe { System.dealloc(block.as_ptr(), pooled(class)) };
            }
        }
        if let Some(spare) = Mapping::unpacked(self.spare.swap(null_mut(), Ordering::Relaxed)) {
            // SAFETY: `swap` has taken the spare, so nobody else uses it.
            unsafe { spare.unmap() };
        }
    }
}

#[test]
fn the_size_of_a_block_decides_on_its_kind() {
    let class = |class| Kind::Pooled { class };
    for (size, expected) in [
        (1, Kind::Plain),
        (16 * KIB - 1, Kind::Plain),
        (16 * KIB, class(0)),
        (16 * KIB + 1, class(1)),
        (32 * KIB, class(1)),
        (MIB, class(CLASSES - 2)),
        (MIB + 1, class(CLASSES - 1)),
        (2 * MIB, class(CLASSES - 1)),
        (2 * MIB + 1, Kind::Mapped),
        (isize::MAX as usize, Kind::Mapped),
    ] {
        assert_eq!(kind(layout(size)), expected, "{size}");
        if let Kind::Pooled { class } = expected {
            assert!(pooled(class).size() >= size && pooled(class).size() < 2 * size);
        }
    }
    let strict = Layout::from_size_align(4 * MIB, 4096).unwrap();
    assert_eq!(kind(strict), Kind::Plain);
}

#[test]
fn a_block_grows_and_shrinks_through_all_kinds() {
    let allocator = Allocator::new();
    let mut block = Block::new(&allocator, 10);
    let sizes = [
        100,
        16 * KIB,
        20 * KIB,
        30 * KIB,
        MIB,
        MIB + 1,
        2 * MIB,
        2 * MIB + 1,
        9 * MIB,
        40 * MIB,
        3 * MIB,
        2 * MIB - 1,
        500 * KIB,
        20,
        5 * MIB,
        17 * KIB,
        1,
    ];
    for size in sizes {
        block.resize(size);
    }
}

#[test]
fn pooled_blocks_are_reused_and_their_number_is_limited() {
    let allocator = Allocator::new();
    let blocks: Vec<Block<'_>> =
        (0..SLOTS + 3).map(|_| Block::new(&allocator, 100 * KIB)).collect();
    let starts: Vec<*mut u8> = blocks.iter().map(|block| block.start).collect();
    drop(blocks);
    assert_eq!(allocator.pooled_blocks(), SLOTS);
    // The pool has no block of another class.
    let other = Block::new(&allocator, 64 * KIB);
    assert_eq!(allocator.pooled_blocks(), SLOTS);
    drop(other);
    assert_eq!(allocator.pooled_blocks(), SLOTS + 1);
    let again = Block::new(&allocator, 128 * KIB);
    assert!(starts.contains(&again.start));
    assert_eq!(allocator.pooled_blocks(), SLOTS);
}

#[test]
fn a_large_block_goes_back_to_the_system_at_once() {
    let allocator = Allocator::new();
    let block = Block::new(&allocator, LARGEST_SPARE + 1);
    assert_eq!(MAPPED.get(), LARGEST_SPARE + STEP);
    drop(block);
    assert_eq!((MAPPED.get(), allocator.spare_length()), (0, 0));
}

#[test]
fn the_largest_mapping_up_to_the_limit_is_the_spare() {
    let allocator = Allocator::new();
    let blocks = [4, 8, 6, 32].map(|steps| Block::new(&allocator, steps * MIB));
    for (block, spare) in blocks.into_iter().zip([4, 8, 8, 32]) {
        drop(block);
        assert_eq!(allocator.spare_length(), spare * MIB);
    }
    assert_eq!(MAPPED.get(), 32 * MIB);
}

#[test]
fn a_longer_spare_is_lent_whole_and_becomes_the_spare_again() {
    let allocator = Allocator::new();
    drop(Block::new(&allocator, 20 * MIB));
    let mut block = Block::new(&allocator, 3 * MIB);
    let start = block.start;
    assert_eq!((allocator.spare_length(), allocator.lent_length()), (0, 20 * MIB));
    block.resize(20 * MIB);
    block.resize(2 * MIB + 1);
    assert_eq!(block.start, start);
    drop(block);
    assert_eq!((allocator.spare_length(), allocator.lent_length()), (20 * MIB, 0));
    // A block may grow beyond the lent mapping.
    let mut block = Block::new(&allocator, 3 * MIB);
    block.resize(24 * MIB);
    assert_eq!(allocator.lent_length(), 0);
    drop(block);
    assert_eq!(allocator.spare_length(), 24 * MIB);
}

#[test]
fn a_second_spare_is_cut_while_the_first_is_lent() {
    let allocator = Allocator::new();
    let larger = Block::new(&allocator, 8 * MIB);
    drop(Block::new(&allocator, 20 * MIB));
    let lent = Block::new(&allocator, 3 * MIB);
    drop(larger);
    let cut = Block::new(&allocator, 3 * MIB);
    assert_eq!((allocator.spare_length(), allocator.lent_length()), (0, 20 * MIB));
    assert_eq!(MAPPED.get(), (4 + 20) * MIB);
    drop(cut);
    assert_eq!(allocator.spare_length(), 4 * MIB);
    drop(lent);
    assert_eq!(allocator.spare_length(), 20 * MIB);
}

#[test]
fn a_spare_that_is_too_small_grows() {
    let allocator = Allocator::new();
    drop(Block::new(&allocator, 3 * MIB));
    let block = Block::new(&allocator, 10 * MIB);
    assert_eq!((allocator.spare_length(), allocator.lent_length()), (0, 0));
    drop(block);
    assert_eq!(allocator.spare_length(), 10 * MIB);
}

#[test]
fn without_memory_a_call_returns_null_and_the_block_does_not_change() {
    let allocator = Allocator::new();
    let all = isize::MAX as usize;
    // SAFETY: the layout is not empty.
    assert!(unsafe { allocator.alloc(layout(all)) }.is_null());
    let mut mapped = Block::new(&allocator, 5 * MIB);
    drop(Block::new(&allocator, 8 * MIB));
    let mut lent = Block::new(&allocator, 3 * MIB);
    for block in [&mut mapped, &mut lent, &mut Block::new(&allocator, 100 * KIB)] {
        let size = block.layout.size();
        // SAFETY: the block was allocated with this layout. The call fails, so the block does not move.
        assert!(unsafe { allocator.realloc(block.start, block.layout, all) }.is_null());
        block.check(size);
        block.resize(size + 9 * MIB);
    }
    assert_eq!(allocator.lent_length(), 0);
}

#[test]
fn zeroed_blocks_are_zero_even_if_they_are_reused() {
    let allocator = Allocator::new();
    for size in [100, 100 * KIB, 3 * MIB] {
        drop(Block::new(&allocator, size));
        // SAFETY: the layout is not empty.
        let start = unsafe { allocator.alloc_zeroed(layout(size)) };
        let mut block = Block { allocator: &allocator, start, layout: layout(size) };
        assert!(block.bytes().iter().all(|byte| *byte == 0), "{size}");
    }
}

#[test]
fn threads_may_share_an_allocator() {
    const END: usize = size_of::<usize>();
    let allocator = Allocator::new();
    let run = &|thread: usize| {
        for round in 0..200 {
            let mut size = (round * 37 + thread * 11) % 100 * KIB + 2 * END;
            // SAFETY: the layout is not empty.
            let mut start = unsafe { allocator.alloc(layout(size)) };
            for next in [20 * KIB, 2 * MIB + 1, (round % 5 + 2) * 2 * MIB, 3 * MIB] {
                // SAFETY: the block has that size, and only this thread uses it.
                unsafe {
                    start.cast::<usize>().write_unaligned(thread);
                    start.add(size - 1).write(0xFF);
                    start = allocator.realloc(start, layout(size), next);
                    size = next;
                    assert_eq!(start.cast::<usize>().read_unaligned(), thread);
                }
            }
            // SAFETY: the block was allocated here with this layout, and nobody uses it afterwards.
            unsafe { allocator.dealloc(start, layout(size)) };
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || run(thread));
        }
    });
    assert_eq!(allocator.lent_length(), 0);
    assert!(allocator.pooled_blocks() <= SLOTS * CLASSES);
}
