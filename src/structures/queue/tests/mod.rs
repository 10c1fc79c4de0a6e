//! Tests of the queue's algorithm on private memory.

mod concurrent;
mod format;
mod hostile;
mod interruption;
mod patience;
mod recovery;
mod sequential;

use std::alloc::{Layout, alloc, dealloc};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Barrier;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use super::layout::{Params, Plan, Record, init_planned};
use super::ring::{HEAD, TAIL};
use super::*;
use crate::raw::Region;

const CAPACITIES: [u64; 11] = [1, 2, 3, 7, 8, 9, 63, 64, 65, 100, 1000];

type Action = Box<dyn FnOnce()>;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    static HOOK: RefCell<Option<(u64, Action)>> = const { RefCell::new(None) };
}

/// Called by the code under test before each access to shared memory.
pub(super) fn step() {
    STEPS.set(STEPS.get() + 1);
    let due = HOOK.with_borrow_mut(|hook| match hook {
        Some((0, _)) => hook.take(),
        Some((left, _)) => {
            *left -= 1;
            None
        }
        None => None,
    });
    if let Some((_, action)) = due {
        action();
    }
}

/// Runs `operation`, and `action` inside it before step `n`; false if it never came that far.
fn interrupted<R>(n: u64, action: impl FnOnce() + 'static, operation: impl FnOnce() -> R) -> bool {
    HOOK.set(Some((n, Box::new(action))));
    operation();
    HOOK.take().is_none()
}

struct Killed;

/// Kills `operation` before step `n`, after `last` has run; false if it ended before.
fn killed<R>(n: u64, last: impl FnOnce() + 'static, operation: impl FnOnce() -> R) -> bool {
    let act = move || {
        last();
        resume_unwind(Box::new(Killed))
    };
    HOOK.set(Some((n, Box::new(act))));
    let end = catch_unwind(AssertUnwindSafe(operation));
    let unused = HOOK.take().is_some();
    match end {
        Ok(_) => false,
        Err(cause) if cause.is::<Killed>() => !unused,
        Err(cause) => resume_unwind(cause),
    }
}

fn steps(operation: impl FnOnce()) -> u64 {
    let before = STEPS.get();
    operation();
    STEPS.get() - before
}

/// A queue of u64 in memory that held garbage before.
struct Queue {
    memory: NonNull<u8>,
    layout: Layout,
    region: Region,
    plan: Plan,
    ring: Ring,
}

// SAFETY: the memory is reached through the ring only.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: allocated in `planned` with this layout.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

impl Queue {
    fn planned(plan: Plan) -> Self {
        let layout = Layout::from_size_align(plan.size as usize, plan.align as usize).unwrap();
        // SAFETY: the size is not zero.
        let memory = NonNull::new(unsafe { alloc(layout) }).unwrap();
        // SAFETY: the memory was just allocated, and lives as long as the region is used.
        let region = unsafe {
            memory.write_bytes(0xa5, layout.size());
            Region::new(memory, layout.size())
        };
        init_planned(region, &plan).unwrap();
        let ring = open(region).unwrap();
        Self {
            memory,
            layout,
            region,
            plan,
            ring,
        }
    }

    fn new(capacity: u64, lanes: u64) -> Self {
        Self::planned(Plan::with_lanes(8, 8, capacity, lanes, lanes).unwrap())
    }

    fn reset(&self) {
        init_planned(self.region, &self.plan).unwrap();
    }

    /// As if `lap` laps had passed since the beginning.
    fn start_at(&self, lap: u64) {
        self.reset();
        for index in 0..self.plan.capacity {
            let lap = lap << self.ring.lap_shift;
            self.word(index).store(lap | index, SeqCst);
        }
        let hint = lap << self.ring.lap_shift;
        self.ring.header().ends.tail.store(hint, SeqCst);
        self.ring.header().ends.head.store(hint, SeqCst);
    }

    fn word(&self, index: u64) -> &AtomicU64 {
        self.ring.words.get(index as usize).unwrap()
    }

    /// The indices of the words that are awaited.
    fn awaited(&self) -> Vec<u64> {
        (0..self.plan.capacity)
            .filter(|&index| self.word(index).load(SeqCst) & self.ring.awaited() != 0)
            .collect()
    }

    fn lane(&self, lane: usize) -> &Lane {
        self.ring.lanes.get(lane).unwrap()
    }

    fn record(&self, lane: usize) -> Record {
        self.lane(lane).record.own(self.ring.slot_mask())
    }

    fn put(&self, lane: usize, value: u64) -> Result<bool, Corrupt> {
        // SAFETY: a u64 is what the queue holds; each test uses a lane in one thread only.
        match unsafe { self.ring.enqueue(lane, (&raw const value).cast()) }? {
            Outcome::Done => Ok(true),
            Outcome::Full => Ok(false),
            Outcome::Empty => panic!("enqueue cannot be empty"),
        }
    }

    fn get(&self, lane: usize) -> Result<Option<u64>, Corrupt> {
        let mut value = 0u64;
        // SAFETY: as in `put`.
        match unsafe { self.ring.dequeue(lane, (&raw mut value).cast()) }? {
            Outcome::Done => Ok(Some(value)),
            Outcome::Empty => Ok(None),
            Outcome::Full => panic!("dequeue cannot be full"),
        }
    }

    fn drain(&self, lane: usize) -> Vec<u64> {
        std::iter::from_fn(|| self.get(lane).unwrap()).collect()
    }

    /// Every slot is in one word or in one lane at rest.
    fn assert_slots_conserved(&self) {
        let mut slots: Vec<u64> = (0..self.plan.capacity)
            .map(|index| self.word(index).load(SeqCst) & self.ring.slot_mask())
            .collect();
        for lane in 0..self.ring.lanes() {
            match self.record(lane) {
                Record::Idle(spare) => slots.push(spare),
                record => panic!("lane {lane} is not at rest: {record:?}"),
            }
        }
        slots.sort_unstable();
        let all: Vec<u64> = (0..self.plan.capacity + u64::from(self.plan.lanes)).collect();
        assert_eq!(slots, all);
    }
}

fn nobody_is_dead(_: u64) -> bool {
    false
}

fn all_are_dead(_: u64) -> bool {
    true
}

/// Waits for other threads, but not for ones that failed.
struct Patience(Instant);

impl Patience {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn wait(&self) {
        assert!(self.0.elapsed().as_secs() < 30, "the others do not go on");
        std::thread::yield_now();
    }
}

/// A small generator, so that failures repeat (Marsaglia's xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
