//! The queue for one producer and one consumer.

use super::{PATIENTLY, attached, forked, op, task};
use crate::model::SpscModel;
use crate::op::{Code, Op, Task, Who};
use crate::scenario::{Grain, Scenario};

/// Elements that the queue holds.
const CAPACITY: u64 = 4;

/// What the queue is like when the victim comes.
#[derive(Clone, Copy)]
struct State {
    name: &'static str,
    /// Elements that went through before.
    passed: u64,
    /// Elements in it.
    items: u64,
    /// The victim holds its role.
    held: bool,
}

const fn state(name: &'static str, passed: u64, items: u64) -> State {
    State {
        name,
        passed,
        items,
        held: true,
    }
}

const EMPTY: State = state("empty", 1, 0);
const ONE: State = state("one element", 5, 1);
const LAST_PLACE: State = state("one place left", 1, 3);
const FULL: State = state("full", 1, 4);
const WRAP: State = state("at the wrap", 3, 2);
const NEW: State = State {
    held: false,
    ..state("role not held", 2, 1)
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Producer,
    Consumer,
}

fn open(elem: u64) -> Op {
    op(Code::SpscOpenOrCreate, CAPACITY, elem)
}

/// The victim has one role and A the other; in a state where the victim holds none, B had its
/// role and has left it.
fn setup(state: State, role: Role, elem: u64) -> Vec<Task> {
    let mut tasks = attached(Some(open(elem)), &[Who::Victim]);
    let holder = if state.held { Who::Victim } else { Who::B };
    let (producer, consumer) = match role {
        Role::Producer => (holder, Who::A),
        Role::Consumer => (Who::A, holder),
    };
    for value in 0..state.passed {
        tasks.push(task(producer, Code::Push, 10 + value, 0));
        tasks.push(task(consumer, Code::Pop, 0, 0));
    }
    for value in 0..state.items {
        tasks.push(task(producer, Code::Push, 100 + value, 0));
    }
    if !state.held {
        tasks.push(task(Who::B, Code::Leave, 0, 0));
    }
    tasks
}

/// A does all that its side can; B tries the victim's side, and has it if the victim has not.
fn workload(role: Role, first: u64) -> Vec<Task> {
    let push = |who, index| task(who, Code::Push, first + index, 0);
    let pop = |who| task(who, Code::Pop, 0, 0);
    let mut tasks = Vec::new();
    match role {
        Role::Producer => {
            tasks.push(push(Who::B, 0));
            tasks.extend((0..=CAPACITY).map(|_| pop(Who::A)));
            tasks.extend((1..=CAPACITY + 2).map(|index| push(Who::B, index)));
            tasks.extend((0..CAPACITY - 1).map(|_| pop(Who::A)));
        }
        Role::Consumer => {
            tasks.push(pop(Who::B));
            tasks.extend((0..=CAPACITY).map(|index| push(Who::A, index)));
            tasks.extend((0..CAPACITY - 1).map(|_| pop(Who::B)));
            tasks.push(push(Who::A, 10));
        }
    }
    tasks
}

/// Everybody leaves, and a newcomer has both roles.
fn recovered(elem: u64) -> Vec<Task> {
    let mut tasks = vec![(Who::New, open(elem)), (Who::NewToo, open(elem))];
    tasks.push(task(Who::A, Code::SpscSize, 0, 0));
    tasks.extend([
        task(Who::A, Code::Leave, 0, 0),
        task(Who::B, Code::Leave, 0, 0),
    ]);
    tasks.extend((0..=CAPACITY).map(|index| task(Who::New, Code::Push, 900 + index, 0)));
    tasks.extend((0..=CAPACITY).map(|_| task(Who::NewToo, Code::Pop, 0, 0)));
    tasks.push(task(Who::New, Code::PushBulk, 910, 3));
    tasks.push(task(Who::NewToo, Code::PopBulk, 0, 6));
    tasks
}

fn scenario(
    operation: &'static str,
    role: Role,
    state: State,
    elem: u64,
    path: &'static str,
    victim: Op,
) -> Scenario {
    Scenario {
        structure: "spsc_queue",
        operation,
        state: format!("{}, {elem} bytes", state.name),
        path,
        grain: if state.held {
            Grain::Instructions
        } else {
            Grain::Events
        },
        setup: setup(state, role, elem),
        op: if path == "inline" {
            victim.inline()
        } else {
            victim
        },
        earlier: None,
        arrival: Vec::new(),
        second: None,
        sleeper: None,
        stopped: workload(role, 300),
        resumed: workload(role, 500),
        dead: workload(role, 600),
        recovered: recovered(elem),
        audit: vec![
            task(Who::A, Code::SpscSleepers, 0, 0),
            task(Who::A, Code::Info, 0, 0),
        ],
        may_wait: false,
        at_most: None,
        model: Box::new(SpscModel::new(CAPACITY as usize)),
    }
}

/// A scenario in which the consumer sleeps until the victim, or its successor, pushes.
fn with_sleeper(path: &'static str, victim: Op) -> Scenario {
    let operation = "push, the consumer asleep";
    let mut scenario = scenario(operation, Role::Producer, EMPTY, 8, path, victim);
    let mut setup = attached(Some(open(8)), &[Who::Victim]);
    setup.push(task(Who::Victim, Code::Push, 10, 0));
    setup.push(task(Who::B, Code::Pop, 0, 0));
    scenario.setup = setup;
    scenario.sleeper = Some(op(Code::PopWait, 0, PATIENTLY));
    scenario.stopped = vec![task(Who::A, Code::Push, 300, 0)];
    scenario.resumed = scenario.stopped.clone();
    scenario.dead = scenario.stopped.clone();
    scenario
}

pub fn scenarios() -> Vec<Scenario> {
    use Role::{Consumer, Producer};
    let mut all = Vec::new();
    for elem in [8, 24] {
        let mut add = |operation, role, states: &[State], paths: &[&'static str], victim| {
            for &state in states {
                for path in paths {
                    all.push(scenario(operation, role, state, elem, path, victim));
                }
            }
        };
        let both = ["library", "inline"];
        let (pushes, pops) = (
            [EMPTY, LAST_PLACE, FULL, WRAP, NEW],
            [EMPTY, ONE, FULL, WRAP, NEW],
        );
        add("push", Producer, &pushes, &both, op(Code::Push, 200, 0));
        add("pop", Consumer, &pops, &both, op(Code::Pop, 0, 0));
        let front = op(Code::FrontRelease, 0, 0);
        add("front, release", Consumer, &[EMPTY, WRAP], &both, front);
        let library = ["library"];
        let push_bulk = op(Code::PushBulk, 200, 3);
        add(
            "push_bulk",
            Producer,
            &[EMPTY, WRAP, FULL],
            &library,
            push_bulk,
        );
        let pop_bulk = op(Code::PopBulk, 0, 3);
        add(
            "pop_bulk",
            Consumer,
            &[EMPTY, WRAP, FULL],
            &library,
            pop_bulk,
        );
        let push_wait = op(Code::PushWait, 200, PATIENTLY);
        add("push_wait", Producer, &[ONE], &library, push_wait);
        let pop_wait = op(Code::PopWait, 0, PATIENTLY);
        add("pop_wait", Consumer, &[ONE], &library, pop_wait);
    }
    for path in ["library", "inline"] {
        all.push(with_sleeper(path, op(Code::Push, 200, 0)));
        let (push, pop) = (op(Code::Push, 200, 0), op(Code::Pop, 0, 0));
        all.push(forked(scenario("push", Producer, NEW, 24, path, push)));
        all.push(forked(scenario("pop", Consumer, NEW, 24, path, pop)));
    }
    for (operation, role, state, victim) in [
        (
            "push_wait",
            Producer,
            FULL,
            op(Code::PushWait, 200, PATIENTLY),
        ),
        ("pop_wait", Consumer, EMPTY, op(Code::PopWait, 0, PATIENTLY)),
    ] {
        let mut waiting = scenario(operation, role, state, 8, "library", victim);
        waiting.grain = Grain::Events;
        all.push(waiting);
    }
    let mut leave = scenario("leave", Producer, ONE, 8, "library", op(Code::Leave, 0, 0));
    leave.grain = Grain::Events;
    all.push(leave);
    all
}

/// The producer and the consumer die.
pub fn pairs() -> Vec<Scenario> {
    let mut all = Vec::new();
    for state in [ONE, WRAP] {
        let mut pair = scenario(
            "push, pop",
            Role::Producer,
            state,
            8,
            "inline",
            op(Code::Push, 200, 0),
        );
        let mut setup = attached(Some(open(8)), &[Who::Victim, Who::Second]);
        for value in 0..state.passed {
            setup.push(task(Who::Victim, Code::Push, 10 + value, 0));
            setup.push(task(Who::Second, Code::Pop, 0, 0));
        }
        for value in 0..state.items {
            setup.push(task(Who::Victim, Code::Push, 100 + value, 0));
        }
        pair.setup = setup;
        pair.second = Some(op(Code::Pop, 0, 0).inline());
        all.push(pair);
    }
    all
}
