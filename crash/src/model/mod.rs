//! What a structure has to answer, one operation after the other.
//!
//! Survivors act while their victim stands still, so what they see is a sequence. The victim's
//! own operation is the only one whose place in it is unknown: it consists of one effect, or a
//! few (an element each, of a bulk operation), of which some number came before the stop and the
//! rest come after it, or never. A history is right if one such number explains every answer.

mod atomic;
mod pool;
mod queue;
mod ring;
mod segment;
mod spsc;

pub use atomic::AtomicModel;
pub use pool::PoolModel;
pub use queue::QueueModel;
pub use ring::RingModel;
pub use segment::{SegmentModel, waits};
pub use spsc::SpscModel;

use crate::op::{Op, Outcome, TIMEOUT, Who};

/// How an effect of an operation went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// There is more to come.
    More,
    /// It was the last one.
    Last,
    /// None is possible now: a waiting operation waits.
    Waits,
}

/// A structure that does one thing after the other.
pub trait Model {
    fn boxed(&self) -> Box<dyn Model>;

    /// Makes the next effect of an operation, of which `outcome` tells what came of it so far.
    fn effect(&mut self, who: Who, op: &Op, outcome: &mut Outcome) -> Effect;

    /// Takes note of a death.
    fn died(&mut self, _who: Who) {}

    /// Somebody stands still in an operation: answers that only this allows are allowed, until
    /// it is told that nobody does.
    fn stopped(&mut self, _op: Option<&Op>) {}

    /// Whether a victim that went on may have had this outcome. `told`: what it was, if its
    /// operation had ended; `so_far`: else what came of it before.
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
        if told == *seen {
            return Ok(());
        }
        Err(format!(
            "{who:?} {}, resumed: {seen}; expected {told}",
            name(op)
        ))
    }

    /// Whether the operation may have had this outcome; if so, it has happened.
    fn accept(&mut self, who: Who, op: &Op, seen: &Outcome) -> Result<(), String> {
        let mut expected = Outcome::default();
        finish(self, who, op, &mut expected);
        if expected == *seen {
            return Ok(());
        }
        Err(format!("{who:?} {}: {seen}; expected {expected}", name(op)))
    }
}

/// The rest of an operation.
pub fn finish<M: Model + ?Sized>(model: &mut M, who: Who, op: &Op, outcome: &mut Outcome) {
    loop {
        match model.effect(who, op, outcome) {
            Effect::More => {}
            Effect::Last => return,
            Effect::Waits => {
                outcome.status = TIMEOUT;
                return;
            }
        }
    }
}

/// An operation for people.
pub fn name(op: &Op) -> String {
    match (op.a, op.b) {
        (0, 0) => format!("{:?}", op.code),
        (a, 0) => format!("{:?}({a})", op.code),
        (a, b) => format!("{:?}({a}, {b})", op.code),
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody did something.
    Did(Who, Op, Outcome),
    /// A victim was killed.
    Died(Who),
    /// A victim went on, and ended its operation.
    Ended(Who, Outcome),
}

/// A victim's operation, and what is known of how far it came.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    pub who: Who,
    pub op: Op,
    /// It was stopped before its first instruction.
    pub unstarted: bool,
    /// It had returned.
    pub returned: bool,
    /// It died there, before the next victim began.
    pub died: bool,
}

/// Most effects that an operation has.
const MOST_EFFECTS: usize = 8;

/// A victim's operation, in one way to explain a history.
#[derive(Clone)]
struct Part {
    pending: Pending,
    /// What had come of it when the victim was stopped.
    outcome: Outcome,
    /// All its effects came before.
    ended: bool,
    /// It had written down what it was about to do: whoever changes the table after its death
    /// does it.
    bequeathed: bool,
}

/// A way to explain a history: where each victim's operation stood.
struct Branch {
    model: Box<dyn Model>,
    victims: Vec<Part>,
}

/// Whether some number of effects before the stop explains the history; if none does, why the
/// likeliest does not.
pub fn explain(start: &dyn Model, victims: &[Pending], history: &[Event]) -> Result<(), String> {
    let mut branches = vec![Branch {
        model: start.boxed(),
        victims: Vec::new(),
    }];
    for victim in victims {
        branches = branches
            .into_iter()
            .flat_map(|branch| started(branch, victim))
            .collect();
    }
    let mut furthest = (0, String::from("no way to begin"));
    for mut branch in branches {
        match replay(&mut branch, history) {
            Ok(()) => return Ok(()),
            Err((at, why)) if at >= furthest.0 => furthest = (at, why),
            Err(_) => {}
        }
    }
    Err(furthest.1)
}

/// All ways in which a victim can have begun.
fn started(branch: Branch, victim: &Pending) -> Vec<Branch> {
    let mut ways = Vec::new();
    let mut model = branch.model;
    let mut outcome = Outcome::default();
    for effects in 0..=MOST_EFFECTS {
        let ended = effects > 0 && {
            match model.effect(victim.who, &victim.op, &mut outcome) {
                Effect::More => false,
                Effect::Last => true,
                Effect::Waits => break,
            }
        };
        let possible = (!victim.unstarted || effects == 0) && (!victim.returned || ended);
        for bequeathed in [false, true] {
            if !possible || bequeathed && (ended || !waits(victim.op.code)) {
                continue;
            }
            let mut victims = branch.victims.clone();
            victims.push(Part {
                pending: *victim,
                outcome,
                ended,
                bequeathed,
            });
            let mut model = model.boxed();
            if victim.died {
                model.died(victim.who);
            }
            ways.push(Branch { model, victims });
        }
        if ended {
            break;
        }
    }
    ways
}

fn replay(branch: &mut Branch, history: &[Event]) -> Result<(), (usize, String)> {
    let model = &mut *branch.model;
    let part_of = |who: Who| branch.victims.iter().find(|part| part.pending.who == who);
    let mut inside: Vec<Pending> = branch.victims.iter().map(|part| part.pending).collect();
    let mut bequests: Vec<Part> = Vec::new();
    for victim in &inside {
        model.stopped(Some(&victim.op));
    }
    for (at, event) in history.iter().enumerate() {
        match event {
            Event::Did(who, op, seen) => {
                let finds_bequests = waits(op.code) && seen.status != TIMEOUT;
                let found = if finds_bequests { bequests.len() } else { 0 };
                for part in bequests.drain(..found) {
                    let mut outcome = part.outcome;
                    finish(model, part.pending.who, &part.pending.op, &mut outcome);
                }
                model.accept(*who, op, seen).map_err(|why| (at, why))?;
            }
            Event::Died(who) => {
                model.died(*who);
                bequests.extend(part_of(*who).filter(|part| part.bequeathed).cloned());
                inside.retain(|victim| victim.who != *who);
                model.stopped(inside.last().map(|victim| &victim.op));
            }
            Event::Ended(who, seen) => {
                let Some(part) = part_of(*who) else {
                    continue;
                };
                inside.retain(|victim| victim.who != *who);
                model.stopped(inside.last().map(|victim| &victim.op));
                let told = part.ended.then_some(part.outcome);
                model
                    .ended(*who, &part.pending.op, told, part.outcome, seen)
                    .map_err(|why| (at, why))?;
            }
        }
    }
    Ok(())
}
