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
use crate::structures::key::{self, NO_KEY};
use crate::structures::placed::{PLACES, place_of};
use crate::structures::wait::Deadline;
use core::cell::{Cell, RefCell, UnsafeCell};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::ffi::CStr;

/// Most further lanes that one process keeps for one queue: not all there are, so
/// that other processes find one too.
const MOST_KEPT: usize = 32;

/// How many operations a thread without a lane of its own does before it asks for one again.
const PATIENCE: u32 = 1 << 12;

/// How often a thread gives way to others of its process before it sleeps.
const YIELDS: u32 = 64;

/// What a thread knows of one queue.
struct Held {
    queue: u64,
    epoch: u32,
    /// `None`: no lane was free; operations until asking again are in `patience`.
    lane: Option<u32>,
    patience: u32,
}

/// The queues that a thread has used.
struct Thread(Vec<Held>);

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread(Vec::new())) };
    /// {key, lane} by the place of the handle, so that the thread need not look it up.
    static MEMORY: [Cell<(u64, usize)>; PLACES] =
        const { [const { Cell::new((0, 0)) }; PLACES] };
}

impl Thread {
    /// What it knows of a queue; what an ancestor process knew is forgotten.
    fn about(&mut self, queue: u64) -> &mut Held {
        let epoch = fork::epoch();
        let found = self.0.iter().position(|held| held.queue == queue);
        let at = found.unwrap_or_else(|| {
            self.forget_closed();
            self.0.push(Held::nothing(queue, epoch));
            self.0.len() - 1
        });
        let held = &mut self.0[at];
        if held.epoch != epoch {
            *held = Held::nothing(queue, epoch);
        }
        held
    }

    /// Drops what it knows of queues that are closed.
    fn forget_closed(&mut self) {
        with_process(|process, _| {
            let is_open = |held: &Held| process.open.iter().any(|open| open.id == held.queue);
            self.0.retain(is_open);
        });
    }
}

impl Held {
    fn nothing(queue: u64, epoch: u32) -> Self {
        Self {
            queue,
            epoch,
            lane: None,
            patience: 0,
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        for held in self.0.drain(..) {
            if let (Some(lane), true) = (held.lane, held.epoch == fork::epoch()) {
                return_lane(held.queue, lane);
            }
        }
    }
}

/// A queue that is open.
struct Open {
    id: u64,
    lanes: *const Lanes,
    key: *const AtomicU64,
}

/// What the process knows of all queues; under the process lock.
struct Process {
    next_id: u64,
    open: Vec<Open>,
}

struct Locked(UnsafeCell<Process>);

// SAFETY: every access holds the process lock.
unsafe impl Sync for Locked {}

static PROCESS: Locked = Locked(UnsafeCell::new(Process {
    next_id: 1,
    open: Vec::new(),
}));

fn with_process<R>(change: impl FnOnce(&mut Process, &fork::ProcessGuard) -> R) -> R {
    let guard = fork::lock_process();
    // SAFETY: the process lock makes this the only reference.
    change(unsafe { &mut *PROCESS.0.get() }, &guard)
}

/// Takes a lane back from a thread that ends.
fn return_lane(queue: u64, lane: u32) {
    with_process(|process, _| {
        let Some(open) = process.open.iter().find(|open| open.id == queue) else {
            return;
        };
        // SAFETY: a queue leaves the list before it is dropped; the process lock is held.
        let (key, kept) = unsafe { (&*open.key, &mut *(*open.lanes).kept.get()) };
        // What the thread still remembers is void from here on.
        key::renew(key);
        kept.idle.push(lane);
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

    /// Makes the queue known to threads that end; it and its key stay where they are
    /// until [`Lanes::leave`].
    pub fn opened(&self, key: &AtomicU64) {
        with_process(|process, _| {
            process.open.push(Open {
                id: self.id,
                lanes: self,
                key,
            });
        });
    }

    /// Never used twice in a process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The lane that this thread remembers under the key.
    #[inline]
    pub fn own_lane(&self, key: &AtomicU64) -> Option<LaneGuard<'_>> {
        let lane = own_lane(key)?;
        Some(LaneGuard { lane, taken: None })
    }

    /// A lane for one operation, for a thread that remembers none. Waits only while every lane that could be had is
    /// inside an operation, of another thread or of a process that is stopped there, or
    /// pinned: until `limit`, or for as long as opening a structure may take.
    pub fn enter<'a>(
        &'a self,
        key: &AtomicU64,
        ring: &'a Ring,
        segment: &Segment,
        name: &CStr,
        limit: Option<Deadline>,
    ) -> Result<LaneGuard<'a>> {
        match self.obtain_lane(key, ring, segment)? {
            Some((_, lane)) => Ok(LaneGuard { lane, taken: None }),
            None => self.enter_for_one_operation(ring, segment, name, limit),
        }
    }

    /// This thread's own lane and the key that it stands under, taking one if it can be had.
    pub fn obtain_lane(
        &self,
        key: &AtomicU64,
        ring: &Ring,
        segment: &Segment,
    ) -> Result<Option<(u64, usize)>> {
        let me = segment.me()?;
        if ring.shared_lanes_only() {
            return Ok(None);
        }
        // Before anything else: if it changes meanwhile, what is remembered here is void.
        let (key, place) = (key.load(Ordering::Relaxed), place_of(key));
        let obtain = |thread: &RefCell<Thread>| {
            let mut thread = thread.try_borrow_mut().ok()?;
            let held = thread.about(self.id);
            if held.lane.is_none() && held.patience == 0 {
                held.lane = self.further_lane(ring, segment, me);
                held.patience = PATIENCE;
            }
            held.patience -= u32::from(held.lane.is_none());
            Some((key, held.lane? as usize))
        };
        // A thread that is ending has no list any more, and needs no lane of its own.
        let obtained = THREAD.try_with(obtain).ok().flatten();
        if let Some(memory) = obtained.filter(|_| key != NO_KEY) {
            MEMORY.with(|memories| memories[place].set(memory));
        }
        Ok(obtained)
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
    pub fn pin(
        &self,
        key: &AtomicU64,
        ring: &Ring,
        segment: &Segment,
        name: &CStr,
        taken: bool,
    ) -> Result<Pin> {
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
        if !ring.shared_lanes_only() && own_lane(key).is_none() {
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
        with_process(|process, _| process.open.retain(|open| open.id != self.id));
        let mut ours = self.with_kept(|kept| {
            kept.idle.clear();
            kept.pins.clear();
            core::mem::take(&mut kept.all)
        });
        ours.retain(|&lane| (lane as usize) < ring.lanes());
        for lane in ours {
            if let Some(owner) = ring.lane_owner(lane as usize) {
                // Release: the lane's next owner sees its record and its slot as we left them.
                owner.store(NOBODY.0, Ordering::Release);
            }
        }
    }
}

/// The lane that this thread remembers under the key.
#[inline]
fn own_lane(key: &AtomicU64) -> Option<usize> {
    // Relaxed: only this thread's ending, or its being a forked child, makes a difference.
    let (key, place) = (key.load(Ordering::Relaxed), place_of(key));
    MEMORY.with(|memories| {
        let (remembered, lane) = memories[place].get();
        (remembered == key).then_some(lane)
    })
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
