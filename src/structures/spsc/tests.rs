//! The ring in private memory: order, exactness, splitting, hostile bytes.

use super::layout::{Header, Plan, PlanError, init};
use super::ring::{Ring, open};
use super::{Corrupt, Role, SpscSide};
use crate::raw::Region;
use crate::structures::patience::tests::in_the_next_moment;
use crate::structures::patience::{LEAST_CAPACITY, WORDS};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::collections::VecDeque;
use std::rc::Rc;
use std::thread;

#[repr(align(4096))]
struct Page([AtomicU64; 512]);

/// A queue of 8-byte elements in memory of its own, and both roles in it.
struct Queue {
    memory: Vec<Page>,
    ring: Ring,
    producer: SpscSide,
    consumer: SpscSide,
}

fn region_of(memory: &[Page], len: u64) -> Region {
    let base = NonNull::from(memory).cast();
    // SAFETY: the pages are as long, and are kept beside whatever uses the region.
    unsafe { Region::new(base, len as usize) }
}

impl Queue {
    fn new(capacity: u64) -> Self {
        let plan = Plan::new(8, 8, capacity).expect("a plan");
        let page = || Page([const { AtomicU64::new(0xaaaa_aaaa_aaaa_aaaa) }; 512]);
        let memory: Vec<_> = (0..plan.size.div_ceil(4096)).map(|_| page()).collect();
        let region = region_of(&memory, plan.size);
        init(region, &plan).expect("init");
        let ring = open(region).expect("open");
        let queue = Self {
            memory,
            producer: SpscSide::not_held(),
            consumer: SpscSide::not_held(),
            ring,
        };
        queue.resume().expect("resume");
        queue
    }

    fn region(&self) -> Region {
        region_of(&self.memory, self.ring.plan().size)
    }

    /// Both roles change hands.
    fn resume(&self) -> Result<(), Corrupt> {
        self.ring.resume(Role::Producer, &self.producer)?;
        self.ring.resume(Role::Consumer, &self.consumer)
    }

    fn push(&self, values: &[u64]) -> Result<u64, Corrupt> {
        let (source, count) = (values.as_ptr().cast(), values.len() as u64);
        // SAFETY: as many elements; one thread pushes.
        unsafe { self.ring.push(&self.producer, source, count) }
    }

    fn pop(&self, count: usize) -> Result<Vec<u64>, Corrupt> {
        let mut values = vec![u64::MAX; count];
        let target = values.as_mut_ptr().cast();
        // SAFETY: as many elements; one thread pops.
        let popped = unsafe { self.ring.pop(&self.consumer, target, count as u64) }?;
        assert!(
            values[popped as usize..]
                .iter()
                .all(|&value| value == u64::MAX)
        );
        values.truncate(popped as usize);
        Ok(values)
    }

    fn front(&self) -> Option<u64> {
        let slot = self.ring.front(&self.consumer).expect("front");
        // SAFETY: the slot is the consumer's.
        slot.map(|slot| unsafe { slot.cast::<u64>().read() })
    }

    fn assert_len(&self, len: u64) {
        let capacity = self.ring.plan().capacity;
        assert_eq!(self.ring.len(), len);
        assert_eq!(self.ring.is_empty(), len == 0);
        assert_eq!(self.ring.is_full(), len == capacity);
    }

    /// As if so many laps had passed.
    fn start_at(&self, laps: u64) {
        let at = laps.wrapping_mul(self.ring.plan().lap);
        self.ring.header().tail.position.store(at, Relaxed);
        self.ring.header().head.position.store(at, Relaxed);
        self.resume().expect("resume");
    }
}

#[test]
fn all_of_any_capacity_is_usable_in_order_lap_after_lap() {
    for capacity in [1, 2, 3, 7, 64, 1000] {
        let queue = Queue::new(capacity);
        for lap in 0..5 {
            for number in 0..capacity {
                queue.assert_len(number);
                assert_eq!(queue.push(&[lap * capacity + number]), Ok(1));
            }
            queue.assert_len(capacity);
            assert_eq!(queue.push(&[0]), Ok(0), "a place too many");
            for number in 0..capacity {
                assert_eq!(queue.pop(1), Ok(vec![lap * capacity + number]));
            }
            queue.assert_len(0);
            assert_eq!(queue.pop(1), Ok(vec![]), "an element too many");
        }
    }
}

#[test]
fn bulks_of_every_size_at_every_offset_move_as_many_as_fit_in_order() {
    for capacity in [1, 2, 3, 7] {
        for pushed in 1..=capacity + 2 {
            for popped in 1..=capacity + 2 {
                let queue = Queue::new(capacity);
                let mut model = VecDeque::new();
                let mut next = 0;
                for round in 0..30 {
                    let values: Vec<_> = (next..next + pushed).collect();
                    let room = pushed.min(capacity - model.len() as u64);
                    assert_eq!(queue.push(&values), Ok(room));
                    model.extend(&values[..room as usize]);
                    next += room;
                    queue.assert_len(model.len() as u64);
                    let there = model.len().min(popped as usize);
                    let expected: Vec<_> = model.drain(..there).collect();
                    assert_eq!(queue.pop(popped as usize), Ok(expected), "round {round}");
                    queue.assert_len(model.len() as u64);
                    if round % 7 == 0 {
                        queue.resume().expect("a takeover at any position");
                    }
                }
            }
        }
    }
}

#[test]
fn an_element_stays_at_the_front_until_it_is_released_or_popped() {
    let queue = Queue::new(3);
    assert_eq!(queue.front(), None);
    assert!(!queue.ring.release(&queue.consumer), "of nothing");
    assert_eq!(queue.push(&[1, 2, 3]), Ok(3));
    assert!(!queue.ring.release(&queue.consumer), "without a look");
    assert_eq!((queue.front(), queue.front()), (Some(1), Some(1)));
    queue.assert_len(3);
    assert!(queue.ring.release(&queue.consumer));
    assert!(!queue.ring.release(&queue.consumer), "twice");
    queue.assert_len(2);
    assert_eq!(queue.front(), Some(2));
    assert_eq!(queue.pop(1), Ok(vec![2]), "what was at the front");
    assert!(!queue.ring.release(&queue.consumer), "what was popped");
    assert_eq!(queue.front(), Some(3));
    queue.resume().expect("resume");
    assert!(!queue.ring.release(&queue.consumer), "by the next consumer");
    assert_eq!(queue.front(), Some(3), "for the next consumer");
    assert!(queue.ring.release(&queue.consumer));
    queue.assert_len(0);
}

#[test]
fn two_threads_pass_every_element_once_and_in_order() {
    let total = if cfg!(miri) { 500 } else { 300_000 };
    for capacity in [1, 2, 3, 64, 1000] {
        let queue = Queue::new(capacity);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut next = 0;
                while next < total {
                    let bulk: Vec<_> = (next..total.min(next + 1 + next % 5)).collect();
                    match queue.push(&bulk).expect("push") {
                        0 => thread::yield_now(),
                        pushed => next += pushed,
                    }
                }
            });
            let mut next = 0;
            while next < total {
                let before = next;
                if next % 3 == 0 {
                    if let Some(value) = queue.front() {
                        assert_eq!(value, next);
                        assert!(queue.ring.release(&queue.consumer));
                        next += 1;
                    }
                } else {
                    for value in queue.pop(1 + next as usize % 4).expect("pop") {
                        assert_eq!(value, next);
                        next += 1;
                    }
                }
                if next == before {
                    thread::yield_now();
                }
            }
        });
        queue.assert_len(0);
    }
}

#[test]
fn the_extent_is_the_header_and_the_slots() {
    let plan = Plan::new(8, 8, 3).expect("a plan");
    assert_eq!((plan.slots_offset, plan.size, plan.align), (384, 448, 64));
    let aligned = Plan::new(4096, 4096, 3).expect("a plan");
    assert_eq!((aligned.slots_offset, aligned.align), (4096, 4096));
    let queue = Queue::new(3);
    assert_eq!(queue.push(&[7, 8]), Ok(2));
    assert_eq!(queue.pop(1), Ok(vec![7]));
    let words: Vec<_> = queue.memory[0]
        .0
        .iter()
        .map(|word| word.load(Relaxed))
        .collect();
    let mut expected = [0; 48];
    expected[..4].copy_from_slice(&[8, 8, 3, 384]);
    (expected[8], expected[24]) = (2, 1);
    assert_eq!(words[..48], expected);
    assert_eq!(words[48..50], [7, 8]);
}

#[test]
fn sizes_beyond_64_bits_are_refused() {
    for (elem_size, capacity) in [(8, 1 << 61), (1, u64::MAX), (1 << 63, 2), (u64::MAX, 1)] {
        let plan = Plan::new(elem_size, 1, capacity);
        assert_eq!(plan, Err(PlanError::Overflow), "{elem_size} {capacity}");
    }
    assert_eq!(Plan::new(8, 8, 0), Err(PlanError::Capacity));
    for (elem_size, elem_align) in [(0, 1), (8, 0), (8, 3), (8, 16), (12, 8)] {
        assert_eq!(Plan::new(elem_size, elem_align, 1), Err(PlanError::Element));
    }
    assert!(Plan::new(1, 1, 1 << 60).is_ok());
}

#[test]
fn a_damaged_header_is_refused() {
    let fields: [fn(&Header) -> &AtomicU64; 4] = [
        |header| &header.elem_size,
        |header| &header.elem_align,
        |header| &header.capacity,
        |header| &header.slots_offset,
    ];
    let queue = Queue::new(7);
    for field in fields {
        let word = field(queue.ring.header());
        let sound = word.load(Relaxed);
        for damage in [0, 1 << 20, 1 << 63, u64::MAX, u64::MAX - 63] {
            word.store(damage, Relaxed);
            assert!(
                matches!(open(queue.region()), Err(Corrupt::Geometry)),
                "{damage:#x}"
            );
        }
        word.store(sound, Relaxed);
    }
    assert!(open(queue.region()).is_ok());
    let short = region_of(&queue.memory, queue.ring.plan().size - 1);
    assert!(matches!(open(short), Err(Corrupt::Geometry)));
}

#[test]
fn positions_that_contradict_each_other_are_a_status() {
    let queue = Queue::new(7);
    assert_eq!(queue.push(&[1, 2, 3]), Ok(3));
    let header = queue.ring.header();
    for damage in [12, 1 << 40, u64::MAX, u64::MAX - 100] {
        header.tail.position.store(damage, Relaxed);
        assert_eq!(
            queue.ring.resume(Role::Producer, &SpscSide::not_held()),
            Err(Corrupt::Positions)
        );
        assert_eq!(
            queue.ring.resume(Role::Consumer, &SpscSide::not_held()),
            Err(Corrupt::Positions)
        );
        assert_eq!(queue.pop(1), Err(Corrupt::Positions));
        assert_eq!(queue.ring.len(), 7);
    }
    header.tail.position.store(3, Relaxed);
    for damage in [4, 1 << 40, u64::MAX - 100] {
        header.head.position.store(damage, Relaxed);
        assert_eq!(queue.push(&[0; 5]), Err(Corrupt::Positions));
    }
    // Nothing was remembered of the damage.
    header.head.position.store(0, Relaxed);
    assert_eq!(queue.push(&[4, 5, 6, 7, 8]), Ok(4));
    assert_eq!(queue.pop(8), Ok((1..8).collect()));
}

#[test]
fn laps_may_wrap() {
    for capacity in [1, 3, 7, 64] {
        let queue = Queue::new(capacity);
        for start in [1 << 32, (1 << 63) - 2, u64::MAX - 1] {
            queue.start_at(start);
            for number in 0..4 * capacity {
                assert_eq!(queue.push(&[number, number + 1]), Ok(capacity.min(2)));
                assert_eq!(queue.pop(1), Ok(vec![number]));
                if capacity > 1 {
                    assert_eq!(queue.pop(2), Ok(vec![number + 1]));
                }
            }
        }
    }
}

#[test]
fn who_has_caught_up_gives_the_other_side_a_head_start_in_a_long_queue_only() {
    for (capacity, waits) in [(1, false), (63, false), (64, true)] {
        let queue = Queue::new(capacity);
        let remembered = |side: &SpscSide| side.patience.load(Relaxed);
        // At the first position nothing is new.
        assert_eq!(queue.pop(1), Ok(vec![]));
        assert_eq!(remembered(&queue.consumer), 0);
        for n in 0..capacity {
            assert_eq!(queue.push(&[n]), Ok(1));
        }
        assert_eq!(remembered(&queue.producer), 0);
        assert_eq!(queue.push(&[0]), Ok(0));
        assert_eq!(remembered(&queue.producer) != 0, waits, "{capacity}");
        assert!(
            queue
                .pop(capacity as usize)
                .unwrap()
                .into_iter()
                .eq(0..capacity)
        );
        assert_eq!(queue.front(), None);
        let once = remembered(&queue.consumer);
        assert_eq!(once != 0, waits, "{capacity}");
        // Nor is anything when it looks again.
        assert_eq!(queue.pop(1), Ok(vec![]));
        assert_eq!(remembered(&queue.consumer), once);
        assert_eq!(queue.push(&[7]), Ok(1));
        assert_eq!(queue.pop(1), Ok(vec![7]));
    }
}

/// Whether code in line looks at the other side without the library.
fn looks_by_itself(side: &SpscSide) -> bool {
    side.look_limit.load(Relaxed) != 0
}

#[test]
fn while_that_pays_it_does_so_before_it_has_caught_up() {
    let queue = Queue::new(100);
    let side = &queue.consumer;
    assert!(looks_by_itself(side));
    for (ready, streaming, waits) in [
        (WORDS - 1, false, false),
        (WORDS - 1, true, true),
        (WORDS, true, false),
    ] {
        for n in 0..ready {
            assert_eq!(queue.push(&[n]), Ok(1));
        }
        side.patience.store(0, Relaxed);
        side.look_limit.store(u64::from(!streaming), Relaxed);
        assert_eq!(queue.pop(ready as usize).unwrap().len() as u64, ready);
        // In vain: nobody pushes meanwhile.
        assert_eq!(
            side.patience.load(Relaxed) != 0,
            waits,
            "{ready} {streaming}"
        );
        let goes_on = streaming && !waits;
        assert_eq!(looks_by_itself(side), !goes_on);
    }
    side.look_limit.store(0, Relaxed);
    queue.resume().expect("another one takes the role");
    assert!(looks_by_itself(side));
}

#[test]
fn code_in_line_is_told_whether_a_head_start_pays() {
    let queue = Rc::new(Queue::new(100));
    let side = &queue.consumer;
    // What is there when it begins does not count.
    for (ready, more, pays) in [
        (0, WORDS, true),
        (WORDS - 1, WORDS, true),
        (WORDS - 1, WORDS - 1, false),
        (0, WORDS - 1, false),
    ] {
        assert_eq!(queue.push(&[7]), Ok(1));
        assert_eq!(queue.pop(1), Ok(vec![7]));
        assert_eq!(queue.push(&vec![1; ready as usize]), Ok(ready));
        side.patience.store(0, Relaxed);
        side.look_limit.store(0, Relaxed);
        let producer = Rc::clone(&queue);
        in_the_next_moment(move || assert_eq!(producer.push(&vec![2; more as usize]), Ok(more)));
        assert_eq!(queue.pop(100).unwrap().len() as u64, ready + more);
        assert_eq!(looks_by_itself(side), !pays);
    }
    // Nor is more needed than there is room for.
    let full = Queue::new(LEAST_CAPACITY);
    assert_eq!(full.push(&[7]), Ok(1));
    assert_eq!(full.pop(1), Ok(vec![7]));
    assert_eq!(full.push(&[7; WORDS as usize - 1]), Ok(WORDS - 1));
    full.consumer.look_limit.store(0, Relaxed);
    let full = Rc::new(full);
    let producer = Rc::clone(&full);
    in_the_next_moment(move || {
        assert_eq!(producer.push(&[8; 100]), Ok(LEAST_CAPACITY + 1 - WORDS))
    });
    assert_eq!(full.pop(1), Ok(vec![7]));
    assert!(!looks_by_itself(&full.consumer));
}
