/* Checks for the C tests, which are compiled as C11 and as C++17.
 *
 * A test program calls RUN(test) for each of its tests and returns check_result(). A check that
 * fails prints where and what, and the test goes on. Segments get their names from check_name(),
 * and are unlinked at the end, come what may. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmds.h"

static int check_failures;
static const char* check_test = "";

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

static inline int check_that(int holds, const char* what, const char* file, int line) {
  if (!holds) {
    check_failures++;
    fprintf(stderr, "%s:%d: %s: not true: %s\n", file, line, check_test, what);
  }
  return holds;
}

#define RUN(test)       \
  do {                  \
    check_test = #test; \
    test();             \
  } while (0)

static inline int check_result(const char* program) {
  printf("%s: %d checks failed\n", program, check_failures);
  return check_failures == 0 ? 0 : 1;
}

/* The exit status of a child that ended by itself; -1 if it did not. */
static inline int check_exit_code(pid_t child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
    return -1;
  }
  return WEXITSTATUS(status);
}

/* ---- names */

#define CHECK_NAMES 64

static char check_names[CHECK_NAMES][256];
static int check_name_count;

static inline void check_unlink_all(void) {
  int i;
  for (i = 0; i < check_name_count; i++) {
    char path[512];
    snprintf(path, sizeof path, "/%.255s", check_names[i]);
    shm_unlink(path);
  }
}

/* A segment name that no other process uses, unlinked at exit. */
static inline const char* check_name(const char* suffix) {
  char* name;
  if (check_name_count == CHECK_NAMES) {
    fprintf(stderr, "too many names\n");
    exit(2);
  }
  if (check_name_count == 0) {
    atexit(check_unlink_all);
  }
  name = check_names[check_name_count++];
  snprintf(name, sizeof check_names[0], "shmds-c-%d-%s", (int)getpid(), suffix);
  return name;
}

/* ---- what a failed call must leave as it was */

struct check_world {
  int descriptors; /* of this process */
  int segments;    /* of ours, by the names that check_name() gives */
};

static inline int check_count(const char* folder, const char* prefix) {
  int count = 0;
  struct dirent* entry;
  DIR* dir = opendir(folder);
  if (dir == NULL) {
    return -1;
  }
  while ((entry = readdir(dir)) != NULL) {
    count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
  }
  closedir(dir);
  return count;
}

static inline struct check_world check_look(void) {
  struct check_world world;
  char prefix[64];
  snprintf(prefix, sizeof prefix, "shmds-c-%d-", (int)getpid());
  world.descriptors = check_count("/proc/self/fd", "");
  world.segments = check_count("/dev/shm", prefix);
  return world;
}

/* ---- statuses */

#define OK(call) check_ok((call), #call, __FILE__, __LINE__)

static inline int check_ok(shmds_status status, const char* call, const char* file, int line) {
  if (status != SHMDS_OK) {
    check_failures++;
    fprintf(stderr, "%s:%d: %s: %s gave %s: %s\n", file, line, check_test, call,
            shmds_status_str(status), shmds_last_error());
  }
  return status == SHMDS_OK;
}

/* FAILS(status, name, call): the call gives that status and a sentence of its own with the name in
 * it (NULL: any sentence), creates no segment and leaks no descriptor. */
#define FAILS(expected, name, call)                                               \
  do {                                                                            \
    struct check_world before_;                                                   \
    shmds_status status_;                                                         \
    check_plant();                                                                \
    before_ = check_look();                                                       \
    status_ = (call);                                                             \
    check_fails(status_, (expected), (name), before_, #call, __FILE__, __LINE__); \
  } while (0)

/* Makes another failure the last one, so that an old sentence does not pass for a new one. */
static inline void check_plant(void) {
  if (shmds_unlink("shmds-c-planted") != SHMDS_E_NOT_FOUND) {
    check_failures++;
    fprintf(stderr, "unlinking an absent segment did not fail\n");
  }
}

static inline void check_fails(shmds_status status, shmds_status expected, const char* name,
                               struct check_world before, const char* call, const char* file,
                               int line) {
  const char* sentence = shmds_last_error();
  const struct check_world after = check_look();
  const char* wrong = NULL;
  if (status != expected) {
    wrong = "gave another status";
  } else if (sentence == NULL || sentence[0] == '\0') {
    wrong = "left no sentence";
  } else if (strstr(sentence, "shmds-c-planted") != NULL) {
    wrong = "left the sentence of an older failure";
  } else if (name != NULL && strstr(sentence, name) == NULL) {
    wrong = "left a sentence without the name";
  } else if (after.segments != before.segments) {
    wrong = "changed the number of segments";
  } else if (after.descriptors != before.descriptors) {
    wrong = "leaked a descriptor";
  }
  if (wrong != NULL) {
    check_failures++;
    fprintf(stderr, "%s:%d: %s: %s %s: expected %s, got %s: %s\n", file, line, check_test, call,
            wrong, shmds_status_str(expected), shmds_status_str(status),
            sentence == NULL ? "(NULL)" : sentence);
  }
}

/* ---- segments */

static inline shmds_segment_options check_options(uint64_t size) {
  shmds_segment_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.size = size;
  return options;
}

/* A new segment; the program ends if there is none to be had. */
static inline shmds_segment* check_create(const char* name, const shmds_segment_options* options) {
  shmds_segment* segment = NULL;
  if (!OK(shmds_segment_create(name, options, &segment))) {
    exit(1);
  }
  return segment;
}

static inline shmds_segment* check_create_sized(const char* name, uint64_t size) {
  const shmds_segment_options options = check_options(size);
  return check_create(name, &options);
}

/* A read-only attachment to a segment that exists. */
static inline shmds_segment* check_open_read_only(const char* name) {
  shmds_segment* segment = NULL;
  shmds_segment_options options = check_options(0);
  options.flags = SHMDS_SEGMENT_READ_ONLY;
  if (!OK(shmds_segment_open(name, &options, &segment))) {
    exit(1);
  }
  return segment;
}

#endif
