/* Atomics that are waited for, and values of 16 bytes. */
#include "check.h"

#define MILLISECOND UINT64_C(1000000)

/* Waits in another process until the value is no longer `old`; its exit status is 0 if it did. */
static pid_t start_waiter(const char* name, const void* old, size_t elem_size) {
  const pid_t pid = fork();
  if (pid == 0) {
    shmds_segment* segment = NULL;
    shmds_atomic* atomic = NULL;
    shmds_status status = shmds_segment_open(name, NULL, &segment);
    if (status == SHMDS_OK) {
      status = shmds_atomic_open(segment, "a", elem_size, NULL, &atomic);
    }
    if (status == SHMDS_OK) {
      status = shmds_atomic_wait(atomic, old, SHMDS_WAIT_FOREVER);
    }
    _exit(status == SHMDS_OK ? 0 : 1);
  }
  return pid;
}

static void check_ends_well(pid_t pid) {
  CHECK(check_exit_code(pid) == 0);
}

static void every_width_is_waited_for(void) {
  static const size_t widths[] = {1, 2, 4, 8};
  static const char* const names[] = {"one", "two", "four", "eight"};
  size_t i;
  for (i = 0; i < LENGTH(widths); i++) {
    const char* name = check_name(names[i]);
    shmds_segment* segment = check_create_sized(name, 4096);
    const uint64_t all_ones = UINT64_MAX;
    shmds_atomic* atomic = NULL;
    pid_t waiter;
    OK(shmds_atomic_create(segment, "a", widths[i], &all_ones, &atomic));
    CHECK(shmds_atomic_wait(atomic, &all_ones, 0) == SHMDS_TIMEOUT);
    CHECK(shmds_atomic_wait(atomic, &all_ones, MILLISECOND) == SHMDS_TIMEOUT);
    waiter = start_waiter(name, &all_ones, widths[i]);
    OK(shmds_atomic_fetch_add(atomic, 1, NULL));
    OK(shmds_atomic_notify(atomic));
    check_ends_well(waiter);
    OK(shmds_atomic_wait(atomic, &all_ones, SHMDS_WAIT_FOREVER));
    OK(shmds_segment_close(segment));
  }
}

static void sixteen_bytes_change_at_once(void) {
  const char* name = check_name("sixteen");
  shmds_segment* segment = check_create_sized(name, 4096);
  const uint64_t first[2] = {1, 2};
  const uint64_t second[2] = {3, 4};
  uint64_t found[2] = {77, 77};
  bool exchanged = true;
  shmds_atomic* atomic = NULL;
  shmds_atomic* narrow = NULL;
  pid_t waiter;
  OK(shmds_atomic_create(segment, "a", 16, first, &atomic));
  OK(shmds_atomic_create(segment, "narrow", 8, first, &narrow));
  FAILS(SHMDS_E_ELEMENT_SIZE, "narrow", shmds_atomic_load_wide(narrow, found));
  FAILS(SHMDS_E_ELEMENT_SIZE, "narrow",
        shmds_atomic_compare_exchange_wide(narrow, first, second, found, &exchanged));
  CHECK(found[0] == 77 && found[1] == 77 && exchanged);
  if (shmds_atomic_load_wide(atomic, found) == SHMDS_E_ELEMENT_SIZE) {
    CHECK(strstr(shmds_last_error(), "processor") != NULL);
    OK(shmds_segment_close(segment));
    return;
  }
  CHECK(memcmp(found, first, 16) == 0);
  OK(shmds_atomic_compare_exchange_wide(atomic, second, first, found, &exchanged));
  CHECK(!exchanged && memcmp(found, first, 16) == 0);
  CHECK(shmds_atomic_wait(atomic, first, 0) == SHMDS_TIMEOUT);
  waiter = start_waiter(name, first, 16);
  OK(shmds_atomic_compare_exchange_wide(atomic, first, second, NULL, NULL));
  OK(shmds_atomic_notify(atomic));
  check_ends_well(waiter);
  OK(shmds_atomic_load_wide(atomic, found));
  CHECK(memcmp(found, second, 16) == 0);
  OK(shmds_segment_close(segment));
}

static void null_is_refused(void) {
  shmds_segment* segment = check_create_sized(check_name("null"), 4096);
  const uint64_t value[2] = {0, 0};
  uint64_t found[2] = {77, 77};
  bool exchanged = true;
  shmds_atomic* atomic = NULL;
  OK(shmds_atomic_create(segment, "a", 16, NULL, &atomic));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_wait(NULL, value, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_wait(atomic, NULL, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_notify(NULL));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_load_wide(NULL, found));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_load_wide(atomic, NULL));
  FAILS(SHMDS_E_ARGUMENT, NULL,
        shmds_atomic_compare_exchange_wide(NULL, value, value, found, &exchanged));
  FAILS(SHMDS_E_ARGUMENT, NULL,
        shmds_atomic_compare_exchange_wide(atomic, NULL, value, found, &exchanged));
  FAILS(SHMDS_E_ARGUMENT, NULL,
        shmds_atomic_compare_exchange_wide(atomic, value, NULL, found, &exchanged));
  CHECK(found[0] == 77 && found[1] == 77 && exchanged);
  OK(shmds_segment_close(segment));
}

static void a_reader_waits_but_does_not_notify(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 4096);
  const uint64_t old = 5;
  const uint64_t wide[2] = {1, 2};
  shmds_segment* reader;
  shmds_atomic* atomic = NULL;
  OK(shmds_atomic_create(segment, "a", 8, &old, &atomic));
  OK(shmds_atomic_create(segment, "w", 16, wide, &atomic));
  reader = check_open_read_only(name);
  OK(shmds_atomic_open(reader, "a", 8, NULL, &atomic));
  CHECK(shmds_atomic_wait(atomic, &old, MILLISECOND) == SHMDS_TIMEOUT);
  FAILS(SHMDS_E_READ_ONLY, "a", shmds_atomic_notify(atomic));
  OK(shmds_atomic_open(reader, "w", 16, NULL, &atomic));
  FAILS(SHMDS_E_READ_ONLY, "w", shmds_atomic_compare_exchange_wide(atomic, wide, wide, NULL, NULL));
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

static void a_destroyed_atomic_is_stale(void) {
  shmds_segment* segment = check_create_sized(check_name("stale"), 4096);
  const uint64_t old = 5;
  uint64_t value = 77;
  shmds_atomic* atomic = NULL;
  OK(shmds_atomic_create(segment, "a", 8, &old, &atomic));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_destroy(NULL, "a"));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_destroy(segment, NULL));
  FAILS(SHMDS_E_NOT_FOUND, "b", shmds_segment_destroy(segment, "b"));
  OK(shmds_segment_destroy(segment, "a"));
  FAILS(SHMDS_E_NOT_FOUND, "a", shmds_segment_destroy(segment, "a"));
  FAILS(SHMDS_E_STALE, "a", shmds_atomic_load(atomic, &value));
  FAILS(SHMDS_E_STALE, "a", shmds_atomic_store(atomic, 1));
  FAILS(SHMDS_E_STALE, "a", shmds_atomic_wait(atomic, &old, SHMDS_WAIT_FOREVER));
  FAILS(SHMDS_E_STALE, "a", shmds_atomic_notify(atomic));
  CHECK(shmds_atomic_data(atomic) == NULL && value == 77);
  OK(shmds_segment_close(segment));
  FAILS(SHMDS_E_STALE, "a", shmds_atomic_load(atomic, &value));
}

static void a_reader_destroys_nothing(void) {
  const char* name = check_name("keeps");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* reader;
  shmds_atomic* atomic = NULL;
  OK(shmds_atomic_create(segment, "a", 8, NULL, &atomic));
  reader = check_open_read_only(name);
  FAILS(SHMDS_E_READ_ONLY, NULL, shmds_segment_destroy(reader, "a"));
  OK(shmds_segment_close(reader));
  OK(shmds_atomic_store(atomic, 1));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(every_width_is_waited_for);
  RUN(sixteen_bytes_change_at_once);
  RUN(null_is_refused);
  RUN(a_reader_waits_but_does_not_notify);
  RUN(a_destroyed_atomic_is_stale);
  RUN(a_reader_destroys_nothing);
  return check_result("atomic_wait");
}
