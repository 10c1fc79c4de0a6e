//! Round trips between two processes.

use crate::Bench;
use crate::report::Target::{self, AtMost};

const MEANS: [&str; 7] = [
    "queue-poll",
    "spsc-poll",
    "queue-wait",
    "spsc-wait",
    "atomic-wait",
    "futex",
    "pipe",
];
/// Alternating rounds.
const ROUNDS: usize = 9;

pub fn run(bench: &mut Bench) -> Result<(), String> {
    let count = bench.extent.trips;
    let rounds = ROUNDS.min(bench.extent.rounds);
    let mut figures = MEANS.map(|_| Vec::new());
    for _ in 0..rounds {
        for (means, figures) in MEANS.iter().zip(&mut figures) {
            figures.push(bench.ours[0].number(&format!("trip {means} {count}"), "ns")?);
        }
    }
    let [
        queue_poll,
        spsc_poll,
        queue_wait,
        spsc_wait,
        atomic_wait,
        futex,
        pipe,
    ] = figures;
    bench.report.section(
        "Round trips between two processes",
        "Nanoseconds for a message and its answer, the processes on a processor each. `poll` looks \
         again and again, `wait` uses the waiting calls; `futex` is a word for each direction with \
         one call to wake and one to sleep.",
    );
    let futex = Some(&futex[..]);
    let report = &mut bench.report;
    report.row("queue-wait / futex", &queue_wait, futex, AtMost(1.3));
    report.row("spsc-wait / futex", &spsc_wait, futex, AtMost(1.3));
    report.row("atomic-wait / futex", &atomic_wait, futex, AtMost(1.3));
    report.row("queue-poll / futex", &queue_poll, futex, Target::None);
    report.row("spsc-poll / futex", &spsc_poll, futex, Target::None);
    report.row("pipe / futex", &pipe, futex, Target::None);
    Ok(())
}
