/* What the programs here share: a use of the library through a table of its functions, so that the
 * same code works with the copy that the program was linked with, and with one that it loaded. */
#ifndef USE_H
#define USE_H

#include <dlfcn.h>
#include <pthread.h>
#include <shmds.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(condition)                                                         \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

typedef struct library {
  shmds_status (*create)(const char*, const shmds_segment_options*, shmds_segment**);
  shmds_status (*open)(const char*, const shmds_segment_options*, shmds_segment**);
  shmds_status (*close)(shmds_segment*);
  shmds_status (*unlink)(const char*);
  shmds_status (*ref_count)(const shmds_segment*, uint32_t*);
  shmds_status (*queue)(shmds_segment*, const char*, size_t, size_t, size_t, shmds_queue**);
  shmds_status (*enqueue)(shmds_queue*, const void*);
  shmds_status (*dequeue)(shmds_queue*, void*);
  const char* (*last_error)(void);
} library;

#ifdef LINKED
static const library linked = {
    shmds_segment_create, shmds_segment_open,      shmds_segment_close,
    shmds_unlink,         shmds_segment_ref_count, shmds_queue_open_or_create,
    shmds_queue_enqueue,  shmds_queue_dequeue,     shmds_last_error};
#endif

/* A function's address as an object's, without a cast that C does not know. */
static inline void look_up(void* loaded, const char* name, void* function) {
  void* found = dlsym(loaded, name);
  NEED(found);
  memcpy(function, &found, sizeof found);
}

static inline library functions_of(void* loaded) {
  library it;
  look_up(loaded, "shmds_segment_create", &it.create);
  look_up(loaded, "shmds_segment_open", &it.open);
  look_up(loaded, "shmds_segment_close", &it.close);
  look_up(loaded, "shmds_unlink", &it.unlink);
  look_up(loaded, "shmds_segment_ref_count", &it.ref_count);
  look_up(loaded, "shmds_queue_open_or_create", &it.queue);
  look_up(loaded, "shmds_queue_enqueue", &it.enqueue);
  look_up(loaded, "shmds_queue_dequeue", &it.dequeue);
  look_up(loaded, "shmds_last_error", &it.last_error);
  return it;
}

static inline void* load(const char* path) {
  void* loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!loaded) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  return loaded;
}

static inline const char* segment_name(void) {
  static char name[64];
  snprintf(name, sizeof name, "shmds-coexist-%d", (int)getpid());
  return name;
}

static inline shmds_segment* create(const library* with) {
  const shmds_segment_options options = {sizeof options, 4096, 0, 0, 0, 0, 0, 0};
  shmds_segment* segment = NULL;
  NEED(with->create(segment_name(), &options, &segment) == SHMDS_OK);
  return segment;
}

static inline shmds_segment* open_again(const library* with) {
  shmds_segment* segment = NULL;
  NEED(with->open(segment_name(), NULL, &segment) == SHMDS_OK);
  return segment;
}

static inline shmds_queue* queue_of(const library* with, shmds_segment* segment) {
  shmds_queue* queue = NULL;
  NEED(with->queue(segment, "queue", sizeof(int), 0, 64, &queue) == SHMDS_OK);
  return queue;
}

static inline void pass(const library* from, shmds_queue* in, const library* to, shmds_queue* out) {
  static int next;
  const int value = ++next;
  int seen = 0;
  NEED(from->enqueue(in, &value) == SHMDS_OK);
  NEED(to->dequeue(out, &seen) == SHMDS_OK && seen == value);
}

static inline uint32_t ref_count(const library* with, shmds_segment* segment) {
  uint32_t count = 0;
  NEED(with->ref_count(segment, &count) == SHMDS_OK);
  return count;
}

/* What a child says by its exit code has to be 0. */
static inline void wait_for(pid_t child) {
  int status = 0;
  NEED(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
  NEED(WEXITSTATUS(status) == 0);
}

#endif
