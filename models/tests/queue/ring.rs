//! The steps of `src/structures/queue/ring.rs` and of `shmds_inline.h`, with their orderings.

use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use loom::sync::atomic::fence;
use shmds_models::wait::{self, WaitWord};
use shmds_models::{Atomic, Slot};

/// Bits of a slot number.
const SLOT_BITS: u32 = 3;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// The bit of a word that says: somebody sleeps until it is exchanged, or did.
const AWAITED: u64 = 1 << SLOT_BITS;
/// One stage of a word: from empty to full, and from there to empty in the next lap.
const UNIT: u64 = 2 << SLOT_BITS;
/// A position is {lap, index}, the lap where a word has it.
const LAP: u64 = 2 * UNIT;
const INDEX_MASK: u64 = LAP - 1;

/// How far `ahead` is where the other side has to come first.
const BLOCKED: i64 = -(UNIT as i64);

/// The sides; for a side, what a word has to be beyond {lap, empty} for an exchange.
pub const TAIL: u64 = 0;
pub const HEAD: u64 = 1;

/// Who may use a lane: nobody, or a number from 1 on.
const NOBODY: u64 = 0;
/// The first number of those who live on when lanes are inherited.
pub const HEIRS: u64 = 100;

/// A mistake in the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// None: the protocol as the library does it.
    None,
    /// The hint is stored before the record. No mistake: the code in line does it.
    HintBeforeRecord,
    /// The exchange does not release the payload.
    RelaxedPublish,
    /// Neither the look at a word nor the exchange acquires the slot that it names.
    RelaxedAcquire,
    /// A word is looked at without acquiring what its author had seen.
    RelaxedLook,
    /// The hint is stored without releasing the words before it.
    RelaxedHint,
    /// The hint is loaded without acquiring the words before it.
    RelaxedHintLoad,
    /// The hint is moved on before the exchange.
    HintAhead,
    /// Words and hints tell only two laps apart.
    OneBitLap,
    /// The payload is written after the exchange.
    LatePayload,
    /// A lane is given back without releasing its record.
    RelaxedGiveBack,
    /// A lane is claimed without acquiring its record.
    RelaxedClaim,
    /// An intent is stored without releasing the spare before it.
    RelaxedIntend,
    /// A record is read without acquiring what was stored before each of its words.
    RelaxedRead,
    /// A record is made of its two words without another look at the first one.
    SpareNotReadAgain,
    /// Words and lanes are scanned before the owner is known to be dead.
    SightingBeforeDeath,
    /// Who claims a dead owner's lane does not order that before the looks at others.
    NoFence,
    /// Somebody sleeps, maybe with a mistake in how the word is marked that it waits for.
    Waiting(MarkingFault),
}

/// A mistake in how the word is marked that somebody waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkingFault {
    /// None: the protocol as it is.
    None,
    /// The word is not marked.
    NoMark,
    /// Who finds that the queue is not empty any more goes to sleep all the same.
    SleepInVain,
    /// The word is marked by a store.
    MarkStored,
}

/// The right to be inside an operation, and its spare slot.
struct Lane {
    owner: Atomic,
    /// The slot that the lane owns, until it exchanges `intent`.
    spare: Atomic,
    /// A ring word, or just the number of the lane's slot.
    intent: Atomic,
}

/// What a lane's two words say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    Idle(u64),
    InOperation { s: u64, j: u64 },
}

/// Where a process dies in its operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    BeforeExchange,
    AfterExchange,
    /// With the hint stored before the record.
    AfterHint,
}

pub struct Queue {
    capacity: u64,
    words: Vec<Atomic>,
    slots: Vec<Slot>,
    lanes: Vec<Lane>,
    tail: Atomic,
    head: Atomic,
    /// `None`: nobody sleeps, and nobody is woken, for the barrier in that would hide faults.
    items: Option<WaitWord>,
    fault: Fault,
}

impl Queue {
    /// An empty queue; lane `n` belongs to owner `n + 1`.
    pub fn new(capacity: u64, lanes: u64, fault: Fault) -> Self {
        assert!(capacity + lanes <= AWAITED);
        let lane = |number| Lane {
            owner: Atomic::new(number + 1),
            spare: Atomic::new(capacity + number),
            intent: Atomic::new(capacity + number),
        };
        let items = match fault {
            Fault::Waiting(_) => Some(WaitWord::new(wait::Fault::None)),
            _ => None,
        };
        Self {
            capacity,
            words: (0..capacity).map(Atomic::new).collect(),
            slots: (0..capacity + lanes).map(|_| Slot::new(0)).collect(),
            lanes: (0..lanes).map(lane).collect(),
            tail: Atomic::new(0),
            head: Atomic::new(0),
            items,
            fault,
        }
    }

    /// Appends an element; false when the queue is full.
    pub fn enqueue(&self, lane: usize, element: u64) -> bool {
        let lane = &self.lanes[lane];
        let spare = lane.spare();
        let late = self.fault == Fault::LatePayload;
        if !late {
            self.slots[spare as usize].write(element);
        }
        let exchanged = self.exchange(TAIL, lane, spare);
        let done = exchanged.is_some();
        if late && done {
            self.slots[spare as usize].write(element);
        }
        // As the code in line does; the library looks at the flag always.
        if let (Some(true), Some(items)) = (exchanged.map(|(_, awaited)| awaited), &self.items) {
            items.wake();
        }
        done
    }

    /// Takes the oldest element; `None` when the queue is empty.
    pub fn dequeue(&self, lane: usize) -> Option<u64> {
        let lane = &self.lanes[lane];
        let (slot, _) = self.exchange(HEAD, lane, lane.spare())?;
        Some(self.slots[slot as usize].read())
    }

    /// Takes the oldest element, sleeping while there is none.
    pub fn dequeue_wait(&self, lane: usize) -> u64 {
        let items = self.items.as_ref().expect("a scenario with sleepers");
        let is_in_vain = || match self.fault {
            Fault::Waiting(MarkingFault::NoMark) => false,
            Fault::Waiting(MarkingFault::SleepInVain) => {
                self.await_exchange(HEAD);
                false
            }
            _ => !self.await_exchange(HEAD),
        };
        items.wait_unless(|| self.dequeue(lane), is_in_vain)
    }

    /// Marks the word that the other side has to exchange before this one can go on; false if
    /// there is none.
    fn await_exchange(&self, side: u64) -> bool {
        let mut at = self.hint(side).load(Acquire);
        loop {
            let (word, ahead) = self.look(side, at);
            if ahead > 0 {
                at = self.seek(side, at, ahead);
                continue;
            }
            if ahead == 0 {
                return false;
            }
            assert!(ahead == BLOCKED, "a position ahead of the truth");
            let cell = &self.words[(at & INDEX_MASK) as usize];
            let marked = word | AWAITED;
            if self.fault == Fault::Waiting(MarkingFault::MarkStored) {
                cell.store(marked, SeqCst);
                return true;
            }
            if word == marked || cell.compare_exchange(word, marked, SeqCst, SeqCst).is_ok() {
                return true;
            }
        }
    }

    /// Dequeues what this lane enqueued at the first position, by the word that it put there
    /// with slot `s`, without another look; `None` if that is gone.
    pub fn dequeue_foreseen(&self, lane: usize, s: u64) -> Option<u64> {
        let lane = &self.lanes[lane];
        let (own, word) = (lane.spare(), UNIT | s);
        self.intend(lane, word);
        if !self.swap(0, word, own) {
            lane.withdraw(own);
            return None;
        }
        lane.settle(s);
        Some(self.slots[s as usize].read())
    }

    /// The slot that a lane at rest owns.
    pub fn spare(&self, lane: usize) -> u64 {
        self.lanes[lane].spare()
    }

    /// Enqueues up to the point where the process dies; whether that was an exchange.
    pub fn die_enqueuing(&self, lane: usize, element: u64, death: Death) -> bool {
        self.slots[self.spare(lane) as usize].write(element);
        self.die(TAIL, lane, death)
    }

    /// Operates up to the point where the process dies; whether that was an exchange.
    pub fn die(&self, side: u64, lane: usize, death: Death) -> bool {
        let lane = &self.lanes[lane];
        let s = lane.spare();
        let at = self.hint(side).load(Acquire);
        let (word, ahead) = self.look(side, at);
        if ahead != 0 {
            return false;
        }
        self.intend(lane, word);
        let exchanged = death != Death::BeforeExchange && self.swap(at, word, s);
        if exchanged && death == Death::AfterHint {
            self.hint(side).store(self.offset(at, 1), Release);
        }
        exchanged
    }

    /// Gives a lane back for others to claim.
    pub fn give_back(&self, lane: usize) {
        let order = match self.fault {
            Fault::RelaxedGiveBack => Relaxed,
            _ => Release,
        };
        self.lanes[lane].owner.store(NOBODY, order);
    }

    /// Claims a lane that is nobody's; whether that worked.
    pub fn claim(&self, lane: usize, owner: u64) -> bool {
        let order = match self.fault {
            Fault::RelaxedClaim => Relaxed,
            _ => AcqRel,
        };
        let word = &self.lanes[lane].owner;
        word.compare_exchange(NOBODY, owner, order, Relaxed).is_ok()
    }

    /// Puts a lane to rest whose owner died; `None` while it lives, or the slot is not to be told.
    pub fn recover(&self, lane: usize, is_dead: impl Fn() -> bool) -> Option<u64> {
        let early = (self.fault == Fault::SightingBeforeDeath).then(|| self.sightings(lane));
        if !is_dead() {
            return None;
        }
        let dead = &self.lanes[lane];
        let (s, j) = match self.read(dead) {
            Record::Idle(spare) => return Some(spare),
            Record::InOperation { s, j } => (s, j),
        };
        let sighted = early.unwrap_or_else(|| self.sightings(lane));
        let left = match (sighted & 1 << s != 0, sighted & 1 << j != 0) {
            (true, true) => panic!("both slots of a lane seen elsewhere"),
            (true, false) => j,
            (false, true) => s,
            (false, false) => return None,
        };
        dead.rest(s, left);
        Some(left)
    }

    /// Two lanes whose owners died in operations on the same two slots, which nobody else has.
    pub fn die_on_the_same_slots(&self, lanes: [usize; 2]) {
        let slots = lanes.map(|lane| self.lanes[lane].spare());
        for lane in lanes {
            self.lanes[lane].settle(slots[0]);
            self.intend(&self.lanes[lane], slots[1]);
        }
    }

    /// Claims the lane of a dead owner and puts it to rest, if nothing but the lane of another
    /// that died on the same slots can tell; `None`, and nothing changed, if that has no dead
    /// owner any more.
    pub fn inherit(&self, lane: usize, other: usize, heir: u64) -> Option<u64> {
        let (own, other) = (&self.lanes[lane], &self.lanes[other]);
        let dead = own.owner.load(Relaxed);
        let claimed = own.owner.compare_exchange(dead, heir, AcqRel, Relaxed);
        assert!(claimed.is_ok(), "nobody else claims this lane");
        if self.fault != Fault::NoFence {
            fence(SeqCst);
        }
        let record = self.read(own);
        let Record::InOperation { s, j } = record else {
            panic!("nobody else puts this lane to rest");
        };
        // The record, the owner and the record again, as in `doubt`; both again, as in `stands`.
        let stands = || self.read(other) == record && other.owner.load(Acquire) < HEIRS;
        let left = match self.read(other) {
            Record::Idle(spare) if spare == s => j,
            Record::Idle(spare) if spare == j => s,
            _ if stands() && stands() => s,
            _ => {
                own.owner.store(dead, Release);
                return None;
            }
        };
        own.rest(s, left);
        Some(left)
    }

    /// The slots that are in a word, or the spare of another lane at rest; one bit each.
    fn sightings(&self, lane: usize) -> u64 {
        let words = self.words.iter().map(|word| word.load(Acquire) & SLOT_MASK);
        let seen = words.fold(0, |seen, slot| seen | 1 << slot);
        let others = self.lanes.iter().enumerate().filter(|&(n, _)| n != lane);
        others.fold(seen, |seen, (_, other)| match self.read(other) {
            Record::Idle(spare) => seen | 1 << spare,
            Record::InOperation { .. } => seen,
        })
    }

    /// Says, before an exchange, which word is to be exchanged.
    fn intend(&self, lane: &Lane, word: u64) {
        let order = match self.fault {
            Fault::RelaxedIntend => Relaxed,
            _ => Release,
        };
        lane.intent.store(word, order);
    }

    /// What a lane's record says to others.
    fn read(&self, lane: &Lane) -> Record {
        let order = match self.fault {
            Fault::RelaxedRead => Relaxed,
            _ => Acquire,
        };
        let spare = lane.spare.load(order);
        let intent = lane.intent.load(order);
        if self.fault == Fault::SpareNotReadAgain {
            return Record::of(spare, intent);
        }
        match lane.spare.load(order) {
            still if still == spare => Record::of(spare, intent),
            still => Record::Idle(still),
        }
    }

    /// Exchanges slot `s` for the one at this side's position, and says whether somebody waited
    /// for that; `None`: full, or empty.
    fn exchange(&self, side: u64, lane: &Lane, s: u64) -> Option<(u64, bool)> {
        let mut at = self.hint(side).load(match self.fault {
            Fault::RelaxedHintLoad => Relaxed,
            _ => Acquire,
        });
        loop {
            let (word, ahead) = self.look(side, at);
            if ahead > 0 {
                at = self.seek(side, at, ahead);
                continue;
            }
            if ahead == BLOCKED {
                lane.withdraw(s);
                return None;
            }
            assert!(ahead == 0, "a position ahead of the truth");
            let j = word & SLOT_MASK;
            self.intend(lane, word);
            let next = self.offset(at, 1);
            if self.fault == Fault::HintAhead {
                self.hint(side).store(next, Release);
            }
            if !self.swap(at, word, s) {
                continue;
            }
            if self.fault != Fault::HintBeforeRecord {
                lane.settle(j);
            }
            let order = match self.fault {
                Fault::RelaxedHint => Relaxed,
                _ => Release,
            };
            self.hint(side).store(next, order);
            if self.fault == Fault::HintBeforeRecord {
                lane.settle(j);
            }
            return Some((j, word & AWAITED != 0));
        }
    }

    /// The linearisation point.
    fn swap(&self, at: u64, word: u64, s: u64) -> bool {
        let order = match self.fault {
            Fault::RelaxedPublish => Acquire,
            Fault::RelaxedAcquire => Release,
            _ => SeqCst,
        };
        // A failure acquires what the successful exchange released, as `look` does.
        let next = self.cut((word & !(UNIT - 1)).wrapping_add(UNIT)) | s;
        self.words[(at & INDEX_MASK) as usize]
            .compare_exchange(word, next, order, SeqCst)
            .is_ok()
    }

    fn look(&self, side: u64, at: u64) -> (u64, i64) {
        let order = match self.fault {
            Fault::RelaxedLook | Fault::RelaxedAcquire => Relaxed,
            _ => SeqCst,
        };
        let word = self.words[(at & INDEX_MASK) as usize].load(order);
        let exchangeable = (at & !INDEX_MASK) + side * UNIT;
        let ahead = (word & !(UNIT - 1)).wrapping_sub(exchangeable);
        // One stage behind is blocked; everything else that is cut off counts as ahead.
        let cut = self.cut(ahead.wrapping_add(UNIT)).wrapping_sub(UNIT);
        (word, cut as i64)
    }

    /// A position after `at`, where `ahead` was seen, and not ahead of the truth.
    fn seek(&self, side: u64, at: u64, ahead: i64) -> u64 {
        let laps = (ahead as u64 / UNIT - 1) / 2;
        let base = self.cut(at.wrapping_add(laps * LAP));
        let (mut passed, mut unpassed) = (0, self.capacity);
        while unpassed - passed > 1 {
            let probe = passed + 1;
            match self.look(side, self.offset(base, probe)) {
                (_, ahead) if ahead > 0 => passed = probe,
                _ => unpassed = probe,
            }
        }
        self.offset(base, unpassed)
    }

    fn offset(&self, at: u64, distance: u64) -> u64 {
        let index = (at & INDEX_MASK) + distance;
        match index.checked_sub(self.capacity) {
            None => at + distance,
            Some(beyond) => self.cut((at & !INDEX_MASK).wrapping_add(LAP)) | beyond,
        }
    }

    /// A word or a position with as many bits of the lap as there are.
    fn cut(&self, word: u64) -> u64 {
        match self.fault {
            Fault::OneBitLap => word & (2 * LAP - 1),
            _ => word,
        }
    }

    fn hint(&self, side: u64) -> &Atomic {
        match side {
            TAIL => &self.tail,
            _ => &self.head,
        }
    }
}

impl Record {
    fn of(spare: u64, intent: u64) -> Self {
        let (s, j) = (spare, intent & SLOT_MASK);
        match s == j {
            true => Self::Idle(s),
            false => Self::InOperation { s, j },
        }
    }
}

impl Lane {
    /// After the exchange.
    fn settle(&self, j: u64) {
        self.spare.store(j, Release);
    }

    /// When nothing was exchanged.
    fn withdraw(&self, s: u64) {
        self.intent.store(s, Release);
    }

    /// Ends a recovery.
    fn rest(&self, s: u64, left: u64) {
        match left == s {
            true => self.withdraw(s),
            false => self.settle(left),
        }
    }

    /// The slot that a lane at rest owns.
    fn spare(&self) -> u64 {
        match Record::of(self.spare.load(Relaxed), self.intent.load(Relaxed)) {
            Record::Idle(spare) => spare,
            Record::InOperation { .. } => panic!("a lane not at rest is used"),
        }
    }
}
