//! The operations of either side, for whoever holds its role.

use super::layout::{Header, Plan, SpscEnd};
use super::view::NOT_HELD;
use super::{Corrupt, Role, SpscSide};
use crate::raw::{Ref, Region};
use core::ptr::NonNull;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    compiler_fence,
};

/// For the `SIDE` parameters.
const PRODUCER: bool = true;
const CONSUMER: bool = false;

/// A queue in shared memory, with private copies of everything that must not change.
pub struct Ring {
    header: Ref<Header>,
    slots: Region,
    plan: Plan,
}

/// Checks that the header describes a queue that fits in `region`, and takes
/// private copies of its geometry.
pub fn open(region: Region) -> Result<Ring, Corrupt> {
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    let plan = Plan::read(&header, region)?;
    let slots = region.part(plan.slots_offset, plan.slot_bytes);
    Ok(Ring {
        header,
        slots: slots.ok_or(Corrupt::Geometry)?,
        plan,
    })
}

impl Ring {
    /// The geometry.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The shared header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Address of the first slot, as a number: only ever compared and subtracted here.
    pub fn slots_start(&self) -> u64 {
        self.slots.base().addr().get() as u64
    }

    /// Address of the end of the slots.
    pub fn slots_end(&self) -> u64 {
        self.slots_start() + self.plan.slot_bytes
    }

    /// A side that this process does not hold.
    pub fn new_side(&self) -> SpscSide {
        let side = SpscSide {
            next: AtomicU64::new(0),
            stop: AtomicU64::new(0),
            front: AtomicU64::new(0),
            epoch: AtomicU64::new(NOT_HELD),
            reserved: [const { AtomicU64::new(0) }; 12],
        };
        self.forget(&side);
        side
    }

    /// Makes a side what one is that this process does not hold. Stores only.
    pub fn forget(&self, side: &SpscSide) {
        side.epoch.store(NOT_HELD, Relaxed);
        side.front.store(0, Relaxed);
        side.stop.store(0, Relaxed);
        side.next.store(self.slots_end(), Relaxed);
    }

    /// The end that a side moves, and the one that it waits for.
    #[inline]
    fn ends<const SIDE: bool>(&self) -> (&SpscEnd, &SpscEnd) {
        let header = self.header();
        if SIDE == PRODUCER {
            (&header.tail, &header.head)
        } else {
            (&header.head, &header.tail)
        }
    }

    /// Goes on where the side's last holder stopped: the only division there is.
    pub fn resume(&self, role: Role, side: &SpscSide) -> Result<(), Corrupt> {
        let resumed = match role {
            Role::Producer => self.resume_side::<PRODUCER>(side),
            Role::Consumer => self.resume_side::<CONSUMER>(side),
        };
        if resumed.is_err() {
            self.forget(side);
        }
        resumed.map(drop)
    }

    fn resume_side<const SIDE: bool>(&self, side: &SpscSide) -> Result<u64, Corrupt> {
        let (own, _) = self.ends::<SIDE>();
        // The count came with the role.
        let index = own.count.load(Relaxed) % self.plan.capacity;
        let next = self.slots_start() + index * self.plan.elem_size;
        side.front.store(0, Relaxed);
        side.next.store(next, Relaxed);
        self.look::<SIDE>(side)
    }

    /// How many elements this side can move, as far as `wanted`. For a single one it
    /// does not look at the other's line while it need not.
    #[inline]
    fn ready<const SIDE: bool>(&self, side: &SpscSide, wanted: u64) -> Result<u64, Corrupt> {
        if wanted == 1 && side.next.load(Relaxed) < side.stop.load(Relaxed) {
            return Ok(1);
        }
        Ok(self.look::<SIDE>(side)?.min(wanted))
    }

    /// Looks how far the other side has come, and notes which slots in a row can be
    /// used by now; how many elements can be moved in all.
    #[inline]
    fn look<const SIDE: bool>(&self, side: &SpscSide) -> Result<u64, Corrupt> {
        let (own, other) = self.ends::<SIDE>();
        let own = own.count.load(Relaxed);
        // Acquire: pairs with the Release in `advance`. The other side is done with the
        // slots before its count: it has filled them, or read them.
        let other = other.count.load(Acquire);
        let capacity = self.plan.capacity;
        let ready = if SIDE == PRODUCER {
            capacity.checked_sub(own.wrapping_sub(other))
        } else {
            Some(other.wrapping_sub(own)).filter(|&items| items <= capacity)
        };
        let ready = ready.ok_or(Corrupt::Counts)?;
        let end = self.slots_end();
        let mut next = side.next.load(Relaxed);
        if next >= end {
            next = self.slots_start();
            side.next.store(next, Relaxed);
        }
        let row = (ready * self.plan.elem_size).min(end - next);
        side.stop.store(next + row, Relaxed);
        Ok(ready)
    }

    /// Moves this side on by `count` elements, no more than the capacity, and tells
    /// the other: the linearisation point of every operation.
    #[inline]
    fn advance<const SIDE: bool>(&self, side: &SpscSide, count: u64) {
        let next = side.next.load(Relaxed) + count * self.plan.elem_size;
        let end = self.slots_end();
        if next > end {
            // A bulk in two parts: the slots in a row are others now.
            let next = next - self.plan.slot_bytes;
            side.stop.store(next, Relaxed);
            side.next.store(next, Relaxed);
        } else {
            side.next.store(next, Relaxed);
        }
        let (own, _) = self.ends::<SIDE>();
        let moved = own.count.load(Relaxed).wrapping_add(count);
        // Release: the slots are filled, or read, before the other side sees the count.
        own.count.store(moved, Release);
        // First published, then looked at the flag, for the compiler too; for the
        // processor, whoever sleeps there has seen to it (see `wait`).
        compiler_fence(SeqCst);
        own.waiters.wake();
    }

    /// Where `count` elements lie from `next` on: the offset, the bytes up to the end of
    /// the slots, and the bytes from their start.
    #[inline]
    fn parts(&self, side: &SpscSide, count: u64) -> (u64, u64, u64) {
        let offset = side.next.load(Relaxed).wrapping_sub(self.slots_start());
        let bytes = count * self.plan.elem_size;
        let first = bytes.min(self.plan.slot_bytes.saturating_sub(offset));
        (offset, first, bytes - first)
    }

    /// Appends copies of up to `count` elements; how many there was room for. All of
    /// those are published at once.
    ///
    /// # Safety
    ///
    /// `source` has `count` elements. The calling thread is the producer.
    #[inline]
    pub unsafe fn push(
        &self,
        side: &SpscSide,
        source: *const u8,
        count: u64,
    ) -> Result<u64, Corrupt> {
        let count = self.ready::<PRODUCER>(side, count)?;
        if count == 0 {
            return Ok(0);
        }
        let (offset, first, second) = self.parts(side, count);
        // SAFETY: `first + second` bytes are at most those of `count` elements; the consumer
        // has left these slots, and there is no other producer.
        let inside = unsafe {
            self.slots.write(offset, source, first)
                && (second == 0 || self.slots.write(0, source.add(first as usize), second))
        };
        if !inside {
            return Err(Corrupt::Geometry);
        }
        self.advance::<PRODUCER>(side, count);
        Ok(count)
    }

    /// Copies up to `count` of the oldest elements out, then takes them at once; how
    /// many there were.
    ///
    /// # Safety
    ///
    /// `target` has room for `count` elements. The calling thread is the consumer.
    #[inline]
    pub unsafe fn pop(&self, side: &SpscSide, target: *mut u8, count: u64) -> Result<u64, Corrupt> {
        let count = self.ready::<CONSUMER>(side, count)?;
        if count == 0 {
            return Ok(0);
        }
        let (offset, first, second) = self.parts(side, count);
        // SAFETY: as in `push`: the producer has filled these slots and does not touch them
        // before they are given back.
        let inside = unsafe {
            self.slots.read(offset, target, first)
                && (second == 0 || self.slots.read(0, target.add(first as usize), second))
        };
        if !inside {
            return Err(Corrupt::Geometry);
        }
        self.advance::<CONSUMER>(side, count);
        Ok(count)
    }

    /// The oldest element in place, if there is one. It stays there until it is
    /// released or popped. The calling thread is the consumer.
    #[inline]
    pub fn front(&self, side: &SpscSide) -> Result<Option<NonNull<u8>>, Corrupt> {
        if self.ready::<CONSUMER>(side, 1)? == 0 {
            return Ok(None);
        }
        let (offset, bytes, _) = self.parts(side, 1);
        let slot = self.slots.part(offset, bytes).ok_or(Corrupt::Geometry)?;
        side.front.store(self.front_mark(), Relaxed);
        Ok(Some(slot.base()))
    }

    /// Takes the element that `front` gave; false if there is none. The calling thread
    /// is the consumer.
    #[inline]
    pub fn release(&self, side: &SpscSide) -> bool {
        if side.front.load(Relaxed) != self.front_mark() {
            return false;
        }
        self.advance::<CONSUMER>(side, 1);
        true
    }

    /// See [`SpscSide::front`]. Every pop changes it.
    #[inline]
    fn front_mark(&self) -> u64 {
        self.header.head.count.load(Relaxed).wrapping_add(1)
    }

    /// Number of elements, never above the capacity: exact while nobody operates.
    pub fn len(&self) -> u64 {
        // The head first: what moves in between can only make the length too large.
        let head = self.header.head.count.load(Acquire);
        let tail = self.header.tail.count.load(Acquire);
        tail.wrapping_sub(head).min(self.plan.capacity)
    }

    /// Whether there was nothing at one moment during the call.
    pub fn is_empty(&self) -> bool {
        // The head first: if the tail has the same value after, the head had it too then.
        let head = self.header.head.count.load(Acquire);
        self.header.tail.count.load(Acquire) == head
    }

    /// Whether there was no room at one moment during the call.
    pub fn is_full(&self) -> bool {
        // The tail first, for the same reason.
        let tail = self.header.tail.count.load(Acquire);
        let head = self.header.head.count.load(Acquire);
        tail.wrapping_sub(head) >= self.plan.capacity
    }
}
