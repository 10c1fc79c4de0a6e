//! Ring buffers in C.

use super::{
    boundary, getter, move_element, null, obtain, output, shmds_segment, shmds_status,
    status::{SHMDS_EMPTY, SHMDS_FULL, SHMDS_OK, SHMDS_TIMEOUT},
    structure,
};
use crate::error::{Error, Result};
use crate::segment::Intent;
use crate::structures::ring::{Observer, Params, RingBuffer};
use core::ffi::{c_char, c_void};

/// An open ring buffer: the newest elements of a stream, for one producer, one consumer
/// and any number of observers, in any processes.
///
/// Made by `shmds_ring_buffer_create`, `_open` and `_open_or_create`: the same ring buffer
/// gives the same handle. It belongs to the segment, is never freed by the caller
/// and is valid until the segment is closed; a forked child goes on with it.
///
/// Roles: one thread at a time, in whichever process, is the producer (push, overwrite),
/// and one is the consumer (pop, skip, clear); they may be the same. The roles may move
/// at any time, as long as the old holder's last call ends before the new one's first.
/// The program sees to it; nothing is refused. If the ring buffer was created with
/// `SHMDS_RING_BUFFER_ROLES`, the first to push becomes the producer and the first to pop
/// the consumer: while that attachment lives, others are answered `SHMDS_E_ROLE`, until
/// it gives the role up (`shmds_ring_buffer_leave`, `shmds_segment_close`); the roles
/// of the dead are taken over. Then a forked child is an attachment of its own.
///
/// Everybody else only looks, writes nothing, and needs no role: peek, get_last_n,
/// observers and the numbers work by any thread at any time, also on a read-only
/// attachment.
///
/// Overwriting: a producer that overwrites waits for nobody, and no element is ever
/// delivered torn: who was reading one that is overwritten meanwhile drops it. Elements
/// that were overwritten before they were consumed are *lost*, and counted. A consumer
/// that is overtaken while it copies gives up some more of the oldest ones, so as not to be
/// overtaken again at once; these count as lost, too.
///
/// Death: a process may be killed anywhere. What it had published stays, once and in
/// order; what it was publishing is there as a whole or not at all; what it was just
/// overwriting counts as lost. What it was popping goes to the next consumer, unless
/// its call had come to the point where the elements are its own.
///
/// Buffers that elements are copied to: what lies in them behind the elements delivered
/// is unspecified after the call, whatever it returns, for a copy that raced with the
/// producer may have touched it. They must not lie in the ring buffer, and neither must what is
/// pushed.
///
/// shmds_inline.h has push, push_overwrite, pop and both bulks for inlining.
pub struct shmds_ring_buffer {
    _opaque: [u8; 0],
}

/// Flag of `shmds_ring_buffer_create`: roles are held, and refused to others.
pub const SHMDS_RING_BUFFER_ROLES: u32 = 1;

/// Where an observer of a ring buffer has come to: the caller's own, in private memory, for
/// `shmds_ring_buffer_observe`. All zero but for `struct_size`, it observes from the first
/// element ever written on; `shmds_ring_buffer_seek` puts it elsewhere. May be copied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmds_ring_buffer_observer {
    /// `sizeof(shmds_ring_buffer_observer)`, set by the caller.
    pub struct_size: usize,
    /// Number, counted from the ring buffer's creation, of the element that is next.
    pub cursor: u64,
    /// How many elements were overwritten before this observer could read them.
    pub lost: u64,
}

fn params(elem_size: usize, elem_align: usize, capacity: usize, flags: u32) -> Params {
    Params {
        elem_size: elem_size as u64,
        elem_align: elem_align as u64,
        capacity: capacity as u64,
        flags: u64::from(flags),
    }
}

/// The ring buffer behind a handle.
///
/// # Safety
///
/// `ring` is NULL or open.
#[inline]
unsafe fn open<'a>(ring: *const shmds_ring_buffer) -> Result<&'a RingBuffer> {
    // SAFETY: as promised to us.
    unsafe { structure::<RingBuffer, _>(ring) }.ok_or_else(|| null("ring"))
}

/// A place for `count` elements, if it is one; none is needed for no elements.
fn elements<T>(pointer: *mut T, count: usize, argument: &str) -> Result<*mut u8> {
    if pointer.is_null() && count > 0 {
        return Err(null(argument));
    }
    Ok(pointer.cast())
}

/// The caller's observer.
///
/// # Safety
///
/// `observer` is NULL, or valid and nobody else's during the call.
unsafe fn observer<'a>(
    observer: *mut shmds_ring_buffer_observer,
) -> Result<&'a mut shmds_ring_buffer_observer> {
    // SAFETY: as promised to us.
    let given = unsafe { observer.as_mut() }.ok_or_else(|| null("observer"))?;
    let known = size_of::<shmds_ring_buffer_observer>();
    if given.struct_size < known {
        return Err(Error::argument(format!(
            "observer->struct_size is {}; expected {known}",
            given.struct_size
        )));
    }
    Ok(given)
}

/// Creates a ring buffer for `capacity` elements of `elem_size` bytes.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway. `flags`
/// is 0 or `SHMDS_RING_BUFFER_ROLES`.
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
pub unsafe extern "C" fn shmds_ring_buffer_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    flags: u32,
    out: *mut *mut shmds_ring_buffer,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity, flags);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<RingBuffer, _>(segment, name, Intent::Create, &params, out) })
}

/// Opens a ring buffer that exists. `capacity` 0 accepts any. Takes no role.
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
pub unsafe extern "C" fn shmds_ring_buffer_open(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_ring_buffer,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity, 0);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<RingBuffer, _>(segment, name, Intent::Open, &params, out) })
}

/// Opens a ring buffer, creating it if it does not exist. `flags` are those of a new one;
/// one that exists keeps its own.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
///
/// @return as `shmds_ring_buffer_create` and `shmds_ring_buffer_open`, but for
/// `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_open_or_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    flags: u32,
    out: *mut *mut shmds_ring_buffer,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity, flags);
    // SAFETY: as promised to us.
    boundary(|| unsafe {
        obtain::<RingBuffer, _>(segment, name, Intent::OpenOrCreate, &params, out)
    })
}

/// Appends a copy of the element at `element`, `elem_size` bytes, as the producer, if
/// there is room.
///
/// Never waits. Makes no system call unless somebody is asleep here, or this call takes
/// the role. One store publishes the element: a process killed before it has appended
/// nothing, and one killed after it everything.
///
/// @return `SHMDS_OK`; `SHMDS_FULL`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`;
/// `SHMDS_E_STATE` if the segment was closed in this process; `SHMDS_E_CORRUPT`; with
/// enforced roles also `SHMDS_E_ROLE` if a living attachment is the producer, and
/// `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION`, `SHMDS_E_SYSTEM` in a forked child that
/// finds no attachment slot, or may not reopen the segment.
///
/// # Safety
///
/// `ring` is NULL or open, `element` is NULL or has `elem_size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_push(
    ring: *mut shmds_ring_buffer,
    element: *const c_void,
) -> shmds_status {
    // SAFETY: as promised to us, here and in both.
    unsafe {
        move_element::<RingBuffer, _>(
            (ring, "ring"),
            element.cast_mut(),
            SHMDS_FULL,
            |ring, element| ring.push_at_once(element),
            |ring, element| ring.push(element),
        )
    }
}

/// Appends copies of as many of the `count` elements at `elements` as there is room for, the
/// first ones, and stores how many in `*pushed`. They are published at once: a process
/// that is killed has appended all of them or none.
///
/// `*pushed` is untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set to 0,
/// and `elements` may be NULL. `count` may exceed the capacity. Otherwise like
/// `shmds_ring_buffer_push`.
///
/// @return `SHMDS_OK` if at least one went in, or `count` is 0; `SHMDS_FULL`; and the
/// errors of `shmds_ring_buffer_push`.
///
/// # Safety
///
/// `ring` is NULL or open, `elements` is NULL or has `count` elements, `pushed` NULL or
/// valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_push_bulk(
    ring: *mut shmds_ring_buffer,
    elements: *const c_void,
    count: usize,
    pushed: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (ring, pushed) = unsafe { (open(ring)?, output(pushed, "pushed")?) };
        let source = self::elements(elements.cast_mut(), count, "elements")?;
        // SAFETY: as promised to us.
        let number = unsafe { ring.push_bulk(source, count as u64) }?;
        if number == 0 && count > 0 {
            return Ok(SHMDS_FULL);
        }
        pushed.write(number as usize);
        Ok(SHMDS_OK)
    })
}

/// Appends a copy of the element at `element`, as the producer; when there is no room, over
/// the oldest element, which is lost. Waits for nobody, whoever is reading. Otherwise
/// like `shmds_ring_buffer_push`.
///
/// @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_push`.
///
/// # Safety
///
/// As for `shmds_ring_buffer_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_push_overwrite(
    ring: *mut shmds_ring_buffer,
    element: *const c_void,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let ring = unsafe { open(ring) }?;
        let element = elements(element.cast_mut(), 1, "element")?;
        // SAFETY: as promised to us.
        unsafe { ring.overwrite_bulk(element, 1) }?;
        Ok(SHMDS_OK)
    })
}

/// Appends copies of the `count` elements at `elements`, as the producer, over the oldest
/// ones where there is no room. They are published at once. Of more than the capacity,
/// the newest are kept, and all are counted as written. If `count` is 0, `elements` may be NULL.
/// Otherwise like `shmds_ring_buffer_push_overwrite`.
///
/// @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_push`.
///
/// # Safety
///
/// `ring` is NULL or open, `elements` is NULL or has `count` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_overwrite_bulk(
    ring: *mut shmds_ring_buffer,
    elements: *const c_void,
    count: usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let ring = unsafe { open(ring) }?;
        let source = self::elements(elements.cast_mut(), count, "elements")?;
        // SAFETY: as promised to us.
        unsafe { ring.overwrite_bulk(source, count as u64) }?;
        Ok(SHMDS_OK)
    })
}

/// Takes the oldest element out and copies it to `element`, `elem_size` bytes, as the
/// consumer.
///
/// Never waits. Makes no system call unless somebody is asleep here, or this call takes
/// the role. The element is copied, then one store takes it: if the process is killed
/// before that store, the next consumer gets the element, which this call never returned;
/// if after it, the element is gone. So no element is ever returned twice.
///
/// While the producer overwrites faster than this can copy, it tries again with newer
/// elements, a limited number of times.
///
/// @return `SHMDS_OK`; `SHMDS_EMPTY` if there was nothing, or nothing that stayed long
/// enough; `SHMDS_E_ROLE` if roles are enforced and a living attachment is the consumer;
/// and the other errors of `shmds_ring_buffer_push`.
///
/// # Safety
///
/// `ring` is NULL or open, `element` is NULL or has `elem_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_pop(
    ring: *mut shmds_ring_buffer,
    element: *mut c_void,
) -> shmds_status {
    // SAFETY: as promised to us, here and in both.
    unsafe {
        move_element::<RingBuffer, _>(
            (ring, "ring"),
            element,
            SHMDS_EMPTY,
            |ring, element| ring.pop_at_once(element),
            |ring, element| ring.pop(element),
        )
    }
}

/// Takes up to `count` of the oldest elements out, copies them to `elements` in order, and
/// stores how many in `*popped`. They are taken at once: if the process is killed before,
/// the next consumer gets all of them.
///
/// `*popped` is untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set to 0,
/// and `elements` may be NULL. `count` may exceed the capacity. Otherwise like
/// `shmds_ring_buffer_pop`.
///
/// @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EMPTY`; and the
/// errors of `shmds_ring_buffer_pop`.
///
/// # Safety
///
/// `ring` is NULL or open, `elements` is NULL or has room for `count` elements, `popped`
/// NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_pop_bulk(
    ring: *mut shmds_ring_buffer,
    elements: *mut c_void,
    count: usize,
    popped: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (ring, popped) = unsafe { (open(ring)?, output(popped, "popped")?) };
        let target = self::elements(elements, count, "elements")?;
        // SAFETY: as promised to us.
        let number = unsafe { ring.pop_bulk(target, count as u64) }?;
        if number == 0 && count > 0 {
            return Ok(SHMDS_EMPTY);
        }
        popped.write(number as usize);
        Ok(SHMDS_OK)
    })
}

/// Drops up to `count` of the oldest elements, as the consumer, and stores how many there
/// were in `*skipped`, which may be NULL and is untouched on failure. Those count as
/// read, not as lost.
///
/// @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_pop`.
///
/// # Safety
///
/// `ring` is NULL or open, `skipped` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_skip(
    ring: *mut shmds_ring_buffer,
    count: usize,
    skipped: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let number = unsafe { open(ring) }?.skip(count as u64)?;
        // SAFETY: as promised to us.
        if let Ok(skipped) = unsafe { output(skipped, "skipped") } {
            skipped.write(number as usize);
        }
        Ok(SHMDS_OK)
    })
}

/// Drops all elements that are there at one moment, as the consumer.
///
/// @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_pop`.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_clear(ring: *mut shmds_ring_buffer) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(ring) }?.skip(u64::MAX)?;
        Ok(SHMDS_OK)
    })
}

/// Copies up to `count` elements to `elements` in order, from the one `offset` behind the
/// oldest on, and stores how many in `*peeked`. Takes nothing out, and writes nothing.
///
/// If the producer overwrites some of them meanwhile, those are left out, and what
/// follows them is delivered. `*peeked` is 0 if there are no more than `offset` elements, or `count`
/// is 0, when `elements` may be NULL; untouched on failure.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_STATE` if the segment was closed in
/// this process; `SHMDS_E_CORRUPT`.
///
/// # Safety
///
/// `ring` is NULL or open, `elements` is NULL or has room for `count` elements, `peeked`
/// NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_peek_bulk(
    ring: *const shmds_ring_buffer,
    offset: usize,
    elements: *mut c_void,
    count: usize,
    peeked: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (ring, peeked) = unsafe { (open(ring)?, output(peeked, "peeked")?) };
        let target = self::elements(elements, count, "elements")?;
        // SAFETY: as promised to us.
        let number = unsafe { ring.peek_bulk(offset as u64, target, count as u64) }?;
        peeked.write(number as usize);
        Ok(SHMDS_OK)
    })
}

/// Copies the newest `count` elements, of those that are not consumed, to `elements`,
/// oldest first, and stores how many in `*copied`: fewer if there are fewer. Takes
/// nothing out, and writes nothing.
///
/// If the producer overwrites some of them meanwhile, those are left out: what is
/// delivered is whole, in order and without a gap. `*copied` is 0 if `count` is 0, when
/// `elements` may be NULL; untouched on failure.
///
/// @return as `shmds_ring_buffer_peek_bulk`.
///
/// # Safety
///
/// `ring` is NULL or open, `elements` is NULL or has room for `count` elements, `copied`
/// NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_get_last_n(
    ring: *const shmds_ring_buffer,
    elements: *mut c_void,
    count: usize,
    copied: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (ring, copied) = unsafe { (open(ring)?, output(copied, "copied")?) };
        let target = self::elements(elements, count, "elements")?;
        // SAFETY: as promised to us.
        let number = unsafe { ring.last(target, count as u64) }?;
        copied.write(number as usize);
        Ok(SHMDS_OK)
    })
}

/// Copies up to `count` elements to `elements` in order, from the observer's cursor on, and
/// moves the cursor behind them: each element once, consumed or not, as long as it is not
/// overwritten. Stores how many in `*seen`, and adds to `observer->lost` how many were
/// overwritten before this observer could read them. Writes nothing to the segment.
///
/// `*seen` and `*observer` are untouched unless this returns `SHMDS_OK`. If `count` is 0,
/// only what was lost is counted, and `elements` may be NULL.
///
/// Threads: an observer is a plain variable, used by one thread at a time. Any number of
/// them, each with its own, may observe one ring buffer.
///
/// @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EMPTY` if there was
/// nothing new, or nothing that stayed long enough; `SHMDS_E_STATE` if the observer is
/// ahead of this ring buffer, and so belongs to another one, or if the segment was closed in this
/// process; `SHMDS_E_ARGUMENT`; `SHMDS_E_CORRUPT`.
///
/// # Safety
///
/// `ring` is NULL or open, `observer` NULL or valid, `elements` is NULL or has room for
/// `count` elements, `seen` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_observe(
    ring: *const shmds_ring_buffer,
    observer: *mut shmds_ring_buffer_observer,
    elements: *mut c_void,
    count: usize,
    seen: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (ring, given, seen) = unsafe {
            (
                open(ring)?,
                self::observer(observer)?,
                output(seen, "seen")?,
            )
        };
        let target = self::elements(elements, count, "elements")?;
        let (cursor, lost) = (given.cursor, given.lost);
        let mut now = Observer { cursor, lost };
        // SAFETY: as promised to us.
        let number = unsafe { ring.observe(&mut now, target, count as u64) }?;
        if number == 0 && count > 0 {
            return Ok(SHMDS_EMPTY);
        }
        (given.cursor, given.lost) = (now.cursor, now.lost);
        seen.write(number as usize);
        Ok(SHMDS_OK)
    })
}

/// Puts the observer's cursor `behind` elements behind the newest: 0 is for what is
/// written from now on, and a number beyond the capacity for the oldest element that is
/// there. What it jumps over does not count as lost, and `observer->lost` stays.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_STATE` if the segment was closed in this
/// process.
///
/// # Safety
///
/// `ring` is NULL or open, `observer` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_seek(
    ring: *const shmds_ring_buffer,
    observer: *mut shmds_ring_buffer_observer,
    behind: usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (ring, observer) = unsafe { (open(ring)?, self::observer(observer)?) };
        observer.cursor = ring.cursor(behind as u64)?;
        Ok(SHMDS_OK)
    })
}

/// How many elements were written since the one at the observer's cursor, whether they are
/// still there or not; 0 for NULL.
///
/// # Safety
///
/// `ring` is NULL or open, `observer` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_lag(
    ring: *const shmds_ring_buffer,
    observer: *const shmds_ring_buffer_observer,
) -> u64 {
    getter(0, || {
        // SAFETY: as promised to us.
        let (ring, observer) = unsafe { (structure::<RingBuffer, _>(ring)?, observer.as_ref()?) };
        let (cursor, lost) = (observer.cursor, observer.lost);
        Some(ring.lag(&Observer { cursor, lost }))
    })
}

/// Appends a copy of the element at `element`, waiting for room for at most `timeout_ns`
/// nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
///
/// Sleeps in the kernel, after a short while of looking. A consumer that is killed delays
/// this by a hundredth of a second at most when another one goes on in its place.
/// Otherwise like `shmds_ring_buffer_push`.
///
/// @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was no room in time; and the errors of
/// `shmds_ring_buffer_push`.
///
/// # Safety
///
/// As for `shmds_ring_buffer_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_push_wait(
    ring: *mut shmds_ring_buffer,
    element: *const c_void,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let ring = unsafe { open(ring) }?;
        let element = elements(element.cast_mut(), 1, "element")?;
        // SAFETY: as promised to us.
        let done = unsafe { ring.push_wait(element, timeout_ns) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Takes the oldest element out and copies it to `element`, waiting for one for at most
/// `timeout_ns` nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
///
/// Sleeps in the kernel, after a short while of looking. A producer that is killed delays
/// this by a hundredth of a second at most when another one goes on in its place.
/// Otherwise like `shmds_ring_buffer_pop`.
///
/// @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was nothing in time; and the errors of
/// `shmds_ring_buffer_pop`.
///
/// # Safety
///
/// As for `shmds_ring_buffer_pop`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_pop_wait(
    ring: *mut shmds_ring_buffer,
    element: *mut c_void,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let ring = unsafe { open(ring) }?;
        let element = elements(element, 1, "element")?;
        // SAFETY: as promised to us.
        let done = unsafe { ring.pop_wait(element, timeout_ns) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Waits until there are at least `count` elements to pop, for at most `timeout_ns`
/// nanoseconds: 0 only looks, `SHMDS_WAIT_FOREVER` has no end. Takes no role, and by
/// the time it returns another one may have consumed them.
///
/// Sleeps in the kernel, after a short while of looking; needs an attachment that may
/// write, to say that it sleeps.
///
/// @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there were fewer all the time;
/// `SHMDS_E_CAPACITY` if `count` exceeds the capacity; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE`
/// if the segment was closed in this process; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_wait(
    ring: *mut shmds_ring_buffer,
    count: usize,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let done = unsafe { open(ring) }?.wait_for_items(count as u64, timeout_ns)?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Waits until there is room for at least `count` elements; otherwise like
/// `shmds_ring_buffer_wait`.
///
/// @return as `shmds_ring_buffer_wait`.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_wait_space(
    ring: *mut shmds_ring_buffer,
    count: usize,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let done = unsafe { open(ring) }?.wait_for_space(count as u64, timeout_ns)?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Gives up the roles that this attachment holds, where they are enforced, so that others
/// can take them at once; its next push or pop takes them again. The elements stay.
///
/// `shmds_segment_close` does the same. In a forked child, the roles of the parent stay
/// the parent's.
///
/// @return `SHMDS_OK`, also if there was none; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `ring` is NULL or open. No other thread pushes or pops meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_leave(ring: *mut shmds_ring_buffer) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(ring) }?.leave();
        Ok(SHMDS_OK)
    })
}

/// For shmds_inline.h, which calls this after publishing when somebody may be asleep at
/// the ring buffer: wakes them, and lets them look again. Harmless at any time, by any
/// thread.
///
/// @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE`; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_wake(ring: *mut shmds_ring_buffer) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(ring) }?.wake()?;
        Ok(SHMDS_OK)
    })
}

/// Number of elements that are there to pop: exact while nobody operates, never above the
/// capacity; 0 for NULL. Any attachment may ask, a read-only one too.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_size(ring: *const shmds_ring_buffer) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.len() as usize)
    })
}

/// Number of elements that the ring buffer holds when full; 0 for NULL.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_capacity(ring: *const shmds_ring_buffer) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.capacity() as usize)
    })
}

/// Bytes of an element; 0 for NULL.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_elem_size(ring: *const shmds_ring_buffer) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.elem_size() as usize)
    })
}

/// Number of elements that a push would find room for: the capacity less the size; 0 for
/// NULL. Any attachment may ask, a read-only one too.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_available_space(
    ring: *const shmds_ring_buffer,
) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.available_space() as usize)
    })
}

/// Whether there was nothing to pop at one moment during the call; true for NULL. Any
/// attachment may ask, a read-only one too.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_empty(ring: *const shmds_ring_buffer) -> bool {
    getter(true, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.is_empty())
    })
}

/// Whether there was no room at one moment during the call; false for NULL. Any attachment
/// may ask, a read-only one too.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_full(ring: *const shmds_ring_buffer) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.is_full())
    })
}

/// How many elements were ever written, since creation; 0 for NULL. Never falls. Any attachment
/// may ask, a read-only one too.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_total_written(ring: *const shmds_ring_buffer) -> u64 {
    getter(0, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.total_written())
    })
}

/// How many elements are behind the consumer, since creation: popped, skipped or lost; 0 for
/// NULL. Never falls, also while the producer overwrites; together with the size it is
/// the number written. Any attachment may ask, a read-only one too.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_total_read(ring: *const shmds_ring_buffer) -> u64 {
    getter(0, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.total_read())
    })
}

/// How many elements were overwritten before they were consumed, since creation; 0 for NULL.
/// Exact while nobody operates; a consumer that is killed in a pop may leave its last find
/// uncounted. Any attachment may ask, a read-only one too.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_lost(ring: *const shmds_ring_buffer) -> u64 {
    getter(0, || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.lost())
    })
}

/// Name of the ring buffer as the table holds it; NULL for NULL. Valid until the segment is
/// closed.
///
/// # Safety
///
/// `ring` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_ring_buffer_name(ring: *const shmds_ring_buffer) -> *const c_char {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        let ring = unsafe { structure::<RingBuffer, _>(ring) }?;
        Some(ring.name().as_ptr())
    })
}
