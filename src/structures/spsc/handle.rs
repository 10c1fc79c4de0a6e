//! An open SPSC queue: the ring, this process's roles in it, and waiting.

use super::view::{SpscSide, SpscView};
use super::{Corrupt, Plan, PlanError, Ring, Role};
use crate::error::{Error, Result};
use crate::raw::Region;
use crate::segment::fork::{self, Inherited};
use crate::segment::{Owner, Segment};
use crate::structures::{
    End, Extent, Handle, Standing, Structure, expect, expect_kind, role, validate_elements,
};
use crate::table::{Found, Key, Kind};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::ffi::{CStr, CString};
use std::sync::Arc;

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

/// An open SPSC queue.
///
/// One thread at a time pushes through a handle, and one at a time pops; they may be
/// the same, and another may follow when the one before happens-before it.
// The view first: `shmds_inline.h` finds it at the handle's address. Aligned so that
// its sides have lines of their own, and are no pair of neighbours.
#[repr(C, align(128))]
pub struct SpscQueue {
    view: SpscView,
    ring: Ring,
    name: CString,
    segment: NonNull<Segment>,
    /// Whether forks clear the sides; changed under the process lock.
    watched: AtomicBool,
    standing: Standing,
}

// SAFETY: the view's pointers, like the ring, point into the segment's mapping, and the
// segment outlives its handles (`Attachment` drops it last). Everything
// that changes is atomic.
unsafe impl Send for SpscQueue {}
// SAFETY: as above.
unsafe impl Sync for SpscQueue {}

impl SpscQueue {
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

    fn side(&self, role: Role) -> &SpscSide {
        match role {
            Role::Producer => &self.view.producer,
            Role::Consumer => &self.view.consumer,
        }
    }

    fn owner(&self, role: Role) -> &AtomicU64 {
        match role {
            Role::Producer => &self.ring.header().producer,
            Role::Consumer => &self.ring.header().consumer,
        }
    }

    /// The segment, if it still is attached.
    fn open_segment(&self) -> Result<&Segment> {
        self.standing.check(&self.name)?;
        Ok(self.segment())
    }

    /// Gives the roles up that this process holds, and refuses calls from now on. No thread
    /// is inside.
    pub fn close(&self, end: End) {
        if !self.standing.end(end) {
            return;
        }
        self.leave_roles();
        let process = fork::lock_process();
        if self.watched.load(Ordering::Relaxed) {
            fork::unwatch(&process, self.inherited());
        }
    }

    /// Whether this process, in this attachment, holds the role.
    #[inline]
    fn holds(&self, side: &SpscSide) -> bool {
        // A forked child has another epoch than its parent: what it inherited is not its own.
        side.epoch.load(Ordering::Relaxed) == u64::from(fork::epoch())
    }

    /// The role's side, once the role is ours.
    #[inline]
    fn enter(&self, role: Role) -> Result<&SpscSide> {
        if self.held(role).is_none() {
            self.take(role, self.side(role))?;
        }
        Ok(self.side(role))
    }

    /// The role's side, if the role is ours, and the queue is there.
    #[inline]
    fn held(&self, role: Role) -> Option<&SpscSide> {
        let side = self.side(role);
        // Held: so the handle is open, and what is left to ask is the table.
        (self.holds(side) && !self.standing.is_lost()).then_some(side)
    }

    /// Takes a role that nobody has, or whose holder is dead.
    #[cold]
    fn take(&self, role: Role, side: &SpscSide) -> Result<()> {
        let me = self
            .open_segment()?
            .me()
            .map_err(|error| self.about_the_queue(error))?;
        role::take(
            self.segment(),
            me,
            self.owner(role),
            &self.name,
            role.name(),
        )?;
        self.watch_forks();
        if let Err(corrupt) = self.ring.resume(role, side) {
            self.give_up(role, me);
            return Err(self.damaged(corrupt));
        }
        side.epoch
            .store(u64::from(fork::epoch()), Ordering::Relaxed);
        Ok(())
    }

    /// The fast path does not look at the fork epoch: a fork closes the sides.
    fn watch_forks(&self) {
        let process = fork::lock_process();
        if !self.watched.swap(true, Ordering::Relaxed) {
            // SAFETY: counted and never moved (see `into_handle`); `drop` ends it.
            unsafe { fork::watch(&process, self.inherited()) };
        }
    }

    fn inherited(&self) -> NonNull<dyn Inherited> {
        NonNull::from(self as &dyn Inherited)
    }

    fn give_up(&self, role: Role, me: Owner) {
        role::give_up(self.owner(role), me);
    }

    /// Gives up the roles that this attachment holds. No thread is inside.
    pub fn leave(&self) {
        if self.open_segment().is_ok() {
            self.leave_roles();
        }
    }

    fn leave_roles(&self) {
        for role in [Role::Producer, Role::Consumer] {
            let side = self.side(role);
            if !self.holds(side) {
                continue; // A parent's roles stay the parent's.
            }
            side.forget();
            if let Ok(me) = self.segment().me() {
                self.give_up(role, me);
            }
        }
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

    /// Appends copies of as many elements as there is room for; how many. They are
    /// published at once.
    ///
    /// # Safety
    ///
    /// `elements` has `count` elements. No other thread pushes meanwhile.
    #[inline]
    pub unsafe fn push_bulk(&self, elements: *const u8, count: u64) -> Result<u64> {
        let side = self.enter(Role::Producer)?;
        // SAFETY: we hold the role, and the caller vouches for the rest.
        let pushed = unsafe { self.ring.push(side, elements, count) };
        pushed.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Takes as many of the oldest elements as there are, at most `count`; how many.
    ///
    /// # Safety
    ///
    /// `elements` has room for `count` elements. No other thread pops meanwhile.
    #[inline]
    pub unsafe fn pop_bulk(&self, elements: *mut u8, count: u64) -> Result<u64> {
        let side = self.enter(Role::Consumer)?;
        // SAFETY: we hold the role, and the caller vouches for the rest.
        let popped = unsafe { self.ring.pop(side, elements, count) };
        popped.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Appends a copy of one element; false when the queue is full.
    ///
    /// # Safety
    ///
    /// As for [`SpscQueue::push_bulk`], for one element.
    #[inline]
    pub unsafe fn push(&self, element: *const u8) -> Result<bool> {
        let side = self.enter(Role::Producer)?;
        // SAFETY: we hold the role, and the caller vouches for the rest.
        let pushed = unsafe { self.ring.push_one(side, element) };
        pushed.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Takes the oldest element; false when the queue is empty.
    ///
    /// # Safety
    ///
    /// As for [`SpscQueue::pop_bulk`], for one element.
    #[inline]
    pub unsafe fn pop(&self, element: *mut u8) -> Result<bool> {
        let side = self.enter(Role::Consumer)?;
        // SAFETY: we hold the role, and the caller vouches for the rest.
        let popped = unsafe { self.ring.pop_one(side, element) };
        popped.map_err(|corrupt| self.damaged(corrupt))
    }

    /// `push`, as far as it goes without an error: `None` if nothing was done.
    ///
    /// # Safety
    ///
    /// As for [`SpscQueue::push`].
    #[inline(always)]
    pub unsafe fn push_at_once(&self, element: *const u8) -> Option<bool> {
        let side = self.held(Role::Producer)?;
        // SAFETY: we hold the role, and the caller vouches for the rest.
        unsafe { self.ring.push_one(side, element) }.ok()
    }

    /// `pop`, as far as it goes without an error: `None` if nothing was done.
    ///
    /// # Safety
    ///
    /// As for [`SpscQueue::pop`].
    #[inline(always)]
    pub unsafe fn pop_at_once(&self, element: *mut u8) -> Option<bool> {
        let side = self.held(Role::Consumer)?;
        // SAFETY: as in `push_at_once`.
        unsafe { self.ring.pop_one(side, element) }.ok()
    }

    /// Address of the oldest element, if there is one.
    #[inline]
    pub fn front(&self) -> Result<Option<NonNull<u8>>> {
        let side = self.enter(Role::Consumer)?;
        self.ring
            .front(side)
            .map_err(|corrupt| self.damaged(corrupt))
    }

    /// Takes the element that [`SpscQueue::front`] gave.
    #[inline]
    pub fn release(&self) -> Result<()> {
        let side = self.side(Role::Consumer);
        if self.holds(side) && self.ring.release(side) {
            return Ok(());
        }
        self.open_segment()?;
        Err(Error::State {
            name: self.text(),
            rule: "nothing at its front was looked at; expected a front before each release",
        })
    }

    /// Appends a copy of one element, waiting for room for at most `timeout`
    /// nanoseconds ([`u64::MAX`]: for ever); false when the time has passed.
    ///
    /// # Safety
    ///
    /// As for [`SpscQueue::push`].
    pub unsafe fn push_wait(&self, element: *const u8, timeout: u64) -> Result<bool> {
        // SAFETY: as promised to us.
        let attempt = || unsafe { self.push(element) };
        self.open_segment()?;
        self.ring
            .header()
            .head
            .waiters
            .wait_for_store(timeout, attempt)
    }

    /// Takes the oldest element, waiting for one for at most `timeout` nanoseconds
    /// ([`u64::MAX`]: for ever); false when the time has passed.
    ///
    /// # Safety
    ///
    /// As for [`SpscQueue::pop`].
    pub unsafe fn pop_wait(&self, element: *mut u8, timeout: u64) -> Result<bool> {
        // SAFETY: as promised to us.
        let attempt = || unsafe { self.pop(element) };
        self.open_segment()?;
        self.ring
            .header()
            .tail
            .waiters
            .wait_for_store(timeout, attempt)
    }

    /// Wakes whoever sleeps at the queue, for a publisher outside of this module.
    pub fn wake(&self) -> Result<()> {
        let segment = self.open_segment()?;
        if segment.is_read_only() {
            return Err(self.about_the_queue(segment.read_only_error("")));
        }
        self.ring.header().tail.waiters.wake();
        self.ring.header().head.waiters.wake();
        Ok(())
    }

    /// Number of elements: exact while nobody operates, never above the capacity.
    pub fn len(&self) -> u64 {
        self.open_segment().map_or(0, |_| self.ring.len())
    }

    /// Whether there was nothing at one moment during the call.
    pub fn is_empty(&self) -> bool {
        self.open_segment().is_err() || self.ring.is_empty()
    }

    /// Whether there was no room at one moment during the call.
    pub fn is_full(&self) -> bool {
        self.open_segment().is_ok() && self.ring.is_full()
    }

    /// Elements that the queue holds when full.
    pub fn capacity(&self) -> u64 {
        self.ring.plan().capacity
    }

    /// Bytes of an element.
    pub fn elem_size(&self) -> u64 {
        self.ring.plan().elem_size
    }

    /// The queue's name, cut to what the table holds.
    pub fn name(&self) -> &CStr {
        &self.name
    }
}

// SAFETY: stores to the sides only.
unsafe impl Inherited for SpscQueue {
    fn forget(&self) {
        for role in [Role::Producer, Role::Consumer] {
            self.side(role).forget();
        }
    }
}

impl Drop for SpscQueue {
    fn drop(&mut self) {
        self.close(End::Closed);
    }
}

fn damaged(name: &str, corrupt: Corrupt) -> Error {
    let what = match corrupt {
        Corrupt::Geometry => "the queue's header",
        Corrupt::Positions => "the position of an end of the queue",
    };
    Error::corrupt(name, what)
}

/// The layout of a queue with these parameters.
fn plan(segment: &Segment, name: &Key, params: &Params) -> Result<Plan> {
    let elem_align = params.elem_align.max(1);
    match Plan::new(params.elem_size, elem_align, params.capacity) {
        Ok(plan) => Ok(plan),
        Err(PlanError::Capacity) => Err(Error::Capacity {
            name: name.text(),
            found: params.capacity,
            expected: "at least 1 to create a queue",
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

/// The view of a ring, none of its sides held.
fn view(ring: &Ring) -> SpscView {
    let plan = ring.plan();
    SpscView {
        slots: ring.slots().as_ptr(),
        index_mask: plan.lap - 1,
        last_index: plan.capacity - 1,
        lap: plan.lap,
        elem_size: plan.elem_size,
        reserved: [0; 11],
        producer: SpscSide::not_held(),
        consumer: SpscSide::not_held(),
    }
}

impl Structure for SpscQueue {
    type Params = Params;
    const KIND: Kind = Kind::SpscQueue;

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
        let plan = plan(segment, name, params)?;
        Ok(Extent {
            elem_size: params.elem_size,
            num_elem: params.capacity,
            size: plan.size,
            align: plan.align,
        })
    }

    fn init(segment: &Segment, name: &Key, region: Region, params: &Params) -> Result<()> {
        let plan = plan(segment, name, params)?;
        super::init(region, &plan).map_err(|corrupt| damaged(&name.text(), corrupt))
    }

    fn open(segment: &Segment, name: &Key, found: &Found, params: &Params) -> Result<Self> {
        expect_kind(name, Kind::SpscQueue, found.kind)?;
        let extent = segment.heap().part(found.offset, found.size);
        let extent =
            extent.ok_or_else(|| Error::corrupt(&name.text(), "the extent in the table"))?;
        let ring = super::open(extent).map_err(|corrupt| damaged(&name.text(), corrupt))?;
        let queue = Self {
            view: view(&ring),
            ring,
            name: name.to_c(),
            segment: NonNull::from(segment),
            watched: AtomicBool::new(false),
            standing: Standing::new(segment, found),
        };
        queue.check(name, params)?;
        Ok(queue)
    }

    fn check(&self, name: &Key, params: &Params) -> Result<()> {
        let plan = self.ring.plan();
        expect(name, "element size", params.elem_size, plan.elem_size)?;
        if params.elem_align > plan.align {
            expect(name, "alignment", params.elem_align, plan.elem_align)?;
        }
        if params.capacity == 0 {
            return Ok(());
        }
        expect(name, "capacity", params.capacity, plan.capacity)
    }

    fn into_handle(self) -> Handle {
        Handle::SpscQueue(Arc::new(self))
    }

    fn from_handle(handle: &Handle) -> Option<&Self> {
        match handle {
            Handle::SpscQueue(queue) => Some(queue),
            _ => None,
        }
    }
}
