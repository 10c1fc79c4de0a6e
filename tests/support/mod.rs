//! What the tests of several processes share: names that clean up after
//! themselves, forked workers, and processes that are stepped one instruction
//! at a time.
#![allow(dead_code)] // Each test uses a part of it.

pub mod step;

use shmds::error::{Error, Result};
use shmds::segment::{self, Intent, Options};
use shmds::structures::Attachment;
use shmds::structures::array::{self, Array};
use shmds::structures::atomic::{self, Atomic};
use shmds::structures::pool::{self, ObjectPool};
use shmds::structures::queue::{self, Queue};
use shmds::structures::ring::{self, RingBuffer};
use shmds::structures::spsc::{self, SpscQueue};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A segment name of this test's own, removed at its end, also when it fails.
pub struct Name(pub String);

impl Name {
    pub fn new(what: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("shmds-test-{what}-{}-{number}", std::process::id()))
    }

    /// The file behind the name.
    pub fn path(&self) -> std::path::PathBuf {
        std::path::Path::new("/dev/shm").join(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = segment::unlink(&self.0);
    }
}

pub fn sized(size: u64) -> Options {
    Options {
        size,
        ..Options::default()
    }
}

pub fn open_or_create(name: &Name, size: u64) -> Result<Attachment> {
    Attachment::new(&name.0, Intent::OpenOrCreate, &sized(size))
}

pub fn open(name: &Name) -> Result<Attachment> {
    Attachment::new(&name.0, Intent::Open, &Options::default())
}

pub fn obtain_array<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    elem_size: u64,
    count: u64,
) -> Result<&'a Array> {
    let params = array::Params {
        elem_size,
        elem_align: 0,
        count,
    };
    at.obtain(name.as_bytes(), intent, &params)
}

pub fn obtain_queue<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    elem_size: u64,
    capacity: u64,
) -> Result<&'a Queue> {
    let params = queue::Params {
        elem_size,
        elem_align: 0,
        capacity,
    };
    at.obtain(name.as_bytes(), intent, &params)
}

pub fn obtain_pool<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    elem_size: u64,
    capacity: u64,
) -> Result<&'a ObjectPool> {
    let params = pool::Params {
        elem_size,
        elem_align: 0,
        capacity,
    };
    at.obtain(name.as_bytes(), intent, &params)
}

pub fn obtain_ring<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    elem_size: u64,
    capacity: u64,
) -> Result<&'a RingBuffer> {
    let params = ring::Params {
        elem_size,
        elem_align: 0,
        capacity,
        flags: 0,
    };
    at.obtain(name.as_bytes(), intent, &params)
}

pub fn obtain_spsc<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    elem_size: u64,
    capacity: u64,
) -> Result<&'a SpscQueue> {
    let params = spsc::Params {
        elem_size,
        elem_align: 0,
        capacity,
    };
    at.obtain(name.as_bytes(), intent, &params)
}

pub fn obtain_atomic<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    initial: u64,
) -> Result<&'a Atomic> {
    let params = atomic::Params {
        elem_size: 8,
        initial: u128::from(initial),
    };
    at.obtain(name.as_bytes(), intent, &params)
}

/// An array of 8-byte elements, as atomics.
pub fn words(array: &Array) -> &[AtomicU64] {
    // SAFETY: the array has that many aligned words, mapped as long as the handle lives.
    unsafe { std::slice::from_raw_parts(array.data().as_ptr().cast(), array.count() as usize) }
}

pub fn enqueue(queue: &Queue, value: u64) -> bool {
    // SAFETY: the queue's elements are 8 bytes.
    unsafe { queue.enqueue((&raw const value).cast()) }.expect("enqueue")
}

pub fn dequeue(queue: &Queue) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: the queue's elements are 8 bytes.
    unsafe { queue.dequeue((&raw mut value).cast()) }
        .expect("dequeue")
        .then_some(value)
}

/// Appends as many of the values as there is room for; how many.
pub fn push_bulk(queue: &SpscQueue, values: &[u64]) -> Result<u64> {
    // SAFETY: the queue's elements are 8 bytes; one thread pushes.
    unsafe { queue.push_bulk(values.as_ptr().cast(), values.len() as u64) }
}

/// Takes up to `count` of the oldest values.
pub fn pop_bulk(queue: &SpscQueue, count: usize) -> Result<Vec<u64>> {
    let mut values = vec![0_u64; count];
    // SAFETY: the queue's elements are 8 bytes; one thread pops.
    let popped = unsafe { queue.pop_bulk(values.as_mut_ptr().cast(), count as u64) }?;
    values.truncate(popped as usize);
    Ok(values)
}

pub fn push(queue: &SpscQueue, value: u64) -> bool {
    push_bulk(queue, &[value]).expect("push") == 1
}

pub fn pop(queue: &SpscQueue) -> Option<u64> {
    pop_bulk(queue, 1).expect("pop").pop()
}

/// A forked process; killed and reaped when dropped.
pub struct Child {
    pub pid: libc::pid_t,
    reaped: bool,
}

/// Forks a process that runs `work` and exits with 0, or with 101 if it panics.
pub fn fork(work: impl FnOnce()) -> Child {
    // SAFETY: the child only runs `work` and exits; glibc keeps malloc usable there.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 101 }) }
        }
        pid => Child { pid, reaped: false },
    }
}

impl Child {
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: our own child, not reaped yet.
        unsafe { libc::kill(self.pid, signal) };
    }

    /// Waits for a change of state; the raw status.
    pub fn wait_status(&self, options: libc::c_int) -> libc::c_int {
        let mut status = 0;
        // SAFETY: our own child.
        let got = unsafe { libc::waitpid(self.pid, &mut status, options) };
        assert_eq!(
            got,
            self.pid,
            "waitpid: {}",
            std::io::Error::last_os_error()
        );
        status
    }

    /// Stops it, and waits until it has stopped.
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
        let status = self.wait_status(libc::WUNTRACED);
        assert!(
            libc::WIFSTOPPED(status),
            "ended instead of stopping: {status:#x}"
        );
    }

    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !self.reaped {
            self.signal(libc::SIGKILL);
            self.reaped = true;
            self.wait_status(0);
        }
    }

    /// Waits for its end, which has to be a good one.
    pub fn join(mut self) {
        self.reaped = true;
        let status = self.wait_status(0);
        assert!(
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
            "a worker failed: status {status:#x}"
        );
    }

    /// Waits for its end at most until `limit`; false if it lives on.
    pub fn join_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < limit {
            let mut status = 0;
            // SAFETY: our own child.
            let got = unsafe { libc::waitpid(self.pid, &mut status, libc::WNOHANG) };
            if got == self.pid {
                self.reaped = true;
                assert!(
                    (libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0)
                        || (libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL),
                    "a worker failed: status {status:#x}"
                );
                return true;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        false
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Memory that forked processes share, for starting together and for results.
pub fn shared_words(count: usize) -> &'static [AtomicU64] {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping, kept to the end of the test process.
    unsafe {
        let base = libc::mmap(std::ptr::null_mut(), count * 8, protection, flags, -1, 0);
        assert_ne!(base, libc::MAP_FAILED);
        std::slice::from_raw_parts(base.cast(), count)
    }
}

/// Where forked processes wait, asleep, until they are all let go at once.
#[derive(Clone, Copy)]
pub struct Gate(&'static AtomicU64);

impl Gate {
    pub fn new() -> Self {
        Self(&shared_words(1)[0])
    }

    fn futex(self, operation: libc::c_int, value: u32) {
        let none = std::ptr::null::<libc::timespec>();
        // SAFETY: a valid word; the low half of a little-endian one.
        unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), operation, value, none) };
    }

    /// Sleeps until [`Gate::open`].
    pub fn pass(self) {
        while self.0.load(Ordering::Acquire) == 0 {
            self.futex(libc::FUTEX_WAIT, 0);
        }
    }

    /// Lets everybody go.
    pub fn open(self) {
        self.0.store(1, Ordering::Release);
        self.futex(libc::FUTEX_WAKE, i32::MAX as u32);
    }
}

/// Waits until `condition` holds, at most `limit`.
pub fn eventually(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    true
}

/// The error that an operation gave.
pub fn error_of<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error,
    }
}

/// Numbers from a seed, for reproducible choices (xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
