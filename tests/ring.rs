//! Ring buffers between processes: nothing torn beside a producer at full speed, roles that
//! move, and deaths at every store.
//!
//! Elements tell by themselves whether they are whole. `SHMDS_RING_SECONDS` sets for how long
//! the producer runs at full speed; with 60, a million reads are expected of its readers.

mod support;

use shmds::error::Error;
use shmds::segment::{Intent, Options};
use shmds::structures::Attachment;
use shmds::structures::ring::{ENFORCE_ROLES, Observer, Params, RingBuffer};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use support::step::{Stepped, pin_to_one_core, points_of_change};
use support::{
    Child, Gate, Name, eventually, fork, obtain_ring, open, open_or_create, shared_words,
};

/// An element of `N` words: its number, and what follows from that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
struct Element<const N: usize>([u64; N]);

impl<const N: usize> Element<N> {
    const SIZE: u64 = 8 * N as u64;

    fn new(number: u64) -> Self {
        let mut words = [0; N];
        for (index, word) in words.iter_mut().enumerate() {
            // The first word has room for the number as well.
            let sum = (number + index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *word = if index == 0 {
                number << 24 | sum >> 40
            } else {
                sum
            };
        }
        Self(words)
    }

    /// The number of an element that is whole.
    fn number(&self) -> u64 {
        let number = self.0[0] >> 24;
        assert_eq!(*self, Self::new(number), "a torn element");
        number
    }
}

fn elements<const N: usize>(numbers: std::ops::Range<u64>) -> Vec<Element<N>> {
    numbers.map(Element::new).collect()
}

/// A ring of such elements, with calls that take slices.
#[derive(Clone, Copy)]
struct Ring<'a, const N: usize>(&'a RingBuffer);

impl<'a, const N: usize> Ring<'a, N> {
    fn obtain(at: &'a Attachment, intent: Intent, capacity: u64) -> Self {
        Self(obtain_ring(at, "ring", intent, Element::<N>::SIZE, capacity).expect("a ring"))
    }

    fn push(self, elements: &[Element<N>]) -> u64 {
        // SAFETY: elements of the ring's size.
        unsafe {
            self.0
                .push_bulk(elements.as_ptr().cast(), elements.len() as u64)
        }
        .expect("push")
    }

    fn overwrite(self, elements: &[Element<N>]) {
        // SAFETY: as above.
        unsafe {
            self.0
                .overwrite_bulk(elements.as_ptr().cast(), elements.len() as u64)
        }
        .expect("overwrite");
    }

    fn collect(count: u64, read: impl FnOnce(*mut u8) -> Result<u64, Error>) -> Vec<u64> {
        let mut elements = vec![Element([0; N]); count as usize];
        let got = read(elements.as_mut_ptr().cast()).expect("read");
        elements[..got as usize]
            .iter()
            .map(Element::number)
            .collect()
    }

    /// Numbers of the elements that were popped.
    fn pop(self, count: u64) -> Vec<u64> {
        // SAFETY: room for as many.
        Self::collect(count, |target| unsafe { self.0.pop_bulk(target, count) })
    }

    fn last(self, count: u64) -> Vec<u64> {
        // SAFETY: as above.
        Self::collect(count, |target| unsafe { self.0.last(target, count) })
    }

    fn peek(self, offset: u64, count: u64) -> Vec<u64> {
        // SAFETY: as above.
        Self::collect(count, |target| unsafe {
            self.0.peek_bulk(offset, target, count)
        })
    }

    fn observe(self, observer: &mut Observer, count: u64) -> Vec<u64> {
        // SAFETY: as above.
        Self::collect(count, |target| unsafe {
            self.0.observe(observer, target, count)
        })
    }
}

fn assert_consecutive(numbers: &[u64]) {
    let consecutive = numbers.windows(2).all(|two| two[1] == two[0] + 1);
    assert!(consecutive, "a gap: {numbers:?}");
}

fn open_read_only(name: &Name) -> Attachment {
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    Attachment::new(&name.0, Intent::Open, &options).expect("open read-only")
}

/// How long a producer runs at full speed.
fn at_full_speed() -> Duration {
    let seconds = std::env::var("SHMDS_RING_SECONDS").ok();
    let seconds = seconds.map_or(2.0 / 3.0, |text| text.parse().expect("seconds"));
    Duration::from_secs_f64(seconds)
}

/// A process that overwrites, one element at a time or in bulks, until it is killed.
fn overwriter<const N: usize>(name: &Name, bulk: u64) -> Child {
    fork(|| {
        let at = open(name).expect("open");
        let ring = Ring::<N>::obtain(&at, Intent::Open, 0);
        for first in (ring.0.total_written()..).step_by(bulk as usize) {
            ring.overwrite(&elements(first..first + bulk));
        }
    })
}

/// Readers of the newest 100 beside a producer at full speed, one of them stopped in the
/// middle.
fn nothing_is_torn<const N: usize>(capacity: u64, bulk: u64) {
    let name = Name::new("ring-torn");
    let at = open_or_create(&name, 1 << 20).expect("create");
    let ring = Ring::<N>::obtain(&at, Intent::Create, capacity);
    let producer = overwriter::<N>(&name, bulk);
    let reads = shared_words(1);
    let stopped = fork(|| {
        let at = open_read_only(&name);
        let ring = Ring::<N>::obtain(&at, Intent::Open, capacity);
        loop {
            assert_consecutive(&ring.last(100));
            reads[0].fetch_add(1, Relaxed);
        }
    });
    assert!(eventually(Duration::from_secs(10), || reads[0]
        .load(Relaxed)
        > 10));
    stopped.stop();

    let reader = open_read_only(&name);
    let view = Ring::<N>::obtain(&reader, Intent::Open, capacity);
    let mut observer = Observer::default();
    let (mut count, mut full, mut seen) = (0_u64, 0_u64, 0_u64);
    let start = Instant::now();
    while start.elapsed() < at_full_speed() {
        for _ in 0..50 {
            let newest = view.last(100);
            assert_consecutive(&newest);
            full += u64::from(newest.len() as u64 == 100.min(capacity));
            count += 1;
        }
        // Each once and in order, and nothing missing that is not counted.
        let before = observer;
        let read = view.observe(&mut observer, 1000);
        let first = before.cursor + observer.lost - before.lost;
        assert!(read.iter().copied().eq(first..observer.cursor));
        seen += read.len() as u64;
        assert_eq!(seen + observer.lost, observer.cursor);
        assert_consecutive(&view.peek(capacity / 2, 100));
        assert_consecutive(&ring.pop(10));
    }
    println!(
        "elements of {} bytes, capacity {capacity}, bulks of {bulk}: {count} reads, {full} of them \
         of all; {} written",
        8 * N,
        ring.0.total_written()
    );
    assert!(full > 0, "no read got all it asked for");
    if start.elapsed() >= Duration::from_secs(60) {
        assert!(count >= 1_000_000, "only {count} reads");
    }
    producer.kill();
    stopped.kill();
    assert_eq!(ring.0.total_written() - ring.0.total_read(), ring.0.len());
}

#[test]
fn no_element_of_8_bytes_is_torn_beside_a_producer_at_full_speed() {
    nothing_is_torn::<1>(1024, 1);
}

#[test]
fn no_element_of_64_bytes_is_torn_beside_a_producer_at_full_speed() {
    nothing_is_torn::<8>(1000, 1);
}

#[test]
fn no_element_of_136_bytes_is_torn_beside_a_producer_of_bulks() {
    nothing_is_torn::<17>(777, 33);
}

#[test]
fn a_small_ring_still_gives_whole_elements_beside_a_producer_at_full_speed() {
    let name = Name::new("ring-small");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let ring = Ring::<17>::obtain(&at, Intent::Create, 8);
    let producer = overwriter::<17>(&name, 1);
    let (mut popped, mut last) = (0_u64, None);
    assert!(eventually(Duration::from_secs(20), || !ring.0.is_empty()));
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        let numbers = ring.pop(4);
        assert_consecutive(&numbers);
        assert!(numbers.first() > last.as_ref() || numbers.is_empty());
        last = numbers.last().copied().or(last);
        popped += numbers.len() as u64;
    }
    producer.kill();
    assert!(popped > 0);
    assert_eq!(popped + ring.0.lost(), ring.0.total_read());
}

#[test]
fn roles_move_between_processes_and_every_element_arrives_once() {
    const PROCESSES: u64 = 4;
    const TURNS: u64 = 400;
    let name = Name::new("ring-roles");
    let at = open_or_create(&name, 1 << 16).expect("create");
    for capacity in [1, 3, 64, 100] {
        let ring_name = format!("ring {capacity}");
        obtain_ring(&at, &ring_name, Intent::Create, 64, capacity).expect("a ring");
        // Whose turn it is to push, and to pop; how far they have come.
        let words = shared_words(4);
        let gate = Gate::new();
        let workers: Vec<_> = (0..PROCESSES)
            .map(|me| {
                let (name, ring_name) = (&name, &ring_name);
                fork(move || {
                    let at = open(name).expect("open");
                    let ring = obtain_ring(&at, ring_name, Intent::Open, 64, 0).expect("open");
                    let ring = Ring::<8>(ring);
                    gate.pass();
                    while words.iter().take(2).any(|turn| turn.load(Acquire) < TURNS) {
                        let turn = words[0].load(Acquire);
                        if turn < TURNS && turn % PROCESSES == me {
                            let next = words[2].load(Relaxed);
                            let pushed = ring.push(&elements(next..next + 1 + turn % 7));
                            words[2].store(next + pushed, Relaxed);
                            words[0].store(turn + 1, Release);
                        }
                        let turn = words[1].load(Acquire);
                        if turn < TURNS && turn % PROCESSES == (me + 1) % PROCESSES {
                            let next = words[3].load(Relaxed);
                            let popped = ring.pop(1 + turn % 5);
                            let expected = next..next + popped.len() as u64;
                            assert!(popped.iter().copied().eq(expected));
                            words[3].store(next + popped.len() as u64, Relaxed);
                            words[1].store(turn + 1, Release);
                        }
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        gate.open();
        workers.into_iter().for_each(Child::join);
        let ring = obtain_ring(&at, &ring_name, Intent::Open, 64, 0).expect("open");
        let [written, read] = [2, 3].map(|word| words[word].load(Relaxed));
        assert_eq!((ring.total_written(), ring.total_read()), (written, read));
        assert_eq!(ring.lost(), 0);
        assert!(written > 100, "only {written} elements");
    }
}

#[test]
fn a_dead_holder_of_an_enforced_role_is_followed_at_once() {
    let name = Name::new("ring-enforced");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let params = Params {
        elem_size: 64,
        elem_align: 0,
        capacity: 16,
        flags: ENFORCE_ROLES,
    };
    let ring = at.obtain::<RingBuffer>(b"ring", Intent::Create, &params);
    let ring = Ring::<8>(ring.expect("a ring"));
    for round in 0..20 {
        let ready = shared_words(1);
        let victim = fork(|| {
            let at = open(&name).expect("open");
            let ring = Ring::<8>::obtain(&at, Intent::Open, 0);
            assert_eq!(ring.push(&elements(2 * round..2 * round + 1)), 1);
            assert_eq!(ring.pop(1), [2 * round]);
            ready[0].store(1, Release);
            loop {
                std::thread::park();
            }
        });
        assert!(eventually(Duration::from_secs(10), || {
            ready[0].load(Acquire) == 1
        }));
        let element = Element::<8>::new(2 * round + 1);
        // SAFETY: an element of the ring's size.
        let push = || unsafe { ring.0.push((&raw const element).cast()) };
        assert!(matches!(push(), Err(Error::Role { role, .. }) if role == "producer"));
        assert!(matches!(ring.0.skip(1), Err(Error::Role { role, .. }) if role == "consumer"));
        victim.kill();
        // The kernel may take a moment to free the lease of the dead.
        assert!(eventually(Duration::from_secs(1), || {
            matches!(push(), Ok(true))
        }));
        assert_eq!(ring.pop(4), [2 * round + 1]);
        ring.0.leave();
    }
}

/// The sum of a ring's words: changes with each store.
fn fingerprint(ring: Ring<8>) -> u64 {
    let raw = core::ptr::from_ref(ring.0).cast::<shmds::structures::ring::RingView>();
    // SAFETY: the view is the start of the handle; the header lies before the slots.
    let words = unsafe {
        let slots = (*raw).slots;
        let bytes = 384 + (*raw).capacity * (*raw).elem_size;
        core::slice::from_raw_parts(
            slots.sub(384).cast::<std::sync::atomic::AtomicU64>(),
            bytes as usize / 8,
        )
    };
    words.iter().fold(0, |sum, word| {
        (sum ^ word.load(Relaxed))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31)
    })
}

/// Kills a process at each of its stores in `operation`, on a ring with the elements
/// 0 to `filled` of which `consumed` were popped; then `check` says what has to be there.
/// How many points there were.
fn kill_at_each_store(
    filled: u64,
    consumed: u64,
    operation: fn(Ring<8>),
    check: impl Fn(Ring<8>, &str),
) -> usize {
    const CAPACITY: u64 = 5;
    pin_to_one_core();
    let begin = || {
        let name = Name::new("ring-death");
        let at = open_or_create(&name, 1 << 14).expect("create");
        let ring = Ring::<8>::obtain(&at, Intent::Create, CAPACITY);
        assert_eq!(ring.push(&elements(0..filled)), filled);
        assert_eq!(ring.pop(consumed).len() as u64, consumed);
        drop(at);
        name
    };
    let victim = |name: &Name| {
        let prepare = || {
            let at = open(name).expect("open");
            let ring: *const RingBuffer = Ring::<8>::obtain(&at, Intent::Open, CAPACITY).0;
            std::mem::forget(at);
            ring
        };
        // SAFETY: the attachment is never dropped there.
        Stepped::new(prepare, |ring| operation(Ring(unsafe { &*ring })))
    };
    let name = begin();
    let at = open(&name).expect("open");
    let ring = Ring::<8>::obtain(&at, Intent::Open, CAPACITY);
    let points = points_of_change(victim(&name), || fingerprint(ring)).len();
    for point in 0..points {
        let name = begin();
        let at = open(&name).expect("open");
        let ring = Ring::<8>::obtain(&at, Intent::Open, CAPACITY);
        let mut victim = victim(&name);
        // Told by what it has stored: how many instructions that takes is not always the same.
        let mut before = fingerprint(ring);
        for _ in 0..point {
            while before == fingerprint(ring) {
                assert!(victim.step(), "fewer stores than the first time");
            }
            before = fingerprint(ring);
        }
        let context = format!("killed after {} instructions", victim.steps);
        victim.kill();
        check(ring, &context);
        let before = ring.0.total_written();
        // Whoever goes on, goes on as if nothing had happened.
        ring.0.skip(u64::MAX).expect("skip");
        let lost = ring.0.lost();
        for number in 100..120 {
            let two = elements(2 * number..2 * number + 2);
            assert_eq!(ring.push(&two), 2, "{context}");
            assert_eq!(ring.last(5), [2 * number, 2 * number + 1], "{context}");
            assert_eq!(ring.pop(5), [2 * number, 2 * number + 1], "{context}");
        }
        assert_eq!(ring.0.lost(), lost, "{context}");
        assert_eq!(ring.0.total_written(), before + 40, "{context}");
    }
    points
}

#[test]
fn a_producer_killed_at_any_store_of_a_push_has_pushed_all_or_nothing() {
    let check = |ring: Ring<8>, context: &str| {
        let expected: Vec<u64> = (2..ring.0.total_written()).collect();
        assert!(matches!(expected.len(), 2 | 3), "{context}");
        assert_eq!(ring.peek(0, 9), expected, "{context}");
        assert_eq!(ring.pop(9), expected, "{context}");
        assert_eq!(ring.0.lost(), 0, "{context}");
    };
    let push = |ring: Ring<8>| assert_eq!(ring.push(&elements(4..5)), 1);
    // `claim`, eight words, `tail`; some by one instruction.
    assert!(kill_at_each_store(4, 2, push, check) >= 4);
}

#[test]
fn a_producer_killed_at_any_store_of_a_bulk_has_pushed_all_or_nothing() {
    let check = |ring: Ring<8>, context: &str| {
        let expected: Vec<u64> = (3..ring.0.total_written()).collect();
        assert!(matches!(expected.len(), 1 | 4), "{context}");
        assert_eq!(ring.pop(9), expected, "{context}");
        assert_eq!(ring.0.lost(), 0, "{context}");
    };
    // Around the end of the slots.
    let push = |ring: Ring<8>| assert_eq!(ring.push(&elements(4..7)), 3);
    assert!(kill_at_each_store(4, 3, push, check) >= 5);
}

#[test]
fn a_producer_killed_at_any_store_of_an_overwrite_tears_nothing() {
    let check = |ring: Ring<8>, context: &str| {
        let written = ring.0.total_written();
        assert!(matches!(written, 5 | 8), "{context}");
        let mut observer = Observer::default();
        let seen = ring.observe(&mut observer, 9);
        let rest = ring.pop(9);
        // Before the claim all five; after it, the three that are overwritten are gone.
        let oldest = 5_u64.saturating_sub(rest.len() as u64);
        if written == 5 {
            assert!(oldest == 1 || oldest == 3, "{context}: {rest:?}");
            assert_eq!(rest, (oldest..5).collect::<Vec<_>>(), "{context}");
        } else {
            assert_eq!(rest, (3..8).collect::<Vec<_>>(), "{context}");
        }
        assert!(seen.ends_with(&rest), "{context}: {seen:?}");
        assert_eq!(seen.len() as u64 + observer.lost, written, "{context}");
        assert_eq!(rest.len() as u64 + 1 + ring.0.lost(), written, "{context}");
    };
    let overwrite = |ring: Ring<8>| ring.overwrite(&elements(5..8));
    assert!(kill_at_each_store(5, 1, overwrite, check) >= 5);
}

#[test]
fn what_a_killed_producer_tore_stays_out_of_sight_of_its_successors_readers() {
    let check = |ring: Ring<8>, context: &str| {
        let written = ring.0.total_written();
        ring.overwrite(&elements(written..written + 1));
        // Each looks whether what it gets is whole.
        let all = ring.peek(0, 9);
        assert!(all.ends_with(&[written]), "{context}: {all:?}");
        assert_consecutive(&all);
        assert_eq!(ring.last(9), all, "{context}");
        assert_eq!(ring.observe(&mut Observer::default(), 9), all, "{context}");
        assert_eq!(ring.pop(9), all, "{context}");
        assert_eq!(all.len() as u64 + ring.0.lost(), written + 1, "{context}");
    };
    let overwrite = |ring: Ring<8>| ring.overwrite(&elements(5..8));
    assert!(kill_at_each_store(5, 0, overwrite, check) >= 5);
}

#[test]
fn a_producer_killed_at_any_store_of_a_bulk_beyond_the_capacity_tears_nothing() {
    let check = |ring: Ring<8>, context: &str| {
        let written = ring.0.total_written();
        let rest = ring.pop(9);
        match written {
            5 => assert!(rest.is_empty() || rest == [1, 2, 3, 4], "{context}"),
            _ => assert_eq!(rest, [12, 13, 14, 15, 16], "{context}"),
        }
        assert_eq!(rest.len() as u64 + 1 + ring.0.lost(), written, "{context}");
    };
    let overwrite = |ring: Ring<8>| ring.overwrite(&elements(5..17));
    assert!(kill_at_each_store(5, 1, overwrite, check) >= 5);
}

#[test]
fn a_consumer_killed_at_any_store_of_a_pop_leaves_all_or_nothing_of_it() {
    let check = |ring: Ring<8>, context: &str| {
        let expected: Vec<u64> = (ring.0.total_read()..5).collect();
        assert!(matches!(expected.len(), 2 | 4), "{context}");
        assert_eq!(ring.pop(9), expected, "{context}");
        assert_eq!(ring.0.lost(), 0, "{context}");
    };
    let pop = |ring: Ring<8>| assert_eq!(ring.pop(2), [1, 2]);
    assert!(kill_at_each_store(5, 1, pop, check) >= 2);
}
