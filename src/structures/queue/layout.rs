//! The queue's bytes: header, payload slots, lanes, ring words, in this order.
//!
//! A wire format between processes that may run different builds; `tests`
//! asserts every size and offset.

use core::mem::offset_of;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

use super::Corrupt;
use super::ring::step;
use crate::raw::{Region, Shared};
use crate::structures::wait::WaitWord;

/// Counts the ways in which queues were laid out, as far as no size or offset of a type tells. Now
/// a ring word is {lap, full bit, awaited bit, slot index}, and the slots come before the lanes.
pub const FORMAT: usize = 3;

/// A cache line, and the least alignment of every part.
const LINE: u64 = 64;
/// What the lanes start on a multiple of, from the start of the header: so which of them lie where
/// in a kilobyte is the same for every capacity. See `shmds_queue_thread_memory`.
const LANES_ALIGN: u64 = 1024;
/// Where the payload slots start, unless their alignment is larger: right behind the ends. So
/// whoever has the address of these has that of small slots.
const USUAL_SLOTS_OFFSET: u64 = size_of::<Header>() as u64;
const _: () = assert!(
    (offset_of!(Header, ends) + size_of::<QueueEnds>()) as u64 == USUAL_SLOTS_OFFSET,
    "shmds_inline.h finds small slots behind the ends"
);
/// Lanes beside the home lanes, for threads to claim first come.
const FURTHER_LANES: u64 = 64;
/// The most that spare slots may take before lanes become scarce.
const SPARE_BYTES: u64 = 1 << 20;
/// The least number of lanes, however large an element is: a thread that holds a slot
/// needs another lane for what it does meanwhile.
const FEWEST_LANES: u64 = 4;
/// So a position, {lap, index}, keeps at least 31 bits of the lap.
const MOST_SLOTS: u64 = 1 << 31;

/// The start of a queue's extent.
///
/// Tail, head and the wait words are on lines of their own.
#[repr(C)]
pub struct Header {
    /// Bytes per element, and the distance between payload slots.
    pub elem_size: AtomicU64,
    /// Alignment of an element: a power of two that divides `elem_size`.
    pub elem_align: AtomicU64,
    /// Elements the queue holds when full; at least 1.
    pub capacity: AtomicU64,
    /// Lanes that belong to the attachment slot of the same number; 0: none does.
    pub home_lanes: AtomicU32,
    /// All lanes, home lanes first; at least 1. `capacity + lanes <= 2^31`.
    pub lanes: AtomicU32,
    /// Low bits of a ring word that hold the slot index: ceil(log2(capacity + lanes)).
    pub slot_bits: AtomicU32,
    /// Zero.
    pub reserved_bits: AtomicU32,
    /// Where the lanes start, in bytes from the start of this header.
    pub lanes_offset: AtomicU64,
    /// Where the ring words start, likewise.
    pub words_offset: AtomicU64,
    /// Where the payload slots start, likewise; a multiple of max(64, `elem_align`).
    pub slots_offset: AtomicU64,
    /// Where the operations begin and end.
    pub ends: QueueEnds,
}

// SAFETY: atomics only, so valid for all bit patterns; no padding.
unsafe impl Shared for Header {}

/// What changes in a queue's header; for shmds_inline.h. The payload slots start right behind it,
/// unless they are aligned to more than the header's size.
#[repr(C)]
pub struct QueueEnds {
    /// Hint {lap, index}: every position before it has been enqueued. May lag, never
    /// leads. The lap where a ring word has it, the index below.
    pub tail: AtomicU64,
    /// Zero.
    pub reserved_tail: [AtomicU64; 7],
    /// Hint {lap, index}: every position before it has been dequeued. Otherwise like `tail`.
    pub head: AtomicU64,
    /// Zero.
    pub reserved_head: [AtomicU64; 7],
    /// Consumers that wait for an element.
    pub items: WaitWord,
    /// Producers that wait for room.
    pub space: WaitWord,
    /// Zero.
    pub reserved_wait: [AtomicU64; 7],
}

/// The right to be inside an operation, and the one spare slot that goes with it.
#[repr(C)]
pub struct Lane {
    /// Who may use the lane: {attachment slot + 1, lease generation}; 0: nobody.
    /// Claimed and released by the callers of this module, which only compares it.
    pub owner: AtomicU64,
    /// Which slots the lane has a claim to.
    pub record: LaneRecord,
    /// How often an operation on this lane found the queue full, or empty.
    pub refused: AtomicU64,
    /// What the lane has learned about waiting for the other side: as a producer, as a consumer.
    pub patience: [AtomicU64; 2],
    /// Zero.
    pub reserved: [AtomicU64; 2],
}

// SAFETY: atomics only, so valid for all bit patterns; no padding.
unsafe impl Shared for Lane {}

/// Which payload slots a lane has a claim to; for shmds_inline.h.
///
/// At rest both words name the same slot, the lane's spare. An operation stores the ring word
/// that it is going to exchange, and after the exchange the slot that it got. So each step of a
/// lane is a store of one word, and nothing has to be computed before the first one.
#[repr(C)]
pub struct LaneRecord {
    /// The slot that the lane owns, until it exchanges `intent`.
    pub spare: AtomicU64,
    /// The ring word that the lane is exchanging, or is about to if it still is what the lane's
    /// user saw before, or the last one: its slot is what the lane owns after the exchange. Or just
    /// the lane's own slot.
    pub intent: AtomicU64,
}

/// What the two words of a lane's record say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The lane owns this slot.
    Idle(u64),
    /// The lane owns `s` until its CAS on the word that held `j`, and `j` from then on.
    InOperation { s: u64, j: u64 },
}

impl Record {
    const fn of(spare: u64, intent: u64, slot_mask: u64) -> Self {
        let (s, j) = (spare, intent & slot_mask);
        if s == j {
            Self::Idle(s)
        } else {
            Self::InOperation { s, j }
        }
    }
}

impl LaneRecord {
    /// Says, before an exchange, which word is to be exchanged.
    #[inline(always)]
    pub(super) fn intend(&self, word: u64) {
        // Release, for recovery's Acquire: who reads this also sees how the lane came by its
        // spare, so no word that still showed that slot before is mistaken for a sighting.
        self.intent.store(word, Release);
    }

    /// Says, after the exchange, that the lane owns slot `j`, that of the word it intended.
    #[inline(always)]
    pub(super) fn settle(&self, j: u64) {
        // Release: not seen before the exchange is; pairs with recovery's Acquire.
        self.spare.store(j, Release);
    }

    /// Says that nothing was exchanged, and the lane still owns `s`.
    #[inline(always)]
    pub(super) fn withdraw(&self, s: u64) {
        // Release: as in `intend`.
        self.intent.store(s, Release);
    }

    /// For the lane's user: nobody else stores anything.
    #[inline(always)]
    pub(super) fn own(&self, slot_mask: u64) -> Record {
        // Relaxed: taking the lane over synchronised with its user before.
        let (spare, intent) = (self.spare.load(Relaxed), self.intent.load(Relaxed));
        Record::of(spare, intent, slot_mask)
    }

    /// For others. What is said of a lane at rest was true at one moment during the call; what is
    /// said of one in operation, if no slot changed hands there meanwhile.
    pub(super) fn read(&self, slot_mask: u64) -> Record {
        // Acquire: each pairs with the Releases above, so that a word seen shows all that the
        // lane stored before it.
        step();
        let spare = self.spare.load(Acquire);
        step();
        let intent = self.intent.load(Acquire);
        step();
        let still = self.spare.load(Acquire);
        if still == spare {
            Record::of(spare, intent, slot_mask)
        } else {
            // The lane came by this slot meanwhile, and owned it then.
            Record::Idle(still)
        }
    }
}

/// What a queue is created with.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Bytes per element.
    pub elem_size: u64,
    /// Alignment of an element.
    pub elem_align: u64,
    /// Elements the queue holds when full.
    pub capacity: u64,
    /// Attachment slots of the segment.
    pub lanes_home: u32,
}

/// Why no queue can have the parameters asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The capacity is 0, or capacity and lanes together exceed 2^31.
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
    /// Bytes per element.
    pub elem_size: u64,
    /// Alignment of an element.
    pub elem_align: u64,
    /// Elements the queue holds when full.
    pub capacity: u64,
    /// Lanes that belong to the attachment slot of the same number.
    pub home_lanes: u32,
    /// All lanes.
    pub lanes: u32,
    /// See [`Header::slot_bits`].
    pub slot_bits: u32,
    /// See [`Header::lanes_offset`].
    pub lanes_offset: u64,
    /// See [`Header::words_offset`].
    pub words_offset: u64,
    /// See [`Header::slots_offset`].
    pub slots_offset: u64,
}

impl Plan {
    /// Chooses the lanes for `params` and lays the queue out.
    pub fn new(params: &Params) -> Result<Self, PlanError> {
        let attachments = u64::from(params.lanes_home);
        let all = attachments + FURTHER_LANES;
        let affordable = all
            .checked_mul(params.elem_size)
            .is_some_and(|bytes| bytes <= SPARE_BYTES);
        let (home_lanes, lanes) = if affordable {
            (attachments, all)
        } else {
            let wanted = (SPARE_BYTES / params.elem_size).max(FEWEST_LANES);
            (0, attachments.min(wanted).max(FEWEST_LANES))
        };
        Self::with_lanes(
            params.elem_size,
            params.elem_align,
            params.capacity,
            home_lanes,
            lanes,
        )
    }

    /// Lays a queue out with lanes already chosen.
    pub(super) fn with_lanes(
        elem_size: u64,
        elem_align: u64,
        capacity: u64,
        home_lanes: u64,
        lanes: u64,
    ) -> Result<Self, PlanError> {
        if elem_size == 0 || !elem_align.is_power_of_two() || elem_size % elem_align != 0 {
            return Err(PlanError::Element);
        }
        let slots = capacity.checked_add(lanes).ok_or(PlanError::Capacity)?;
        if capacity == 0 || lanes == 0 || home_lanes > lanes || slots > MOST_SLOTS {
            return Err(PlanError::Capacity);
        }
        let align = elem_align.max(LINE);
        let slots_offset = USUAL_SLOTS_OFFSET.next_multiple_of(align);
        let sized = || {
            let lanes_offset = slots
                .checked_mul(elem_size)?
                .checked_add(slots_offset)?
                .checked_next_multiple_of(LANES_ALIGN)?;
            // Neither product can overflow: lanes and capacity are at most 2^31.
            let words_offset = lanes_offset.checked_add(lanes * size_of::<Lane>() as u64)?;
            let size = words_offset
                .checked_add(capacity * size_of::<AtomicU64>() as u64)?
                .checked_next_multiple_of(LINE)?;
            Some((lanes_offset, words_offset, size))
        };
        let (lanes_offset, words_offset, size) = sized().ok_or(PlanError::Overflow)?;
        Ok(Self {
            size,
            align,
            elem_size,
            elem_align,
            capacity,
            home_lanes: home_lanes as u32,
            lanes: lanes as u32,
            slot_bits: ceil_log2(slots),
            lanes_offset,
            words_offset,
            slots_offset,
        })
    }

    /// Reads the geometry back from `header`, and refuses whatever does not follow
    /// from its first fields or does not fit in `region`.
    pub(super) fn read(header: &Header, region: Region) -> Result<Self, Corrupt> {
        // Relaxed: whoever published the queue's table entry published the constants
        // with it, and each is read once.
        let plan = Self::with_lanes(
            header.elem_size.load(Relaxed),
            header.elem_align.load(Relaxed),
            header.capacity.load(Relaxed),
            u64::from(header.home_lanes.load(Relaxed)),
            u64::from(header.lanes.load(Relaxed)),
        )
        .map_err(|_| Corrupt::Geometry)?;
        let sound = header.slot_bits.load(Relaxed) == plan.slot_bits
            && header.lanes_offset.load(Relaxed) == plan.lanes_offset
            && header.words_offset.load(Relaxed) == plan.words_offset
            && header.slots_offset.load(Relaxed) == plan.slots_offset
            && plan.size <= region.len() as u64
            && region.base().addr().get() as u64 % plan.align == 0;
        sound.then_some(plan).ok_or(Corrupt::Geometry)
    }
}

/// Bits needed to count `n` things; 0 for one thing.
const fn ceil_log2(n: u64) -> u32 {
    u64::BITS - (n - 1).leading_zeros()
}

/// Writes an empty queue to an extent that nobody else looks at yet, whatever
/// bytes it held. Payload slots are left as they are.
pub fn init(region: Region, params: &Params) -> Result<(), Corrupt> {
    let plan = Plan::new(params).map_err(|_| Corrupt::Geometry)?;
    init_planned(region, &plan)
}

/// [`init`], for a plan already made.
pub(super) fn init_planned(region: Region, plan: &Plan) -> Result<(), Corrupt> {
    let part = |offset, len| region.part(offset, len).ok_or(Corrupt::Geometry);
    part(0, plan.size)?;
    // SAFETY: nobody else looks at the extent yet.
    unsafe {
        part(0, plan.slots_offset)?.zero();
        part(plan.lanes_offset, plan.size - plan.lanes_offset)?.zero();
    }
    // Relaxed throughout: publishing the queue's table entry publishes these.
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    header.elem_size.store(plan.elem_size, Relaxed);
    header.elem_align.store(plan.elem_align, Relaxed);
    header.capacity.store(plan.capacity, Relaxed);
    header.home_lanes.store(plan.home_lanes, Relaxed);
    header.lanes.store(plan.lanes, Relaxed);
    header.slot_bits.store(plan.slot_bits, Relaxed);
    header.lanes_offset.store(plan.lanes_offset, Relaxed);
    header.words_offset.store(plan.words_offset, Relaxed);
    header.slots_offset.store(plan.slots_offset, Relaxed);

    // Word i starts {lap 0, empty, slot i}; lane k starts with the spare capacity + k.
    let words = region
        .list::<AtomicU64>(plan.words_offset, plan.capacity)
        .ok_or(Corrupt::Geometry)?;
    for (word, slot) in words.iter().zip(0..) {
        word.store(slot, Relaxed);
    }
    let lanes = region
        .list::<Lane>(plan.lanes_offset, u64::from(plan.lanes))
        .ok_or(Corrupt::Geometry)?;
    for (lane, slot) in lanes.iter().zip(plan.capacity..) {
        lane.record.spare.store(slot, Relaxed);
        lane.record.intent.store(slot, Relaxed);
    }
    Ok(())
}
