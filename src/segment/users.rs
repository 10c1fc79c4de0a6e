//! Which structures an attachment has open, as everybody can see: one shared byte lock for
//! each, on the segment's own file, that ends with the attachment however that ends.
//!
//! So a structure that was destroyed is given back only when nobody can be using it. The
//! locks belong to the attachment's descriptor. A forked child shares that with its parent
//! until it takes an attachment slot of its own, and a descriptor with it.

use super::fork::ProcessGuard;
use crate::sys::{self, Lock};
use core::cell::UnsafeCell;
use std::io;
use std::os::fd::OwnedFd;

/// The byte that stands for entry 0 of the table; entry `n` has the byte `n` further on.
pub const ENTRY_BYTE: u64 = 1 << 41;

/// The entries that one attachment has open, each with how many handles to it there are.
pub struct Users(UnsafeCell<Vec<(u64, u32)>>);

// SAFETY: touched under the process lock only.
unsafe impl Sync for Users {}
// SAFETY: nothing belongs to a thread.
unsafe impl Send for Users {}

impl Users {
    /// None yet.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(Vec::new()))
    }

    fn with<R>(
        &self,
        _process: &ProcessGuard,
        change: impl FnOnce(&mut Vec<(u64, u32)>) -> R,
    ) -> R {
        // SAFETY: the process lock makes this the only reference.
        change(unsafe { &mut *self.0.get() })
    }

    /// One handle more. Whoever looks after this sees that the entry is in use.
    pub fn enter(&self, process: &ProcessGuard, file: &OwnedFd, index: u64) -> io::Result<()> {
        self.with(process, |entries| {
            if let Some((_, handles)) = entries.iter_mut().find(|entry| entry.0 == index) {
                *handles += 1;
                return Ok(());
            }
            // Nobody ever locks these exclusively.
            if !sys::try_lock(file, ENTRY_BYTE + index, Lock::Shared)? {
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
            entries.push((index, 1));
            Ok(())
        })
    }

    /// One handle less. A descriptor that is a parent's too, not `own`, keeps the lock: the
    /// parent may have the entry open as well.
    pub fn leave(&self, process: &ProcessGuard, file: &OwnedFd, own: bool, index: u64) {
        self.with(process, |entries| {
            let Some(place) = entries.iter().position(|entry| entry.0 == index) else {
                return;
            };
            entries[place].1 -= 1;
            if entries[place].1 == 0 {
                entries.swap_remove(place);
                if own {
                    // If it fails, the entry counts as used until this attachment ends.
                    let _ = sys::unlock(file, ENTRY_BYTE + index);
                }
            }
        });
    }

    /// Whether this attachment, or another one, has the entry open.
    pub fn is_used(&self, process: &ProcessGuard, file: &OwnedFd, index: u64) -> io::Result<bool> {
        let here = self.with(process, |entries| {
            entries.iter().any(|entry| entry.0 == index)
        });
        Ok(here || sys::is_locked(file, ENTRY_BYTE + index)?)
    }

    /// Takes the locks anew through a descriptor that a forked child has for itself.
    pub fn take_over(&self, process: &ProcessGuard, file: &OwnedFd) -> io::Result<()> {
        self.with(process, |entries| {
            for &(index, _) in &*entries {
                sys::try_lock(file, ENTRY_BYTE + index, Lock::Shared)?;
            }
            Ok(())
        })
    }
}
