//! One process is stopped or killed before any step, and others run meanwhile.

use super::*;

#[derive(Clone, Copy, Debug)]
enum Op {
    Put(u64),
    Get,
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Put(bool),
    Got(Option<u64>),
}

fn run(queue: &Queue, lane: usize, op: Op) -> Answer {
    match op {
        Op::Put(value) => Answer::Put(queue.put(lane, value).unwrap()),
        Op::Get => Answer::Got(queue.get(lane).unwrap()),
    }
}

fn run_model(model: &mut VecDeque<u64>, capacity: u64, op: Op) -> Answer {
    match op {
        Op::Put(value) => {
            let room = (model.len() as u64) < capacity;
            if room {
                model.push_back(value);
            }
            Answer::Put(room)
        }
        Op::Get => Answer::Got(model.pop_front()),
    }
}

/// Every history in which `op` happens between two of `others`: its answer, their
/// answers, and what the queue holds at the end.
type History = (Option<Answer>, Vec<Answer>, Vec<u64>);
fn histories(capacity: u64, start: &[u64], op: Op, others: &[Op]) -> Vec<History> {
    let at = |place: Option<usize>| {
        let mut model: VecDeque<u64> = start.iter().copied().collect();
        let (mut own, mut answers) = (None, Vec::new());
        for n in 0..=others.len() {
            if place == Some(n) {
                own = Some(run_model(&mut model, capacity, op));
            }
            if let Some(&other) = others.get(n) {
                answers.push(run_model(&mut model, capacity, other));
            }
        }
        (own, answers, model.into())
    };
    (0..=others.len()).map(Some).chain([None]).map(at).collect()
}

/// Sequences of up to four operations of the others, with many of the same at the end.
fn scripts(capacity: u64) -> Vec<Vec<Op>> {
    let op = |bit, n| if bit == 0 { Op::Get } else { Op::Put(100 + n) };
    let mut scripts = Vec::new();
    for len in 0..=4u64 {
        for bits in 0..1u64 << len {
            scripts.push((0..len).map(|n| op(bits >> n & 1, n)).collect());
        }
    }
    let laps = |ops: [u64; 2], pairs| {
        let pairs = (0..pairs).flat_map(move |n| ops.map(|bit| op(bit, n)));
        pairs.collect::<Vec<_>>()
    };
    scripts.push(laps([1, 0], 3 * capacity));
    scripts.push(laps([0, 1], 3 * capacity));
    scripts.push(laps([1, 1], capacity));
    scripts.push(laps([0, 0], capacity));
    scripts
}

/// Calls `body` for each case with a fresh queue that holds `start` elements, in
/// its first and in a later lap.
fn for_each_case(body: impl Fn(&Rc<Queue>, &[u64], Op, &[Op])) {
    for capacity in [1, 2, 3] {
        let queue = Rc::new(Queue::new(capacity, 5));
        for script in scripts(capacity) {
            for filled in 0..=capacity {
                for turned in [0, 1, capacity + 1] {
                    for op in [Op::Put(50), Op::Get] {
                        queue.reset();
                        for _ in 0..turned {
                            queue.put(4, 1).unwrap();
                            queue.get(4).unwrap();
                        }
                        let start: Vec<u64> = (10..10 + filled).collect();
                        for &value in &start {
                            queue.put(4, value).unwrap();
                        }
                        body(&queue, &start, op, &script);
                    }
                }
            }
        }
    }
}

/// The bytes of the queue, to try many ends from one beginning.
fn snapshot(queue: &Queue) -> Vec<u64> {
    let at = |n| queue.region.at::<AtomicU64>(n * 8).unwrap().load(SeqCst);
    (0..queue.plan.size / 8).map(at).collect()
}

fn restore(queue: &Queue, bytes: &[u64]) {
    for (n, &value) in bytes.iter().enumerate() {
        let cell = queue.region.at::<AtomicU64>(n as u64 * 8).unwrap();
        cell.store(value, SeqCst);
    }
}

#[test]
fn an_operation_stopped_anywhere_is_one_with_a_single_moment() {
    for_each_case(|queue, start, op, others| {
        let begin = snapshot(queue);
        let histories = histories(queue.plan.capacity, start, op, others);
        for n in 0.. {
            restore(queue, &begin);
            let answers = Rc::new(RefCell::new(Vec::new()));
            let (their_queue, their_answers) = (queue.clone(), answers.clone());
            let theirs = others.to_vec();
            let others_run = move || {
                for other in theirs {
                    let answer = run(&their_queue, 1, other);
                    their_answers.borrow_mut().push(answer);
                }
            };
            let mut own = None;
            let hit = interrupted(n, others_run, || own = Some(run(queue, 0, op)));
            if !hit {
                break;
            }
            queue.assert_slots_conserved();
            let left = queue.ring.len().unwrap();
            let history = (own, answers.take(), queue.drain(2));
            assert_eq!(left, history.2.len() as u64);
            assert!(
                histories.contains(&history),
                "{op:?} stopped at step {n} while {others:?} on {start:?}: {history:?}"
            );
        }
    });
}

/// Whether the side that `op` belongs to cannot go on, and the word that it waits for is marked.
fn is_awaited(queue: &Queue, op: Op) -> bool {
    let (at, ready) = match op {
        Op::Put(_) => queue.ring.locate::<TAIL>().unwrap(),
        Op::Get => queue.ring.locate::<HEAD>().unwrap(),
    };
    !ready && queue.awaited().contains(&queue.ring.index(at))
}

fn wait(queue: &Queue, op: Op) -> bool {
    let awaited = match op {
        Op::Put(_) => queue.ring.await_exchange::<TAIL>(),
        Op::Get => queue.ring.await_exchange::<HEAD>(),
    };
    awaited.unwrap()
}

#[test]
fn whoever_waits_has_marked_a_word_that_nobody_has_exchanged_since() {
    let vain = Cell::new(0);
    for_each_case(|queue, start, op, others| {
        let begin = snapshot(queue);
        for n in 0.. {
            restore(queue, &begin);
            let mut model: VecDeque<u64> = start.iter().copied().collect();
            let (their_queue, capacity) = (queue.clone(), queue.plan.capacity);
            let theirs: Vec<_> = others
                .iter()
                .map(|&other| (other, run_model(&mut model, capacity, other)))
                .collect();
            let others_run = move || {
                for (other, answer) in theirs {
                    assert_eq!(run(&their_queue, 1, other), answer);
                }
            };
            let mut waits = false;
            if !interrupted(n, others_run, || waits = wait(queue, op)) {
                break;
            }
            assert_eq!(waits, is_awaited(queue, op));
            vain.set(vain.get() + u32::from(!waits));
            queue.assert_slots_conserved();
            assert_eq!(queue.drain(2), Vec::from(model));
        }
    });
    assert!(vain.get() > 0);
}

#[test]
fn an_operation_is_what_it_was_where_somebody_begins_to_wait_inside_it() {
    for_each_case(|queue, start, op, others| {
        let begin = snapshot(queue);
        for waits_for in [Op::Put(0), Op::Get] {
            for n in 0.. {
                restore(queue, &begin);
                let awaited = Rc::new(Cell::new(false));
                let (their_queue, told) = (queue.clone(), awaited.clone());
                let begin_to_wait = move || told.set(wait(&their_queue, waits_for));
                let mut model: VecDeque<u64> = start.iter().copied().collect();
                let expected = run_model(&mut model, queue.plan.capacity, op);
                let mut own = None;
                if !interrupted(n, begin_to_wait, || own = Some(run(queue, 0, op))) {
                    break;
                }
                assert_eq!(own, Some(expected));
                // Either nothing ended the wait yet, or no mark is left.
                let still = is_awaited(queue, waits_for);
                assert_eq!(queue.awaited().len(), usize::from(still));
                assert!(awaited.get() || !still);
                for &other in others {
                    let answer = run_model(&mut model, queue.plan.capacity, other);
                    assert_eq!(run(queue, 1, other), answer);
                }
                queue.assert_slots_conserved();
                assert_eq!(queue.drain(2), Vec::from(model));
            }
        }
    });
}

#[test]
fn an_operation_killed_anywhere_happened_or_not_and_its_lane_recovers() {
    for_each_case(|queue, start, op, others| {
        let begin = snapshot(queue);
        let mut histories = histories(queue.plan.capacity, start, op, others);
        histories.iter_mut().for_each(|history| history.0 = None);
        for n in 0.. {
            restore(queue, &begin);
            queue.lane(0).owner.store(1, SeqCst);
            let answers = Rc::new(RefCell::new(Vec::new()));
            let (their_queue, their_answers) = (queue.clone(), answers.clone());
            let theirs = others.to_vec();
            let others_run = move || {
                for other in theirs {
                    let answer = run(&their_queue, 1, other);
                    their_answers.borrow_mut().push(answer);
                }
            };
            if !killed(n, others_run, || run(queue, 0, op)) {
                break;
            }
            // Recovery may be killed as well, and changes nothing before its last step.
            let before = queue.record(0);
            for m in 0.. {
                let recover = || {
                    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
                };
                if !killed(m, || (), recover) {
                    break;
                }
                assert_eq!(queue.record(0), before);
            }
            queue.assert_slots_conserved();
            let history = (None, answers.take(), queue.drain(0));
            assert!(
                histories.contains(&history),
                "{op:?} killed at step {n} after {others:?} on {start:?}: {history:?}"
            );
        }
    });
}

/// Runs one operation in each of `lanes`, each begun inside the one before, and kills
/// them all at their own steps, the innermost first. Then every lane is recovered.
fn nest(queue: &Rc<Queue>, deaths: &[(Op, u64)], lane: usize) {
    let Some((&(op, n), rest)) = deaths.split_first() else {
        return;
    };
    queue.lane(lane).owner.store(1 + lane as u64, SeqCst);
    let (inner, rest) = (queue.clone(), rest.to_vec());
    let more = move || nest(&inner, &rest, lane + 1);
    killed(n, more, || run(queue, lane, op));
}

#[test]
fn chains_of_dead_lanes_recover_in_any_order() {
    let ops = [Op::Put(50), Op::Get];
    for capacity in [1, 2] {
        let queue = Rc::new(Queue::new(capacity, 4));
        for filled in 0..=capacity {
            for kinds in 0..8 {
                for killed_at in 0..9 * 9 * 9 {
                    let at = [killed_at % 9, killed_at / 9 % 9, killed_at / 81];
                    queue.reset();
                    for n in 0..filled {
                        queue.put(3, n).unwrap();
                    }
                    let death = |n: usize| (ops[kinds >> n & 1], at[n]);
                    nest(&queue, &[death(0), death(1), death(2)], 0);
                    let mut lanes = [0, 1, 2];
                    lanes.rotate_left(killed_at as usize % 3);
                    for lane in lanes {
                        let recovered = queue.ring.recover_lane(lane, &all_are_dead);
                        assert_eq!(recovered, Ok(true), "{kinds:b} {at:?}");
                    }
                    queue.assert_slots_conserved();
                }
            }
        }
    }
}

#[test]
fn recovery_is_right_or_undecided_while_others_are_in_the_middle() {
    // Lane 0 dies, lane 1 is stopped at any step of an operation after it or around
    // it, lane 0 is recovered then, and lane 1 goes on.
    let ops = [Op::Put(50), Op::Get];
    let queue = Rc::new(Queue::new(2, 4));
    let undecided = Rc::new(Cell::new(0));
    for case in 0..3 * 4 * 10 * 10 * 10 {
        let (filled, kinds) = (case % 3, case / 3 % 4);
        let (entered, died, stopped) = (case / 12 % 10, case / 120 % 10, case / 1200);
        queue.reset();
        for n in 0..filled {
            queue.put(3, n).unwrap();
        }
        for lane in 0..2 {
            queue.lane(lane).owner.store(1 + lane as u64, SeqCst);
        }
        let (victim, count) = (queue.clone(), undecided.clone());
        let inside = move || {
            killed(died, || (), || run(&victim, 0, ops[(kinds & 1) as usize]));
            let recover = move || {
                let recovered = victim.ring.recover_lane(0, &|owner| owner == 1);
                if !recovered.unwrap() {
                    count.set(count.get() + 1);
                }
            };
            // Lane 1 goes on for a few steps before somebody tries to recover.
            HOOK.set(Some((stopped, Box::new(recover))));
        };
        interrupted(entered, inside, || {
            run(&queue, 1, ops[(kinds >> 1) as usize])
        });
        assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
        queue.assert_slots_conserved();
    }
    assert!(undecided.get() > 0);
}

#[test]
fn the_record_always_names_the_spare_and_the_slot_to_be_exchanged_for_it() {
    let queue = Queue::new(2, 2);
    // Before each step: hint, word, record, exchange, record, hint; and in the end.
    let (spare, planned) = (Record::Idle(2), Record::InOperation { s: 2, j: 0 });
    let expected = [spare, spare, spare, planned, planned, Record::Idle(0)];
    for (n, record) in (0..).zip(expected) {
        queue.reset();
        assert!(killed(n, || (), || queue.put(0, 1)));
        assert_eq!(queue.record(0), record, "at step {n}");
        queue.reset();
        queue.put(1, 1).unwrap();
        assert!(killed(n, || (), || queue.get(0)));
        let record = match record {
            Record::Idle(0) => Record::Idle(3),
            Record::InOperation { s, .. } => Record::InOperation { s, j: 3 },
            idle => idle,
        };
        assert_eq!(queue.record(0), record, "at step {n}");
    }
}
