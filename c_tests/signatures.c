/* Every function of shmds.h, assigned to a pointer of the type that programs count on. Written by
 * hand: the header is generated, and a change there that nobody meant does not compile here.
 * tests/signatures.rs has the same for Rust, and compares the list with what is exported. */

#include "check.h"

#define SIGNATURE(result, name, parameters) \
  {                                         \
    result(*const typed) parameters = name; \
    CHECK(typed != NULL);                   \
  }

static void every_function_has_its_type(void) {
  SIGNATURE(shmds_status, shmds_array_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_array**))
  SIGNATURE(shmds_status, shmds_array_open,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_array**))
  SIGNATURE(shmds_status, shmds_array_open_or_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_array**))
  SIGNATURE(void*, shmds_array_data, (const shmds_array*))
  SIGNATURE(size_t, shmds_array_count, (const shmds_array*))
  SIGNATURE(size_t, shmds_array_elem_size, (const shmds_array*))
  SIGNATURE(const char*, shmds_array_name, (const shmds_array*))
  SIGNATURE(shmds_status, shmds_atomic_create,
            (shmds_segment*, const char*, size_t, const void*, shmds_atomic**))
  SIGNATURE(shmds_status, shmds_atomic_open,
            (shmds_segment*, const char*, size_t, const void*, shmds_atomic**))
  SIGNATURE(shmds_status, shmds_atomic_open_or_create,
            (shmds_segment*, const char*, size_t, const void*, shmds_atomic**))
  SIGNATURE(void*, shmds_atomic_data, (const shmds_atomic*))
  SIGNATURE(size_t, shmds_atomic_elem_size, (const shmds_atomic*))
  SIGNATURE(const char*, shmds_atomic_name, (const shmds_atomic*))
  SIGNATURE(shmds_status, shmds_atomic_load, (const shmds_atomic*, uint64_t*))
  SIGNATURE(shmds_status, shmds_atomic_store, (shmds_atomic*, uint64_t))
  SIGNATURE(shmds_status, shmds_atomic_compare_exchange,
            (shmds_atomic*, uint64_t, uint64_t, uint64_t*, bool*))
  SIGNATURE(shmds_status, shmds_atomic_exchange, (shmds_atomic*, uint64_t, uint64_t*))
  SIGNATURE(shmds_status, shmds_atomic_fetch_add, (shmds_atomic*, uint64_t, uint64_t*))
  SIGNATURE(shmds_status, shmds_atomic_fetch_sub, (shmds_atomic*, uint64_t, uint64_t*))
  SIGNATURE(shmds_status, shmds_atomic_fetch_and, (shmds_atomic*, uint64_t, uint64_t*))
  SIGNATURE(shmds_status, shmds_atomic_fetch_or, (shmds_atomic*, uint64_t, uint64_t*))
  SIGNATURE(shmds_status, shmds_atomic_fetch_xor, (shmds_atomic*, uint64_t, uint64_t*))
  SIGNATURE(shmds_status, shmds_atomic_load_wide, (const shmds_atomic*, void*))
  SIGNATURE(shmds_status, shmds_atomic_compare_exchange_wide,
            (shmds_atomic*, const void*, const void*, void*, bool*))
  SIGNATURE(shmds_status, shmds_atomic_wait, (const shmds_atomic*, const void*, uint64_t))
  SIGNATURE(shmds_status, shmds_atomic_notify, (shmds_atomic*))
  SIGNATURE(shmds_status, shmds_object_pool_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_object_pool**))
  SIGNATURE(shmds_status, shmds_object_pool_open,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_object_pool**))
  SIGNATURE(shmds_status, shmds_object_pool_open_or_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_object_pool**))
  SIGNATURE(shmds_status, shmds_object_pool_acquire, (shmds_object_pool*, uint32_t*))
  SIGNATURE(shmds_status, shmds_object_pool_release, (shmds_object_pool*, uint32_t))
  SIGNATURE(shmds_status, shmds_object_pool_acquire_token,
            (shmds_object_pool*, shmds_object_token*))
  SIGNATURE(shmds_status, shmds_object_pool_release_token, (shmds_object_pool*, shmds_object_token))
  SIGNATURE(bool, shmds_object_pool_is_current, (const shmds_object_pool*, shmds_object_token))
  SIGNATURE(shmds_status, shmds_object_pool_acquire_batch,
            (shmds_object_pool*, uint32_t*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_object_pool_release_batch,
            (shmds_object_pool*, const uint32_t*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_object_pool_disown, (shmds_object_pool*, uint32_t))
  SIGNATURE(shmds_status, shmds_object_pool_adopt, (shmds_object_pool*, uint32_t))
  SIGNATURE(bool, shmds_object_pool_owner_alive, (const shmds_object_pool*, uint32_t))
  SIGNATURE(shmds_status, shmds_object_pool_reclaim, (shmds_object_pool*, size_t*))
  SIGNATURE(size_t, shmds_object_pool_num_allocated, (const shmds_object_pool*))
  SIGNATURE(bool, shmds_object_pool_empty, (const shmds_object_pool*))
  SIGNATURE(bool, shmds_object_pool_full, (const shmds_object_pool*))
  SIGNATURE(uint64_t, shmds_object_pool_refused, (const shmds_object_pool*))
  SIGNATURE(size_t, shmds_object_pool_capacity, (const shmds_object_pool*))
  SIGNATURE(size_t, shmds_object_pool_elem_size, (const shmds_object_pool*))
  SIGNATURE(void*, shmds_object_pool_object, (const shmds_object_pool*, uint32_t))
  SIGNATURE(void*, shmds_object_pool_objects, (const shmds_object_pool*))
  SIGNATURE(const char*, shmds_object_pool_name, (const shmds_object_pool*))
  SIGNATURE(const shmds_object_pool_view*, shmds_object_pool_get_view, (const shmds_object_pool*))
  SIGNATURE(bool, shmds_object_pool_own_pass, (shmds_object_pool*, shmds_object_pool_pass*))
  SIGNATURE(shmds_status, shmds_object_pool_mark, (shmds_object_pool*, uint32_t))
  SIGNATURE(shmds_status, shmds_queue_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_queue**))
  SIGNATURE(shmds_status, shmds_queue_open,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_queue**))
  SIGNATURE(shmds_status, shmds_queue_open_or_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_queue**))
  SIGNATURE(shmds_status, shmds_queue_enqueue, (shmds_queue*, const void*))
  SIGNATURE(shmds_status, shmds_queue_dequeue, (shmds_queue*, void*))
  SIGNATURE(shmds_status, shmds_queue_enqueue_bulk, (shmds_queue*, const void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_queue_dequeue_bulk, (shmds_queue*, void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_queue_enqueue_wait, (shmds_queue*, const void*, uint64_t))
  SIGNATURE(shmds_status, shmds_queue_dequeue_wait, (shmds_queue*, void*, uint64_t))
  SIGNATURE(shmds_status, shmds_queue_reserve, (shmds_queue*, shmds_queue_slot*))
  SIGNATURE(shmds_status, shmds_queue_publish, (shmds_queue*, shmds_queue_slot*))
  SIGNATURE(shmds_status, shmds_queue_abandon, (shmds_queue*, shmds_queue_slot*))
  SIGNATURE(shmds_status, shmds_queue_take, (shmds_queue*, shmds_queue_slot*))
  SIGNATURE(shmds_status, shmds_queue_done, (shmds_queue*, shmds_queue_slot*))
  SIGNATURE(const shmds_queue_view*, shmds_queue_get_view, (const shmds_queue*))
  SIGNATURE(bool, shmds_queue_own_lane, (shmds_queue*, shmds_queue_pass*))
  SIGNATURE(shmds_status, shmds_queue_wake, (shmds_queue*))
  SIGNATURE(shmds_status, shmds_queue_get_stats, (const shmds_queue*, shmds_queue_stats*))
  SIGNATURE(size_t, shmds_queue_size, (const shmds_queue*))
  SIGNATURE(size_t, shmds_queue_capacity, (const shmds_queue*))
  SIGNATURE(size_t, shmds_queue_elem_size, (const shmds_queue*))
  SIGNATURE(bool, shmds_queue_empty, (const shmds_queue*))
  SIGNATURE(bool, shmds_queue_full, (const shmds_queue*))
  SIGNATURE(void*, shmds_queue_slots, (const shmds_queue*))
  SIGNATURE(const char*, shmds_queue_name, (const shmds_queue*))
  SIGNATURE(shmds_status, shmds_ring_buffer_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, uint32_t, shmds_ring_buffer**))
  SIGNATURE(shmds_status, shmds_ring_buffer_open,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_ring_buffer**))
  SIGNATURE(shmds_status, shmds_ring_buffer_open_or_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, uint32_t, shmds_ring_buffer**))
  SIGNATURE(shmds_status, shmds_ring_buffer_push, (shmds_ring_buffer*, const void*))
  SIGNATURE(shmds_status, shmds_ring_buffer_push_bulk,
            (shmds_ring_buffer*, const void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_ring_buffer_push_overwrite, (shmds_ring_buffer*, const void*))
  SIGNATURE(shmds_status, shmds_ring_buffer_overwrite_bulk,
            (shmds_ring_buffer*, const void*, size_t))
  SIGNATURE(shmds_status, shmds_ring_buffer_pop, (shmds_ring_buffer*, void*))
  SIGNATURE(shmds_status, shmds_ring_buffer_pop_bulk, (shmds_ring_buffer*, void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_ring_buffer_skip, (shmds_ring_buffer*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_ring_buffer_clear, (shmds_ring_buffer*))
  SIGNATURE(shmds_status, shmds_ring_buffer_peek_bulk,
            (const shmds_ring_buffer*, size_t, void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_ring_buffer_get_last_n,
            (const shmds_ring_buffer*, void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_ring_buffer_observe,
            (const shmds_ring_buffer*, shmds_ring_buffer_observer*, void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_ring_buffer_seek,
            (const shmds_ring_buffer*, shmds_ring_buffer_observer*, size_t))
  SIGNATURE(uint64_t, shmds_ring_buffer_lag,
            (const shmds_ring_buffer*, const shmds_ring_buffer_observer*))
  SIGNATURE(shmds_status, shmds_ring_buffer_push_wait, (shmds_ring_buffer*, const void*, uint64_t))
  SIGNATURE(shmds_status, shmds_ring_buffer_pop_wait, (shmds_ring_buffer*, void*, uint64_t))
  SIGNATURE(shmds_status, shmds_ring_buffer_wait, (shmds_ring_buffer*, size_t, uint64_t))
  SIGNATURE(shmds_status, shmds_ring_buffer_wait_space, (shmds_ring_buffer*, size_t, uint64_t))
  SIGNATURE(shmds_status, shmds_ring_buffer_leave, (shmds_ring_buffer*))
  SIGNATURE(shmds_status, shmds_ring_buffer_wake, (shmds_ring_buffer*))
  SIGNATURE(size_t, shmds_ring_buffer_size, (const shmds_ring_buffer*))
  SIGNATURE(size_t, shmds_ring_buffer_capacity, (const shmds_ring_buffer*))
  SIGNATURE(size_t, shmds_ring_buffer_elem_size, (const shmds_ring_buffer*))
  SIGNATURE(size_t, shmds_ring_buffer_available_space, (const shmds_ring_buffer*))
  SIGNATURE(bool, shmds_ring_buffer_empty, (const shmds_ring_buffer*))
  SIGNATURE(bool, shmds_ring_buffer_full, (const shmds_ring_buffer*))
  SIGNATURE(uint64_t, shmds_ring_buffer_total_written, (const shmds_ring_buffer*))
  SIGNATURE(uint64_t, shmds_ring_buffer_total_read, (const shmds_ring_buffer*))
  SIGNATURE(uint64_t, shmds_ring_buffer_lost, (const shmds_ring_buffer*))
  SIGNATURE(const char*, shmds_ring_buffer_name, (const shmds_ring_buffer*))
  SIGNATURE(shmds_status, shmds_segment_create,
            (const char*, const shmds_segment_options*, shmds_segment**))
  SIGNATURE(shmds_status, shmds_segment_open,
            (const char*, const shmds_segment_options*, shmds_segment**))
  SIGNATURE(shmds_status, shmds_segment_open_or_create,
            (const char*, const shmds_segment_options*, shmds_segment**))
  SIGNATURE(shmds_status, shmds_segment_close, (shmds_segment*))
  SIGNATURE(shmds_status, shmds_unlink, (const char*))
  SIGNATURE(void*, shmds_segment_base, (const shmds_segment*))
  SIGNATURE(const char*, shmds_segment_name, (const shmds_segment*))
  SIGNATURE(uint64_t, shmds_segment_size, (const shmds_segment*))
  SIGNATURE(shmds_status, shmds_segment_ref_count, (const shmds_segment*, uint32_t*))
  SIGNATURE(shmds_status, shmds_segment_get_info, (const shmds_segment*, shmds_segment_info*))
  SIGNATURE(shmds_status, shmds_spsc_queue_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_spsc_queue**))
  SIGNATURE(shmds_status, shmds_spsc_queue_open,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_spsc_queue**))
  SIGNATURE(shmds_status, shmds_spsc_queue_open_or_create,
            (shmds_segment*, const char*, size_t, size_t, size_t, shmds_spsc_queue**))
  SIGNATURE(shmds_status, shmds_spsc_queue_push, (shmds_spsc_queue*, const void*))
  SIGNATURE(shmds_status, shmds_spsc_queue_pop, (shmds_spsc_queue*, void*))
  SIGNATURE(shmds_status, shmds_spsc_queue_front, (shmds_spsc_queue*, const void**))
  SIGNATURE(shmds_status, shmds_spsc_queue_release, (shmds_spsc_queue*))
  SIGNATURE(shmds_status, shmds_spsc_queue_push_bulk,
            (shmds_spsc_queue*, const void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_spsc_queue_pop_bulk, (shmds_spsc_queue*, void*, size_t, size_t*))
  SIGNATURE(shmds_status, shmds_spsc_queue_push_wait, (shmds_spsc_queue*, const void*, uint64_t))
  SIGNATURE(shmds_status, shmds_spsc_queue_pop_wait, (shmds_spsc_queue*, void*, uint64_t))
  SIGNATURE(shmds_status, shmds_spsc_queue_leave, (shmds_spsc_queue*))
  SIGNATURE(shmds_status, shmds_spsc_queue_wake, (shmds_spsc_queue*))
  SIGNATURE(size_t, shmds_spsc_queue_size, (const shmds_spsc_queue*))
  SIGNATURE(size_t, shmds_spsc_queue_capacity, (const shmds_spsc_queue*))
  SIGNATURE(size_t, shmds_spsc_queue_elem_size, (const shmds_spsc_queue*))
  SIGNATURE(bool, shmds_spsc_queue_empty, (const shmds_spsc_queue*))
  SIGNATURE(bool, shmds_spsc_queue_full, (const shmds_spsc_queue*))
  SIGNATURE(const char*, shmds_spsc_queue_name, (const shmds_spsc_queue*))
  SIGNATURE(const char*, shmds_status_str, (shmds_status))
  SIGNATURE(const char*, shmds_last_error, (void))
  SIGNATURE(uint32_t, shmds_version, (void))
  SIGNATURE(shmds_status, shmds_segment_destroy, (shmds_segment*, const char*))
  SIGNATURE(shmds_status, shmds_segment_find,
            (const shmds_segment*, const char*, shmds_entry_info*))
  SIGNATURE(shmds_status, shmds_segment_entry_at,
            (const shmds_segment*, uint32_t, shmds_entry_info*, char*, size_t))
  SIGNATURE(shmds_status, shmds_segment_erase, (shmds_segment*, const char*))
  SIGNATURE(shmds_status, shmds_table_add,
            (void*, size_t, size_t, const char*, size_t, uint64_t, uint64_t, uint64_t, uint64_t))
  SIGNATURE(shmds_status, shmds_table_erase, (void*, size_t, size_t, const char*, size_t))
  SIGNATURE(shmds_status, shmds_table_find,
            (const void*, size_t, size_t, const char*, size_t, void**))
  SIGNATURE(shmds_status, shmds_table_clear, (void*, size_t, size_t))
  SIGNATURE(size_t, shmds_table_count, (const void*, size_t, size_t))
  SIGNATURE(uint64_t, shmds_table_total_allocated, (const void*, size_t, size_t))
}

int main(void) {
  RUN(every_function_has_its_type);
  return check_result("signatures");
}
