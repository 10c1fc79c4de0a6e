//! Who is attached: slots, lease generations, and the words that name an owner.

use super::fork::{self, ProcessGuard};
use super::layout::Member;
use super::lease::{Lease, SLOT_BYTE};
use crate::fault::Fault;
use crate::raw::List;
use crate::sys::{self, Lock};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

/// The owner word of nobody.
pub const NOBODY: Owner = Owner(0);

/// Bit of a lock word that holds an [`Owner`]: somebody sleeps until the lock is free.
pub const WAITERS: u64 = 1 << 31;

/// Names one attachment for as long as it lives: its slot and the generation of
/// its lease. Stored wherever something in a segment belongs to somebody.
///
/// Bits 0 to 15: slot + 1, or 0 for nobody. Bit 31: [`WAITERS`].
/// Bits 32 to 63: lease generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner(pub u64);

impl Owner {
    fn new(slot: u64, generation: u32) -> Self {
        Self((slot + 1) | u64::from(generation) << 32)
    }

    /// The owner without the waiters bit.
    pub fn without_waiters(self) -> Self {
        Self(self.0 & !WAITERS)
    }

    /// The attachment slot, unless this is nobody.
    pub fn slot(self) -> Option<u64> {
        (self.0 & 0xffff).checked_sub(1)
    }

    /// The lease generation.
    pub fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// The attachment slots of one segment, and which of them is ours.
pub struct Members {
    records: List<Member>,
    /// Our owner word; meaningful while `epoch` is this process's.
    me: AtomicU64,
    /// Fork epoch in which `me` was taken.
    epoch: AtomicU32,
    /// Our lease; changed under the process lock.
    lease: core::cell::UnsafeCell<Option<Lease>>,
}

// SAFETY: `lease` is touched only under the process lock (or by `drop`), the rest is atomic.
unsafe impl Sync for Members {}

impl Members {
    /// The slots of a segment, none of them ours yet.
    pub fn new(records: List<Member>) -> Self {
        Self {
            records,
            me: AtomicU64::new(0),
            epoch: AtomicU32::new(fork::epoch()),
            lease: core::cell::UnsafeCell::new(None),
        }
    }

    /// Our owner word, if this process has joined. A forked child has not.
    #[inline]
    pub fn me(&self) -> Option<Owner> {
        // The epoch first: once it is ours, `me` is too (`join` stores them the other way round).
        if self.epoch.load(Ordering::Acquire) != fork::epoch() {
            return None;
        }
        let me = Owner(self.me.load(Ordering::Relaxed));
        (me != NOBODY).then_some(me)
    }

    /// Takes a slot unless this process has one. Returns our owner word, or
    /// `None` when living processes hold all slots. Never waits.
    pub fn join(
        &self,
        process: &ProcessGuard,
        file: &OwnedFd,
        path: &CStr,
    ) -> io::Result<Option<Owner>> {
        if let Some(me) = self.me() {
            return Ok(Some(me));
        }
        let bytes = SLOT_BYTE..SLOT_BYTE + self.records.len() as u64;
        let open = || sys::reopen(file, path, false);
        let Some((lease, byte)) = Lease::take_any(process, open, bytes, Lock::Exclusive)? else {
            return Ok(None);
        };
        let slot = byte - SLOT_BYTE;
        let Some(record) = self.records.get(slot as usize) else {
            return Ok(None);
        };
        // From this store on, whatever names the slot's last holder names a dead one.
        let generation = record.generation.load(Ordering::Relaxed);
        let raised = u32::from(!Fault::KeptGeneration.is_planted());
        let generation = generation.wrapping_add(raised);
        record.generation.store(generation, Ordering::SeqCst);
        let (pid, start_time) = sys::process_identity();
        record.pid.store(pid, Ordering::Relaxed);
        record.start_time.store(start_time, Ordering::Relaxed);

        let me = Owner::new(slot, generation);
        // SAFETY: the process lock is held. A lease of the parent is forgotten by its own drop.
        unsafe { *self.lease.get() = Some(lease) };
        // `me` before `epoch`: in a child, the parent's `me` never passes for ours.
        self.me.store(me.0, Ordering::Relaxed);
        self.epoch.store(fork::epoch(), Ordering::Release);
        Ok(Some(me))
    }

    /// Who took a slot last, for whoever has read something that an owner of the slot
    /// wrote; `None` if there is no such slot.
    pub fn last_holder(&self, slot: u64) -> Option<Owner> {
        // What names an owner was read before: see `is_dead`.
        fence(Ordering::Acquire);
        let record = self.records.get(slot as usize)?;
        Some(Owner::new(slot, record.generation.load(Ordering::SeqCst)))
    }

    /// Whether the attachment is gone. Errs only towards "still alive".
    pub fn is_dead(&self, owner: Owner, file: &OwnedFd) -> io::Result<bool> {
        // The owner word was read before: nobody who is seen to own something has a
        // generation that is not seen here.
        fence(Ordering::Acquire);
        let Some(slot) = owner.slot() else {
            return Ok(true);
        };
        let Some(record) = self.records.get(slot as usize) else {
            return Ok(true);
        };
        if record.generation.load(Ordering::SeqCst) != owner.generation() {
            return Ok(true);
        }
        if self.me().is_some_and(|me| me == owner.without_waiters()) {
            return Ok(false);
        }
        Ok(!sys::is_locked(file, SLOT_BYTE + slot)?)
    }

    /// Number of slots that living attachments hold.
    pub fn count(&self, file: &OwnedFd) -> io::Result<u32> {
        let mut living = 0;
        for slot in 0..self.records.len() as u64 {
            living += u32::from(sys::is_locked(file, SLOT_BYTE + slot)?);
        }
        Ok(living)
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        let slot = self.me().and_then(Owner::slot);
        if let Some(record) = slot.and_then(|slot| self.records.get(slot as usize)) {
            record.pid.store(0, Ordering::Relaxed);
        }
    }
}
