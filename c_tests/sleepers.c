/* Whoever operates in line wakes those who sleep for that, and nobody sleeps on. */
#include "check.h"

#include <pthread.h>
#include <shmds_inline.h>
#include <time.h>

/* Ten seconds, and a quarter of one, in nanoseconds. */
#define LIMIT UINT64_C(10000000000)
#define QUARTER UINT64_C(250000000)

/* As whoever is about to sleep does. Returns what the word is then. */
static shmds_wait_word raise_flag(shmds_wait_word* word) {
  return __atomic_or_fetch(word, 1U, __ATOMIC_SEQ_CST);
}

/* Whoever wakes sleepers takes the flag down, and counts. A sleeper that nobody woke would not
 * tell: it looks again by itself soon. */
static void check_woken(const shmds_wait_word* word, shmds_wait_word raised) {
  CHECK(__atomic_load_n(word, __ATOMIC_SEQ_CST) == raised + 1);
}

/* Whether the next operation on this side goes by what was foreseen. */
static bool is_foreseen(shmds_queue* queue, int side) {
  const shmds_queue_memo* often = &shmds_queue_thread_memory.often;
  return often->pass.key == shmds_queue_key_inline(queue) &&
         often->foreseen[side].at < often->foreseen[side].end;
}

static const shmds_queue_parts* parts_of(shmds_queue* queue) {
  return &SHMDS_VIEW_OF(shmds_queue_view, queue)->parts;
}

/* Where those sleep who wait for this side. */
static shmds_wait_word* sleepers_of(const shmds_queue_parts* parts, int side) {
  return side == 0 ? &parts->ends->items : &parts->ends->space;
}

/* The word that this side exchanges next, if its hint says so. */
static uint64_t* next_word(const shmds_queue_parts* parts, int side) {
  const uint64_t hint = side == 0 ? parts->ends->tail : parts->ends->head;
  return &parts->words[hint & (2 * parts->unit - 1)];
}

/* As whoever is about to sleep until this side gets on does: also marks the word. */
static shmds_wait_word await_exchange(const shmds_queue_parts* parts, int side) {
  const shmds_wait_word raised = raise_flag(sleepers_of(parts, side));
  __atomic_or_fetch(next_word(parts, side), shmds_queue_awaited_inline(parts), __ATOMIC_SEQ_CST);
  return raised;
}

/* One operation in line on a side of a queue that holds no element, or one. */
static void operate(shmds_queue* queue, int side, uint64_t round) {
  uint64_t value = 0;
  if (side == 0) {
    OK(shmds_queue_enqueue_inline(queue, &round, sizeof round));
  } else {
    OK(shmds_queue_dequeue_inline(queue, &value, sizeof value));
    CHECK(value == round);
  }
}

static void whoever_exchanges_an_awaited_word_in_line_wakes(void) {
  const char* name = check_name("flags-queue");
  static const size_t capacities[] = {1, 2, 5};
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    shmds_segment* segment = check_create_sized(name, 16384);
    shmds_queue* queue = NULL;
    const shmds_queue_parts* parts = NULL;
    uint64_t round = 0;
    int foreseen[2] = {0, 0};
    OK(shmds_queue_create(segment, "queue", sizeof round, 0, capacities[c], &queue));
    parts = parts_of(queue);
    for (round = 0; round < 400; round++) {
      int side;
      for (side = 0; side < 2; side++) {
        const shmds_wait_word* sleepers = sleepers_of(parts, side);
        const uint64_t* word = next_word(parts, side);
        /* Every other time, so that in between the code in line has foreseen the word. */
        if (round % 2 == 0) {
          const shmds_wait_word raised = await_exchange(parts, side);
          foreseen[side] += is_foreseen(queue, side);
          operate(queue, side, round);
          check_woken(sleepers, raised);
        } else {
          operate(queue, side, round);
        }
        CHECK((*word & shmds_queue_awaited_inline(parts)) == 0);
      }
    }
    /* Within a lap, but not at its end. */
    CHECK(foreseen[0] < 200 && foreseen[1] < 200);
    CHECK(capacities[c] == 1 || (foreseen[0] > 50 && foreseen[1] > 50));
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

static void a_word_that_is_seen_to_be_awaited_is_not_exchanged_as_foreseen(void) {
  shmds_segment* segment = check_create_sized(check_name("seen"), 1 << 16);
  shmds_queue* queue = NULL;
  const shmds_queue_parts* parts = NULL;
  uint64_t round = 0;
  int seen = 0;
  OK(shmds_queue_create(segment, "queue", sizeof round, 0, 500, &queue));
  parts = parts_of(queue);
  for (round = 0; round < 400; round++) {
    shmds_queue_memo* often = &shmds_queue_thread_memory.often;
    int side;
    for (side = 0; side < 2; side++) {
      const shmds_wait_word* sleepers = sleepers_of(parts, side);
      const shmds_wait_word raised = await_exchange(parts, side);
      if (is_foreseen(queue, side)) {
        /* As if the mark had been there when the thread looked ahead. */
        often->foreseen[side].word |= shmds_queue_awaited_inline(parts);
        seen++;
      }
      operate(queue, side, round);
      check_woken(sleepers, raised);
    }
  }
  CHECK(seen > 400);
  /* Nobody was right ahead of it, but for the beginning. */
  CHECK(shmds_queue_thread_memory.often.pursuit[0].operations < 4);
  CHECK(shmds_queue_thread_memory.often.pursuit[1].operations < 4);
  OK(shmds_segment_close(segment));
}

static void who_is_left_asleep_is_found_within_a_lap(void) {
  shmds_segment* segment = check_create_sized(check_name("left"), 16384);
  shmds_queue* queue = NULL;
  const shmds_queue_parts* parts = NULL;
  uint64_t round = 0;
  OK(shmds_queue_create(segment, "queue", sizeof round, 0, 20, &queue));
  parts = parts_of(queue);
  for (round = 0; round < 400; round++) {
    /* Those of one side alone: the other side's way is none for them. */
    shmds_wait_word* sleepers = sleepers_of(parts, (int)(round / 20 % 2));
    if (round % 20 == 0) {
      /* The word that was awaited is exchanged already, but nobody was woken. */
      (void)raise_flag(sleepers);
    }
    operate(queue, 0, round);
    operate(queue, 1, round);
    if (round % 20 == 19) {
      CHECK((*sleepers & 1U) == 0);
    }
  }
  OK(shmds_segment_close(segment));
}

static void each_spsc_operation_in_line_looks_for_sleepers(void) {
  shmds_segment* segment = check_create_sized(check_name("flags-spsc"), 16384);
  shmds_spsc_queue* queue = NULL;
  shmds_spsc_queue_view* view = NULL;
  uint64_t round = 0, value = 0;
  OK(shmds_spsc_queue_create(segment, "queue", sizeof value, 0, 5, &queue));
  view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  OK(shmds_spsc_queue_push(queue, &value));
  OK(shmds_spsc_queue_pop(queue, &value));
  /* The library would take the roles anew. */
  view->producer.epoch = view->consumer.epoch = UINT64_MAX;
  for (round = 0; round < 40; round++) {
    const void* front = NULL;
    shmds_wait_word raised = raise_flag(&view->producer.own->waiters);
    OK(shmds_spsc_queue_push_inline(queue, &round, sizeof round));
    check_woken(&view->producer.own->waiters, raised);
    raised = raise_flag(&view->consumer.own->waiters);
    /* The last release of a lap is the library's. */
    if (round % 2 == 1 && (view->consumer.at & view->index_mask) < view->last_index) {
      OK(shmds_spsc_queue_front_inline(queue, &front, sizeof value));
      memcpy(&value, front, sizeof value);
      OK(shmds_spsc_queue_release_inline(queue));
    } else {
      OK(shmds_spsc_queue_pop_inline(queue, &value, sizeof value));
    }
    check_woken(&view->consumer.own->waiters, raised);
    CHECK(value == round);
  }
  CHECK(view->producer.epoch == UINT64_MAX && view->consumer.epoch == UINT64_MAX);
  OK(shmds_segment_close(segment));
}

static void each_ring_buffer_operation_in_line_looks_for_sleepers(void) {
  shmds_segment* segment = check_create_sized(check_name("flags-ring"), 16384);
  shmds_ring_buffer* ring = NULL;
  shmds_ring_buffer_ends* ends = NULL;
  uint64_t round = 0, value = 0;
  size_t moved = 0;
  OK(shmds_ring_buffer_create(segment, "ring", sizeof value, 0, 5, 0, &ring));
  OK(shmds_ring_buffer_push(ring, &value));
  OK(shmds_ring_buffer_pop(ring, &value));
  ends = SHMDS_VIEW_OF(shmds_ring_buffer_view, ring)->producer.ends;
  for (round = 0; round < 40; round++) {
    shmds_wait_word raised = raise_flag(&ends->items);
    if (round % 3 == 0) {
      OK(shmds_ring_buffer_push_inline(ring, &round, sizeof round));
    } else if (round % 3 == 1) {
      OK(shmds_ring_buffer_push_overwrite_inline(ring, &round, sizeof round));
    } else {
      OK(shmds_ring_buffer_push_bulk_inline(ring, &round, 1, sizeof round, &moved));
    }
    check_woken(&ends->items, raised);
    raised = raise_flag(&ends->space);
    if (round % 2 == 0) {
      OK(shmds_ring_buffer_pop_inline(ring, &value, sizeof value));
    } else {
      OK(shmds_ring_buffer_pop_bulk_inline(ring, &value, 1, sizeof value, &moved));
    }
    check_woken(&ends->space, raised);
    CHECK(value == round);
  }
  OK(shmds_segment_close(segment));
}

/* What a thread waits for, and how that ended. */
typedef struct waiter {
  shmds_queue* queue;
  int side;
  uint64_t value;
  shmds_status status;
} waiter;

static void* wait_for_it(void* argument) {
  waiter* self = SHMDS_BYTES_OF(waiter, argument);
  self->status = self->side == 0 ? shmds_queue_dequeue_wait(self->queue, &self->value, LIMIT)
                                 : shmds_queue_enqueue_wait(self->queue, &self->value, LIMIT);
  return NULL;
}

/* Waits until somebody sleeps, as far as it shows; false if that does not come to be. */
static bool is_going_to_sleep(const shmds_queue_parts* parts, int side) {
  const shmds_wait_word* sleepers = sleepers_of(parts, side);
  int patience;
  for (patience = 0; patience < 5000; patience++) {
    if ((__atomic_load_n(sleepers, __ATOMIC_SEQ_CST) & 1U) != 0 &&
        (__atomic_load_n(next_word(parts, side), __ATOMIC_SEQ_CST) &
         shmds_queue_awaited_inline(parts)) != 0) {
      return true;
    }
    usleep(1000);
  }
  return false;
}

/* On both sides: of an empty queue for an element, of a full one for room. */
static void who_goes_to_sleep_marks_the_word_and_is_woken_by_its_exchange(void) {
  const char* name = check_name("mark");
  static const size_t capacities[] = {1, 3, 8};
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    shmds_segment* segment = check_create_sized(name, 16384);
    shmds_queue* queue = NULL;
    const shmds_queue_parts* parts = NULL;
    uint64_t round = 0, in = 0, out = 0, value = 0;
    OK(shmds_queue_create(segment, "queue", sizeof value, 0, capacities[c], &queue));
    parts = parts_of(queue);
    for (round = 0; round < 50; round++) {
      const int side = (int)(round % 2);
      const shmds_wait_word* sleepers = sleepers_of(parts, side);
      pthread_t thread;
      waiter other = {queue, side, 0, SHMDS_OK};
      shmds_wait_word before = 0;
      for (; side == 1 && in - out < capacities[c]; in++) {
        OK(shmds_queue_enqueue_inline(queue, &in, sizeof in));
      }
      for (; side == 0 && out < in; out++) {
        OK(shmds_queue_dequeue_inline(queue, &value, sizeof value));
        CHECK(value == out);
      }
      other.value = in;
      CHECK(pthread_create(&thread, NULL, wait_for_it, &other) == 0);
      CHECK(is_going_to_sleep(parts, side));
      before = __atomic_load_n(sleepers, __ATOMIC_SEQ_CST);
      if (side == 0) {
        OK(shmds_queue_enqueue_inline(queue, &in, sizeof in));
      } else {
        OK(shmds_queue_dequeue_inline(queue, &value, sizeof value));
        CHECK(value == out);
      }
      /* A wake-up more; the flag may be up again, raised by who has not looked since. */
      CHECK(__atomic_load_n(sleepers, __ATOMIC_SEQ_CST) / 2 == before / 2 + 1);
      CHECK(pthread_join(thread, NULL) == 0 && other.status == SHMDS_OK);
      CHECK(side == 1 || other.value == in);
      in++;
      out++;
    }
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

/* What this thread has worked so far, in nanoseconds. */
static uint64_t worked(void) {
  struct timespec time;
  CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

/* Checks that most of the time is slept until a wait gives up. */
#define CHECK_SLEEPS(wait)                  \
  do {                                      \
    const uint64_t before = worked();       \
    CHECK((wait) == SHMDS_TIMEOUT);         \
    CHECK(worked() - before < QUARTER / 2); \
  } while (0)

static void who_waits_sleeps(void) {
  shmds_segment* segment = check_create_sized(check_name("sleeps"), 16384);
  shmds_queue* queue = NULL;
  shmds_spsc_queue* spsc = NULL;
  uint64_t value = 0;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 1, &queue));
  OK(shmds_spsc_queue_create(segment, "spsc", sizeof value, 0, 1, &spsc));
  CHECK_SLEEPS(shmds_queue_dequeue_wait(queue, &value, QUARTER));
  OK(shmds_queue_enqueue(queue, &value));
  CHECK_SLEEPS(shmds_queue_enqueue_wait(queue, &value, QUARTER));
  CHECK_SLEEPS(shmds_spsc_queue_pop_wait(spsc, &value, QUARTER));
  OK(shmds_spsc_queue_push(spsc, &value));
  CHECK_SLEEPS(shmds_spsc_queue_push_wait(spsc, &value, QUARTER));
  OK(shmds_segment_close(segment));
}

static void an_inline_operation_wakes_who_sleeps(void) {
  shmds_segment* segment = check_create_sized(check_name("wake"), 4096);
  shmds_queue *ping = NULL, *pong = NULL;
  uint64_t round = 0, value = 0;
  pid_t child;
  OK(shmds_queue_create(segment, "ping", sizeof value, 0, 1, &ping));
  OK(shmds_queue_create(segment, "pong", sizeof value, 0, 1, &pong));
  child = fork();
  if (child == 0) {
    for (round = 0; round < 2000; round++) {
      if (shmds_queue_dequeue_wait(ping, &value, LIMIT) != SHMDS_OK || value != round ||
          shmds_queue_enqueue_inline(pong, &value, sizeof value) != SHMDS_OK) {
        _exit(1);
      }
    }
    _exit(0);
  }
  for (round = 0; round < 2000; round++) {
    CHECK(shmds_queue_enqueue_inline(ping, &round, sizeof round) == SHMDS_OK);
    CHECK(shmds_queue_dequeue_wait(pong, &value, LIMIT) == SHMDS_OK && value == round);
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(whoever_exchanges_an_awaited_word_in_line_wakes);
  RUN(a_word_that_is_seen_to_be_awaited_is_not_exchanged_as_foreseen);
  RUN(who_is_left_asleep_is_found_within_a_lap);
  RUN(each_spsc_operation_in_line_looks_for_sleepers);
  RUN(each_ring_buffer_operation_in_line_looks_for_sleepers);
  RUN(who_goes_to_sleep_marks_the_word_and_is_woken_by_its_exchange);
  RUN(who_waits_sleeps);
  RUN(an_inline_operation_wakes_who_sleeps);
  return check_result("sleepers");
}
