//! Every exported function has the type that programs count on, in Rust as in `c_tests/signatures.c`.
//!
//! Both lists are written by hand, and nothing writes them anew: whoever adds a function states its type
//! here and there, and a change that nobody meant does not compile.

use shmds::ffi::*;
use shmds::structures::pool::{
    PoolPass as shmds_object_pool_pass, PoolView as shmds_object_pool_view,
};
use shmds::structures::queue::{Pass as shmds_queue_pass, QueueView as shmds_queue_view};
use std::ffi::{c_char, c_void};
use std::path::Path;
use std::{env, fs};

/// Assigns each function to a pointer of the stated type, and names it.
macro_rules! signatures {
    ($(fn $name:ident($($parameter:ty),*) $(-> $result:ty)?;)*) => {
        [$({
            let typed: unsafe extern "C" fn($($parameter),*) $(-> $result)? = $name;
            (stringify!($name), typed as *const c_void)
        }),*]
    };
}

#[test]
fn every_function_has_its_type_in_rust() {
    #[rustfmt::skip]
    let functions = signatures! {
        fn shmds_array_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_array) -> shmds_status;
        fn shmds_array_open(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_array) -> shmds_status;
        fn shmds_array_open_or_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_array) -> shmds_status;
        fn shmds_array_data(*const shmds_array) -> *mut c_void;
        fn shmds_array_count(*const shmds_array) -> usize;
        fn shmds_array_elem_size(*const shmds_array) -> usize;
        fn shmds_array_name(*const shmds_array) -> *const c_char;
        fn shmds_atomic_create(*mut shmds_segment, *const c_char, usize, *const c_void, *mut *mut shmds_atomic) -> shmds_status;
        fn shmds_atomic_open(*mut shmds_segment, *const c_char, usize, *const c_void, *mut *mut shmds_atomic) -> shmds_status;
        fn shmds_atomic_open_or_create(*mut shmds_segment, *const c_char, usize, *const c_void, *mut *mut shmds_atomic) -> shmds_status;
        fn shmds_atomic_data(*const shmds_atomic) -> *mut c_void;
        fn shmds_atomic_elem_size(*const shmds_atomic) -> usize;
        fn shmds_atomic_name(*const shmds_atomic) -> *const c_char;
        fn shmds_atomic_load(*const shmds_atomic, *mut u64) -> shmds_status;
        fn shmds_atomic_store(*mut shmds_atomic, u64) -> shmds_status;
        fn shmds_atomic_compare_exchange(*mut shmds_atomic, u64, u64, *mut u64, *mut bool) -> shmds_status;
        fn shmds_atomic_exchange(*mut shmds_atomic, u64, *mut u64) -> shmds_status;
        fn shmds_atomic_fetch_add(*mut shmds_atomic, u64, *mut u64) -> shmds_status;
        fn shmds_atomic_fetch_sub(*mut shmds_atomic, u64, *mut u64) -> shmds_status;
        fn shmds_atomic_fetch_and(*mut shmds_atomic, u64, *mut u64) -> shmds_status;
        fn shmds_atomic_fetch_or(*mut shmds_atomic, u64, *mut u64) -> shmds_status;
        fn shmds_atomic_fetch_xor(*mut shmds_atomic, u64, *mut u64) -> shmds_status;
        fn shmds_atomic_load_wide(*const shmds_atomic, *mut c_void) -> shmds_status;
        fn shmds_atomic_compare_exchange_wide(*mut shmds_atomic, *const c_void, *const c_void, *mut c_void, *mut bool) -> shmds_status;
        fn shmds_atomic_wait(*const shmds_atomic, *const c_void, u64) -> shmds_status;
        fn shmds_atomic_notify(*mut shmds_atomic) -> shmds_status;
        fn shmds_object_pool_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_object_pool) -> shmds_status;
        fn shmds_object_pool_open(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_object_pool) -> shmds_status;
        fn shmds_object_pool_open_or_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_object_pool) -> shmds_status;
        fn shmds_object_pool_acquire(*mut shmds_object_pool, *mut u32) -> shmds_status;
        fn shmds_object_pool_release(*mut shmds_object_pool, u32) -> shmds_status;
        fn shmds_object_pool_acquire_token(*mut shmds_object_pool, *mut shmds_object_token) -> shmds_status;
        fn shmds_object_pool_release_token(*mut shmds_object_pool, shmds_object_token) -> shmds_status;
        fn shmds_object_pool_is_current(*const shmds_object_pool, shmds_object_token) -> bool;
        fn shmds_object_pool_acquire_batch(*mut shmds_object_pool, *mut u32, usize, *mut usize) -> shmds_status;
        fn shmds_object_pool_release_batch(*mut shmds_object_pool, *const u32, usize, *mut usize) -> shmds_status;
        fn shmds_object_pool_disown(*mut shmds_object_pool, u32) -> shmds_status;
        fn shmds_object_pool_adopt(*mut shmds_object_pool, u32) -> shmds_status;
        fn shmds_object_pool_owner_alive(*const shmds_object_pool, u32) -> bool;
        fn shmds_object_pool_reclaim(*mut shmds_object_pool, *mut usize) -> shmds_status;
        fn shmds_object_pool_num_allocated(*const shmds_object_pool) -> usize;
        fn shmds_object_pool_empty(*const shmds_object_pool) -> bool;
        fn shmds_object_pool_full(*const shmds_object_pool) -> bool;
        fn shmds_object_pool_refused(*const shmds_object_pool) -> u64;
        fn shmds_object_pool_capacity(*const shmds_object_pool) -> usize;
        fn shmds_object_pool_elem_size(*const shmds_object_pool) -> usize;
        fn shmds_object_pool_object(*const shmds_object_pool, u32) -> *mut c_void;
        fn shmds_object_pool_objects(*const shmds_object_pool) -> *mut c_void;
        fn shmds_object_pool_name(*const shmds_object_pool) -> *const c_char;
        fn shmds_object_pool_get_view(*const shmds_object_pool) -> *const shmds_object_pool_view;
        fn shmds_object_pool_own_pass(*mut shmds_object_pool, *mut shmds_object_pool_pass) -> bool;
        fn shmds_object_pool_mark(*mut shmds_object_pool, u32) -> shmds_status;
        fn shmds_queue_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_queue) -> shmds_status;
        fn shmds_queue_open(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_queue) -> shmds_status;
        fn shmds_queue_open_or_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_queue) -> shmds_status;
        fn shmds_queue_enqueue(*mut shmds_queue, *const c_void) -> shmds_status;
        fn shmds_queue_dequeue(*mut shmds_queue, *mut c_void) -> shmds_status;
        fn shmds_queue_enqueue_bulk(*mut shmds_queue, *const c_void, usize, *mut usize) -> shmds_status;
        fn shmds_queue_dequeue_bulk(*mut shmds_queue, *mut c_void, usize, *mut usize) -> shmds_status;
        fn shmds_queue_enqueue_wait(*mut shmds_queue, *const c_void, u64) -> shmds_status;
        fn shmds_queue_dequeue_wait(*mut shmds_queue, *mut c_void, u64) -> shmds_status;
        fn shmds_queue_reserve(*mut shmds_queue, *mut shmds_queue_slot) -> shmds_status;
        fn shmds_queue_publish(*mut shmds_queue, *mut shmds_queue_slot) -> shmds_status;
        fn shmds_queue_abandon(*mut shmds_queue, *mut shmds_queue_slot) -> shmds_status;
        fn shmds_queue_take(*mut shmds_queue, *mut shmds_queue_slot) -> shmds_status;
        fn shmds_queue_done(*mut shmds_queue, *mut shmds_queue_slot) -> shmds_status;
        fn shmds_queue_get_view(*const shmds_queue) -> *const shmds_queue_view;
        fn shmds_queue_own_lane(*mut shmds_queue, *mut shmds_queue_pass) -> bool;
        fn shmds_queue_wake(*mut shmds_queue) -> shmds_status;
        fn shmds_queue_get_stats(*const shmds_queue, *mut shmds_queue_stats) -> shmds_status;
        fn shmds_queue_size(*const shmds_queue) -> usize;
        fn shmds_queue_capacity(*const shmds_queue) -> usize;
        fn shmds_queue_elem_size(*const shmds_queue) -> usize;
        fn shmds_queue_empty(*const shmds_queue) -> bool;
        fn shmds_queue_full(*const shmds_queue) -> bool;
        fn shmds_queue_slots(*const shmds_queue) -> *mut c_void;
        fn shmds_queue_name(*const shmds_queue) -> *const c_char;
        fn shmds_ring_buffer_create(*mut shmds_segment, *const c_char, usize, usize, usize, u32, *mut *mut shmds_ring_buffer) -> shmds_status;
        fn shmds_ring_buffer_open(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_ring_buffer) -> shmds_status;
        fn shmds_ring_buffer_open_or_create(*mut shmds_segment, *const c_char, usize, usize, usize, u32, *mut *mut shmds_ring_buffer) -> shmds_status;
        fn shmds_ring_buffer_push(*mut shmds_ring_buffer, *const c_void) -> shmds_status;
        fn shmds_ring_buffer_push_bulk(*mut shmds_ring_buffer, *const c_void, usize, *mut usize) -> shmds_status;
        fn shmds_ring_buffer_push_overwrite(*mut shmds_ring_buffer, *const c_void) -> shmds_status;
        fn shmds_ring_buffer_overwrite_bulk(*mut shmds_ring_buffer, *const c_void, usize) -> shmds_status;
        fn shmds_ring_buffer_pop(*mut shmds_ring_buffer, *mut c_void) -> shmds_status;
        fn shmds_ring_buffer_pop_bulk(*mut shmds_ring_buffer, *mut c_void, usize, *mut usize) -> shmds_status;
        fn shmds_ring_buffer_skip(*mut shmds_ring_buffer, usize, *mut usize) -> shmds_status;
        fn shmds_ring_buffer_clear(*mut shmds_ring_buffer) -> shmds_status;
        fn shmds_ring_buffer_peek_bulk(*const shmds_ring_buffer, usize, *mut c_void, usize, *mut usize) -> shmds_status;
        fn shmds_ring_buffer_get_last_n(*const shmds_ring_buffer, *mut c_void, usize, *mut usize) -> shmds_status;
        fn shmds_ring_buffer_observe(*const shmds_ring_buffer, *mut shmds_ring_buffer_observer, *mut c_void, usize, *mut usize) -> shmds_status;
        fn shmds_ring_buffer_seek(*const shmds_ring_buffer, *mut shmds_ring_buffer_observer, usize) -> shmds_status;
        fn shmds_ring_buffer_lag(*const shmds_ring_buffer, *const shmds_ring_buffer_observer) -> u64;
        fn shmds_ring_buffer_push_wait(*mut shmds_ring_buffer, *const c_void, u64) -> shmds_status;
        fn shmds_ring_buffer_pop_wait(*mut shmds_ring_buffer, *mut c_void, u64) -> shmds_status;
        fn shmds_ring_buffer_wait(*mut shmds_ring_buffer, usize, u64) -> shmds_status;
        fn shmds_ring_buffer_wait_space(*mut shmds_ring_buffer, usize, u64) -> shmds_status;
        fn shmds_ring_buffer_leave(*mut shmds_ring_buffer) -> shmds_status;
        fn shmds_ring_buffer_wake(*mut shmds_ring_buffer) -> shmds_status;
        fn shmds_ring_buffer_size(*const shmds_ring_buffer) -> usize;
        fn shmds_ring_buffer_capacity(*const shmds_ring_buffer) -> usize;
        fn shmds_ring_buffer_elem_size(*const shmds_ring_buffer) -> usize;
        fn shmds_ring_buffer_available_space(*const shmds_ring_buffer) -> usize;
        fn shmds_ring_buffer_empty(*const shmds_ring_buffer) -> bool;
        fn shmds_ring_buffer_full(*const shmds_ring_buffer) -> bool;
        fn shmds_ring_buffer_total_written(*const shmds_ring_buffer) -> u64;
        fn shmds_ring_buffer_total_read(*const shmds_ring_buffer) -> u64;
        fn shmds_ring_buffer_lost(*const shmds_ring_buffer) -> u64;
        fn shmds_ring_buffer_name(*const shmds_ring_buffer) -> *const c_char;
        fn shmds_segment_create(*const c_char, *const shmds_segment_options, *mut *mut shmds_segment) -> shmds_status;
        fn shmds_segment_open(*const c_char, *const shmds_segment_options, *mut *mut shmds_segment) -> shmds_status;
        fn shmds_segment_open_or_create(*const c_char, *const shmds_segment_options, *mut *mut shmds_segment) -> shmds_status;
        fn shmds_segment_close(*mut shmds_segment) -> shmds_status;
        fn shmds_unlink(*const c_char) -> shmds_status;
        fn shmds_segment_base(*const shmds_segment) -> *mut c_void;
        fn shmds_segment_name(*const shmds_segment) -> *const c_char;
        fn shmds_segment_size(*const shmds_segment) -> u64;
        fn shmds_segment_ref_count(*const shmds_segment, *mut u32) -> shmds_status;
        fn shmds_segment_get_info(*const shmds_segment, *mut shmds_segment_info) -> shmds_status;
        fn shmds_spsc_queue_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_spsc_queue) -> shmds_status;
        fn shmds_spsc_queue_open(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_spsc_queue) -> shmds_status;
        fn shmds_spsc_queue_open_or_create(*mut shmds_segment, *const c_char, usize, usize, usize, *mut *mut shmds_spsc_queue) -> shmds_status;
        fn shmds_spsc_queue_push(*mut shmds_spsc_queue, *const c_void) -> shmds_status;
        fn shmds_spsc_queue_pop(*mut shmds_spsc_queue, *mut c_void) -> shmds_status;
        fn shmds_spsc_queue_front(*mut shmds_spsc_queue, *mut *const c_void) -> shmds_status;
        fn shmds_spsc_queue_release(*mut shmds_spsc_queue) -> shmds_status;
        fn shmds_spsc_queue_push_bulk(*mut shmds_spsc_queue, *const c_void, usize, *mut usize) -> shmds_status;
        fn shmds_spsc_queue_pop_bulk(*mut shmds_spsc_queue, *mut c_void, usize, *mut usize) -> shmds_status;
        fn shmds_spsc_queue_push_wait(*mut shmds_spsc_queue, *const c_void, u64) -> shmds_status;
        fn shmds_spsc_queue_pop_wait(*mut shmds_spsc_queue, *mut c_void, u64) -> shmds_status;
        fn shmds_spsc_queue_leave(*mut shmds_spsc_queue) -> shmds_status;
        fn shmds_spsc_queue_wake(*mut shmds_spsc_queue) -> shmds_status;
        fn shmds_spsc_queue_size(*const shmds_spsc_queue) -> usize;
        fn shmds_spsc_queue_capacity(*const shmds_spsc_queue) -> usize;
        fn shmds_spsc_queue_elem_size(*const shmds_spsc_queue) -> usize;
        fn shmds_spsc_queue_empty(*const shmds_spsc_queue) -> bool;
        fn shmds_spsc_queue_full(*const shmds_spsc_queue) -> bool;
        fn shmds_spsc_queue_name(*const shmds_spsc_queue) -> *const c_char;
        fn shmds_status_str(shmds_status) -> *const c_char;
        fn shmds_last_error() -> *const c_char;
        fn shmds_version() -> u32;
        fn shmds_segment_destroy(*mut shmds_segment, *const c_char) -> shmds_status;
        fn shmds_segment_find(*const shmds_segment, *const c_char, *mut shmds_entry_info) -> shmds_status;
        fn shmds_segment_entry_at(*const shmds_segment, u32, *mut shmds_entry_info, *mut c_char, usize) -> shmds_status;
        fn shmds_segment_erase(*mut shmds_segment, *const c_char) -> shmds_status;
        fn shmds_table_add(*mut c_void, usize, usize, *const c_char, usize, u64, u64, u64, u64) -> shmds_status;
        fn shmds_table_erase(*mut c_void, usize, usize, *const c_char, usize) -> shmds_status;
        fn shmds_table_find(*const c_void, usize, usize, *const c_char, usize, *mut *mut c_void) -> shmds_status;
        fn shmds_table_clear(*mut c_void, usize, usize) -> shmds_status;
        fn shmds_table_count(*const c_void, usize, usize) -> usize;
        fn shmds_table_total_allocated(*const c_void, usize, usize) -> u64;
    };
    let names = functions.map(|(name, address)| {
        assert!(!address.is_null());
        name.to_owned()
    });
    assert_complete("tests/signatures.rs", names.to_vec());
}

#[test]
fn every_function_has_its_type_in_c() {
    let source = read("c_tests/signatures.c");
    let code = source.split("every_function_has_its_type").nth(1);
    let words = code.unwrap_or_default().split("SIGNATURE(").skip(1);
    let names = words.filter_map(|rest| Some(rest.split(',').nth(1)?.trim().to_owned()));
    assert_complete("c_tests/signatures.c", names.collect());
}

fn assert_complete(file: &str, mut names: Vec<String>) {
    names.sort();
    let listed = read("abi/symbols");
    let listed: Vec<_> = listed.lines().map(str::to_owned).collect();
    let missing: Vec<_> = listed.iter().filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "{file}: state the types of {missing:?}");
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "{file} states it twice");
    names.retain(|name| !listed.contains(name));
    assert!(names.is_empty(), "{file}: not in abi/symbols: {names:?}");
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
