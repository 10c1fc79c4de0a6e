//! Memory that goes away: when somebody truncates the file of a segment, whoever touches
//! what is gone gets `SIGBUS`.
//!
//! A guarded attachment survives that. A signal handler puts a page of zeros, which is this
//! process's own, where the missing one was, and notes which attachment and which thread it
//! was. The call that touched it says so when it ends, and so does every later one on the
//! attachment. Signals that are not about a guarded attachment go on to whoever handled them
//! before.

use super::registry;
use crate::error::Error;
use crate::sys::{self, Mapping, PAGE};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering, compiler_fence};

/// How many guarded attachments a process can have at once.
pub const MOST_GUARDED: usize = 64;

/// How many threads can be in a call that touched missing memory, at once; what more there
/// are hear of it from their next call.
const MOST_THREADS: usize = 64;

/// One guarded attachment, for the signal handler: no lock, and nothing that goes away.
struct Place {
    /// Address of the mapping; 0: free. Stored last, and cleared first.
    base: AtomicUsize,
    len: AtomicUsize,
    writable: AtomicBool,
    /// Some of it is gone.
    cut: AtomicBool,
}

static PLACES: [Place; MOST_GUARDED] = [const {
    Place {
        base: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        writable: AtomicBool::new(false),
        cut: AtomicBool::new(false),
    }
}; MOST_GUARDED];

/// A thread that touched missing memory, and has not been told: 0, or its number.
static THREADS: [AtomicI32; MOST_THREADS] = [const { AtomicI32::new(0) }; MOST_THREADS];

/// How many pages have been replaced in this process.
static REPLACED: AtomicU32 = AtomicU32::new(0);

/// Of an attachment that is not guarded.
static NEVER_CUT: AtomicBool = AtomicBool::new(false);

/// The guard of one attachment, until it is dropped; or none.
pub struct Guard(Option<&'static Place>);

impl Guard {
    /// No guard.
    pub fn none() -> Self {
        Self(None)
    }

    /// Guards a mapping. `None`: too many are guarded already. The caller holds the process lock,
    /// and drops the guard before the mapping.
    pub fn new(mapping: &Mapping, writable: bool) -> std::io::Result<Option<Self>> {
        sys::handle_bus_errors(replace)?;
        // Relaxed: under the process lock.
        let free = |place: &&Place| place.base.load(Ordering::Relaxed) == 0;
        let Some(place) = PLACES.iter().find(free) else {
            return Ok(None);
        };
        place.len.store(mapping.len(), Ordering::Relaxed);
        place.writable.store(writable, Ordering::Relaxed);
        place.cut.store(false, Ordering::Relaxed);
        // Release: whoever finds the address finds the rest.
        let base = mapping.base().as_ptr() as usize;
        place.base.store(base, Ordering::Release);
        Ok(Some(Self(Some(place))))
    }

    /// Set once some of the memory is gone. Never cleared while somebody may look.
    pub fn cut(&self) -> &'static AtomicBool {
        self.0.map_or(&NEVER_CUT, |place| &place.cut)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.base.store(0, Ordering::Release);
        }
    }
}

/// Puts zeros in place of the page around `address`, if that is in a guarded mapping. Runs in a
/// signal handler: atomic operations and system calls only.
fn replace(address: usize) -> bool {
    let found = PLACES.iter().find(|place| {
        // Acquire: see `Guard::new`.
        let base = place.base.load(Ordering::Acquire);
        base != 0 && address.wrapping_sub(base) < place.len.load(Ordering::Relaxed)
    });
    let Some(place) = found else {
        return false;
    };
    let page = address & !(PAGE as usize - 1);
    if !sys::replace_page(page, place.writable.load(Ordering::Relaxed)) {
        return false;
    }
    // Relaxed: this thread reads it next, others whenever.
    place.cut.store(true, Ordering::Relaxed);
    let thread = sys::thread_id();
    let is_noted = || {
        THREADS
            .iter()
            .any(|noted| noted.load(Ordering::Relaxed) == thread)
    };
    if !is_noted() {
        let free = |noted: &&AtomicI32| {
            noted
                .compare_exchange(0, thread, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        let _ = THREADS.iter().find(free);
    }
    REPLACED.fetch_add(1, Ordering::Relaxed);
    true
}

/// Whether no page was ever replaced: the cheap half of [`take_notice`].
#[inline(always)]
pub fn is_quiet() -> bool {
    // Not before what this thread has touched: its own signal handler counts.
    compiler_fence(Ordering::SeqCst);
    REPLACED.load(Ordering::Relaxed) == 0
}

/// What this thread has to be told: that it touched missing memory since it was asked last.
#[cold]
#[inline(never)]
pub fn take_notice() -> Option<Error> {
    let thread = sys::thread_id();
    let told = |noted: &&AtomicI32| {
        noted
            .compare_exchange(thread, 0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    };
    THREADS.iter().find(told)?;
    Some(gone(&registry::name_of_cut()))
}

/// The error about memory that is gone.
#[cold]
pub fn gone(name: &str) -> Error {
    Error::Gone {
        name: name.to_owned(),
    }
}
