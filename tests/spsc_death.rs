//! The SPSC queue when either side is killed at any instruction, and when its words are
//! anything at all.

mod support;

use shmds::error::Error;
use shmds::segment::Intent;
use shmds::structures::Attachment;
use shmds::structures::spsc::{Header, Role, SpscQueue, SpscView};
use shmds::table::Table;
use std::fs::{File, OpenOptions};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use support::step::{Stepped, pin_to_one_core};
use support::{
    Name, Random, fork, obtain_spsc, open, open_or_create, pop, pop_bulk, push, push_bulk,
};

/// Elements that the queue holds; a bulk of three goes around its end.
const CAPACITY: u64 = 3;

/// Where the queue's extent begins in the segment's file.
fn queue_offset(at: &Attachment) -> u64 {
    let segment = at.segment();
    let table = Table::of(segment).expect("a table");
    let (found, _) = table.get(0).expect("the queue's entry");
    segment.geometry().table_offset + found.offset
}

/// A queue that went around once and holds the elements 10, 11, ... of that number; the
/// victim opens it.
fn with_queue<R>(held: u64, use_it: impl FnOnce(&Name, &Attachment, &SpscQueue) -> R) -> R {
    let name = Name::new("spsc-death");
    let at = open_or_create(&name, 1 << 12).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, CAPACITY).expect("a queue");
    for value in 0..CAPACITY + 1 {
        assert!(push(queue, value) && pop(queue) == Some(value));
    }
    (0..held).for_each(|number| assert!(push(queue, 10 + number)));
    queue.leave();
    use_it(&name, &at, queue)
}

type Operation = fn(&SpscQueue);

fn victim(name: &Name, operation: Operation) -> Stepped {
    let prepare = || {
        let at = Box::leak(Box::new(open(name).expect("open")));
        obtain_spsc(at, "q", Intent::Open, 8, 0).expect("the queue")
    };
    Stepped::new(prepare, operation)
}

/// What the queue's header and slots are at the moment.
fn state(file: &File, from: u64) -> u64 {
    let mut bytes = vec![0; size_of::<Header>() + 8 * CAPACITY as usize];
    file.read_exact_at(&mut bytes, from).expect("read");
    bytes.chunks_exact(8).fold(0, |hash, word| {
        let word = u64::from_le_bytes(word.try_into().expect("8 bytes"));
        (hash ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31)
    })
}

/// Kills a process at each instruction that changed the queue, and before the first; a
/// newcomer then finds one of the `outcomes`, and a queue that works.
///
/// Changes are counted, not instructions: how many of those it takes varies a little.
fn killed_anywhere(held: u64, operation: Operation, outcomes: &[&[u64]]) {
    pin_to_one_core();
    let mut seen = vec![0; outcomes.len()];
    let mut ended = false;
    for changes in 0.. {
        if ended {
            break;
        }
        with_queue(held, |name, at, queue| {
            let (file, from) = (File::open(name.path()).expect("open"), queue_offset(at));
            let mut victim = victim(name, operation);
            let mut before = state(&file, from);
            let mut left_to_do = changes;
            while left_to_do > 0 && !ended {
                ended = !victim.step();
                let now = state(&file, from);
                left_to_do -= u32::from(now != before);
                before = now;
            }
            let point = victim.steps;
            if !ended {
                victim.kill();
            }
            let start = Instant::now();
            let left = pop_bulk(queue, CAPACITY as usize).expect("pop");
            let outcome = outcomes.iter().position(|outcome| *outcome == left);
            let outcome = outcome.unwrap_or_else(|| panic!("{left:?} after {point} instructions"));
            seen[outcome] += 1;
            for lap in 0..3 {
                let values: Vec<_> = (lap..lap + CAPACITY).collect();
                assert_eq!(push_bulk(queue, &values).expect("push"), CAPACITY);
                assert_eq!(pop_bulk(queue, 9).expect("pop"), values);
            }
            assert!(start.elapsed() < Duration::from_secs(5));
        });
    }
    assert!(
        seen.iter().all(|&times| times > 0),
        "the outcomes {outcomes:?} came {seen:?} times"
    );
}

#[test]
fn a_killed_push_is_there_as_a_whole_or_not_at_all() {
    let operation = |queue: &SpscQueue| assert!(push(queue, 12));
    killed_anywhere(2, operation, &[&[10, 11], &[10, 11, 12]]);
}

#[test]
fn a_killed_bulk_push_is_there_as_a_whole_or_not_at_all() {
    let operation = |queue: &SpscQueue| {
        assert_eq!(push_bulk(queue, &[20, 21, 22]).expect("push"), 3);
    };
    killed_anywhere(0, operation, &[&[], &[20, 21, 22]]);
}

#[test]
fn a_killed_pop_took_the_oldest_or_left_it() {
    let operation = |queue: &SpscQueue| assert_eq!(pop(queue), Some(10));
    killed_anywhere(3, operation, &[&[10, 11, 12], &[11, 12]]);
}

#[test]
fn a_killed_bulk_pop_took_all_or_none() {
    let operation = |queue: &SpscQueue| {
        assert_eq!(pop_bulk(queue, 2).expect("pop"), [10, 11]);
    };
    killed_anywhere(3, operation, &[&[10, 11, 12], &[12]]);
}

#[test]
fn what_was_at_the_front_stays_until_it_is_released() {
    let look = |queue: &SpscQueue| assert!(queue.front().expect("front").is_some());
    killed_anywhere(3, look, &[&[10, 11, 12]]);
    let look_and_release = |queue: &SpscQueue| {
        assert!(queue.front().expect("front").is_some());
        queue.release().expect("release");
    };
    killed_anywhere(3, look_and_release, &[&[10, 11, 12], &[11, 12]]);
}

#[test]
fn a_process_killed_when_leaving_leaves_roles_that_can_be_taken() {
    let operation = |queue: &SpscQueue| {
        assert!(push(queue, 12));
        assert_eq!(pop(queue), Some(10));
        queue.leave();
    };
    killed_anywhere(2, operation, &[&[10, 11], &[10, 11, 12], &[11, 12]]);
}

#[test]
fn a_sleeper_survives_a_notifier_that_is_killed_before_it_woke_anybody() {
    pin_to_one_core();
    with_queue(0, |name, _, queue| {
        let sleeper = fork(|| {
            let mut value = 0_u64;
            // SAFETY: the queue's elements are 8 bytes; one thread pops.
            let popped = unsafe { queue.pop_wait((&raw mut value).cast(), 60_000_000_000) };
            assert!(popped.expect("pop"));
            assert_eq!(value, 77);
        });
        // It sleeps, or will, with its flag up.
        std::thread::sleep(Duration::from_millis(50));
        let mut notifier = victim(name, |queue| assert!(push(queue, 77)));
        while queue.is_empty() {
            assert!(notifier.step(), "the push ended before it published");
        }
        notifier.kill();
        let start = Instant::now();
        sleeper.join();
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
}

#[test]
fn hostile_positions_and_roles_are_a_status() {
    with_queue(2, |name, at, _| {
        let file = OpenOptions::new().read(true).write(true).open(name.path());
        let (file, from) = (file.expect("open"), queue_offset(at));
        let mut random = Random(7);
        let words = [
            offset_of!(Header, tail),
            offset_of!(Header, head),
            offset_of!(Header, producer),
            offset_of!(Header, consumer),
        ];
        let mut corrupt = 0;
        for _ in 0..2000 {
            for word in words {
                let value = match random.below(4) {
                    0 => random.next(),
                    1 => u64::MAX - random.below(8),
                    _ => random.below(16),
                };
                file.write_all_at(&value.to_le_bytes(), from + word as u64)
                    .expect("write");
            }
            let at = open(name).expect("open");
            let queue = obtain_spsc(&at, "q", Intent::Open, 8, 0).expect("the queue");
            let mut judge = |outcome: Result<u64, Error>| match outcome {
                Ok(count) => assert!(count <= CAPACITY),
                Err(Error::Role { .. }) => {}
                Err(Error::Corrupt { .. }) => corrupt += 1,
                Err(error) => panic!("{error}"),
            };
            judge(push_bulk(queue, &[1, 2, 3, 4, 5]));
            judge(pop_bulk(queue, 5).map(|values| values.len() as u64));
            judge(queue.front().map(|slot| u64::from(slot.is_some())));
            assert!(queue.len() <= CAPACITY);
        }
        assert!(corrupt > 1000, "{corrupt}");
    });
}

/// Whether one end may be at `tail` while the other is at `head`, and how many elements
/// there are then; the index has two bits.
fn elements_between(head: u64, tail: u64) -> Option<u64> {
    let (first, last) = (head % 4, tail % 4);
    let laps = (tail / 4).wrapping_sub(head / 4) % (1 << 62);
    let there = match laps {
        0 => last.checked_sub(first)?,
        1 => (last + CAPACITY).checked_sub(first)?,
        _ => return None,
    };
    (first.max(last) < CAPACITY && there <= CAPACITY).then_some(there)
}

#[test]
fn positions_that_no_queue_has_are_believed_by_neither_side() {
    with_queue(0, |_, _, queue| {
        assert!(push(queue, 1) && pop(queue) == Some(1)); // Both roles are ours.
        // SAFETY: the view is what a handle begins with.
        let view: &SpscView = unsafe { &*core::ptr::from_ref(queue).cast() };
        // SAFETY: mapped as long as the roles are held; nobody changes the sides meanwhile.
        let (head, tail) = unsafe { (&**view.consumer.own.get(), &**view.producer.own.get()) };
        let near = (0..16).chain([1 << 32, 1 << 63, u64::MAX - 8, u64::MAX - 7, u64::MAX - 1]);
        let pairs = near
            .clone()
            .flat_map(|head| near.clone().map(move |tail| (head, tail)));
        let mut sound = 0;
        // Met by who takes a role, and by who has it and looks at the other side: that one knows by
        // itself where it is, which has to be a place that exists.
        for ((at_head, at_tail), anew) in pairs.flat_map(|pair| [(pair, false), (pair, true)]) {
            let place = |role: Role| {
                let own = match role {
                    Role::Producer => at_tail,
                    Role::Consumer => at_head,
                };
                queue.leave();
                if !anew && own % 4 < CAPACITY {
                    head.position.store(own, SeqCst);
                    tail.position.store(own, SeqCst);
                    match role {
                        Role::Producer => assert_eq!(push_bulk(queue, &[]), Ok(0)),
                        Role::Consumer => assert_eq!(pop_bulk(queue, 0), Ok(vec![])),
                    }
                }
                head.position.store(at_head, SeqCst);
                tail.position.store(at_tail, SeqCst);
            };
            let expected = elements_between(at_head, at_tail);
            let judge = |outcome: Result<u64, Error>, most: u64| match expected {
                Some(_) => assert_eq!(outcome, Ok(most), "{at_head:#x} {at_tail:#x}"),
                None => assert!(
                    matches!(&outcome, Err(error @ Error::Corrupt { .. }) if error.to_string()
                        == "\"q\": the position of an end of the queue makes no sense; the memory was damaged"),
                    "{at_head:#x} {at_tail:#x}: {outcome:?}"
                ),
            };
            let there = expected.unwrap_or(CAPACITY);
            assert!(queue.len() <= CAPACITY);
            place(Role::Producer);
            assert_eq!(queue.len(), there);
            judge(push_bulk(queue, &[1, 2, 3, 4, 5]), CAPACITY - there);
            place(Role::Consumer);
            judge(pop_bulk(queue, 5).map(|values| values.len() as u64), there);
            sound += u64::from(expected.is_some());
        }
        assert!(sound > 50, "{sound}");
    });
}
