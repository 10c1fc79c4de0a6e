//! What the producer does.

use super::{Corrupt, END, Ring, RingSide};
use crate::fault::Fault;
use core::sync::atomic::{
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    compiler_fence, fence,
};

impl Ring {
    /// `claim` and `tail`, as the producer finds them.
    #[inline]
    fn positions(&self) -> Result<(u64, u64), Corrupt> {
        let writer = &self.ends().writer;
        // Acquire: pairs with the last producer's Release; everything before its `tail` is
        // there. Its death is known from the kernel, and everything it stored is visible then.
        let tail = writer.tail.load(Acquire);
        let claim = writer.claim.load(Relaxed);
        let sound = tail < END && claim.saturating_sub(self.plan.capacity) <= tail;
        sound.then_some((claim, tail)).ok_or(Corrupt::Positions)
    }

    /// Elements there is room for, up to `wanted`.
    #[inline]
    fn room(&self, side: &RingSide, claim: u64, tail: u64, wanted: u64) -> Result<u64, Corrupt> {
        // The head only ever grows, whoever moves it: what it allowed once, it allows still.
        let limit = side.limit.load(Relaxed);
        if wanted <= limit.saturating_sub(tail).min(self.plan.capacity) {
            return Ok(wanted);
        }
        // Acquire: pairs with the consumer's Release; it has read the slots before its head.
        let head = self.ends().reader.head.load(Acquire);
        if head > tail {
            return Err(Corrupt::Positions);
        }
        let oldest = self.oldest(head, claim, tail);
        side.limit.store(oldest + self.plan.capacity, Relaxed);
        Ok(wanted.min(oldest + self.plan.capacity - tail))
    }

    /// Appends copies of up to `count` elements; how many there was room for. All of those
    /// are published at once.
    ///
    /// # Safety
    ///
    /// `source` has `count` elements. The calling thread is the producer.
    #[inline]
    pub unsafe fn push(
        &self,
        side: &RingSide,
        source: *const u8,
        count: u64,
    ) -> Result<u64, Corrupt> {
        let (claim, tail) = self.positions()?;
        let count = self.room(side, claim, tail, count)?;
        if count > 0 {
            // SAFETY: at most as many elements as the source has.
            unsafe { self.write(side, claim, tail, source, count, 0) }?;
        }
        Ok(count)
    }

    /// Appends copies of `count` elements, over the oldest ones where there is no room. All
    /// are published at once; of more than the capacity, the newest are kept.
    ///
    /// # Safety
    ///
    /// As for [`Ring::push`].
    #[inline]
    pub unsafe fn overwrite(
        &self,
        side: &RingSide,
        source: *const u8,
        count: u64,
    ) -> Result<(), Corrupt> {
        let (claim, tail) = self.positions()?;
        let passed = count.saturating_sub(self.plan.capacity);
        if count > END - tail {
            return Err(Corrupt::Positions); // No memory has that many.
        }
        if count > 0 {
            // SAFETY: `count` elements, of which the first are left out.
            unsafe {
                let newest = source.add((passed * self.plan.elem_size) as usize);
                self.write(side, claim, tail, newest, count - passed, passed)?;
            }
        }
        Ok(())
    }

    /// Writes `count` elements, at most the capacity, `passed` positions beyond the tail.
    ///
    /// # Safety
    ///
    /// `source` has `count` elements. The calling thread is the producer.
    #[inline]
    unsafe fn write(
        &self,
        side: &RingSide,
        claim: u64,
        tail: u64,
        source: *const u8,
        count: u64,
        passed: u64,
    ) -> Result<(), Corrupt> {
        let writer = &self.ends().writer;
        // At most a lap beyond the tail, whatever is passed over: if we die before the tail is
        // stored, our successor's elements are seen. Never lower than a dead predecessor's.
        let claimed = claim.max(tail + count);
        if !Fault::NoClaim.is_planted() {
            writer.claim.store(claimed, Relaxed);
        }
        if Fault::EarlyRingTail.is_planted() {
            writer.tail.store(tail + passed + count, Release);
        }
        // Release: before the elements are touched, for whoever sees any byte of them; pairs
        // with the Acquire fence in `copy_out`.
        fence(Release);
        let index = self.index(&side.base, tail + passed);
        let (offset, first, second) = self.parts(index, count);
        // SAFETY: `first + second` bytes are those of `count` elements. There is no other
        // producer, and whoever reads these slots meanwhile drops what it copied.
        let inside = unsafe {
            self.slots.write(offset, source, first)
                && (second == 0 || self.slots.write(0, source.add(first as usize), second))
        };
        if !inside {
            return Err(Corrupt::Geometry);
        }
        // The linearisation point. Release: whoever sees the position sees the elements.
        writer.tail.store(tail + passed + count, Release);
        // First published, then looked at the flag, for the compiler too; for the processor,
        // whoever sleeps there has seen to it (see `wait`).
        compiler_fence(SeqCst);
        self.ends().items.wake();
        Ok(())
    }
}
