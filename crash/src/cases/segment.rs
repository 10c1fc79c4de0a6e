//! The segment itself, and its table.

use super::{SIZE, attached, forked, op, read_only, slots, task};
use crate::model::{QueueModel, SegmentModel, SpscModel};
use crate::op::{Code, Op, Task, Who};
use crate::scenario::{Grain, Scenario};

/// Elements of the queues.
const CAPACITY: u64 = 4;

const QUEUE: Op = Op::new(Code::QueueOpenOrCreate, CAPACITY, 8);
const SPSC: Op = Op::new(Code::SpscOpenOrCreate, CAPACITY, 8);

/// Names of arrays: one that is always there, one that the victim is about, others.
const KEPT: u64 = 1;
const DISPUTED: u64 = 2;

/// A segment with two arrays, the second with a gap before it.
fn with_arrays(victims: &[Who]) -> Vec<Task> {
    let mut tasks = attached(None, victims);
    tasks.extend([
        task(Who::A, Code::ArrayCreate, KEPT, 16),
        task(Who::A, Code::ArrayFill, KEPT, 77),
    ]);
    tasks
}

/// What nobody ever has to wait for.
fn looks() -> Vec<Task> {
    vec![
        task(Who::A, Code::Find, KEPT, 0),
        task(Who::A, Code::ArrayCheck, KEPT, 77),
        task(Who::B, Code::Find, 6, 0),
        task(Who::A, Code::Find, DISPUTED, 0),
    ]
}

/// Looks, and changes of the table by both survivors.
fn workload(name: u64) -> Vec<Task> {
    let mut tasks = looks();
    tasks.extend([
        task(Who::B, Code::ArrayOpenOrCreate, name, 8),
        task(Who::A, Code::Info, 0, 0),
        task(Who::A, Code::Erase, name, 0),
    ]);
    tasks
}

/// A newcomer creates what the victim was about, and everything is where it was.
fn recovered() -> Vec<Task> {
    vec![
        task(Who::New, Code::ArrayOpenOrCreate, DISPUTED, 24),
        task(Who::New, Code::ArrayFill, DISPUTED, 88),
        task(Who::NewToo, Code::ArrayOpenOrCreate, 7, 40),
        task(Who::NewToo, Code::ArrayFill, 7, 99),
        task(Who::A, Code::ArrayCheck, DISPUTED, 88),
        task(Who::B, Code::ArrayCheck, 7, 99),
        task(Who::A, Code::Info, 0, 0),
    ]
}

fn scenario(operation: &'static str, state: &str, setup: Vec<Task>, victim: Op) -> Scenario {
    let mut recovered = recovered();
    // Only now, for an array that is not there has nothing to check.
    if setup.iter().any(|task| task.1.code == Code::ArrayFill) && victim.code != Code::Clear {
        recovered.push(task(Who::B, Code::ArrayCheck, KEPT, 77));
    }
    Scenario {
        structure: "segment",
        operation,
        state: state.into(),
        path: "library",
        grain: Grain::Events,
        setup,
        earlier: None,
        arrival: Vec::new(),
        op: victim,
        second: None,
        sleeper: None,
        stopped: workload(3),
        resumed: workload(4),
        dead: workload(5),
        recovered,
        audit: Vec::new(),
        may_wait: true,
        at_most: None,
        model: Box::new(SegmentModel::new(Box::new(QueueModel::new(
            CAPACITY as usize,
        )))),
    }
}

/// Making the segment: others come as well.
fn found() -> Vec<Scenario> {
    let both = |code| {
        let mut tasks = vec![
            task(Who::A, code, SIZE, slots(&[Who::Victim])),
            task(Who::B, Code::SegmentOpen, 0, 0),
        ];
        if code == Code::SegmentOpenOrCreate {
            tasks.push(task(Who::A, Code::ArrayOpenOrCreate, KEPT, 16));
            tasks.push(task(Who::B, Code::ArrayOpenOrCreate, KEPT, 16));
        }
        tasks
    };
    [Code::SegmentCreate, Code::SegmentOpenOrCreate]
        .map(|code| {
            let victim = op(code, SIZE, slots(&[Who::Victim]));
            let operation = if code == Code::SegmentCreate {
                "create"
            } else {
                "open_or_create"
            };
            let mut scenario = scenario(operation, "none there", Vec::new(), victim);
            scenario.stopped = both(Code::SegmentOpen);
            scenario.resumed = both(Code::SegmentOpenOrCreate);
            scenario.dead = both(Code::SegmentOpenOrCreate);
            scenario
        })
        .into()
}

/// Attaching, which nobody waits for.
fn attach(code: Code) -> Scenario {
    let mut setup = with_arrays(&[]);
    setup[0] = task(Who::A, Code::SegmentCreate, SIZE, slots(&[Who::Victim]));
    let mut scenario = scenario("open", "arrays in it", setup, op(code, 0, 0));
    scenario.may_wait = false;
    scenario
}

/// Leaving, with a lane of a queue.
fn detach(structure: Op, before: &[Task]) -> Scenario {
    let mut setup = attached(Some(structure), &[Who::Victim]);
    setup.extend_from_slice(before);
    let queue = structure.code == Code::QueueOpenOrCreate;
    let state = if queue { "a lane held" } else { "a role held" };
    let mut scenario = scenario("close", state, setup, op(Code::SegmentClose, 0, 0));
    scenario.may_wait = false;
    let (put, take) = if queue {
        (Code::Enqueue, Code::Dequeue)
    } else {
        (Code::Push, Code::Pop)
    };
    let pair = |value| vec![task(Who::A, put, value, 0), task(Who::B, take, 0, 0)];
    scenario.stopped = pair(300);
    scenario.resumed = pair(400);
    scenario.dead = pair(500);
    scenario.recovered = vec![
        (Who::New, structure),
        (Who::NewToo, structure),
        task(Who::A, put, 600, 0),
        task(Who::B, take, 0, 0),
        task(Who::A, Code::Info, 0, 0),
    ];
    if queue {
        scenario.audit = vec![
            task(Who::New, Code::QueueLanes, 0, 0),
            task(Who::NewToo, Code::QueueLanes, 0, 0),
            task(Who::A, Code::QueueSlots, 0, 0),
        ];
    } else {
        let model = Box::new(SpscModel::new(CAPACITY as usize));
        scenario.model = Box::new(SegmentModel::new(model));
    }
    scenario
}

/// Creating a queue.
fn create_queue(structure: Op) -> Scenario {
    let queue = structure.code == Code::QueueOpenOrCreate;
    let operation = if queue {
        "create a queue"
    } else {
        "create an SPSC queue"
    };
    let mut scenario = scenario(
        operation,
        "arrays beside",
        with_arrays(&[Who::Victim]),
        structure,
    );
    let mut stopped = looks();
    stopped.push((Who::B, structure));
    scenario.stopped = stopped;
    let (put, take) = if queue {
        (Code::Enqueue, Code::Dequeue)
    } else {
        (Code::Push, Code::Pop)
    };
    let mut use_it = vec![(Who::A, structure), (Who::B, structure)];
    for value in 500..504 {
        use_it.push(task(Who::A, put, value, 0));
        use_it.push(task(Who::B, take, 0, 0));
    }
    scenario.resumed = use_it.clone();
    scenario.dead = use_it;
    if !queue {
        let model = Box::new(SpscModel::new(CAPACITY as usize));
        scenario.model = Box::new(SegmentModel::new(model));
    }
    scenario
}

/// Finishing what a dead process left.
fn recover() -> Vec<Scenario> {
    let mut all = Vec::new();
    let with_second = || {
        let mut setup = with_arrays(&[Who::Second]);
        setup[0] = task(Who::A, Code::SegmentCreate, SIZE, slots(&[Who::Victim]));
        setup
    };
    let create = op(Code::ArrayCreate, DISPUTED, 24);
    for (operation, state, earlier, arrive, victim) in [
        (
            "open",
            "after a death in create",
            create,
            false,
            op(Code::SegmentOpen, 0, 0),
        ),
        (
            "create an array",
            "after a death in create",
            create,
            true,
            op(Code::ArrayCreate, 3, 8),
        ),
        (
            "create an array",
            "after a death in clear",
            op(Code::Clear, 0, 0),
            true,
            op(Code::ArrayCreate, 3, 8),
        ),
    ] {
        let mut scenario = scenario(operation, state, with_second(), victim);
        scenario.earlier = Some(earlier);
        if arrive {
            scenario.arrival = vec![task(Who::Victim, Code::SegmentOpen, 0, 0)];
        }
        if earlier.code == Code::Clear {
            scenario.stopped = Vec::new();
            scenario.resumed = vec![task(Who::A, Code::ArrayOpenOrCreate, 5, 8)];
            scenario.dead = vec![task(Who::A, Code::ArrayOpenOrCreate, 5, 8)];
            scenario.recovered = recovered();
        }
        all.push(scenario);
    }
    all
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all = found();
    all.push(attach(Code::SegmentOpen));
    all.push(read_only(attach(Code::SegmentOpenReadOnly)));
    all.push(detach(
        QUEUE,
        &[
            task(Who::Victim, Code::Enqueue, 1, 0),
            task(Who::Victim, Code::Dequeue, 0, 0),
        ],
    ));
    all.push(detach(SPSC, &[task(Who::Victim, Code::Push, 1, 0)]));
    let arrays = || with_arrays(&[Who::Victim]);
    let disputed = || {
        let mut setup = arrays();
        setup.push(task(Who::A, Code::ArrayCreate, DISPUTED, 24));
        setup
    };
    for (state, setup) in [("absent", arrays()), ("there", disputed())] {
        let mut find = scenario("find", state, setup, op(Code::Find, DISPUTED, 0));
        find.grain = Grain::Instructions;
        all.push(find);
    }
    for (operation, victim) in [
        ("find", op(Code::Find, KEPT, 0)),
        ("open and read an array", op(Code::ArrayCheck, KEPT, 77)),
    ] {
        let mut reading = scenario(operation, "there", arrays(), victim);
        reading.grain = Grain::Instructions;
        reading.may_wait = false;
        all.push(read_only(reading));
    }
    let create = op(Code::ArrayCreate, DISPUTED, 24);
    let create = scenario("create an array", "a new name", arrays(), create);
    all.push(forked(create));
    let close = op(Code::SegmentClose, 0, 0);
    let mut inherited = scenario("close", "what it inherited", arrays(), close);
    inherited.may_wait = false;
    all.push(forked(inherited));
    let mut close = scenario("close", "arrays in it", arrays(), close);
    close.may_wait = false;
    all.push(read_only(close));
    all.push(scenario(
        "create an array",
        "a new name",
        arrays(),
        op(Code::ArrayCreate, DISPUTED, 24),
    ));
    all.push(scenario(
        "create an array",
        "it exists",
        disputed(),
        op(Code::ArrayCreate, DISPUTED, 24),
    ));
    all.push(scenario(
        "add an entry",
        "a new name",
        arrays(),
        op(Code::AddRaw, DISPUTED, 24 * 8),
    ));
    all.push(scenario(
        "erase",
        "an array",
        disputed(),
        op(Code::Erase, DISPUTED, 0),
    ));
    let mut own = arrays();
    own.push(task(Who::Victim, Code::ArrayCreate, DISPUTED, 24));
    all.push(scenario(
        "destroy",
        "its own array",
        own,
        op(Code::Destroy, DISPUTED, 0),
    ));
    all.push(scenario(
        "destroy",
        "in use elsewhere",
        disputed(),
        op(Code::Destroy, DISPUTED, 1),
    ));
    let mut clear = scenario("clear", "two arrays", disputed(), op(Code::Clear, 0, 0));
    let anew = |name| vec![task(Who::A, Code::ArrayOpenOrCreate, name, 8)];
    clear.stopped = vec![
        task(Who::A, Code::Find, KEPT, 0),
        task(Who::B, Code::Info, 0, 0),
    ];
    clear.resumed = anew(4);
    clear.dead = anew(5);
    all.push(clear);
    all.push(create_queue(QUEUE));
    all.push(create_queue(SPSC));
    all.extend(recover());
    all
}
