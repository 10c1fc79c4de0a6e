/* Queues beyond one element at a time: bulk, waiting, slots held in place, statistics. */
#include "check.h"

#include <time.h>

#define SECOND UINT64_C(1000000000)

static shmds_queue* create(shmds_segment* segment, const char* name, size_t elem_size,
                           size_t capacity) {
  shmds_queue* queue = NULL;
  if (!OK(shmds_queue_create(segment, name, elem_size, 0, capacity, &queue))) {
    exit(1);
  }
  return queue;
}

static shmds_queue_stats stats_of(const shmds_queue* queue) {
  shmds_queue_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  OK(shmds_queue_get_stats(queue, &stats));
  return stats;
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- bulk */

static void bulk_calls_keep_the_order_and_say_how_many(void) {
  shmds_segment* segment = check_create_sized(check_name("bulk"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 10);
  int in[15], out[15], i;
  size_t count = 99;
  for (i = 0; i < 15; i++) {
    in[i] = i;
    out[i] = -1;
  }
  OK(shmds_queue_enqueue_bulk(queue, in, 15, &count));
  CHECK(count == 10);
  CHECK(shmds_queue_enqueue_bulk(queue, in, 15, &count) == SHMDS_FULL);
  CHECK(count == 0);
  OK(shmds_queue_dequeue_bulk(queue, out, 4, &count));
  CHECK(count == 4 && out[3] == 3 && out[4] == -1);
  OK(shmds_queue_enqueue_bulk(queue, in + 10, 5, &count));
  CHECK(count == 4);
  OK(shmds_queue_dequeue_bulk(queue, out + 4, 11, &count));
  CHECK(count == 10 && out[14] == -1);
  for (i = 0; i < 14; i++) {
    CHECK(out[i] == i);
  }
  CHECK(shmds_queue_dequeue_bulk(queue, out, 15, &count) == SHMDS_EMPTY);
  CHECK(count == 0 && out[0] == 0);
  OK(shmds_segment_close(segment));
}

static void a_count_of_0_does_nothing_at_all(void) {
  shmds_segment* segment = check_create_sized(check_name("none"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 1);
  int value = 7;
  size_t count = 99;
  OK(shmds_queue_enqueue_bulk(queue, NULL, 0, &count));
  CHECK(count == 0);
  count = 99;
  OK(shmds_queue_dequeue_bulk(queue, NULL, 0, &count));
  CHECK(count == 0);
  OK(shmds_queue_enqueue(queue, &value));
  count = 99;
  OK(shmds_queue_enqueue_bulk(queue, &value, 0, &count)); /* not SHMDS_FULL */
  CHECK(count == 0);
  OK(shmds_queue_dequeue_bulk(queue, &value, 0, &count));
  CHECK(count == 0 && shmds_queue_size(queue) == 1);
  CHECK(stats_of(queue).refused == 0);
  OK(shmds_segment_close(segment));
}

/* ---- waiting */

static void a_wait_without_time_tries_once(void) {
  shmds_segment* segment = check_create_sized(check_name("zero"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 1);
  int value = 7;
  CHECK(shmds_queue_dequeue_wait(queue, &value, 0) == SHMDS_TIMEOUT);
  CHECK(value == 7);
  OK(shmds_queue_enqueue_wait(queue, &value, 0));
  CHECK(shmds_queue_enqueue_wait(queue, &value, 0) == SHMDS_TIMEOUT);
  CHECK(shmds_queue_size(queue) == 1);
  value = 0;
  OK(shmds_queue_dequeue_wait(queue, &value, 0));
  CHECK(value == 7);
  CHECK(stats_of(queue).refused == 0);
  OK(shmds_segment_close(segment));
}

static void a_wait_lasts_as_long_as_it_was_told(void) {
  shmds_segment* segment = check_create_sized(check_name("time"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 1);
  const uint64_t timeout = SECOND / 50;
  uint64_t start = now_ns();
  int value = 7;
  CHECK(shmds_queue_dequeue_wait(queue, &value, timeout) == SHMDS_TIMEOUT);
  CHECK(value == 7 && now_ns() - start >= timeout && now_ns() - start < 2 * SECOND);
  OK(shmds_queue_enqueue(queue, &value));
  start = now_ns();
  CHECK(shmds_queue_enqueue_wait(queue, &value, timeout) == SHMDS_TIMEOUT);
  CHECK(now_ns() - start >= timeout && now_ns() - start < 2 * SECOND);
  OK(shmds_segment_close(segment));
}

/* Waits until somebody sleeps on the word, and long enough that a timeout which wraps passes. */
static void await_sleeper(const uint32_t* word) {
  int i;
  for (i = 0; i < 10000 && __atomic_load_n(word, __ATOMIC_SEQ_CST) == 0; i++) {
    usleep(1000);
  }
  usleep(2000);
}

static void another_process_ends_a_wait_of_any_length(void) {
  const uint64_t timeouts[] = {60 * SECOND, UINT64_C(1) << 63, SHMDS_WAIT_FOREVER - 1,
                               SHMDS_WAIT_FOREVER};
  const char* const names[] = {"wakes-0", "wakes-1", "wakes-2", "wakes-3"};
  size_t i;
  for (i = 0; i < LENGTH(timeouts); i++) {
    shmds_segment* segment = check_create_sized(check_name(names[i]), 4096);
    shmds_queue* queue = create(segment, "queue", sizeof(int), 1);
    const shmds_queue_view* view = shmds_queue_get_view(queue);
    int value = 0;
    const pid_t child = fork();
    if (child == 0) {
      int first = 5, second = 6;
      alarm(60);
      await_sleeper(&view->parts.ends->items);
      _exit(shmds_queue_enqueue(queue, &first) != SHMDS_OK ||
            shmds_queue_enqueue_wait(queue, &first, timeouts[i]) != SHMDS_OK ||
            shmds_queue_enqueue_wait(queue, &second, timeouts[i]) != SHMDS_OK);
    }
    OK(shmds_queue_dequeue_wait(queue, &value, timeouts[i]));
    CHECK(value == 5);
    await_sleeper(&view->parts.ends->space);
    OK(shmds_queue_dequeue_wait(queue, &value, timeouts[i]));
    OK(shmds_queue_dequeue_wait(queue, &value, timeouts[i]));
    CHECK(value == 6);
    CHECK(check_exit_code(child) == 0);
    OK(shmds_segment_close(segment));
  }
}

/* ---- slots */

static void elements_are_built_and_read_in_place(void) {
  shmds_segment* segment = check_create_sized(check_name("place"), 100000);
  shmds_queue* queue = NULL;
  shmds_queue_slot reserved, taken;
  OK(shmds_queue_create(segment, "queue", 256, 256, 2, &queue));
  OK(shmds_queue_reserve(queue, &reserved));
  CHECK(reserved.element != NULL && (uintptr_t)reserved.element % 256 == 0);
  CHECK(shmds_queue_empty(queue));
  memset(reserved.element, 'a', 256);
  OK(shmds_queue_publish(queue, &reserved));
  CHECK(reserved.queue == 0 && shmds_queue_size(queue) == 1);
  OK(shmds_queue_take(queue, &taken));
  CHECK(taken.element == reserved.element && shmds_queue_empty(queue));
  CHECK(((char*)taken.element)[0] == 'a' && ((char*)taken.element)[255] == 'a');
  OK(shmds_queue_done(queue, &taken));
  CHECK(taken.queue == 0);
  OK(shmds_queue_reserve(queue, &reserved));
  OK(shmds_queue_abandon(queue, &reserved));
  CHECK(reserved.queue == 0 && shmds_queue_empty(queue));
  OK(shmds_segment_close(segment));
}

static void a_slot_is_untouched_when_there_is_nothing_to_take(void) {
  shmds_segment* segment = check_create_sized(check_name("nothing"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 2);
  shmds_queue_slot slot, before;
  memset(&slot, 0x5a, sizeof slot);
  before = slot;
  CHECK(shmds_queue_take(queue, &slot) == SHMDS_EMPTY);
  CHECK(memcmp(&slot, &before, sizeof slot) == 0);
  OK(shmds_segment_close(segment));
}

static void a_slot_stays_reserved_while_the_queue_is_full(void) {
  shmds_segment* segment = check_create_sized(check_name("full"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 1);
  shmds_queue_slot slot, before;
  int value = 1;
  OK(shmds_queue_enqueue(queue, &value));
  OK(shmds_queue_reserve(queue, &slot));
  *(int*)slot.element = 2;
  before = slot;
  CHECK(shmds_queue_publish(queue, &slot) == SHMDS_FULL);
  CHECK(memcmp(&slot, &before, sizeof slot) == 0);
  OK(shmds_queue_dequeue(queue, &value));
  OK(shmds_queue_publish(queue, &slot));
  OK(shmds_queue_dequeue(queue, &value));
  CHECK(value == 2);
  OK(shmds_segment_close(segment));
}

/* Refused for a reason, with the slot, the queue and its lanes as they were. */
#define REFUSED(why, call, queue_, slot_)                                       \
  do {                                                                          \
    const shmds_queue_slot before_slot_ = (slot_);                              \
    const shmds_queue_stats before_stats_ = stats_of(queue_);                   \
    FAILS(SHMDS_E_STATE, "queue\": the slot " why, (call)((queue_), &(slot_))); \
    CHECK((slot_).element == before_slot_.element);                             \
    CHECK((slot_).queue == before_slot_.queue);                                 \
    CHECK((slot_).stamp == before_slot_.stamp);                                 \
    CHECK(same_stats(before_stats_, stats_of(queue_)));                         \
  } while (0)

#define TAKEN "was taken, not reserved"
#define RESERVED "was reserved, not taken"
#define OTHERS "is another queue's"
#define ENDED "was given back already"
#define NONE "was given back already, or never was one"

static int same_stats(shmds_queue_stats left, shmds_queue_stats right) {
  return memcmp(&left, &right, sizeof left) == 0;
}

static void slots_are_refused_where_they_do_not_belong(void) {
  shmds_segment* segment = check_create_sized(check_name("state"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue* other = create(segment, "other-queue", sizeof(int), 4);
  shmds_queue_slot reserved, taken, other_taken;
  int value = 1;
  OK(shmds_queue_enqueue(queue, &value));
  OK(shmds_queue_enqueue(queue, &value));
  OK(shmds_queue_enqueue(other, &value));
  OK(shmds_queue_reserve(queue, &reserved));
  OK(shmds_queue_take(queue, &taken));
  OK(shmds_queue_take(other, &other_taken));
  CHECK(taken.element != reserved.element);

  REFUSED(TAKEN, shmds_queue_publish, queue, taken);
  REFUSED(TAKEN, shmds_queue_abandon, queue, taken);
  REFUSED(RESERVED, shmds_queue_done, queue, reserved);
  REFUSED(OTHERS, shmds_queue_publish, other, reserved);
  REFUSED(OTHERS, shmds_queue_abandon, other, reserved);
  REFUSED(OTHERS, shmds_queue_done, other, taken);
  REFUSED(OTHERS, shmds_queue_done, queue, other_taken);

  OK(shmds_queue_done(queue, &taken));
  REFUSED(NONE, shmds_queue_done, queue, taken);
  REFUSED(NONE, shmds_queue_publish, queue, taken);
  *(int*)reserved.element = 2;
  OK(shmds_queue_publish(queue, &reserved));
  REFUSED(NONE, shmds_queue_publish, queue, reserved);
  REFUSED(NONE, shmds_queue_abandon, queue, reserved);
  OK(shmds_queue_done(other, &other_taken));
  OK(shmds_queue_reserve(queue, &reserved));
  OK(shmds_queue_abandon(queue, &reserved));
  REFUSED(NONE, shmds_queue_abandon, queue, reserved);
  REFUSED(NONE, shmds_queue_publish, queue, reserved);

  OK(shmds_queue_take(queue, &taken));
  CHECK(*(int*)taken.element == 1);
  OK(shmds_queue_take(queue, &other_taken)); /* a second one, before the first is done */
  CHECK(*(int*)other_taken.element == 2 && other_taken.element != taken.element);
  OK(shmds_queue_done(queue, &taken));
  OK(shmds_queue_done(queue, &other_taken));
  CHECK(shmds_queue_empty(queue));
  OK(shmds_segment_close(segment));
}

static void a_slot_that_was_never_filled_in_is_refused(void) {
  shmds_segment* segment = check_create_sized(check_name("blank"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue_slot slot, reserved;
  memset(&slot, 0, sizeof slot);
  FAILS(SHMDS_E_ARGUMENT, "slot->element", shmds_queue_publish(queue, &slot));
  FAILS(SHMDS_E_ARGUMENT, "slot->element", shmds_queue_abandon(queue, &slot));
  FAILS(SHMDS_E_ARGUMENT, "slot->element", shmds_queue_done(queue, &slot));
  slot.element = shmds_queue_slots(queue);
  REFUSED(NONE, shmds_queue_publish, queue, slot);
  REFUSED(NONE, shmds_queue_abandon, queue, slot);
  slot.stamp = UINT64_MAX;
  REFUSED(NONE, shmds_queue_done, queue, slot);
  slot.queue = UINT64_MAX;
  REFUSED(OTHERS, shmds_queue_done, queue, slot);
  /* Of the right queue, but with a stamp that no slot was given. */
  OK(shmds_queue_reserve(queue, &reserved));
  slot = reserved;
  slot.stamp = UINT64_MAX;
  REFUSED(ENDED, shmds_queue_publish, queue, slot);
  REFUSED(ENDED, shmds_queue_done, queue, slot);
  OK(shmds_queue_abandon(queue, &reserved));
  OK(shmds_segment_close(segment));
}

static void the_same_queue_through_another_attachment_is_another_queue(void) {
  const char* name = check_name("attachments");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* again = NULL;
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue* same = NULL;
  shmds_queue_slot slot;
  int value = 0;
  OK(shmds_segment_open(name, NULL, &again));
  OK(shmds_queue_open(again, "queue", sizeof(int), 0, 4, &same));
  OK(shmds_queue_reserve(queue, &slot));
  *(int*)slot.element = 3;
  REFUSED(OTHERS, shmds_queue_publish, same, slot);
  OK(shmds_queue_publish(queue, &slot));
  OK(shmds_queue_dequeue(same, &value));
  CHECK(value == 3);
  OK(shmds_segment_close(again));
  OK(shmds_segment_close(segment));
}

static void a_forked_child_does_not_end_what_its_parent_holds(void) {
  shmds_segment* segment = check_create_sized(check_name("fork"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue_slot reserved, taken;
  pid_t child;
  int value = 1;
  OK(shmds_queue_enqueue(queue, &value));
  OK(shmds_queue_take(queue, &taken));
  OK(shmds_queue_reserve(queue, &reserved));
  *(int*)reserved.element = 2;
  child = fork();
  if (child == 0) {
    shmds_queue_slot own;
    const char* why = "\"queue\": the slot is held by the process that this one was forked from";
    int fine = shmds_queue_publish(queue, &reserved) == SHMDS_E_STATE &&
               strcmp(shmds_last_error(), why) == 0 &&
               shmds_queue_abandon(queue, &reserved) == SHMDS_E_STATE &&
               strcmp(shmds_last_error(), why) == 0 &&
               shmds_queue_done(queue, &taken) == SHMDS_E_STATE && reserved.queue != 0 &&
               strcmp(shmds_last_error(), why) == 0;
    fine = fine && shmds_queue_reserve(queue, &own) == SHMDS_OK &&
           own.element != reserved.element && own.element != taken.element;
    if (fine) {
      *(int*)own.element = 9;
    }
    /* What it closes is its own: it ends neither its parent's slots nor its lanes. */
    _exit(!(fine && shmds_queue_publish(queue, &own) == SHMDS_OK &&
            shmds_segment_close(segment) == SHMDS_OK));
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_queue_dequeue(queue, &value));
  CHECK(value == 9 && *(int*)taken.element == 1);
  OK(shmds_queue_publish(queue, &reserved));
  OK(shmds_queue_done(queue, &taken));
  OK(shmds_queue_dequeue(queue, &value));
  CHECK(value == 2);
  OK(shmds_segment_close(segment));
}

static void a_copy_of_a_slot_is_worth_nothing_once_that_was_given_back(void) {
  shmds_segment* segment = check_create_sized(check_name("copies"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue_slot slot, copy, next;
  int value = 0;
  OK(shmds_queue_reserve(queue, &slot));
  copy = slot;
  OK(shmds_queue_abandon(queue, &slot));
  OK(shmds_queue_reserve(queue, &next));
  *(int*)next.element = 7;
  /* The same lane, and the same place: but not the same slot. */
  CHECK(next.element == copy.element);
  REFUSED(ENDED, shmds_queue_publish, queue, copy);
  REFUSED(ENDED, shmds_queue_abandon, queue, copy);
  OK(shmds_queue_publish(queue, &next));
  REFUSED(ENDED, shmds_queue_abandon, queue, copy);
  OK(shmds_queue_take(queue, &next));
  REFUSED(ENDED, shmds_queue_done, queue, copy);
  CHECK(*(int*)next.element == 7);
  copy = next;
  OK(shmds_queue_done(queue, &next));
  REFUSED(ENDED, shmds_queue_done, queue, copy);
  CHECK(shmds_queue_dequeue(queue, &value) == SHMDS_EMPTY);
  OK(shmds_segment_close(segment));
}

static void a_process_that_holds_too_many_slots_is_told_the_limit(void) {
  shmds_segment* segment = check_create_sized(check_name("limit"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue_slot slots[64], slot;
  size_t held = 0, i;
  shmds_status status = SHMDS_OK;
  while (held < LENGTH(slots) && status == SHMDS_OK) {
    status = shmds_queue_reserve(queue, &slots[held]);
    held += status == SHMDS_OK;
  }
  CHECK(held == 32);
  FAILS(SHMDS_E_BUSY, "this process holds 32 lanes", shmds_queue_reserve(queue, &slot));
  OK(shmds_queue_enqueue(queue, &held));
  for (i = 0; i < held; i++) {
    OK(shmds_queue_abandon(queue, &slots[i]));
  }
  OK(shmds_queue_reserve(queue, &slot));
  OK(shmds_queue_abandon(queue, &slot));
  OK(shmds_segment_close(segment));
}

static void an_operation_that_finds_no_lane_says_so(void) {
  const size_t size = 1 << 18;
  shmds_segment_options options = check_options(size);
  shmds_segment* segment;
  shmds_queue* queue;
  shmds_queue_slot slots[16], slot, before;
  unsigned char *element = (unsigned char*)malloc(size), *untouched = (unsigned char*)malloc(size);
  uint64_t lanes, i;
  size_t count = 99;
  options.open_timeout_ms = 20;
  segment = check_create(check_name("busy"), &options);
  queue = create(segment, "queue", size, 1);
  memset(element, 1, size);
  memset(untouched, 1, size);
  OK(shmds_queue_enqueue(queue, element));
  lanes = stats_of(queue).lanes;
  if (!CHECK(lanes <= LENGTH(slots))) {
    exit(1);
  }
  for (i = 0; i < lanes; i++) {
    OK(shmds_queue_reserve(queue, &slots[i]));
  }
  memset(slots[0].element, 2, size);
  memset(&slot, 0x5a, sizeof slot);
  before = slot;
  FAILS(SHMDS_E_BUSY, "queue", shmds_queue_reserve(queue, &slot));
  FAILS(SHMDS_E_BUSY, "queue", shmds_queue_take(queue, &slot));
  FAILS(SHMDS_E_BUSY, "queue", shmds_queue_enqueue(queue, element));
  FAILS(SHMDS_E_BUSY, "queue", shmds_queue_dequeue(queue, element));
  FAILS(SHMDS_E_BUSY, "queue", shmds_queue_enqueue_bulk(queue, element, 1, &count));
  FAILS(SHMDS_E_BUSY, "queue", shmds_queue_dequeue_bulk(queue, element, 1, &count));
  CHECK(shmds_queue_enqueue_wait(queue, element, 1000000) == SHMDS_TIMEOUT);
  CHECK(shmds_queue_dequeue_wait(queue, element, 0) == SHMDS_TIMEOUT);
  CHECK(memcmp(&slot, &before, sizeof slot) == 0);
  CHECK(count == 99 && memcmp(element, untouched, size) == 0);
  CHECK(stats_of(queue).lanes_in_use == lanes);
  for (i = 0; i < lanes; i++) {
    OK(shmds_queue_abandon(queue, &slots[i]));
  }
  CHECK(stats_of(queue).lanes_in_use == 0);
  OK(shmds_queue_dequeue(queue, element));
  CHECK(memcmp(element, untouched, size) == 0);
  CHECK(shmds_queue_take(queue, &slot) == SHMDS_EMPTY);
  CHECK(stats_of(queue).lanes_in_use == 0);
  free(element);
  free(untouched);
  OK(shmds_segment_close(segment));
}

/* ---- statistics */

static void statistics_count_what_happened(void) {
  shmds_segment* segment = check_create_sized(check_name("stats"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 2);
  shmds_queue_stats stats = stats_of(queue);
  shmds_queue_slot slot;
  int values[3] = {1, 2, 3};
  size_t count;
  CHECK(stats.struct_size == sizeof stats);
  CHECK(stats.enqueued == 0 && stats.dequeued == 0 && stats.refused == 0);
  CHECK(stats.lanes > 0 && stats.lanes_in_use == 0);
  OK(shmds_queue_enqueue_bulk(queue, values, 3, &count));
  CHECK(shmds_queue_enqueue(queue, values) == SHMDS_FULL);
  CHECK(shmds_queue_enqueue_wait(queue, values, 1) == SHMDS_TIMEOUT);
  OK(shmds_queue_dequeue(queue, values));
  OK(shmds_queue_take(queue, &slot));
  OK(shmds_queue_done(queue, &slot));
  CHECK(shmds_queue_take(queue, &slot) == SHMDS_EMPTY);
  stats = stats_of(queue);
  CHECK(stats.enqueued == 2 && stats.dequeued == 2 && stats.refused == 3);
  CHECK(stats.lanes_in_use >= 1 && stats.lanes_in_use <= 2);
  OK(shmds_segment_close(segment));
}

static void statistics_need_their_size(void) {
  shmds_segment* segment = check_create_sized(check_name("size"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 2);
  struct {
    shmds_queue_stats known;
    uint64_t newer;
  } longer;
  shmds_queue_stats stats, before;
  const size_t sizes[] = {0, 1, sizeof(size_t), sizeof stats - 1};
  size_t i;
  for (i = 0; i < LENGTH(sizes); i++) {
    memset(&stats, 0x5a, sizeof stats);
    stats.struct_size = sizes[i];
    before = stats;
    FAILS(SHMDS_E_ARGUMENT, "struct_size", shmds_queue_get_stats(queue, &stats));
    CHECK(memcmp(&stats, &before, sizeof stats) == 0);
  }
  memset(&longer, 0x5a, sizeof longer);
  longer.known.struct_size = sizeof longer;
  OK(shmds_queue_get_stats(queue, &longer.known));
  CHECK(longer.known.struct_size == sizeof longer && longer.known.enqueued == 0);
  CHECK(longer.newer == UINT64_C(0x5a5a5a5a5a5a5a5a));
  OK(shmds_segment_close(segment));
}

/* ---- bad input */

static void null_is_refused_everywhere(void) {
  shmds_segment* segment = check_create_sized(check_name("null"), 4096);
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue_slot slot, before;
  shmds_queue_pass pass;
  shmds_queue_stats stats;
  int value = 7;
  size_t count = 99;
  memset(&slot, 0x5a, sizeof slot);
  before = slot;
  stats.struct_size = sizeof stats;
  stats.enqueued = 99;
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_enqueue_bulk(NULL, &value, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_queue_enqueue_bulk(queue, NULL, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "enqueued", shmds_queue_enqueue_bulk(queue, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "enqueued", shmds_queue_enqueue_bulk(queue, NULL, 0, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_enqueue_bulk(NULL, NULL, 0, &count));
  CHECK(shmds_queue_empty(queue));
  OK(shmds_queue_enqueue(queue, &value));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_dequeue_bulk(NULL, &value, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_queue_dequeue_bulk(queue, NULL, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "dequeued", shmds_queue_dequeue_bulk(queue, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_enqueue_wait(NULL, &value, 0));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_queue_enqueue_wait(queue, NULL, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_dequeue_wait(NULL, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_queue_dequeue_wait(queue, NULL, 0));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_reserve(NULL, &slot));
  FAILS(SHMDS_E_ARGUMENT, "slot", shmds_queue_reserve(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_take(NULL, &slot));
  FAILS(SHMDS_E_ARGUMENT, "slot", shmds_queue_take(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_publish(NULL, &slot));
  FAILS(SHMDS_E_ARGUMENT, "slot", shmds_queue_publish(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_abandon(NULL, &slot));
  FAILS(SHMDS_E_ARGUMENT, "slot", shmds_queue_abandon(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_done(NULL, &slot));
  FAILS(SHMDS_E_ARGUMENT, "slot", shmds_queue_done(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_get_stats(NULL, &stats));
  FAILS(SHMDS_E_ARGUMENT, "stats", shmds_queue_get_stats(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_wake(NULL));
  CHECK(shmds_queue_get_view(NULL) == NULL);
  CHECK(!shmds_queue_own_lane(NULL, &pass) && !shmds_queue_own_lane(queue, NULL));
  CHECK(value == 7 && count == 99 && stats.enqueued == 99 && shmds_queue_size(queue) == 1);
  CHECK(memcmp(&slot, &before, sizeof slot) == 0);
  OK(shmds_queue_wake(queue));
  OK(shmds_segment_close(segment));
}

static void a_reader_neither_waits_nor_holds(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* reader;
  shmds_queue* queue = create(segment, "queue", sizeof(int), 4);
  shmds_queue* seen = NULL;
  shmds_queue_slot slot, before;
  int value = 7;
  size_t count = 99;
  OK(shmds_queue_enqueue(queue, &value));
  memset(&slot, 0x5a, sizeof slot);
  before = slot;
  reader = check_open_read_only(name);
  OK(shmds_queue_open(reader, "queue", sizeof value, 0, 4, &seen));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_enqueue_bulk(seen, &value, 1, &count));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_dequeue_bulk(seen, &value, 1, &count));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_enqueue_wait(seen, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_dequeue_wait(seen, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_reserve(seen, &slot));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_take(seen, &slot));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_wake(seen));
  CHECK(memcmp(&slot, &before, sizeof slot) == 0 && count == 99);
  CHECK(stats_of(seen).enqueued == 1);
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(bulk_calls_keep_the_order_and_say_how_many);
  RUN(a_count_of_0_does_nothing_at_all);
  RUN(a_wait_without_time_tries_once);
  RUN(a_wait_lasts_as_long_as_it_was_told);
  RUN(another_process_ends_a_wait_of_any_length);
  RUN(elements_are_built_and_read_in_place);
  RUN(a_slot_is_untouched_when_there_is_nothing_to_take);
  RUN(a_slot_stays_reserved_while_the_queue_is_full);
  RUN(slots_are_refused_where_they_do_not_belong);
  RUN(a_slot_that_was_never_filled_in_is_refused);
  RUN(the_same_queue_through_another_attachment_is_another_queue);
  RUN(a_forked_child_does_not_end_what_its_parent_holds);
  RUN(a_copy_of_a_slot_is_worth_nothing_once_that_was_given_back);
  RUN(a_process_that_holds_too_many_slots_is_told_the_limit);
  RUN(an_operation_that_finds_no_lane_says_so);
  RUN(statistics_count_what_happened);
  RUN(statistics_need_their_size);
  RUN(null_is_refused_everywhere);
  RUN(a_reader_neither_waits_nor_holds);
  return check_result("queue_abilities");
}
