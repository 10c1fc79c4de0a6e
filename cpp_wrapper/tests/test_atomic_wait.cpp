// Atomics that are waited for.
#include <chrono>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "shm_atomic.h"
#include "support.hpp"

using namespace std::chrono_literals;
using test::segment_name;

TEST_CASE("a process waits for a value that another one sets", "[atomic][wait]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<int> ping(shm, "ping");
  shm_atomic<int> pong(shm, "pong");
  test::child other([&] {
    posix_shm mine(name);
    shm_atomic<int> from(mine, "ping");
    shm_atomic<int> to(mine, "pong");
    for (int i = 0; i < 200; ++i) {
      from.wait(i);
      to.store(i + 1, std::memory_order_relaxed);
      to.notify_one();
    }
    return from == 200;
  });
  for (int i = 0; i < 200; ++i) {
    ping.store(i + 1, std::memory_order_relaxed);
    ping.notify_all();
    pong.wait(i);
    REQUIRE(pong == i + 1);
  }
  CHECK(other.wait() == 0);
}

TEST_CASE("notify_one wakes whoever can go on", "[atomic][wait]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<double> value(shm, "value", 1.5);
  std::vector<test::child> all;
  for (int i = 0; i < 5; ++i) {
    all.emplace_back([&] {
      posix_shm mine(name);
      shm_atomic<double> seen(mine, "value");
      seen.wait(1.5);
      return seen == 2.5;
    });
  }
  value = 2.5;
  value.notify_one();
  for (auto& one : all)
    CHECK(one.wait() == 0);
}

TEST_CASE("a wait ends with its time", "[atomic][wait]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<std::uint8_t> value(shm, "value", 7);
  CHECK_FALSE(value.wait_for(7, 0s));
  CHECK_FALSE(value.wait_for(7, -1h));
  CHECK_FALSE(value.wait_for(7, std::chrono::duration<double, std::milli>(1.5)));
  CHECK_FALSE(value.wait_until(7, std::chrono::system_clock::now() - 1h));
  const auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(value.wait_until(7, start + 20ms));
  CHECK(std::chrono::steady_clock::now() >= start + 20ms);
  // A value that is another one already, and times beyond any clock.
  CHECK(value.wait_for(6, 0s));
  CHECK(value.wait_for(6, std::chrono::hours::max()));
  CHECK(value.wait_until(6, std::chrono::steady_clock::time_point::max()));
  value.wait(6);
}

TEST_CASE("threads of one process wait for each other", "[atomic][wait]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<bool> open(shm, "open");
  shm_atomic<int> through(shm, "through");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      open.wait(false);
      ++through;
      through.notify_all();
    });
  }
  open = true;
  open.notify_all();
  for (int seen = through; seen != 4; seen = through)
    through.wait(seen);
  CHECK(through == 4);
}

TEST_CASE("destroying gives a name and its space back", "[segment]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  for (int i = 0; i < 100; ++i) {
    shm_atomic<int> value(shm, "value", i);
    REQUIRE(value == i);
    REQUIRE(shm.get_capacity().available_memory == 1000 - sizeof(int));
    REQUIRE(shm.destroy("value"));
    REQUIRE(shm.get_capacity().available_memory == 1000);
    REQUIRE(shm.get_table()->get_total_allocated_size() == 0);
  }
  CHECK_FALSE(shm.destroy("value"));
}
