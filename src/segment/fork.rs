//! What a fork must not tear: one lock for this process's own bookkeeping, and
//! an epoch that tells a child that it is one.
//!
//! The lock is held across every fork, so a child never inherits half-changed
//! bookkeeping, nor a descriptor that carries a lease. It covers only short
//! steps, never a wait.

use crate::sys;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::io;

/// Number of forks between the first process and this one.
static EPOCH: AtomicU32 = AtomicU32::new(0);

/// 0 free, 1 held, 2 held and somebody sleeps.
static LOCK: AtomicU32 = AtomicU32::new(0);

/// 0 not yet, 1 being registered, 2 registered.
static HANDLERS: AtomicU32 = AtomicU32::new(0);

/// A waiter looks again after this long, whoever forgot to wake it.
const SLICE: Duration = Duration::from_millis(50);

/// The fork epoch of this process. Differs from the value its parent saw.
#[inline]
pub fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// Where [`epoch`] looks, for code that is compiled into the caller.
pub fn epoch_word() -> &'static AtomicU32 {
    &EPOCH
}

/// Exclusive use of the process's bookkeeping; released when dropped.
pub struct ProcessGuard(());

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        release();
    }
}

/// Takes the process lock.
pub fn lock_process() -> ProcessGuard {
    acquire();
    ProcessGuard(())
}

fn acquire() {
    if LOCK
        .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
    {
        return;
    }
    while LOCK.swap(2, Ordering::Acquire) != 0 {
        sys::futex_wait(&LOCK, 2, SLICE);
    }
}

fn release() {
    if LOCK.swap(0, Ordering::Release) == 2 {
        sys::futex_wake_all(&LOCK);
    }
}

/// Something that a forked child must not take for its own.
///
/// # Safety
///
/// `forget` only stores to the item's own memory: it runs in the child before
/// anything else does, and other threads of the parent may have been using the item.
pub unsafe trait Inherited: Sync {
    /// Makes the child's copy what a new one is.
    fn forget(&self);
}

/// What is to be forgotten in a child. Changed under the process lock.
struct Heirlooms(UnsafeCell<Vec<NonNull<dyn Inherited>>>);

// SAFETY: touched under the process lock only, and the items are `Sync`.
unsafe impl Sync for Heirlooms {}

static HEIRLOOMS: Heirlooms = Heirlooms(UnsafeCell::new(Vec::new()));

/// From now on, a forked child calls `item.forget()` on its copy.
///
/// # Safety
///
/// The item stays where it is, and valid, until it is given to [`unwatch`].
pub unsafe fn watch(_process: &ProcessGuard, item: NonNull<dyn Inherited>) {
    // SAFETY: the process lock is held.
    unsafe { (*HEIRLOOMS.0.get()).push(item) };
}

/// Undoes [`watch`].
pub fn unwatch(_process: &ProcessGuard, item: NonNull<dyn Inherited>) {
    // SAFETY: the process lock is held.
    let items = unsafe { &mut *HEIRLOOMS.0.get() };
    items.retain(|kept| kept.cast::<u8>() != item.cast::<u8>());
}

extern "C" fn before_fork() {
    acquire();
}

extern "C" fn after_fork_in_parent() {
    release();
}

extern "C" fn after_fork_in_child() {
    EPOCH.store(
        EPOCH.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
    // SAFETY: the lock is held across the fork, and the items are valid while they are watched.
    unsafe {
        for item in &*HEIRLOOMS.0.get() {
            item.as_ref().forget();
        }
    }
    // Whoever slept on the lock exists in the parent only.
    LOCK.store(0, Ordering::Release);
}

/// Registers the fork handlers, once per process and before its first lease.
///
/// Normally that was done when the library was loaded, before there were threads
/// that could fork meanwhile; a linker that leaves the constructor out of a static
/// library makes the first attachment do it.
pub fn watch_forks() -> io::Result<()> {
    while HANDLERS.load(Ordering::Acquire) != 2 {
        if HANDLERS
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            std::thread::yield_now();
            continue;
        }
        let result = sys::at_fork(before_fork, after_fork_in_parent, after_fork_in_child);
        HANDLERS.store(if result.is_ok() { 2 } else { 0 }, Ordering::Release);
        result?;
    }
    Ok(())
}

extern "C" fn at_load() {
    // A failure shows again, and is reported, at the first attachment.
    let _ = watch_forks();
}

#[used]
// SAFETY: the section holds addresses of functions that the loader calls.
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;
