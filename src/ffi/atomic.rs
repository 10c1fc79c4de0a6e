//! Atomics in C.

use super::{
    boundary, getter, null, obtain, output, shmds_segment, shmds_status,
    status::{SHMDS_OK, SHMDS_TIMEOUT},
    structure,
};
use crate::error::Result;
use crate::segment::Intent;
use crate::structures::atomic::{Atomic, Params, Update};
use crate::structures::wait::Deadline;
use core::ffi::{c_char, c_void};

/// An open atomic: one word in a segment that processes change at once.
///
/// Made by `shmds_atomic_create`, `_open` and `_open_or_create`: the same atomic
/// gives the same handle. It belongs to the segment, is never freed by the caller
/// and is valid until the segment is closed. Any number of threads may use it at
/// once. All operations but waiting are lock-free and sequentially consistent. They take
/// words of 1, 2, 4 and 8 bytes as unsigned integers; for a word of 16 bytes there are
/// `shmds_atomic_load_wide` and `shmds_atomic_compare_exchange_wide`. Operations of the
/// compiler's own on `shmds_atomic_data` may be mixed with these.
pub struct shmds_atomic {
    _opaque: [u8; 0],
}

/// What an atomic is created with.
///
/// # Safety
///
/// `initial` is NULL or has `elem_size` readable bytes.
unsafe fn params(elem_size: usize, initial: *const c_void) -> Params {
    let mut bytes = [0_u8; 16];
    if !initial.is_null() && elem_size <= bytes.len() {
        // SAFETY: `initial` has `elem_size` bytes, no more than `bytes`.
        unsafe { core::ptr::copy_nonoverlapping(initial.cast(), bytes.as_mut_ptr(), elem_size) };
    }
    Params {
        elem_size: elem_size as u64,
        initial: u128::from_le_bytes(bytes),
    }
}

/// The first `size` bytes at `value` as a number.
///
/// # Safety
///
/// `value` is NULL or has `size` readable bytes.
unsafe fn bits(value: *const c_void, size: usize, argument: &str) -> Result<u128> {
    if value.is_null() {
        return Err(null(argument));
    }
    let mut bytes = [0_u8; 16];
    let size = size.min(bytes.len());
    // SAFETY: `value` has `size` bytes, no more than `bytes`.
    unsafe { core::ptr::copy_nonoverlapping(value.cast(), bytes.as_mut_ptr(), size) };
    Ok(u128::from_le_bytes(bytes))
}

/// # Safety
///
/// `atomic` is NULL or open.
#[inline]
unsafe fn required<'a>(atomic: *const shmds_atomic) -> Result<&'a Atomic> {
    // SAFETY: as promised to us.
    unsafe { structure::<Atomic, _>(atomic) }.ok_or_else(|| null("atomic"))
}

/// Creates an atomic of `elem_size` bytes: 1, 2, 4, 8 or 16. `initial` points at its
/// first value, or is NULL for zero.
///
/// `name` is cut at the table's `max_name_size - 1`. `*out` is untouched on failure,
/// and then nothing has changed. Any thread may call this at any time; of several
/// processes that create one name at once, exactly one does, and the others wait for
/// it.
///
/// @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
/// `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_ELEMENT_SIZE`,
/// `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
/// living process did not leave the table, or finish initialising that name, in
/// time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
/// `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
/// reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid,
/// `initial` NULL or `elem_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    initial: *const c_void,
    out: *mut *mut shmds_atomic,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe {
        let params = params(elem_size, initial);
        obtain::<Atomic, _>(segment, name, Intent::Create, &params, out)
    })
}

/// Opens an atomic that exists and leaves its value alone; `initial` is ignored.
///
/// `name` is cut at the table's `max_name_size - 1`. `*out` is untouched on failure,
/// and then nothing has changed. Any thread may call this at any time; it waits for
/// a living process that is initialising the structure of that name.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
/// `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
/// `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad
/// parameters; `SHMDS_E_CORRUPT`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid,
/// `initial` NULL or `elem_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_open(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    initial: *const c_void,
    out: *mut *mut shmds_atomic,
) -> shmds_status {
    // SAFETY: as promised to us.
    let _ = initial; // It has its value already.
    boundary(|| unsafe {
        let params = params(elem_size, core::ptr::null());
        obtain::<Atomic, _>(segment, name, Intent::Open, &params, out)
    })
}

/// Opens an atomic and leaves its value alone, or creates it with the value at
/// `initial` (NULL: zero).
///
/// `name` is cut at the table's `max_name_size - 1`. `*out` is untouched on failure,
/// and then nothing has changed. Any thread may call this at any time; of several
/// processes that create one name at once, exactly one does, and the others wait for
/// it.
///
/// @return as `shmds_atomic_create` and `shmds_atomic_open`, but for
/// `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid,
/// `initial` NULL or `elem_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_open_or_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    initial: *const c_void,
    out: *mut *mut shmds_atomic,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe {
        let params = params(elem_size, initial);
        obtain::<Atomic, _>(segment, name, Intent::OpenOrCreate, &params, out)
    })
}

/// Address of the word, aligned to its size, for the compiler's own atomic
/// operations; NULL for NULL, or if the atomic was destroyed or its segment closed. Valid
/// until the segment is closed or the atomic destroyed through it.
///
/// # Safety
///
/// `atomic` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_data(atomic: *const shmds_atomic) -> *mut c_void {
    getter(core::ptr::null_mut(), || {
        // SAFETY: as promised to us.
        let atomic = unsafe { structure::<Atomic, _>(atomic) }?;
        atomic.ensure_usable().ok()?;
        Some(atomic.data().as_ptr().cast())
    })
}

/// Bytes of the word; 0 for NULL.
///
/// # Safety
///
/// `atomic` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_elem_size(atomic: *const shmds_atomic) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let atomic = unsafe { structure::<Atomic, _>(atomic) }?;
        Some(atomic.elem_size() as usize)
    })
}

/// Name of the atomic as the table holds it; NULL for NULL. Valid until the segment
/// is closed.
///
/// # Safety
///
/// `atomic` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_name(atomic: *const shmds_atomic) -> *const c_char {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        let atomic = unsafe { structure::<Atomic, _>(atomic) }?;
        Some(atomic.name().as_ptr())
    })
}

/// Reads the value, zero-extended, into `*value`.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes.
///
/// # Safety
///
/// `atomic` is NULL or open, `value` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_load(
    atomic: *const shmds_atomic,
    value: *mut u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (atomic, value) = unsafe { (required(atomic)?, output(value, "value")?) };
        value.write(atomic.load()?);
        Ok(SHMDS_OK)
    })
}

/// Sets the value to the low bytes of `value`.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_store(atomic: *mut shmds_atomic, value: u64) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { required(atomic) }?.store(value)?;
        Ok(SHMDS_OK)
    })
}

/// Sets the value to `desired` if it is `expected`; of both, only as many low bytes
/// count as the word has, and the rest is ignored. The value before, zero-extended,
/// goes to `*previous`, whether it was changed to `*exchanged`; either may be NULL.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open, `previous` and `exchanged` are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_compare_exchange(
    atomic: *mut shmds_atomic,
    expected: u64,
    desired: u64,
    previous: *mut u64,
    exchanged: *mut bool,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (before, done) = unsafe { required(atomic) }?.compare_exchange(expected, desired)?;
        // SAFETY: as promised to us.
        unsafe {
            if let Some(previous) = previous.as_mut() {
                *previous = before;
            }
            if let Some(exchanged) = exchanged.as_mut() {
                *exchanged = done;
            }
        }
        Ok(SHMDS_OK)
    })
}

/// # Safety
///
/// `atomic` is NULL or open, `previous` is NULL or valid.
#[inline]
unsafe fn update(
    atomic: *mut shmds_atomic,
    update: Update,
    operand: u64,
    previous: *mut u64,
) -> Result<shmds_status> {
    // SAFETY: as promised to us.
    let before = unsafe { required(atomic) }?.update(update, operand)?;
    // SAFETY: as promised to us.
    if let Some(previous) = unsafe { previous.as_mut() } {
        *previous = before;
    }
    Ok(SHMDS_OK)
}

/// Sets the value to the low bytes of `operand`. The value before goes to
/// `*previous`, which may be NULL.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open, `previous` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_exchange(
    atomic: *mut shmds_atomic,
    operand: u64,
    previous: *mut u64,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { update(atomic, Update::Exchange, operand, previous) })
}

/// Adds `operand` to the value, wrapping around. The value before goes to
/// `*previous`, which may be NULL.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open, `previous` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_fetch_add(
    atomic: *mut shmds_atomic,
    operand: u64,
    previous: *mut u64,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { update(atomic, Update::Add, operand, previous) })
}

/// Subtracts `operand` from the value, wrapping around. The value before goes to
/// `*previous`, which may be NULL.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open, `previous` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_fetch_sub(
    atomic: *mut shmds_atomic,
    operand: u64,
    previous: *mut u64,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { update(atomic, Update::Sub, operand, previous) })
}

/// Combines the value with `operand` by bitwise and. The value before goes to
/// `*previous`, which may be NULL.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open, `previous` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_fetch_and(
    atomic: *mut shmds_atomic,
    operand: u64,
    previous: *mut u64,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { update(atomic, Update::And, operand, previous) })
}

/// Combines the value with `operand` by bitwise or. The value before goes to
/// `*previous`, which may be NULL.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open, `previous` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_fetch_or(
    atomic: *mut shmds_atomic,
    operand: u64,
    previous: *mut u64,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { update(atomic, Update::Or, operand, previous) })
}

/// Combines the value with `operand` by bitwise exclusive or. The value before goes
/// to `*previous`, which may be NULL.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
/// bytes; `SHMDS_E_READ_ONLY`.
///
/// # Safety
///
/// `atomic` is NULL or open, `previous` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_fetch_xor(
    atomic: *mut shmds_atomic,
    operand: u64,
    previous: *mut u64,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { update(atomic, Update::Xor, operand, previous) })
}

/// Reads a value of 16 bytes into `value`: one access, without a lock.
///
/// @return `SHMDS_OK`; `SHMDS_E_ELEMENT_SIZE` if the word has another size, or the processor
/// no such access; `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`; `SHMDS_E_STATE`.
///
/// # Safety
///
/// `atomic` is NULL or open, `value` is NULL or has 16 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_load_wide(
    atomic: *const shmds_atomic,
    value: *mut c_void,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us; the bytes of an array may lie anywhere.
        let (atomic, value) = unsafe {
            (
                required(atomic)?,
                output(value.cast::<[u8; 16]>(), "value")?,
            )
        };
        value.write(atomic.load_wide()?.to_ne_bytes());
        Ok(SHMDS_OK)
    })
}

/// Sets a value of 16 bytes to `desired` if it is `expected`. `*exchanged` says whether it
/// was, and `previous` gets the value before; both may be NULL. One access, without a lock.
///
/// @return `SHMDS_OK`, also when nothing was exchanged; `SHMDS_E_ELEMENT_SIZE` if the word
/// has another size, or the processor no such access; `SHMDS_E_READ_ONLY`;
/// `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`; `SHMDS_E_STATE`.
///
/// # Safety
///
/// `atomic` is NULL or open; `expected` and `desired` are NULL or have 16 readable bytes,
/// `previous` is NULL or has 16 writable ones, `exchanged` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_compare_exchange_wide(
    atomic: *mut shmds_atomic,
    expected: *const c_void,
    desired: *const c_void,
    previous: *mut c_void,
    exchanged: *mut bool,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (atomic, expected, desired) = unsafe {
            (
                required(atomic)?,
                bits(expected, 16, "expected")?,
                bits(desired, 16, "desired")?,
            )
        };
        let (before, done) = atomic.compare_exchange_wide(expected, desired)?;
        // SAFETY: as promised to us.
        unsafe {
            if let Some(previous) = previous.cast::<[u8; 16]>().as_mut() {
                *previous = before.to_ne_bytes();
            }
            if let Some(exchanged) = exchanged.as_mut() {
                *exchanged = done;
            }
        }
        Ok(SHMDS_OK)
    })
}

/// Sleeps while the value equals the one at `old`, `elem_size` bytes, at most `timeout_ns`
/// nanoseconds: 0 only looks, `SHMDS_WAIT_FOREVER` has no end.
///
/// Wakes when `shmds_atomic_notify` is called, in any process, after the value has changed;
/// a change that nobody tells of is noticed some milliseconds later. A value that changed
/// and changed back meanwhile may be missed. In a read-only attachment it looks again every
/// 100 microseconds instead.
///
/// @return `SHMDS_OK` when the value is another one; `SHMDS_TIMEOUT`;
/// `SHMDS_E_ELEMENT_SIZE` for a word of 16 bytes that the processor cannot read;
/// `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`; `SHMDS_E_STATE`.
///
/// # Safety
///
/// `atomic` is NULL or open, `old` is NULL or has `elem_size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_wait(
    atomic: *const shmds_atomic,
    old: *const c_void,
    timeout_ns: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (atomic, old) = unsafe {
            let atomic = required(atomic)?;
            (atomic, bits(old, atomic.elem_size() as usize, "old")?)
        };
        let changed = atomic.wait(old, Deadline::after_nanoseconds(timeout_ns))?;
        Ok(if changed { SHMDS_OK } else { SHMDS_TIMEOUT })
    })
}

/// Wakes everybody, in all processes, who waits for the value to change; to be called after
/// changing it. Costs a memory barrier, and a system call only if somebody sleeps.
///
/// @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`;
/// `SHMDS_E_STATE`.
///
/// # Safety
///
/// `atomic` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_atomic_notify(atomic: *mut shmds_atomic) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { required(atomic) }?.notify()?;
        Ok(SHMDS_OK)
    })
}
