//! What consumers and observers do.
//!
//! Every copy here may race with an overwriting producer, which is another process more
//! often than not: no language has a word for that, so the bytes are taken for noise until
//! `claim` has been looked at. A byte of a later element can be among them only if that
//! element's `claim` was stored before it; the producer's Release fence and the reader's
//! Acquire fence then make the reader's load of `claim` see that store, or a later one.
//! The copy itself is a call of the C library's, which no compiler looks into.

use super::{Corrupt, END, Ring, RingSide};
use core::sync::atomic::{
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    compiler_fence, fence,
};

/// How often a reader tries again when everything it copied was overwritten meanwhile.
const TRIES: u32 = 64;

/// What is there to be read.
#[derive(Clone, Copy)]
struct Window {
    head: u64,
    /// Position of the oldest element that is not consumed and not overwritten.
    oldest: u64,
    tail: u64,
}

/// How much further than the oldest element a reader begins after `attempt` failures: where
/// the producer is faster, the oldest one is always gone by the time it is copied.
fn margin(attempt: u32, ready: u64) -> u64 {
    match attempt {
        0 => 0,
        attempt => (1 << attempt.min(62)).min(ready / 2),
    }
}

impl Ring {
    /// Position of the oldest element there is: neither consumed nor, by these, overwritten.
    #[inline]
    pub(super) fn oldest(&self, head: u64, claim: u64, tail: u64) -> u64 {
        let kept = claim.max(tail).saturating_sub(self.plan.capacity);
        head.max(kept).min(tail)
    }

    /// The words, in an order in which each only makes what is there more.
    #[inline]
    fn look(&self, head: u64) -> Window {
        let writer = &self.ends().writer;
        let claim = writer.claim.load(Relaxed);
        // Acquire: pairs with the producer's Release; the elements before it are there.
        let tail = writer.tail.load(Acquire);
        Window {
            head,
            oldest: self.oldest(head, claim, tail),
            tail,
        }
    }

    /// What is there for a consumer.
    #[inline]
    fn window(&self) -> Window {
        // The head first. Acquire: pairs with the consumer's Release, so that a tail which it
        // had seen is seen here.
        self.look(self.ends().reader.head.load(Acquire))
    }

    /// The same, if it makes sense.
    #[inline]
    fn sound_window(&self) -> Result<Window, Corrupt> {
        let window = self.window();
        let sound = window.head <= window.tail && window.tail < END;
        sound.then_some(window).ok_or(Corrupt::Positions)
    }

    /// Copies elements out, at most the capacity, and moves those to the front that were not
    /// overwritten meanwhile; how many were. What lies behind the rest in `target` is noise.
    ///
    /// # Safety
    ///
    /// `target` has room for `count` elements.
    #[inline]
    unsafe fn copy_out(
        &self,
        index: u64,
        from: u64,
        target: *mut u8,
        count: u64,
    ) -> Result<u64, Corrupt> {
        let (offset, first, second) = self.parts(index, count);
        // SAFETY: as many bytes as `count` elements have.
        let inside = unsafe {
            self.slots.read_racing(offset, target, first)
                && (second == 0
                    || self
                        .slots
                        .read_racing(0, target.add(first as usize), second))
        };
        if !inside {
            return Err(Corrupt::Geometry);
        }
        // Acquire: after the copy; see the head of this file.
        fence(Acquire);
        let claim = self.ends().writer.claim.load(Relaxed);
        let passed = claim.saturating_sub(self.plan.capacity);
        let torn = passed.saturating_sub(from).min(count);
        if torn > 0 && torn < count {
            let elem_size = self.plan.elem_size;
            let (gone, kept) = (torn * elem_size, (count - torn) * elem_size);
            // SAFETY: both lie in the first `count` elements of `target`, which is private.
            unsafe { core::ptr::copy(target.add(gone as usize), target, kept as usize) };
        }
        Ok(torn)
    }

    /// Copies up to `count` of the oldest elements out, then takes them at once; how many
    /// there were. None also when whatever was there was overwritten while being copied,
    /// again and again.
    ///
    /// # Safety
    ///
    /// `target` has room for `count` elements. The calling thread is the consumer.
    #[inline]
    pub unsafe fn pop(&self, side: &RingSide, target: *mut u8, count: u64) -> Result<u64, Corrupt> {
        for attempt in 0..TRIES {
            let window = self.sound_window()?;
            let ready = window.tail - window.oldest;
            let from = window.oldest + margin(attempt, ready);
            let count = count.min(window.tail - from);
            let mut torn = 0;
            if count > 0 {
                let index = self.index(&side.base, from);
                // SAFETY: room for at least as many elements.
                torn = unsafe { self.copy_out(index, from, target, count) }?;
                if torn == count {
                    continue;
                }
            } else if from == window.head {
                return Ok(0);
            }
            self.take(from + count, from - window.head + torn);
            return Ok(count - torn);
        }
        Ok(0)
    }

    /// Drops up to `count` of the oldest elements; how many there were. The calling thread
    /// is the consumer.
    pub fn skip(&self, count: u64) -> Result<u64, Corrupt> {
        let window = self.sound_window()?;
        let count = count.min(window.tail - window.oldest);
        if window.oldest + count > window.head {
            let lost = window.oldest - window.head;
            self.take(window.oldest + count, lost);
        }
        Ok(count)
    }

    /// Moves the head on, counts what was lost on the way, and tells the producer: the
    /// linearisation point of what consumes.
    #[inline]
    fn take(&self, to: u64, lost: u64) {
        let reader = &self.ends().reader;
        // Release: the slots are read before the producer sees the head.
        reader.head.store(to, Release);
        if lost > 0 {
            // Relaxed: nobody else stores it, and it says nothing about other memory.
            let before = reader.lost.load(Relaxed);
            reader.lost.store(before.wrapping_add(lost), Relaxed);
        }
        // As in `write`.
        compiler_fence(SeqCst);
        self.ends().space.wake();
    }

    /// Copies up to `count` elements out from `offset` elements behind the oldest on, or,
    /// where the first of them are overwritten meanwhile, those behind them.
    ///
    /// # Safety
    ///
    /// `target` has room for `count` elements.
    pub unsafe fn peek(&self, offset: u64, target: *mut u8, count: u64) -> Result<u64, Corrupt> {
        for attempt in 0..TRIES {
            let window = self.sound_window()?;
            let ready = (window.tail - window.oldest).saturating_sub(offset);
            let skipped = margin(attempt, ready);
            let count = count.min(ready - skipped);
            if count == 0 {
                return Ok(0);
            }
            let from = window.oldest + offset + skipped;
            // SAFETY: room for at least as many elements.
            let torn = unsafe { self.copy_out(from % self.plan.capacity, from, target, count) }?;
            if torn < count {
                return Ok(count - torn);
            }
        }
        Ok(0)
    }

    /// Copies the newest `count` elements out of those that are not consumed, oldest first,
    /// or as many of them as there are and were not overwritten meanwhile.
    ///
    /// # Safety
    ///
    /// `target` has room for `count` elements.
    pub unsafe fn last(&self, target: *mut u8, count: u64) -> Result<u64, Corrupt> {
        for attempt in 0..TRIES {
            let window = self.sound_window()?;
            // Fewer are sooner copied.
            let wanted = if attempt == 0 {
                count
            } else {
                (count >> attempt).max(1).min(count)
            };
            let count = wanted.min(window.tail - window.oldest);
            if count == 0 {
                return Ok(0);
            }
            let from = window.tail - count;
            // SAFETY: room for at least as many elements.
            let torn = unsafe { self.copy_out(from % self.plan.capacity, from, target, count) }?;
            if torn < count {
                return Ok(count - torn);
            }
        }
        Ok(0)
    }

    /// Copies up to `count` elements out from `cursor` on, consumed or not, and moves the
    /// cursor behind them; how many there were, and how many before them were overwritten.
    /// `None` for a cursor that this ring cannot have given.
    ///
    /// # Safety
    ///
    /// `target` has room for `count` elements.
    pub unsafe fn observe(
        &self,
        cursor: &mut u64,
        target: *mut u8,
        count: u64,
    ) -> Result<Option<(u64, u64)>, Corrupt> {
        let begin = *cursor;
        for attempt in 0..TRIES {
            let window = self.look(begin);
            if window.tail >= END {
                return Err(Corrupt::Positions);
            }
            if begin > window.tail {
                return Ok(None);
            }
            let from = window.oldest + margin(attempt, window.tail - window.oldest);
            let count = count.min(window.tail - from);
            let mut torn = 0;
            if count > 0 {
                // SAFETY: room for at least as many elements.
                torn = unsafe { self.copy_out(from % self.plan.capacity, from, target, count) }?;
                if torn == count {
                    continue;
                }
            }
            *cursor = from + count;
            return Ok(Some((count - torn, from - begin + torn)));
        }
        Ok(Some((0, 0)))
    }

    /// The cursor of an observer that is `behind` elements behind the newest, or at the
    /// oldest one there is if there are fewer.
    pub fn cursor(&self, behind: u64) -> u64 {
        let window = self.look(0);
        window.tail.saturating_sub(behind).max(window.oldest)
    }

    /// Number of elements, never above the capacity: exact while nobody operates.
    pub fn len(&self) -> u64 {
        let window = self.window();
        window.tail - window.oldest
    }

    /// Whether there was nothing at one moment during the call.
    pub fn is_empty(&self) -> bool {
        // If the tail is no further on than the head that was loaded before it, the head had
        // come no further by then.
        self.len() == 0
    }

    /// Whether there was no room at one moment during the call.
    pub fn is_full(&self) -> bool {
        let ends = self.ends();
        let claim = ends.writer.claim.load(Relaxed);
        // The tail before the head: if the head is a lap behind it then, the tail still is a
        // lap ahead, at least.
        let tail = ends.writer.tail.load(Acquire);
        let head = ends.reader.head.load(Acquire);
        tail - self.oldest(head, claim, tail) == self.plan.capacity
    }

    /// Elements written since creation.
    pub fn written(&self) -> u64 {
        self.ends().writer.tail.load(Acquire)
    }

    /// Elements consumed, skipped or lost since creation.
    pub fn consumed(&self) -> u64 {
        self.window().oldest
    }

    /// Elements that were overwritten before they were consumed.
    pub fn lost(&self) -> u64 {
        let window = self.window();
        let found = self.ends().reader.lost.load(Relaxed);
        found.wrapping_add(window.oldest.saturating_sub(window.head))
    }
}
