/* SPSC queues: the whole of their C API. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <shmds_inline.h>
#include <time.h>

static int untouched;
#define UNTOUCHED ((shmds_spsc_queue*)&untouched)

typedef shmds_status (*obtain)(shmds_segment*, const char*, size_t, size_t, size_t,
                               shmds_spsc_queue**);

static const obtain all_obtain[] = {shmds_spsc_queue_create, shmds_spsc_queue_open,
                                    shmds_spsc_queue_open_or_create};
static const obtain both_create[] = {shmds_spsc_queue_create, shmds_spsc_queue_open_or_create};

#define REFUSES(expected, mentioned, call, segment, name, elem_size, elem_align, capacity) \
  do {                                                                                     \
    shmds_spsc_queue* out_ = UNTOUCHED;                                                    \
    FAILS(expected, mentioned,                                                             \
          (call)((segment), (name), (elem_size), (elem_align), (capacity), &out_));        \
    CHECK(out_ == UNTOUCHED);                                                              \
  } while (0)

static shmds_spsc_queue* create(shmds_segment* segment, const char* name, size_t elem_size,
                                size_t capacity) {
  shmds_spsc_queue* queue = NULL;
  if (!OK(shmds_spsc_queue_create(segment, name, elem_size, 0, capacity, &queue))) {
    exit(1);
  }
  return queue;
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

struct message {
  uint64_t number;
  char text[24];
};

static void what_goes_in_comes_out_in_order(void) {
  const char* name = check_name("order");
  shmds_segment* segment = check_create_sized(name, 100000);
  shmds_segment* other = NULL;
  shmds_spsc_queue *producer = NULL, *consumer = NULL, *same = NULL;
  struct message in, out;
  uint64_t i, lap;
  memset(&in, 0, sizeof in);
  OK(shmds_spsc_queue_create(segment, "messages", sizeof in, 8, 7, &producer));
  CHECK(shmds_spsc_queue_capacity(producer) == 7);
  CHECK(shmds_spsc_queue_elem_size(producer) == sizeof in);
  CHECK(strcmp(shmds_spsc_queue_name(producer), "messages") == 0);
  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_spsc_queue_open(other, "messages", sizeof in, 8, 0, &consumer));
  OK(shmds_spsc_queue_open_or_create(other, "messages", sizeof in, 8, 7, &same));
  CHECK(same == consumer);
  for (lap = 0; lap < 5; lap++) {
    CHECK(shmds_spsc_queue_empty(consumer) && !shmds_spsc_queue_full(producer));
    for (i = 0; i < 7; i++) {
      CHECK(shmds_spsc_queue_size(consumer) == i);
      in.number = 100 * lap + i;
      snprintf(in.text, sizeof in.text, "message %u", (unsigned)i);
      OK(shmds_spsc_queue_push(producer, &in));
    }
    CHECK(shmds_spsc_queue_full(consumer) && !shmds_spsc_queue_empty(producer));
    CHECK(shmds_spsc_queue_push(producer, &in) == SHMDS_FULL);
    for (i = 0; i < 7; i++) {
      char text[24];
      snprintf(text, sizeof text, "message %u", (unsigned)i);
      OK(shmds_spsc_queue_pop(consumer, &out));
      CHECK(out.number == 100 * lap + i && strcmp(out.text, text) == 0);
    }
    out.number = 12345;
    CHECK(shmds_spsc_queue_pop(consumer, &out) == SHMDS_EMPTY && out.number == 12345);
  }
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void bulk_calls_move_as_many_as_fit_at_once(void) {
  shmds_segment* segment = check_create_sized(check_name("bulk"), 4096);
  shmds_spsc_queue* queue = create(segment, "queue", sizeof(int), 5);
  const int in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  int out[8], round, i;
  size_t count = 99;
  for (round = 0; round < 10; round++) {
    OK(shmds_spsc_queue_push_bulk(queue, in, 3, &count));
    CHECK(count == 3);
    OK(shmds_spsc_queue_push_bulk(queue, in + 3, 5, &count));
    CHECK(count == 2 && shmds_spsc_queue_full(queue));
    count = 99;
    CHECK(shmds_spsc_queue_push_bulk(queue, in, 1, &count) == SHMDS_FULL && count == 99);
    memset(out, 0, sizeof out);
    OK(shmds_spsc_queue_pop_bulk(queue, out, 2, &count));
    CHECK(count == 2);
    OK(shmds_spsc_queue_pop_bulk(queue, out + 2, 6, &count));
    CHECK(count == 3 && out[5] == 0);
    for (i = 0; i < 5; i++) {
      CHECK(out[i] == in[i]);
    }
    count = 99;
    CHECK(shmds_spsc_queue_pop_bulk(queue, out, 1, &count) == SHMDS_EMPTY && count == 99);
    CHECK(out[0] == in[0]);
    /* The next round starts elsewhere. */
    OK(shmds_spsc_queue_push(queue, in));
    OK(shmds_spsc_queue_pop(queue, out));
  }
  /* More than there ever could be. */
  OK(shmds_spsc_queue_push_bulk(queue, in, 4, &count));
  OK(shmds_spsc_queue_pop_bulk(queue, out, 8, &count));
  CHECK(count == 4);
  OK(shmds_segment_close(segment));
}

static void a_count_of_0_does_nothing_and_takes_no_role(void) {
  const char* name = check_name("zero");
  shmds_segment *segment = check_create_sized(name, 4096), *other = NULL;
  shmds_spsc_queue *queue = create(segment, "queue", sizeof(int), 4), *second = NULL;
  size_t count = 99;
  int value = 3;
  OK(shmds_spsc_queue_push_bulk(queue, NULL, 0, &count));
  CHECK(count == 0);
  count = 99;
  OK(shmds_spsc_queue_pop_bulk(queue, NULL, 0, &count));
  CHECK(count == 0 && shmds_spsc_queue_size(queue) == 0);
  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_spsc_queue_open(other, "queue", sizeof value, 0, 0, &second));
  OK(shmds_spsc_queue_push(second, &value));
  OK(shmds_spsc_queue_pop(second, &value));
  /* While others hold the roles as well. */
  OK(shmds_spsc_queue_push_bulk(queue, NULL, 0, &count));
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void an_element_is_read_in_place_until_it_is_released(void) {
  shmds_segment* segment = check_create_sized(check_name("front"), 4096);
  shmds_spsc_queue* queue = create(segment, "queue", sizeof(struct message), 2);
  struct message in, out;
  const void *first = &untouched, *again = NULL;
  uint64_t round;
  memset(&in, 0, sizeof in);
  CHECK(shmds_spsc_queue_front(queue, &first) == SHMDS_EMPTY && first == &untouched);
  FAILS(SHMDS_E_STATE, "queue", shmds_spsc_queue_release(queue));
  for (round = 0; round < 7; round++) {
    in.number = round;
    OK(shmds_spsc_queue_push(queue, &in));
    in.number = round + 100;
    OK(shmds_spsc_queue_push(queue, &in));
    FAILS(SHMDS_E_STATE, "front", shmds_spsc_queue_release(queue));
    OK(shmds_spsc_queue_front(queue, &first));
    OK(shmds_spsc_queue_front_inline(queue, &again, sizeof in));
    CHECK(first == again && ((const struct message*)first)->number == round);
    CHECK(shmds_spsc_queue_size(queue) == 2);
    OK(round % 2 == 0 ? shmds_spsc_queue_release(queue) : shmds_spsc_queue_release_inline(queue));
    FAILS(SHMDS_E_STATE, "front", shmds_spsc_queue_release_inline(queue));
    OK(shmds_spsc_queue_front(queue, &first));
    CHECK(((const struct message*)first)->number == round + 100);
    /* A pop takes what was looked at. */
    OK(shmds_spsc_queue_pop(queue, &out));
    CHECK(out.number == round + 100);
    FAILS(SHMDS_E_STATE, "front", shmds_spsc_queue_release(queue));
  }
  OK(shmds_segment_close(segment));
}

/* As if this process did not hold the role: whenever the library is asked, it takes it anew. */
static void show_calls(shmds_spsc_queue_side* side) {
  side->epoch = UINT64_MAX;
}

static bool was_called(const shmds_spsc_queue_side* side) {
  return side->epoch != UINT64_MAX;
}

static void few_elements_are_left_to_the_library_while_head_starts_pay(void) {
  shmds_segment* segment = check_create_sized(check_name("few"), 1 << 16);
  shmds_spsc_queue* queue = create(segment, "queue", sizeof(uint64_t), 128);
  shmds_spsc_queue_side* consumer = &SHMDS_VIEW_OF(shmds_spsc_queue_view, queue)->consumer;
  uint64_t in = 0, out = 0, value = 0;
  int round;
  for (round = 0; round < 20; round++) {
    const bool few = round % 2 == 0, pays = round % 4 < 2;
    const uint64_t count = few ? SHMDS_HEAD_START_WORDS - 1 : SHMDS_HEAD_START_WORDS;
    const uint64_t first = in;
    for (; in < first + count; in++) {
      OK(shmds_spsc_queue_push(queue, &in));
    }
    consumer->look_limit = pays ? 0 : 1;
    show_calls(consumer);
    for (; out < in; out++) {
      OK(shmds_spsc_queue_pop_inline(queue, &value, sizeof value));
      CHECK(value == out);
      CHECK(out > first || was_called(consumer) == (round == 0 || (few && pays)));
    }
    /* Enough elements are no reason to believe that they stop paying. */
    CHECK(few || (consumer->look_limit == 0) == pays);
    /* The roles are as they were. */
    CHECK(shmds_spsc_queue_pop(queue, &value) == SHMDS_EMPTY);
  }
  OK(shmds_segment_close(segment));
}

static void a_queue_of_any_capacity_is_used_in_line(void) {
  static const size_t capacities[] = {1, 2, 3, 63, 64, 100};
  shmds_segment* segment = check_create_sized(check_name("any"), 1 << 16);
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    const char name[] = {'q', (char)('0' + (char)c), '\0'};
    shmds_spsc_queue* queue = create(segment, name, sizeof(uint64_t), capacities[c]);
    shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
    uint64_t i, value = 0;
    OK(shmds_spsc_queue_push(queue, &value));
    OK(shmds_spsc_queue_pop(queue, &value));
    show_calls(&view->producer);
    show_calls(&view->consumer);
    for (i = 0; i < 1000; i++) {
      OK(shmds_spsc_queue_push_inline(queue, &i, sizeof i));
      OK(shmds_spsc_queue_pop_inline(queue, &value, sizeof value));
      CHECK(value == i);
    }
    CHECK(!was_called(&view->producer) && !was_called(&view->consumer));
  }
  OK(shmds_segment_close(segment));
}

static void roles_are_held_refused_and_given_up(void) {
  const char* name = check_name("roles");
  shmds_segment *segment = check_create_sized(name, 4096), *other = NULL;
  shmds_spsc_queue *mine = create(segment, "the queue", sizeof(int), 4), *theirs = NULL;
  int value = 1;
  size_t count = 99;
  const void* front = NULL;
  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_spsc_queue_open(other, "the queue", sizeof value, 0, 4, &theirs));
  OK(shmds_spsc_queue_push_inline(mine, &value, sizeof value));
  FAILS(SHMDS_E_ROLE, "the queue", shmds_spsc_queue_push(theirs, &value));
  CHECK(strstr(shmds_last_error(), "producer") != NULL);
  FAILS(SHMDS_E_ROLE, "producer", shmds_spsc_queue_push_inline(theirs, &value, sizeof value));
  FAILS(SHMDS_E_ROLE, "producer", shmds_spsc_queue_push_bulk(theirs, &value, 1, &count));
  FAILS(SHMDS_E_ROLE, "producer", shmds_spsc_queue_push_wait(theirs, &value, SHMDS_WAIT_FOREVER));
  value = 0;
  OK(shmds_spsc_queue_pop_inline(theirs, &value, sizeof value));
  CHECK(value == 1);
  value = 7;
  FAILS(SHMDS_E_ROLE, "consumer", shmds_spsc_queue_pop(mine, &value));
  FAILS(SHMDS_E_ROLE, "consumer", shmds_spsc_queue_pop_inline(mine, &value, sizeof value));
  FAILS(SHMDS_E_ROLE, "consumer", shmds_spsc_queue_pop_bulk(mine, &value, 1, &count));
  FAILS(SHMDS_E_ROLE, "consumer", shmds_spsc_queue_pop_wait(mine, &value, 1000));
  FAILS(SHMDS_E_ROLE, "consumer", shmds_spsc_queue_front(mine, &front));
  FAILS(SHMDS_E_ROLE, "consumer", shmds_spsc_queue_front_inline(mine, &front, sizeof value));
  FAILS(SHMDS_E_STATE, "the queue", shmds_spsc_queue_release(mine));
  CHECK(value == 7 && count == 99 && front == NULL);
  OK(shmds_spsc_queue_leave(mine));
  OK(shmds_spsc_queue_leave(mine));
  OK(shmds_spsc_queue_push(theirs, &value));
  FAILS(SHMDS_E_ROLE, "producer", shmds_spsc_queue_push_inline(mine, &value, sizeof value));
  OK(shmds_segment_close(other));
  /* Closing gave both roles up. */
  OK(shmds_spsc_queue_push_inline(mine, &value, sizeof value));
  OK(shmds_spsc_queue_pop_bulk(mine, &value, 1, &count));
  CHECK(count == 1);
  OK(shmds_segment_close(segment));
}

static void a_forked_child_holds_no_role(void) {
  shmds_segment* segment = check_create_sized(check_name("fork"), 4096);
  shmds_spsc_queue* queue = create(segment, "queue", sizeof(int), 4);
  int value = 1;
  const void* front = NULL;
  pid_t child;
  OK(shmds_spsc_queue_push_inline(queue, &value, sizeof value));
  OK(shmds_spsc_queue_front_inline(queue, &front, sizeof value));
  child = fork();
  if (child == 0) {
    _exit(shmds_spsc_queue_push_inline(queue, &value, sizeof value) == SHMDS_E_ROLE &&
                  shmds_spsc_queue_pop_inline(queue, &value, sizeof value) == SHMDS_E_ROLE &&
                  shmds_spsc_queue_release_inline(queue) == SHMDS_E_STATE &&
                  strstr(shmds_last_error(), "\"queue\": nothing at its front") != NULL &&
                  shmds_spsc_queue_leave(queue) == SHMDS_OK && shmds_spsc_queue_size(queue) == 1 &&
                  shmds_segment_close(segment) == SHMDS_OK
              ? 0
              : 1);
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_spsc_queue_release_inline(queue));
  OK(shmds_spsc_queue_leave(queue));
  child = fork();
  if (child == 0) {
    _exit(shmds_spsc_queue_push_inline(queue, &value, sizeof value) == SHMDS_OK ? 0 : 1);
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_spsc_queue_pop_inline(queue, &value, sizeof value));
  OK(shmds_segment_close(segment));
}

static void a_wait_lasts_as_long_as_it_was_told(void) {
  shmds_segment* segment = check_create_sized(check_name("wait"), 4096);
  shmds_spsc_queue* queue = create(segment, "queue", sizeof(int), 1);
  int value = 7;
  uint64_t start = now_ns();
  CHECK(shmds_spsc_queue_pop_wait(queue, &value, 0) == SHMDS_TIMEOUT);
  CHECK(now_ns() - start < 5000000000U && value == 7);
  start = now_ns();
  CHECK(shmds_spsc_queue_pop_wait(queue, &value, 30000000) == SHMDS_TIMEOUT);
  CHECK(now_ns() - start >= 30000000 && value == 7);
  OK(shmds_spsc_queue_push_wait(queue, &value, 0));
  start = now_ns();
  CHECK(shmds_spsc_queue_push_wait(queue, &value, 30000000) == SHMDS_TIMEOUT);
  CHECK(now_ns() - start >= 30000000 && shmds_spsc_queue_size(queue) == 1);
  /* What is there already is got however long one would wait. */
  OK(shmds_spsc_queue_pop_wait(queue, &value, SHMDS_WAIT_FOREVER));
  OK(shmds_segment_close(segment));
}

/* Until somebody sleeps at that end, or did. */
static void await_sleeper(const shmds_spsc_queue_end* end) {
  while (__atomic_load_n(&end->waiters, __ATOMIC_SEQ_CST) == 0) {
    usleep(100);
  }
}

/* By call, in line, in bulk and by release; one that ends the wait each time. */
static void another_process_ends_a_wait_of_any_length(void) {
  static const uint64_t timeouts[] = {UINT64_C(60000000000), INT64_MAX, UINT64_C(1) << 63,
                                      SHMDS_WAIT_FOREVER - 1, SHMDS_WAIT_FOREVER};
  size_t i, way;
  for (i = 0; i < LENGTH(timeouts); i++) {
    for (way = 0; way < 3; way++) {
      const char* name = check_name("sleep");
      shmds_segment* segment = check_create_sized(name, 4096);
      shmds_spsc_queue* queue = create(segment, "queue", sizeof(int), 1);
      shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
      const void* front = NULL;
      size_t count = 0;
      int value = 0, five = 5;
      pid_t child = fork();
      if (child == 0) {
        _exit(shmds_spsc_queue_pop_wait(queue, &value, timeouts[i]) == SHMDS_OK && value == 5 &&
                      shmds_spsc_queue_leave(queue) == SHMDS_OK
                  ? 0
                  : 1);
      }
      usleep(2000);
      OK(way == 0   ? shmds_spsc_queue_push(queue, &five)
         : way == 1 ? shmds_spsc_queue_push_inline(queue, &five, sizeof five)
                    : shmds_spsc_queue_push_bulk(queue, &five, 1, &count));
      CHECK(check_exit_code(child) == 0);
      /* The other side: a producer sleeps for room. */
      OK(shmds_spsc_queue_push(queue, &five));
      OK(shmds_spsc_queue_leave(queue));
      child = fork();
      if (child == 0) {
        value = 6;
        _exit(shmds_spsc_queue_push_wait(queue, &value, timeouts[i]) == SHMDS_OK ? 0 : 1);
      }
      OK(shmds_spsc_queue_front(queue, &front));
      await_sleeper(view->consumer.own);
      OK(way == 0   ? shmds_spsc_queue_pop(queue, &value)
         : way == 1 ? shmds_spsc_queue_release_inline(queue)
                    : shmds_spsc_queue_pop_bulk(queue, &value, 1, &count));
      CHECK(check_exit_code(child) == 0);
      OK(shmds_spsc_queue_pop(queue, &value));
      CHECK(value == 6);
      OK(shmds_spsc_queue_wake(queue));
      OK(shmds_segment_close(segment));
      OK(shmds_unlink(name));
    }
  }
}

static shmds_spsc_queue* shared_queue;

static void* push_many(void* unused) {
  int value;
  (void)unused;
  for (value = 0; value < 100000; value++) {
    while (shmds_spsc_queue_push_inline(shared_queue, &value, sizeof value) == SHMDS_FULL) {
      sched_yield();
    }
  }
  return NULL;
}

static void two_threads_of_a_process_have_a_role_each(void) {
  shmds_segment* segment = check_create_sized(check_name("threads"), 4096);
  pthread_t thread;
  int value = 0, expected;
  shared_queue = create(segment, "queue", sizeof value, 13);
  CHECK(pthread_create(&thread, NULL, push_many, NULL) == 0);
  for (expected = 0; expected < 100000; expected++) {
    while (shmds_spsc_queue_pop_inline(shared_queue, &value, sizeof value) == SHMDS_EMPTY) {
      sched_yield();
    }
    if (value != expected) {
      CHECK(value == expected);
      break;
    }
  }
  CHECK(pthread_join(thread, NULL) == 0);
  OK(shmds_segment_close(segment));
}

/* ---- bad input */

static void parameters_are_checked(void) {
  shmds_segment* segment = check_create_sized(check_name("parameters"), 4096);
  shmds_queue* other_kind = NULL;
  shmds_spsc_queue *queue = create(segment, "queue", 8, 4), *wide = NULL;
  shmds_segment_info info;
  uint64_t value = 7;
  size_t i;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  OK(shmds_spsc_queue_create(segment, "wide", 256, 8, 4, &wide));
  OK(shmds_queue_create(segment, "many", 8, 0, 4, &other_kind));
  OK(shmds_spsc_queue_push(queue, &value));
  value = 0;
  for (i = 0; i < LENGTH(all_obtain); i++) {
    const obtain call = all_obtain[i];
    FAILS(SHMDS_E_ARGUMENT, "out", call(segment, "new", 8, 0, 4, NULL));
    REFUSES(SHMDS_E_ARGUMENT, "segment", call, NULL, "new", 8, 0, 4);
    REFUSES(SHMDS_E_ARGUMENT, "name", call, segment, NULL, 8, 0, 4);
    REFUSES(SHMDS_E_NAME_EMPTY, NULL, call, segment, "", 8, 0, 4);
    REFUSES(SHMDS_E_ELEMENT_SIZE, "\"new\": element size 0; expected at least 1", call, segment,
            "new", 0, 0, 4);
    REFUSES(SHMDS_E_ALIGNMENT, "\"new\": alignment 3; expected a power of two", call, segment,
            "new", 8, 3, 4);
    REFUSES(SHMDS_E_ALIGNMENT, "\"new\": alignment 8192; expected", call, segment, "new", 8192,
            8192, 4);
    REFUSES(SHMDS_E_ALIGNMENT, "\"new\": alignment 16; expected", call, segment, "new", 8, 16, 4);
    REFUSES(SHMDS_E_OVERFLOW, "\"new\": 4 elements of 9223372036854775807 bytes overflow", call,
            segment, "new", SIZE_MAX / 2, 0, 4);
  }
  for (i = 0; i < LENGTH(both_create); i++) {
    REFUSES(SHMDS_E_CAPACITY, "\"new\": count 0; expected at least 1 to create a queue",
            both_create[i], segment, "new", 8, 0, 0);
    REFUSES(SHMDS_E_SEGMENT_FULL, "\"new\" needs 800000 bytes", both_create[i], segment, "new", 8,
            0, 100000);
    REFUSES(SHMDS_E_SEGMENT_FULL, "\"new\" needs 18446744073709551615 bytes", both_create[i],
            segment, "new", 1, 0, SIZE_MAX);
  }
  REFUSES(SHMDS_E_EXISTS, "\"queue\" exists already", shmds_spsc_queue_create, segment, "queue", 8,
          0, 4);
  REFUSES(SHMDS_E_NOT_FOUND, "absent", shmds_spsc_queue_open, segment, "absent", 8, 0, 4);
  for (i = 1; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_MISMATCH, "\"queue\": expected element size 16, found 8", all_obtain[i],
            segment, "queue", 16, 0, 4);
    REFUSES(SHMDS_E_MISMATCH, "\"queue\": expected capacity 5, found 4", all_obtain[i], segment,
            "queue", 8, 0, 5);
    REFUSES(SHMDS_E_MISMATCH, "\"wide\": expected alignment 256, found 8", all_obtain[i], segment,
            "wide", 256, 256, 4);
    REFUSES(SHMDS_E_KIND, "\"many\": expected an SPSC queue, found a queue", all_obtain[i], segment,
            "many", 8, 0, 4);
  }
  other_kind = (shmds_queue*)UNTOUCHED;
  FAILS(SHMDS_E_KIND, "\"queue\": expected a queue, found an SPSC queue",
        shmds_queue_open(segment, "queue", 8, 0, 4, &other_kind));
  CHECK(other_kind == (shmds_queue*)UNTOUCHED);
  OK(shmds_segment_get_info(segment, &info));
  CHECK(info.entries_used == 3 && info.payload_used == 32 + 32 + 1024);
  OK(shmds_spsc_queue_pop(queue, &value));
  CHECK(value == 7 && shmds_spsc_queue_empty(queue));
  OK(shmds_segment_close(segment));
}

static void null_is_refused_everywhere(void) {
  shmds_segment* segment = check_create_sized(check_name("null"), 4096);
  shmds_spsc_queue* queue = create(segment, "queue", sizeof(int), 4);
  int value = 7;
  size_t count = 99;
  const void* front = NULL;
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_push(NULL, &value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_push(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_push_inline(NULL, &value, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_push_inline(queue, NULL, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_pop(NULL, &value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_pop(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_pop_inline(NULL, &value, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_pop_inline(queue, NULL, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_front(NULL, &front));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_front(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_front_inline(NULL, &front, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_front_inline(queue, NULL, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_release(NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_release_inline(NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_push_bulk(NULL, &value, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_spsc_queue_push_bulk(queue, NULL, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "pushed", shmds_spsc_queue_push_bulk(queue, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_pop_bulk(NULL, &value, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "elements", shmds_spsc_queue_pop_bulk(queue, NULL, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "popped", shmds_spsc_queue_pop_bulk(queue, &value, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_push_wait(NULL, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_push_wait(queue, NULL, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_pop_wait(NULL, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_spsc_queue_pop_wait(queue, NULL, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_leave(NULL));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_spsc_queue_wake(NULL));
  CHECK(shmds_spsc_queue_size(NULL) == 0 && shmds_spsc_queue_capacity(NULL) == 0);
  CHECK(shmds_spsc_queue_elem_size(NULL) == 0 && shmds_spsc_queue_name(NULL) == NULL);
  CHECK(shmds_spsc_queue_empty(NULL) && !shmds_spsc_queue_full(NULL));
  CHECK(value == 7 && count == 99 && front == NULL && shmds_spsc_queue_empty(queue));
  OK(shmds_segment_close(segment));
}

static void a_reader_may_look_and_no_more(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_spsc_queue *queue = create(segment, "queue", sizeof(int), 1), *seen = NULL;
  shmds_segment* reader;
  int value = 7;
  size_t count = 99;
  const void* front = NULL;
  OK(shmds_spsc_queue_push(queue, &value));
  reader = check_open_read_only(name);
  OK(shmds_spsc_queue_open(reader, "queue", sizeof value, 0, 1, &seen));
  CHECK(shmds_spsc_queue_size(seen) == 1 && shmds_spsc_queue_full(seen));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_spsc_queue_push(seen, &value));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_spsc_queue_push_inline(seen, &value, sizeof value));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_spsc_queue_pop_inline(seen, &value, sizeof value));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_spsc_queue_pop_bulk(seen, &value, 1, &count));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_spsc_queue_pop_wait(seen, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_spsc_queue_front(seen, &front));
  FAILS(SHMDS_E_READ_ONLY, "queue", shmds_spsc_queue_wake(seen));
  OK(shmds_spsc_queue_leave(seen));
  CHECK(value == 7 && count == 99 && front == NULL && shmds_spsc_queue_size(queue) == 1);
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

/* Not what a program should do, but what it gets is a status. */
static void a_queue_of_a_closed_segment_refuses(void) {
  const char* name = check_name("closed");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_spsc_queue* queue = create(segment, "queue", sizeof(int), 4);
  int value = 7;
  size_t count = 99;
  const void* front = NULL;
  OK(shmds_spsc_queue_push_inline(queue, &value, sizeof value));
  OK(shmds_spsc_queue_front_inline(queue, &front, sizeof value));
  front = NULL;
  OK(shmds_segment_close(segment));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_push(queue, &value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_push_inline(queue, &value, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_push_bulk(queue, &value, 1, &count));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_push_wait(queue, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_pop(queue, &value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_pop_inline(queue, &value, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_pop_bulk(queue, &value, 1, &count));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_front(queue, &front));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_front_inline(queue, &front, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_pop_wait(queue, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_release(queue));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_release_inline(queue));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_wake(queue));
  OK(shmds_spsc_queue_leave(queue));
  CHECK(shmds_spsc_queue_size(queue) == 0 && shmds_spsc_queue_empty(queue));
  CHECK(!shmds_spsc_queue_full(queue));
  CHECK(value == 7 && count == 99 && front == NULL);
  OK(shmds_segment_open(name, NULL, &segment));
  OK(shmds_spsc_queue_open(segment, "queue", sizeof value, 0, 0, &queue));
  OK(shmds_spsc_queue_pop(queue, &value));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(what_goes_in_comes_out_in_order);
  RUN(bulk_calls_move_as_many_as_fit_at_once);
  RUN(a_count_of_0_does_nothing_and_takes_no_role);
  RUN(an_element_is_read_in_place_until_it_is_released);
  RUN(few_elements_are_left_to_the_library_while_head_starts_pay);
  RUN(a_queue_of_any_capacity_is_used_in_line);
  RUN(roles_are_held_refused_and_given_up);
  RUN(a_forked_child_holds_no_role);
  RUN(a_wait_lasts_as_long_as_it_was_told);
  RUN(another_process_ends_a_wait_of_any_length);
  RUN(two_threads_of_a_process_have_a_role_each);
  RUN(parameters_are_checked);
  RUN(null_is_refused_everywhere);
  RUN(a_reader_may_look_and_no_more);
  RUN(a_queue_of_a_closed_segment_refuses);
  return check_result("spsc");
}
