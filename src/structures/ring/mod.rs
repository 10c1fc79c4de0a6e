//! A ring buffer: one producer, one consumer, any number of observers who write
//! nothing, and a producer that may overwrite the oldest elements.
//!
//! **Positions** count elements since creation and never wrap: `tail` is where the next
//! element goes, `head` the next one to be consumed, and the element at position `p`
//! lies in slot `p % capacity`. A slot has no header of its own, so a bulk of elements
//! is at most two `memcpy`.
//!
//! **Claim, then write, then publish.** The producer stores `claim`, how far it is about
//! to write; then the elements; then `tail`. What lies before `claim - capacity` may be
//! overwritten at any moment. So a reader loads `tail`, copies, then loads `claim`, and
//! keeps what `claim - capacity` has not passed: a sequence lock (Boehm, *Can Seqlocks
//! Get Along with Programming Language Memory Models?*, 2012) whose counter tells
//! which of many elements are torn, not just whether any is.
//!
//! **Overwriting** never touches the consumer's words. `max(head, claim - capacity)` is
//! the oldest element there is; the consumer counts what it finds missing.
//!
//! **Death.** A producer that dies leaves `claim` ahead of `tail`. Its successor never
//! lowers `claim`: what the dead one may have torn stays out of sight. `claim` is
//! never more than a lap ahead, so everything that the successor publishes is seen.
//! A consumer copies first, then takes with one store of `head`.
//!
//! **No division.** Each side remembers a multiple of the capacity; while a position is
//! less than a lap from there, the difference is its slot. That is true whoever moved
//! the position, so the roles change hands without notice.
//!
//! **Roles** are the program's affair, unless its creator had them enforced: then the
//! first to push and the first to pop hold them, as in an SPSC queue.
//!
//! `layout` is the wire format, `view` what the process-local fast path in
//! `shmds_inline.h` sees of a handle, `write` the producer's operations, `read` those of
//! everybody else, `handle` the roles, the waiting, and how a process holds a ring.

mod handle;
mod layout;
mod read;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub use crate::structures::spsc::Role;
pub use handle::{Observer, Params, RingBuffer};
pub use layout::{ENFORCE_ROLES, Header, Plan, PlanError, RingEnds, RingReader, RingWriter, init};
pub use view::{RingSide, RingView};

use crate::raw::{Ref, Region};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The shared bytes are not those of a ring that keeps its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// The header does not describe a ring that fits its extent.
    Geometry,
    /// No ring has such positions.
    Positions,
}

/// Positions are below this: 2^63 elements are not written in a lifetime.
const END: u64 = 1 << 63;

/// A ring in shared memory, with private copies of everything that must not change.
pub struct Ring {
    header: Ref<Header>,
    slots: Region,
    plan: Plan,
}

/// Checks that the header describes a ring that fits in `region`, and takes private
/// copies of its geometry.
pub fn open(region: Region) -> Result<Ring, Corrupt> {
    let header = region.at::<Header>(0).ok_or(Corrupt::Geometry)?;
    let plan = Plan::read(&header, region)?;
    let slots = region.part(plan.slots_offset, plan.slot_bytes);
    Ok(Ring {
        header,
        slots: slots.ok_or(Corrupt::Geometry)?,
        plan,
    })
}

impl Ring {
    /// The geometry.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The shared header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the two sides are.
    pub fn ends(&self) -> &RingEnds {
        &self.header.ends
    }

    /// Address of the first slot.
    pub fn slots(&self) -> NonNull<u8> {
        self.slots.base()
    }

    /// The slot of a position; `base` is a multiple of the capacity that a side remembers.
    #[inline]
    fn index(&self, base: &AtomicU64, at: u64) -> u64 {
        let index = at.wrapping_sub(base.load(Relaxed));
        if index < self.plan.capacity {
            return index;
        }
        let index = at % self.plan.capacity;
        base.store(at - index, Relaxed);
        index
    }

    /// Where `count` elements lie, at most the capacity, from a slot on: the offset of the
    /// first, the bytes up to the end of the slots, and the bytes from their start.
    #[inline]
    fn parts(&self, index: u64, count: u64) -> (u64, u64, u64) {
        // No product overflows: all slots together have no more bytes.
        let row = count.min(self.plan.capacity - index);
        let elem_size = self.plan.elem_size;
        (
            index * elem_size,
            row * elem_size,
            (count - row) * elem_size,
        )
    }
}
