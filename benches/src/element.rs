//! The element, the back-off and the processor to run on.

/// Elements in a queue, for all of them.
pub const CAPACITY: usize = 1024;

/// An element of `WORDS` times 8 bytes; the same in the C++ program.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Element<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Default for Element<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl<const WORDS: usize> Element<WORDS> {
    /// The first and the last word carry the value, so that a torn element shows.
    #[inline(always)]
    pub fn set(&mut self, value: u64) {
        self.0[0] = value;
        self.0[WORDS - 1] = value;
    }

    /// What was set.
    #[inline(always)]
    pub fn value(&self) -> u64 {
        self.0[0]
    }

    /// Whether both ends are of one element.
    #[inline(always)]
    pub fn whole(&self) -> bool {
        self.0[0] == self.0[WORDS - 1]
    }
}

/// Ends a measurement whose queue does not do its work: such a figure must not be shown.
#[cold]
pub fn broken(what: &str) -> ! {
    eprintln!("bench: {what}");
    std::process::exit(3)
}

/// Keeps the calling thread on one processor.
pub fn pin(cpu: usize) {
    // SAFETY: all zero is an empty set, and the set is valid for the call.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result != 0 {
        broken("cannot choose a processor");
    }
}

/// What a participant does after an operation that was refused; the same in the C++ program.
///
/// With `yields` the policy of crossbeam's `Backoff`: 1, 2, 4, ... 64 pauses, then the rest of the
/// time slice to others. Without, it tries again at once.
pub struct Backoff {
    yields: bool,
    refusals: u32,
}

impl Backoff {
    /// The policy, with no refusal so far.
    pub fn new(yields: bool) -> Self {
        Self {
            yields,
            refusals: 0,
        }
    }

    /// After an operation that succeeded.
    #[inline(always)]
    pub fn reset(&mut self) {
        self.refusals = 0;
    }

    /// After one that was refused.
    #[inline(always)]
    pub fn wait(&mut self) {
        if !self.yields {
            return;
        }
        if self.refusals <= 6 {
            for _ in 0..1_u32 << self.refusals {
                std::hint::spin_loop();
            }
            self.refusals += 1;
        } else {
            // SAFETY: has no preconditions.
            unsafe { libc::sched_yield() };
        }
    }
}
