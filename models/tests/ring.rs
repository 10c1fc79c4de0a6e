//! The ring buffer: claim, write, publish; and whoever reads looks at the claim afterwards.
//!
//! An element is two words, both of its number, so that a torn one shows. Where the
//! producer overwrites, they are relaxed atomics, for the reads are meant to race; where it
//! waits for room, they are plain memory, and a race is a fault.
//!
//! Each side keeps its own words in variables instead of loading what it alone stores: loom
//! looks for races with the last access to a word only, and such a load would hide the others'.

use loom::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use loom::thread;
use shmds_models::{RACE, Slot, holds, is_caught};
use std::sync::Arc;

/// A mistake in the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// None: the protocol as it is.
    None,
    /// The claim is stored after the elements.
    LateClaim,
    /// Nothing keeps the elements behind the claim.
    NoFenceAfterClaim,
    /// The tail is stored without Release.
    RelaxedTail,
    /// A reader looks at the tail, not at the claim, for what was overwritten.
    TailInsteadOfClaim,
    /// Nothing keeps a reader's look at the claim behind its copy.
    NoFenceBeforeLook,
    /// A successor of a dead producer lowers the claim.
    LoweredClaim,
    /// The head is stored without Release.
    RelaxedHead,
    /// The head is moved before the element is copied.
    EarlyHead,
}

use Fault::{
    EarlyHead, LateClaim, LoweredClaim, NoFenceAfterClaim, NoFenceBeforeLook, RelaxedHead,
    RelaxedTail, TailInsteadOfClaim,
};

/// An element that readers may see while it is written.
struct Racing([AtomicU64; 2]);

struct Ring {
    claim: AtomicU64,
    tail: AtomicU64,
    head: AtomicU64,
    racing: Vec<Racing>,
    plain: Vec<Slot>,
    fault: Fault,
}

impl Ring {
    fn new(capacity: usize, fault: Fault) -> Arc<Self> {
        let nothing = || [(); 2].map(|()| AtomicU64::new(u64::MAX));
        Arc::new(Self {
            claim: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            racing: (0..capacity).map(|_| Racing(nothing())).collect(),
            plain: (0..capacity).map(|_| Slot::new(u64::MAX)).collect(),
            fault,
        })
    }

    fn capacity(&self) -> u64 {
        self.racing.len() as u64
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn racing(&self, position: u64) -> &Racing {
        &self.racing[(position % self.capacity()) as usize]
    }

    fn plain(&self, position: u64) -> &Slot {
        &self.plain[(position % self.capacity()) as usize]
    }

    /// Position of the oldest element that is neither consumed nor overwritten, and the tail.
    fn window(&self, head: u64) -> (u64, u64) {
        let claim = self.claim.load(Relaxed);
        let tail = self.tail.load(Acquire);
        let kept = claim.max(tail).saturating_sub(self.capacity());
        (head.max(kept).min(tail), tail)
    }

    /// Copies the elements from one position to another; those that were not overwritten
    /// meanwhile are whole. Where those begin.
    fn copy_out(&self, from: u64, to: u64) -> u64 {
        let copied: Vec<[u64; 2]> = (from..to)
            .map(|position| [0, 1].map(|word| self.racing(position).0[word].load(Relaxed)))
            .collect();
        if !self.is(NoFenceBeforeLook) {
            fence(Acquire);
        }
        let word = if self.is(TailInsteadOfClaim) {
            &self.tail
        } else {
            &self.claim
        };
        let passed = word.load(Relaxed).saturating_sub(self.capacity());
        let valid = passed.max(from).min(to);
        for position in valid..to {
            let element = copied[(position - from) as usize];
            assert_eq!(element, [position; 2], "a torn element");
        }
        valid
    }

    /// Looks at all there is, as somebody who reads from `cursor` on.
    fn observe(&self, cursor: u64) -> u64 {
        let (from, tail) = self.window(cursor);
        self.copy_out(from, tail);
        tail
    }
}

/// Who pushes: the only one to store `claim` and `tail`.
struct Producer {
    ring: Arc<Ring>,
    claim: u64,
    tail: u64,
}

impl Producer {
    fn of(ring: &Arc<Ring>) -> Self {
        Self {
            ring: Arc::clone(ring),
            claim: 0,
            tail: 0,
        }
    }

    /// Announces that elements up to `end` are about to be written.
    fn claim(&mut self, end: u64) {
        self.claim = if self.ring.is(LoweredClaim) {
            end
        } else {
            self.claim.max(end)
        };
        self.ring.claim.store(self.claim, Relaxed);
        if !self.ring.is(NoFenceAfterClaim) {
            fence(Release);
        }
    }

    fn publish(&mut self) {
        self.tail += 1;
        let order = if self.ring.is(RelaxedTail) {
            Relaxed
        } else {
            Release
        };
        self.ring.tail.store(self.tail, order);
    }

    /// Appends an element whose number is its position, over the oldest one.
    fn overwrite(&mut self) {
        if !self.ring.is(LateClaim) {
            self.claim(self.tail + 1);
        }
        for word in &self.ring.racing(self.tail).0 {
            word.store(self.tail, Relaxed);
        }
        if self.ring.is(LateClaim) {
            self.claim(self.tail + 1);
        }
        self.publish();
    }

    /// Begins to append two elements, writes half of each, and dies; its successor.
    fn die_in_overwrite(mut self) -> Self {
        self.claim(self.tail + 2);
        for position in [self.tail, self.tail + 1] {
            self.ring.racing(position).0[0].store(position, Relaxed);
        }
        self
    }

    /// Appends an element if there is room.
    fn push(&mut self) -> bool {
        // Acquire: the consumer has read the slots before its head.
        let head = self.ring.head.load(Acquire);
        if self.tail - head == self.ring.capacity() {
            return false;
        }
        self.claim(self.tail + 1);
        self.ring.plain(self.tail).write(self.tail);
        self.publish();
        true
    }
}

/// Who pops: the only one to store `head`.
struct Consumer {
    ring: Arc<Ring>,
    head: u64,
}

impl Consumer {
    fn of(ring: &Arc<Ring>) -> Self {
        Self {
            ring: Arc::clone(ring),
            head: 0,
        }
    }

    /// Takes all there is beside a producer that overwrites; how many.
    fn pop_all(&mut self) -> u64 {
        let (from, tail) = self.ring.window(self.head);
        let valid = self.ring.copy_out(from, tail);
        self.head = tail;
        self.ring.head.store(self.head, Release);
        tail - valid
    }

    /// Takes an element out if there is one.
    fn pop(&mut self) -> Option<u64> {
        if self.ring.tail.load(Acquire) == self.head {
            return None;
        }
        let order = if self.ring.is(RelaxedHead) {
            Relaxed
        } else {
            Release
        };
        if self.ring.is(EarlyHead) {
            self.ring.head.store(self.head + 1, order);
        }
        let element = self.ring.plain(self.head).read();
        fence(Acquire);
        assert!(self.ring.claim.load(Relaxed) <= self.head + self.ring.capacity());
        self.head += 1;
        self.ring.head.store(self.head, order);
        Some(element)
    }
}

/// A producer that laps the ring beside somebody who looks twice.
fn an_observer(fault: Fault, capacity: usize, written: u64) {
    let ring = Ring::new(capacity, fault);
    let mut producer = Producer::of(&ring);
    let producer = thread::spawn(move || (0..written).for_each(|_| producer.overwrite()));
    let cursor = ring.observe(0);
    ring.observe(cursor);
    producer.join().expect("the producer ends");
    assert_eq!(ring.observe(0), written);
}

/// The same beside a consumer, while a third one looks once.
fn a_consumer_and_an_observer(fault: Fault) {
    let ring = Ring::new(2, fault);
    let mut producer = Producer::of(&ring);
    let producer = thread::spawn(move || (0..3).for_each(|_| producer.overwrite()));
    let observer = Arc::clone(&ring);
    let observer = thread::spawn(move || {
        let (oldest, tail) = observer.window(observer.head.load(Acquire));
        assert!(oldest <= tail);
        observer.observe(0);
    });
    let mut consumer = Consumer::of(&ring);
    let taken = consumer.pop_all() + consumer.pop_all();
    producer.join().expect("the producer ends");
    observer.join().expect("the observer ends");
    let rest = consumer.pop_all();
    assert!(taken + rest <= 3 && rest <= 2);
    assert_eq!(consumer.head, 3);
}

/// A producer died with two elements claimed; its successor goes on beside an observer.
fn a_successor(fault: Fault) {
    let ring = Ring::new(2, fault);
    let mut producer = Producer::of(&ring);
    producer.overwrite();
    producer.overwrite();
    let mut successor = producer.die_in_overwrite();
    let successor = thread::spawn(move || {
        successor.overwrite();
        successor.overwrite();
    });
    let cursor = ring.observe(0);
    ring.observe(cursor);
    successor.join().expect("the successor ends");
    // What it published is seen.
    assert_eq!(ring.window(0), (2, 4));
    assert_eq!(ring.copy_out(2, 4), 2);
}

/// A producer that waits for room, and a consumer: no two accesses race.
fn a_pair(fault: Fault, capacity: usize, attempts: usize) {
    let ring = Ring::new(capacity, fault);
    let mut producer = Producer::of(&ring);
    let producer = thread::spawn(move || (0..attempts).filter(|_| producer.push()).count());
    let mut consumer = Consumer::of(&ring);
    let mut next = 0;
    let mut take = || {
        if let Some(element) = consumer.pop() {
            assert_eq!(element, next, "once and in order");
            next += 1;
        }
    };
    (0..attempts).for_each(|_| take());
    let pushed = producer.join().expect("the producer ends") as u64;
    (0..capacity).for_each(|_| take());
    assert_eq!(next, pushed);
}

#[test]
fn an_observer_sees_whole_elements_beside_a_producer_that_overwrites() {
    holds(2, || an_observer(Fault::None, 2, 3));
    holds(3, || an_observer(Fault::None, 1, 2));
}

#[test]
fn a_consumer_and_an_observer_see_whole_elements_beside_a_producer_that_overwrites() {
    holds(1, || a_consumer_and_an_observer(Fault::None));
}

#[test]
fn what_a_dead_producer_tore_stays_out_of_sight() {
    holds(3, || a_successor(Fault::None));
}

#[test]
fn a_producer_that_waits_for_room_and_a_consumer_never_race() {
    holds(4, || a_pair(Fault::None, 1, 3));
    holds(3, || a_pair(Fault::None, 2, 4));
}

#[test]
fn a_claim_stored_after_the_elements_is_caught() {
    is_caught(3, "a torn element", || an_observer(LateClaim, 1, 2));
}

#[test]
fn elements_that_may_overtake_their_claim_are_caught() {
    is_caught(3, "a torn element", || an_observer(NoFenceAfterClaim, 1, 2));
}

#[test]
fn a_relaxed_tail_is_caught() {
    is_caught(3, "a torn element", || an_observer(RelaxedTail, 2, 2));
    is_caught(3, RACE, || a_pair(RelaxedTail, 1, 2));
}

#[test]
fn an_observer_that_looks_at_the_tail_is_caught() {
    is_caught(3, "a torn element", || {
        an_observer(TailInsteadOfClaim, 2, 3)
    });
}

#[test]
fn a_copy_that_may_be_later_than_the_look_is_caught() {
    is_caught(3, "a torn element", || an_observer(NoFenceBeforeLook, 1, 2));
}

#[test]
fn a_successor_that_lowers_the_claim_is_caught() {
    is_caught(3, "a torn element", || a_successor(LoweredClaim));
}

#[test]
fn a_relaxed_head_is_caught() {
    is_caught(3, RACE, || a_pair(RelaxedHead, 1, 2));
}

#[test]
fn a_head_moved_before_the_copy_is_caught() {
    is_caught(3, RACE, || a_pair(EarlyHead, 1, 2));
}
