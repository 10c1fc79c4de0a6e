//! Objects, each free or somebody's.

use super::{Effect, Model, finish, name};
use crate::op::{Code, E_ARGUMENT, E_BUSY, E_STATE, EXHAUSTED, OK, Op, Outcome, Who};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Object {
    Free,
    Disowned,
    Of(Who),
}

#[derive(Clone)]
pub struct PoolModel {
    objects: Vec<Object>,
    /// Acquired in an operation that did not come to tell which: one of those said to be free.
    hidden: Vec<Who>,
    /// What each one holds, oldest first.
    held: Vec<(Who, usize)>,
    /// The same of those acquired with a token, and whether it is stale.
    tokens: Vec<(Who, usize, bool)>,
    dead: Vec<Who>,
}

impl PoolModel {
    pub fn new(capacity: usize) -> Self {
        Self {
            objects: vec![Object::Free; capacity],
            hidden: Vec::new(),
            held: Vec::new(),
            tokens: Vec::new(),
            dead: Vec::new(),
        }
    }

    fn free(&self) -> usize {
        let free = self
            .objects
            .iter()
            .filter(|&&object| object == Object::Free);
        free.count() - self.hidden.len()
    }

    fn is_dead(&self, who: Who) -> bool {
        self.dead.contains(&who)
    }

    /// Takes the oldest handle out of what somebody holds.
    fn give(&mut self, who: Who) -> Option<usize> {
        let at = self.held.iter().position(|held| held.0 == who)?;
        Some(self.held.remove(at).1)
    }

    /// Frees an object; whether it was not free.
    fn free_object(&mut self, object: usize) -> bool {
        for token in self.tokens.iter_mut().filter(|token| token.1 == object) {
            token.2 = true;
        }
        std::mem::replace(&mut self.objects[object], Object::Free) != Object::Free
    }

    /// Frees the object of somebody's oldest token, if it is not stale.
    fn release_token(&mut self, who: Who) -> i32 {
        let Some(at) = self.tokens.iter().position(|token| token.0 == who) else {
            return E_ARGUMENT;
        };
        let (_, object, stale) = self.tokens.remove(at);
        if stale || !self.free_object(object) {
            return E_STATE;
        }
        OK
    }

    /// Which objects an operation turned out to have acquired.
    fn reveal(&mut self, who: Who, op: &Op, handles: &[u64]) -> Result<(), String> {
        for &handle in handles {
            let at = self.hidden.iter().position(|&owner| owner == who);
            let object = self.objects.get_mut(handle as usize);
            match (at, object) {
                (Some(at), Some(object)) if *object == Object::Free => {
                    self.hidden.remove(at);
                    *object = Object::Of(who);
                    if op.code == Code::AcquireToken {
                        self.tokens.push((who, handle as usize, false));
                    } else {
                        self.held.push((who, handle as usize));
                    }
                }
                _ => {
                    return Err(format!(
                        "{who:?} was given object {handle}, which is not free"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Changes the owner of an object that a living one does not own.
    fn change_owner(&mut self, who: Who, op: &Op, to: Object) -> i32 {
        let object = self.objects[op.a as usize];
        match object {
            Object::Free => E_STATE,
            Object::Of(owner) if owner != who && !self.is_dead(owner) => E_BUSY,
            Object::Disowned if op.code == Code::Disown => OK,
            _ => {
                self.objects[op.a as usize] = to;
                OK
            }
        }
    }

    /// Frees one object of a dead process.
    fn reclaim_one(&mut self) -> bool {
        if let Some(at) = self.hidden.iter().position(|&owner| self.is_dead(owner)) {
            self.hidden.remove(at);
            return true;
        }
        let dead = |object: &Object| matches!(*object, Object::Of(owner) if self.is_dead(owner));
        match self.objects.iter().position(dead) {
            Some(at) => {
                self.free_object(at);
                true
            }
            None => false,
        }
    }
}

impl Model for PoolModel {
    fn boxed(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn effect(&mut self, who: Who, op: &Op, outcome: &mut Outcome) -> Effect {
        let done = u64::from(outcome.count);
        match op.code {
            Code::Acquire | Code::AcquireToken | Code::AcquireBatch => {
                let batch = op.code == Code::AcquireBatch;
                let wanted = if batch { op.b } else { 1 };
                if done < wanted && self.free() > 0 {
                    self.hidden.push(who);
                    outcome.count += 1;
                    return if done + 1 == wanted {
                        Effect::Last
                    } else {
                        Effect::More
                    };
                }
                if done == 0 {
                    outcome.status = EXHAUSTED;
                }
            }
            Code::Release => match self.give(who) {
                Some(object) if self.free_object(object) => {}
                Some(_) => outcome.status = E_STATE,
                None => outcome.status = E_ARGUMENT,
            },
            Code::ReleaseToken => outcome.status = self.release_token(who),
            Code::ReleaseAt if !self.free_object(op.a as usize) => outcome.status = E_STATE,
            Code::ReleaseBatch => {
                if let (true, Some(object)) = (done < op.b, self.give(who)) {
                    outcome.count += u32::from(self.free_object(object));
                    return Effect::More;
                }
            }
            Code::Reclaim if self.reclaim_one() => {
                outcome.count += 1;
                return Effect::More;
            }
            Code::Disown => outcome.status = self.change_owner(who, op, Object::Disowned),
            Code::Adopt => outcome.status = self.change_owner(who, op, Object::Of(who)),
            Code::NumAllocated => outcome.count = (self.objects.len() - self.free()) as u32,
            _ => {}
        }
        Effect::Last
    }

    fn died(&mut self, who: Who) {
        self.dead.push(who);
        self.held.retain(|held| held.0 != who);
        self.tokens.retain(|token| token.0 != who);
    }

    fn ended(
        &mut self,
        who: Who,
        op: &Op,
        told: Option<Outcome>,
        so_far: Outcome,
        seen: &Outcome,
    ) -> Result<(), String> {
        let told = told.unwrap_or_else(|| {
            let mut outcome = so_far;
            finish(self, who, op, &mut outcome);
            outcome
        });
        if (told.status, told.count) != (seen.status, seen.count) {
            return Err(format!("{who:?} {}: {seen}; expected {told}", name(op)));
        }
        match op.code {
            Code::Acquire | Code::AcquireToken | Code::AcquireBatch => {
                self.reveal(who, op, &seen.values[..seen.count as usize])
            }
            _ => Ok(()),
        }
    }

    fn accept(&mut self, who: Who, op: &Op, seen: &Outcome) -> Result<(), String> {
        self.ended(who, op, None, Outcome::default(), seen)
    }
}
