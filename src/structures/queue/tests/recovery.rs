//! Records of dead lanes, built by hand.

use super::*;

/// Capacity 2, four lanes with spares 2..6; lane 0 is the dead one.
fn queue() -> Queue {
    let queue = Queue::new(2, 4);
    for lane in 0..4 {
        queue.lane(lane).owner.store(lane as u64 + 1, SeqCst);
    }
    queue
}

fn die_in(queue: &Queue, lane: usize, s: u64, j: u64) {
    let record = &queue.lane(lane).record;
    record.spare.store(s, SeqCst);
    record.intent.store(j, SeqCst);
}

/// What the lane's CAS did: `word` goes to its next state, with slot `s`.
fn exchange(queue: &Queue, word: u64, s: u64) {
    let unit = queue.ring.unit;
    let old = queue.word(word).load(SeqCst);
    let new = ((old & !(unit - 1)) + unit) | s;
    queue.word(word).store(new, SeqCst);
}

#[test]
fn idle_and_unused_lanes_keep_their_spare() {
    let queue = queue();
    queue.lane(1).owner.store(0, SeqCst);
    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
    assert_eq!(queue.ring.recover_lane(1, &nobody_is_dead), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(2));
    assert_eq!(queue.record(1), Record::Idle(3));
    assert_eq!(
        queue.ring.recover_lane(4, &nobody_is_dead),
        Err(Corrupt::Lane)
    );
}

#[test]
fn before_the_exchange_the_lane_owns_s() {
    let queue = queue();
    die_in(&queue, 0, 2, 0);
    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(2));
}

#[test]
fn after_the_exchange_the_lane_owns_j() {
    let queue = queue();
    die_in(&queue, 0, 2, 0);
    exchange(&queue, 0, 2);
    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(0));
    queue.assert_slots_conserved();
}

#[test]
fn a_slot_that_moved_on_to_an_idle_lane_is_seen_there() {
    let queue = queue();
    die_in(&queue, 0, 2, 0);
    exchange(&queue, 0, 2);
    assert!(queue.get(1).unwrap().is_some());
    assert_eq!(queue.record(1), Record::Idle(2));
    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(0));
    queue.assert_slots_conserved();
}

#[test]
fn a_lane_that_lost_the_race_owns_s_although_j_moved_on() {
    let queue = queue();
    die_in(&queue, 0, 2, 0);
    assert!(queue.put(1, 9).unwrap());
    assert_eq!(queue.record(1), Record::Idle(0));
    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(2));
    queue.assert_slots_conserved();
}

#[test]
fn a_living_lane_in_operation_leaves_it_open_and_a_dead_one_does_not() {
    let queue = queue();
    // Lane 0 put slot 2 into word 0; lane 1 is taking it out, and did or did not.
    die_in(&queue, 0, 2, 0);
    exchange(&queue, 0, 2);
    die_in(&queue, 1, 3, 2);
    exchange(&queue, 0, 3);
    let before = queue.record(0);
    assert_eq!(queue.ring.recover_lane(0, &|owner| owner != 2), Ok(false));
    assert_eq!(queue.record(0), before);
    // Slot 3 in the ring tells that dead lane 1 has slot 2, so lane 0 has slot 0.
    let neighbour = queue.record(1);
    assert_eq!(queue.ring.recover_lane(0, &|owner| owner <= 2), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(0));
    assert_eq!(queue.record(1), neighbour);
    assert_eq!(queue.ring.recover_lane(1, &nobody_is_dead), Ok(true));
    queue.assert_slots_conserved();
}

#[test]
fn three_dead_lanes_are_told_apart_from_either_end() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let queue = queue();
        die_in(&queue, 0, 2, 0);
        exchange(&queue, 0, 2);
        die_in(&queue, 1, 3, 2);
        exchange(&queue, 0, 3);
        die_in(&queue, 2, 4, 3);
        exchange(&queue, 0, 4);
        // The middle one alive: slot 2 cannot be told.
        assert_eq!(queue.ring.recover_lane(0, &|owner| owner == 3), Ok(false));
        for lane in order {
            assert_eq!(queue.ring.recover_lane(lane, &all_are_dead), Ok(true));
        }
        assert_eq!(queue.record(0), Record::Idle(0));
        assert_eq!(queue.record(1), Record::Idle(2));
        assert_eq!(queue.record(2), Record::Idle(3));
        queue.assert_slots_conserved();
    }
}

#[test]
fn lanes_that_own_their_slots_together_are_told_in_any_order() {
    // Slots 2 to 5 are in nobody's word: each {s, j} names two of those that the lanes own.
    let graves: [&[(u64, u64)]; 4] = [
        &[(2, 3), (3, 2)],
        &[(2, 3), (2, 3)],
        &[(2, 3), (3, 4), (4, 2)],
        &[(2, 3), (4, 3), (4, 2)],
    ];
    for grave in graves {
        for first in 0..grave.len() {
            let queue = queue();
            for (lane, &(s, j)) in grave.iter().enumerate() {
                die_in(&queue, lane, s, j);
            }
            let lanes = || (0..grave.len()).cycle().skip(first).take(grave.len());
            // While one of them lives, nothing is known about the others.
            let owner = lanes().last().unwrap() as u64 + 1;
            let last_lives = |other| other != owner;
            assert_eq!(queue.ring.recover_lane(first, &last_lives), Ok(false));
            for lane in lanes() {
                assert_eq!(queue.ring.recover_lane(lane, &all_are_dead), Ok(true));
            }
            queue.assert_slots_conserved();
        }
    }
}

#[test]
fn a_lane_aside_of_those_that_own_their_slots_together_is_left_with_the_other_one() {
    for (s, j) in [(2, 3), (3, 2)] {
        let queue = queue();
        die_in(&queue, 0, s, j);
        die_in(&queue, 1, 3, 4);
        die_in(&queue, 2, 4, 3);
        assert_eq!(queue.ring.recover_lane(0, &all_are_dead), Ok(true));
        assert_eq!(queue.record(0), Record::Idle(2));
    }
}

#[test]
fn a_lane_that_expected_the_slot_it_had_keeps_it() {
    let queue = queue();
    die_in(&queue, 0, 2, 2);
    die_in(&queue, 1, 3, 2);
    assert_eq!(queue.ring.recover_lane(1, &all_are_dead), Ok(true));
    assert_eq!(queue.record(1), Record::Idle(3));
    assert_eq!(queue.ring.recover_lane(0, &all_are_dead), Ok(true));
    queue.assert_slots_conserved();
}

#[test]
fn two_who_recover_lanes_that_own_their_slots_together_do_not_both_decide() {
    for grave in [[(2, 3), (3, 2)], [(2, 3), (2, 3)], [(2, 3), (3, 3)]] {
        for n in 0..40 {
            let queue = Rc::new(queue());
            for (lane, (s, j)) in grave.into_iter().enumerate() {
                die_in(&queue, lane, s, j);
            }
            // Both have the lane's owner word, and live.
            let dead = |owner| owner < 8;
            let other = queue.clone();
            let meanwhile = move || {
                other.lane(1).owner.store(9, SeqCst);
                if !other.ring.recover_lane(1, &dead).unwrap() {
                    other.lane(1).owner.store(2, SeqCst);
                }
            };
            queue.lane(0).owner.store(8, SeqCst);
            interrupted(n, meanwhile, || {
                queue.ring.recover_lane(0, &dead).unwrap();
            });
            for lane in [0, 1] {
                assert_eq!(queue.ring.recover_lane(lane, &all_are_dead), Ok(true));
            }
            queue.assert_slots_conserved();
        }
    }
}

#[test]
fn a_neighbour_recovered_and_reused_meanwhile_is_no_evidence() {
    // As above; but while lane 0 is being recovered somebody recovers dead lane 1,
    // whose new owner moves both slots on. Whatever comes out must be true.
    for n in 0..40 {
        for again in 0..3 {
            let queue = Rc::new(queue());
            die_in(&queue, 0, 2, 0);
            exchange(&queue, 0, 2);
            die_in(&queue, 1, 3, 2);
            exchange(&queue, 0, 3);
            let other = queue.clone();
            let meanwhile = move || {
                assert_eq!(other.ring.recover_lane(1, &|owner| owner != 1), Ok(true));
                if again > 0 {
                    other.lane(1).owner.store(9, SeqCst);
                    other.put(1, 1).unwrap();
                    other.put(3, 1).unwrap();
                }
                if again > 1 {
                    let last = other.clone();
                    killed(4, || (), || last.get(1));
                }
            };
            let dead = |owner| owner <= 2;
            interrupted(n, meanwhile, || {
                queue.ring.recover_lane(0, &dead).unwrap();
            });
            assert_eq!(queue.ring.recover_lane(0, &all_are_dead), Ok(true));
            assert_eq!(queue.ring.recover_lane(1, &all_are_dead), Ok(true));
            queue.assert_slots_conserved();
        }
    }
}

#[test]
fn a_neighbour_that_comes_to_rest_during_the_scan_does_not_testify_against_itself() {
    // Dead lane 1 exchanged slot 3 for slot 0; lane 0 took slot 3 out and died before it
    // exchanged it for slot 1. Recovered in between, lane 1 shows slot 0 as its spare, from
    // which nothing follows about slot 3.
    for n in 0..40 {
        let queue = Rc::new(queue());
        die_in(&queue, 1, 3, 0);
        exchange(&queue, 0, 3);
        assert!(queue.get(0).unwrap().is_some());
        die_in(&queue, 0, 3, 1);
        let other = queue.clone();
        let meanwhile = move || {
            // By somebody who looked at lane 0 before its owner was replaced.
            assert_eq!(other.ring.recover_lane(1, &all_are_dead), Ok(true));
        };
        interrupted(n, meanwhile, || {
            assert_eq!(queue.ring.recover_lane(0, &all_are_dead), Ok(true));
        });
        assert_eq!(queue.record(0), Record::Idle(3));
        assert_eq!(queue.ring.recover_lane(1, &all_are_dead), Ok(true));
        queue.assert_slots_conserved();
    }
}

#[test]
fn records_that_cannot_be_are_corrupt() {
    let queue = queue();
    die_in(&queue, 0, 2, 7);
    assert_eq!(
        queue.ring.recover_lane(0, &nobody_is_dead),
        Err(Corrupt::Slot)
    );
    die_in(&queue, 0, 77, 2);
    assert_eq!(
        queue.ring.recover_lane(0, &nobody_is_dead),
        Err(Corrupt::Slot)
    );
    die_in(&queue, 0, 0, 1);
    assert_eq!(
        queue.ring.recover_lane(0, &nobody_is_dead),
        Err(Corrupt::Ownership)
    );
    assert_eq!(queue.put(0, 1), Err(Corrupt::Lane));
    die_in(&queue, 0, 6, 6);
    assert_eq!(queue.put(0, 1), Err(Corrupt::Slot));
    assert_eq!(queue.get(0), Err(Corrupt::Slot));
    assert_eq!(queue.put(4, 1), Err(Corrupt::Lane));
}

#[test]
fn an_awaited_word_tells_where_a_slot_is() {
    let queue = queue();
    // Lane 0 died after it took slot 0 for its spare 2, which somebody awaits the exchange of.
    exchange(&queue, 0, 2);
    die_in(&queue, 0, 2, 0);
    queue.word(0).fetch_or(queue.ring.awaited(), SeqCst);
    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(0));
    // Or it died before it exchanged an awaited word.
    queue.reset();
    let word = queue.word(0).fetch_or(queue.ring.awaited(), SeqCst) | queue.ring.awaited();
    die_in(&queue, 0, 2, word);
    assert_eq!(queue.record(0), Record::InOperation { s: 2, j: 0 });
    assert_eq!(queue.ring.recover_lane(0, &nobody_is_dead), Ok(true));
    assert_eq!(queue.record(0), Record::Idle(2));
}
