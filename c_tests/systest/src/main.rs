//! Asks Rust and C the same about everything in shmds.h: size and alignment of each type, offset and size of
//! each field, value of each constant, address of each function. `scripts/test-systest` runs it.
//!
//! It does not compare signatures: `tests/signatures.rs` does.

// The names as the header has them, and the types as the library has them.
use shmds::ffi::*;
use shmds::structures::pool::{
    PoolPass as shmds_object_pool_pass, PoolView as shmds_object_pool_view,
    Recent as shmds_object_pool_recent,
};
use shmds::structures::queue::{
    LaneRecord as shmds_queue_record, Pass as shmds_queue_pass, QueueEnds as shmds_queue_ends,
    QueueParts as shmds_queue_parts, QueueView as shmds_queue_view,
};
use shmds::structures::ring::{
    RingEnds as shmds_ring_buffer_ends, RingReader as shmds_ring_buffer_reader,
    RingSide as shmds_ring_buffer_side, RingView as shmds_ring_buffer_view,
    RingWriter as shmds_ring_buffer_writer,
};
use shmds::structures::spsc::{
    SpscEnd as shmds_spsc_queue_end, SpscSide as shmds_spsc_queue_side,
    SpscView as shmds_spsc_queue_view,
};
use shmds::structures::wait::WaitWord as shmds_wait_word;

include!(concat!(env!("OUT_DIR"), "/all.rs"));
