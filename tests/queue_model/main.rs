//! An exhaustive model of the queue's protocol: every interleaving of a few
//! processes, with deaths between any two steps.
//!
//! Modelled, one step for each access to a word that several processes use: an
//! operation loads the hint and a ring word, searches when the hint is stale,
//! stores its lane's intent, exchanges slots by compare-and-swap, stores the lane's spare
//! and the hint, and reads the payload; or it gives up as full or empty, and takes the
//! intent back. In the end a process gives its lane back. An heir (a process without a
//! lane) takes a lane that is free or whose owner is dead, by its owner word, and recovers
//! it in the order of `recovery.rs` (its record; each neighbour's record, owner, death,
//! record again; the ring words; the idle lanes; each neighbour once more), and ends that
//! by a store of its spare or of its intent; then it operates on the lane, or restores the
//! dead owner and tries again. A record is read in three steps: spare, intent, spare. Heirs
//! die too. What only one process can see happens together with its next step, and a load
//! that makes no difference is left out.
//!
//! Processes with foresight do as the code in line does: in each operation they load the word
//! at the position behind it, and their next operation on that side intends what they saw
//! then, however long ago, before anything else. If it is something to exchange, they do that
//! without another look, and store the hint before the spare; if not, or in vain, they take the
//! intent back and load the hint, and when that is a lap back, start from where they know to be.
//! (The code in line does not try where others are at the same side. Here it always does.)
//! Enqueues in line keep what is foreseen of the head up to date; here those of both sides
//! do that for each other, or none does. Only with foresight do dead lanes come to name each other's slots here. (That a
//! lane is aside of such a circle does not occur: it takes more operations.)
//! A lane that intends a word that names its own spare is at rest for everybody else: no
//! word names that slot, so the exchange fails.
//!
//! Memory is sequentially consistent, capacities are up to 3, positions do not wrap,
//! and hints are never foreign bytes, so neither `resync` nor the later strides of
//! `seek` occur.
//!
//! Beside the shared words a state holds the truth: the sequence of elements, and
//! which slot each lane owns. They change at the exchange, nowhere else, so whatever
//! the processes conclude is checked against one moment within the operation:
//! - each exchange is at the first free, or the oldest, position: first in, first out;
//! - full and empty are true when the word that says so is loaded;
//! - the words hold exactly the elements that are in, whole, and every slot has one holder;
//! - recovery leaves a lane with the slot that it owns, and nobody uses another one;
//! - once all living processes are at rest, the lane of every dead one can be recovered.
//!
//! Deliberate faults show that the checks bite.

mod explore;
mod operation;
mod recovery;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

const CAPACITY: usize = 3;
const LANES: usize = 3;
const SLOTS: usize = CAPACITY + LANES;
/// Workers and heirs, and the auditor.
const PROCESSES: usize = 6;
/// Recovers lanes on copies of a state, to see whether that can be done; has no step of its own.
const AUDITOR: usize = PROCESSES - 1;

/// What a process does; its elements are told apart by its number and the operation's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Enqueue,
    Dequeue,
}
use Operation::{Dequeue, Enqueue};

impl Operation {
    /// Its place in what a process has foreseen.
    fn side(self) -> usize {
        usize::from(self == Dequeue)
    }
}

/// A mistake in the protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The intention is recorded when the slots have changed hands.
    RecordAfterExchange,
    /// The hint is moved on before the exchange.
    HintBeforeExchange,
    /// Words and lanes are scanned before the lane is known to be dead and its record loaded.
    SightingBeforeRecord,
    /// Neighbours are not looked at again after the scan.
    NeighboursNotCheckedAgain,
    /// A dead owner is replaced only after the looks at its lane's neighbours.
    ClaimAfterLooks,
    /// Lanes that own each other's slots among them are not told.
    CirclesNotTold,
    /// The lanes of a circle are told although others are bound to it.
    CirclesNotCounted,
    /// What is foreseen is exchanged whatever it is.
    ForesightNotChecked,
    /// A record is made of its two words without another look at the first one.
    SpareNotReadAgain,
}

/// What processes remember of the words that they saw behind their positions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Foresight {
    None,
    /// What the side itself saw, while operations on the other side go by another way,
    OfOneSide,
    /// or with what the other side put there,
    OfBothSides,
    /// or no more than the first time, as a memory does while operations go by another one.
    Old,
}

/// What is explored.
struct Model {
    capacity: usize,
    /// Worker `n` starts with lane `n`.
    workers: &'static [&'static [Operation]],
    heirs: &'static [&'static [Operation]],
    /// How many processes die at most.
    deaths: u8,
    foresight: Foresight,
    fault: Fault,
}

/// A ring word: twice the lap, plus one if full; and the slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Word {
    stage: u8,
    slot: u8,
}

/// What the two words of a lane's record say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Record {
    Idle(u8),
    InOperation { s: u8, j: u8 },
}

impl Record {
    fn of(s: u8, j: u8) -> Self {
        match s == j {
            true => Self::Idle(s),
            false => Self::InOperation { s, j },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Lane {
    /// A process; `None` when nobody ever had the lane.
    owner: Option<u8>,
    spare: u8,
    /// The slot in the word that is intended; the rest of that word tells nobody anything.
    intent: u8,
}

impl Lane {
    fn record(&self) -> Record {
        Record::of(self.spare, self.intent)
    }
}

/// A neighbour that died in operation {s, j}, as it was before the scan.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Doubt {
    owner: u8,
    s: u8,
    j: u8,
}

/// What a recovery has learnt so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Inquest {
    lane: u8,
    /// Who owned the lane, and gets it back when nothing can be told.
    before: Option<u8>,
    record: Record,
    doubts: [Option<Doubt>; LANES],
    /// Slots seen in a word or as an idle lane's spare, one bit each.
    sighted: u8,
}

/// A recovery's next step, with the lane, word and owner that it is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Inquiry {
    /// Replace the dead owner.
    Claim,
    /// Load one more word of a record.
    Read(Reading, usize, Loads),
    Owner(usize),
    Death(usize, u8),
    Word(usize),
    SameOwner(usize),
    /// Store one word of the lane's record.
    Verdict,
    GiveBack,
}

/// What a record is read for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Reading {
    /// To know what to tell about the lane.
    Own,
    /// To see whether a neighbour is in operation,
    Glance,
    /// and which slots it is about, now that its owner is known to be dead.
    Again(u8),
    /// For the spare of an idle lane.
    Spare,
    /// To see whether a neighbour's is what it was.
    Same,
}

/// What a read of a record has loaded so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Loads {
    Nothing,
    Spare(u8),
    Both { spare: u8, intent: u8 },
}

/// Offsets from a position that a side has passed, between which its position is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Range {
    base: u8,
    passed: u8,
    unpassed: u8,
    stride: u8,
}

/// A process's next step. In an operation: the position it is at, the word it saw,
/// slot `j` and the element that it got.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Next {
    /// An operation, or the choice of a lane to recover, or nothing more.
    Begin,
    Look {
        at: u8,
        contending: bool,
    },
    /// Look where the search goes on.
    Probe {
        range: Range,
        probe: u8,
    },
    /// Load the hint.
    Hint,
    /// When the word that was foreseen is intended already: look where the next operation will be.
    LookAhead {
        at: u8,
        seen: Word,
    },
    /// Store the intent, before the exchange
    Intend {
        at: u8,
        seen: Word,
    },
    Exchange {
        at: u8,
        seen: Word,
        /// What was seen at the next position, if that was looked at before.
        ahead: Option<Word>,
    },
    /// and the spare after it.
    Settle {
        at: u8,
        j: u8,
        element: u8,
    },
    /// Store the hint,
    Advance {
        at: u8,
        j: u8,
        element: u8,
    },
    /// and look where the next operation will be.
    Foresee {
        at: u8,
        j: u8,
        element: u8,
    },
    /// Read the payload.
    Read {
        j: u8,
        element: u8,
    },
    /// Store the intent although nothing was exchanged: full, or empty;
    Withdraw,
    /// or what was foreseen is not there, and the hint is to be loaded again.
    Restore,
    Recover(Inquest, Inquiry),
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Process {
    next: Next,
    lane: Option<u8>,
    /// The spare of its lane, in an operation.
    spare: u8,
    /// How many of its operations are done.
    done: u8,
    /// The position behind the last one that it enqueued at, and dequeued at, and the word
    /// that it saw there.
    foreseen: [(u8, Word); 2],
}

/// A position that does not exist.
const NOWHERE: u8 = u8::MAX;

/// What is intended, but never exchanged, when nothing was foreseen.
const NOTHING_FORESEEN: (u8, Word) = (NOWHERE, Word { stage: 0, slot: 0 });

/// A process that has done nothing.
const FRESH: Process = Process {
    next: Next::Begin,
    lane: None,
    spare: 0,
    done: 0,
    foreseen: [NOTHING_FORESEEN; 2],
};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    words: [Word; CAPACITY],
    tail: u8,
    head: u8,
    lanes: [Lane; LANES],
    payload: [u8; SLOTS],
    processes: [Process; PROCESSES],
    deaths: u8,
    /// The truth: elements enqueued and dequeued so far,
    enqueued: u8,
    dequeued: u8,
    /// those that are in, by position modulo the capacity,
    elements: [u8; CAPACITY],
    /// and the slot that each lane owns.
    owned: [u8; LANES],
}

/// A result, or the rule that was broken.
type Checked<T = ()> = Result<T, String>;

fn check(holds: bool, complaint: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(complaint()) }
}

/// A rule broken: which, after which steps, and how many states were visited by then.
struct Violation {
    complaint: String,
    path: Vec<u8>,
    states: usize,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            complaint,
            path,
            states,
        } = self;
        write!(f, "{complaint}, after steps of {path:?} ({states} states)")
    }
}

/// Workers and heirs that make no mistakes and foresee nothing.
fn model(
    capacity: usize,
    workers: &'static [&'static [Operation]],
    heirs: &'static [&'static [Operation]],
    deaths: u8,
) -> Model {
    Model {
        capacity,
        workers,
        heirs,
        deaths,
        foresight: Foresight::None,
        fault: Fault::None,
    }
}

/// No rule is broken in any state, whatever is foreseen.
fn holds(sound: Model) {
    let each = [
        Foresight::None,
        Foresight::OfOneSide,
        Foresight::OfBothSides,
        Foresight::Old,
    ];
    // With one element every step is into the next lap, out of line, and the last three are alike.
    let different = if sound.capacity == 1 { 2 } else { each.len() };
    for &foresight in &each[..different] {
        let start = std::time::Instant::now();
        let states = Model { foresight, ..sound }.explore();
        let states = states.unwrap_or_else(|broken| panic!("{broken}"));
        let time = start.elapsed();
        println!("{states} states, foresight {foresight:?}, in {time:?}");
    }
}

/// Some state breaks a rule, which the complaint names.
fn is_caught(fault: Fault, foresight: Foresight, sound: Model, rule: &str) {
    let broken = Model {
        foresight,
        fault,
        ..sound
    };
    match broken.explore() {
        Ok(states) => panic!("{states} states, and nothing amiss"),
        Err(broken) => assert!(broken.complaint.contains(rule), "{broken}"),
    }
}

const E: &[Operation] = &[Enqueue];
const D: &[Operation] = &[Dequeue];
const ED: &[Operation] = &[Enqueue, Dequeue];
const DE: &[Operation] = &[Dequeue, Enqueue];
const EDE: &[Operation] = &[Enqueue, Dequeue, Enqueue];
const EDED: &[Operation] = &[Enqueue, Dequeue, Enqueue, Dequeue];
const EED: &[Operation] = &[Enqueue, Enqueue, Dequeue];
const DDE: &[Operation] = &[Dequeue, Dequeue, Enqueue];
const EDDE: &[Operation] = &[Enqueue, Dequeue, Dequeue, Enqueue];

#[test]
fn two_processes_share_one_element_and_two_die() {
    holds(model(1, &[EDE, DE], &[ED, D], 2));
}

#[test]
fn two_processes_share_two_elements_and_two_die() {
    holds(model(2, &[EED, DDE], &[D, D], 2));
}

#[test]
fn three_processes_share_one_element_and_one_dies() {
    holds(model(1, &[ED, DE, E], &[D], 1));
}

#[test]
fn three_processes_share_two_elements_and_one_dies() {
    holds(model(2, &[ED, DE, E], &[D], 1));
}

#[test]
fn three_processes_die_on_one_element() {
    holds(model(1, &[E, D, E], &[D], 3));
}

#[test]
fn a_search_halves_what_is_left_of_three_elements() {
    holds(model(3, &[EED, DDE], &[ED], 1));
}

#[test]
fn the_dead_own_what_each_was_about_to_take() {
    holds(model(2, &[EDDE, E], &[D], 2));
}

/// Two die before they move the hint on, so what a process foresaw there still seems to be
/// there when the slot in it has come back to that process.
#[test]
fn a_lane_intends_the_word_that_its_own_spare_was_in() {
    holds(model(1, &[EDDE, DE], &[E, D], 3));
}

#[test]
fn a_record_after_the_exchange_is_caught() {
    let model = model(1, &[E, D], &[D], 1);
    let fault = Fault::RecordAfterExchange;
    is_caught(fault, Foresight::None, model, "does not own");
}

#[test]
fn a_hint_before_the_exchange_is_caught() {
    let model = model(1, &[E, ED], &[], 0);
    let fault = Fault::HintBeforeExchange;
    is_caught(fault, Foresight::None, model, "ahead of the truth");
}

#[test]
fn a_sighting_before_the_record_is_caught() {
    let model = model(1, &[ED, D], &[D], 1);
    let fault = Fault::SightingBeforeRecord;
    is_caught(fault, Foresight::None, model, "but owns");
}

#[test]
fn neighbours_not_checked_again_are_caught() {
    let model = model(1, &[E, DE], &[D, D], 2);
    let fault = Fault::NeighboursNotCheckedAgain;
    is_caught(fault, Foresight::None, model, "both seen elsewhere");
}

#[test]
fn a_claim_after_the_looks_is_caught() {
    let model = model(1, &[EDE, DE], &[ED, D], 2);
    let fault = Fault::ClaimAfterLooks;
    is_caught(fault, Foresight::OfOneSide, model, "two holders");
}

#[test]
fn a_circle_that_is_not_told_is_caught() {
    let model = model(2, &[EDDE, E], &[D], 2);
    let fault = Fault::CirclesNotTold;
    is_caught(fault, Foresight::OfOneSide, model, "cannot be recovered");
}

#[test]
fn a_circle_that_is_not_counted_is_caught() {
    let model = model(1, &[ED, DE, E], &[D], 1);
    let fault = Fault::CirclesNotCounted;
    is_caught(fault, Foresight::OfOneSide, model, "but owns");
}

#[test]
fn foresight_of_what_is_not_exchangeable_is_caught() {
    let model = model(2, &[EED, DDE], &[], 0);
    let fault = Fault::ForesightNotChecked;
    is_caught(fault, Foresight::OfOneSide, model, "full words");
}

#[test]
fn a_spare_that_is_not_read_again_is_caught() {
    let model = model(1, &[EDED, D], &[D], 1);
    let fault = Fault::SpareNotReadAgain;
    is_caught(fault, Foresight::OfBothSides, model, "both seen elsewhere");
}
