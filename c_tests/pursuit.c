/* Who is always right behind others gives them a head start: when, for how long, and whether that
 * is found to have paid. The library's operations stand for those of others, because the code in
 * line does not foresee what they do. */
#include "check.h"

#include <sys/mman.h>

/* What others do while a head start lasts; the first pause of it. */
static void (*others)(void);

static void pass_a_moment(void) {
  void (*come)(void) = others;
  others = NULL;
  if (come) {
    come();
  }
}

#include <shmds/inline_common.h>
#undef SHMDS_PAUSE
#define SHMDS_PAUSE() pass_a_moment()
#include <shmds_inline.h>

enum { CAPACITY = 10000 };

static shmds_queue* queue;
/* How many elements others put in, or take out. */
static size_t many;

static void others_put(void) {
  static const uint64_t elements[CAPACITY] = {0};
  size_t done = 0;
  OK(shmds_queue_enqueue_bulk(queue, elements, many, &done));
  CHECK(done == many);
}

static void others_take(void) {
  static uint64_t elements[CAPACITY];
  size_t done = 0;
  OK(shmds_queue_dequeue_bulk(queue, elements, many, &done));
  CHECK(done == many);
}

static void put_inline(void) {
  const uint64_t value = 0;
  OK(shmds_queue_enqueue_inline(queue, &value, sizeof value));
}

static void take_inline(void) {
  uint64_t value = 0;
  OK(shmds_queue_dequeue_inline(queue, &value, sizeof value));
}

static shmds_pursuit* pursuit_of(int side) {
  return &shmds_queue_memo_inline(queue, &shmds_queue_thread_memory)->pursuit[side];
}

/* A producer right behind another one, or a consumer right behind a producer. */
static void come_right_behind(int side) {
  many = 1;
  others_put();
  if (side == 0) {
    put_inline();
    others_take();
    others_take();
  } else {
    take_inline();
  }
}

/* So many elements in the queue, with others right ahead on both sides. */
static void fill_to(size_t count) {
  many = shmds_queue_size(queue);
  others_take();
  many = count == CAPACITY ? count : count + 1;
  others_put();
  many = count == CAPACITY ? 0 : 1;
  others_take();
}

/* What the pursuit looks like after a head start of a side in which others do something. */
static void check_head_start(int side, void (*meanwhile)(void), size_t count, bool pays) {
  shmds_pursuit* pursuit = pursuit_of(side);
  pursuit->operations = SHMDS_PURSUIT_OPERATIONS;
  pursuit->vain = 0;
  many = count;
  others = meanwhile;
  if (side == 0) {
    put_inline();
  } else {
    take_inline();
  }
  CHECK(!others && pursuit->vain == (pays ? 0 : 1));
  CHECK(pursuit->operations == (pays ? SHMDS_PURSUIT_OPERATIONS : 0));
  others = NULL;
}

static void create(shmds_segment* segment, const char* name, size_t capacity) {
  int i;
  OK(shmds_queue_create(segment, name, sizeof(uint64_t), 0, capacity, &queue));
  /* Until it is the one that the thread uses often. */
  for (i = 0; i < 33; i++) {
    (void)pursuit_of(0);
  }
}

static void operations_right_behind_others_are_counted(void) {
  shmds_segment* segment = check_create_sized(check_name("count"), 1 << 20);
  uint32_t i;
  int side;
  create(segment, "queue", CAPACITY);
  /* Of this thread alone, which foresees it, but for the beginning. */
  for (i = 0; i < 100; i++) {
    put_inline();
    take_inline();
  }
  for (side = 0; side < 2; side++) {
    shmds_pursuit* pursuit = pursuit_of(side);
    CHECK(pursuit->operations < 4);
    for (i = pursuit->operations; i < SHMDS_PURSUIT_OPERATIONS; i++) {
      CHECK(pursuit->operations == i);
      others = others_put; /* That would be seen. */
      come_right_behind(side);
      CHECK(others == others_put);
    }
    others = NULL;
    CHECK(pursuit->operations == SHMDS_PURSUIT_OPERATIONS && pursuit->vain == 0);
    /* In vain: it takes twice as many to the next head start, up to a limit. */
    for (i = 1; i < SHMDS_PURSUIT_DOUBLINGS + 3; i++) {
      const uint32_t vain = i < SHMDS_PURSUIT_DOUBLINGS ? i : SHMDS_PURSUIT_DOUBLINGS;
      uint32_t before = 0;
      come_right_behind(side);
      CHECK(pursuit->operations == 0 && pursuit->vain == vain);
      for (before = 0; before < SHMDS_PURSUIT_OPERATIONS << vain; before++) {
        come_right_behind(side);
        CHECK(pursuit->operations == before + 1);
      }
    }
  }
  OK(shmds_segment_close(segment));
}

static void who_is_refused_is_not_right_behind(void) {
  shmds_segment* segment = check_create_sized(check_name("refused"), 1 << 20);
  uint64_t value = 0;
  uint32_t before = 0;
  int side, i;
  create(segment, "queue", CAPACITY);
  put_inline();
  take_inline();
  for (side = 0; side < 2; side++) {
    for (i = 0; i < 3; i++) {
      fill_to(0);
      before = pursuit_of(side)->operations;
      come_right_behind(side);
      come_right_behind(side);
      CHECK(pursuit_of(side)->operations == before + 2);
      fill_to(side == 0 ? CAPACITY : 0);
      CHECK(side == 0 ? shmds_queue_enqueue_inline(queue, &value, sizeof value) == SHMDS_FULL
                      : shmds_queue_dequeue_inline(queue, &value, sizeof value) == SHMDS_EMPTY);
      CHECK(pursuit_of(side)->operations == 0 && pursuit_of(side)->vain == 0);
    }
  }
  OK(shmds_segment_close(segment));
}

static void a_head_start_pays_if_others_come_further_in_it(void) {
  const size_t enough = SHMDS_HEAD_START_WORDS, few = SHMDS_HEAD_START_WORDS - 1;
  shmds_segment* segment = check_create_sized(check_name("pays"), 1 << 20);
  int round;
  create(segment, "queue", CAPACITY);
  put_inline();
  take_inline();
  for (round = 0; round < 20; round++) {
    /* A consumer behind a producer. */
    fill_to(1);
    check_head_start(1, others_put, enough, true);
    fill_to(1);
    check_head_start(1, others_put, few - 1, false);
    /* A consumer behind another one: what was there before does not count. */
    fill_to(500);
    check_head_start(1, others_take, enough, true);
    fill_to(500);
    check_head_start(1, others_take, few, false);
    fill_to(500);
    check_head_start(1, others_put, 500, false);
    /* A producer behind another one, in a queue with room, */
    fill_to(0);
    check_head_start(0, others_put, enough, true);
    fill_to(0);
    check_head_start(0, others_put, few, false);
    /* and behind a consumer, in one that is full but for a place. */
    fill_to(CAPACITY - 1);
    check_head_start(0, others_take, enough, true);
    fill_to(CAPACITY - 1);
    check_head_start(0, others_take, few - 1, false);
  }
  OK(shmds_segment_close(segment));
}

static void there_is_none_where_others_would_soon_have_to_wait(void) {
  shmds_segment* segment = check_create_sized(check_name("short"), 1 << 20);
  int least, i;
  for (least = 0; least < 2; least++) {
    create(segment, least ? "least" : "short", SHMDS_HEAD_START_LEAST_CAPACITY - 1 + (size_t)least);
    for (i = 0; i < 1000; i++) {
      come_right_behind(1);
    }
    CHECK((pursuit_of(1)->operations != 0 || pursuit_of(1)->vain != 0) == (least == 1));
  }
  OK(shmds_segment_close(segment));
}

/* Of 64 words at the end of a page, with nothing around it. */
static void whatever_a_hint_is_no_words_but_the_queues_are_looked_at(void) {
  const size_t page = 4096, words = 64;
  unsigned char* around = SHMDS_BYTES_OF(
      unsigned char, mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  void* first = around + 2 * page - words * sizeof(uint64_t);
  shmds_queue_parts parts;
  uint64_t lap, index;
  memset(&parts, 0, sizeof parts);
  parts.words = SHMDS_BYTES_OF(uint64_t, first);
  parts.slot_count = words + 1;
  parts.last_index = words - 1;
  parts.unit = 256;
  CHECK(mprotect(around + page, page, PROT_READ | PROT_WRITE) == 0);
  for (lap = UINT64_MAX - 4 * 512 + 1; lap != 4 * 512; lap += 512) {
    for (index = 0; index < 512; index++) {
      /* Empty words of lap 0: the tail can exchange them there. */
      CHECK(shmds_queue_is_far_inline(&parts, 0, lap + index, 32) == (lap == 0));
    }
  }
  CHECK(munmap(around, 3 * page) == 0);
}

int main(void) {
  RUN(operations_right_behind_others_are_counted);
  RUN(who_is_refused_is_not_right_behind);
  RUN(a_head_start_pays_if_others_come_further_in_it);
  RUN(whatever_a_hint_is_no_words_but_the_queues_are_looked_at);
  RUN(there_is_none_where_others_would_soon_have_to_wait);
  return check_result("pursuit");
}
