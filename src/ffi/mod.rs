//! The C ABI: checks arguments, calls the core, turns results into statuses.
//!
//! Every function passes through [`boundary`], [`at_once`] or [`getter`]: no panic ever
//! reaches C. The doc comments here are the documentation in `shmds.h`.

#![allow(non_camel_case_types)]

mod array;
mod atomic;
mod pool;
mod queue;
mod ring;
mod segment;
mod spsc;
mod status;
mod table;

pub use array::*;
pub use atomic::*;
pub use pool::*;
pub use queue::*;
pub use ring::*;
pub use segment::*;
pub use spsc::*;
pub use status::*;
pub use table::*;

use crate::error::{Error, Result};
use crate::segment::{Intent, guard};
use crate::structures::Structure;
use core::ffi::{CStr, c_char, c_void};
use core::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function: errors and panics become a status and
/// a sentence for `shmds_last_error`.
#[inline(always)]
fn boundary(body: impl FnOnce() -> Result<shmds_status>) -> shmds_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) if guard::is_quiet() => status,
        ended => status::settle(ended),
    }
}

/// Runs what an exported function mostly does, without the way that errors take, which can cost
/// more than the work; and the whole `body`, through the boundary, if that is `None`: nothing done.
#[inline(always)]
fn at_once(
    mostly: impl FnOnce() -> Option<shmds_status>,
    body: impl FnOnce() -> Result<shmds_status>,
) -> shmds_status {
    match catch_unwind(AssertUnwindSafe(mostly)) {
        Ok(Some(status)) if guard::is_quiet() => status,
        Ok(None) => slowly(body),
        Ok(Some(status)) => status::settle(Ok(Ok(status))),
        Err(panic) => status::settle(Err(panic)),
    }
}

/// The body of a function that moves one element in or out, `element` being where it lies or goes:
/// `mostly` does that as far as it goes without an error, and answers `None` if it did nothing;
/// `fully` whatever there is. `refusal` is the answer when there is no room, or no element.
///
/// # Safety
///
/// `handle` is NULL or open, and `H` is the opaque type that stands for `S`.
#[inline(always)]
unsafe fn move_element<S, H>(
    (handle, argument): (*const H, &'static str),
    element: *mut c_void,
    refusal: shmds_status,
    mostly: impl FnOnce(&S, *mut u8) -> Option<bool>,
    fully: impl FnOnce(&S, *mut u8) -> Result<bool>,
) -> shmds_status {
    let status = |done| if done { SHMDS_OK } else { refusal };
    // SAFETY: as promised to us.
    let structure = unsafe { structure::<S, H>(handle) };
    at_once(
        || {
            let complete = structure.filter(|_| !element.is_null())?;
            mostly(complete, element.cast()).map(status)
        },
        || {
            let structure = structure.ok_or_else(|| null(argument))?;
            if element.is_null() {
                return Err(null("element"));
            }
            fully(structure, element.cast()).map(status)
        },
    )
}

/// [`boundary`], out of the way of what is done at once.
#[cold]
#[inline(never)]
fn slowly(body: impl FnOnce() -> Result<shmds_status>) -> shmds_status {
    boundary(body)
}

/// Runs the body of an exported function that returns a value, or `fallback`
/// when there is none.
#[inline(always)]
fn getter<T>(fallback: T, body: impl FnOnce() -> Option<T>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value.unwrap_or(fallback),
        Err(panic) => {
            status::forget(panic);
            fallback
        }
    }
}

/// The object behind a pointer from C.
///
/// # Safety
///
/// `pointer` is NULL, or valid for the duration of the call.
#[inline]
unsafe fn object<'a, T>(pointer: *const T, argument: &str) -> Result<&'a T> {
    // SAFETY: NULL or valid, says the caller.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(argument))
}

/// The place for an output, which may not be initialised yet.
///
/// # Safety
///
/// `pointer` is NULL, or valid for writing for the duration of the call.
#[inline]
unsafe fn output<'a, T>(pointer: *mut T, argument: &str) -> Result<&'a mut MaybeUninit<T>> {
    // SAFETY: as promised to us.
    unsafe { place(pointer) }.ok_or_else(|| null(argument))
}

/// The same, without an error to tell.
///
/// # Safety
///
/// As for [`output`].
#[inline]
unsafe fn place<'a, T>(pointer: *mut T) -> Option<&'a mut MaybeUninit<T>> {
    // SAFETY: NULL or valid, says the caller.
    unsafe { pointer.cast::<MaybeUninit<T>>().as_mut() }
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

/// A structure that the library fills in.
///
/// # Safety
///
/// `repr(C)` without padding, `struct_size: usize` first, and newer versions only
/// longer.
unsafe trait Info {}

/// Fills in as much of a structure as its caller knows of.
///
/// # Safety
///
/// `pointer` is NULL, or has as many writable bytes as its first word says.
unsafe fn fill<T: Info>(
    pointer: *mut T,
    argument: &str,
    value: impl FnOnce() -> Result<T>,
) -> Result<()> {
    if pointer.is_null() {
        return Err(null(argument));
    }
    // SAFETY: every version of the structure has its first word.
    let given = unsafe { pointer.cast::<usize>().read() };
    let known = size_of::<T>();
    if given < known {
        return Err(Error::argument(format!(
            "{argument}->struct_size is {given}; expected {known}"
        )));
    }
    let value = value()?;
    // The first word stays as the caller set it.
    let word = size_of::<usize>();
    // SAFETY: both have `known` bytes, and do not overlap: `value` is ours.
    unsafe {
        let source = core::ptr::from_ref(&value).cast::<u8>().add(word);
        pointer
            .cast::<u8>()
            .add(word)
            .copy_from_nonoverlapping(source, known - word);
    }
    Ok(())
}

/// Creates or opens a structure and hands its handle out.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid, and
/// `H` is the opaque type that stands for `S`.
unsafe fn obtain<S: Structure, H>(
    segment: *mut shmds_segment,
    name: *const c_char,
    intent: Intent,
    params: &S::Params,
    out: *mut *mut H,
) -> Result<shmds_status> {
    // SAFETY: as promised to us.
    let (segment, name, out) = unsafe {
        (
            object(segment.cast_const(), "segment")?,
            string(name, "name")?,
            output(out, "out")?,
        )
    };
    let structure: &S = segment.0.obtain(name, intent, params)?;
    out.write(core::ptr::from_ref(structure).cast_mut().cast());
    Ok(SHMDS_OK)
}

/// The structure behind a handle that [`obtain`] made.
///
/// # Safety
///
/// `handle` is NULL or open, and `H` is the opaque type that stands for `S`.
unsafe fn structure<'a, S, H>(handle: *const H) -> Option<&'a S> {
    // SAFETY: as promised to us; `obtain` cast it from this type.
    unsafe { handle.cast::<S>().as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        // SAFETY: a valid string of this thread's.
        let text = unsafe { CStr::from_ptr(shmds_last_error()) };
        text.to_string_lossy().into_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_sentence() {
        assert_eq!(boundary(|| panic!("on purpose")), SHMDS_E_INTERNAL);
        assert!(last_error().contains("internal"));
        assert_eq!(getter(7, || panic!("on purpose")), 7);
        assert_eq!(
            at_once(|| panic!("on purpose"), || Ok(SHMDS_OK)),
            SHMDS_E_INTERNAL
        );
        assert_eq!(at_once(|| None, || panic!("on purpose")), SHMDS_E_INTERNAL);
    }

    #[test]
    fn an_error_becomes_its_status_and_sentence_and_success_leaves_them() {
        let error = || Err(Error::argument("the rule"));
        assert_eq!(boundary(error), SHMDS_E_ARGUMENT);
        assert_eq!(boundary(|| Ok(SHMDS_FULL)), SHMDS_FULL);
        assert_eq!(last_error(), "the rule");
    }

    #[test]
    fn a_sentence_too_long_is_cut_at_a_character() {
        boundary(|| Err(Error::argument("\u{e4}".repeat(3000))));
        assert_eq!(last_error().chars().count(), 511);
    }

    #[test]
    fn newer_and_older_callers_get_what_they_know() {
        let mut info = shmds_entry_info {
            struct_size: size_of::<shmds_entry_info>() + 8,
            offset: 0,
            size: 0,
            elem_size: 0,
            num_elem: 0,
            kind: 9,
            generation: 9,
        };
        let value = shmds_entry_info { kind: 1, ..info };
        // SAFETY: a valid structure; what lies behind it is not written.
        unsafe { fill(&raw mut info, "info", || Ok(value)) }.expect("a longer one");
        assert_eq!(
            (info.kind, info.struct_size),
            (1, size_of::<shmds_entry_info>() + 8)
        );
        info.struct_size = 8;
        // SAFETY: as above.
        assert!(unsafe { fill(&raw mut info, "info", || Ok(value)) }.is_err());
    }
}
