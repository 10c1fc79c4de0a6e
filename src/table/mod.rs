//! The table: which structure lies where, by name.
//!
//! A table is `max_entries` entries and one word:
//! ```text
//! entry   name            max_name_size bytes, NUL-terminated, rounded up to 8
//!         offset          counted from the table's first byte
//!         size            bytes of the extent
//!         elem_size       bytes of an element
//!         num_elem        number of elements
//!         meta            see [`Meta`]
//! ...
//! total_allocated         largest offset + size - size of the table ever added
//! ```
//! All zero is a valid empty table, inside a segment or anywhere else. Finding
//! takes no lock: `meta` brackets the reading of an entry as in a sequence lock.
//! How a table inside a segment changes is in `change`, where things lie in `space`.

mod change;
mod journal;
mod space;

pub use change::{
    Claim, Request, Reservation, claim, destroy, destroyed_mark, is_still, open, tidy,
};

use crate::error::{Error, Result};
use crate::raw::{List, Ref, Region, Shared};
use crate::segment::fork;
use crate::segment::layout::table_size;
use crate::segment::{self, Segment, guard};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use std::ffi::CString;

/// How often an entry may change while it is being read, before it counts as
/// unused: never reached but by somebody who scribbles on it all the time.
const MOST_RETRIES: u32 = 1000;

/// What lives behind an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Added by user code; may be opened as an array.
    Raw = 0,
    /// `num_elem` elements and nothing else.
    Array = 1,
    /// One atomic word.
    Atomic = 2,
    /// Slot-exchange queue.
    Queue = 3,
    /// Queue for one producer and one consumer.
    SpscQueue = 4,
    /// Pool of objects.
    ObjectPool = 5,
    /// Ring buffer: a producer that may overwrite, a consumer, observers.
    RingBuffer = 6,
}

impl Kind {
    /// The kind's name, for error messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "a raw entry",
            Self::Array => "an array",
            Self::Atomic => "an atomic",
            Self::Queue => "a queue",
            Self::SpscQueue => "an SPSC queue",
            Self::ObjectPool => "an object pool",
            Self::RingBuffer => "a ring buffer",
        }
    }

    fn from_bits(bits: u8) -> Option<Self> {
        [
            Self::Raw,
            Self::Array,
            Self::Atomic,
            Self::Queue,
            Self::SpscQueue,
            Self::ObjectPool,
            Self::RingBuffer,
        ]
        .into_iter()
        .find(|&kind| kind as u8 == bits)
    }
}

/// How far an entry has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// Free for use; a former structure keeps its space.
    Unused = 0,
    /// Being initialised by the entry's owner.
    Init = 1,
    /// In use.
    Ready = 2,
    /// Free for use, and its extent is too.
    Freed = 3,
    /// Without a name, and free as soon as nobody has it open.
    Destroyed = 4,
}

/// The word that says what an entry is.
///
/// Bits 0 to 7: active, 1 exactly while the state is Ready (C++ reads this byte
/// as a `bool`). Bits 8 to 15: [`Kind`]. Bits 16 to 23: [`State`]. Bits 32 to 63:
/// generation, which changes whenever the entry is put to another use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta(pub u64);

impl Meta {
    fn new(kind: Kind, state: State, generation: u32) -> Self {
        let active = u64::from(state == State::Ready);
        Self(active | (kind as u64) << 8 | (state as u64) << 16 | u64::from(generation) << 32)
    }

    fn is_active(self) -> bool {
        self.state() == State::Ready
    }

    fn state(self) -> State {
        // User code sees `active` and may have set it; both parts have to agree.
        match ((self.0 >> 16) as u8, self.0 as u8) {
            (1, 0) => State::Init,
            (2, 1) => State::Ready,
            (3, 0) => State::Freed,
            (4, 0) => State::Destroyed,
            _ => State::Unused,
        }
    }

    fn kind(self) -> Option<Kind> {
        Kind::from_bits((self.0 >> 8) as u8)
    }

    /// How often the entry was put to another use.
    pub fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The same entry in another state.
    fn in_state(self, state: State) -> Self {
        Self::new(self.kind().unwrap_or(Kind::Raw), state, self.generation())
    }
}

/// A structure's name as the table stores it: cut to fit, padded with NULs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The bytes of the name field.
    words: Vec<u64>,
    /// The name itself.
    name: Vec<u8>,
}

impl Key {
    /// Cuts `name` at its first NUL and at `max_name_size - 1` bytes.
    pub fn new(name: &[u8], max_name_size: u64) -> Self {
        let limit = (max_name_size as usize).saturating_sub(1);
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let name = &name[..name.len().min(limit)];
        let mut words = vec![0; max_name_size.div_ceil(8) as usize];
        for (word, chunk) in words.iter_mut().zip(name.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(bytes);
        }
        Self {
            words,
            name: name.to_vec(),
        }
    }

    /// Whether the name has no characters.
    pub fn is_empty(&self) -> bool {
        self.name.is_empty()
    }

    /// The cut name, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// The cut name, byte for byte, for C.
    pub fn to_c(&self) -> CString {
        // It was cut at its first NUL.
        CString::new(self.name.as_slice()).unwrap_or_default()
    }
}

/// What the table says of a structure that is ready for use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Which entry.
    pub index: u64,
    /// Its `meta`.
    pub meta: Meta,
    /// What lives there.
    pub kind: Kind,
    /// Where, counted from the table.
    pub offset: u64,
    /// Bytes of the extent.
    pub size: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Number of elements.
    pub num_elem: u64,
}

/// The four numbers of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fields {
    /// Where, counted from the table.
    pub offset: u64,
    /// Bytes of the extent.
    pub size: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Number of elements.
    pub num_elem: u64,
}

/// What follows the name in an entry.
#[repr(C)]
struct EntryWords {
    offset: AtomicU64,
    size: AtomicU64,
    elem_size: AtomicU64,
    num_elem: AtomicU64,
    /// See [`Meta`].
    meta: AtomicU64,
}

// SAFETY: nothing but atomic integers, without padding.
unsafe impl Shared for EntryWords {}

const _: () = assert!(size_of::<EntryWords>() == 40);

/// One entry of a table.
struct Entry {
    name: List<AtomicU64>,
    words: Ref<EntryWords>,
    meta: Ref<AtomicU64>,
}

impl Entry {
    fn meta(&self) -> &AtomicU64 {
        &self.words.meta
    }

    fn fields(&self) -> Fields {
        Fields {
            offset: self.words.offset.load(Ordering::Relaxed),
            size: self.words.size.load(Ordering::Relaxed),
            elem_size: self.words.elem_size.load(Ordering::Relaxed),
            num_elem: self.words.num_elem.load(Ordering::Relaxed),
        }
    }

    fn meta_word(&self) -> Ref<AtomicU64> {
        self.meta
    }

    /// Writes name and numbers. The entry must not be Ready.
    fn set(&self, key: &Key, fields: Fields) {
        self.set_name(key);
        let words = &self.words;
        words.offset.store(fields.offset, Ordering::Relaxed);
        words.size.store(fields.size, Ordering::Relaxed);
        words.elem_size.store(fields.elem_size, Ordering::Relaxed);
        words.num_elem.store(fields.num_elem, Ordering::Relaxed);
    }

    /// Writes the name. The entry must not be Ready.
    fn set_name(&self, key: &Key) {
        // A reader that sees any of these stores, or a later one, also sees that `meta` has
        // changed: pairs with the Acquire fence in `Table::read`.
        fence(Ordering::Release);
        for (word, &value) in self.name.iter().zip(&key.words) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn is_named(&self, key: &Key) -> bool {
        let stored = self.name.iter().map(|word| word.load(Ordering::Relaxed));
        stored.eq(key.words.iter().copied())
    }
}

/// A view of a table's bytes.
#[derive(Clone, Copy)]
pub struct Table {
    region: Region,
    max_name_size: u64,
    max_entries: u64,
    total_allocated: Ref<AtomicU64>,
}

impl Table {
    /// A view of the table at the start of `region`; `None` when it does not fit.
    fn new(region: Region, max_name_size: u64, max_entries: u64) -> Option<Self> {
        let total = table_size(max_name_size, max_entries).checked_sub(8)?;
        Some(Self {
            region,
            max_name_size,
            max_entries,
            total_allocated: region.at(total)?,
        })
    }

    /// The table of a segment.
    pub fn of(segment: &Segment) -> Result<Self> {
        // Relaxed: a wrong answer is one that came a moment earlier.
        if segment.cut().load(Ordering::Relaxed) {
            return Err(guard::gone(segment.name()));
        }
        let geometry = segment.geometry();
        Self::new(segment.heap(), geometry.max_name_size, geometry.max_entries)
            .ok_or_else(|| Error::corrupt(segment.name(), "the table"))
    }

    /// Number of entries.
    pub fn max_entries(&self) -> u64 {
        self.max_entries
    }

    /// A name as this table stores it.
    pub fn key(&self, name: &[u8]) -> Key {
        Key::new(name, self.max_name_size)
    }

    /// Bytes of the table.
    fn size(&self) -> u64 {
        table_size(self.max_name_size, self.max_entries)
    }

    fn entry(&self, index: u64) -> Option<Entry> {
        if index >= self.max_entries {
            return None;
        }
        let name_bytes = self.max_name_size.next_multiple_of(8);
        let start = index * (name_bytes + 40);
        Some(Entry {
            name: self.region.list(start, name_bytes / 8)?,
            words: self.region.at(start + name_bytes)?,
            meta: self.region.at(start + name_bytes + 32)?,
        })
    }

    /// Address of entry `index`.
    pub fn address_of(&self, index: u64) -> Result<NonNull<u8>> {
        let stride = self.max_name_size.next_multiple_of(8) + 40;
        let entry = self.region.part(index.saturating_mul(stride), stride);
        let entry = entry.ok_or_else(|| Error::corrupt("table", "an entry's number"))?;
        Ok(entry.base())
    }

    fn entries(&self) -> impl Iterator<Item = (u64, Entry)> + '_ {
        (0..self.max_entries).filter_map(|index| Some((index, self.entry(index)?)))
    }

    /// Reads entry `index` as one moment saw it, if it is Ready and `wanted` says so.
    fn read(&self, index: u64, wanted: impl Fn(&Entry) -> bool) -> Option<Found> {
        let entry = self.entry(index)?;
        for _ in 0..MOST_RETRIES {
            // Acquire: what is read below is at least as new as this `meta`.
            let meta = Meta(entry.meta().load(Ordering::Acquire));
            if !meta.is_active() {
                return None;
            }
            let is_wanted = wanted(&entry);
            let fields = entry.fields();
            // What was read above is older than the `meta` below: pairs with `Entry::set`.
            fence(Ordering::Acquire);
            if entry.meta().load(Ordering::Relaxed) != meta.0 {
                continue; // Somebody changed the entry meanwhile: their progress, our retry.
            }
            if !is_wanted {
                return None;
            }
            return Some(Found {
                index,
                meta,
                kind: meta.kind().unwrap_or(Kind::Raw),
                offset: fields.offset,
                size: fields.size,
                elem_size: fields.elem_size,
                num_elem: fields.num_elem,
            });
        }
        None
    }

    /// The structure of that name, if it is ready for use. Takes no lock.
    pub fn find(&self, key: &Key) -> Option<Found> {
        (0..self.max_entries).find_map(|index| self.read(index, |entry| entry.is_named(key)))
    }

    /// What entry `index` holds, if it is ready for use, and its name. Takes no lock.
    pub fn get(&self, index: u64) -> Option<(Found, Vec<u8>)> {
        let name = core::cell::RefCell::new(Vec::new());
        let found = self.read(index, |entry| {
            let words = entry.name.iter().map(|word| word.load(Ordering::Relaxed));
            *name.borrow_mut() = words.flat_map(u64::to_le_bytes).collect();
            true
        })?;
        let mut name = name.into_inner();
        name.truncate(self.max_name_size as usize);
        let len = name
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(name.len());
        name.truncate(len);
        Some((found, name))
    }

    /// Number of entries in use.
    pub fn count(&self) -> u64 {
        let metas = self
            .entries()
            .map(|(_, entry)| Meta(entry.meta().load(Ordering::Relaxed)));
        metas.filter(|meta| meta.is_active()).count() as u64
    }

    /// Largest `offset + size - size of the table` ever added, in wrapping arithmetic.
    pub fn total_allocated(&self) -> u64 {
        self.total_allocated.load(Ordering::Acquire)
    }

    fn set_total(&self, total: u64) {
        self.total_allocated.store(total, Ordering::Release);
    }

    /// `total_allocated` once an extent has been added.
    fn total_with(&self, offset: u64, size: u64) -> u64 {
        let end = offset.wrapping_add(size).wrapping_sub(self.size());
        self.total_allocated().max(end)
    }

    fn first_in_state(&self, state: State) -> Option<(u64, Entry)> {
        self.entries()
            .find(|(_, entry)| Meta(entry.meta().load(Ordering::Relaxed)).state() == state)
    }
}

/// A table object wherever it may be: in a segment, or private to this process.
pub enum Place<'a> {
    /// The table of this segment.
    Segment(&'a Segment),
    /// Private memory.
    Private(Table),
}

impl Place<'_> {
    /// Looks a table's address up among the attached segments.
    ///
    /// # Safety
    ///
    /// `table` points to a table of this geometry, 8-byte aligned and valid for
    /// as long as the result is used; its segment, if any, is not closed meanwhile.
    pub unsafe fn at(table: NonNull<u8>, max_name_size: u64, max_entries: u64) -> Result<Self> {
        // SAFETY: the caller keeps the segment attached.
        if let Some(segment) = unsafe { segment::find_table(table.as_ptr()) } {
            let geometry = segment.geometry();
            let found = (geometry.max_name_size, geometry.max_entries);
            if found != (max_name_size, max_entries) {
                return Err(Error::Geometry {
                    name: segment.name().to_owned(),
                    expected: (max_name_size, max_entries),
                    found,
                });
            }
            return Ok(Self::Segment(segment));
        }
        // SAFETY: the caller vouches for the bytes.
        let region = unsafe { Region::new(table, table_size(max_name_size, max_entries) as usize) };
        Table::new(region, max_name_size, max_entries)
            .map(Self::Private)
            .ok_or_else(|| Error::argument("the table is not aligned to 8 bytes"))
    }

    /// The view for reading.
    pub fn table(&self) -> Result<Table> {
        match self {
            Self::Segment(segment) => Table::of(segment),
            Self::Private(table) => Ok(*table),
        }
    }

    /// Adds an entry of the user's own.
    pub fn add(&self, name: &[u8], fields: Fields) -> Result<()> {
        let table = match self {
            Self::Segment(segment) => return change::add_raw(segment, name, fields),
            Self::Private(table) => table,
        };
        let _process = fork::lock_process();
        let key = table.key(name);
        if table.find(&key).is_some() {
            return Err(exists(&key));
        }
        let (_, entry) = table
            .first_in_state(State::Unused)
            .ok_or_else(|| table_full(table, &key))?;
        let generation = Meta(entry.meta().load(Ordering::Relaxed)).generation();
        entry.set(&key, fields);
        table.set_total(table.total_with(fields.offset, fields.size));
        let meta = Meta::new(Kind::Raw, State::Ready, generation.wrapping_add(1));
        entry.meta().store(meta.0, Ordering::Release);
        Ok(())
    }

    /// Takes an entry out of the table; its space stays what it is.
    pub fn erase(&self, name: &[u8]) -> Result<()> {
        let table = match self {
            Self::Segment(segment) => return change::erase(segment, name),
            Self::Private(table) => table,
        };
        let _process = fork::lock_process();
        erase_found(table, &table.key(name))
    }

    /// Takes all entries out of the table and forgets what was allocated.
    pub fn clear(&self) -> Result<()> {
        let table = match self {
            Self::Segment(segment) => return change::clear(segment),
            Self::Private(table) => table,
        };
        let _process = fork::lock_process();
        clear_entries(table);
        Ok(())
    }
}

/// Makes every entry unused. Doing it twice is the same as once.
fn clear_entries(table: &Table) {
    for (_, entry) in table.entries() {
        let meta = Meta(entry.meta().load(Ordering::Relaxed));
        entry
            .meta()
            .store(meta.in_state(State::Unused).0, Ordering::Release);
    }
    table.set_total(0);
}

fn erase_found(table: &Table, key: &Key) -> Result<()> {
    let found = table.find(key).ok_or_else(|| not_found(key, ""))?;
    if let Some(entry) = table.entry(found.index) {
        let meta = found.meta.in_state(State::Unused);
        entry.meta().store(meta.0, Ordering::Release);
    }
    Ok(())
}

fn exists(key: &Key) -> Error {
    Error::Exists {
        what: "structure",
        name: key.text(),
    }
}

fn not_found(key: &Key, why: &'static str) -> Error {
    Error::NotFound {
        what: "structure",
        name: key.text(),
        why,
    }
}

fn table_full(table: &Table, key: &Key) -> Error {
    Error::TableFull {
        name: key.text(),
        entries: table.max_entries,
    }
}
