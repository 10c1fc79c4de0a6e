//! A bounded queue for one producer and one consumer: no atomic
//! read-modify-write, and in the common case no look at the other side's lines.
//!
//! **Positions.** `tail` says where the next element is pushed, `head` where the next
//! one is popped, each as {lap, index} and stored by one side only. So the distance is
//! exact, a full and an empty queue differ, any capacity works, and no step divides.
//! Laps wrap, which nobody can tell: the two are never more than one apart.
//!
//! **Caching.** Each side goes on without looking at the other until it has used up
//! what it saw there last, or comes to the end of its lap: the cached indices of Erik
//! Rigtorp's `SPSCQueue` and of Lee, Bu and Chandranmenon's MCRingBuffer (2010). What a side knows lies in
//! private memory of its process, one line per side ([`SpscSide`]), its own position
//! too: nobody else can damage it, and it dies with the process. Whoever takes a role
//! over reads the two positions anew.
//!
//! **Death.** A slot is filled, then one store of `tail` publishes it, or a whole
//! bulk of them; an element is copied out, then one store of `head` takes it. So a
//! producer that dies leaves nothing half done, and what a consumer had copied but
//! not taken goes to the next consumer: the dead one never got to return it.
//!
//! **Roles.** Two words say which attachment is the producer and which the consumer.
//! They are taken at the first push or pop, given up by `leave` or at close, and
//! taken over from the dead.
//!
//! `layout` is the wire format, `view` what the process-local fast path in
//! `shmds_inline.h` sees of a handle, `ring` the operations, `handle` the roles,
//! the waiting, and how a process holds a queue.

mod handle;
mod layout;
mod ring;
#[cfg(test)]
mod tests;
mod view;

pub use handle::{Params, SpscQueue};
pub use layout::{Header, Plan, PlanError, SpscEnd, init};
pub use ring::{Ring, open};
pub use view::{SpscSide, SpscView};

/// The shared bytes are not those of a queue that keeps its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// The header does not describe a queue that fits its extent.
    Geometry,
    /// No queue has those two positions, or more than a lap lies between them.
    Positions,
}

/// One of the two sides of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Pushes.
    Producer,
    /// Pops.
    Consumer,
}

impl Role {
    /// The role's name, for error messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}
