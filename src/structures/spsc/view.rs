//! What `shmds_inline.h` sees of a handle: where the shared words lie, and what
//! this process knows on either side.
//!
//! Exported through cbindgen as `shmds_spsc_queue_view` and `shmds_spsc_queue_side`.
//! The inline functions and the library work on the same view at the same time, so
//! its layout is part of the binary interface.

use super::layout::SpscEnd;
use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

/// The value of [`SpscSide::epoch`] while this process does not hold the role: no
/// fork epoch has it.
pub const NOT_HELD: u64 = u64::MAX;

/// What a process knows as the producer, or as the consumer, of a queue. For
/// shmds_inline.h; changed by one thread at a time.
///
/// From `next` up to `stop` lie slots that this side can use without a look at the
/// other one. While the role is not held, `next` is the end of the slots and `stop`
/// is 0: then there are none, and nothing is done without the library.
#[repr(C)]
pub struct SpscSide {
    /// Address of the slot that is used next; at the end of the slots, the first is.
    pub next: AtomicU64,
    /// Address up to which slots can be used without a look at the other side.
    pub stop: AtomicU64,
    /// Consumer: one more than its count when the front was looked at last; or 0.
    pub front: AtomicU64,
    /// Fork epoch in which this process took the role; all ones: it has not.
    pub epoch: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 12],
}

/// The start of every open SPSC queue, for the functions in shmds_inline.h only: a
/// `shmds_spsc_queue *` points to one. What stands before the sides never changes
/// while the queue is open.
#[repr(C)]
pub struct SpscView {
    /// Where the producer pushes, in the segment.
    pub tail: *mut SpscEnd,
    /// Where the consumer pops, in the segment.
    pub head: *mut SpscEnd,
    /// Address of the first slot.
    pub slots: u64,
    /// Address of the end of the slots.
    pub slots_end: u64,
    /// Number of slots.
    pub capacity: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Zero.
    pub reserved: [u64; 10],
    /// This process as the producer, on lines of its own.
    pub producer: SpscSide,
    /// This process as the consumer, on lines of its own.
    pub consumer: SpscSide,
}

const _: () = {
    assert!(size_of::<SpscSide>() == 128);
    assert!(offset_of!(SpscView, producer) == 128);
    assert!(offset_of!(SpscView, consumer) == 256);
    assert!(size_of::<SpscView>() == 384);
};
