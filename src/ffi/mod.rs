//! The C ABI: checks arguments, calls the core, turns results into statuses.
//!
//! Every function passes through [`boundary`] or [`getter`]: no panic ever
//! reaches C. The doc comments here are the documentation in `shmds.h`.

#![allow(non_camel_case_types)]

mod array;
mod atomic;
mod queue;
mod segment;
mod status;
mod table;

pub use array::*;
pub use atomic::*;
pub use queue::*;
pub use segment::*;
pub use status::*;
pub use table::*;

use crate::error::{Error, Result};
use core::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function: errors and panics become a status and
/// a sentence for `shmds_last_error`.
fn boundary(body: impl FnOnce() -> Result<shmds_status>) -> shmds_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => status::report(&error),
        Err(_) => status::report_panic(),
    }
}

/// Runs the body of an exported function that returns a value, or `fallback`
/// when there is none.
fn getter<T>(fallback: T, body: impl FnOnce() -> Option<T>) -> T {
    catch_unwind(AssertUnwindSafe(body))
        .ok()
        .flatten()
        .unwrap_or(fallback)
}

/// The object behind a pointer from C.
///
/// # Safety
///
/// `pointer` is NULL, or valid for the duration of the call.
unsafe fn object<'a, T>(pointer: *const T, argument: &str) -> Result<&'a T> {
    // SAFETY: NULL or valid, says the caller.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(argument))
}

/// The place for an output.
///
/// # Safety
///
/// `pointer` is NULL, or valid for writing for the duration of the call.
unsafe fn output<'a, T>(pointer: *mut T, argument: &str) -> Result<&'a mut T> {
    // SAFETY: NULL or valid, says the caller.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(argument))
}

/// The bytes of a C string.
///
/// # Safety
///
/// `name` is NULL, or a NUL-terminated string valid for the duration of the call.
unsafe fn string<'a>(name: *const c_char, argument: &str) -> Result<&'a [u8]> {
    if name.is_null() {
        return Err(null(argument));
    }
    // SAFETY: NUL-terminated, says the caller.
    Ok(unsafe { CStr::from_ptr(name) }.to_bytes())
}

/// The name of a segment.
///
/// # Safety
///
/// As for [`string`].
unsafe fn segment_name<'a>(name: *const c_char) -> Result<&'a str> {
    // SAFETY: as promised to us.
    let bytes = unsafe { string(name, "name") }?;
    core::str::from_utf8(bytes).map_err(|_| Error::NameInvalid {
        name: String::from_utf8_lossy(bytes).into_owned(),
    })
}

fn null(argument: &str) -> Error {
    Error::argument(format!("{argument} is NULL; expected a valid pointer"))
}

/// Checks the first word of a structure that the library fills in.
fn check_struct_size<T>(found: usize, argument: &str) -> Result<()> {
    if found == size_of::<T>() {
        return Ok(());
    }
    Err(Error::argument(format!(
        "{argument}->struct_size is {found}; expected {}",
        size_of::<T>()
    )))
}
