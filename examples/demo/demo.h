/* What the programs of the demo agree on. C and C++. */
#ifndef SHMDS_DEMO_H
#define SHMDS_DEMO_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DEMO_SEGMENT "simulation"
#define DEMO_SENSORS "sensors"   /* array of double: the newest values */
#define DEMO_EVENTS "events"     /* queue of Event: every change of a value */
#define DEMO_SAMPLES "samples"   /* atomic uint64: how often all sensors were read */
#define DEMO_PRODUCED "produced" /* atomic uint64: events put into the queue */
#define DEMO_WAITS "waits"       /* atomic uint64: events that found the queue full at first */
#define DEMO_DONE "done"         /* atomic bool: nothing more will be put into the queue */

#define DEMO_OPEN_SECONDS 5 /* how long a program waits for the others to create what it needs */

/* A consumer reports each event it took to the demo: its sequence number, or this for one whose
   checksum is wrong. Reports go through a pipe, apart from the shared memory that they judge. */
#define DEMO_TORN UINT64_MAX

/* One sensor took another value. */
typedef struct Event {
  uint64_t sequence; /* 0, 1, 2, ... without a gap */
  uint64_t timestamp_ns;
  uint64_t sensor; /* index into the array of sensors */
  double old_value;
  double new_value;
  uint64_t checksum; /* event_checksum() of all the above */
} Event;

/* FNV-1a over everything before the checksum; there is no padding. */
static inline uint64_t event_checksum(const Event* event) {
  const unsigned char* bytes = (const unsigned char*)event;
  uint64_t hash = 14695981039346656037U;
  for (size_t i = 0; i < offsetof(Event, checksum); ++i)
    hash = (hash ^ bytes[i]) * 1099511628211U;
  return hash;
}

static inline uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static inline void sleep_us(long microseconds) {
  const struct timespec time = {0, microseconds * 1000};
  nanosleep(&time, NULL);
}

#endif
