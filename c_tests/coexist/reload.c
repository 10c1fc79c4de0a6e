/* The library loaded, closed and loaded again, with everything that points into it still there:
 * fork handlers, the destructors of a thread that used a queue, an open segment. It stays in
 * memory, and goes on where it was. */
#include "use.h"

static library loaded;
static shmds_queue* queue;
static int steps[2][2];

/* Uses the queue, lets the main thread close the library, and ends after that. */
static void* outlive(void* unused) {
  char byte = 0;
  (void)unused;
  pass(&loaded, queue, &loaded, queue);
  NEED(write(steps[0][1], "u", 1) == 1);
  NEED(read(steps[1][0], &byte, 1) == 1);
  return NULL;
}

/* Nothing but an attachment points into the library. */
static void reload_with_a_segment(const char* path) {
  void* handle = load(path);
  shmds_segment* segment = NULL;
  loaded = functions_of(handle);
  segment = create(&loaded);
  NEED(loaded.unlink(segment_name()) == SHMDS_OK);
  NEED(dlclose(handle) == 0);
  handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  NEED(handle);
  NEED(ref_count(&loaded, segment) == 1);
  NEED(loaded.close(segment) == SHMDS_OK);
  NEED(dlclose(handle) == 0);
}

int main(int count, char** arguments) {
  shmds_segment* segment;
  pthread_t thread;
  pid_t child = 0;
  char byte = 0;
  void *first, *second;
  NEED(count == 2 && pipe(steps[0]) == 0 && pipe(steps[1]) == 0);
  reload_with_a_segment(arguments[1]);
  first = load(arguments[1]);
  loaded = functions_of(first);
  segment = create(&loaded);
  NEED(loaded.unlink(segment_name()) == SHMDS_OK);
  queue = queue_of(&loaded, segment);
  pass(&loaded, queue, &loaded, queue);
  NEED(pthread_create(&thread, NULL, outlive, NULL) == 0);
  NEED(read(steps[0][0], &byte, 1) == 1);

  NEED(dlclose(first) == 0);
  child = fork();
  if (child == 0) _exit(0);
  wait_for(child);
  NEED(write(steps[1][1], "e", 1) == 1);
  NEED(pthread_join(thread, NULL) == 0);

  second = load(arguments[1]);
  NEED(functions_of(second).create == loaded.create);
  /* The same library, with what was open in it. */
  pass(&loaded, queue, &loaded, queue);
  NEED(ref_count(&loaded, segment) == 1);
  child = fork();
  if (child == 0) {
    pass(&loaded, queue, &loaded, queue);
    NEED(ref_count(&loaded, segment) == 2);
    _exit(0);
  }
  wait_for(child);
  NEED(loaded.close(segment) == SHMDS_OK);

  /* Many times, as a program does that looks for plugins. */
  for (count = 0; count < 100; count++) {
    NEED(dlclose(second) == 0);
    second = load(arguments[1]);
    segment = create(&loaded);
    NEED(loaded.unlink(segment_name()) == SHMDS_OK);
    queue = queue_of(&loaded, segment);
    pass(&loaded, queue, &loaded, queue);
    NEED(loaded.close(segment) == SHMDS_OK);
  }
  NEED(dlclose(second) == 0);
  child = fork();
  if (child == 0) _exit(0);
  wait_for(child);
  return 0;
}
