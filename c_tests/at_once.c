/* Calls that are mostly done at once, without the way that errors take, answer as if they had gone
 * that way: wherever an error is due, and once. */
#include "check.h"

#include <shmds.h>

/* Another attachment of the same process destroys what this one goes on to use. */
static void what_another_attachment_destroyed_is_stale(void) {
  const char* name = check_name("stale");
  shmds_segment* segment = check_create_sized(name, 1 << 16);
  shmds_segment* other = NULL;
  shmds_queue* queue = NULL;
  shmds_spsc_queue* spsc = NULL;
  shmds_ring_buffer* ring = NULL;
  shmds_object_pool* pool = NULL;
  uint64_t value = 7;
  uint32_t handle = 0;
  int round;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 4, &queue));
  OK(shmds_spsc_queue_create(segment, "spsc", sizeof value, 0, 4, &spsc));
  OK(shmds_ring_buffer_create(segment, "ring", sizeof value, 0, 4, 0, &ring));
  OK(shmds_object_pool_create(segment, "pool", sizeof value, 0, 4, &pool));
  for (round = 0; round < 2; round++) {
    OK(shmds_queue_enqueue(queue, &value));
    OK(shmds_spsc_queue_push(spsc, &value));
    OK(shmds_ring_buffer_push(ring, &value));
    OK(shmds_queue_dequeue(queue, &value));
    OK(shmds_spsc_queue_pop(spsc, &value));
    OK(shmds_ring_buffer_pop(ring, &value));
    OK(shmds_object_pool_acquire(pool, &handle));
    OK(shmds_object_pool_release(pool, handle));
  }
  OK(shmds_object_pool_acquire(pool, &handle));
  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_segment_destroy(other, "queue"));
  OK(shmds_segment_destroy(other, "spsc"));
  OK(shmds_segment_destroy(other, "ring"));
  OK(shmds_segment_destroy(other, "pool"));
  FAILS(SHMDS_E_STALE, "queue", shmds_queue_enqueue(queue, &value));
  FAILS(SHMDS_E_STALE, "queue", shmds_queue_dequeue(queue, &value));
  FAILS(SHMDS_E_STALE, "spsc", shmds_spsc_queue_push(spsc, &value));
  FAILS(SHMDS_E_STALE, "spsc", shmds_spsc_queue_pop(spsc, &value));
  FAILS(SHMDS_E_STALE, "ring", shmds_ring_buffer_push(ring, &value));
  FAILS(SHMDS_E_STALE, "ring", shmds_ring_buffer_pop(ring, &value));
  FAILS(SHMDS_E_STALE, "pool", shmds_object_pool_release(pool, handle));
  FAILS(SHMDS_E_STALE, "pool", shmds_object_pool_acquire(pool, &handle));
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
  FAILS(SHMDS_E_STATE, "queue", shmds_queue_enqueue(queue, &value));
  FAILS(SHMDS_E_STATE, "spsc", shmds_spsc_queue_push(spsc, &value));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_push(ring, &value));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_acquire(pool, &handle));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release(pool, handle));
}

static void a_refusal_is_counted_once(void) {
  const char* name = check_name("refusal");
  shmds_segment* segment = check_create_sized(name, 1 << 16);
  shmds_queue* queue = NULL;
  shmds_object_pool* pool = NULL;
  shmds_queue_stats stats;
  uint64_t value = 7;
  uint32_t handle = 0, others = 0;
  int i;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 1, &queue));
  OK(shmds_object_pool_create(segment, "pool", sizeof value, 0, 2, &pool));
  for (i = 0; i < 3; i++) {
    CHECK(shmds_queue_dequeue(queue, &value) == SHMDS_EMPTY);
  }
  OK(shmds_queue_enqueue(queue, &value));
  CHECK(shmds_queue_enqueue(queue, &value) == SHMDS_FULL);
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  OK(shmds_queue_get_stats(queue, &stats));
  CHECK(stats.enqueued == 1 && stats.dequeued == 0 && stats.refused == 4);
  OK(shmds_object_pool_acquire(pool, &handle));
  OK(shmds_object_pool_acquire(pool, &others));
  CHECK(shmds_object_pool_acquire(pool, &others) == SHMDS_EXHAUSTED);
  OK(shmds_object_pool_release(pool, handle));
  FAILS(SHMDS_E_STATE, "free", shmds_object_pool_release(pool, handle));
  FAILS(SHMDS_E_STATE, "free", shmds_object_pool_release(pool, handle));
  CHECK(shmds_object_pool_refused(pool) == 2);
  FAILS(SHMDS_E_ARGUMENT, "handle 2", shmds_object_pool_release(pool, 2));
  FAILS(SHMDS_E_ARGUMENT, "handle 4294967295", shmds_object_pool_release(pool, UINT32_MAX));
  CHECK(shmds_object_pool_refused(pool) == 2);
  OK(shmds_segment_close(segment));
}

static void nothing_can_be_changed_by_who_may_only_read(void) {
  const char* name = check_name("read");
  shmds_segment* segment = check_create_sized(name, 1 << 16);
  shmds_segment* reader = NULL;
  shmds_segment_options options = check_options(0);
  shmds_object_pool* pool = NULL;
  shmds_queue* queue = NULL;
  uint64_t value = 7;
  uint32_t handle = 0;
  OK(shmds_object_pool_create(segment, "pool", sizeof value, 0, 2, &pool));
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 2, &queue));
  OK(shmds_object_pool_acquire(pool, &handle));
  options.flags = SHMDS_SEGMENT_READ_ONLY;
  OK(shmds_segment_open(name, &options, &reader));
  OK(shmds_object_pool_open(reader, "pool", sizeof value, 0, 0, &pool));
  OK(shmds_queue_open(reader, "queue", sizeof value, 0, 0, &queue));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_release(pool, handle));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_acquire(pool, &handle));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_enqueue(queue, &value));
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(what_another_attachment_destroyed_is_stale);
  RUN(a_refusal_is_counted_once);
  RUN(nothing_can_be_changed_by_who_may_only_read);
  return check_result("at_once");
}
