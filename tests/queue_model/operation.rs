//! The steps of an operation, and of a process between two of them.

use super::*;

impl Model {
    pub(super) fn lanes(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn program(&self, process: usize) -> &'static [Operation] {
        let all = self.workers.iter().chain(self.heirs);
        all.copied().nth(process).unwrap_or_default()
    }

    pub(super) fn start(&self) -> State {
        let capacity = self.capacity as u8;
        let word = |slot| Word { stage: 0, slot };
        let mut state = State {
            words: [0, 1, 2].map(word),
            tail: 0,
            head: 0,
            lanes: [0, 1, 2].map(|lane| Lane {
                owner: (usize::from(lane) < self.lanes()).then_some(lane),
                spare: capacity + lane,
                intent: capacity + lane,
            }),
            payload: [0; SLOTS],
            processes: [FRESH; PROCESSES],
            deaths: 0,
            enqueued: 0,
            dequeued: 0,
            elements: [0; CAPACITY],
            owned: [0, 1, 2].map(|lane| capacity + lane),
        };
        for (lane, process) in (0..).zip(&mut state.processes[..self.lanes()]) {
            process.lane = Some(lane);
        }
        state
    }

    /// All states that one step of one process leads to, with that process's number;
    /// a death is the number plus 100.
    pub(super) fn successors(&self, state: &State, found: &mut Vec<(u8, State)>) -> Checked {
        for process in 0..self.workers.len() + self.heirs.len() {
            let now = state.processes[process];
            let number = process as u8;
            if now.next == Next::Dead {
                continue;
            }
            if state.deaths < self.deaths {
                let mut after = state.clone();
                after.deaths += 1;
                after.processes[process] = Process {
                    next: Next::Dead,
                    ..FRESH
                };
                found.push((number + 100, after));
            }
            if now.next != Next::Begin {
                let mut after = state.clone();
                self.step(&mut after, process)?;
                found.push((number, after));
                continue;
            }
            let done = usize::from(now.done) == self.program(process).len();
            if let (true, Some(lane)) = (done, now.lane) {
                let mut after = state.clone();
                after.lanes[usize::from(lane)].owner = None;
                after.processes[process].lane = None;
                found.push((number, after));
            }
            if done {
                continue;
            }
            if let Some(lane) = now.lane {
                let mut after = state.clone();
                self.begin(&mut after, process, usize::from(lane))?;
                found.push((number, after));
                continue;
            }
            for next in (0..self.lanes()).filter_map(|lane| self.choose(state, lane)) {
                let mut after = state.clone();
                after.processes[process].next = next;
                found.push((number, after));
            }
        }
        Ok(())
    }

    /// An heir loads an owner word and finds nobody, or a dead process.
    pub(super) fn choose(&self, state: &State, lane: usize) -> Option<Next> {
        let before = state.lanes[lane].owner;
        let inquest = Inquest {
            lane: lane as u8,
            before,
            record: Record::Idle(0),
            doubts: [None; LANES],
            sighted: 0,
        };
        match self.fault {
            Fault::SightingBeforeRecord => Some(Next::Recover(inquest, Inquiry::Word(0))),
            Fault::ClaimAfterLooks if before.is_some() => state
                .is_free(before)
                .then_some(Next::Recover(inquest, self.read(Reading::Own, lane))),
            _ => state
                .is_free(before)
                .then_some(Next::Recover(inquest, Inquiry::Claim)),
        }
    }

    /// The end of an operation. What was foreseen for a side that the process does not operate
    /// on any more is forgotten, for the sake of fewer states.
    fn finish(&self, state: &mut State, process: usize) -> Next {
        let now = &mut state.processes[process];
        now.done += 1;
        now.spare = 0;
        let rest = &self.program(process)[usize::from(now.done)..];
        for operation in [Enqueue, Dequeue] {
            if !rest.contains(&operation) {
                now.foreseen[operation.side()] = NOTHING_FORESEEN;
            }
        }
        Next::Begin
    }

    /// What is left to do of an operation whose lane is at rest with slot `j`.
    fn leave(&self, state: &mut State, process: usize, j: u8, element: u8) -> Next {
        match self.operation(state, process) {
            Enqueue => self.finish(state, process),
            Dequeue => Next::Read { j, element },
        }
    }

    pub(super) fn operation(&self, state: &State, process: usize) -> Operation {
        self.program(process)[usize::from(state.processes[process].done)]
    }

    /// Enters an operation: its lane's spare, the payload; and the intent, if something may
    /// have been foreseen, or else the hint.
    pub(super) fn begin(&self, state: &mut State, process: usize, lane: usize) -> Checked {
        let Record::Idle(spare) = state.lanes[lane].record() else {
            return Err(format!("lane {lane} is used and not at rest"));
        };
        check(spare == state.owned[lane], || {
            format!("lane {lane} uses slot {spare}, which it does not own")
        })?;
        let operation = self.operation(state, process);
        if operation == Enqueue {
            let element = (process as u8 + 1) * 16 + state.processes[process].done;
            state.payload[usize::from(spare)] = element;
        }
        state.processes[process].spare = spare;
        state.processes[process].next = match self.foresight {
            Foresight::None => self.hinted(state, process),
            _ => {
                let (at, seen) = state.processes[process].foreseen[operation.side()];
                state.lanes[lane].intent = seen.slot;
                // The code in line leaves the step into the next lap to what is out of line.
                let near = at != NOWHERE && self.index(at) + 1 < self.capacity;
                match near && self.is_exchangeable(operation, seen, at) {
                    true => Next::LookAhead { at, seen },
                    false => Next::Restore,
                }
            }
        };
        Ok(())
    }

    /// Where the hint leads.
    fn hinted(&self, state: &State, process: usize) -> Next {
        let operation = self.operation(state, process);
        let at = state.hinted(operation);
        let look = |at| Next::Look {
            at,
            contending: false,
        };
        let (behind, seen) = state.processes[process].foreseen[operation.side()];
        match behind {
            NOWHERE => look(at),
            _ if behind == at && self.is_exchangeable(operation, seen, at) => self.intend(at, seen),
            // The hint is a lap back.
            _ if behind >= at + self.capacity as u8 => look(behind),
            _ => look(at),
        }
    }

    /// The next step of a process that is in an operation or in a recovery.
    pub(super) fn step(&self, state: &mut State, process: usize) -> Checked {
        let now = state.processes[process];
        let next = match now.lane {
            Some(lane) => self.operate(state, process, usize::from(lane))?,
            None => self.recover(state, process)?,
        };
        state.processes[process].next = next;
        Ok(())
    }

    /// Whether something foreseen may be tried.
    fn is_exchangeable(&self, operation: Operation, foreseen: Word, at: u8) -> bool {
        self.fault == Fault::ForesightNotChecked || self.ahead(operation, foreseen, at) == 0
    }

    /// How far a word is ahead of what an operation exchanges at a position.
    pub(super) fn ahead(&self, operation: Operation, word: Word, at: u8) -> i8 {
        let lap = at / self.capacity as u8;
        (word.stage as i8) - (2 * lap as i8) - i8::from(operation == Dequeue)
    }

    pub(super) fn index(&self, at: u8) -> usize {
        usize::from(at) % self.capacity
    }

    /// As in `ring.rs` and `search.rs`.
    pub(super) fn operate(&self, state: &mut State, process: usize, lane: usize) -> Checked<Next> {
        let now = state.processes[process];
        let operation = self.operation(state, process);
        let s = now.spare;
        // Whether what was exchanged there was foreseen: the process knows what is behind already.
        let foresaw = |at| now.foreseen[operation.side()].0 == at + 1;
        Ok(match now.next {
            Next::Look { at, contending } => {
                let seen = state.words[self.index(at)];
                match self.ahead(operation, seen, at) {
                    0 => self.intend(at, seen),
                    -1 => {
                        self.check_refusal(state, operation)?;
                        match contending {
                            true => Next::Withdraw,
                            false => self.finish(state, process),
                        }
                    }
                    ahead if ahead > 0 && contending => self.narrow(Range {
                        base: at + (ahead as u8 - 1) / 2 * self.capacity as u8,
                        passed: 0,
                        unpassed: self.capacity as u8,
                        stride: 1,
                    }),
                    ahead if ahead > 0 => Next::Look {
                        at,
                        contending: true,
                    },
                    _ => return Err("a hint is ahead of the truth".to_owned()),
                }
            }
            Next::Probe { range, probe } => {
                let at = range.base + probe;
                let seen = state.words[self.index(at)];
                self.narrow(match self.ahead(operation, seen, at) > 0 {
                    true => Range {
                        passed: probe,
                        stride: range.stride * 2,
                        ..range
                    },
                    false => Range {
                        unpassed: probe,
                        ..range
                    },
                })
            }
            Next::Hint => self.hinted(state, process),
            Next::LookAhead { at, seen } => Next::Exchange {
                at,
                seen,
                ahead: Some(state.words[self.index(at + 1)]),
            },
            Next::Intend { at, seen } => {
                state.lanes[lane].intent = seen.slot;
                if self.fault == Fault::HintBeforeExchange {
                    state.hint(operation, at + 1);
                }
                self.exchange(at, seen)
            }
            Next::Exchange { at, seen, ahead } => {
                let word = &mut state.words[self.index(at)];
                if *word != seen {
                    let foreseen = &mut state.processes[process].foreseen[operation.side()];
                    if *foreseen == (at, seen) {
                        // In vain once: what is there now is nothing to exchange.
                        foreseen.1 = *word;
                        return Ok(Next::Restore);
                    }
                    return Ok(Next::Look {
                        at,
                        contending: true,
                    });
                }
                *word = Word {
                    stage: seen.stage + 1,
                    slot: s,
                };
                if let Some(ahead) = ahead {
                    state.processes[process].foreseen[operation.side()] = (at + 1, ahead);
                }
                let (behind, foreseen) =
                    &mut state.processes[process].foreseen[1 - operation.side()];
                // What the other side exchanges next at this word.
                let its_next = match operation {
                    Enqueue => at,
                    Dequeue => at + self.capacity as u8,
                };
                if *behind == its_next && self.foresight == Foresight::OfBothSides {
                    *foreseen = *word;
                }
                state.owned[lane] = seen.slot;
                let element = self.linearise(state, operation, at, s)?;
                let j = seen.slot;
                match ahead {
                    Some(_) => Next::Advance { at, j, element },
                    None => Next::Settle { at, j, element },
                }
            }
            Next::Settle { at, j, element } => {
                let lane = &mut state.lanes[lane];
                if self.fault == Fault::RecordAfterExchange && lane.intent != j {
                    lane.intent = j;
                    return Ok(now.next);
                }
                lane.spare = j;
                match foresaw(at) {
                    true => self.leave(state, process, j, element),
                    false => Next::Advance { at, j, element },
                }
            }
            Next::Advance { at, j, element } => {
                state.hint(operation, at + 1);
                match self.foresight {
                    Foresight::None => self.leave(state, process, j, element),
                    _ if foresaw(at) => Next::Settle { at, j, element },
                    Foresight::Old if now.foreseen[operation.side()].0 != NOWHERE => {
                        self.leave(state, process, j, element)
                    }
                    _ => Next::Foresee { at, j, element },
                }
            }
            Next::Foresee { at, j, element } => {
                let word = state.words[self.index(at + 1)];
                state.processes[process].foreseen[operation.side()] = (at + 1, word);
                self.leave(state, process, j, element)
            }
            Next::Read { j, element } => {
                let read = state.payload[usize::from(j)];
                check(read == element, || {
                    format!("process {process} reads {read} where {element} was taken")
                })?;
                self.finish(state, process)
            }
            Next::Restore => {
                state.lanes[lane].intent = s;
                Next::Hint
            }
            Next::Withdraw => {
                state.lanes[lane].intent = s;
                self.finish(state, process)
            }
            next => next,
        })
    }

    pub(super) fn intend(&self, at: u8, seen: Word) -> Next {
        match self.fault {
            Fault::RecordAfterExchange => self.exchange(at, seen),
            _ => Next::Intend { at, seen },
        }
    }

    fn exchange(&self, at: u8, seen: Word) -> Next {
        let ahead = None;
        Next::Exchange { at, seen, ahead }
    }

    /// The next probe of a search, or its end.
    pub(super) fn narrow(&self, range: Range) -> Next {
        let open = range.unpassed - range.passed;
        if open <= 1 {
            return Next::Look {
                at: range.base + range.unpassed,
                contending: true,
            };
        }
        let mut probe = range.passed + range.stride;
        if probe >= range.unpassed {
            probe = range.passed + open / 2;
        }
        Next::Probe { range, probe }
    }

    /// What an exchange does to the truth; the element, if one was taken out.
    pub(super) fn linearise(
        &self,
        state: &mut State,
        operation: Operation,
        at: u8,
        slot: u8,
    ) -> Checked<u8> {
        let index = self.index(at);
        match operation {
            Enqueue => {
                check(at == state.enqueued, || {
                    format!("enqueued at {at} instead of {}", state.enqueued)
                })?;
                state.enqueued += 1;
                state.elements[index] = state.payload[usize::from(slot)];
                Ok(0)
            }
            Dequeue => {
                check(at == state.dequeued, || {
                    format!("dequeued at {at} instead of {}", state.dequeued)
                })?;
                state.dequeued += 1;
                Ok(std::mem::take(&mut state.elements[index]))
            }
        }
    }

    pub(super) fn check_refusal(&self, state: &State, operation: Operation) -> Checked {
        let len = usize::from(state.enqueued - state.dequeued);
        match operation {
            Enqueue => check(len == self.capacity, || format!("full with {len} elements")),
            Dequeue => check(len == 0, || format!("empty with {len} elements")),
        }
    }
}

impl State {
    pub(super) fn is_dead(&self, process: u8) -> bool {
        self.processes[usize::from(process)].next == Next::Dead
    }

    /// Whether a lane with this owner may be taken.
    pub(super) fn is_free(&self, owner: Option<u8>) -> bool {
        owner.is_none_or(|owner| self.is_dead(owner))
    }

    fn hinted(&self, operation: Operation) -> u8 {
        match operation {
            Enqueue => self.tail,
            Dequeue => self.head,
        }
    }

    pub(super) fn hint(&mut self, operation: Operation, at: u8) {
        match operation {
            Enqueue => self.tail = at,
            Dequeue => self.head = at,
        }
    }

    pub(super) fn inherit(&mut self, process: usize, lane: u8) -> Next {
        self.processes[process].lane = Some(lane);
        Next::Begin
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = explore::Fold::default();
        self.hash(&mut hasher);
        hasher.finish()
    }
}
