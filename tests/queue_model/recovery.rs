//! The steps of an heir: from the lane of a dead owner to a lane at rest.

use super::*;

impl Model {
    /// As in `lanes.rs` and `recovery.rs`.
    pub(super) fn recover(&self, state: &mut State, process: usize) -> Checked<Next> {
        let sound = self.fault != Fault::SightingBeforeRecord;
        let (mut inquest, next) = match state.processes[process].next {
            Next::Recover(inquest, next) => (inquest, next),
            next => return Ok(next),
        };
        let own = usize::from(inquest.lane);
        let late = self.fault == Fault::ClaimAfterLooks && inquest.before.is_some();
        let go = |inquest, next| Ok(Next::Recover(inquest, next));
        match next {
            Inquiry::Claim => {
                let free = sound || state.is_free(inquest.before);
                if !free || state.lanes[own].owner != inquest.before {
                    return Ok(Next::Begin);
                }
                state.lanes[own].owner = Some(process as u8);
                match inquest.record {
                    _ if !late => go(inquest, Inquiry::OwnRecord),
                    Record::Idle(_) => Ok(state.inherit(process, inquest.lane)),
                    Record::InOperation { .. } => go(inquest, Inquiry::Verdict),
                }
            }
            Inquiry::OwnRecord => {
                inquest.record = state.lanes[own].record;
                match inquest.record {
                    Record::Idle(_) if late => go(inquest, Inquiry::Claim),
                    Record::Idle(_) => Ok(state.inherit(process, inquest.lane)),
                    Record::InOperation { .. } => go(inquest, self.neighbour(own, 0)),
                }
            }
            Inquiry::Glance(lane) => match state.lanes[lane].record {
                Record::Idle(_) => go(inquest, self.neighbour(own, lane + 1)),
                Record::InOperation { .. } => go(inquest, Inquiry::Owner(lane)),
            },
            Inquiry::Owner(lane) => match state.lanes[lane].owner {
                None => go(inquest, self.neighbour(own, lane + 1)),
                Some(owner) => go(inquest, Inquiry::Death(lane, owner)),
            },
            Inquiry::Death(lane, owner) if !state.is_dead(owner) => {
                go(inquest, self.neighbour(own, lane + 1))
            }
            Inquiry::Death(lane, owner) => go(inquest, Inquiry::Again(lane, owner)),
            Inquiry::Again(lane, owner) => {
                let record = state.lanes[lane].record;
                if let Record::InOperation { s, j } = record {
                    inquest.doubts[lane] = Some(Doubt { owner, s, j });
                }
                go(inquest, self.neighbour(own, lane + 1))
            }
            Inquiry::Word(index) => {
                inquest.sighted |= 1 << state.words[index].slot;
                go(
                    inquest,
                    match index + 1 < self.capacity {
                        true => Inquiry::Word(index + 1),
                        false => Inquiry::Spare(0),
                    },
                )
            }
            Inquiry::Spare(lane) => {
                if let Record::Idle(spare) = state.lanes[lane].record {
                    inquest.sighted |= 1 << spare;
                }
                go(
                    inquest,
                    match lane + 1 < self.lanes() {
                        true => Inquiry::Spare(lane + 1),
                        false if sound => self.once_more(&inquest, 0),
                        false => Inquiry::Claim,
                    },
                )
            }
            Inquiry::SameRecord(lane) => {
                let same = inquest.doubts[lane].is_some_and(|Doubt { s, j, .. }| {
                    state.lanes[lane].record == Record::InOperation { s, j }
                });
                if same {
                    return go(inquest, Inquiry::SameOwner(lane));
                }
                inquest.doubts[lane] = None;
                go(inquest, self.once_more(&inquest, lane + 1))
            }
            Inquiry::SameOwner(lane) => {
                let owner = state.lanes[lane].owner;
                inquest.doubts[lane] =
                    inquest.doubts[lane].filter(|doubt| owner == Some(doubt.owner));
                go(inquest, self.once_more(&inquest, lane + 1))
            }
            Inquiry::Verdict => {
                let Some(left) = inquest.verdict(state, self.fault)? else {
                    return go(inquest, Inquiry::GiveBack);
                };
                check(left == state.owned[own], || {
                    let owned = state.owned[own];
                    format!("lane {own} is left with slot {left}, but owns {owned}")
                })?;
                state.lanes[own].record = Record::Idle(left);
                Ok(state.inherit(process, inquest.lane))
            }
            Inquiry::GiveBack => {
                state.lanes[own].owner = inquest.before;
                Ok(Next::Begin)
            }
        }
    }

    /// To the next neighbour, or on to the scan.
    pub(super) fn neighbour(&self, own: usize, lane: usize) -> Inquiry {
        match (lane..self.lanes()).find(|&lane| lane != own) {
            Some(lane) => Inquiry::Glance(lane),
            None if self.fault == Fault::SightingBeforeRecord => Inquiry::Verdict,
            None => Inquiry::Word(0),
        }
    }

    /// To the next neighbour in doubt, or on to the verdict.
    pub(super) fn once_more(&self, inquest: &Inquest, lane: usize) -> Inquiry {
        let doubted = (lane..self.lanes()).find(|&lane| inquest.doubts[lane].is_some());
        match doubted {
            Some(lane) if self.fault != Fault::NeighboursNotCheckedAgain => {
                Inquiry::SameRecord(lane)
            }
            _ if self.fault == Fault::ClaimAfterLooks && inquest.before.is_some() => Inquiry::Claim,
            _ => Inquiry::Verdict,
        }
    }
}

impl Inquest {
    /// The slot that the lane is left with, if that can be told. Dead neighbours that
    /// can be told are sightings of the slots that they are left with.
    fn verdict(mut self, state: &mut State, fault: Fault) -> Checked<Option<u8>> {
        let told = |sighted: u8, s: u8, j: u8| match (sighted >> s & 1, sighted >> j & 1) {
            (0, 0) => Ok(None),
            (1, 0) => Ok(Some(j)),
            (0, _) => Ok(Some(s)),
            _ => Err(format!(
                "slots {s} and {j} of a dead lane both seen elsewhere"
            )),
        };
        // As many rounds as a chain of neighbours can be long.
        for _ in 0..LANES {
            for doubt in self.doubts.iter_mut() {
                let Some(Doubt { s, j, .. }) = *doubt else {
                    continue;
                };
                if let Some(left) = told(self.sighted, s, j)? {
                    self.sighted |= 1 << left;
                    *doubt = None;
                }
            }
        }
        match self.record {
            Record::Idle(spare) => Ok(Some(spare)),
            Record::InOperation { s, j } => match told(self.sighted, s, j)? {
                None if fault != Fault::CirclesNotTold => Ok(self.share(state, s, j, fault)),
                told => Ok(told),
            },
        }
    }

    /// The slot that a lane in operation {s, j} is left with, if it and dead neighbours own as
    /// many slots together as they are. Which of them owns which is then decided here.
    fn share(&self, state: &mut State, s: u8, j: u8, fault: Fault) -> Option<u8> {
        let (slots, others) = self.reach(1 << s | 1 << j);
        let closed = slots.count_ones() as usize == others.len() + 1;
        if !closed && fault != Fault::CirclesNotCounted {
            return None;
        }
        let (slots, others) = self.reach(1 << s);
        let left = match slots.count_ones() as usize == others.len() + 1 {
            true => s,
            false => j,
        };
        self.decide(state, left);
        Some(left)
    }

    /// The slots that dead neighbours can own if some of them own those in `slots`, and these
    /// neighbours, in the order in which one leads to the other.
    fn reach(&self, mut slots: u8) -> (u8, Vec<(usize, u8)>) {
        let doubts = (0..).zip(self.doubts);
        let mut rest: Vec<_> = doubts
            .filter_map(|(lane, doubt)| Some((lane, doubt?)))
            .map(|(lane, doubt)| (lane, 1u8 << doubt.s | 1 << doubt.j))
            .collect();
        let mut reached = Vec::new();
        while let Some(at) = rest.iter().position(|&(_, ends)| ends & slots != 0) {
            let (lane, ends) = rest.swap_remove(at);
            slots |= ends;
            reached.push((lane, ends));
        }
        (slots, reached)
    }

    /// Makes it true that the lane is left with this slot, and the others with what follows
    /// from that; if the truth so far is that they own the same slots.
    fn decide(&self, state: &mut State, left: u8) {
        let mut shares = vec![(usize::from(self.lane), 1 << left)];
        let mut taken = 1u8 << left;
        for (lane, ends) in self.reach(taken).1 {
            shares.push((lane, ends & !taken));
            taken |= ends;
        }
        let owned = shares.iter().map(|&(lane, _)| 1u8 << state.owned[lane]);
        if owned.fold(0, |all, slot| all | slot) == taken {
            for (lane, share) in shares {
                state.owned[lane] = share.trailing_zeros() as u8;
            }
        }
    }
}
