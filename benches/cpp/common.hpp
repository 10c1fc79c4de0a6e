// What every measurement here uses: the element, the clock, the back-off, the processor to run on.
#ifndef SHMDS_BENCH_COMMON_HPP
#define SHMDS_BENCH_COMMON_HPP

#include <sched.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// Elements in a queue, for all of them.
inline constexpr size_t capacity = 1024;

// An element of `Bytes` bytes; the same in the Rust program.
template <size_t Bytes>
struct Element {
  std::array<std::uint64_t, Bytes / 8> words;

  // The first and the last word carry the value, so that a torn element shows.
  void set(std::uint64_t value) noexcept {
    words.front() = value;
    words.back() = value;
  }
  std::uint64_t value() const noexcept { return words.front(); }
  bool whole() const noexcept { return words.front() == words.back(); }
};

// Ends a measurement whose queue does not do its work: such a figure must not be shown.
[[noreturn]] inline void broken(const char* what) {
  std::fprintf(stderr, "bench: %s\n", what);
  _exit(3);
}

inline std::uint64_t now_ns() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

inline void pause_once() {
  __builtin_ia32_pause();
}

// Keeps the calling thread on one processor.
inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) broken("cannot choose a processor");
}

// What a participant does after an operation that was refused; the same in the Rust program.
// "yield" is the policy of crossbeam's Backoff: 1, 2, 4, ... 64 pauses, then the rest of the time
// slice to others. "spin" tries again at once.
class Backoff {
 public:
  explicit Backoff(bool yields) : yields_(yields) {}
  void reset() noexcept { refusals_ = 0; }
  void wait() noexcept {
    if (!yields_) return;
    if (refusals_ <= 6) {
      for (unsigned i = 0; i < 1U << refusals_; i++)
        pause_once();
      refusals_++;
    } else {
      sched_yield();
    }
  }

 private:
  bool yields_;
  unsigned refusals_ = 0;
};

#endif
