//! Lock-free data structures in POSIX shared memory.
//!
//! A segment is a named file in shared memory with an exact count of who is
//! attached. Its table tells processes where each other's structures lie, by
//! name. Any process may use any structure at any time, and any of them may be
//! killed at any instruction without hurting the others.
//!
//! The layers, each using only those below it:
//! - [`ffi`]: the C ABI, from which `include/shmds.h` is generated;
//! - [`structures`]: what lives in a segment;
//! - [`table`]: from a name to an extent;
//! - [`segment`]: mapping, layout, membership;
//! - `sys`: the operating system.

#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

pub mod error;
mod fault;
pub mod ffi;
mod raw;
pub mod segment;
pub mod structures;
mod sys;
pub mod table;
