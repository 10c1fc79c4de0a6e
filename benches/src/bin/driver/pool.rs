//! The object pool: pairs by one thread, processes that share a pool, and a pool nearly exhausted.

use crate::Bench;
use crate::report::Target::{self, AtLeast, AtMost};

/// Objects that are left in a pool of a million.
const LEFT: u32 = 1000;

pub fn run(bench: &mut Bench) -> Result<(), String> {
    for ours in 0..bench.ours.len() {
        pairs(bench, ours)?;
    }
    shared(bench)?;
    nearly_exhausted(bench)
}

fn pairs(bench: &mut Bench, ours: usize) -> Result<(), String> {
    let rows: [(&str, Target); 3] = [
        ("wrapper", AtMost(2.4)),
        ("inline", Target::None),
        ("call", Target::None),
    ];
    let (count, rounds) = (bench.extent.pairs, bench.extent.rounds);
    let compiler = bench.ours[ours].compiler.clone();
    let mut figures = vec![Vec::new(); rows.len()];
    let mut cas = Vec::new();
    for _ in 0..rounds {
        let program = &mut bench.ours[ours];
        cas.push(program.undisturbed_ns(&format!("cas {count}"))?);
        for ((how, _), figures) in rows.iter().zip(&mut figures) {
            figures.push(program.undisturbed_ns(&format!("pool-pair {how} {count}"))?);
        }
    }
    bench.report.section(
        &format!("An object acquired and released by one thread, {compiler}"),
        "Nanoseconds for both. `cas` is a compare-and-swap that succeeds, on a line of its own; two of \
         them are what the pair cannot do without. `wrapper` is shm_object_pool, `inline` \
         shmds_inline.h, `call` the functions of the shared library.",
    );
    for ((how, target), figures) in rows.iter().zip(figures) {
        let name = format!("pool, {how} / cas");
        bench.report.row(&name, &figures, Some(&cas), *target);
    }
    Ok(())
}

fn shared(bench: &mut Bench) -> Result<(), String> {
    let milliseconds = bench.extent.flow_ms;
    let mut found = Vec::new();
    for (how, target) in [("one", AtLeast(0.5)), ("many", Target::None)] {
        let (mut four, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..bench.extent.rounds {
            let mut rate = |processes| {
                let command = format!("pool-flow {processes} {how} {milliseconds}");
                bench.ours[0].number(&command, "per_us")
            };
            alone.push(rate(1)?);
            four.push(rate(4)?);
        }
        found.push((how, target, four, alone));
    }
    bench.report.section(
        "A pool shared by four processes on two processors",
        "Objects acquired and released per microsecond, by four processes together, beside one process \
         alone. `one` at a time, or `many`: sixteen acquired, then released in the same order.",
    );
    for (how, target, four, alone) in found {
        let name = format!("four / one process, {how}");
        bench.report.row(&name, &four, Some(&alone), target);
    }
    Ok(())
}

fn nearly_exhausted(bench: &mut Bench) -> Result<(), String> {
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..bench.extent.rounds {
        let program = &mut bench.ours[0];
        empty.push(program.number(&format!("pool-search empty {LEFT}"), "ns")?);
        full.push(program.number(&format!("pool-search full {LEFT}"), "ns")?);
    }
    bench.report.section(
        "A pool of a million objects, 99.9 % of them acquired",
        "Nanoseconds of an acquisition by a thread that knows of no free object: the last thousand \
         free objects, spread at random, beside a thousand of a pool where all are free.",
    );
    let name = "nearly exhausted / all free";
    bench.report.row(name, &full, Some(&empty), AtMost(5.0));
    Ok(())
}
