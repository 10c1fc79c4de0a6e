//! Processes that are stopped in the middle of an operation, and system calls.

use crate::Bench;
use crate::flow::{Crowd, round};
use crate::program::Program;
use crate::report::Target::{self, AtLeast, AtMost};
use crate::trace::{self, Moment};

const PAIR: Crowd = Crowd {
    of_each: 1,
    who: "processes",
    place: "pinned",
};

/// How many times as many rounds there are here. Two processes may pass twice or four times as many
/// elements in one round as in the next (see "Right behind each other" in docs/performance.md),
/// whoever is stopped meanwhile, so a median of few ratios is a matter of luck.
const MORE_ROUNDS: usize = 5;

/// Starts a process and leaves it stopped inside an operation.
fn stop_one(program: &mut Program, operation: &str, moment: Moment) -> Result<libc::pid_t, String> {
    let pid = program.ask(&format!("victim {operation}"))?.get("pid")?;
    trace::stop_inside(pid, moment)?;
    Ok(pid)
}

pub fn run(bench: &mut Bench) -> Result<(), String> {
    if cfg!(not(target_arch = "x86_64")) {
        println!("\nStopping inside an operation is written for x86-64.");
        return Ok(());
    }
    let mut rows = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        for operation in ["push", "pop"] {
            let (mut beside, mut alone) = (Vec::new(), Vec::new());
            for _ in 0..MORE_ROUNDS * bench.extent.rounds {
                let ms = bench.extent.flow_ms;
                let program = &mut bench.ours[0];
                alone.push(flow(program, ms, None)?);
                beside.push(flow(program, ms, Some((operation, moment)))?);
            }
            rows.push((operation, moment, beside, alone));
        }
    }
    bench.report.section(
        "Two processes, and a third one stopped in the middle of an operation",
        "Elements per microsecond beside a process that is stopped before or after the \
         compare-and-swap of its operation, and alone. ArrayQueue, in memory shared by forked \
         processes, does not come to an end.",
    );
    for (operation, moment, beside, alone) in rows {
        let name = format!("queue beside one in {operation}, {moment:?} / alone");
        bench.report.row(&name, &beside, Some(&alone), AtLeast(0.9));
    }
    let peers = &mut bench.peers;
    peers.ask("open array-queue 8")?;
    stop_one(peers, "push", Moment::After)?;
    let ended = round(peers, PAIR, bench.extent.flow_ms)?;
    let found = ended.map_or("stands still".into(), |per_us| {
        format!("{per_us:.1} per us")
    });
    let what = "array-queue beside one in push, After";
    bench.report.fact(what, &found, ended.is_none());
    jump(bench)
}

fn flow(
    program: &mut Program,
    milliseconds: u64,
    victim: Option<(&str, Moment)>,
) -> Result<f64, String> {
    program.ask("open queue 8")?;
    let victim = victim.map(|(operation, moment)| stop_one(program, operation, moment));
    let figure = round(program, PAIR, milliseconds)?;
    if let Some(pid) = victim.transpose()? {
        program.ask(&format!("resume {pid}"))?;
    }
    program.ask("close")?;
    figure.ok_or_else(|| "the queue stands still beside a stopped process".into())
}

/// A process is stopped, others do many operations, it is let go on and stores its old hint: how
/// long the next operation takes.
fn jump(bench: &mut Bench) -> Result<(), String> {
    let rounds = bench.extent.rounds.min(7);
    let mut rows = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        for operation in ["push", "pop"] {
            let (mut late, mut soon) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let program = &mut bench.ours[0];
                soon.push(delay(program, operation, moment, 0)?);
                late.push(delay(program, operation, moment, bench.extent.jump)?);
            }
            let extra = late.iter().zip(&soon).map(|(late, soon)| late - soon);
            rows.push((operation, moment, extra.collect::<Vec<_>>(), late));
        }
    }
    bench.report.section(
        &format!("Resumed after {} operations of others", bench.extent.jump),
        "Nanoseconds that the next operation of somebody else takes longer than when there were \
         no operations in between, and nanoseconds that it takes.",
    );
    for (operation, moment, extra, late) in rows {
        let name = format!("longer after a {operation} stopped {moment:?}");
        bench.report.row(&name, &extra, None, AtMost(1000.0));
        let name = format!("the {operation} after it");
        bench.report.row(&name, &late, None, Target::None);
    }
    Ok(())
}

/// How long the next operation takes after one was stopped, others did some, and it went on.
fn delay(
    program: &mut Program,
    operation: &str,
    moment: Moment,
    operations: u64,
) -> Result<f64, String> {
    program.ask("open queue 8")?;
    let mut figure = 0.0;
    // The first time warms up: the code that catches up has not run in this process yet.
    for operations in [1001, operations] {
        let pid = stop_one(program, operation, moment)?;
        program.ask(&format!("operate {operations}"))?;
        program.ask(&format!("resume {pid}"))?;
        if operation == "pop" {
            // Something to take.
            program.ask("one push")?;
        }
        figure = program.number(&format!("one {operation}"), "ns")?;
    }
    program.ask("close")?;
    Ok(figure)
}

/// How many system calls each kind of operation makes: none, unless it has to sleep.
pub fn count_calls(bench: &mut Bench) -> Result<(), String> {
    let mut rows = Vec::new();
    for kind in ["queue", "spsc"] {
        let program = &mut bench.ours[0];
        let started = program.ask(&format!("calls {kind}"))?;
        let counts = trace::count_calls(started.get("pid")?)?;
        program.ask("calls-end")?;
        let groups = started.get::<String>("groups")?;
        for (group, count) in groups.split(',').zip(&counts) {
            rows.push((format!("{kind}: {group}"), *count, group == "sleep"));
        }
        if groups.split(',').count() + 1 != counts.len() {
            return Err(format!("{kind}: {} marks for {groups}", counts.len()));
        }
    }
    bench.report.section(
        "System calls of 1024 operations",
        "Counted by ptrace. The last kind has to sleep: whoever counts none there counts wrong.",
    );
    for (name, count, sleeps) in rows {
        bench
            .report
            .fact(&name, &count.to_string(), (count > 0) == sleeps);
    }
    Ok(())
}
