//! Which lanes of a queue this process may use, and which of them a thread is
//! using right now.
//!
//! A lane belongs to one attachment at a time, by its owner word in the segment:
//! a home lane to the attachment of the same number, a further lane to whoever
//! claimed it first. Threads of one process then share the process's lanes
//! through the private list here. When elements are so large that there are no
//! home lanes, a lane is claimed for the length of one operation.

use super::ring::Ring;
use crate::error::{Error, Result};
use crate::segment::{NOBODY, Owner, Segment, fork};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::ffi::CStr;
use std::time::Instant;

/// Most lanes that one process keeps for one queue: not all further lanes there
/// are, so that other processes find one too.
const KEPT: usize = 32;

/// In a list item: a thread is inside an operation on the lane.
const BUSY: u64 = 1 << 63;
/// How often a thread gives way to others of its process before it sleeps.
const YIELDS: u32 = 64;

/// A lane that the holder may operate on, alone.
pub struct LaneGuard<'a> {
    /// Number of the lane.
    pub lane: usize,
    /// Where it is noted as busy: in the private list or, for one operation's
    /// length, in its owner word.
    place: &'a AtomicU64,
    /// What to leave there.
    after: u64,
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        // Release: the next user of the lane sees its record and its slot as we left them.
        self.place.store(self.after, Ordering::Release);
    }
}

/// The lanes of one queue that this process holds.
pub struct Lanes {
    /// Each 0, or lane + 1 with [`BUSY`].
    kept: [AtomicU64; KEPT],
    /// Fork epoch in which `kept` was filled: a child begins with none.
    epoch: AtomicU32,
}

impl Lanes {
    /// No lanes yet.
    pub fn new() -> Self {
        Self {
            kept: [const { AtomicU64::new(0) }; KEPT],
            epoch: AtomicU32::new(fork::epoch()),
        }
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
        let me = segment.me()?;
        if self.epoch.load(Ordering::Acquire) == fork::epoch() {
            let first = &self.kept[0];
            let item = first.load(Ordering::Relaxed);
            if item != 0
                && item & BUSY == 0
                // Acquire: pairs with the Release of the thread that used the lane before.
                && first
                    .compare_exchange(item, item | BUSY, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return Ok(LaneGuard {
                    lane: item as usize - 1,
                    place: first,
                    after: item,
                });
            }
        }
        self.enter_slowly(ring, segment, name, me)
    }

    #[cold]
    fn enter_slowly<'a>(
        &'a self,
        ring: &'a Ring,
        segment: &Segment,
        name: &CStr,
        me: Owner,
    ) -> Result<LaneGuard<'a>> {
        self.forget_parents_lanes();
        let start = Instant::now();
        let mut rounds = 0;
        loop {
            let found = match ring.shared_lanes_only() {
                true => claim_for_one_operation(ring, segment, me),
                false => self.enter_kept(ring, segment, me),
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
                return Err(Error::Busy {
                    name: name.to_string_lossy().into_owned(),
                    lanes: ring.lanes() as u64,
                });
            }
        }
    }

    /// In a forked child, empties the list: its lanes are the parent's.
    fn forget_parents_lanes(&self) {
        if self.epoch.load(Ordering::Acquire) == fork::epoch() {
            return;
        }
        let _process = fork::lock_process();
        if self.epoch.load(Ordering::Relaxed) != fork::epoch() {
            self.kept
                .iter()
                .for_each(|item| item.store(0, Ordering::Relaxed));
            self.epoch.store(fork::epoch(), Ordering::Release);
        }
    }

    /// A lane that this process holds and no thread uses, or a new one.
    fn enter_kept<'a>(
        &'a self,
        ring: &Ring,
        segment: &Segment,
        me: Owner,
    ) -> Option<LaneGuard<'a>> {
        let mut may_claim = true;
        for place in &self.kept {
            let item = place.load(Ordering::Relaxed);
            if item == 0 {
                let claimed = may_claim.then(|| self.keep_another(place, ring, segment, me));
                if let Some(Some(guard)) = claimed {
                    return Some(guard);
                }
                may_claim = false; // Once a round: it looks at all of them.
                continue;
            }
            if item & BUSY != 0 {
                continue;
            }
            let busy = item | BUSY;
            // Acquire: as in `enter`.
            let taken = place.compare_exchange(item, busy, Ordering::Acquire, Ordering::Relaxed);
            if taken.is_err() {
                continue;
            }
            return Some(LaneGuard {
                lane: item as usize - 1,
                place,
                after: item,
            });
        }
        None
    }

    /// Claims one more lane and notes it at `place`.
    fn keep_another<'a>(
        &'a self,
        place: &'a AtomicU64,
        ring: &Ring,
        segment: &Segment,
        me: Owner,
    ) -> Option<LaneGuard<'a>> {
        // Reserve the place first: of two threads here, one goes on.
        place
            .compare_exchange(0, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        let Some(lane) = claim(ring, segment, me) else {
            place.store(0, Ordering::Release);
            return None;
        };
        Some(LaneGuard {
            lane,
            place,
            after: lane as u64 + 1,
        })
    }

    /// Gives all lanes back that this process took. No thread is inside.
    pub fn leave(&self, ring: &Ring) {
        if self.epoch.load(Ordering::Acquire) != fork::epoch() {
            return;
        }
        for place in &self.kept {
            let item = place.swap(0, Ordering::Acquire);
            let lane = (item & !BUSY).checked_sub(1);
            if let Some(owner) = lane.and_then(|lane| ring.lane_owner(lane as usize)) {
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

/// Claims a lane to keep: the home lane first, then a further one.
fn claim(ring: &Ring, segment: &Segment, me: Owner) -> Option<usize> {
    let home = me.slot()? as usize;
    if home < ring.home_lanes() {
        // Whoever had it, unless it is us, held our slot before us and is dead.
        let before = ring.lane_owner(home)?.load(Ordering::Relaxed);
        if before != me.0 && take(ring, segment, home, before, me) {
            return Some(home);
        }
    }
    claim_shared(ring, segment, me)
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
        place: ring.lane_owner(lane)?,
        after: NOBODY.0,
    })
}
