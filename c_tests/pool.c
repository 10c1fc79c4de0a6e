/* Object pools, through the library and in line. */
#include "check.h"

#include <sys/wait.h>

#include "shmds_inline.h"

static int untouched;
#define UNTOUCHED ((shmds_object_pool*)&untouched)

typedef shmds_status (*obtain)(shmds_segment*, const char*, size_t, size_t, size_t,
                               shmds_object_pool**);

static const obtain all_obtain[] = {shmds_object_pool_create, shmds_object_pool_open,
                                    shmds_object_pool_open_or_create};
static const obtain both_create[] = {shmds_object_pool_create, shmds_object_pool_open_or_create};

#define REFUSES(expected, mentioned, call, segment, name, elem_size, elem_align, capacity) \
  do {                                                                                     \
    shmds_object_pool* out_ = UNTOUCHED;                                                   \
    FAILS(expected, mentioned,                                                             \
          (call)((segment), (name), (elem_size), (elem_align), (capacity), &out_));        \
    CHECK(out_ == UNTOUCHED);                                                              \
  } while (0)

static shmds_object_pool* pool_of(shmds_segment* segment, size_t elem_size, size_t capacity) {
  shmds_object_pool* pool = NULL;
  if (!OK(shmds_object_pool_create(segment, "pool", elem_size, 0, capacity, &pool))) {
    exit(1);
  }
  return pool;
}

static uint32_t acquired(shmds_object_pool* pool) {
  uint32_t handle = SHMDS_INVALID_HANDLE;
  OK(shmds_object_pool_acquire(pool, &handle));
  return handle;
}

static void objects_are_acquired_once_and_keep_their_bytes(void) {
  const char* name = check_name("objects");
  shmds_segment* segment = check_create_sized(name, 100000);
  shmds_segment* other = NULL;
  shmds_object_pool *pool = pool_of(segment, 24, 7), *theirs = NULL, *same = NULL;
  uint32_t handle = 77, seen = 0;
  unsigned i;
  CHECK(shmds_object_pool_capacity(pool) == 7 && shmds_object_pool_elem_size(pool) == 24);
  CHECK(strcmp(shmds_object_pool_name(pool), "pool") == 0);
  CHECK((uintptr_t)shmds_object_pool_objects(pool) % 64 == 0);
  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_object_pool_open(other, "pool", 24, 8, 0, &theirs));
  OK(shmds_object_pool_open_or_create(other, "pool", 24, 8, 7, &same));
  CHECK(same == theirs && same != pool);
  CHECK(shmds_object_pool_empty(theirs) && !shmds_object_pool_full(pool));
  for (i = 0; i < 7; i++) {
    handle = acquired(i % 2 != 0 ? pool : theirs);
    CHECK(handle < 7 && (seen >> handle & 1) == 0);
    seen |= 1U << handle;
    CHECK(shmds_object_pool_object(pool, handle) ==
          (char*)shmds_object_pool_objects(pool) + 24 * handle);
    CHECK(*(char*)shmds_object_pool_object(pool, handle) == 0);
    memset(shmds_object_pool_object(pool, handle), (int)handle + 1, 24);
    CHECK(shmds_object_pool_num_allocated(theirs) == i + 1);
  }
  CHECK(shmds_object_pool_full(theirs) && !shmds_object_pool_empty(pool));
  handle = 77;
  CHECK(shmds_object_pool_acquire(pool, &handle) == SHMDS_EXHAUSTED && handle == 77);
  for (i = 0; i < 7; i++) {
    const char* bytes = (const char*)shmds_object_pool_object(theirs, i);
    CHECK(bytes[0] == (char)(i + 1) && bytes[23] == (char)(i + 1));
    OK(shmds_object_pool_release(i % 2 != 0 ? pool : theirs, i));
  }
  CHECK(shmds_object_pool_empty(pool) && shmds_object_pool_refused(pool) == 0);
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void the_last_released_comes_first_in_line_and_by_call(void) {
  shmds_segment* segment = check_create_sized(check_name("order"), 100000);
  shmds_object_pool* pool = pool_of(segment, 8, 50);
  uint32_t handles[30], handle = 0;
  unsigned i, round;
  for (round = 0; round < 16; round++) {
    /* Each step in line or by a call, in all mixtures. */
    for (i = 0; i < 30; i++) {
      OK((i + round) % 3 != 0 ? shmds_object_pool_acquire_inline(pool, &handles[i])
                              : shmds_object_pool_acquire(pool, &handles[i]));
    }
    for (i = 0; i < 30; i++) {
      OK((i + round) % 2 != 0 ? shmds_object_pool_release_inline(pool, handles[i])
                              : shmds_object_pool_release(pool, handles[i]));
    }
    for (i = 30; i-- > 0;) {
      OK((i + round) % 5 != 0 ? shmds_object_pool_acquire_inline(pool, &handle)
                              : shmds_object_pool_acquire(pool, &handle));
      CHECK(handle == handles[i]);
    }
    for (i = 0; i < 30; i++) {
      OK(shmds_object_pool_release_inline(pool, handles[(i * 7 + round) % 30]));
    }
    CHECK(shmds_object_pool_empty(pool));
  }
  CHECK(shmds_object_pool_refused(pool) == 0);
  OK(shmds_segment_close(segment));
}

static void a_double_release_is_refused_and_counted(void) {
  shmds_segment* segment = check_create_sized(check_name("double"), 100000);
  shmds_object_pool* pool = pool_of(segment, 8, 3);
  const uint32_t handle = acquired(pool);
  OK(shmds_object_pool_release(pool, handle));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release(pool, handle));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release_inline(pool, handle));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release(pool, (handle + 1) % 3));
  CHECK(shmds_object_pool_refused(pool) == 3);
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release(pool, 3));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release_inline(pool, 3));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release(pool, SHMDS_INVALID_HANDLE));
  CHECK(shmds_object_pool_refused(pool) == 3 && shmds_object_pool_empty(pool));
  OK(shmds_segment_close(segment));
}

static void a_stale_token_is_refused_and_changes_nothing(void) {
  shmds_segment* segment = check_create_sized(check_name("token"), 100000);
  shmds_object_pool* pool = pool_of(segment, 8, 1);
  shmds_object_token first, second;
  OK(shmds_object_pool_acquire_token(pool, &first));
  CHECK(first.index == 0 && shmds_object_pool_is_current(pool, first));
  OK(shmds_object_pool_release_token(pool, first));
  CHECK(!shmds_object_pool_is_current(pool, first));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release_token(pool, first));
  OK(shmds_object_pool_acquire_token(pool, &second));
  CHECK(second.index == 0 && second.generation != first.generation);
  FAILS(SHMDS_E_STATE, "stale", shmds_object_pool_release_token(pool, first));
  CHECK(shmds_object_pool_is_current(pool, second) && shmds_object_pool_full(pool));
  CHECK(shmds_object_pool_refused(pool) == 2);
  CHECK(shmds_object_pool_acquire_token(pool, &first) == SHMDS_EXHAUSTED);
  first.index = 1;
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release_token(pool, first));
  CHECK(!shmds_object_pool_is_current(pool, first));
  OK(shmds_object_pool_release_token(pool, second));
  OK(shmds_segment_close(segment));
}

static void batches_give_what_there_is_and_pass_over_what_is_not(void) {
  shmds_segment* segment = check_create_sized(check_name("batch"), 100000);
  shmds_object_pool* pool = pool_of(segment, 8, 10);
  uint32_t handles[20] = {0}, some[5];
  size_t count = 99, i;
  OK(shmds_object_pool_acquire_batch(pool, NULL, 0, &count));
  CHECK(count == 0);
  OK(shmds_object_pool_acquire_batch(pool, handles, 4, &count));
  CHECK(count == 4 && shmds_object_pool_num_allocated(pool) == 4);
  OK(shmds_object_pool_acquire_batch(pool, handles + 4, 16, &count));
  CHECK(count == 6 && shmds_object_pool_full(pool));
  count = 99;
  CHECK(shmds_object_pool_acquire_batch(pool, handles + 10, 1, &count) == SHMDS_EXHAUSTED);
  CHECK(count == 99);
  some[0] = handles[0];
  some[1] = SHMDS_INVALID_HANDLE;
  some[2] = handles[0];
  some[3] = 10;
  some[4] = handles[1];
  OK(shmds_object_pool_release_batch(pool, some, 5, &count));
  CHECK(count == 2 && shmds_object_pool_refused(pool) == 1);
  OK(shmds_object_pool_release_batch(pool, handles + 2, 8, NULL));
  OK(shmds_object_pool_release_batch(pool, NULL, 0, &count));
  CHECK(count == 0 && shmds_object_pool_empty(pool));
  for (i = 0; i < 20; i++) {
    OK(shmds_object_pool_acquire_batch(pool, handles, 10, &count));
    CHECK(count == 10);
    OK(shmds_object_pool_release_batch(pool, handles, 10, &count));
    CHECK(count == 10);
  }
  FAILS(SHMDS_E_ARGUMENT, "handles", shmds_object_pool_acquire_batch(pool, NULL, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "acquired", shmds_object_pool_acquire_batch(pool, handles, 1, NULL));
  FAILS(SHMDS_E_ARGUMENT, "handles", shmds_object_pool_release_batch(pool, NULL, 1, &count));
  CHECK(shmds_object_pool_empty(pool));
  OK(shmds_segment_close(segment));
}

/* Acquires an object in a child, which then ends: of itself, or killed. */
static uint32_t left_behind(shmds_object_pool* pool, int disowned) {
  uint32_t* shared =
      (uint32_t*)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  uint32_t handle;
  int status = 0;
  const pid_t child = fork();
  if (child == 0) {
    *shared = acquired(pool);
    if (disowned) {
      OK(shmds_object_pool_disown(pool, *shared));
    }
    _exit(check_failures != 0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  handle = *shared;
  munmap(shared, 4096);
  return handle;
}

static void objects_of_the_dead_are_adopted_or_reclaimed(void) {
  shmds_segment* segment = check_create_sized(check_name("dead"), 100000);
  shmds_segment* other = NULL;
  shmds_object_pool *pool = pool_of(segment, 8, 10), *theirs = NULL;
  const uint32_t mine = acquired(pool);
  const uint32_t first = left_behind(pool, 0), second = left_behind(pool, 0);
  const uint32_t third = left_behind(pool, 1);
  size_t count = 99;
  CHECK(shmds_object_pool_num_allocated(pool) == 4);
  CHECK(shmds_object_pool_owner_alive(pool, mine));
  CHECK(!shmds_object_pool_owner_alive(pool, first));
  CHECK(!shmds_object_pool_owner_alive(pool, third));
  OK(shmds_object_pool_adopt(pool, first));
  CHECK(shmds_object_pool_owner_alive(pool, first));
  OK(shmds_object_pool_adopt(pool, mine));
  OK(shmds_segment_open(check_names[check_name_count - 1], NULL, &other));
  OK(shmds_object_pool_open(other, "pool", 8, 0, 0, &theirs));
  FAILS(SHMDS_E_BUSY, "pool", shmds_object_pool_adopt(theirs, mine));
  FAILS(SHMDS_E_BUSY, "pool", shmds_object_pool_disown(theirs, mine));
  OK(shmds_object_pool_reclaim(theirs, &count));
  CHECK(count == 1 && shmds_object_pool_num_allocated(pool) == 3);
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_adopt(pool, second));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_disown(pool, second));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_adopt(pool, 10));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_disown(pool, 10));
  CHECK(!shmds_object_pool_owner_alive(pool, second) && !shmds_object_pool_owner_alive(pool, 10));
  OK(shmds_object_pool_adopt(theirs, third));
  FAILS(SHMDS_E_BUSY, "pool", shmds_object_pool_adopt(pool, third));
  OK(shmds_object_pool_disown(theirs, third));
  OK(shmds_object_pool_adopt(pool, third));
  OK(shmds_object_pool_reclaim(pool, NULL));
  CHECK(shmds_object_pool_num_allocated(pool) == 3);
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void a_forked_child_owns_what_it_acquires_and_nothing_else(void) {
  shmds_segment* segment = check_create_sized(check_name("fork"), 100000);
  shmds_object_pool* pool = pool_of(segment, 8, 10);
  uint32_t handle = 0, mine = 0;
  int status = 0;
  pid_t child;
  OK(shmds_object_pool_acquire_inline(pool, &mine));
  OK(shmds_object_pool_acquire_inline(pool, &handle));
  OK(shmds_object_pool_release_inline(pool, handle));
  child = fork();
  if (child == 0) {
    uint32_t theirs = 0;
    CHECK(shmds_object_pool_disown(pool, mine) == SHMDS_E_BUSY);
    OK(shmds_object_pool_acquire_inline(pool, &theirs));
    OK(shmds_object_pool_acquire_inline(pool, &theirs));
    CHECK(shmds_object_pool_owner_alive(pool, theirs));
    OK(shmds_object_pool_release_inline(pool, theirs));
    _exit(check_failures != 0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(shmds_object_pool_num_allocated(pool) == 2);
  CHECK(shmds_object_pool_owner_alive(pool, mine));
  OK(shmds_object_pool_reclaim(pool, NULL));
  CHECK(shmds_object_pool_num_allocated(pool) == 1);
  OK(shmds_object_pool_release_inline(pool, mine));
  OK(shmds_segment_close(segment));
}

static void bad_parameters_are_refused(void) {
  const char* name = check_name("bad");
  shmds_segment* segment = check_create_sized(name, 1000);
  shmds_object_pool* pool;
  size_t i;
  for (i = 0; i < LENGTH(both_create); i++) {
    REFUSES(SHMDS_E_CAPACITY, "p", both_create[i], segment, "p", 8, 0, 0);
    REFUSES(SHMDS_E_CAPACITY, "p", both_create[i], segment, "p", 1, 0, (size_t)UINT32_MAX);
    REFUSES(SHMDS_E_SEGMENT_FULL, "p", both_create[i], segment, "p", 8, 0, 126);
    REFUSES(SHMDS_E_SEGMENT_FULL, "p", both_create[i], segment, "p", 8, 0, UINT32_MAX - 1);
  }
  for (i = 0; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_ELEMENT_SIZE, "p", all_obtain[i], segment, "p", 0, 0, 1);
    REFUSES(SHMDS_E_ALIGNMENT, "p", all_obtain[i], segment, "p", 12, 3, 1);
    REFUSES(SHMDS_E_ALIGNMENT, "p", all_obtain[i], segment, "p", 12, 8, 1);
    REFUSES(SHMDS_E_ALIGNMENT, "p", all_obtain[i], segment, "p", 8192, 8192, 1);
    REFUSES(SHMDS_E_OVERFLOW, "p", all_obtain[i], segment, "p", SIZE_MAX, 0, 2);
    REFUSES(SHMDS_E_NAME_EMPTY, NULL, all_obtain[i], segment, "", 8, 0, 1);
    REFUSES(SHMDS_E_ARGUMENT, "segment", all_obtain[i], NULL, "p", 8, 0, 1);
    REFUSES(SHMDS_E_ARGUMENT, "name", all_obtain[i], segment, NULL, 8, 0, 1);
    FAILS(SHMDS_E_ARGUMENT, "out", (all_obtain[i])(segment, "p", 8, 0, 1, NULL));
  }
  REFUSES(SHMDS_E_NOT_FOUND, "p", shmds_object_pool_open, segment, "p", 8, 0, 0);
  pool = pool_of(segment, 8, 125);
  REFUSES(SHMDS_E_EXISTS, "pool", shmds_object_pool_create, segment, "pool", 8, 0, 125);
  REFUSES(SHMDS_E_MISMATCH, "pool", shmds_object_pool_open, segment, "pool", 8, 0, 124);
  REFUSES(SHMDS_E_MISMATCH, "pool", shmds_object_pool_open, segment, "pool", 16, 0, 0);
  REFUSES(SHMDS_E_ALIGNMENT, "pool", shmds_object_pool_open, segment, "pool", 8, 128, 0);
  {
    shmds_queue* queue = (shmds_queue*)&untouched;
    FAILS(SHMDS_E_KIND, "pool", shmds_queue_open(segment, "pool", 8, 0, 0, &queue));
  }
  CHECK(shmds_object_pool_object(pool, 125) == NULL);
  OK(shmds_segment_close(segment));
}

static void null_is_answered(void) {
  shmds_object_token token = {0, 0};
  shmds_object_pool_pass pass;
  uint32_t handle = 0;
  size_t count = 0;
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_acquire(NULL, &handle));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_acquire_inline(NULL, &handle));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release(NULL, 0));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release_inline(NULL, 0));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_acquire_token(NULL, &token));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release_token(NULL, token));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_acquire_batch(NULL, &handle, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_release_batch(NULL, &handle, 1, &count));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_adopt(NULL, 0));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_disown(NULL, 0));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_reclaim(NULL, &count));
  FAILS(SHMDS_E_ARGUMENT, "pool", shmds_object_pool_mark(NULL, 0));
  CHECK(shmds_object_pool_num_allocated(NULL) == 0 && shmds_object_pool_capacity(NULL) == 0);
  CHECK(shmds_object_pool_empty(NULL) && !shmds_object_pool_full(NULL));
  CHECK(shmds_object_pool_refused(NULL) == 0 && shmds_object_pool_elem_size(NULL) == 0);
  CHECK(shmds_object_pool_object(NULL, 0) == NULL && shmds_object_pool_objects(NULL) == NULL);
  CHECK(shmds_object_pool_name(NULL) == NULL && shmds_object_pool_get_view(NULL) == NULL);
  CHECK(!shmds_object_pool_owner_alive(NULL, 0) && !shmds_object_pool_is_current(NULL, token));
  CHECK(!shmds_object_pool_own_pass(NULL, &pass));
  {
    shmds_segment* segment = check_create_sized(check_name("null"), 1000);
    shmds_object_pool* pool = pool_of(segment, 8, 3);
    FAILS(SHMDS_E_ARGUMENT, "handle", shmds_object_pool_acquire(pool, NULL));
    FAILS(SHMDS_E_ARGUMENT, "handle", shmds_object_pool_acquire_inline(pool, NULL));
    FAILS(SHMDS_E_ARGUMENT, "token", shmds_object_pool_acquire_token(pool, NULL));
    CHECK(!shmds_object_pool_own_pass(pool, NULL) && shmds_object_pool_empty(pool));
    OK(shmds_segment_close(segment));
  }
}

static void a_read_only_pool_can_be_looked_at(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 1000);
  shmds_object_pool *pool = pool_of(segment, 8, 3), *theirs = NULL;
  const uint32_t mine = acquired(pool);
  shmds_segment* reader = check_open_read_only(name);
  shmds_object_token token = {0, 0};
  uint32_t handle = 0;
  size_t count = 0;
  OK(shmds_object_pool_open(reader, "pool", 8, 0, 0, &theirs));
  CHECK(shmds_object_pool_num_allocated(theirs) == 1 &&
        shmds_object_pool_owner_alive(theirs, mine));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_acquire(theirs, &handle));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_acquire_inline(theirs, &handle));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_release(theirs, mine));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_release_inline(theirs, mine));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_release_token(theirs, token));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_release_batch(theirs, &mine, 1, &count));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_adopt(theirs, mine));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_disown(theirs, mine));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_reclaim(theirs, &count));
  FAILS(SHMDS_E_READ_ONLY, "pool", shmds_object_pool_mark(theirs, mine));
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

static void a_pool_of_a_closed_segment_refuses(void) {
  const char* name = check_name("closed");
  shmds_segment* segment = check_create_sized(name, 1000);
  shmds_object_pool* pool = pool_of(segment, 8, 3);
  shmds_object_token token = {0, 0};
  uint32_t handle = 0, mine = 0;
  size_t count = 0;
  OK(shmds_object_pool_acquire_inline(pool, &mine));
  OK(shmds_segment_close(segment));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_acquire(pool, &handle));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_acquire_inline(pool, &handle));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release(pool, mine));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release_inline(pool, mine));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release_token(pool, token));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_release_batch(pool, &mine, 1, &count));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_acquire_batch(pool, &mine, 1, &count));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_adopt(pool, mine));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_disown(pool, mine));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_reclaim(pool, &count));
  FAILS(SHMDS_E_STATE, "pool", shmds_object_pool_mark(pool, mine));
  CHECK(shmds_object_pool_num_allocated(pool) == 0 && shmds_object_pool_empty(pool));
  CHECK(!shmds_object_pool_full(pool) && !shmds_object_pool_owner_alive(pool, mine));
  CHECK(!shmds_object_pool_is_current(pool, token) && shmds_object_pool_refused(pool) == 0);
}

int main(void) {
  RUN(objects_are_acquired_once_and_keep_their_bytes);
  RUN(the_last_released_comes_first_in_line_and_by_call);
  RUN(a_double_release_is_refused_and_counted);
  RUN(a_stale_token_is_refused_and_changes_nothing);
  RUN(batches_give_what_there_is_and_pass_over_what_is_not);
  RUN(objects_of_the_dead_are_adopted_or_reclaimed);
  RUN(a_forked_child_owns_what_it_acquires_and_nothing_else);
  RUN(bad_parameters_are_refused);
  RUN(null_is_answered);
  RUN(a_read_only_pool_can_be_looked_at);
  RUN(a_pool_of_a_closed_segment_refuses);
  return check_result("pool");
}
