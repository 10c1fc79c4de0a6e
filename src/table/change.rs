//! How the table of a segment changes: under the table lock, one journaled step
//! at a time (see `journal`), with the initialisation of a structure outside the lock.
//!
//! A structure is born in three steps, and a kill between any two leaves
//! something that the next comer can finish or undo:
//! 1. under the lock, an entry is reserved as Init(owner) with its extent;
//! 2. outside the lock, the owner commits and initialises the extent;
//! 3. a compare-and-swap makes the entry Ready.
//!
//! Openers of a name in Init wait for a living owner; a dead owner's entry is
//! freed, with its extent, by whoever holds the lock next. So is one that was destroyed,
//! once nobody has it open.

use super::journal::{self, Change, Word};
use super::space::{NoPlace, Space};
use super::{
    Entry, Fields, Found, Key, Kind, Meta, State, Table, clear_entries, exists, not_found,
    table_full,
};
use crate::error::{Error, Result};
use crate::raw::{Ref, Region};
use crate::segment::layout::Journal;
use crate::segment::{NOBODY, Owner, Segment, TableGuard};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Instant;

/// A structure to be created.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its name.
    pub key: &'a Key,
    /// What it is.
    pub kind: Kind,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Number of elements.
    pub num_elem: u64,
    /// Bytes of the extent, control words included.
    pub size: u64,
    /// Alignment of the extent, a power of two up to a page.
    pub align: u64,
}

impl Request<'_> {
    /// What counts against the size of the segment.
    pub(super) fn payload(&self) -> u64 {
        self.elem_size.saturating_mul(self.num_elem)
    }
}

/// What came of a [`claim`].
pub enum Claim<'a> {
    /// The name is taken by a structure that is ready for use.
    Existing(Found),
    /// The name is ours to initialise.
    New(Reservation<'a>),
}

/// A segment's table while it is locked and whole.
struct Locked<'a> {
    segment: &'a Segment,
    table: Table,
    _guard: TableGuard<'a>,
}

impl<'a> Locked<'a> {
    /// Takes the lock, and finishes what a dead holder, dead initialisers and those who
    /// used what is destroyed by now have left.
    fn new(segment: &'a Segment, deadline: Instant) -> Result<Self> {
        let table = Table::of(segment)?;
        let guard = segment.lock_table(deadline)?;
        let locked = Self {
            segment,
            table,
            _guard: guard,
        };
        if journal::redo(segment, &table) {
            locked.clear_all();
        }
        locked.collect();
        Ok(locked)
    }

    fn space(&self) -> Space<'_> {
        Space {
            segment: self.segment,
            table: &self.table,
        }
    }

    fn make(&self, change: &Change) {
        change.make(self.segment, &self.table);
    }

    /// Frees every entry whose initialiser is dead, and every destroyed one that nobody uses.
    fn collect(&self) {
        for (index, entry) in self.table.entries() {
            // Looked at again once its owner is proven dead: it may have published before.
            let meta = Meta(entry.meta().load(Ordering::Acquire));
            let over = match meta.state() {
                State::Init => is_orphan(self.segment, index),
                State::Destroyed => !self.segment.is_used(index),
                _ => false,
            };
            if over && entry.meta().load(Ordering::Acquire) == meta.0 {
                self.free(index, meta);
            }
        }
    }

    /// Entry and extent are free again.
    fn free(&self, index: u64, meta: Meta) {
        let space = self.space();
        if let Some(range) = space.occupied(index) {
            self.segment.decommit(range.start, range.end - range.start);
        }
        let mut change = Change::new();
        space.free(&mut change, index, meta);
        self.make(&change);
    }

    /// The entry of that name that is in use or being initialised.
    fn named(&self, key: &Key) -> Option<(u64, Meta)> {
        self.table.entries().find_map(|(index, entry)| {
            let meta = Meta(entry.meta().load(Ordering::Acquire));
            let in_use = matches!(meta.state(), State::Init | State::Ready);
            (in_use && entry.is_named(key)).then_some((index, meta))
        })
    }

    fn full(&self, request: &Request, needed: u64, available: u64) -> Error {
        Error::SegmentFull {
            name: request.key.text(),
            segment: self.segment.name().to_owned(),
            needed,
            available,
        }
    }

    /// Reserves entry and extent; the name is free.
    fn reserve(&self, request: &Request) -> Result<Reservation<'a>> {
        let segment = self.segment;
        let used = segment.payload_used();
        let available = segment.geometry().size.saturating_sub(used);
        if request.payload() > available {
            return Err(self.full(request, request.payload(), available));
        }
        let me = segment.me()?;
        let mut change = Change::new();
        let place = match self.space().place(&mut change, request) {
            Ok(place) => place,
            Err(NoPlace::Entries) => return Err(table_full(&self.table, request.key)),
            Err(NoPlace::Space(left)) => return Err(self.full(request, request.size, left)),
        };
        let fields = Fields {
            offset: place.offset,
            size: request.size,
            elem_size: request.elem_size,
            num_elem: request.num_elem,
        };
        change.account(Word::PayloadUsed, used.saturating_add(request.payload()));
        change.set(Word::Owner, place.index, me.0);
        change.set(Word::Total, place.index, place.total);
        let user = Occupied {
            range: place.range,
            payload: request.payload(),
        };
        let meta = self.enter(
            change,
            place.index,
            request.key,
            &fields,
            &user,
            (request.kind, State::Init),
        )?;
        Ok(Reservation {
            segment,
            index: place.index,
            meta,
            fields,
            me,
            published: false,
        })
    }

    /// Completes a change by an entry's own words, and makes it.
    fn enter(
        &self,
        mut change: Change,
        index: u64,
        key: &Key,
        fields: &Fields,
        occupied: &Occupied,
        (kind, state): (Kind, State),
    ) -> Result<Meta> {
        let entry = self.table.entry(index);
        let entry = entry.ok_or_else(|| table_full(&self.table, key))?;
        let meta = next_use(&entry, kind, state);
        // The entry is nobody's: its name may be written before the change is committed.
        entry.set_name(key);
        for (word, value) in [
            (Word::Offset, fields.offset),
            (Word::Size, fields.size),
            (Word::ElemSize, fields.elem_size),
            (Word::NumElem, fields.num_elem),
            (Word::Start, occupied.range.start),
            (Word::End, occupied.range.end),
            (Word::Payload, occupied.payload),
            (Word::Meta, meta.0),
        ] {
            change.set(word, index, value);
        }
        self.make(&change);
        Ok(meta)
    }

    /// Takes an entry out of the table, and leaves its space taken.
    fn erase(&self, found: &Found) {
        let mut change = Change::new();
        if let Some(top) = self.space().top_without(found.index) {
            change.account(Word::LowTop, top);
        }
        let unused = found.meta.in_state(State::Unused);
        change.set(Word::Meta, found.index, unused.0);
        self.make(&change);
    }

    fn clear_all(&self) {
        clear_entries(&self.table);
        let accounts = &self.segment.header().accounts;
        let geometry = self.segment.geometry();
        accounts.payload_used.store(0, Ordering::Relaxed);
        accounts.low_top.store(self.table.size(), Ordering::Relaxed);
        accounts
            .high_top
            .store(geometry.high_start(), Ordering::Relaxed);
        self.segment
            .header()
            .journal
            .count
            .store(0, Ordering::Release);
    }
}

/// What an entry takes.
struct Occupied {
    range: Range<u64>,
    payload: u64,
}

/// Whether the initialiser of an entry is dead.
fn is_orphan(segment: &Segment, index: u64) -> bool {
    let extent = segment.extents().get(index as usize);
    extent.is_none_or(|extent| segment.is_dead(Owner(extent.owner.load(Ordering::Relaxed))))
}

/// `meta` of an entry put to another use.
fn next_use(entry: &Entry, kind: Kind, state: State) -> Meta {
    let generation = Meta(entry.meta().load(Ordering::Relaxed)).generation();
    Meta::new(kind, state, generation.wrapping_add(1))
}

/// A name and an extent that are ours until they are published. Dropped
/// unpublished, both are given back.
pub struct Reservation<'a> {
    segment: &'a Segment,
    index: u64,
    meta: Meta,
    fields: Fields,
    me: Owner,
    published: bool,
}

impl Reservation<'_> {
    /// Where the structure is to be.
    pub fn region(&self) -> Result<Region> {
        self.segment
            .heap()
            .part(self.fields.offset, self.fields.size)
            .ok_or_else(|| Error::corrupt(self.segment.name(), "a reserved extent"))
    }

    /// Makes the structure visible to everybody.
    #[inline(never)]
    pub fn publish(mut self, key: &Key) -> Result<Found> {
        let table = Table::of(self.segment)?;
        let ready = self.meta.in_state(State::Ready);
        let entry = table.entry(self.index);
        // Release: whoever sees Ready sees the structure initialised.
        let published = entry.is_some_and(|entry| {
            entry
                .meta()
                .compare_exchange(self.meta.0, ready.0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        });
        self.published = true;
        self.segment.announce_event();
        if !published {
            // Somebody cleared the table meanwhile.
            return Err(Error::Stale { name: key.text() });
        }
        Ok(Found {
            index: self.index,
            meta: ready,
            kind: ready.kind().unwrap_or(Kind::Raw),
            offset: self.fields.offset,
            size: self.fields.size,
            elem_size: self.fields.elem_size,
            num_elem: self.fields.num_elem,
        })
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        // Somebody may have cleared the table, and the entry be another's by now.
        let entry = Table::of(self.segment)
            .ok()
            .and_then(|table| table.entry(self.index));
        let is_ours =
            entry.is_some_and(|entry| entry.meta().load(Ordering::Acquire) == self.meta.0);
        if !is_ours {
            return;
        }
        // Owned by nobody, the entry is an orphan: taking the lock gives it up. If
        // the lock cannot be had in time, whoever takes it next does the same.
        if let Some(extent) = self.segment.extents().get(self.index as usize) {
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let _ = extent
                .owner
                .compare_exchange(self.me.0, NOBODY.0, success, failure);
        }
        drop(Locked::new(self.segment, deadline(self.segment)));
        self.segment.announce_event();
    }
}

fn deadline(segment: &Segment) -> Instant {
    Instant::now() + segment.timeout()
}

/// Waits while a living process initialises the structure of that name. True
/// when the table should be looked at again, false when nobody is at it.
fn await_initialiser(
    segment: &Segment,
    table: &Table,
    key: &Key,
    deadline: Instant,
) -> Result<bool> {
    let seen = segment.events();
    for (index, entry) in table.entries() {
        let meta = Meta(entry.meta().load(Ordering::Acquire));
        if !matches!(meta.state(), State::Init | State::Ready) || !entry.is_named(key) {
            continue;
        }
        // One that is an orphan, and was when we looked: its owner published nothing.
        if meta.state() == State::Init
            && is_orphan(segment, index)
            && entry.meta().load(Ordering::Acquire) == meta.0
        {
            continue;
        }
        if Instant::now() >= deadline {
            return Err(Error::Timeout {
                name: key.text(),
                what: "a living process to initialise the structure",
                milliseconds: segment.timeout().as_millis() as u64,
            });
        }
        if meta.state() == State::Init {
            segment.await_event(seen);
        }
        return Ok(true);
    }
    Ok(false)
}

/// Finds a structure, waiting for its initialiser if there is one at work.
#[inline(never)]
pub fn open(segment: &Segment, key: &Key) -> Result<Found> {
    let table = Table::of(segment)?;
    let deadline = deadline(segment);
    loop {
        if let Some(found) = table.find(key) {
            return Ok(found);
        }
        if !await_initialiser(segment, &table, key, deadline)? {
            return Err(not_found(key, ""));
        }
    }
}

/// Finds a structure, or reserves its name and commits its memory, all zero. Of
/// any number of processes that claim one name, exactly one gets the reservation.
#[inline(never)]
pub fn claim<'a>(segment: &'a Segment, request: &Request) -> Result<Claim<'a>> {
    let table = Table::of(segment)?;
    let deadline = deadline(segment);
    let reservation = loop {
        if let Some(found) = table.find(request.key) {
            return Ok(Claim::Existing(found));
        }
        let locked = Locked::new(segment, deadline)?;
        if locked.named(request.key).is_none() {
            break locked.reserve(request)?;
        }
        drop(locked);
        await_initialiser(segment, &table, request.key, deadline)?;
    };
    // Dropped on failure, the reservation undoes itself.
    let (offset, size) = (reservation.fields.offset, reservation.fields.size);
    segment.commit_zeroed(&request.key.text(), offset, size)?;
    Ok(Claim::New(reservation))
}

/// Adds an entry of the user's own to a segment's table, as it is.
pub(super) fn add_raw(segment: &Segment, name: &[u8], fields: Fields) -> Result<()> {
    let table = Table::of(segment)?;
    let key = table.key(name);
    if segment.is_read_only() {
        return Err(segment.read_only_error("adding an entry"));
    }
    if table.find(&key).is_some() {
        return Err(exists(&key));
    }
    let range = fields.offset..fields.offset.saturating_add(fields.size);
    let space = |table| Space { segment, table };
    if space(&table).of_user(range.clone()).is_some() {
        segment.commit(&key.text(), fields.offset, fields.size)?;
    }
    let locked = Locked::new(segment, deadline(segment))?;
    if locked.named(&key).is_some() {
        return Err(exists(&key));
    }
    // What was free there is so no longer.
    while let Some(index) = locked.space().gap_within(&range) {
        let mut change = Change::new();
        locked.space().forget(&mut change, index);
        locked.make(&change);
    }
    let mut change = Change::new();
    let index = locked.space().take_entry(&mut change);
    let index = index.ok_or_else(|| table_full(&table, &key))?;
    let mut occupied = Occupied {
        range: 0..0,
        payload: 0,
    };
    if let Some((word, top)) = locked.space().of_user(range.clone()) {
        let used = segment.payload_used();
        change.account(Word::PayloadUsed, used.saturating_add(fields.size));
        change.account(word, top);
        occupied = Occupied {
            range,
            payload: fields.size,
        };
    }
    let total = table.total_with(fields.offset, fields.size);
    change.account(Word::TotalAllocated, total);
    change.set(Word::Total, index, 0);
    locked.enter(
        change,
        index,
        &key,
        &fields,
        &occupied,
        (Kind::Raw, State::Ready),
    )?;
    Ok(())
}

/// Takes a structure out of a segment's table. Its space stays taken: living
/// handles go on.
pub(super) fn erase(segment: &Segment, name: &[u8]) -> Result<()> {
    let locked = Locked::new(segment, deadline(segment))?;
    let key = locked.table.key(name);
    let found = locked.table.find(&key).ok_or_else(|| not_found(&key, ""))?;
    locked.erase(&found);
    Ok(())
}

/// Takes a structure out of a segment's table for good, and gives its space back as soon
/// as no attachment but this one has it open: at once, or when the table changes after the
/// last of them has closed it. `retire` is told which entry it is, once it has lost its name.
///
/// What user code placed itself may lie anywhere, over something else as well: it is erased.
pub fn destroy(segment: &Segment, name: &[u8], retire: impl FnOnce(u64, Meta)) -> Result<()> {
    let table = Table::of(segment)?;
    if segment.is_read_only() {
        return Err(segment.read_only_error("destroying a structure"));
    }
    let key = table.key(name);
    let (index, meta) = {
        let locked = Locked::new(segment, deadline(segment))?;
        let found = table.find(&key).ok_or_else(|| not_found(&key, ""))?;
        if found.kind == Kind::Raw {
            locked.erase(&found);
            return Ok(());
        }
        let mut change = Change::new();
        change.set(
            Word::Meta,
            found.index,
            found.meta.in_state(State::Destroyed).0,
        );
        locked.make(&change);
        (found.index, found.meta)
    };
    retire(index, meta);
    // Taking the lock frees it, if nobody uses it any more. If the lock cannot be had in
    // time, whoever takes it next does the same.
    drop(Locked::new(segment, deadline(segment)));
    Ok(())
}

/// The word that tells handles to a structure whether it was destroyed, and what it then is.
pub fn destroyed_mark(segment: &Segment, found: &Found) -> Option<(Ref<AtomicU64>, u64)> {
    let entry = Table::of(segment).ok()?.entry(found.index)?;
    Some((entry.meta_word(), found.meta.in_state(State::Destroyed).0))
}

/// Whether an entry still is what was found.
pub fn is_still(segment: &Segment, found: &Found) -> bool {
    let entry = Table::of(segment)
        .ok()
        .and_then(|table| table.entry(found.index));
    entry.is_some_and(|entry| entry.meta().load(Ordering::SeqCst) == found.meta.0)
}

/// Takes everything out of a segment's table and starts allocating anew.
pub(super) fn clear(segment: &Segment) -> Result<()> {
    let locked = Locked::new(segment, deadline(segment))?;
    let journal = &segment.header().journal;
    journal.count.store(Journal::CLEAR, Ordering::Release);
    fence(Ordering::Release);
    locked.clear_all();
    Ok(())
}

/// Finishes what dead processes left in the table, unless a living one is
/// changing it right now. Never waits.
pub fn tidy(segment: &Segment) -> Result<()> {
    let table = Table::of(segment)?;
    let lock = Owner(segment.header().table_lock.load(Ordering::Acquire)).without_waiters();
    let left_over = table.entries().any(|(index, entry)| {
        let meta = Meta(entry.meta().load(Ordering::Acquire));
        match meta.state() {
            State::Init => is_orphan(segment, index),
            State::Destroyed => !segment.is_used(index),
            _ => false,
        }
    });
    if left_over || (lock != NOBODY && segment.is_dead(lock)) {
        match Locked::new(segment, Instant::now()) {
            Err(Error::Timeout { .. }) => {}
            result => return result.map(drop),
        }
    }
    Ok(())
}
