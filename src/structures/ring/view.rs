//! What `shmds_inline.h` sees of a handle: where the shared words lie, and what
//! this process knows on either side.
//!
//! Exported through cbindgen as `shmds_ring_buffer_view` and `shmds_ring_buffer_side`.
//! The inline functions and the library work on the same view at the same time, so
//! its layout is part of the binary interface.

use super::layout::RingEnds;
use super::{Ring, Role};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The value of [`RingSide::epoch`] while this process may not act on the side: no fork
/// epoch has it.
const CLOSED: u64 = u64::MAX;

/// The value of [`RingSide::epoch`] where whoever likes may act.
const ANYBODY: u64 = u64::MAX - 1;

/// What a process knows as the producer, or as the consumer, of a ring buffer. For
/// shmds_inline.h; changed by one thread at a time.
///
/// While the process may not act there, the ends are those of no ring, at which nothing
/// can be done without the library.
#[repr(C)]
pub struct RingSide {
    /// Where both sides are, in the segment.
    pub ends: UnsafeCell<*mut RingEnds>,
    /// A multiple of the capacity: less than a lap from there, the slot of a position is
    /// the difference.
    pub base: AtomicU64,
    /// Producer: position up to which there is room without another look at the head.
    pub limit: AtomicU64,
    /// Fork epoch in which this process took the role; see the constants.
    pub epoch: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 12],
}

// SAFETY: the words outlive the handle. They are changed when a role is taken or given up,
// by one thread at a time, which is the rule for either role, and in a forked child before
// anything else runs there.
unsafe impl Sync for RingSide {}
// SAFETY: as above; nothing belongs to a thread.
unsafe impl Send for RingSide {}

impl RingSide {
    /// A side on which this process may not act.
    pub fn closed() -> Self {
        Self {
            ends: UnsafeCell::new(core::ptr::from_ref(&NOWHERE).cast_mut()),
            base: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            epoch: AtomicU64::new(CLOSED),
            reserved: [const { AtomicU64::new(0) }; 12],
        }
    }

    /// Lets this process act; `epoch` says for how long, `None` that forks do not end it.
    pub(super) fn allow(&self, ring: &Ring, epoch: Option<u32>) {
        self.stand_at(ring.ends());
        self.epoch.store(epoch.map_or(ANYBODY, u64::from), Relaxed);
    }

    /// Makes it what one is on which this process may not act. Stores only.
    pub(super) fn close(&self) {
        self.epoch.store(CLOSED, Relaxed);
        self.stand_at(&NOWHERE);
    }

    /// Whether this process may act, in its fork epoch.
    #[inline]
    pub(super) fn is_allowed(&self, epoch: u32) -> bool {
        let allowed = self.epoch.load(Relaxed);
        // A forked child has another epoch than its parent: a role it inherited is not its own.
        allowed == ANYBODY || allowed == u64::from(epoch)
    }

    fn stand_at(&self, ends: &RingEnds) {
        // SAFETY: one thread at a time changes the side, and nobody else looks at it.
        unsafe { *self.ends.get() = core::ptr::from_ref(ends).cast_mut() };
    }
}

/// Ends of no ring, at which a producer finds a predecessor's work to finish, and a
/// consumer nothing.
static NOWHERE: RingEnds = RingEnds::nowhere();

/// The start of every open ring buffer, for the functions in shmds_inline.h only: a
/// `shmds_ring_buffer *` points to one. What stands before the sides never changes
/// while the ring buffer is open.
#[repr(C)]
pub struct RingView {
    /// The first slot.
    pub slots: *mut u8,
    /// Number of slots.
    pub capacity: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Zero.
    pub reserved: [u64; 13],
    /// This process as the producer, on lines of its own.
    pub producer: RingSide,
    /// This process as the consumer, on lines of its own.
    pub consumer: RingSide,
}

impl RingView {
    /// The view of a ring on which this process may not act yet.
    pub fn new(ring: &Ring) -> Self {
        Self {
            slots: ring.slots().as_ptr(),
            capacity: ring.plan().capacity,
            elem_size: ring.plan().elem_size,
            reserved: [0; 13],
            producer: RingSide::closed(),
            consumer: RingSide::closed(),
        }
    }

    /// One of the sides.
    #[inline]
    pub fn side(&self, role: Role) -> &RingSide {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }
}

const _: () = {
    assert!(size_of::<RingSide>() == 128);
    assert!(offset_of!(RingView, producer) == 128);
    assert!(offset_of!(RingView, consumer) == 256);
    assert!(size_of::<RingView>() == 384);
};
