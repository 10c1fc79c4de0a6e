//! What code compiled into the caller needs to know of an open queue, laid out for C.

use super::layout::{LaneRecord, QueueEnds};
use super::ring::Ring;
use crate::structures::key;
use core::sync::atomic::AtomicU64;

/// Where the parts of an open queue are mapped in this process, and its constants,
/// checked when it was opened. For shmds_inline.h, which mirrors the library's hot paths.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueueParts {
    /// The hints and wait words, in the segment.
    pub ends: *mut QueueEnds,
    /// Ring words, as many as the capacity.
    pub words: *mut AtomicU64,
    /// Payload slots.
    pub slots: *mut u8,
    /// Number of payload slots.
    pub slot_count: u64,
    /// The last index before the next lap: one less than the capacity.
    pub last_index: u64,
    /// The full bit of a ring word. Below it is the bit that says: somebody sleeps until the word
    /// is exchanged, or did; and below that the slot number. The index in a hint has the full bit
    /// and those below.
    pub unit: u64,
}

/// The start of a queue's handle. Constant while the handle is open, but for the key.
#[repr(C)]
pub struct QueueView {
    /// What threads remember the queue by. Never used twice, and its low 24 bits are the number of
    /// payload slots; 0 if that has more bits. Or all ones: nothing may be remembered.
    pub key: AtomicU64,
    /// The queue's parts.
    pub parts: QueueParts,
}

// SAFETY: addresses of atomics that are mapped while the handle is open, and constants.
unsafe impl Send for QueueView {}
// SAFETY: as above.
unsafe impl Sync for QueueView {}

/// What a thread may remember of a queue: its own lane there, and the queue's parts, so
/// that an operation need not look them up in the handle first.
#[repr(C)]
pub struct Pass {
    /// The lane is the thread's for as long as this is the key in the queue's view.
    pub key: u64,
    /// The record of the lane.
    pub record: *mut LaneRecord,
    /// The queue's parts.
    pub parts: QueueParts,
}

impl QueueView {
    /// The view of an open ring.
    pub fn new(ring: &Ring) -> Option<Self> {
        let plan = ring.plan();
        let parts = QueueParts {
            ends: core::ptr::from_ref(&ring.header().ends).cast_mut(),
            words: core::ptr::from_ref(ring.words.get(0)?).cast_mut(),
            slots: ring.slots_address()?.as_ptr(),
            slot_count: plan.capacity + u64::from(plan.lanes),
            last_index: plan.capacity - 1,
            unit: ring.unit,
        };
        Some(Self {
            key: AtomicU64::new(key::new(parts.slot_count)),
            parts,
        })
    }
}
