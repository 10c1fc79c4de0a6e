//! An open queue: the ring, and the lanes through which this process uses it.

use super::lanes::Lanes;
use super::{Corrupt, Outcome, Plan, PlanError, Ring, RingParams};
use crate::error::{Error, Result};
use crate::raw::Region;
use crate::segment::Segment;
use crate::structures::{Extent, Handle, Structure, expect, expect_kind, validate_elements};
use crate::table::{Found, Key, Kind};
use core::ptr::NonNull;
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

/// An open queue.
pub struct Queue {
    name: CString,
    ring: Ring,
    lanes: Lanes,
    segment: NonNull<Segment>,
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
        // SAFETY: the guard makes the lane ours alone; the caller vouches for `element`.
        match unsafe { self.ring.enqueue(lane.lane, element) } {
            Ok(outcome) => Ok(outcome == Outcome::Done),
            Err(corrupt) => Err(self.damaged(corrupt)),
        }
    }

    /// Takes the oldest element out; false when the queue is empty.
    ///
    /// # Safety
    ///
    /// `element` has as many writable bytes as an element.
    #[inline]
    pub unsafe fn dequeue(&self, element: *mut u8) -> Result<bool> {
        let lane = self.enter()?;
        // SAFETY: as in `enqueue`.
        match unsafe { self.ring.dequeue(lane.lane, element) } {
            Ok(outcome) => Ok(outcome == Outcome::Done),
            Err(corrupt) => Err(self.damaged(corrupt)),
        }
    }

    #[inline]
    fn enter(&self) -> Result<super::lanes::LaneGuard<'_>> {
        let lane = self.lanes.enter(&self.ring, self.segment(), &self.name);
        lane.map_err(|error| self.about_the_queue(error))
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
        self.ring.len().map_err(|corrupt| self.damaged(corrupt))
    }

    /// Whether a dequeue would find nothing.
    pub fn is_empty(&self) -> Result<bool> {
        self.ring
            .is_empty()
            .map_err(|corrupt| self.damaged(corrupt))
    }

    /// Whether an enqueue would find no room.
    pub fn is_full(&self) -> Result<bool> {
        self.ring.is_full().map_err(|corrupt| self.damaged(corrupt))
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

    /// The queue's name, cut to what the table holds.
    pub fn name(&self) -> &CStr {
        &self.name
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.lanes.leave(&self.ring);
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
        let queue = Self {
            name: name.to_c(),
            ring,
            lanes: Lanes::new(),
            segment: NonNull::from(segment),
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
        Handle::Queue(Arc::new(self))
    }

    fn from_handle(handle: &Handle) -> Option<&Self> {
        match handle {
            Handle::Queue(queue) => Some(queue),
            _ => None,
        }
    }
}
