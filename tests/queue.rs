//! The queue between processes: every element once and in order, whoever is
//! stopped or killed.

mod support;

use shmds::segment::Intent;
use shmds::structures::queue::Queue;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use support::{
    Child, Name, dequeue, enqueue, eventually, fork, obtain_queue, open, open_or_create,
    shared_words,
};

/// Elements of the long run; the product's promise is stated for 10 million.
fn elements() -> u64 {
    let asked = std::env::var("SHMDS_QUEUE_ELEMENTS").ok();
    asked
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000_000)
}

/// Appends, giving way while the queue is full.
fn push(queue: &Queue, value: u64) {
    while !enqueue(queue, value) {
        std::thread::yield_now();
    }
}

/// An element: who made it, and its number there.
fn element(producer: u64, number: u64) -> u64 {
    producer << 48 | number
}

/// Takes elements until `last` of them were consumed in all, marking each in
/// `seen` and checking the order per producer.
fn consume(queue: &Queue, seen: &[AtomicU64], consumed: &AtomicU64, last: u64, each: u64) {
    let mut newest = [None; 64];
    loop {
        let Some(value) = dequeue(queue) else {
            if consumed.load(Acquire) >= last {
                return;
            }
            std::thread::yield_now();
            continue;
        };
        let (producer, number) = ((value >> 48) as usize, value & ((1 << 48) - 1));
        assert!(
            newest[producer] < Some(number),
            "producer {producer}: {number} after {:?}",
            newest[producer]
        );
        newest[producer] = Some(number);
        let index = producer as u64 * each + number;
        let bit = 1 << (index % 64);
        let before = seen[index as usize / 64].fetch_or(bit, Relaxed);
        assert_eq!(before & bit, 0, "{value:#x} came twice");
        consumed.fetch_add(1, AcqRel);
    }
}

fn run(capacity: u64, producers: u64, consumers: u64, total: u64) {
    let name = Name::new("mpmc");
    let at = open_or_create(&name, 1 << 20).expect("create");
    obtain_queue(&at, "q", Intent::Create, 8, capacity).expect("a queue");
    let each = total / producers;
    let total = each * producers;
    let seen = shared_words((total / 64 + 1) as usize);
    let consumed = &shared_words(1)[0];
    let mut workers: Vec<Child> = Vec::new();
    for producer in 0..producers {
        workers.push(fork(|| {
            let at = open(&name).expect("open");
            let queue = obtain_queue(&at, "q", Intent::Open, 8, capacity).expect("the queue");
            (0..each).for_each(|number| push(queue, element(producer, number)));
        }));
    }
    for _ in 0..consumers {
        workers.push(fork(|| {
            let at = open(&name).expect("open");
            let queue = obtain_queue(&at, "q", Intent::Open, 8, capacity).expect("the queue");
            consume(queue, seen, consumed, total, each);
        }));
    }
    workers.into_iter().for_each(Child::join);
    assert_eq!(consumed.load(Acquire), total);
    let marked: u64 = seen
        .iter()
        .map(|word| u64::from(word.load(Relaxed).count_ones()))
        .sum();
    assert_eq!(marked, total, "lost");
    let queue = obtain_queue(&at, "q", Intent::Open, 8, capacity).expect("the queue");
    assert_eq!(
        (queue.len(), queue.is_empty(), queue.is_full()),
        (Ok(0), Ok(true), Ok(false))
    );
}

#[test]
fn four_producers_and_four_consumers_pass_every_element_once_and_in_order() {
    run(1024, 4, 4, elements());
}

#[test]
fn tiny_and_odd_capacities_pass_every_element_once_and_in_order() {
    for (capacity, producers, consumers) in
        [(1, 2, 2), (2, 3, 1), (3, 1, 3), (7, 4, 4), (1000, 8, 8)]
    {
        run(capacity, producers, consumers, 100_000);
    }
}

#[test]
fn threads_of_a_forked_child_use_what_it_inherited() {
    let name = Name::new("inherit");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 64).expect("a queue");
    push(queue, 1);
    let child = fork(|| {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    (0..1000).for_each(|number| push(queue, element(thread, number)))
                });
            }
        });
        assert_eq!(at.segment().ref_count(), Ok(2));
    });
    let mut got = 0;
    while got < 8001 {
        match dequeue(queue) {
            Some(_) => got += 1,
            None => std::thread::yield_now(),
        }
    }
    child.join();
    assert_eq!(dequeue(queue), None);
    assert!(eventually(Duration::from_millis(100), || at
        .segment()
        .ref_count()
        == Ok(1)));
}

/// Victims work at full speed and are stopped, or killed, at any moment; a
/// survivor must never wait for them.
fn disturb(kill: bool) {
    let name = Name::new("disturb");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 64).expect("a queue");
    let spawn = || {
        fork(|| {
            let at = open(&name).expect("open");
            let queue = obtain_queue(&at, "q", Intent::Open, 8, 0).expect("the queue");
            loop {
                enqueue(queue, 7);
                dequeue(queue);
            }
        })
    };
    let mut slowest = Duration::ZERO;
    let mut victims: Vec<Child> = (0..2).map(|_| spawn()).collect();
    for round in 0..200 {
        std::thread::sleep(Duration::from_micros(500 + round * 7));
        // From now on at least one stands still somewhere, perhaps inside.
        let victim = victims.remove(0);
        victim.stop();
        for other in &victims {
            other.stop();
        }
        let start = Instant::now();
        for value in 0..1000 {
            // Nobody else moves: what goes in comes out.
            let room = enqueue(queue, value);
            assert!(room || queue.is_full() == Ok(true));
            assert!(dequeue(queue).is_some());
        }
        slowest = slowest.max(start.elapsed());
        for other in &victims {
            other.signal(libc::SIGCONT);
        }
        if kill {
            victim.kill();
            victims.push(spawn());
        } else {
            victim.signal(libc::SIGCONT);
            victims.push(victim);
        }
    }
    // 2,000 operations took less than a scheduler's slice or two.
    assert!(slowest < Duration::from_millis(100), "waited {slowest:?}");
    victims.into_iter().for_each(Child::kill);
    // Nothing has leaked: it holds exactly its capacity.
    while dequeue(queue).is_some() {}
    (0..64).for_each(|value| assert!(enqueue(queue, value), "full at {value}"));
    assert!(!enqueue(queue, 64));
    assert!((0..64).all(|value| dequeue(queue) == Some(value)));
}

#[test]
fn a_process_stopped_at_any_moment_delays_nobody() {
    disturb(false);
}

#[test]
fn a_process_killed_at_any_moment_delays_nobody_and_its_lane_is_used_again() {
    disturb(true);
}

#[test]
fn what_the_killed_published_is_neither_lost_nor_repeated() {
    let name = Name::new("kills");
    let at = open_or_create(&name, 1 << 20).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 256).expect("a queue");
    let shared = shared_words(64);
    let mut expected = vec![0_u64; 40];
    let mut newest = vec![None; 40];
    for producer in 0..40_u64 {
        let progress = &shared[producer as usize];
        let victim = fork(|| {
            let at = open(&name).expect("open");
            let queue = obtain_queue(&at, "q", Intent::Open, 8, 0).expect("the queue");
            for number in 0.. {
                push(queue, element(producer, number));
                // Published: from here on it must not get lost.
                progress.store(number + 1, Release);
            }
        });
        let start = Instant::now();
        let mut take = || {
            let value = dequeue(queue)?;
            let (who, number) = ((value >> 48) as usize, value & ((1 << 48) - 1));
            let next = newest[who].map_or(0, |newest: u64| newest + 1);
            assert_eq!(
                number, next,
                "of producer {who}: lost, repeated or out of order"
            );
            newest[who] = Some(number);
            Some(())
        };
        while start.elapsed() < Duration::from_millis(3 + producer % 5) {
            take();
        }
        victim.kill();
        while take().is_some() {}
        expected[producer as usize] = progress.load(Acquire);
        let got = newest[producer as usize].map_or(0, |newest| newest + 1);
        let published = expected[producer as usize];
        // At most the element whose enqueue had just succeeded is not in the count.
        assert!(
            got == published || got == published + 1,
            "{got} of {published}"
        );
    }
}

#[test]
fn large_elements_share_few_lanes_and_more_threads_than_lanes_get_through() {
    let name = Name::new("large");
    let at = open_or_create(&name, 16 << 20).expect("create");
    let size = 1 << 20;
    let queue = obtain_queue(&at, "q", Intent::Create, size, 3).expect("a queue");
    std::thread::scope(|scope| {
        for thread in 0..12_u8 {
            scope.spawn(move || {
                let mut buffer = vec![thread; size as usize];
                for _ in 0..20 {
                    // SAFETY: the buffer has the size of an element.
                    while !unsafe { queue.enqueue(buffer.as_ptr()) }.expect("enqueue") {
                        std::thread::yield_now();
                    }
                    // SAFETY: as above.
                    while !unsafe { queue.dequeue(buffer.as_mut_ptr()) }.expect("dequeue") {
                        std::thread::yield_now();
                    }
                    assert!(buffer.iter().all(|&byte| byte == buffer[0]), "torn");
                    buffer.fill(thread);
                }
            });
        }
    });
    assert_eq!(queue.len(), Ok(0));
}
