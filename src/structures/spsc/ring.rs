//! The operations of either side, for whoever holds its role.

use super::layout::{Header, Plan};
use super::{Corrupt, Role, SpscSide};
use crate::raw::{Ref, Region};
use crate::structures::wait::WaitWord;
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

    /// The slots.
    pub fn slots(&self) -> Region {
        self.slots
    }

    /// Goes on where the side's last holder stopped: the only division there is.
    pub fn resume(&self, role: Role, side: &SpscSide) -> Result<(), Corrupt> {
        // Acquire: whoever stored the other side's count is done with those slots. The
        // own count came with the role.
        let tail = self.header.tail.load(Acquire);
        let head = self.header.head.load(Acquire);
        // The other side may go on meanwhile, but never beyond this distance: a consumer's
        // `head` and a producer's `tail` stand still until the role is taken.
        let position = match role {
            Role::Producer => tail,
            Role::Consumer => head,
        };
        let index = position % self.plan.capacity;
        side.position.store(position, Relaxed);
        side.limit.store(position, Relaxed);
        side.offset.store(index * self.plan.elem_size, Relaxed);
        side.front.store(0, Relaxed);
        match role {
            Role::Producer => self.look::<PRODUCER>(side)?,
            Role::Consumer => self.look::<CONSUMER>(side)?,
        };
        Ok(())
    }

    /// How many elements this side can move without waiting for the other, as far as
    /// `wanted`: then it does not look at the other's line.
    #[inline]
    fn ready<const SIDE: bool>(&self, side: &SpscSide, wanted: u64) -> Result<u64, Corrupt> {
        let position = side.position.load(Relaxed);
        let ready = side.limit.load(Relaxed).wrapping_sub(position);
        let ready = if ready >= wanted {
            ready
        } else {
            self.look::<SIDE>(side)?
        };
        Ok(ready.min(wanted).min(self.plan.capacity))
    }

    /// Looks how far the other side has come; how many elements can be moved.
    #[inline]
    fn look<const SIDE: bool>(&self, side: &SpscSide) -> Result<u64, Corrupt> {
        let position = side.position.load(Relaxed);
        // Acquire: pairs with the Release in `advance`. The other side is done with the
        // slots before its count: filled them, or read them.
        let ready = if SIDE == PRODUCER {
            let used = position.wrapping_sub(self.header.head.load(Acquire));
            let room = self.plan.capacity.checked_sub(used);
            room.ok_or(Corrupt::Counts)?
        } else {
            let items = self.header.tail.load(Acquire).wrapping_sub(position);
            if items > self.plan.capacity {
                return Err(Corrupt::Counts);
            }
            items
        };
        side.limit.store(position.wrapping_add(ready), Relaxed);
        Ok(ready)
    }

    /// Moves this side on by `count` elements, no more than the capacity, and tells
    /// the other: the linearisation point of every operation.
    #[inline]
    fn advance(&self, side: &SpscSide, count: u64, published: &AtomicU64, sleepers: &WaitWord) {
        let end = side.offset.load(Relaxed) + count * self.plan.elem_size;
        let wrapped = end.checked_sub(self.plan.slot_bytes).unwrap_or(end);
        side.offset.store(wrapped, Relaxed);
        let position = side.position.load(Relaxed).wrapping_add(count);
        side.position.store(position, Relaxed);
        // Release: the slots are filled, or read, before the other side sees the count.
        published.store(position, Release);
        // Published, then looked at the flag, in this order for the compiler too; for
        // the processor, whoever sleeps there has made it so (see `wait`).
        compiler_fence(SeqCst);
        sleepers.wake();
    }

    /// Where `count` elements lie from this side's position on: bytes up to the end of
    /// the slots, and bytes from their start.
    #[inline]
    fn parts(&self, side: &SpscSide, count: u64) -> (u64, u64, u64) {
        let offset = side.offset.load(Relaxed);
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
        self.advance(side, count, &self.header.tail, &self.header.items);
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
        self.advance(side, count, &self.header.head, &self.header.space);
        Ok(count)
    }

    /// The oldest element in place, if there is one. It stays there until it is
    /// released or popped. The calling thread is the consumer.
    #[inline]
    pub fn front(&self, side: &SpscSide) -> Result<Option<NonNull<u8>>, Corrupt> {
        if self.ready::<CONSUMER>(side, 1)? == 0 {
            return Ok(None);
        }
        let position = side.position.load(Relaxed);
        side.front.store(position.wrapping_add(1), Relaxed);
        let offset = side.offset.load(Relaxed);
        let slot = self.slots.part(offset, self.plan.elem_size);
        Ok(Some(slot.ok_or(Corrupt::Geometry)?.base()))
    }

    /// Takes the element that `front` gave; false if there is none. The calling thread
    /// is the consumer.
    #[inline]
    pub fn release(&self, side: &SpscSide) -> bool {
        let position = side.position.load(Relaxed);
        if side.front.load(Relaxed) != position.wrapping_add(1) {
            return false;
        }
        self.advance(side, 1, &self.header.head, &self.header.space);
        true
    }

    /// Number of elements, never above the capacity: exact while nobody operates.
    pub fn len(&self) -> u64 {
        // The head first: what moves in between can only make the length too large.
        let head = self.header.head.load(Acquire);
        let tail = self.header.tail.load(Acquire);
        tail.wrapping_sub(head).min(self.plan.capacity)
    }

    /// Whether there was nothing at one moment during the call.
    pub fn is_empty(&self) -> bool {
        // The head first: if the tail has the same value after, the head had it too then.
        let head = self.header.head.load(Acquire);
        self.header.tail.load(Acquire) == head
    }

    /// Whether there was no room at one moment during the call.
    pub fn is_full(&self) -> bool {
        // The tail first, for the same reason.
        let tail = self.header.tail.load(Acquire);
        tail.wrapping_sub(self.header.head.load(Acquire)) >= self.plan.capacity
    }
}
