//! One attachment to one segment: the mapping, the checked geometry, membership,
//! and the lock under which the table changes.

mod attach;
pub mod fork;
pub mod guard;
pub mod layout;
mod lease;
mod members;
mod registry;
mod users;

pub use attach::{Intent, Options, unlink};
pub use members::{NOBODY, Owner, WAITERS};
pub use registry::find_table;

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::raw::{List, Ref, Region};
use crate::sys::{self, Mapping};
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use guard::Guard;
use layout::{Extent, Geometry, Header};
use lease::Lease;
use members::Members;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;
use users::Users;

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
    extents: List<Extent>,
    members: Members,
    /// The table's entries that this attachment has open.
    users: Users,
    /// Fork epoch of the process that `file` was opened in.
    file_epoch: AtomicU32,
    /// Shared presence of a read-only attachment.
    _presence: Option<Lease>,
    path: CString,
    /// Closed by our own `drop` only: the program may have closed it before.
    file: ManuallyDrop<OwnedFd>,
    /// Dropped before the mapping.
    guard: Guard,
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
    ) -> Result<Arc<Self>> {
        let segment = Arc::new(attach::attach(name, intent, options, formats)?);
        registry::enter(&segment);
        Ok(segment)
    }

    /// Puts a mapped, initialised file together; takes an attachment slot.
    fn assemble(
        name: &str,
        path: CString,
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
            extents: all
                .list(geometry.extents_offset, geometry.max_entries)
                .ok_or_else(damaged)?,
            members: Members::new(records.ok_or_else(damaged)?),
            users: Users::new(),
            file_epoch: AtomicU32::new(fork::epoch()),
            _presence: None,
            path,
            file: ManuallyDrop::new(file),
            guard: Guard::none(),
            mapping,
        };
        if options.guard {
            segment.guard = segment.guarded()?;
        }
        let watch = "watch for forks";
        fork::watch_forks().map_err(|error| Error::system(name, watch, &error))?;
        if options.read_only {
            segment._presence = segment.announce_reader()?;
        } else {
            segment.join()?;
        }
        Ok(segment)
    }

    fn guarded(&self) -> Result<Guard> {
        let _process = fork::lock_process();
        match Guard::new(&self.mapping, !self.read_only) {
            Ok(Some(guard)) => Ok(guard),
            Ok(None) => Err(Error::Busy {
                name: self.name.clone(),
                found: format!(
                    "this process has {} guarded attachments, the most that one may",
                    guard::MOST_GUARDED
                ),
            }),
            Err(error) => Err(Error::system(&self.name, "handle SIGBUS", &error)),
        }
    }

    /// Set once memory of a guarded attachment is gone.
    pub fn cut(&self) -> &'static AtomicBool {
        self.guard.cut()
    }

    fn announce_reader(&self) -> Result<Option<Lease>> {
        let byte = lease::PRESENCE_BYTE;
        let open = || sys::reopen(&self.file, &self.path, true);
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

    /// What the table's entries occupy, by entry.
    pub fn extents(&self) -> &List<Extent> {
        &self.extents
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

    /// Our owner word, if this process has an attachment slot already.
    #[inline]
    pub fn known_me(&self) -> Option<Owner> {
        self.members.me()
    }

    /// Our owner word; takes an attachment slot first in a forked child.
    #[inline]
    pub fn me(&self) -> Result<Owner> {
        match self.known_me() {
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
        self.own_descriptor(&process)
            .map_err(|error| Error::system(&self.name, "open a descriptor of its own", &error))?;
        match self.members.join(&process, file, &self.path) {
            Ok(Some(me)) => Ok(me),
            Ok(None) => Err(Error::Attachments {
                name: self.name.clone(),
                limit: self.geometry.max_attachments,
            }),
            Err(error) => Err(Error::system(&self.name, "take an attachment slot", &error)),
        }
    }

    /// In a forked child: a descriptor that is not the parent's too, with what is open here
    /// locked through it.
    fn own_descriptor(&self, process: &fork::ProcessGuard) -> std::io::Result<()> {
        if self.owns_file() {
            return Ok(());
        }
        let own = sys::reopen(&self.file, &self.path, self.read_only)?;
        // First locked, then put in place: there is no moment without.
        self.users.take_over(process, &own)?;
        sys::replace(&self.file, &own)?;
        self.file_epoch.store(fork::epoch(), Ordering::Relaxed);
        Ok(())
    }

    /// Whether the descriptor is this process's alone, not inherited.
    fn owns_file(&self) -> bool {
        self.file_epoch.load(Ordering::Relaxed) == fork::epoch()
    }

    /// Notes a handle to the structure of entry `index`.
    #[inline(never)]
    pub fn enter_entry(&self, name: &str, index: u64) -> Result<()> {
        let file = self.file()?;
        let process = fork::lock_process();
        self.users
            .enter(&process, file, index)
            .map_err(|error| Error::system(name, "lock its entry", &error))
    }

    /// Forgets a handle to the structure of entry `index`.
    #[inline(never)]
    pub fn leave_entry(&self, index: u64) {
        if let Ok(file) = self.file() {
            let process = fork::lock_process();
            self.users.leave(&process, file, self.owns_file(), index);
        }
    }

    /// Whether an attachment, this one included, has the structure of entry `index` open.
    /// Errs towards "yes".
    pub fn is_used(&self, index: u64) -> bool {
        let Ok(file) = self.file() else {
            return true;
        };
        let process = fork::lock_process();
        self.users.is_used(&process, file, index).unwrap_or(true)
    }

    /// Whether an owner found in the segment is gone. Errs towards "still alive".
    pub fn is_dead(&self, owner: Owner) -> bool {
        self.file()
            .is_ok_and(|file| self.members.is_dead(owner, file).unwrap_or(false))
    }

    /// Who took an attachment slot last; `None` if there is no such slot. For owners of
    /// whom only a part is kept.
    pub fn last_holder(&self, slot: u64) -> Option<Owner> {
        self.members.last_holder(slot)
    }

    /// Commits memory for a part of the heap: touching it cannot fail later.
    pub fn commit(&self, name: &str, offset: u64, len: u64) -> Result<()> {
        let (start, len) = self.beyond_committed(offset, len);
        if len == 0 {
            return Ok(());
        }
        let file = self.file()?;
        sys::commit(file, start, len).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOSPC | libc::ENOMEM | libc::EDQUOT | libc::EFBIG) => Error::NoSpace {
                name: name.to_owned(),
                bytes: len,
            },
            _ => Error::system(name, "commit memory", &error),
        })
    }

    /// The same for a part that is the caller's alone, and makes all of it zero,
    /// whoever used it before.
    pub fn commit_zeroed(&self, name: &str, offset: u64, len: u64) -> Result<()> {
        self.decommit(offset, len);
        self.commit(name, offset, len)?;
        // Whole pages that were given back come back as zero. Not so what shares a page
        // with a neighbour, or is committed for good.
        let base = self.geometry.table_offset;
        let (begin, end) = (base + offset, base + offset + len);
        let (start, fresh) = self.beyond_committed(offset, len);
        let first = start.next_multiple_of(sys::PAGE);
        let last = (start + fresh) / sys::PAGE * sys::PAGE;
        let dirty = if first < last {
            [(begin, first), (last, end)]
        } else {
            [(begin, end), (end, end)]
        };
        for (from, to) in dirty {
            if let Some(part) = self.heap().part(from - base, to - from) {
                // SAFETY: the extent is the caller's alone.
                unsafe { part.zero() };
            }
        }
        Ok(())
    }

    /// Gives the memory of a part of the heap back, as far as it fills pages.
    pub fn decommit(&self, offset: u64, len: u64) {
        let (start, len) = self.beyond_committed(offset, len);
        if let Ok(file) = self.file() {
            sys::decommit(file, start, len);
        }
    }

    /// A part of the heap as bytes of the file, without what is committed for good.
    fn beyond_committed(&self, offset: u64, len: u64) -> (u64, u64) {
        let start = self.geometry.table_offset + offset;
        let fresh = start.max(self.geometry.committed_size());
        (fresh, (start + len).saturating_sub(fresh))
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
            let change = |to: u64| {
                // Acquire pairs with the Release in `TableGuard::drop`, and with the last
                // Release store of a holder who died.
                let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
                lock.compare_exchange(found.0, to, success, failure).is_ok()
            };
            if holder == NOBODY
                || (holder != me && self.is_dead(holder) && !Fault::StuckLock.is_planted())
            {
                if change(me.0 | waiters | (found.0 & WAITERS)) {
                    return Ok(TableGuard { segment: self, me });
                }
            } else if Instant::now() < deadline && change(found.0 | WAITERS) {
                // Others may sleep as well: keep the flag until the lock is given back.
                waiters = WAITERS;
                let asleep = (found.0 | WAITERS) as u32;
                sys::futex_wait(low_half(lock), asleep, SLICE);
            }
            if Instant::now() >= deadline && self.is_held_by_another(me) {
                return Err(Error::Timeout {
                    name: self.name.clone(),
                    what: "a living process to leave the table",
                    milliseconds: self.timeout.as_millis() as u64,
                });
            }
        }
    }

    /// Whether the table lock is, right now, somebody's who lives.
    fn is_held_by_another(&self, me: Owner) -> bool {
        let found = self.header.table_lock.load(Ordering::Relaxed);
        let holder = Owner(found).without_waiters();
        holder != NOBODY && (holder == me || !self.is_dead(holder))
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
        if self.file().is_ok() {
            // SAFETY: dropped once, here, and the number is still our file's.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
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
    me: Owner,
}

impl Drop for TableGuard<'_> {
    fn drop(&mut self) {
        let lock = &self.segment.header.table_lock;
        let release = |found| (Owner(found).without_waiters() == self.me).then_some(0);
        // Release: the next holder sees the table as we left it.
        let found = lock.fetch_update(Ordering::Release, Ordering::Relaxed, release);
        if found.is_ok_and(|found| found & WAITERS != 0) {
            sys::futex_wake_all(low_half(lock));
        }
    }
}
