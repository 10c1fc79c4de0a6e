//! An open queue: the ring, and the lanes through which this process uses it.

use super::lanes::{LaneGuard, Lanes, Pin};
use super::ring::{HEAD, TAIL};
use super::view::{Pass, QueueView};
use super::{Corrupt, Outcome, Plan, PlanError, Ring, RingParams};
use crate::error::{Error, Result};
use crate::raw::Region;
use crate::segment::fork::{self, Inherited};
use crate::segment::{Owner, Segment};
use crate::structures::key::{self, NO_KEY};
use crate::structures::placed::Placed;
use crate::structures::wait::{Deadline, Publishing, WaitWord};
use crate::structures::{
    End, Extent, Handle, Standing, Structure, expect, expect_kind, validate_elements,
};
use crate::table::{Found, Key, Kind};
use core::ptr::NonNull;
use std::ffi::{CStr, CString};

/// What a queue's creator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes of an element.
    pub elem_size: u64,
    /// Alignment of an element; 0: whatever its size and a 64-byte line give.
    pub elem_align: u64,
    /// Elements that it holds when full; to open, 0 accepts any.
    pub capacity: u64,
}

/// What a queue has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Elements that ever went in.
    pub enqueued: u64,
    /// Elements that ever came out.
    pub dequeued: u64,
    /// Operations that found it full, or empty.
    pub refused: u64,
    /// Number of lanes.
    pub lanes: u64,
    /// Lanes that living processes hold.
    pub lanes_in_use: u64,
}

/// A slot that is held across calls: reserved to build an element in, or taken
/// with one. It pins its lane, by its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Id of the queue's handle; 0 once the slot was given back.
    pub queue: u64,
    /// Never used twice in a process.
    pub stamp: u64,
    /// Fork epoch of the process that holds it.
    pub epoch: u32,
    /// Where the element lies.
    pub address: NonNull<u8>,
}

/// How an operation of the ring ended.
type RingResult<T = Outcome> = core::result::Result<T, Corrupt>;

/// An open queue.
#[repr(C)]
pub struct Queue {
    view: QueueView,
    name: CString,
    ring: Ring,
    lanes: Lanes,
    segment: NonNull<Segment>,
    standing: Standing,
}

// SAFETY: the segment outlives its handles (`Attachment` drops it last), and both
// are made for use by many threads.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    fn segment(&self) -> &Segment {
        // SAFETY: the segment outlives its handles.
        unsafe { self.segment.as_ref() }
    }

    fn text(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    #[cold]
    fn damaged(&self, corrupt: Corrupt) -> Error {
        damaged(&self.text(), corrupt)
    }

    /// Appends a copy of one element; false when the queue is full.
    ///
    /// # Safety
    ///
    /// `element` has as many readable bytes as an element.
    #[inline]
    pub unsafe fn enqueue(&self, element: *const u8) -> Result<bool> {
        let lane = self.enter()?;
        // SAFETY: as promised to us.
        let done = unsafe { self.enqueue_on(&lane, element) };
        done.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Takes the oldest element out; false when the queue is empty.
    ///
    /// # Safety
    ///
    /// `element` has as many writable bytes as an element.
    #[inline]
    pub unsafe fn dequeue(&self, element: *mut u8) -> Result<bool> {
        let lane = self.enter()?;
        // SAFETY: as promised to us.
        let done = unsafe { self.dequeue_on(&lane, element) };
        done.map_err(|corrupt| self.damaged(corrupt))
    }

    /// `enqueue`, as far as it goes without an error: `None` if nothing was done.
    ///
    /// # Safety
    ///
    /// As for [`Queue::enqueue`].
    #[inline(always)]
    pub unsafe fn enqueue_at_once(&self, element: *const u8) -> Option<bool> {
        let lane = self.own_lane()?;
        // SAFETY: as promised to us.
        unsafe { self.enqueue_on(&lane, element) }.ok()
    }

    /// `dequeue`, as far as it goes without an error: `None` if nothing was done.
    ///
    /// # Safety
    ///
    /// As for [`Queue::dequeue`].
    #[inline(always)]
    pub unsafe fn dequeue_at_once(&self, element: *mut u8) -> Option<bool> {
        let lane = self.own_lane()?;
        // SAFETY: as promised to us.
        unsafe { self.dequeue_on(&lane, element) }.ok()
    }

    /// # Safety
    ///
    /// As for [`Queue::enqueue`].
    #[inline(always)]
    unsafe fn enqueue_on(&self, lane: &LaneGuard<'_>, element: *const u8) -> RingResult<bool> {
        // SAFETY: the guard makes the lane ours alone; the caller vouches for `element`.
        let outcome = unsafe { self.ring.enqueue(lane.lane, element) };
        self.count(lane.lane, self.items(), outcome)
    }

    /// # Safety
    ///
    /// As for [`Queue::dequeue`].
    #[inline(always)]
    unsafe fn dequeue_on(&self, lane: &LaneGuard<'_>, element: *mut u8) -> RingResult<bool> {
        // SAFETY: as in `enqueue_on`.
        let outcome = unsafe { self.ring.dequeue(lane.lane, element) };
        self.count(lane.lane, self.space(), outcome)
    }

    /// Whether an operation was done; wakes who sleeps until one like it is.
    #[inline]
    fn settle(&self, sleepers: &WaitWord, outcome: RingResult) -> RingResult<bool> {
        let done = outcome? == Outcome::Done;
        if done {
            sleepers.wake();
        }
        Ok(done)
    }

    /// The same, and counts a refusal.
    #[inline]
    fn count(&self, lane: usize, sleepers: &WaitWord, outcome: RingResult) -> RingResult<bool> {
        let done = self.settle(sleepers, outcome)?;
        if !done {
            self.ring.count_refusal(lane);
        }
        Ok(done)
    }

    /// Appends copies of up to `count` elements, in their order, though others may
    /// come in between; returns how many there was room for.
    ///
    /// # Safety
    ///
    /// `elements` has as many readable bytes as `count` elements.
    pub unsafe fn enqueue_bulk(&self, elements: *const u8, count: usize) -> Result<usize> {
        let lane = self.enter()?;
        self.each(count, |offset| {
            // SAFETY: `offset` is that of one of `count` elements.
            unsafe { self.enqueue_on(&lane, elements.add(offset)) }
        })
    }

    /// Takes up to `count` of the oldest elements out; returns how many there were.
    ///
    /// # Safety
    ///
    /// `elements` has as many writable bytes as `count` elements.
    pub unsafe fn dequeue_bulk(&self, elements: *mut u8, count: usize) -> Result<usize> {
        let lane = self.enter()?;
        self.each(count, |offset| {
            // SAFETY: as in `enqueue_bulk`.
            unsafe { self.dequeue_on(&lane, elements.add(offset)) }
        })
    }

    /// Does something for up to `count` elements, by their offsets in bytes, until it
    /// cannot be done; returns for how many it was. Trouble after the first is left to the
    /// next call, so that it is known how many elements have moved.
    fn each(&self, count: usize, operate: impl Fn(usize) -> RingResult<bool>) -> Result<usize> {
        let size = self.ring.elem_size() as usize;
        for done in 0..count {
            match operate(done * size) {
                Ok(true) => {}
                Err(corrupt) if done == 0 => return Err(self.damaged(corrupt)),
                _ => return Ok(done),
            }
        }
        Ok(count)
    }

    /// Appends a copy of one element, sleeping while the queue is full; false when
    /// the deadline passes first.
    ///
    /// # Safety
    ///
    /// As for [`Queue::enqueue`].
    pub unsafe fn enqueue_wait(&self, element: *const u8, deadline: Deadline) -> Result<bool> {
        self.wait::<TAIL>(deadline, |lane| {
            // SAFETY: the lane is ours alone; the caller vouches for `element`.
            let outcome = unsafe { self.ring.enqueue(lane, element) };
            let done = self.settle(self.items(), outcome);
            done.map_err(|corrupt| self.damaged(corrupt))
        })
    }

    /// Takes the oldest element out, sleeping while the queue is empty; false when
    /// the deadline passes first.
    ///
    /// # Safety
    ///
    /// As for [`Queue::dequeue`].
    pub unsafe fn dequeue_wait(&self, element: *mut u8, deadline: Deadline) -> Result<bool> {
        self.wait::<HEAD>(deadline, |lane| {
            // SAFETY: as in `enqueue_wait`.
            let outcome = unsafe { self.ring.dequeue(lane, element) };
            let done = self.settle(self.space(), outcome);
            done.map_err(|corrupt| self.damaged(corrupt))
        })
    }

    /// Tries on a lane until it is done, sleeping in between until the other side gets on;
    /// false when the deadline passes first, be it for want of a lane.
    fn wait<const SIDE: u64>(
        &self,
        deadline: Deadline,
        attempt: impl Fn(usize) -> Result<bool>,
    ) -> Result<bool> {
        self.open_segment()?;
        let try_once = || {
            let ended = match self.enter_until(Some(deadline)) {
                Ok(lane) => attempt(lane.lane),
                Err(Error::Busy { .. }) => Ok(false),
                Err(error) => Err(error),
            };
            (!matches!(ended, Ok(false))).then_some(ended)
        };
        // What is damaged is for the next attempt to say.
        let is_in_vain = || self.ring.await_exchange::<SIDE>() == Ok(false);
        let word = if SIDE == TAIL {
            self.space()
        } else {
            self.items()
        };
        let publishing = Publishing::ReadModifyWrite;
        let ended = word.wait_unless(publishing, deadline, try_once, is_in_vain);
        ended.unwrap_or(Ok(false))
    }

    /// A slot to build an element in, beside whatever this thread does meanwhile.
    /// To be published or abandoned.
    pub fn reserve(&self) -> Result<Pinned> {
        self.hold(self.pin(false)?)
    }

    /// Appends the element built in a reserved slot; false when the queue is full,
    /// and the slot stays reserved.
    pub fn publish(&self, slot: &Pinned) -> Result<bool> {
        let pin = self.redeem(slot, false)?;
        // SAFETY: the lane is pinned, and so nobody else's; the pin is redeemed once.
        let outcome = unsafe { self.ring.publish(pin.lane) };
        let done = self.count(pin.lane, self.items(), outcome);
        let done = done.map_err(|corrupt| self.damaged(corrupt));
        match done {
            Ok(true) => self.lanes.unpin(&self.ring, pin),
            _ => self.lanes.hold(pin),
        }
        done
    }

    /// Takes the oldest element out, to be read where it lies; `None` when the
    /// queue is empty. To be given back.
    pub fn take(&self) -> Result<Option<Pinned>> {
        let pin = self.pin(true)?;
        // SAFETY: the lane is pinned, and so nobody else's.
        let outcome = unsafe { self.ring.take(pin.lane) };
        let taken = self.count(pin.lane, self.space(), outcome);
        let taken = taken.map_err(|corrupt| self.damaged(corrupt));
        if matches!(taken, Ok(true)) {
            return self.hold(pin).map(Some);
        }
        self.lanes.unpin(&self.ring, pin);
        taken.map(|_| None)
    }

    /// Gives a reserved slot back unpublished, or one that was taken.
    pub fn give_back(&self, slot: &Pinned, taken: bool) -> Result<()> {
        let pin = self.redeem(slot, taken)?;
        self.lanes.unpin(&self.ring, pin);
        Ok(())
    }

    fn pin(&self, taken: bool) -> Result<Pin> {
        let segment = self.open_segment()?;
        let pin = self
            .lanes
            .pin(&self.view.key, &self.ring, segment, &self.name, taken);
        pin.map_err(|error| self.about_the_queue(error))
    }

    /// Hands a pinned lane's spare slot out.
    fn hold(&self, pin: Pin) -> Result<Pinned> {
        let address = match self.ring.spare(pin.lane) {
            Ok(address) => address,
            Err(corrupt) => {
                self.lanes.unpin(&self.ring, pin);
                return Err(self.damaged(corrupt));
            }
        };
        let slot = Pinned {
            queue: self.lanes.id(),
            stamp: pin.stamp,
            epoch: fork::epoch(),
            address,
        };
        self.lanes.hold(pin);
        Ok(slot)
    }

    /// The lane of a slot that is this queue's, of this process, and in the state called
    /// for. Once: a copy of the slot gets nothing more.
    fn redeem(&self, slot: &Pinned, taken: bool) -> Result<Pin> {
        self.open_segment()?;
        let rule = if slot.queue == 0 {
            "the slot was given back already, or never was one"
        } else if slot.queue != self.lanes.id() {
            "the slot is another queue's"
        } else if slot.epoch != fork::epoch() {
            "the slot is held by the process that this one was forked from"
        } else if let Some(pin) = self.lanes.redeem(slot.stamp, taken) {
            return Ok(pin);
        } else if !self.lanes.holds(slot.stamp) {
            "the slot was given back already"
        } else if taken {
            "the slot was reserved, not taken"
        } else {
            "the slot was taken, not reserved"
        };
        Err(Error::State {
            name: self.text(),
            rule,
        })
    }

    /// Wakes whoever sleeps until an element comes, or until there is room.
    pub fn wake(&self) -> Result<()> {
        let segment = self.open_segment()?;
        if segment.is_read_only() {
            return Err(self.about_the_queue(segment.read_only_error("")));
        }
        self.items().wake();
        self.space().wake();
        Ok(())
    }

    /// The pass for this thread's own lane, if it can have one.
    pub fn pass(&self) -> Result<Option<Pass>> {
        let obtained = self
            .lanes
            .obtain_lane(&self.view.key, &self.ring, self.open_segment()?);
        let obtained = obtained.map_err(|error| self.about_the_queue(error))?;
        let pass = |(key, lane)| {
            if key == NO_KEY {
                return None;
            }
            let record = self.ring.record(lane)?;
            let parts = self.view.parts;
            Some(Pass { key, record, parts })
        };
        Ok(obtained.and_then(pass))
    }

    /// What has happened to the queue so far.
    pub fn statistics(&self) -> Result<Statistics> {
        let positions = self
            .open_ring()?
            .passed()
            .map_err(|corrupt| self.damaged(corrupt))?;
        let is_alive = |owner| owner != 0 && !self.segment().is_dead(Owner(owner));
        Ok(Statistics {
            enqueued: positions.1,
            dequeued: positions.0,
            refused: self.ring.refusals(),
            lanes: self.ring.lanes() as u64,
            lanes_in_use: self.ring.owners().filter(|&owner| is_alive(owner)).count() as u64,
        })
    }

    /// Where consumers sleep.
    #[inline]
    fn items(&self) -> &WaitWord {
        &self.ring.header().ends.items
    }

    /// Where producers sleep.
    #[inline]
    fn space(&self) -> &WaitWord {
        &self.ring.header().ends.space
    }

    #[inline]
    fn enter(&self) -> Result<LaneGuard<'_>> {
        self.enter_until(None)
    }

    /// See [`Lanes::enter`].
    #[inline]
    fn enter_until(&self, limit: Option<Deadline>) -> Result<LaneGuard<'_>> {
        match self.own_lane() {
            Some(guard) => Ok(guard),
            None => self.enter_slowly(limit),
        }
    }

    /// The lane that this thread remembers, if the queue is there.
    #[inline]
    fn own_lane(&self) -> Option<LaneGuard<'_>> {
        // Remembered: so the handle is open, and what is left to ask is the table.
        let lane = self.lanes.own_lane(&self.view.key)?;
        (!self.standing.is_lost()).then_some(lane)
    }

    #[cold]
    fn enter_slowly(&self, limit: Option<Deadline>) -> Result<LaneGuard<'_>> {
        let segment = self.open_segment()?;
        let lane = self
            .lanes
            .enter(&self.view.key, &self.ring, segment, &self.name, limit);
        lane.map_err(|error| self.about_the_queue(error))
    }

    /// The segment, if it still is attached.
    fn open_segment(&self) -> Result<&Segment> {
        self.standing.check(&self.name)?;
        Ok(self.segment())
    }

    /// The ring, if it still is mapped.
    fn open_ring(&self) -> Result<&Ring> {
        self.open_segment()?;
        Ok(&self.ring)
    }

    /// Gives everything back that this process holds of the queue, and refuses calls from
    /// now on. No thread is inside.
    pub fn close(&self, end: End) {
        if !self.standing.end(end) {
            return;
        }
        let process = fork::lock_process();
        fork::unwatch(&process, NonNull::from(self as &dyn Inherited));
        drop(process);
        self.lanes.leave(&self.ring);
        // Whatever threads remember of it is void.
        self.forget();
    }

    /// The attachment's refusal, as one of this queue.
    #[cold]
    fn about_the_queue(&self, error: Error) -> Error {
        match error {
            Error::ReadOnly { .. } => Error::ReadOnly {
                name: self.text(),
                what: "an operation on a queue",
            },
            error => error,
        }
    }

    /// Number of elements: exact while nobody operates, never above the capacity.
    pub fn len(&self) -> Result<u64> {
        self.open_ring()?
            .len()
            .map_err(|corrupt| self.damaged(corrupt))
    }

    /// Whether a dequeue would find nothing.
    pub fn is_empty(&self) -> Result<bool> {
        self.open_ring()?
            .is_empty()
            .map_err(|corrupt| self.damaged(corrupt))
    }

    /// Whether an enqueue would find no room.
    pub fn is_full(&self) -> Result<bool> {
        self.open_ring()?
            .is_full()
            .map_err(|corrupt| self.damaged(corrupt))
    }

    /// Elements that the queue holds when full.
    pub fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// Bytes of an element.
    pub fn elem_size(&self) -> u64 {
        self.ring.elem_size()
    }

    /// Address of the payload slots.
    pub fn slots(&self) -> Option<NonNull<u8>> {
        self.ring.slots_address()
    }

    /// What inline code needs to know of it: the start of this very handle.
    pub fn view(&self) -> &QueueView {
        &self.view
    }

    /// The queue's name, cut to what the table holds.
    pub fn name(&self) -> &CStr {
        &self.name
    }
}

// SAFETY: touches atomics only.
unsafe impl Inherited for Queue {
    fn forget(&self) {
        // What threads of the parent remember, the child's one included, is void here.
        key::renew(&self.view.key);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close(End::Closed);
    }
}

fn damaged(name: &str, corrupt: Corrupt) -> Error {
    let what = match corrupt {
        Corrupt::Geometry => "the queue's header",
        Corrupt::Lane => "a lane of the queue",
        Corrupt::Slot => "a slot number in the queue",
        Corrupt::Laps => "the lap of a word of the queue",
        Corrupt::Ownership => "the ownership of a slot of the queue",
    };
    Error::corrupt(name, what)
}

/// The layout of a queue with these parameters.
fn plan(segment: &Segment, name: &Key, params: &Params) -> Result<(RingParams, Plan)> {
    let ring = RingParams {
        elem_size: params.elem_size,
        elem_align: params.elem_align.max(1),
        capacity: params.capacity,
        lanes_home: segment.geometry().max_attachments as u32,
    };
    match Plan::new(&ring) {
        Ok(plan) => Ok((ring, plan)),
        Err(PlanError::Capacity) => Err(Error::Capacity {
            name: name.text(),
            found: params.capacity,
            expected: "1 to 2^31 less the number of lanes to create a queue",
        }),
        Err(PlanError::Element) => Err(Error::Alignment {
            name: name.text(),
            found: params.elem_align,
        }),
        // The elements alone do not overflow (see `validate`), but no segment has that much.
        Err(PlanError::Overflow) => Err(Error::SegmentFull {
            name: name.text(),
            segment: segment.name().to_owned(),
            needed: params.elem_size.saturating_mul(params.capacity),
            available: segment.geometry().size,
        }),
    }
}

impl Structure for Queue {
    type Params = Params;
    const KIND: Kind = Kind::Queue;

    fn validate(name: &Key, params: &Params) -> Result<()> {
        validate_elements(name, params.elem_size, params.elem_align, params.capacity)?;
        if params.elem_size % params.elem_align.max(1) != 0 {
            return Err(Error::Alignment {
                name: name.text(),
                found: params.elem_align,
            });
        }
        Ok(())
    }

    fn plan(segment: &Segment, name: &Key, params: &Params) -> Result<Extent> {
        let (_, plan) = plan(segment, name, params)?;
        Ok(Extent {
            elem_size: params.elem_size,
            num_elem: params.capacity,
            size: plan.size,
            align: plan.align,
        })
    }

    fn init(segment: &Segment, name: &Key, region: Region, params: &Params) -> Result<()> {
        let (ring, _) = plan(segment, name, params)?;
        super::init(region, &ring).map_err(|corrupt| damaged(&name.text(), corrupt))
    }

    fn open(segment: &Segment, name: &Key, found: &Found, params: &Params) -> Result<Self> {
        expect_kind(name, Kind::Queue, found.kind)?;
        let extent = segment.heap().part(found.offset, found.size);
        let extent =
            extent.ok_or_else(|| Error::corrupt(&name.text(), "the extent in the table"))?;
        let ring = super::open(extent).map_err(|corrupt| damaged(&name.text(), corrupt))?;
        // Home lanes are numbered as attachment slots are: as many, or none.
        let slots = segment.geometry().max_attachments as usize;
        if !ring.shared_lanes_only() && ring.home_lanes() != slots {
            return Err(damaged(&name.text(), Corrupt::Geometry));
        }
        let lanes = Lanes::new();
        let view = QueueView::new(&ring);
        let queue = Self {
            view: view.ok_or_else(|| damaged(&name.text(), Corrupt::Geometry))?,
            name: name.to_c(),
            ring,
            lanes,
            segment: NonNull::from(segment),
            standing: Standing::new(segment, found),
        };
        queue.check(name, params)?;
        Ok(queue)
    }

    fn check(&self, name: &Key, params: &Params) -> Result<()> {
        expect(name, "element size", params.elem_size, self.elem_size())?;
        if params.elem_align > self.ring.plan().align {
            expect(name, "alignment", params.elem_align, self.ring.elem_align())?;
        }
        if params.capacity == 0 {
            return Ok(());
        }
        expect(name, "capacity", params.capacity, self.capacity())
    }

    fn into_handle(self) -> Handle {
        // Queues opened one after the other have places of their own in what threads remember.
        let place = self.lanes.id() as usize;
        let queue = Placed::new(self, place);
        queue.lanes.opened(&queue.view.key);
        let process = fork::lock_process();
        // SAFETY: never moved; `drop` ends it.
        unsafe { fork::watch(&process, NonNull::from(&*queue as &dyn Inherited)) };
        drop(process);
        Handle::Queue(queue)
    }

    fn from_handle(handle: &Handle) -> Option<&Self> {
        match handle {
            Handle::Queue(queue) => Some(queue),
            _ => None,
        }
    }
}
