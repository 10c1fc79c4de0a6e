//! Where structures lie in the heap, and what becomes of the space of those that are gone.
//!
//! **Two parts.** A structure that is nothing but its payload lies in the low part, behind
//! the table, as programs expect that cast `offset` to an address. One that has control
//! words lies in the high part, address space that does not count; in the low part only
//! `total_allocated` moves on, by its payload. So a program that divides the segment up by
//! `total_allocated` and the size it asked for finds the room that it computes.
//!
//! **Gaps** are entries in the state Freed and nothing else. Gaps that touch become one,
//! one that touches the end of what is in use disappears into it, and what is left over of
//! a gap that was put to use is a gap again, or, where no entry is left to describe it,
//! goes with its neighbour. Everything else below the two tops is taken: by an entry, or
//! by a structure that was erased, whose handles may live on.

use super::change::Request;
use super::journal::{Change, Word};
use super::{Entry, Meta, State, Table};
use crate::segment::Segment;
use crate::segment::layout::LINE;
use core::ops::Range;
use core::sync::atomic::Ordering;

/// A gap smaller than this stays with what lies before it.
const LEAST_GAP: u64 = LINE;

/// A part of the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Low,
    High,
}

/// Where a new structure is to lie, and what else has to change for that.
pub(super) struct Place {
    /// The entry that it gets.
    pub index: u64,
    /// Where its first byte lies, aligned.
    pub offset: u64,
    /// All bytes that become its own.
    pub range: Range<u64>,
    /// See [`Word::Total`].
    pub total: u64,
}

/// Why there is no place.
pub(super) enum NoPlace {
    /// Every entry is in use.
    Entries,
    /// This much is left, in one piece, of address space.
    Space(u64),
}

/// The heap of a segment whose table is locked.
pub(super) struct Space<'a> {
    pub segment: &'a Segment,
    pub table: &'a Table,
}

/// An entry that describes a gap.
struct Gap {
    index: u64,
    range: Range<u64>,
}

impl Space<'_> {
    fn bounds(&self, part: Part) -> Range<u64> {
        let geometry = self.segment.geometry();
        match part {
            Part::Low => self.table.size()..geometry.high_start(),
            Part::High => geometry.high_start()..geometry.heap_end(),
        }
    }

    fn part_of(&self, offset: u64) -> Part {
        if offset < self.segment.geometry().high_start() {
            Part::Low
        } else {
            Part::High
        }
    }

    /// The part for a structure of `size` bytes in all: the low one if it is nothing but
    /// its payload, or if that is where all memory was committed.
    fn part_for(&self, size: u64, payload: u64) -> Part {
        if size == payload || self.segment.geometry().committed {
            Part::Low
        } else {
            Part::High
        }
    }

    fn top_word(part: Part) -> Word {
        match part {
            Part::Low => Word::LowTop,
            Part::High => Word::HighTop,
        }
    }

    /// End of what is in use of a part; a damaged one counts as all of it.
    fn top(&self, part: Part) -> u64 {
        let accounts = &self.segment.header().accounts;
        let bounds = self.bounds(part);
        let top = match part {
            Part::Low => &accounts.low_top,
            Part::High => &accounts.high_top,
        };
        let top = top.load(Ordering::Relaxed).max(bounds.start);
        if top <= bounds.end { top } else { bounds.end }
    }

    /// `total_allocated` as an offset, if a structure could begin there.
    fn total_as_offset(&self) -> Option<u64> {
        let offset = self
            .table
            .total_allocated()
            .checked_add(self.table.size())?;
        (offset <= self.bounds(Part::Low).end).then_some(offset)
    }

    /// A range that lies in the heap, not across its two parts.
    fn sound(&self, range: Range<u64>) -> Option<Range<u64>> {
        let bounds = self.bounds(self.part_of(range.start));
        (range.start < range.end && range.start >= bounds.start && range.end <= bounds.end)
            .then_some(range)
    }

    /// What an entry in use occupies.
    pub fn occupied(&self, index: u64) -> Option<Range<u64>> {
        let extent = self.segment.extents().get(index as usize)?;
        let start = extent.start.load(Ordering::Relaxed);
        self.sound(start..extent.end.load(Ordering::Relaxed))
    }

    fn state(entry: &Entry) -> State {
        Meta(entry.meta().load(Ordering::Relaxed)).state()
    }

    fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.table.entries().filter_map(|(index, entry)| {
            let range = (Self::state(&entry) == State::Freed).then(|| self.occupied(index))??;
            Some(Gap { index, range })
        })
    }

    fn unused_entry(&self, besides: Option<u64>) -> Option<u64> {
        self.table.entries().find_map(|(index, entry)| {
            let free = Self::state(&entry) == State::Unused && Some(index) != besides;
            free.then_some(index)
        })
    }

    /// `meta` that makes an entry free.
    fn free_meta(&self, index: u64, state: State) -> u64 {
        let entry = self.table.entry(index);
        let meta = entry.map_or(0, |entry| entry.meta().load(Ordering::Relaxed));
        Meta(meta).in_state(state).0
    }

    /// An entry for something new that lies in no gap. If all are gaps, the smallest one
    /// gives its entry up, and goes with a structure that it touches.
    pub fn take_entry(&self, change: &mut Change) -> Option<u64> {
        if let Some(index) = self.unused_entry(None) {
            return Some(index);
        }
        let gap = self
            .gaps()
            .min_by_key(|gap| gap.range.end - gap.range.start);
        let index = match gap {
            // A gap that makes no sense serves as an entry, too.
            None => self.table.first_in_state(State::Freed)?.0,
            Some(gap) => {
                self.give_to_neighbour(change, &gap);
                gap.index
            }
        };
        Some(index)
    }

    fn give_to_neighbour(&self, change: &mut Change, gap: &Gap) {
        for (index, entry) in self.table.entries() {
            let in_use = !matches!(Self::state(&entry), State::Unused | State::Freed);
            let Some(range) = in_use.then(|| self.occupied(index)).flatten() else {
                continue;
            };
            if range.end == gap.range.start {
                return change.set(Word::End, index, gap.range.end);
            }
            if range.start == gap.range.end {
                return change.set(Word::Start, index, gap.range.start);
            }
        }
        // Between erased structures it stays with them.
    }

    /// Finds a place: the gap that fits best, else behind everything. `change` gets what
    /// that changes for others.
    pub fn place(&self, change: &mut Change, request: &Request) -> Result<Place, NoPlace> {
        let align = request.align.max(LINE);
        let part = self.part_for(request.size, request.payload());
        let fits = |range: &Range<u64>| {
            let offset = range.start.checked_next_multiple_of(align)?;
            let end = offset.checked_add(request.size)?;
            (end <= range.end).then_some((offset, end))
        };
        let best = self
            .gaps()
            .filter(|gap| self.part_of(gap.range.start) == part && fits(&gap.range).is_some())
            .min_by_key(|gap| gap.range.end - gap.range.start);
        if let Some(gap) = best
            && let Some((offset, end)) = fits(&gap.range)
        {
            let end = self.split(change, &gap, end);
            return Ok(Place {
                index: gap.index,
                offset,
                range: gap.range.start..end,
                total: self.raise_total(change, part, offset, request),
            });
        }
        let (top, room_end) = (self.top(part), self.bounds(part).end);
        let from = match part {
            Part::Low => top.max(self.total_as_offset().unwrap_or(top)),
            Part::High => top,
        };
        let left = NoPlace::Space(room_end.saturating_sub(from));
        let (offset, end) = fits(&(from..room_end)).ok_or(left)?;
        let index = self.take_entry(change).ok_or(NoPlace::Entries)?;
        change.account(Self::top_word(part), end);
        Ok(Place {
            index,
            offset,
            range: top..end,
            total: self.raise_total(change, part, offset, request),
        })
    }

    /// Moves `total_allocated` on for something new; what its entry is to remember of that.
    fn raise_total(&self, change: &mut Change, part: Part, offset: u64, new: &Request) -> u64 {
        let total = match part {
            Part::Low => self.table.total_with(offset, new.size),
            Part::High => self.total_with_payload(new.payload()),
        };
        change.account(Word::TotalAllocated, total);
        if part == Part::High { total } else { 0 }
    }

    /// `total_allocated` with the payload of something in the high part. Never beyond the
    /// size of the segment by that alone.
    fn total_with_payload(&self, payload: u64) -> u64 {
        let total = self.table.total_allocated();
        match total.checked_add(payload) {
            Some(raised) if raised <= self.segment.geometry().size => raised,
            _ => total,
        }
    }

    /// Makes a gap of what is left behind `end`; where the part that was taken ends.
    fn split(&self, change: &mut Change, gap: &Gap, end: u64) -> u64 {
        if gap.range.end - end < LEAST_GAP {
            return gap.range.end;
        }
        let Some(index) = self.unused_entry(Some(gap.index)) else {
            return gap.range.end;
        };
        change.set(Word::Start, index, end);
        change.set(Word::End, index, gap.range.end);
        change.set(Word::Meta, index, self.free_meta(index, State::Freed));
        end
    }

    /// Gives back what entry `index` occupies, and the entry: merged with the gaps that it
    /// touches, or with what lies behind everything. `meta` of the entry comes last.
    pub fn free(&self, change: &mut Change, index: u64, meta: Meta) {
        let accounts = &self.segment.header().accounts;
        let extent = self.segment.extents().get(index as usize);
        let word = |of: fn(&crate::segment::layout::Extent) -> &core::sync::atomic::AtomicU64| {
            extent.map_or(0, |extent| of(extent).load(Ordering::Relaxed))
        };
        let (payload, total) = (word(|extent| &extent.payload), word(|extent| &extent.total));
        let used = accounts.payload_used.load(Ordering::Relaxed);
        change.account(Word::PayloadUsed, used.saturating_sub(payload));
        let Some(mut range) = self.occupied(index) else {
            return change.set(Word::Meta, index, meta.in_state(State::Unused).0);
        };
        let part = self.part_of(range.start);
        let own_total = match part {
            Part::Low => range.end.wrapping_sub(self.table.size()),
            Part::High => total,
        };
        for gap in self.gaps() {
            let touches = gap.range.end == range.start || gap.range.start == range.end;
            if touches && self.part_of(gap.range.start) == part {
                range = range.start.min(gap.range.start)..range.end.max(gap.range.end);
                let unused = self.free_meta(gap.index, State::Unused);
                change.set(Word::Meta, gap.index, unused);
            }
        }
        let is_last = range.end == self.top(part);
        if is_last {
            change.account(Self::top_word(part), range.start);
        }
        self.lower_total(
            change,
            index,
            own_total,
            (part == Part::Low && is_last).then_some(range.start),
        );
        let state = if is_last { State::Unused } else { State::Freed };
        change.set(Word::Start, index, range.start);
        change.set(Word::End, index, range.end);
        change.set(Word::Total, index, 0);
        change.set(Word::Meta, index, meta.in_state(state).0);
    }

    /// Takes `total_allocated` back if it is what entry `index` made it.
    fn lower_total(&self, change: &mut Change, index: u64, own: u64, new_top: Option<u64>) {
        if own == 0 || self.table.total_allocated() != own {
            return;
        }
        let top = new_top.unwrap_or_else(|| self.top(Part::Low));
        let low = top.saturating_sub(self.table.size());
        let others = self.table.entries().filter_map(|(other, entry)| {
            let counts =
                other != index && !matches!(Self::state(&entry), State::Unused | State::Freed);
            let extent = counts.then(|| self.segment.extents().get(other as usize))??;
            Some(extent.total.load(Ordering::Relaxed))
        });
        let total = others.fold(low, u64::max);
        if total < own {
            change.account(Word::TotalAllocated, total);
        }
    }

    /// What `low_top` has to be so that what erased entry `index` made of
    /// `total_allocated` stays taken.
    pub fn top_without(&self, index: u64) -> Option<u64> {
        let extent = self.segment.extents().get(index as usize)?;
        let total = extent.total.load(Ordering::Relaxed);
        let top = total.checked_add(self.table.size())?;
        (total != 0 && top > self.top(Part::Low) && top <= self.bounds(Part::Low).end)
            .then_some(top)
    }

    /// Where the part ends in which a user's own bytes lie, if they lie in the heap, and
    /// the word to raise for them.
    pub fn of_user(&self, range: Range<u64>) -> Option<(Word, u64)> {
        let range = self.sound(range)?;
        let part = self.part_of(range.start);
        Some((Self::top_word(part), self.top(part).max(range.end)))
    }

    /// A gap into which a user put bytes of its own, if there is one.
    pub fn gap_within(&self, range: &Range<u64>) -> Option<u64> {
        let overlaps = |gap: &Gap| gap.range.start < range.end && range.start < gap.range.end;
        self.gaps().find(overlaps).map(|gap| gap.index)
    }

    /// Makes the entry of a gap unused, and the gap nobody's.
    pub fn forget(&self, change: &mut Change, index: u64) {
        change.set(Word::Meta, index, self.free_meta(index, State::Unused));
    }
}
