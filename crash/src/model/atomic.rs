//! One word.

use super::{Effect, Model};
use crate::op::{Code, Op, Outcome, Who};

#[derive(Clone)]
pub struct AtomicModel(pub u64);

impl Model for AtomicModel {
    fn boxed(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn effect(&mut self, _: Who, op: &Op, outcome: &mut Outcome) -> Effect {
        if op.code <= Code::AtomicOpenOrCreate || op.code == Code::WideOpenOrCreate {
            return Effect::Last;
        }
        let before = self.0;
        outcome.values[0] = before;
        match op.code {
            Code::AtomicStore => {
                self.0 = op.a;
                outcome.values[0] = op.a;
            }
            Code::AtomicNotify => {
                self.0 = op.a;
                outcome.values[0] = 0;
            }
            Code::AtomicWait if before == op.a => {
                outcome.values[0] = 0;
                return Effect::Waits;
            }
            Code::AtomicWait => outcome.values[0] = 0,
            Code::AtomicExchange => self.0 = op.a,
            Code::AtomicFetchAdd => self.0 = before.wrapping_add(op.a),
            Code::AtomicCompareExchange | Code::WideCompareExchange if before == op.a => {
                self.0 = op.b;
                outcome.count = 1;
            }
            _ => {}
        }
        Effect::Last
    }
}
