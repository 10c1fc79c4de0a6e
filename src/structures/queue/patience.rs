//! What an operation does that has caught up with the other side.
//!
//! A consumer that takes each element the moment it is there works on the cache line that
//! the producer is about to write next, and every operation of either waits for that line:
//! such a pair moves half of what it moves with a few lines between the two. So whoever
//! catches up leaves the line alone for a moment, once, before it answers "empty" or "full".
//! That is worth it only while elements keep streaming: whether it was is seen at once, and
//! where it was in vain, as with one element at a time, the lane does it less and less often.

/// Looks away for this many pauses: long enough for the other side to do some dozens of
/// operations, once it has the line to itself.
pub(super) const PAUSES: u32 = 16;
/// After that many vain waits in a row the next ones do not become rarer.
const MOST_FAILURES: u64 = 12;
/// A wait has paid when the other side is a line ahead: eight words.
pub(super) const WORDS_PER_LINE: u64 = 8;

/// What a lane remembers of one side, packed in a word: bits 0..32 where it last caught up,
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

    /// For a lane that has caught up at `place`: whether it should wait, and what to
    /// remember if not. `None`: it has looked there before, nothing is new.
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
