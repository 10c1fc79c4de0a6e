//! The newest elements of a stream.

use super::{Effect, Model, finish, name};
use crate::op::{Code, E_ROLE, EMPTY, FULL, OK, Op, Outcome, Who};

/// The status of a call that has looked, or decided, and not moved anything yet.
const LOOKED: i32 = i32::MIN;

#[derive(Clone)]
pub struct RingModel {
    capacity: usize,
    /// Everything that was ever written.
    written: Vec<u64>,
    /// How much will have been, once whoever is overwriting is done.
    claimed: usize,
    /// How much was consumed, or given up.
    consumed: usize,
    /// Up to where somebody decided to consume.
    decided: usize,
    /// How many elements somebody who stands still, or died, may have been writing over.
    disturbed: usize,
    /// Who is the producer and the consumer, where only they may act.
    roles: Option<[Option<Who>; 2]>,
}

fn produces(code: Code) -> bool {
    matches!(
        code,
        Code::RingPush
            | Code::RingPushBulk
            | Code::RingPushWait
            | Code::RingOverwrite
            | Code::RingOverwriteBulk
    )
}

fn consumes(code: Code) -> bool {
    matches!(
        code,
        Code::RingPop | Code::RingPopBulk | Code::RingPopWait | Code::RingSkip | Code::RingClear
    )
}

/// How many elements an operation is about.
fn wanted(op: &Op) -> usize {
    match op.code {
        Code::RingPushBulk | Code::RingOverwriteBulk | Code::RingPopBulk | Code::RingSkip => {
            op.b as usize
        }
        Code::RingClear => usize::MAX,
        _ => 1,
    }
}

impl RingModel {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            written: Vec::new(),
            claimed: 0,
            consumed: 0,
            decided: 0,
            disturbed: 0,
            roles: None,
        }
    }

    /// One with enforced roles.
    pub fn with_roles(capacity: usize) -> Self {
        Self {
            roles: Some([None; 2]),
            ..Self::new(capacity)
        }
    }

    /// Takes the role that an operation needs; how that ends, unless somebody may just go on.
    fn enter(&mut self, who: Who, code: Code, outcome: &mut Outcome) -> Option<Effect> {
        let [producer, consumer] = self.roles.as_mut()?;
        let role = match code {
            code if produces(code) => producer,
            code if consumes(code) => consumer,
            _ => return None,
        };
        match *role {
            None => {
                *role = Some(who);
                Some(Effect::More)
            }
            Some(holder) if holder == who => None,
            Some(_) => {
                outcome.status = E_ROLE;
                Some(Effect::Last)
            }
        }
    }

    fn forget(&mut self, who: Who) {
        for role in self.roles.iter_mut().flatten() {
            *role = role.filter(|&holder| holder != who);
        }
    }

    /// Index of the oldest element that is there to be consumed.
    fn oldest(&self) -> usize {
        let kept = self
            .claimed
            .max(self.written.len())
            .saturating_sub(self.capacity);
        self.consumed.max(kept).min(self.written.len())
    }

    fn items(&self) -> &[u64] {
        &self.written[self.oldest()..]
    }

    fn put(&mut self, first: u64, count: usize) {
        self.written
            .extend((0..count as u64).map(|index| first + index));
        self.disturbed = self.disturbed.saturating_sub(count);
    }

    fn push(&mut self, op: &Op, outcome: &mut Outcome) -> Effect {
        let bulk = op.code == Code::RingPushBulk;
        if bulk && outcome.status != LOOKED {
            let room = self.capacity - self.items().len();
            outcome.count = room.min(wanted(op)) as u32;
            if outcome.count > 0 {
                outcome.status = LOOKED;
                return Effect::More;
            }
        } else if bulk {
            outcome.status = OK;
            self.put(op.a, outcome.count as usize);
            return Effect::Last;
        } else if self.items().len() < self.capacity {
            self.put(op.a, 1);
            return Effect::Last;
        }
        outcome.status = FULL;
        if op.code == Code::RingPushWait {
            Effect::Waits
        } else {
            Effect::Last
        }
    }

    /// First what is in the way is lost, then the new elements are there.
    fn overwrite(&mut self, op: &Op, outcome: &mut Outcome) -> Effect {
        if outcome.status != LOOKED {
            self.claimed = self.claimed.max(self.written.len() + wanted(op));
            outcome.status = LOOKED;
            return Effect::More;
        }
        outcome.status = OK;
        self.put(op.a, wanted(op));
        Effect::Last
    }

    /// A consumer has made sure of the elements before it takes them: overwritten in between,
    /// they still are its own.
    fn consume(&mut self, op: &Op, outcome: &mut Outcome) -> Effect {
        if outcome.status == LOOKED {
            outcome.status = OK;
            self.consumed = self.decided;
            return Effect::Last;
        }
        let items = self.items();
        let count = items.len().min(wanted(op));
        if !matches!(op.code, Code::RingSkip | Code::RingClear) {
            outcome.values[..count].copy_from_slice(&items[..count]);
        }
        if matches!(op.code, Code::RingPopBulk | Code::RingSkip) {
            outcome.count = count as u32;
        }
        if count > 0 {
            self.decided = self.oldest() + count;
            outcome.status = LOOKED;
            return Effect::More;
        }
        match op.code {
            Code::RingPopWait => return Effect::Waits,
            Code::RingClear => {}
            _ => outcome.status = EMPTY,
        }
        Effect::Last
    }

    /// What a reader is given who asks for the newest, or for all there are.
    fn sight(&self, op: &Op) -> Vec<u64> {
        let all = if op.code == Code::RingLast {
            self.items()
        } else {
            &self.written[self.written.len().saturating_sub(self.capacity)..]
        };
        all[all.len().saturating_sub(op.b as usize)..].to_vec()
    }

    /// Where these elements stand, side by side, from an index on.
    fn find(&self, values: &[u64], from: usize) -> Option<usize> {
        let mut windows = self.written[from..].windows(values.len().max(1));
        windows
            .position(|window| window == values)
            .map(|at| from + at)
    }
}

impl Model for RingModel {
    fn boxed(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn effect(&mut self, who: Who, op: &Op, outcome: &mut Outcome) -> Effect {
        if let Some(effect) = self.enter(who, op.code, outcome) {
            return effect;
        }
        match op.code {
            Code::RingLeave => {
                self.forget(who);
                Effect::Last
            }
            Code::RingOverwrite | Code::RingOverwriteBulk => self.overwrite(op, outcome),
            code if produces(code) => self.push(op, outcome),
            code if consumes(code) => self.consume(op, outcome),
            Code::RingLast | Code::RingObserve => {
                let seen = self.sight(op);
                outcome.count = seen.len() as u32;
                outcome.values[..seen.len()].copy_from_slice(&seen);
                if seen.is_empty() && op.code == Code::RingObserve {
                    outcome.status = EMPTY;
                }
                Effect::Last
            }
            Code::RingSize => {
                outcome.count = self.items().len() as u32;
                Effect::Last
            }
            _ => Effect::Last,
        }
    }

    fn died(&mut self, who: Who) {
        self.forget(who);
    }

    fn stopped(&mut self, op: Option<&Op>) {
        self.disturbed += op.filter(|op| produces(op.code)).map_or(0, wanted);
    }

    fn ended(
        &mut self,
        who: Who,
        op: &Op,
        told: Option<Outcome>,
        so_far: Outcome,
        seen: &Outcome,
    ) -> Result<(), String> {
        let mut after = self.clone();
        let expected = told.unwrap_or_else(|| {
            let mut outcome = so_far;
            finish(&mut after, who, op, &mut outcome);
            outcome
        });
        if expected == *seen {
            *self = after;
            return Ok(());
        }
        let values = seen.values.iter().rposition(|&value| value != 0);
        let got = &seen.values[..values.map_or(0, |last| last + 1)];
        let looks = matches!(op.code, Code::RingLast | Code::RingObserve);
        // Who looked saw whole elements in order, of one moment or another; who was overtaken
        // while consuming may have given some up, but has in order what nobody had before.
        let from = if looks { 0 } else { self.consumed };
        let right = matches!(seen.status, OK | EMPTY);
        match self.find(got, from) {
            _ if looks && right && got.is_empty() => return Ok(()),
            Some(_) if looks && right => return Ok(()),
            Some(at) if consumes(op.code) && seen.status == OK && told.is_none() => {
                self.consumed = at + got.len();
                return Ok(());
            }
            _ => {}
        }
        Err(format!(
            "{who:?} {}, resumed: {seen}; expected {expected}",
            name(op)
        ))
    }

    fn accept(&mut self, who: Who, op: &Op, seen: &Outcome) -> Result<(), String> {
        let mut expected = Outcome::default();
        finish(self, who, op, &mut expected);
        // What somebody may be writing over is not delivered; the rest is, whole and in order.
        if self.disturbed > 0 && matches!(op.code, Code::RingLast | Code::RingObserve) {
            let all = self.sight(op);
            let got = &seen.values[..seen.count as usize];
            let enough = got.len() + self.disturbed >= all.len();
            if matches!(seen.status, OK | EMPTY) && enough && all.ends_with(got) {
                return Ok(());
            }
        }
        if expected == *seen {
            return Ok(());
        }
        Err(format!("{who:?} {}: {seen}; expected {expected}", name(op)))
    }
}
