//! Typed, bounds-checked access to mapped bytes: the only place that turns
//! offsets into addresses.
//!
//! Every process that maps a segment may write to it at any time, so nothing
//! here ever hands out a plain reference to shared bytes. What other processes
//! may change is reached as atomics; payload is reached by copying.

use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64};

/// A type that may live in memory shared with hostile writers.
///
/// # Safety
///
/// Every bit pattern is a valid value, there is no padding that matters, and
/// all mutation goes through atomics (so `&T` is sound while others write).
pub unsafe trait Shared: Sync {}

// SAFETY: an atomic integer is valid for all bit patterns and mutated only atomically.
unsafe impl Shared for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}

/// A window on mapped bytes. Copying it copies the window, not the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a region is an address range; all access through it is atomic or an
// explicit copy whose callers take care of ordering.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Describes `len` bytes at `base`.
    ///
    /// # Safety
    ///
    /// The bytes stay mapped (readable, and writable where the region is
    /// written) for as long as the region or anything made from it is used.
    pub const unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self { base, len }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Address of the first byte.
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The part of this region from `offset` on, `len` bytes long; `None` when
    /// it does not lie inside.
    pub fn part(&self, offset: u64, len: u64) -> Option<Self> {
        let end = offset.checked_add(len)?;
        if end > self.len as u64 {
            return None;
        }
        // SAFETY: offset <= end <= self.len, which fits in usize and in the mapping.
        let base = unsafe { self.base.add(offset as usize) };
        Some(Self {
            base,
            len: len as usize,
        })
    }

    /// A `T` at `offset`; `None` when it does not lie inside or is misaligned.
    pub fn at<T: Shared>(&self, offset: u64) -> Option<Ref<T>> {
        let part = self.part(offset, size_of::<T>() as u64)?;
        let ptr = part.base.cast::<T>();
        ptr.is_aligned().then_some(Ref(ptr))
    }

    /// `len` consecutive `T` at `offset`; `None` when they do not lie inside
    /// or are misaligned.
    pub fn list<T: Shared>(&self, offset: u64, len: u64) -> Option<List<T>> {
        let bytes = len.checked_mul(size_of::<T>() as u64)?;
        let ptr = self.part(offset, bytes)?.base.cast::<T>();
        ptr.is_aligned().then_some(List {
            ptr,
            len: len as usize,
        })
    }

    /// `len` payload slots of `stride` bytes at `offset`; `None` when they do
    /// not lie inside.
    pub fn slots(&self, offset: u64, stride: u64, len: u64) -> Option<Slots> {
        let part = self.part(offset, stride.checked_mul(len)?)?;
        Some(Slots {
            base: part.base,
            stride: stride as usize,
            len: len as usize,
        })
    }

    /// Copies `len` bytes to `offset`; false when they do not lie inside.
    ///
    /// # Safety
    ///
    /// `source` has `len` readable bytes, and no other thread or process accesses
    /// those of the region meanwhile.
    #[inline]
    pub unsafe fn write(&self, offset: u64, source: *const u8, len: u64) -> bool {
        let Some(part) = self.part(offset, len) else {
            return false;
        };
        // SAFETY: the part has `len` bytes; the caller vouches for `source` and exclusivity.
        unsafe { copy_element(source, part.base.as_ptr(), part.len) };
        true
    }

    /// Copies `len` bytes at `offset` out; false when they do not lie inside.
    ///
    /// # Safety
    ///
    /// `target` has `len` writable bytes, and no other thread or process writes those
    /// of the region meanwhile.
    #[inline]
    pub unsafe fn read(&self, offset: u64, target: *mut u8, len: u64) -> bool {
        let Some(part) = self.part(offset, len) else {
            return false;
        };
        // SAFETY: as in `write`, the other way round.
        unsafe { copy_element(part.base.as_ptr(), target, part.len) };
        true
    }

    /// Copies `len` bytes at `offset` out while others may be writing them; false when they
    /// do not lie inside. What arrives is noise until the caller has made sure, by other
    /// means, that nobody wrote there meanwhile.
    ///
    /// # Safety
    ///
    /// `target` has `len` writable bytes.
    #[inline]
    pub unsafe fn read_racing(&self, offset: u64, target: *mut u8, len: u64) -> bool {
        let Some(part) = self.part(offset, len) else {
            return false;
        };
        // Not `copy_nonoverlapping`, which the compiler may take for the only access there
        // is. What it cannot look into, it has to take for an exchange with the outside.
        // SAFETY: the part has `len` bytes, and `target` has room for them.
        unsafe { libc::memcpy(target.cast(), part.base.as_ptr().cast(), part.len) };
        true
    }

    /// Writes zero to every byte.
    ///
    /// # Safety
    ///
    /// The region is writable, and nobody else accesses it meanwhile.
    pub unsafe fn zero(&self) {
        // SAFETY: mapped, writable, and the caller's alone.
        unsafe { self.base.write_bytes(0, self.len) }
    }

    /// Copies `bytes` to the start of the region; what does not fit is left out.
    ///
    /// # Safety
    ///
    /// The region is writable, and nobody else accesses it meanwhile.
    pub unsafe fn fill_from(&self, bytes: &[u8]) {
        let len = bytes.len().min(self.len);
        // SAFETY: both sides are at least `len` long and cannot overlap: `bytes` is private.
        unsafe {
            self.base
                .copy_from_nonoverlapping(NonNull::from(bytes).cast(), len)
        }
    }
}

/// A checked reference to one shared `T`.
pub struct Ref<T>(NonNull<T>);

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}
// SAFETY: `T: Shared` is `Sync`, and a `Ref` gives out nothing but `&T`.
unsafe impl<T: Shared> Send for Ref<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Ref<T> {}

impl<T: Shared> Deref for Ref<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: in bounds and aligned by `Region::at`; valid for any bytes by `Shared`.
        unsafe { self.0.as_ref() }
    }
}

/// A checked list of shared `T`, indexed with a bounds check.
pub struct List<T> {
    ptr: NonNull<T>,
    len: usize,
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for List<T> {}
// SAFETY: as for `Ref`.
unsafe impl<T: Shared> Send for List<T> {}
// SAFETY: as for `Ref`.
unsafe impl<T: Shared> Sync for List<T> {}

impl<T: Shared> List<T> {
    /// Number of items.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Item `index`, or `None` past the end.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index < self.len {
            // SAFETY: index is in range of the list checked by `Region::list`.
            Some(unsafe { self.ptr.add(index).as_ref() })
        } else {
            None
        }
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|index| self.get(index))
    }
}

/// Payload slots of equal size, reached only by copying whole slots.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    base: NonNull<u8>,
    stride: usize,
    len: usize,
}

// SAFETY: as for `Region`.
unsafe impl Send for Slots {}
// SAFETY: as for `Region`.
unsafe impl Sync for Slots {}

impl Slots {
    /// Number of slots.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Address of slot `index`, or `None` past the end.
    #[inline]
    pub fn address(&self, index: usize) -> Option<NonNull<u8>> {
        if index < self.len {
            // SAFETY: index is in range of the slots checked by `Region::slots`.
            Some(unsafe { self.base.add(index * self.stride) })
        } else {
            None
        }
    }

    /// Copies one element into slot `index`; false past the end.
    ///
    /// # Safety
    ///
    /// `source` has `stride` readable bytes, and no other thread or process
    /// accesses the slot meanwhile.
    #[inline]
    pub unsafe fn write(&self, index: usize, source: *const u8) -> bool {
        let Some(slot) = self.address(index) else {
            return false;
        };
        // SAFETY: the slot has `stride` bytes; the caller vouches for `source` and exclusivity.
        unsafe { copy_element(source, slot.as_ptr(), self.stride) };
        true
    }

    /// Copies slot `index` out; false past the end.
    ///
    /// # Safety
    ///
    /// `target` has `stride` writable bytes, and no other thread or process
    /// writes the slot meanwhile.
    #[inline]
    pub unsafe fn read(&self, index: usize, target: *mut u8) -> bool {
        let Some(slot) = self.address(index) else {
            return false;
        };
        // SAFETY: as in `write`, the other way round.
        unsafe { copy_element(slot.as_ptr(), target, self.stride) };
        true
    }
}

/// Copies an element; the common word sizes without a call to `memcpy`.
///
/// # Safety
///
/// As for `core::ptr::copy_nonoverlapping`.
#[inline]
unsafe fn copy_element(source: *const u8, target: *mut u8, size: usize) {
    // SAFETY: the caller vouches for both ranges; unaligned access is asked for.
    unsafe {
        match size {
            4 => target
                .cast::<u32>()
                .write_unaligned(source.cast::<u32>().read_unaligned()),
            8 => target
                .cast::<u64>()
                .write_unaligned(source.cast::<u64>().read_unaligned()),
            _ => core::ptr::copy_nonoverlapping(source, target, size),
        }
    }
}
