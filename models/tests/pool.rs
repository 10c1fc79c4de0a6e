//! The object pool of `src/structures/pool/objects.rs` and `shmds_inline.h`: no object twice,
//! none torn, none hidden from searches, and a token is worth nothing after a release.
//!
//! The argument rests on one order of all SeqCst accesses, which loom does not know. But every
//! access to words, marks and summary is SeqCst, and all that change them are
//! read-modify-writes. So a load returns the latest value in that order, as here a
//! read-modify-write does that changes nothing: see [`Pool::look`].

use loom::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release};
use loom::thread;
use shmds_models::{Atomic, RACE, Slot, holds, is_caught};
use std::sync::Arc;

/// A mistake in the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// A search looks at the word first, and clears the mark then.
    MarkClearedLate,
    /// A release looks at the mark first, and frees the word then.
    MarkSeenEarly,
    /// Loads may return values older than the latest.
    WeakLoads,
    /// A release does not publish what the owner wrote.
    RelaxedRelease,
    /// An acquisition does not see what the last owner wrote.
    RelaxedAcquire,
    /// A release leaves the generation as it was.
    GenerationKept,
    /// Who clears a summary bit does not look at the marks again.
    NoSecondLook,
    /// Reclaiming stores the new word, whatever is there by now.
    BlindReclaim,
}

/// Bit of a live object's word; the owner is in the bits above.
const LIVE: u64 = 1;
const OWNER: u64 = 0xfe;
/// The generation is above the owner.
const RELEASE: u64 = 0x100;

fn claim(owner: u64) -> u64 {
    LIVE | owner << 1
}

struct Pool {
    words: Vec<Atomic>,
    objects: Vec<Slot>,
    marks: Vec<Atomic>,
    summary: Atomic,
    /// Objects for each word of marks.
    width: usize,
    fault: Fault,
}

impl Pool {
    /// Free objects, `width` of them for each of `marks` words of marks.
    fn new(marks: usize, width: usize, fault: Fault) -> Arc<Self> {
        let all = |bits: usize| (1 << bits) - 1;
        Arc::new(Self {
            words: (0..marks * width).map(|_| Atomic::new(0)).collect(),
            objects: (0..marks * width).map(|_| Slot::new(0)).collect(),
            marks: (0..marks).map(|_| Atomic::new(all(width))).collect(),
            summary: Atomic::new(all(marks)),
            width,
            fault,
        })
    }

    /// A SeqCst load of what only SeqCst read-modify-writes change.
    fn look(&self, word: &Atomic) -> u64 {
        match self.fault {
            Fault::WeakLoads => word.load(Acquire),
            _ => word.fetch_or(0, Acquire),
        }
    }

    fn order(&self, weak: Fault, instead: Ordering) -> Ordering {
        match self.fault == weak {
            true => instead,
            false => AcqRel,
        }
    }

    fn acquire_at(&self, index: usize, me: u64) -> bool {
        let word = self.look(&self.words[index]);
        let live = (word & !(LIVE | OWNER)) | claim(me);
        word & LIVE == 0
            && self.words[index]
                .compare_exchange(word, live, AcqRel, Relaxed)
                .is_ok()
    }

    /// As the library's `search`, from the first object on.
    fn search(&self, me: u64) -> Option<usize> {
        let mut summary = self.look(&self.summary);
        while summary != 0 {
            let at = summary.trailing_zeros() as usize;
            summary &= summary - 1;
            if let Some(index) = self.search_marked(at, me) {
                return Some(index);
            }
        }
        None
    }

    fn search_marked(&self, at: usize, me: u64) -> Option<usize> {
        let marks = &self.marks[at];
        let mut bits = self.look(marks);
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            bits &= bits - 1;
            let index = at * self.width + bit.trailing_zeros() as usize;
            if self.fault == Fault::MarkClearedLate {
                let acquired = self.acquire_at(index, me);
                marks.fetch_and(!bit, AcqRel);
                if acquired {
                    return Some(index);
                }
            } else if marks.fetch_and(!bit, AcqRel) & bit != 0 && self.acquire_at(index, me) {
                return Some(index);
            }
        }
        if self.look(marks) == 0 {
            self.summary.fetch_and(!(1 << at), AcqRel);
            if self.fault != Fault::NoSecondLook && self.look(marks) != 0 {
                self.summary.fetch_or(1 << at, AcqRel);
            }
        }
        None
    }

    /// As the library's `scan`.
    fn scan(&self, me: u64) -> Option<usize> {
        (0..self.words.len()).find(|&index| self.acquire_at(index, me))
    }

    /// Frees a live object; with a generation, only in that life.
    fn release(&self, index: usize, generation: Option<u64>) -> bool {
        let early = self.is_marked(index);
        let word = self.look(&self.words[index]);
        if word & LIVE == 0 || generation.is_some_and(|generation| generation != word / RELEASE) {
            return false;
        }
        let freed = match self.fault {
            Fault::GenerationKept => word & !(LIVE | OWNER),
            _ => (word & !(LIVE | OWNER)) + RELEASE,
        };
        let order = self.order(Fault::RelaxedRelease, Acquire);
        let released = self.words[index].compare_exchange(word, freed, order, Relaxed);
        if released.is_err() {
            return false;
        }
        let marked = match self.fault {
            Fault::MarkSeenEarly => early,
            _ => self.is_marked(index),
        };
        if !marked {
            self.mark(index);
        }
        true
    }

    fn is_marked(&self, index: usize) -> bool {
        self.look(&self.marks[index / self.width]) >> (index % self.width) & 1 != 0
    }

    fn mark(&self, index: usize) {
        let at = index / self.width;
        self.marks[at].fetch_or(1 << (index % self.width), AcqRel);
        if self.look(&self.summary) >> at & 1 == 0 {
            self.summary.fetch_or(1 << at, AcqRel);
        }
    }

    /// Frees what a dead owner has; how many.
    fn reclaim(&self, dead: u64) -> usize {
        let freed = |&index: &usize| {
            let word = self.look(&self.words[index]);
            let freed = (word & !(LIVE | OWNER)) + RELEASE;
            if word & (LIVE | OWNER) != claim(dead) {
                return false;
            }
            if self.fault == Fault::BlindReclaim {
                self.words[index].store(freed, Release);
            } else if self.words[index]
                .compare_exchange(word, freed, AcqRel, Relaxed)
                .is_err()
            {
                return false;
            }
            self.mark(index);
            true
        };
        (0..self.words.len()).filter(freed).count()
    }

    fn adopt(&self, index: usize, me: u64, dead: u64) -> bool {
        let word = self.look(&self.words[index]);
        word & (LIVE | OWNER) == claim(dead)
            && self.words[index]
                .compare_exchange(word, (word & !(LIVE | OWNER)) | claim(me), AcqRel, Relaxed)
                .is_ok()
    }

    /// Reads and writes an object as its owner: nobody else may touch it.
    fn use_object(&self, index: usize) {
        let before = self.objects[index].read();
        self.objects[index].write(before + 1);
    }

    /// Nobody is inside: searches find every object, and each once.
    fn check_all_found(&self) {
        for _ in 0..self.words.len() {
            assert!(self.search(9).is_some(), "hidden");
        }
        assert_eq!(self.scan(9), None, "twice");
    }
}

/// Each thread acquires an object by search, uses it and releases it, `rounds` times.
fn threads_share_a_pool(fault: Fault, marks: usize, width: usize, threads: u64, rounds: u64) {
    let pool = Pool::new(marks, width, fault);
    let work = |me: u64| {
        let pool = Arc::clone(&pool);
        move || {
            for _ in 0..rounds {
                if let Some(index) = pool.search(me) {
                    pool.use_object(index);
                    assert!(pool.release(index, None), "released by somebody else");
                }
            }
        }
    };
    let others: Vec<_> = (2..=threads).map(|me| thread::spawn(work(me))).collect();
    work(1)();
    for other in others {
        other.join().expect("a thread ends");
    }
    pool.check_all_found();
}

#[test]
fn two_threads_share_one_object() {
    holds(4, || threads_share_a_pool(Fault::None, 1, 1, 2, 2));
}

#[test]
fn two_threads_share_two_objects_of_one_word_of_marks() {
    holds(3, || threads_share_a_pool(Fault::None, 1, 2, 2, 1));
}

#[test]
fn two_threads_share_objects_of_two_words_of_marks() {
    holds(3, || threads_share_a_pool(Fault::None, 2, 1, 2, 1));
}

#[test]
fn three_threads_share_one_object() {
    holds(2, || threads_share_a_pool(Fault::None, 1, 1, 3, 1));
}

#[test]
fn a_mark_cleared_after_the_look_is_caught() {
    is_caught(4, "hidden", || {
        threads_share_a_pool(Fault::MarkClearedLate, 1, 1, 2, 1);
    });
}

#[test]
fn loads_that_are_too_weak_are_caught() {
    is_caught(4, "hidden", || {
        threads_share_a_pool(Fault::WeakLoads, 1, 1, 2, 1);
    });
}

#[test]
fn a_summary_bit_cleared_without_a_second_look_is_caught() {
    is_caught(4, "hidden", || {
        threads_share_a_pool(Fault::NoSecondLook, 1, 1, 2, 1);
    });
}

/// One object goes from hand to hand by guesses at its index alone.
fn an_object_is_acquired_by_its_index(fault: Fault) {
    let pool = Pool::new(1, 1, fault);
    let other = Arc::clone(&pool);
    let other = thread::spawn(move || {
        // What a thread remembers: the word as it was, never loaded anew.
        let order = other.order(Fault::RelaxedAcquire, Relaxed);
        let freed = RELEASE;
        let taken = other.words[0].compare_exchange(freed, freed | claim(2), order, Relaxed);
        if taken.is_ok() {
            other.use_object(0);
            assert!(other.release(0, None), "released by somebody else");
        }
    });
    if pool.search(1) == Some(0) {
        pool.use_object(0);
        assert!(pool.release(0, None), "released by somebody else");
    }
    other.join().expect("a thread ends");
    pool.check_all_found();
}

#[test]
fn a_word_that_is_remembered_is_as_good_as_one_that_is_loaded() {
    holds(4, || an_object_is_acquired_by_its_index(Fault::None));
}

#[test]
fn a_relaxed_release_is_caught() {
    is_caught(4, RACE, || {
        an_object_is_acquired_by_its_index(Fault::RelaxedRelease);
    });
}

#[test]
fn a_relaxed_acquisition_is_caught() {
    is_caught(4, RACE, || {
        an_object_is_acquired_by_its_index(Fault::RelaxedAcquire);
    });
}

/// Who holds an object that still has its mark releases it, while another one searches.
fn a_marked_object_is_released(fault: Fault) {
    let pool = Pool::new(1, 1, fault);
    assert!(pool.acquire_at(0, 1), "free");
    let other = Arc::clone(&pool);
    let other = thread::spawn(move || {
        if let Some(index) = other.search(2) {
            other.use_object(index);
            assert!(other.release(index, None), "released by somebody else");
        }
    });
    pool.use_object(0);
    assert!(pool.release(0, None), "released by somebody else");
    other.join().expect("a thread ends");
    pool.check_all_found();
}

#[test]
fn an_object_that_kept_its_mark_is_found_after_its_release() {
    holds(4, || a_marked_object_is_released(Fault::None));
}

#[test]
fn a_mark_looked_at_before_the_release_is_caught() {
    is_caught(4, "hidden", || {
        a_marked_object_is_released(Fault::MarkSeenEarly);
    });
}

/// A token is kept over the release of its object, while somebody else acquires that.
fn a_token_goes_stale(fault: Fault) {
    let pool = Pool::new(1, 1, fault);
    assert_eq!(pool.search(1), Some(0));
    let token = pool.words[0].load(Relaxed) / RELEASE;
    let other = Arc::clone(&pool);
    let other = thread::spawn(move || {
        let got = other.search(2).or_else(|| other.scan(2));
        if let Some(index) = got {
            other.use_object(index);
            assert!(other.release(index, None), "released by somebody else");
        }
    });
    pool.use_object(0);
    assert!(pool.release(0, Some(token)), "the first time");
    assert!(!pool.release(0, Some(token)), "released by somebody else");
    other.join().expect("a thread ends");
}

#[test]
fn a_stale_token_releases_nothing() {
    holds(4, || a_token_goes_stale(Fault::None));
}

#[test]
fn a_generation_that_is_not_raised_is_caught() {
    is_caught(4, "released by somebody else", || {
        a_token_goes_stale(Fault::GenerationKept);
    });
}

/// An owner is dead: one thread reclaims, one adopts, and one acquires what there is.
fn an_owner_is_dead(fault: Fault) {
    const DEAD: u64 = 7;
    let pool = Pool::new(1, 1, fault);
    assert_eq!(pool.search(DEAD), Some(0));
    let adopter = Arc::clone(&pool);
    let adopter = thread::spawn(move || {
        let adopted = adopter.adopt(0, 1, DEAD);
        if adopted {
            adopter.use_object(0);
            assert!(adopter.release(0, None), "released by somebody else");
        }
        adopted
    });
    let seeker = Arc::clone(&pool);
    let seeker = thread::spawn(move || {
        if let Some(index) = seeker.search(2) {
            seeker.use_object(index);
            assert!(seeker.release(index, None), "released by somebody else");
        }
    });
    let reclaimed = pool.reclaim(DEAD);
    let adopted = adopter.join().expect("the adopter ends");
    seeker.join().expect("the seeker ends");
    assert_eq!(reclaimed + usize::from(adopted), 1, "both, or neither");
    pool.check_all_found();
}

#[test]
fn what_a_dead_owner_had_is_adopted_or_reclaimed() {
    holds(2, || an_owner_is_dead(Fault::None));
}

#[test]
fn reclaiming_without_a_compare_and_swap_is_caught() {
    is_caught(2, "both, or neither", || {
        an_owner_is_dead(Fault::BlindReclaim)
    });
}

/// Somebody dies in a search, after clearing a mark; an object is released meanwhile.
#[test]
fn who_dies_after_clearing_a_mark_hides_nothing_from_a_look_at_all_words() {
    holds(4, || {
        let pool = Pool::new(1, 2, Fault::None);
        let victim = Arc::clone(&pool);
        let victim = thread::spawn(move || victim.marks[0].fetch_and(!1, AcqRel));
        if let Some(index) = pool.search(1) {
            pool.use_object(index);
            assert!(pool.release(index, None), "released by somebody else");
        }
        victim.join().expect("the victim ends");
        for _ in 0..2 {
            assert!(pool.search(1).or_else(|| pool.scan(1)).is_some(), "lost");
        }
        assert_eq!(pool.scan(1), None, "twice");
    });
}
