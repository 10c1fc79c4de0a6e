//! An open ring buffer: the ring, this process's roles in it where they are enforced,
//! and waiting.

use super::view::{RingSide, RingView};
use super::{Corrupt, ENFORCE_ROLES, Plan, PlanError, Ring, Role};
use crate::error::{Error, Result};
use crate::raw::Region;
use crate::segment::Segment;
use crate::segment::fork::{self, Inherited};
use crate::structures::placed::Placed;
use crate::structures::wait::WaitWord;
use crate::structures::{
    End, Extent, Handle, Standing, Structure, expect, expect_kind, role, validate_elements,
};
use crate::table::{Found, Key, Kind};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::ffi::{CStr, CString};

/// What a ring buffer's creator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes of an element.
    pub elem_size: u64,
    /// Alignment of an element; 0: whatever its size and a 64-byte line give.
    pub elem_align: u64,
    /// Number of slots; to open, 0 accepts any.
    pub capacity: u64,
    /// [`ENFORCE_ROLES`], or 0; an existing one keeps its own.
    pub flags: u64,
}

/// Where somebody who only looks has come to, in private memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observer {
    /// Position of the next element to read.
    pub cursor: u64,
    /// Elements that were overwritten before they were read.
    pub lost: u64,
}

/// An open ring buffer.
///
/// One thread at a time pushes, and one at a time pops, in whichever process: the program
/// sees to it. Any number observe.
// The view first: `shmds_inline.h` finds it at the handle's address. Aligned so that
// its sides have lines of their own, and are no pair of neighbours.
#[repr(C, align(128))]
pub struct RingBuffer {
    view: RingView,
    ring: Ring,
    name: CString,
    segment: NonNull<Segment>,
    /// Whether forks close the sides; changed under the process lock.
    watched: AtomicBool,
    standing: Standing,
}

// SAFETY: the view's pointers, like the ring, point into the segment's mapping, and the
// segment outlives its handles (`Attachment` drops it last). Everything
// that changes is atomic, or a side's (see there).
unsafe impl Send for RingBuffer {}
// SAFETY: as above.
unsafe impl Sync for RingBuffer {}

impl RingBuffer {
    fn text(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    #[cold]
    fn damaged(&self, corrupt: Corrupt) -> Error {
        damaged(&self.text(), corrupt)
    }

    fn owner(&self, role: Role) -> &AtomicU64 {
        match role {
            Role::Producer => &self.ring.ends().producer,
            Role::Consumer => &self.ring.ends().consumer,
        }
    }

    /// The segment, if it still is attached.
    fn open_segment(&self) -> Result<&Segment> {
        self.standing.check(&self.name)?;
        // SAFETY: the segment outlives its open handles.
        Ok(unsafe { self.segment.as_ref() })
    }

    /// The segment, if it may be written.
    fn writable_segment(&self) -> Result<&Segment> {
        let segment = self.open_segment()?;
        if segment.is_read_only() {
            return Err(Error::ReadOnly {
                name: self.text(),
                what: "a change of a ring buffer",
            });
        }
        Ok(segment)
    }

    /// The ring, as long as it is mapped.
    fn open_ring(&self) -> Result<&Ring> {
        self.open_segment()?;
        Ok(&self.ring)
    }

    /// Gives the roles up that this process holds, and refuses calls from now on. No thread
    /// is inside.
    pub fn close(&self, end: End) {
        self.leave();
        if !self.standing.end(end) {
            return;
        }
        for role in [Role::Producer, Role::Consumer] {
            self.view.side(role).close();
        }
        let process = fork::lock_process();
        if self.watched.load(Ordering::Relaxed) {
            fork::unwatch(&process, self.inherited());
        }
    }

    /// The role's side, once this process may act on it.
    #[inline]
    fn enter(&self, role: Role) -> Result<&RingSide> {
        if self.allowed(role).is_none() {
            self.take(role, self.view.side(role))?;
        }
        Ok(self.view.side(role))
    }

    /// The role's side, if this process may act on it, and the ring is there.
    #[inline]
    fn allowed(&self, role: Role) -> Option<&RingSide> {
        let side = self.view.side(role);
        // Allowed: so the handle is open, and what is left to ask is the table.
        (side.is_allowed(fork::epoch()) && !self.standing.is_lost()).then_some(side)
    }

    /// Takes a role that nobody has, or whose holder is dead.
    #[cold]
    fn take(&self, role: Role, side: &RingSide) -> Result<()> {
        let segment = self.writable_segment()?;
        let me = segment.me()?;
        role::take(segment, me, self.owner(role), &self.name, role.name())?;
        self.watch_forks();
        side.allow(&self.ring, Some(fork::epoch()));
        Ok(())
    }

    /// The fast path does not look at the fork epoch: a fork closes the sides.
    fn watch_forks(&self) {
        let process = fork::lock_process();
        if !self.watched.swap(true, Ordering::Relaxed) {
            // SAFETY: counted and never moved (see `into_handle`); `close` ends it.
            unsafe { fork::watch(&process, self.inherited()) };
        }
    }

    fn inherited(&self) -> NonNull<dyn Inherited> {
        NonNull::from(self as &dyn Inherited)
    }

    /// Gives up the roles that this attachment holds. No thread is inside.
    pub fn leave(&self) {
        let Ok(segment) = self.open_segment() else {
            return;
        };
        if !self.ring.plan().enforces_roles() {
            return;
        }
        for role in [Role::Producer, Role::Consumer] {
            let side = self.view.side(role);
            if !side.is_allowed(fork::epoch()) {
                continue; // A parent's roles stay the parent's.
            }
            side.close();
            if let Ok(me) = segment.me() {
                role::give_up(self.owner(role), me);
            }
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
        // SAFETY: as promised to us.
        let pushed = unsafe { self.ring.push(side, elements, count) };
        pushed.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Appends a copy of one element; false when there is no room.
    ///
    /// # Safety
    ///
    /// As for [`RingBuffer::push_bulk`], for one element.
    #[inline]
    pub unsafe fn push(&self, element: *const u8) -> Result<bool> {
        // SAFETY: as promised to us.
        Ok(unsafe { self.push_bulk(element, 1) }? == 1)
    }

    /// `push`, as far as it goes without an error: `None` if nothing was done.
    ///
    /// # Safety
    ///
    /// As for [`RingBuffer::push`].
    #[inline(always)]
    pub unsafe fn push_at_once(&self, element: *const u8) -> Option<bool> {
        let side = self.allowed(Role::Producer)?;
        // SAFETY: as promised to us.
        let pushed = unsafe { self.ring.push(side, element, 1) };
        pushed.ok().map(|count| count == 1)
    }

    /// `pop`, as far as it goes without an error: `None` if nothing was done.
    ///
    /// # Safety
    ///
    /// As for [`RingBuffer::pop`].
    #[inline(always)]
    pub unsafe fn pop_at_once(&self, element: *mut u8) -> Option<bool> {
        let side = self.allowed(Role::Consumer)?;
        // SAFETY: as promised to us.
        let popped = unsafe { self.ring.pop(side, element, 1) };
        popped.ok().map(|count| count == 1)
    }

    /// Appends copies of elements, over the oldest ones where there is no room.
    ///
    /// # Safety
    ///
    /// As for [`RingBuffer::push_bulk`].
    #[inline]
    pub unsafe fn overwrite_bulk(&self, elements: *const u8, count: u64) -> Result<()> {
        let side = self.enter(Role::Producer)?;
        // SAFETY: as promised to us.
        let written = unsafe { self.ring.overwrite(side, elements, count) };
        written.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Takes as many of the oldest elements as there are, at most `count`; how many.
    ///
    /// # Safety
    ///
    /// `elements` has room for `count` elements. No other thread pops meanwhile.
    #[inline]
    pub unsafe fn pop_bulk(&self, elements: *mut u8, count: u64) -> Result<u64> {
        let side = self.enter(Role::Consumer)?;
        // SAFETY: as promised to us.
        let popped = unsafe { self.ring.pop(side, elements, count) };
        popped.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Takes the oldest element; false when there is none.
    ///
    /// # Safety
    ///
    /// As for [`RingBuffer::pop_bulk`], for one element.
    #[inline]
    pub unsafe fn pop(&self, element: *mut u8) -> Result<bool> {
        // SAFETY: as promised to us.
        Ok(unsafe { self.pop_bulk(element, 1) }? == 1)
    }

    /// Drops as many of the oldest elements as there are, at most `count`; how many. No
    /// other thread pops meanwhile.
    pub fn skip(&self, count: u64) -> Result<u64> {
        self.enter(Role::Consumer)?;
        let skipped = self.ring.skip(count);
        skipped.map_err(|corrupt| self.damaged(corrupt))
    }

    /// See [`Ring::peek`].
    ///
    /// # Safety
    ///
    /// `elements` has room for `count` elements.
    pub unsafe fn peek_bulk(&self, offset: u64, elements: *mut u8, count: u64) -> Result<u64> {
        // SAFETY: as promised to us.
        let peeked = unsafe { self.open_ring()?.peek(offset, elements, count) };
        peeked.map_err(|corrupt| self.damaged(corrupt))
    }

    /// See [`Ring::last`].
    ///
    /// # Safety
    ///
    /// `elements` has room for `count` elements.
    pub unsafe fn last(&self, elements: *mut u8, count: u64) -> Result<u64> {
        // SAFETY: as promised to us.
        let found = unsafe { self.open_ring()?.last(elements, count) };
        found.map_err(|corrupt| self.damaged(corrupt))
    }

    /// Copies as many elements out from the observer's cursor on as there are, at most
    /// `count`, and moves the cursor behind them; how many.
    ///
    /// # Safety
    ///
    /// `elements` has room for `count` elements.
    pub unsafe fn observe(
        &self,
        observer: &mut Observer,
        elements: *mut u8,
        count: u64,
    ) -> Result<u64> {
        let ring = self.open_ring()?;
        // SAFETY: as promised to us.
        let seen = unsafe { ring.observe(&mut observer.cursor, elements, count) };
        match seen.map_err(|corrupt| self.damaged(corrupt))? {
            Some((seen, lost)) => {
                observer.lost = observer.lost.wrapping_add(lost);
                Ok(seen)
            }
            None => Err(Error::State {
                name: self.text(),
                rule: "the observer is ahead of it; expected one that observes this ring buffer",
            }),
        }
    }

    /// The cursor of an observer that is `behind` elements behind the newest, or at the
    /// oldest one there is if there are fewer.
    pub fn cursor(&self, behind: u64) -> Result<u64> {
        Ok(self.open_ring()?.cursor(behind))
    }

    /// How many elements have been written since the one at the cursor.
    pub fn lag(&self, observer: &Observer) -> u64 {
        self.total_written().saturating_sub(observer.cursor)
    }

    /// Waits until `ready` gives at least `count`, for at most `timeout` nanoseconds
    /// ([`u64::MAX`]: for ever); false when the time has passed.
    fn wait_until(
        &self,
        word: &WaitWord,
        count: u64,
        timeout: u64,
        ready: impl Fn() -> u64,
    ) -> Result<bool> {
        self.writable_segment()?;
        if count > self.capacity() {
            return Err(Error::Capacity {
                name: self.text(),
                found: count,
                expected: "at most the capacity to wait for",
            });
        }
        word.wait_for_store(timeout, || Ok(ready() >= count))
    }

    /// Waits until there are at least `count` elements; see [`RingBuffer::wait_for_space`].
    pub fn wait_for_items(&self, count: u64, timeout: u64) -> Result<bool> {
        self.wait_until(&self.ring.ends().items, count, timeout, || self.len())
    }

    /// Waits until there is room for at least `count` elements, for at most `timeout`
    /// nanoseconds ([`u64::MAX`]: for ever); false when the time has passed.
    pub fn wait_for_space(&self, count: u64, timeout: u64) -> Result<bool> {
        let ready = || self.available_space();
        self.wait_until(&self.ring.ends().space, count, timeout, ready)
    }

    /// Appends a copy of one element, waiting for room; see [`RingBuffer::wait_for_space`].
    ///
    /// # Safety
    ///
    /// As for [`RingBuffer::push`].
    pub unsafe fn push_wait(&self, element: *const u8, timeout: u64) -> Result<bool> {
        self.writable_segment()?;
        // SAFETY: as promised to us.
        self.ring
            .ends()
            .space
            .wait_for_store(timeout, || unsafe { self.push(element) })
    }

    /// Takes the oldest element, waiting for one; see [`RingBuffer::wait_for_space`].
    ///
    /// # Safety
    ///
    /// As for [`RingBuffer::pop`].
    pub unsafe fn pop_wait(&self, element: *mut u8, timeout: u64) -> Result<bool> {
        self.writable_segment()?;
        // SAFETY: as promised to us.
        self.ring
            .ends()
            .items
            .wait_for_store(timeout, || unsafe { self.pop(element) })
    }

    /// Wakes whoever sleeps at the ring, for a publisher outside of this module.
    pub fn wake(&self) -> Result<()> {
        self.writable_segment()?;
        self.ring.ends().items.wake();
        self.ring.ends().space.wake();
        Ok(())
    }

    /// A number from the ring; 0 when it is closed.
    fn ask(&self, number: impl FnOnce(&Ring) -> u64) -> u64 {
        self.open_ring().map_or(0, number)
    }

    /// Number of elements: exact while nobody operates, never above the capacity.
    pub fn len(&self) -> u64 {
        self.ask(Ring::len)
    }

    /// Whether there was nothing at one moment during the call.
    pub fn is_empty(&self) -> bool {
        self.open_segment().is_err() || self.ring.is_empty()
    }

    /// Whether there was no room at one moment during the call.
    pub fn is_full(&self) -> bool {
        self.open_segment().is_ok() && self.ring.is_full()
    }

    /// Elements that a push would find room for.
    pub fn available_space(&self) -> u64 {
        self.ask(|ring| ring.plan().capacity - ring.len())
    }

    /// Elements written since creation.
    pub fn total_written(&self) -> u64 {
        self.ask(Ring::written)
    }

    /// Elements consumed, skipped or lost since creation.
    pub fn total_read(&self) -> u64 {
        self.ask(Ring::consumed)
    }

    /// Elements that were overwritten before they were consumed.
    pub fn lost(&self) -> u64 {
        self.ask(Ring::lost)
    }

    /// Number of slots.
    pub fn capacity(&self) -> u64 {
        self.ring.plan().capacity
    }

    /// Bytes of an element.
    pub fn elem_size(&self) -> u64 {
        self.ring.plan().elem_size
    }

    /// The ring buffer's name, cut to what the table holds.
    pub fn name(&self) -> &CStr {
        &self.name
    }
}

// SAFETY: stores to the sides only.
unsafe impl Inherited for RingBuffer {
    fn forget(&self) {
        for role in [Role::Producer, Role::Consumer] {
            self.view.side(role).close();
        }
    }
}

impl Drop for RingBuffer {
    fn drop(&mut self) {
        self.close(End::Closed);
    }
}

fn damaged(name: &str, corrupt: Corrupt) -> Error {
    let what = match corrupt {
        Corrupt::Geometry => "the ring buffer's header",
        Corrupt::Positions => "a position of the ring buffer",
    };
    Error::corrupt(name, what)
}

/// The layout of a ring with these parameters.
fn plan(segment: &Segment, name: &Key, params: &Params) -> Result<Plan> {
    let elem_align = params.elem_align.max(1);
    match Plan::new(params.elem_size, elem_align, params.capacity, params.flags) {
        Ok(plan) => Ok(plan),
        Err(PlanError::Capacity) => Err(Error::Capacity {
            name: name.text(),
            found: params.capacity,
            expected: "at least 1 to create a ring buffer",
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

impl Structure for RingBuffer {
    type Params = Params;
    const KIND: Kind = Kind::RingBuffer;

    fn validate(name: &Key, params: &Params) -> Result<()> {
        validate_elements(name, params.elem_size, params.elem_align, params.capacity)?;
        if params.elem_size % params.elem_align.max(1) != 0 {
            return Err(Error::Alignment {
                name: name.text(),
                found: params.elem_align,
            });
        }
        if params.flags & !ENFORCE_ROLES != 0 {
            let (name, found) = (name.text(), params.flags);
            return Err(Error::argument(format!(
                "\"{name}\": flags {found:#x}; expected 0 or {ENFORCE_ROLES:#x}"
            )));
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
        expect_kind(name, Kind::RingBuffer, found.kind)?;
        let extent = segment.heap().part(found.offset, found.size);
        let extent =
            extent.ok_or_else(|| Error::corrupt(&name.text(), "the extent in the table"))?;
        let ring = super::open(extent).map_err(|corrupt| damaged(&name.text(), corrupt))?;
        let buffer = Self {
            view: RingView::new(&ring),
            ring,
            name: name.to_c(),
            segment: NonNull::from(segment),
            watched: AtomicBool::new(false),
            standing: Standing::new(segment, found),
        };
        buffer.check(name, params)?;
        if !segment.is_read_only() && !buffer.ring.plan().enforces_roles() {
            for role in [Role::Producer, Role::Consumer] {
                buffer.view.side(role).allow(&buffer.ring, None);
            }
        }
        Ok(buffer)
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
        // Both are used in each operation.
        let shared = core::ptr::from_ref(self.ring.header()).addr();
        Handle::RingBuffer(Placed::away_from(self, shared))
    }

    fn from_handle(handle: &Handle) -> Option<&Self> {
        match handle {
            Handle::RingBuffer(ring) => Some(ring),
            _ => None,
        }
    }
}
