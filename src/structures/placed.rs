//! Handles at addresses of our choice.
//!
//! Code compiled into the caller finds a thread's memory of a queue by some bits of the
//! handle's address: it has that in a register, and need not wait for a load from the handle.
//! Other handles are kept away from what they are about: a processor compares the low twelve bits
//! of addresses first when it asks whether a load has to wait for an earlier store.

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

/// Addresses that differ by a multiple of this look the same to a processor that asks whether a
/// load has to wait for an earlier store.
const ALIASES: usize = 4096;

/// The place of what begins with this.
pub fn place_of<T>(beginning: &T) -> usize {
    core::ptr::from_ref(beginning).addr() / STRIDE % PLACES
}

/// A value on the heap, at an address of our choice.
pub struct Placed<T> {
    block: NonNull<u8>,
    layout: Layout,
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

    const WIDE_BLOCK: Layout = {
        match Layout::from_size_align(ALIASES + size_of::<T>(), align_of::<T>()) {
            Ok(layout) => layout,
            Err(_) => panic!("no such layout"),
        }
    };

    /// Puts `value` at the place of that number, modulo [`PLACES`]: at an address that is so many
    /// times [`STRIDE`] beyond a multiple of `PLACES * STRIDE`.
    pub fn new(value: T, place: usize) -> Self {
        // SAFETY: with room for a T behind it; aligned, since STRIDE and the block are.
        unsafe { Self::inside(value, Self::BLOCK, |_| place % PLACES * STRIDE) }
    }

    /// Puts `value` where its start is half of [`ALIASES`] away from `address`, modulo that, or
    /// less by no more than an alignment. What is stored in either of them then does not hold up
    /// what is loaded from the other one.
    pub fn away_from(value: T, address: usize) -> Self {
        let offset = |block: usize| {
            let exact = address.wrapping_add(ALIASES / 2).wrapping_sub(block) % ALIASES;
            exact - exact % align_of::<T>()
        };
        // SAFETY: less than ALIASES, behind which there is room for a T; aligned, as the block is.
        unsafe { Self::inside(value, Self::WIDE_BLOCK, offset) }
    }

    /// Puts `value` into a new block, at the offset that its address asks for.
    ///
    /// # Safety
    ///
    /// The offset is a multiple of the alignment, and a T fits in the layout there.
    unsafe fn inside(value: T, layout: Layout, offset: impl FnOnce(usize) -> usize) -> Self {
        // SAFETY: the size is not zero: ours never are, with room for more than a T.
        let Some(block) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: as the caller promises.
        let at = unsafe {
            let at = block.add(offset(block.addr().get())).cast::<T>();
            at.write(value);
            at
        };
        Self {
            block,
            layout,
            value: at,
            owns: PhantomData,
        }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: written by `inside`, and ours until we are dropped.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Placed<T> {
    fn drop(&mut self) {
        // SAFETY: written and allocated by `inside`, and nobody else's.
        unsafe {
            self.value.drop_in_place();
            dealloc(self.block.as_ptr(), self.layout);
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

    #[test]
    fn the_address_is_far_from_another_one_modulo_what_aliases() {
        #[repr(align(128))]
        struct Wide(Rc<u8>);
        let counted = Rc::new(7_u8);
        let all: Vec<_> = (0..40)
            .map(|n| {
                (
                    n * 1000 + n,
                    Placed::away_from(Wide(Rc::clone(&counted)), n * 1000 + n),
                )
            })
            .collect();
        for (from, placed) in &all {
            let address = core::ptr::from_ref(&**placed).addr();
            let apart = address.wrapping_sub(*from) % ALIASES;
            assert_eq!(address % 128, 0);
            assert!(
                (ALIASES / 2 - 128..=ALIASES / 2).contains(&apart),
                "{apart}"
            );
            assert_eq!(*placed.0, 7);
        }
        drop(all);
        assert_eq!(Rc::strong_count(&counted), 1);
    }
}
