//! Statuses, their names, and the sentence behind the last one.

use super::getter;
use crate::error::{Error, Result};
use crate::segment::guard;
use core::any::Any;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use std::thread;

/// What a function answers: 0 is success, negative is an error, positive is the
/// outcome of an operation that would have had to wait.
pub type shmds_status = i32;

/// Success.
pub const SHMDS_OK: shmds_status = 0;
/// The queue is full. Nothing was enqueued.
pub const SHMDS_FULL: shmds_status = 1;
/// There is nothing there: the queue is empty, or the table entry is unused.
pub const SHMDS_EMPTY: shmds_status = 2;
/// A wait for a living process ran out of time.
pub const SHMDS_TIMEOUT: shmds_status = 3;
/// Everything is in use.
pub const SHMDS_EXHAUSTED: shmds_status = 4;
/// An argument breaks a rule: NULL where none may be, a wrong `struct_size`, size 0
/// at creation.
pub const SHMDS_E_ARGUMENT: shmds_status = -1;
/// A name is empty.
pub const SHMDS_E_NAME_EMPTY: shmds_status = -2;
/// A segment name has more than 255 bytes.
pub const SHMDS_E_NAME_TOO_LONG: shmds_status = -3;
/// A segment name with a slash that is not its first character, ".", "..", or not
/// UTF-8.
pub const SHMDS_E_NAME_INVALID: shmds_status = -4;
/// A segment larger than this machine can address.
pub const SHMDS_E_TOO_LARGE: shmds_status = -5;
/// Element size 0, or none that an atomic can have.
pub const SHMDS_E_ELEMENT_SIZE: shmds_status = -6;
/// An alignment that is no power of two, above 4096, or that does not divide the
/// element size.
pub const SHMDS_E_ALIGNMENT: shmds_status = -7;
/// A count or capacity of 0 at creation, or beyond what the structure can have.
pub const SHMDS_E_CAPACITY: shmds_status = -8;
/// Element size times count does not fit in 64 bits.
pub const SHMDS_E_OVERFLOW: shmds_status = -9;
/// What was to be created is there already.
pub const SHMDS_E_EXISTS: shmds_status = -10;
/// What was to be opened, erased or unlinked is not there.
pub const SHMDS_E_NOT_FOUND: shmds_status = -11;
/// The file system of shared memory is full.
pub const SHMDS_E_NO_SPACE: shmds_status = -12;
/// The payload would exceed the size of the segment.
pub const SHMDS_E_SEGMENT_FULL: shmds_status = -13;
/// Every entry of the table is in use.
pub const SHMDS_E_TABLE_FULL: shmds_status = -14;
/// The name belongs to a structure of another kind.
pub const SHMDS_E_KIND: shmds_status = -15;
/// Element size, alignment, count or capacity differ from what exists.
pub const SHMDS_E_MISMATCH: shmds_status = -16;
/// The existing segment is smaller than asked.
pub const SHMDS_E_SIZE: shmds_status = -17;
/// The existing table has another geometry.
pub const SHMDS_E_GEOMETRY: shmds_status = -18;
/// The segment was made with another layout version or fingerprint.
pub const SHMDS_E_VERSION: shmds_status = -19;
/// The object of that name is no segment of this library.
pub const SHMDS_E_FOREIGN: shmds_status = -20;
/// The segment's file is shorter than its header says.
pub const SHMDS_E_TRUNCATED: shmds_status = -21;
/// Bytes in the segment make no sense.
pub const SHMDS_E_CORRUPT: shmds_status = -22;
/// Every attachment slot is held by a living process.
pub const SHMDS_E_ATTACHMENTS: shmds_status = -23;
/// The attachment is read-only.
pub const SHMDS_E_READ_ONLY: shmds_status = -24;
/// The system refused access.
pub const SHMDS_E_PERMISSION: shmds_status = -25;
/// Another system call failed; the sentence says which and why.
pub const SHMDS_E_SYSTEM: shmds_status = -26;
/// The structure behind the handle was removed.
pub const SHMDS_E_STALE: shmds_status = -27;
/// No lane of the queue is free: more processes are stopped inside it than it has
/// lanes. Or: the owner of the object lives.
pub const SHMDS_E_BUSY: shmds_status = -28;
/// A call that does not go with what was done before, such as publishing what was not reserved.
pub const SHMDS_E_STATE: shmds_status = -29;
/// The role of producer or of consumer is held by another attachment, which lives.
pub const SHMDS_E_ROLE: shmds_status = -30;
/// A defect of this library: a panic was caught at the boundary.
pub const SHMDS_E_INTERNAL: shmds_status = -99;

/// The status that stands for an error.
fn status_of(error: &Error) -> shmds_status {
    match error {
        Error::Argument { .. } => SHMDS_E_ARGUMENT,
        Error::NameEmpty { .. } => SHMDS_E_NAME_EMPTY,
        Error::NameTooLong { .. } => SHMDS_E_NAME_TOO_LONG,
        Error::NameInvalid { .. } => SHMDS_E_NAME_INVALID,
        Error::TooLarge { .. } => SHMDS_E_TOO_LARGE,
        Error::ElementSize { .. } => SHMDS_E_ELEMENT_SIZE,
        Error::Alignment { .. } => SHMDS_E_ALIGNMENT,
        Error::Capacity { .. } => SHMDS_E_CAPACITY,
        Error::Overflow { .. } => SHMDS_E_OVERFLOW,
        Error::Exists { .. } => SHMDS_E_EXISTS,
        Error::NotFound { .. } => SHMDS_E_NOT_FOUND,
        Error::NoSpace { .. } => SHMDS_E_NO_SPACE,
        Error::SegmentFull { .. } => SHMDS_E_SEGMENT_FULL,
        Error::TableFull { .. } => SHMDS_E_TABLE_FULL,
        Error::Kind { .. } => SHMDS_E_KIND,
        Error::Mismatch { .. } => SHMDS_E_MISMATCH,
        Error::Size { .. } => SHMDS_E_SIZE,
        Error::Geometry { .. } => SHMDS_E_GEOMETRY,
        Error::Version { .. } => SHMDS_E_VERSION,
        Error::Foreign { .. } => SHMDS_E_FOREIGN,
        Error::Truncated { .. } | Error::Gone { .. } => SHMDS_E_TRUNCATED,
        Error::Corrupt { .. } => SHMDS_E_CORRUPT,
        Error::Attachments { .. } => SHMDS_E_ATTACHMENTS,
        Error::ReadOnly { .. } => SHMDS_E_READ_ONLY,
        Error::Permission { .. } => SHMDS_E_PERMISSION,
        Error::System { .. } => SHMDS_E_SYSTEM,
        Error::Stale { .. } => SHMDS_E_STALE,
        Error::Busy { .. } | Error::Owned { .. } => SHMDS_E_BUSY,
        Error::State { .. } => SHMDS_E_STATE,
        Error::Role { .. } => SHMDS_E_ROLE,
        Error::Timeout { .. } => SHMDS_TIMEOUT,
    }
}

const SENTENCE_SIZE: usize = 1024;

thread_local! {
    /// NUL-terminated. A plain buffer: it needs no destructor when a thread ends
    /// or the library is unloaded.
    static SENTENCE: UnsafeCell<[u8; SENTENCE_SIZE]> = const { UnsafeCell::new([0; SENTENCE_SIZE]) };
}

fn keep(sentence: &str) {
    // Cut at a character's boundary.
    let mut len = sentence.len().min(SENTENCE_SIZE - 1);
    while !sentence.is_char_boundary(len) {
        len -= 1;
    }
    let _ = SENTENCE.try_with(|buffer| {
        // SAFETY: this thread's own; C may hold a pointer into it, which is
        // documented to be overwritten by the next failing call.
        let buffer = unsafe { &mut *buffer.get() };
        buffer[..len].copy_from_slice(&sentence.as_bytes()[..len]);
        buffer[len] = 0;
    });
}

/// Keeps the error's sentence for this thread and gives its status.
pub(super) fn report(error: &Error) -> shmds_status {
    keep(&error.to_string());
    status_of(error)
}

/// The status of a call that did not simply succeed. One copy for all functions.
#[cold]
#[inline(never)]
pub(super) fn settle(ended: thread::Result<Result<shmds_status>>) -> shmds_status {
    let status = match ended {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => report(&error),
        Err(panic) => {
            forget(panic);
            keep("an internal invariant of libshmds failed; nothing more was done");
            SHMDS_E_INTERNAL
        }
    };
    if guard::is_quiet() {
        return status;
    }
    // Whatever came of it: it touched memory that is gone, or a call before it did.
    guard::take_notice().map_or(status, |error| report(&error))
}

/// Drops what a panic left.
#[cold]
#[inline(never)]
pub(super) fn forget(panic: Box<dyn Any + Send>) {
    drop(panic);
}

/// The name of a status, such as "SHMDS_E_NOT_FOUND".
///
/// Never NULL; for a number that is no status: "unknown status". The string is
/// static. Any thread may call this at any time.
#[unsafe(no_mangle)]
pub extern "C" fn shmds_status_str(status: shmds_status) -> *const c_char {
    getter(c"unknown status".as_ptr(), || {
        Some(name_of(status)?.as_ptr())
    })
}

fn name_of(status: shmds_status) -> Option<&'static CStr> {
    Some(match status {
        SHMDS_OK => c"SHMDS_OK",
        SHMDS_FULL => c"SHMDS_FULL",
        SHMDS_EMPTY => c"SHMDS_EMPTY",
        SHMDS_TIMEOUT => c"SHMDS_TIMEOUT",
        SHMDS_EXHAUSTED => c"SHMDS_EXHAUSTED",
        SHMDS_E_ARGUMENT => c"SHMDS_E_ARGUMENT",
        SHMDS_E_NAME_EMPTY => c"SHMDS_E_NAME_EMPTY",
        SHMDS_E_NAME_TOO_LONG => c"SHMDS_E_NAME_TOO_LONG",
        SHMDS_E_NAME_INVALID => c"SHMDS_E_NAME_INVALID",
        SHMDS_E_TOO_LARGE => c"SHMDS_E_TOO_LARGE",
        SHMDS_E_ELEMENT_SIZE => c"SHMDS_E_ELEMENT_SIZE",
        SHMDS_E_ALIGNMENT => c"SHMDS_E_ALIGNMENT",
        SHMDS_E_CAPACITY => c"SHMDS_E_CAPACITY",
        SHMDS_E_OVERFLOW => c"SHMDS_E_OVERFLOW",
        SHMDS_E_EXISTS => c"SHMDS_E_EXISTS",
        SHMDS_E_NOT_FOUND => c"SHMDS_E_NOT_FOUND",
        SHMDS_E_NO_SPACE => c"SHMDS_E_NO_SPACE",
        SHMDS_E_SEGMENT_FULL => c"SHMDS_E_SEGMENT_FULL",
        SHMDS_E_TABLE_FULL => c"SHMDS_E_TABLE_FULL",
        SHMDS_E_KIND => c"SHMDS_E_KIND",
        SHMDS_E_MISMATCH => c"SHMDS_E_MISMATCH",
        SHMDS_E_SIZE => c"SHMDS_E_SIZE",
        SHMDS_E_GEOMETRY => c"SHMDS_E_GEOMETRY",
        SHMDS_E_VERSION => c"SHMDS_E_VERSION",
        SHMDS_E_FOREIGN => c"SHMDS_E_FOREIGN",
        SHMDS_E_TRUNCATED => c"SHMDS_E_TRUNCATED",
        SHMDS_E_CORRUPT => c"SHMDS_E_CORRUPT",
        SHMDS_E_ATTACHMENTS => c"SHMDS_E_ATTACHMENTS",
        SHMDS_E_READ_ONLY => c"SHMDS_E_READ_ONLY",
        SHMDS_E_PERMISSION => c"SHMDS_E_PERMISSION",
        SHMDS_E_SYSTEM => c"SHMDS_E_SYSTEM",
        SHMDS_E_STALE => c"SHMDS_E_STALE",
        SHMDS_E_BUSY => c"SHMDS_E_BUSY",
        SHMDS_E_STATE => c"SHMDS_E_STATE",
        SHMDS_E_ROLE => c"SHMDS_E_ROLE",
        SHMDS_E_INTERNAL => c"SHMDS_E_INTERNAL",
        _ => return None,
    })
}

/// A sentence about the last error or timeout that this thread met: which name,
/// what was expected, what was found.
///
/// Never NULL; empty if there was none. Success leaves it as it is. The string
/// belongs to the library and is valid until this thread's next failing call.
#[unsafe(no_mangle)]
pub extern "C" fn shmds_last_error() -> *const c_char {
    getter(c"".as_ptr(), || {
        SENTENCE
            .try_with(|buffer| buffer.get().cast_const().cast())
            .ok()
    })
}

/// Major part of the version of this header.
pub const SHMDS_VERSION_MAJOR: u32 = 0;
/// Minor part of the version of this header.
pub const SHMDS_VERSION_MINOR: u32 = 1;
/// Patch part of the version of this header.
pub const SHMDS_VERSION_PATCH: u32 = 0;

/// Version of the library that is loaded: major * 1000000 + minor * 1000 + patch.
///
/// Any thread may call this at any time.
#[unsafe(no_mangle)]
pub extern "C" fn shmds_version() -> u32 {
    getter(0, || {
        Some(SHMDS_VERSION_MAJOR * 1_000_000 + SHMDS_VERSION_MINOR * 1_000 + SHMDS_VERSION_PATCH)
    })
}
