//! What the queue can do beyond one element at a time: threads that come and go,
//! bulk, slots held in place, waiting, statistics.

mod support;

use shmds::error::Error;
use shmds::segment::Intent;
use shmds::structures::queue::Queue;
use shmds::structures::wait::Deadline;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};
use std::time::{Duration, Instant};
use support::{
    Child, Name, dequeue, enqueue, error_of, eventually, fork, obtain_queue, open, open_or_create,
    shared_words,
};

fn enqueue_wait(queue: &Queue, value: u64, deadline: Deadline) -> bool {
    // SAFETY: the queue's elements are 8 bytes.
    unsafe { queue.enqueue_wait((&raw const value).cast(), deadline) }.expect("enqueue")
}

fn dequeue_wait(queue: &Queue, deadline: Deadline) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: the queue's elements are 8 bytes.
    let done = unsafe { queue.dequeue_wait((&raw mut value).cast(), deadline) };
    done.expect("dequeue").then_some(value)
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

#[test]
fn threads_that_come_and_go_by_the_thousand_leave_no_lane_behind() {
    let name = Name::new("threads");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 64).expect("a queue");
    for _ in 0..500 {
        std::thread::scope(|scope| {
            for value in 0..4 {
                scope.spawn(move || {
                    assert!(enqueue(queue, value));
                    assert!(dequeue(queue).is_some());
                });
            }
        });
    }
    let seen = queue.statistics().expect("statistics");
    assert_eq!((seen.enqueued, seen.dequeued), (2000, 2000));
    assert!(seen.lanes_in_use <= 5, "{seen:?}");
}

#[test]
fn more_threads_than_lanes_pass_every_element_once() {
    let name = Name::new("crowd");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 16).expect("a queue");
    let (sum, taken) = (AtomicU64::new(0), AtomicU64::new(0));
    let (threads, each) = (100, 200);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (sum, taken) = (&sum, &taken);
            scope.spawn(move || {
                for number in 0..each {
                    assert!(enqueue_wait(queue, thread * each + number, soon()));
                    let value = dequeue_wait(queue, soon()).expect("an element");
                    sum.fetch_add(value, AcqRel);
                    taken.fetch_add(1, AcqRel);
                }
            });
        }
    });
    let count = threads * each;
    assert_eq!(taken.load(Acquire), count);
    assert_eq!(sum.load(Acquire), count * (count - 1) / 2);
}

#[test]
fn bulk_calls_keep_the_order_and_say_how_many() {
    let name = Name::new("bulk");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 10).expect("a queue");
    let values: Vec<u64> = (0..15).collect();
    let mut out = [0_u64; 15];
    // SAFETY: arrays of 15 elements.
    unsafe {
        let put = |count| queue.enqueue_bulk(values.as_ptr().cast(), count);
        assert_eq!(put(0), Ok(0));
        assert_eq!(put(15), Ok(10));
        assert_eq!(put(1), Ok(0));
        assert_eq!(queue.dequeue_bulk(out.as_mut_ptr().cast(), 4), Ok(4));
        assert_eq!(put(15), Ok(4));
        assert_eq!(queue.dequeue_bulk(out.as_mut_ptr().cast(), 15), Ok(10));
        assert_eq!(queue.dequeue_bulk(out.as_mut_ptr().cast(), 15), Ok(0));
    }
    assert_eq!(out[..10], [4, 5, 6, 7, 8, 9, 0, 1, 2, 3]);
}

#[test]
fn a_held_slot_leaves_its_thread_free_to_use_the_queue() {
    let name = Name::new("held");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    assert!(enqueue(queue, 1));
    let taken = queue.take().expect("take").expect("an element");
    let reserved = queue.reserve().expect("reserve");
    // The queue holds its full capacity beside what is held.
    (2..=5).for_each(|value| assert!(enqueue(queue, value)));
    assert!(!enqueue(queue, 6));
    // SAFETY: both slots are ours to read and write, 8 bytes each.
    unsafe {
        assert_eq!(*taken.address.cast::<u64>().as_ptr(), 1);
        reserved.address.cast::<u64>().as_ptr().write(7);
    }
    assert_eq!(
        queue.publish(&reserved),
        Ok(false),
        "full; and it stays reserved"
    );
    assert_eq!(dequeue(queue), Some(2));
    assert_eq!(queue.publish(&reserved), Ok(true));
    queue.give_back(&taken, true).expect("done");
    assert_eq!(dequeue(queue), Some(3));
    (0..2).for_each(|_| assert!(dequeue(queue).is_some()));
    assert_eq!(dequeue(queue), Some(7));
    assert_eq!(queue.take().expect("take"), None);
}

#[test]
fn slots_are_refused_where_they_do_not_belong() {
    let name = Name::new("state");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let other = obtain_queue(&at, "other", Intent::Create, 8, 4).expect("another");
    assert!(enqueue(queue, 1));
    let reserved = queue.reserve().expect("reserve");
    let taken = queue.take().expect("take").expect("an element");
    for refused in [
        other.publish(&reserved).map(drop),
        queue.publish(&taken).map(drop),
        queue.give_back(&reserved, true),
        queue.give_back(&taken, false),
    ] {
        assert!(matches!(error_of(refused), Error::State { .. }));
    }
    let child = fork(|| {
        // The parent's slots are not ours; slots of our own are.
        assert!(matches!(
            error_of(queue.publish(&reserved)),
            Error::State { .. }
        ));
        let own = queue.reserve().expect("reserve");
        // SAFETY: the slot is ours, 8 bytes.
        unsafe { own.address.cast::<u64>().as_ptr().write(9) };
        assert_eq!(queue.publish(&own), Ok(true));
    });
    child.join();
    assert_eq!(dequeue(queue), Some(9));
    queue.give_back(&reserved, false).expect("abandon");
    queue.give_back(&taken, true).expect("done");
}

#[test]
fn a_bulk_call_that_meets_damage_says_what_moved_before_it() {
    let name = Name::new("midway");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 64).expect("a queue");
    (1..=3).for_each(|value| assert!(enqueue(queue, value)));
    // SAFETY: one of 64 ring words.
    let second = unsafe { &*queue.view().parts.words.add(1) };
    let sound = second.swap(u64::MAX, SeqCst);
    let mut values = [0_u64; 3];
    // SAFETY: room for three elements.
    let mut dequeue_bulk = || unsafe { queue.dequeue_bulk(values.as_mut_ptr().cast(), 3) };
    assert_eq!(dequeue_bulk(), Ok(1));
    assert!(matches!(error_of(dequeue_bulk()), Error::Corrupt { .. }));
    second.store(sound, SeqCst);
    assert_eq!(dequeue_bulk(), Ok(2));
    assert_eq!(values, [2, 3, 0]);
}

#[test]
fn held_slots_of_the_killed_come_back_with_their_lanes() {
    let name = Name::new("pins");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 8).expect("a queue");
    let ready = &shared_words(1)[0];
    for round in 0..80 {
        (0..8).for_each(|value| assert!(enqueue(queue, value)));
        let victim = fork(|| {
            let at = open(&name).expect("open");
            let queue = obtain_queue(&at, "q", Intent::Open, 8, 0).expect("the queue");
            let _taken = queue.take().expect("take").expect("an element");
            let _reserved = queue.reserve().expect("reserve");
            ready.fetch_add(1, AcqRel);
            std::thread::sleep(Duration::from_secs(60));
        });
        assert!(eventually(Duration::from_secs(10), || ready.load(Acquire) == round + 1));
        victim.kill();
        assert!(
            (1..8).all(|value| dequeue(queue) == Some(value)),
            "round {round}"
        );
        assert_eq!(dequeue(queue), None);
    }
    // 160 lanes were left by the dead, more than there are: they were used again.
    let alone = || queue.statistics().expect("statistics").lanes_in_use == 1;
    assert!(eventually(Duration::from_millis(100), alone));
}

#[test]
fn waiting_ends_with_an_element_a_place_or_a_timeout() {
    let name = Name::new("wait");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 1).expect("a queue");
    let short = Duration::from_millis(30);
    let start = Instant::now();
    assert_eq!(dequeue_wait(queue, Deadline::after(short)), None);
    assert!(start.elapsed() >= short && start.elapsed() < Duration::from_secs(1));
    assert!(enqueue(queue, 1));
    let start = Instant::now();
    assert!(!enqueue_wait(queue, 2, Deadline::after(short)));
    assert!(start.elapsed() >= short && start.elapsed() < Duration::from_secs(1));
    assert_eq!(
        dequeue_wait(queue, Deadline::after(Duration::ZERO)),
        Some(1),
        "there already"
    );
    // A time that no clock can express is no time that has passed.
    let child = fork(|| {
        std::thread::sleep(Duration::from_millis(20));
        assert!(enqueue(queue, 5));
    });
    assert_eq!(dequeue_wait(queue, Deadline::after(Duration::MAX)), Some(5));
    child.join();
    assert_eq!(
        queue.statistics().expect("statistics").refused,
        0,
        "waits are no refusals"
    );
}

#[test]
fn a_waiter_sleeps_instead_of_spinning() {
    let name = Name::new("asleep");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 1).expect("a queue");
    let used = || {
        // SAFETY: all zero is valid; a valid place for the answer.
        unsafe {
            let mut time: libc::timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        }
    };
    let before = used();
    let wait = Duration::from_millis(300);
    assert_eq!(dequeue_wait(queue, Deadline::after(wait)), None);
    let used = used() - before;
    assert!(used < wait / 10, "{used:?} of work in {wait:?} of waiting");
}

#[test]
fn a_forked_child_works_on_a_lane_of_its_own() {
    let name = Name::new("own-lane");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    assert!(enqueue(queue, 1)); // This thread has its lane now.
    let in_use = || queue.statistics().expect("statistics").lanes_in_use;
    assert_eq!(in_use(), 1);
    let child = fork(|| {
        assert!(enqueue(queue, 2));
        assert_eq!(in_use(), 2, "the child is on its parent's lane");
    });
    child.join();
    assert_eq!((dequeue(queue), dequeue(queue)), (Some(1), Some(2)));
}

#[test]
fn every_sleeper_is_woken_whatever_the_interleaving() {
    // Ping-pong between processes that sleep: a lost wake-up would cost a slice of
    // 10 ms each time, and 20,000 rounds would never end.
    let name = Name::new("pingpong");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let ping = obtain_queue(&at, "ping", Intent::Create, 8, 1).expect("a queue");
    let pong = obtain_queue(&at, "pong", Intent::Create, 8, 1).expect("a queue");
    let rounds = 20_000;
    let child = fork(|| {
        for round in 0..rounds {
            assert_eq!(dequeue_wait(ping, soon()), Some(round));
            assert!(enqueue_wait(pong, round, soon()));
        }
    });
    let start = Instant::now();
    for round in 0..rounds {
        assert!(enqueue_wait(ping, round, soon()));
        assert_eq!(dequeue_wait(pong, soon()), Some(round));
    }
    child.join();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn sleepers_that_are_killed_hurt_nobody() {
    let name = Name::new("sleepers");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let asleep = &shared_words(1)[0];
    for round in 0..20 {
        let sleep = || {
            fork(|| {
                asleep.fetch_add(1, AcqRel);
                let value = dequeue_wait(queue, Deadline::after(Duration::from_secs(30)));
                assert_eq!(value, Some(round));
            })
        };
        let (victim, survivor) = (sleep(), sleep());
        assert!(eventually(Duration::from_secs(5), || asleep.load(Acquire)
            == (round + 1) * 2));
        std::thread::sleep(Duration::from_millis(5));
        victim.kill();
        let start = Instant::now();
        assert!(enqueue(queue, round));
        survivor.join();
        assert!(
            start.elapsed() < Duration::from_millis(500),
            "{:?}",
            start.elapsed()
        );
    }
}

#[test]
fn no_operation_makes_a_system_call_when_nobody_waits() {
    let name = Name::new("syscalls");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    assert!(enqueue(queue, 0)); // The first one takes a lane.
    assert_eq!(dequeue(queue), Some(0));
    let child = fork(|| {
        // In the child the first ones join and take lanes, two for held slots.
        assert!(enqueue(queue, 0));
        assert_eq!(dequeue(queue), Some(0));
        let warm = queue.reserve().expect("reserve");
        queue.give_back(&warm, false).expect("abandon");
        // From here on the kernel kills us for anything but leaving and writing.
        // SAFETY: no pointers.
        assert_eq!(
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) },
            0
        );
        for lap in 0..10_000 {
            let fine = (0..4).all(|value| enqueue(queue, lap + value))
                && !enqueue(queue, 0)
                && (0..4).all(|value| dequeue(queue) == Some(lap + value))
                && dequeue(queue).is_none()
                && queue.len() == Ok(0)
                && enqueue_wait(queue, lap, Deadline::never())
                && dequeue_wait(queue, Deadline::never()) == Some(lap);
            let held = queue.reserve().map(|slot| queue.publish(&slot));
            let fine = fine
                && held == Ok(Ok(true))
                && matches!(queue.take(), Ok(Some(slot)) if queue.give_back(&slot, true).is_ok());
            if !fine {
                // SAFETY: leaves at once; exit_group is not allowed here.
                unsafe { libc::syscall(libc::SYS_exit, 1) };
            }
        }
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    Child::join(child);
}

#[test]
fn a_stream_of_waiting_processes_loses_nothing() {
    let name = Name::new("stream");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 8).expect("a queue");
    let (sum, each) = (&shared_words(1)[0], 20_000_u64);
    let producers: Vec<Child> = (0..3)
        .map(|_| fork(|| (1..=each).for_each(|value| assert!(enqueue_wait(queue, value, soon())))))
        .collect();
    let consumers: Vec<Child> = (0..3)
        .map(|_| {
            fork(|| {
                for _ in 0..each {
                    sum.fetch_add(dequeue_wait(queue, soon()).expect("an element"), AcqRel);
                }
            })
        })
        .collect();
    producers.into_iter().chain(consumers).for_each(Child::join);
    assert_eq!(sum.load(Acquire), 3 * each * (each + 1) / 2);
}
