// A shared object that compiles the inline paths in, for programs that do too.
#include "shmds_inline.h"

extern "C" {

[[gnu::visibility("default")]] shmds_status plugin_enqueue(shmds_queue* queue, long value) {
  return shmds_queue_enqueue_inline(queue, &value, sizeof value);
}

[[gnu::visibility("default")]] shmds_status plugin_dequeue(shmds_queue* queue, long* value) {
  return shmds_queue_dequeue_inline(queue, value, sizeof *value);
}
}
