// Where the wrapper differs from the original on purpose: each test fails on the original.
// Pool and ring buffer are in files of their own.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "support.hpp"

using test::child;
using test::eventually;
using test::failure_of;
using test::gate;
using test::segment_name;

namespace {

template <class T>
bool on_a_line(T* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 64 == 0;
}

struct alignas(256) wide {
  int value;
};

}  // namespace

TEST_CASE("difference: a queue loses and repeats nothing with several producers and consumers",
          "[differences]") {
  constexpr int sides = 3;
  constexpr int each = 5000;
  const segment_name name;
  posix_shm shm(name, 100'000);
  shm_queue<int> queue(shm, "queue", 16);
  shm_array<int> times_seen(shm, "times_seen", sides * each);
  shm_atomic<int> taken(shm, "taken");
  std::vector<child> workers;
  for (int p = 0; p < sides; ++p) {
    workers.emplace_back([&, p] {
      for (int i = 0; i < each; ++i) {
        while (!queue.enqueue(p * each + i))
          sched_yield();
      }
      return true;
    });
    workers.emplace_back([&] {
      while (taken < sides * each) {
        if (const auto value = queue.dequeue()) {
          __atomic_fetch_add(&times_seen[static_cast<size_t>(*value)], 1, __ATOMIC_RELAXED);
          ++taken;
        } else {
          sched_yield();
        }
      }
      return true;
    });
  }
  for (auto& worker : workers)
    CHECK(worker.wait() == 0);
  CHECK(std::ranges::count(times_seen, 1) == sides * each);
}

TEST_CASE("difference: a creator that died half-way is replaced at once", "[differences]") {
  const segment_name name;
  // What a creator leaves that died before it wrote a byte.
  const int file = shm_open(("/" + name.str()).c_str(), O_CREAT | O_RDWR, 0600);
  REQUIRE(file >= 0);
  close(file);
  CHECK(failure_of([&] { posix_shm shm(name); }).status == SHMDS_E_NOT_FOUND);
  posix_shm shm(name, 1000);
  CHECK(shm.get_table()->get_entry_count() == 0);
  REQUIRE(shm.unlink());

  // Creators that are killed anywhere.
  for (int round = 0; round < 20; ++round) {
    child creator([&] {
      for (;;) {
        posix_shm mine(name, 1'000'000);
        shm_queue<int>(mine, "queue", 100);
        mine.unlink();
      }
      return false;
    });
    for (int i = 0; i < round; ++i)
      sched_yield();
    creator.kill();
    posix_shm mine(name, 1'000'000);
    shm_queue<int> queue(mine, "queue", 100);
    CHECK(queue.enqueue(round));
    mine.unlink();
  }
}

TEST_CASE("difference: of processes that create one name, one creates and the others open",
          "[differences]") {
  const segment_name name;
  const gate start;
  std::vector<child> workers;
  for (int w = 0; w < 5; ++w) {
    workers.emplace_back([&] {
      start.wait();
      posix_shm shm(name, 100'000);
      for (int i = 0; i < 20; ++i) {
        const std::string number = std::to_string(i);
        ++*std::make_unique<shm_atomic<int>>(shm, "word" + number);
        if (!shm_queue<int>(shm, "queue" + number, 5).enqueue(1)) return false;
      }
      return true;
    });
  }
  start.open();
  for (auto& worker : workers)
    CHECK(worker.wait() == 0);
  posix_shm shm(name);
  CHECK(shm.get_table()->get_entry_count() == 40);
  for (int i = 0; i < 20; ++i) {
    CHECK(shm_atomic<int>(shm, "word" + std::to_string(i)) == 5);
    CHECK(shm_queue<int>(shm, "queue" + std::to_string(i)).size() == 5);
  }
}

TEST_CASE("difference: what does not fit is an error and changes nothing", "[differences]") {
  const segment_name name;
  posix_shm_small shm(name, 1024);
  using doubles = shm_queue<double, shm_table_small>;
  CHECK(failure_of([&] { doubles(shm, "queue", 10'000); }).status == SHMDS_E_SEGMENT_FULL);
  CHECK(shm.get_table()->get_entry_count() == 0);
  shm_array<char, shm_table_small> all(shm, "all", 1024);
  CHECK(failure_of([&] { shm_atomic<int, shm_table_small>(shm, "word"); }).status ==
        SHMDS_E_SEGMENT_FULL);
  CHECK(shm.get_table()->get_entry_count() == 1);

  const segment_name second_name;
  posix_shm_small second(second_name, 1024);
  for (int i = 0; i < 16; ++i)
    shm_atomic<char, shm_table_small>(second, "word" + std::to_string(i));
  CHECK(failure_of([&] { doubles(second, "queue", 1); }).status == SHMDS_E_TABLE_FULL);
  CHECK(second.get_capacity().available_memory == 1024 - 16);
}

TEST_CASE("difference: structures are aligned, at no charge", "[differences]") {
  const segment_name name;
  posix_shm shm(name, 3 + 1 + 8 + 2 * sizeof(wide) + 5);
  shm_array<char> crooked(shm, "crooked", 3);
  shm_queue<char> queue(shm, "queue", 1);
  shm_array<double> number(shm, "number", 1);
  shm_array<wide> far(shm, "far", 1);
  shm_queue<wide> far_queue(shm, "far queue", 1);
  shm_array<char> last(shm, "last", 5);
  CHECK(shm.get_capacity().available_memory == 0);
  CHECK((on_a_line(crooked.data()) && on_a_line(queue.data()) && on_a_line(number.data()) &&
         on_a_line(last.data())));
  CHECK(reinterpret_cast<std::uintptr_t>(far.data()) % 256 == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(far_queue.data()) % 256 == 0);
}

TEST_CASE("difference: another element size or kind does not open, and both are named",
          "[differences]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<std::int32_t> array(shm, "array", 10);
  const auto size = failure_of([&] { shm_array<std::int64_t>(shm, "array"); });
  CHECK(size.status == SHMDS_E_MISMATCH);
  CHECK_THAT(size.what,
             ContainsSubstring("array") && ContainsSubstring("4") && ContainsSubstring("8"));
  const auto kind = failure_of([&] { shm_queue<std::int32_t>(shm, "array"); });
  CHECK(kind.status == SHMDS_E_KIND);
  CHECK_THAT(kind.what, ContainsSubstring("queue") && ContainsSubstring("array"));
}

TEST_CASE("difference: the reference count is exact after kills and in forks", "[differences]") {
  const segment_name name;
  auto shm = std::make_unique<posix_shm>(name, 1000);
  child killed([&] {
    posix_shm own(name);
    raise(SIGKILL);
    return false;
  });
  CHECK(killed.wait() == 1000 + SIGKILL);
  CHECK(eventually([&] { return shm->get_ref_count() == 1; }));
  child destroys([&] {
    shm.reset();
    return true;
  });
  CHECK(destroys.wait() == 0);
  CHECK(shm->get_ref_count() == 1);
}

TEST_CASE("difference: a smaller segment than asked is an error, a larger one attaches",
          "[differences]") {
  const segment_name name;
  posix_shm shm(name, 4321);
  const auto failure = failure_of([&] { posix_shm larger(name, 8765); });
  CHECK(failure.status == SHMDS_E_SIZE);
  CHECK_THAT(failure.what, ContainsSubstring("4321") && ContainsSubstring("8765"));
  CHECK(posix_shm(name, 1).get_total_size() == 4321);
}

TEST_CASE("difference: another table type is an error with both geometries", "[differences]") {
  const segment_name name;
  posix_shm_small shm(name, 1000);
  const auto failure = failure_of([&] { posix_shm_huge other(name); });
  CHECK(failure.status == SHMDS_E_GEOMETRY);
  CHECK_THAT(failure.what,
             ContainsSubstring("16") && ContainsSubstring("256") && ContainsSubstring("1024"));
}

TEST_CASE("difference: a full /dev/shm fails the creation, and a segment may exceed memory",
          "[differences]") {
  child asker([] {
    test::use_private_shm(size_t{8} << 20);
    const segment_name name;
    posix_shm shm(name, size_t{1} << 36);
    shm_array<char> fits(shm, "fits", 1 << 20);
    fits.fill('f');
    const auto refused = [&](auto create) { return failure_of(create).status == SHMDS_E_NO_SPACE; };
    return refused([&] { shm_array<char>(shm, "array", size_t{16} << 20); }) &&
           refused([&] { shm_queue<int>(shm, "queue", size_t{16} << 20); }) &&
           shm.get_table()->get_entry_count() == 1 && fits[(1 << 20) - 1] == 'f';
  });
  const int outcome = asker.wait();
  if (outcome == child::skipped) {
    WARN("no private /dev/shm on this machine: not tested");
  } else {
    CHECK(outcome == 0);
  }
}

TEST_CASE("difference: a segment is its user's alone, unless a mode says otherwise",
          "[differences]") {
  const mode_t before = umask(0);
  const segment_name name;
  const segment_name shared_name;
  posix_shm shm(name, 1000);
  posix_shm shared(shared_name, 1000, {.mode = 0666});
  umask(before);
  struct stat status{};
  REQUIRE(stat(name.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0600);
  REQUIRE(stat(shared_name.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0666);
}

#if SHMDS_CHECKED
TEST_CASE("difference: an index out of range ends a program with NDEBUG off", "[differences]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 5);
  child reader([&] {
    close(STDERR_FILENO);
    volatile size_t index = 5;
    return array[index] == 0;
  });
  CHECK(reader.wait() == 1000 + SIGABRT);
}
#endif
