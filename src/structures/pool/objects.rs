//! The objects' words, and how a free one is found.
//!
//! All accesses that decide something are SeqCst: the argument that no free object stays
//! unmarked needs one order of the four accesses of a release (free the word, look at the
//! mark) and a search (clear the mark, look at the word). On x86 they cost nothing more.

use super::layout::{BITS, Header, Plan, Word};
use super::{Corrupt, Refusal};
use crate::raw::{List, Ref, Region, Slots};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicU32, AtomicU64};
use std::collections::HashMap;

/// How often a word may change under an operation, without the object being released.
const MOST_CHANGES: u32 = 1000;

/// An object that was just acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// Its handle.
    pub index: u32,
    /// Its word, as the acquisition left it.
    pub word: Word,
}

/// The parts of a pool, checked once.
pub struct Objects {
    plan: Plan,
    header: Ref<Header>,
    pub(super) words: List<AtomicU64>,
    pub(super) marks: List<AtomicU64>,
    pub(super) summary: List<AtomicU64>,
    pub(super) links: List<AtomicU32>,
    slots: Slots,
}

/// Opens the pool in an extent, if its bytes describe one.
pub fn open(region: Region) -> Result<Objects, Corrupt> {
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    let plan = Plan::read(&header, region)?;
    let parts = || {
        Some(Objects {
            words: region.list(plan.words_offset, plan.capacity)?,
            marks: region.list(plan.marks_offset, plan.marks())?,
            summary: region.list(plan.summary_offset, plan.summary())?,
            links: region.list(plan.links_offset, plan.capacity)?,
            slots: region.slots(plan.objects_offset, plan.elem_size, plan.capacity)?,
            header,
            plan,
        })
    };
    parts().ok_or(Corrupt::Geometry)
}

/// The place of a bit: which word, and the bit there.
#[inline]
const fn bit_of(index: u64) -> (usize, u64) {
    ((index / BITS) as usize, 1 << (index % BITS))
}

impl Objects {
    /// The pool's geometry.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where an object lies; `None` if there is no such object.
    #[inline]
    pub fn address(&self, index: u32) -> Option<NonNull<u8>> {
        self.slots.address(index as usize)
    }

    /// An object's word; `None` if there is no such object.
    #[inline]
    pub fn word(&self, index: u32) -> Option<Word> {
        Some(Word(self.words.get(index as usize)?.load(SeqCst)))
    }

    /// Acquires an object whose word is thought to be `word`. The linearisation point of
    /// every acquisition; what its last owner wrote is visible from here on.
    #[inline]
    pub fn acquire_known(&self, index: u32, word: Word, claim: u64) -> Option<Acquired> {
        let cell = self.words.get(index as usize)?;
        let live = word.with(claim);
        if word.is_live()
            || cell
                .compare_exchange(word.0, live.0, SeqCst, Relaxed)
                .is_err()
        {
            return None;
        }
        Some(Acquired { index, word: live })
    }

    /// Acquires an object if it is free.
    #[inline]
    pub fn acquire(&self, index: u32, claim: u64) -> Option<Acquired> {
        self.acquire_known(index, self.word(index)?, claim)
    }

    /// Frees a live object; with a generation, only in that life. Returns its new word.
    /// To be followed by [`Objects::mark`].
    #[inline]
    pub fn release(&self, index: u32, generation: Option<u32>) -> Result<Word, Refusal> {
        // The linearisation point of every release; publishes what the owner wrote.
        self.change(index, generation, |word| Ok(word.released()))
    }

    /// Makes the owner of `claim` that of a live object, if whoever has it is gone, or
    /// gave it up.
    pub fn adopt(
        &self,
        index: u32,
        claim: u64,
        is_dead: impl Fn(Word) -> bool,
    ) -> Result<Word, Refusal> {
        self.change(index, None, |word| {
            let own = word.low_half() == claim;
            if own || word.slot().is_none() || is_dead(word) {
                Ok(word.with(claim))
            } else {
                Err(Refusal::Owned)
            }
        })
    }

    /// Gives a live object up for adoption, if it is the owner's of `claim`, or of nobody
    /// who lives.
    pub fn disown(
        &self,
        index: u32,
        claim: u64,
        is_dead: impl Fn(Word) -> bool,
    ) -> Result<Word, Refusal> {
        self.change(index, None, |word| {
            let own = word.low_half() == claim;
            if own || word.slot().is_none() || is_dead(word) {
                Ok(word.disowned())
            } else {
                Err(Refusal::Owned)
            }
        })
    }

    /// Replaces the word of a live object, unless `next` refuses: one CAS, repeated only
    /// if the owner changed meanwhile.
    fn change(
        &self,
        index: u32,
        generation: Option<u32>,
        next: impl Fn(Word) -> Result<Word, Refusal>,
    ) -> Result<Word, Refusal> {
        let cell = self.words.get(index as usize).ok_or(Refusal::Free)?;
        let first = Word(cell.load(SeqCst));
        let mut word = first;
        for _ in 0..MOST_CHANGES {
            if generation.is_some_and(|generation| generation != word.generation()) {
                return Err(Refusal::Stale);
            }
            // Another life than the one that this call met: somebody else released it.
            if !word.is_live() || word.generation() != first.generation() {
                return Err(Refusal::Free);
            }
            let to = next(word)?;
            match cell.compare_exchange(word.0, to.0, SeqCst, SeqCst) {
                Ok(_) => return Ok(to),
                Err(found) => word = Word(found),
            }
        }
        Err(Refusal::Unsettled)
    }

    /// Makes an object that was just freed findable. Whoever cleared its mark before this
    /// looked finds it free.
    #[inline]
    pub fn mark(&self, index: u32) {
        let (at, bit) = bit_of(u64::from(index));
        let Some(marks) = self.marks.get(at) else {
            return;
        };
        if marks.load(SeqCst) & bit == 0 {
            marks.fetch_or(bit, SeqCst);
            self.mark_summary(at as u64);
        }
    }

    /// Also where the word had marks before: whoever was to restore the summary bit may
    /// have been killed.
    #[cold]
    fn mark_summary(&self, marks: u64) {
        let (at, bit) = bit_of(marks);
        let Some(summary) = self.summary.get(at) else {
            return;
        };
        if summary.load(SeqCst) & bit == 0 {
            summary.fetch_or(bit, SeqCst);
        }
    }

    /// Acquires some free object, looking at marks from the word of marks `start` on.
    pub fn search(&self, start: u64, claim: u64) -> Option<Acquired> {
        let count = self.plan.summary();
        let first = start / BITS % count;
        // The first summary word twice: from `start` on at first, and the rest at last.
        for step in 0..=count {
            let at = (first + step) % count;
            let beyond = u64::MAX << (start % BITS);
            let part = match step {
                0 => beyond,
                step if step == count => !beyond,
                _ => u64::MAX,
            };
            let mut bits = self.summary.get(at as usize)?.load(SeqCst) & part;
            while bits != 0 {
                let marks = at * BITS + u64::from(bits.trailing_zeros());
                bits &= bits - 1;
                let acquired = self.acquire_marked(marks, claim);
                if acquired.is_some() {
                    return acquired;
                }
            }
        }
        None
    }

    /// Acquires a free object of those that one word of marks is about.
    fn acquire_marked(&self, at: u64, claim: u64) -> Option<Acquired> {
        let marks = self.marks.get(at as usize)?;
        let mut bits = marks.load(SeqCst);
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            bits &= bits - 1;
            // The mark first, then the word: whoever frees it from here on marks it again.
            if marks.fetch_and(!bit, SeqCst) & bit == 0 {
                continue; // Somebody else looks at this one.
            }
            let index = at * BITS + u64::from(bit.trailing_zeros());
            let acquired = self.acquire(index as u32, claim);
            if acquired.is_some() {
                return acquired;
            }
        }
        self.unmark_summary(at, marks);
        None
    }

    /// Clears the summary bit of a word without marks; sets it again if one was set meanwhile.
    fn unmark_summary(&self, at: u64, marks: &AtomicU64) {
        let (word, bit) = bit_of(at);
        let Some(summary) = self.summary.get(word) else {
            return;
        };
        if marks.load(SeqCst) == 0 {
            summary.fetch_and(!bit, SeqCst);
            if marks.load(SeqCst) != 0 {
                summary.fetch_or(bit, SeqCst);
            }
        }
    }

    /// Acquires some free object, looking at every word: finds what has no mark, because
    /// somebody was killed or stopped, and marks its neighbours if they are free.
    #[cold]
    pub fn scan(&self, start: u64, claim: u64) -> Option<Acquired> {
        let capacity = self.plan.capacity;
        let first = start.wrapping_mul(BITS) % capacity;
        let all = (first..capacity).chain(0..first);
        let acquired = all
            .filter(|&index| self.is_free(index as u32))
            .find_map(|index| self.acquire(index as u32, claim))?;
        let end = (u64::from(acquired.index) + BITS).min(capacity) as u32;
        for index in acquired.index + 1..end {
            if self.is_free(index) {
                self.mark(index);
            }
        }
        Some(acquired)
    }

    #[inline]
    fn is_free(&self, index: u32) -> bool {
        self.word(index).is_some_and(|word| !word.is_live())
    }

    /// All words, one after the other.
    fn all(&self) -> impl Iterator<Item = Word> {
        self.words.iter().map(|word| Word(word.load(SeqCst)))
    }

    /// Number of live objects; exact while nobody acquires or releases. Looks at every word.
    pub fn count(&self) -> u64 {
        self.all().filter(|word| word.is_live()).count() as u64
    }

    /// Whether every object is live. Looks at words until one is free.
    pub fn is_full(&self) -> bool {
        self.all().all(Word::is_live)
    }

    /// Whether no object is live. Looks at words until one is live.
    pub fn is_empty(&self) -> bool {
        !self.all().any(Word::is_live)
    }

    /// Frees the objects of dead owners, asking about each owner once; returns how many.
    /// Objects that are free have their marks afterwards.
    pub fn reclaim(&self, is_dead: impl Fn(Word) -> bool) -> u64 {
        let mut dead = HashMap::new();
        let mut freed = 0;
        for (index, cell) in (0..).zip(self.words.iter()) {
            let word = Word(cell.load(SeqCst));
            if !word.is_live() {
                self.mark(index);
                continue;
            }
            let owner = word.low_half();
            if word.slot().is_none() || !*dead.entry(owner).or_insert_with(|| is_dead(word)) {
                continue;
            }
            // Only from the dead owner: who adopted or released it meanwhile has it.
            let freed_now = cell.compare_exchange(word.0, word.released().0, SeqCst, Relaxed);
            if freed_now.is_ok() {
                self.mark(index);
                freed += 1;
            }
        }
        freed
    }

    /// Counts a release that was refused.
    pub fn count_refusal(&self) {
        // Relaxed: only the number matters.
        self.header.refused.fetch_add(1, Relaxed);
    }

    /// How many releases were refused.
    pub fn refused(&self) -> u64 {
        self.header.refused.load(Relaxed)
    }
}
