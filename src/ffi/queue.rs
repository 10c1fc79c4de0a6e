//! Queues in C.

use super::{
    boundary, getter, null, obtain, shmds_segment, shmds_status,
    status::{SHMDS_EMPTY, SHMDS_FULL, SHMDS_OK},
    structure,
};
use crate::segment::Intent;
use crate::structures::queue::{Params, Queue};
use core::ffi::{c_char, c_void};

/// An open queue, first in first out, for any number of producers and consumers
/// in any number of processes.
///
/// Made by `shmds_queue_create`, `_open` and `_open_or_create`: the same queue
/// gives the same handle. It belongs to the segment, is never freed by the caller
/// and is valid until the segment is closed. Any number of threads may use it at
/// once, and a forked child may go on with it. A process that is stopped or killed
/// anywhere in an operation delays nobody; at most the element that it was putting
/// in, or had just taken out, is lost with it. The exception is a queue of large
/// elements (above 1 MiB / (attachments + 64)), which has max(4, 1 MiB / elem_size)
/// lanes: when as many processes are stopped inside operations at once, others wait.
pub struct shmds_queue {
    _opaque: [u8; 0],
}

fn params(elem_size: usize, elem_align: usize, capacity: usize) -> Params {
    Params {
        elem_size: elem_size as u64,
        elem_align: elem_align as u64,
        capacity: capacity as u64,
    }
}

/// Creates a queue for `capacity` elements of `elem_size` bytes.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
///
/// @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`; `SHMDS_E_TABLE_FULL`;
/// `SHMDS_E_NO_SPACE`; `SHMDS_E_CAPACITY`, `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`,
/// `SHMDS_E_OVERFLOW`, `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters;
/// `SHMDS_TIMEOUT` if a living process did not leave the table in time;
/// `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_queue,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<Queue, _>(segment, name, Intent::Create, &params, out) })
}

/// Opens a queue that exists. `capacity` 0 accepts any.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
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
pub unsafe extern "C" fn shmds_queue_open(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_queue,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<Queue, _>(segment, name, Intent::Open, &params, out) })
}

/// Opens a queue, creating it if it does not exist.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
///
/// @return as `shmds_queue_create` and `shmds_queue_open`, but for `SHMDS_E_EXISTS`
/// and `SHMDS_E_NOT_FOUND`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_open_or_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_queue,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<Queue, _>(segment, name, Intent::OpenOrCreate, &params, out) })
}

/// Appends a copy of the element at `element`, `elem_size` bytes.
///
/// Never waits for another process (but see `shmds_queue` about large elements).
/// Makes no system call but the first time in a process. Linearisable: the queue
/// was full, or the element went in, at one moment during the call.
///
/// @return `SHMDS_OK`; `SHMDS_FULL`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`;
/// `SHMDS_E_BUSY` if no lane came free in time; `SHMDS_E_ATTACHMENTS` in a forked
/// child that finds no attachment slot; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `queue` is NULL or open, `element` is NULL or has `elem_size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_enqueue(
    queue: *mut shmds_queue,
    element: *const c_void,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }.ok_or_else(|| null("queue"))?;
        if element.is_null() {
            return Err(null("element"));
        }
        // SAFETY: as promised to us.
        let done = unsafe { queue.enqueue(element.cast()) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_FULL })
    })
}

/// Takes the oldest element out and copies it to `element`, `elem_size` bytes.
/// `*element` is untouched unless this returns `SHMDS_OK`.
///
/// Otherwise like `shmds_queue_enqueue`.
///
/// @return `SHMDS_OK`; `SHMDS_EMPTY`; and the errors of `shmds_queue_enqueue`.
///
/// # Safety
///
/// `queue` is NULL or open, `element` is NULL or has `elem_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_dequeue(
    queue: *mut shmds_queue,
    element: *mut c_void,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }.ok_or_else(|| null("queue"))?;
        if element.is_null() {
            return Err(null("element"));
        }
        // SAFETY: as promised to us.
        let done = unsafe { queue.dequeue(element.cast()) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_EMPTY })
    })
}

/// Number of elements: exact while nobody operates, never above the capacity; 0 for NULL.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_size(queue: *const shmds_queue) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        Some(queue.len().ok()? as usize)
    })
}

/// Number of elements that the queue holds when full; 0 for NULL.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_capacity(queue: *const shmds_queue) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        Some(queue.capacity() as usize)
    })
}

/// Bytes of an element; 0 for NULL.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_elem_size(queue: *const shmds_queue) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        Some(queue.elem_size() as usize)
    })
}

/// Whether a dequeue would have found nothing at one moment during the call; true
/// for NULL.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_empty(queue: *const shmds_queue) -> bool {
    getter(true, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        queue.is_empty().ok()
    })
}

/// Whether an enqueue would have found no room at one moment during the call; false
/// for NULL.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_full(queue: *const shmds_queue) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        queue.is_full().ok()
    })
}

/// Address of the payload slots, for inspection: which of them are in the queue,
/// and in which order, is not told. NULL for NULL. Valid until the segment is closed.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_slots(queue: *const shmds_queue) -> *mut c_void {
    getter(core::ptr::null_mut(), || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        Some(queue.slots()?.as_ptr().cast())
    })
}

/// Name of the queue as the table holds it; NULL for NULL. Valid until the segment
/// is closed.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_name(queue: *const shmds_queue) -> *const c_char {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        Some(queue.name().as_ptr())
    })
}
