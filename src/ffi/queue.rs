//! Queues in C.

use super::{
    Info, boundary, fill, getter, move_element, null, obtain, output, shmds_segment, shmds_status,
    status::{SHMDS_EMPTY, SHMDS_FULL, SHMDS_OK, SHMDS_TIMEOUT},
    structure,
};
use crate::error::Result;
use crate::segment::Intent;
use crate::structures::key::NOTE_BITS;
use crate::structures::patience;
use crate::structures::placed::{PLACES, STRIDE};
use crate::structures::queue::{Params, Pass, Pinned, Queue, QueueView};
use crate::structures::wait::Deadline;
use core::ffi::{c_char, c_void};
use core::ptr::NonNull;

/// An open queue, first in first out, for any number of producers and consumers
/// in any number of processes.
///
/// Made by `shmds_queue_create`, `_open` and `_open_or_create`: the same queue
/// gives the same handle. It belongs to the segment, is never freed by the caller
/// and is valid until the segment is closed; the last 64 handles that were closed with
/// their segments still answer, with `SHMDS_E_STATE`. Any number of threads may use it at
/// once, and a forked child may go on with it. A process that is stopped or killed
/// anywhere in an operation delays nobody; at most the element that it was putting
/// in, or had just taken out, is lost with it. The exception is a queue of large
/// elements (above 1 MiB / (attachments + 64)), which has max(4, 1 MiB / elem_size)
/// lanes, but no more than attachments or four: when as many processes are stopped inside
/// operations at once, others wait.
pub struct shmds_queue {
    _opaque: [u8; 0],
}

/// For `shmds_inline.h`: number of places in which a thread remembers queues. A handle's address
/// divided by `SHMDS_QUEUE_STRIDE`, modulo this, is its place.
pub const SHMDS_QUEUE_PLACES: usize = 16;
/// For `shmds_inline.h`: see `SHMDS_QUEUE_PLACES`.
pub const SHMDS_QUEUE_STRIDE: usize = 64;

/// For `shmds_inline.h`: so many low bits of a queue's key are the number of its payload slots, or 0.
pub const SHMDS_QUEUE_KEY_SLOT_BITS: u32 = 24;

const _: () = assert!(
    SHMDS_QUEUE_PLACES == PLACES
        && SHMDS_QUEUE_STRIDE == STRIDE
        && SHMDS_QUEUE_KEY_SLOT_BITS == NOTE_BITS
);

/// For `shmds_inline.h`: words that others have to come further for a head start to have paid
/// (see docs/performance.md).
pub const SHMDS_HEAD_START_WORDS: u64 = 32;
/// For `shmds_inline.h`: words that they have to come further for a second moment to be worth it.
pub const SHMDS_HEAD_START_FEW_WORDS: u64 = 8;
/// For `shmds_inline.h`: words that they have to come further for a second moment not to be needed.
pub const SHMDS_HEAD_START_MANY_WORDS: u64 = 64;
/// For `shmds_inline.h`: the smallest capacity where others can come so far before they have to
/// wait themselves.
pub const SHMDS_HEAD_START_LEAST_CAPACITY: u64 = 64;
/// For `shmds_inline.h`: a moment, by the processor's time stamp counter: 0.8 us at 2.6 GHz.
pub const SHMDS_MOMENT_TICKS: u64 = 2048;
/// For `shmds_inline.h`: a moment in pauses, where there is no such counter.
pub const SHMDS_MOMENT_PAUSES: u64 = 64;

const _: () = assert!(
    SHMDS_HEAD_START_WORDS == patience::WORDS
        && SHMDS_HEAD_START_FEW_WORDS == patience::FEW_WORDS
        && SHMDS_HEAD_START_MANY_WORDS == patience::MANY_WORDS
        && SHMDS_HEAD_START_LEAST_CAPACITY == patience::LEAST_CAPACITY
        && SHMDS_MOMENT_TICKS == patience::MOMENT_TICKS
        && SHMDS_MOMENT_PAUSES == patience::MOMENT_PAUSES
);

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
/// Never waits for another process (but see `shmds_queue` about large elements), but may
/// give others a head start of a few microseconds at most (docs/performance.md).
/// Makes no system call but the first time in a process. Linearisable: the queue
/// was full, or the element went in, at one moment during the call.
///
/// @return `SHMDS_OK`; `SHMDS_FULL`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`;
/// `SHMDS_E_BUSY` if no lane came free in time; `SHMDS_E_ATTACHMENTS`,
/// `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
/// reopen the segment; `SHMDS_E_STATE` if the segment was closed in this process;
/// `SHMDS_E_STALE` if the queue was destroyed; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `queue` is NULL or open, `element` is NULL or has `elem_size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_enqueue(
    queue: *mut shmds_queue,
    element: *const c_void,
) -> shmds_status {
    // SAFETY: as promised to us, here and in both.
    unsafe {
        move_element::<Queue, _>(
            (queue, "queue"),
            element.cast_mut(),
            SHMDS_FULL,
            |queue, element| queue.enqueue_at_once(element),
            |queue, element| queue.enqueue(element),
        )
    }
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
    // SAFETY: as promised to us, here and in both.
    unsafe {
        move_element::<Queue, _>(
            (queue, "queue"),
            element,
            SHMDS_EMPTY,
            |queue, element| queue.dequeue_at_once(element),
            |queue, element| queue.dequeue(element),
        )
    }
}

/// Appends copies of up to `count` elements that lie side by side at `elements`, in
/// their order; elements of others may come in between. `*enqueued` is how many there
/// was room for, or went in before an error showed, which the next call then tells.
///
/// Otherwise like `shmds_queue_enqueue`.
///
/// @return `SHMDS_OK` if at least one went in, or `count` is 0; `SHMDS_FULL`; and the
/// errors of `shmds_queue_enqueue`.
///
/// # Safety
///
/// `queue` is NULL or open, `elements` NULL or `count * elem_size` readable bytes,
/// `enqueued` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_enqueue_bulk(
    queue: *mut shmds_queue,
    elements: *const c_void,
    count: usize,
    enqueued: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, enqueued) = unsafe { (required(queue)?, output(enqueued, "enqueued")?) };
        if elements.is_null() && count > 0 {
            return Err(null("elements"));
        }
        // SAFETY: as promised to us.
        let done = unsafe { queue.enqueue_bulk(elements.cast(), count) }?;
        enqueued.write(done);
        Ok(if done > 0 || count == 0 {
            SHMDS_OK
        } else {
            SHMDS_FULL
        })
    })
}

/// Takes up to `count` of the oldest elements out and copies them side by side to
/// `elements`. `*dequeued` is how many there were.
///
/// Otherwise like `shmds_queue_dequeue`.
///
/// @return `SHMDS_OK` if at least one came out, or `count` is 0; `SHMDS_EMPTY`; and
/// the errors of `shmds_queue_dequeue`.
///
/// # Safety
///
/// `queue` is NULL or open, `elements` NULL or `count * elem_size` writable bytes,
/// `dequeued` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_dequeue_bulk(
    queue: *mut shmds_queue,
    elements: *mut c_void,
    count: usize,
    dequeued: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, dequeued) = unsafe { (required(queue)?, output(dequeued, "dequeued")?) };
        if elements.is_null() && count > 0 {
            return Err(null("elements"));
        }
        // SAFETY: as promised to us.
        let done = unsafe { queue.dequeue_bulk(elements.cast(), count) }?;
        dequeued.write(done);
        Ok(if done > 0 || count == 0 {
            SHMDS_OK
        } else {
            SHMDS_EMPTY
        })
    })
}

/// Appends a copy of the element at `element`, sleeping while the queue is full, at
/// most `timeout_ns` nanoseconds; `SHMDS_WAIT_FOREVER` has no end. A dequeue anywhere
/// wakes it up. Where no lane is free, that is waited for too, in the same time.
///
/// @return `SHMDS_OK`; `SHMDS_TIMEOUT`; and the errors of `shmds_queue_enqueue` but for
/// `SHMDS_E_BUSY`.
///
/// # Safety
///
/// As for `shmds_queue_enqueue`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_enqueue_wait(
    queue: *mut shmds_queue,
    element: *const c_void,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let queue = unsafe { required(queue) }?;
        if element.is_null() {
            return Err(null("element"));
        }
        // SAFETY: as promised to us.
        let done =
            unsafe { queue.enqueue_wait(element.cast(), Deadline::after_nanoseconds(timeout_ns)) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Takes the oldest element out and copies it to `element`, sleeping while the queue
/// is empty, at most `timeout_ns` nanoseconds; `SHMDS_WAIT_FOREVER` has no end. An
/// enqueue anywhere wakes it up. Where no lane is free, that is waited for too, in the
/// same time.
///
/// @return `SHMDS_OK`; `SHMDS_TIMEOUT`; and the errors of `shmds_queue_dequeue` but for
/// `SHMDS_E_BUSY`.
///
/// # Safety
///
/// As for `shmds_queue_dequeue`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_dequeue_wait(
    queue: *mut shmds_queue,
    element: *mut c_void,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let queue = unsafe { required(queue) }?;
        if element.is_null() {
            return Err(null("element"));
        }
        // SAFETY: as promised to us.
        let done =
            unsafe { queue.dequeue_wait(element.cast(), Deadline::after_nanoseconds(timeout_ns)) }?;
        Ok(if done { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// A slot of a queue that its holder works on in place; filled in by
/// `shmds_queue_reserve` and `shmds_queue_take`, not to be changed by the caller.
///
/// While it is held, whatever else its thread does with the queue goes on. A held
/// slot keeps one of the queue's lanes; when its process ends, the element that it
/// had taken, or was building, is gone with it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct shmds_queue_slot {
    /// Where the element lies, `elem_size` bytes, aligned as the queue's elements are.
    pub element: *mut c_void,
    /// Which queue; 0 once it was published, abandoned or done.
    pub queue: u64,
    /// Which of all slots ever held: a copy is worth nothing once the slot was given back.
    pub stamp: u64,
    /// Which process, counted in forks.
    pub epoch: u64,
}

impl shmds_queue_slot {
    fn from_core(slot: &Pinned) -> Self {
        Self {
            element: slot.address.as_ptr().cast(),
            queue: slot.queue,
            stamp: slot.stamp,
            epoch: u64::from(slot.epoch),
        }
    }

    fn to_core(self) -> Result<Pinned> {
        Ok(Pinned {
            queue: self.queue,
            stamp: self.stamp,
            epoch: self.epoch as u32,
            address: NonNull::new(self.element.cast()).ok_or_else(|| null("slot->element"))?,
        })
    }
}

/// Reserves a slot to build an element in, without copying it later.
///
/// `slot->element` is the place. To be ended by `shmds_queue_publish` or
/// `shmds_queue_abandon`, by any thread of this process. Each slot holds a lane of the
/// queue, as each thread does that works on it, and one process gets 32 of the lanes
/// that are there for this: beyond, `SHMDS_E_BUSY`.
///
/// @return `SHMDS_OK`; and the errors of `shmds_queue_enqueue`.
///
/// # Safety
///
/// `queue` is NULL or open, `slot` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_reserve(
    queue: *mut shmds_queue,
    slot: *mut shmds_queue_slot,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, slot) = unsafe { (required(queue)?, output(slot, "slot")?) };
        slot.write(shmds_queue_slot::from_core(&queue.reserve()?));
        Ok(SHMDS_OK)
    })
}

/// Appends the element that was built in a reserved slot, and gives the slot up.
///
/// @return `SHMDS_OK`; `SHMDS_FULL`, and the slot stays reserved; `SHMDS_E_STATE` if
/// it is not reserved, of another queue, or held by the parent of this process, or the
/// segment was closed; `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`; `SHMDS_E_CORRUPT`.
///
/// # Safety
///
/// `queue` is NULL or open, `slot` NULL or filled in by `shmds_queue_reserve`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_publish(
    queue: *mut shmds_queue,
    slot: *mut shmds_queue_slot,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, slot) = unsafe { (required(queue)?, held(slot)?) };
        if !queue.publish(&slot.to_core()?)? {
            return Ok(SHMDS_FULL);
        }
        slot.queue = 0;
        Ok(SHMDS_OK)
    })
}

/// Gives a reserved slot up without publishing it.
///
/// @return `SHMDS_OK`; `SHMDS_E_STATE` as for `shmds_queue_publish`; `SHMDS_E_STALE`;
/// `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// As for `shmds_queue_publish`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_abandon(
    queue: *mut shmds_queue,
    slot: *mut shmds_queue_slot,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { give_back(queue, slot, false) })
}

/// Takes the oldest element out, to be read where it lies.
///
/// `slot->element` is the place; nobody else has access to it until
/// `shmds_queue_done`, by any thread of this process.
///
/// @return `SHMDS_OK`; `SHMDS_EMPTY`; and the errors of `shmds_queue_dequeue`.
///
/// # Safety
///
/// `queue` is NULL or open, `slot` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_take(
    queue: *mut shmds_queue,
    slot: *mut shmds_queue_slot,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (queue, slot) = unsafe { (required(queue)?, output(slot, "slot")?) };
        let Some(taken) = queue.take()? else {
            return Ok(SHMDS_EMPTY);
        };
        slot.write(shmds_queue_slot::from_core(&taken));
        Ok(SHMDS_OK)
    })
}

/// Gives the slot of an element that was taken back.
///
/// @return `SHMDS_OK`; `SHMDS_E_STATE` if it was not taken, was given back already,
/// is of another queue, or held by the parent of this process, or the segment was
/// closed; `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `queue` is NULL or open, `slot` NULL or filled in by `shmds_queue_take`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_done(
    queue: *mut shmds_queue,
    slot: *mut shmds_queue_slot,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { give_back(queue, slot, true) })
}

/// # Safety
///
/// As for the functions that call it.
unsafe fn give_back(
    queue: *mut shmds_queue,
    slot: *mut shmds_queue_slot,
    taken: bool,
) -> Result<shmds_status> {
    // SAFETY: as promised to us.
    let (queue, slot) = unsafe { (required(queue)?, held(slot)?) };
    queue.give_back(&slot.to_core()?, taken)?;
    slot.queue = 0;
    Ok(SHMDS_OK)
}

/// # Safety
///
/// `slot` is NULL, or valid and filled in.
unsafe fn held<'a>(slot: *mut shmds_queue_slot) -> Result<&'a mut shmds_queue_slot> {
    // SAFETY: as promised to us.
    unsafe { slot.as_mut() }.ok_or_else(|| null("slot"))
}

/// # Safety
///
/// `queue` is NULL or open.
#[inline]
unsafe fn required<'a>(queue: *const shmds_queue) -> Result<&'a Queue> {
    // SAFETY: as promised to us.
    unsafe { structure::<Queue, _>(queue) }.ok_or_else(|| null("queue"))
}

/// What `shmds_inline.h` needs to know of a queue. NULL for NULL. It is the start of
/// the handle itself: `(const shmds_queue_view *)queue` is the same address. Valid
/// until the segment is closed.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_get_view(queue: *const shmds_queue) -> *const QueueView {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        let queue = unsafe { structure::<Queue, _>(queue) }?;
        Some(core::ptr::from_ref(queue.view()))
    })
}

/// The calling thread's own lane of a queue, for `shmds_inline.h`. `*pass` is the
/// thread's to use for as long as its key is the one in the queue's view; untouched if
/// the thread has no lane of its own now, or may not remember it, and operations have to
/// go through the library.
///
/// @return whether there is a pass; false for NULL.
///
/// # Safety
///
/// `queue` is NULL or open, `pass` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_own_lane(queue: *mut shmds_queue, pass: *mut Pass) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        let (queue, pass) = unsafe { (structure::<Queue, _>(queue)?, output(pass, "pass").ok()?) };
        pass.write(queue.pass().ok()??);
        Some(true)
    })
}

/// Wakes whoever sleeps in a waiting operation on the queue, to look again. For
/// `shmds_inline.h`, after an operation that found somebody asleep.
///
/// @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE` if the segment was closed;
/// `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `queue` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_wake(queue: *mut shmds_queue) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { required(queue) }?.wake()?;
        Ok(SHMDS_OK)
    })
}

/// A timeout that never passes.
pub const SHMDS_WAIT_FOREVER: u64 = u64::MAX;

/// What a queue has seen; see `shmds_queue_get_stats`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct shmds_queue_stats {
    /// `sizeof(shmds_queue_stats)`, set by the caller.
    pub struct_size: usize,
    /// Elements that ever went in.
    pub enqueued: u64,
    /// Elements that ever came out.
    pub dequeued: u64,
    /// Operations that found it full, or empty; waits do not count.
    pub refused: u64,
    /// Number of lanes: how many may be inside an operation at once.
    pub lanes: u64,
    /// Lanes that living processes hold.
    pub lanes_in_use: u64,
}

// SAFETY: 64-bit integers, `struct_size` first.
unsafe impl Info for shmds_queue_stats {}

/// Fills `*stats` in; set `stats->struct_size` first. Exact while nobody operates.
///
/// @return `SHMDS_OK`; `SHMDS_E_STATE` if the segment was closed; `SHMDS_E_STALE`;
/// `SHMDS_E_ARGUMENT`; `SHMDS_E_CORRUPT`.
///
/// # Safety
///
/// `queue` is NULL or open, `stats` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_queue_get_stats(
    queue: *const shmds_queue,
    stats: *mut shmds_queue_stats,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let queue = unsafe { required(queue) }?;
        let numbers = || {
            let seen = queue.statistics()?;
            Ok(shmds_queue_stats {
                struct_size: size_of::<shmds_queue_stats>(),
                enqueued: seen.enqueued,
                dequeued: seen.dequeued,
                refused: seen.refused,
                lanes: seen.lanes,
                lanes_in_use: seen.lanes_in_use,
            })
        };
        // SAFETY: as promised to us.
        unsafe { fill(stats, "stats", numbers) }?;
        Ok(SHMDS_OK)
    })
}

/// Number of elements: exact while nobody operates, never above the capacity; 0 for
/// NULL.
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

/// Address of the payload slots, for inspection: which of them are in the queue, and
/// in which order, is not told. NULL for NULL. Valid until the segment is closed.
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
