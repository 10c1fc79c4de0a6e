//! Forked processes.

/// A forked process, killed at the end if it still runs.
pub struct Child {
    pid: libc::pid_t,
    running: bool,
}

/// Forks a process that does `work` and ends.
pub fn fork(work: impl FnOnce()) -> Result<Child, String> {
    // SAFETY: this program has one thread whenever it forks.
    match unsafe { libc::fork() } {
        -1 => Err("cannot fork".into()),
        0 => {
            // SAFETY: the child is not to outlive this program, nor to run its exit handlers.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                work();
                libc::_exit(0)
            }
        }
        pid => Ok(Child { pid, running: true }),
    }
}

impl Child {
    /// Its number.
    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Sends a signal.
    pub fn signal(&self, signal: libc::c_int) {
        if self.running {
            // SAFETY: our own child, not reaped yet.
            unsafe { libc::kill(self.pid, signal) };
        }
    }

    /// Waits for a change; the status, or `None` when there was no change.
    fn change(&mut self, options: libc::c_int) -> Option<libc::c_int> {
        let mut status = 0;
        // SAFETY: our own child.
        let got = unsafe { libc::waitpid(self.pid, &mut status, options) };
        (got == self.pid).then_some(status)
    }

    /// Waits until it has stopped itself.
    pub fn wait_for_stop(&mut self) -> Result<(), String> {
        match self.change(libc::WUNTRACED) {
            Some(status) if libc::WIFSTOPPED(status) => Ok(()),
            _ => Err("a process ended before its operation".into()),
        }
    }

    /// Whether it still runs; to fail is an error of the measurement.
    pub fn running(&mut self) -> Result<bool, String> {
        self.ended(libc::WNOHANG).map(|ended| !ended)
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<(), String> {
        self.ended(0).map(|_| ())
    }

    fn ended(&mut self, options: libc::c_int) -> Result<bool, String> {
        if !self.running {
            return Ok(true);
        }
        let Some(status) = self.change(options) else {
            return Ok(false);
        };
        self.running = false;
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            return Ok(true);
        }
        Err(format!("a participant failed, status {status:#x}"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.running {
            self.signal(libc::SIGKILL);
            self.change(0);
        }
    }
}
