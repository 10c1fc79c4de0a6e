// The ring buffer as the original documents it, and where it differs on purpose.
#include <array>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_ring_buffer.h"
#include "support.hpp"
#include "surface.hpp"

using surface::an;
using test::child;
using test::failure_of;
using test::segment_name;

namespace {

using ring = shm_ring_buffer<int>;
static_assert(std::same_as<ring, shm_ring_buffer<int, shm_table>>);
static_assert(std::constructible_from<ring, posix_shm&, std::string_view>);
static_assert(std::constructible_from<ring, posix_shm&, const char*, int>);
static_assert(surface::words<ring> <= 2);
PROMISE_NX(bool, an<ring>().push(1));
PROMISE_NX(size_t, an<ring>().push_bulk(an<std::span<const int>>()));
PROMISE_NX(size_t, an<ring>().push_bulk(an<const std::vector<int>>()));
PROMISE_NX(std::optional<int>, an<ring>().pop());
PROMISE_NX(size_t, an<ring>().pop_bulk(an<std::span<int>>()));
PROMISE_NX(size_t, an<ring>().pop_bulk(an<std::vector<int>>()));
PROMISE_NX(size_t, an<const ring>().peek_bulk(size_t{1}, an<std::span<int>>()));
PROMISE_NX(size_t, an<const ring>().get_last_n(size_t{1}, an<std::span<int>>()));
PROMISE_NX(void, an<ring>().skip(size_t{1}));
PROMISE_NX(void, an<ring>().clear());
PROMISE_NX(void, an<ring>().push_overwrite(1));
PROMISE_NX(size_t, an<const ring>().capacity());
PROMISE_NX(size_t, an<const ring>().size());
PROMISE_NX(bool, an<const ring>().empty());
PROMISE_NX(bool, an<const ring>().full());
PROMISE_NX(size_t, an<const ring>().available_space());
PROMISE_NX(std::string_view, an<const ring>().name());
PROMISE_NX(std::uint64_t, an<const ring>().total_written());
PROMISE_NX(std::uint64_t, an<const ring>().total_read());

// An element that shows whether it is whole.
struct block {
  std::array<std::uint64_t, 16> words;
};
block block_of(std::uint64_t value) {
  block made{};
  made.words.fill(value);
  return made;
}

}  // namespace

TEST_CASE("drop-in: a ring buffer takes and gives in blocks", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_ring_buffer<int> buffer(shm, "ring", 10);
  CHECK(buffer.capacity() == 10);
  CHECK(buffer.available_space() == 10);
  std::vector<int> numbers(15);
  std::iota(numbers.begin(), numbers.end(), 0);
  CHECK(buffer.push_bulk(numbers) == 10);
  CHECK(buffer.full());
  CHECK_FALSE(buffer.push(99));
  CHECK(buffer.pop() == 0);
  std::vector<int> out(4, -1);
  CHECK(buffer.pop_bulk(out) == 4);
  CHECK(out == std::vector<int>{1, 2, 3, 4});
  CHECK(buffer.size() == 5);
  CHECK(buffer.push(10));
  CHECK(buffer.peek_bulk(0, out) == 4);
  CHECK(out == std::vector<int>{5, 6, 7, 8});
  CHECK(buffer.peek_bulk(4, out) == 2);
  CHECK(out[0] == 9);
  CHECK(out[1] == 10);
  CHECK(buffer.peek_bulk(6, out) == 0);
  CHECK(buffer.get_last_n(3, out) == 3);
  CHECK(out[0] == 8);
  CHECK(out[2] == 10);
  CHECK(buffer.get_last_n(100, numbers) == 6);
  CHECK(numbers[0] == 5);
  buffer.skip(2);
  CHECK(buffer.pop() == 7);
  buffer.skip(100);
  CHECK(buffer.empty());
  CHECK_FALSE(buffer.pop().has_value());
  CHECK(buffer.get_last_n(3, out) == 0);
  CHECK(buffer.total_written() == 11);
  CHECK(buffer.total_read() == 11);
  CHECK(buffer.name() == "ring");
}

TEST_CASE("drop-in: overwriting drops the oldest", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_ring_buffer<int> buffer(shm, "ring", 4);
  for (int i = 0; i < 10; ++i)
    buffer.push_overwrite(i);
  CHECK(buffer.full());
  CHECK(buffer.total_written() == 10);
  CHECK(buffer.pop() == 6);
  CHECK(buffer.size() == 3);
  CHECK(buffer.push(10));
  buffer.clear();
  CHECK(buffer.empty());
  CHECK(buffer.total_read() == 11);
}

TEST_CASE("drop-in: the roles of a ring buffer move between processes", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_ring_buffer<int> buffer(shm, "ring", 8);
  CHECK(buffer.push(1));
  child writer([&] { return buffer.push(2) && buffer.pop() == 1; });
  CHECK(writer.wait() == 0);
  child other([&] {
    posix_shm own(name);
    shm_ring_buffer<int> same(own, "ring");
    return same.push(3) && same.pop() == 2;
  });
  CHECK(other.wait() == 0);
  CHECK(buffer.push(4));
  CHECK(buffer.pop() == 3);
  CHECK(buffer.pop() == 4);
}

TEST_CASE("drop-in: bad input to a ring buffer is harmless", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  CHECK_THROWS_AS(shm_ring_buffer<int>(shm, "ring"), std::runtime_error);
  shm_ring_buffer<int> buffer(shm, "ring", 4);
  CHECK_THROWS_AS(shm_ring_buffer<int>(shm, "ring", 5), std::runtime_error);
  CHECK(buffer.push_bulk({}) == 0);
  CHECK(buffer.pop_bulk({}) == 0);
  CHECK(buffer.peek_bulk(0, {}) == 0);
  CHECK(buffer.get_last_n(5, {}) == 0);
  std::vector<int> out(3);
  CHECK(buffer.peek_bulk(SIZE_MAX, out) == 0);
  CHECK(buffer.get_last_n(SIZE_MAX, out) == 0);
  buffer.skip(SIZE_MAX);
  CHECK(buffer.empty());
}

TEST_CASE("difference: a ring buffer that does not fit, or is something else, is an error",
          "[differences]") {
  const segment_name name;
  posix_shm shm(name, 1024);
  CHECK(failure_of([&] { shm_ring_buffer<double>(shm, "ring", 10'000); }).status ==
        SHMDS_E_SEGMENT_FULL);
  CHECK(shm.get_table()->get_entry_count() == 0);
  shm_array<int> array(shm, "array", 4);
  CHECK(failure_of([&] { shm_ring_buffer<int>(shm, "array", 4); }).status == SHMDS_E_KIND);
  shm_ring_buffer<int> buffer(shm, "ring", 4);
  CHECK(failure_of([&] { shm_ring_buffer<double>(shm, "ring"); }).status == SHMDS_E_MISMATCH);
}

TEST_CASE("difference: no element is torn while it is overwritten", "[differences]") {
  const segment_name name;
  posix_shm shm(name, 100'000);
  shm_ring_buffer<block> buffer(shm, "ring", 8);
  shm_atomic<bool> stop(shm, "stop");
  child writer([&] {
    for (std::uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i)
      buffer.push_overwrite(block_of(i));
    return true;
  });
  std::array<block, 8> seen{};
  size_t torn = 0;
  size_t disordered = 0;
  for (int round = 0; round < 20'000; ++round) {
    const size_t count = round % 2 == 0 ? buffer.get_last_n(8, seen) : buffer.peek_bulk(0, seen);
    for (size_t i = 0; i < count; ++i) {
      for (const auto word : seen[i].words)
        torn += word != seen[i].words[0];
      disordered += i > 0 && seen[i].words[0] != seen[i - 1].words[0] + 1;
    }
  }
  stop = true;
  CHECK(writer.wait() == 0);
  CHECK(torn == 0);
  CHECK(disordered == 0);
}
