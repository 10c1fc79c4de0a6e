//! What the Rust side of the benchmarks shares: the element, the loops that are timed, and the
//! queues that libshmds is compared with. `cpp/` holds the same for libshmds and Boost.

pub mod arena;
pub mod element;
pub mod flow;
pub mod pair;
pub mod process;
pub mod quiet;
