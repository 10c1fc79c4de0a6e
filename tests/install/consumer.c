/* Uses the installed C library: a queue in a segment, seen by two attachments. */
#include <shmds.h>
#include <stdio.h>
#include <unistd.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, shmds_last_error());
  return 1;
}

int main(void) {
  shmds_segment_options options = {.struct_size = sizeof options, .size = 4096};
  shmds_segment *segment, *other;
  shmds_queue *producer, *consumer;
  char name[64];
  int value = 42, seen = 0;
  snprintf(name, sizeof name, "shmds-consumer-c-%d", (int)getpid());

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
