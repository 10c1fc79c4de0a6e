//! Many processes that do everything at once, killed and stopped at random; then the whole
//! history is checked.

use crate::channel::Process;
use crate::history::{Life, Record, Rest, violations};
use crate::jobs;
use crate::op::{Code, EMPTY, OK, Op, Outcome};
use crate::rig::remove;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Processes at a time.
    #[arg(long, default_value_t = 8)]
    processes: usize,
    /// Where choices begin; the same choices do not make the same history.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Operations that one process writes down.
const CAPACITY: usize = 8_000;
/// Then everybody ends, and what happened is checked.
const ROUND: Duration = Duration::from_millis(700);
/// Whoever takes longer to end hangs.
const HANG: Duration = Duration::from_secs(20);

/// As in actor/campaign.cpp.
#[repr(C)]
struct Log {
    count: AtomicU64,
    capacity: u64,
    stop: AtomicU32,
    serial: u32,
    name: [u8; 64],
    records: [Record; CAPACITY],
}

unsafe extern "C" {
    fn crash_campaign(log: *mut Log);
}

/// A process of the campaign, and what it writes down.
struct Worker {
    pid: libc::pid_t,
    log: *mut Log,
    stopped: bool,
}

impl Worker {
    fn log_memory() -> *mut Log {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let size = size_of::<Log>();
        // SAFETY: a new anonymous mapping, kept to the end of the process.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
        assert_ne!(memory, libc::MAP_FAILED, "no memory for a log");
        memory.cast()
    }

    fn start(log: *mut Log, name: &str, serial: u32) -> Self {
        // SAFETY: nobody else uses the log now.
        unsafe {
            (*log).count.store(0, Ordering::Relaxed);
            (*log).capacity = CAPACITY as u64;
            (*log).stop.store(0, Ordering::Relaxed);
            (*log).serial = serial;
            (*log).name = [0; 64];
            (&mut (*log).name)[..name.len()].copy_from_slice(name.as_bytes());
        }
        // SAFETY: the process has one thread, and the child only works and exits.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            // SAFETY: the log is mapped.
            0 => unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                crash_campaign(log);
                libc::_exit(0)
            },
            pid => Self {
                pid,
                log,
                stopped: false,
            },
        }
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: our own child, not reaped.
        unsafe { libc::kill(self.pid, signal) };
    }

    /// Its end: whether it came by itself, or was a kill.
    fn reap(&self, limit: Duration) -> Option<libc::c_int> {
        let start = Instant::now();
        let mut status = 0;
        // SAFETY: our own child.
        while unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) } != self.pid {
            if start.elapsed() > limit {
                return None;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Some(status)
    }

    /// What it wrote down, once it has ended.
    fn life(&self) -> Life {
        // SAFETY: nobody writes there any more.
        let log = unsafe { &*self.log };
        let count = log.count.load(Ordering::Acquire) as usize;
        let records = log.records[..count.min(CAPACITY)].to_vec();
        Life { records }
    }
}

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % limit
    }
}

/// What a campaign came to.
#[derive(Default)]
struct Sum {
    rounds: u64,
    operations: u64,
    kills: u64,
    stops: u64,
    violations: u64,
}

/// Runs a campaign; whether nothing was violated.
pub fn run(options: &Options) -> bool {
    let name = jobs::segment_name(0);
    jobs::clean_up_on_signals();
    let logs: Vec<*mut Log> = (0..options.processes)
        .map(|_| Worker::log_memory())
        .collect();
    let mut random = Random(options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut sum = Sum::default();
    let mut serial = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(options.seconds) && sum.violations == 0 {
        remove(&name);
        match round(&name, &logs, &mut random, &mut serial, &mut sum) {
            Ok((lives, rest)) => {
                sum.rounds += 1;
                sum.operations += lives
                    .iter()
                    .map(|life| life.records.len() as u64)
                    .sum::<u64>();
                for violation in violations(&lives, &rest) {
                    sum.violations += 1;
                    println!(
                        "VIOLATION in round {} of seed {}: {violation}",
                        sum.rounds, options.seed
                    );
                }
            }
            Err(why) => {
                sum.violations += 1;
                println!(
                    "VIOLATION in round {} of seed {}: {why}",
                    sum.rounds, options.seed
                );
            }
        }
    }
    remove(&name);
    println!(
        "{} s, {} processes at a time, {} rounds, {} operations, {} kills, {} stops, {} violations",
        start.elapsed().as_secs(),
        options.processes,
        sum.rounds,
        sum.operations,
        sum.kills,
        sum.stops,
        sum.violations
    );
    sum.violations == 0
}

fn round(
    name: &str,
    logs: &[*mut Log],
    random: &mut Random,
    serial: &mut u32,
    sum: &mut Sum,
) -> Result<(Vec<Life>, Rest), String> {
    let mut lives = Vec::new();
    let mut begin = |log: *mut Log| {
        *serial += 1;
        Worker::start(log, name, *serial)
    };
    let mut workers: Vec<Worker> = logs.iter().map(|&log| begin(log)).collect();
    let start = Instant::now();
    while start.elapsed() < ROUND {
        std::thread::sleep(Duration::from_micros(200 + random.below(3000)));
        let worker = &mut workers[random.below(logs.len() as u64) as usize];
        match random.below(4) {
            // A stopped one may be killed as well.
            0 | 1 => {
                worker.signal(libc::SIGKILL);
                let status = worker.reap(HANG).ok_or("a killed process does not end")?;
                if !libc::WIFSIGNALED(status) || libc::WTERMSIG(status) != libc::SIGKILL {
                    return Err(format!("a process came to harm by itself: {status:#x}"));
                }
                sum.kills += 1;
                lives.push(worker.life());
                *worker = begin(worker.log);
            }
            _ if worker.stopped => {
                worker.signal(libc::SIGCONT);
                worker.stopped = false;
            }
            _ => {
                worker.signal(libc::SIGSTOP);
                worker.stopped = true;
                sum.stops += 1;
            }
        }
    }
    let mut trouble = None;
    for worker in &workers {
        // SAFETY: the log is mapped.
        unsafe { (*worker.log).stop.store(1, Ordering::Relaxed) };
        worker.signal(libc::SIGCONT);
    }
    for worker in &workers {
        match worker.reap(HANG) {
            Some(0) => {}
            Some(status) => {
                trouble = Some(format!("a process came to harm by itself: {status:#x}"))
            }
            None => {
                worker.signal(libc::SIGKILL);
                worker.reap(HANG);
                let life = worker.life();
                trouble = Some(format!("a process hangs in {:?}", life.records.last()));
            }
        }
        lives.push(worker.life());
    }
    match trouble {
        Some(trouble) => Err(trouble),
        None => Ok((lives, take_stock(name)?)),
    }
}

/// Does operations in a new process.
fn ask(process: &Process, ops: &[Op]) -> Result<Vec<Outcome>, String> {
    process.begin(ops, false);
    let (outcomes, _) = process
        .finish(HANG)
        .map_err(|done| format!("after the round, {:?} hangs", ops[done as usize].code))?;
    Ok(outcomes)
}

/// Empties something, one element at a time.
fn drain(process: &Process, code: Code) -> Result<Vec<u64>, String> {
    let mut values = Vec::new();
    loop {
        let outcome = ask(process, &[Op::new(code, 0, 0)])?[0];
        match outcome.status {
            OK => values.push(outcome.values[0]),
            EMPTY => return Ok(values),
            _ => return Err(format!("after the round, {code:?}: {outcome}")),
        }
    }
}

/// Looks what is left once everybody has gone, and whether everything can be had again.
fn take_stock(name: &str) -> Result<Rest, String> {
    let auditor = Process::start(name, false);
    auditor.set_open_timeout(Duration::from_secs(5));
    let op = Op::new;
    let opened = ask(
        &auditor,
        &[
            op(Code::SegmentOpen, 0, 0),
            op(Code::QueueOpenOrCreate, 16, 24),
            op(Code::SpscOpenOrCreate, 16, 24),
            op(Code::RingOpenOrCreate, 16, 24),
            op(Code::PoolOpenOrCreate, 64, 64),
            op(Code::AtomicOpenOrCreate, 0, 0),
        ],
    )?;
    if let Some(failed) = opened.iter().find(|outcome| outcome.status != OK) {
        return Err(format!("after the round, opening: {failed}"));
    }
    let rest = Rest {
        queue: drain(&auditor, Code::Dequeue)?,
        spsc: drain(&auditor, Code::Pop)?,
        ring: drain(&auditor, Code::RingPop)?,
        atomic: ask(&auditor, &[op(Code::AtomicLoad, 0, 0)])?[0].values[0],
    };
    // All lanes, through two attachments, for one may not have all; then all is at rest.
    let audit = ask(
        &auditor,
        &[
            op(Code::RefCount, 0, 0),
            op(Code::SegmentOpen, 0, 0).second(),
            op(Code::QueueOpenOrCreate, 16, 24).second(),
            op(Code::QueueLanes, 0, 0),
            op(Code::QueueLanes, 0, 0).second(),
            op(Code::QueueSlots, 0, 0),
            op(Code::Reclaim, 0, 0),
            op(Code::NumAllocated, 0, 0),
        ],
    )?;
    let refs = audit[0].count;
    if refs != 1 {
        return Err(format!(
            "after the round, {refs} attachments are counted; expected 1"
        ));
    }
    if audit[5].values[1] != 0 {
        return Err(format!(
            "after the round, queue slots are lost or doubled: {}",
            audit[5]
        ));
    }
    if audit[7].count != 0 {
        return Err(format!(
            "after reclaiming, {} objects are not free",
            audit[7].count
        ));
    }
    Ok(rest)
}
