//! What code compiled into the caller needs to know of an open pool, laid out for C.

use super::objects::Objects;
use super::recent::Recent;
use crate::structures::key;
use core::sync::atomic::{AtomicU32, AtomicU64};

/// The start of a pool's handle. Constant while the handle is open, but for the key.
#[repr(C)]
pub struct PoolView {
    /// What threads remember the pool by. Never used twice; all ones, if nothing may be remembered.
    pub key: AtomicU64,
    /// The first object.
    pub objects: *mut u8,
    /// Bytes of an object.
    pub elem_size: u64,
    /// Number of objects.
    pub capacity: u64,
}

// SAFETY: an address that is mapped while the handle is open, an atomic, and constants.
unsafe impl Send for PoolView {}
// SAFETY: as above.
unsafe impl Sync for PoolView {}

impl PoolView {
    /// The view of an open pool.
    pub(super) fn new(objects: &Objects) -> Option<Self> {
        let plan = objects.plan();
        Some(Self {
            key: AtomicU64::new(key::new(0)),
            objects: objects.address(0)?.as_ptr(),
            elem_size: plan.elem_size,
            capacity: plan.capacity,
        })
    }
}

/// What a thread may remember of a pool, so that an operation need not look it up in the
/// handle first. For shmds_inline.h, which mirrors the library's hot paths.
#[repr(C)]
pub struct PoolPass {
    /// The rest holds for as long as this is the key in the pool's view.
    pub key: u64,
    /// What the thread released last.
    pub recent: *mut Recent,
    /// The objects' words, in the segment.
    pub words: *mut AtomicU64,
    /// The objects' marks, in the segment.
    pub marks: *mut AtomicU64,
    /// The objects' links, in the segment.
    pub links: *mut AtomicU32,
    /// Number of objects.
    pub capacity: u64,
    /// Low half of the word of what this process acquires.
    pub claim: u64,
}

impl PoolPass {
    pub(super) fn new(key: u64, recent: &Recent, objects: &Objects, claim: u64) -> Option<Self> {
        let shared = |word: &AtomicU64| core::ptr::from_ref(word).cast_mut();
        Some(Self {
            key,
            recent: core::ptr::from_ref(recent).cast_mut(),
            words: shared(objects.words.get(0)?),
            marks: shared(objects.marks.get(0)?),
            links: core::ptr::from_ref(objects.links.get(0)?).cast_mut(),
            capacity: objects.plan().capacity,
            claim,
        })
    }
}
