//! Work spread over processes, two on each core: where one waits, the other goes on.

use crate::step;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::FromRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The name of a job's segment; its first part is the same for all of a run.
pub fn segment_name(job: usize) -> String {
    // SAFETY: always succeeds.
    let (pid, parent) = unsafe { (libc::getpid(), libc::getppid()) };
    // A job is a child of the process that was started.
    let run = if is_job() { parent } else { pid };
    format!("shmds-crash-{run}-{job}")
}

static JOB: AtomicBool = AtomicBool::new(false);

fn is_job() -> bool {
    JOB.load(Ordering::Relaxed)
}

/// What to kill and to remove when this process is told to end.
static JOBS: Mutex<Vec<libc::pid_t>> = Mutex::new(Vec::new());

extern "C" fn clean_up(_: libc::c_int) {
    end_jobs();
    // SAFETY: ends the process.
    unsafe { libc::_exit(130) };
}

/// Kills what jobs there are, and removes their segments.
fn end_jobs() {
    crate::rig::remove(&segment_name(0));
    if let Ok(jobs) = JOBS.try_lock() {
        for (job, &pid) in jobs.iter().enumerate() {
            // SAFETY: a child of ours, not reaped.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, std::ptr::null_mut(), 0);
            }
            crate::rig::remove(&segment_name(job));
        }
    }
}

/// Leaves nothing behind if this process fails, as it does when nobody reads its output any more.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            end_jobs();
        }
    }
}

/// Has jobs killed and segments removed when this process is told to end.
pub fn clean_up_on_signals() {
    // SAFETY: a handler that uses what is there by now; nobody else holds the lock.
    unsafe {
        let handler = clean_up as *const () as libc::sighandler_t;
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
        libc::signal(libc::SIGHUP, handler);
    }
}

/// Keeps this process on the core it is on.
pub fn pin_here() {
    // SAFETY: no preconditions.
    step::pin(unsafe { libc::sched_getcpu() }.max(0) as usize);
}

/// The cores that this process may use.
fn cores() -> Vec<usize> {
    // SAFETY: a valid set for this thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set);
        (0..libc::CPU_SETSIZE as usize)
            .filter(|&core| libc::CPU_ISSET(core, &set))
            .collect()
    }
}

/// Forks jobs. Each gets its number, a way to the number of the next piece of work, and one to
/// say a line, which `hear` gets here. Whether all ended well.
pub fn run(
    jobs: Option<usize>,
    work: impl Fn(usize, &dyn Fn() -> usize, &mut dyn FnMut(&str)),
    mut hear: impl FnMut(&str),
) -> bool {
    let cores = cores();
    let jobs = jobs.unwrap_or(2 * cores.len()).max(1);
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping, kept to the end of the process; a pipe.
    let (next, pipe): (&AtomicUsize, [libc::c_int; 2]) = unsafe {
        let page = libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        let mut pipe = [0; 2];
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        (&*page.cast(), pipe)
    };
    let mut pids = Vec::new();
    for job in 0..jobs {
        // SAFETY: the process has one thread.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                // SAFETY: our copies of the pipe's ends.
                let mut out = unsafe {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    libc::close(pipe[0]);
                    File::from_raw_fd(pipe[1])
                };
                JOB.store(true, Ordering::Relaxed);
                step::pin(cores[job % cores.len()]);
                let take = || next.fetch_add(1, Ordering::Relaxed);
                work(job, &take, &mut |line| {
                    let _ = out.write_all(format!("{line}\n").as_bytes());
                });
                std::process::exit(0);
            }
            pid => pids.push(pid),
        }
    }
    if let Ok(mut known) = JOBS.lock() {
        known.clone_from(&pids);
    }
    clean_up_on_signals();
    let _guard = Guard;
    // SAFETY: our own ends.
    let input = unsafe {
        libc::close(pipe[1]);
        File::from_raw_fd(pipe[0])
    };
    for line in BufReader::new(input).lines().map_while(Result::ok) {
        hear(&line);
    }
    let mut sound = true;
    for pid in pids {
        let mut status = 0;
        // SAFETY: our own child.
        unsafe { libc::waitpid(pid, &mut status, 0) };
        sound &= libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
    }
    if !sound {
        hear("a job of the harness failed");
    }
    sound
}
