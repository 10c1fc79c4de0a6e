//! The ring buffer: single elements beside Boost's queue, blocks beside `memcpy`, and a producer
//! that overwrites beside readers.

use crate::Bench;
use crate::pair::{Figures, pair};
use crate::report::Target::{self, AtLeast, AtMost};

const KINDS: [&str; 4] = ["ring", "ring-optional", "ring-call", "boost-spsc"];
const BLOCKS: [u64; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
const READERS: [&str; 4] = ["private-paced", "ring-paced", "private-busy", "ring-busy"];
/// Alternating rounds beside readers, at most.
const ROUNDS: usize = 9;

pub fn run(bench: &mut Bench) -> Result<(), String> {
    for ours in 0..bench.ours.len() {
        singles(bench, ours)?;
    }
    blocks(bench)?;
    beside_readers(bench)
}

fn singles(bench: &mut Bench, ours: usize) -> Result<(), String> {
    let (count, rounds) = (bench.extent.pairs, bench.extent.rounds);
    let compiler = bench.ours[ours].compiler.clone();
    for &size in bench.extent.sizes {
        let mut figures = Figures::default();
        for _ in 0..rounds {
            for kind in KINDS {
                let figure = pair(&mut bench.ours[ours], kind, size, count)?;
                figures.add(kind, figure);
            }
        }
        bench.report.section(
            &format!("Ring buffer: a push and a pop by one thread, {size} bytes, {compiler}"),
            "Nanoseconds for both. `ring` is shm_ring_buffer through the C++ wrapper, with an element \
             to fill or, `optional`, one returned; `call` the functions of the shared library.",
        );
        let boost = Some(figures.of("boost-spsc"));
        for kind in &KINDS[..3] {
            let target = match *kind {
                "ring" => AtMost(3.0),
                _ => Target::None,
            };
            let name = format!("{kind} / boost-spsc");
            bench.report.row(&name, figures.of(kind), boost, target);
        }
    }
    Ok(())
}

fn blocks(bench: &mut Bench) -> Result<(), String> {
    let (rounds, bytes) = (bench.extent.rounds, bench.extent.block_bytes);
    let mut figures = BLOCKS.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..rounds {
        for (block, (ring, memcpy)) in BLOCKS.iter().zip(&mut figures) {
            let answer = bench.ours[0].ask(&format!("blocks {block} {bytes}"))?;
            // Bytes in and out, per nanosecond.
            let speed = |ns: f64| 2.0 * *block as f64 / ns;
            ring.push(speed(answer.get("ring_ns")?));
            memcpy.push(speed(answer.get("memcpy_ns")?));
        }
    }
    bench.report.section(
        "Ring buffer: push_bulk and pop_bulk of a block",
        "Gigabytes per second, in and out together, of 8-byte elements, through a ring of eight blocks \
         and a little; beside two `memcpy` of the block, to memory of that size and back.",
    );
    for (block, (ring, memcpy)) in BLOCKS.iter().zip(&figures) {
        let name = format!("blocks of {} KiB / memcpy", block >> 10);
        bench.report.row(&name, ring, Some(memcpy), AtLeast(0.85));
    }
    Ok(())
}

fn beside_readers(bench: &mut Bench) -> Result<(), String> {
    let rounds = ROUNDS.min(bench.extent.rounds);
    let milliseconds = 5 * bench.extent.flow_ms;
    for &size in bench.extent.sizes {
        let mut written = READERS.map(|_| Vec::new());
        let mut reads = READERS.map(|_| Vec::new());
        for _ in 0..rounds {
            for (index, reader) in READERS.iter().enumerate() {
                let command = format!("overwrite {reader} {size} {milliseconds}");
                let answer = bench.ours[0].ask(&command)?;
                written[index].push(answer.get("per_us")?);
                reads[index].push(answer.get("reads_per_us")?);
            }
        }
        bench.report.section(
            &format!("Ring buffer: a producer that overwrites beside a reader, {size} bytes"),
            "Elements written per microsecond, capacity 1024, the reader in a process on the \
             other processor; it reads the newest 100 and looks at each. `private` copies as much \
             of its own memory. `paced` reads 20,000 times a second, `busy` without a pause.",
        );
        let [private_paced, ring_paced, private_busy, ring_busy] = &written;
        let report = &mut bench.report;
        let peer = Some(&private_paced[..]);
        report.row(
            "ring-paced / private-paced",
            ring_paced,
            peer,
            AtLeast(0.95),
        );
        let peer = Some(&private_busy[..]);
        report.row("ring-busy / private-busy", ring_busy, peer, Target::None);
        report.row("reads per us, ring-paced", &reads[1], None, Target::None);
        report.row("reads per us, ring-busy", &reads[3], None, Target::None);
    }
    Ok(())
}
