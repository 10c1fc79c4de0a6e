//! The operations: find the position, record the intention, exchange the slots.

use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use super::layout::{Header, Lane, LaneRecord, Plan, Record};
use super::search::Cursor;
#[cfg(test)]
pub(super) use super::tests::step;
use super::{Corrupt, Outcome};
use crate::fault::Fault;
use crate::raw::{List, Ref, Region, Slots};
use crate::structures::patience;

/// The enqueuing side: exchanges an empty word of lap L for a full one of lap L.
pub(super) const TAIL: u64 = 0;
/// The dequeuing side: exchanges a full word of lap L for an empty one of lap L + 1.
pub(super) const HEAD: u64 = 1;

/// From this element size on, `enqueue` looks for room before it copies.
const WORTH_A_LOOK: u64 = 256;

/// Marks the points where tests interrupt or kill an operation.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn step() {}

/// A place in the endless sequence of elements: `lap * capacity + index`, kept as a hint
/// keeps it: the lap where a ring word has it, 62 - `slot_bits` bits that wrap, and the index
/// in the bits below. So no step divides, and a word compares with its position by one
/// subtraction.
#[derive(Clone, Copy)]
pub(super) struct Position(pub(super) u64);

/// What a ring word says about one position, from the view of one side.
pub(super) struct Sight<'a> {
    cell: &'a AtomicU64,
    /// The word as loaded: {lap, full bit, awaited bit, slot index}, from the high bits down.
    pub(super) word: u64,
    /// {lap, full bit} of the word less what this side exchanges at the position, in
    /// units of the full bit; so laps compare modularly.
    /// 0: to be exchanged. Positive: this side has passed here. -1 unit: the other
    /// side has not been here in the lap before (enqueue: full; dequeue: empty).
    pub(super) ahead: i64,
}

/// A queue in shared memory, with private copies of everything that must not change.
pub struct Ring {
    pub(super) header: Ref<Header>,
    /// Each {lap, full bit, awaited bit, slot index}; starts as {0, empty, no, its index}.
    pub(super) words: List<AtomicU64>,
    pub(super) lanes: List<Lane>,
    pub(super) slots: Slots,
    pub(super) capacity: u64,
    /// The full bit of a ring word. Below it the awaited bit, and below that the slot index.
    pub(super) unit: u64,
    /// Where the lap begins, in a ring word and in a position.
    pub(super) lap_shift: u32,
    /// The bits of a position that hold the index.
    pub(super) index_mask: u64,
    plan: Plan,
}

/// Checks that the header describes a queue that fits in `region`, and takes
/// private copies of its geometry.
pub fn open(region: Region) -> Result<Ring, Corrupt> {
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    let plan = Plan::read(&header, region)?;
    let lanes = u64::from(plan.lanes);
    let parts = || {
        Some((
            region.list(plan.words_offset, plan.capacity)?,
            region.list(plan.lanes_offset, lanes)?,
            region.slots(plan.slots_offset, plan.elem_size, plan.capacity + lanes)?,
        ))
    };
    let (words, lanes, slots) = parts().ok_or(Corrupt::Geometry)?;
    Ok(Ring {
        header,
        words,
        lanes,
        slots,
        capacity: plan.capacity,
        unit: 2 << plan.slot_bits,
        lap_shift: plan.slot_bits + 2,
        index_mask: (4 << plan.slot_bits) - 1,
        plan,
    })
}

impl Ring {
    /// Elements the queue holds when full.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes per element.
    pub fn elem_size(&self) -> u64 {
        self.plan.elem_size
    }

    /// Alignment of an element.
    pub fn elem_align(&self) -> u64 {
        self.plan.elem_align
    }

    /// All lanes, home lanes first.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Lanes that belong to the attachment slot of the same number.
    pub fn home_lanes(&self) -> usize {
        self.plan.home_lanes as usize
    }

    /// Whether every lane is claimed first come, because elements are large.
    pub fn shared_lanes_only(&self) -> bool {
        self.plan.home_lanes == 0
    }

    /// The whole geometry.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Address of the lane's record; `None` past the last lane.
    pub fn record(&self, lane: usize) -> Option<*mut LaneRecord> {
        let lane = self.lanes.get(lane)?;
        Some(core::ptr::from_ref(&lane.record).cast_mut())
    }

    /// The shared header, for the wait words and for observers.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Notes that an operation on `lane` found the queue full, or empty.
    pub fn count_refusal(&self, lane: usize) {
        if let Some(lane) = self.lanes.get(lane) {
            // A plain addition: the lane is ours alone.
            let count = lane.refused.load(Relaxed);
            lane.refused.store(count.wrapping_add(1), Relaxed);
        }
    }

    /// How many operations found the queue full, or empty.
    pub fn refusals(&self) -> u64 {
        let counts = self.lanes.iter().map(|lane| lane.refused.load(Relaxed));
        counts.fold(0, u64::wrapping_add)
    }

    /// The owner words of all lanes.
    pub fn owners(&self) -> impl Iterator<Item = u64> + '_ {
        self.lanes.iter().map(|lane| lane.owner.load(Relaxed))
    }

    /// How many elements have been dequeued, and enqueued, since the creation.
    pub fn passed(&self) -> Result<(u64, u64), Corrupt> {
        let count = |at: Position| {
            let (lap, index) = (at.0 >> self.lap_shift, at.0 & self.index_mask);
            lap.wrapping_mul(self.capacity).wrapping_add(index)
        };
        // The head first, so that what moves in between makes no more come out than went in.
        let (head, _) = self.locate::<HEAD>()?;
        let (tail, _) = self.locate::<TAIL>()?;
        Ok((count(head), count(tail)))
    }

    /// Address of the first payload slot; never `None`, since there is always one.
    pub fn slots_address(&self) -> Option<NonNull<u8>> {
        self.slots.address(0)
    }

    /// The owner word of `lane`, `None` past the last lane. Taking a lane needs an
    /// Acquire that pairs with the Release of the owner before: the record and the
    /// spare slot are handed over with it.
    pub fn lane_owner(&self, lane: usize) -> Option<&AtomicU64> {
        self.lanes.get(lane).map(|lane| &lane.owner)
    }

    /// Appends a copy of the element at `source`, or says that the queue is full.
    ///
    /// # Safety
    ///
    /// `source` has `elem_size` readable bytes. Nobody else uses `lane` meanwhile,
    /// and whoever used it last happens-before this call.
    #[inline(always)]
    pub unsafe fn enqueue(&self, lane: usize, source: *const u8) -> Result<Outcome, Corrupt> {
        let (lane, spare) = self.enter(lane)?;
        if self.plan.elem_size >= WORTH_A_LOOK && self.looks_full() {
            return Ok(Outcome::Full);
        }
        // The payload first, while the slot is ours alone: the CAS publishes it.
        // SAFETY: a lane's spare is in no word and no other lane; the caller vouches for the rest.
        if !unsafe { self.slots.write(spare as usize, source) } {
            return Err(Corrupt::Slot);
        }
        let taken = self.exchange::<TAIL>(lane, spare)?;
        Ok(taken.map_or(Outcome::Full, |_| Outcome::Done))
    }

    /// Whether a copy of a large element would be in vain.
    #[cold]
    #[inline(never)]
    fn looks_full(&self) -> bool {
        self.is_full().unwrap_or(false)
    }

    /// Moves the oldest element to `target`, or says that the queue is empty.
    ///
    /// # Safety
    ///
    /// `target` has `elem_size` writable bytes. Nobody else uses `lane` meanwhile,
    /// and whoever used it last happens-before this call.
    #[inline(always)]
    pub unsafe fn dequeue(&self, lane: usize, target: *mut u8) -> Result<Outcome, Corrupt> {
        let (lane, spare) = self.enter(lane)?;
        let Some(slot) = self.exchange::<HEAD>(lane, spare)? else {
            return Ok(Outcome::Empty);
        };
        // SAFETY: the CAS made the slot this lane's spare, so nobody writes it now; the
        // caller vouches for the rest.
        if !unsafe { self.slots.read(slot as usize, target) } {
            return Err(Corrupt::Slot);
        }
        Ok(Outcome::Done)
    }

    /// Address of the lane's spare slot: to fill before [`Ring::publish`], or to
    /// read after [`Ring::take`]. Exclusive until the next operation on the lane.
    #[inline]
    pub fn spare(&self, lane: usize) -> Result<NonNull<u8>, Corrupt> {
        let (_, spare) = self.enter(lane)?;
        self.slots.address(spare as usize).ok_or(Corrupt::Slot)
    }

    /// Appends the element that was built in the lane's spare slot.
    ///
    /// # Safety
    ///
    /// Nobody else uses `lane` meanwhile, and whoever used it last happens-before this call.
    #[inline]
    pub unsafe fn publish(&self, lane: usize) -> Result<Outcome, Corrupt> {
        let (lane, spare) = self.enter(lane)?;
        let taken = self.exchange::<TAIL>(lane, spare)?;
        Ok(taken.map_or(Outcome::Full, |_| Outcome::Done))
    }

    /// Makes the slot of the oldest element the lane's spare, to be read in place.
    ///
    /// # Safety
    ///
    /// Nobody else uses `lane` meanwhile, and whoever used it last happens-before this call.
    #[inline]
    pub unsafe fn take(&self, lane: usize) -> Result<Outcome, Corrupt> {
        let (lane, spare) = self.enter(lane)?;
        let taken = self.exchange::<HEAD>(lane, spare)?;
        Ok(taken.map_or(Outcome::Empty, |_| Outcome::Done))
    }

    /// Number of elements: exact while nobody operates, never more than the capacity.
    pub fn len(&self) -> Result<u64, Corrupt> {
        // The head first: what moves in between can only make the length too large.
        let (head, _) = self.locate::<HEAD>()?;
        let (tail, _) = self.locate::<TAIL>()?;
        let whole = self.laps(head, tail).saturating_mul(self.capacity);
        let len = whole.saturating_add(self.index(tail));
        Ok(len.saturating_sub(self.index(head)).min(self.capacity))
    }

    /// Whether a dequeue would find nothing: exact at one moment during the call.
    pub fn is_empty(&self) -> Result<bool, Corrupt> {
        let (_, ready) = self.locate::<HEAD>()?;
        Ok(!ready)
    }

    /// Whether an enqueue would find no room: exact at one moment during the call.
    pub fn is_full(&self) -> Result<bool, Corrupt> {
        let (_, ready) = self.locate::<TAIL>()?;
        Ok(!ready)
    }

    /// The lane and its spare slot, checked to exist.
    #[inline(always)]
    fn enter(&self, lane: usize) -> Result<(&Lane, u64), Corrupt> {
        let lane = self.lanes.get(lane).ok_or(Corrupt::Lane)?;
        match lane.record.own(self.slot_mask()) {
            Record::Idle(spare) if spare < self.slots.len() as u64 => Ok((lane, spare)),
            Record::Idle(_) => Err(Corrupt::Slot),
            Record::InOperation { .. } => Err(Corrupt::Lane),
        }
    }

    /// Exchanges slot `s` for the one at this side's position. `None`: full, or empty.
    #[inline(always)]
    fn exchange<const SIDE: u64>(&self, lane: &Lane, s: u64) -> Result<Option<u64>, Corrupt> {
        let at = self.hinted::<SIDE>();
        if let Some(sight) = self.look::<SIDE>(at) {
            if sight.ahead == 0 {
                let exchanged = self.attempt::<SIDE>(lane, s, at, &sight);
                if exchanged != Ok(None) {
                    return exchanged;
                }
            } else if sight.ahead == self.blocked() {
                return self.catch_up::<SIDE>(lane, s, at);
            }
        }
        self.contend::<SIDE>(lane, s, at)
    }

    /// The rest of `exchange`, when the word shows that the queue is full, or empty: maybe a
    /// head start for the other side, and another look (see [`patience`]).
    #[cold]
    #[inline(never)]
    fn catch_up<const SIDE: u64>(
        &self,
        lane: &Lane,
        s: u64,
        at: Position,
    ) -> Result<Option<u64>, Corrupt> {
        if self.capacity < patience::LEAST_CAPACITY {
            return Ok(None);
        }
        let [as_producer, as_consumer] = &lane.patience;
        let memory = if SIDE == TAIL {
            as_producer
        } else {
            as_consumer
        };
        match patience::wait_at(memory, at.0, |words| self.is_clear::<SIDE>(at, words)) {
            Some(_) => self.contend::<SIDE>(lane, s, at),
            None => Ok(None),
        }
    }

    /// The rest of `exchange`, when the hint was stale or somebody else was faster.
    #[cold]
    #[inline(never)]
    fn contend<const SIDE: u64>(
        &self,
        lane: &Lane,
        s: u64,
        at: Position,
    ) -> Result<Option<u64>, Corrupt> {
        let mut cursor = Cursor::new(at);
        let end = loop {
            let sight = match self.find::<SIDE>(&mut cursor) {
                Ok(sight) if sight.ahead == 0 => sight,
                other => break other.map(|_| None),
            };
            match self.attempt::<SIDE>(lane, s, cursor.at, &sight) {
                // Somebody else's exchange came first: look at the same word again.
                Ok(None) => {}
                Err(corrupt) => break Err(corrupt),
                exchanged => return exchanged,
            }
        };
        step();
        lane.record.withdraw(s);
        end
    }

    /// To be called by who is about to sleep until this side can go on, with the flag of the
    /// wait word up. Whether there is something to sleep for: then nobody ends that without
    /// looking at the wait word afterwards.
    ///
    /// Where a side cannot go on, its position and the other side's are the same, or a lap apart.
    /// So there is one word that the other side has to exchange next, and nobody else exchanges
    /// it. As that is marked here, in one step with seeing it so, an exchange of any word that is
    /// not marked need not look for sleepers.
    pub fn await_exchange<const SIDE: u64>(&self) -> Result<bool, Corrupt> {
        let mut cursor = Cursor::new(self.hinted::<SIDE>());
        loop {
            let sight = self.find::<SIDE>(&mut cursor)?;
            if sight.ahead == 0 {
                return Ok(false);
            }
            let marked = sight.word | self.awaited();
            step();
            // SeqCst, also where the mark is there already (the load in `look`): after the flag
            // was raised, in the order that the exchange and the look at the flag are part of.
            let cell = sight.cell;
            if sight.word == marked
                || cell
                    .compare_exchange(sight.word, marked, SeqCst, SeqCst)
                    .is_ok()
            {
                return Ok(true);
            }
        }
    }

    /// Whether the other side has come so many words, at most the capacity, further than `at`.
    fn is_clear<const SIDE: u64>(&self, at: Position, words: u64) -> bool {
        let last = self.look::<SIDE>(self.offset(at, words - 1));
        last.is_some_and(|sight| sight.ahead >= 0)
    }

    /// Tries to exchange slot `s` for the one in the word that was sighted at `at`, this
    /// side's position. `None`: the word changed first, and the record is left in operation.
    #[inline(always)]
    fn attempt<const SIDE: u64>(
        &self,
        lane: &Lane,
        s: u64,
        at: Position,
        sight: &Sight<'_>,
    ) -> Result<Option<u64>, Corrupt> {
        let j = sight.word & self.slot_mask();
        if j >= self.slots.len() as u64 {
            return Err(Corrupt::Slot);
        }
        // Say which two slots are in play before either can change hands.
        step();
        if !Fault::LateRecord.is_planted() {
            lane.record.intend(sight.word);
        }
        // The linearisation point. As a Release it publishes the payload, the record, and
        // that whoever read slot `s` is done with it; as an Acquire it pairs with the CAS
        // that put `j` here. SeqCst is the same instruction on x86 and ARM, and gives one
        // total order with the loads in `look`: full and empty stay exact for programs that
        // relate several queues (with AcqRel, two threads that each enqueue on one queue
        // could both find the other's queue empty). Strong: every failure is somebody's success,
        // or that of one who is going to sleep until this very exchange. The word is not awaited
        // any more; whoever exchanged it looks for sleepers then.
        step();
        let next = self.stage(sight.word).wrapping_add(self.unit) | s;
        let exchanged = sight
            .cell
            .compare_exchange(sight.word, next, SeqCst, SeqCst);
        if exchanged.is_err() {
            return Ok(None);
        }
        if Fault::LateRecord.is_planted() {
            lane.record.intend(sight.word);
        }
        step();
        lane.record.settle(j);
        // Never ahead of the truth: this position is passed, and all before it were when we
        // came here. Release, so that who starts from the hint (Acquire in `hinted`) sees
        // the words before it as passed too.
        step();
        self.hint::<SIDE>().store(self.offset(at, 1).0, Release);
        Ok(Some(j))
    }

    /// The position that the hint names.
    #[inline(always)]
    pub(super) fn hinted<const SIDE: u64>(&self) -> Position {
        step();
        // Acquire: pairs with the Release that stored the hint; see there.
        Position(self.hint::<SIDE>().load(Acquire))
    }

    /// Loads the word of a position; `None` when there is no such index.
    #[inline(always)]
    pub(super) fn look<const SIDE: u64>(&self, at: Position) -> Option<Sight<'_>> {
        let index = self.index(at);
        if index >= self.capacity {
            return None;
        }
        let cell = self.words.get(index as usize)?;
        step();
        // Acquire, at least: what the CAS that stored this word knew to be passed we may
        // take for passed (a jump and a hint rely on it). SeqCst: see `attempt`.
        let word = cell.load(SeqCst);
        let ahead = self.ahead::<SIDE>(word, at);
        Some(Sight { cell, word, ahead })
    }

    /// See [`Sight::ahead`].
    #[inline(always)]
    pub(super) fn ahead<const SIDE: u64>(&self, word: u64, at: Position) -> i64 {
        let exchangeable = (at.0 & !self.index_mask) + SIDE * self.unit;
        self.stage(word).wrapping_sub(exchangeable) as i64
    }

    /// {lap, full bit} of a word, where they are.
    #[inline]
    fn stage(&self, word: u64) -> u64 {
        word & !(self.unit - 1)
    }

    /// The position `distance` further on; `distance` is at most the capacity.
    #[inline]
    pub(super) fn offset(&self, at: Position, distance: u64) -> Position {
        let index = self.index(at) + distance;
        if index < self.capacity {
            return Position(at.0 + distance);
        }
        let next_lap = (at.0 | self.index_mask).wrapping_add(1);
        Position(next_lap | (index - self.capacity))
    }

    #[inline]
    pub(super) fn index(&self, at: Position) -> u64 {
        at.0 & self.index_mask
    }

    #[inline]
    fn hint<const SIDE: u64>(&self) -> &AtomicU64 {
        if SIDE == TAIL {
            &self.header.ends.tail
        } else {
            &self.header.ends.head
        }
    }

    /// How far `ahead` is where the other side has to come first.
    #[inline]
    pub(super) fn blocked(&self) -> i64 {
        -(self.unit as i64)
    }

    /// The bit of a word that says: somebody sleeps until it is exchanged, or did.
    #[inline]
    pub(super) fn awaited(&self) -> u64 {
        self.unit / 2
    }

    #[inline]
    pub(super) fn slot_mask(&self) -> u64 {
        self.awaited() - 1
    }
}
