//! The wait words of `src/structures/wait.rs`, on a futex made of a lock and a condition.
//!
//! Nothing ends a sleep here but a wake-up: no time slice hides a lost one.

use crate::Atomic;
use loom::sync::atomic::{
    Ordering::{Relaxed, SeqCst},
    fence,
};
use loom::sync::{Condvar, Mutex};

const SLEEPERS: u64 = 1;
const WAKE_UP: u64 = 2;

/// A mistake in the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// None: the protocol as it is.
    None,
    /// Who publishes looks at the flag without a barrier in between.
    NoBarrierInPublisher,
    /// Who sleeps looks again without a barrier after raising the flag.
    NoBarrierInSleeper,
    /// Who sleeps does not look again after raising the flag.
    NoSecondLook,
    /// The flag comes down after the sleepers were woken.
    FlagLoweredLate,
    /// The word does not count wake-ups.
    NoCount,
}

/// A word that threads sleep on.
#[derive(Debug)]
pub struct WaitWord {
    word: Atomic,
    /// The kernel's queue of sleepers.
    bucket: Mutex<()>,
    awake: Condvar,
    fault: Fault,
}

impl WaitWord {
    /// A word that nobody sleeps on.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            word: Atomic::new(0),
            bucket: Mutex::new(()),
            awake: Condvar::new(),
            fault,
        }
    }

    /// Tries until `attempt` gives something, sleeping in between.
    pub fn wait<R>(&self, attempt: impl FnMut() -> Option<R>) -> R {
        self.wait_unless(attempt, || false)
    }

    /// The same, but not sleeping where that `is_in_vain`.
    pub fn wait_unless<R>(
        &self,
        mut attempt: impl FnMut() -> Option<R>,
        mut is_in_vain: impl FnMut() -> bool,
    ) -> R {
        loop {
            let asleep = self.word.fetch_or(SLEEPERS, SeqCst) | SLEEPERS;
            // A fence, or `membarrier`, which is one for both sides.
            if self.fault != Fault::NoBarrierInSleeper {
                fence(SeqCst);
            }
            if self.fault != Fault::NoSecondLook
                && let Some(result) = attempt()
            {
                return result;
            }
            if !is_in_vain() {
                self.futex_wait(asleep);
            }
            if let Some(result) = attempt() {
                return result;
            }
        }
    }

    /// Wakes whoever sleeps. To be called after publishing.
    ///
    /// The fence is what the publisher's read-modify-write is on x86, and what the sleeper's
    /// `membarrier` does for it where publishing is a plain store.
    pub fn wake(&self) {
        if self.fault != Fault::NoBarrierInPublisher {
            fence(SeqCst);
        }
        let mut seen = self.word.load(Relaxed);
        if seen & SLEEPERS == 0 {
            return;
        }
        if self.fault == Fault::FlagLoweredLate {
            self.futex_wake_all();
        }
        let wake_up = match self.fault {
            Fault::NoCount => 0,
            _ => WAKE_UP,
        };
        while seen & SLEEPERS != 0 {
            let woken = (seen & !SLEEPERS).wrapping_add(wake_up);
            match self.word.compare_exchange(seen, woken, SeqCst, Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        if seen & SLEEPERS != 0 && self.fault != Fault::FlagLoweredLate {
            self.futex_wake_all();
        }
    }

    fn futex_wait(&self, asleep: u64) {
        let bucket = self.bucket.lock().expect("no thread panicked");
        if self.word.load(SeqCst) == asleep {
            drop(self.awake.wait(bucket).expect("no thread panicked"));
        }
    }

    fn futex_wake_all(&self) {
        let _bucket = self.bucket.lock().expect("no thread panicked");
        self.awake.notify_all();
    }
}
