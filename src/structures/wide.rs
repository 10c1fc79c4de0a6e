//! Words of 16 bytes: one instruction where the processor has it, and never a lock.
//!
//! x86-64: `cmpxchg16b` compares and exchanges. An aligned load of 16 bytes is one access
//! on every processor with AVX, as Intel and AMD state in their manuals ("Guaranteed Atomic
//! Operations"; "Access Atomicity"); without AVX the exchange serves as a load, which needs
//! memory that can be written.

use core::sync::atomic::AtomicU64;

/// A word of 16 bytes, aligned to its size.
#[repr(C, align(16))]
pub struct Wide([AtomicU64; 2]);

/// The word at these 16 bytes, which are the first of a line.
pub fn at(value: &[AtomicU64; 2]) -> Option<&Wide> {
    let address = value.as_ptr().cast::<Wide>();
    // SAFETY: 16 bytes that are reached atomically only, and aligned.
    address.is_aligned().then(|| unsafe { &*address })
}

/// Reads the word; `None` where the processor cannot, or not without writing.
pub fn load(word: &Wide, writable: bool) -> Option<u128> {
    machine::load(word).or_else(|| {
        if writable {
            compare_exchange(word, 0, 0).map(|(before, _)| before)
        } else {
            None
        }
    })
}

/// Stores `desired` if the word is `expected`; the word before, and whether it was.
/// `None` where the processor cannot.
pub fn compare_exchange(word: &Wide, expected: u128, desired: u128) -> Option<(u128, bool)> {
    let before = machine::compare_exchange(word, expected, desired)?;
    Some((before, before == expected))
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::Wide;
    use core::arch::x86_64::__m128i;

    pub fn load(word: &Wide) -> Option<u128> {
        // SAFETY: the processor has what the function needs.
        is_x86_feature_detected!("avx").then(|| unsafe { load_aligned(word) })
    }

    #[target_feature(enable = "avx")]
    fn load_aligned(word: &Wide) -> u128 {
        let value: __m128i;
        // SAFETY: reads 16 aligned bytes. As an instruction of its own, so that it is one
        // access; like every load here it is ordered as Acquire.
        unsafe {
            core::arch::asm!(
                "vmovdqa {value}, xmmword ptr [{word}]",
                value = out(xmm_reg) value,
                word = in(reg) word,
                options(nostack, preserves_flags, readonly)
            );
            core::mem::transmute::<__m128i, u128>(value)
        }
    }

    pub fn compare_exchange(word: &Wide, expected: u128, desired: u128) -> Option<u128> {
        is_x86_feature_detected!("cmpxchg16b").then(|| exchange(word, expected, desired))
    }

    /// On a processor that has the instruction. Not by the compiler's own 16-byte atomics,
    /// which it may turn into calls of a library that takes a lock.
    fn exchange(word: &Wide, expected: u128, desired: u128) -> u128 {
        let (low, high): (u64, u64);
        // SAFETY: 16 aligned bytes that are reached atomically only. `rbx`, which holds half of
        // the new value, is the compiler's own: so it is put aside and back.
        unsafe {
            core::arch::asm!(
                "xchg rbx, rsi",
                "lock cmpxchg16b xmmword ptr [rdi]",
                "mov rbx, rsi",
                in("rdi") word,
                inout("rsi") desired as u64 => _,
                in("rcx") (desired >> 64) as u64,
                inout("rax") expected as u64 => low,
                inout("rdx") (expected >> 64) as u64 => high,
                options(nostack)
            );
        }
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use super::Wide;

    pub fn load(_: &Wide) -> Option<u128> {
        None
    }

    pub fn compare_exchange(_: &Wide, _: u128, _: u128) -> Option<u128> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn both_halves_change_at_once() {
        let word = Wide([AtomicU64::new(0), AtomicU64::new(0)]);
        let pair = |number: u64| u128::from(number) << 64 | u128::from(number);
        if compare_exchange(&word, 0, 0).is_none() {
            return; // Not on this processor.
        }
        let rounds = 20_000;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut done = 0;
                    while done < rounds {
                        let before = load(&word, true).expect("load");
                        assert_eq!(before >> 64, before & u128::from(u64::MAX), "torn");
                        let next = pair(before as u64 + 1);
                        done +=
                            u64::from(compare_exchange(&word, before, next).expect("exchange").1);
                    }
                });
            }
        });
        assert_eq!(load(&word, true), Some(pair(2 * rounds)));
        assert_eq!(
            compare_exchange(&word, 1, 2),
            Some((pair(2 * rounds), false))
        );
    }
}
