/* Arrays. */
#include "check.h"

static int untouched;
#define UNTOUCHED ((shmds_array*)&untouched)

typedef shmds_status (*obtain)(shmds_segment*, const char*, size_t, size_t, size_t, shmds_array**);

static const obtain all_obtain[] = {shmds_array_create, shmds_array_open,
                                    shmds_array_open_or_create};
static const obtain both_create[] = {shmds_array_create, shmds_array_open_or_create};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define REFUSES(expected, mentioned, call, segment, name, elem_size, elem_align, count) \
  do {                                                                                  \
    shmds_array* out_ = UNTOUCHED;                                                      \
    FAILS(expected, mentioned,                                                          \
          (call)((segment), (name), (elem_size), (elem_align), (count), &out_));        \
    CHECK(out_ == UNTOUCHED);                                                           \
  } while (0)

static uint32_t entries_used(const shmds_segment* segment) {
  shmds_segment_info info;
  info.struct_size = sizeof info;
  OK(shmds_segment_get_info(segment, &info));
  return info.entries_used;
}

static void an_array_is_shared_by_name(void) {
  const char* name = check_name("shared");
  shmds_segment* segment = check_create_sized(name, 100000);
  shmds_segment* other = NULL;
  shmds_array *array = NULL, *same = NULL, *seen = NULL;
  const double* values;
  size_t i;
  OK(shmds_array_create(segment, "values", sizeof(double), 0, 1000, &array));
  CHECK(shmds_array_count(array) == 1000);
  CHECK(shmds_array_elem_size(array) == sizeof(double));
  CHECK(strcmp(shmds_array_name(array), "values") == 0);
  CHECK((uintptr_t)shmds_array_data(array) % 64 == 0);
  values = (const double*)shmds_array_data(array);
  for (i = 0; i < 1000; i++) {
    CHECK(values[i] >= 0.0 && values[i] <= 0.0);
  }
  ((double*)shmds_array_data(array))[999] = 2.5;

  OK(shmds_array_open(segment, "values", sizeof(double), 0, 0, &same));
  CHECK(same == array);
  OK(shmds_array_open_or_create(segment, "values", sizeof(double), 0, 1000, &same));
  CHECK(same == array);

  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_array_open(other, "values", sizeof(double), 0, 1000, &seen));
  CHECK(shmds_array_data(seen) != shmds_array_data(array));
  CHECK(((const double*)shmds_array_data(seen))[999] > 2.4);
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void alignments_up_to_4096_are_honoured(void) {
  shmds_segment* segment = check_create_sized(check_name("aligned"), 1 << 20);
  shmds_array* array = NULL;
  size_t align;
  for (align = 1; align <= 4096; align *= 2) {
    char name[32];
    snprintf(name, sizeof name, "align-%u", (unsigned)align);
    OK(shmds_array_create(segment, name, align, align, 3, &array));
    CHECK((uintptr_t)shmds_array_data(array) % align == 0);
  }
  OK(shmds_segment_close(segment));
}

static void a_long_name_is_cut_and_still_finds_its_array(void) {
  shmds_segment* segment = check_create_sized(check_name("long"), 100000);
  shmds_array *array = NULL, *same = NULL;
  char name[301];
  memset(name, 'a', 300);
  name[300] = '\0';
  OK(shmds_array_create(segment, name, 4, 0, 1, &array));
  OK(shmds_array_open(segment, name, 4, 0, 1, &same));
  CHECK(same == array);
  CHECK(strlen(shmds_array_name(array)) == 31);
  OK(shmds_segment_close(segment));
}

static void null_is_refused_everywhere(void) {
  shmds_segment* segment = check_create_sized(check_name("null"), 100000);
  size_t i;
  for (i = 0; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_obtain[i], NULL, "name", 4, 0, 1);
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_obtain[i], segment, NULL, 4, 0, 1);
    FAILS(SHMDS_E_ARGUMENT, NULL, all_obtain[i](segment, "name", 4, 0, 1, NULL));
  }
  CHECK(shmds_array_data(NULL) == NULL);
  CHECK(shmds_array_count(NULL) == 0);
  CHECK(shmds_array_elem_size(NULL) == 0);
  CHECK(shmds_array_name(NULL) == NULL);
  CHECK(entries_used(segment) == 0);
  OK(shmds_segment_close(segment));
}

static void bad_parameters_are_refused_and_change_nothing(void) {
  shmds_segment* segment = check_create_sized(check_name("bad"), 100000);
  const size_t alignments[] = {3, 48, 8192, SIZE_MAX, (size_t)1 << 63};
  size_t i, j;
  for (i = 0; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_NAME_EMPTY, NULL, all_obtain[i], segment, "", 4, 0, 1);
    REFUSES(SHMDS_E_ELEMENT_SIZE, "bad-array", all_obtain[i], segment, "bad-array", 0, 0, 1);
    for (j = 0; j < LENGTH(alignments); j++) {
      REFUSES(SHMDS_E_ALIGNMENT, "bad-array", all_obtain[i], segment, "bad-array", 8192,
              alignments[j], 1);
    }
    REFUSES(SHMDS_E_OVERFLOW, "bad-array", all_obtain[i], segment, "bad-array", (size_t)1 << 32, 0,
            (size_t)1 << 32);
    REFUSES(SHMDS_E_OVERFLOW, "bad-array", all_obtain[i], segment, "bad-array", SIZE_MAX, 0, 2);
  }
  for (i = 0; i < LENGTH(both_create); i++) {
    REFUSES(SHMDS_E_CAPACITY, "bad-array", both_create[i], segment, "bad-array", 4, 0, 0);
    REFUSES(SHMDS_E_SEGMENT_FULL, "bad-array", both_create[i], segment, "bad-array", 100001, 0, 1);
    REFUSES(SHMDS_E_SEGMENT_FULL, "bad-array", both_create[i], segment, "bad-array", 1, 0,
            (size_t)1 << 62);
    REFUSES(SHMDS_E_SEGMENT_FULL, "bad-array", both_create[i], segment, "bad-array", 1, 0,
            SIZE_MAX);
  }
  REFUSES(SHMDS_E_NOT_FOUND, "bad-array", shmds_array_open, segment, "bad-array", 4, 0, 0);
  CHECK(entries_used(segment) == 0);
  OK(shmds_segment_close(segment));
}

static void the_whole_size_is_there_for_payload(void) {
  shmds_segment* segment = check_create_sized(check_name("payload"), 100000);
  shmds_array* array = NULL;
  OK(shmds_array_create(segment, "half", 1, 0, 50000, &array));
  REFUSES(SHMDS_E_SEGMENT_FULL, "too-much", shmds_array_create, segment, "too-much", 1, 0, 50001);
  OK(shmds_array_create(segment, "rest", 1, 0, 50000, &array));
  memset(shmds_array_data(array), 1, 50000);
  REFUSES(SHMDS_E_SEGMENT_FULL, "one-more", shmds_array_create, segment, "one-more", 1, 0, 1);
  OK(shmds_segment_close(segment));
}

static void what_exists_must_be_what_was_asked_for(void) {
  shmds_segment* segment = check_create_sized(check_name("exists"), 100000);
  shmds_array* array = NULL;
  shmds_queue* queue = NULL;
  OK(shmds_array_create(segment, "array", 8, 0, 10, &array));
  OK(shmds_queue_create(segment, "queue", 8, 0, 10, &queue));
  REFUSES(SHMDS_E_EXISTS, "array", shmds_array_create, segment, "array", 8, 0, 10);
  REFUSES(SHMDS_E_MISMATCH, "array", shmds_array_open, segment, "array", 4, 0, 10);
  REFUSES(SHMDS_E_MISMATCH, "array", shmds_array_open, segment, "array", 8, 0, 11);
  REFUSES(SHMDS_E_MISMATCH, "array", shmds_array_open_or_create, segment, "array", 8, 0, 9);
  REFUSES(SHMDS_E_KIND, "queue", shmds_array_open, segment, "queue", 8, 0, 10);
  REFUSES(SHMDS_E_KIND, "queue", shmds_array_open_or_create, segment, "queue", 8, 0, 10);
  OK(shmds_segment_close(segment));
}

static void a_full_table_is_an_error(void) {
  shmds_segment_options options = check_options(100000);
  shmds_segment* segment;
  shmds_array* array = NULL;
  options.max_entries = 1;
  segment = check_create(check_name("entries"), &options);
  OK(shmds_array_create(segment, "first", 1, 0, 1, &array));
  REFUSES(SHMDS_E_TABLE_FULL, "second", shmds_array_create, segment, "second", 1, 0, 1);
  OK(shmds_segment_erase(segment, "first"));
  OK(shmds_array_create(segment, "second", 1, 0, 1, &array));
  OK(shmds_segment_close(segment));
}

static void a_reader_opens_but_does_not_create(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 100000);
  shmds_segment* reader;
  shmds_array* array = NULL;
  OK(shmds_array_create(segment, "array", 4, 0, 10, &array));
  ((int*)shmds_array_data(array))[5] = 55;
  reader = check_open_read_only(name);
  OK(shmds_array_open(reader, "array", 4, 0, 0, &array));
  CHECK(((const int*)shmds_array_data(array))[5] == 55);
  OK(shmds_array_open_or_create(reader, "array", 4, 0, 10, &array));
  REFUSES(SHMDS_E_READ_ONLY, "new", shmds_array_create, reader, "new", 4, 0, 10);
  REFUSES(SHMDS_E_READ_ONLY, "new", shmds_array_open_or_create, reader, "new", 4, 0, 10);
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(an_array_is_shared_by_name);
  RUN(alignments_up_to_4096_are_honoured);
  RUN(a_long_name_is_cut_and_still_finds_its_array);
  RUN(null_is_refused_everywhere);
  RUN(bad_parameters_are_refused_and_change_nothing);
  RUN(the_whole_size_is_there_for_payload);
  RUN(what_exists_must_be_what_was_asked_for);
  RUN(a_full_table_is_an_error);
  RUN(a_reader_opens_but_does_not_create);
  return check_result("array");
}
