/* Ring buffers in C: what each function answers, and the inline paths mixed with the library's. */
#include "check.h"

#include <shmds_inline.h>

static shmds_ring_buffer_observer new_observer(void) {
  shmds_ring_buffer_observer observer;
  memset(&observer, 0, sizeof observer);
  observer.struct_size = sizeof observer;
  return observer;
}

static shmds_ring_buffer* create(shmds_segment* segment, const char* name, size_t capacity) {
  shmds_ring_buffer* ring = NULL;
  OK(shmds_ring_buffer_create(segment, name, sizeof(uint64_t), sizeof(uint64_t), capacity, 0,
                              &ring));
  return ring;
}

static void elements_come_out_as_they_went_in(void) {
  const char* name = check_name("order");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_ring_buffer* ring = create(segment, "ring", 4);
  const uint64_t in[] = {1, 2, 3, 4, 5, 6, 7};
  uint64_t out[8] = {0};
  size_t number = 99;

  CHECK(shmds_ring_buffer_empty(ring) && !shmds_ring_buffer_full(ring));
  CHECK(shmds_ring_buffer_capacity(ring) == 4 && shmds_ring_buffer_elem_size(ring) == 8);
  CHECK(strcmp(shmds_ring_buffer_name(ring), "ring") == 0);
  CHECK(shmds_ring_buffer_pop(ring, out) == SHMDS_EMPTY);
  OK(shmds_ring_buffer_push(ring, &in[0]));
  OK(shmds_ring_buffer_push_bulk(ring, in + 1, 6, &number));
  CHECK(number == 3 && shmds_ring_buffer_full(ring) && shmds_ring_buffer_size(ring) == 4);
  CHECK(shmds_ring_buffer_push(ring, &in[0]) == SHMDS_FULL);
  CHECK(shmds_ring_buffer_push_bulk(ring, in, 2, &number) == SHMDS_FULL && number == 3);
  CHECK(shmds_ring_buffer_available_space(ring) == 0);

  OK(shmds_ring_buffer_peek_bulk(ring, 1, out, 8, &number));
  CHECK(number == 3 && memcmp(out, in + 1, 24) == 0);
  OK(shmds_ring_buffer_peek_bulk(ring, 4, out, 8, &number));
  CHECK(number == 0);
  OK(shmds_ring_buffer_get_last_n(ring, out, 2, &number));
  CHECK(number == 2 && memcmp(out, in + 2, 16) == 0);

  OK(shmds_ring_buffer_pop(ring, out));
  CHECK(out[0] == 1);
  OK(shmds_ring_buffer_skip(ring, 1, &number));
  CHECK(number == 1);
  OK(shmds_ring_buffer_pop_bulk(ring, out, 8, &number));
  CHECK(number == 2 && memcmp(out, in + 2, 16) == 0);
  CHECK(shmds_ring_buffer_pop_bulk(ring, out, 8, &number) == SHMDS_EMPTY && number == 2);
  OK(shmds_ring_buffer_skip(ring, 5, NULL));
  OK(shmds_ring_buffer_push_bulk(ring, in, 2, &number));
  OK(shmds_ring_buffer_clear(ring));
  CHECK(shmds_ring_buffer_empty(ring) && shmds_ring_buffer_lost(ring) == 0);
  CHECK(shmds_ring_buffer_total_written(ring) == 6 && shmds_ring_buffer_total_read(ring) == 6);
  OK(shmds_segment_close(segment));
}

static void overwriting_keeps_the_newest_and_counts_the_rest(void) {
  const char* name = check_name("overwrite");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_ring_buffer* ring = create(segment, "ring", 4);
  shmds_ring_buffer_observer observer = new_observer();
  const uint64_t in[] = {1, 2, 3, 4, 5, 6, 7};
  uint64_t out[8] = {0};
  size_t number = 0;

  OK(shmds_ring_buffer_push_bulk(ring, in, 4, &number));
  OK(shmds_ring_buffer_push_overwrite(ring, &in[4]));
  CHECK(shmds_ring_buffer_size(ring) == 4 && shmds_ring_buffer_lost(ring) == 1);
  OK(shmds_ring_buffer_pop(ring, out));
  CHECK(out[0] == 2);
  OK(shmds_ring_buffer_observe(ring, &observer, out, 2, &number));
  CHECK(number == 2 && out[0] == 2 && out[1] == 3);
  CHECK(observer.cursor == 3 && observer.lost == 1);
  CHECK(shmds_ring_buffer_lag(ring, &observer) == 2);

  /* More than fit: the newest are kept, all are counted. */
  OK(shmds_ring_buffer_overwrite_bulk(ring, in, LENGTH(in)));
  CHECK(shmds_ring_buffer_total_written(ring) == 12 && shmds_ring_buffer_total_read(ring) == 8);
  OK(shmds_ring_buffer_observe(ring, &observer, out, 0, &number));
  CHECK(number == 0 && observer.cursor == 8 && observer.lost == 6);
  OK(shmds_ring_buffer_observe(ring, &observer, out, 8, &number));
  CHECK(number == 4 && memcmp(out, in + 3, 32) == 0);
  CHECK(shmds_ring_buffer_observe(ring, &observer, out, 8, &number) == SHMDS_EMPTY && number == 4);
  OK(shmds_ring_buffer_seek(ring, &observer, 2));
  OK(shmds_ring_buffer_observe(ring, &observer, out, 8, &number));
  CHECK(number == 2 && out[0] == 6 && observer.lost == 6);
  OK(shmds_ring_buffer_seek(ring, &observer, SIZE_MAX));
  CHECK(observer.cursor == 8);
  OK(shmds_ring_buffer_pop_bulk(ring, out, 8, &number));
  CHECK(number == 4 && memcmp(out, in + 3, 32) == 0);
  CHECK(shmds_ring_buffer_lost(ring) == 7);
  OK(shmds_segment_close(segment));
}

static void bad_arguments_are_refused_and_change_nothing(void) {
  const char* name = check_name("bad");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_ring_buffer* ring = NULL;
  shmds_ring_buffer* other = NULL;
  shmds_ring_buffer_observer observer = new_observer();
  shmds_queue* queue = NULL;
  uint64_t value = 7;
  size_t number = 99;

  FAILS(SHMDS_E_ARGUMENT, "segment", shmds_ring_buffer_create(NULL, "r", 8, 0, 4, 0, &other));
  FAILS(SHMDS_E_ARGUMENT, "name", shmds_ring_buffer_create(segment, NULL, 8, 0, 4, 0, &other));
  FAILS(SHMDS_E_ARGUMENT, "out", shmds_ring_buffer_create(segment, "r", 8, 0, 4, 0, NULL));
  FAILS(SHMDS_E_ARGUMENT, "flags", shmds_ring_buffer_create(segment, "r", 8, 0, 4, 2, &other));
  FAILS(SHMDS_E_NAME_EMPTY, NULL, shmds_ring_buffer_create(segment, "", 8, 0, 4, 0, &other));
  FAILS(SHMDS_E_CAPACITY, "r", shmds_ring_buffer_create(segment, "r", 8, 0, 0, 0, &other));
  FAILS(SHMDS_E_ELEMENT_SIZE, "r", shmds_ring_buffer_create(segment, "r", 0, 0, 4, 0, &other));
  FAILS(SHMDS_E_ALIGNMENT, "r", shmds_ring_buffer_create(segment, "r", 8, 3, 4, 0, &other));
  FAILS(SHMDS_E_ALIGNMENT, "r", shmds_ring_buffer_create(segment, "r", 8, 16, 4, 0, &other));
  FAILS(SHMDS_E_OVERFLOW, "r", shmds_ring_buffer_create(segment, "r", 8, 0, SIZE_MAX, 0, &other));
  FAILS(SHMDS_E_SEGMENT_FULL, "r", shmds_ring_buffer_create(segment, "r", 8, 0, 513, 0, &other));
  FAILS(SHMDS_E_NOT_FOUND, "r", shmds_ring_buffer_open(segment, "r", 8, 0, 4, &other));
  CHECK(other == NULL);

  ring = create(segment, "ring", 4);
  FAILS(SHMDS_E_EXISTS, "ring", shmds_ring_buffer_create(segment, "ring", 8, 0, 4, 0, &other));
  FAILS(SHMDS_E_MISMATCH, "ring", shmds_ring_buffer_open(segment, "ring", 4, 0, 4, &other));
  FAILS(SHMDS_E_MISMATCH, "ring", shmds_ring_buffer_open(segment, "ring", 8, 0, 5, &other));
  FAILS(SHMDS_E_KIND, "ring", shmds_queue_open(segment, "ring", 8, 0, 4, &queue));
  OK(shmds_ring_buffer_open(segment, "ring", 8, 0, 0, &other));
  CHECK(other == ring);
  OK(shmds_ring_buffer_open_or_create(segment, "ring", 8, 8, 4, SHMDS_RING_BUFFER_ROLES, &other));
  CHECK(other == ring);

  FAILS(SHMDS_E_ARGUMENT, "ring", shmds_ring_buffer_push(NULL, &value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_ring_buffer_push(ring, NULL));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_ring_buffer_push_inline(ring, NULL, 8));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_ring_buffer_push_overwrite(ring, NULL));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_ring_buffer_overwrite_bulk(ring, NULL, 1));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_ring_buffer_push_bulk(ring, NULL, 1, &number));
  FAILS(SHMDS_E_ARGUMENT, "pushed", shmds_ring_buffer_push_bulk(ring, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "ring", shmds_ring_buffer_pop(NULL, &value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_ring_buffer_pop(ring, NULL));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_ring_buffer_pop_inline(ring, NULL, 8));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_ring_buffer_pop_bulk(ring, NULL, 1, &number));
  FAILS(SHMDS_E_ARGUMENT, "popped", shmds_ring_buffer_pop_bulk(ring, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_ring_buffer_peek_bulk(ring, 0, NULL, 1, &number));
  FAILS(SHMDS_E_ARGUMENT, "peeked", shmds_ring_buffer_peek_bulk(ring, 0, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_ring_buffer_get_last_n(ring, NULL, 1, &number));
  FAILS(SHMDS_E_ARGUMENT, "copied", shmds_ring_buffer_get_last_n(ring, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "observer", shmds_ring_buffer_observe(ring, NULL, &value, 1, &number));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_ring_buffer_observe(ring, &observer, NULL, 1, &number));
  FAILS(SHMDS_E_ARGUMENT, "seen", shmds_ring_buffer_observe(ring, &observer, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "observer", shmds_ring_buffer_seek(ring, NULL, 0));
  observer.cursor = 1;
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_observe(ring, &observer, &value, 1, &number));
  observer.struct_size = 8;
  FAILS(SHMDS_E_ARGUMENT, "struct_size",
        shmds_ring_buffer_observe(ring, &observer, &value, 1, &number));
  FAILS(SHMDS_E_CAPACITY, "ring", shmds_ring_buffer_wait(ring, 5, 0));
  FAILS(SHMDS_E_CAPACITY, "ring", shmds_ring_buffer_wait_space(ring, 5, 0));
  CHECK(number == 99 && value == 7);

  /* Nothing to move needs no memory. */
  OK(shmds_ring_buffer_push_bulk(ring, NULL, 0, &number));
  CHECK(number == 0);
  OK(shmds_ring_buffer_overwrite_bulk(ring, NULL, 0));
  number = 99;
  OK(shmds_ring_buffer_pop_bulk(ring, NULL, 0, &number));
  CHECK(number == 0);
  number = 99;
  OK(shmds_ring_buffer_peek_bulk(ring, 0, NULL, 0, &number));
  CHECK(number == 0);
  number = 99;
  OK(shmds_ring_buffer_get_last_n(ring, NULL, 0, &number));
  CHECK(number == 0 && shmds_ring_buffer_total_written(ring) == 0);

  CHECK(shmds_ring_buffer_size(NULL) == 0 && shmds_ring_buffer_capacity(NULL) == 0);
  CHECK(shmds_ring_buffer_elem_size(NULL) == 0 && shmds_ring_buffer_available_space(NULL) == 0);
  CHECK(shmds_ring_buffer_empty(NULL) && !shmds_ring_buffer_full(NULL));
  CHECK(shmds_ring_buffer_total_written(NULL) == 0 && shmds_ring_buffer_total_read(NULL) == 0);
  CHECK(shmds_ring_buffer_lost(NULL) == 0 && shmds_ring_buffer_name(NULL) == NULL);
  CHECK(shmds_ring_buffer_lag(NULL, &observer) == 0 && shmds_ring_buffer_lag(ring, NULL) == 0);
  FAILS(SHMDS_E_ARGUMENT, "ring", shmds_ring_buffer_leave(NULL));
  FAILS(SHMDS_E_ARGUMENT, "ring", shmds_ring_buffer_wake(NULL));
  FAILS(SHMDS_E_ARGUMENT, "ring", shmds_ring_buffer_clear(NULL));
  FAILS(SHMDS_E_ARGUMENT, "ring", shmds_ring_buffer_skip(NULL, 1, NULL));
  OK(shmds_segment_close(segment));
}

static void a_read_only_attachment_looks_and_changes_nothing(void) {
  const char* name = check_name("read-only");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_ring_buffer* ring = create(segment, "ring", 4);
  shmds_segment* reader = check_open_read_only(name);
  shmds_ring_buffer* view = NULL;
  shmds_ring_buffer_observer observer = new_observer();
  const uint64_t in[] = {1, 2, 3};
  uint64_t out[4] = {0};
  size_t number = 0;

  OK(shmds_ring_buffer_open(reader, "ring", 8, 0, 4, &view));
  OK(shmds_ring_buffer_push_bulk(ring, in, 3, &number));
  OK(shmds_ring_buffer_observe(view, &observer, out, 4, &number));
  CHECK(number == 3 && memcmp(in, out, sizeof in) == 0);
  OK(shmds_ring_buffer_get_last_n(view, out, 2, &number));
  CHECK(number == 2 && out[0] == 2);
  OK(shmds_ring_buffer_peek_bulk(view, 0, out, 1, &number));
  CHECK(number == 1 && out[0] == 1);
  CHECK(shmds_ring_buffer_size(view) == 3 && shmds_ring_buffer_total_written(view) == 3);

  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_push(view, in));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_push_inline(view, in, 8));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_push_overwrite_inline(view, in, 8));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_push_bulk_inline(view, in, 2, 8, &number));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_overwrite_bulk(view, in, 3));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_pop(view, out));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_pop_inline(view, out, 8));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_skip(view, 1, NULL));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_clear(view));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_wait(view, 1, 0));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_wait_space(view, 1, 0));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_push_wait(view, in, 0));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_pop_wait(view, out, 0));
  FAILS(SHMDS_E_READ_ONLY, "ring", shmds_ring_buffer_wake(view));
  CHECK(shmds_ring_buffer_size(ring) == 3);
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

static void a_closed_one_refuses_whatever_is_asked(void) {
  const char* name = check_name("closed");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_ring_buffer* ring = create(segment, "ring", 4);
  shmds_ring_buffer_observer observer = new_observer();
  uint64_t value = 7;
  size_t number = 99;

  OK(shmds_ring_buffer_push_inline(ring, &value, 8));
  OK(shmds_segment_close(segment));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_push_inline(ring, &value, 8));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_push_overwrite_inline(ring, &value, 8));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_overwrite_bulk(ring, &value, 1));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_pop_inline(ring, &value, 8));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_pop_bulk_inline(ring, &value, 1, 8, &number));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_peek_bulk(ring, 0, &value, 1, &number));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_get_last_n(ring, &value, 1, &number));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_observe(ring, &observer, &value, 1, &number));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_seek(ring, &observer, 1));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_skip(ring, 1, NULL));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_wait(ring, 1, 0));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_push_wait(ring, &value, 1000));
  FAILS(SHMDS_E_STATE, "ring", shmds_ring_buffer_wake(ring));
  OK(shmds_ring_buffer_leave(ring));
  CHECK(shmds_ring_buffer_size(ring) == 0 && shmds_ring_buffer_empty(ring));
  CHECK(!shmds_ring_buffer_full(ring) && shmds_ring_buffer_total_written(ring) == 0);
  CHECK(shmds_ring_buffer_available_space(ring) == 0 && shmds_ring_buffer_lost(ring) == 0);
  CHECK(number == 99 && value == 7);
}

static void waits_end_with_what_they_wait_for_or_in_time(void) {
  const char* name = check_name("wait");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_ring_buffer* ring = create(segment, "ring", 2);
  uint64_t value = 7;
  pid_t child;

  CHECK(shmds_ring_buffer_wait(ring, 1, 0) == SHMDS_TIMEOUT);
  CHECK(shmds_ring_buffer_wait(ring, 1, 2000000) == SHMDS_TIMEOUT);
  CHECK(shmds_ring_buffer_pop_wait(ring, &value, 2000000) == SHMDS_TIMEOUT);
  OK(shmds_ring_buffer_wait(ring, 0, 0));
  OK(shmds_ring_buffer_wait_space(ring, 2, SHMDS_WAIT_FOREVER));
  child = fork();
  if (child == 0) {
    /* The parent sleeps, or will: either way it has to be told. */
    const bool done = shmds_ring_buffer_push_inline(ring, &value, 8) == SHMDS_OK &&
                      shmds_ring_buffer_push_wait(ring, &value, 0) == SHMDS_OK &&
                      shmds_ring_buffer_push_wait(ring, &value, SHMDS_WAIT_FOREVER) == SHMDS_OK;
    _exit(done ? 0 : 1);
  }
  OK(shmds_ring_buffer_wait(ring, 2, SHMDS_WAIT_FOREVER));
  CHECK(shmds_ring_buffer_wait_space(ring, 1, 0) == SHMDS_TIMEOUT);
  OK(shmds_ring_buffer_pop_inline(ring, &value, 8));
  OK(shmds_ring_buffer_wait(ring, 2, SHMDS_WAIT_FOREVER));
  CHECK(check_exit_code(child) == 0);
  OK(shmds_ring_buffer_pop_wait(ring, &value, SHMDS_WAIT_FOREVER));
  OK(shmds_segment_close(segment));
}

static void enforced_roles_are_held_given_up_and_taken_over(void) {
  const char* name = check_name("roles");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* second = NULL;
  shmds_ring_buffer* ring = NULL;
  shmds_ring_buffer* other = NULL;
  uint64_t value = 7;
  pid_t child;

  OK(shmds_ring_buffer_create(segment, "ring", 8, 0, 4, SHMDS_RING_BUFFER_ROLES, &ring));
  OK(shmds_segment_open(name, NULL, &second));
  OK(shmds_ring_buffer_open(second, "ring", 8, 0, 4, &other));
  OK(shmds_ring_buffer_push_inline(ring, &value, 8));
  OK(shmds_ring_buffer_push_inline(ring, &value, 8));
  FAILS(SHMDS_E_ROLE, "producer", shmds_ring_buffer_push_inline(other, &value, 8));
  FAILS(SHMDS_E_ROLE, "producer", shmds_ring_buffer_push_overwrite_inline(other, &value, 8));
  FAILS(SHMDS_E_ROLE, "producer", shmds_ring_buffer_overwrite_bulk(other, &value, 1));
  OK(shmds_ring_buffer_pop_inline(other, &value, 8));
  FAILS(SHMDS_E_ROLE, "consumer", shmds_ring_buffer_pop_inline(ring, &value, 8));
  FAILS(SHMDS_E_ROLE, "consumer", shmds_ring_buffer_clear(ring));
  CHECK(shmds_ring_buffer_size(ring) == 1);

  child = fork();
  if (child == 0) {
    /* The roles are the parent's, though the handles are inherited. */
    _exit(shmds_ring_buffer_push_inline(ring, &value, 8) == SHMDS_E_ROLE &&
                  shmds_ring_buffer_pop_inline(other, &value, 8) == SHMDS_E_ROLE
              ? 0
              : 1);
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_ring_buffer_push_inline(ring, &value, 8));

  OK(shmds_ring_buffer_leave(ring));
  OK(shmds_ring_buffer_push_inline(other, &value, 8));
  FAILS(SHMDS_E_ROLE, "producer", shmds_ring_buffer_push_inline(ring, &value, 8));
  OK(shmds_segment_close(second));
  OK(shmds_ring_buffer_push_inline(ring, &value, 8));

  /* A child takes the consumer's role and dies with it. */
  child = fork();
  if (child == 0) {
    _exit(shmds_ring_buffer_pop_inline(ring, &value, 8) == SHMDS_OK ? 0 : 1);
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_ring_buffer_pop_inline(ring, &value, 8));
  OK(shmds_segment_close(segment));
}

/* One of the two ways, by the number of the operation. */
static shmds_status push(shmds_ring_buffer* ring, const uint64_t* values, size_t count,
                         size_t* pushed, unsigned way) {
  return way % 2 != 0 ? shmds_ring_buffer_push_bulk(ring, values, count, pushed)
                      : shmds_ring_buffer_push_bulk_inline(ring, values, count, 8, pushed);
}

static shmds_status pop(shmds_ring_buffer* ring, uint64_t* values, size_t count, size_t* popped,
                        unsigned way) {
  return way % 2 != 0 ? shmds_ring_buffer_pop_bulk(ring, values, count, popped)
                      : shmds_ring_buffer_pop_bulk_inline(ring, values, count, 8, popped);
}

static void both_ways_agree_on_order_full_empty_and_lost(void) {
  static const size_t capacities[] = {1, 2, 3, 7, 64, 65};
  const char* name = check_name("both");
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    const size_t capacity = capacities[c];
    shmds_segment* segment = check_create_sized(name, 4096);
    shmds_ring_buffer* ring = create(segment, "ring", capacity);
    uint64_t next_in = 0, next_out = 0, lost = 0;
    uint64_t values[200];
    unsigned step;
    for (step = 0; step < 20000; step++) {
      const unsigned choice = step * 2654435761U >> 16;
      const size_t count = 1 + choice / 8 % (capacity + 1);
      const uint64_t size = next_in - next_out;
      size_t moved = 0;
      size_t i;
      for (i = 0; i < count; i++) {
        values[i] = next_in + i;
      }
      if (choice % 8 < 3) {
        const uint64_t room = capacity - size;
        const shmds_status status = push(ring, values, count, &moved, choice / 64);
        CHECK(status == (room == 0 ? SHMDS_FULL : SHMDS_OK));
        CHECK(moved == (room < count ? room : count));
        next_in += moved;
      } else if (choice % 8 < 4) {
        OK(choice / 64 % 2 != 0 ? shmds_ring_buffer_push_overwrite(ring, values)
                                : shmds_ring_buffer_push_overwrite_inline(ring, values, 8));
        next_in++;
      } else if (choice % 8 == 4 && choice % 5 == 0) {
        OK(shmds_ring_buffer_overwrite_bulk(ring, values, count));
        next_in += count;
      } else {
        const shmds_status status = pop(ring, values, count, &moved, choice / 64);
        CHECK(status == (size == 0 ? SHMDS_EMPTY : SHMDS_OK));
        CHECK(moved == (size < count ? size : count));
        for (i = 0; i < moved; i++) {
          CHECK(values[i] == next_out++);
        }
      }
      if (next_in - next_out > capacity) {
        lost += next_in - next_out - capacity;
        next_out = next_in - capacity;
      }
      CHECK(shmds_ring_buffer_size(ring) == next_in - next_out);
      CHECK(shmds_ring_buffer_lost(ring) == lost);
    }
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

static void a_child_goes_on_with_an_inherited_handle(void) {
  const char* name = check_name("fork");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_ring_buffer* ring = create(segment, "ring", 3);
  uint64_t value = 1;
  pid_t child;
  OK(shmds_ring_buffer_push_inline(ring, &value, 8));
  child = fork();
  if (child == 0) {
    value = 2;
    _exit(shmds_ring_buffer_push_inline(ring, &value, 8) == SHMDS_OK &&
                  shmds_ring_buffer_pop_inline(ring, &value, 8) == SHMDS_OK && value == 1
              ? 0
              : 1);
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_ring_buffer_pop_inline(ring, &value, 8));
  CHECK(value == 2);
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(elements_come_out_as_they_went_in);
  RUN(overwriting_keeps_the_newest_and_counts_the_rest);
  RUN(bad_arguments_are_refused_and_change_nothing);
  RUN(a_read_only_attachment_looks_and_changes_nothing);
  RUN(a_closed_one_refuses_whatever_is_asked);
  RUN(waits_end_with_what_they_wait_for_or_in_time);
  RUN(enforced_roles_are_held_given_up_and_taken_over);
  RUN(both_ways_agree_on_order_full_empty_and_lost);
  RUN(a_child_goes_on_with_an_inherited_handle);
  return check_result("ring");
}
