//! Ends that are no kill: exits without closing, exec, signals, a stack overflow, no memory left,
//! a name that is removed, a file that somebody truncates.

use crate::channel::Process;
use crate::jobs;
use crate::op::{Code, OK, Op, Outcome};
use crate::rig::remove;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Ways to end, as actor/exits.cpp numbers them.
const WAYS: [&str; 7] = [
    "exit without closing",
    "_exit",
    "abort",
    "stack overflow",
    "exec with attachments open",
    "SIGTERM",
    "out of memory in a control group",
];
const EXEC: usize = 4;
const MEMORY: usize = 6;

/// An ended process is no longer counted after that, a core dump included.
const LIMIT: Duration = Duration::from_secs(5);
const HANG: Duration = Duration::from_secs(10);

type Check = Result<String, String>;

/// Does operations in a process.
fn ask(process: &Process, ops: &[Op]) -> Result<Vec<Outcome>, String> {
    process.begin(ops, false);
    let finished = process.finish(HANG);
    finished
        .map(|(outcomes, _)| outcomes)
        .map_err(|done| format!("{:?} hangs", ops[done as usize].code))
}

/// The same; all have to succeed.
fn expect(process: &Process, ops: &[Op]) -> Result<Vec<Outcome>, String> {
    let outcomes = ask(process, ops)?;
    match outcomes.iter().position(|outcome| outcome.status != OK) {
        Some(at) => Err(format!("{:?}: {}", ops[at].code, outcomes[at])),
        None => Ok(outcomes),
    }
}

/// Opens every structure.
fn opening(first: Code) -> Vec<Op> {
    let op = Op::new;
    vec![
        op(first, 4096, 4),
        op(Code::QueueOpenOrCreate, 4, 8),
        op(Code::SpscOpenOrCreate, 4, 8),
        op(Code::RingOpenOrCreate, 4, 8),
        op(Code::PoolOpenOrCreate, 6, 64),
        op(Code::AtomicOpenOrCreate, 0, 0),
    ]
}

fn await_ref_count(process: &Process, expected: u32) -> Result<Duration, String> {
    let start = Instant::now();
    loop {
        let found = expect(process, &[Op::new(Code::RefCount, 0, 0)])?[0].count;
        if found == expected {
            return Ok(start.elapsed());
        }
        if start.elapsed() > LIMIT {
            return Err(format!(
                "{found} attachments are counted; expected {expected}"
            ));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A control group whose processes may have little memory.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Self> {
        let name = format!("shmds-crash-{}", std::process::id());
        for (root, limit) in [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ] {
            let path = Path::new(root).join(&name);
            if std::fs::create_dir(&path).is_ok() {
                let group = Self(path);
                if std::fs::write(group.0.join(limit), "64M").is_ok() {
                    return Some(group);
                }
            }
        }
        None
    }

    fn enter(&self, process: &Process) -> bool {
        std::fs::write(self.0.join("cgroup.procs"), process.pid.to_string()).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A process that holds a lane, a role, objects, ends in some way.
fn ends(name: &str, way: usize) -> Check {
    let op = Op::new;
    let survivor = Process::start(name, false);
    expect(&survivor, &opening(Code::SegmentCreate))?;
    let mut process = Process::start(name, false);
    let mut group = None;
    if way == MEMORY {
        group = Group::new().filter(|group| group.enter(&process));
        if group.is_none() {
            return Ok("not possible here: no control group with a memory limit".into());
        }
    }
    let mut ops = opening(Code::SegmentOpen);
    ops.extend([
        op(Code::Enqueue, 1, 0),
        op(Code::Enqueue, 2, 0),
        op(Code::Dequeue, 0, 0),
        op(Code::Push, 3, 0),
        op(Code::AcquireBatch, 0, 3),
    ]);
    expect(&process, &ops)?;
    process.begin(&[op(Code::Exit, way as u64, 0)], false);
    if way != EXEC {
        let start = Instant::now();
        while process.wait(libc::WNOHANG).is_none() {
            if start.elapsed() > Duration::from_secs(60) {
                return Err("it does not end".into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    let took = await_ref_count(&survivor, 1)?;
    if way == EXEC && process.wait(libc::WNOHANG).is_some() {
        return Err("exec failed".into());
    }
    let after = expect(
        &survivor,
        &[
            op(Code::Dequeue, 0, 0),
            op(Code::Push, 4, 0),
            op(Code::Pop, 0, 0),
            op(Code::Pop, 0, 0),
            op(Code::Reclaim, 0, 0),
            op(Code::AcquireBatch, 0, 6),
            op(Code::QueueLanes, 0, 0),
            op(Code::SegmentOpen, 0, 0).second(),
            op(Code::QueueOpenOrCreate, 4, 8).second(),
            op(Code::QueueLanes, 0, 0).second(),
            op(Code::QueueSlots, 0, 0),
        ],
    )?;
    let values = [after[0].values[0], after[2].values[0], after[3].values[0]];
    if values != [2, 3, 4] {
        return Err(format!(
            "found {values:?} in the queues; expected [2, 3, 4]"
        ));
    }
    if (after[4].count, after[5].count) != (3, 6) {
        return Err(format!("reclaimed {}, then had {}", after[4], after[5]));
    }
    if after[10].values != [0; 6] {
        return Err(format!(
            "queue lanes or slots are not all back: {}",
            after[10]
        ));
    }
    drop(group);
    Ok(format!("no longer counted after {took:?}"))
}

/// The name is removed while two use the segment.
fn unlinked(name: &str) -> Check {
    let op = Op::new;
    let (one, two) = (Process::start(name, false), Process::start(name, false));
    expect(&one, &opening(Code::SegmentCreate))?;
    expect(&two, &opening(Code::SegmentOpen))?;
    remove(name);
    let late = Process::start(name, false);
    let status = ask(&late, &[op(Code::SegmentOpen, 0, 0)])?[0].status;
    if status != crate::op::E_NOT_FOUND {
        return Err(format!(
            "the name is gone, and opening gave status {status}"
        ));
    }
    expect(
        &one,
        &[op(Code::Enqueue, 5, 0), op(Code::ArrayCreate, 1, 16)],
    )?;
    let found = expect(&two, &[op(Code::Dequeue, 0, 0), op(Code::ArrayOpen, 1, 0)])?;
    if found[0].values[0] != 5 {
        return Err(format!("after the name was removed: {}", found[0]));
    }
    await_ref_count(&one, 2)?;
    // A new one of the name is another segment.
    expect(&late, &opening(Code::SegmentCreate))?;
    await_ref_count(&late, 1)?;
    let empty = ask(&late, &[op(Code::Dequeue, 0, 0)])?[0].status;
    if empty != crate::op::EMPTY {
        return Err(format!("a new segment is not empty: status {empty}"));
    }
    Ok("its users went on, and a new one of that name is another one".into())
}

/// Somebody truncates the file: whoever touches what is gone gets SIGBUS, and nobody else anything.
fn truncated(name: &str) -> Check {
    let op = Op::new;
    let mut one = Process::start(name, false);
    expect(&one, &opening(Code::SegmentCreate))?;
    let bystander = Process::start(name, false);
    let path = Path::new("/dev/shm").join(name);
    let truncate = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)?
            .set_len(4096)
    };
    truncate().map_err(|error| error.to_string())?;
    let late = ask(&bystander, &[op(Code::SegmentOpen, 0, 0)])?[0].status;
    if late >= 0 {
        return Err(format!("opening what was truncated gave status {late}"));
    }
    one.begin(&[op(Code::Enqueue, 1, 0)], false);
    let status = one.wait(0).ok_or("no end")?;
    if !libc::WIFSIGNALED(status) || libc::WTERMSIG(status) != libc::SIGBUS {
        return Err(format!(
            "an operation on what was truncated ended with {status:#x}"
        ));
    }
    Ok(format!(
        "SIGBUS for who touches it; opening gives status {late}"
    ))
}

/// Tries all; whether all is well.
pub fn run() -> bool {
    let name = jobs::segment_name(0);
    jobs::clean_up_on_signals();
    let ways = WAYS.iter().enumerate();
    let mut results: Vec<(&str, Check)> = ways
        .map(|(way, what)| {
            remove(&name);
            (*what, ends(&name, way))
        })
        .collect();
    remove(&name);
    results.push(("unlink while in use", unlinked(&name)));
    remove(&name);
    results.push(("file truncated by somebody", truncated(&name)));
    remove(&name);
    for (what, result) in &results {
        match result {
            Ok(how) => println!("{what:<34} {how}"),
            Err(why) => println!("{what:<34} VIOLATION: {why}"),
        }
    }
    results.iter().all(|(_, result)| result.is_ok())
}
