/* Tables: that of a segment, and private ones. */
#include "check.h"

static int untouched;
#define UNTOUCHED ((void*)&untouched)

/* An entry as it lies in memory, for names of up to 15 characters. */
struct entry {
  char name[16];
  uint64_t offset, size, elem_size, num_elem, meta;
};

#define NAME_SIZE 16
#define ENTRIES 3

struct table {
  struct entry entries[ENTRIES];
  uint64_t total_allocated;
};

#define GEOMETRY NAME_SIZE, ENTRIES

static shmds_status add(struct table* table, const char* name, uint64_t offset, uint64_t size) {
  return shmds_table_add(table, GEOMETRY, name, strlen(name), offset, size, 4, size / 4);
}

static void a_private_table_keeps_what_it_is_given(void) {
  struct table table;
  void* found = NULL;
  memset(&table, 0, sizeof table);
  CHECK(shmds_table_count(&table, GEOMETRY) == 0);
  OK(add(&table, "first", sizeof table, 100));
  OK(add(&table, "second", sizeof table + 128, 40));
  CHECK(shmds_table_count(&table, GEOMETRY) == 2);
  CHECK(shmds_table_total_allocated(&table, GEOMETRY) == 168);
  CHECK(table.total_allocated == 168);

  OK(shmds_table_find(&table, GEOMETRY, "second", 6, &found));
  if (CHECK(found == &table.entries[0] || found == &table.entries[1] ||
            found == &table.entries[2])) {
    const struct entry* entry = (const struct entry*)found;
    CHECK(strcmp(entry->name, "second") == 0);
    CHECK(entry->offset == sizeof table + 128 && entry->size == 40);
    CHECK(entry->elem_size == 4 && entry->num_elem == 10);
    CHECK((entry->meta & 0xff) == 1);
  }

  OK(shmds_table_erase(&table, GEOMETRY, "second", 6));
  CHECK(shmds_table_count(&table, GEOMETRY) == 1);
  CHECK(shmds_table_total_allocated(&table, GEOMETRY) == 168);
  OK(shmds_table_clear(&table, GEOMETRY));
  CHECK(shmds_table_count(&table, GEOMETRY) == 0);
  CHECK(shmds_table_total_allocated(&table, GEOMETRY) == 0);
}

static void a_name_need_not_end_with_a_nul(void) {
  struct table table;
  const char letters[] = {'a', 'b', 'c', 'd'};
  void* found = NULL;
  memset(&table, 0, sizeof table);
  OK(shmds_table_add(&table, GEOMETRY, letters, 3, 0, 0, 0, 0));
  OK(shmds_table_find(&table, GEOMETRY, "abc", 3, &found));
  FAILS(SHMDS_E_NOT_FOUND, "abcd", shmds_table_find(&table, GEOMETRY, letters, 4, &found));
}

static void a_long_name_is_cut_and_still_finds_its_entry(void) {
  struct table table;
  void* found = NULL;
  memset(&table, 0, sizeof table);
  OK(add(&table, "fifteen-letters-and-more", 0, 0));
  OK(shmds_table_find(&table, GEOMETRY, "fifteen-letters", 15, &found));
  FAILS(SHMDS_E_EXISTS, "fifteen-letters", add(&table, "fifteen-letters-or-so", 0, 0));
  OK(shmds_table_erase(&table, GEOMETRY, "fifteen-letters-at-all", 22));
  CHECK(shmds_table_count(&table, GEOMETRY) == 0);
}

static void a_table_refuses_what_does_not_fit(void) {
  struct table table, copy;
  memset(&table, 0, sizeof table);
  OK(add(&table, "one", 0, 4));
  FAILS(SHMDS_E_EXISTS, "one", add(&table, "one", 8, 4));
  OK(add(&table, "two", 0, 4));
  OK(add(&table, "three", 0, 4));
  copy = table;
  FAILS(SHMDS_E_TABLE_FULL, "four", add(&table, "four", 0, 4));
  CHECK(memcmp(&table, &copy, sizeof table) == 0);
  OK(shmds_table_erase(&table, GEOMETRY, "two", 3));
  OK(add(&table, "four", 0, 4));
}

static void bad_arguments_are_refused(void) {
  struct table table, copy;
  void* found = UNTOUCHED;
  memset(&table, 0, sizeof table);
  OK(add(&table, "there", 0, 4));
  copy = table;
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_add(NULL, GEOMETRY, "name", 4, 0, 0, 0, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_add(&table, GEOMETRY, NULL, 4, 0, 0, 0, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_add(&table, 0, ENTRIES, "name", 4, 0, 0, 0, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_add(&table, NAME_SIZE, 0, "name", 4, 0, 0, 0, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_add(&table, SIZE_MAX, ENTRIES, "name", 4, 0, 0, 0, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL,
        shmds_table_add(&table, NAME_SIZE, SIZE_MAX, "name", 4, 0, 0, 0, 0));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_erase(NULL, GEOMETRY, "there", 5));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_erase(&table, GEOMETRY, NULL, 5));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_find(NULL, GEOMETRY, "there", 5, &found));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_find(&table, GEOMETRY, NULL, 5, &found));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_find(&table, GEOMETRY, "there", 5, NULL));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_table_clear(NULL, GEOMETRY));
  FAILS(SHMDS_E_NOT_FOUND, "absent", shmds_table_find(&table, GEOMETRY, "absent", 6, &found));
  FAILS(SHMDS_E_NOT_FOUND, "absent", shmds_table_erase(&table, GEOMETRY, "absent", 6));
  CHECK(shmds_table_count(NULL, GEOMETRY) == 0);
  CHECK(shmds_table_total_allocated(NULL, GEOMETRY) == 0);
  CHECK(found == UNTOUCHED);
  CHECK(memcmp(&table, &copy, sizeof table) == 0);
}

static void a_segment_finds_its_structures_by_name(void) {
  const char* segment_name = check_name("find");
  shmds_segment* segment = check_create_sized(segment_name, 100000);
  shmds_array* array = NULL;
  shmds_queue* queue = NULL;
  shmds_entry_info info, copy;
  OK(shmds_array_create(segment, "array", 8, 0, 10, &array));
  OK(shmds_queue_create(segment, "queue", 16, 0, 5, &queue));
  info.struct_size = sizeof info;
  OK(shmds_segment_find(segment, "array", &info));
  CHECK(info.struct_size == sizeof info && info.kind == SHMDS_KIND_ARRAY);
  CHECK(info.elem_size == 8 && info.num_elem == 10 && info.size >= 80);
  CHECK((char*)shmds_segment_base(segment) + info.offset == (char*)shmds_array_data(array));
  OK(shmds_segment_find(segment, "queue", &info));
  CHECK(info.kind == SHMDS_KIND_QUEUE && info.elem_size == 16 && info.num_elem == 5);

  copy = info;
  FAILS(SHMDS_E_NOT_FOUND, "nothing", shmds_segment_find(segment, "nothing", &info));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_find(NULL, "array", &info));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_find(segment, NULL, &info));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_find(segment, "array", NULL));
  CHECK(memcmp(&info, &copy, sizeof info) == 0);
  info.struct_size = 8;
  copy = info;
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_find(segment, "array", &info));
  CHECK(memcmp(&info, &copy, sizeof info) == 0);
  OK(shmds_segment_close(segment));
}

static void all_entries_of_a_segment_can_be_listed(void) {
  const char* segment_name = check_name("list");
  shmds_segment* segment = check_create_sized(segment_name, 100000);
  shmds_array* array = NULL;
  shmds_atomic* atomic = NULL;
  shmds_entry_info info;
  shmds_segment_info numbers;
  char name[64] = "untouched";
  uint32_t i, used = 0, arrays = 0, atomics = 0;
  OK(shmds_array_create(segment, "samples", 8, 0, 10, &array));
  OK(shmds_atomic_create(segment, "counter", 8, NULL, &atomic));
  numbers.struct_size = sizeof numbers;
  OK(shmds_segment_get_info(segment, &numbers));
  info.struct_size = sizeof info;
  for (i = 0; i < numbers.max_entries; i++) {
    const shmds_status status = shmds_segment_entry_at(segment, i, &info, name, sizeof name);
    CHECK(status == SHMDS_OK || status == SHMDS_EMPTY);
    if (status == SHMDS_OK) {
      used++;
      arrays += info.kind == SHMDS_KIND_ARRAY && strcmp(name, "samples") == 0;
      atomics += info.kind == SHMDS_KIND_ATOMIC && strcmp(name, "counter") == 0;
      OK(shmds_segment_entry_at(segment, i, &info, NULL, 0));
      memset(name, 'x', sizeof name);
      OK(shmds_segment_entry_at(segment, i, &info, name, 4));
      CHECK(strlen(name) == 3 && name[4] == 'x');
    }
  }
  CHECK(used == 2 && arrays == 1 && atomics == 1);

  strcpy(name, "untouched");
  FAILS(SHMDS_E_ARGUMENT, NULL,
        shmds_segment_entry_at(segment, numbers.max_entries, &info, name, sizeof name));
  FAILS(SHMDS_E_ARGUMENT, NULL,
        shmds_segment_entry_at(segment, UINT32_MAX, &info, name, sizeof name));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_entry_at(NULL, 0, &info, name, sizeof name));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_entry_at(segment, 0, NULL, name, sizeof name));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_entry_at(segment, 0, &info, NULL, 4));
  info.struct_size = 0;
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_entry_at(segment, 0, &info, name, sizeof name));
  CHECK(strcmp(name, "untouched") == 0);
  OK(shmds_segment_close(segment));
}

static void erasing_frees_the_name_and_leaves_handles_alone(void) {
  const char* segment_name = check_name("erase");
  shmds_segment* segment = check_create_sized(segment_name, 100000);
  shmds_segment* reader;
  shmds_array* old_array = NULL;
  shmds_array* new_array = NULL;
  OK(shmds_array_create(segment, "array", 8, 0, 10, &old_array));
  OK(shmds_segment_erase(segment, "array"));
  FAILS(SHMDS_E_NOT_FOUND, "array", shmds_segment_erase(segment, "array"));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_erase(NULL, "array"));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_erase(segment, NULL));
  OK(shmds_array_create(segment, "array", 4, 0, 20, &new_array));
  ((uint64_t*)shmds_array_data(old_array))[9] = 7;
  CHECK(shmds_array_count(old_array) == 10 && shmds_array_count(new_array) == 20);
  CHECK(shmds_array_data(old_array) != shmds_array_data(new_array));

  reader = check_open_read_only(segment_name);
  FAILS(SHMDS_E_READ_ONLY, segment_name, shmds_segment_erase(reader, "array"));
  OK(shmds_segment_close(reader));
  OK(shmds_segment_close(segment));
}

static void the_table_functions_reach_a_segment_s_table(void) {
  const char* segment_name = check_name("raw");
  shmds_segment* segment = check_create_sized(segment_name, 100000);
  void* base = shmds_segment_base(segment);
  const uint64_t table_size = 64 * (32 + 40) + 8;
  shmds_entry_info info;
  shmds_array* array = NULL;
  void* entry = NULL;
  OK(shmds_table_add(base, 32, 64, "raw", 3, table_size, 400, 4, 100));
  CHECK(shmds_table_count(base, 32, 64) == 1);
  CHECK(shmds_table_total_allocated(base, 32, 64) == 400);
  info.struct_size = sizeof info;
  OK(shmds_segment_find(segment, "raw", &info));
  CHECK(info.kind == SHMDS_KIND_RAW && info.offset == table_size && info.size == 400);
  OK(shmds_array_open(segment, "raw", 4, 0, 100, &array));
  CHECK((char*)shmds_array_data(array) == (char*)base + table_size);
  ((int*)shmds_array_data(array))[99] = 1;

  OK(shmds_table_find(base, 32, 64, "raw", 3, &entry));
  CHECK((char*)entry >= (char*)base && (char*)entry < (char*)base + table_size);
  FAILS(SHMDS_E_GEOMETRY, segment_name, shmds_table_find(base, 16, 16, "raw", 3, &entry));
  FAILS(SHMDS_E_GEOMETRY, segment_name, shmds_table_add(base, 16, 16, "other", 5, 0, 0, 0, 0));
  OK(shmds_table_erase(base, 32, 64, "raw", 3));
  OK(shmds_table_clear(base, 32, 64));
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(a_private_table_keeps_what_it_is_given);
  RUN(a_name_need_not_end_with_a_nul);
  RUN(a_long_name_is_cut_and_still_finds_its_entry);
  RUN(a_table_refuses_what_does_not_fit);
  RUN(bad_arguments_are_refused);
  RUN(a_segment_finds_its_structures_by_name);
  RUN(all_entries_of_a_segment_can_be_listed);
  RUN(erasing_frees_the_name_and_leaves_handles_alone);
  RUN(the_table_functions_reach_a_segment_s_table);
  return check_result("table");
}
