//! The ring buffer.

use super::{PATIENTLY, attached, forked, op, read_only, slots, task};
use crate::model::RingModel;
use crate::op::{Code, Op, Task, Who};
use crate::scenario::{Grain, Scenario};

/// Elements that the ring buffer holds.
const CAPACITY: u64 = 4;

/// What the ring buffer is like: its name, elements that passed before, elements in it.
type State = (&'static str, u64, u64);

const EMPTY: State = ("empty", 1, 0);
const ONE: State = ("one element", 5, 1);
const LAST_PLACE: State = ("one place left", 1, 3);
const FULL: State = ("full", 1, 4);
const WRAP: State = ("at the wrap", 3, 2);

/// The victim's side. The other one is A's; the victim's is nobody else's while it lives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Producer,
    Consumer,
    Neither,
}

fn setup(state: State, side: Side, elem: u64) -> Vec<Task> {
    let open = op(Code::RingOpenOrCreate, CAPACITY, elem);
    let mut tasks = attached(Some(open), &[Who::Victim]);
    let (producer, consumer) = match side {
        Side::Producer => (Who::Victim, Who::A),
        Side::Consumer => (Who::A, Who::Victim),
        Side::Neither => (Who::A, Who::A),
    };
    for value in 0..state.1 {
        tasks.push(task(producer, Code::RingPush, 10 + value, 0));
        tasks.push(task(consumer, Code::RingPop, 0, 0));
    }
    for value in 0..state.2 {
        tasks.push(task(producer, Code::RingPush, 100 + value, 0));
    }
    tasks
}

/// What anybody may do at any time.
fn looks(who: Who) -> Vec<Task> {
    vec![
        task(who, Code::RingLast, 0, 3),
        task(who, Code::RingLast, 0, 6),
        task(who, Code::RingObserve, 0, 6),
    ]
}

fn produce(who: Who, first: u64) -> Vec<Task> {
    let mut tasks = vec![task(who, Code::RingPush, first, 0)];
    tasks.extend(looks(Who::B));
    tasks.push(task(who, Code::RingPushBulk, first + 1, 3));
    tasks.push(task(who, Code::RingOverwrite, first + 10, 0));
    tasks.push((who, op(Code::RingOverwrite, first + 11, 0).inline()));
    tasks.extend(looks(Who::B));
    tasks.push(task(who, Code::RingOverwriteBulk, first + 20, 3));
    tasks.extend(looks(Who::B));
    tasks
}

fn consume(who: Who) -> Vec<Task> {
    let mut tasks = looks(Who::B);
    tasks.push(task(who, Code::RingPop, 0, 0));
    tasks.extend(looks(Who::B));
    tasks.push(task(who, Code::RingPopBulk, 0, 3));
    tasks.push((who, op(Code::RingPop, 0, 0).inline()));
    tasks
}

/// Both sides by one survivor; something is left.
fn both(who: Who, first: u64) -> Vec<Task> {
    let mut tasks = consume(who);
    tasks.extend(produce(who, first));
    tasks.extend(consume(who));
    tasks.push(task(who, Code::RingPush, first + 30, 0));
    tasks
}

fn beside(side: Side, first: u64) -> Vec<Task> {
    match side {
        Side::Producer => consume(Who::A),
        Side::Consumer => produce(Who::A, first),
        Side::Neither => both(Who::A, first),
    }
}

fn scenario(
    operation: &'static str,
    side: Side,
    state: State,
    elem: u64,
    path: &'static str,
    victim: Op,
) -> Scenario {
    let open = op(Code::RingOpenOrCreate, CAPACITY, elem);
    let mut recovered = vec![(Who::New, open), (Who::NewToo, open)];
    recovered.push(task(Who::New, Code::RingSize, 0, 0));
    recovered.extend(both(Who::New, 900));
    recovered.extend(both(Who::NewToo, 950));
    Scenario {
        structure: "ring_buffer",
        operation,
        state: format!("{}, {elem} bytes", state.0),
        path,
        grain: Grain::Instructions,
        setup: setup(state, side, elem),
        earlier: None,
        arrival: Vec::new(),
        op: if path == "inline" {
            victim.inline()
        } else {
            victim
        },
        second: None,
        sleeper: None,
        stopped: beside(side, 300),
        resumed: both(Who::A, 500),
        dead: both(Who::A, 600),
        recovered,
        audit: vec![task(Who::A, Code::Info, 0, 0)],
        may_wait: false,
        at_most: None,
        model: Box::new(RingModel::new(CAPACITY as usize)),
    }
}

pub fn scenarios() -> Vec<Scenario> {
    use Side::{Consumer, Neither, Producer};
    let mut all = Vec::new();
    for elem in [8, 24] {
        let mut add = |operation, side, states: &[State], paths: &[&'static str], victim| {
            for &state in states {
                for path in paths {
                    all.push(scenario(operation, side, state, elem, path, victim));
                }
            }
        };
        let paths = ["library", "inline"];
        let library = ["library"];
        let push = op(Code::RingPush, 200, 0);
        add(
            "push",
            Producer,
            &[EMPTY, LAST_PLACE, FULL, WRAP],
            &paths,
            push,
        );
        let pop = op(Code::RingPop, 0, 0);
        add("pop", Consumer, &[EMPTY, ONE, FULL, WRAP], &paths, pop);
        let overwrite = op(Code::RingOverwrite, 200, 0);
        add(
            "push_overwrite",
            Producer,
            &[LAST_PLACE, FULL, WRAP],
            &paths,
            overwrite,
        );
        let push_bulk = op(Code::RingPushBulk, 200, 3);
        add("push_bulk", Producer, &[EMPTY, WRAP], &paths, push_bulk);
        let pop_bulk = op(Code::RingPopBulk, 0, 3);
        add("pop_bulk", Consumer, &[FULL, WRAP], &paths, pop_bulk);
        let overwrite_bulk = op(Code::RingOverwriteBulk, 200, 3);
        add(
            "overwrite_bulk",
            Producer,
            &[FULL, WRAP],
            &library,
            overwrite_bulk,
        );
        add(
            "skip",
            Consumer,
            &[WRAP],
            &library,
            op(Code::RingSkip, 0, 2),
        );
        add(
            "clear",
            Consumer,
            &[FULL],
            &library,
            op(Code::RingClear, 0, 0),
        );
        add(
            "push_wait",
            Producer,
            &[ONE],
            &library,
            op(Code::RingPushWait, 200, PATIENTLY),
        );
        add(
            "pop_wait",
            Consumer,
            &[ONE],
            &library,
            op(Code::RingPopWait, 0, PATIENTLY),
        );
        add(
            "observe",
            Neither,
            &[FULL, WRAP],
            &library,
            op(Code::RingObserve, 0, 6),
        );
        add(
            "get_last_n",
            Neither,
            &[FULL, WRAP],
            &library,
            op(Code::RingLast, 0, 3),
        );
    }
    let mut waiting = scenario(
        "pop_wait",
        Consumer,
        EMPTY,
        8,
        "library",
        op(Code::RingPopWait, 0, PATIENTLY),
    );
    waiting.grain = Grain::Events;
    all.push(waiting);
    all.extend(with_roles());
    for state in [FULL, WRAP] {
        let reading = |operation, victim| {
            read_only(scenario(operation, Neither, state, 24, "library", victim))
        };
        all.push(reading("observe", op(Code::RingObserve, 0, 6)));
        all.push(reading("get_last_n", op(Code::RingLast, 0, 3)));
    }
    all
}

/// With enforced roles.
const ROLES: Op = Op::new(Code::RingRolesOpenOrCreate, CAPACITY, 24);

/// A does all that its side can; B tries the victim's side, and has it if the victim has not.
fn beside_holder(side: Side, first: u64) -> Vec<Task> {
    let (producer, consumer) = match side {
        Side::Producer => (Who::B, Who::A),
        _ => (Who::A, Who::B),
    };
    let mut tasks = produce(producer, first);
    tasks.extend(consume(consumer));
    tasks.push(task(producer, Code::RingPush, first + 30, 0));
    tasks
}

/// The victim's role is the holder's, or was: who gave it up, or dies before the victim comes.
fn scenario_with_roles(
    operation: &'static str,
    side: Side,
    holder: Who,
    path: &'static str,
    victim: Op,
) -> Scenario {
    let mut scenario = scenario(operation, side, WRAP, 24, path, victim);
    let (state, victims) = match holder {
        Who::Victim => ("role held", [Who::Victim]),
        Who::Second => ("role of a dead process", [Who::Second]),
        _ => ("role not held", [Who::Victim]),
    };
    let mut setup = attached(Some(ROLES), &victims);
    let (producer, consumer) = match side {
        Side::Producer => (holder, Who::A),
        _ => (Who::A, holder),
    };
    for value in 0..3 {
        setup.push(task(producer, Code::RingPush, 10 + value, 0));
        setup.push(task(consumer, Code::RingPop, 0, 0));
    }
    setup.push(task(producer, Code::RingPushBulk, 100, 2));
    setup.push(task(Who::B, Code::RingLeave, 0, 0));
    if holder == Who::Second {
        setup[0].1.b = slots(&[Who::Victim]);
        scenario.earlier = Some(match side {
            Side::Producer => op(Code::RingOverwrite, 190, 0).inline(),
            _ => op(Code::RingPop, 0, 0).inline(),
        });
        scenario.grain = Grain::Events;
        scenario.arrival = vec![
            task(Who::Victim, Code::SegmentOpen, 0, 0),
            (Who::Victim, ROLES),
        ];
    }
    scenario.state = state.into();
    scenario.setup = setup;
    scenario.stopped = beside_holder(side, 300);
    scenario.resumed = beside_holder(side, 500);
    scenario.dead = beside_holder(side, 600);
    let leave = |who| task(who, Code::RingLeave, 0, 0);
    let mut recovered = vec![(Who::New, ROLES), (Who::NewToo, ROLES)];
    recovered.extend([leave(Who::A), leave(Who::B)]);
    recovered.push(task(Who::New, Code::RingSize, 0, 0));
    recovered.extend(both(Who::New, 900));
    recovered.push(leave(Who::New));
    recovered.extend(both(Who::NewToo, 950));
    scenario.recovered = recovered;
    scenario.model = Box::new(RingModel::with_roles(CAPACITY as usize));
    scenario
}

fn with_roles() -> Vec<Scenario> {
    use Side::{Consumer, Producer};
    let mut all = Vec::new();
    let mut add = |operation, side, holders: &[Who], victim| {
        for &holder in holders {
            for path in ["library", "inline"] {
                all.push(scenario_with_roles(operation, side, holder, path, victim));
            }
        }
    };
    let holders = [Who::Victim, Who::B, Who::Second];
    add("push", Producer, &holders, op(Code::RingPush, 200, 0));
    add("pop", Consumer, &holders, op(Code::RingPop, 0, 0));
    let overwrite = op(Code::RingOverwrite, 200, 0);
    add("push_overwrite", Producer, &[Who::B], overwrite);
    let push = op(Code::RingPush, 200, 0);
    let push = scenario_with_roles("push", Producer, Who::B, "inline", push);
    all.push(forked(push));
    for (side, victim) in [
        (Producer, Code::RingOverwriteBulk),
        (Consumer, Code::RingClear),
    ] {
        let operation = if side == Producer {
            "overwrite_bulk"
        } else {
            "clear"
        };
        let victim = op(victim, 200, if side == Producer { 3 } else { 0 });
        all.push(scenario_with_roles(
            operation,
            side,
            Who::B,
            "library",
            victim,
        ));
    }
    for side in [Producer, Consumer] {
        let leave = op(Code::RingLeave, 0, 0);
        let mut leave = scenario_with_roles("leave", side, Who::Victim, "library", leave);
        leave.state = match side {
            Producer => "the producer".into(),
            _ => "the consumer".into(),
        };
        all.push(leave);
    }
    all
}

/// The producer and the consumer die.
pub fn pairs() -> Vec<Scenario> {
    let overwrite = op(Code::RingOverwrite, 200, 0);
    let push = op(Code::RingPush, 200, 0);
    [
        ("push, pop", ONE, push),
        ("push_overwrite, pop", FULL, overwrite),
    ]
    .map(|(operation, state, first)| {
        let mut pair = scenario(operation, Side::Producer, state, 8, "inline", first);
        let open = op(Code::RingOpenOrCreate, CAPACITY, 8);
        let mut setup = attached(Some(open), &[Who::Victim, Who::Second]);
        for value in 0..state.1 {
            setup.push(task(Who::Victim, Code::RingPush, 10 + value, 0));
            setup.push(task(Who::Second, Code::RingPop, 0, 0));
        }
        for value in 0..state.2 {
            setup.push(task(Who::Victim, Code::RingPush, 100 + value, 0));
        }
        pair.setup = setup;
        pair.stopped = looks(Who::B);
        pair.second = Some(op(Code::RingPop, 0, 0).inline());
        pair
    })
    .into()
}
