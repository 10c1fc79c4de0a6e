//! Which lanes of a queue this process may use, and which of its threads uses
//! which.
//!
//! A lane belongs to one attachment at a time, by its owner word in the segment.
//! - The *home lane* of an attachment is the one of its slot's number: always to be
//!   had, and shared by the threads of the process under a lock of the process's own.
//! - *Further lanes* go first come to threads, which keep them: no lock, and
//!   nothing to look up but a thread-local list. When a thread ends, the process
//!   keeps the lane for the next thread.
//! - Where elements are so large that there are no home lanes, every lane is
//!   claimed for the length of one operation.

use super::ring::Ring;
use crate::error::{Error, Result};
use crate::segment::{NOBODY, Owner, Segment, fork};
use core::cell::{RefCell, UnsafeCell};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::ffi::CStr;
use std::time::Instant;

/// Most further lanes that one process keeps for one queue: not all there are, so
/// that other processes find one too.
const MOST_KEPT: usize = 32;

/// How many operations a thread without a lane of its own does before it asks for one again.
const PATIENCE: u32 = 1 << 12;

/// How often a thread gives way to others of its process before it sleeps.
const YIELDS: u32 = 64;

/// A thread's own lane of one queue, as other code may cache it.
///
/// Belongs to the library for ever; `stamp` changes when the lane is no longer
/// that thread's, and no stamp is used twice.
#[repr(C)]
pub struct Pass {
    /// 0 while it stands for nothing.
    pub stamp: AtomicU64,
    /// Number of the lane.
    pub lane: AtomicU32,
}

/// What a thread knows of one queue.
struct Held {
    queue: u64,
    epoch: u32,
    /// `None`: no lane was free; operations until asking again are in `patience`.
    pass: Option<&'static Pass>,
    patience: u32,
}

/// The queues that a thread has used.
struct Thread(Vec<Held>);

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread(Vec::new())) };
}

impl Thread {
    /// Position of what it knows of a queue; what an ancestor process knew is forgotten.
    fn position(&mut self, queue: u64) -> Option<usize> {
        let found = self.0.iter().position(|held| held.queue == queue)?;
        if self.0[found].epoch == fork::epoch() {
            return Some(found);
        }
        self.0.swap_remove(found);
        None
    }
}

impl Thread {
    /// Drops what it knows of queues that are closed.
    fn forget_closed(&mut self) {
        with_process(|process, _| {
            self.0.retain(|held| {
                let open = process.open.iter().any(|(id, _)| *id == held.queue);
                if let (Some(pass), false) = (held.pass, open) {
                    pass.stamp.store(0, Ordering::Relaxed);
                    process.spare.push(pass);
                }
                open
            });
        });
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        for held in self.0.drain(..) {
            if let (Some(pass), true) = (held.pass, held.epoch == fork::epoch()) {
                return_lane(held.queue, pass);
            }
        }
    }
}

/// What the process knows of all queues; under the process lock.
struct Process {
    next_id: u64,
    next_stamp: u64,
    /// Queues that are open, by id.
    open: Vec<(u64, *const Lanes)>,
    /// Passes that stand for nothing.
    spare: Vec<&'static Pass>,
}

struct Locked(UnsafeCell<Process>);

// SAFETY: every access holds the process lock.
unsafe impl Sync for Locked {}

static PROCESS: Locked = Locked(UnsafeCell::new(Process {
    next_id: 1,
    next_stamp: 1,
    open: Vec::new(),
    spare: Vec::new(),
}));

fn with_process<R>(change: impl FnOnce(&mut Process, &fork::ProcessGuard) -> R) -> R {
    let guard = fork::lock_process();
    // SAFETY: the process lock makes this the only reference.
    change(unsafe { &mut *PROCESS.0.get() }, &guard)
}

/// Takes a lane back from a thread that ends.
fn return_lane(queue: u64, pass: &'static Pass) {
    with_process(|process, _| {
        pass.stamp.store(0, Ordering::Relaxed);
        let open = process.open.iter().find(|(id, _)| *id == queue);
        if let Some(&(_, lanes)) = open {
            // SAFETY: a queue leaves the list before it is dropped; the process lock is held.
            let kept = unsafe { &mut *(*lanes).kept.get() };
            kept.idle.push(pass.lane.load(Ordering::Relaxed));
        }
        process.spare.push(pass);
    });
}

/// The further lanes that this process holds; under the process lock.
struct Kept {
    /// Fork epoch in which they were claimed: a child begins with none.
    epoch: u32,
    /// All of them.
    all: Vec<u32>,
    /// Those that no thread uses.
    idle: Vec<u32>,
}

/// The lanes of one queue that this process holds.
pub struct Lanes {
    /// Never used twice in a process.
    id: u64,
    kept: UnsafeCell<Kept>,
    /// A thread is inside an operation on the home lane: 1 more than its fork epoch; or 0.
    home: AtomicU64,
}

// SAFETY: `kept` is touched under the process lock only.
unsafe impl Sync for Lanes {}
// SAFETY: nothing belongs to a thread.
unsafe impl Send for Lanes {}

/// A lane that the holder may operate on, alone.
pub struct LaneGuard<'a> {
    /// Number of the lane.
    pub lane: usize,
    /// A word that says that it is taken, to be reset.
    taken: Option<&'a AtomicU64>,
}

impl Drop for LaneGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(taken) = self.taken {
            // Release: the next user of the lane sees its record and its slot as we left them.
            taken.store(0, Ordering::Release);
        }
    }
}

impl Lanes {
    /// No lanes yet. To be told by [`Lanes::opened`] where it lives.
    pub fn new() -> Self {
        let id = with_process(|process, _| {
            process.next_id += 1;
            process.next_id
        });
        Self {
            id,
            kept: UnsafeCell::new(Kept {
                epoch: fork::epoch(),
                all: Vec::new(),
                idle: Vec::new(),
            }),
            home: AtomicU64::new(0),
        }
    }

    /// Makes the queue known to threads that end; it stays where it is until [`Lanes::leave`].
    pub fn opened(&self) {
        with_process(|process, _| process.open.push((self.id, self)));
    }

    /// Never used twice in a process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A lane for one operation. Waits only while every lane that could be had is
    /// inside an operation: of another thread, or of a process that is stopped there.
    #[inline]
    pub fn enter<'a>(
        &'a self,
        ring: &'a Ring,
        segment: &Segment,
        name: &CStr,
    ) -> Result<LaneGuard<'a>> {
        if let Some(lane) = self.own_lane() {
            return Ok(LaneGuard { lane, taken: None });
        }
        self.enter_slowly(ring, segment, name)
    }

    /// The lane that this thread has, if it has one.
    #[inline]
    fn own_lane(&self) -> Option<usize> {
        let epoch = fork::epoch();
        let find = |thread: &RefCell<Thread>| {
            let thread = thread.try_borrow().ok()?;
            let held = thread.0.iter().find(|held| held.queue == self.id)?;
            let pass = held.pass.filter(|_| held.epoch == epoch)?;
            Some(pass.lane.load(Ordering::Relaxed) as usize)
        };
        THREAD.try_with(find).ok().flatten()
    }

    /// The pass of this thread's own lane, taking one if it can be had.
    pub fn pass(&self, ring: &Ring, segment: &Segment) -> Result<Option<&'static Pass>> {
        let me = segment.me()?;
        if ring.shared_lanes_only() {
            return Ok(None);
        }
        let obtain = |thread: &RefCell<Thread>| {
            let mut thread = thread.try_borrow_mut().ok()?;
            let at = thread.position(self.id).unwrap_or_else(|| {
                thread.forget_closed();
                thread.0.push(Held {
                    queue: self.id,
                    epoch: fork::epoch(),
                    pass: None,
                    patience: 0,
                });
                thread.0.len() - 1
            });
            let held = &mut thread.0[at];
            if held.pass.is_none() && held.patience == 0 {
                held.pass = self.new_pass(ring, segment, me);
                held.patience = PATIENCE;
            }
            held.patience -= u32::from(held.pass.is_none());
            held.pass
        };
        // A thread that is ending has no list any more, and needs no lane of its own.
        Ok(THREAD.try_with(obtain).ok().flatten())
    }

    #[cold]
    fn enter_slowly<'a>(
        &'a self,
        ring: &'a Ring,
        segment: &Segment,
        name: &CStr,
    ) -> Result<LaneGuard<'a>> {
        if let Some(pass) = self.pass(ring, segment)? {
            let lane = pass.lane.load(Ordering::Relaxed) as usize;
            return Ok(LaneGuard { lane, taken: None });
        }
        self.enter_for_one_operation(ring, segment, name)
    }

    /// A lane that is no thread's own.
    fn enter_for_one_operation<'a>(
        &'a self,
        ring: &'a Ring,
        segment: &Segment,
        name: &CStr,
    ) -> Result<LaneGuard<'a>> {
        let me = segment.me()?;
        let start = Instant::now();
        let mut rounds = 0;
        loop {
            let found = if ring.shared_lanes_only() {
                claim_for_one_operation(ring, segment, me)
            } else {
                self.enter_home(ring, segment, me)
            };
            if let Some(guard) = found {
                return Ok(guard);
            }
            // All busy. Threads of this process will be out in a moment.
            rounds += 1;
            if rounds < YIELDS {
                std::thread::yield_now();
                continue;
            }
            std::thread::sleep(Duration::from_micros(100));
            if start.elapsed() >= segment.timeout() {
                return Err(busy(ring, name));
            }
        }
    }

    /// A lane to hold on to, beside whatever this thread does meanwhile.
    pub fn pin(&self, ring: &Ring, segment: &Segment, name: &CStr) -> Result<PinnedLane> {
        let me = segment.me()?;
        if let Some(lane) = self.further_lane(ring, segment, me) {
            return Ok(PinnedLane::Kept(lane));
        }
        // Only a thread with a lane of its own may hold the home lane: others, itself
        // included, will need it before the slot is given back.
        if !ring.shared_lanes_only() && self.own_lane().is_none() {
            return Err(busy(ring, name));
        }
        let guard = self.enter_for_one_operation(ring, segment, name)?;
        let lane = guard.lane as u32;
        core::mem::forget(guard);
        Ok(PinnedLane::ForNow(lane))
    }

    /// Gives a pinned lane back. Not in a child forked meanwhile, whose parent has it.
    pub fn unpin(&self, ring: &Ring, pinned: &PinnedLane) {
        match *pinned {
            PinnedLane::Kept(lane) => self.with_kept(|kept| {
                // Given back once, and by whoever has it: not by a copy of the slot.
                if kept.all.contains(&lane) && !kept.idle.contains(&lane) {
                    kept.idle.push(lane);
                }
            }),
            PinnedLane::ForNow(lane) if ring.shared_lanes_only() => {
                if let Some(owner) = ring.lane_owner(lane as usize) {
                    owner.store(NOBODY.0, Ordering::Release);
                }
            }
            PinnedLane::ForNow(_) => self.home.store(0, Ordering::Release),
        }
    }

    fn with_kept<R>(&self, change: impl FnOnce(&mut Kept) -> R) -> R {
        let _process = fork::lock_process();
        // SAFETY: the process lock makes this the only reference.
        let kept = unsafe { &mut *self.kept.get() };
        if kept.epoch != fork::epoch() {
            // In a forked child: these are the parent's.
            kept.all.clear();
            kept.idle.clear();
            kept.epoch = fork::epoch();
        }
        change(kept)
    }

    /// A further lane that no thread of ours uses.
    fn further_lane(&self, ring: &Ring, segment: &Segment, me: Owner) -> Option<u32> {
        if ring.shared_lanes_only() {
            return None;
        }
        let (idle, may_claim) =
            self.with_kept(|kept| (kept.idle.pop(), kept.all.len() < MOST_KEPT));
        if idle.is_some() || !may_claim {
            return idle;
        }
        let lane = claim_shared(ring, segment, me)? as u32;
        self.with_kept(|kept| kept.all.push(lane));
        Some(lane)
    }

    /// A lane for this thread to keep.
    fn new_pass(&self, ring: &Ring, segment: &Segment, me: Owner) -> Option<&'static Pass> {
        let lane = self.further_lane(ring, segment, me)?;
        Some(with_process(|process, _| {
            let pass = process.spare.pop().unwrap_or_else(|| {
                Box::leak(Box::new(Pass {
                    stamp: AtomicU64::new(0),
                    lane: AtomicU32::new(0),
                }))
            });
            process.next_stamp += 1;
            pass.lane.store(lane, Ordering::Relaxed);
            pass.stamp.store(process.next_stamp, Ordering::Relaxed);
            pass
        }))
    }

    /// The home lane, if no other thread is on it.
    fn enter_home(&self, ring: &Ring, segment: &Segment, me: Owner) -> Option<LaneGuard<'_>> {
        let mine = u64::from(fork::epoch()) + 1;
        let found = self.home.load(Ordering::Relaxed);
        // What a thread of the parent held when we were forked is held by nobody here.
        let free = found == 0 || found != mine;
        // Acquire: pairs with the Release of the thread that used the lane before.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        if !free
            || self
                .home
                .compare_exchange(found, mine, success, failure)
                .is_err()
        {
            return None;
        }
        let guard = LaneGuard {
            lane: me.slot()? as usize,
            taken: Some(&self.home),
        };
        if guard.lane >= ring.home_lanes() {
            return None;
        }
        let before = ring.lane_owner(guard.lane)?.load(Ordering::Relaxed);
        // Whoever had it, unless it is us, held our slot before us and is dead.
        let is_ours = before == me.0 || take(ring, segment, guard.lane, before, me);
        is_ours.then_some(guard)
    }

    /// Gives all lanes back that this process took. No thread is inside.
    pub fn leave(&self, ring: &Ring) {
        with_process(|process, _| process.open.retain(|(id, _)| *id != self.id));
        let mut ours = self.with_kept(|kept| core::mem::take(&mut kept.all));
        ours.retain(|&lane| (lane as usize) < ring.lanes());
        for lane in ours {
            if let Some(owner) = ring.lane_owner(lane as usize) {
                // Release: the lane's next owner sees its record and its slot as we left them.
                owner.store(NOBODY.0, Ordering::Release);
            }
        }
    }
}

fn busy(ring: &Ring, name: &CStr) -> Error {
    Error::Busy {
        name: name.to_string_lossy().into_owned(),
        lanes: ring.lanes() as u64,
    }
}

/// A lane held across calls; see [`Lanes::pin`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinnedLane {
    /// One of the process's further lanes.
    Kept(u32),
    /// The home lane, or one claimed for one operation.
    ForNow(u32),
}

impl PinnedLane {
    /// Number of the lane.
    pub fn lane(self) -> usize {
        match self {
            Self::Kept(lane) | Self::ForNow(lane) => lane as usize,
        }
    }
}

/// Makes a lane ours, if its owner is still `before`, and puts it to rest if that
/// owner died in an operation. False if somebody else was first, or if it cannot
/// be told yet which slot the dead owner left with the lane.
fn take(ring: &Ring, segment: &Segment, lane: usize, before: u64, me: Owner) -> bool {
    let Some(owner) = ring.lane_owner(lane) else {
        return false;
    };
    // Acquire: pairs with the Release in `Lanes::leave` and in `LaneGuard::drop`.
    let taken = owner.compare_exchange(before, me.0, Ordering::AcqRel, Ordering::Relaxed);
    if taken.is_err() {
        return false;
    }
    let is_dead = |owner| segment.is_dead(Owner(owner));
    // A lane whose bytes make no sense stays unused; others serve.
    let rested = ring.recover_lane(lane, &is_dead).unwrap_or(false);
    if !rested {
        // Still the dead owner's: so that others can draw their conclusions from it.
        owner.store(before, Ordering::Release);
    }
    rested
}

/// Claims one of the lanes that belong to nobody in particular: a free one, else
/// one whose owner is dead.
fn claim_shared(ring: &Ring, segment: &Segment, me: Owner) -> Option<usize> {
    let shared = ring.home_lanes()..ring.lanes();
    // Attachments begin at different places, so as not to be in each other's way.
    let start = me.slot()? as usize % shared.len().max(1);
    let lanes = || shared.clone().cycle().skip(start).take(shared.len());
    let free = |owner: u64| owner == NOBODY.0;
    let dead = |owner: u64| owner != me.0 && segment.is_dead(Owner(owner));
    let conditions: [&dyn Fn(u64) -> bool; 2] = [&free, &dead];
    conditions.into_iter().find_map(|may_take| {
        lanes().find(|&lane| {
            let before = ring
                .lane_owner(lane)
                .map(|owner| owner.load(Ordering::Relaxed));
            before.is_some_and(|before| may_take(before) && take(ring, segment, lane, before, me))
        })
    })
}

/// Claims a lane that the guard gives back to everybody.
fn claim_for_one_operation<'a>(
    ring: &'a Ring,
    segment: &Segment,
    me: Owner,
) -> Option<LaneGuard<'a>> {
    let lane = claim_shared(ring, segment, me)?;
    Some(LaneGuard {
        lane,
        taken: Some(ring.lane_owner(lane)?),
    })
}
