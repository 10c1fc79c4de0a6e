// consumer_cpp [REPORT_FD]
// Takes events from the queue until the producer is done and the queue is empty. consumer.c is the
// same program in C.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>

#include "demo.h"
#include "posix_shm.h"
#include "shm_atomic.h"
#include "shm_queue.h"

namespace {

struct Input {
  posix_shm shm{DEMO_SEGMENT};
  shm_queue<Event> events{shm, DEMO_EVENTS};
  shm_atomic<bool> done{shm, DEMO_DONE};
};

// Opens what the producer creates, waiting for it.
std::unique_ptr<Input> open_input() {
  const std::uint64_t deadline = now_ns() + DEMO_OPEN_SECONDS * std::uint64_t{1'000'000'000};
  for (;;) {
    try {
      return std::make_unique<Input>();
    } catch (const shmds::error& error) {
      if (error.status() != SHMDS_E_NOT_FOUND || now_ns() > deadline) throw;
      sleep_us(10'000);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::FILE* report = argc > 1 ? fdopen(std::atoi(argv[1]), "wb") : nullptr;
    const auto input = open_input();
    std::uint64_t consumed = 0;
    std::uint64_t torn = 0;
    for (;;) {
      // Read before looking into the queue: what is there now is all there will be.
      const bool done = input->done;
      if (const auto event = input->events.dequeue()) {
        const bool whole = event->checksum == event_checksum(&*event);
        ++consumed;
        if (!whole) ++torn;
        const std::uint64_t seen = whole ? event->sequence : DEMO_TORN;
        if (report != nullptr && std::fwrite(&seen, sizeof(seen), 1, report) != 1) {
          throw std::runtime_error("cannot report");
        }
      } else {
        if (report != nullptr) std::fflush(report);
        if (done) break;
        sleep_us(50);
      }
    }
    if (report == nullptr) {
      std::printf("consumed %llu events, %llu torn\n", static_cast<unsigned long long>(consumed),
                  static_cast<unsigned long long>(torn));
    } else if (std::fclose(report) != 0) {
      throw std::runtime_error("cannot report");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "consumer_cpp: %s\n", error.what());
    return 1;
  }
  return 0;
}
