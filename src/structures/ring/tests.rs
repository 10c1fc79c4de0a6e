//! The ring in private memory: order, overwriting, torn elements, hostile bytes.

use super::layout::{ENFORCE_ROLES, Header, Plan, PlanError, init};
use super::{Corrupt, END, Ring, RingEnds, RingSide, open};
use crate::raw::Region;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::collections::VecDeque;

#[repr(align(4096))]
struct Page([AtomicU64; 512]);

/// A ring of 8-byte elements in memory of its own, and both roles in it.
struct Buffer {
    memory: Vec<Page>,
    ring: Ring,
    producer: RingSide,
    consumer: RingSide,
}

fn region_of(memory: &[Page], len: u64) -> Region {
    let base = NonNull::from(memory).cast();
    // SAFETY: the pages are as long, and are kept beside whatever uses the region.
    unsafe { Region::new(base, len as usize) }
}

impl Buffer {
    fn new(capacity: u64) -> Self {
        let plan = Plan::new(8, 8, capacity, 0).expect("a plan");
        let page = || Page([const { AtomicU64::new(0xaaaa_aaaa_aaaa_aaaa) }; 512]);
        let memory: Vec<_> = (0..plan.size.div_ceil(4096)).map(|_| page()).collect();
        let region = region_of(&memory, plan.size);
        init(region, &plan).expect("init");
        Self {
            memory,
            ring: open(region).expect("open"),
            producer: RingSide::closed(),
            consumer: RingSide::closed(),
        }
    }

    fn region(&self) -> Region {
        region_of(&self.memory, self.ring.plan().size)
    }

    fn ends(&self) -> &RingEnds {
        self.ring.ends()
    }

    /// Both roles go to somebody who knows nothing yet.
    fn hand_over(&mut self) {
        self.producer = RingSide::closed();
        self.consumer = RingSide::closed();
    }

    /// As if so many elements had been written and consumed.
    fn start_at(&mut self, position: u64) {
        self.hand_over();
        let words = (&self.ends().writer, &self.ends().reader);
        words.0.claim.store(position, Relaxed);
        words.0.tail.store(position, Relaxed);
        words.1.head.store(position, Relaxed);
    }

    fn push(&self, values: &[u64]) -> Result<u64, Corrupt> {
        let (source, count) = (values.as_ptr().cast(), values.len() as u64);
        // SAFETY: as many elements; one thread pushes.
        unsafe { self.ring.push(&self.producer, source, count) }
    }

    fn overwrite(&self, values: &[u64]) -> Result<(), Corrupt> {
        let (source, count) = (values.as_ptr().cast(), values.len() as u64);
        // SAFETY: as many elements; one thread pushes.
        unsafe { self.ring.overwrite(&self.producer, source, count) }
    }

    fn pop(&self, count: u64) -> Result<Vec<u64>, Corrupt> {
        // SAFETY: room for as many; one thread pops.
        collect(count, |target| unsafe {
            self.ring.pop(&self.consumer, target, count)
        })
    }

    fn peek(&self, offset: u64, count: u64) -> Result<Vec<u64>, Corrupt> {
        // SAFETY: room for as many.
        collect(count, |target| unsafe {
            self.ring.peek(offset, target, count)
        })
    }

    fn last(&self, count: u64) -> Result<Vec<u64>, Corrupt> {
        // SAFETY: room for as many.
        collect(count, |target| unsafe { self.ring.last(target, count) })
    }

    /// What an observer sees, and how many it has lost.
    fn observe(&self, cursor: &mut u64, count: u64) -> Result<(Vec<u64>, u64), Corrupt> {
        let mut found = 0;
        let values = collect(count, |target| {
            // SAFETY: room for as many.
            let seen = unsafe { self.ring.observe(cursor, target, count) }?;
            let (seen, lost) = seen.expect("a cursor of this ring");
            found = lost;
            Ok(seen)
        })?;
        Ok((values, found))
    }

    /// The producer dies in the middle: `claim` was stored, and the elements it covers are
    /// half written.
    fn die_writing(&mut self, count: u64) {
        let writer = &self.ends().writer;
        let tail = writer.tail.load(Relaxed);
        let claim = writer.claim.load(Relaxed).max(tail + count);
        writer.claim.store(claim, Relaxed);
        for position in tail..tail + count {
            self.slot(position).store(TORN, Relaxed);
        }
        self.hand_over();
    }

    fn slot(&self, position: u64) -> &AtomicU64 {
        let plan = self.ring.plan();
        let word = plan.slots_offset / 8 + position % plan.capacity;
        &self.memory[word as usize / 512].0[word as usize % 512]
    }

    fn counts(&self) -> (u64, u64, u64) {
        (self.ring.written(), self.ring.consumed(), self.ring.lost())
    }
}

const TORN: u64 = 0xdead_dead_dead_dead;

fn collect(
    count: u64,
    read: impl FnOnce(*mut u8) -> Result<u64, Corrupt>,
) -> Result<Vec<u64>, Corrupt> {
    let mut values = vec![0; count as usize];
    let read = read(values.as_mut_ptr().cast())?;
    values.truncate(read as usize);
    Ok(values)
}

#[test]
fn it_does_what_a_list_of_elements_would_do() {
    let mut random = 1_u64;
    let mut below = |limit: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % limit
    };
    for capacity in [1, 2, 3, 7, 8, 100] {
        let mut buffer = Buffer::new(capacity);
        let mut model = VecDeque::new();
        let (mut next, mut lost, mut cursor, mut seen, mut missed) = (0, 0, 0, 0, 0);
        for step in 0..20_000 {
            let count = below(2 * capacity + 2);
            let values: Vec<u64> = (next..next + count).collect();
            match below(9) {
                0 | 1 => {
                    let room = count.min(capacity - model.len() as u64);
                    assert_eq!(buffer.push(&values), Ok(room));
                    model.extend(&values[..room as usize]);
                    next += room;
                }
                2 => {
                    buffer.overwrite(&values).expect("overwrite");
                    model.extend(&values);
                    next += count;
                    while model.len() as u64 > capacity {
                        model.pop_front();
                        lost += 1;
                    }
                }
                3 | 4 => {
                    let count = count.min(model.len() as u64);
                    let expected: Vec<u64> = model.drain(..count as usize).collect();
                    assert_eq!(buffer.pop(count), Ok(expected), "step {step}");
                }
                5 => {
                    let offset = below(capacity + 2);
                    let expected = model.iter().skip(offset as usize).take(count as usize);
                    assert_eq!(buffer.peek(offset, count), Ok(expected.copied().collect()));
                }
                6 => {
                    let skipped = model.len().saturating_sub(count as usize);
                    let expected = model.iter().skip(skipped).copied().collect();
                    assert_eq!(buffer.last(count), Ok(expected));
                }
                7 => {
                    let (values, lost) = buffer.observe(&mut cursor, count).expect("observe");
                    missed += lost;
                    let from = cursor - values.len() as u64;
                    assert!(values.into_iter().eq(from..cursor));
                    seen += cursor - from;
                    assert_eq!(seen + missed, cursor);
                }
                _ if below(20) == 0 => {
                    assert_eq!(buffer.ring.skip(u64::MAX), Ok(model.len() as u64));
                    model.clear();
                }
                _ => {
                    let count = below(3).min(model.len() as u64);
                    assert_eq!(buffer.ring.skip(count), Ok(count));
                    model.drain(..count as usize);
                    if below(4) == 0 {
                        buffer.hand_over();
                    }
                }
            }
            let size = model.len() as u64;
            assert_eq!(buffer.ring.len(), size, "step {step}");
            assert_eq!(buffer.ring.is_full(), size == capacity);
            assert_eq!(buffer.counts(), (next, next - size, lost), "step {step}");
        }
    }
}

#[test]
fn what_a_dead_producer_was_writing_stays_out_of_sight() {
    for capacity in [1, 3, 8] {
        for consumed in 0..=capacity {
            for dying in 1..=capacity {
                let mut buffer = Buffer::new(capacity);
                let first: Vec<_> = (0..capacity).collect();
                assert_eq!(buffer.push(&first), Ok(capacity));
                assert_eq!(buffer.pop(consumed), Ok((0..consumed).collect()));
                let mut cursor = 0;
                buffer.die_writing(dying);
                // What it was writing over is gone, the rest is there.
                let oldest = consumed.max(dying);
                let rest: Vec<_> = (oldest..capacity).collect();
                assert_eq!(buffer.ring.len(), rest.len() as u64);
                assert_eq!(buffer.peek(0, capacity), Ok(rest.clone()));
                assert_eq!(buffer.last(capacity), Ok(rest.clone()));
                let seen = (dying..capacity).collect();
                assert_eq!(buffer.observe(&mut cursor, capacity), Ok((seen, dying)));
                // Its successor finds room in what is gone, and nowhere else.
                let next: Vec<_> = (capacity..2 * capacity).collect();
                assert_eq!(buffer.push(&next[..1]), Ok(1));
                let all: Vec<_> = (oldest..=capacity).collect();
                assert_eq!(buffer.last(capacity), Ok(all), "after the first");
                assert_eq!(buffer.push(&next[1..]), Ok(oldest - 1));
                let all: Vec<_> = (oldest..capacity + oldest).collect();
                assert_eq!(buffer.last(capacity), Ok(all.clone()));
                assert_eq!(buffer.pop(capacity), Ok(all));
                assert_eq!(buffer.ring.lost(), oldest - consumed);
            }
        }
    }
}

#[test]
fn a_producer_that_dies_again_and_again_keeps_what_was_published() {
    let mut buffer = Buffer::new(4);
    for number in 0..50 {
        buffer.die_writing(1 + number % 4);
        assert_eq!(buffer.push(&[number]), Ok(1));
        assert_eq!(buffer.last(1), Ok(vec![number]));
        assert_eq!(buffer.pop(4), Ok(vec![number]));
    }
    assert_eq!(buffer.ring.lost(), 0);
}

#[test]
fn a_bulk_longer_than_the_ring_never_hides_what_comes_after() {
    let mut buffer = Buffer::new(4);
    let values: Vec<_> = (0..1000).collect();
    buffer.overwrite(&values).expect("overwrite");
    assert_eq!(buffer.pop(9), Ok(vec![996, 997, 998, 999]));
    // A producer that dies in such a bulk has claimed one lap, not a thousand elements.
    buffer.die_writing(4);
    assert_eq!(buffer.push(&[7]), Ok(1));
    assert_eq!(buffer.pop(9), Ok(vec![7]));
    assert_eq!(buffer.counts(), (1001, 1001, 996));
}

#[test]
fn elements_overwritten_while_they_are_read_are_dropped() {
    let buffer = Buffer::new(8);
    assert_eq!(buffer.push(&[0, 1, 2, 3, 4, 5, 6, 7]), Ok(8));
    // A producer stopped in the middle of overwriting: the first two are torn.
    buffer.ends().writer.claim.store(10, Relaxed);
    for position in [0, 1] {
        buffer.slot(position).store(TORN, Relaxed);
    }
    let whole = vec![2, 3, 4, 5, 6, 7];
    assert_eq!(buffer.peek(0, 8), Ok(whole.clone()));
    assert_eq!(buffer.peek(2, 3), Ok(vec![4, 5, 6]));
    assert_eq!(buffer.last(100), Ok(whole.clone()));
    assert_eq!(buffer.observe(&mut 1, 3), Ok((vec![2, 3, 4], 1)));
    assert_eq!(buffer.ring.consumed(), 2);
    assert_eq!(buffer.ring.lost(), 2, "before the consumer finds out");
    assert_eq!(buffer.pop(8), Ok(whole));
    assert_eq!(buffer.ring.lost(), 2, "and after");
}

#[test]
fn an_observer_starts_where_it_likes_and_counts_what_it_missed() {
    let buffer = Buffer::new(4);
    let observe = |cursor: &mut u64| buffer.observe(cursor, 10);
    let mut first = 0;
    assert_eq!(observe(&mut first), Ok((vec![], 0)));
    assert_eq!(buffer.push(&[0, 1, 2]), Ok(3));
    assert_eq!(buffer.pop(3), Ok(vec![0, 1, 2]));
    assert_eq!(
        observe(&mut first),
        Ok((vec![0, 1, 2], 0)),
        "though consumed"
    );
    assert_eq!(observe(&mut first), Ok((vec![], 0)), "once");
    buffer.overwrite(&[3, 4, 5, 6, 7, 8]).expect("overwrite");
    assert_eq!(observe(&mut first), Ok((vec![5, 6, 7, 8], 2)));
    assert_eq!(buffer.ring.cursor(0), 9);
    assert_eq!(buffer.ring.cursor(2), 7);
    assert_eq!(buffer.ring.cursor(u64::MAX), 5);
    // SAFETY: room for no element.
    let beyond = unsafe { buffer.ring.observe(&mut 10, core::ptr::null_mut(), 0) };
    assert_eq!(beyond, Ok(None), "ahead of the ring");
}

#[test]
fn a_reader_beside_an_overwriting_thread_sees_no_gap_and_nothing_torn() {
    let total = if cfg!(miri) { 300 } else { 200_000 };
    for capacity in [1, 2, 7, 64] {
        let buffer = Buffer::new(capacity);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut next = 0;
                while next < total {
                    let bulk: Vec<_> = (next..total.min(next + 1 + next % 5)).collect();
                    buffer.overwrite(&bulk).expect("overwrite");
                    next += bulk.len() as u64;
                }
            });
            let consecutive = |values: &[u64]| values.windows(2).all(|two| two[1] == two[0] + 1);
            let (mut cursor, mut taken, mut last) = (0, 0, None);
            while last != Some(total - 1) {
                let newest = buffer.last(capacity).expect("last");
                let oldest = buffer.peek(0, capacity).expect("peek");
                assert!(consecutive(&newest) && consecutive(&oldest));
                let before = cursor;
                let (seen, lost) = buffer.observe(&mut cursor, 3).expect("observe");
                assert!(seen.iter().copied().eq(before + lost..cursor));
                let popped = buffer.pop(2).expect("pop");
                assert!(consecutive(&popped));
                assert!(popped.first() > last.as_ref() || popped.is_empty());
                taken += popped.len() as u64;
                last = popped.last().copied().or(last);
            }
            assert_eq!(taken + buffer.ring.lost(), total);
        });
    }
}

#[test]
fn two_threads_pass_every_element_once_and_in_order() {
    let total = if cfg!(miri) { 500 } else { 300_000 };
    for capacity in [1, 2, 3, 64, 1000] {
        let buffer = Buffer::new(capacity);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut next = 0;
                while next < total {
                    let bulk: Vec<_> = (next..total.min(next + 1 + next % 5)).collect();
                    match buffer.push(&bulk).expect("push") {
                        0 => std::thread::yield_now(),
                        pushed => next += pushed,
                    }
                }
            });
            let mut next = 0;
            while next < total {
                let values = buffer.pop(1 + next % 4).expect("pop");
                if values.is_empty() {
                    std::thread::yield_now();
                }
                for value in values {
                    assert_eq!(value, next);
                    next += 1;
                }
            }
        });
        assert_eq!(buffer.counts(), (total, total, 0));
    }
}

#[test]
fn the_extent_is_the_header_and_the_slots() {
    let plan = Plan::new(8, 8, 3, 0).expect("a plan");
    assert_eq!((plan.slots_offset, plan.size, plan.align), (384, 448, 64));
    let aligned = Plan::new(4096, 4096, 3, 0).expect("a plan");
    assert_eq!((aligned.slots_offset, aligned.align), (4096, 4096));
    let buffer = Buffer::new(3);
    buffer.overwrite(&[6, 7, 8, 9]).expect("overwrite");
    assert_eq!(buffer.pop(1), Ok(vec![7]));
    let words: Vec<_> = buffer.memory[0]
        .0
        .iter()
        .map(|word| word.load(Relaxed))
        .collect();
    let mut expected = [0; 48];
    expected[..4].copy_from_slice(&[8, 8, 3, 384]);
    (expected[16], expected[17]) = (3, 4);
    (expected[32], expected[33]) = (2, 1);
    assert_eq!(words[..48], expected);
    assert_eq!(words[48..51], [9, 7, 8]);
}

#[test]
fn sizes_beyond_64_bits_are_refused() {
    for (elem_size, capacity) in [(8, 1 << 61), (1, u64::MAX), (1 << 63, 2), (1, 1 << 63)] {
        let plan = Plan::new(elem_size, 1, capacity, 0);
        assert_eq!(plan, Err(PlanError::Overflow), "{elem_size} {capacity}");
    }
    assert_eq!(Plan::new(8, 8, 0, 0), Err(PlanError::Capacity));
    for (elem_size, elem_align) in [(0, 1), (8, 0), (8, 3), (8, 16), (12, 8)] {
        let plan = Plan::new(elem_size, elem_align, 1, 0);
        assert_eq!(plan, Err(PlanError::Element));
    }
    assert!(Plan::new(1, 1, 1 << 60, 0).is_ok());
}

#[test]
fn a_damaged_header_is_refused() {
    let fields: [fn(&Header) -> &AtomicU64; 5] = [
        |header| &header.elem_size,
        |header| &header.elem_align,
        |header| &header.capacity,
        |header| &header.slots_offset,
        |header| &header.flags,
    ];
    let buffer = Buffer::new(7);
    for field in fields {
        let word = field(buffer.ring.header());
        let sound = word.load(Relaxed);
        for damage in [0, 1 << 20, 1 << 63, u64::MAX, u64::MAX - 63] {
            if damage != sound {
                word.store(damage, Relaxed);
                let opened = open(buffer.region());
                assert!(matches!(opened, Err(Corrupt::Geometry)), "{damage:#x}");
            }
        }
        word.store(sound, Relaxed);
    }
    buffer.ring.header().flags.store(ENFORCE_ROLES, Relaxed);
    assert!(open(buffer.region()).is_ok());
    let short = region_of(&buffer.memory, buffer.ring.plan().size - 1);
    assert!(matches!(open(short), Err(Corrupt::Geometry)));
}

#[test]
fn positions_that_contradict_each_other_are_a_status() {
    let damages = [4, 12, 1 << 40, END - 1, END, u64::MAX - 7, u64::MAX];
    for damage in damages {
        for word in 0..3 {
            let buffer = Buffer::new(7);
            assert_eq!(buffer.push(&[1, 2, 3]), Ok(3));
            let ends = buffer.ends();
            let words = [&ends.writer.claim, &ends.writer.tail, &ends.reader.head];
            words[word].store(damage, Relaxed);
            // Whatever they answer, they answer at once, and stay inside of the memory.
            let results = [
                buffer.push(&[4; 20]).map(|pushed| pushed <= 7),
                buffer.overwrite(&[5; 20]).map(|()| true),
                buffer.pop(20).map(|popped| popped.len() <= 7),
                buffer.peek(1, 20).map(|peeked| peeked.len() <= 7),
                buffer.last(20).map(|last| last.len() <= 7),
                buffer.ring.skip(2).map(|skipped| skipped <= 7),
            ];
            for result in results {
                assert!(result == Ok(true) || result == Err(Corrupt::Positions));
            }
            let mut cursor = 0;
            let seen = buffer.observe(&mut cursor, 20);
            assert!(seen.is_err() || seen.is_ok_and(|(seen, _)| seen.len() <= 7));
            assert!(buffer.ring.len() <= 7);
            let _ = (
                buffer.ring.is_full(),
                buffer.ring.cursor(3),
                buffer.counts(),
            );
        }
    }
    let buffer = Buffer::new(7);
    buffer.ends().reader.head.store(1, Relaxed);
    assert_eq!(buffer.pop(1), Err(Corrupt::Positions), "a head ahead");
    assert_eq!(buffer.peek(0, 1), Err(Corrupt::Positions));
    assert_eq!(buffer.push(&[1]), Err(Corrupt::Positions));
    let buffer = Buffer::new(7);
    buffer.ends().writer.claim.store(8, Relaxed);
    assert_eq!(buffer.push(&[1]), Err(Corrupt::Positions), "a lap ahead");
    assert_eq!(buffer.overwrite(&[1]), Err(Corrupt::Positions));
}

#[test]
fn positions_may_come_to_the_end_of_their_range() {
    for capacity in [1, 3, 7, 64] {
        let mut buffer = Buffer::new(capacity);
        buffer.start_at(END - 200);
        for number in 0..90 {
            buffer.overwrite(&[number, number]).expect("overwrite");
            let popped = buffer.pop(2).expect("pop");
            assert!(popped.iter().all(|&value| value == number));
            assert_eq!(popped.len() as u64, capacity.min(2));
        }
        assert_eq!(buffer.ring.written(), END - 20);
        assert_eq!(buffer.overwrite(&[0; 50]), Err(Corrupt::Positions));
        assert_eq!(buffer.ring.written(), END - 20, "nothing changed");
    }
}
