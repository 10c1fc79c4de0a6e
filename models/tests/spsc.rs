//! The SPSC queue of `src/structures/spsc/ring.rs` and `shmds_inline.h`: no element lost,
//! repeated or torn, and the roles change hands with all that belongs to them.

use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use loom::thread;
use shmds_models::wait::{self, WaitWord};
use shmds_models::{ASLEEP, Atomic, RACE, Slot, holds, is_caught};
use std::sync::Arc;

/// How the protocol may differ from what it is: a mistake, but for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// A position is stored without releasing the slots before it.
    RelaxedPublish,
    /// The other side's position is loaded without acquiring the slots before it.
    RelaxedLook,
    /// The position is moved on before the slot is filled, or read.
    PositionBeforeCopy,
    /// A side notes that slots are ready past the end of the lap that it is in.
    ReadyPastTheLap,
    /// A side takes the other one for being in the lap where it looked before.
    OtherInTheSameLap,
    /// A consumer takes the other's position for one that it may pop.
    LimitTooFar,
    /// Who takes a role goes on with what it knew of the other side in an earlier term. No mistake:
    /// positions only grow.
    Kept,
    /// And with where it was itself.
    KeptPosition,
    /// A role is given up without releasing the position.
    RelaxedGiveUp,
    /// A role is taken without acquiring the position.
    RelaxedTake,
    Waiting(wait::Fault),
}

const NOBODY: u64 = 0;

struct End {
    /// {lap, index}, the index in as many low bits as the capacity needs.
    position: Atomic,
    waiters: WaitWord,
    owner: Atomic,
}

struct Queue {
    capacity: u64,
    /// What a position moves on by in a lap.
    lap: u64,
    slots: Vec<Slot>,
    tail: End,
    head: End,
    /// Whether anybody sleeps: else nobody is woken, for the barrier in that would hide faults.
    waiting: bool,
    fault: Fault,
}

/// What the holder of a role knows by itself: where it is, before which position it need not look
/// again, and before which one the other side is in the same lap.
#[derive(Clone, Copy, Default)]
struct Side {
    at: u64,
    stop: u64,
    look_limit: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Producer,
    Consumer,
}
use Role::{Consumer, Producer};

impl Queue {
    fn new(capacity: u64, fault: Fault) -> Arc<Self> {
        let (waiting, wait_fault) = match fault {
            Fault::Waiting(fault) => (true, fault),
            _ => (false, wait::Fault::None),
        };
        let end = || End {
            position: Atomic::new(0),
            waiters: WaitWord::new(wait_fault),
            owner: Atomic::new(NOBODY),
        };
        Arc::new(Self {
            capacity,
            lap: capacity.next_power_of_two(),
            slots: (0..capacity).map(|_| Slot::new(0)).collect(),
            tail: end(),
            head: end(),
            waiting,
            fault,
        })
    }

    /// The end that a role moves, and the one that it waits for.
    fn ends(&self, role: Role) -> (&End, &End) {
        match role {
            Producer => (&self.tail, &self.head),
            Consumer => (&self.head, &self.tail),
        }
    }

    /// Takes a role that nobody has, or whose holder is dead.
    fn take(&self, role: Role, me: u64, is_dead: impl Fn(u64) -> bool, side: &mut Side) -> bool {
        let owner = &self.ends(role).0.owner;
        let found = owner.load(Relaxed);
        if found != NOBODY && !is_dead(found) {
            return false;
        }
        let order = match self.fault {
            Fault::RelaxedTake => Relaxed,
            _ => AcqRel,
        };
        let taken = owner.compare_exchange(found, me, order, Relaxed).is_ok();
        if taken && self.fault != Fault::KeptPosition {
            side.at = self.ends(role).0.position.load(Relaxed);
        }
        if taken && self.fault != Fault::Kept {
            side.look_limit = 0;
            self.look(role, side);
        }
        taken
    }

    fn give_up(&self, role: Role) {
        let order = match self.fault {
            Fault::RelaxedGiveUp => Relaxed,
            _ => Release,
        };
        self.ends(role).0.owner.store(NOBODY, order);
    }

    /// Looks how far the other side has come, and notes how far this one can go by now;
    /// how many elements that is.
    fn look(&self, role: Role, side: &mut Side) -> u64 {
        let (_, other) = self.ends(role);
        let order = match self.fault {
            Fault::RelaxedLook => Relaxed,
            _ => Acquire,
        };
        let at = side.at;
        let other = other.position.load(order);
        let limit = match (role, self.fault) {
            (Producer, _) => other + self.lap,
            (Consumer, Fault::LimitTooFar) => other + 1,
            (Consumer, _) => other,
        };
        let same_lap = limit < side.look_limit || self.fault == Fault::OtherInTheSameLap;
        if at < limit && same_lap {
            side.stop = limit;
            return limit - at;
        }
        let lap = at - (at & (self.lap - 1));
        side.stop = match self.fault {
            Fault::ReadyPastTheLap => limit,
            _ => limit.min(lap + self.capacity - 1),
        };
        side.look_limit = lap + self.capacity;
        self.number(limit) - self.number(at)
    }

    /// How many elements passed before a position.
    fn number(&self, position: u64) -> u64 {
        position / self.lap * self.capacity + position % self.lap
    }

    /// Where the role is, how many elements it can move, at most `wanted`, and where it is then.
    fn ready(&self, role: Role, side: &mut Side, wanted: u64) -> (u64, u64, u64) {
        let at = side.at;
        if wanted == 1 && at < side.stop {
            return (at, 1, at + 1);
        }
        let count = self.look(role, side).min(wanted);
        (at, count, self.further(at, count))
    }

    fn further(&self, at: u64, count: u64) -> u64 {
        let index = at & (self.lap - 1);
        match (index + count).checked_sub(self.capacity) {
            None => at + count,
            Some(beyond) => at - index + self.lap + beyond,
        }
    }

    /// The linearisation point of every operation.
    fn advance(&self, role: Role, side: &mut Side, next: u64) {
        side.at = next;
        let (own, _) = self.ends(role);
        let order = match self.fault {
            Fault::RelaxedPublish => Relaxed,
            _ => Release,
        };
        own.position.store(next, order);
        if self.waiting {
            own.waiters.wake();
        }
    }

    fn slot(&self, at: u64) -> &Slot {
        &self.slots[(at & (self.lap - 1)) as usize]
    }

    /// Appends as many elements as there is room for, all at once; how many.
    fn push(&self, side: &mut Side, elements: &[u64]) -> usize {
        let (at, count, next) = self.ready(Producer, side, elements.len() as u64);
        if self.fault == Fault::PositionBeforeCopy && count > 0 {
            self.advance(Producer, side, next);
        }
        for (distance, &element) in (0..count).zip(elements) {
            self.slot(self.further(at, distance)).write(element);
        }
        if self.fault != Fault::PositionBeforeCopy && count > 0 {
            self.advance(Producer, side, next);
        }
        count as usize
    }

    /// Takes up to `wanted` of the oldest elements, all at once.
    fn pop(&self, side: &mut Side, wanted: u64) -> Vec<u64> {
        let (at, count, next) = self.ready(Consumer, side, wanted);
        let read = |distance| self.slot(self.further(at, distance)).read();
        let elements = (0..count).map(read).collect();
        if count > 0 {
            self.advance(Consumer, side, next);
        }
        elements
    }

    fn push_wait(&self, side: &mut Side, element: u64) {
        let pushed = || (self.push(side, &[element]) == 1).then_some(());
        self.head.waiters.wait(pushed);
    }

    fn pop_wait(&self, side: &mut Side) -> u64 {
        self.tail.waiters.wait(|| self.pop(side, 1).pop())
    }
}

/// One thread pushes in pieces, another one pops in pieces; what is left comes last.
fn elements_pass(fault: Fault, capacity: u64, before: u64, pushes: &'static [u64]) {
    let queue = Queue::new(capacity, fault);
    let (mut producer, mut consumer) = (Side::default(), Side::default());
    assert!(queue.take(Producer, 1, |_| false, &mut producer));
    assert!(queue.take(Consumer, 1, |_| false, &mut consumer));
    for element in 0..before {
        assert_eq!(queue.push(&mut producer, &[element]), 1);
        assert_eq!(queue.pop(&mut consumer, 1), [element]);
    }
    let pushing = Arc::clone(&queue);
    let pushing = thread::spawn(move || {
        let mut next = 100;
        for &count in pushes {
            let elements: Vec<u64> = (next..next + count).collect();
            next += pushing.push(&mut producer, &elements) as u64;
        }
        next
    });
    let mut popped = Vec::new();
    for &count in pushes {
        popped.extend(queue.pop(&mut consumer, count));
    }
    let end = pushing.join().expect("the producer ends");
    popped.extend(queue.pop(&mut consumer, capacity));
    assert_eq!(popped, (100..end).collect::<Vec<_>>(), "lost or repeated");
}

#[test]
fn elements_pass_one_by_one_through_one_slot() {
    holds(3, || elements_pass(Fault::None, 1, 1, &[1, 1, 1]));
}

#[test]
fn elements_pass_one_by_one_around_two_slots() {
    holds(3, || elements_pass(Fault::None, 2, 1, &[1, 1, 1, 1]));
}

#[test]
fn elements_pass_around_three_slots_where_a_lap_skips_a_position() {
    holds(3, || elements_pass(Fault::None, 3, 2, &[1, 1, 1, 1]));
}

#[test]
fn pieces_pass_around_three_slots() {
    holds(3, || elements_pass(Fault::None, 3, 2, &[2, 3, 1]));
}

#[test]
fn a_relaxed_publish_is_caught() {
    is_caught(3, RACE, || elements_pass(Fault::RelaxedPublish, 1, 0, &[1]));
}

#[test]
fn a_relaxed_look_is_caught() {
    is_caught(3, RACE, || elements_pass(Fault::RelaxedLook, 1, 0, &[1]));
}

#[test]
fn a_position_stored_before_the_copy_is_caught() {
    is_caught(3, RACE, || {
        elements_pass(Fault::PositionBeforeCopy, 1, 0, &[1])
    });
}

#[test]
fn slots_noted_as_ready_past_the_lap_are_caught() {
    is_caught(3, "lost", || {
        elements_pass(Fault::ReadyPastTheLap, 3, 2, &[1, 1]);
    });
}

#[test]
fn another_lap_taken_for_the_same_is_caught() {
    is_caught(3, "lost", || {
        elements_pass(Fault::OtherInTheSameLap, 3, 2, &[1, 1]);
    });
}

#[test]
fn a_limit_too_far_is_caught() {
    is_caught(3, RACE, || elements_pass(Fault::LimitTooFar, 2, 0, &[1, 1]));
}

/// A producer pushes and gives the role up; whoever comes takes it; a third thread pops.
fn a_role_changes_hands(fault: Fault) {
    let queue = Queue::new(2, fault);
    let (mut first, mut consumer) = (Side::default(), Side::default());
    assert!(queue.take(Producer, 1, |_| false, &mut first));
    assert!(queue.take(Consumer, 3, |_| false, &mut consumer));
    let giver = Arc::clone(&queue);
    let giver = thread::spawn(move || {
        let pushed = giver.push(&mut first, &[100]);
        giver.give_up(Producer);
        pushed
    });
    let taker = Arc::clone(&queue);
    let taker = thread::spawn(move || {
        let mut side = Side::default();
        match taker.take(Producer, 2, |_| false, &mut side) {
            true => taker.push(&mut side, &[200]),
            false => 0,
        }
    });
    let mut popped = queue.pop(&mut consumer, 2);
    assert_eq!(giver.join().expect("the giver ends"), 1);
    let taken = taker.join().expect("the taker ends");
    popped.extend(queue.pop(&mut consumer, 2));
    assert_eq!(popped, [100, 200][..1 + taken], "lost or repeated");
}

#[test]
fn a_role_is_handed_over() {
    holds(3, || a_role_changes_hands(Fault::None));
}

#[test]
fn a_role_given_up_relaxed_is_caught() {
    is_caught(3, RACE, || a_role_changes_hands(Fault::RelaxedGiveUp));
}

#[test]
fn a_role_taken_relaxed_is_caught() {
    is_caught(3, RACE, || a_role_changes_hands(Fault::RelaxedTake));
}

/// A process that was the producer takes the role again, after another one has filled the queue.
fn a_role_comes_back(fault: Fault) {
    let queue = Queue::new(2, fault);
    let (mut first, mut second, mut consumer) = Default::default();
    let take = |role, me, side: &mut Side| assert!(queue.take(role, me, |_| false, side));
    take(Consumer, 3, &mut consumer);
    take(Producer, 1, &mut first);
    assert_eq!(queue.push(&mut first, &[0]), 1);
    queue.give_up(Producer);
    take(Producer, 2, &mut second);
    assert_eq!(queue.push(&mut second, &[1]), 1);
    assert_eq!(queue.pop(&mut consumer, 1), [0], "lost or repeated");
    assert_eq!(queue.push(&mut second, &[2]), 1);
    queue.give_up(Producer);
    let popping = Arc::clone(&queue);
    let popping = thread::spawn(move || (popping.pop(&mut consumer, 1), consumer));
    take(Producer, 1, &mut first);
    let pushed = queue.push(&mut first, &[3]);
    let (mut popped, mut consumer) = popping.join().expect("the consumer ends");
    popped.extend(queue.pop(&mut consumer, 2));
    assert_eq!(popped, [1, 2, 3][..2 + pushed], "lost or repeated");
}

#[test]
fn a_role_comes_back_to_who_had_it() {
    holds(3, || a_role_comes_back(Fault::None));
}

#[test]
fn what_was_known_in_an_earlier_term_still_holds() {
    holds(3, || a_role_comes_back(Fault::Kept));
}

#[test]
fn a_position_kept_from_an_earlier_term_is_caught() {
    is_caught(3, "lost", || a_role_comes_back(Fault::KeptPosition));
}

/// A producer dies between copy and publication; an heir takes the role once the lease is free.
fn a_producer_dies(fault: Fault) {
    let queue = Queue::new(1, fault);
    let lease_is_free = Arc::new(Atomic::new(0));
    let (mut first, mut consumer) = (Side::default(), Side::default());
    assert!(queue.take(Producer, 1, |_| false, &mut first));
    assert!(queue.take(Consumer, 3, |_| false, &mut consumer));
    let victim = {
        let (queue, lease_is_free) = (Arc::clone(&queue), Arc::clone(&lease_is_free));
        thread::spawn(move || {
            let pushed = queue.push(&mut first, &[100]);
            let (at, room, _) = queue.ready(Producer, &mut first, 1);
            if room == 1 {
                queue.slot(at).write(101);
            }
            // The kernel's locks order what a process did before its end.
            lease_is_free.store(1, Release);
            pushed
        })
    };
    let heir = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            let mut side = Side::default();
            let is_dead = |_| lease_is_free.load(Acquire) == 1;
            match queue.take(Producer, 2, is_dead, &mut side) {
                true => queue.push(&mut side, &[200]),
                false => 0,
            }
        })
    };
    let mut popped = queue.pop(&mut consumer, 1);
    assert_eq!(victim.join().expect("the victim ends"), 1);
    let inherited = heir.join().expect("the heir ends");
    popped.extend(queue.pop(&mut consumer, 2));
    assert_eq!(popped, [100, 200][..1 + inherited], "lost or repeated");
}

#[test]
fn the_role_of_the_dead_is_taken_over() {
    holds(3, || a_producer_dies(Fault::None));
}

/// Both sides sleep while they have to.
fn both_wait(fault: wait::Fault, elements: u64) {
    let queue = Queue::new(1, Fault::Waiting(fault));
    let pushing = Arc::clone(&queue);
    let producer = thread::spawn(move || {
        let mut side = Side::default();
        for element in 0..elements {
            pushing.push_wait(&mut side, element);
        }
    });
    let mut side = Side::default();
    for element in 0..elements {
        assert_eq!(queue.pop_wait(&mut side), element, "lost or repeated");
    }
    producer.join().expect("the producer ends");
}

#[test]
fn sides_that_sleep_are_woken() {
    holds(3, || both_wait(wait::Fault::None, 2));
}

#[test]
fn a_side_that_looks_at_the_flag_too_early_is_caught() {
    is_caught(3, ASLEEP, || {
        both_wait(wait::Fault::NoBarrierInPublisher, 2)
    });
}

#[test]
fn a_sleeper_without_a_barrier_is_caught() {
    is_caught(3, ASLEEP, || both_wait(wait::Fault::NoBarrierInSleeper, 2));
}

#[test]
fn a_sleeper_that_does_not_look_again_is_caught() {
    is_caught(3, ASLEEP, || both_wait(wait::Fault::NoSecondLook, 2));
}
