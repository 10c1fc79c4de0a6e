//! Layout version 1 of a segment: the wire format between processes that may
//! hold different builds.
//!
//! ```text
//! header    768 bytes    constants, table lock, accounts, journal
//! members   16 x slots   one record per attachment slot
//! extents   40 x entries what the entry occupies, and who initialises it
//! table     page-aligned; offsets of structures count from here
//! heap      structures, each on a 64-byte line: bare payload low, the others high
//! ```
//! Little-endian, all integers of fixed width, everything reached by offset.

use crate::raw::Shared;
use crate::sys::PAGE;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64};

/// First word of every segment, stored last: "shmds" and the byte order.
pub const MAGIC: u64 = u64::from_le_bytes(*b"shmds\x01\r\n");

/// Second word of every segment, stored first: a creator is or was at work.
pub const BIRTH: u64 = u64::from_le_bytes(*b"shmdsnew");

/// Version of this layout, apart from the library's own version.
pub const LAYOUT_VERSION: u64 = 1;

/// Bit of [`Header::options`]: the memory of the whole payload was committed at creation.
pub const COMMITTED: u64 = 1;

/// Bytes of a cache line; every structure starts on one.
pub const LINE: u64 = 64;

/// Start of a segment.
#[repr(C, align(64))]
pub struct Header {
    /// [`MAGIC`]; its Release store ends the initialisation.
    pub magic: AtomicU64,
    /// [`BIRTH`]; the first bytes ever written to the file.
    pub birth: AtomicU64,
    /// [`LAYOUT_VERSION`] of the creator.
    pub layout_version: AtomicU64,
    /// [`fingerprint`] of the creator's build.
    pub fingerprint: AtomicU64,
    /// Payload bytes asked for at creation.
    pub size: AtomicU64,
    /// Bytes of the whole file.
    pub file_size: AtomicU64,
    /// Where the members begin.
    pub members_offset: AtomicU64,
    /// Number of attachment slots.
    pub max_attachments: AtomicU64,
    /// Where the extents of the entries begin.
    pub extents_offset: AtomicU64,
    /// Where the table begins.
    pub table_offset: AtomicU64,
    /// Bytes of a name in the table, the terminating NUL included.
    pub max_name_size: AtomicU64,
    /// Number of entries in the table.
    pub max_entries: AtomicU64,
    /// Option bits: [`COMMITTED`].
    pub options: AtomicU64,
    reserved: [AtomicU64; 3],
    /// Who changes the table: an owner word, with [`crate::segment::WAITERS`].
    pub table_lock: AtomicU64,
    reserved_lock: [AtomicU64; 7],
    /// What the structures use.
    pub accounts: Accounts,
    /// The change of the table that is under way.
    pub journal: Journal,
}

/// Most words that one change of the table stores.
pub const MOST_CHANGES: usize = 31;

/// One change of the table, written down before it is made, under the table lock.
///
/// While `count` is 0 nothing is under way, whatever the words below say. Its store
/// commits the change: from then on whoever holds the lock makes all the stores, from the
/// first one, before anything else. Doing it twice is the same as once.
#[repr(C)]
pub struct Journal {
    /// Number of words to be stored; or [`Journal::CLEAR`].
    pub count: AtomicU64,
    reserved: AtomicU64,
    /// Which words, and their new values.
    pub changes: [Change; MOST_CHANGES],
}

impl Journal {
    /// Value of `count` while the whole table is being cleared.
    pub const CLEAR: u64 = u64::MAX;
}

/// One word of a change.
#[repr(C)]
pub struct Change {
    /// Bits 0 to 7: which word of the entry, or of the accounts. Bits 8 to 63: which entry.
    pub word: AtomicU64,
    /// Its new value.
    pub value: AtomicU64,
}

/// What the structures use; changed under the table lock.
#[repr(C)]
pub struct Accounts {
    /// Payload bytes charged against the segment's size.
    pub payload_used: AtomicU64,
    /// End of what was given away of the low part of the heap, counted from the table.
    pub low_top: AtomicU64,
    /// The same of the high part.
    pub high_top: AtomicU64,
    /// Changes whenever an initialisation ends; openers sleep on it.
    pub events: AtomicU32,
    reserved_events: AtomicU32,
    reserved: [AtomicU64; 4],
}

/// What an entry occupies of the heap, beside what the table tells programs of it.
///
/// An entry that is Freed describes a gap; one that is Unused says nothing here.
#[repr(C)]
pub struct Extent {
    /// Who initialises the structure: an owner word.
    pub owner: AtomicU64,
    /// Where the bytes begin that are the structure's, counted from the table: at or
    /// before its first byte, which is aligned.
    pub start: AtomicU64,
    /// Where they end. `start` and `end` are equal when it has none in the heap.
    pub end: AtomicU64,
    /// Payload bytes that it was charged.
    pub payload: AtomicU64,
    /// In the high part: what `total_allocated` was raised to for its payload; otherwise 0.
    pub total: AtomicU64,
}

/// One attachment slot.
#[repr(C)]
pub struct Member {
    /// Lease generation: how often the slot was taken.
    pub generation: AtomicU32,
    /// Process number of the holder, for people.
    pub pid: AtomicU32,
    /// Start time of the holder in clock ticks since boot, for people.
    pub start_time: AtomicU64,
}

// SAFETY: nothing but atomic integers, without padding (asserted below).
unsafe impl Shared for Header {}
// SAFETY: as above.
unsafe impl Shared for Member {}
// SAFETY: as above.
unsafe impl Shared for Extent {}

const _: () = {
    assert!(size_of::<Header>() == 768);
    assert!(offset_of!(Header, table_lock) == 128);
    assert!(offset_of!(Header, accounts) == 192);
    assert!(offset_of!(Header, journal) == 256);
    assert!(size_of::<Journal>() == 512);
    assert!(size_of::<Change>() == 16);
    assert!(size_of::<Accounts>() == 64);
    assert!(size_of::<Extent>() == 40);
    assert!(size_of::<Member>() == 16);
};

/// Sizes and offsets of the layout types, folded into one word (FNV-1a). The
/// layers above add the sizes of theirs.
pub fn fingerprint(formats: &[usize]) -> u64 {
    let own = [
        size_of::<Header>(),
        offset_of!(Header, size),
        offset_of!(Header, max_attachments),
        offset_of!(Header, table_offset),
        offset_of!(Header, table_lock),
        offset_of!(Header, journal),
        offset_of!(Header, accounts),
        offset_of!(Accounts, low_top),
        offset_of!(Accounts, high_top),
        offset_of!(Accounts, events),
        offset_of!(Journal, changes),
        size_of::<Journal>(),
        size_of::<Extent>(),
        offset_of!(Extent, total),
        size_of::<Member>(),
        offset_of!(Member, start_time),
        LINE as usize,
    ];
    let fold =
        |hash: u64, &value: &usize| (hash ^ value as u64).wrapping_mul(0x0000_0100_0000_01b3);
    own.iter().chain(formats).fold(0xcbf2_9ce4_8422_2325, fold)
}

/// Where the parts of a segment lie; a private, checked copy of the header's constants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Payload bytes asked for at creation.
    pub size: u64,
    /// Bytes of the whole file.
    pub file_size: u64,
    /// Number of attachment slots.
    pub max_attachments: u64,
    /// Bytes of a name in the table, the terminating NUL included.
    pub max_name_size: u64,
    /// Number of entries in the table.
    pub max_entries: u64,
    /// Where the members begin.
    pub members_offset: u64,
    /// Where the extents of the entries begin.
    pub extents_offset: u64,
    /// Where the table begins.
    pub table_offset: u64,
    /// Whether the memory of the whole payload was committed at creation.
    pub committed: bool,
}

/// Most attachment slots of a segment.
pub const MAX_ATTACHMENTS: u64 = 4096;
/// Longest name field of a table.
pub const MAX_NAME_SIZE: u64 = 1 << 16;
/// Most entries of a table.
pub const MAX_ENTRIES: u64 = 1 << 20;
/// Largest file: half of what a process can address on the smallest common
/// 64-bit machines, so that it can be attached.
const MAX_FILE_SIZE: u64 = 1 << 46;

/// Bytes of a table: per entry the name, rounded up to 8, and five words; then one word.
pub const fn table_size(max_name_size: u64, max_entries: u64) -> u64 {
    max_entries * (max_name_size.next_multiple_of(8) + 40) + 8
}

/// End of the low part of the heap, counted from the table: room for the payload twice,
/// so that gaps do not matter, and for the alignment of every structure.
const fn low_end(size: u64, max_name_size: u64, max_entries: u64) -> u64 {
    let start = table_size(max_name_size, max_entries).next_multiple_of(PAGE);
    match size.saturating_mul(2).checked_next_multiple_of(PAGE) {
        Some(room) => (start + max_entries * PAGE).saturating_add(room),
        None => u64::MAX,
    }
}

/// Address space for what does not count against the payload: control words, lanes, spare
/// slots, alignment. It takes no memory until it is used.
///
/// A queue of 1-byte elements needs up to 16 bytes of words for each; spare
/// slots take up to four elements each, or 1 MiB per structure.
const fn reserve(size: u64, max_entries: u64, max_attachments: u64) -> u64 {
    let by_payload = size.saturating_mul(20);
    let cap = size.saturating_mul(4);
    let by_payload = if by_payload > 1 << 40 && by_payload > cap {
        if cap > 1 << 40 { cap } else { 1 << 40 }
    } else {
        by_payload
    };
    let by_structure = (1 << 20) + 64 * (max_attachments + 64) + 3 * PAGE;
    by_payload.saturating_add(max_entries * by_structure)
}

impl Geometry {
    /// Lays a new segment out; `None` when it would be larger than this machine can address.
    pub fn new(
        size: u64,
        max_attachments: u64,
        max_name_size: u64,
        max_entries: u64,
        committed: bool,
    ) -> Option<Self> {
        let members_offset = size_of::<Header>() as u64;
        let extents_offset = members_offset + max_attachments * size_of::<Member>() as u64;
        let table_offset =
            (extents_offset + max_entries * size_of::<Extent>() as u64).next_multiple_of(PAGE);
        let file_size = table_offset
            .checked_add(low_end(size, max_name_size, max_entries))?
            .checked_add(size)?
            .checked_add(reserve(size, max_entries, max_attachments))?
            .checked_next_multiple_of(PAGE)?;
        (file_size <= MAX_FILE_SIZE).then_some(Self {
            size,
            file_size,
            max_attachments,
            max_name_size,
            max_entries,
            members_offset,
            extents_offset,
            table_offset,
            committed,
        })
    }

    /// Whether these numbers, read from a segment, describe parts that follow
    /// each other inside the file. After this, no sum of them overflows.
    pub fn is_sound(&self) -> bool {
        let small = [
            self.size,
            self.file_size,
            self.members_offset,
            self.extents_offset,
            self.table_offset,
        ];
        small
            .iter()
            .all(|&value| value > 0 && value <= MAX_FILE_SIZE)
            && (1..=MAX_ATTACHMENTS).contains(&self.max_attachments)
            && (2..=MAX_NAME_SIZE).contains(&self.max_name_size)
            && (1..=MAX_ENTRIES).contains(&self.max_entries)
            && self.members_offset >= size_of::<Header>() as u64
            && self.members_offset % 8 == 0
            && self.extents_offset
                >= self.members_offset + self.max_attachments * size_of::<Member>() as u64
            && self.extents_offset % 8 == 0
            && self.table_offset
                >= self.extents_offset + self.max_entries * size_of::<Extent>() as u64
            && self.table_offset % PAGE == 0
            && self.file_size >= self.table_offset
            && self.heap_end() >= low_end(self.size, self.max_name_size, self.max_entries)
    }

    /// Bytes of the table.
    pub fn table_size(&self) -> u64 {
        table_size(self.max_name_size, self.max_entries)
    }

    /// Bytes from the table to the end of the file: where structures may lie,
    /// behind the table itself.
    pub fn heap_end(&self) -> u64 {
        self.file_size - self.table_offset
    }

    /// Where the high part of the heap begins, counted from the table; its end where there
    /// is none, because all memory was committed at creation, and that is in the low part.
    pub fn high_start(&self) -> u64 {
        if self.committed {
            return self.heap_end();
        }
        low_end(self.size, self.max_name_size, self.max_entries)
    }

    /// Bytes that must be committed before the segment can be used.
    pub fn fixed_size(&self) -> u64 {
        self.table_offset + self.table_size()
    }

    /// Bytes of the file that are committed for good at creation.
    pub fn committed_size(&self) -> u64 {
        if !self.committed {
            return self.fixed_size();
        }
        // Every structure may lose up to a line to alignment.
        let wanted = self.fixed_size() + self.size + self.max_entries * LINE;
        wanted.min(self.file_size)
    }
}
