//! Runs a process one instruction at a time, and leaves it dead or stopped
//! wherever it is wanted.

use super::Child;

/// A process that stands still before its next instruction.
pub struct Stepped {
    child: Child,
    /// Instructions executed since the start of the work.
    pub steps: u64,
}

fn ptrace(request: libc::c_uint, pid: libc::pid_t) -> libc::c_long {
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: our own child, stopped.
    unsafe { libc::ptrace(request, pid, null, null) }
}

/// Keeps this process, and those it forks, on the core it runs on: a step then
/// costs a context switch instead of a wake-up across cores.
pub fn pin_to_one_core() {
    // SAFETY: a valid set for this thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

impl Stepped {
    /// Forks a process and stops it right before `work`. `prepare` runs there at full speed.
    pub fn new<T>(prepare: impl FnOnce() -> T, work: impl FnOnce(T)) -> Self {
        let child = super::fork(|| {
            let prepared = prepare();
            assert_eq!(ptrace(libc::PTRACE_TRACEME, 0), 0, "be traced");
            // SAFETY: stops this process until the tracer lets it go on.
            unsafe { libc::raise(libc::SIGSTOP) };
            work(prepared);
            // SAFETY: ends the process without running the parent's exit handlers.
            unsafe { libc::_exit(0) }
        });
        let status = child.wait_status(0);
        assert!(libc::WIFSTOPPED(status), "not traced: {status:#x}");
        // The tracee must not outlive a failing test.
        // SAFETY: our own child, stopped.
        unsafe {
            let options = libc::PTRACE_O_EXITKILL as usize as *mut libc::c_void;
            libc::ptrace(
                libc::PTRACE_SETOPTIONS,
                child.pid,
                std::ptr::null_mut::<libc::c_void>(),
                options,
            );
        }
        Self { child, steps: 0 }
    }

    /// Executes one instruction; false when the process has ended.
    pub fn step(&mut self) -> bool {
        assert_eq!(ptrace(libc::PTRACE_SINGLESTEP, self.child.pid), 0, "step");
        let status = self.child.wait_status(0);
        if libc::WIFEXITED(status) {
            assert_eq!(libc::WEXITSTATUS(status), 0, "the victim failed");
            self.child.reaped = true;
            return false;
        }
        assert!(libc::WIFSTOPPED(status), "the victim ended: {status:#x}");
        self.steps += 1;
        true
    }

    /// Whether its next instruction is a system call.
    pub fn is_at_system_call(&self) -> bool {
        const SYSCALL: libc::c_long = 0x050f;
        let null = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: all zero is valid; our own child, stopped.
        let word = unsafe {
            let mut registers: libc::user_regs_struct = std::mem::zeroed();
            let into = (&raw mut registers).cast::<libc::c_void>();
            libc::ptrace(libc::PTRACE_GETREGS, self.child.pid, null, into);
            let next = registers.rip as *mut libc::c_void;
            libc::ptrace(libc::PTRACE_PEEKTEXT, self.child.pid, next, null)
        };
        word & 0xffff == SYSCALL
    }

    /// Executes up to `count` instructions; false when the process has ended.
    pub fn step_to(&mut self, count: u64) -> bool {
        while self.steps < count {
            if !self.step() {
                return false;
            }
        }
        true
    }

    /// Kills it where it stands.
    pub fn kill(self) {
        self.child.kill();
    }

    /// Lets it run on, untraced.
    pub fn resume(self) -> Child {
        assert_eq!(ptrace(libc::PTRACE_DETACH, self.child.pid), 0, "detach");
        self.child
    }
}

/// The instruction counts at which `state` differs from one instruction before:
/// one for each store to what is watched. Between two of them a kill leaves the same.
pub fn points_of_change(mut victim: Stepped, mut state: impl FnMut() -> u64) -> Vec<u64> {
    let mut points = vec![0];
    let mut before = state();
    while victim.step() {
        let now = state();
        if now != before {
            points.push(victim.steps);
            before = now;
        }
    }
    points
}
