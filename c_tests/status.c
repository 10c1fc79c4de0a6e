/* Version, names of statuses, the last error. */
#include "check.h"

#include <pthread.h>

static void the_library_has_the_version_of_its_header(void) {
  CHECK(shmds_version() ==
        SHMDS_VERSION_MAJOR * 1000000u + SHMDS_VERSION_MINOR * 1000u + SHMDS_VERSION_PATCH);
}

static void every_status_has_the_name_of_its_constant(void) {
#define NAMED(status) CHECK(strcmp(shmds_status_str(status), #status) == 0)
  NAMED(SHMDS_OK);
  NAMED(SHMDS_FULL);
  NAMED(SHMDS_EMPTY);
  NAMED(SHMDS_TIMEOUT);
  NAMED(SHMDS_EXHAUSTED);
  NAMED(SHMDS_E_ARGUMENT);
  NAMED(SHMDS_E_NAME_EMPTY);
  NAMED(SHMDS_E_NAME_TOO_LONG);
  NAMED(SHMDS_E_NAME_INVALID);
  NAMED(SHMDS_E_TOO_LARGE);
  NAMED(SHMDS_E_ELEMENT_SIZE);
  NAMED(SHMDS_E_ALIGNMENT);
  NAMED(SHMDS_E_CAPACITY);
  NAMED(SHMDS_E_OVERFLOW);
  NAMED(SHMDS_E_EXISTS);
  NAMED(SHMDS_E_NOT_FOUND);
  NAMED(SHMDS_E_NO_SPACE);
  NAMED(SHMDS_E_SEGMENT_FULL);
  NAMED(SHMDS_E_TABLE_FULL);
  NAMED(SHMDS_E_KIND);
  NAMED(SHMDS_E_MISMATCH);
  NAMED(SHMDS_E_SIZE);
  NAMED(SHMDS_E_GEOMETRY);
  NAMED(SHMDS_E_VERSION);
  NAMED(SHMDS_E_FOREIGN);
  NAMED(SHMDS_E_TRUNCATED);
  NAMED(SHMDS_E_CORRUPT);
  NAMED(SHMDS_E_ATTACHMENTS);
  NAMED(SHMDS_E_READ_ONLY);
  NAMED(SHMDS_E_PERMISSION);
  NAMED(SHMDS_E_SYSTEM);
  NAMED(SHMDS_E_STALE);
  NAMED(SHMDS_E_BUSY);
  NAMED(SHMDS_E_INTERNAL);
#undef NAMED
}

static void an_unknown_status_has_a_name_too(void) {
  const shmds_status unknown[] = {-1000, 1000, INT32_MIN, INT32_MAX};
  size_t i;
  for (i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    const char* name = shmds_status_str(unknown[i]);
    CHECK(name != NULL && name[0] != '\0' && strncmp(name, "SHMDS_", 6) != 0);
  }
}

static void errors_are_negative_and_outcomes_positive(void) {
  CHECK(SHMDS_OK == 0);
  CHECK(SHMDS_FULL > 0 && SHMDS_EMPTY > 0 && SHMDS_TIMEOUT > 0 && SHMDS_EXHAUSTED > 0);
  CHECK(SHMDS_E_ARGUMENT < 0 && SHMDS_E_BUSY < 0 && SHMDS_E_INTERNAL < 0);
}

static void* fail_in_a_thread(void* seen) {
  const char* sentence = shmds_last_error();
  int* fresh = (int*)seen;
  *fresh = sentence != NULL && sentence[0] == '\0';
  FAILS(SHMDS_E_NOT_FOUND, "shmds-c-other-thread", shmds_unlink("shmds-c-other-thread"));
  return NULL;
}

static void each_thread_has_a_last_error_of_its_own(void) {
  pthread_t thread;
  int fresh = 0;
  FAILS(SHMDS_E_NOT_FOUND, "shmds-c-this-thread", shmds_unlink("shmds-c-this-thread"));
  CHECK(pthread_create(&thread, NULL, fail_in_a_thread, &fresh) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(fresh);
  CHECK(strstr(shmds_last_error(), "shmds-c-this-thread") != NULL);
}

static void success_leaves_the_last_error_alone(void) {
  shmds_segment* segment;
  FAILS(SHMDS_E_NOT_FOUND, "shmds-c-absent", shmds_unlink("shmds-c-absent"));
  segment = check_create_sized(check_name("success"), 4096);
  CHECK(strstr(shmds_last_error(), "shmds-c-absent") != NULL);
  OK(shmds_segment_close(segment));
}

int main(void) {
  CHECK(shmds_last_error() != NULL && shmds_last_error()[0] == '\0');
  RUN(the_library_has_the_version_of_its_header);
  RUN(every_status_has_the_name_of_its_constant);
  RUN(an_unknown_status_has_a_name_too);
  RUN(errors_are_negative_and_outcomes_positive);
  RUN(each_thread_has_a_last_error_of_its_own);
  RUN(success_leaves_the_last_error_alone);
  return check_result("status");
}
