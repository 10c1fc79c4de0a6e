//! How the table of a segment changes: under the table lock, one journaled step
//! at a time, with the initialisation of a structure outside the lock.
//!
//! A structure is born in three steps, and a kill between any two leaves
//! something that the next comer can finish or undo:
//! 1. under the lock, an entry is reserved as Init(owner) with its extent;
//! 2. outside the lock, the owner commits and initialises the extent;
//! 3. a compare-and-swap makes the entry Ready.
//!
//! Openers of a name in Init wait for a living owner; a dead owner's entry is
//! given up, with its extent, by whoever holds the lock next.

use super::{
    Entry, Fields, Found, Key, Kind, Meta, State, Table, clear_entries, erase_found, exists,
    not_found, table_full,
};
use crate::error::{Error, Result};
use crate::raw::Region;
use crate::segment::layout::{Accounts, Journal, LINE};
use crate::segment::{NOBODY, Owner, Segment, TableGuard};
use crate::sys::PAGE;
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
    fn payload(&self) -> u64 {
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

/// Payload of a structure in the table: what creating it charged.
fn payload_of(meta: Meta, fields: &Fields) -> u64 {
    match meta.kind() {
        Some(Kind::Raw) | None => fields.size,
        Some(_) => fields.elem_size.saturating_mul(fields.num_elem),
    }
}

/// An entry that may be put to use.
struct FreeEntry {
    index: u64,
    entry: Entry,
    /// Offset and size of the extent that comes with it.
    offset: u64,
    size: u64,
}

/// A segment's table while it is locked and whole.
struct Locked<'a> {
    segment: &'a Segment,
    table: Table,
    _guard: TableGuard<'a>,
}

impl<'a> Locked<'a> {
    /// Takes the lock and finishes what a dead holder and dead initialisers left.
    fn new(segment: &'a Segment, deadline: Instant) -> Result<Self> {
        let table = Table::of(segment)?;
        let guard = segment.lock_table(deadline)?;
        let locked = Self {
            segment,
            table,
            _guard: guard,
        };
        locked.finish_journal();
        locked.give_up_orphans();
        Ok(locked)
    }

    fn journal(&self) -> &Journal {
        &self.segment.header().journal
    }

    fn accounts(&self) -> &Accounts {
        &self.segment.header().accounts
    }

    /// Completes or undoes the change that a dead holder was making.
    fn finish_journal(&self) {
        let (journal, accounts) = (self.journal(), self.accounts());
        // Acquire: the record was complete before `entry` was set.
        let change = journal.entry.load(Ordering::Acquire);
        if change == 0 {
            return;
        }
        let old = |word: &AtomicU64| word.load(Ordering::Relaxed);
        if change == Journal::CLEAR {
            self.clear_all();
        } else if let Some(entry) = self.table.entry(change - 1) {
            // With the last store of the change missing, take the others back.
            if entry.meta().load(Ordering::Acquire) != old(&journal.new_meta) {
                entry.set_extent(old(&journal.old_offset), old(&journal.old_size));
                self.table.set_total(old(&journal.old_total));
                accounts
                    .payload_used
                    .store(old(&journal.old_payload), Ordering::Relaxed);
                accounts
                    .heap_top
                    .store(old(&journal.old_top), Ordering::Relaxed);
            }
        }
        journal.entry.store(0, Ordering::Release);
    }

    /// Makes one change: everything in `apply`, then `meta` of the entry.
    fn change(
        &self,
        index: u64,
        entry: &Entry,
        new_meta: Meta,
        apply: impl FnOnce(&Accounts, &Table),
    ) {
        let (journal, accounts) = (self.journal(), self.accounts());
        let note = |word: &AtomicU64, value: u64| word.store(value, Ordering::Relaxed);
        let fields = entry.fields();
        note(&journal.new_meta, new_meta.0);
        note(&journal.old_offset, fields.offset);
        note(&journal.old_size, fields.size);
        note(&journal.old_total, self.table.total_allocated());
        note(
            &journal.old_payload,
            accounts.payload_used.load(Ordering::Relaxed),
        );
        note(&journal.old_top, accounts.heap_top.load(Ordering::Relaxed));
        // The record is complete before it counts, and counts before anything changes.
        journal.entry.store(index + 1, Ordering::Release);
        fence(Ordering::Release);
        apply(accounts, &self.table);
        // The change is done with this store: Release, after all its others.
        entry.meta().store(new_meta.0, Ordering::Release);
        journal.entry.store(0, Ordering::Release);
    }

    /// Gives up every entry whose initialiser is dead.
    fn give_up_orphans(&self) {
        for (index, entry) in self.table.entries() {
            let meta = Meta(entry.meta().load(Ordering::Acquire));
            // Looked at again once its owner is proven dead: it may have published before.
            if meta.state() == State::Init
                && is_orphan(self.segment, index)
                && entry.meta().load(Ordering::Acquire) == meta.0
            {
                self.give_up(index, &entry, meta);
            }
        }
    }

    /// Undoes a reservation: entry and extent are free again.
    fn give_up(&self, index: u64, entry: &Entry, meta: Meta) {
        let fields = entry.fields();
        let Some(end) = end_of_extent(self.segment, &self.table, &fields) else {
            // Never written by us: there is no extent to give back.
            let unused = meta.in_state(State::Unused);
            return self.change(index, entry, unused, |_, _| {});
        };
        self.segment.decommit(fields.offset, fields.size);
        let is_last = self.accounts().heap_top.load(Ordering::Relaxed) == end;
        let state = if is_last { State::Unused } else { State::Freed };
        self.change(index, entry, meta.in_state(state), |accounts, table| {
            let used = accounts.payload_used.load(Ordering::Relaxed);
            let payload = payload_of(meta, &fields);
            accounts
                .payload_used
                .store(used.saturating_sub(payload), Ordering::Relaxed);
            if is_last {
                accounts.heap_top.store(fields.offset, Ordering::Relaxed);
                let total = end.wrapping_sub(table.size());
                if table.total_allocated() == total {
                    table.set_total(fields.offset.wrapping_sub(table.size()));
                }
            }
        });
    }

    /// The entry of that name that is in use or being initialised.
    fn named(&self, key: &Key) -> Option<(u64, Meta)> {
        self.table.entries().find_map(|(index, entry)| {
            let meta = Meta(entry.meta().load(Ordering::Acquire));
            let in_use = matches!(meta.state(), State::Init | State::Ready);
            (in_use && entry.is_named(key)).then_some((index, meta))
        })
    }

    /// The free extent that fits best, with its entry.
    fn best_gap(&self, size: u64, align: u64) -> Option<FreeEntry> {
        let gaps = self.table.entries().filter_map(|(index, entry)| {
            let meta = Meta(entry.meta().load(Ordering::Relaxed));
            let fields = entry.fields();
            let end = end_of_extent(self.segment, &self.table, &fields)?;
            let offset = fields.offset.checked_next_multiple_of(align)?;
            let fits = offset.checked_add(size)? <= end;
            (meta.state() == State::Freed && fits).then(|| FreeEntry {
                index,
                entry,
                offset,
                size: end - offset,
            })
        });
        gaps.min_by_key(|gap| gap.size)
    }

    /// An entry that may be put to use. One whose gap nobody needs gives the gap
    /// away when nothing else is left.
    fn free_entry(&self) -> Option<(u64, Entry)> {
        let unused = self.table.first_in_state(State::Unused);
        unused.or_else(|| self.table.first_in_state(State::Freed))
    }

    /// Where a new extent can lie behind all others.
    fn behind_all(&self, size: u64, align: u64) -> Option<u64> {
        let top = self.accounts().heap_top.load(Ordering::Relaxed);
        let offset = top.max(self.table.size()).checked_next_multiple_of(align)?;
        let end = offset.checked_add(size)?;
        (end <= self.segment.geometry().heap_end()).then_some(offset)
    }

    /// Entry and extent for a new structure: a gap of about its size, else new
    /// space, else any gap.
    fn place(&self, request: &Request) -> Result<FreeEntry> {
        let align = request.align.max(LINE);
        let gap = self.best_gap(request.size, align);
        let about_its_size = |gap: &FreeEntry| gap.size <= request.size.saturating_mul(2).max(PAGE);
        if gap.as_ref().is_some_and(about_its_size) {
            return gap.ok_or_else(|| table_full(&self.table, request.key));
        }
        match (self.free_entry(), self.behind_all(request.size, align)) {
            (Some((index, entry)), Some(offset)) => Ok(FreeEntry {
                index,
                entry,
                offset,
                size: request.size,
            }),
            (None, _) => gap.ok_or_else(|| table_full(&self.table, request.key)),
            (_, None) => {
                let heap_end = self.segment.geometry().heap_end();
                let top = self.accounts().heap_top.load(Ordering::Relaxed);
                gap.ok_or_else(|| self.full(request, request.size, heap_end.saturating_sub(top)))
            }
        }
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
        let used = self.accounts().payload_used.load(Ordering::Relaxed);
        let available = segment.geometry().size.saturating_sub(used);
        if request.payload() > available {
            return Err(self.full(request, request.payload(), available));
        }
        let free = self.place(request)?;
        let (index, entry) = (free.index, &free.entry);
        let fields = Fields {
            offset: free.offset,
            size: free.size,
            elem_size: request.elem_size,
            num_elem: request.num_elem,
        };
        let meta = next_use(entry, request.kind, State::Init);
        let me = segment.me()?;
        self.change(index, entry, meta, |accounts, table| {
            if let Some(owner) = segment.owners().get(index as usize) {
                owner.store(me.0, Ordering::Relaxed);
            }
            entry.set(request.key, fields);
            self.charge(accounts, table, &fields, request.payload());
        });
        Ok(Reservation {
            segment,
            index,
            meta,
            fields,
            size: request.size,
            me,
            published: false,
        })
    }

    /// Raises the accounts for a new extent.
    fn charge(&self, accounts: &Accounts, table: &Table, fields: &Fields, payload: u64) {
        let used = accounts.payload_used.load(Ordering::Relaxed);
        accounts
            .payload_used
            .store(used.saturating_add(payload), Ordering::Relaxed);
        table.set_total(table.total_with(fields.offset, fields.size));
        if let Some(end) = end_of_extent(self.segment, table, fields) {
            accounts.heap_top.fetch_max(end, Ordering::Relaxed);
        }
    }

    fn clear_all(&self) {
        clear_entries(&self.table);
        let start = self.table.size().next_multiple_of(LINE);
        self.accounts().payload_used.store(0, Ordering::Relaxed);
        self.accounts().heap_top.store(start, Ordering::Relaxed);
    }
}

/// Whether the initialiser of an entry is dead.
fn is_orphan(segment: &Segment, index: u64) -> bool {
    let owner = segment.owners().get(index as usize);
    owner.is_none_or(|owner| segment.is_dead(Owner(owner.load(Ordering::Relaxed))))
}

/// `meta` of an entry put to another use.
fn next_use(entry: &Entry, kind: Kind, state: State) -> Meta {
    let generation = Meta(entry.meta().load(Ordering::Relaxed)).generation();
    Meta::new(kind, state, generation.wrapping_add(1))
}

/// End of an extent, if it lies wholly in the heap.
fn end_of_extent(segment: &Segment, table: &Table, fields: &Fields) -> Option<u64> {
    let end = fields.offset.checked_add(fields.size)?;
    (fields.offset >= table.size() && end <= segment.geometry().heap_end()).then_some(end)
}

/// A name and an extent that are ours until they are published. Dropped
/// unpublished, both are given back.
pub struct Reservation<'a> {
    segment: &'a Segment,
    index: u64,
    meta: Meta,
    fields: Fields,
    /// What was asked for; the extent may be a larger gap.
    size: u64,
    me: Owner,
    published: bool,
}

impl Reservation<'_> {
    /// Where the structure is to be.
    pub fn region(&self) -> Result<Region> {
        self.segment
            .heap()
            .part(self.fields.offset, self.size)
            .ok_or_else(|| Error::corrupt(self.segment.name(), "a reserved extent"))
    }

    /// Makes the structure visible to everybody.
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
        if let Some(owner) = self.segment.owners().get(self.index as usize) {
            let nobody = NOBODY.0;
            let _ = owner.compare_exchange(self.me.0, nobody, Ordering::AcqRel, Ordering::Relaxed);
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
    let (offset, size) = (reservation.fields.offset, reservation.size);
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
    let inside = end_of_extent(segment, &table, &fields).is_some();
    if inside {
        segment.commit(&key.text(), fields.offset, fields.size)?;
    }
    let locked = Locked::new(segment, deadline(segment))?;
    if locked.named(&key).is_some() {
        return Err(exists(&key));
    }
    let free = locked.free_entry();
    let (index, entry) = free.ok_or_else(|| table_full(&table, &key))?;
    let meta = next_use(&entry, Kind::Raw, State::Ready);
    locked.change(index, &entry, meta, |accounts, table| {
        entry.set(&key, fields);
        let payload = if inside { fields.size } else { 0 };
        locked.charge(accounts, table, &fields, payload);
    });
    Ok(())
}

/// Takes a structure out of a segment's table. Its space stays taken: living
/// handles go on.
pub(super) fn erase(segment: &Segment, name: &[u8]) -> Result<()> {
    let locked = Locked::new(segment, deadline(segment))?;
    erase_found(&locked.table, &locked.table.key(name))
}

/// Takes everything out of a segment's table and starts allocating anew.
pub(super) fn clear(segment: &Segment) -> Result<()> {
    let locked = Locked::new(segment, deadline(segment))?;
    locked
        .journal()
        .entry
        .store(Journal::CLEAR, Ordering::Release);
    fence(Ordering::Release);
    locked.clear_all();
    locked.journal().entry.store(0, Ordering::Release);
    Ok(())
}

/// Finishes what dead processes left in the table, unless a living one is
/// changing it right now. Never waits.
pub fn tidy(segment: &Segment) -> Result<()> {
    let table = Table::of(segment)?;
    let lock = Owner(segment.header().table_lock.load(Ordering::Acquire)).without_waiters();
    let orphaned = table.entries().any(|(index, entry)| {
        let meta = Meta(entry.meta().load(Ordering::Acquire));
        meta.state() == State::Init && is_orphan(segment, index)
    });
    if orphaned || (lock != NOBODY && segment.is_dead(lock)) {
        match Locked::new(segment, Instant::now()) {
            Err(Error::Timeout { .. }) => {}
            result => return result.map(drop),
        }
    }
    Ok(())
}
