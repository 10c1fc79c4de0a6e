//! The protocols of libshmds, explored by loom: every interleaving of a few threads up to
//! a bound of preemptions, and with it every value that a load may return under the C11
//! memory model. So an ordering that is too weak shows here, and nowhere else.
//!
//! The models repeat the steps of the library with the same orderings, on tiny
//! structures; one file in `tests` for each. Beside each sound protocol stand faults
//! planted in it, which have to be caught.
//!
//! loom takes a SeqCst access for AcqRel, and knows SeqCst fences exactly. What rests on
//! one total order of SeqCst accesses (full and empty across several queues) is therefore
//! not explored here. Deaths are not either: `tests/queue_model` of the library does that.
//!
//! Words are [`Atomic`]s, for a reason given there. Threads share a structure by an `Arc` of the standard library. loom's own would do
//! bookkeeping when a complaint unwinds the other threads, and so abort the test.
#![deny(missing_docs)]

mod atomic;
pub mod wait;

pub use atomic::Atomic;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// The most steps that one interleaving may take: any more is a loop without end.
const MOST_STEPS: usize = 100_000;

/// Explores a scenario and expects every interleaving to end, without a race and with all
/// assertions true. `preemptions` bounds how often a thread is interrupted that could go on;
/// `SHMDS_MODELS_DEEPER=1` in the environment adds one to that, and minutes to the time.
pub fn holds(preemptions: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let start = Instant::now();
    let explored = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&explored);
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions + deeper());
    builder.max_branches = MOST_STEPS;
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        scenario();
    });
    let explored = explored.load(Relaxed);
    println!("{explored} interleavings in {:?}", start.elapsed());
}

/// Preemptions to be added, from the environment.
fn deeper() -> usize {
    let asked = std::env::var("SHMDS_MODELS_DEEPER").unwrap_or_default();
    asked.parse().unwrap_or(0)
}

/// Explores a scenario and expects an interleaving that breaks a rule; `rule` is part of
/// what the complaint says.
pub fn is_caught(preemptions: usize, rule: &str, scenario: impl Fn() + Sync + Send + 'static) {
    let exploration = AssertUnwindSafe(|| holds(preemptions, scenario));
    let complaint = match catch_unwind(exploration) {
        Ok(()) => panic!("explored all, and nothing amiss; expected {rule:?}"),
        Err(complaint) => complaint,
    };
    let text = complaint
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| complaint.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    assert!(text.contains(rule), "{text}\nexpected {rule:?}");
}

/// What loom says of two accesses to one [`Slot`] that nothing orders.
pub const RACE: &str = "Causality violation";

/// What loom says when everybody sleeps: a lost wake-up.
pub const ASLEEP: &str = "deadlock";

/// Plain memory for one element. Two accesses that nothing orders, one of them a write, are
/// reported: such an element could be torn.
#[derive(Debug)]
pub struct Slot(UnsafeCell<u64>);

// SAFETY: loom sees every access and reports those that are not ordered.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

impl Slot {
    /// A slot with an element.
    #[must_use]
    pub fn new(element: u64) -> Self {
        Self(UnsafeCell::new(element))
    }

    /// Stores an element, not atomically.
    pub fn write(&self, element: u64) {
        // SAFETY: loom reports whatever would make this a race.
        self.0.with_mut(|slot| unsafe { *slot = element });
    }

    /// Loads the element, not atomically.
    #[must_use]
    pub fn read(&self) -> u64 {
        // SAFETY: as in `write`.
        self.0.with(|slot| unsafe { *slot })
    }
}
