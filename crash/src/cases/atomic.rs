//! The atomic: one instruction does it, and nothing may be left around it.

use super::{PATIENTLY, attached, op, read_only, task};
use crate::model::AtomicModel;
use crate::op::{Code, Op, Task, Who};
use crate::scenario::{Grain, Scenario};

const OPEN: Op = Op::new(Code::AtomicOpenOrCreate, 7, 0);

fn workload(first: u64) -> Vec<Task> {
    vec![
        task(Who::A, Code::AtomicLoad, 0, 0),
        task(Who::B, Code::AtomicFetchAdd, first, 0),
        task(Who::A, Code::AtomicExchange, first, 0),
        task(Who::B, Code::AtomicCompareExchange, first, first + 1),
        task(Who::A, Code::AtomicStore, first + 2, 0),
        task(Who::B, Code::AtomicLoad, 0, 0),
    ]
}

fn scenario(operation: &'static str, victim: Op) -> Scenario {
    let mut setup = attached(Some(OPEN), &[Who::Victim]);
    setup.push(task(Who::A, Code::AtomicStore, 50, 0));
    let recovered = workload(900);
    Scenario {
        structure: "atomic",
        operation,
        state: "8 bytes".into(),
        path: "library",
        grain: Grain::Instructions,
        setup,
        op: victim,
        earlier: None,
        arrival: Vec::new(),
        second: None,
        sleeper: None,
        stopped: workload(300),
        resumed: workload(500),
        dead: workload(600),
        recovered,
        audit: vec![task(Who::A, Code::Info, 0, 0)],
        may_wait: false,
        at_most: None,
        model: Box::new(AtomicModel(7)),
    }
}

/// A word of 16 bytes, which only a comparison changes.
fn wide(operation: &'static str, victim: Op) -> Scenario {
    let open = op(Code::WideOpenOrCreate, 50, 0);
    let exchange = |who, from, to| task(who, Code::WideCompareExchange, from, to);
    let load = |who| task(who, Code::WideLoad, 0, 0);
    // Whatever the victim has done, one of the exchanges finds what it expects.
    let workload = |old: u64, first: u64| {
        vec![
            load(Who::A),
            exchange(Who::B, 200, first),
            exchange(Who::A, old, first),
            load(Who::B),
            exchange(Who::A, first, first + 1),
            exchange(Who::B, first, first + 2),
            load(Who::A),
        ]
    };
    let mut scenario = scenario(operation, victim);
    scenario.state = "16 bytes".into();
    scenario.setup = attached(Some(open), &[Who::Victim]);
    scenario.stopped = workload(50, 300);
    scenario.resumed = workload(301, 500);
    scenario.dead = workload(50, 600);
    let mut recovered = vec![(Who::New, open), (Who::NewToo, open)];
    recovered.extend([load(Who::New), load(Who::NewToo)]);
    recovered.extend(workload(601, 900));
    scenario.recovered = recovered;
    scenario.model = Box::new(AtomicModel(50));
    scenario
}

/// A survivor sleeps until the value is another one.
fn with_sleeper(victim: Op) -> Scenario {
    let mut scenario = scenario("store, notify", victim);
    scenario.state = "somebody asleep".into();
    scenario.sleeper = Some(op(Code::AtomicWait, 50, PATIENTLY));
    let change = |value| vec![task(Who::A, Code::AtomicNotify, value, 0)];
    scenario.stopped = change(300);
    scenario.resumed = change(500);
    scenario.dead = change(600);
    scenario
}

/// The victim sleeps.
fn waiting() -> Scenario {
    let mut scenario = scenario("wait", op(Code::AtomicWait, 50, PATIENTLY));
    scenario.state = "nothing changes".into();
    scenario.grain = Grain::Events;
    scenario
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("load", op(Code::AtomicLoad, 0, 0)),
        scenario("store", op(Code::AtomicStore, 200, 0)),
        scenario("exchange", op(Code::AtomicExchange, 200, 0)),
        scenario("compare_exchange", op(Code::AtomicCompareExchange, 50, 200)),
        scenario("fetch_add", op(Code::AtomicFetchAdd, 200, 0)),
        scenario("store, notify", op(Code::AtomicNotify, 200, 0)),
        scenario("wait", op(Code::AtomicWait, 49, PATIENTLY)),
        with_sleeper(op(Code::AtomicNotify, 200, 0)),
        waiting(),
        read_only(scenario("load", op(Code::AtomicLoad, 0, 0))),
        wide("load", op(Code::WideLoad, 0, 0)),
        read_only(wide("load", op(Code::WideLoad, 0, 0))),
        wide("compare_exchange", op(Code::WideCompareExchange, 50, 200)),
    ]
}

pub fn pairs() -> Vec<Scenario> {
    let mut pair = scenario("fetch_add, exchange", op(Code::AtomicFetchAdd, 200, 0));
    let mut setup = attached(Some(OPEN), &[Who::Victim, Who::Second]);
    setup.push(task(Who::A, Code::AtomicStore, 50, 0));
    pair.setup = setup;
    pair.second = Some(op(Code::AtomicExchange, 250, 0));
    vec![pair]
}
