/* Two libraries written in Rust in one program, either of them shared or static: each has its own
 * runtime, catches its own panics, and cleans up after its own threads. */
#include "use.h"

uint32_t other_count(uint32_t word);
uint32_t other_panics(uint32_t word);

static shmds_queue* queue;

static void* use_both(void* unused) {
  int round = 0;
  (void)unused;
  for (round = 1; round <= 16; round++) {
    NEED(other_count(7) == (uint32_t)round);
    pass(&linked, queue, &linked, queue);
    NEED(other_panics(3) == 1);
    NEED(shmds_unlink(NULL) == SHMDS_E_ARGUMENT && strstr(shmds_last_error(), "name") != NULL);
  }
  return NULL;
}

int main(void) {
  shmds_segment* segment = create(&linked);
  pthread_t thread;
  pid_t child = 0;
  NEED(shmds_unlink(segment_name()) == SHMDS_OK);
  queue = queue_of(&linked, segment);
  use_both(NULL);
  NEED(pthread_create(&thread, NULL, use_both, NULL) == 0);
  NEED(pthread_join(thread, NULL) == 0);
  child = fork();
  if (child == 0) {
    NEED(other_count(7) == 17);
    pass(&linked, queue, &linked, queue);
    NEED(shmds_segment_close(segment) == SHMDS_OK);
    _exit(0);
  }
  wait_for(child);
  pass(&linked, queue, &linked, queue);
  NEED(shmds_segment_close(segment) == SHMDS_OK);
  return 0;
}
