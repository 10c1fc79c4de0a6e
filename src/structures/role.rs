//! Roles that one attachment holds at a time: an owner word in the segment for each.

use crate::error::{Error, Result};
use crate::segment::{NOBODY, Owner, Segment};
use core::sync::atomic::{AtomicU64, Ordering};
use std::ffi::CStr;

/// Takes a role for `me`, unless another attachment has it, and lives.
pub fn take(
    segment: &Segment,
    me: Owner,
    owner: &AtomicU64,
    name: &CStr,
    role: &'static str,
) -> Result<()> {
    loop {
        let found = owner.load(Ordering::Relaxed);
        if found == me.0 {
            return Ok(());
        }
        if found != NOBODY.0 && !segment.is_dead(Owner(found)) {
            return Err(Error::Role {
                name: name.to_string_lossy().into_owned(),
                role,
            });
        }
        // Acquire: pairs with the Release in `give_up`; what the dead stored is visible
        // to everybody once the kernel has freed their lease.
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        let taken = owner.compare_exchange(found, me.0, success, failure);
        if taken.is_ok() {
            return Ok(());
        }
    }
}

/// Gives a role up that is `me`'s.
pub fn give_up(owner: &AtomicU64, me: Owner) {
    // Release: whoever takes the role next sees the structure as we left it. Only from us,
    // in case that the word was damaged and is somebody else's by now.
    let (success, failure) = (Ordering::Release, Ordering::Relaxed);
    let _ = owner.compare_exchange(me.0, NOBODY.0, success, failure);
}
