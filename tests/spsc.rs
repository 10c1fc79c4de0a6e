//! The SPSC queue between processes: order, roles, waiting.

mod support;

use shmds::error::Error;
use shmds::segment::Intent;
use shmds::structures::spsc::{Role, SpscQueue, SpscView};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::{Duration, Instant};
use support::{
    Name, error_of, eventually, fork, obtain_spsc, open, open_or_create, pop, pop_bulk, push,
    push_bulk, shared_words,
};

/// A time that no wait here comes near.
const LONG: u64 = 60_000_000_000;

fn push_wait(queue: &SpscQueue, value: u64, nanoseconds: u64) -> bool {
    // SAFETY: the queue's elements are 8 bytes; one thread pushes.
    unsafe { queue.push_wait((&raw const value).cast(), nanoseconds) }.expect("push")
}

fn pop_wait(queue: &SpscQueue, nanoseconds: u64) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: the queue's elements are 8 bytes; one thread pops.
    let popped = unsafe { queue.pop_wait((&raw mut value).cast(), nanoseconds) };
    popped.expect("pop").then_some(value)
}

/// What the queue shows at its front, left there.
fn front(queue: &SpscQueue) -> Option<u64> {
    let slot = queue.front().expect("front");
    // SAFETY: an element of 8 bytes, the consumer's until it is released.
    slot.map(|slot| unsafe { slot.cast::<u64>().read() })
}

/// Optimised builds pass as many elements; the others a tenth.
fn elements() -> u64 {
    if cfg!(debug_assertions) {
        200_000
    } else {
        2_000_000
    }
}

#[test]
fn two_processes_pass_every_element_once_and_in_order() {
    for capacity in [1, 3, 1024] {
        let name = Name::new("spsc-order");
        let at = open_or_create(&name, 1 << 16).expect("create");
        let queue = obtain_spsc(&at, "q", Intent::Create, 8, capacity).expect("a queue");
        let count = if capacity == 1 {
            elements() / 10
        } else {
            elements()
        };
        let producer = fork(|| {
            let mut next = 0;
            while next < count {
                // Alone, in pieces of several sizes, and asleep while there is no room.
                let piece = next % 5 + 1;
                let values: Vec<u64> = (next..count.min(next + piece)).collect();
                let pushed = push_bulk(queue, &values).expect("push");
                next += pushed;
                if pushed == 0 {
                    assert!(push_wait(queue, next, LONG));
                    next += 1;
                }
            }
        });
        let mut next = 0;
        while next < count {
            let values = match next % 3 {
                0 => pop_bulk(queue, 7).expect("pop"),
                1 => pop_wait(queue, LONG).into_iter().collect(),
                _ => front(queue)
                    .inspect(|_| queue.release().expect("release"))
                    .into_iter()
                    .collect(),
            };
            for value in values {
                assert_eq!(value, next, "capacity {capacity}");
                next += 1;
            }
        }
        producer.join();
        assert_eq!(pop(queue), None);
    }
}

#[test]
fn a_chain_of_more_processes_than_processors_keeps_the_order() {
    const LINKS: usize = 8;
    let name = Name::new("spsc-chain");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queues: Vec<_> = (0..=LINKS)
        .map(|link| obtain_spsc(&at, &format!("q{link}"), Intent::Create, 8, 16).expect("a queue"))
        .collect();
    let count = elements() / 10;
    let children: Vec<_> = queues
        .windows(2)
        .map(|ends| {
            fork(|| {
                for _ in 0..count {
                    let value = pop_wait(ends[0], LONG).expect("an element");
                    assert!(push_wait(ends[1], value + 1, LONG));
                }
            })
        })
        .collect();
    let feeder = fork(|| (0..count).for_each(|value| assert!(push_wait(queues[0], value, LONG))));
    for value in 0..count {
        let passed = pop_wait(queues[LINKS], LONG);
        assert_eq!(passed, Some(value + LINKS as u64));
    }
    feeder.join();
    children.into_iter().for_each(support::Child::join);
}

#[test]
fn a_role_that_a_living_process_holds_is_refused() {
    let name = Name::new("spsc-held");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "held", Intent::Create, 8, 4).expect("a queue");
    assert!(push(queue, 1));
    let child = fork(|| {
        let at = open(&name).expect("open");
        let queue = obtain_spsc(&at, "held", Intent::Open, 8, 0).expect("the queue");
        let error = error_of(push_bulk(queue, &[2]));
        assert!(matches!(
            error,
            Error::Role {
                role: "producer",
                ..
            }
        ));
        let text = error.to_string();
        assert!(
            text.contains("\"held\"") && text.contains("producer"),
            "{text}"
        );
        // The other role is free.
        assert_eq!(pop(queue), Some(1));
    });
    child.join();
    assert_eq!(pop(queue), None, "the child's end freed its role");
    // One process may hold both, through one attachment; through another it is somebody else.
    let other = open(&name).expect("open");
    let other = obtain_spsc(&other, "held", Intent::Open, 8, 0).expect("the queue");
    let error = error_of(pop_bulk(other, 1));
    assert!(matches!(
        error,
        Error::Role {
            role: "consumer",
            ..
        }
    ));
}

#[test]
fn roles_are_given_up_by_leaving_and_by_closing() {
    let name = Name::new("spsc-leave");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let other_at = open(&name).expect("open");
    let other = obtain_spsc(&other_at, "q", Intent::Open, 8, 0).expect("the queue");
    for value in 0..100 {
        let (first, second) = if value % 2 == 0 {
            (queue, other)
        } else {
            (other, queue)
        };
        assert!(push(first, value));
        assert_eq!(front(first), Some(value));
        first.leave();
        assert!(
            first.release().is_err(),
            "what was looked at went with the role"
        );
        assert_eq!(pop(second), Some(value));
        assert!(push(second, value) && pop(second) == Some(value));
        second.leave();
    }
    assert!(push(other, 7));
    drop(other_at);
    assert!(push(queue, 8), "closing gives the roles up");
    assert_eq!(pop_bulk(queue, 3).expect("pop"), [7, 8]);
}

#[test]
fn the_roles_of_the_killed_are_taken_over() {
    let name = Name::new("spsc-killed");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let ready = &shared_words(1)[0];
    for round in 0..50 {
        let victim = fork(|| {
            let at = open(&name).expect("open");
            let queue = obtain_spsc(&at, "q", Intent::Open, 8, 0).expect("the queue");
            assert!(push(queue, round) && push(queue, round + 1000));
            assert_eq!(front(queue), Some(round));
            ready.fetch_add(1, AcqRel);
            std::thread::sleep(Duration::from_secs(60));
        });
        assert!(eventually(Duration::from_secs(10), || ready.load(Acquire) == round + 1));
        assert!(matches!(
            error_of(push_bulk(queue, &[0])),
            Error::Role { .. }
        ));
        victim.kill();
        let start = Instant::now();
        // What was at the front and not released is there for the next consumer.
        assert_eq!(pop_bulk(queue, 4).expect("pop"), [round, round + 1000]);
        assert!(push(queue, 1) && pop(queue) == Some(1));
        assert!(start.elapsed() < Duration::from_millis(500));
        queue.leave();
    }
}

#[test]
fn a_forked_child_holds_no_role_and_takes_none_from_its_parent() {
    let name = Name::new("spsc-fork");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 4).expect("a queue");
    assert!(push(queue, 1));
    assert_eq!(front(queue), Some(1));
    let child = fork(|| {
        assert!(matches!(
            error_of(push_bulk(queue, &[2])),
            Error::Role { .. }
        ));
        assert!(matches!(error_of(pop_bulk(queue, 1)), Error::Role { .. }));
        assert!(matches!(error_of(queue.release()), Error::State { .. }));
        queue.leave();
    });
    child.join();
    assert!(push(queue, 3), "the child's leaving left the parent's role");
    queue.release().expect("release");
    assert_eq!(pop(queue), Some(3));
    queue.leave();
    let child = fork(|| {
        assert!(push(queue, 4), "a free role is the child's to take");
        assert_eq!(pop(queue), Some(4));
    });
    child.join();
}

/// What code that is compiled into the caller sees of a handle.
fn view_of(queue: &SpscQueue) -> &SpscView {
    // SAFETY: the view is what a handle begins with.
    unsafe { &*core::ptr::from_ref(queue).cast() }
}

/// Whether such code leaves everything at a side to the library, as it must where the role is
/// not held: no slot is ready, the other end as far away as cannot be, nothing at the front.
fn leaves_all_to_the_library(view: &SpscView, role: Role) -> bool {
    let side = match role {
        Role::Producer => &view.producer,
        Role::Consumer => &view.consumer,
    };
    // SAFETY: the other end is the neighbour, it is mapped, and nobody changes the side meanwhile.
    let other = unsafe {
        let own = *side.own.get();
        match role {
            Role::Producer => &*own.add(1),
            Role::Consumer => &*own.sub(1),
        }
    };
    let (at, other) = (side.at.load(Acquire), other.position.load(Acquire));
    let is_blocked = match role {
        Role::Producer => at.wrapping_sub(other) >= view.lap,
        Role::Consumer => other.wrapping_sub(at).wrapping_sub(1) >= view.lap,
    };
    let has_front = side.front.load(Acquire) == at.wrapping_add(1);
    is_blocked && at >= side.stop.load(Acquire) && !has_front
}

#[test]
fn code_compiled_into_a_forked_child_is_at_no_side_of_its_parents_queue() {
    let name = Name::new("spsc-sides");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let view = view_of(queue);
    let sides =
        || [Role::Producer, Role::Consumer].map(|role| leaves_all_to_the_library(view, role));
    assert_eq!(sides(), [true, true], "before any role was taken");
    for round in 0..3 {
        assert!(push(queue, round) && push(queue, round));
        assert_eq!(sides(), [false, round == 0]);
        assert_eq!(front(queue), Some(round));
        assert_eq!(sides(), [false, false]);
        let child = fork(|| {
            assert_eq!(sides(), [true, true], "what the parent holds");
            assert!(matches!(error_of(queue.release()), Error::State { .. }));
            let grandchild = fork(|| assert_eq!(sides(), [true, true]));
            grandchild.join();
        });
        child.join();
        assert_eq!(sides(), [false, false], "the parent's own");
        queue.release().expect("release");
        assert_eq!(pop(queue), Some(round));
    }
    queue.leave();
    assert_eq!(sides(), [true, true], "after the roles were given up");
    let child = fork(|| {
        assert!(push(queue, 5) && front(queue) == Some(5));
        assert_eq!(sides(), [false, false], "the child's own");
    });
    child.join();
    assert_eq!(
        sides(),
        [true, true],
        "a child's roles are not its parent's"
    );
}

#[test]
fn nothing_is_released_that_was_not_looked_at() {
    let name = Name::new("spsc-release");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let refused = || {
        let before = queue.len();
        let sentence =
            "\"q\": nothing at its front was looked at; expected a front before each release";
        assert_eq!(error_of(queue.release()).to_string(), sentence);
        assert_eq!(queue.len(), before);
    };
    refused();
    assert_eq!(front(queue), None);
    refused();
    // At every index, around the end and on.
    for lap in 0..3 {
        assert_eq!(push_bulk(queue, &[lap, lap + 1, lap + 2]), Ok(3));
        refused();
        assert_eq!((front(queue), front(queue)), (Some(lap), Some(lap)));
        queue.release().expect("release");
        refused();
        assert_eq!(front(queue), Some(lap + 1));
        assert_eq!(pop(queue), Some(lap + 1), "what was looked at");
        refused();
        assert_eq!(front(queue), Some(lap + 2));
        // What was looked at is forgotten with the role.
        queue.leave();
        refused();
        assert_eq!(front(queue), Some(lap + 2));
        queue.leave();
        assert!(push(queue, 9));
        refused();
        assert_eq!(pop_bulk(queue, 4).expect("pop"), [lap + 2, 9]);
        refused();
    }
}

#[test]
fn waiting_ends_with_an_element_a_place_or_a_timeout() {
    let name = Name::new("spsc-wait");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 1).expect("a queue");
    let short = Duration::from_millis(30);
    let used = || {
        // SAFETY: all zero is valid; a valid place for the answer.
        unsafe {
            let mut time: libc::timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        }
    };
    let (start, before) = (Instant::now(), used());
    let wait = 10 * short;
    assert_eq!(pop_wait(queue, wait.as_nanos() as u64), None);
    assert!(start.elapsed() >= wait && start.elapsed() < Duration::from_secs(5));
    let used = used() - before;
    assert!(used < wait / 5, "{used:?} of work in {wait:?} of waiting");
    assert!(push(queue, 1));
    let start = Instant::now();
    assert!(!push_wait(queue, 2, short.as_nanos() as u64));
    assert!(start.elapsed() >= short && start.elapsed() < Duration::from_secs(5));
    assert_eq!(pop_wait(queue, 0), Some(1), "there already");
    assert_eq!(pop_wait(queue, 0), None, "no time, one try");
    // Times that no clock can express, and for ever.
    for beyond in [u64::MAX - 1, u64::MAX] {
        queue.leave();
        let child = fork(|| {
            std::thread::sleep(Duration::from_millis(20));
            assert!(push(queue, 5));
        });
        assert_eq!(pop_wait(queue, beyond), Some(5));
        child.join();
    }
}

#[test]
fn every_sleeper_is_woken_whatever_the_interleaving() {
    // A lost wake-up would cost a slice of 10 ms each time.
    let name = Name::new("spsc-pingpong");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let ping = obtain_spsc(&at, "ping", Intent::Create, 8, 1).expect("a queue");
    let pong = obtain_spsc(&at, "pong", Intent::Create, 8, 1).expect("a queue");
    let rounds = 10_000;
    let child = fork(|| {
        for round in 0..rounds {
            assert_eq!(pop_wait(ping, LONG), Some(round));
            assert!(push_wait(pong, round, LONG));
        }
    });
    let start = Instant::now();
    for round in 0..rounds {
        assert!(push_wait(ping, round, LONG));
        assert_eq!(pop_wait(pong, LONG), Some(round));
    }
    child.join();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_sleeper_that_is_killed_hurts_nobody() {
    let name = Name::new("spsc-sleeper");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let asleep = &shared_words(1)[0];
    for round in 0..20 {
        let victim = fork(|| {
            asleep.store(round + 1, Release);
            pop_wait(queue, LONG);
        });
        assert!(eventually(Duration::from_secs(5), || asleep.load(Acquire) == round + 1));
        std::thread::sleep(Duration::from_millis(2));
        victim.kill();
        assert!(push(queue, round));
        assert_eq!(pop_wait(queue, LONG), Some(round));
        queue.leave();
    }
}
