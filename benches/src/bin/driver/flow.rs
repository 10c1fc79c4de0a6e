//! Elements from producers to consumers, on two processors.

use crate::Bench;
use crate::program::Program;
use crate::report::Target::{self, AtLeast};

/// Who takes part, as the programs want to hear it.
#[derive(Clone, Copy)]
pub struct Crowd {
    /// Producers, and as many consumers.
    pub of_each: u32,
    /// `processes` or `threads`.
    pub who: &'static str,
    /// `pinned` to the processors in turns, or `free` on both.
    pub place: &'static str,
}

/// One round: elements per microsecond, `None` when it did not end.
pub fn round(
    program: &mut Program,
    crowd: Crowd,
    milliseconds: u64,
) -> Result<Option<f64>, String> {
    let Crowd {
        of_each,
        who,
        place,
    } = crowd;
    let command = format!("flow {of_each} {of_each} {who} yield {place} {milliseconds}");
    let answer = program.ask(&command)?;
    let stuck = answer.get::<u32>("stuck")? != 0;
    Ok((!stuck).then_some(answer.get("per_us")?))
}

/// A side of a comparison.
struct Side {
    ours: bool,
    kind: &'static str,
    who: &'static str,
}

const QUEUE: Side = Side {
    ours: true,
    kind: "queue",
    who: "processes",
};
const SPSC: Side = Side {
    ours: true,
    kind: "spsc",
    who: "processes",
};
const ARRAY_QUEUE: Side = Side {
    ours: false,
    kind: "array-queue",
    who: "threads",
};
const BOOST_SPSC: Side = Side {
    ours: true,
    kind: "boost-spsc",
    who: "threads",
};
const RTRB: Side = Side {
    ours: false,
    kind: "rtrb",
    who: "threads",
};

fn measure(bench: &mut Bench, side: &Side, crowd: Crowd, size: u32) -> Result<f64, String> {
    let program = if side.ours {
        &mut bench.ours[0]
    } else {
        &mut bench.peers
    };
    program.ask(&format!("open {} {size}", side.kind))?;
    let crowd = Crowd {
        who: side.who,
        ..crowd
    };
    let figure = round(program, crowd, bench.extent.flow_ms)?;
    program.ask("close")?;
    figure.ok_or_else(|| format!("{} did not end", side.kind))
}

pub fn run(bench: &mut Bench) -> Result<(), String> {
    let rows: [(&Side, &Side, u32, &str, Target); 8] = [
        (&QUEUE, &ARRAY_QUEUE, 1, "pinned", AtLeast(0.9)),
        (&QUEUE, &ARRAY_QUEUE, 2, "pinned", AtLeast(1.2)),
        (&QUEUE, &ARRAY_QUEUE, 4, "pinned", AtLeast(1.2)),
        (&QUEUE, &ARRAY_QUEUE, 1, "free", Target::None),
        (&QUEUE, &ARRAY_QUEUE, 2, "free", Target::None),
        (&QUEUE, &ARRAY_QUEUE, 4, "free", Target::None),
        (&SPSC, &BOOST_SPSC, 1, "pinned", AtLeast(0.9)),
        (&SPSC, &RTRB, 1, "pinned", AtLeast(0.9)),
    ];
    for &size in bench.extent.sizes {
        let mut found = Vec::new();
        for (ours, peer, of_each, place, _) in &rows {
            let (mut these, mut those) = (Vec::new(), Vec::new());
            for _ in 0..bench.extent.rounds {
                let crowd = Crowd {
                    of_each: *of_each,
                    who: "",
                    place,
                };
                these.push(measure(bench, ours, crowd, size)?);
                those.push(measure(bench, peer, crowd, size)?);
            }
            found.push((these, those));
        }
        bench.report.section(
            &format!("Throughput on two processors, {size} bytes"),
            "Elements per microsecond. Ours between processes, the peers between threads. Pinned: \
             each processor has as many producers as consumers, and with one of each they are \
             apart. Free: where the system puts them. After a refusal all do what crossbeam's \
             Backoff does: 1, 2, 4, ... 64 pauses, then sched_yield.",
        );
        for ((ours, peer, of_each, place, target), (these, those)) in rows.iter().zip(found) {
            let (ours, peer) = (ours.kind, peer.kind);
            let name = format!("{ours} / {peer}, {of_each} to {of_each}, {place}");
            bench.report.row(&name, &these, Some(&those), *target);
        }
    }
    Ok(())
}
