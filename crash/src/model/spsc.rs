//! First in, first out, with a producer and a consumer at a time.

use super::{Effect, Model};
use crate::op::{Code, E_ROLE, EMPTY, FULL, OK, Op, Outcome, Who};
use std::collections::VecDeque;

/// The status of a call that has looked and not moved anything yet.
const LOOKED: i32 = i32::MIN;

#[derive(Clone)]
pub struct SpscModel {
    capacity: usize,
    items: VecDeque<u64>,
    producer: Option<Who>,
    consumer: Option<Who>,
}

/// What taking a role came to.
enum Taken {
    Had,
    Now,
    Refused,
}

fn take(role: &mut Option<Who>, who: Who) -> Taken {
    match *role {
        Some(holder) if holder == who => Taken::Had,
        Some(_) => Taken::Refused,
        None => {
            *role = Some(who);
            Taken::Now
        }
    }
}

impl SpscModel {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            items: VecDeque::new(),
            producer: None,
            consumer: None,
        }
    }

    fn forget(&mut self, who: Who) {
        for role in [&mut self.producer, &mut self.consumer] {
            *role = role.filter(|&holder| holder != who);
        }
    }

    /// A call on several elements looks how many it can move, and moves them at once later.
    /// `Some`: that many, now; `None`: it has looked.
    fn count(op: &Op, possible: usize, outcome: &mut Outcome) -> Option<usize> {
        if !matches!(op.code, Code::PushBulk | Code::PopBulk) {
            return Some(possible.min(1));
        }
        if outcome.status == LOOKED {
            outcome.status = OK;
            return Some(outcome.count as usize);
        }
        outcome.count = possible.min(op.b as usize) as u32;
        if outcome.count == 0 {
            return Some(0);
        }
        outcome.status = LOOKED;
        None
    }

    fn push(&mut self, op: &Op, outcome: &mut Outcome) -> Effect {
        let Some(count) = Self::count(op, self.capacity - self.items.len(), outcome) else {
            return Effect::More;
        };
        if count == 0 {
            outcome.status = FULL;
            return if op.code == Code::PushWait {
                Effect::Waits
            } else {
                Effect::Last
            };
        }
        self.items
            .extend((0..count as u64).map(|index| op.a + index));
        Effect::Last
    }

    fn pop(&mut self, op: &Op, outcome: &mut Outcome) -> Effect {
        let Some(count) = Self::count(op, self.items.len(), outcome) else {
            return Effect::More;
        };
        if count == 0 {
            outcome.status = EMPTY;
            return if op.code == Code::PopWait {
                Effect::Waits
            } else {
                Effect::Last
            };
        }
        for (value, item) in outcome.values.iter_mut().zip(self.items.drain(..count)) {
            *value = item;
        }
        Effect::Last
    }
}

impl Model for SpscModel {
    fn boxed(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn effect(&mut self, who: Who, op: &Op, outcome: &mut Outcome) -> Effect {
        let pushes = matches!(op.code, Code::Push | Code::PushBulk | Code::PushWait);
        let pops = matches!(
            op.code,
            Code::Pop | Code::PopBulk | Code::PopWait | Code::FrontRelease
        );
        let taken = match (pushes, pops) {
            (true, _) => take(&mut self.producer, who),
            (_, true) => take(&mut self.consumer, who),
            _ => Taken::Had,
        };
        match (taken, op.code) {
            (Taken::Now, _) => Effect::More,
            (Taken::Refused, _) => {
                outcome.status = E_ROLE;
                Effect::Last
            }
            (_, Code::Leave | Code::SegmentClose) => {
                self.forget(who);
                Effect::Last
            }
            (_, Code::SpscSize) => {
                outcome.count = self.items.len() as u32;
                Effect::Last
            }
            _ if pushes => self.push(op, outcome),
            _ if pops => self.pop(op, outcome),
            _ => Effect::Last,
        }
    }

    fn died(&mut self, who: Who) {
        self.forget(who);
    }
}
