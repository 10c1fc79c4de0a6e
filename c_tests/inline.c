/* The inline hot paths and the library's own, mixed on the same queues. */
#include "check.h"

#include <shmds_inline.h>
#include <sys/wait.h>

static int exit_code(pid_t child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
    return -1;
  }
  return WEXITSTATUS(status);
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
  for (c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
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
    CHECK(exit_code(workers[w]) == 0);
  }
  OK(shmds_atomic_load(sum, &total));
  CHECK(total == WORKERS * (each * (each + 1) / 2));
  CHECK(shmds_queue_size(queue) == 0);
  OK(shmds_segment_close(segment));
}

static void an_inline_operation_wakes_who_sleeps(void) {
  shmds_segment* segment = check_create_sized(check_name("wake"), 4096);
  shmds_queue *ping = NULL, *pong = NULL;
  const uint64_t limit = UINT64_C(10000000000);
  uint64_t round = 0, value = 0;
  pid_t child;
  OK(shmds_queue_create(segment, "ping", sizeof value, 0, 1, &ping));
  OK(shmds_queue_create(segment, "pong", sizeof value, 0, 1, &pong));
  child = fork();
  if (child == 0) {
    for (round = 0; round < 2000; round++) {
      if (shmds_queue_dequeue_wait(ping, &value, limit) != SHMDS_OK || value != round ||
          shmds_queue_enqueue_inline(pong, &value, sizeof value) != SHMDS_OK) {
        _exit(1);
      }
    }
    _exit(0);
  }
  for (round = 0; round < 2000; round++) {
    CHECK(shmds_queue_enqueue_inline(ping, &round, sizeof round) == SHMDS_OK);
    CHECK(shmds_queue_dequeue_wait(pong, &value, limit) == SHMDS_OK && value == round);
  }
  CHECK(exit_code(child) == 0);
  OK(shmds_segment_close(segment));
}

static void the_spsc_queue_agrees_both_ways(void) {
  const char* name = check_name("spsc");
  static const size_t capacities[] = {1, 2, 3, 7, 64, 1000};
  size_t c;
  for (c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
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
  CHECK(exit_code(child) == 0);
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(both_ways_agree_on_order_full_and_empty);
  RUN(processes_that_mix_them_pass_every_element_once);
  RUN(an_inline_operation_wakes_who_sleeps);
  RUN(the_spsc_queue_agrees_both_ways);
  RUN(an_spsc_queue_between_processes_keeps_the_order);
  return check_result("inline");
}
