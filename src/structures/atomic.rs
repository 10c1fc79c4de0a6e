//! Atomic: one word in shared memory that processes change at once.
//!
//! The word has a 64-byte line to itself, so it never straddles two lines and
//! shares one with nobody. On the same line is what those sleep on who wait for another
//! value; nothing but waiting and notifying touches it.

use super::wait::{Deadline, Publishing, WaitWord};
use super::wide::{self, Wide};
use super::{End, Extent, Handle, Standing, Structure, expect, expect_kind};
use crate::error::{Error, Result};
use crate::raw::{Ref, Region, Shared};
use crate::segment::Segment;
use crate::table::{Found, Key, Kind};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::SeqCst, fence};
use core::time::Duration;
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// Extent of an atomic.
#[repr(C, align(64))]
pub struct Word {
    /// The value, in its first bytes.
    pub value: [AtomicU64; 2],
    /// Those who wait for the value to change.
    pub waiters: WaitWord,
    /// Zero.
    pub reserved: [AtomicU32; 11],
}

// SAFETY: nothing but atomic integers, without padding.
unsafe impl Shared for Word {}

const _: () = assert!(size_of::<Word>() == 64);

/// What an atomic's creator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes of the value: 1, 2, 4, 8 or 16.
    pub elem_size: u64,
    /// First bytes of the initial value, little-endian; ignored when it exists already.
    pub initial: u128,
}

/// An operation on the value that also gives the value before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Replaces it.
    Exchange,
    /// Adds, wrapping around.
    Add,
    /// Subtracts, wrapping around.
    Sub,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
}

/// The value as the machine's own atomic type of its size.
enum View<'a> {
    One(&'a AtomicU8),
    Two(&'a AtomicU16),
    Four(&'a AtomicU32),
    Eight(&'a AtomicU64),
}

/// Applies one expression to whichever type the value has.
macro_rules! with_view {
    ($view:expr, $value:ident => $expression:expr) => {
        match $view {
            View::One($value) => u64::from($expression),
            View::Two($value) => u64::from($expression),
            View::Four($value) => u64::from($expression),
            View::Eight($value) => $expression,
        }
    };
}

/// An open atomic.
pub struct Atomic {
    name: CString,
    word: Ref<Word>,
    elem_size: u64,
    read_only: bool,
    standing: Standing,
}

impl Atomic {
    /// Address of the value, aligned to its size.
    pub fn data(&self) -> NonNull<u8> {
        NonNull::from(&self.word.value).cast()
    }

    /// Bytes of the value.
    pub fn elem_size(&self) -> u64 {
        self.elem_size
    }

    /// The atomic's name, cut to what the table holds.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// An error if there is no value any more at that address.
    #[inline]
    pub fn ensure_usable(&self) -> Result<()> {
        self.standing.check(&self.name)
    }

    /// Refuses calls from now on.
    pub fn close(&self, end: End) {
        self.standing.end(end);
    }

    #[inline]
    fn view(&self) -> Result<View<'_>> {
        self.ensure_usable()?;
        let value = self.word.value[0].as_ptr();
        // SAFETY: inside the word, which is aligned to 64 bytes, and reached only atomically.
        unsafe {
            match self.elem_size {
                1 => Ok(View::One(AtomicU8::from_ptr(value.cast()))),
                2 => Ok(View::Two(AtomicU16::from_ptr(value.cast()))),
                4 => Ok(View::Four(AtomicU32::from_ptr(value.cast()))),
                8 => Ok(View::Eight(&self.word.value[0])),
                _ => Err(self.size_error("1, 2, 4 or 8 for this operation")),
            }
        }
    }

    #[inline]
    fn writable_word(&self) -> Result<()> {
        if self.read_only {
            return Err(Error::ReadOnly {
                name: self.name.to_string_lossy().into_owned(),
                what: "changing an atomic",
            });
        }
        self.ensure_usable()
    }

    fn writable(&self) -> Result<View<'_>> {
        self.writable_word()?;
        self.view()
    }

    /// The value, zero-extended. Sequentially consistent, like all operations here.
    pub fn load(&self) -> Result<u64> {
        Ok(with_view!(self.view()?, value => value.load(SeqCst)))
    }

    /// Sets the value to the low bytes of `new`.
    pub fn store(&self, new: u64) -> Result<()> {
        match self.writable()? {
            View::One(value) => value.store(new as u8, SeqCst),
            View::Two(value) => value.store(new as u16, SeqCst),
            View::Four(value) => value.store(new as u32, SeqCst),
            View::Eight(value) => value.store(new, SeqCst),
        }
        Ok(())
    }

    /// Combines the value with the low bytes of `operand`; gives the value before.
    #[inline]
    pub fn update(&self, update: Update, operand: u64) -> Result<u64> {
        let view = self.writable()?;
        Ok(match update {
            Update::Exchange => with_view!(view, value => value.swap(operand as _, SeqCst)),
            Update::Add => with_view!(view, value => value.fetch_add(operand as _, SeqCst)),
            Update::Sub => with_view!(view, value => value.fetch_sub(operand as _, SeqCst)),
            Update::And => with_view!(view, value => value.fetch_and(operand as _, SeqCst)),
            Update::Or => with_view!(view, value => value.fetch_or(operand as _, SeqCst)),
            Update::Xor => with_view!(view, value => value.fetch_xor(operand as _, SeqCst)),
        })
    }

    /// Sets the value to `desired` if it is `expected`; gives the value before and
    /// whether it was.
    pub fn compare_exchange(&self, expected: u64, desired: u64) -> Result<(u64, bool)> {
        let mut exchanged = false;
        let mut note = |done: bool| exchanged = done;
        let before = with_view!(self.writable()?, value => {
            match value.compare_exchange(expected as _, desired as _, SeqCst, SeqCst) {
                Ok(before) => {
                    note(true);
                    before
                }
                Err(before) => before,
            }
        });
        Ok((before, exchanged))
    }
}

/// How often somebody who may not raise the flag of a wait word looks at the value.
const POLL: Duration = Duration::from_micros(100);

impl Atomic {
    /// Whatever the size: the value, zero-extended.
    fn bits(&self) -> Result<u128> {
        if self.elem_size == 16 {
            return self.load_wide();
        }
        self.load().map(u128::from)
    }

    /// Sleeps while the value is `old` (its bytes, zero-extended); false when the deadline
    /// passes first. Wakes at the first [`Atomic::notify`] after a change, wherever it is
    /// called, and at the latest some milliseconds after a change that nobody tells of.
    pub fn wait(&self, old: u128, deadline: Deadline) -> Result<bool> {
        let changed = || match self.bits() {
            Ok(value) if value == old => None,
            Ok(_) => Some(Ok(true)),
            Err(error) => Some(Err(error)),
        };
        if !self.read_only {
            let waiters = &self.word.waiters;
            let ended = waiters.wait(Publishing::ReadModifyWrite, deadline, changed);
            return ended.unwrap_or(Ok(false));
        }
        loop {
            if let Some(ended) = changed() {
                return ended;
            }
            let Some(left) = deadline.left(POLL) else {
                return Ok(false);
            };
            std::thread::sleep(left);
        }
    }

    /// Wakes everybody who waits for the value to change.
    pub fn notify(&self) -> Result<()> {
        self.writable_word()?;
        // The change was whatever the caller made it, a plain store maybe: it comes before
        // the look at the flag, as the sleeper's raising the flag before its look at the value.
        fence(SeqCst);
        self.word.waiters.wake();
        Ok(())
    }

    fn wide(&self) -> Result<&Wide> {
        self.ensure_usable()?;
        let wide = wide::at(&self.word.value).filter(|_| self.elem_size == 16);
        wide.ok_or_else(|| self.size_error("16 for this operation"))
    }

    fn size_error(&self, expected: &'static str) -> Error {
        Error::ElementSize {
            name: self.name.to_string_lossy().into_owned(),
            found: self.elem_size,
            expected,
        }
    }

    /// Reads a value of 16 bytes.
    pub fn load_wide(&self) -> Result<u128> {
        wide::load(self.wide()?, !self.read_only)
            .ok_or_else(|| self.size_error("1, 2, 4 or 8 on this processor"))
    }

    /// [`Atomic::compare_exchange`] for a value of 16 bytes.
    pub fn compare_exchange_wide(&self, expected: u128, desired: u128) -> Result<(u128, bool)> {
        self.writable_word()?;
        wide::compare_exchange(self.wide()?, expected, desired)
            .ok_or_else(|| self.size_error("1, 2, 4 or 8 on this processor"))
    }
}

impl Structure for Atomic {
    type Params = Params;
    const KIND: Kind = Kind::Atomic;

    fn validate(name: &Key, params: &Params) -> Result<()> {
        if matches!(params.elem_size, 1 | 2 | 4 | 8 | 16) {
            return Ok(());
        }
        Err(Error::ElementSize {
            name: name.text(),
            found: params.elem_size,
            expected: "1, 2, 4, 8 or 16 for an atomic",
        })
    }

    fn plan(_: &Segment, _: &Key, params: &Params) -> Result<Extent> {
        Ok(Extent {
            elem_size: params.elem_size,
            num_elem: 1,
            size: size_of::<Word>() as u64,
            align: align_of::<Word>() as u64,
        })
    }

    fn init(_: &Segment, _: &Key, region: Region, params: &Params) -> Result<()> {
        let bytes = params.initial.to_le_bytes();
        // SAFETY: nobody else looks at a new extent; it is zero beyond the value.
        unsafe { region.fill_from(&bytes[..params.elem_size as usize]) };
        Ok(())
    }

    fn open(segment: &Segment, name: &Key, found: &Found, params: &Params) -> Result<Self> {
        expect_kind(name, Kind::Atomic, found.kind)?;
        let word = segment.heap().at(found.offset);
        let atomic = Self {
            name: name.to_c(),
            word: word.ok_or_else(|| Error::corrupt(&name.text(), "the extent in the table"))?,
            elem_size: found.elem_size,
            read_only: segment.is_read_only(),
            standing: Standing::new(segment, found),
        };
        atomic.check(name, params)?;
        Ok(atomic)
    }

    fn check(&self, name: &Key, params: &Params) -> Result<()> {
        expect(name, "element size", params.elem_size, self.elem_size)
    }

    fn into_handle(self) -> Handle {
        Handle::Atomic(Arc::new(self))
    }

    fn from_handle(handle: &Handle) -> Option<&Self> {
        match handle {
            Handle::Atomic(atomic) => Some(atomic),
            _ => None,
        }
    }
}
