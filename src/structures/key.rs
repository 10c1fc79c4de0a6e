//! Keys: what threads remember an open queue, or pool, by.
//!
//! A handle's key changes when threads may be wrong in what they remember of it: in a forked
//! child, and when a thread ends.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// The low bits of a key, for a number that whoever has the key needs as well: so it has to load
/// nothing else for it.
pub const NOTE_BITS: u32 = 24;

/// The key of a handle of which nothing may be remembered: all other keys have been used. At a
/// million a second that takes twelve days.
pub const NO_KEY: u64 = u64::MAX;

/// Keys that nobody has had. None is 0.
struct Unused(AtomicU64);

static UNUSED: Unused = Unused(AtomicU64::new(1));

impl Unused {
    fn take(&self, note: u64) -> u64 {
        // Relaxed: only its being unique matters. It does not wrap in a lifetime.
        let number = self.0.fetch_add(1, Relaxed);
        if number >= NO_KEY >> NOTE_BITS {
            return NO_KEY;
        }
        let note = if note >> NOTE_BITS == 0 { note } else { 0 };
        number << NOTE_BITS | note
    }
}

/// A key that neither this process nor one that it was forked from has had before. It has the note
/// in its low bits; 0 if that needs more than [`NOTE_BITS`].
pub fn new(note: u64) -> u64 {
    UNUSED.take(note)
}

/// Gives a handle another key, with the same note, for what is remembered under the one it has is
/// void.
pub fn renew(key: &AtomicU64) {
    // Relaxed: who has to notice is this thread, or one that synchronises with it anyway: that it
    // starts, that waits for its end, or that uses a handle after it was closed.
    let before = key.load(Relaxed);
    if before != NO_KEY {
        key.store(new(before % (1 << NOTE_BITS)), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_used_twice_and_has_its_note() {
        let unused = Unused(AtomicU64::new(1));
        let keys = [unused.take(7), unused.take(7), unused.take(0)];
        assert_eq!(keys.map(|key| key % (1 << NOTE_BITS)), [7, 7, 0]);
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] >> NOTE_BITS != 0);
    }

    #[test]
    fn a_note_that_is_too_long_is_none() {
        let unused = Unused(AtomicU64::new(5));
        assert_eq!(
            unused.take((1 << NOTE_BITS) - 1) % (1 << NOTE_BITS),
            (1 << NOTE_BITS) - 1
        );
        assert_eq!(unused.take(1 << NOTE_BITS), 6 << NOTE_BITS);
    }

    #[test]
    fn when_all_keys_are_used_there_is_none() {
        let last = (NO_KEY >> NOTE_BITS) - 1;
        let unused = Unused(AtomicU64::new(last));
        let most = (1 << NOTE_BITS) - 1;
        assert_eq!(unused.take(most), last << NOTE_BITS | most);
        assert_eq!(unused.take(0), NO_KEY);
        assert_eq!(unused.take(7), NO_KEY);
    }

    #[test]
    fn a_handle_keeps_its_note() {
        let key = AtomicU64::new(new(33));
        let before = key.load(Relaxed);
        renew(&key);
        assert_ne!(key.load(Relaxed), before);
        assert_eq!(key.load(Relaxed) % (1 << NOTE_BITS), 33);
    }

    #[test]
    fn a_handle_without_a_key_gets_none() {
        let key = AtomicU64::new(NO_KEY);
        renew(&key);
        assert_eq!(key.load(Relaxed), NO_KEY);
    }
}
