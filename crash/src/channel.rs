//! Processes that do what they are told through memory they share with the harness.

use crate::op::{Op, Outcome};
use crate::step;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Most operations in one batch; as in actor/actor.hpp.
pub const MOST_OPS: usize = 192;

const IDLE: u32 = 0;
const WORK: u32 = 1;

/// As in actor/actor.hpp.
#[repr(C)]
struct Channel {
    state: AtomicU32,
    count: u32,
    done: AtomicU32,
    armed: u32,
    ended: AtomicU32,
    open_timeout_ms: u32,
    started: AtomicU32,
    pid: u32,
    cpu_ns: u64,
    longest_ns: u64,
    sleeps: u64,
    name: [u8; 64],
    ops: [Op; MOST_OPS],
    outcomes: [Outcome; MOST_OPS],
}

#[repr(C)]
struct Actor {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn crash_actor(channel: *mut Channel) -> *mut Actor;
    fn crash_run(actor: *mut Actor);
}

/// What a batch cost.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cost {
    /// Processor time.
    pub cpu: Duration,
    /// The longest operation, by the clock on the wall.
    pub longest: Duration,
    /// How often it slept.
    pub sleeps: u64,
}

/// A process that does what it is told. Killed and reaped when dropped.
pub struct Process {
    pub pid: libc::pid_t,
    channel: *mut Channel,
    pub reaped: bool,
    /// The channel belongs to a `Spare`.
    lent: bool,
}

/// A channel for a process that one of those is going to fork: made before that one is.
pub struct Spare(*mut Channel);

impl Spare {
    pub fn new() -> Self {
        Self(map_channel())
    }

    /// What the process is told that forks.
    pub fn address(&self) -> u64 {
        self.0 as u64
    }

    /// Makes it ready for the next process.
    pub fn reset(&self) {
        // SAFETY: nobody uses it any more.
        unsafe { self.0.write_bytes(0, 1) };
    }

    /// The process that was forked, from now on traced.
    pub fn process(&self) -> Process {
        // SAFETY: written before the batch in which it was forked ended.
        let pid = unsafe { (*self.0).pid } as libc::pid_t;
        let null = std::ptr::null_mut::<libc::c_void>();
        let options = libc::PTRACE_O_EXITKILL as *mut libc::c_void;
        // SAFETY: a child's child.
        let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, null, options) };
        assert_eq!(seized, 0, "trace process {pid}");
        Process {
            pid,
            channel: self.0,
            reaped: false,
            lent: true,
        }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and used by nobody any more.
        unsafe { libc::munmap(self.0.cast(), size_of::<Channel>()) };
    }
}

fn map_channel() -> *mut Channel {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let size = size_of::<Channel>();
    // SAFETY: a new anonymous mapping.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED, "no memory for a channel");
    memory.cast()
}

fn futex(word: &AtomicU32, operation: libc::c_int, value: u32, timeout: Option<Duration>) {
    let time = timeout.map(|limit| libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos()),
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: a valid word and a valid timeout.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, time) };
}

impl Process {
    /// Forks a process that waits for work; one to be traced if `traced`. The caller has never
    /// used the library itself, so that the process comes to it as one that was just started.
    pub fn start(name: &str, traced: bool) -> Self {
        let channel = map_channel();
        // SAFETY: the process has one thread, and the child only works and exits.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => work(channel, traced),
            _ => {}
        }
        let process = Self {
            pid,
            channel,
            reaped: false,
            lent: false,
        };
        process.set_name(name);
        process
    }

    pub fn set_name(&self, name: &str) {
        assert!(name.len() < 64);
        // SAFETY: the process is idle.
        let channel = unsafe { &mut *self.channel };
        channel.name = [0; 64];
        channel.name[..name.len()].copy_from_slice(name.as_bytes());
    }

    pub fn set_open_timeout(&self, limit: Duration) {
        // SAFETY: the process is idle.
        unsafe { (*self.channel).open_timeout_ms = limit.as_millis() as u32 };
    }

    fn state(&self) -> &AtomicU32 {
        // SAFETY: mapped while `self` lives.
        unsafe { &(*self.channel).state }
    }

    /// Has it do something; `armed`: stopped before the watched call of the first operation.
    pub fn begin(&self, ops: &[Op], armed: bool) {
        assert!(ops.len() <= MOST_OPS, "a batch of {} operations", ops.len());
        assert_eq!(self.state().load(Ordering::Acquire), IDLE, "a busy process");
        // SAFETY: the process is idle.
        let channel = unsafe { &mut *self.channel };
        channel.ops[..ops.len()].copy_from_slice(ops);
        channel.count = ops.len() as u32;
        channel.done.store(0, Ordering::Relaxed);
        channel.ended.store(0, Ordering::Relaxed);
        channel.started.store(0, Ordering::Relaxed);
        channel.armed = u32::from(armed);
        channel.state.store(WORK, Ordering::Release);
        futex(&channel.state, libc::FUTEX_WAKE, 1, None);
    }

    /// Waits for the end of what was begun. An error tells how many operations were done when
    /// the time was over.
    pub fn finish(&self, limit: Duration) -> Result<(Vec<Outcome>, Cost), u32> {
        let start = Instant::now();
        while self.state().load(Ordering::Acquire) != IDLE {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(self.done());
            }
            futex(self.state(), libc::FUTEX_WAIT, WORK, Some(left));
        }
        // SAFETY: the process is idle.
        let channel = unsafe { &*self.channel };
        let cost = Cost {
            cpu: Duration::from_nanos(channel.cpu_ns),
            longest: Duration::from_nanos(channel.longest_ns),
            sleeps: channel.sleeps,
        };
        Ok((channel.outcomes[..channel.count as usize].to_vec(), cost))
    }

    pub fn is_idle(&self) -> bool {
        self.state().load(Ordering::Acquire) == IDLE
    }

    /// Whether it is asleep in an operation, by what /proc says.
    pub fn is_asleep(&self) -> bool {
        // SAFETY: mapped while `self` lives.
        let started = unsafe { (*self.channel).started.load(Ordering::Acquire) != 0 };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
        let stat = stat.unwrap_or_default();
        let sleeps = stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('S'));
        started && sleeps && !self.is_idle()
    }

    /// Operations done of what was begun.
    pub fn done(&self) -> u32 {
        // SAFETY: mapped while `self` lives.
        unsafe { (*self.channel).done.load(Ordering::Acquire) }
    }

    /// Whether the watched call has returned.
    pub fn has_ended(&self) -> bool {
        // SAFETY: mapped while `self` lives.
        unsafe { (*self.channel).ended.load(Ordering::Acquire) != 0 }
    }

    /// The address of what is stored to when the watched call has returned; the same in the process.
    pub fn end_mark(&self) -> u64 {
        // SAFETY: mapped while `self` lives.
        unsafe { (&raw const (*self.channel).ended) as u64 }
    }

    /// Waits for a change of its state; the raw status.
    pub fn wait(&mut self, options: libc::c_int) -> Option<libc::c_int> {
        let mut status = 0;
        // SAFETY: our own child.
        let got = unsafe { libc::waitpid(self.pid, &mut status, options | libc::__WALL) };
        if got != self.pid {
            return None;
        }
        self.reaped |= libc::WIFEXITED(status) || libc::WIFSIGNALED(status);
        Some(status)
    }

    pub fn signal(&self, signal: libc::c_int) {
        if !self.reaped {
            // SAFETY: our own child, not reaped yet.
            unsafe { libc::kill(self.pid, signal) };
        }
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        while !self.reaped {
            if self.wait(0).is_none() {
                break;
            }
        }
        // One that was forked by another process, and is not traced any more: that one reaps it.
        // SAFETY: no signal is sent.
        while self.lent && !self.reaped && unsafe { libc::kill(self.pid, 0) } == 0 {
            std::thread::sleep(Duration::from_micros(50));
        }
        self.reaped = true;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if !self.lent {
            // SAFETY: mapped by `start`, and used by nobody any more.
            unsafe { libc::munmap(self.channel.cast(), size_of::<Channel>()) };
        }
    }
}

/// The life of such a process.
fn work(channel: *mut Channel, traced: bool) -> ! {
    step::let_news_come();
    // SAFETY: a new process with one thread; the channel is mapped.
    unsafe {
        if traced {
            let null = std::ptr::null_mut::<libc::c_void>();
            libc::ptrace(libc::PTRACE_TRACEME, 0, null, null);
        }
        crash_serve(crash_actor(channel), channel)
    }
}

/// Does what it is told, until it is killed, or who forked it ends.
#[unsafe(no_mangle)]
unsafe extern "C" fn crash_serve(actor: *mut Actor, channel: *mut Channel) -> ! {
    // SAFETY: the caller's actor and channel are there as long as the process.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let state = &(*channel).state;
        loop {
            while state.load(Ordering::Acquire) != WORK {
                futex(state, libc::FUTEX_WAIT, IDLE, None);
            }
            crash_run(actor);
            state.store(IDLE, Ordering::Release);
            futex(state, libc::FUTEX_WAKE, 1, None);
        }
    }
}
