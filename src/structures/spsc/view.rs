//! What `shmds_inline.h` sees of a handle: where the shared words lie, and what
//! this process knows on either side.
//!
//! Exported through cbindgen as `shmds_spsc_queue_view` and `shmds_spsc_queue_side`.
//! The inline functions and the library work on the same view at the same time, so
//! its layout is part of the binary interface.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64};

/// The value of [`SpscSide::epoch`] while this process does not hold the role: no
/// fork epoch has it.
pub const NOT_HELD: u64 = u64::MAX;

/// What a process knows as the producer, or as the consumer, of a queue. For
/// shmds_inline.h; changed by one thread at a time.
#[repr(C)]
pub struct SpscSide {
    /// Fork epoch in which this process took the role; all ones: it has not.
    pub epoch: AtomicU64,
    /// Producer: elements ever pushed. Consumer: elements ever popped.
    pub position: AtomicU64,
    /// The position up to which this side can go without a look at the other.
    pub limit: AtomicU64,
    /// Bytes from the first slot to the slot of `position`.
    pub offset: AtomicU64,
    /// Consumer: one more than the position at which the front was looked at last.
    pub front: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 11],
}

impl SpscSide {
    /// A side that this process does not hold.
    pub const fn new() -> Self {
        Self {
            epoch: AtomicU64::new(NOT_HELD),
            position: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            offset: AtomicU64::new(0),
            front: AtomicU64::new(0),
            reserved: [const { AtomicU64::new(0) }; 11],
        }
    }
}

impl Default for SpscSide {
    fn default() -> Self {
        Self::new()
    }
}

/// The start of every open SPSC queue, for the functions in shmds_inline.h only: a
/// `shmds_spsc_queue *` points to one. The numbers and pointers never change while
/// the queue is open.
#[repr(C)]
pub struct SpscView {
    /// Elements ever pushed, in the segment.
    pub tail: *mut AtomicU64,
    /// Elements ever popped, in the segment.
    pub head: *mut AtomicU64,
    /// Bit 0: the consumer may be asleep.
    pub items: *mut AtomicU32,
    /// Bit 0: the producer may be asleep.
    pub space: *mut AtomicU32,
    /// The first slot.
    pub slots: *mut u8,
    /// Bytes of all slots.
    pub slot_bytes: u64,
    /// Number of slots.
    pub capacity: u64,
    /// The fork epoch of this process.
    pub fork_epoch: *mut AtomicU32,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Zero.
    pub reserved: [u64; 7],
    /// This process as the producer, on lines of its own.
    pub producer: SpscSide,
    /// This process as the consumer, on lines of its own.
    pub consumer: SpscSide,
}

const _: () = {
    assert!(size_of::<SpscSide>() == 128);
    assert!(offset_of!(SpscView, fork_epoch) == 56);
    assert!(offset_of!(SpscView, producer) == 128);
    assert!(offset_of!(SpscView, consumer) == 256);
    assert!(size_of::<SpscView>() == 384);
};
