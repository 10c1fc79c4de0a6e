//! Finding the position when the hint does not name it.

use core::sync::atomic::Ordering::Acquire;

use super::Corrupt;
use super::ring::{Position, Ring, Sight, TAIL};

/// An offset from where a search is at which the hints are asked.
const FAR: u64 = 8;

/// Where an operation currently believes its position is.
pub(super) struct Cursor {
    pub(super) at: Position,
    /// The hint proved to be nonsense and the position was derived from the words instead.
    resynced: bool,
}

impl Cursor {
    pub(super) fn new(at: Position) -> Self {
        Self {
            at,
            resynced: false,
        }
    }
}

impl Ring {
    /// Moves the cursor on to this side's position, and sights the word there: to be
    /// exchanged, or exactly the word that means full, or empty.
    ///
    /// Ends unless others keep exchanging: `seek` returns a position that it saw unpassed.
    pub(super) fn find<const SIDE: u64>(&self, cursor: &mut Cursor) -> Result<Sight<'_>, Corrupt> {
        loop {
            match self.look::<SIDE>(cursor.at) {
                // All before is passed and this is not: it is this side's position.
                Some(sight) if sight.ahead == 0 => return Ok(sight),
                // Same, and the other side is exactly one capacity, or nothing, away.
                Some(sight) if sight.ahead == self.blocked() => return Ok(sight),
                // Others were here since the hint was stored.
                Some(sight) if sight.ahead > 0 => {
                    cursor.at = self.seek::<SIDE>(cursor.at, sight.ahead);
                }
                // The hint is ahead of the truth or out of range: no process of ours stored
                // it. The words alone tell the position, if they agree with each other.
                _ if !cursor.resynced => {
                    cursor.resynced = true;
                    cursor.at = self.resync::<SIDE>()?;
                }
                _ => return Err(Corrupt::Laps),
            }
        }
    }

    /// This side's position right now, and whether its word is ready to be exchanged.
    pub(super) fn locate<const SIDE: u64>(&self) -> Result<(Position, bool), Corrupt> {
        let mut cursor = Cursor::new(self.hinted::<SIDE>());
        let ready = self.find::<SIDE>(&mut cursor)?.ahead == 0;
        Ok((cursor.at, ready))
    }

    /// A position that is later than `at`, where `ahead` was seen, and not ahead of the truth.
    ///
    /// That a side has passed a position stays true for ever, and passing one means having
    /// passed all before it: so the boundary can be searched for while it moves, and was
    /// where the search ends at some time during it. It is less than a lap beyond what any
    /// word tells, however long we slept.
    #[cold]
    #[inline(never)]
    fn seek<const SIDE: u64>(&self, at: Position, ahead: i64) -> Position {
        // The word of `at` was passed in this lap, and not in the next.
        let laps = ((ahead as u64 >> (self.lap_shift - 1)) - 1) / 2;
        let base = Position(at.0.wrapping_add(laps * (self.index_mask + 1)));
        let (mut passed, mut unpassed) = (0, self.capacity);
        // Mostly the boundary is near: 1, 3, 7 on. Not so for who comes back after laps, or
        // where that did not find it: then the hints, which are fresh by now, may know better.
        // Then halve. Each look may cost a line from another processor's cache.
        let (mut stride, mut back) = (if laps > 0 { FAR } else { 1 }, 0);
        let mut hints = None;
        while unpassed - passed > 1 {
            let mut probe = passed + stride;
            let mut hinted = false;
            if back > 0 {
                // A hint was somewhat beyond: 1, 3, 7 back from there.
                probe = unpassed.saturating_sub(back);
            } else if stride >= FAR {
                probe = passed + (unpassed - passed) / 2;
                let hints = hints.get_or_insert_with(|| self.hinted_offsets::<SIDE>(base));
                let worth_it = |hint: &u64| unpassed - passed > FAR && *hint > passed;
                if let Some(hint) = hints.find(worth_it) {
                    (probe, stride, hinted) = (hint, 0, true);
                }
            }
            if probe <= passed || probe >= unpassed {
                probe = passed + (unpassed - passed) / 2;
            }
            match self.look::<SIDE>(self.offset(base, probe)) {
                Some(sight) if sight.ahead > 0 => {
                    (passed, stride, back) = (probe, (2 * stride).max(1), 0);
                }
                _ => {
                    let near = hinted || (back > 0 && back < FAR);
                    (unpassed, stride) = (probe, stride.max(FAR));
                    back = if near { (2 * back).max(1) } else { 0 };
                }
            }
        }
        self.offset(base, unpassed)
    }

    /// What the hints say is the last position that this side has passed: at least, and at
    /// most. As offsets from `base`, 0 for nothing of use; to be checked against the words.
    fn hinted_offsets<const SIDE: u64>(&self, base: Position) -> std::array::IntoIter<u64, 2> {
        // Acquire: as in `hinted`.
        let tail = Position(self.header.ends.tail.load(Acquire));
        let head = Position(self.header.ends.head.load(Acquire));
        // The head never overtakes the tail, and the tail never overtakes the head by more
        // than a lap: so each bounds the other from below and from above. In a queue that is
        // nearly empty, or nearly full, one of those is the place.
        let lap = self.index_mask + 1;
        let (own, least, most) = if SIDE == TAIL {
            (tail, head, Position(head.0.wrapping_add(lap)))
        } else {
            (head, Position(tail.0.wrapping_sub(lap)), tail)
        };
        let from_base = |hint: Position| match (self.index(hint), self.laps(base, hint)) {
            (index, 0) => index.saturating_sub(self.index(base)),
            (index, 1) if index < self.capacity => index + self.capacity - self.index(base),
            _ => 0,
        };
        let least = from_base(own).max(from_base(least));
        [least, from_base(most)]
            .map(|offset| offset.saturating_sub(1))
            .into_iter()
    }

    /// A position derived from the words alone.
    #[cold]
    #[inline(never)]
    fn resync<const SIDE: u64>(&self) -> Result<Position, Corrupt> {
        let word = self
            .look::<SIDE>(Position(0))
            .ok_or(Corrupt::Geometry)?
            .word;
        // Both sides have passed index 0 in the lap before the word's own.
        let lap = (word >> self.lap_shift).wrapping_sub(1);
        let at = Position(lap.wrapping_mul(self.index_mask + 1));
        Ok(self.seek::<SIDE>(at, self.ahead::<SIDE>(word, at)))
    }

    /// Laps from one position to another, as far as ring words tell laps apart.
    pub(super) fn laps(&self, from: Position, to: Position) -> u64 {
        let distance = (to.0 & !self.index_mask).wrapping_sub(from.0 & !self.index_mask);
        distance >> self.lap_shift
    }
}
