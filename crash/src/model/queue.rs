//! First in, first out.

use super::{Effect, Model};
use crate::op::{Code, EMPTY, FULL, OK, Op, Outcome, Who};
use std::collections::VecDeque;

#[derive(Clone)]
pub struct QueueModel {
    capacity: usize,
    items: VecDeque<u64>,
}

impl QueueModel {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            items: VecDeque::new(),
        }
    }

    fn put(&mut self, value: u64) -> bool {
        let room = self.items.len() < self.capacity;
        if room {
            self.items.push_back(value);
        }
        room
    }
}

impl Model for QueueModel {
    fn boxed(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn effect(&mut self, _: Who, op: &Op, outcome: &mut Outcome) -> Effect {
        let done = outcome.count as usize;
        match op.code {
            Code::Enqueue | Code::Publish => {
                outcome.status = if self.put(op.a) { OK } else { FULL };
            }
            Code::Dequeue | Code::Take => match self.items.pop_front() {
                Some(value) => outcome.values[0] = value,
                None => outcome.status = EMPTY,
            },
            Code::EnqueueWait if !self.put(op.a) => return Effect::Waits,
            Code::DequeueWait => match self.items.pop_front() {
                Some(value) => outcome.values[0] = value,
                None => return Effect::Waits,
            },
            Code::EnqueueBulk if done < op.b as usize => {
                if self.put(op.a + done as u64) {
                    outcome.count += 1;
                    return Effect::More;
                }
                if done == 0 {
                    outcome.status = FULL;
                }
            }
            Code::DequeueBulk if done < op.b as usize => match self.items.pop_front() {
                Some(value) => {
                    outcome.values[done] = value;
                    outcome.count += 1;
                    return Effect::More;
                }
                None if done == 0 => outcome.status = EMPTY,
                None => {}
            },
            Code::QueueSize => outcome.count = self.items.len() as u32,
            _ => {}
        }
        Effect::Last
    }
}
