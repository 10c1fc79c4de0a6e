//! The queue for any number of producers and consumers.

use super::{PATIENTLY, attached, forked, op, task};
use crate::model::QueueModel;
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
    /// The victim has used the queue before, and has a lane.
    warm: bool,
    /// The hints are as old as the queue.
    stale: bool,
    /// The victim was the last to come by, twice, so it exchanges without a look what it has seen.
    foreseen: bool,
}

const fn state(name: &'static str, passed: u64, items: u64) -> State {
    State {
        name,
        passed,
        items,
        warm: true,
        stale: false,
        foreseen: false,
    }
}

const fn foreseen(name: &'static str, passed: u64, items: u64) -> State {
    State {
        foreseen: true,
        ..state(name, passed, items)
    }
}

const EMPTY: State = state("empty", 0, 0);
const ONE: State = state("one element", 5, 1);
const LAST_PLACE: State = state("one place left", 0, 3);
const FULL: State = state("full", 0, 4);
const WRAP: State = state("at the wrap", 3, 2);
const STALE: State = State {
    stale: true,
    ..state("stale hints", 13, 2)
};
const EMPTY_FORESEEN: State = foreseen("empty, foreseen", 0, 0);
const ONE_FORESEEN: State = foreseen("one element, foreseen", 5, 1);
const LAP_END_FORESEEN: State = foreseen("lap end, foreseen", 3, 0);
const LAP_END_ONE_FORESEEN: State = foreseen("lap end, one, foreseen", 3, 1);
const COLD: State = State {
    warm: false,
    ..state("first use", 2, 1)
};

fn open(elem: u64) -> Op {
    op(Code::QueueOpenOrCreate, CAPACITY, elem)
}

/// `count` elements from `first` on go in and come out again.
fn laps(producer: Who, consumer: Who, first: u64, count: u64) -> Vec<Task> {
    let pair = |value| {
        [
            task(producer, Code::Enqueue, value, 0),
            task(consumer, Code::Dequeue, 0, 0),
        ]
    };
    (first..first + count).flat_map(pair).collect()
}

/// Fills the queue and one more, then empties it and one more.
fn fill_and_drain(producer: Who, consumer: Who, first: u64) -> Vec<Task> {
    let fill = (0..=CAPACITY).map(|index| task(producer, Code::Enqueue, first + index, 0));
    let drain = (0..=CAPACITY).map(|_| task(consumer, Code::Dequeue, 0, 0));
    fill.chain(drain).collect()
}

fn setup(state: State, elem: u64, victims: &[Who]) -> Vec<Task> {
    let mut tasks = attached(Some(open(elem)), victims);
    let pass_one = victims.iter().flat_map(|&who| {
        [
            (who, op(Code::Enqueue, 1, 0).inline()),
            (who, op(Code::Dequeue, 0, 0).inline()),
        ]
    });
    if state.warm {
        tasks.extend(pass_one.clone());
    }
    let times = u64::from(state.warm) + 2 * u64::from(state.foreseen);
    let by_victims = times * victims.len() as u64;
    // However many went through for that, the queue is at the same place.
    let passed = (state.passed + 4 * CAPACITY - by_victims) % (4 * CAPACITY);
    tasks.extend(laps(Who::A, Who::B, 10, passed));
    tasks.extend((0..state.items).map(|index| task(Who::A, Code::Enqueue, 100 + index, 0)));
    if state.stale {
        tasks.push(task(Who::A, Code::QueueStaleHints, 0, 0));
    }
    if state.foreseen {
        tasks.extend(pass_one.clone());
        tasks.extend(pass_one);
    }
    tasks
}

/// Both survivors as producers and consumers; something is left in the queue.
fn workload(first: u64) -> Vec<Task> {
    let mut tasks = fill_and_drain(Who::A, Who::B, first);
    tasks.extend(laps(Who::B, Who::A, first + 10, 3));
    tasks.extend([
        (Who::B, op(Code::Enqueue, first + 20, 0).inline()),
        (Who::B, op(Code::Enqueue, first + 21, 0).inline()),
        (Who::A, op(Code::Dequeue, 0, 0).inline()),
    ]);
    tasks
}

fn recovered(elem: u64) -> Vec<Task> {
    let mut tasks = vec![(Who::New, open(elem)), (Who::NewToo, open(elem))];
    tasks.push(task(Who::A, Code::QueueSize, 0, 0));
    tasks.extend(fill_and_drain(Who::New, Who::NewToo, 900));
    tasks.extend(fill_and_drain(Who::A, Who::New, 910));
    tasks.extend(fill_and_drain(Who::NewToo, Who::B, 920));
    tasks
}

/// Each lane can be had, and each slot is somewhere, once.
fn audit() -> Vec<Task> {
    vec![
        task(Who::New, Code::QueueLanes, 0, 0),
        task(Who::NewToo, Code::QueueLanes, 0, 0),
        task(Who::A, Code::QueueSlots, 0, 0),
        task(Who::A, Code::QueueSleepers, 0, 0),
        task(Who::A, Code::Info, 0, 0),
    ]
}

fn scenario(
    operation: &'static str,
    state: State,
    elem: u64,
    path: &'static str,
    victim: Op,
) -> Scenario {
    Scenario {
        structure: "queue",
        operation,
        state: format!("{}, {elem} bytes", state.name),
        path,
        grain: if state.warm {
            Grain::Instructions
        } else {
            Grain::Events
        },
        setup: setup(state, elem, &[Who::Victim]),
        op: if path == "inline" {
            victim.inline()
        } else {
            victim
        },
        earlier: None,
        arrival: Vec::new(),
        second: None,
        sleeper: None,
        stopped: workload(300),
        resumed: workload(500),
        dead: workload(600),
        recovered: recovered(elem),
        audit: audit(),
        may_wait: false,
        at_most: None,
        model: Box::new(QueueModel::new(CAPACITY as usize)),
    }
}

/// A scenario in which the operation has to wait until the survivors let it go on.
fn waiting(operation: &'static str, state: State, victim: Op) -> Scenario {
    let mut scenario = scenario(operation, state, 8, "library", victim);
    scenario.grain = Grain::Events;
    scenario
}

/// Elements so large that there are only four lanes, each taken for one operation.
const LARGE: u64 = 16 << 10;

fn scarce(operation: &'static str, state: State, path: &'static str, victim: Op) -> Scenario {
    let mut scenario = scenario(operation, state, LARGE, path, victim);
    scenario.setup[0].1.a = CAPACITY * LARGE;
    scenario.grain = Grain::Events;
    scenario
}

/// A scenario in which a survivor sleeps until an element comes.
fn with_sleeper(path: &'static str, victim: Op) -> Scenario {
    let mut scenario = scenario("enqueue, a consumer asleep", EMPTY, 8, path, victim);
    let only_a = |first: u64| vec![task(Who::A, Code::Enqueue, first, 0)];
    scenario.sleeper = Some(op(Code::DequeueWait, 0, PATIENTLY));
    scenario.stopped = only_a(300);
    scenario.resumed = only_a(500);
    scenario.dead = only_a(600);
    scenario
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    let enqueue = op(Code::Enqueue, 200, 0);
    let dequeue = op(Code::Dequeue, 0, 0);
    for elem in [8, 24] {
        for path in ["library", "inline"] {
            for state in [EMPTY, ONE, LAST_PLACE, FULL, WRAP, STALE, COLD] {
                all.push(scenario("enqueue", state, elem, path, enqueue));
                all.push(scenario("dequeue", state, elem, path, dequeue));
            }
        }
        all.push(scenario("dequeue", EMPTY_FORESEEN, elem, "inline", dequeue));
        // Else the victim looks first, which takes twice as many.
        for (operation, state, victim, at_most) in [
            ("enqueue", EMPTY_FORESEEN, enqueue, 90),
            ("enqueue", ONE_FORESEEN, enqueue, 90),
            ("dequeue", ONE_FORESEEN, dequeue, 90),
            ("enqueue", LAP_END_FORESEEN, enqueue, 190),
            ("dequeue", LAP_END_ONE_FORESEEN, dequeue, 190),
        ] {
            let mut scenario = scenario(operation, state, elem, "inline", victim);
            scenario.at_most = Some(at_most);
            all.push(scenario);
        }
        let mut add = |operation, states: &[State], victim| {
            for &state in states {
                all.push(scenario(operation, state, elem, "library", victim));
            }
        };
        add(
            "enqueue_bulk",
            &[EMPTY, WRAP],
            op(Code::EnqueueBulk, 200, 3),
        );
        add("dequeue_bulk", &[WRAP, FULL], op(Code::DequeueBulk, 0, 3));
        add("reserve, publish", &[ONE, FULL], op(Code::Publish, 200, 0));
        add("reserve, abandon", &[ONE], op(Code::Abandon, 200, 0));
        add("take, done", &[EMPTY, WRAP], op(Code::Take, 0, 0));
        add(
            "enqueue_wait",
            &[ONE],
            op(Code::EnqueueWait, 200, PATIENTLY),
        );
        add("dequeue_wait", &[ONE], op(Code::DequeueWait, 0, PATIENTLY));
    }
    for path in ["library", "inline"] {
        all.push(with_sleeper(path, enqueue));
    }
    for path in ["library", "inline"] {
        all.push(forked(scenario("enqueue", COLD, 8, path, enqueue)));
        all.push(forked(scenario("dequeue", COLD, 8, path, dequeue)));
        for state in [LAST_PLACE, FULL, WRAP] {
            all.push(scarce("enqueue", state, path, enqueue));
            all.push(scarce("dequeue", state, path, dequeue));
        }
    }
    all.push(scarce("take, done", WRAP, "library", op(Code::Take, 0, 0)));
    let publish = op(Code::Publish, 200, 0);
    all.push(scarce("reserve, publish", ONE, "library", publish));
    let victim = op(Code::EnqueueWait, 200, PATIENTLY);
    all.push(waiting("enqueue_wait", FULL, victim));
    let victim = op(Code::DequeueWait, 0, PATIENTLY);
    all.push(waiting("dequeue_wait", EMPTY, victim));
    all
}

pub fn pairs() -> Vec<Scenario> {
    let enqueue = op(Code::Enqueue, 200, 0);
    let dequeue = op(Code::Dequeue, 0, 0);
    let again = op(Code::Enqueue, 250, 0);
    let mut all = Vec::new();
    for (operation, state, first, second) in [
        ("enqueue, enqueue", LAST_PLACE, enqueue, again),
        ("enqueue, dequeue", ONE, enqueue, dequeue),
        ("dequeue, enqueue", FULL, dequeue, enqueue),
        ("dequeue, dequeue", WRAP, dequeue, dequeue),
        ("enqueue, dequeue", ONE_FORESEEN, enqueue, dequeue),
    ] {
        let mut pair = scenario(operation, state, 8, "inline", first);
        pair.setup = setup(state, 8, &[Who::Victim, Who::Second]);
        pair.second = Some(second.inline());
        all.push(pair);
    }
    all
}
