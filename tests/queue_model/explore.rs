//! Going through all states, with the checks that each of them has to pass.

use super::*;

impl Model {
    /// What holds in every state.
    pub(super) fn check_state(&self, state: &State) -> Checked {
        let words = &state.words[..self.capacity];
        let owned = &state.owned[..self.lanes()];
        let in_words = words.iter().map(|word| word.slot);
        let all = in_words.chain(owned.iter().copied());
        let all = all.fold(0u8, |all, slot| all | 1 << slot);
        check(
            all.count_ones() as usize == words.len() + owned.len(),
            || "a slot has two holders".to_owned(),
        )?;
        let full = words.iter().filter(|word| word.stage % 2 == 1).count();
        let len = usize::from(state.enqueued - state.dequeued);
        check(full == len, || {
            format!("{full} full words for {len} elements")
        })?;
        (state.dequeued..state.enqueued).try_for_each(|at| {
            let index = self.index(at);
            let found = state.payload[usize::from(words[index].slot)];
            check(found == state.elements[index], || {
                format!("element {} became {found}", state.elements[index])
            })
        })
    }

    /// When the living are at rest, every dead process's lane can be recovered.
    pub(super) fn check_recoverable(&self, state: &State) -> Checked {
        let at_rest = |process: &Process| matches!(process.next, Next::Begin | Next::Dead);
        if !state.processes.iter().all(at_rest) {
            return Ok(());
        }
        for lane in 0..self.lanes() {
            if !state.is_free(state.lanes[lane].owner) {
                continue;
            }
            let mut state = state.clone();
            state.processes[AUDITOR].next = self.choose(&state, lane).unwrap_or(Next::Begin);
            while state.processes[AUDITOR].next != Next::Begin {
                self.step(&mut state, AUDITOR)?;
            }
            check(state.processes[AUDITOR].lane.is_some(), || {
                format!("all are dead or at rest, and lane {lane} cannot be recovered")
            })?;
        }
        Ok(())
    }

    /// Visits every state; returns their number.
    pub(super) fn explore(&self) -> Result<usize, Violation> {
        let mut visited: HashSet<u64, BuildHasherDefault<Fold>> = HashSet::default();
        let mut path = Vec::new();
        let mut successors = Vec::new();
        let mut open = vec![(0, 0, self.start())];
        while let Some((depth, step, state)) = open.pop() {
            if !visited.insert(state.fingerprint()) {
                continue;
            }
            path.truncate(depth);
            path.push(step);
            self.check_state(&state)
                .and_then(|()| self.check_recoverable(&state))
                .and_then(|()| self.successors(&state, &mut successors))
                .map_err(|complaint| Violation {
                    complaint,
                    path: path[1..].to_vec(),
                    states: visited.len(),
                })?;
            let deeper = successors.drain(..);
            open.extend(deeper.map(|(step, state)| (depth + 1, step, state)));
        }
        Ok(visited.len())
    }
}

/// Hashes a state to its fingerprint, and a fingerprint to itself.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk
                .iter()
                .fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.mix(word);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Fold {
    fn mix(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product as u64 ^ (product >> 64) as u64).rotate_left(23);
    }
}
