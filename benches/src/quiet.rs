//! Times what one thread does while it has its processor for itself; `cpp/quiet.hpp` says why and
//! how, and does the same.

use std::fmt;
use std::time::{Duration, Instant};

/// What operations took.
pub struct Timed {
    /// Nanoseconds of each of them, in slices that nobody disturbed, if there were any.
    pub ns: f64,
    /// The share of those slices.
    pub undisturbed: f64,
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ns {} undisturbed {}", self.ns, self.undisturbed)
    }
}

/// Tells whether the core is whole.
pub struct Core {
    least_ns: f64,
}

impl Default for Core {
    fn default() -> Self {
        let mut core = Self {
            least_ns: f64::INFINITY,
        };
        // Long enough to have seen it whole.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(50) {
            core.is_whole();
        }
        core
    }
}

/// How long a slice takes, whatever is measured.
const SLICE: Duration = Duration::from_micros(30);

/// How long undisturbed slices are waited for.
const PATIENCE: Duration = Duration::from_millis(200);

impl Core {
    /// Nobody shares it, and its clock is no slower, by all that was seen.
    fn is_whole(&mut self) -> bool {
        let begin = Instant::now();
        add();
        let ns = begin.elapsed().as_nanos() as f64;
        self.least_ns = self.least_ns.min(ns);
        ns <= 1.03 * self.least_ns
    }

    /// What each operation takes of those that `work` does, so many at a time. It is called until
    /// about `count` of them were undisturbed. If that takes longer than a fifth of a second, the
    /// others count unless there are some.
    pub fn time(&mut self, count: u64, mut work: impl FnMut(u64)) -> Timed {
        let slice = operations_in_a_slice(&mut work);
        let wanted = count / slice + 1;
        let start = Instant::now();
        let (mut all, mut whole) = (0, 0);
        let (mut all_ns, mut whole_ns) = (0.0, 0.0);
        while whole < wanted {
            let before = self.is_whole();
            if start.elapsed() > PATIENCE {
                if all >= wanted {
                    break;
                }
            } else if !before {
                continue;
            }
            let begin = Instant::now();
            work(slice);
            let ns = begin.elapsed().as_nanos() as f64;
            all += 1;
            all_ns += ns;
            if before && self.is_whole() {
                whole += 1;
                whole_ns += ns;
            }
        }
        let (ns, slices) = if whole > 0 {
            (whole_ns, whole)
        } else {
            (all_ns, all)
        };
        Timed {
            ns: ns / (slices * slice) as f64,
            undisturbed: whole as f64 / all as f64,
        }
    }
}

/// How many operations `work` does in the time of a slice. Finding out warms up as well.
fn operations_in_a_slice(work: &mut impl FnMut(u64)) -> u64 {
    let mut operations = 256;
    loop {
        let begin = Instant::now();
        work(operations);
        if begin.elapsed() >= SLICE {
            return operations;
        }
        operations += operations / 4;
    }
}

/// As many additions at once as the processor is able to do.
///
/// Out of line: a copy of the loop that lies elsewhere may take a tenth longer by that alone.
#[inline(never)]
fn add() {
    let mut sums = [0_u64; 8];
    for _ in 0..3000 {
        for sum in &mut sums {
            // SAFETY: counts in a register, and nothing else.
            unsafe { std::arch::asm!("inc {}", inout(reg) * sum, options(nomem, nostack)) };
        }
    }
}
