// Uses the installed C++ headers: an array, an atomic and a queue in a segment, seen by two
// attachments.
#include <unistd.h>

#include <string>

#include <posix_shm.h>  // both forms find it
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"

int main() {
  const std::string name = "shmds-consumer-cpp-" + std::to_string(getpid());
  posix_shm shm(name, 64 * 1024);
  posix_shm other(name);
  shm.unlink();

  shm_array<double> sensors(shm, "sensors", 100);
  shm_atomic<int> counter(shm, "counter", 1);
  shm_queue<int> events(shm, "events", 8);
  sensors[99] = 2.5;
  ++counter;
  if (!events.enqueue(42)) return 1;

  const shm_array<double> seen(other, "sensors");
  const shm_atomic<int> same(other, "counter");
  const auto event = shm_queue<int>(other, "events").dequeue();
  return seen[99] == 2.5 && same.load() == 2 && event == 42 ? 0 : 1;
}
