//! Who has caught up with the other side gives it a head start while that pays, and hardly
//! ever while it does not.

use super::*;
use crate::structures::patience::{LEAST_CAPACITY, WORDS};

/// Steps of a refused operation that does not wait: hint and word.
const AT_ONCE: u64 = 2;
/// And of one that does: a look ahead, another one here, and the lane put back to rest.
const AFTER_A_WAIT: u64 = 5;

#[test]
fn waiting_in_vain_becomes_rare() {
    let queue = Queue::new(100, 1);
    let mut waits = 0;
    for n in 0..20_000 {
        queue.put(0, n).unwrap();
        assert_eq!(queue.get(0), Ok(Some(n)));
        let cost = steps(|| assert_eq!(queue.get(0), Ok(None)));
        assert!(matches!(cost, AT_ONCE | AFTER_A_WAIT), "{cost}");
        waits += u64::from(cost == AFTER_A_WAIT);
        // Looking again tells nothing new.
        assert_eq!(steps(|| assert_eq!(queue.get(0), Ok(None))), AT_ONCE);
    }
    // After 1, 2, 4, ... 4096 that did not wait.
    assert!((13..=17).contains(&waits), "{waits}");
}

/// Catches up as a consumer with lane 1, and before its second look, if there is one, `burst`
/// elements come in: how many steps it took.
fn catch_up(queue: &Rc<Queue>, burst: u64) -> u64 {
    let producer = Rc::clone(queue);
    let come = move || (0..burst).for_each(|n| assert_eq!(producer.put(0, n), Ok(true)));
    let mut cost = 0;
    interrupted(AT_ONCE, come, || {
        cost = steps(|| assert!(queue.get(1).is_ok()))
    });
    let left = queue.drain(0).len() as u64;
    assert_eq!(left, if cost == AT_ONCE { 0 } else { burst - 1 });
    cost
}

#[test]
fn a_wait_that_pays_is_repeated_and_one_for_a_few_words_is_not() {
    let queue = Rc::new(Queue::new(100, 2));
    // A new lane has looked at the first position.
    assert_eq!(catch_up(&queue, 1), AT_ONCE);
    queue.put(0, 0).unwrap();
    assert_eq!(queue.get(0), Ok(Some(0)));
    for _ in 0..100 {
        assert!(catch_up(&queue, WORDS) > AFTER_A_WAIT);
        assert!(catch_up(&queue, LEAST_CAPACITY) > AFTER_A_WAIT);
    }
    assert!(catch_up(&queue, WORDS - 1) > AFTER_A_WAIT);
    assert_eq!(catch_up(&queue, WORDS), AT_ONCE);
}

#[test]
fn a_producer_waits_for_room_the_same_way() {
    for (room, next) in [(1, AT_ONCE), (WORDS, AFTER_A_WAIT)] {
        let queue = Rc::new(Queue::new(100, 2));
        while queue.put(0, 0).unwrap() {}
        queue.reset();
        (0..100).for_each(|n| assert_eq!(queue.put(0, n), Ok(true)));
        let consumer = Rc::clone(&queue);
        let make_room = move || (0..room).for_each(|_| assert!(consumer.get(1).is_ok()));
        interrupted(AT_ONCE, make_room, || assert_eq!(queue.put(0, 7), Ok(true)));
        while queue.ring.len() != Ok(100) {
            queue.put(0, 7).unwrap();
        }
        // Full again, at another place than the lane remembers.
        assert_eq!(steps(|| assert_eq!(queue.put(0, 7), Ok(false))), next);
    }
}

#[test]
fn a_short_queue_answers_at_once() {
    for (capacity, waits) in [
        (1, false),
        (LEAST_CAPACITY - 1, false),
        (LEAST_CAPACITY, true),
    ] {
        let queue = Queue::new(capacity, 1);
        // A new lane has looked at the first position.
        queue.put(0, 0).unwrap();
        assert_eq!(queue.get(0), Ok(Some(0)));
        let cost = steps(|| assert_eq!(queue.get(0), Ok(None)));
        assert_eq!(
            cost,
            if waits { AFTER_A_WAIT } else { AT_ONCE },
            "{capacity}"
        );
    }
}

#[test]
fn whatever_a_lane_remembers_it_answers_the_same() {
    let mut random = Random(1);
    let queue = Queue::new(LEAST_CAPACITY, 1);
    for n in 0..10_000 {
        for memory in &queue.lane(0).patience {
            memory.store(random.next() << random.below(64), SeqCst);
        }
        assert_eq!(queue.get(0), Ok(None));
        for n in 0..LEAST_CAPACITY {
            assert_eq!(queue.put(0, n), Ok(true));
        }
        assert_eq!(queue.put(0, n), Ok(false));
        assert!(queue.drain(0).into_iter().eq(0..LEAST_CAPACITY));
    }
}
