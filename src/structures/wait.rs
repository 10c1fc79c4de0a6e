//! Sleeping until another process has done something, for all structures.
//!
//! A structure has one [`WaitWord`] per side that can be waited for. Whoever
//! sleeps raises its flag; whoever publishes looks at the flag, and makes a
//! system call only if it is up. A flag, not a count: a count that a killed
//! sleeper leaves behind would never come down again.
//!
//! Publishing and then looking at the flag is a store and a load that the
//! processor may swap, and so would the sleeper's. Between the two lies either an
//! atomic read-modify-write of the publisher's (on x86 a full barrier), or, where
//! publishing is a plain store, the sleeper's `membarrier`, which is one for
//! every process. Either way a flag that the publisher did not see was raised
//! by a sleeper that sees what was published.
//!
//! A queue lets those who publish most quickly off the look: see `await_exchange` there.

use crate::error::Result;
use crate::fault::Fault;
use crate::raw::Shared;
use crate::sys;
use core::sync::atomic::{AtomicU32, Ordering, fence};
use core::time::Duration;
use std::time::Instant;

/// A word that processes sleep on.
#[repr(transparent)]
pub struct WaitWord {
    /// Bit 0: somebody sleeps, or did. Above: how often sleepers were woken, so that
    /// one who has looked but does not sleep yet cannot miss it.
    word: AtomicU32,
}

// SAFETY: an atomic integer.
unsafe impl Shared for WaitWord {}

/// Bit of a wait word: somebody sleeps, or did.
const SLEEPERS: u32 = 1;
/// One wake-up.
const WAKE_UP: u32 = 2;

/// The longest sleep without another look, in case that whoever should have
/// woken us was killed between publishing and waking.
const SLICE: Duration = Duration::from_millis(10);

/// The same where `membarrier` is not to be had, so that a wake-up can be missed.
const SHORT_SLICE: Duration = Duration::from_micros(200);

/// How often a waiter looks before it sleeps.
const LOOKS: u32 = 100;

/// How the side that is waited for publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publishing {
    /// By an atomic read-modify-write.
    ReadModifyWrite,
    /// By a plain store.
    Store,
}

/// When a wait ends at the latest; `None`: never.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// In `timeout` from now; a time beyond what the clock can express is never.
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// In that many nanoseconds from now; [`u64::MAX`]: never.
    pub fn after_nanoseconds(timeout: u64) -> Self {
        match timeout {
            u64::MAX => Self::never(),
            nanoseconds => Self::after(Duration::from_nanos(nanoseconds)),
        }
    }

    /// Never.
    pub const fn never() -> Self {
        Self(None)
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.left(Duration::MAX).is_none()
    }

    /// What is left, at most `slice`; `None` when it has passed.
    pub(super) fn left(self, slice: Duration) -> Option<Duration> {
        let Some(end) = self.0 else {
            return Some(slice);
        };
        let left = end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(slice))
    }
}

impl WaitWord {
    /// A word that nobody sleeps on, outside of any segment.
    pub const fn idle() -> Self {
        Self {
            word: AtomicU32::new(0),
        }
    }

    /// Tries until `attempt` gives something, sleeping in between; `None` when
    /// the deadline passes first. `attempt` is made at least once.
    pub fn wait<R>(
        &self,
        publishing: Publishing,
        deadline: Deadline,
        attempt: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        self.wait_unless(publishing, deadline, attempt, || false)
    }

    /// The same, but before each sleep, when the flag is up and an attempt has failed since,
    /// `is_in_vain` may say that another attempt is better.
    pub fn wait_unless<R>(
        &self,
        publishing: Publishing,
        deadline: Deadline,
        mut attempt: impl FnMut() -> Option<R>,
        mut is_in_vain: impl FnMut() -> bool,
    ) -> Option<R> {
        for _ in 0..LOOKS {
            if let Some(result) = attempt() {
                return Some(result);
            }
            core::hint::spin_loop();
        }
        loop {
            // SeqCst: before the attempt below, in the order that the publisher's
            // read-modify-write, or the barrier, is part of.
            let asleep = if Fault::CountedSleepers.is_planted() {
                self.word.fetch_add(1, Ordering::SeqCst) + 1
            } else {
                self.word.fetch_or(SLEEPERS, Ordering::SeqCst) | SLEEPERS
            };
            let slice = match publishing {
                Publishing::ReadModifyWrite => {
                    fence(Ordering::SeqCst);
                    SLICE
                }
                Publishing::Store if sys::barrier_everywhere() => SLICE,
                Publishing::Store => SHORT_SLICE,
            };
            if let Some(result) = attempt() {
                return Some(result);
            }
            let left = deadline.left(slice)?;
            if !is_in_vain() {
                sys::futex_wait(&self.word, asleep, left);
            }
            if Fault::CountedSleepers.is_planted() {
                self.word.fetch_sub(1, Ordering::SeqCst);
            }
            if let Some(result) = attempt() {
                return Some(result);
            }
        }
    }

    /// [`WaitWord::wait`] for what plain stores publish: attempts until one succeeds or fails,
    /// for at most `timeout` nanoseconds ([`u64::MAX`]: for ever; 0: once); false when they
    /// have passed.
    pub fn wait_for_store(&self, timeout: u64, attempt: impl Fn() -> Result<bool>) -> Result<bool> {
        if timeout == 0 {
            return attempt();
        }
        let deadline = Deadline::after_nanoseconds(timeout);
        let outcome = self.wait(Publishing::Store, deadline, || match attempt() {
            Ok(false) => None,
            outcome => Some(outcome),
        });
        outcome.unwrap_or(Ok(false))
    }

    /// The word, for code that is compiled into the caller.
    pub fn word(&self) -> *const AtomicU32 {
        &self.word
    }

    /// Wakes whoever sleeps. To be called after publishing.
    #[inline]
    pub fn wake(&self) {
        #[cfg(not(target_arch = "x86_64"))]
        fence(Ordering::SeqCst);
        let seen = self.word.load(Ordering::Relaxed);
        if Fault::CountedSleepers.is_planted() {
            if seen != 0 {
                sys::futex_wake_all(&self.word);
            }
        } else if seen & SLEEPERS != 0 {
            self.wake_sleepers(seen);
        }
    }

    #[cold]
    fn wake_sleepers(&self, mut seen: u32) {
        while seen & SLEEPERS != 0 {
            // The flag comes down before they wake: who raises it again looks again first.
            let woken = (seen & !SLEEPERS).wrapping_add(WAKE_UP);
            let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
            match self.word.compare_exchange(seen, woken, success, failure) {
                Ok(_) => return sys::futex_wake_all(&self.word),
                Err(now) => seen = now,
            }
        }
    }
}
