//! Whether what a handle stands for still can be used.

use crate::error::{Error, Result};
use crate::raw::Ref;
use crate::segment::{Segment, guard};
use crate::table::{self, Found};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::ffi::CStr;

/// Why a handle can be used no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum End {
    /// Its segment was closed, and nothing behind it is mapped any more.
    Closed = 1,
    /// Its structure was destroyed, through this attachment.
    Destroyed = 2,
}

/// The standing of one handle.
pub struct Standing {
    /// 0, or an [`End`].
    end: AtomicU8,
    /// The word in the table, and its value once the structure is destroyed. As long as
    /// somebody has it open it keeps that value, so it cannot be missed.
    mark: Option<(Ref<AtomicU64>, u64)>,
    /// Whether memory of the segment is gone.
    cut: &'static AtomicBool,
}

impl Standing {
    /// Of a structure that was just found.
    pub fn new(segment: &Segment, found: &Found) -> Self {
        Self {
            end: AtomicU8::new(0),
            mark: table::destroyed_mark(segment, found),
            cut: segment.cut(),
        }
    }

    /// Ends it; false if that was done before.
    pub fn end(&self, end: End) -> bool {
        self.end
            .fetch_update(Relaxed, Relaxed, |before| {
                (before == 0).then_some(end as u8)
            })
            .is_ok()
    }

    /// Whether somebody destroyed the structure, or took its memory. Only while the handle is open.
    #[inline]
    pub fn is_lost(&self) -> bool {
        // Relaxed: whoever destroyed it did not wait for us.
        self.cut.load(Relaxed)
            || matches!(&self.mark, Some((word, destroyed)) if word.load(Relaxed) == *destroyed)
    }

    /// Whether the handle can be used.
    #[inline]
    pub fn is_sound(&self) -> bool {
        self.end.load(Relaxed) == 0 && !self.is_lost()
    }

    /// An error if the handle can be used no longer.
    #[inline]
    pub fn check(&self, name: &CStr) -> Result<()> {
        if self.is_sound() {
            return Ok(());
        }
        Err(self.refusal(name))
    }

    #[cold]
    fn refusal(&self, name: &CStr) -> Error {
        let name = name.to_string_lossy().into_owned();
        if self.end.load(Relaxed) == End::Closed as u8 {
            return Error::State {
                name,
                rule: "its segment was closed in this process; expected an open one",
            };
        }
        if self.cut.load(Relaxed) {
            return guard::gone(&name);
        }
        Error::Stale { name }
    }
}
