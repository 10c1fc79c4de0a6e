//! What `shmds_inline.h` sees of a handle: where the shared words lie, and what
//! this process knows on either side.
//!
//! Exported through cbindgen as `shmds_spsc_queue_view` and `shmds_spsc_queue_side`.
//! The inline functions and the library work on the same view at the same time, so
//! its layout is part of the binary interface.

use super::layout::SpscEnd;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

/// The value of [`SpscSide::epoch`] while this process does not hold the role: no
/// fork epoch has it.
pub const NOT_HELD: u64 = u64::MAX;

/// What a process knows as the producer, or as the consumer, of a queue. For
/// shmds_inline.h; changed by one thread at a time.
///
/// While the role is not held, both ends are dummies at which the side is blocked for
/// good, so that nothing is done without the library.
#[repr(C)]
pub struct SpscSide {
    /// The end that this side moves.
    pub own: UnsafeCell<*mut SpscEnd>,
    /// The end that the other side moves.
    pub other: UnsafeCell<*mut SpscEnd>,
    /// Position up to which slots can be used without a look at the other side.
    pub limit: AtomicU64,
    /// Consumer: one more than its position when the front was looked at last; or 0.
    pub front: AtomicU64,
    /// Fork epoch in which this process took the role; all ones: it has not.
    pub epoch: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 11],
}

// SAFETY: changed by one thread at a time, which is the rule for either role; a forked child
// changes it before anything else runs there.
unsafe impl Sync for SpscSide {}
// SAFETY: the ends outlive the handle, and belong to no thread.
unsafe impl Send for SpscSide {}

impl SpscSide {
    /// Says at which ends the side is.
    pub(super) fn stand_at(&self, own: &SpscEnd, other: &SpscEnd) {
        // SAFETY: one thread at a time changes the side, and nobody else looks at it.
        unsafe {
            *self.own.get() = core::ptr::from_ref(own).cast_mut();
            *self.other.get() = core::ptr::from_ref(other).cast_mut();
        }
    }
}

/// The start of every open SPSC queue, for the functions in shmds_inline.h only: a
/// `shmds_spsc_queue *` points to one. What stands before the sides never changes
/// while the queue is open.
#[repr(C)]
pub struct SpscView {
    /// The first slot.
    pub slots: *mut u8,
    /// Bits of a position that hold the index.
    pub index_mask: u64,
    /// The last index before the next lap: one less than the capacity.
    pub last_index: u64,
    /// What a position moves on by in a lap.
    pub lap: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Zero.
    pub reserved: [u64; 11],
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
