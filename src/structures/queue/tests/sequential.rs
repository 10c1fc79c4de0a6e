//! One thread at a time: order, exact answers, laps, stale hints.

use super::*;

/// Fills and drains around the ring, checking every answer against a deque.
fn walk(queue: &Queue, laps: u64) {
    let capacity = queue.ring.capacity();
    let mut model = VecDeque::new();
    let mut random = Random(capacity + 1);
    let mut next = 0;
    let lanes = queue.ring.lanes() as u64;
    while next < laps * capacity {
        let lane = random.below(lanes) as usize;
        for _ in 0..random.below(2 * capacity) + 1 {
            let put = queue.put(lane, next).unwrap();
            assert_eq!(put, (model.len() as u64) < capacity);
            if put {
                model.push_back(next);
                next += 1;
            }
        }
        assert_eq!(queue.ring.len(), Ok(model.len() as u64));
        assert_eq!(queue.ring.is_full(), Ok(model.len() as u64 == capacity));
        assert_eq!(queue.ring.is_empty(), Ok(model.is_empty()));
        let lane = random.below(lanes) as usize;
        for _ in 0..random.below(2 * capacity) + 1 {
            assert_eq!(queue.get(lane).unwrap(), model.pop_front());
        }
        assert_eq!(queue.ring.len(), Ok(model.len() as u64));
    }
    queue.assert_slots_conserved();
}

#[test]
fn elements_come_out_in_order_and_full_and_empty_are_exact() {
    for capacity in CAPACITIES {
        for lanes in [1, 2, 5] {
            walk(&Queue::new(capacity, lanes), 30);
        }
    }
}

#[test]
fn laps_may_wrap() {
    for capacity in CAPACITIES {
        let queue = Queue::new(capacity, 3);
        let laps = 1u64 << (64 - queue.ring.lap_shift);
        for before in [1, 2, 3] {
            queue.start_at(laps - before);
            walk(&queue, 6);
        }
    }
}

#[test]
fn elements_of_any_size_are_copied_whole() {
    for elem_size in [1u64, 3, 4, 8, 24, 255, 256, 5000] {
        let plan = Plan::with_lanes(elem_size, 1, 5, 0, 2).unwrap();
        let queue = Queue::planned(plan);
        let element = |n: u64| -> Vec<u8> { (0..elem_size).map(|at| (at * 7 + n) as u8).collect() };
        for n in 0..20 {
            let mut out = element(200);
            // SAFETY: both buffers have the size of an element.
            unsafe {
                for at in 0..5 {
                    let put = queue.ring.enqueue(0, element(n + at).as_ptr());
                    assert_eq!(put, Ok(Outcome::Done));
                }
                assert_eq!(queue.ring.enqueue(0, out.as_ptr()), Ok(Outcome::Full));
                for at in 0..5 {
                    let got = queue.ring.dequeue(1, out.as_mut_ptr());
                    assert_eq!((got, &out), (Ok(Outcome::Done), &element(n + at)));
                }
                assert_eq!(queue.ring.dequeue(1, out.as_mut_ptr()), Ok(Outcome::Empty));
            }
            assert_eq!(out, element(n + 4));
        }
    }
}

#[test]
fn an_element_can_be_built_and_read_in_place() {
    let queue = Queue::new(2, 2);
    for value in 1..10 {
        // SAFETY: the spare of a lane is ours between its operations, and holds a u64.
        unsafe {
            queue.ring.spare(0).unwrap().cast::<u64>().write(value);
            assert_eq!(queue.ring.publish(0), Ok(Outcome::Done));
            assert_eq!(queue.ring.take(1), Ok(Outcome::Done));
            // The other lane goes on while this one reads.
            assert_eq!(queue.put(0, 55), Ok(true));
            assert_eq!(queue.get(0), Ok(Some(55)));
            let taken = queue.ring.spare(1).unwrap().cast::<u64>();
            assert_eq!(taken.read(), value);
            assert_eq!(queue.ring.take(1), Ok(Outcome::Empty));
        }
    }
}

#[test]
fn a_stale_hint_costs_few_steps_and_no_answer() {
    for capacity in CAPACITIES {
        // The search: 1, 3, 7 ahead, the hints, again, then halving; and the operation itself.
        let enough = 20 + u64::from(capacity.ilog2());
        for filled in [0, 1, capacity / 2, capacity - 1, capacity] {
            for late in [
                1,
                2,
                capacity / 2,
                capacity,
                capacity + 1,
                5 * capacity,
                40_000_000,
            ] {
                let queue = Queue::new(capacity, 2);
                let laps = 40_000_000 / capacity + 2;
                queue.start_at(laps);
                for n in 0..filled + 3 {
                    queue.put(0, n).unwrap();
                    if n >= filled {
                        queue.get(0).unwrap();
                    }
                }
                let count = queue.ring.len().unwrap();
                let stale = |hint: &AtomicU64| {
                    let bits = queue.ring.lap_shift;
                    let at = hint.load(SeqCst);
                    let flat = (at >> bits) * capacity + (at & ((1 << bits) - 1));
                    let old = flat - late;
                    hint.store(((old / capacity) << bits) | (old % capacity), SeqCst);
                };
                let header = queue.ring.header();
                let (tail, head) = (header.ends.tail.load(SeqCst), header.ends.head.load(SeqCst));
                stale(&header.ends.tail);
                let cost = steps(|| assert_eq!(queue.put(0, 99), Ok(count < capacity)));
                assert!(cost <= enough, "{capacity} {filled} {late}: {cost}");
                header.ends.tail.store(tail, SeqCst);
                stale(&header.ends.head);
                let cost = steps(|| assert!(queue.get(1).unwrap().is_some()));
                assert!(cost <= enough, "{capacity} {filled} {late}: {cost}");
                stale(&header.ends.tail);
                header.ends.head.store(head, SeqCst);
                stale(&header.ends.head);
                let left = (count + 1).min(capacity) - 1;
                assert_eq!(queue.ring.len(), Ok(left));
                assert_eq!(queue.drain(1).len() as u64, left);
                queue.assert_slots_conserved();
            }
        }
    }
}

#[test]
fn the_other_hint_shortens_the_search_in_an_empty_and_in_a_full_queue() {
    let capacity = 50_000;
    let queue = Queue::new(capacity, 1);
    queue.start_at(1000);
    for n in 0..capacity / 2 {
        queue.put(0, n).unwrap();
        queue.get(0).unwrap();
    }
    queue.ring.header().ends.tail.store(0, SeqCst);
    let cost = steps(|| assert_eq!(queue.put(0, 1), Ok(true)));
    assert!(cost <= 15, "{cost}");
    while queue.put(0, 1).unwrap() {}
    queue.ring.header().ends.head.store(0, SeqCst);
    let cost = steps(|| assert_eq!(queue.get(0), Ok(Some(1))));
    assert!(cost <= 15, "{cost}");
}

#[test]
fn after_many_laps_an_operation_looks_at_five_words() {
    // Nearly empty, and nearly full: each side finds its place beside the other one.
    let capacity = 1024;
    for (filled, side) in [(1, HEAD), (0, TAIL), (capacity, HEAD), (capacity - 1, TAIL)] {
        let queue = Queue::new(capacity, 1);
        queue.start_at(50_000);
        for n in 0..capacity / 2 + filled {
            queue.put(0, n).unwrap();
            if n < capacity / 2 {
                queue.get(0).unwrap();
            }
        }
        let ends = &queue.ring.header().ends;
        let hint = if side == TAIL { &ends.tail } else { &ends.head };
        // The index somewhere else as well.
        hint.store(10_000 << queue.ring.lap_shift | 700, SeqCst);
        let cost = steps(|| match side {
            TAIL => assert_eq!(queue.put(0, 1), Ok(true)),
            _ => assert!(queue.get(0).unwrap().is_some()),
        });
        // Beside the words: the hint, and record, exchange, record, hint.
        assert!(cost <= 5 + 5, "side {side}, {filled} filled: {cost}");
    }
}

#[test]
fn one_operation_undisturbed_takes_six_steps() {
    let queue = Queue::new(100, 1);
    // Hint, word, record, exchange, record, hint.
    assert_eq!(steps(|| assert_eq!(queue.put(0, 1), Ok(true))), 6);
    assert_eq!(steps(|| assert_eq!(queue.get(0), Ok(Some(1)))), 6);
    // Hint and word; the first time after a success also a look ahead, another one here, and the
    // record.
    assert_eq!(steps(|| assert_eq!(queue.get(0), Ok(None))), 5);
    assert_eq!(steps(|| assert_eq!(queue.get(0), Ok(None))), 2);
}

#[test]
fn who_waits_marks_the_word_that_the_other_side_exchanges_next() {
    for capacity in CAPACITIES {
        let queue = Queue::new(capacity, 2);
        let last = (1u64 << (64 - queue.ring.lap_shift)) - 1;
        for (lap, turned) in [(0, 0), (0, capacity / 2), (last, capacity - 1), (last, 1)] {
            queue.start_at(lap);
            for n in 0..turned {
                queue.put(0, n).unwrap();
                queue.get(0).unwrap();
            }
            let at = turned % capacity;
            // Empty: a consumer waits for the word at the tail. Twice is as once.
            for _ in 0..2 {
                assert_eq!(queue.ring.await_exchange::<TAIL>(), Ok(false));
                assert_eq!(queue.ring.await_exchange::<HEAD>(), Ok(true));
                assert_eq!(queue.awaited(), [at]);
                assert_eq!(queue.ring.is_empty(), Ok(true));
                assert_eq!(queue.get(1), Ok(None));
            }
            for n in 0..capacity {
                assert_eq!(queue.put(1, n), Ok(true));
                assert_eq!(queue.awaited(), []);
                assert_eq!(queue.ring.await_exchange::<HEAD>(), Ok(false));
            }
            // Full: a producer waits for the word at the head.
            for _ in 0..2 {
                assert_eq!(queue.ring.await_exchange::<TAIL>(), Ok(true));
                assert_eq!(queue.awaited(), [at]);
                assert_eq!(queue.ring.len(), Ok(capacity));
                assert_eq!(queue.put(1, 0), Ok(false));
            }
            assert_eq!(queue.drain(0), (0..capacity).collect::<Vec<_>>());
            assert_eq!(queue.awaited(), []);
            queue.assert_slots_conserved();
        }
    }
}

#[test]
fn a_mark_is_found_where_the_hints_are_late() {
    for capacity in CAPACITIES {
        let queue = Queue::new(capacity, 2);
        queue.start_at(5);
        for n in 0..3 * capacity + 2 {
            queue.put(0, n).unwrap();
            queue.get(0).unwrap();
        }
        queue.ring.header().ends.head.store(0, SeqCst);
        assert_eq!(queue.ring.await_exchange::<HEAD>(), Ok(true));
        assert_eq!(queue.awaited(), [2 % capacity]);
        for n in 0..capacity {
            queue.put(0, n).unwrap();
        }
        queue.ring.header().ends.tail.store(0, SeqCst);
        assert_eq!(queue.ring.await_exchange::<TAIL>(), Ok(true));
        assert_eq!(queue.awaited(), [2 % capacity]);
    }
}
