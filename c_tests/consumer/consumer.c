/* Uses the installed C library: a queue in a segment, seen by two attachments. With an argument, it
 * only tells whether the library has that version. */
#include <shmds.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, shmds_last_error());
  return 1;
}

static int has_version(const char* expected) {
  const uint32_t version = shmds_version();
  char text[64];
  snprintf(text, sizeof text, "%u.%u.%u", (unsigned)(version / 1000000),
           (unsigned)(version / 1000 % 1000), (unsigned)(version % 1000));
  return strcmp(text, expected) == 0;
}

int main(int count, char** arguments) {
  shmds_segment_options options = {.struct_size = sizeof options, .size = 4096};
  shmds_segment *segment, *other;
  shmds_queue *producer, *consumer;
  char name[64];
  int value = 42, seen = 0;
  snprintf(name, sizeof name, "shmds-consumer-c-%d", (int)getpid());

  if (count > 1) return has_version(arguments[1]) ? 0 : 1;
  if (shmds_segment_create(name, &options, &segment) != SHMDS_OK) return failed("create");
  if (shmds_segment_open(name, NULL, &other) != SHMDS_OK) return failed("open");
  if (shmds_unlink(name) != SHMDS_OK) return failed("unlink");
  if (shmds_queue_create(segment, "queue", sizeof value, 0, 8, &producer) != SHMDS_OK)
    return failed("create a queue");
  if (shmds_queue_open(other, "queue", sizeof value, 0, 8, &consumer) != SHMDS_OK)
    return failed("open a queue");
  if (shmds_queue_enqueue(producer, &value) != SHMDS_OK) return failed("enqueue");
  if (shmds_queue_dequeue(consumer, &seen) != SHMDS_OK) return failed("dequeue");
  if (shmds_segment_close(other) != SHMDS_OK || shmds_segment_close(segment) != SHMDS_OK)
    return failed("close");
  return seen == 42 ? 0 : 1;
}
