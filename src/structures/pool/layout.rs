//! The pool's bytes: header, marks, summary, words, links, objects, in this order.
//!
//! A wire format between processes that may run different builds; `tests` and
//! `tests/docs.rs` assert sizes and offsets.

use super::Corrupt;
use crate::raw::{Region, Shared};
use crate::segment::Owner;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A cache line, and the least alignment of every part.
const LINE: u64 = 64;
/// Marks in a word of them, and summary bits in one of those.
pub(super) const BITS: u64 = 64;
/// The handle that no object has; also the end of a chain of links.
pub const INVALID: u32 = u32::MAX;
/// The most objects that a pool can have.
const MOST: u64 = INVALID as u64 - 1;

/// The start of a pool's extent.
#[repr(C)]
pub struct Header {
    /// Bytes per object, and the distance between objects.
    pub elem_size: AtomicU64,
    /// Alignment of an object: a power of two that divides `elem_size`.
    pub elem_align: AtomicU64,
    /// Number of objects; 1 to 2^32 - 2.
    pub capacity: AtomicU64,
    /// Where the marks start, in bytes from the start of this header: bit `i % 64` of word
    /// `i / 64` is object `i`'s. Before the words: so the first ones of both do not lie
    /// the same distance from a page, which the processor would take for a conflict.
    pub marks_offset: AtomicU64,
    /// Where the summary starts, likewise: bit `k % 64` of word `k / 64` is that of the
    /// `k`th word of marks.
    pub summary_offset: AtomicU64,
    /// Where the objects' words start, likewise.
    pub words_offset: AtomicU64,
    /// Where the links start, likewise.
    pub links_offset: AtomicU64,
    /// Where the objects start, likewise; a multiple of max(64, `elem_align`).
    pub objects_offset: AtomicU64,
    /// Releases that were refused: the object was free, or the token stale.
    pub refused: AtomicU64,
    /// Zero.
    pub reserved: [AtomicU64; 7],
}

// SAFETY: atomics only, so valid for all bit patterns; no padding.
unsafe impl Shared for Header {}

/// The whole truth about one object.
///
/// Bit 0: live. Bits 1 to 13: attachment slot + 1 of the owner; 0: disowned, or free.
/// Bits 14 to 31: the low 18 bits of the owner's lease generation. Bits 32 to 63: the
/// object's generation, how often it was released.
///
/// A lease generation that is cut can only make a dead owner pass for a living one, when
/// its slot was taken a multiple of 2^18 times since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u64);

/// Bit of a live object's word.
const LIVE: u64 = 1;
const SLOT_SHIFT: u32 = 1;
const SLOT_MASK: u64 = (1 << 13) - 1;
const LEASE_SHIFT: u32 = 14;
const LEASE_MASK: u64 = (1 << 18) - 1;
/// The object's generation.
const GENERATION: u64 = !0 << 32;

impl Word {
    /// The low half of the words of what `owner` has.
    pub fn claim(owner: Owner) -> u64 {
        let slot = owner.slot().map_or(0, |slot| slot + 1) & SLOT_MASK;
        let lease = u64::from(owner.generation()) & LEASE_MASK;
        LIVE | slot << SLOT_SHIFT | lease << LEASE_SHIFT
    }

    /// Whether somebody has acquired the object, and nobody has released it.
    #[inline]
    pub const fn is_live(self) -> bool {
        self.0 & LIVE != 0
    }

    /// How often the object was released.
    #[inline]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Tells owners apart: the low half of the word.
    #[inline]
    pub const fn low_half(self) -> u64 {
        self.0 & !GENERATION
    }

    /// The owner's attachment slot; `None` when the object is disowned.
    pub const fn slot(self) -> Option<u64> {
        (self.0 >> SLOT_SHIFT & SLOT_MASK).checked_sub(1)
    }

    /// The same life of the object, with another low half.
    #[inline]
    pub const fn with(self, claim: u64) -> Self {
        Self(self.0 & GENERATION | claim)
    }

    /// The word of the object once it is free again.
    #[inline]
    pub const fn released(self) -> Self {
        Self((self.0 & GENERATION).wrapping_add(1 << 32))
    }

    /// The word of what nobody owns.
    #[inline]
    pub const fn disowned(self) -> Self {
        self.with(LIVE)
    }
}

/// Why no pool can have the parameters asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The capacity is 0, or more than 2^32 - 2.
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
    /// Bytes per object.
    pub elem_size: u64,
    /// Alignment of an object.
    pub elem_align: u64,
    /// Number of objects.
    pub capacity: u64,
    /// See [`Header::marks_offset`].
    pub marks_offset: u64,
    /// See [`Header::summary_offset`].
    pub summary_offset: u64,
    /// See [`Header::words_offset`].
    pub words_offset: u64,
    /// See [`Header::links_offset`].
    pub links_offset: u64,
    /// See [`Header::objects_offset`].
    pub objects_offset: u64,
}

impl Plan {
    /// Lays a pool out.
    pub fn new(elem_size: u64, elem_align: u64, capacity: u64) -> Result<Self, PlanError> {
        if elem_size == 0 || !elem_align.is_power_of_two() || elem_size % elem_align != 0 {
            return Err(PlanError::Element);
        }
        if capacity == 0 || capacity > MOST {
            return Err(PlanError::Capacity);
        }
        let align = elem_align.max(LINE);
        // None of these can overflow: there are less than 2^32 objects.
        let after = |offset: u64, bytes: u64| (offset + bytes).next_multiple_of(LINE);
        let marks_offset = size_of::<Header>() as u64;
        let summary_offset = after(marks_offset, 8 * marks(capacity));
        let words_offset = after(summary_offset, 8 * summary(capacity));
        let links_offset = after(words_offset, 8 * capacity);
        let links_end = after(links_offset, 4 * capacity);
        let sized = || {
            let objects_offset = links_end.checked_next_multiple_of(align)?;
            let size = capacity
                .checked_mul(elem_size)?
                .checked_add(objects_offset)?
                .checked_next_multiple_of(LINE)?;
            Some((objects_offset, size))
        };
        let (objects_offset, size) = sized().ok_or(PlanError::Overflow)?;
        Ok(Self {
            size,
            align,
            elem_size,
            elem_align,
            capacity,
            marks_offset,
            summary_offset,
            words_offset,
            links_offset,
            objects_offset,
        })
    }

    /// Words of marks.
    pub(super) const fn marks(&self) -> u64 {
        marks(self.capacity)
    }

    /// Words of the summary.
    pub(super) const fn summary(&self) -> u64 {
        summary(self.capacity)
    }

    /// Reads the geometry back from `header`, and refuses whatever does not follow
    /// from its first fields or does not fit in `region`.
    pub(super) fn read(header: &Header, region: Region) -> Result<Self, Corrupt> {
        // Relaxed: whoever published the pool's table entry published the constants
        // with it, and each is read once.
        let plan = Self::new(
            header.elem_size.load(Relaxed),
            header.elem_align.load(Relaxed),
            header.capacity.load(Relaxed),
        )
        .map_err(|_| Corrupt::Geometry)?;
        let sound = header.words_offset.load(Relaxed) == plan.words_offset
            && header.marks_offset.load(Relaxed) == plan.marks_offset
            && header.summary_offset.load(Relaxed) == plan.summary_offset
            && header.links_offset.load(Relaxed) == plan.links_offset
            && header.objects_offset.load(Relaxed) == plan.objects_offset
            && plan.size <= region.len() as u64
            && region.base().addr().get() as u64 % plan.align == 0;
        sound.then_some(plan).ok_or(Corrupt::Geometry)
    }
}

const fn marks(capacity: u64) -> u64 {
    capacity.div_ceil(BITS)
}

const fn summary(capacity: u64) -> u64 {
    marks(capacity).div_ceil(BITS)
}

/// Writes a pool of free objects to an extent that nobody else looks at yet, whatever
/// bytes its control words held. The objects are left as they are.
pub fn init(region: Region, plan: &Plan) -> Result<(), Corrupt> {
    let part = |offset, len| region.part(offset, len).ok_or(Corrupt::Geometry);
    part(0, plan.size)?;
    // A word of zero is a free object, never released yet.
    // SAFETY: nobody else looks at the extent yet.
    unsafe { part(0, plan.objects_offset)?.zero() };
    // Relaxed throughout: publishing the pool's table entry publishes these.
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    header.elem_size.store(plan.elem_size, Relaxed);
    header.elem_align.store(plan.elem_align, Relaxed);
    header.capacity.store(plan.capacity, Relaxed);
    header.words_offset.store(plan.words_offset, Relaxed);
    header.marks_offset.store(plan.marks_offset, Relaxed);
    header.summary_offset.store(plan.summary_offset, Relaxed);
    header.links_offset.store(plan.links_offset, Relaxed);
    header.objects_offset.store(plan.objects_offset, Relaxed);

    fill(region, plan.marks_offset, plan.capacity)?;
    fill(region, plan.summary_offset, plan.marks())?;
    let links = region.list::<AtomicU32>(plan.links_offset, plan.capacity);
    for link in links.ok_or(Corrupt::Geometry)?.iter() {
        link.store(INVALID, Relaxed);
    }
    Ok(())
}

/// Sets the first `count` bits.
fn fill(region: Region, offset: u64, count: u64) -> Result<(), Corrupt> {
    let words = region.list::<AtomicU64>(offset, count.div_ceil(BITS));
    for (word, first) in words
        .ok_or(Corrupt::Geometry)?
        .iter()
        .zip((0..count).step_by(BITS as usize))
    {
        let here = (count - first).min(BITS);
        word.store(u64::MAX >> (BITS - here), Relaxed);
    }
    Ok(())
}
