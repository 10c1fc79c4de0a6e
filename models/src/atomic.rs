//! An atomic word whose accesses loom reorders completely.

use loom::sync::atomic::{
    AtomicU64,
    Ordering::{self, Relaxed},
};

/// A 64-bit atomic, to be used in models in place of loom's own.
///
/// loom remembers one access to each word. When a thread loads a word and then stores to it,
/// its load hides the loads of others before, and loom never tries the store ahead of those:
/// models of plain loads and stores would find next to nothing. So each access here first
/// touches a companion word with a read-modify-write, which conflicts with every other.
/// That is Relaxed, and thus neither orders nor publishes anything.
#[derive(Debug)]
pub struct Atomic {
    value: AtomicU64,
    companion: AtomicU64,
}

impl Atomic {
    /// An atomic with a value.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self {
            value: AtomicU64::new(value),
            companion: AtomicU64::new(0),
        }
    }

    fn touch(&self) {
        self.companion.fetch_add(1, Relaxed);
    }

    /// The value, or an earlier one that `order` permits.
    pub fn load(&self, order: Ordering) -> u64 {
        self.touch();
        self.value.load(order)
    }

    /// Another value.
    pub fn store(&self, value: u64, order: Ordering) {
        self.touch();
        self.value.store(value, order);
    }

    /// `new` in place of `current`; otherwise what is there instead.
    ///
    /// # Errors
    ///
    /// The value that is there, when it is not `current`.
    pub fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.touch();
        self.value.compare_exchange(current, new, success, failure)
    }

    /// Adds, and returns the value before.
    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.touch();
        self.value.fetch_add(value, order)
    }

    /// Sets bits, and returns the value before.
    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.touch();
        self.value.fetch_or(bits, order)
    }

    /// Keeps bits, and returns the value before.
    pub fn fetch_and(&self, bits: u64, order: Ordering) -> u64 {
        self.touch();
        self.value.fetch_and(bits, order)
    }

    /// Replaces the value, and returns the one before.
    pub fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.touch();
        self.value.swap(value, order)
    }
}
