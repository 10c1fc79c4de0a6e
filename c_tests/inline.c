/* The inline hot paths and the library's own, mixed on the same queues. */
#include "check.h"

#include <pthread.h>
#include <shmds_inline.h>
#include <signal.h>
#include <sys/wait.h>

static int end_signal(pid_t child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
    return -1;
  }
  return WTERMSIG(status);
}

/* One of the two ways, by the number of the operation. */
static shmds_status put(shmds_queue* queue, uint64_t value, unsigned way) {
  return way % 2 != 0 ? shmds_queue_enqueue(queue, &value)
                      : shmds_queue_enqueue_inline(queue, &value, sizeof value);
}

static shmds_status get(shmds_queue* queue, uint64_t* value, unsigned way) {
  return way % 2 != 0 ? shmds_queue_dequeue(queue, value)
                      : shmds_queue_dequeue_inline(queue, value, sizeof *value);
}

static void both_ways_agree_on_order_full_and_empty(void) {
  const char* name = check_name("order");
  static const size_t capacities[] = {1, 2, 3, 7, 64, 65, 1000};
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    shmds_segment* segment = check_create_sized(name, 16384);
    shmds_queue* queue = NULL;
    uint64_t next_in = 0, next_out = 0, value = 0;
    unsigned way = 0;
    int lap;
    OK(shmds_queue_create(segment, "queue", sizeof value, 0, capacities[c], &queue));
    for (lap = 0; lap < 50; lap++) {
      const size_t some = 1 + (size_t)(lap * 7) % capacities[c];
      size_t i;
      for (i = 0; i < some; i++) {
        CHECK(put(queue, next_in++, way++ * 5 / 3) == SHMDS_OK);
      }
      if (some == capacities[c]) {
        CHECK(put(queue, 0, way) == SHMDS_FULL && put(queue, 0, way + 1) == SHMDS_FULL);
      }
      CHECK(shmds_queue_size(queue) == some);
      for (i = 0; i < some; i++) {
        CHECK(get(queue, &value, way++ * 7 / 3) == SHMDS_OK);
        CHECK(value == next_out++);
      }
      CHECK(get(queue, &value, way) == SHMDS_EMPTY && get(queue, &value, way + 1) == SHMDS_EMPTY);
    }
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

static void processes_that_mix_them_pass_every_element_once(void) {
  enum { WORKERS = 4 };
  const uint64_t each = 100000;
  shmds_segment* segment = check_create_sized(check_name("mix"), 16384);
  shmds_queue* queue = NULL;
  shmds_atomic* sum = NULL;
  pid_t workers[WORKERS];
  uint64_t value = 0, total = 0;
  int w;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 100, &queue));
  OK(shmds_atomic_create(segment, "sum", 8, NULL, &sum));
  /* The parent has its lane, and its memory of it, before they are forked. */
  CHECK(put(queue, 0, 0) == SHMDS_OK && get(queue, &value, 0) == SHMDS_OK);
  for (w = 0; w < WORKERS; w++) {
    workers[w] = fork();
    if (workers[w] == 0) {
      uint64_t i;
      for (i = 1; i <= each; i++) {
        while (put(queue, i, (unsigned)(i + (uint64_t)w)) != SHMDS_OK) {
        }
        while (get(queue, &value, (unsigned)(i / 3)) != SHMDS_OK) {
        }
        if (shmds_atomic_fetch_add(sum, value, NULL) != SHMDS_OK) {
          _exit(2);
        }
      }
      _exit(0);
    }
  }
  for (w = 0; w < WORKERS; w++) {
    CHECK(check_exit_code(workers[w]) == 0);
  }
  OK(shmds_atomic_load(sum, &total));
  CHECK(total == WORKERS * (each * (each + 1) / 2));
  CHECK(shmds_queue_size(queue) == 0);
  OK(shmds_segment_close(segment));
}

/* The hint points back at where this thread was last, as one does that was stored late; but others,
 * or this thread in another way, were there since. */
static void what_was_foreseen_is_not_taken_for_true(void) {
  const char* name = check_name("foreseen");
  static const size_t capacities[] = {3, 4, 1000};
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    shmds_segment* segment = check_create_sized(name, 16384);
    shmds_queue* queue = NULL;
    shmds_queue_ends* ends = NULL;
    uint64_t late = 0, value = 0, n = 0, out = 0;
    OK(shmds_queue_create(segment, "queue", sizeof value, 0, capacities[c], &queue));
    ends = SHMDS_VIEW_OF(shmds_queue_view, queue)->parts.ends;
    while (n < 5 * capacities[c]) {
      CHECK(put(queue, n++, 0) == SHMDS_OK);
      late = __atomic_load_n(&ends->tail, __ATOMIC_RELAXED);
      CHECK(put(queue, n++, 1) == SHMDS_OK);
      __atomic_store_n(&ends->tail, late, __ATOMIC_RELAXED);
      CHECK(put(queue, n++, 0) == SHMDS_OK);
      CHECK(shmds_queue_size(queue) == 3);
      CHECK(get(queue, &value, 0) == SHMDS_OK && value == out++);
      late = __atomic_load_n(&ends->head, __ATOMIC_RELAXED);
      CHECK(get(queue, &value, 1) == SHMDS_OK && value == out++);
      __atomic_store_n(&ends->head, late, __ATOMIC_RELAXED);
      CHECK(get(queue, &value, 0) == SHMDS_OK && value == out++);
      CHECK(get(queue, &value, 0) == SHMDS_EMPTY);
      /* Laps back. */
      __atomic_store_n(&ends->tail, 0, __ATOMIC_RELAXED);
      __atomic_store_n(&ends->head, 0, __ATOMIC_RELAXED);
      CHECK(put(queue, n++, 0) == SHMDS_OK);
      CHECK(get(queue, &value, 0) == SHMDS_OK && value == out++);
      CHECK(__atomic_load_n(&ends->tail, __ATOMIC_RELAXED) != 0);
    }
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

/* One operation on a side, in the way given; elements are numbers in order. */
static void operate(shmds_queue* queue, int side, unsigned way, uint64_t* next) {
  uint64_t value = 0;
  if (side == 0) {
    CHECK(put(queue, *next, way) == SHMDS_OK);
  } else {
    CHECK(get(queue, &value, way) == SHMDS_OK && value == *next);
  }
  ++*next;
}

/* Whoever goes by foresight would make compare-and-swaps in vain where others operate, too. */
static void there_is_no_foresight_where_others_operate(void) {
  const char* name = check_name("alone");
  shmds_segment* segment = check_create_sized(name, 1 << 16);
  shmds_queue* queue = NULL;
  shmds_queue_ends* ends = NULL;
  int side, i;
  OK(shmds_queue_create(segment, "queue", sizeof(uint64_t), 0, 1000, &queue));
  ends = SHMDS_VIEW_OF(shmds_queue_view, queue)->parts.ends;
  for (side = 0; side < 2; side++) {
    const shmds_queue_foresight* own = &shmds_queue_thread_memory.often.foreseen[side];
    const shmds_pursuit* pursuit = &shmds_queue_thread_memory.often.pursuit[side];
    uint64_t* hint = side == 0 ? &ends->tail : &ends->head;
    uint64_t next = 0;
    uint32_t behind = 0;
    /* Until it is the queue that the thread uses often. */
    for (i = 0; i < 40; i++) {
      operate(queue, side, 0, &next);
    }
    CHECK(own->at == *hint && own->end > own->at);
    /* Others were here: once nobody is, a single look is enough. */
    operate(queue, side, 1, &next);
    operate(queue, side, 0, &next);
    CHECK(own->at == *hint && own->end == 0);
    behind = pursuit->operations;
    operate(queue, side, 0, &next);
    CHECK(own->at == *hint && own->end > own->at && pursuit->operations == behind);
    operate(queue, side, 0, &next);
    CHECK(own->at == *hint && own->end > own->at);
    /* Each time. */
    for (i = 0; i < 10; i++) {
      operate(queue, side, 1, &next);
      operate(queue, side, 0, &next);
      CHECK(own->at == *hint && own->end == 0);
    }
    operate(queue, side, 0, &next);
    /* A hint stored late by somebody is put right by whoever knows better. */
    __atomic_store_n(hint, 7, __ATOMIC_RELAXED);
    operate(queue, side, 0, &next);
    CHECK(own->at == *hint && *hint == next);
    while (next < 100) {
      operate(queue, side, (unsigned)next % 5, &next);
    }
  }
  CHECK(shmds_queue_size(queue) == 0);
  OK(shmds_segment_close(segment));
  OK(shmds_unlink(name));
}

/* Else each look at an empty queue, or a full one, would take the line away from whoever is to
 * write it. */
static void what_was_foreseen_in_vain_is_not_tried_again(void) {
  /* In the midst of a lap, at its end, and where each position is that. */
  static const uint64_t capacities[] = {1000, 40, 1};
  const shmds_queue_foresight* foreseen = shmds_queue_thread_memory.often.foreseen;
  size_t i;
  for (i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
    const uint64_t capacity = capacities[i];
    const char* name = check_name("again");
    shmds_segment* segment = check_create_sized(name, 1 << 16);
    shmds_queue* queue = NULL;
    uint64_t value = 0, in = 0, out = 0;
    OK(shmds_queue_create(segment, "queue", sizeof value, 0, capacity, &queue));
    while (out < 40) {
      operate(queue, 0, 0, &in);
      operate(queue, 1, 0, &out);
    }
    while (in < out + (capacity < 40 ? capacity : 40)) {
      operate(queue, 0, 0, &in);
    }
    while (out < in - 1) {
      operate(queue, 1, 0, &out);
    }
    CHECK(foreseen[1].end >= foreseen[1].at);
    operate(queue, 1, 1, &out);
    CHECK(get(queue, &value, 0) == SHMDS_EMPTY && foreseen[1].end == 0);
    CHECK(get(queue, &value, 0) == SHMDS_EMPTY && foreseen[1].end == 0);
    while (in < out + capacity - 1) {
      operate(queue, 0, 0, &in);
    }
    /* Where there is one place, a producer has always seen it full. */
    if (capacity > 1) {
      CHECK(foreseen[0].end >= foreseen[0].at);
      operate(queue, 0, 1, &in);
      CHECK(put(queue, in, 0) == SHMDS_FULL && foreseen[0].end == 0);
      CHECK(put(queue, in, 0) == SHMDS_FULL && foreseen[0].end == 0);
      while (out < in) {
        operate(queue, 1, 0, &out);
      }
      CHECK(foreseen[1].end > foreseen[1].at);
    }
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

/* A thread of its own: it uses no queue but this one, and has not been at its later positions. */
static void* foresee_in_vain(void* argument) {
  shmds_queue* queue = (shmds_queue*)argument;
  const shmds_queue_parts* parts = &SHMDS_VIEW_OF(shmds_queue_view, queue)->parts;
  uint64_t* outside = parts->words + (2 * parts->unit - 1);
  const uint64_t last_lap = ~(2 * parts->unit - 1);
  const uint64_t foreseen = last_lap | 2;
  parts->ends->tail = last_lap;
  parts->words[0] = last_lap;
  parts->words[1] = last_lap | 1;
  parts->words[2] = foreseen;
  CHECK(put(queue, 1, 0) == SHMDS_OK);
  CHECK(put(queue, 2, 0) == SHMDS_OK);
  parts->words[2] = 12345;
  (void)!put(queue, 3, 0);
  parts->ends->tail = UINT64_MAX;
  *outside = foreseen;
  (void)!put(queue, 4, 0);
  CHECK(*outside == foreseen);
  return NULL;
}

/* Somebody writes garbage between the operations of a thread, so that an exchange of what it
 * foresaw fails, and a hint then names the position of nothing foreseen. */
static void a_word_that_was_foreseen_in_vain_is_not_exchanged_elsewhere(void) {
  const char* name = check_name("vain");
  shmds_segment* segment = check_create_sized(name, 2 << 20);
  shmds_queue* queue = NULL;
  pthread_t thread;
  OK(shmds_queue_create(segment, "queue", 8, 0, 100000, &queue));
  CHECK(pthread_create(&thread, NULL, foresee_in_vain, queue) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  OK(shmds_segment_close(segment));
  OK(shmds_unlink(name));
}

/* Slots of a queue that can be reserved by attachments that hold as many as they may. */
static int reserve_all(const char* name, const char* queue_name) {
  shmds_segment* segments[3];
  int count = 0;
  size_t i;
  for (i = 0; i < LENGTH(segments); i++) {
    shmds_queue* queue = NULL;
    shmds_queue_slot slot;
    OK(shmds_segment_open(name, NULL, &segments[i]));
    OK(shmds_queue_open(segments[i], queue_name, sizeof(uint64_t), 0, 0, &queue));
    while (shmds_queue_reserve(queue, &slot) == SHMDS_OK) {
      count++;
    }
  }
  for (i = 0; i < LENGTH(segments); i++) {
    OK(shmds_segment_close(segments[i]));
  }
  return count;
}

/* A child that used a large queue dies in the first operation in line on a small one, for which its
 * thread has the same place. The word foreseen for the one names a slot that the other has not. */
static void what_was_foreseen_of_one_queue_is_not_said_of_another(void) {
  const char* name = check_name("places");
  shmds_segment* segment = check_create_sized(name, 1 << 16);
  shmds_queue* queues[SHMDS_QUEUE_PLACES + 1];
  char queue_name[16];
  uint64_t value = 0;
  int all = 0;
  pid_t child;
  size_t i;
  for (i = 0; i < LENGTH(queues); i++) {
    snprintf(queue_name, sizeof queue_name, "queue %zu", i);
    OK(shmds_queue_create(segment, queue_name, sizeof value, 0, i == 0 ? 1000 : 4, &queues[i]));
  }
  /* Each word names the slot with its number as long as the queue is in its first lap. */
  for (i = 0; i < SHMDS_VIEW_OF(shmds_queue_view, queues[SHMDS_QUEUE_PLACES])->parts.slot_count;
       i++) {
    CHECK(put(queues[0], value, 1) == SHMDS_OK && get(queues[0], &value, 1) == SHMDS_OK);
  }
  all = reserve_all(name, queue_name);
  CHECK(all > 4);
  child = fork();
  if (child == 0) {
    shmds_queue* small = queues[SHMDS_QUEUE_PLACES];
    void* unreadable = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    OK(put(queues[0], value, 0));
    for (i = 0; shmds_queue_thread_memory.others % 32 != 0; i++) {
      OK(i % 2 == 0 ? put(queues[1], value, 0) : get(queues[1], &value, 0));
    }
    OK(put(small, value, 0));
    CHECK(shmds_queue_thread_memory.often.pass.key == shmds_queue_key_inline(small));
    (void)!shmds_queue_enqueue_inline(small, unreadable, sizeof value);
    _exit(check_failures == 0 ? 0 : 1);
  }
  CHECK(end_signal(child) == SIGSEGV);
  CHECK(reserve_all(name, queue_name) == all);
  OK(shmds_segment_close(segment));
}

/* What several threads do at once, each for a short life. */
typedef struct {
  shmds_queue* queues[10];
  uint64_t sum;
} churn;

static void* a_short_life(void* argument) {
  churn* shared = (churn*)argument;
  uint64_t value = 0, round, sum = 0;
  for (round = 0; round < 40; round++) {
    shmds_queue* queue = shared->queues[round % LENGTH(shared->queues)];
    const uint64_t mine = round + 1;
    CHECK(put(queue, mine, (unsigned)(round / 7)) == SHMDS_OK);
    CHECK(get(queue, &value, (unsigned)(round / 5)) == SHMDS_OK);
    sum += mine - value;
  }
  __atomic_fetch_add(&shared->sum, sum, __ATOMIC_SEQ_CST);
  return NULL;
}

/* More queues than a thread remembers lanes of, and more threads than there are lanes, by far. */
static void threads_that_come_and_go_use_each_others_lanes(void) {
  shmds_segment* segment = check_create_sized(check_name("churn"), 1 << 16);
  churn shared;
  pthread_t threads[40];
  size_t i, round;
  shared.sum = 0;
  for (i = 0; i < LENGTH(shared.queues); i++) {
    char name[16];
    snprintf(name, sizeof name, "queue %zu", i);
    OK(shmds_queue_create(segment, name, sizeof(uint64_t), 0, 64, &shared.queues[i]));
  }
  for (round = 0; round < 25; round++) {
    for (i = 0; i < LENGTH(threads); i++) {
      CHECK(pthread_create(&threads[i], NULL, a_short_life, &shared) == 0);
    }
    /* This thread's lanes stay its own whoever ends meanwhile. */
    a_short_life(&shared);
    for (i = 0; i < LENGTH(threads); i++) {
      CHECK(pthread_join(threads[i], NULL) == 0);
    }
  }
  /* Whatever went in came out, so the differences make up for each other. */
  CHECK(shared.sum == 0);
  for (i = 0; i < LENGTH(shared.queues); i++) {
    shmds_queue_stats stats;
    memset(&stats, 0, sizeof stats);
    stats.struct_size = sizeof stats;
    OK(shmds_queue_get_stats(shared.queues[i], &stats));
    CHECK(stats.enqueued == stats.dequeued && stats.lanes_in_use <= 33);
  }
  OK(shmds_segment_close(segment));
}

static pthread_key_t late_key;

/* Runs when the thread ends, with the library's own memory of the thread gone or about to go. */
static void use_the_queue_late(void* queue) {
  uint64_t value = 0, round;
  for (round = 0; round < 100; round++) {
    CHECK(put((shmds_queue*)queue, 5, (unsigned)round) == SHMDS_OK);
    CHECK(get((shmds_queue*)queue, &value, (unsigned)round) == SHMDS_OK);
  }
}

static void* end_late(void* queue) {
  uint64_t value = 0;
  CHECK(put((shmds_queue*)queue, 5, 0) == SHMDS_OK);
  CHECK(get((shmds_queue*)queue, &value, 0) == SHMDS_OK);
  CHECK(pthread_setspecific(late_key, queue) == 0);
  return NULL;
}

static void use_by_threads_that_end(shmds_queue* queue) {
  pthread_t threads[8];
  size_t i, round;
  for (round = 0; round < 50; round++) {
    for (i = 0; i < LENGTH(threads); i++) {
      CHECK(pthread_create(&threads[i], NULL, end_late, queue) == 0);
    }
    for (i = 0; i < LENGTH(threads); i++) {
      CHECK(pthread_join(threads[i], NULL) == 0);
    }
  }
  CHECK(shmds_queue_size(queue) == 0);
}

static void a_thread_that_ends_may_still_use_a_queue(void) {
  shmds_segment* segment = check_create_sized(check_name("late"), 4096);
  shmds_queue* queue = NULL;
  OK(shmds_queue_create(segment, "queue", sizeof(uint64_t), 0, 64, &queue));
  CHECK(pthread_key_create(&late_key, use_the_queue_late) == 0);
  use_by_threads_that_end(queue);
  /* And where there is no key left under which anything could be remembered. */
  SHMDS_VIEW_OF(shmds_queue_view, queue)->key = UINT64_MAX;
  use_by_threads_that_end(queue);
  OK(shmds_segment_close(segment));
}

static void null_is_refused_in_line_too(void) {
  shmds_segment* segment = check_create_sized(check_name("null"), 4096);
  shmds_queue* queue = NULL;
  uint64_t value = 0;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 4, &queue));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_enqueue_inline(NULL, &value, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "queue", shmds_queue_dequeue_inline(NULL, &value, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_queue_enqueue_inline(queue, NULL, sizeof value));
  FAILS(SHMDS_E_ARGUMENT, "element", shmds_queue_dequeue_inline(queue, NULL, sizeof value));
  OK(shmds_segment_close(segment));
}

/* Not what a program should do, but what it gets is a status, by call and in line. */
static void a_queue_of_a_closed_segment_refuses(void) {
  const char* name = check_name("closed");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_queue *queue = NULL, *again = NULL;
  shmds_spsc_queue* single = NULL;
  shmds_queue_slot reserved, slot;
  shmds_queue_stats stats;
  uint64_t value = 7;
  size_t count = 0;
  const void* front = NULL;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 4, &queue));
  OK(shmds_spsc_queue_create(segment, "single", sizeof value, 0, 4, &single));
  OK(shmds_queue_enqueue_inline(queue, &value, sizeof value));
  OK(shmds_spsc_queue_push_inline(single, &value, sizeof value));
  OK(shmds_queue_reserve(queue, &reserved));
  OK(shmds_segment_close(segment));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_enqueue_inline(queue, &value, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_dequeue_inline(queue, &value, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_enqueue(queue, &value));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_dequeue(queue, &value));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_enqueue_bulk(queue, &value, 1, &count));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_dequeue_bulk(queue, &value, 1, &count));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_enqueue_wait(queue, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_dequeue_wait(queue, &value, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_take(queue, &slot));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_reserve(queue, &slot));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_publish(queue, &reserved));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_abandon(queue, &reserved));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_done(queue, &reserved));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_wake(queue));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_get_stats(queue, &stats));
  CHECK(shmds_queue_size(queue) == 0 && shmds_queue_empty(queue) && !shmds_queue_full(queue));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_push_inline(single, &value, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_pop_inline(single, &value, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_push_bulk(single, &value, 1, &count));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_pop_wait(single, &value, 1000));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_front_inline(single, &front, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_spsc_queue_wake(single));
  CHECK(shmds_spsc_queue_size(single) == 0 && shmds_spsc_queue_empty(single));
  shmds_spsc_queue_leave(single);
  CHECK(value == 7);
  /* Attached again, what was there still is, and only the new handles work. */
  OK(shmds_segment_open(name, NULL, &segment));
  OK(shmds_queue_open(segment, "queue", sizeof value, 0, 0, &again));
  OK(shmds_queue_dequeue_inline(again, &value, sizeof value));
  FAILS(SHMDS_E_STATE, "closed", shmds_queue_enqueue_inline(queue, &value, sizeof value));
  CHECK(shmds_queue_size(again) == 0);
  OK(shmds_segment_close(segment));
}

/* Whatever the key says of the queue: the number of its slots; that there are too many to say; or
 * that nothing may be remembered, since no key is left. */
static void a_queue_works_under_any_key(void) {
  shmds_segment* segment = check_create_sized(check_name("keys"), 1 << 16);
  size_t kind;
  for (kind = 0; kind < 3; kind++) {
    shmds_queue* queue = NULL;
    shmds_queue_view* view = NULL;
    shmds_queue_pass pass;
    uint64_t slots = 0;
    uint64_t value = 0;
    uint64_t i;
    char name[8];
    snprintf(name, sizeof name, "%zu", kind);
    OK(shmds_queue_create(segment, name, sizeof value, 0, 5, &queue));
    view = SHMDS_VIEW_OF(shmds_queue_view, queue);
    slots = shmds_queue_slots_by_key_inline(view->key);
    CHECK(slots == view->parts.slot_count && slots > 5);
    view->key = kind == 0 ? view->key : kind == 1 ? view->key - slots : UINT64_MAX;
    CHECK(shmds_queue_own_lane(queue, &pass) == (kind != 2));
    for (i = 0; i < 500; i++) {
      CHECK(shmds_queue_enqueue_inline(queue, &i, sizeof i) == SHMDS_OK);
      CHECK(shmds_queue_dequeue_inline(queue, &value, sizeof value) == SHMDS_OK && value == i);
    }
    CHECK(shmds_queue_dequeue_inline(queue, &value, sizeof value) == SHMDS_EMPTY);
    for (i = 0; i < 5; i++) {
      CHECK(shmds_queue_enqueue_inline(queue, &i, sizeof i) == SHMDS_OK);
    }
    CHECK(shmds_queue_enqueue_inline(queue, &i, sizeof i) == SHMDS_FULL);
  }
  OK(shmds_segment_close(segment));
}

/* The code in line finds small elements right behind the ends of the queue, and large ones wherever
 * their alignment puts them. Some in line and some by call, so that both have to find the same
 * slots; and several of each in a row, so that it is foreseen. */
static void elements_of_any_alignment_are_found(void) {
  static unsigned char in[4096], out[4096], expected[4096];
  shmds_segment_options options = check_options(1 << 23);
  shmds_segment* segment = NULL;
  size_t align;
  /* Few enough for a thread to have a lane of its own, with the largest elements too. */
  options.max_attachments = 16;
  segment = check_create(check_name("aligned"), &options);
  for (align = 1; align <= sizeof in; align *= 2) {
    shmds_queue* queue = NULL;
    const shmds_queue_view* view = NULL;
    unsigned foreseen[2] = {0, 0};
    char name[8];
    int turn;
    snprintf(name, sizeof name, "%zu", align);
    OK(shmds_queue_create(segment, name, align, align, 16, &queue));
    view = SHMDS_VIEW_OF(const shmds_queue_view, queue);
    CHECK((view->parts.slots == SHMDS_VIEW_OF(uint8_t, view->parts.ends + 1)) == (align <= 256));
    for (turn = 0; turn < 500; turn++) {
      memset(in, turn, align);
      if (turn / 5 % 2 == 0) {
        OK(shmds_queue_enqueue(queue, in));
      } else if (shmds_queue_try_enqueue_inline(queue, in, align)) {
        foreseen[0]++;
      } else {
        OK(shmds_queue_enqueue_otherwise(queue, in, align));
      }
      if (turn < 3) {
        continue;
      }
      memset(out, turn, align);
      memset(expected, turn - 3, align);
      if (turn / 7 % 2 == 0) {
        OK(shmds_queue_dequeue(queue, out));
      } else if (shmds_queue_try_dequeue_inline(queue, out, align)) {
        foreseen[1]++;
      } else {
        OK(shmds_queue_dequeue_otherwise(queue, out, align));
      }
      CHECK(memcmp(out, expected, align) == 0);
    }
    CHECK(foreseen[0] > 50 && foreseen[1] > 50);
  }
  OK(shmds_segment_close(segment));
}

/* Elements of every kind of size are copied whole, also those that are copied word by word: so
 * often that the thread knows the queue, and does without the library. Some by call, so that both
 * ways have to find the same slots. */
#define COPIES(bytes)                                                             \
  do {                                                                            \
    struct {                                                                      \
      unsigned char bytes_[bytes];                                                \
    } in, out;                                                                    \
    size_t at_;                                                                   \
    size_t turn_;                                                                 \
    OK(shmds_queue_create(segment, #bytes, sizeof in, 0, 3, &queue));             \
    for (turn_ = 0; turn_ < 200; turn_++) {                                       \
      for (at_ = 0; at_ < sizeof in; at_++) {                                     \
        in.bytes_[at_] = (unsigned char)(at_ * 7 + turn_);                        \
      }                                                                           \
      memset(&out, 0, sizeof out);                                                \
      OK(turn_ / 5 % 2 == 0 ? shmds_queue_enqueue_inline(queue, &in, sizeof in)   \
                            : shmds_queue_enqueue(queue, &in));                   \
      OK(turn_ / 7 % 2 == 0 ? shmds_queue_dequeue_inline(queue, &out, sizeof out) \
                            : shmds_queue_dequeue(queue, &out));                  \
      CHECK(memcmp(&in, &out, sizeof in) == 0);                                   \
    }                                                                             \
  } while (0)

static void elements_of_any_size_are_copied_whole(void) {
  shmds_segment* segment = check_create_sized(check_name("sizes"), 1 << 16);
  shmds_queue* queue = NULL;
  COPIES(1);
  COPIES(3);
  COPIES(8);
  COPIES(12);
  COPIES(16);
  COPIES(24);
  COPIES(32);
  COPIES(40);
  COPIES(48);
  COPIES(56);
  COPIES(64);
  COPIES(72);
  COPIES(1000);
  OK(shmds_segment_close(segment));
}

static void the_spsc_queue_agrees_both_ways(void) {
  const char* name = check_name("spsc");
  static const size_t capacities[] = {1, 2, 3, 7, 64, 1000};
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    shmds_segment* segment = check_create_sized(name, 16384);
    shmds_spsc_queue* queue = NULL;
    uint64_t next_in = 0, next_out = 0, value = 0;
    int lap;
    OK(shmds_spsc_queue_create(segment, "queue", sizeof value, 0, capacities[c], &queue));
    for (lap = 0; lap < 50; lap++) {
      size_t i;
      for (i = 0; i < capacities[c]; i++, next_in++) {
        CHECK(((size_t)lap + i) % 3 == 0
                  ? shmds_spsc_queue_push(queue, &next_in) == SHMDS_OK
                  : shmds_spsc_queue_push_inline(queue, &next_in, sizeof next_in) == SHMDS_OK);
      }
      CHECK(shmds_spsc_queue_push_inline(queue, &value, sizeof value) == SHMDS_FULL);
      CHECK(shmds_spsc_queue_push(queue, &value) == SHMDS_FULL);
      for (i = 0; i < capacities[c]; i++, next_out++) {
        CHECK(((size_t)lap + i) % 2 == 0
                  ? shmds_spsc_queue_pop(queue, &value) == SHMDS_OK
                  : shmds_spsc_queue_pop_inline(queue, &value, sizeof value) == SHMDS_OK);
        CHECK(value == next_out);
      }
      CHECK(shmds_spsc_queue_pop_inline(queue, &value, sizeof value) == SHMDS_EMPTY);
      CHECK(shmds_spsc_queue_pop(queue, &value) == SHMDS_EMPTY);
    }
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

static void an_spsc_queue_between_processes_keeps_the_order(void) {
  const uint64_t count = 200000;
  shmds_segment* segment = check_create_sized(check_name("stream"), 4096);
  shmds_spsc_queue* queue = NULL;
  uint64_t i, value = 0;
  pid_t child;
  OK(shmds_spsc_queue_create(segment, "queue", sizeof value, 0, 100, &queue));
  child = fork();
  if (child == 0) {
    for (i = 0; i < count; i++) {
      const shmds_status status = i % 5 == 0
                                      ? shmds_spsc_queue_push_wait(queue, &i, SHMDS_WAIT_FOREVER)
                                      : shmds_spsc_queue_push_inline(queue, &i, sizeof i);
      if (status == SHMDS_FULL) {
        i--;
      } else if (status != SHMDS_OK) {
        _exit(1);
      }
    }
    _exit(0);
  }
  for (i = 0; i < count; i++) {
    CHECK(shmds_spsc_queue_pop_wait(queue, &value, SHMDS_WAIT_FOREVER) == SHMDS_OK);
    CHECK(value == i);
    if (i % 3 == 0 && i + 1 < count) {
      while (shmds_spsc_queue_pop_inline(queue, &value, sizeof value) != SHMDS_OK) {
      }
      CHECK(value == ++i);
    }
  }
  CHECK(check_exit_code(child) == 0);
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(both_ways_agree_on_order_full_and_empty);
  RUN(processes_that_mix_them_pass_every_element_once);
  RUN(what_was_foreseen_is_not_taken_for_true);
  RUN(there_is_no_foresight_where_others_operate);
  RUN(what_was_foreseen_in_vain_is_not_tried_again);
  RUN(a_word_that_was_foreseen_in_vain_is_not_exchanged_elsewhere);
  RUN(what_was_foreseen_of_one_queue_is_not_said_of_another);
  RUN(threads_that_come_and_go_use_each_others_lanes);
  RUN(a_thread_that_ends_may_still_use_a_queue);
  RUN(null_is_refused_in_line_too);
  RUN(a_queue_of_a_closed_segment_refuses);
  RUN(a_queue_works_under_any_key);
  RUN(elements_of_any_alignment_are_found);
  RUN(elements_of_any_size_are_copied_whole);
  RUN(the_spsc_queue_agrees_both_ways);
  RUN(an_spsc_queue_between_processes_keeps_the_order);
  return check_result("inline");
}
