//! What code compiled into the caller needs to know of an open queue: the start of
//! its handle, laid out for C.

use super::ring::Ring;
use crate::segment::fork;
use core::sync::atomic::{AtomicU32, AtomicU64};

/// The start of a queue's handle: where its parts are mapped here, and its
/// constants, checked when it was opened.
///
/// For `shmds_inline.h`, which mirrors the hot paths of the library. Constant
/// while the handle is open.
#[repr(C)]
pub struct QueueView {
    /// Id of the handle, never used twice in a process.
    pub id: u64,
    /// The fork epoch of this process.
    pub epoch: *const AtomicU32,
    /// Ring words, a power of two.
    pub words: *mut AtomicU64,
    /// Payload slots.
    pub slots: *mut u8,
    /// Lanes of 64 bytes: owner, record, refusals.
    pub lanes: *mut AtomicU64,
    /// Hint {lap, index} of the enqueuing side.
    pub tail: *mut AtomicU64,
    /// Hint {lap, index} of the dequeuing side.
    pub head: *mut AtomicU64,
    /// Bit 0: a consumer may be asleep.
    pub items: *const AtomicU32,
    /// Bit 0: a producer may be asleep.
    pub space: *const AtomicU32,
    /// Elements that the queue holds when full.
    pub capacity: u64,
    /// Payload slots that there are.
    pub slot_count: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// The full bit of a ring word, above the bits of the slot number.
    pub unit: u64,
    /// The bits of a hint that hold the index.
    pub index_mask: u64,
    /// One less than the number of ring words.
    pub word_mask: u64,
    /// Shifts the lap of a hint up to where a ring word has it.
    pub lap_shift: u32,
    /// Shifts the top three bits of an index down to the bottom.
    pub place_shift: u32,
    /// Number of lanes.
    pub lane_count: u32,
}

// SAFETY: addresses of atomics that are mapped while the handle is open, and constants.
unsafe impl Send for QueueView {}
// SAFETY: as above.
unsafe impl Sync for QueueView {}

impl QueueView {
    /// The view of an open ring.
    pub fn new(ring: &Ring, id: u64) -> Option<Self> {
        let (header, plan) = (ring.header(), ring.plan());
        Some(Self {
            id,
            epoch: fork::epoch_word(),
            words: core::ptr::from_ref(ring.words.get(0)?).cast_mut(),
            slots: ring.slots_address()?.as_ptr(),
            lanes: core::ptr::from_ref(&ring.lanes.get(0)?.owner).cast_mut(),
            tail: core::ptr::from_ref(&header.tail).cast_mut(),
            head: core::ptr::from_ref(&header.head).cast_mut(),
            items: header.items.word(),
            space: header.space.word(),
            capacity: plan.capacity,
            slot_count: plan.capacity + u64::from(plan.lanes),
            elem_size: plan.elem_size,
            unit: ring.unit,
            index_mask: ring.index_mask,
            word_mask: plan.words - 1,
            lap_shift: ring.lap_shift,
            place_shift: plan.words.trailing_zeros() - 3,
            lane_count: plan.lanes,
        })
    }
}
