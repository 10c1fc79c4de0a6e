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
                    _ if !late => go(inquest, self.read(Reading::Own, own)),
                    Record::Idle(_) => Ok(state.inherit(process, inquest.lane)),
                    Record::InOperation { .. } => go(inquest, Inquiry::Verdict),
                }
            }
            Inquiry::Read(reading, lane, loads) => {
                match self.load(state.lanes[lane], reading, loads) {
                    Err(loads) => go(inquest, Inquiry::Read(reading, lane, loads)),
                    Ok(Record::Idle(_)) if reading == Reading::Own && !late => {
                        Ok(state.inherit(process, inquest.lane))
                    }
                    Ok(record) => {
                        let next = self.learn(&mut inquest, reading, lane, record);
                        go(inquest, next)
                    }
                }
            }
            Inquiry::Owner(lane) => match state.lanes[lane].owner {
                None => go(inquest, self.neighbour(own, lane + 1)),
                Some(owner) => go(inquest, Inquiry::Death(lane, owner)),
            },
            Inquiry::Death(lane, owner) if !state.is_dead(owner) => {
                go(inquest, self.neighbour(own, lane + 1))
            }
            Inquiry::Death(lane, owner) => go(inquest, self.read(Reading::Again(owner), lane)),
            Inquiry::Word(index) => {
                inquest.sight(state.words[index].slot);
                go(
                    inquest,
                    match index + 1 < self.capacity {
                        true => Inquiry::Word(index + 1),
                        false => self.read(Reading::Spare, 0),
                    },
                )
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
                match inquest.record {
                    Record::InOperation { s, .. } if s != left => state.lanes[own].spare = left,
                    _ => state.lanes[own].intent = left,
                }
                Ok(state.inherit(process, inquest.lane))
            }
            Inquiry::GiveBack => {
                state.lanes[own].owner = inquest.before;
                Ok(Next::Begin)
            }
        }
    }

    pub(super) fn read(&self, reading: Reading, lane: usize) -> Inquiry {
        Inquiry::Read(reading, lane, Loads::Nothing)
    }

    /// Loads one more word of a lane's record: what the record says, or what is loaded so far.
    fn load(&self, lane: Lane, reading: Reading, loads: Loads) -> Result<Record, Loads> {
        match loads {
            Loads::Nothing => Err(Loads::Spare(lane.spare)),
            Loads::Spare(spare) => {
                let intent = lane.intent;
                // Then the third load can only tell which slot it is that the lane owns, and
                // nobody but the scan wants to know.
                let is_told = spare == intent && reading != Reading::Spare;
                match is_told || self.fault == Fault::SpareNotReadAgain {
                    true => Ok(Record::of(spare, intent)),
                    false => Err(Loads::Both { spare, intent }),
                }
            }
            Loads::Both { spare, intent } if spare == lane.spare => Ok(Record::of(spare, intent)),
            Loads::Both { .. } => Ok(Record::Idle(lane.spare)),
        }
    }

    /// Notes what a record says; what is next.
    fn learn(
        &self,
        inquest: &mut Inquest,
        reading: Reading,
        lane: usize,
        record: Record,
    ) -> Inquiry {
        let own = usize::from(inquest.lane);
        match (reading, record) {
            (Reading::Own, _) => {
                inquest.record = record;
                match record {
                    Record::Idle(_) => Inquiry::Claim,
                    Record::InOperation { .. } => self.neighbour(own, 0),
                }
            }
            (Reading::Glance, Record::InOperation { .. }) => Inquiry::Owner(lane),
            (Reading::Glance, Record::Idle(_)) => self.neighbour(own, lane + 1),
            (Reading::Again(owner), _) => {
                if let Record::InOperation { s, j } = record {
                    inquest.doubts[lane] = Some(Doubt { owner, s, j });
                }
                self.neighbour(own, lane + 1)
            }
            (Reading::Spare, _) => {
                if let Record::Idle(spare) = record {
                    inquest.sight(spare);
                }
                match lane + 1 < self.lanes() {
                    true => self.read(Reading::Spare, lane + 1),
                    false if self.fault == Fault::SightingBeforeRecord => Inquiry::Claim,
                    false => self.once_more(inquest, 0),
                }
            }
            (Reading::Same, _) => {
                let same = |Doubt { s, j, .. }| record == Record::InOperation { s, j };
                if inquest.doubts[lane].is_some_and(same) {
                    return Inquiry::SameOwner(lane);
                }
                inquest.doubts[lane] = None;
                self.once_more(inquest, lane + 1)
            }
        }
    }

    /// To the next neighbour, or on to the scan.
    pub(super) fn neighbour(&self, own: usize, lane: usize) -> Inquiry {
        match (lane..self.lanes()).find(|&lane| lane != own) {
            Some(lane) => self.read(Reading::Glance, lane),
            None if self.fault == Fault::SightingBeforeRecord => Inquiry::Verdict,
            None => Inquiry::Word(0),
        }
    }

    /// To the next neighbour in doubt, or on to the verdict.
    pub(super) fn once_more(&self, inquest: &Inquest, lane: usize) -> Inquiry {
        let doubted = (lane..self.lanes()).find(|&lane| inquest.doubts[lane].is_some());
        match doubted {
            Some(lane) if self.fault != Fault::NeighboursNotCheckedAgain => {
                self.read(Reading::Same, lane)
            }
            _ if self.fault == Fault::ClaimAfterLooks && inquest.before.is_some() => Inquiry::Claim,
            _ => Inquiry::Verdict,
        }
    }
}

impl Inquest {
    /// Notes a slot, if it is in question.
    fn sight(&mut self, slot: u8) {
        let Record::InOperation { s, j } = self.record else {
            // Nothing is known of that yet.
            self.sighted |= 1 << slot;
            return;
        };
        let doubts = self.doubts.iter().flatten();
        let in_question = doubts.fold(1u8 << s | 1 << j, |slots, doubt| {
            slots | 1 << doubt.s | 1 << doubt.j
        });
        self.sighted |= 1 << slot & in_question;
    }

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
