/* consumer_c [REPORT_FD]
   Takes events from the queue until the producer is done and the queue is empty. consumer.cpp is
   the same program in C++. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "demo.h"
#include "shmds.h"

typedef struct Input {
  shmds_segment* segment;
  shmds_queue* events;
  shmds_atomic* done;
} Input;

static shmds_status try_to_open(Input* input) {
  shmds_status status = shmds_segment_open(DEMO_SEGMENT, NULL, &input->segment);
  if (status != SHMDS_OK) return status;
  status = shmds_queue_open(input->segment, DEMO_EVENTS, sizeof(Event), _Alignof(Event), 0,
                            &input->events);
  if (status == SHMDS_OK) {
    status = shmds_atomic_open(input->segment, DEMO_DONE, sizeof(bool), NULL, &input->done);
  }
  /* Closing also frees the handles opened through the segment. */
  if (status != SHMDS_OK) shmds_segment_close(input->segment);
  return status;
}

/* Opens what the producer creates, waiting for it. */
static shmds_status open_input(Input* input) {
  const uint64_t deadline = now_ns() + DEMO_OPEN_SECONDS * UINT64_C(1000000000);
  for (;;) {
    const shmds_status status = try_to_open(input);
    if (status != SHMDS_E_NOT_FOUND || now_ns() > deadline) return status;
    sleep_us(10000);
  }
}

static int fail(const char* what) {
  fprintf(stderr, "consumer_c: %s\n", what);
  return EXIT_FAILURE;
}

int main(int argc, char** argv) {
  FILE* report = argc > 1 ? fdopen(atoi(argv[1]), "wb") : NULL;
  Input input;
  if (open_input(&input) != SHMDS_OK) return fail(shmds_last_error());

  uint64_t consumed = 0;
  uint64_t torn = 0;
  for (;;) {
    /* Read before looking into the queue: what is there now is all there will be. */
    uint64_t done = 0;
    if (shmds_atomic_load(input.done, &done) != SHMDS_OK) return fail(shmds_last_error());
    Event event;
    const shmds_status status = shmds_queue_dequeue(input.events, &event);
    if (status == SHMDS_OK) {
      const bool whole = event.checksum == event_checksum(&event);
      ++consumed;
      if (!whole) ++torn;
      const uint64_t seen = whole ? event.sequence : DEMO_TORN;
      if (report != NULL && fwrite(&seen, sizeof(seen), 1, report) != 1)
        return fail("cannot report");
    } else if (status == SHMDS_EMPTY) {
      if (report != NULL) fflush(report);
      if (done != 0) break;
      sleep_us(50);
    } else {
      return fail(shmds_last_error());
    }
  }
  if (report == NULL) {
    printf("consumed %" PRIu64 " events, %" PRIu64 " torn\n", consumed, torn);
  } else if (fclose(report) != 0) {
    return fail("cannot report");
  }
  shmds_segment_close(input.segment);
  return EXIT_SUCCESS;
}
