//! Byte locks on the segment's own file as proof of life.
//!
//! The kernel drops an open file description lock when the last reference to
//! the description goes, however its holder ends, across PID namespaces and
//! whatever numbers are used again. The reference kept here is a mapping, not a
//! descriptor: a forked child does not inherit it (so it cannot keep its
//! parent's lease alive), and a program that closes descriptors it does not
//! know cannot lose it.

use super::fork;
use crate::sys::{self, Lock, Mapping};
use core::mem::ManuallyDrop;
use core::ops::Range;
use std::io;
use std::os::fd::OwnedFd;

/// Held by whoever initialises the segment.
pub const INIT_BYTE: u64 = (1 << 40) - 2;

/// Shared by all read-only attachments.
pub const PRESENCE_BYTE: u64 = (1 << 40) - 1;

/// The lease of attachment slot `n` is byte `SLOT_BYTE + n`.
pub const SLOT_BYTE: u64 = 1 << 40;

/// A held byte lock; given up when dropped, or by the kernel when the process ends.
#[derive(Debug)]
pub struct Lease {
    anchor: ManuallyDrop<Mapping>,
    epoch: u32,
}

impl Lease {
    /// Takes the first free one of `bytes`, through an open file description of
    /// its own that `open` provides. Returns the lease and its byte, or `None`
    /// when others hold them all. Never waits. The caller holds the process lock.
    pub fn take_any(
        _process: &fork::ProcessGuard,
        open: impl FnOnce() -> io::Result<OwnedFd>,
        bytes: Range<u64>,
        lock: Lock,
    ) -> io::Result<Option<(Self, u64)>> {
        let file = open()?;
        for byte in bytes {
            if sys::try_lock(&file, byte, lock)? {
                let anchor = ManuallyDrop::new(Mapping::anchor(&file)?);
                let epoch = fork::epoch();
                return Ok(Some((Self { anchor, epoch }, byte)));
            }
        }
        Ok(None)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A forked child does not have the mapping; something else may live there.
        if self.epoch == fork::epoch() {
            // SAFETY: dropped once, here, in the process that mapped it.
            unsafe { ManuallyDrop::drop(&mut self.anchor) };
        }
    }
}
