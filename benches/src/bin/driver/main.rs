//! Runs the benchmarks: libshmds through its installed headers and shared library, beside Boost,
//! crossbeam and rtrb, in turns, so that a change of the machine's mood meets all of them. A
//! figure is the median over rounds, a ratio the median of the ratios of each round.

mod flow;
mod pair;
mod pool;
mod program;
mod report;
mod ring;
mod stopped;
mod trace;
mod trip;

use clap::Parser;
use program::Program;
use report::Report;
use std::path::PathBuf;

/// What to run, and how often.
#[derive(Parser)]
#[command(about = "Measures libshmds beside its peers")]
struct Options {
    /// A build of the C++ program; the first one is measured in full, others for single threads
    #[arg(long, required = true)]
    ours: Vec<PathBuf>,
    /// The Rust program
    #[arg(long)]
    peers: PathBuf,
    /// A slice of everything, for what must hold on any machine; its figures mean little
    #[arg(long)]
    quick: bool,
    /// Only parts whose name starts like this: pair, flow, ring, stopped, trip, calls, pool
    #[arg(long, default_value = "")]
    only: String,
}

/// How much of everything.
#[derive(Clone, Copy)]
struct Extent {
    /// Rounds of a measurement.
    rounds: usize,
    /// Operations of one thread in a round.
    pairs: u64,
    /// Milliseconds that elements flow in a round.
    flow_ms: u64,
    /// Round trips in a round.
    trips: u64,
    /// Bytes that go through a ring buffer in a turn, in blocks.
    block_bytes: u64,
    /// Operations of others while one is stopped.
    jump: u64,
    /// Bytes of an element.
    sizes: &'static [u32],
}

const FULL: Extent = Extent {
    rounds: 21,
    pairs: 300_000,
    flow_ms: 20,
    trips: 20_000,
    block_bytes: 16 << 20,
    jump: 40_000_000,
    sizes: &[8, 64],
};

const QUICK: Extent = Extent {
    rounds: 1,
    pairs: 20_000,
    flow_ms: 5,
    trips: 200,
    block_bytes: 1 << 20,
    jump: 400_000,
    sizes: &[8],
};

/// The programs, and what is to be done with them.
struct Bench {
    /// The C++ program, by each compiler.
    ours: Vec<Program>,
    peers: Program,
    extent: Extent,
    report: Report,
}

/// The first two processors that we may use; twice the same if there is only one.
fn processors() -> [usize; 2] {
    // SAFETY: all zero is an empty set, and the set is valid for the calls.
    let allowed = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        let all = 0..libc::CPU_SETSIZE as usize;
        all.filter(|&cpu| libc::CPU_ISSET(cpu, &set))
            .collect::<Vec<_>>()
    };
    let first = allowed.first().copied().unwrap_or(0);
    [first, allowed.get(1).copied().unwrap_or(first)]
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "));
    let system = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {processors} processors, Linux {}",
        model.unwrap_or("unknown"),
        system.trim()
    )
}

/// A part of the benchmarks.
type Part = fn(&mut Bench) -> Result<(), String>;

fn run() -> Result<(), String> {
    let options = Options::parse();
    let cpus = processors();
    let start = |path: &PathBuf| Program::start(path, cpus);
    let mut bench = Bench {
        ours: options.ours.iter().map(start).collect::<Result<_, _>>()?,
        peers: start(&options.peers)?,
        extent: if options.quick { QUICK } else { FULL },
        report: Report::new(!options.quick),
    };
    println!(
        "# libshmds beside its peers\n\n{}; on processors {cpus:?}",
        machine()
    );
    for program in bench.ours.iter().chain([&bench.peers]) {
        println!("- {}", program.about);
    }
    let parts: [(&str, Part); 7] = [
        ("pair", pair::run),
        ("flow", flow::run),
        ("ring", ring::run),
        ("stopped", stopped::run),
        ("trip", trip::run),
        ("calls", stopped::count_calls),
        ("pool", pool::run),
    ];
    for (name, part) in parts {
        if name.starts_with(&options.only) {
            part(&mut bench)?;
        }
    }
    let programs = bench.ours.iter().chain([&bench.peers]);
    let quietness = programs.filter_map(Program::quietness).collect::<Vec<_>>();
    if !quietness.is_empty() {
        println!(
            "\n## The processor\n\nWhat one thread does is timed in slices of the same length; those \
             count in which nobody else worked on the other half of its core.\n"
        );
        println!("- {}", quietness.join("\n- "));
    }
    bench.report.end()
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => 0.into(),
        Err(sentence) => {
            eprintln!("bench: {sentence}");
            1.into()
        }
    }
}
