//! Threads at work at the same time.

use super::*;

#[test]
fn each_element_arrives_once_and_in_the_order_of_its_producer() {
    let each = if cfg!(debug_assertions) {
        20_000
    } else {
        200_000
    };
    for capacity in [1, 2, 3, 8, 65, 1000] {
        let producers = 2;
        let consumers = 2;
        let queue = Queue::new(capacity, producers + consumers);
        let barrier = Barrier::new((producers + consumers) as usize);
        let taken = AtomicU64::new(0);
        let total = producers * each;
        let patience = &Patience::new();
        let mut seen = vec![0u32; total as usize];
        std::thread::scope(|scope| {
            for producer in 0..producers {
                let (queue, barrier) = (&queue, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for n in 0..each {
                        while !queue.put(producer as usize, producer * each + n).unwrap() {
                            patience.wait();
                        }
                    }
                });
            }
            let threads: Vec<_> = (0..consumers)
                .map(|consumer| {
                    let (queue, barrier, taken) = (&queue, &barrier, &taken);
                    scope.spawn(move || {
                        let mut got = Vec::new();
                        barrier.wait();
                        while taken.load(Relaxed) < total {
                            match queue.get((producers + consumer) as usize).unwrap() {
                                Some(value) => {
                                    taken.fetch_add(1, Relaxed);
                                    got.push(value);
                                }
                                None => patience.wait(),
                            }
                        }
                        got
                    })
                })
                .collect();
            for thread in threads {
                let got = thread.join().unwrap();
                for producer in 0..producers {
                    let own = got.iter().filter(|&&value| value / each == producer);
                    assert!(own.is_sorted());
                }
                got.iter().for_each(|&value| seen[value as usize] += 1);
            }
        });
        assert!(seen.iter().all(|&times| times == 1));
        assert_eq!(queue.ring.len(), Ok(0));
        queue.assert_slots_conserved();
    }
}

#[test]
fn threads_that_both_put_and_get_never_find_a_half_full_queue_full_or_empty() {
    // Three threads with one element each in a queue for four: after its own put a
    // thread always finds something, and there is always room for its element.
    let rounds = if cfg!(debug_assertions) {
        20_000
    } else {
        300_000
    };
    let queue = Queue::new(4, 3);
    std::thread::scope(|scope| {
        for lane in 0..3 {
            let queue = &queue;
            scope.spawn(move || {
                for n in 0..rounds {
                    assert_eq!(queue.put(lane, n), Ok(true));
                    assert!(queue.ring.len().unwrap() <= 4);
                    assert!(queue.get(lane).unwrap().is_some());
                }
            });
        }
    });
    queue.assert_slots_conserved();
}

#[test]
fn lanes_are_recovered_while_others_work() {
    let queue = Queue::new(5, 4);
    let stop = AtomicBool::new(false);
    let patience = &Patience::new();
    let rounds = if cfg!(debug_assertions) { 300 } else { 5_000 };
    std::thread::scope(|scope| {
        for lane in 0..2 {
            let (queue, stop) = (&queue, &stop);
            queue.lane(lane).owner.store(1, SeqCst);
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    queue.put(lane, 7).unwrap();
                    assert!(!matches!(queue.get(lane), Ok(Some(n)) if n != 7));
                    patience.wait();
                }
            });
        }
        let mut random = Random(5);
        for round in 0..rounds {
            // Two lanes die in an operation, one after the other, and are recovered.
            for lane in [2, 3] {
                queue.lane(lane).owner.store(2 + round, SeqCst);
                killed(random.below(9), || (), || queue.put(lane, 7));
                killed(random.below(9), || (), || queue.get(lane));
            }
            for lane in [3, 2] {
                let dead = |owner| owner > 1;
                while !queue.ring.recover_lane(lane, &dead).unwrap() {
                    patience.wait();
                }
                queue.lane(lane).owner.store(0, SeqCst);
            }
        }
        stop.store(true, Relaxed);
    });
    queue.assert_slots_conserved();
}
