//! Recovery: which slot a dead owner's lane is left with.
//!
//! At any moment every slot is in exactly one ring word or is the spare of exactly
//! one lane. A lane that died in operation {s, j} owns one of the two, and can
//! neither get nor give away a slot again. So one *sighting* of either of them
//! elsewhere, at any later time, proves for good that the lane owns the other.
//!
//! When all lanes but dead and idle ones are left, every dead lane can be told. Of those
//! that no sighting tells, each owns a slot in question among them, and nobody else owns
//! one: so they are as many as those slots. And if they are as many, they own those
//! together, whatever living lanes are about to do, and which of them gets which makes no
//! difference to anybody: a payload slot is as good as another. (Lanes get there when one
//! of them acts on a word that it saw long before, as the code in line does.)

use core::sync::atomic::Ordering::{Acquire, SeqCst};
use core::sync::atomic::fence;

use super::Corrupt;
use super::layout::{Lane, Record};
use super::ring::{Ring, step};
use crate::fault::Fault;

/// A lane whose owner died in operation.
struct Doubt<'a> {
    lane: &'a Lane,
    /// The owner that this is about.
    owner: u64,
    s: u64,
    j: u64,
}

impl Doubt<'_> {
    /// Whether nobody has recovered the lane since. When record and owner still are what they
    /// were, nobody has used it either: using it takes a new owner word first.
    fn stands(&self, slot_mask: u64) -> bool {
        let (s, j) = (self.s, self.j);
        // Acquire: who saw the effects of a new owner, saw the owner change before.
        self.lane.record.read(slot_mask) == Record::InOperation { s, j }
            && self.lane.owner.load(Acquire) == self.owner
    }
}

/// How many slots dead lanes can own if some of them own those in `slots`, by one of a
/// lane's two leading to the other; and how many lanes that takes.
fn reach(mut slots: Vec<u64>, doubts: &[Doubt<'_>]) -> (usize, usize) {
    let mut rest: Vec<_> = doubts.iter().map(|doubt| [doubt.s, doubt.j]).collect();
    let mut lanes = 0;
    while let Some(at) = rest
        .iter()
        .position(|ends| ends.iter().any(|slot| slots.contains(slot)))
    {
        lanes += 1;
        for slot in rest.swap_remove(at) {
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
    }
    (slots.len(), lanes)
}

/// The slot that a lane in operation {s, j} is left with, if it and some of the lanes in
/// doubt own as many slots together as they are.
fn share(s: u64, j: u64, doubts: &[Doubt<'_>]) -> Option<u64> {
    let (slots, others) = reach(vec![s, j], doubts);
    if slots != others + 1 {
        return None;
    }
    // If the lane takes s, the lanes that this leads to have to do with the other slots there.
    let (slots, others) = reach(vec![s], doubts);
    Some(if slots == others + 1 { s } else { j })
}

/// The slots in question in ascending order, each with whether it was sighted.
struct Sightings(Vec<(u64, bool)>);

impl Sightings {
    fn about(slots: impl Iterator<Item = u64>) -> Self {
        let mut slots: Vec<_> = slots.map(|slot| (slot, false)).collect();
        slots.sort_unstable();
        slots.dedup();
        Self(slots)
    }

    fn entry(&mut self, slot: u64) -> Option<&mut bool> {
        let at = self.0.binary_search_by_key(&slot, |&(slot, _)| slot);
        self.0.get_mut(at.ok()?).map(|(_, sighted)| sighted)
    }

    fn note(&mut self, slot: u64) {
        if let Some(sighted) = self.entry(slot) {
            *sighted = true;
        }
    }

    /// The slot that a lane in operation {s, j} is left with, if one sighting tells.
    fn verdict(&mut self, s: u64, j: u64) -> Result<Option<u64>, Corrupt> {
        let sighted = |entry: Option<&mut bool>| entry.is_some_and(|sighted| *sighted);
        match (sighted(self.entry(s)), sighted(self.entry(j))) {
            (false, false) => Ok(None),
            (true, false) => Ok(Some(j)),
            (false, true) => Ok(Some(s)),
            (true, true) => Err(Corrupt::Ownership),
        }
    }
}

impl Ring {
    /// Puts a lane whose owner is dead back to rest, with the spare slot it was left
    /// with. `Ok(false)`: that cannot be told yet, because a living lane is in an
    /// operation on the slots in question; retry later.
    ///
    /// `is_dead` tells whether the owner in an owner word is proven dead, which must
    /// mean that all its stores happened before the answer. The caller has that proof
    /// for this lane's last user, and nobody else recovers or claims this lane
    /// meanwhile; other lanes may be used, or recovered by others. An owner word must
    /// change between the recovery of a lane and its next use. Nothing is written but
    /// this lane's record, once and last: whoever dies in here has changed nothing. While
    /// it is in here, nobody else takes the owner word for a dead owner's.
    pub fn recover_lane(
        &self,
        lane: usize,
        is_dead: &dyn Fn(u64) -> bool,
    ) -> Result<bool, Corrupt> {
        let lane = self.lanes.get(lane).ok_or(Corrupt::Lane)?;
        // Load the records in doubt before scanning: what was sighted earlier might
        // have been on its way to the dead lane. Acquire pairs with the Release of the
        // record: a word that the dead lane took a slot from no longer shows that slot.
        let (s, j) = match self.checked_record(lane)? {
            Record::Idle(_) => return Ok(true),
            Record::InOperation { s, j } => (s, j),
        };
        // Between the claim of this lane and the looks at the owners of others. Whoever counts
        // another's lane as a dead one's was here before the other was: so among those who
        // recover lanes that share slots nobody counts in a circle, and who does not count a
        // lane concludes only what holds however that lane is decided.
        fence(SeqCst);
        let others = self
            .lanes
            .iter()
            .filter(|&other| !core::ptr::eq(other, lane));
        let mut doubts: Vec<_> = others
            .filter_map(|other| self.doubt(other, is_dead))
            .collect();
        let in_question = doubts.iter().flat_map(|doubt| [doubt.s, doubt.j]);
        let mut sightings = Sightings::about(in_question.chain([s, j]));
        self.scan(&mut sightings);

        // A dead lane that the sightings resolve is itself a sighting of the slot it is
        // left with, provided that it was at rest in its grave while we looked.
        doubts.retain(|doubt| doubt.stands(self.slot_mask()));
        loop {
            let before = doubts.len();
            doubts.retain(|doubt| match sightings.verdict(doubt.s, doubt.j) {
                Ok(Some(left)) => {
                    sightings.note(left);
                    false
                }
                Ok(None) => true,
                Err(_) => false,
            });
            if doubts.len() == before {
                break;
            }
        }
        let verdict = if Fault::GuessedSlot.is_planted() {
            Some(s)
        } else {
            let told = sightings.verdict(s, j)?;
            told.or_else(|| share(s, j, &doubts))
        };
        let Some(left) = verdict else {
            return Ok(false);
        };
        // One store, whichever it is. Whoever uses the lane next gets it through its owner word.
        step();
        if left == s {
            lane.record.withdraw(s);
        } else {
            lane.record.settle(left);
        }
        Ok(true)
    }

    /// The lane's doubt, if its owner died in operation.
    fn doubt<'a>(&self, lane: &'a Lane, is_dead: &dyn Fn(u64) -> bool) -> Option<Doubt<'a>> {
        let in_operation = || match self.checked_record(lane) {
            Ok(Record::InOperation { s, j }) => Some((s, j)),
            _ => None,
        };
        // A glance first, because asking for the dead can cost a system call.
        in_operation()?;
        let owner = lane.owner.load(Acquire);
        if owner == 0 || !is_dead(owner) {
            return None;
        }
        // Only now is the record the last one that this owner stored.
        let (s, j) = in_operation()?;
        Some(Doubt { lane, owner, s, j })
    }

    /// Notes each slot in question that lies in a ring word or is the spare of an idle lane.
    fn scan(&self, sightings: &mut Sightings) {
        for index in 0..self.capacity as usize {
            let word = self.words.get(index);
            step();
            if let Some(word) = word {
                // Acquire: a doubt about a lane that has since changed hands then no longer stands.
                sightings.note(word.load(Acquire) & self.slot_mask());
            }
        }
        // Lanes last: a slot taken from the ring meanwhile turns up here.
        for lane in self.lanes.iter() {
            if let Ok(Record::Idle(spare)) = self.checked_record(lane) {
                sightings.note(spare);
            }
        }
    }

    /// What a lane's record says, if it names slots that exist.
    fn checked_record(&self, lane: &Lane) -> Result<Record, Corrupt> {
        let slots = self.slots.len() as u64;
        match lane.record.read(self.slot_mask()) {
            Record::Idle(s) if s < slots => Ok(Record::Idle(s)),
            Record::InOperation { s, j } if s < slots && j < slots => {
                Ok(Record::InOperation { s, j })
            }
            _ => Err(Corrupt::Slot),
        }
    }
}
