/* Segments: create, open, close, unlink, and what they tell of themselves. */
#include "check.h"

/* Address that no call may write over. */
#define UNTOUCHED ((shmds_segment*)&untouched)
static int untouched;

typedef shmds_status (*attach)(const char*, const shmds_segment_options*, shmds_segment**);

static const attach all_attach[] = {shmds_segment_create, shmds_segment_open,
                                    shmds_segment_open_or_create};
static const attach both_create[] = {shmds_segment_create, shmds_segment_open_or_create};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* One bad call: that status, that name in the sentence, the output untouched. */
#define REFUSES(expected, mentioned, call, name, options)         \
  do {                                                            \
    shmds_segment* out_ = UNTOUCHED;                              \
    FAILS(expected, mentioned, (call)((name), (options), &out_)); \
    CHECK(out_ == UNTOUCHED);                                     \
  } while (0)

static void a_segment_is_created_opened_and_unlinked(void) {
  const char* name = check_name("life");
  shmds_segment* created = check_create_sized(name, 10000);
  shmds_segment* opened = NULL;
  shmds_segment* again = NULL;
  shmds_segment_options options = check_options(10000);
  uint32_t count = 0;

  CHECK(strcmp(shmds_segment_name(created), name) == 0);
  CHECK(shmds_segment_size(created) == 10000);
  CHECK(shmds_segment_base(created) != NULL);
  OK(shmds_segment_ref_count(created, &count));
  CHECK(count == 1);

  OK(shmds_segment_open(name, NULL, &opened));
  OK(shmds_segment_open_or_create(name, &options, &again));
  CHECK(shmds_segment_size(opened) == 10000);
  OK(shmds_segment_ref_count(created, &count));
  CHECK(count == 3);

  OK(shmds_segment_close(again));
  OK(shmds_segment_close(created));
  OK(shmds_segment_ref_count(opened, &count));
  CHECK(count == 1);

  OK(shmds_unlink(name));
  FAILS(SHMDS_E_NOT_FOUND, name, shmds_unlink(name));
  REFUSES(SHMDS_E_NOT_FOUND, name, shmds_segment_open, name, NULL);
  CHECK(shmds_segment_size(opened) == 10000);
  OK(shmds_segment_close(opened));
}

static void a_segment_outlives_its_attachments(void) {
  const char* name = check_name("persists");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_array* array = NULL;
  OK(shmds_array_create(segment, "kept", sizeof(int), 0, 4, &array));
  ((int*)shmds_array_data(array))[3] = 42;
  OK(shmds_segment_close(segment));

  segment = NULL;
  OK(shmds_segment_open(name, NULL, &segment));
  OK(shmds_array_open(segment, "kept", sizeof(int), 0, 0, &array));
  CHECK(((int*)shmds_array_data(array))[3] == 42);
  OK(shmds_segment_close(segment));
}

static void a_leading_slash_makes_no_difference(void) {
  const char* name = check_name("slash");
  char slashed[300];
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* same = NULL;
  uint32_t count = 0;
  snprintf(slashed, sizeof slashed, "/%s", name);
  OK(shmds_segment_open(slashed, NULL, &same));
  CHECK(strcmp(shmds_segment_name(same), name) == 0);
  OK(shmds_segment_ref_count(segment, &count));
  CHECK(count == 2);
  OK(shmds_segment_close(same));
  OK(shmds_segment_close(segment));
  OK(shmds_unlink(slashed));
}

static void open_and_close_leaks_nothing(void) {
  const char* name = check_name("leak");
  struct check_world before, after;
  shmds_segment* segment = check_create_sized(name, 4096);
  int i;
  OK(shmds_segment_close(segment));
  before = check_look();
  for (i = 0; i < 20; i++) {
    OK(shmds_segment_open(name, NULL, &segment));
    OK(shmds_segment_close(segment));
  }
  after = check_look();
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.segments == before.segments);
}

static void the_mode_is_0600_or_as_asked(void) {
  const char* names[2];
  const mode_t expected[] = {0600, 0640};
  int i;
  names[0] = check_name("private");
  names[1] = check_name("shared");
  for (i = 0; i < 2; i++) {
    struct stat file;
    char path[300];
    shmds_segment* segment;
    shmds_segment_options options = check_options(4096);
    options.mode = i == 0 ? 0 : 0640;
    segment = check_create(names[i], &options);
    snprintf(path, sizeof path, "/dev/shm/%s", names[i]);
    CHECK(stat(path, &file) == 0 && (file.st_mode & 07777) == expected[i]);
    OK(shmds_segment_close(segment));
  }
}

static void null_is_refused_everywhere(void) {
  const char* name = check_name("null");
  const shmds_segment_options options = check_options(4096);
  size_t i;
  for (i = 0; i < LENGTH(all_attach); i++) {
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_attach[i], NULL, &options);
    FAILS(SHMDS_E_ARGUMENT, NULL, all_attach[i](name, &options, NULL));
    FAILS(SHMDS_E_ARGUMENT, NULL, all_attach[i](NULL, NULL, NULL));
  }
  REFUSES(SHMDS_E_ARGUMENT, NULL, shmds_segment_create, name, NULL);
  REFUSES(SHMDS_E_ARGUMENT, NULL, shmds_segment_open_or_create, name, NULL);
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_close(NULL));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_unlink(NULL));
  CHECK(shmds_segment_base(NULL) == NULL);
  CHECK(shmds_segment_name(NULL) == NULL);
  CHECK(shmds_segment_size(NULL) == 0);
}

static void bad_names_are_refused_everywhere(void) {
  const shmds_segment_options options = check_options(4096);
  const char* empty[] = {"", "/"};
  const char* invalid[] = {"a/b", "/a/b", "a/", "//", "//a", ".", "..", "/.", "/..", "\xff\xfe"};
  char too_long[258];
  size_t i, j;
  memset(too_long, 'n', sizeof too_long);
  too_long[256] = '\0'; /* 256 characters, one more than a file name may have */

  for (i = 0; i < LENGTH(all_attach); i++) {
    for (j = 0; j < LENGTH(empty); j++) {
      REFUSES(SHMDS_E_NAME_EMPTY, NULL, all_attach[i], empty[j], &options);
    }
    for (j = 0; j < LENGTH(invalid); j++) {
      /* The last one is not UTF-8: the sentence cannot quote it. */
      const char* quoted = j + 1 < LENGTH(invalid) ? invalid[j] : NULL;
      REFUSES(SHMDS_E_NAME_INVALID, quoted, all_attach[i], invalid[j], &options);
    }
    REFUSES(SHMDS_E_NAME_TOO_LONG, too_long, all_attach[i], too_long, &options);
  }
  for (j = 0; j < LENGTH(empty); j++) {
    FAILS(SHMDS_E_NAME_EMPTY, NULL, shmds_unlink(empty[j]));
  }
  for (j = 0; j < LENGTH(invalid); j++) {
    FAILS(SHMDS_E_NAME_INVALID, NULL, shmds_unlink(invalid[j]));
  }
  FAILS(SHMDS_E_NAME_TOO_LONG, too_long, shmds_unlink(too_long));
}

static void a_name_of_255_characters_is_accepted(void) {
  char longest[256];
  char slashed[257];
  shmds_segment* segment = NULL;
  const shmds_segment_options options = check_options(4096);
  const int prefix = snprintf(longest, sizeof longest, "%s-", check_name("longest"));
  memset(longest + prefix, 'n', 255 - (size_t)prefix);
  longest[255] = '\0';
  OK(shmds_segment_create(longest, &options, &segment));
  CHECK(strcmp(shmds_segment_name(segment), longest) == 0);
  OK(shmds_segment_close(segment));
  snprintf(slashed, sizeof slashed, "/%s", longest);
  OK(shmds_unlink(slashed));
}

static void bad_options_are_refused(void) {
  const char* name = check_name("options");
  const size_t bad_sizes[] = {0, 1, sizeof(shmds_segment_options) - 1, SIZE_MAX};
  shmds_segment_options options;
  size_t i, j;
  for (i = 0; i < LENGTH(all_attach); i++) {
    for (j = 0; j < LENGTH(bad_sizes); j++) {
      options = check_options(4096);
      options.struct_size = bad_sizes[j];
      REFUSES(SHMDS_E_ARGUMENT, NULL, all_attach[i], name, &options);
    }
    options = check_options(4096);
    options.flags = 0x80000000u;
    REFUSES(SHMDS_E_ARGUMENT, NULL, all_attach[i], name, &options);
  }
  for (i = 0; i < LENGTH(both_create); i++) {
    options = check_options(0);
    REFUSES(SHMDS_E_ARGUMENT, NULL, both_create[i], name, &options);
    options = check_options(4096);
    options.max_attachments = UINT32_MAX;
    REFUSES(SHMDS_E_ARGUMENT, NULL, both_create[i], name, &options);
  }
}

static void sizes_beyond_the_machine_are_refused(void) {
  const char* name = check_name("huge");
  const uint64_t sizes[] = {UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX - 4095, UINT64_MAX};
  size_t i, j;
  for (i = 0; i < LENGTH(both_create); i++) {
    for (j = 0; j < LENGTH(sizes); j++) {
      const shmds_segment_options options = check_options(sizes[j]);
      REFUSES(SHMDS_E_TOO_LARGE, name, both_create[i], name, &options);
    }
  }
}

static void what_exists_must_be_what_was_asked_for(void) {
  const char* name = check_name("exists");
  const char* absent = check_name("absent");
  shmds_segment* segment = check_create_sized(name, 8192);
  shmds_segment* other = NULL;
  shmds_segment_options options = check_options(8192);

  REFUSES(SHMDS_E_EXISTS, name, shmds_segment_create, name, &options);
  REFUSES(SHMDS_E_NOT_FOUND, absent, shmds_segment_open, absent, NULL);
  options = check_options(8193);
  REFUSES(SHMDS_E_SIZE, name, shmds_segment_open, name, &options);
  REFUSES(SHMDS_E_SIZE, name, shmds_segment_open_or_create, name, &options);
  options = check_options(8192);
  options.max_entries = 65;
  REFUSES(SHMDS_E_GEOMETRY, name, shmds_segment_open, name, &options);
  REFUSES(SHMDS_E_GEOMETRY, name, shmds_segment_open_or_create, name, &options);
  options = check_options(8192);
  options.max_name_size = 16;
  REFUSES(SHMDS_E_GEOMETRY, name, shmds_segment_open, name, &options);

  options = check_options(1);
  options.max_entries = 64;
  options.max_name_size = 32;
  OK(shmds_segment_open(name, &options, &other));
  CHECK(shmds_segment_size(other) == 8192);
  OK(shmds_segment_close(other));
  OK(shmds_segment_close(segment));
}

static void something_else_of_that_name_is_refused_and_kept(void) {
  const char* name = check_name("foreign");
  const shmds_segment_options options = check_options(4096);
  const char junk[] = "this is not a segment, but it belongs to somebody";
  char bytes[sizeof junk] = "";
  char path[300];
  int file;
  size_t i;
  snprintf(path, sizeof path, "/%s", name);
  file = shm_open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
  CHECK(file >= 0 && write(file, junk, sizeof junk) == (ssize_t)sizeof junk);
  CHECK(ftruncate(file, 1 << 20) == 0);
  for (i = 0; i < LENGTH(all_attach); i++) {
    REFUSES(SHMDS_E_FOREIGN, name, all_attach[i], name, &options);
  }
  CHECK(pread(file, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
  CHECK(memcmp(bytes, junk, sizeof junk) == 0);
  close(file);
}

static void the_number_of_attachments_is_limited(void) {
  const char* name = check_name("slots");
  shmds_segment* segments[2] = {NULL, NULL};
  shmds_segment_options options = check_options(4096);
  shmds_segment_info info;
  options.max_attachments = 2;
  segments[0] = check_create(name, &options);
  OK(shmds_segment_open(name, NULL, &segments[1]));
  REFUSES(SHMDS_E_ATTACHMENTS, name, shmds_segment_open, name, NULL);
  info.struct_size = sizeof info;
  OK(shmds_segment_get_info(segments[0], &info));
  CHECK(info.max_attachments == 2 && info.ref_count == 2);
  OK(shmds_segment_close(segments[1]));
  OK(shmds_segment_open(name, NULL, &segments[1]));
  OK(shmds_segment_close(segments[1]));
  OK(shmds_segment_close(segments[0]));
}

static void a_reader_takes_no_attachment(void) {
  const char* name = check_name("reader");
  shmds_segment* segment = check_create_sized(name, 4096);
  shmds_segment* reader = check_open_read_only(name);
  shmds_segment_info info;
  shmds_segment_options options;
  uint32_t count = 0;
  OK(shmds_segment_ref_count(reader, &count));
  CHECK(count == 1);
  info.struct_size = sizeof info;
  OK(shmds_segment_get_info(segment, &info));
  CHECK(info.ref_count == 1 && info.readers == 1);
  OK(shmds_segment_close(reader));
  OK(shmds_segment_get_info(segment, &info));
  CHECK(info.readers == 0);
  options = check_options(0);
  options.flags = SHMDS_SEGMENT_READ_ONLY;
  name = check_name("reader-absent");
  REFUSES(SHMDS_E_NOT_FOUND, name, shmds_segment_open, name, &options);
  OK(shmds_segment_close(segment));
}

static void a_segment_tells_its_numbers(void) {
  const char* name = check_name("info");
  shmds_segment_options options = check_options(20000);
  shmds_segment_info info, copy;
  shmds_segment* segment;
  shmds_array* array = NULL;
  uint32_t count = 77;
  options.max_name_size = 16;
  options.max_entries = 3;
  options.max_attachments = 5;
  options.flags = SHMDS_SEGMENT_COMMIT;
  segment = check_create(name, &options);
  OK(shmds_array_create(segment, "numbers", 8, 0, 100, &array));
  info.struct_size = sizeof info;
  OK(shmds_segment_get_info(segment, &info));
  CHECK(info.struct_size == sizeof info);
  CHECK(info.size == 20000 && info.payload_used == 800 && info.file_size > 20000);
  CHECK(info.max_name_size == 16 && info.max_entries == 3 && info.entries_used == 1);
  CHECK(info.max_attachments == 5 && info.ref_count == 1 && info.readers == 0);

  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_get_info(segment, NULL));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_get_info(NULL, &info));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_ref_count(segment, NULL));
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_ref_count(NULL, &count));
  CHECK(count == 77);
  memset(&info, 0x5a, sizeof info);
  info.struct_size = 3;
  copy = info;
  FAILS(SHMDS_E_ARGUMENT, NULL, shmds_segment_get_info(segment, &info));
  CHECK(memcmp(&info, &copy, sizeof info) == 0);
  OK(shmds_segment_close(segment));
}

int main(void) {
  RUN(a_segment_is_created_opened_and_unlinked);
  RUN(a_segment_outlives_its_attachments);
  RUN(a_leading_slash_makes_no_difference);
  RUN(open_and_close_leaks_nothing);
  RUN(the_mode_is_0600_or_as_asked);
  RUN(null_is_refused_everywhere);
  RUN(bad_names_are_refused_everywhere);
  RUN(a_name_of_255_characters_is_accepted);
  RUN(bad_options_are_refused);
  RUN(sizes_beyond_the_machine_are_refused);
  RUN(what_exists_must_be_what_was_asked_for);
  RUN(something_else_of_that_name_is_refused_and_kept);
  RUN(the_number_of_attachments_is_limited);
  RUN(a_reader_takes_no_attachment);
  RUN(a_segment_tells_its_numbers);
  return check_result("segment");
}
