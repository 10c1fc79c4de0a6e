//! Object pools in C.

use super::{
    at_once, boundary, getter, null, obtain, output, place, shmds_segment, shmds_status,
    status::{SHMDS_EXHAUSTED, SHMDS_OK},
    structure,
};
use crate::error::Result;
use crate::segment::Intent;
use crate::structures::placed::{PLACES, STRIDE};
use crate::structures::pool::{INVALID, ObjectPool, Params, PoolPass, PoolView, Token};
use core::cell::Cell;
use core::ffi::{c_char, c_void};

/// An open pool of objects of equal size: any process acquires one and gets its handle,
/// any process releases it.
///
/// Made by `shmds_object_pool_create`, `_open` and `_open_or_create`: the same pool gives
/// the same pool handle. It belongs to the segment, is never freed by the caller and is
/// valid until the segment is closed; the last 64 that were closed with their segments
/// still answer, with `SHMDS_E_STATE`. Any number of threads may use it at once, and a
/// forked child may go on with it.
///
/// The handle of an object is its index, in [0, capacity): it means the same in every
/// process, and may travel. Objects stay acquired when the process that acquired them
/// ends; see `shmds_object_pool_reclaim`. A process that is stopped or killed anywhere in
/// an operation delays nobody. The bytes of an object are zero when the pool is created,
/// and stay what they are when it is released and acquired again.
pub struct shmds_object_pool {
    _opaque: [u8; 0],
}

/// The handle that no object has.
pub const SHMDS_INVALID_HANDLE: u32 = 0xffff_ffff;

/// For `shmds_inline.h`: number of places in which a thread remembers pools. A pool's address
/// divided by `SHMDS_OBJECT_POOL_STRIDE`, modulo this, is its place.
pub const SHMDS_OBJECT_POOL_PLACES: usize = 16;
/// For `shmds_inline.h`: see `SHMDS_OBJECT_POOL_PLACES`.
pub const SHMDS_OBJECT_POOL_STRIDE: usize = 64;

const _: () = assert!(SHMDS_OBJECT_POOL_PLACES == PLACES && SHMDS_OBJECT_POOL_STRIDE == STRIDE);
const _: () = assert!(SHMDS_INVALID_HANDLE == INVALID);

/// Names an object from one acquisition to its release: unlike a handle, it is worth
/// nothing once the object was released, even if it was acquired again.
///
/// Generations are counted in 32 bits: a token that is kept over exactly 2^32 releases of
/// one object passes for a current one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct shmds_object_token {
    /// Handle of the object.
    pub index: u32,
    /// How often the object had been released before.
    pub generation: u32,
}

impl shmds_object_token {
    fn to_core(self) -> Token {
        Token {
            index: self.index,
            generation: self.generation,
        }
    }
}

fn params(elem_size: usize, elem_align: usize, capacity: usize) -> Params {
    Params {
        elem_size: elem_size as u64,
        elem_align: elem_align as u64,
        capacity: capacity as u64,
    }
}

/// Creates a pool of `capacity` objects of `elem_size` bytes, 1 to 2^32 - 2 of them.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; the first object starts on a 64-byte line anyway.
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
pub unsafe extern "C" fn shmds_object_pool_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_object_pool,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<ObjectPool, _>(segment, name, Intent::Create, &params, out) })
}

/// Opens a pool that exists. `capacity` 0 accepts any.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; the first object starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; it waits for a living process that is initialising the
/// structure of that name. Through a read-only segment, objects can be read and counted.
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
pub unsafe extern "C" fn shmds_object_pool_open(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_object_pool,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe { obtain::<ObjectPool, _>(segment, name, Intent::Open, &params, out) })
}

/// Opens a pool, creating it if it does not exist.
///
/// `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
/// up to 4096, 0 for no wish; the first object starts on a 64-byte line anyway.
/// `*out` is untouched on failure, and then nothing has changed. Any thread may
/// call this at any time; of several processes that create one name at once,
/// exactly one does, and the others wait for it.
///
/// @return as `shmds_object_pool_create` and `shmds_object_pool_open`, but for
/// `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_open_or_create(
    segment: *mut shmds_segment,
    name: *const c_char,
    elem_size: usize,
    elem_align: usize,
    capacity: usize,
    out: *mut *mut shmds_object_pool,
) -> shmds_status {
    let params = params(elem_size, elem_align, capacity);
    // SAFETY: as promised to us.
    boundary(|| unsafe {
        obtain::<ObjectPool, _>(segment, name, Intent::OpenOrCreate, &params, out)
    })
}

/// Acquires a free object and stores its handle in `*handle`.
///
/// A thread that works alone gets back first what it released last. Never waits, and
/// makes no system call. Takes constant time, but where the pool is nearly exhausted:
/// before the answer is `SHMDS_EXHAUSTED`, every object was looked at, and found to be
/// acquired, at some moment during the call. `*handle` is untouched unless this returns
/// `SHMDS_OK`. What the last owner wrote to the object is visible.
///
/// @return `SHMDS_OK`; `SHMDS_EXHAUSTED`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`;
/// `SHMDS_E_STATE` if the segment was closed; `SHMDS_E_ATTACHMENTS`,
/// `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
/// reopen the segment; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `pool` is NULL or open, `handle` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_acquire(
    pool: *mut shmds_object_pool,
    handle: *mut u32,
) -> shmds_status {
    // SAFETY: as promised to us.
    let places = unsafe { (structure::<ObjectPool, _>(pool), place(handle)) };
    at_once(
        || {
            let (Some(pool), Some(handle)) = places else {
                return None;
            };
            handle.write(pool.acquire_at_once()?);
            Some(SHMDS_OK)
        },
        || {
            // SAFETY: as promised to us.
            let (pool, handle) = unsafe { (open(pool)?, output(handle, "handle")?) };
            let Some(index) = pool.acquire()? else {
                return Ok(SHMDS_EXHAUSTED);
            };
            handle.write(index);
            Ok(SHMDS_OK)
        },
    )
}

/// Releases an object, whoever acquired it, in whatever process.
///
/// Releasing an object that is free is refused and counted
/// (`shmds_object_pool_refused`). A handle alone cannot tell that its object was released
/// and acquired again since; a token can. Never waits, and makes no system call.
///
/// @return `SHMDS_OK`; `SHMDS_E_STATE` if the object is free, or the segment was closed;
/// `SHMDS_E_ARGUMENT` for NULL and for a handle that no object has; `SHMDS_E_READ_ONLY`;
/// `SHMDS_E_CORRUPT` if somebody changes the object's word all the time.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_release(
    pool: *mut shmds_object_pool,
    handle: u32,
) -> shmds_status {
    // SAFETY: as promised to us.
    let there = unsafe { structure::<ObjectPool, _>(pool) };
    let refusal = Cell::new(None);
    at_once(
        || {
            let released = there?.release_at_once(handle)?;
            refusal.set(released.err());
            released.ok().map(|()| SHMDS_OK)
        },
        || {
            let pool = there.ok_or_else(|| null("pool"))?;
            match refusal.get() {
                Some(refusal) => Err(pool.refused(handle, refusal)),
                None => pool.release(handle).map(|()| SHMDS_OK),
            }
        },
    )
}

/// Acquires a free object and stores a token for it in `*token`; `token->index` is its
/// handle. Otherwise like `shmds_object_pool_acquire`.
///
/// @return as `shmds_object_pool_acquire`.
///
/// # Safety
///
/// `pool` is NULL or open, `token` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_acquire_token(
    pool: *mut shmds_object_pool,
    token: *mut shmds_object_token,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (pool, token) = unsafe { (open(pool)?, output(token, "token")?) };
        let Some(Token { index, generation }) = pool.acquire_token()? else {
            return Ok(SHMDS_EXHAUSTED);
        };
        token.write(shmds_object_token { index, generation });
        Ok(SHMDS_OK)
    })
}

/// Releases the object of a token, unless it was released since the token was made:
/// that is refused and counted, also if somebody has acquired the object again.
///
/// @return as `shmds_object_pool_release`; `SHMDS_E_STATE` also if the token is stale.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_release_token(
    pool: *mut shmds_object_pool,
    token: shmds_object_token,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(pool) }?.release_token(token.to_core())?;
        Ok(SHMDS_OK)
    })
}

/// Whether the object of a token was not released since the token was made; false for
/// NULL, and for an index that no object has.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_is_current(
    pool: *const shmds_object_pool,
    token: shmds_object_token,
) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        unsafe { open(pool) }.ok()?.is_current(token.to_core()).ok()
    })
}

/// Acquires up to `count` objects, stores their handles at `handles`, and how many in
/// `*acquired`.
///
/// One object after the other: others may acquire and release in between. `*acquired` is
/// untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set to 0, and
/// `handles` may be NULL.
///
/// @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EXHAUSTED`; and
/// the errors of `shmds_object_pool_acquire`.
///
/// # Safety
///
/// `pool` is NULL or open, `handles` NULL or has room for `count` handles, `acquired`
/// NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_acquire_batch(
    pool: *mut shmds_object_pool,
    handles: *mut u32,
    count: usize,
    acquired: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (pool, acquired) = unsafe { (open(pool)?, output(acquired, "acquired")?) };
        // SAFETY: as promised to us.
        let done = unsafe { pool.acquire_batch(batch(handles, count)?, count) }?;
        if done == 0 && count > 0 {
            return Ok(SHMDS_EXHAUSTED);
        }
        acquired.write(done);
        Ok(SHMDS_OK)
    })
}

/// Releases the objects of `count` handles, and stores how many it released in
/// `*released`, unless `released` is NULL.
///
/// Handles that no object has are passed over; so are free objects, which are counted
/// like releases that were refused. If `count` is 0, `handles` may be NULL.
///
/// @return `SHMDS_OK`; and the errors of `shmds_object_pool_release` that are not about
/// one object.
///
/// # Safety
///
/// `pool` is NULL or open, `handles` NULL or has `count` handles, `released` NULL or
/// valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_release_batch(
    pool: *mut shmds_object_pool,
    handles: *const u32,
    count: usize,
    released: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let pool = unsafe { open(pool) }?;
        // SAFETY: as promised to us.
        let done = unsafe { pool.release_batch(batch(handles.cast_mut(), count)?, count) }?;
        // SAFETY: as promised to us.
        if let Ok(released) = unsafe { output(released, "released") } {
            released.write(done);
        }
        Ok(SHMDS_OK)
    })
}

/// Gives an object up for adoption: it stays acquired, and nobody owns it, so that no
/// `shmds_object_pool_reclaim` frees it. Before a handle goes to a process that is to
/// adopt the object, for example.
///
/// @return `SHMDS_OK`; `SHMDS_E_STATE` if the object is free, or the segment was closed;
/// `SHMDS_E_BUSY` if somebody else owns it who lives; `SHMDS_E_ARGUMENT` for NULL and for
/// a handle that no object has; and the errors of `shmds_object_pool_acquire`.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_disown(
    pool: *mut shmds_object_pool,
    handle: u32,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(pool) }?.disown(handle)?;
        Ok(SHMDS_OK)
    })
}

/// Makes this attachment the owner of an object that is acquired, and whose owner is dead
/// or gave it up. Of several that try, exactly one succeeds. Adopting what is one's own
/// changes nothing.
///
/// @return as `shmds_object_pool_disown`.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_adopt(
    pool: *mut shmds_object_pool,
    handle: u32,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(pool) }?.adopt(handle)?;
        Ok(SHMDS_OK)
    })
}

/// Whether an object is acquired and its owner, an attachment, lives. False for a free
/// or disowned object, for a handle that no object has, and for NULL.
///
/// A process counts as alive until its end is complete; see `shmds_segment_get_info`.
/// (An owner's generation is kept in 18 bits: if its attachment slot was taken again a
/// multiple of 262,144 times, a dead owner passes for the one that has the slot.)
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_owner_alive(
    pool: *const shmds_object_pool,
    handle: u32,
) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        unsafe { open(pool) }.ok()?.owner_alive(handle).ok()
    })
}

/// Releases all objects whose owners are dead, and stores how many in `*count`, unless
/// `count` is NULL. Nothing else ever does: objects outlive their processes.
///
/// Objects that are disowned, or whose owner lives, stay as they are. Whoever goes on
/// with an object that a process left behind has to adopt it, or this takes it away.
/// Any process may call this at any time, several at once; it looks at every object, and
/// asks once whether each owner lives.
///
/// @return `SHMDS_OK`; and the errors of `shmds_object_pool_acquire`.
///
/// # Safety
///
/// `pool` is NULL or open, `count` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_reclaim(
    pool: *mut shmds_object_pool,
    count: *mut usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let freed = unsafe { open(pool) }?.reclaim()?;
        // SAFETY: as promised to us.
        if let Ok(count) = unsafe { output(count, "count") } {
            count.write(freed as usize);
        }
        Ok(SHMDS_OK)
    })
}

/// Number of objects that are acquired: exact while nobody acquires or releases. Looks at
/// every object. 0 for NULL.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_num_allocated(pool: *const shmds_object_pool) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        Some(unsafe { open(pool) }.ok()?.count().ok()? as usize)
    })
}

/// Whether no object is acquired; true for NULL. Looks at objects until one is.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_empty(pool: *const shmds_object_pool) -> bool {
    getter(true, || {
        // SAFETY: as promised to us.
        unsafe { open(pool) }.ok()?.is_empty().ok()
    })
}

/// Whether every object is acquired; false for NULL. Looks at objects until one is not.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_full(pool: *const shmds_object_pool) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        unsafe { open(pool) }.ok()?.is_full().ok()
    })
}

/// How many releases were refused since the pool was created, by all processes: the
/// object was free, or the token stale. 0 for NULL.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_refused(pool: *const shmds_object_pool) -> u64 {
    getter(0, || {
        // SAFETY: as promised to us.
        unsafe { open(pool) }.ok()?.refusals().ok()
    })
}

/// Number of objects; 0 for NULL.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_capacity(pool: *const shmds_object_pool) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        Some(unsafe { open(pool) }.ok()?.capacity() as usize)
    })
}

/// Bytes of an object; 0 for NULL.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_elem_size(pool: *const shmds_object_pool) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        Some(unsafe { open(pool) }.ok()?.elem_size() as usize)
    })
}

/// Where the object of a handle lies, whether it is acquired or not: `elem_size` bytes,
/// aligned as asked for. NULL for a handle that no object has, and for NULL. Valid until
/// the segment is closed.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_object(
    pool: *const shmds_object_pool,
    handle: u32,
) -> *mut c_void {
    getter(core::ptr::null_mut(), || {
        // SAFETY: as promised to us.
        let address = unsafe { open(pool) }.ok()?.address(handle)?;
        Some(address.as_ptr().cast())
    })
}

/// Where the first object lies; the others follow without a gap. NULL for NULL. Valid
/// until the segment is closed.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_objects(pool: *const shmds_object_pool) -> *mut c_void {
    getter(core::ptr::null_mut(), || {
        // SAFETY: as promised to us.
        let address = unsafe { open(pool) }.ok()?.address(0)?;
        Some(address.as_ptr().cast())
    })
}

/// Name of the pool as the table holds it; NULL for NULL. Valid until the segment is
/// closed.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_name(pool: *const shmds_object_pool) -> *const c_char {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        Some(unsafe { open(pool) }.ok()?.name().as_ptr())
    })
}

/// What `shmds_inline.h` needs to know of a pool. NULL for NULL. It is the start of the
/// pool handle itself: `(const shmds_object_pool_view *)pool` is the same address. Valid
/// until the segment is closed.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_get_view(
    pool: *const shmds_object_pool,
) -> *const PoolView {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        let pool = unsafe { open(pool) }.ok()?;
        Some(core::ptr::from_ref(pool.view()))
    })
}

/// What the calling thread remembers of a pool, for `shmds_inline.h`. `*pass` is the
/// thread's to use for as long as its key is the one in the pool's view; untouched if
/// operations have to go through the library.
///
/// @return whether it was filled in; false for NULL.
///
/// # Safety
///
/// `pool` is NULL or open, `pass` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_own_pass(
    pool: *mut shmds_object_pool,
    pass: *mut PoolPass,
) -> bool {
    getter(false, || {
        // SAFETY: as promised to us.
        let (pool, pass) = unsafe { (open(pool).ok()?, output(pass, "pass").ok()?) };
        pass.write(pool.pass().ok()??);
        Some(true)
    })
}

/// Lets searches find an object that was just released. For `shmds_inline.h`, after a
/// release that found no mark on the object. Calling it at any other time does no harm.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE` if the
/// segment was closed.
///
/// # Safety
///
/// `pool` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_object_pool_mark(
    pool: *mut shmds_object_pool,
    handle: u32,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { open(pool) }?.mark(handle)?;
        Ok(SHMDS_OK)
    })
}

/// # Safety
///
/// `pool` is NULL or open.
#[inline]
unsafe fn open<'a>(pool: *const shmds_object_pool) -> Result<&'a ObjectPool> {
    // SAFETY: as promised to us.
    unsafe { structure::<ObjectPool, _>(pool) }.ok_or_else(|| null("pool"))
}

/// The handles of a batch; NULL only where there are none.
fn batch(handles: *mut u32, count: usize) -> Result<*mut u32> {
    if handles.is_null() && count > 0 {
        return Err(null("handles"));
    }
    Ok(handles)
}
