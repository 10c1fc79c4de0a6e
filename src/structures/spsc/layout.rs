//! The queue's bytes: header, then `capacity` payload slots side by side.
//!
//! A wire format between processes that may run different builds; the assertions
//! below state every offset.

use super::Corrupt;
use crate::raw::{Region, Shared};
use crate::structures::wait::WaitWord;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A cache line, and the least alignment of every part.
const LINE: u64 = 64;

/// One end of a queue: how far it has come, and who waits for that.
///
/// The position is on a line of its own. The wait word is read after each operation, so
/// it lies on another one, where no operation writes.
#[repr(C)]
pub struct SpscEnd {
    /// {lap, index}: the slot that is used next, and how often all were used before. The
    /// index has ceil(log2(capacity)) low bits, the lap the rest. Stored by this end's
    /// side only, with Release, once the slots before it are filled, or read.
    pub position: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 7],
    /// Bit 0: the other side may be asleep until the count changes.
    pub waiters: WaitWord,
    /// Zero.
    pub reserved_waiters: [AtomicU32; 15],
}

impl SpscEnd {
    /// An end of no queue, at a position.
    pub(super) const fn at(position: u64) -> Self {
        Self {
            position: AtomicU64::new(position),
            reserved: [const { AtomicU64::new(0) }; 7],
            waiters: WaitWord::idle(),
            reserved_waiters: [const { AtomicU32::new(0) }; 15],
        }
    }
}

/// The start of a queue's extent.
///
/// The positions are in different 128-byte pairs of lines, which some processors fetch
/// together.
#[repr(C)]
pub struct Header {
    /// Bytes of an element, and the distance between slots.
    pub elem_size: AtomicU64,
    /// Alignment of an element: a power of two that divides `elem_size`.
    pub elem_align: AtomicU64,
    /// Elements that the queue holds when full; at least 1.
    pub capacity: AtomicU64,
    /// Where the slots start, in bytes from the start of this header; a multiple of
    /// max(64, `elem_align`).
    pub slots_offset: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 4],
    /// Where the producer pushes, and what a consumer waits for.
    pub tail: SpscEnd,
    /// Where the consumer pops, and what a producer waits for. At most a lap behind.
    pub head: SpscEnd,
    /// The attachment that pushes, as an owner word; 0: none.
    pub producer: AtomicU64,
    /// The attachment that pops, as an owner word; 0: none.
    pub consumer: AtomicU64,
    /// Zero.
    pub reserved_roles: [AtomicU64; 6],
}

// SAFETY: atomics only, so valid for all bit patterns; no padding.
unsafe impl Shared for Header {}

const _: () = {
    assert!(offset_of!(SpscEnd, position) == 0);
    assert!(offset_of!(SpscEnd, waiters) == 64);
    assert!(size_of::<SpscEnd>() == 128);
    assert!(offset_of!(Header, elem_size) == 0);
    assert!(offset_of!(Header, elem_align) == 8);
    assert!(offset_of!(Header, capacity) == 16);
    assert!(offset_of!(Header, slots_offset) == 24);
    assert!(offset_of!(Header, tail) == 64);
    assert!(offset_of!(Header, head) == 192);
    assert!(offset_of!(Header, producer) == 320);
    assert!(offset_of!(Header, consumer) == 328);
    assert!(size_of::<Header>() == 384);
};

/// Why no queue can have the parameters asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The capacity is 0.
    Capacity,
    /// The element size is 0, or not a multiple of the alignment, or that is no power of two.
    Element,
    /// The size in bytes exceeds 64 bits.
    Overflow,
}

/// The size and geometry that follow from the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of the extent, a multiple of 64.
    pub size: u64,
    /// Alignment that the start of the extent needs.
    pub align: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Alignment of an element.
    pub elem_align: u64,
    /// Elements that the queue holds when full.
    pub capacity: u64,
    /// What a position moves on by in a lap: the capacity, rounded up to a power of two.
    pub lap: u64,
    /// Bytes of all slots.
    pub slot_bytes: u64,
    /// See [`Header::slots_offset`].
    pub slots_offset: u64,
}

impl Plan {
    /// Lays a queue out.
    pub fn new(elem_size: u64, elem_align: u64, capacity: u64) -> Result<Self, PlanError> {
        if elem_size == 0 || !elem_align.is_power_of_two() || elem_size % elem_align != 0 {
            return Err(PlanError::Element);
        }
        if capacity == 0 {
            return Err(PlanError::Capacity);
        }
        let align = elem_align.max(LINE);
        let lap = capacity
            .checked_next_power_of_two()
            .ok_or(PlanError::Overflow)?;
        let sized = || {
            let slots_offset = (size_of::<Header>() as u64).checked_next_multiple_of(align)?;
            let slot_bytes = elem_size.checked_mul(capacity)?;
            let end = slots_offset.checked_add(slot_bytes)?;
            Some((
                slots_offset,
                slot_bytes,
                end.checked_next_multiple_of(LINE)?,
            ))
        };
        let (slots_offset, slot_bytes, size) = sized().ok_or(PlanError::Overflow)?;
        Ok(Self {
            size,
            align,
            elem_size,
            elem_align,
            capacity,
            lap,
            slot_bytes,
            slots_offset,
        })
    }

    /// Reads the geometry back from `header`, and refuses whatever does not follow
    /// from its first fields or does not fit in `region`.
    pub(super) fn read(header: &Header, region: Region) -> Result<Self, Corrupt> {
        // Relaxed: whoever published the queue's table entry published the constants
        // with it, and each is read once.
        let plan = Self::new(
            header.elem_size.load(Relaxed),
            header.elem_align.load(Relaxed),
            header.capacity.load(Relaxed),
        )
        .map_err(|_| Corrupt::Geometry)?;
        let sound = header.slots_offset.load(Relaxed) == plan.slots_offset
            && plan.size <= region.len() as u64
            && region.base().addr().get() as u64 % plan.align == 0;
        sound.then_some(plan).ok_or(Corrupt::Geometry)
    }
}

/// Writes an empty queue to an extent that nobody else looks at yet, whatever
/// bytes it held. Slots are left as they are.
pub fn init(region: Region, plan: &Plan) -> Result<(), Corrupt> {
    let part = |offset, len| region.part(offset, len).ok_or(Corrupt::Geometry);
    part(0, plan.size)?;
    // SAFETY: nobody else looks at the extent yet.
    unsafe { part(0, plan.slots_offset)?.zero() };
    // Relaxed throughout: publishing the queue's table entry publishes these.
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    header.elem_size.store(plan.elem_size, Relaxed);
    header.elem_align.store(plan.elem_align, Relaxed);
    header.capacity.store(plan.capacity, Relaxed);
    header.slots_offset.store(plan.slots_offset, Relaxed);
    Ok(())
}
