//! The ring's bytes: header, then `capacity` slots side by side.
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

/// Bit of [`Header::flags`]: only the holder of a role may act in it.
pub const ENFORCE_ROLES: u64 = 1;

/// What the producer stores, on a line of its own. Both words only ever grow.
#[repr(C)]
pub struct RingWriter {
    /// Slots of positions before this may be being written; at most a lap ahead of `tail`.
    /// Stored before the elements. Behind `tail` when a bulk longer than the capacity has
    /// just been written.
    pub claim: AtomicU64,
    /// Elements written since creation. Stored after the elements, with Release.
    pub tail: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 6],
}

/// What the consumer stores, on a line of its own. Both words only ever grow.
#[repr(C)]
pub struct RingReader {
    /// Position of the next element to consume, or one that was overwritten since. Stored
    /// after an element was copied out, with Release.
    pub head: AtomicU64,
    /// Elements before `head` that were overwritten before they were consumed. Stored
    /// after `head`: a consumer that dies in between leaves it short by its last find.
    pub lost: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 6],
}

/// What both sides store, each on lines of its own, and who sleeps there.
#[repr(C)]
pub struct RingEnds {
    /// Bit 0: somebody may be asleep until elements come.
    pub items: WaitWord,
    /// Bit 0: somebody may be asleep until there is room.
    pub space: WaitWord,
    /// Zero.
    pub reserved_waits: [AtomicU32; 14],
    /// The producer's words.
    pub writer: RingWriter,
    /// With enforced roles, the attachment that pushes, as an owner word; 0: none.
    pub producer: AtomicU64,
    /// With enforced roles, the attachment that pops, as an owner word; 0: none.
    pub consumer: AtomicU64,
    /// Zero.
    pub reserved_roles: [AtomicU64; 6],
    /// The consumer's words.
    pub reader: RingReader,
}

impl RingEnds {
    /// Of no ring: a claim for good, and no elements.
    pub(super) const fn nowhere() -> Self {
        Self {
            items: WaitWord::idle(),
            space: WaitWord::idle(),
            reserved_waits: [const { AtomicU32::new(0) }; 14],
            writer: RingWriter {
                claim: AtomicU64::new(1),
                tail: AtomicU64::new(0),
                reserved: [const { AtomicU64::new(0) }; 6],
            },
            producer: AtomicU64::new(0),
            consumer: AtomicU64::new(0),
            reserved_roles: [const { AtomicU64::new(0) }; 6],
            reader: RingReader {
                head: AtomicU64::new(0),
                lost: AtomicU64::new(0),
                reserved: [const { AtomicU64::new(0) }; 6],
            },
        }
    }
}

/// The start of a ring's extent.
///
/// What either side stores, and the slots, are in different 128-byte pairs of lines,
/// which some processors fetch together. What lies between is rarely stored.
#[repr(C)]
pub struct Header {
    /// Bytes of an element, and the distance between slots.
    pub elem_size: AtomicU64,
    /// Alignment of an element: a power of two that divides `elem_size`.
    pub elem_align: AtomicU64,
    /// Number of slots; at least 1.
    pub capacity: AtomicU64,
    /// Where the slots start, in bytes from the start of this header; a multiple of
    /// max(64, `elem_align`).
    pub slots_offset: AtomicU64,
    /// Bit 0: [`ENFORCE_ROLES`].
    pub flags: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 3],
    /// Where the two sides are.
    pub ends: RingEnds,
    /// Zero.
    pub reserved_line: [AtomicU64; 8],
}

// SAFETY: atomics only, so valid for all bit patterns; no padding.
unsafe impl Shared for Header {}

const _: () = {
    assert!(offset_of!(RingWriter, claim) == 0);
    assert!(offset_of!(RingWriter, tail) == 8);
    assert!(size_of::<RingWriter>() == 64);
    assert!(offset_of!(RingReader, head) == 0);
    assert!(offset_of!(RingReader, lost) == 8);
    assert!(size_of::<RingReader>() == 64);
    assert!(offset_of!(Header, elem_size) == 0);
    assert!(offset_of!(Header, elem_align) == 8);
    assert!(offset_of!(Header, capacity) == 16);
    assert!(offset_of!(Header, slots_offset) == 24);
    assert!(offset_of!(Header, flags) == 32);
    assert!(offset_of!(RingEnds, items) == 0);
    assert!(offset_of!(RingEnds, space) == 4);
    assert!(offset_of!(RingEnds, writer) == 64);
    assert!(offset_of!(RingEnds, producer) == 128);
    assert!(offset_of!(RingEnds, consumer) == 136);
    assert!(offset_of!(RingEnds, reader) == 192);
    assert!(size_of::<RingEnds>() == 256);
    assert!(offset_of!(Header, ends) == 64);
    assert!(size_of::<Header>() == 384);
};

/// Why no ring can have the parameters asked for.
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
    /// Number of slots.
    pub capacity: u64,
    /// Bytes of all slots.
    pub slot_bytes: u64,
    /// See [`Header::slots_offset`].
    pub slots_offset: u64,
    /// See [`Header::flags`].
    pub flags: u64,
}

impl Plan {
    /// Lays a ring out.
    pub fn new(
        elem_size: u64,
        elem_align: u64,
        capacity: u64,
        flags: u64,
    ) -> Result<Self, PlanError> {
        if elem_size == 0 || !elem_align.is_power_of_two() || elem_size % elem_align != 0 {
            return Err(PlanError::Element);
        }
        if capacity == 0 {
            return Err(PlanError::Capacity);
        }
        let align = elem_align.max(LINE);
        let sized = || {
            let slots_offset = (size_of::<Header>() as u64).checked_next_multiple_of(align)?;
            let slot_bytes = elem_size.checked_mul(capacity)?;
            let end = slots_offset.checked_add(slot_bytes)?;
            let size = end.checked_next_multiple_of(LINE)?;
            // A position and a lap together never overflow.
            (capacity < super::END).then_some((slots_offset, slot_bytes, size))
        };
        let (slots_offset, slot_bytes, size) = sized().ok_or(PlanError::Overflow)?;
        Ok(Self {
            size,
            align,
            elem_size,
            elem_align,
            capacity,
            slot_bytes,
            slots_offset,
            flags,
        })
    }

    /// Reads the geometry back from `header`, and refuses whatever does not follow
    /// from its first fields or does not fit in `region`.
    pub(super) fn read(header: &Header, region: Region) -> Result<Self, Corrupt> {
        // Relaxed: whoever published the ring's table entry published the constants
        // with it, and each is read once.
        let plan = Self::new(
            header.elem_size.load(Relaxed),
            header.elem_align.load(Relaxed),
            header.capacity.load(Relaxed),
            header.flags.load(Relaxed),
        )
        .map_err(|_| Corrupt::Geometry)?;
        let sound = header.slots_offset.load(Relaxed) == plan.slots_offset
            && plan.flags & !ENFORCE_ROLES == 0
            && plan.size <= region.len() as u64
            && region.base().addr().get() as u64 % plan.align == 0;
        sound.then_some(plan).ok_or(Corrupt::Geometry)
    }

    /// Whether only the holder of a role may act in it.
    pub fn enforces_roles(&self) -> bool {
        self.flags & ENFORCE_ROLES != 0
    }
}

/// Writes an empty ring to an extent that nobody else looks at yet, whatever bytes it
/// held. Slots are left as they are.
pub fn init(region: Region, plan: &Plan) -> Result<(), Corrupt> {
    let part = |offset, len| region.part(offset, len).ok_or(Corrupt::Geometry);
    part(0, plan.size)?;
    // SAFETY: nobody else looks at the extent yet.
    unsafe { part(0, plan.slots_offset)?.zero() };
    // Relaxed throughout: publishing the ring's table entry publishes these.
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    header.elem_size.store(plan.elem_size, Relaxed);
    header.elem_align.store(plan.elem_align, Relaxed);
    header.capacity.store(plan.capacity, Relaxed);
    header.slots_offset.store(plan.slots_offset, Relaxed);
    header.flags.store(plan.flags, Relaxed);
    Ok(())
}
