//! Handles whose address tells their place in what threads remember.
//!
//! Code compiled into the caller finds a thread's memory of a queue by some bits of the
//! handle's address: it has that in a register, and need not wait for a load from the handle.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use std::alloc::{alloc, dealloc, handle_alloc_error};

/// Number of places in which a thread remembers queues. Queues opened one after the other
/// do not share one.
pub const PLACES: usize = 16;
/// Distance between addresses of neighbouring places: a cache line.
pub const STRIDE: usize = 64;

/// A value on the heap, at an address that is its place times [`STRIDE`] beyond a multiple of
/// `PLACES * STRIDE`.
pub struct Placed<T> {
    block: NonNull<u8>,
    value: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: it owns its value, like a Box.
unsafe impl<T: Send> Send for Placed<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Placed<T> {}

impl<T> Placed<T> {
    const BLOCK: Layout = {
        assert!(align_of::<T>() <= STRIDE);
        let size = (PLACES - 1) * STRIDE + size_of::<T>();
        match Layout::from_size_align(size, PLACES * STRIDE) {
            Ok(layout) => layout,
            Err(_) => panic!("no such layout"),
        }
    };

    /// Puts `value` at the place of that number, modulo [`PLACES`].
    pub fn new(value: T, place: usize) -> Self {
        // SAFETY: the size is not zero.
        let Some(block) = NonNull::new(unsafe { alloc(Self::BLOCK) }) else {
            handle_alloc_error(Self::BLOCK)
        };
        // SAFETY: inside of the block, with room for a T behind it; aligned, since STRIDE and
        // the block are.
        let at = unsafe {
            let at = block.add(place % PLACES * STRIDE).cast::<T>();
            at.write(value);
            at
        };
        Self {
            block,
            value: at,
            owns: PhantomData,
        }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: written by `new`, and ours until we are dropped.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Placed<T> {
    fn drop(&mut self) {
        // SAFETY: written and allocated by `new`, and nobody else's.
        unsafe {
            self.value.drop_in_place();
            dealloc(self.block.as_ptr(), Self::BLOCK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn the_address_tells_the_place_and_the_value_is_dropped_once() {
        let counted = Rc::new(7_u8);
        let all: Vec<_> = (0..40)
            .map(|place| Placed::new(Rc::clone(&counted), place))
            .collect();
        for (place, placed) in all.iter().enumerate() {
            let address = core::ptr::from_ref(&**placed).addr();
            assert_eq!(address / STRIDE % PLACES, place % PLACES);
            assert_eq!(***placed, 7);
        }
        drop(all);
        assert_eq!(Rc::strong_count(&counted), 1);
    }
}
