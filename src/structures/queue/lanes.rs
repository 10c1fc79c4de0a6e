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
use crate::structures::wait::Deadline;
use core::cell::{RefCell, UnsafeCell};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::ffi::CStr;

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

/// What this process holds; under the process lock.
struct Kept {
    /// Fork epoch in which it was claimed: a child begins with nothing.
    epoch: u32,
    /// Further lanes.
    all: Vec<u32>,
    /// Further lanes that no thread uses and no slot pins.
    idle: Vec<u32>,
    /// Lanes of slots that are held across calls.
    pins: Vec<Pin>,
}

/// A lane held across calls; see [`Lanes::pin`].
pub struct Pin {
    /// Never used twice, so that a copy of a slot says nothing once the slot was given back.
    pub stamp: u64,
    /// Number of the lane.
    pub lane: usize,
    /// Whether its spare slot was taken with an element, not reserved.
    pub taken: bool,
    /// Whether it is one of the further lanes that the process keeps.
    kept: bool,
}

/// The stamp of the next pin.
static NEXT_PIN: AtomicU64 = AtomicU64::new(1);

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
                pins: Vec::new(),
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
    /// inside an operation, of another thread or of a process that is stopped there, or
    /// pinned: until `limit`, or for as long as opening a structure may take.
    #[inline]
    pub fn enter<'a>(
        &'a self,
        ring: &'a Ring,
        segment: &Segment,
        name: &CStr,
        limit: Option<Deadline>,
    ) -> Result<LaneGuard<'a>> {
        if let Some(lane) = self.own_lane() {
            return Ok(LaneGuard { lane, taken: None });
        }
        self.enter_slowly(ring, segment, name, limit)
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
        limit: Option<Deadline>,
    ) -> Result<LaneGuard<'a>> {
        if let Some(pass) = self.pass(ring, segment)? {
            let lane = pass.lane.load(Ordering::Relaxed) as usize;
            return Ok(LaneGuard { lane, taken: None });
        }
        self.enter_for_one_operation(ring, segment, name, limit)
    }

    /// A lane that is no thread's own.
    fn enter_for_one_operation<'a>(
        &'a self,
        ring: &'a Ring,
        segment: &Segment,
        name: &CStr,
        limit: Option<Deadline>,
    ) -> Result<LaneGuard<'a>> {
        let me = segment.me()?;
        let limit = limit.unwrap_or_else(|| Deadline::after(segment.timeout()));
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
            if limit.has_passed() {
                return Err(self.busy(ring, name));
            }
            rounds += 1;
            if rounds < YIELDS {
                std::thread::yield_now();
            } else {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }

    /// A lane to hold on to, beside whatever this thread does meanwhile. To be told to
    /// [`Lanes::hold`], or given back by [`Lanes::unpin`].
    pub fn pin(&self, ring: &Ring, segment: &Segment, name: &CStr, taken: bool) -> Result<Pin> {
        let me = segment.me()?;
        // Relaxed: only its being unique matters.
        let stamp = NEXT_PIN.fetch_add(1, Ordering::Relaxed);
        let pin = |lane, kept| Pin {
            stamp,
            lane,
            taken,
            kept,
        };
        if let Some(lane) = self.further_lane(ring, segment, me) {
            return Ok(pin(lane as usize, true));
        }
        // Only a thread with a lane of its own may hold the home lane: others, itself
        // included, will need it before the slot is given back.
        if !ring.shared_lanes_only() && self.own_lane().is_none() {
            return Err(self.busy(ring, name));
        }
        let guard = self.enter_for_one_operation(ring, segment, name, None)?;
        let lane = guard.lane;
        core::mem::forget(guard);
        Ok(pin(lane, false))
    }

    /// Remembers a pin until it is redeemed.
    pub fn hold(&self, pin: Pin) {
        self.with_kept(|kept| kept.pins.push(pin));
    }

    /// The pin with that stamp, once; `None` when it was redeemed before, or `taken` is
    /// not what it is.
    pub fn redeem(&self, stamp: u64, taken: bool) -> Option<Pin> {
        self.with_kept(|kept| {
            let is_meant = |pin: &Pin| pin.stamp == stamp && pin.taken == taken;
            let found = kept.pins.iter().position(is_meant)?;
            Some(kept.pins.swap_remove(found))
        })
    }

    /// Whether a slot is held with that stamp.
    pub fn holds(&self, stamp: u64) -> bool {
        self.with_kept(|kept| kept.pins.iter().any(|pin| pin.stamp == stamp))
    }

    /// Gives a pinned lane back.
    pub fn unpin(&self, ring: &Ring, pin: Pin) {
        if pin.kept {
            self.with_kept(|kept| kept.idle.push(pin.lane as u32));
        } else if !ring.shared_lanes_only() {
            // Release: as in `LaneGuard::drop`.
            self.home.store(0, Ordering::Release);
        } else if let Some(owner) = ring.lane_owner(pin.lane) {
            owner.store(NOBODY.0, Ordering::Release);
        }
    }

    /// Why no lane could be had.
    #[cold]
    fn busy(&self, ring: &Ring, name: &CStr) -> Error {
        let all = ring.lanes();
        let found = if ring.shared_lanes_only() {
            format!("all {all} lanes are inside operations, or held with slots")
        } else if self.with_kept(|kept| kept.all.len()) >= MOST_KEPT {
            format!(
                "this process holds {MOST_KEPT} lanes beside its home lane, the most that one may"
            )
        } else {
            let further = all - ring.home_lanes();
            format!("processes hold all {further} lanes beside the home lanes")
        };
        Error::Busy {
            name: name.to_string_lossy().into_owned(),
            found,
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
            kept.pins.clear();
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
