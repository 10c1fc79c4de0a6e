//! What `shmds_inline.h` sees of a handle: where the shared words lie, and what
//! this process knows on either side.
//!
//! Exported through cbindgen as `shmds_spsc_queue_view` and `shmds_spsc_queue_side`.
//! The inline functions and the library work on the same view at the same time, so
//! its layout is part of the binary interface.

use super::layout::{Header, SpscEnd};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The value of [`SpscSide::epoch`] while this process does not hold the role: no
/// fork epoch has it.
pub const NOT_HELD: u64 = u64::MAX;

/// What a process knows as the producer, or as the consumer, of a queue. For
/// shmds_inline.h; changed by one thread at a time.
///
/// While the role is not held, the side is at an end of no queue and blocked for good, so
/// that nothing is done without the library.
#[repr(C)]
pub struct SpscSide {
    /// The end that this side moves. The one of the other side is its neighbour: the next
    /// one for a producer, the one before for a consumer.
    pub own: UnsafeCell<*mut SpscEnd>,
    /// The position of that end. Nobody else moves it while the role is held, so it is looked
    /// up here: the processor gets it sooner than by way of `own`, and nobody can damage it.
    pub at: AtomicU64,
    /// The address that a slot of position 0 would have if positions counted on through all
    /// laps, as they do in the one that the side was in when it looked at the other one.
    pub slots: AtomicU64,
    /// Position before which the slots of that lap can be used without another look: never past
    /// the last one, since the step from there is a longer one; and 0 where no other is known.
    pub stop: AtomicU64,
    /// What the other side has to be before, for code in line to go on with what it sees there
    /// by itself: the position right behind the last one of the lap, or 1 where nothing is known
    /// of the lap; or 0, while it pays to give the other side a head start (see [`patience`]).
    ///
    /// [`patience`]: crate::structures::patience
    pub look_limit: AtomicU64,
    /// Consumer: one more than its position when the front was looked at last; or 0.
    pub front: AtomicU64,
    /// Fork epoch in which this process took the role; all ones: it has not.
    pub epoch: AtomicU64,
    /// What the side has learned about waiting for the other one; for the library alone.
    pub patience: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 8],
}

// SAFETY: changed by one thread at a time, which is the rule for either role; a forked child
// changes it before anything else runs there.
unsafe impl Sync for SpscSide {}
// SAFETY: the ends outlive the handle, and belong to no thread.
unsafe impl Send for SpscSide {}

impl SpscSide {
    /// A side that this process does not hold.
    pub fn not_held() -> Self {
        Self {
            own: UnsafeCell::new(nowhere().cast_mut()),
            at: AtomicU64::new(0),
            slots: AtomicU64::new(0),
            stop: AtomicU64::new(0),
            look_limit: AtomicU64::new(0),
            front: AtomicU64::new(0),
            epoch: AtomicU64::new(NOT_HELD),
            patience: AtomicU64::new(0),
            reserved: [const { AtomicU64::new(0) }; 8],
        }
    }

    /// Makes it one that this process does not hold. Stores only.
    pub(super) fn forget(&self) {
        self.epoch.store(NOT_HELD, Relaxed);
        self.front.store(0, Relaxed);
        self.at.store(0, Relaxed);
        self.slots.store(0, Relaxed);
        self.stop.store(0, Relaxed);
        self.look_limit.store(0, Relaxed);
        self.stand_at(nowhere());
    }

    /// Says at which of two neighbouring ends the side is.
    pub(super) fn stand_at(&self, own: *const SpscEnd) {
        // SAFETY: one thread at a time changes the side, and nobody else looks at it.
        unsafe { *self.own.get() = own.cast_mut() };
    }
}

/// Ends of no queue, which nobody moves: a consumer at the second and at position 0 finds
/// nothing there, and a producer no room.
static NOWHERE: [SpscEnd; 3] = [SpscEnd::at(0), SpscEnd::at(0), SpscEnd::at(1)];

/// The one in the middle.
fn nowhere() -> *const SpscEnd {
    NOWHERE.as_ptr().wrapping_add(1)
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
    // Neighbours, by which code in line finds the other end.
    assert!(offset_of!(Header, head) == offset_of!(Header, tail) + size_of::<SpscEnd>());
    assert!(size_of::<SpscSide>() == 128);
    assert!(offset_of!(SpscView, producer) == 128);
    assert!(offset_of!(SpscView, consumer) == 256);
    assert!(size_of::<SpscView>() == 384);
};
