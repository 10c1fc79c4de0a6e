//! What an operation does that has caught up with the other side of a queue.
//!
//! A consumer that takes each element the moment it is there works on the cache lines that
//! the producer is about to write next, and so does the processor that fetches lines ahead
//! for it: every operation of either waits for a line to come over. Such a pair moves a
//! third or less of what it moves with some lines between the two. So whoever catches up
//! gives the other side a head start, before it answers "empty" or "full".
//!
//! That is worth it only while elements keep streaming: whether it was is seen at once, and
//! where it was in vain, as with one element at a time, it is done less and less often.
//! `shmds_inline.h` does the like for who keeps right behind others without catching up.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A moment, by the processor's time stamp counter: 0.8 microseconds at 2.6 GHz.
pub const MOMENT_TICKS: u64 = 2048;
/// A moment in pauses, where there is no such counter.
pub const MOMENT_PAUSES: u64 = 64;

/// After that many vain waits in a row the next ones do not become rarer.
const MOST_FAILURES: u64 = 12;

/// A head start goes on for a second moment when the other side has come a line of words
/// further in the first: it has its lines to itself now.
pub const FEW_WORDS: u64 = 8;
/// Nor does it go on when the other side has come that far.
pub const MANY_WORDS: u64 = 64;
/// A head start has paid when the other side has come that far: it moves faster than the two
/// would without.
pub const WORDS: u64 = 32;

/// Fewer elements than that are not worth a head start: the other side would wait, too.
pub const LEAST_CAPACITY: u64 = 64;

/// Gives others a head start; whether it has paid. `are_ahead` looks whether they have come
/// so many words further since it began.
pub(super) fn give_head_start(are_ahead: impl Fn(u64) -> bool) -> bool {
    pass_moment();
    #[cfg(test)]
    tests::meanwhile();
    if !are_ahead(FEW_WORDS) {
        return false;
    }
    if are_ahead(MANY_WORDS) {
        return true;
    }
    pass_moment();
    are_ahead(WORDS)
}

#[cfg(target_arch = "x86_64")]
fn pass_moment() {
    use core::arch::x86_64::_rdtsc;
    // SAFETY: every x86-64 processor has the instruction.
    let begin = unsafe { _rdtsc() };
    loop {
        core::hint::spin_loop();
        // SAFETY: as above.
        if unsafe { _rdtsc() }.wrapping_sub(begin) >= MOMENT_TICKS {
            return;
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn pass_moment() {
    for _ in 0..MOMENT_PAUSES {
        core::hint::spin_loop();
    }
}

/// What is remembered of one side, packed in a word: bits 0..32 where it last caught up,
/// 32..48 how many times it will not wait, 48.. how often it waited in vain.
///
/// A guide for speed, with no meaning for anything else: any 64 bits will do.
#[derive(Clone, Copy)]
pub(super) struct Patience(pub(super) u64);

impl Patience {
    const fn new(place: u64, omit: u64, failures: u64) -> Self {
        Self(place & 0xffff_ffff | omit << 32 | failures << 48)
    }

    const fn omit(self) -> u64 {
        self.0 >> 32 & 0xffff
    }

    const fn failures(self) -> u64 {
        let failures = self.0 >> 48;
        if failures > MOST_FAILURES {
            MOST_FAILURES
        } else {
            failures
        }
    }

    /// For who has caught up at `place`: whether to wait, and what to remember if not.
    /// `None`: it has looked there before, nothing is new.
    pub(super) const fn caught_up(self, place: u64) -> Option<(bool, Self)> {
        if (self.0 ^ place) & 0xffff_ffff == 0 {
            return None;
        }
        let omit = self.omit();
        if omit == 0 {
            return Some((true, self));
        }
        Some((false, Self::new(place, omit - 1, self.failures())))
    }

    /// What to remember of a wait at `place`, and of whether it paid.
    pub(super) const fn waited(self, place: u64, paid: bool) -> Self {
        if paid {
            return Self::new(place, 0, 0);
        }
        let failures = self.failures();
        Self::new(place, 1 << failures, failures + 1)
    }
}

/// Of a side that has caught up at `place`: gives the other one a head start if that is due,
/// and remembers in `memory` what came of it. Whether it paid; `None`: there was none.
///
/// `memory` is used by one thread at a time, and any value will do.
pub(super) fn wait_at(
    memory: &AtomicU64,
    place: u64,
    are_ahead: impl Fn(u64) -> bool,
) -> Option<bool> {
    // Relaxed: see above; its value decides about time only.
    let patience = Patience(memory.load(Relaxed));
    let (is_due, omitted) = patience.caught_up(place)?;
    let paid = is_due.then(|| give_head_start(are_ahead));
    let next = paid.map_or(omitted, |paid| patience.waited(place, paid));
    memory.store(next.0, Relaxed);
    paid
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    }

    /// Has something done in the first moment of this thread's next head start.
    pub(in crate::structures) fn in_the_next_moment(others: impl FnOnce() + 'static) {
        MEANWHILE.set(Some(Box::new(others)));
    }

    pub(super) fn meanwhile() {
        if let Some(others) = MEANWHILE.take() {
            others();
        }
    }

    /// Gives a head start in which others come so many words further in the first moment, and
    /// in both: whether it paid, and how often it was looked.
    fn head_start(first: u64, both: u64) -> (bool, usize) {
        let asked = RefCell::new(Vec::new());
        let paid = give_head_start(|words| {
            asked.borrow_mut().push(words);
            words
                <= if asked.borrow().len() < 3 {
                    first
                } else {
                    both
                }
        });
        (paid, asked.into_inner().len())
    }

    #[test]
    fn a_head_start_takes_a_second_moment_if_others_begin_to_get_ahead() {
        assert_eq!(head_start(0, MANY_WORDS), (false, 1));
        assert_eq!(head_start(FEW_WORDS - 1, MANY_WORDS), (false, 1));
        assert_eq!(head_start(FEW_WORDS, WORDS - 1), (false, 3));
        assert_eq!(head_start(FEW_WORDS, WORDS), (true, 3));
        assert_eq!(head_start(MANY_WORDS - 1, WORDS), (true, 3));
        assert_eq!(head_start(MANY_WORDS, 0), (true, 2));
    }

    /// At a place where no head start is due.
    fn goes_on(memory: &AtomicU64, place: u64) {
        assert_eq!(
            wait_at(memory, place, |_| unreachable!("none is due")),
            None
        );
    }

    #[test]
    fn a_wait_in_vain_is_left_out_twice_as_often_the_next_time() {
        let memory = AtomicU64::new(0);
        // Nothing is new at the first place.
        goes_on(&memory, 0);
        let mut place = 0;
        for failures in 0..=MOST_FAILURES + 2 {
            place += 1;
            assert_eq!(wait_at(&memory, place, |_| false), Some(false));
            for _ in 0..1 << failures.min(MOST_FAILURES) {
                goes_on(&memory, place);
                place += 1;
                goes_on(&memory, place);
            }
        }
    }

    #[test]
    fn a_wait_that_pays_is_repeated_at_the_next_place() {
        let memory = AtomicU64::new(Patience::new(0, 0, 3).0);
        for place in 1..=100 {
            assert_eq!(wait_at(&memory, place, |_| true), Some(true));
            goes_on(&memory, place);
        }
        // The failures before are forgotten.
        assert_eq!(wait_at(&memory, 101, |_| false), Some(false));
        goes_on(&memory, 102);
        assert_eq!(wait_at(&memory, 103, |_| true), Some(true));
    }
}
