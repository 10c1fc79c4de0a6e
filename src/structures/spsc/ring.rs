//! The operations of either side, for whoever holds its role.

use super::layout::{Header, Plan, SpscEnd};
use super::{Corrupt, Role, SpscSide};
use crate::fault::Fault;
use crate::raw::{Ref, Region};
use crate::structures::patience;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::{
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    compiler_fence,
};

/// For the `SIDE` parameters.
const PRODUCER: bool = true;
const CONSUMER: bool = false;

/// A [`SpscSide::look_limit`] before which there is nothing to be found.
const NO_LIMIT: u64 = 1;

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

    /// Address of the first slot.
    pub fn slots(&self) -> NonNull<u8> {
        self.slots.base()
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

    /// Goes on where the side's last holder stopped.
    pub fn resume(&self, role: Role, side: &SpscSide) -> Result<(), Corrupt> {
        let resumed = match role {
            Role::Producer => self.resume_side::<PRODUCER>(side),
            Role::Consumer => self.resume_side::<CONSUMER>(side),
        };
        if resumed.is_err() {
            side.forget();
        }
        resumed
    }

    fn resume_side<const SIDE: bool>(&self, side: &SpscSide) -> Result<(), Corrupt> {
        let (own, _) = self.ends::<SIDE>();
        side.front.store(0, Relaxed);
        side.look_limit.store(NO_LIMIT, Relaxed);
        // Relaxed: the position came with the role.
        let at = own.position.load(Relaxed);
        self.look::<SIDE>(side, at)?;
        side.at.store(at, Relaxed);
        // By way of the header: whoever stands there looks at the neighbour, too.
        let offset = match SIDE {
            PRODUCER => offset_of!(Header, tail),
            CONSUMER => offset_of!(Header, head),
        };
        let header = core::ptr::from_ref(self.header());
        side.stand_at(header.wrapping_byte_add(offset).cast());
        Ok(())
    }

    /// Where this side is, and the index there, if it can move an element for all it knows, and
    /// that is not the last one of its lap: without a look at the other's line.
    #[inline]
    fn known(&self, side: &SpscSide) -> Option<(u64, u64)> {
        let at = side.at.load(Relaxed);
        (at < side.stop.load(Relaxed)).then_some((at, at & (self.plan.lap - 1)))
    }

    /// Where this side is, and how many elements it can move, as far as `wanted`. For a
    /// single one it does not look at the other's line while it need not.
    #[inline]
    fn ready<const SIDE: bool>(&self, side: &SpscSide, wanted: u64) -> Result<(u64, u64), Corrupt> {
        if let (1, Some((at, _))) = (wanted, self.known(side)) {
            return Ok((at, 1));
        }
        let at = side.at.load(Relaxed);
        let mut ready = self.look::<SIDE>(side, at)?;
        let near = ready == 0 || ready < patience::WORDS && self.is_streaming(side);
        if near && self.catch_up::<SIDE>(side, at, ready) {
            ready = self.look::<SIDE>(side, at)?;
        }
        Ok((at, ready.min(wanted)))
    }

    /// Whether head starts pay for this side.
    #[inline]
    fn is_streaming(&self, side: &SpscSide) -> bool {
        side.look_limit.load(Relaxed) == 0
    }

    /// For a side that has caught up, or in a stream nearly: maybe a head start for the other
    /// one (see [`patience`]). Whether it should look again.
    #[cold]
    #[inline(never)]
    fn catch_up<const SIDE: bool>(&self, side: &SpscSide, at: u64, ready: u64) -> bool {
        let capacity = self.plan.capacity;
        if capacity < patience::LEAST_CAPACITY {
            return false;
        }
        let waited = patience::wait_at(&side.patience, at, |words| {
            let distance = self.distance(at, self.limit::<SIDE>());
            distance.is_some_and(|distance| distance >= ready + words)
        });
        let Some(paid) = waited else { return false };
        side.look_limit
            .store(if paid { 0 } else { self.lap_end(at) }, Relaxed);
        true
    }

    /// The position that this side has to stop at.
    #[inline]
    fn limit<const SIDE: bool>(&self) -> u64 {
        let (_, other) = self.ends::<SIDE>();
        // Acquire: pairs with the Release in `advance`. The other side is done with the
        // slots before its position: it has filled them, or read them.
        let other = other.position.load(Acquire);
        if SIDE == PRODUCER {
            other.wrapping_add(self.plan.lap)
        } else {
            other
        }
    }

    /// Looks how far the other side has come, and notes how far this one can go by now;
    /// how many elements that is.
    #[inline]
    fn look<const SIDE: bool>(&self, side: &SpscSide, at: u64) -> Result<u64, Corrupt> {
        let limit = self.limit::<SIDE>();
        if at < limit && limit < side.look_limit.load(Relaxed) {
            // In the lap that the side looked in before.
            side.stop.store(limit, Relaxed);
            return Ok(limit - at);
        }
        self.look_around(side, at, limit)
    }

    /// The same in any lap, for a side that has to stop at `limit`.
    #[inline(never)]
    fn look_around(&self, side: &SpscSide, at: u64, limit: u64) -> Result<u64, Corrupt> {
        let ready = self.distance(at, limit).ok_or(Corrupt::Positions)?;
        let index = at & (self.plan.lap - 1);
        let (lap, last) = (at - index, self.plan.capacity - 1);
        let slots = self.slots().as_ptr().expose_provenance() as u64;
        let before = lap.wrapping_mul(self.plan.elem_size);
        side.slots.store(slots.wrapping_sub(before), Relaxed);
        side.stop.store(lap + (index + ready).min(last), Relaxed);
        if !self.is_streaming(side) {
            side.look_limit.store(self.lap_end(at), Relaxed);
        }
        Ok(ready)
    }

    /// Nothing that was seen in a lap goes for the next one; which may be the first one again.
    #[inline]
    fn know_nothing(&self, side: &SpscSide) {
        side.stop.store(0, Relaxed);
        if !self.is_streaming(side) {
            side.look_limit.store(NO_LIMIT, Relaxed);
        }
    }

    /// What comes right behind the last position of a lap, for code in line.
    #[inline]
    fn lap_end(&self, at: u64) -> u64 {
        let lap = at & !(self.plan.lap - 1);
        // The very last lap may end where positions do.
        lap.wrapping_add(self.plan.capacity).max(NO_LIMIT)
    }

    /// Elements from one position to another, which is at most a lap further on; `None`
    /// if it is not.
    #[inline]
    fn distance(&self, from: u64, to: u64) -> Option<u64> {
        let (lap, capacity) = (self.plan.lap, self.plan.capacity);
        let (first, last) = (from & (lap - 1), to & (lap - 1));
        if first >= capacity || last >= capacity {
            return None;
        }
        match to.wrapping_sub(last).wrapping_sub(from - first) {
            0 => last.checked_sub(first),
            laps if laps == lap => Some(last + capacity - first).filter(|&far| far <= capacity),
            _ => None,
        }
    }

    /// The position `count` elements, at most the capacity, further on.
    #[inline]
    fn further(&self, at: u64, count: u64) -> u64 {
        let index = at & (self.plan.lap - 1);
        match (index + count).checked_sub(self.plan.capacity) {
            None => at + count,
            Some(beyond) => (at - index).wrapping_add(self.plan.lap) + beyond,
        }
    }

    /// Moves this side on by `count` elements, no more than the capacity, and tells
    /// the other: the linearisation point of every operation.
    #[inline]
    fn advance<const SIDE: bool>(&self, side: &SpscSide, at: u64, count: u64) {
        let next = self.further(at, count);
        if (at ^ next) >= self.plan.lap {
            self.know_nothing(side);
        }
        self.go_on_at::<SIDE>(side, next);
    }

    /// The same, with the next position known.
    #[inline]
    fn go_on_at<const SIDE: bool>(&self, side: &SpscSide, next: u64) {
        let (own, _) = self.ends::<SIDE>();
        side.at.store(next, Relaxed);
        // Release: the slots are filled, or read, before the other side sees the position.
        own.position.store(next, Release);
        // First published, then looked at the flag, for the compiler too; for the
        // processor, whoever sleeps there has seen to it (see `wait`).
        compiler_fence(SeqCst);
        own.waiters.wake();
    }

    /// Where `count` elements lie: the offset of the first, the bytes up to the end of
    /// the slots, and the bytes from their start. `None` for no position of ours.
    #[inline]
    fn parts(&self, at: u64, count: u64) -> Option<(u64, u64, u64)> {
        let index = at & (self.plan.lap - 1);
        // Neither product overflows: all slots together have no more bytes.
        let row = self.plan.capacity.checked_sub(index)?.min(count);
        let elem_size = self.plan.elem_size;
        let parts = (
            index * elem_size,
            row * elem_size,
            (count - row) * elem_size,
        );
        (row > 0).then_some(parts)
    }

    /// Appends a copy of a single element; false when there is no room.
    ///
    /// # Safety
    ///
    /// As for [`Ring::push`].
    #[inline]
    pub unsafe fn push_one(&self, side: &SpscSide, source: *const u8) -> Result<bool, Corrupt> {
        let elem_size = self.plan.elem_size;
        // SAFETY: as in `push`.
        let copy = |offset| unsafe { self.slots.write(offset, source, elem_size) };
        match self.move_one::<PRODUCER>(side, Fault::EarlyTail, copy)? {
            Some(pushed) => Ok(pushed),
            // SAFETY: as promised to us.
            None => Ok(unsafe { self.push(side, source, 1) }? == 1),
        }
    }

    /// Takes the oldest element; false when there is none.
    ///
    /// # Safety
    ///
    /// As for [`Ring::pop`].
    #[inline]
    pub unsafe fn pop_one(&self, side: &SpscSide, target: *mut u8) -> Result<bool, Corrupt> {
        let elem_size = self.plan.elem_size;
        // SAFETY: as in `pop`.
        let copy = |offset| unsafe { self.slots.read(offset, target, elem_size) };
        match self.move_one::<CONSUMER>(side, Fault::EarlyHead, copy)? {
            Some(popped) => Ok(popped),
            // SAFETY: as promised to us.
            None => Ok(unsafe { self.pop(side, target, 1) }? == 1),
        }
    }

    /// Moves a single element by `copy`, which takes the offset of its slot; false when this side
    /// has to stop. `None`, and nothing done: it is the last one of a lap, or the fault is planted,
    /// which only the way for many has.
    #[inline]
    fn move_one<const SIDE: bool>(
        &self,
        side: &SpscSide,
        fault: Fault,
        copy: impl FnOnce(u64) -> bool,
    ) -> Result<Option<bool>, Corrupt> {
        let known = match self.known(side) {
            None if self.ready::<SIDE>(side, 1)?.1 == 0 => return Ok(Some(false)),
            None => self.known(side),
            known => known,
        };
        let Some((at, index)) = known.filter(|_| !fault.is_planted()) else {
            return Ok(None);
        };
        if !copy(index * self.plan.elem_size) {
            return Err(Corrupt::Geometry);
        }
        self.go_on_at::<SIDE>(side, at + 1);
        Ok(Some(true))
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
        let (at, count) = self.ready::<PRODUCER>(side, count)?;
        if count == 0 {
            return Ok(0);
        }
        let (offset, first, second) = self.parts(at, count).ok_or(Corrupt::Positions)?;
        if Fault::EarlyTail.is_planted() {
            self.advance::<PRODUCER>(side, at, count);
        }
        // SAFETY: `first + second` bytes are at most those of `count` elements; the consumer
        // has left these slots, and there is no other producer.
        let inside = unsafe {
            self.slots.write(offset, source, first)
                && (second == 0 || self.slots.write(0, source.add(first as usize), second))
        };
        if !inside {
            return Err(Corrupt::Geometry);
        }
        if !Fault::EarlyTail.is_planted() {
            self.advance::<PRODUCER>(side, at, count);
        }
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
        let (at, count) = self.ready::<CONSUMER>(side, count)?;
        if count == 0 {
            return Ok(0);
        }
        let (offset, first, second) = self.parts(at, count).ok_or(Corrupt::Positions)?;
        if Fault::EarlyHead.is_planted() {
            self.advance::<CONSUMER>(side, at, count);
        }
        // SAFETY: as in `push`: the producer has filled these slots and does not touch them
        // before they are given back.
        let inside = unsafe {
            self.slots.read(offset, target, first)
                && (second == 0 || self.slots.read(0, target.add(first as usize), second))
        };
        if !inside {
            return Err(Corrupt::Geometry);
        }
        if !Fault::EarlyHead.is_planted() {
            self.advance::<CONSUMER>(side, at, count);
        }
        Ok(count)
    }

    /// The oldest element in place, if there is one. It stays there until it is
    /// released or popped. The calling thread is the consumer.
    #[inline]
    pub fn front(&self, side: &SpscSide) -> Result<Option<NonNull<u8>>, Corrupt> {
        let (at, count) = self.ready::<CONSUMER>(side, 1)?;
        if count == 0 {
            return Ok(None);
        }
        let (offset, bytes, _) = self.parts(at, 1).ok_or(Corrupt::Positions)?;
        let slot = self.slots.part(offset, bytes).ok_or(Corrupt::Geometry)?;
        side.front.store(at.wrapping_add(1), Relaxed);
        Ok(Some(slot.base()))
    }

    /// Takes the element that `front` gave; false if there is none. The calling thread
    /// is the consumer.
    #[inline]
    pub fn release(&self, side: &SpscSide) -> bool {
        // Every pop moves the position on from the mark.
        let at = side.at.load(Relaxed);
        let seen = side.front.load(Relaxed) == at.wrapping_add(1);
        if seen {
            self.advance::<CONSUMER>(side, at, 1);
        }
        seen
    }

    /// Number of elements, never above the capacity: exact while nobody operates.
    pub fn len(&self) -> u64 {
        // The head first: what moves in between can only make the length too large.
        let head = self.header.head.position.load(Acquire);
        let tail = self.header.tail.position.load(Acquire);
        self.distance(head, tail).unwrap_or(self.plan.capacity)
    }

    /// Whether there was nothing at one moment during the call.
    pub fn is_empty(&self) -> bool {
        // The head first: if the tail has the same value after, the head had it too then.
        let head = self.header.head.position.load(Acquire);
        self.header.tail.position.load(Acquire) == head
    }

    /// Whether there was no room at one moment during the call.
    pub fn is_full(&self) -> bool {
        // The tail first, for the same reason.
        let tail = self.header.tail.position.load(Acquire);
        let head = self.header.head.position.load(Acquire);
        tail.wrapping_sub(head) >= self.plan.lap
    }
}
