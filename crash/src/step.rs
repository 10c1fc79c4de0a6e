//! A process under ptrace: brought to a point of an operation, and stopped there.

use crate::channel::Process;
use crate::watch::Watch;
use std::collections::{HashMap, HashSet};
use std::mem::offset_of;
use std::time::Duration;

/// How often a process has to be seen asleep in a system call before it counts as such.
const LOOKS: u32 = 5;
/// So long between two looks.
const LOOK: Duration = Duration::from_micros(100);

/// A point of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// After so many instructions.
    Instruction(u64),
    /// After so many system calls, and so many changes of the segment after those.
    Event { calls: u64, changes: u64 },
    /// Asleep in the system call after so many.
    Asleep { calls: u64 },
    /// After it has returned.
    End,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instruction(count) => write!(f, "{count}"),
            Self::Event { calls, changes } => write!(f, "{calls}+{changes}"),
            Self::Asleep { calls } => write!(f, "{calls}z"),
            Self::End => write!(f, "end"),
        }
    }
}

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| -> Result<u64, String> {
            text.parse()
                .map_err(|_| format!("\"{text}\" is no number of a point"))
        };
        if text == "end" {
            return Ok(Self::End);
        }
        if let Some((calls, changes)) = text.split_once('+') {
            let (calls, changes) = (number(calls)?, number(changes)?);
            return Ok(Self::Event { calls, changes });
        }
        if let Some(calls) = text.strip_suffix('z') {
            let calls = number(calls)?;
            return Ok(Self::Asleep { calls });
        }
        Ok(Self::Instruction(number(text)?))
    }
}

/// Where a process has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// Stopped in the operation.
    Inside,
    /// Stopped, the operation has returned.
    End,
    /// Still running: asleep in a system call.
    Asleep,
}

fn ptrace(request: libc::c_uint, pid: libc::pid_t, data: usize) -> libc::c_long {
    let (null, data) = (
        std::ptr::null_mut::<libc::c_void>(),
        data as *mut libc::c_void,
    );
    // SAFETY: our own child, stopped.
    unsafe { libc::ptrace(request, pid, null, data) }
}

/// Keeps this process, and those it forks, on one core: a step then costs a context switch
/// instead of a wake-up across cores.
pub fn pin(core: usize) {
    // SAFETY: a valid set for this thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// Waits for the stop before the watched call.
pub fn await_start(process: &mut Process) {
    let status = process.wait(0).expect("a traced process");
    assert!(
        libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGTRAP,
        "not stopped before the call: {status:#x}"
    );
    let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
    ptrace(libc::PTRACE_SETOPTIONS, process.pid, options as usize);
}

/// Lets it go on, untraced.
pub fn release(process: &Process) {
    ptrace(libc::PTRACE_DETACH, process.pid, 0);
    // One who was stopped in its sleep may have woken up by itself before the signal came.
    process.signal(libc::SIGCONT);
}

/// Stops a process that is asleep in a system call.
pub fn stop_sleeper(process: &mut Process) {
    process.signal(libc::SIGSTOP);
    process.wait(0);
    // It may have been on its way to a breakpoint.
    set_debug_register(process, 7, 0);
}

fn resume(process: &mut Process, request: libc::c_uint) {
    assert_eq!(ptrace(request, process.pid, 0), 0, "let a victim go on");
}

fn check(status: libc::c_int) {
    assert!(
        libc::WIFSTOPPED(status) && matches!(libc::WSTOPSIG(status) & 0x7f, libc::SIGTRAP),
        "a victim came to harm by itself: {status:#x}"
    );
}

/// Executes one instruction.
pub fn step(process: &mut Process) {
    resume(process, libc::PTRACE_SINGLESTEP);
    check(process.wait(0).expect("a traced process"));
}

/// Has the end of a stop or a process wait to be asked for, so that it can be waited for with a limit.
pub fn hold_back_news() {
    mask_news(libc::SIG_BLOCK);
}

/// The opposite, for a process that inherited it.
pub fn let_news_come() {
    mask_news(libc::SIG_UNBLOCK);
}

fn news() -> libc::sigset_t {
    // SAFETY: a set of our own.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        set
    }
}

fn mask_news(how: libc::c_int) {
    // SAFETY: a valid set.
    unsafe { libc::sigprocmask(how, &news(), std::ptr::null_mut()) };
}

/// Lets it run until it stops again; whether it does, or falls asleep.
fn run_or_sleep(process: &mut Process, request: libc::c_uint) -> bool {
    resume(process, request);
    let limit = libc::timespec {
        tv_sec: 0,
        tv_nsec: libc::c_long::from(LOOK.subsec_nanos()),
    };
    let mut seen_asleep = 0;
    while seen_asleep < LOOKS {
        if let Some(status) = process.wait(libc::WNOHANG) {
            check(status);
            return true;
        }
        // SAFETY: a valid set, and nothing to be told but that there is news.
        if unsafe { libc::sigtimedwait(&news(), std::ptr::null_mut(), &limit) } < 0 {
            seen_asleep = if process.is_asleep() {
                seen_asleep + 1
            } else {
                0
            };
        }
    }
    false
}

/// The address of its next instruction.
fn next_address(process: &Process) -> u64 {
    let rip = offset_of!(libc::user, regs) + offset_of!(libc::user_regs_struct, rip);
    let null = std::ptr::null_mut::<libc::c_void>();
    let at = rip as *mut libc::c_void;
    // SAFETY: our own child, stopped.
    unsafe { libc::ptrace(libc::PTRACE_PEEKUSER, process.pid, at, null) as u64 }
}

fn set_debug_register(process: &Process, index: usize, value: u64) {
    let at = offset_of!(libc::user, u_debugreg) + index * size_of::<u64>();
    let (at, value) = (at as *mut libc::c_void, value as *mut libc::c_void);
    // SAFETY: our own child, stopped.
    let set = unsafe { libc::ptrace(libc::PTRACE_POKEUSER, process.pid, at, value) };
    assert_eq!(set, 0, "set debug register {index}");
}

/// Runs it at full speed up to the first execution of an address, or to the end of its operation.
fn run_to(process: &mut Process, address: u64) -> Reached {
    // The processor's own breakpoints, so that not a byte of the victim changes: 0 before the
    // instruction, 1 after a store of four bytes to the mark of the end.
    const CONTROL: u64 = 1 | 1 << 2 | 0b1101 << 20;
    set_debug_register(process, 0, address);
    set_debug_register(process, 1, process.end_mark());
    set_debug_register(process, 7, CONTROL);
    if !run_or_sleep(process, libc::PTRACE_CONT) {
        return Reached::Asleep;
    }
    set_debug_register(process, 7, 0);
    if process.has_ended() {
        Reached::End
    } else {
        Reached::Inside
    }
}

/// Whether its next instruction is a system call.
fn is_at_call(process: &Process) -> bool {
    const SYSCALL: libc::c_long = 0x050f;
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: all zero is valid; our own child, stopped.
    let word = unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        let into = (&raw mut registers).cast::<libc::c_void>();
        libc::ptrace(libc::PTRACE_GETREGS, process.pid, null, into);
        let next = registers.rip as *mut libc::c_void;
        libc::ptrace(libc::PTRACE_PEEKTEXT, process.pid, next, null)
    };
    word & 0xffff == SYSCALL
}

/// Runs it to the end of so many system calls, at full speed.
fn run_calls(process: &mut Process, calls: u64) -> Reached {
    for _ in 0..2 * calls {
        if !run_or_sleep(process, libc::PTRACE_SYSCALL) {
            return Reached::Asleep;
        }
        if process.has_ended() {
            return Reached::End;
        }
    }
    Reached::Inside
}

/// Steps so many instructions on.
fn steps(process: &mut Process, count: u64) -> Reached {
    for _ in 0..count {
        step(process);
        if process.has_ended() {
            return Reached::End;
        }
    }
    Reached::Inside
}

/// Brings it from the start of its operation to a point, step by step.
pub fn reach(process: &mut Process, at: At, watch: &mut Watch) -> Reached {
    match at {
        At::Instruction(count) => steps(process, count),
        At::Event { calls, changes } => {
            match run_calls(process, calls) {
                Reached::Inside => {}
                other => return other,
            }
            watch.look();
            for _ in 0..changes {
                loop {
                    // Not into another call: then what was asked for does not happen this time.
                    if is_at_call(process) {
                        return Reached::Inside;
                    }
                    step(process);
                    if process.has_ended() {
                        return Reached::End;
                    }
                    if watch.look() {
                        break;
                    }
                }
            }
            Reached::Inside
        }
        At::Asleep { calls } => match run_calls(process, calls) {
            Reached::Inside => {
                run_or_sleep(process, libc::PTRACE_SYSCALL);
                if run_or_sleep(process, libc::PTRACE_SYSCALL) {
                    Reached::Inside
                } else {
                    Reached::Asleep
                }
            }
            other => other,
        },
        At::End => loop {
            step(process);
            if process.has_ended() {
                return Reached::End;
            }
        },
    }
}

/// What a whole operation consists of.
#[derive(Clone, Default, Debug)]
pub struct Survey {
    /// Instructions from the call to its return, or to its first sleep.
    pub instructions: u64,
    /// One point in each class between two changes of the segment or system calls.
    pub events: Vec<At>,
    /// Instructions while the table was locked, while a name was being initialised, and while
    /// the segment was.
    pub critical: [u64; 3],
    /// How many instructions came before each event.
    before: Vec<u64>,
    /// The address of each instruction, and of the one after the last.
    addresses: Vec<u64>,
    /// For each instruction the last one until then that was not executed before.
    landmarks: Vec<usize>,
}

impl Survey {
    fn note_event(&mut self, at: At) {
        self.events.push(at);
        self.before.push(self.instructions);
    }

    /// A point at each instruction. Of one that is executed again and again, to wait or to copy
    /// bytes, the first `most` times, and those when something has just happened.
    pub fn each(&self, most: u32) -> Vec<At> {
        let mut times: HashMap<u64, u32> = HashMap::new();
        let mut points = Vec::new();
        for (at, &address) in self.addresses.iter().enumerate() {
            let times = times.entry(address).or_default();
            *times += 1;
            let last = at + 1 == self.addresses.len();
            if *times <= most || last || self.before.binary_search(&(at as u64)).is_ok() {
                points.push(At::Instruction(at as u64));
            }
        }
        points
    }

    fn find_landmarks(&mut self) {
        let mut seen = HashSet::new();
        let mut last = 0;
        for (index, address) in self.addresses.iter().enumerate() {
            if seen.insert(address) {
                last = index;
            }
            self.landmarks.push(last);
        }
    }

    /// Brings a process to a point as `reach` does, but at full speed to the last landmark. Whether
    /// the instruction there is the one that was seen there.
    pub fn reach(&self, process: &mut Process, at: At, watch: &mut Watch) -> (Reached, bool) {
        let event = || self.events.iter().position(|&event| event == at);
        let count = match at {
            At::Instruction(count) => Some(count),
            At::Event { .. } => event().map(|index| self.before[index]),
            At::Asleep { .. } | At::End => None,
        };
        let count = count.map(|count| count as usize);
        let Some(count) = count.filter(|&count| count < self.addresses.len()) else {
            return (reach(process, at, watch), true);
        };
        let landmark = self.landmarks[count];
        let mut reached = Reached::Inside;
        if landmark > 0 {
            reached = run_to(process, self.addresses[landmark]);
        }
        if reached == Reached::Inside {
            reached = steps(process, (count - landmark) as u64);
        }
        let last = count + 1 == self.addresses.len();
        let expected = match reached {
            Reached::Inside => next_address(process) == self.addresses[count],
            Reached::End => last,
            Reached::Asleep => false,
        };
        (reached, expected)
    }
}

/// Steps through a whole operation.
pub fn survey(process: &mut Process, watch: &mut Watch, thorough: bool) -> Survey {
    let mut survey = Survey::default();
    let (mut calls, mut changes) = (0, 0);
    if thorough {
        watch.look();
        survey.note_event(At::Event { calls, changes });
    }
    survey.addresses.push(next_address(process));
    while !process.has_ended() {
        if thorough && is_at_call(process) {
            if !run_or_sleep(process, libc::PTRACE_SINGLESTEP) {
                survey.events.push(At::Asleep { calls });
                break;
            }
            (calls, changes) = (calls + 1, 0);
            watch.look();
            survey.instructions += 1;
            survey.note_event(At::Event { calls, changes });
        } else {
            step(process);
            survey.instructions += 1;
            if thorough && watch.look() {
                changes += 1;
                survey.note_event(At::Event { calls, changes });
            }
        }
        survey.addresses.push(next_address(process));
        if thorough {
            for (count, holds) in survey.critical.iter_mut().zip(watch.critical()) {
                *count += u64::from(holds);
            }
        }
    }
    survey.find_landmarks();
    survey
}
