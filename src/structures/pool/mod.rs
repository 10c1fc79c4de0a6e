//! A pool of objects of equal size: any process acquires one and gets its index, any
//! process releases it.
//!
//! **Truth.** One word per object says whether it is live, whose it is, and how often it
//! was released. Acquiring and releasing are one CAS each; there is no free list that a
//! death could break, and no ABA: the generation in the word makes every life of an
//! object another one.
//!
//! **Finding.** Where a free object may be is hints only, which may be wrong at any time:
//! - Each thread remembers what it released last, in a chain through the objects' *links*
//!   ([`Recent`]): a thread that works alone gets back exactly what it released last.
//! - A *mark* for each object says that it is worth looking at, and a *summary* bit for
//!   each word of 64 marks that one of them may be set. Whoever looks clears the mark
//!   first and reads the word then; whoever releases frees the word first and looks at
//!   the mark then. So one of the two sees the other, as in Dekker's mutual exclusion,
//!   and no free object stays without a mark, unless somebody was killed or stopped
//!   between two such steps.
//! - Before a pool counts as exhausted, all words are read: no death hides anything.
//!
//! The two-level bitmap is what free-space maps of file systems and allocators use; that
//! the bits are mere hints beside words that tell owners is what makes it safe to die in.
//!
//! **Death.** Objects outlive their owner, and only [`ObjectPool::reclaim`] frees those of
//! the dead. An owner may give an object up for adoption instead.
//!
//! `layout` is the wire format, `objects` the words and how free ones are found, `recent`
//! what a thread remembers, `view` what the hot paths in `shmds_inline.h` see, `handle`
//! how a process holds a pool.

mod handle;
mod layout;
mod objects;
mod recent;
#[cfg(test)]
mod tests;
mod view;

pub use handle::{ObjectPool, Params, Token};
pub use layout::{Header, INVALID, Plan, PlanError, Word, init};
pub use objects::{Objects, open};
pub use recent::Recent;
pub use view::{PoolPass, PoolView};

/// The shared bytes are not those of a pool that keeps its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// The header does not describe a pool that fits its extent.
    Geometry,
    /// Somebody changes an object's word all the time.
    Word,
}

/// Why nothing was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is free.
    Free,
    /// It was released since, and may be somebody else's now.
    Stale,
    /// It belongs to somebody else who lives.
    Owned,
    /// Its word does not keep still.
    Unsettled,
}
