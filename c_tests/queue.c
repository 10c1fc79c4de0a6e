/* Queues. */
#include "check.h"

static int untouched;
#define UNTOUCHED ((shmds_queue*)&untouched)

typedef shmds_status (*obtain)(shmds_segment*, const char*, size_t, size_t, size_t, shmds_queue**);

static const obtain all_obtain[] = {shmds_queue_create, shmds_queue_open,
                                    shmds_queue_open_or_create};
static const obtain both_create[] = {shmds_queue_create, shmds_queue_open_or_create};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define REFUSES(expected, mentioned, call, segment, name, elem_size, elem_align, capacity) \
  do {                                                                                     \
    shmds_queue* out_ = UNTOUCHED;                                                         \
    FAILS(expected, mentioned,                                                             \
          (call)((segment), (name), (elem_size), (elem_align), (capacity), &out_));        \
    CHECK(out_ == UNTOUCHED);                                                              \
  } while (0)

static shmds_segment_info info_of(const shmds_segment* segment) {
  shmds_segment_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  OK(shmds_segment_get_info(segment, &info));
  return info;
}

static uint32_t entries_used(const shmds_segment* segment) {
  return info_of(segment).entries_used;
}

struct message {
  uint64_t number;
  char text[24];
};

static void what_goes_in_comes_out_in_order(void) {
  const char* name = check_name("order");
  shmds_segment* segment = check_create_sized(name, 100000);
  shmds_segment* other = NULL;
  shmds_queue *producer = NULL, *consumer = NULL, *same = NULL;
  struct message in, out;
  uint64_t i, lap;
  memset(&in, 0, sizeof in);
  OK(shmds_queue_create(segment, "messages", sizeof in, 8, 7, &producer));
  CHECK(shmds_queue_capacity(producer) == 7);
  CHECK(shmds_queue_elem_size(producer) == sizeof in);
  CHECK(strcmp(shmds_queue_name(producer), "messages") == 0);
  CHECK(shmds_queue_slots(producer) != NULL);
  OK(shmds_segment_open(name, NULL, &other));
  OK(shmds_queue_open(other, "messages", sizeof in, 8, 0, &consumer));
  OK(shmds_queue_open_or_create(other, "messages", sizeof in, 8, 7, &same));
  CHECK(same == consumer);

  for (lap = 0; lap < 5; lap++) {
    CHECK(shmds_queue_empty(consumer) && !shmds_queue_full(producer));
    for (i = 0; i < 7; i++) {
      CHECK(shmds_queue_size(consumer) == i);
      in.number = 100 * lap + i;
      snprintf(in.text, sizeof in.text, "message %u", (unsigned)i);
      OK(shmds_queue_enqueue(producer, &in));
    }
    CHECK(shmds_queue_full(consumer) && !shmds_queue_empty(producer) &&
          shmds_queue_size(producer) == 7);
    CHECK(shmds_queue_enqueue(producer, &in) == SHMDS_FULL);
    for (i = 0; i < 7; i++) {
      OK(shmds_queue_dequeue(consumer, &out));
      CHECK(out.number == 100 * lap + i);
      CHECK(strncmp(out.text, "message ", 8) == 0 && out.text[8] == (char)('0' + i));
    }
    memset(&out, 0x5a, sizeof out);
    CHECK(shmds_queue_dequeue(consumer, &out) == SHMDS_EMPTY);
    CHECK(out.number == UINT64_C(0x5a5a5a5a5a5a5a5a));
  }
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void elements_outlive_the_process_s_attachment(void) {
  const char* name = check_name("persists");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_queue* queue = NULL;
  int value = 5;
  OK(shmds_queue_create(segment, "kept", sizeof value, 0, 4, &queue));
  OK(shmds_queue_enqueue(queue, &value));
  OK(shmds_segment_close(segment));
  OK(shmds_segment_open(name, NULL, &segment));
  OK(shmds_queue_open(segment, "kept", sizeof value, 0, 4, &queue));
  value = 0;
  OK(shmds_queue_dequeue(queue, &value));
  CHECK(value == 5);
  OK(shmds_segment_close(segment));
}

static void any_size_and_capacity_works(void) {
  shmds_segment* segment = check_create_sized(check_name("sizes"), 1 << 22);
  const size_t sizes[] = {1, 2, 3, 7, 8, 12, 64, 65, 4096, 65536};
  const size_t capacities[] = {1, 2, 3, 5, 16};
  unsigned char *in = (unsigned char*)malloc(65536), *out = (unsigned char*)malloc(65536);
  size_t i, j, k;
  for (i = 0; i < LENGTH(sizes); i++) {
    for (j = 0; j < LENGTH(capacities); j++) {
      shmds_queue* queue = NULL;
      char name[32];
      snprintf(name, sizeof name, "q-%u-%u", (unsigned)sizes[i], (unsigned)capacities[j]);
      OK(shmds_queue_create(segment, name, sizes[i], 0, capacities[j], &queue));
      for (k = 0; k < 3 * capacities[j]; k++) {
        memset(in, (int)(k + 1), sizes[i]);
        OK(shmds_queue_enqueue(queue, in));
        if (shmds_queue_full(queue)) {
          const size_t oldest = k + 1 - capacities[j];
          OK(shmds_queue_dequeue(queue, out));
          memset(in, (int)(oldest + 1), sizes[i]);
          CHECK(memcmp(in, out, sizes[i]) == 0);
        }
      }
      OK(shmds_segment_erase(segment, name));
    }
  }
  free(in);
  free(out);
  OK(shmds_segment_close(segment));
}

static void null_is_refused_everywhere(void) {
  shmds_segment* segment = check_create_sized(check_name("null"), 100000);
  shmds_queue* queue = NULL;
  int value = 7;
  size_t i;
  for (i = 0; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_obtain[i], NULL, "name", 4, 0, 1);
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_obtain[i], segment, NULL, 4, 0, 1);
    FAILS(SHMDS_E_ARGUMENT, NULL, all_obtain[i](segment, "name", 4, 0, 1, NULL));
  }
  CHECK(entries_used(segment) == 0);
  OK(shmds_queue_create(segment, "there", sizeof value, 0, 4, &queue));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_queue_enqueue(NULL, &value));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_queue_enqueue(queue, NULL));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_queue_dequeue(NULL, &value));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_queue_dequeue(queue, NULL));
  CHECK(value == 7 && shmds_queue_empty(queue));
  CHECK(shmds_queue_size(NULL) == 0);
  CHECK(shmds_queue_capacity(NULL) == 0);
  CHECK(shmds_queue_elem_size(NULL) == 0);
  CHECK(shmds_queue_slots(NULL) == NULL);
  CHECK(shmds_queue_name(NULL) == NULL);
  CHECK(shmds_queue_empty(NULL));
  CHECK(!shmds_queue_full(NULL));
  OK(shmds_segment_close(segment));
}

static void bad_parameters_are_refused_and_change_nothing(void) {
  shmds_segment* segment = check_create_sized(check_name("bad"), 100000);
  const size_t alignments[] = {3, 48, 8192, SIZE_MAX};
  size_t i, j;
  for (i = 0; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_NAME_EMPTY, NULL, all_obtain[i], segment, "", 4, 0, 1);
    REFUSES(SHMDS_E_ELEMENT_SIZE, "\"bad-queue\": element size 0; expected at least 1",
            all_obtain[i], segment, "bad-queue", 0, 0, 1);
    for (j = 0; j < LENGTH(alignments); j++) {
      char sentence[128];
      snprintf(sentence, sizeof sentence, "\"bad-queue\": alignment %zu; expected a power of two",
               alignments[j]);
      REFUSES(SHMDS_E_ALIGNMENT, sentence, all_obtain[i], segment, "bad-queue", 8192, alignments[j],
              1);
    }
    REFUSES(SHMDS_E_OVERFLOW,
            "\"bad-queue\": 64 elements of 4611686018427387904 bytes overflow 64 bits",
            all_obtain[i], segment, "bad-queue", (size_t)1 << 62, 0, 64);
  }
  for (i = 0; i < LENGTH(both_create); i++) {
    REFUSES(SHMDS_E_CAPACITY, "\"bad-queue\": count 0; expected 1 to 2^31 less the number of lanes",
            both_create[i], segment, "bad-queue", 4, 0, 0);
    REFUSES(SHMDS_E_CAPACITY,
            "\"bad-queue\": count 2147483648; expected 1 to 2^31 less the number of lanes",
            both_create[i], segment, "bad-queue", 1, 0, (size_t)1 << 31);
    REFUSES(
        SHMDS_E_CAPACITY,
        "\"bad-queue\": count 18446744073709551615; expected 1 to 2^31 less the number of lanes",
        both_create[i], segment, "bad-queue", 1, 0, SIZE_MAX);
    REFUSES(SHMDS_E_SEGMENT_FULL, "bad-queue", both_create[i], segment, "bad-queue", 100, 0, 1001);
    REFUSES(SHMDS_E_SEGMENT_FULL, "bad-queue", both_create[i], segment, "bad-queue",
            (size_t)1 << 62, 0, 1);
  }
  REFUSES(SHMDS_E_NOT_FOUND, "bad-queue", shmds_queue_open, segment, "bad-queue", 4, 0, 0);
  CHECK(entries_used(segment) == 0 && info_of(segment).payload_used == 0);
  OK(shmds_segment_close(segment));
}

static void the_whole_size_is_there_for_payload(void) {
  shmds_segment* segment = check_create_sized(check_name("payload"), 100000);
  shmds_queue* queue = NULL;
  OK(shmds_queue_create(segment, "all", 100, 0, 1000, &queue));
  REFUSES(SHMDS_E_SEGMENT_FULL, "more", shmds_queue_create, segment, "more", 1, 0, 1);
  OK(shmds_segment_close(segment));
}

static void what_exists_must_be_what_was_asked_for(void) {
  shmds_segment* segment = check_create_sized(check_name("exists"), 100000);
  shmds_queue* queue = NULL;
  shmds_array* array = NULL;
  unsigned char in[256], out[256];
  size_t i;
  memset(in, 7, sizeof in);
  OK(shmds_queue_create(segment, "queue", 256, 8, 10, &queue));
  OK(shmds_array_create(segment, "array", 256, 8, 10, &array));
  OK(shmds_queue_enqueue(queue, in));
  REFUSES(SHMDS_E_EXISTS, "\"queue\" exists already", shmds_queue_create, segment, "queue", 256, 8,
          10);
  for (i = 1; i < LENGTH(all_obtain); i++) {
    REFUSES(SHMDS_E_MISMATCH, "\"queue\": expected element size 128, found 256", all_obtain[i],
            segment, "queue", 128, 8, 10);
    REFUSES(SHMDS_E_MISMATCH, "\"queue\": expected alignment 256, found 8", all_obtain[i], segment,
            "queue", 256, 256, 10);
    REFUSES(SHMDS_E_MISMATCH, "\"queue\": expected capacity 11, found 10", all_obtain[i], segment,
            "queue", 256, 8, 11);
    REFUSES(SHMDS_E_KIND, "\"array\": expected a queue, found an array", all_obtain[i], segment,
            "array", 256, 8, 10);
  }
  CHECK(entries_used(segment) == 2 && info_of(segment).payload_used == 2 * 2560);
  OK(shmds_queue_dequeue(queue, out));
  CHECK(memcmp(in, out, sizeof in) == 0 && shmds_queue_empty(queue));
  OK(shmds_segment_close(segment));
}

static void a_full_table_is_an_error(void) {
  shmds_segment_options options = check_options(100000);
  shmds_segment* segment;
  shmds_queue* queue = NULL;
  options.max_entries = 1;
  segment = check_create(check_name("entries"), &options);
  OK(shmds_queue_create(segment, "first", 1, 0, 1, &queue));
  REFUSES(SHMDS_E_TABLE_FULL, "second", shmds_queue_create, segment, "second", 1, 0, 1);
  OK(shmds_segment_close(segment));
}

static void a_reader_does_not_use_a_queue(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 100000);
  shmds_segment* reader;
  shmds_queue *queue = NULL, *seen = UNTOUCHED;
  int value = 7;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 4, &queue));
  OK(shmds_queue_enqueue(queue, &value));
  reader = check_open_read_only(name);
  REFUSES(SHMDS_E_READ_ONLY, "new", shmds_queue_create, reader, "new", 4, 0, 4);
  if (shmds_queue_open(reader, "queue", sizeof value, 0, 4, &seen) == SHMDS_OK) {
    CHECK(shmds_queue_size(seen) == 1);
    FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_enqueue(seen, &value));
    FAILS(SHMDS_E_READ_ONLY, "queue", shmds_queue_dequeue(seen, &value));
  } else {
    REFUSES(SHMDS_E_READ_ONLY, "queue", shmds_queue_open, reader, "queue", sizeof value, 0, 4);
  }
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(what_goes_in_comes_out_in_order);
  RUN(elements_outlive_the_process_s_attachment);
  RUN(any_size_and_capacity_works);
  RUN(null_is_refused_everywhere);
  RUN(bad_parameters_are_refused_and_change_nothing);
  RUN(the_whole_size_is_there_for_payload);
  RUN(what_exists_must_be_what_was_asked_for);
  RUN(a_full_table_is_an_error);
  RUN(a_reader_does_not_use_a_queue);
  return check_result("queue");
}
