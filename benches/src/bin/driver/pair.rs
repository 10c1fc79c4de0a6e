//! A push and a pop by one thread, beside a bare compare-and-swap.

use crate::Bench;
use crate::program::Program;
use crate::report::Target::{self, AtMost};

const OURS: [&str; 13] = [
    "floor",
    "floor-loads",
    "floor-parts",
    "queue",
    "queue-optional",
    "queue-inline",
    "queue-call",
    "boost-queue",
    "spsc",
    "spsc-optional",
    "spsc-inline",
    "spsc-call",
    "boost-spsc",
];
const PEERS: [&str; 2] = ["array-queue", "rtrb"];

/// What is compared with what, and what the ratio should be.
const ROWS: [(&str, &str, Target); 22] = [
    ("queue", "cas", AtMost(2.5)),
    ("queue", "boost-queue", AtMost(0.55)),
    ("queue", "array-queue", AtMost(1.0)),
    ("queue", "stored-cas", Target::None),
    ("queue", "floor-loads", Target::None),
    ("stored-cas", "cas", Target::None),
    ("floor", "cas", Target::None),
    ("floor-loads", "cas", Target::None),
    ("floor-loads", "array-queue", Target::None),
    ("floor-parts", "cas", Target::None),
    ("floor-parts", "array-queue", Target::None),
    ("queue-optional", "cas", Target::None),
    ("queue-inline", "cas", Target::None),
    ("queue-call", "cas", Target::None),
    ("boost-queue", "cas", Target::None),
    ("array-queue", "peer-cas", Target::None),
    ("spsc", "boost-spsc", AtMost(2.2)),
    ("spsc", "rtrb", Target::None),
    ("spsc-optional", "boost-spsc", Target::None),
    ("spsc-inline", "boost-spsc", Target::None),
    ("spsc-call", "boost-spsc", Target::None),
    ("rtrb", "peer-cas", Target::None),
];

/// The figures of all contenders, by name.
#[derive(Default)]
pub struct Figures(Vec<(&'static str, Vec<f64>)>);

impl Figures {
    /// A figure of one round.
    pub fn add(&mut self, name: &'static str, figure: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, figures)) => figures.push(figure),
            None => self.0.push((name, vec![figure])),
        }
    }

    /// All of one contender.
    pub fn of(&self, name: &str) -> &[f64] {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or(&[], |(_, figures)| figures)
    }
}

/// Nanoseconds of a push and a pop.
pub fn pair(program: &mut Program, kind: &str, size: u32, count: u64) -> Result<f64, String> {
    program.ask(&format!("open {kind} {size}"))?;
    let figure = program.undisturbed_ns(&format!("pair {count}"))?;
    program.ask("close")?;
    Ok(figure)
}

pub fn run(bench: &mut Bench) -> Result<(), String> {
    for ours in 0..bench.ours.len() {
        for &size in bench.extent.sizes {
            compare(bench, ours, size)?;
        }
    }
    Ok(())
}

fn compare(bench: &mut Bench, ours: usize, size: u32) -> Result<(), String> {
    let (count, rounds) = (bench.extent.pairs, bench.extent.rounds);
    let compiler = bench.ours[ours].compiler.clone();
    let mut figures = Figures::default();
    for _ in 0..rounds {
        let (ours, peers) = (&mut bench.ours[ours], &mut bench.peers);
        ours.renew()?;
        peers.renew()?;
        figures.add("cas", ours.undisturbed_ns(&format!("cas {count}"))?);
        let stored = ours.undisturbed_ns(&format!("stored-cas {count}"))?;
        figures.add("stored-cas", 2.0 * stored);
        for kind in OURS {
            figures.add(kind, pair(ours, kind, size, count)?);
        }
        figures.add("peer-cas", peers.undisturbed_ns(&format!("cas {count}"))?);
        for kind in PEERS {
            figures.add(kind, pair(peers, kind, size, count)?);
        }
    }
    bench.report.section(
        &format!("A push and a pop by one thread, {size} bytes, {compiler}"),
        "Nanoseconds for both. `cas` is a compare-and-swap that succeeds, on a line of its own; \
         `peer-cas` the same in the Rust program; `stored-cas` two of them, each after one plain \
         store to another line, as no queue can do without. `queue` and `spsc` are shm_queue and \
         shm_spsc_queue through the C++ wrapper, with an element to fill or, `optional`, one \
         returned; `inline` is shmds_inline.h; `call` the functions of the shared library. `floor` \
         copies the payload, makes the two compare-and-swaps, and stores what shm_queue stores; \
         `floor-loads` also loads the hint and the ring word first, as whoever is not alone must; \
         `floor-parts` instead loads where the parts are and how large, which `floor` knows, and \
         checks what others could have damaged: all of `queue`, but for finding the thread's lane, \
         and noticing others.",
    );
    for (what, beside, target) in ROWS {
        let name = format!("{what} / {beside}");
        let peer = Some(figures.of(beside));
        bench.report.row(&name, figures.of(what), peer, target);
    }
    Ok(())
}
