//! Arrays in C.

use super::{boundary, getter, obtain, shmds_segment, shmds_status, structure};
use crate::segment::Intent;
use crate::structures::array::{Array, Params};
use core::ffi::{c_char, c_void};

/// An open array: elements side by side in a segment.
///
/// Made by `shmds_array_create`, `_open` and `_open_or_create`: the same array
/// gives the same handle. It belongs to the segment, is never freed by the caller
/// and is valid until the segment is closed. Any number of threads may use it;
/// ordering access to the elements is their affair.
pub struct shmds_array {
    _opaque: [u8; 0],
}

fn params(elem_size: usize, elem_align: usize, count: usize) -> Params {
    Params {
        elem_size: elem_size as u64,
        elem_align: elem_align as u64,
        count: count as u64,
    }
}

/// Creates an array of `count` elements of `elem_size` bytes, all zero.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
///
/// @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
/// `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_CAPACITY`,
/// `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
/// `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
/// living process did not leave the table, or finish initialising that name, in
/// time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
/// `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
/// reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_array_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    count: usize,
    out: *mut *mut shmds_array,
) -> shmds_status {
    let params = params(elem_size, elem_align, count);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<Array, _>(segment, name, Intent::Create, &params, out) })
}

/// Opens an array that exists. `count` 0 accepts any.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; it waits for a living process that is initialising the
/// structure of that name.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
/// `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
/// `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
/// `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_E_CORRUPT`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_array_open(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    count: usize,
    out: *mut *mut shmds_array,
) -> shmds_status {
    let params = params(elem_size, elem_align, count);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<Array, _>(segment, name, Intent::Open, &params, out) })
}

/// Opens an array, creating it if it does not exist.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
///
/// @return as `shmds_array_create` and `shmds_array_open`, but for `SHMDS_E_EXISTS`
/// and `SHMDS_E_NOT_FOUND`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_array_open_or_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    count: usize,
    out: *mut *mut shmds_array,
) -> shmds_status {
    let params = params(elem_size, elem_align, count);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<Array, _>(segment, name, Intent::OpenOrCreate, &params, out) })
}

/// Address of the first element; NULL for NULL, or if the array was destroyed or its
/// segment closed. Read-only memory in a read-only attachment. Valid until the segment is
/// closed or the array destroyed through it.
///
/// # Safety
///
/// `array` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_array_data(array: *const shmds_array) -> *mut c_void {
    getter(core::ptr::null_mut(), || {
        // SAFETY: as promised to us.
        let array = unsafe { structure::<Array, _>(array) }?;
        array.ensure_usable().ok()?;
        Some(array.data().as_ptr().cast())
    })
}

/// Number of elements; 0 for NULL.
///
/// # Safety
///
/// `array` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_array_count(array: *const shmds_array) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let array = unsafe { structure::<Array, _>(array) }?;
        Some(array.count() as usize)
    })
}

/// Bytes of an element; 0 for NULL.
///
/// # Safety
///
/// `array` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_array_elem_size(array: *const shmds_array) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let array = unsafe { structure::<Array, _>(array) }?;
        Some(array.elem_size() as usize)
    })
}

/// Name of the array as the table holds it; NULL for NULL. Valid until the segment
/// is closed.
///
/// # Safety
///
/// `array` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_array_name(array: *const shmds_array) -> *const c_char {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        let array = unsafe { structure::<Array, _>(array) }?;
        Some(array.name().as_ptr())
    })
}
