//! The object pool.

use super::{attached, forked, op, slots, task};
use crate::model::PoolModel;
use crate::op::{Code, Op, Task, Who};
use crate::scenario::{Grain, Scenario};

/// Objects of the pool.
const CAPACITY: u64 = 6;

const OPEN: Op = Op::new(Code::PoolOpenOrCreate, CAPACITY, 24);

/// Acquires all there are and one more, and gives them back.
fn exhaust(who: Who) -> Vec<Task> {
    let mut tasks: Vec<Task> = (0..=CAPACITY)
        .map(|_| task(who, Code::Acquire, 0, 0))
        .collect();
    tasks.push(task(who, Code::ReleaseBatch, 0, CAPACITY));
    tasks
}

fn workload() -> Vec<Task> {
    let mut tasks = exhaust(Who::A);
    for _ in 0..3 {
        tasks.push(task(Who::B, Code::Acquire, 0, 0));
        tasks.push((Who::A, op(Code::Acquire, 0, 0).inline()));
        tasks.push((Who::B, op(Code::Release, 0, 0).inline()));
        tasks.push(task(Who::A, Code::Release, 0, 0));
    }
    tasks.extend(exhaust(Who::B));
    tasks
}

/// The victim holds `held` objects and A `taken`; `warm`: it has used the pool before.
fn setup(held: u64, taken: u64, warm: bool) -> Vec<Task> {
    let mut tasks = attached(Some(OPEN), &[Who::Victim]);
    if warm {
        tasks.push((Who::Victim, op(Code::Acquire, 0, 0).inline()));
        tasks.push((Who::Victim, op(Code::Release, 0, 0).inline()));
    }
    for (who, count) in [(Who::Victim, held), (Who::B, taken)] {
        if count > 0 {
            tasks.push(task(who, Code::AcquireBatch, 0, count));
        }
    }
    tasks
}

fn scenario(
    operation: &'static str,
    state: &str,
    path: &'static str,
    setup: Vec<Task>,
    victim: Op,
) -> Scenario {
    // What the dead had is there until somebody asks for it, and then all of it.
    let mut recovered = vec![(Who::New, OPEN), (Who::NewToo, OPEN)];
    recovered.push(task(Who::New, Code::NumAllocated, 0, 0));
    recovered.push(task(Who::New, Code::Reclaim, 0, 0));
    recovered.extend(exhaust(Who::New));
    recovered.push(task(Who::B, Code::ReleaseBatch, 0, CAPACITY));
    recovered.push(task(Who::A, Code::ReleaseBatch, 0, CAPACITY));
    recovered.extend(exhaust(Who::NewToo));
    recovered.push(task(Who::NewToo, Code::NumAllocated, 0, 0));
    Scenario {
        structure: "object_pool",
        operation,
        state: state.into(),
        path,
        grain: Grain::Instructions,
        setup,
        earlier: None,
        arrival: Vec::new(),
        op: if path == "inline" {
            victim.inline()
        } else {
            victim
        },
        second: None,
        sleeper: None,
        stopped: workload(),
        resumed: workload(),
        dead: workload(),
        recovered,
        audit: vec![task(Who::A, Code::Info, 0, 0)],
        may_wait: false,
        at_most: None,
        model: Box::new(PoolModel::new(CAPACITY as usize)),
    }
}

/// What comes after the death of somebody who held three objects.
fn inheriting(operation: &'static str, victim: Op) -> Scenario {
    let mut setup = attached(Some(OPEN), &[Who::Second]);
    setup[0].1.b = slots(&[Who::Victim]);
    setup.push(task(Who::Second, Code::AcquireBatch, 0, CAPACITY));
    let mut scenario = scenario(operation, "of a dead process", "library", setup, victim);
    scenario.grain = Grain::Events;
    scenario.earlier = Some(op(Code::Release, 0, 0));
    scenario.arrival = vec![
        task(Who::Victim, Code::SegmentOpen, 0, 0),
        (Who::Victim, OPEN),
    ];
    scenario
}

/// An object of which A and B have a say as well: number 2.
fn disputed(operation: &'static str, state: &str, owner: Who, disowned: bool, op: Op) -> Scenario {
    let dispute = |code| {
        let by = |who| task(who, code, 2, 0);
        vec![
            by(Who::A),
            by(Who::B),
            task(Who::A, Code::NumAllocated, 0, 0),
        ]
    };
    let mut setup = attached(Some(OPEN), &[Who::Victim]);
    setup.push(task(owner, Code::AcquireBatch, 0, CAPACITY));
    if disowned {
        setup.push(task(owner, Code::Disown, 2, 0));
    }
    let mut scenario = scenario(operation, state, "library", setup, op);
    scenario.stopped = dispute(Code::Adopt);
    scenario.resumed = dispute(Code::Disown);
    scenario.resumed.extend(dispute(Code::Adopt));
    scenario.dead = scenario.resumed.clone();
    scenario
}

/// With tokens, which are good for one acquisition.
fn with_tokens() -> Vec<Scenario> {
    let acquire = |count: u64| (0..count).map(|_| task(Who::Victim, Code::AcquireToken, 0, 0));
    let scenario = |operation, state, before: Vec<Task>, code| {
        let mut setup = attached(Some(OPEN), &[Who::Victim]);
        setup.extend(before);
        let mut scenario = scenario(operation, state, "library", setup, op(code, 0, 0));
        let mut tokens = workload();
        for who in [Who::A, Who::B, Who::B, Who::A] {
            tokens.push(task(who, Code::AcquireToken, 0, 0));
        }
        for who in [Who::B, Who::B, Who::A, Who::A] {
            tokens.push(task(who, Code::ReleaseToken, 0, 0));
        }
        scenario.stopped = tokens.clone();
        scenario.resumed = tokens.clone();
        scenario.dead = tokens;
        scenario
    };
    let taken = |count| vec![task(Who::B, Code::AcquireBatch, 0, count)];
    let mut one: Vec<Task> = acquire(1).collect();
    one.extend(taken(1));
    // Somebody else has released all, and acquired some of them again.
    let mut stale: Vec<Task> = acquire(CAPACITY).collect();
    stale.extend((0..CAPACITY).map(|index| task(Who::A, Code::ReleaseAt, index, 0)));
    stale.extend(taken(CAPACITY - 1));
    let mut all = Vec::new();
    for (state, count) in [
        ("all free", 0),
        ("one left", CAPACITY - 1),
        ("none left", CAPACITY),
    ] {
        let before = if count > 0 { taken(count) } else { Vec::new() };
        all.push(scenario("acquire_token", state, before, Code::AcquireToken));
    }
    all.push(scenario(
        "release_token",
        "one held",
        one,
        Code::ReleaseToken,
    ));
    all.push(scenario(
        "release_token",
        "stale",
        stale,
        Code::ReleaseToken,
    ));
    all
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    let acquire = op(Code::Acquire, 0, 0);
    let release = op(Code::Release, 0, 0);
    for path in ["library", "inline"] {
        for (state, held, taken) in [
            ("all free", 0, 0),
            ("one left", 0, CAPACITY - 1),
            ("none left", 0, CAPACITY),
        ] {
            let setup = setup(held, taken, true);
            all.push(scenario("acquire", state, path, setup, acquire));
        }
        for (state, held, taken) in [("one held", 1, 0), ("all held", 2, CAPACITY - 2)] {
            let setup = setup(held, taken, true);
            all.push(scenario("release", state, path, setup, release));
        }
    }
    let mut first = scenario(
        "acquire",
        "first use",
        "inline",
        setup(0, 1, false),
        acquire,
    );
    first.grain = Grain::Events;
    all.push(first);
    for path in ["library", "inline"] {
        let taken = setup(0, 2, false);
        all.push(forked(scenario(
            "acquire",
            "some left",
            path,
            taken,
            acquire,
        )));
    }
    let batch = op(Code::AcquireBatch, 0, 3);
    all.push(scenario(
        "acquire_batch",
        "all free",
        "library",
        setup(0, 0, true),
        batch,
    ));
    all.push(scenario(
        "acquire_batch",
        "two left",
        "library",
        setup(0, CAPACITY - 2, true),
        batch,
    ));
    let batch = op(Code::ReleaseBatch, 0, 3);
    all.push(scenario(
        "release_batch",
        "three held",
        "library",
        setup(3, 1, true),
        batch,
    ));
    all.push(inheriting("reclaim", op(Code::Reclaim, 0, 0)));
    all.push(inheriting("adopt", op(Code::Adopt, 2, 0)));
    let disown = op(Code::Disown, 2, 0);
    let adopt = op(Code::Adopt, 2, 0);
    all.push(disputed("disown", "all held", Who::Victim, false, disown));
    all.push(disputed("adopt", "disowned", Who::A, true, adopt));
    all.push(disputed(
        "adopt",
        "owned by another one",
        Who::A,
        false,
        adopt,
    ));
    all.extend(with_tokens());
    all
}

pub fn pairs() -> Vec<Scenario> {
    let both = |held: u64| {
        let mut setup = attached(Some(OPEN), &[Who::Victim, Who::Second]);
        for who in [Who::Victim, Who::Second] {
            setup.push((who, op(Code::Acquire, 0, 0).inline()));
            setup.push((who, op(Code::Release, 0, 0).inline()));
        }
        if held > 0 {
            setup.push(task(Who::Victim, Code::AcquireBatch, 0, held));
        }
        setup.push(task(Who::B, Code::AcquireBatch, 0, CAPACITY - 2));
        setup
    };
    let (acquire, release) = (op(Code::Acquire, 0, 0), op(Code::Release, 0, 0));
    [
        ("acquire, acquire", 0, acquire, acquire),
        ("release, acquire", 1, release, acquire),
    ]
    .map(|(operation, held, first, second)| {
        let mut pair = scenario(operation, "two left", "inline", both(held), first);
        pair.second = Some(second.inline());
        pair
    })
    .into()
}
