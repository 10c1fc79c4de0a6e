//! The scenarios: every operation of every structure, in its states.

mod atomic;
mod pool;
mod queue;
mod ring;
mod segment;
mod spsc;

use crate::op::{Code, Op, Task, Who};
use crate::scenario::{Grain, Scenario};

/// Payload of a segment, in bytes.
const SIZE: u64 = 4096;

/// Long enough that what waits so long has been given what it waits for.
const PATIENTLY: u64 = 8_000_000_000;

/// All scenarios for one victim; first those that take long, so that cores are busy to the end.
pub fn all() -> Vec<Scenario> {
    let mut all = segment::scenarios();
    all.extend(pool::scenarios());
    all.extend(queue::scenarios());
    all.extend(ring::scenarios());
    all.extend(spsc::scenarios());
    all.extend(atomic::scenarios());
    all
}

/// The scenarios for two victims, likewise.
pub fn pairs() -> Vec<Scenario> {
    let mut all = pool::pairs();
    all.extend(queue::pairs());
    all.extend(atomic::pairs());
    all.extend(ring::pairs());
    all.extend(spsc::pairs());
    all
}

fn op(code: Code, a: u64, b: u64) -> Op {
    Op::new(code, a, b)
}

fn task(who: Who, code: Code, a: u64, b: u64) -> Task {
    (who, Op::new(code, a, b))
}

/// Attachment slots: with a newcomer that takes two there is no free one once the victim is dead.
fn slots(victims: &[Who]) -> u64 {
    3 + victims.len() as u64
}

/// The same with a victim that can only read.
fn read_only(mut scenario: Scenario) -> Scenario {
    for (who, op) in &mut scenario.setup {
        if *who == Who::Victim && op.code == Code::SegmentOpen {
            op.code = Code::SegmentOpenReadOnly;
        }
    }
    scenario.state.push_str(", read-only");
    scenario
}

/// The same with a victim that B forked, and that goes on with what it inherited: it takes a slot
/// of its own in its first operation.
fn forked(mut scenario: Scenario) -> Scenario {
    scenario.setup.retain(|task| task.0 != Who::Victim);
    scenario.setup.push(task(Who::B, Code::Fork, 0, 0));
    scenario.grain = Grain::Events;
    scenario.state.push_str(", forked");
    scenario
}

/// A makes the segment; B and the victims attach; each opens the structure with `open`.
fn attached(open: Option<Op>, victims: &[Who]) -> Vec<Task> {
    let mut tasks = vec![task(Who::A, Code::SegmentCreate, SIZE, slots(victims))];
    tasks.extend(open.map(|open| (Who::A, open)));
    for &who in [Who::B].iter().chain(victims) {
        tasks.push(task(who, Code::SegmentOpen, 0, 0));
        tasks.extend(open.map(|open| (who, open)));
    }
    tasks
}
