//! The queue: no element lost, repeated or torn, whatever a load may return.
//!
//! Positions wrap around in every scenario: capacities are 1 and 2.

mod ring;

use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::thread;
use ring::{Death, Fault, HEAD, HEIRS, MarkingFault, Queue};
use shmds_models::{ASLEEP, Atomic, RACE, holds, is_caught};
use std::sync::Arc;

/// An operation of a thread.
#[derive(Clone, Copy)]
enum Operation {
    Enqueue,
    Dequeue,
}
use Operation::{Dequeue, Enqueue};

/// What threads do to a queue; thread `n` uses lane `n`.
#[derive(Clone, Copy)]
struct Scenario {
    capacity: u64,
    /// Elements that go through the queue before.
    before: u64,
    threads: &'static [&'static [Operation]],
    fault: Fault,
}

/// What a thread put in, and what it took out, in its order.
#[derive(Default)]
struct Moved {
    put: Vec<u64>,
    taken: Vec<u64>,
}

fn operate(queue: &Queue, lane: usize, operations: &[Operation]) -> Moved {
    let mut moved = Moved::default();
    let mut elements = 100 * (lane as u64 + 1)..;
    for operation in operations {
        match operation {
            Enqueue => {
                let element = elements.next().unwrap_or_default();
                if queue.enqueue(lane, element) {
                    moved.put.push(element);
                }
            }
            Dequeue => moved.taken.extend(queue.dequeue(lane)),
        }
    }
    moved
}

impl Scenario {
    fn run(self) {
        let threads = self.threads.len();
        let queue = Arc::new(Queue::new(self.capacity, threads as u64 + 1, self.fault));
        for element in 0..self.before {
            assert!(queue.enqueue(threads, element), "full before anything");
            assert_eq!(queue.dequeue(threads), Some(element));
        }
        let spawn = |lane: usize| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || operate(&queue, lane, self.threads[lane]))
        };
        let spawned: Vec<_> = (0..threads).map(spawn).collect();
        let join = |thread: thread::JoinHandle<_>| thread.join().expect("a thread ends");
        let mut moved: Vec<Moved> = spawned.into_iter().map(join).collect();
        // What is left, in its order; and one more, which must be the next then.
        let mut rest = Moved::default();
        rest.taken
            .extend(std::iter::from_fn(|| queue.dequeue(threads)));
        assert!(queue.enqueue(threads, 1), "an empty queue was full");
        assert_eq!(queue.dequeue(threads), Some(1), "lost at the end");
        moved.push(rest);
        check(&moved);
    }
}

/// Exactly what was put in came out, and in order as far as one thread can tell.
fn check(moved: &[Moved]) {
    let mut put: Vec<u64> = moved.iter().flat_map(|moved| moved.put.clone()).collect();
    let mut taken: Vec<u64> = moved.iter().flat_map(|moved| moved.taken.clone()).collect();
    put.sort_unstable();
    taken.sort_unstable();
    assert_eq!(put, taken, "lost or repeated");
    for consumer in moved {
        for producer in moved {
            let of_producer = |element: &&u64| producer.put.contains(element);
            let seen: Vec<_> = consumer.taken.iter().filter(of_producer).collect();
            assert!(seen.is_sorted(), "out of order: {seen:?}");
        }
    }
}

const E: &[Operation] = &[Enqueue];
const D: &[Operation] = &[Dequeue];
const ED: &[Operation] = &[Enqueue, Dequeue];
const DE: &[Operation] = &[Dequeue, Enqueue];
const EE: &[Operation] = &[Enqueue, Enqueue];
const EEDE: &[Operation] = &[Enqueue, Enqueue, Dequeue, Enqueue];
const DD: &[Operation] = &[Dequeue, Dequeue];

/// As the library does it, and as the code in line does it.
fn explore(preemptions: usize, capacity: u64, before: u64, threads: &'static [&[Operation]]) {
    for fault in [Fault::None, Fault::HintBeforeRecord] {
        let scenario = Scenario {
            capacity,
            before,
            threads,
            fault,
        };
        holds(preemptions, move || scenario.run());
    }
}

fn catch(fault: Fault, rule: &str, capacity: u64, before: u64, threads: &'static [&[Operation]]) {
    let scenario = Scenario {
        capacity,
        before,
        threads,
        fault,
    };
    is_caught(2, rule, move || scenario.run());
}

#[test]
fn two_producers_and_two_consumers_share_one_element() {
    explore(2, 1, 0, &[E, E, D, D]);
}

#[test]
fn two_producers_and_two_consumers_share_two_elements_around_the_end() {
    explore(1, 2, 1, &[E, E, D, D]);
}

#[test]
fn both_sides_of_two_threads_go_around_one_element() {
    explore(3, 1, 1, &[ED, DE]);
}

#[test]
fn a_producer_and_a_consumer_go_around_two_elements() {
    explore(4, 2, 3, &[EE, DD]);
}

#[test]
fn three_threads_go_around_one_element() {
    explore(1, 1, 0, &[ED, ED, DE]);
}

/// One that is late with its hint, while others go around twice.
const LATE: &[&[Operation]] = &[
    E,
    &[
        Dequeue, Enqueue, Dequeue, Enqueue, Dequeue, Enqueue, Dequeue,
    ],
];

#[test]
fn a_hint_two_laps_late_costs_a_search() {
    explore(2, 2, 0, LATE);
}

#[test]
fn a_one_bit_lap_is_caught() {
    catch(Fault::OneBitLap, "lost", 2, 0, LATE);
}

#[test]
fn a_relaxed_publish_is_caught() {
    catch(Fault::RelaxedPublish, RACE, 1, 0, &[E, D]);
}

#[test]
fn a_relaxed_acquire_is_caught() {
    catch(Fault::RelaxedAcquire, RACE, 1, 0, &[E, D]);
}

#[test]
fn a_relaxed_look_is_caught() {
    catch(Fault::RelaxedLook, "ahead of the truth", 2, 0, &[EEDE, E]);
}

#[test]
fn a_relaxed_hint_is_caught() {
    catch(Fault::RelaxedHint, "ahead of the truth", 1, 0, &[ED, ED]);
}

#[test]
fn a_hint_loaded_relaxed_is_caught() {
    catch(
        Fault::RelaxedHintLoad,
        "ahead of the truth",
        1,
        0,
        &[ED, ED],
    );
}

#[test]
fn a_hint_ahead_of_the_truth_is_caught() {
    catch(Fault::HintAhead, "ahead of the truth", 1, 0, &[ED, ED]);
}

#[test]
fn a_payload_after_the_exchange_is_caught() {
    catch(Fault::LatePayload, RACE, 1, 0, &[E, D]);
}

/// A thread gives its lane back, another one claims it; a third has a lane of its own.
fn a_lane_changes_hands(fault: Fault) {
    let queue = Arc::new(Queue::new(1, 3, fault));
    let giver = Arc::clone(&queue);
    let giver = thread::spawn(move || {
        let moved = operate(&giver, 0, ED);
        giver.give_back(0);
        moved
    });
    let taker = Arc::clone(&queue);
    let taker = thread::spawn(move || match taker.claim(0, 9) {
        true => operate(&taker, 0, ED),
        false => Moved::default(),
    });
    let mut moved = vec![operate(&queue, 1, D)];
    moved.push(giver.join().expect("the giver ends"));
    let taker = taker.join().expect("the taker ends");
    let mut rest = Moved::default();
    rest.taken.extend(std::iter::from_fn(|| queue.dequeue(1)));
    // The taker's elements have the giver's numbers, for both use one lane.
    for element in taker.put {
        moved[1].put.push(element);
    }
    moved[1].taken.extend(taker.taken);
    moved.push(rest);
    check(&moved);
}

#[test]
fn a_lane_is_handed_over() {
    holds(2, || a_lane_changes_hands(Fault::None));
    holds(2, || a_lane_changes_hands(Fault::HintBeforeRecord));
}

#[test]
fn a_lane_given_back_relaxed_is_caught() {
    is_caught(2, RACE, || a_lane_changes_hands(Fault::RelaxedGiveBack));
}

#[test]
fn a_lane_claimed_relaxed_is_caught() {
    is_caught(2, RACE, || a_lane_changes_hands(Fault::RelaxedClaim));
}

/// A victim dies on lane 0, and tells whether it exchanged something; once its lease is free, an
/// heir recovers the lane, and tells the slot that it was left with.
fn a_victim_and_an_heir(
    queue: &Arc<Queue>,
    die: impl FnOnce(&Queue) -> bool + 'static,
) -> (thread::JoinHandle<bool>, thread::JoinHandle<Option<u64>>) {
    let lease_is_free = Arc::new(Atomic::new(0));
    let victim = {
        let (queue, lease_is_free) = (Arc::clone(queue), Arc::clone(&lease_is_free));
        thread::spawn(move || {
            let exchanged = die(&queue);
            // The kernel's locks order what a process did before its end.
            lease_is_free.store(1, Release);
            exchanged
        })
    };
    let queue = Arc::clone(queue);
    let heir = thread::spawn(move || queue.recover(0, || lease_is_free.load(Acquire) == 1));
    (victim, heir)
}

/// A producer dies and an heir recovers its lane, while a third thread works.
fn a_producer_dies(death: Death, third: &[Operation], fault: Fault) {
    let queue = Arc::new(Queue::new(1, 3, fault));
    let (victim, heir) =
        a_victim_and_an_heir(&queue, move |queue| queue.die_enqueuing(0, 100, death));
    let mut moved = vec![operate(&queue, 1, third)];
    let mut dead = Moved::default();
    if victim.join().expect("the victim ends") {
        dead.put.push(100);
    }
    moved.push(dead);
    if heir.join().expect("the heir ends").is_some() {
        moved.push(operate(&queue, 0, &[Dequeue, Dequeue]));
    }
    let mut rest = Moved::default();
    rest.taken.extend(std::iter::from_fn(|| queue.dequeue(2)));
    moved.push(rest);
    // Each slot has one holder: else one of these would be written while it is read.
    assert!(queue.enqueue(2, 300), "an empty queue was full");
    assert_eq!(queue.dequeue(1), Some(300), "a slot has two holders");
    check(&moved);
}

#[test]
fn the_lane_of_the_dead_is_recovered() {
    holds(2, || {
        a_producer_dies(Death::BeforeExchange, DE, Fault::None)
    });
    holds(2, || a_producer_dies(Death::AfterExchange, DE, Fault::None));
    holds(2, || {
        a_producer_dies(Death::AfterHint, DE, Fault::HintBeforeRecord)
    });
}

#[test]
fn a_sighting_before_the_death_is_caught() {
    is_caught(3, "both slots", || {
        a_producer_dies(Death::AfterExchange, D, Fault::SightingBeforeDeath);
    });
}

/// A consumer dies; while an heir recovers its lane, the producer of what it took intends the
/// word that it had put there, as a thread does that acts on what it saw before.
fn a_producer_intends_a_word_that_is_gone(fault: Fault) {
    let queue = Arc::new(Queue::new(1, 3, fault));
    let (victim, heir) =
        a_victim_and_an_heir(&queue, |queue| queue.die(HEAD, 0, Death::AfterExchange));
    let slot = queue.spare(1);
    let mut moved = operate(&queue, 1, E);
    moved.taken.extend(queue.dequeue_foreseen(1, slot));
    let mut dead = Moved::default();
    if victim.join().expect("the victim ends") {
        dead.taken.push(200);
    }
    heir.join().expect("the heir ends");
    check(&[moved, dead]);
}

#[test]
fn a_lane_that_intends_what_it_once_had_does_not_testify_falsely() {
    holds(3, || a_producer_intends_a_word_that_is_gone(Fault::None));
}

#[test]
fn a_spare_that_is_not_read_again_is_caught() {
    is_caught(3, "both slots", || {
        a_producer_intends_a_word_that_is_gone(Fault::SpareNotReadAgain);
    });
}

#[test]
fn a_relaxed_intent_is_caught() {
    is_caught(3, "both slots", || {
        a_producer_intends_a_word_that_is_gone(Fault::RelaxedIntend);
    });
}

#[test]
fn a_record_read_relaxed_is_caught() {
    is_caught(3, "both slots", || {
        a_producer_intends_a_word_that_is_gone(Fault::RelaxedRead);
    });
}

/// Two heirs recover lanes whose owners died in operations on the same slots.
fn two_inherit(fault: Fault) {
    let queue = Arc::new(Queue::new(1, 2, fault));
    queue.die_on_the_same_slots([0, 1]);
    let heir = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || queue.inherit(1, 0, HEIRS + 1))
    };
    let mine = queue.inherit(0, 1, HEIRS);
    let its = heir.join().expect("an heir ends");
    // Who could not tell comes back later.
    let mine = mine.or_else(|| queue.inherit(0, 1, HEIRS));
    let its = its.or_else(|| queue.inherit(1, 0, HEIRS + 1));
    assert!(mine.is_some() && its.is_some(), "a lane is not recovered");
    assert!(mine != its, "a slot has two holders");
}

#[test]
fn two_heirs_share_what_two_of_the_dead_own_together() {
    holds(4, || two_inherit(Fault::None));
}

#[test]
fn an_heir_who_looks_at_others_before_its_claim_is_caught() {
    is_caught(4, "two holders", || two_inherit(Fault::NoFence));
}

/// Consumers sleep until producers come.
fn consumers_wait(fault: MarkingFault, producers: usize, consumers: usize) {
    let queue = Arc::new(Queue::new(2, 4, Fault::Waiting(fault)));
    let spawned: Vec<_> = (0..consumers)
        .map(|lane| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.dequeue_wait(lane))
        })
        .collect();
    let produced: Vec<_> = (1..producers)
        .map(|lane| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.enqueue(consumers + lane, 2))
        })
        .collect();
    assert!(queue.enqueue(consumers, 1));
    if producers == 1 && consumers == 2 {
        assert!(queue.enqueue(consumers, 2));
    }
    for producer in produced {
        assert!(producer.join().expect("a producer ends"));
    }
    for consumer in spawned {
        let element = consumer.join().expect("a consumer ends");
        assert!(element == 1 || element == 2);
    }
}

#[test]
fn a_consumer_that_sleeps_is_woken() {
    holds(2, || consumers_wait(MarkingFault::None, 1, 1));
}

#[test]
fn two_consumers_that_sleep_are_woken_by_one_producer() {
    holds(1, || consumers_wait(MarkingFault::None, 1, 2));
}

#[test]
fn two_consumers_that_sleep_are_woken_by_two_producers() {
    holds(1, || consumers_wait(MarkingFault::None, 2, 2));
}

/// One consumer sleeps until there is an element, beside one that never does.
#[test]
fn a_consumer_is_woken_though_another_one_takes_what_came_first() {
    holds(2, || {
        let queue = Arc::new(Queue::new(2, 3, Fault::Waiting(MarkingFault::None)));
        let sleeper = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.dequeue_wait(0))
        };
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.dequeue(1))
        };
        assert!(queue.enqueue(2, 1));
        assert!(queue.enqueue(2, 2));
        let taken = other.join().expect("the other consumer ends");
        let slept_for = sleeper.join().expect("a sleeper ends");
        assert!(taken != Some(slept_for));
    });
}

#[test]
fn a_consumer_that_does_not_mark_the_word_is_caught() {
    is_caught(2, ASLEEP, || {
        consumers_wait(MarkingFault::NoMark, 1, 1);
    });
}

#[test]
fn a_consumer_that_sleeps_in_vain_is_caught() {
    is_caught(2, ASLEEP, || {
        consumers_wait(MarkingFault::SleepInVain, 1, 1);
    });
}

#[test]
fn a_mark_that_is_stored_is_caught() {
    is_caught(2, ASLEEP, || {
        consumers_wait(MarkingFault::MarkStored, 1, 1);
    });
}
