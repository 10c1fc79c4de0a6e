//! Sleeping and waking: nobody sleeps on while what was waited for is there.

use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::thread;
use shmds_models::wait::{Fault, WaitWord};
use shmds_models::{ASLEEP, Atomic, holds, is_caught};
use std::sync::Arc;

/// Something to wait for that stays when it was seen, as the value of an atomic does.
struct Board {
    published: Atomic,
    word: WaitWord,
}

impl Board {
    fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            published: Atomic::new(0),
            word: WaitWord::new(fault),
        })
    }

    /// By a plain store, the weakest there is.
    fn publish(&self, value: u64) {
        self.published.store(value, Release);
        self.word.wake();
    }

    fn wait_for(&self, value: u64) {
        self.word.wait(|| {
            let seen = self.published.load(Acquire);
            (seen >= value).then_some(())
        });
    }
}

/// As many threads as values wait, each for one of them.
fn sleepers_and_a_publisher(fault: Fault, values: &'static [u64]) {
    let board = Board::new(fault);
    let sleepers: Vec<_> = values
        .iter()
        .map(|&value| {
            let board = Arc::clone(&board);
            thread::spawn(move || board.wait_for(value))
        })
        .collect();
    for value in 1..=values.iter().copied().max().unwrap_or(0) {
        board.publish(value);
    }
    for sleeper in sleepers {
        sleeper.join().expect("a sleeper ends");
    }
}

/// Two publishers, each of one unit, and who waits for both.
fn two_publishers(fault: Fault) {
    let board = Board::new(fault);
    let publishers: [_; 2] = std::array::from_fn(|_| {
        let board = Arc::clone(&board);
        thread::spawn(move || {
            // Relaxed: the fence in `wake` is all that orders it before the look.
            board.published.fetch_add(1, Relaxed);
            board.word.wake();
        })
    });
    board.wait_for(2);
    for publisher in publishers {
        publisher.join().expect("a publisher ends");
    }
}

#[test]
fn a_sleeper_is_woken() {
    holds(4, || sleepers_and_a_publisher(Fault::None, &[1]));
}

#[test]
fn a_sleeper_that_raises_the_flag_again_is_woken() {
    holds(3, || sleepers_and_a_publisher(Fault::None, &[2]));
}

#[test]
fn two_sleepers_are_woken() {
    holds(3, || sleepers_and_a_publisher(Fault::None, &[1, 2]));
}

#[test]
fn two_publishers_wake_a_sleeper() {
    holds(3, || two_publishers(Fault::None));
}

#[test]
fn a_publisher_without_a_barrier_is_caught() {
    is_caught(3, ASLEEP, || {
        sleepers_and_a_publisher(Fault::NoBarrierInPublisher, &[1]);
    });
}

#[test]
fn a_sleeper_without_a_barrier_is_caught() {
    is_caught(3, ASLEEP, || {
        sleepers_and_a_publisher(Fault::NoBarrierInSleeper, &[1]);
    });
}

#[test]
fn a_sleeper_that_does_not_look_again_is_caught() {
    is_caught(3, ASLEEP, || {
        sleepers_and_a_publisher(Fault::NoSecondLook, &[1]);
    });
}

#[test]
fn a_flag_lowered_after_the_wake_up_is_caught() {
    is_caught(4, ASLEEP, || {
        sleepers_and_a_publisher(Fault::FlagLoweredLate, &[2]);
    });
}

#[test]
fn a_word_that_does_not_count_wake_ups_is_caught() {
    is_caught(4, ASLEEP, || {
        sleepers_and_a_publisher(Fault::NoCount, &[1, 1]);
    });
}
