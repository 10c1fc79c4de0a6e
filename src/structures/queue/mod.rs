//! The queue's algorithm: a bounded ring for any number of producers and
//! consumers in any number of processes, one CAS per operation.
//!
//! **Slot exchange.** Elements lie in payload slots apart from the ring, and
//! there are more slots than ring words: each *lane* (the right to be inside an
//! operation) privately owns one spare slot. A producer fills its spare at
//! leisure, then one CAS swaps the spare for the slot in the ring word; a
//! consumer swaps its spare for the full slot, then reads that at leisure. So
//! no word is ever "being written": a process that is stopped or killed anywhere
//! delays nobody, nothing is torn, and full and empty are exact.
//!
//! **Waiting.** Whoever is about to sleep marks the word that the other side has to exchange next
//! (`ring`, `await_exchange`). So who exchanges a word that is not marked need not look for
//! sleepers: where the code in line exchanges what it foresaw, it does not; all others do.
//!
//! The exchange of whole slots is this library's own design. Its relatives: the
//! per-cell sequence numbers of Dmitry Vyukov's bounded MPMC queue, the
//! {lap, index} stamps of crossbeam's `ArrayQueue`, and the words that carry
//! {cycle, index} in Ruslan Nikolaev's SCQ.
//!
//! `layout` is the wire format, `ring` the operations, `search` how they find
//! their position, `recovery` what is done for a lane whose owner died; `handle` and
//! `lanes` are how a process holds a queue.

mod handle;
mod lanes;
mod layout;
mod recovery;
mod ring;
mod search;
#[cfg(test)]
mod tests;
mod view;

pub use handle::{Params, Pinned, Queue, Statistics};
pub use layout::{
    FORMAT, Header, Lane, LaneRecord, Params as RingParams, Plan, PlanError, QueueEnds, init,
};
pub use ring::{Ring, open};
pub use view::{Pass, QueueParts, QueueView};

/// How an operation on a sound queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The element went in, or came out.
    Done,
    /// Nothing was enqueued: at one moment during the call every word was full.
    Full,
    /// Nothing was dequeued: at one moment during the call no word was full.
    Empty,
}

/// The shared bytes are not those of a queue that keeps its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// The header does not describe a queue that fits its extent.
    Geometry,
    /// There is no such lane, or its record is not what a lane at rest holds.
    Lane,
    /// A ring word or a lane names a payload slot that does not exist.
    Slot,
    /// The laps of the ring words contradict each other.
    Laps,
    /// Two holders of one payload slot.
    Ownership,
}

impl core::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Geometry => "the queue's header does not describe its extent",
            Self::Lane => "a queue lane is missing or not at rest",
            Self::Slot => "the queue names a payload slot that does not exist",
            Self::Laps => "the laps of the queue's words contradict each other",
            Self::Ownership => "a payload slot of the queue has two holders",
        })
    }
}
