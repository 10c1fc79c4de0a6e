/* Atomics. */
#include "check.h"

static int untouched;
#define UNTOUCHED ((shmds_atomic*)&untouched)

typedef shmds_status (*obtain)(shmds_segment*, const char*, size_t, const void*, shmds_atomic**);
typedef shmds_status (*update)(shmds_atomic*, uint64_t, uint64_t*);

static const obtain all_obtain[] = {shmds_atomic_create, shmds_atomic_open,
                                    shmds_atomic_open_or_create};
static const obtain both_create[] = {shmds_atomic_create, shmds_atomic_open_or_create};
static const update all_updates[] = {shmds_atomic_exchange,  shmds_atomic_fetch_add,
                                     shmds_atomic_fetch_sub, shmds_atomic_fetch_and,
                                     shmds_atomic_fetch_or,  shmds_atomic_fetch_xor};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define REFUSES(expected, mentioned, call, segment, name, elem_size)                 \
  do {                                                                               \
    shmds_atomic* out_ = UNTOUCHED;                                                  \
    FAILS(expected, mentioned, (call)((segment), (name), (elem_size), NULL, &out_)); \
    CHECK(out_ == UNTOUCHED);                                                        \
  } while (0)

static uint64_t value_of(const shmds_atomic* atomic) {
  uint64_t value = UINT64_MAX;
  OK(shmds_atomic_load(atomic, &value));
  return value;
}

static void an_atomic_is_shared_by_name(void) {
  const char* name = check_name("shared");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* other = NULL;
  shmds_atomic *atomic = NULL, *same = NULL;
  const uint64_t initial = 41;
  OK(shmds_atomic_create(segment, "counter", 8, &initial, &atomic));
  CHECK(strcmp(shmds_atomic_name(atomic), "counter") == 0);
  CHECK(shmds_atomic_elem_size(atomic) == 8);
  CHECK((uintptr_t)shmds_atomic_data(atomic) % 8 == 0);
  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_atomic_open(other, "counter", 8, NULL, &same));
  OK(shmds_atomic_fetch_add(same, 1, NULL));
  CHECK(value_of(atomic) == 42);
  CHECK(*(const uint64_t*)shmds_atomic_data(atomic) == 42);
  OK(shmds_atomic_open_or_create(other, "counter", 8, &initial, &same));
  CHECK(value_of(same) == 42);
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void every_width_wraps_and_keeps_to_its_bytes(void) {
  shmds_segment* segment = check_create_sized(check_name("widths"), 4096);
  const size_t widths[] = {1, 2, 4, 8};
  size_t i;
  for (i = 0; i < LENGTH(widths); i++) {
    const uint64_t mask = widths[i] == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * widths[i])) - 1;
    shmds_atomic* atomic = NULL;
    uint64_t previous = 7;
    bool exchanged = true;
    char name[32];
    snprintf(name, sizeof name, "width-%u", (unsigned)widths[i]);
    OK(shmds_atomic_open_or_create(segment, name, widths[i], NULL, &atomic));
    CHECK(value_of(atomic) == 0);
    OK(shmds_atomic_store(atomic, UINT64_MAX));
    CHECK(value_of(atomic) == mask);
    OK(shmds_atomic_fetch_add(atomic, 3, &previous));
    CHECK(previous == mask && value_of(atomic) == 2);
    OK(shmds_atomic_fetch_sub(atomic, 5, &previous));
    CHECK(previous == 2 && value_of(atomic) == mask - 2);
    OK(shmds_atomic_exchange(atomic, 0x5c, &previous));
    CHECK(previous == mask - 2 && value_of(atomic) == 0x5c);
    OK(shmds_atomic_fetch_and(atomic, 0x4d, &previous));
    CHECK(previous == 0x5c && value_of(atomic) == 0x4c);
    OK(shmds_atomic_fetch_or(atomic, 0x03, &previous));
    CHECK(previous == 0x4c && value_of(atomic) == 0x4f);
    OK(shmds_atomic_fetch_xor(atomic, 0x0f, &previous));
    CHECK(previous == 0x4f && value_of(atomic) == 0x40);
    OK(shmds_atomic_compare_exchange(atomic, 0x41, 1, &previous, &exchanged));
    CHECK(!exchanged && previous == 0x40 && value_of(atomic) == 0x40);
    OK(shmds_atomic_compare_exchange(atomic, 0x40, 1, &previous, &exchanged));
    CHECK(exchanged && previous == 0x40 && value_of(atomic) == 1);
    OK(shmds_atomic_compare_exchange(atomic, 1, 2, NULL, NULL));
    CHECK(value_of(atomic) == 2);
  }
  OK(shmds_segment_close(segment));
}

static void a_word_of_16_bytes_is_no_integer(void) {
  shmds_segment* segment = check_create_sized(check_name("sixteen"), 4096);
  const uint64_t initial[2] = {1, 2};
  shmds_atomic* atomic = NULL;
  uint64_t value = 77;
  bool exchanged = true;
  size_t i;
  OK(shmds_atomic_create(segment, "wide", 16, initial, &atomic));
  CHECK(shmds_atomic_elem_size(atomic) == 16);
  CHECK((uintptr_t)shmds_atomic_data(atomic) % 16 == 0);
  CHECK(memcmp(shmds_atomic_data(atomic), initial, 16) == 0);
  FAILS(SHMDS_E_ELEMENT_SIZE, "wide", shmds_atomic_load(atomic, &value));
  FAILS(SHMDS_E_ELEMENT_SIZE, "wide", shmds_atomic_store(atomic, 1));
  FAILS(SHMDS_E_ELEMENT_SIZE, "wide",
        shmds_atomic_compare_exchange(atomic, 1, 2, &value, &exchanged));
  for (i = 0; i < LENGTH(all_updates); i++) {
    FAILS(SHMDS_E_ELEMENT_SIZE, "wide", all_updates[i](atomic, 1, &value));
  }
  CHECK(value == 77 && exchanged);
  CHECK(memcmp(shmds_atomic_data(atomic), initial, 16) == 0);
  OK(shmds_segment_close(segment));
}

static void null_is_refused_everywhere(void) {
  shmds_segment* segment = check_create_sized(check_name("null"), 4096);
  shmds_atomic* atomic = NULL;
  uint64_t value = 77;
  bool exchanged = true;
  size_t i;
  for (i = 0; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_obtain[i], NULL, "name", 8);
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_obtain[i], segment, NULL, 8);
    FAILS(SHMDS_E_ARGUMENT, NULL, all_obtain[i](segment, "name", 8, NULL, NULL));
  }
  for (i = 0; i < LENGTH(all_updates); i++) {
    FAILS(SHMDS_E_ARGUMENT, NULL, all_updates[i](NULL, 1, &value));
  }
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_load(NULL, &value));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_store(NULL, 1));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_compare_exchange(NULL, 1, 2, &value, &exchanged));
  OK(shmds_atomic_create(segment, "there", 8, NULL, &atomic));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_atomic_load(atomic, NULL));
  CHECK(value == 77 && exchanged);
  CHECK(shmds_atomic_data(NULL) == NULL);
  CHECK(shmds_atomic_name(NULL) == NULL);
  CHECK(shmds_atomic_elem_size(NULL) == 0);
  OK(shmds_segment_close(segment));
}

static void bad_parameters_are_refused_and_change_nothing(void) {
  shmds_segment_options options = check_options(8);
  shmds_segment* segment;
  shmds_segment_info info;
  shmds_atomic* atomic = NULL;
  const size_t widths[] = {0, 3, 5, 12, 32, SIZE_MAX};
  size_t i, j;
  options.max_entries = 2;
  segment = check_create(check_name("bad"), &options);
  for (i = 0; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_NAME_EMPTY, NULL, all_obtain[i], segment, "", 8);
    for (j = 0; j < LENGTH(widths); j++) {
      REFUSES(SHMDS_E_ELEMENT_SIZE, "bad-atomic", all_obtain[i], segment, "bad-atomic", widths[j]);
    }
  }
  for (i = 0; i < LENGTH(both_create); i++) {
    REFUSES(SHMDS_E_SEGMENT_FULL, "bad-atomic", both_create[i], segment, "bad-atomic", 16);
  }
  REFUSES(SHMDS_E_NOT_FOUND, "bad-atomic", shmds_atomic_open, segment, "bad-atomic", 8);
  info.struct_size = sizeof info;
  OK(shmds_segment_get_info(segment, &info));
  CHECK(info.entries_used == 0 && info.payload_used == 0);

  OK(shmds_atomic_create(segment, "one", 4, NULL, &atomic));
  OK(shmds_atomic_create(segment, "two", 2, NULL, &atomic));
  REFUSES(SHMDS_E_TABLE_FULL, "three", shmds_atomic_create, segment, "three", 1);
  OK(shmds_segment_close(segment));
}

static void what_exists_must_be_what_was_asked_for(void) {
  shmds_segment* segment = check_create_sized(check_name("exists"), 4096);
  shmds_atomic* atomic = NULL;
  shmds_array* array = NULL;
  OK(shmds_atomic_create(segment, "atomic", 8, NULL, &atomic));
  OK(shmds_array_create(segment, "array", 8, 0, 1, &array));
  REFUSES(SHMDS_E_EXISTS, "atomic", shmds_atomic_create, segment, "atomic", 8);
  REFUSES(SHMDS_E_MISMATCH, "atomic", shmds_atomic_open, segment, "atomic", 4);
  REFUSES(SHMDS_E_MISMATCH, "atomic", shmds_atomic_open_or_create, segment, "atomic", 4);
  REFUSES(SHMDS_E_KIND, "array", shmds_atomic_open, segment, "array", 8);
  OK(shmds_segment_close(segment));
}

static void a_reader_loads_but_does_not_store(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* reader;
  shmds_atomic* atomic = NULL;
  const uint32_t initial = 5;
  uint64_t value = 77;
  bool exchanged = true;
  size_t i;
  OK(shmds_atomic_create(segment, "atomic", 4, &initial, &atomic));
  reader = check_open_read_only(name);
  REFUSES(SHMDS_E_READ_ONLY, "new", shmds_atomic_create, reader, "new", 4);
  OK(shmds_atomic_open(reader, "atomic", 4, NULL, &atomic));
  CHECK(value_of(atomic) == 5);
  FAILS(SHMDS_E_READ_ONLY, "atomic", shmds_atomic_store(atomic, 6));
  FAILS(SHMDS_E_READ_ONLY, "atomic",
        shmds_atomic_compare_exchange(atomic, 5, 6, &value, &exchanged));
  for (i = 0; i < LENGTH(all_updates); i++) {
    FAILS(SHMDS_E_READ_ONLY, "atomic", all_updates[i](atomic, 1, &value));
  }
  CHECK(value == 77 && exchanged && value_of(atomic) == 5);
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(an_atomic_is_shared_by_name);
  RUN(every_width_wraps_and_keeps_to_its_bytes);
  RUN(a_word_of_16_bytes_is_no_integer);
  RUN(null_is_refused_everywhere);
  RUN(bad_parameters_are_refused_and_change_nothing);
  RUN(what_exists_must_be_what_was_asked_for);
  RUN(a_reader_loads_but_does_not_store);
  return check_result("atomic");
}
