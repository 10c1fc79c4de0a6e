//! Other processes, stepped through an operation, or with their system calls counted (ptrace).

use std::io;
use std::ptr::null_mut;

/// Where to leave a process that is about to do one operation.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// Before its first locked instruction, the compare-and-swap that everything hangs on.
    Before,
    /// After it.
    After,
}

/// No operation takes more instructions.
const MOST_STEPS: usize = 100_000;

/// A process that we trace, and leave as it is when dropped.
struct Traced(libc::pid_t);

fn failed(what: &str) -> String {
    format!("{what}: {}", io::Error::last_os_error())
}

impl Traced {
    fn attach(pid: libc::pid_t) -> Result<Self, String> {
        // SAFETY: ptrace on another process does nothing to our memory.
        if unsafe { libc::ptrace(libc::PTRACE_ATTACH, pid, null_mut::<u8>(), null_mut::<u8>()) }
            != 0
        {
            return Err(failed("cannot trace a participant"));
        }
        let traced = Self(pid);
        traced.wait()?;
        Ok(traced)
    }

    /// Waits for its next stop, or its end.
    fn wait(&self) -> Result<libc::c_int, String> {
        let mut status = 0;
        // SAFETY: the status is valid for the call.
        if unsafe { libc::waitpid(self.0, &mut status, libc::__WALL) } != self.0 {
            return Err(failed("lost a participant"));
        }
        Ok(status)
    }

    /// Lets it run until its next stop, which is returned.
    fn go(&self, how: libc::c_uint, signal: libc::c_int) -> Result<libc::c_int, String> {
        let signal = signal as usize as *mut u8;
        // SAFETY: as in `attach`.
        if unsafe { libc::ptrace(how, self.0, null_mut::<u8>(), signal) } != 0 {
            return Err(failed("cannot let a participant go on"));
        }
        self.wait()
    }

    fn registers(&self) -> Result<libc::user_regs_struct, String> {
        // SAFETY: all zero is a value of the registers, which are valid for the call.
        unsafe {
            let mut registers: libc::user_regs_struct = std::mem::zeroed();
            let to = (&raw mut registers).cast::<u8>();
            if libc::ptrace(libc::PTRACE_GETREGS, self.0, null_mut::<u8>(), to) != 0 {
                return Err(failed("cannot read registers"));
            }
            Ok(registers)
        }
    }

    /// Whether its next instruction is a locked one.
    fn is_at_locked_instruction(&self) -> Result<bool, String> {
        const LOCK: u8 = 0xf0;
        // Operand size, segments, repetition: what may stand before.
        const OTHERS: [u8; 8] = [0x66, 0x67, 0x2e, 0x36, 0x3e, 0x26, 0xf2, 0xf3];
        let at = self.registers()?.rip;
        // SAFETY: as in `attach`; the result is the word itself.
        let word = unsafe {
            libc::ptrace(
                libc::PTRACE_PEEKTEXT,
                self.0,
                at as *mut u8,
                null_mut::<u8>(),
            )
        };
        let bytes = word.to_le_bytes();
        let first = bytes.into_iter().find(|byte| !OTHERS.contains(byte));
        Ok(first == Some(LOCK))
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // Stopped, as we found it. SAFETY: as in `attach`; nothing to detach from is an error only.
        unsafe {
            let signal = libc::SIGSTOP as usize as *mut u8;
            libc::ptrace(libc::PTRACE_DETACH, self.0, null_mut::<u8>(), signal);
        }
    }
}

/// Steps a stopped process to that moment of its next operation, and leaves it stopped there.
pub fn stop_inside(pid: libc::pid_t, moment: Moment) -> Result<(), String> {
    let traced = Traced::attach(pid)?;
    for _ in 0..MOST_STEPS {
        let status = traced.go(libc::PTRACE_SINGLESTEP, 0)?;
        if !libc::WIFSTOPPED(status) {
            return Err("a participant ended before its operation".into());
        }
        if traced.is_at_locked_instruction()? {
            if matches!(moment, Moment::After) {
                traced.go(libc::PTRACE_SINGLESTEP, 0)?;
            }
            return Ok(());
        }
    }
    Err("no locked instruction came".into())
}

/// Lets a stopped process run to its end and counts its system calls: how many there were
/// between one getppid(), which stands for nothing but a mark, and the next.
pub fn count_calls(pid: libc::pid_t) -> Result<Vec<u64>, String> {
    let traced = Traced::attach(pid)?;
    let options = libc::PTRACE_O_TRACESYSGOOD as usize as *mut u8;
    // SAFETY: as in `attach`.
    if unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, null_mut::<u8>(), options) } != 0 {
        return Err(failed("cannot trace system calls"));
    }
    let mut counts = Vec::new();
    let (mut entry, mut signal) = (true, 0);
    loop {
        let status = traced.go(libc::PTRACE_SYSCALL, signal)?;
        if !libc::WIFSTOPPED(status) {
            return Ok(counts);
        }
        signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP | 0x80 {
            signal = 0;
            if entry && traced.registers()?.orig_rax == libc::SYS_getppid as u64 {
                counts.push(0);
            } else if let (true, Some(count)) = (entry, counts.last_mut()) {
                *count += 1;
            }
            entry = !entry;
        } else if signal == libc::SIGSTOP || signal == libc::SIGTRAP {
            signal = 0;
        }
    }
}
