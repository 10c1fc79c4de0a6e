//! An exhaustive model of the queue's protocol: every interleaving of a few
//! processes, with deaths between any two steps.
//!
//! Modelled, one step for each access to a word that several processes use: an
//! operation loads the hint and a ring word, searches when the hint is stale,
//! stores its lane's record, exchanges slots by compare-and-swap, stores the record
//! and the hint, and reads the payload; or it gives up as full or empty. In the end
//! a process gives its lane back. An heir (a process without a lane) takes a lane
//! that is free or whose owner is dead, by its owner word, and recovers it in the
//! order of `recovery.rs` (its record; each neighbour's record, owner, death, record
//! again; the ring words; the idle lanes; each neighbour once more); then it operates
//! on the lane, or restores the dead owner and tries again. Heirs die too. What only
//! one process can see happens together with its next step.
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
//! Four deliberate faults show that the checks bite.

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
}

/// What is explored.
struct Model {
    capacity: usize,
    /// Worker `n` starts with lane `n`.
    workers: &'static [&'static [Operation]],
    heirs: &'static [&'static [Operation]],
    /// How many processes die at most.
    deaths: u8,
    fault: Fault,
}

/// A ring word: twice the lap, plus one if full; and the slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Word {
    stage: u8,
    slot: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Record {
    Idle(u8),
    InOperation { s: u8, j: u8 },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Lane {
    /// A process; `None` when nobody ever had the lane.
    owner: Option<u8>,
    record: Record,
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
    OwnRecord,
    /// A neighbour's record,
    Glance(usize),
    Owner(usize),
    Death(usize, u8),
    /// and its record again.
    Again(usize, u8),
    Word(usize),
    Spare(usize),
    SameRecord(usize),
    SameOwner(usize),
    /// Store the lane's record.
    Verdict,
    GiveBack,
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
    /// Store the record, before the exchange
    Intend {
        at: u8,
        seen: Word,
    },
    Exchange {
        at: u8,
        seen: Word,
    },
    /// and after it.
    Settle {
        at: u8,
        j: u8,
        element: u8,
    },
    /// Store the hint.
    Advance {
        at: u8,
        j: u8,
        element: u8,
    },
    /// Read the payload.
    Read {
        j: u8,
        element: u8,
    },
    /// Store the record although nothing was exchanged.
    Withdraw,
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
}

/// A process that has done nothing.
const FRESH: Process = Process {
    next: Next::Begin,
    lane: None,
    spare: 0,
    done: 0,
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

/// The sound protocol: no rule is broken in any state.
fn holds(
    capacity: usize,
    workers: &'static [&'static [Operation]],
    heirs: &'static [&'static [Operation]],
    deaths: u8,
) {
    let model = Model {
        capacity,
        workers,
        heirs,
        deaths,
        fault: Fault::None,
    };
    let start = std::time::Instant::now();
    let states = model.explore().unwrap_or_else(|broken| panic!("{broken}"));
    println!("{states} states in {:?}", start.elapsed());
}

/// A fault: some state breaks a rule, which the complaint names.
fn is_caught(
    fault: Fault,
    workers: &'static [&'static [Operation]],
    heirs: &'static [&'static [Operation]],
    deaths: u8,
    rule: &str,
) {
    let model = Model {
        capacity: 1,
        workers,
        heirs,
        deaths,
        fault,
    };
    match model.explore() {
        Ok(states) => panic!("{states} states, and nothing amiss"),
        Err(broken) => assert!(broken.complaint.contains(rule), "{broken}"),
    }
}

const E: &[Operation] = &[Enqueue];
const D: &[Operation] = &[Dequeue];
const ED: &[Operation] = &[Enqueue, Dequeue];
const DE: &[Operation] = &[Dequeue, Enqueue];
const EDE: &[Operation] = &[Enqueue, Dequeue, Enqueue];
const EED: &[Operation] = &[Enqueue, Enqueue, Dequeue];
const DDE: &[Operation] = &[Dequeue, Dequeue, Enqueue];

#[test]
fn two_processes_share_one_element_and_two_die() {
    holds(1, &[EDE, DE], &[ED, D], 2);
}

#[test]
fn two_processes_share_two_elements_and_two_die() {
    holds(2, &[EED, DDE], &[D, D], 2);
}

#[test]
fn three_processes_share_one_element_and_one_dies() {
    holds(1, &[ED, DE, E], &[D], 1);
}

#[test]
fn three_processes_share_two_elements_and_one_dies() {
    holds(2, &[ED, DE, E], &[D], 1);
}

#[test]
fn three_processes_die_on_one_element() {
    holds(1, &[E, D, E], &[D], 3);
}

#[test]
fn a_search_halves_what_is_left_of_three_elements() {
    holds(3, &[EED, DDE], &[ED], 1);
}

#[test]
fn a_record_after_the_exchange_is_caught() {
    is_caught(Fault::RecordAfterExchange, &[E, D], &[D], 1, "does not own");
}

#[test]
fn a_hint_before_the_exchange_is_caught() {
    is_caught(
        Fault::HintBeforeExchange,
        &[E, ED],
        &[],
        0,
        "ahead of the truth",
    );
}

#[test]
fn a_sighting_before_the_record_is_caught() {
    is_caught(Fault::SightingBeforeRecord, &[ED, D], &[D], 1, "but owns");
}

#[test]
fn neighbours_not_checked_again_are_caught() {
    is_caught(
        Fault::NeighboursNotCheckedAgain,
        &[E, DE],
        &[D, D],
        2,
        "both seen elsewhere",
    );
}
