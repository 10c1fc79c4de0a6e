//! Memory that forked processes share, for a queue that knows nothing of shared memory: an
//! allocator that, while asked to, takes from a mapping that the children of this process inherit.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

const SIZE: usize = 1 << 20;

/// The program's allocator.
pub struct Allocator;

static ARENA: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static USED: AtomicUsize = AtomicUsize::new(0);
static ASKED: AtomicBool = AtomicBool::new(false);

// SAFETY: blocks of the arena never overlap, are aligned, and are never handed out twice before a
// `reset`; all others are the system's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !ASKED.load(Relaxed) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        let room = layout.size() + layout.align();
        let start = USED.fetch_add(room, Relaxed);
        if start + room > SIZE {
            return null_mut();
        }
        // SAFETY: inside of the mapping, as checked.
        let at = unsafe { ARENA.load(Relaxed).add(start) };
        // SAFETY: the block is larger by the alignment.
        unsafe { at.add(at.align_offset(layout.align())) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let arena = ARENA.load(Relaxed) as usize;
        if arena != 0 && (arena..arena + SIZE).contains(&(block as usize)) {
            return;
        }
        // SAFETY: the caller's promise; the block is the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Memory of its own kind, shared with all children; `None` if there is none.
pub fn shared_mapping(size: usize) -> Option<*mut u8> {
    let (access, kind) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new mapping, wherever there is room.
    let at = unsafe { libc::mmap(null_mut(), size, access, kind, -1, 0) };
    (at != libc::MAP_FAILED).then_some(at.cast())
}

/// Makes something whose allocations all lie in shared memory. What was made before is gone then:
/// it must not be used any more.
pub fn in_shared_memory<T>(make: impl FnOnce() -> T) -> Option<Box<T>> {
    if ARENA.load(Relaxed).is_null() {
        ARENA.store(shared_mapping(SIZE)?, Relaxed);
    }
    USED.store(0, Relaxed);
    ASKED.store(true, Relaxed);
    let made = Box::new(make());
    ASKED.store(false, Relaxed);
    Some(made)
}
