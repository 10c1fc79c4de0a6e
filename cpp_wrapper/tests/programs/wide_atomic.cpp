// Values of 16 bytes in shm_atomic, for compilers that may exchange so many at once.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "shm_atomic.h"

namespace {

struct pair16 {
  std::uint64_t low;
  std::uint64_t high;
};
static_assert(shmds::always_lock_free<pair16>);
static_assert(shm_atomic<pair16>::is_always_lock_free);

constexpr std::uint64_t threads = 4;
constexpr std::uint64_t rounds = 5000;

// Both halves are raised together: whoever sees them differ has seen half a change.
bool counts_as_one(shm_atomic<pair16>& value) {
  std::vector<std::jthread> all;
  std::atomic<bool> torn = false;
  for (std::uint64_t t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      for (std::uint64_t i = 0; i < rounds; ++i) {
        pair16 seen = value;
        while (!value.compare_exchange_weak(seen, {seen.low + 1, seen.high + 1})) {
        }
        if (seen.low != seen.high) torn = true;
      }
    });
  }
  all.clear();
  const pair16 last = value.load();
  return !torn && last.low == threads * rounds && last.high == threads * rounds;
}

bool wakes_another_process(const std::string& name, shm_atomic<pair16>& value) {
  value.store({5, 6});
  if (value.wait_for({5, 6}, std::chrono::milliseconds(1))) return false;
  const pid_t waiter = fork();
  if (waiter == 0) {
    posix_shm mine(name);
    shm_atomic<pair16> seen(mine, "value");
    seen.wait({5, 6});
    _exit(seen.load().high == 7 ? 0 : 1);
  }
  if (value.exchange({5, 7}).high != 6) return false;
  value.notify_all();
  int status = -1;
  waitpid(waiter, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main() {
  if (!__builtin_cpu_supports("avx")) return 77;
  const std::string name = "shmds-test-wide-" + std::to_string(getpid());
  posix_shm shm(name, 1000);
  bool good = false;
  {
    shm_atomic<pair16> value(shm, "value");
    good = counts_as_one(value) && wakes_another_process(name, value);
  }
  shm.unlink();
  std::puts(good ? "wide atomics: good" : "wide atomics: wrong");
  return good ? 0 : 1;
}
