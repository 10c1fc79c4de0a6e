//! A table of names, the bytes that they are charged for, and a structure in it.

use super::{Effect, Model, finish, name};
use crate::op::{Code, E_EXISTS, E_NOT_FOUND, Op, Outcome, TIMEOUT, Who};

/// A name that is taken by an array.
#[derive(Clone, Copy)]
struct Array {
    name: u64,
    words: u64,
    /// What all of its words are.
    fill: u64,
}

/// Bytes of the largest array that a scenario destroys.
const MOST_DESTROYED: u64 = 256;

pub struct SegmentModel {
    exists: bool,
    arrays: Vec<Array>,
    /// Payload: erasing gives nothing back, destroying does.
    charged: u64,
    /// What somebody stands still in.
    stopped: Option<Op>,
    /// What any of them, also one who has died since, may have charged.
    doubtful: u64,
    /// Another structure of the segment, once it is there, and what answers for it.
    structure: Box<dyn Model>,
    has_structure: bool,
}

/// Payload of a structure of `a` elements of `b` bytes.
fn creates_structure(code: Code) -> bool {
    matches!(code, Code::QueueOpenOrCreate | Code::SpscOpenOrCreate)
}

impl SegmentModel {
    /// A segment that does not exist, which is to have such a structure some time.
    pub fn new(structure: Box<dyn Model>) -> Self {
        Self {
            exists: false,
            arrays: Vec::new(),
            charged: 0,
            stopped: None,
            doubtful: 0,
            structure,
            has_structure: false,
        }
    }

    fn copy(&self) -> Self {
        Self {
            arrays: self.arrays.clone(),
            structure: self.structure.boxed(),
            ..*self
        }
    }

    fn add(&mut self, name: u64, words: u64) {
        let fill = 0;
        self.arrays.push(Array { name, words, fill });
        self.charged += 8 * words;
    }

    fn entries(&self) -> u64 {
        self.arrays.len() as u64 + u64::from(self.has_structure)
    }

    fn on_array(&mut self, op: &Op, outcome: &mut Outcome) {
        let found = self.arrays.iter().position(|array| array.name == op.a);
        let Some(found) = found else {
            match op.code {
                Code::ArrayCreate => self.add(op.a, op.b),
                Code::AddRaw => self.add(op.a, op.b / 8),
                Code::ArrayOpenOrCreate => {
                    self.add(op.a, op.b);
                    outcome.count = op.b as u32;
                }
                _ => outcome.status = E_NOT_FOUND,
            }
            return;
        };
        match op.code {
            Code::ArrayCreate | Code::AddRaw => outcome.status = E_EXISTS,
            Code::Find => {}
            Code::Erase => {
                self.arrays.remove(found);
            }
            // `b`: somebody else has it open, and its space is kept for that one.
            Code::Destroy => {
                let array = self.arrays.remove(found);
                self.charged -= if op.b == 0 { 8 * array.words } else { 0 };
            }
            _ => {
                outcome.count = self.arrays[found].words as u32;
                if op.code == Code::ArrayFill {
                    self.arrays[found].fill = op.b;
                }
            }
        }
    }

    /// Answers that are right only because somebody stands still in an operation.
    fn is_excused(&self, op: &Op, seen: &Outcome, expected: &Outcome) -> bool {
        let Some(stopped) = &self.stopped else {
            return false;
        };
        let clearing = stopped.code == Code::Clear;
        match op.code {
            // Not there yet, or its file is and nothing in it.
            Code::SegmentOpen if !self.exists => {
                matches!(seen.status, TIMEOUT | E_NOT_FOUND)
            }
            _ if seen.status == TIMEOUT => waits(op.code),
            // A name may be in the table and not be ready yet, and its bytes charged already.
            Code::Info => {
                let payload = seen.values[0].abs_diff(expected.values[0]);
                let entries = seen.values[1].abs_diff(expected.values[1]);
                seen.status == 0 && (clearing || payload <= self.doubtful && entries <= 1)
            }
            Code::Find => clearing && matches!(seen.status, 0 | E_NOT_FOUND),
            _ => false,
        }
    }
}

/// Whether it may have to wait for somebody who stands still in the table, or at a name.
pub fn waits(code: Code) -> bool {
    code < Code::SegmentClose
        || creates_structure(code)
        || matches!(
            code,
            Code::ArrayCreate
                | Code::ArrayOpenOrCreate
                | Code::ArrayOpen
                | Code::Erase
                | Code::Destroy
                | Code::Clear
                | Code::AddRaw
        )
}

impl Model for SegmentModel {
    fn boxed(&self) -> Box<dyn Model> {
        Box::new(self.copy())
    }

    fn effect(&mut self, who: Who, op: &Op, outcome: &mut Outcome) -> Effect {
        match op.code {
            Code::SegmentCreate | Code::SegmentOpenOrCreate => self.exists = true,
            Code::SegmentOpen | Code::SegmentOpenReadOnly if !self.exists => {
                outcome.status = E_NOT_FOUND;
            }
            Code::SegmentOpen | Code::SegmentOpenReadOnly => {}
            code if creates_structure(code) => {
                if !self.has_structure {
                    self.has_structure = true;
                    self.charged += op.a * op.b;
                }
            }
            Code::Clear => {
                self.arrays.clear();
                self.charged = 0;
                self.has_structure = false;
            }
            Code::Info => {
                outcome.values[0] = self.charged;
                outcome.values[1] = self.entries();
            }
            code if code > Code::QueueOpenOrCreate || code == Code::SegmentClose => {
                return self.structure.effect(who, op, outcome);
            }
            _ => self.on_array(op, outcome),
        }
        Effect::Last
    }

    fn stopped(&mut self, op: Option<&Op>) {
        self.stopped = op.copied();
        self.doubtful += match op {
            Some(op) if matches!(op.code, Code::ArrayCreate | Code::ArrayOpenOrCreate) => 8 * op.b,
            Some(op) if op.code == Code::AddRaw => op.b,
            Some(op) if op.code == Code::Destroy => MOST_DESTROYED,
            Some(op) if creates_structure(op.code) => op.a * op.b,
            _ => 0,
        };
    }

    fn died(&mut self, who: Who) {
        self.structure.died(who);
    }

    fn accept(&mut self, who: Who, op: &Op, seen: &Outcome) -> Result<(), String> {
        let mut after = self.copy();
        let mut expected = Outcome::default();
        finish(&mut after, who, op, &mut expected);
        if expected == *seen {
            *self = after;
            return Ok(());
        }
        if self.is_excused(op, seen, &expected) {
            return Ok(());
        }
        Err(format!("{who:?} {}: {seen}; expected {expected}", name(op)))
    }
}
