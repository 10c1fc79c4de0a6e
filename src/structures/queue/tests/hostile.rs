//! Bytes that no process of ours wrote.

use super::*;

#[test]
fn a_header_with_any_field_changed_is_refused_or_read_consistently() {
    let queue = Queue::new(10, 3);
    let mut random = Random(3);
    let rounds = if cfg!(debug_assertions) {
        20_000
    } else {
        200_000
    };
    for _ in 0..rounds {
        queue.reset();
        for _ in 0..random.below(3) + 1 {
            let cell = queue.region.at::<AtomicU64>(random.below(8) * 8).unwrap();
            let value = match random.below(4) {
                0 => random.next(),
                1 => random.below(256),
                2 => cell.load(SeqCst) ^ 1 << random.below(64),
                _ => u64::MAX << random.below(64),
            };
            cell.store(value, SeqCst);
        }
        if let Ok(ring) = open(queue.region) {
            assert!(ring.plan().size <= queue.plan.size);
            assert!(ring.capacity() + ring.lanes() as u64 <= 1 << 31);
        }
    }
}

#[test]
fn a_lying_hint_is_corrected_when_the_words_contradict_it() {
    for capacity in CAPACITIES {
        let queue = Queue::new(capacity, 2);
        let mut random = Random(capacity);
        for _ in 0..300 {
            queue.start_at(1_000_000);
            for n in 0..capacity / 2 {
                queue.put(0, n).unwrap();
            }
            // Another lap, or no index at all; a lie within the lap cannot be told.
            let lie = match random.below(3) {
                0 => random.next(),
                1 => u64::MAX,
                _ => (1_000_002 + random.below(1000)) << queue.ring.lap_shift,
            };
            let lap = lie >> queue.ring.lap_shift;
            if (999_999..=1_000_001).contains(&lap) {
                continue;
            }
            queue.ring.header().ends.tail.store(lie, SeqCst);
            queue.ring.header().ends.head.store(lie, SeqCst);
            assert_eq!(queue.ring.len(), Ok(capacity / 2));
            assert_eq!(queue.put(0, 50), Ok(true));
            queue.ring.header().ends.head.store(lie, SeqCst);
            let all: Vec<u64> = (0..capacity / 2).chain([50]).collect();
            assert_eq!(queue.drain(1), all);
        }
    }
}

#[test]
fn operations_on_garbage_end_with_an_answer() {
    let rounds = if cfg!(debug_assertions) {
        3_000
    } else {
        30_000
    };
    for capacity in [1, 2, 5, 8, 65, 1000] {
        let queue = Queue::new(capacity, 3);
        let mut random = Random(capacity + 7);
        for _ in 0..rounds * 10 / (capacity + 10) {
            queue.reset();
            let all = random.below(2) == 0;
            for index in 0..capacity {
                if all || random.below(4) == 0 {
                    queue.word(index).store(random.next(), SeqCst);
                }
            }
            let record = &queue.lane(random.below(3) as usize).record;
            let words = [&record.spare, &record.intent];
            words[random.below(2) as usize].store(random.next() >> random.below(64), SeqCst);
            if random.below(2) == 0 {
                queue.ring.header().ends.tail.store(random.next(), SeqCst);
                queue.ring.header().ends.head.store(random.next(), SeqCst);
            }
            for _ in 0..20 {
                let lane = random.below(3) as usize;
                let cost = steps(|| {
                    let _ = match random.below(7) {
                        0 | 1 => queue.put(lane, 1).err(),
                        2 | 3 => queue.get(lane).err(),
                        4 => queue.ring.await_exchange::<TAIL>().err(),
                        5 => queue.ring.await_exchange::<HEAD>().err(),
                        _ => queue.ring.recover_lane(lane, &all_are_dead).err(),
                    };
                });
                assert!(cost < 3 * capacity + 100, "{cost} steps");
                if let Ok(len) = queue.ring.len() {
                    assert!(len <= capacity);
                }
                let _ = (queue.ring.is_full(), queue.ring.is_empty());
            }
        }
    }
}

#[test]
fn a_slot_out_of_range_is_corrupt_and_harms_no_lane() {
    let queue = Queue::new(2, 3);
    // Slots 0..5 exist, a word has room to name more.
    let full = queue.ring.unit;
    for bad in [5, 6, queue.ring.slot_mask()] {
        queue.reset();
        queue.word(0).store(bad, SeqCst);
        assert_eq!(queue.put(1, 1), Err(Corrupt::Slot));
        assert_eq!(queue.record(1), Record::Idle(3));
        assert_eq!(queue.get(1), Ok(None));
        queue.word(0).store(bad | full, SeqCst);
        assert_eq!(queue.get(1), Err(Corrupt::Slot));
        assert_eq!(queue.record(1), Record::Idle(3));
    }
}
