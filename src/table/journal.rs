//! How a change of the table becomes one step, whenever its author dies.
//!
//! A redo log: the change is written down word by word, one store commits it, and only
//! then is it made. Whoever takes the table lock from a dead holder makes a committed
//! change from its first word again, and ignores one that was not committed. Nothing but
//! absolute values is stored, so making a change twice is the same as making it once.

use super::Table;
use crate::fault::Fault;
use crate::segment::Segment;
use crate::segment::layout::{Journal, MOST_CHANGES};
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// A word that changes of the table store, as the journal names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Word {
    /// The entry's offset, for programs.
    Offset = 0,
    /// The entry's size, for programs.
    Size = 1,
    /// The entry's element size.
    ElemSize = 2,
    /// The entry's number of elements.
    NumElem = 3,
    /// The entry's [`super::Meta`].
    Meta = 4,
    /// Start of what the entry occupies.
    Start = 5,
    /// End of what the entry occupies.
    End = 6,
    /// What the entry was charged.
    Payload = 7,
    /// What `total_allocated` was raised to for the entry.
    Total = 8,
    /// Who initialises the entry.
    Owner = 9,
    /// Of the accounts: payload in use.
    PayloadUsed = 10,
    /// Of the accounts: end of the low part in use.
    LowTop = 11,
    /// Of the accounts: end of the high part in use.
    HighTop = 12,
    /// Of the table: `total_allocated`.
    TotalAllocated = 13,
}

impl Word {
    const ALL: [Self; 14] = [
        Self::Offset,
        Self::Size,
        Self::ElemSize,
        Self::NumElem,
        Self::Meta,
        Self::Start,
        Self::End,
        Self::Payload,
        Self::Total,
        Self::Owner,
        Self::PayloadUsed,
        Self::LowTop,
        Self::HighTop,
        Self::TotalAllocated,
    ];

    fn encode(self, index: u64) -> u64 {
        index << 8 | self as u64
    }

    fn decode(bits: u64) -> Option<(Self, u64)> {
        let word = Self::ALL.get((bits & 0xff) as usize)?;
        Some((*word, bits >> 8))
    }
}

/// A change that is being put together: which words get which values, in this order.
pub struct Change {
    stores: [(Word, u64, u64); MOST_CHANGES],
    count: usize,
}

impl Change {
    /// Nothing changes yet.
    pub fn new() -> Self {
        Self {
            stores: [(Word::Offset, 0, 0); MOST_CHANGES],
            count: 0,
        }
    }

    /// One word more. What readers without the lock go by, [`Word::Meta`], comes last.
    pub fn set(&mut self, word: Word, index: u64, value: u64) {
        // No change of ours has as many words; one that had is not made at all.
        if let Some(store) = self.stores.get_mut(self.count) {
            *store = (word, index, value);
        }
        self.count += 1;
    }

    /// One word of the accounts more.
    pub fn account(&mut self, word: Word, value: u64) {
        self.set(word, 0, value);
    }

    /// Writes the change down, commits it, makes it. Under the table lock.
    pub fn make(&self, segment: &Segment, table: &Table) {
        let journal = &segment.header().journal;
        let Some(stores) = self.stores.get(..self.count) else {
            return;
        };
        for (place, &(word, index, value)) in journal.changes.iter().zip(stores) {
            place.word.store(word.encode(index), Ordering::Relaxed);
            place.value.store(value, Ordering::Relaxed);
        }
        // The commit. Release: after all that was written down.
        if !Fault::LateJournal.is_planted() {
            journal.count.store(self.count as u64, Ordering::Release);
        }
        // Made only once it is committed.
        fence(Ordering::Release);
        for &(word, index, value) in stores {
            store(segment, table, word, index, value);
        }
        if Fault::LateJournal.is_planted() {
            journal.count.store(self.count as u64, Ordering::Release);
        }
        journal.count.store(0, Ordering::Release);
    }
}

/// Makes the change that a dead holder of the table lock had committed, if there is one.
/// True when the table is to be cleared, which is left to the caller.
pub fn redo(segment: &Segment, table: &Table) -> bool {
    let journal = &segment.header().journal;
    // Acquire: the change was written down before it was committed.
    let count = journal.count.load(Ordering::Acquire);
    if count == Journal::CLEAR {
        return true;
    }
    for place in journal.changes.iter().take(count as usize) {
        let word = Word::decode(place.word.load(Ordering::Relaxed));
        // A word that does not exist was never written by us.
        if let Some((word, index)) = word {
            store(
                segment,
                table,
                word,
                index,
                place.value.load(Ordering::Relaxed),
            );
        }
    }
    if count != 0 {
        journal.count.store(0, Ordering::Release);
    }
    false
}

fn store(segment: &Segment, table: &Table, word: Word, index: u64, value: u64) {
    let accounts = &segment.header().accounts;
    let entry = table.entry(index);
    let extent = segment.extents().get(index as usize);
    let cell: Option<&AtomicU64> = match word {
        Word::Offset => entry.as_ref().map(|entry| &entry.words.offset),
        Word::Size => entry.as_ref().map(|entry| &entry.words.size),
        Word::ElemSize => entry.as_ref().map(|entry| &entry.words.elem_size),
        Word::NumElem => entry.as_ref().map(|entry| &entry.words.num_elem),
        Word::Meta => entry.as_ref().map(|entry| &entry.words.meta),
        Word::Start => extent.map(|extent| &extent.start),
        Word::End => extent.map(|extent| &extent.end),
        Word::Payload => extent.map(|extent| &extent.payload),
        Word::Total => extent.map(|extent| &extent.total),
        Word::Owner => extent.map(|extent| &extent.owner),
        Word::PayloadUsed => Some(&accounts.payload_used),
        Word::LowTop => Some(&accounts.low_top),
        Word::HighTop => Some(&accounts.high_top),
        Word::TotalAllocated => Some(&table.total_allocated),
    };
    // An entry that does not exist was never written by us either.
    if let Some(cell) = cell {
        // Release: a reader that sees the last store of a change sees all of it.
        cell.store(value, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_again_and_nothing_else() {
        for (number, word) in Word::ALL.into_iter().enumerate() {
            assert_eq!(word as usize, number);
            for index in [0, 1, 1 << 20] {
                assert_eq!(Word::decode(word.encode(index)), Some((word, index)));
            }
        }
        for bits in [14, 0xff, u64::MAX] {
            assert_eq!(Word::decode(bits), None);
        }
    }
}
