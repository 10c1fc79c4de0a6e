//! What a thread released last, so that it gets the same object back: the one whose lines
//! its processor still has.
//!
//! A chain: the thread remembers its top, and each object's link names the one that was
//! released before it. Links lie in the segment, one per object, and are hints: if several
//! threads have one object in their chains, the last one to write its link leads the others
//! astray. So a chain is followed for a few steps only, what it leads to is acquired by its
//! word or not at all, and whoever gets lost begins anew.
//!
//! A thread alone gets the last released first, at any depth: the top may be an object that
//! the thread has acquired itself (then the chain goes on behind it, unchanged), and no
//! other object of the chain is live.

use super::layout::{INVALID, Word};
use super::objects::{Acquired, Objects};
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Threads of one process that remember apart from each other; beyond, they share.
pub(super) const THREADS: usize = 64;

/// How far a chain is followed past objects that somebody else acquired.
const MOST_STEPS: u32 = 16;

/// What a thread remembers of one pool, in private memory. Threads may share it: what
/// they find there are guesses, and a CAS proves each. For shmds_inline.h.
///
/// A store that a CAS has to wait for costs more than all loads around it, and a load of
/// the word that the last CAS wrote costs more than either. So the generation is kept here,
/// and to acquire the top writes nothing.
// All Relaxed, then: nothing is published by it.
#[repr(C)]
pub struct Recent {
    /// The top of the chain: its handle in the low half, all ones if there is none; its
    /// generation, as far as known, in the high half.
    pub top: AtomicU64,
    /// The same as `top`: the top is known to be live, or there is none. Another value: it
    /// is free, or the thread acquired it since.
    pub live: AtomicU64,
    /// Word of marks where a free object was found last; all ones: none was.
    pub found_at: AtomicU32,
    /// Zero.
    pub reserved: [u32; 11],
}

const _: () = assert!(size_of::<Recent>() == 64);

/// The top of an empty chain.
const NO_TOP: u64 = INVALID as u64;

const fn top_of(index: u32, word: Word) -> u64 {
    (word.generation() as u64) << 32 | index as u64
}

impl Recent {
    /// Nothing to remember.
    pub(super) const fn new() -> Self {
        Self {
            top: AtomicU64::new(NO_TOP),
            live: AtomicU64::new(NO_TOP),
            found_at: AtomicU32::new(INVALID),
            reserved: [0; 11],
        }
    }

    /// Forgets everything.
    pub fn forget(&self) {
        self.set(NO_TOP, true);
        self.found_at.store(INVALID, Relaxed);
    }

    fn set(&self, top: u64, live: bool) {
        self.top.store(top, Relaxed);
        self.live.store(if live { top } else { !top }, Relaxed);
    }

    /// Acquires what was released last, if it still is free.
    #[inline]
    pub fn acquire(&self, objects: &Objects, claim: u64) -> Option<u32> {
        let top = self.top.load(Relaxed);
        let index = top as u32;
        if self.live.load(Relaxed) != top {
            // As a release leaves it: the generation, and nothing else.
            let free = Word(top).with(0);
            if objects.acquire_known(index, free, claim).is_some() {
                return Some(index);
            }
        }
        if index == INVALID {
            return None;
        }
        self.acquire_below(index, objects, claim)
    }

    /// The same, for what the chain has below its top.
    fn acquire_below(&self, top: u32, objects: &Objects, claim: u64) -> Option<u32> {
        let mut at = top;
        for _ in 0..MOST_STEPS {
            at = match link(objects, at) {
                Some(link) => link.load(Relaxed),
                None => break,
            };
            if let Some(acquired) = objects.acquire(at, claim) {
                self.set(top_of(at, acquired.word), true);
                return Some(at);
            }
        }
        self.set(NO_TOP, true);
        None
    }

    /// Remembers an object that was acquired when the chain was at its end.
    pub fn begin(&self, objects: &Objects, acquired: Acquired) {
        set_link(objects, acquired.index, INVALID);
        self.set(top_of(acquired.index, acquired.word), true);
    }

    /// Remembers an object that was just released, with its new word.
    #[inline]
    pub fn released(&self, objects: &Objects, index: u32, word: Word) {
        let known = self.top.load(Relaxed);
        let top = known as u32;
        if top != index {
            // A top that is live, mostly the thread's own, leaves the chain.
            let is_live = || objects.word(top).is_some_and(Word::is_live);
            let below = if self.live.load(Relaxed) == known || is_live() {
                link(objects, top).map_or(INVALID, |link| link.load(Relaxed))
            } else {
                top
            };
            set_link(objects, index, below);
        }
        self.set(top_of(index, word), false);
    }
}

fn link(objects: &Objects, index: u32) -> Option<&AtomicU32> {
    objects.links.get(index as usize)
}

/// Not written again if it says so already, as it does when objects come and go in turns.
fn set_link(objects: &Objects, index: u32, to: u32) {
    if let Some(link) = link(objects, index).filter(|link| link.load(Relaxed) != to) {
        link.store(to, Relaxed);
    }
}

/// Which of the numbers below [`THREADS`] threads have.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// For threads beyond.
static SHARED: AtomicU32 = AtomicU32::new(0);

/// A thread's number, given back when the thread ends.
struct Number(Cell<Option<(u32, bool)>>);

thread_local! {
    static NUMBER: Number = const { Number(Cell::new(None)) };
}

impl Number {
    fn get(&self) -> u32 {
        if let Some((number, _)) = self.0.get() {
            return number;
        }
        let lowest_free = |taken: u64| (taken != u64::MAX).then(|| taken | (taken + 1));
        // Relaxed: only its being unique matters.
        let taken = TAKEN.fetch_update(Relaxed, Relaxed, lowest_free);
        let number = match taken {
            Ok(before) => (before.trailing_ones(), true),
            Err(_) => (SHARED.fetch_add(1, Relaxed) % THREADS as u32, false),
        };
        self.0.set(Some(number));
        number.0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some((number, true)) = self.0.get() {
            TAKEN.fetch_and(!(1 << number), Relaxed);
        }
    }
}

/// A number below [`THREADS`] that this thread has to itself, unless there are more threads.
/// One that is ending shares the first.
pub(super) fn thread_number() -> u32 {
    NUMBER.try_with(Number::get).unwrap_or(0)
}
