//! One attachment to one segment: the mapping, the checked geometry, membership,
//! and the lock under which the table changes.

mod attach;
pub mod fork;
pub mod layout;
mod lease;
mod members;
mod registry;

pub use attach::{Intent, Options, unlink};
pub use members::{NOBODY, Owner, WAITERS};
pub use registry::find_table;

use crate::error::{Error, Result};
use crate::raw::{List, Ref, Region};
use crate::sys::{self, Mapping};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use layout::{Geometry, Header};
use lease::Lease;
use members::Members;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// How long somebody who waits for another process sleeps before looking
/// whether that process still lives.
const SLICE: Duration = Duration::from_millis(5);

/// An attachment to a segment.
///
/// Any number of threads may use one. Dropping it gives the attachment up; the
/// segment stays until its name is removed and nobody is attached.
pub struct Segment {
    name: String,
    geometry: Geometry,
    read_only: bool,
    timeout: Duration,
    identity: (u64, u64),
    header: Ref<Header>,
    owners: List<AtomicU64>,
    members: Members,
    /// Shared presence of a read-only attachment.
    _presence: Option<Lease>,
    file: OwnedFd,
    mapping: Mapping,
}

impl Segment {
    /// Creates, opens, or does whichever is possible. `formats` tells the layouts of
    /// the layers above; segments of builds with others are refused.
    pub fn attach(
        name: &str,
        intent: Intent,
        options: &Options,
        formats: &[usize],
    ) -> Result<Box<Self>> {
        let segment = Box::new(attach::attach(name, intent, options, formats)?);
        registry::enter(&segment);
        Ok(segment)
    }

    /// Puts a mapped, initialised file together; takes an attachment slot.
    fn assemble(
        name: &str,
        file: OwnedFd,
        mapping: Mapping,
        geometry: Geometry,
        options: &Options,
    ) -> Result<Self> {
        let damaged = || Error::corrupt(name, "the segment header");
        // SAFETY: the mapping lives as long as the segment that holds both.
        let all = unsafe { Region::new(mapping.base(), mapping.len()) };
        let records = all.list(geometry.members_offset, geometry.max_attachments);
        let status =
            sys::status(&file).map_err(|error| Error::system(name, "look at its file", &error))?;
        let mut segment = Self {
            name: name.to_owned(),
            geometry,
            read_only: options.read_only,
            timeout: options.open_timeout,
            identity: status.identity,
            header: all.at(0).ok_or_else(damaged)?,
            owners: all
                .list(geometry.owners_offset, geometry.max_entries)
                .ok_or_else(damaged)?,
            members: Members::new(records.ok_or_else(damaged)?),
            _presence: None,
            file,
            mapping,
        };
        let watch = "watch for forks";
        fork::watch_forks().map_err(|error| Error::system(name, watch, &error))?;
        if options.read_only {
            segment._presence = segment.announce_reader()?;
        } else {
            segment.join()?;
        }
        Ok(segment)
    }

    fn announce_reader(&self) -> Result<Option<Lease>> {
        let byte = lease::PRESENCE_BYTE;
        let open = || sys::reopen(&self.file, true);
        let process = fork::lock_process();
        match Lease::take_any(&process, open, byte..byte + 1, sys::Lock::Shared) {
            Ok(taken) => Ok(taken.map(|(lease, _)| lease)),
            Err(error) => Err(Error::system(&self.name, "announce a reader", &error)),
        }
    }

    /// Name without the leading slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the parts of the segment lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Whether this attachment may only read.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// How long to wait for a living process before giving up.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The table and everything behind it. Offsets of structures count from its start.
    pub fn heap(&self) -> Region {
        // SAFETY: the mapping lives as long as `self`; handles die before it.
        let all = unsafe { Region::new(self.mapping.base(), self.mapping.len()) };
        let geometry = &self.geometry;
        // The geometry was checked against the mapping when the segment was attached.
        all.part(geometry.table_offset, geometry.heap_end())
            .unwrap_or(all)
    }

    /// The header's changing parts.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Who initialises the table's entries, by entry.
    pub fn owners(&self) -> &List<AtomicU64> {
        &self.owners
    }

    /// Payload bytes that structures use.
    pub fn payload_used(&self) -> u64 {
        self.header.accounts.payload_used.load(Ordering::Relaxed)
    }

    /// Number of living read-write attachments, this one included.
    pub fn ref_count(&self) -> Result<u32> {
        if !self.read_only {
            self.join()?;
        }
        let file = self.file()?;
        self.members
            .count(file)
            .map_err(|error| Error::system(&self.name, "count its attachments", &error))
    }

    /// Whether a read-only attachment lives somewhere.
    pub fn has_readers(&self) -> Result<bool> {
        sys::is_locked(self.file()?, lease::PRESENCE_BYTE)
            .map_err(|error| Error::system(&self.name, "look for readers", &error))
    }

    /// Our owner word; takes an attachment slot first in a forked child.
    #[inline]
    pub fn me(&self) -> Result<Owner> {
        match self.members.me() {
            Some(me) => Ok(me),
            None => self.join(),
        }
    }

    #[cold]
    fn join(&self) -> Result<Owner> {
        if self.read_only {
            return Err(self.read_only_error("a change"));
        }
        let file = self.file()?;
        let process = fork::lock_process();
        match self.members.join(&process, file) {
            Ok(Some(me)) => Ok(me),
            Ok(None) => Err(Error::Attachments {
                name: self.name.clone(),
                limit: self.geometry.max_attachments,
            }),
            Err(error) => Err(Error::system(&self.name, "take an attachment slot", &error)),
        }
    }

    /// Whether an owner found in the segment is gone. Errs towards "still alive".
    pub fn is_dead(&self, owner: Owner) -> bool {
        self.file()
            .is_ok_and(|file| self.members.is_dead(owner, file).unwrap_or(false))
    }

    /// Commits memory for a part of the heap, or fails with nothing changed that matters.
    pub fn commit(&self, name: &str, offset: u64, len: u64) -> Result<()> {
        let file = self.file()?;
        sys::commit(file, self.geometry.table_offset + offset, len).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::ENOSPC | libc::ENOMEM | libc::EDQUOT | libc::EFBIG) => Error::NoSpace {
                    name: name.to_owned(),
                    bytes: len,
                },
                _ => Error::system(name, "commit memory", &error),
            }
        })
    }

    /// Gives the memory of a part of the heap back, as far as it fills pages.
    pub fn decommit(&self, offset: u64, len: u64) {
        if let Ok(file) = self.file() {
            sys::decommit(file, self.geometry.table_offset + offset, len);
        }
    }

    /// The segment's descriptor, unless the program closed it behind our back
    /// (the number may by now be another file's).
    fn file(&self) -> Result<&OwnedFd> {
        let closed = "use its descriptor, which the program has closed";
        match sys::status(&self.file) {
            Ok(status) if status.identity == self.identity => Ok(&self.file),
            Ok(_) => Err(Error::System {
                name: self.name.clone(),
                what: closed,
                errno: libc::EBADF,
            }),
            Err(error) => Err(Error::system(&self.name, closed, &error)),
        }
    }

    /// An [`Error::ReadOnly`] about this segment.
    pub fn read_only_error(&self, what: &'static str) -> Error {
        Error::ReadOnly {
            name: self.name.clone(),
            what,
        }
    }

    /// Takes the lock under which the table changes. A dead holder's lock is
    /// taken over; whoever holds the guard must first finish what that holder
    /// left in the journal. Waits for a living holder, at most until `deadline`.
    pub fn lock_table(&self, deadline: Instant) -> Result<TableGuard<'_>> {
        let me = self.me()?;
        let lock = &self.header.table_lock;
        let mut waiters = 0;
        loop {
            let found = Owner(lock.load(Ordering::Relaxed));
            let holder = found.without_waiters();
            if holder == NOBODY || (holder != me && self.is_dead(holder)) {
                // Acquire pairs with the Release in `TableGuard::drop`, and with
                // the last Release store of a holder who died.
                let mine = me.0 | waiters | (found.0 & WAITERS);
                if lock
                    .compare_exchange(found.0, mine, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                {
                    return Ok(TableGuard { segment: self });
                }
                continue;
            }
            if Instant::now() >= deadline {
                return Err(Error::Timeout {
                    name: self.name.clone(),
                    what: "a living process to leave the table",
                    milliseconds: self.timeout.as_millis() as u64,
                });
            }
            let flagged = found.0 | WAITERS;
            if lock
                .compare_exchange(found.0, flagged, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                // Others may sleep as well: keep the flag until the lock is given back.
                waiters = WAITERS;
                sys::futex_wait(low_half(lock), flagged as u32, SLICE);
            }
        }
    }

    /// Sleeps until an initialisation ends somewhere, a slice at the most.
    /// `seen` is the value of [`Segment::events`] before the caller last looked.
    pub fn await_event(&self, seen: u32) {
        sys::futex_wait(&self.header.accounts.events, seen, SLICE);
    }

    /// Changes whenever an initialisation ends.
    pub fn events(&self) -> u32 {
        self.header.accounts.events.load(Ordering::Acquire)
    }

    /// Tells everybody that an initialisation has ended.
    pub fn announce_event(&self) {
        self.header.accounts.events.fetch_add(1, Ordering::AcqRel);
        sys::futex_wake_all(&self.header.accounts.events);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        registry::leave(self);
    }
}

/// The half of a 64-bit word that a futex can sleep on: the low one.
fn low_half(word: &AtomicU64) -> &AtomicU32 {
    // SAFETY: same memory, suitably aligned, and little-endian (asserted in `sys`);
    // the kernel only compares it.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
}

/// The right to change the table.
pub struct TableGuard<'a> {
    segment: &'a Segment,
}

impl Drop for TableGuard<'_> {
    fn drop(&mut self) {
        let lock = &self.segment.header.table_lock;
        if lock.swap(0, Ordering::Release) & WAITERS != 0 {
            sys::futex_wake_all(low_half(lock));
        }
    }
}
