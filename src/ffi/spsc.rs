//! SPSC queues in C.

use super::{
    boundary, getter, move_element, null, obtain, output, shmds_segment, shmds_status,
    status::{SHMDS_EMPTY, SHMDS_FULL, SHMDS_OK, SHMDS_TIMEOUT},
    structure,
};
use crate::error::Result;
use crate::segment::Intent;
use crate::structures::spsc::{Params, SpscQueue};
use core::ffi::{c_char, c_void};

/// An open queue, first in first out, for one producer and one consumer at a time,
/// in any processes: the fastest way from one to the other.
///
/// Made by `shmds_spsc_queue_create`, `_open` and `_open_or_create`: the same queue
/// gives the same handle. It belongs to the segment, is never freed by the caller
/// and is valid until the segment is closed.
///
/// Roles: the first push through a handle makes its attachment the producer, the
/// first pop the consumer; it may be both. While a living attachment holds a role,
/// others are answered `SHMDS_E_ROLE`. `shmds_spsc_queue_leave` and
/// `shmds_segment_close` give the roles up, and those of the dead are taken over. A
/// forked child is an attachment of its own, which holds no role at first.
///
/// Threads: one at a time pushes through a handle, one at a time pops, and handing
/// over from one thread to another is the caller's affair. The library does not
/// notice it when several do at once, and elements are then lost or repeated. What
/// does not need a role may be called by any thread at any time.
///
/// Death: a process may be killed anywhere. What it had published stays, once and in
/// order; what it was publishing is there as a whole or not at all. What it was
/// taking goes to the next consumer, unless its call had come to the point where the
/// element is its own: then the element is lost with it.
///
/// shmds_inline.h has push, pop, front and release for inlining.
pub struct shmds_spsc_queue {
    _opaque: [u8; 0],
}

fn params(elem_size: usize, elem_align: usize, capacity: usize) -> Params {
    Params {
        elem_size: elem_size as u64,
        elem_align: elem_align as u64,
        capacity: capacity as u64,
    }
}

/// The queue behind a handle.
///
/// # Safety
///
/// `queue` is NULL or open.
#[inline]
unsafe fn open<'a>(queue: *const shmds_spsc_queue) -> Result<&'a SpscQueue> {
    // SAFETY: as promised to us.
    unsafe { structure::<SpscQueue, _>(queue) }.ok_or_else(|| null("queue"))
}

/// A place for elements, if it is one.
fn elements<T>(pointer: *mut T, argument: &str) -> Result<*mut u8> {
    if pointer.is_null() {
        return Err(null(argument));
    }
    Ok(pointer.cast())
}

/// Creates an SPSC queue for `capacity` elements of `elem_size` bytes.
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
pub unsafe extern "C" fn shmds_spsc_queue_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_spsc_queue,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<SpscQueue, _>(segment, name, Intent::Create, &params, out) })
}

/// Opens an SPSC queue that exists. `capacity` 0 accepts any. Takes no role.
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
pub unsafe extern "C" fn shmds_spsc_queue_open(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_spsc_queue,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<SpscQueue, _>(segment, name, Intent::Open, &params, out) })
}

/// Opens an SPSC queue, creating it if it does not exist.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
///
/// @return as `shmds_spsc_queue_create` and `shmds_spsc_queue_open`, but for
/// `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_open_or_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_spsc_queue,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe {
        obtain::<SpscQueue, _>(segment, name, Intent::OpenOrCreate, &params, out)
    })
}

/// Appends a copy of the element at `element`, `elem_size` bytes, as the producer.
///
/// Never waits for another process, but may give the consumer a head start of a few
/// microseconds at most (docs/performance.md). Makes no system call unless the consumer
/// is asleep, or this call takes the role. One store publishes the element: a process killed before it has
/// appended nothing, and one killed after it everything. `element` must not lie in
/// the queue.
///
/// @return `SHMDS_OK`; `SHMDS_FULL`; `SHMDS_E_ROLE` if a living attachment is the
/// producer; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`; `SHMDS_E_ATTACHMENTS`,
/// `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
/// reopen the segment; `SHMDS_E_STATE` if the segment was closed in this process;
/// `SHMDS_E_STALE` if the queue was destroyed; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `queue` is NULL or open, `element` is NULL or has `elem_size` readable bytes. No
/// other thread pushes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_push(
    queue: *mut shmds_spsc_queue,
    element: *const c_void,
) -> shmds_status {
    // SAFETY: as promised to us, here and in both.
    unsafe {
        move_element::<SpscQueue, _>(
            (queue, "queue"),
            element.cast_mut(),
            SHMDS_FULL,
            |queue, element| queue.push_at_once(element),
            |queue, element| queue.push(element),
        )
    }
}

/// Takes the oldest element out and copies it to `element`, `elem_size` bytes, as the
/// consumer. `*element` is untouched unless this returns `SHMDS_OK`.
///
/// Never waits for another process, but may give the producer a head start of a few
/// microseconds at most (docs/performance.md). Makes no system call unless the producer
/// is asleep, or this call takes the role. The element is copied, then one store takes it: if the process
/// is killed before that store, the next consumer gets the element, which this call
/// never returned; if after it, the element is gone. So no element is ever returned
/// twice.
///
/// @return `SHMDS_OK`; `SHMDS_EMPTY`; `SHMDS_E_ROLE` if a living attachment is the
/// consumer; and the other errors of `shmds_spsc_queue_push`.
///
/// # Safety
///
/// `queue` is NULL or open, `element` is NULL or has `elem_size` writable bytes. No
/// other thread pops meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_pop(
    queue: *mut shmds_spsc_queue,
    element: *mut c_void,
) -> shmds_status {
    // SAFETY: as promised to us, here and in both.
    unsafe {
        move_element::<SpscQueue, _>(
            (queue, "queue"),
            element,
            SHMDS_EMPTY,
            |queue, element| queue.pop_at_once(element),
            |queue, element| queue.pop(element),
        )
    }
}

/// Stores the address of the oldest element in `*element`, as the consumer: to be
/// read where it lies, then given back by `shmds_spsc_queue_release`.
///
/// The address is valid until the element is released or popped, or the role given
/// up. Called again before that, this gives the same element. An element is handled
/// at least once this way: if the process is killed before it is released, the next
/// consumer finds it at the front again. `*element` is untouched unless this returns
/// `SHMDS_OK`. Otherwise like `shmds_spsc_queue_pop`.
///
/// @return `SHMDS_OK`; `SHMDS_EMPTY`; and the errors of `shmds_spsc_queue_pop`.
///
/// # Safety
///
/// `queue` is NULL or open, `element` NULL or valid. No other thread pops meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_front(
    queue: *mut shmds_spsc_queue,
    element: *mut *const c_void,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, element) = unsafe { (open(queue)?, output(element, "element")?) };
        Ok(match queue.front()? {
            Some(slot) => {
                element.write(slot.as_ptr().cast_const().cast());
                SHMDS_OK
            }
            None => SHMDS_EMPTY,
        })
    })
}

/// Takes the element out that `shmds_spsc_queue_front` gave; its address is no longer
/// valid. Like the end of `shmds_spsc_queue_pop`.
///
/// @return `SHMDS_OK`; `SHMDS_E_STATE` if nothing is at the front: the queue is
/// empty, `shmds_spsc_queue_front` was not called, or its element was popped or
/// released, or the role given up, since, or the segment was closed; `SHMDS_E_STALE` if
/// that is so because the queue was destroyed; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `queue` is NULL or open. No other thread pops meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_release(queue: *mut shmds_spsc_queue) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(queue) }?.release()?;
        Ok(SHMDS_OK)
    })
}

/// Appends copies of as many of the `count` elements at `elements` as there is room
/// for, the first ones, and stores how many in `*pushed`. They are published at
/// once: a process that is killed has appended all of them or none.
///
/// `*pushed` is untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set
/// to 0, `elements` may be NULL, and no role is taken. Otherwise like
/// `shmds_spsc_queue_push`.
///
/// @return `SHMDS_OK` if at least one went in, or `count` is 0; `SHMDS_FULL`; and the
/// errors of `shmds_spsc_queue_push`.
///
/// # Safety
///
/// `queue` is NULL or open, `elements` is NULL or has `count` elements, `pushed` NULL
/// or valid. No other thread pushes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_push_bulk(
    queue: *mut shmds_spsc_queue,
    elements: *const c_void,
    count: usize,
    pushed: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, pushed) = unsafe { (open(queue)?, output(pushed, "pushed")?) };
        if count == 0 {
            pushed.write(0);
            return Ok(SHMDS_OK);
        }
        let source = self::elements(elements.cast_mut(), "elements")?;
        // SAFETY: as promised to us.
        let number = unsafe { queue.push_bulk(source, count as u64) }?;
        if number == 0 {
            return Ok(SHMDS_FULL);
        }
        pushed.write(number as usize);
        Ok(SHMDS_OK)
    })
}

/// Takes up to `count` of the oldest elements out, copies them to `elements` in
/// order, and stores how many in `*popped`. They are taken at once: if the process
/// is killed before, the next consumer gets all of them.
///
/// `*popped` and `*elements` are untouched unless this returns `SHMDS_OK`. If `count`
/// is 0, `*popped` is set to 0, `elements` may be NULL, and no role is taken.
/// Otherwise like `shmds_spsc_queue_pop`.
///
/// @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EMPTY`; and
/// the errors of `shmds_spsc_queue_pop`.
///
/// # Safety
///
/// `queue` is NULL or open, `elements` is NULL or has room for `count` elements,
/// `popped` NULL or valid. No other thread pops meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_pop_bulk(
    queue: *mut shmds_spsc_queue,
    elements: *mut c_void,
    count: usize,
    popped: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, popped) = unsafe { (open(queue)?, output(popped, "popped")?) };
        if count == 0 {
            popped.write(0);
            return Ok(SHMDS_OK);
        }
        let target = self::elements(elements, "elements")?;
        // SAFETY: as promised to us.
        let number = unsafe { queue.pop_bulk(target, count as u64) }?;
        if number == 0 {
            return Ok(SHMDS_EMPTY);
        }
        popped.write(number as usize);
        Ok(SHMDS_OK)
    })
}

/// Appends a copy of the element at `element`, waiting for room for at most
/// `timeout_ns` nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
///
/// Sleeps in the kernel, after a short while of looking. A consumer that is killed
/// delays this by a hundredth of a second at most when another one goes on in its
/// place. Otherwise like `shmds_spsc_queue_push`.
///
/// @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was no room in time; and the errors of
/// `shmds_spsc_queue_push`.
///
/// # Safety
///
/// As for `shmds_spsc_queue_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_push_wait(
    queue: *mut shmds_spsc_queue,
    element: *const c_void,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let queue = unsafe { open(queue) }?;
        let element = elements(element.cast_mut(), "element")?;
        // SAFETY: as promised to us.
        let done = unsafe { queue.push_wait(element, timeout_ns) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Takes the oldest element out and copies it to `element`, waiting for one for at
/// most `timeout_ns` nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
///
/// Sleeps in the kernel, after a short while of looking. A producer that is killed
/// delays this by a hundredth of a second at most when another one goes on in its
/// place. Otherwise like `shmds_spsc_queue_pop`.
///
/// @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was nothing in time; and the errors of
/// `shmds_spsc_queue_pop`.
///
/// # Safety
///
/// As for `shmds_spsc_queue_pop`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_pop_wait(
    queue: *mut shmds_spsc_queue,
    element: *mut c_void,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let queue = unsafe { open(queue) }?;
        let element = elements(element, "element")?;
        // SAFETY: as promised to us.
        let done = unsafe { queue.pop_wait(element, timeout_ns) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Gives up the roles that this attachment holds, so that others can take them at
/// once; its next push or pop takes them again. The elements stay. What was at the
/// front and not released is at the front for the next consumer.
///
/// `shmds_segment_close` does the same. In a forked child, the roles of the parent
/// stay the parent's.
///
/// @return `SHMDS_OK`, also if there was none; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `queue` is NULL or open. No other thread pushes or pops meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_leave(queue: *mut shmds_spsc_queue) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(queue) }?.leave();
        Ok(SHMDS_OK)
    })
}

/// For shmds_inline.h, which calls this after publishing when somebody may be asleep
/// at the queue: wakes them, and lets them look again. Harmless at any time, by any
/// thread.
///
/// @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE` if the segment was closed;
/// `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_wake(queue: *mut shmds_spsc_queue) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(queue) }?.wake()?;
        Ok(SHMDS_OK)
    })
}

/// Number of elements: exact while nobody operates, never above the capacity; 0 for
/// NULL. Any attachment may ask, a read-only one too.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_size(queue: *const shmds_spsc_queue) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<SpscQueue, _>(queue) }?;
        Some(queue.len() as usize)
    })
}

/// Number of elements that the queue holds when full; 0 for NULL.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_capacity(queue: *const shmds_spsc_queue) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<SpscQueue, _>(queue) }?;
        Some(queue.capacity() as usize)
    })
}

/// Bytes of an element; 0 for NULL.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_elem_size(queue: *const shmds_spsc_queue) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<SpscQueue, _>(queue) }?;
        Some(queue.elem_size() as usize)
    })
}

/// Whether a pop would have found nothing at one moment during the call; true for
/// NULL. Any attachment may ask, a read-only one too.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_empty(queue: *const shmds_spsc_queue) -> bool {
    getter(true, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<SpscQueue, _>(queue) }?;
        Some(queue.is_empty())
    })
}

/// Whether a push would have found no room at one moment during the call; false for
/// NULL. Any attachment may ask, a read-only one too.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_full(queue: *const shmds_spsc_queue) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<SpscQueue, _>(queue) }?;
        Some(queue.is_full())
    })
}

/// Name of the queue as the table holds it; NULL for NULL. Valid until the segment
/// is closed.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_spsc_queue_name(queue: *const shmds_spsc_queue) -> *const c_char {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<SpscQueue, _>(queue) }?;
        Some(queue.name().as_ptr())
    })
}
