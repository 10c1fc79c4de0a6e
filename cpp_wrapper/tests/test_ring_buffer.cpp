// The ring buffer as the original's users know it, and what ours adds.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_queue.h"
#include "shm_ring_buffer.h"
#include "support.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::child;
using test::failure_of;
using test::segment_name;

namespace {

using ints = shm_ring_buffer<int>;
static_assert(sizeof(ints) <= 5 * sizeof(void*));
static_assert(sizeof(ints::observer_type) <= 5 * sizeof(void*));
static_assert(std::is_copy_constructible_v<ints> && std::is_copy_assignable_v<ints>);
static_assert(noexcept(std::declval<ints&>().push(1)));
static_assert(noexcept(std::declval<ints&>().push_bulk(std::declval<std::span<const int>>())));
static_assert(noexcept(std::declval<ints&>().pop()));
static_assert(noexcept(std::declval<ints&>().pop_bulk(std::declval<std::span<int>>())));
static_assert(noexcept(std::declval<const ints&>().peek_bulk(0, std::declval<std::span<int>>())));
static_assert(noexcept(std::declval<const ints&>().get_last_n(1, std::declval<std::span<int>>())));
static_assert(noexcept(std::declval<ints&>().skip(1)));
static_assert(noexcept(std::declval<ints&>().clear()));
static_assert(noexcept(std::declval<ints&>().push_overwrite(1)));
static_assert(std::is_same_v<decltype(std::declval<ints&>().push(1)), bool>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().pop()), std::optional<int>>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().skip(1)), void>);
static_assert(std::is_same_v<decltype(std::declval<const ints&>().total_written()), std::uint64_t>);
static_assert(std::is_same_v<decltype(std::declval<const ints&>().total_read()), std::uint64_t>);

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};
struct constant {
  const int value;
};
struct alignas(256) aligned {
  int value;
};

std::vector<int> numbers(int first, size_t count) {
  std::vector<int> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

std::vector<int> popped(ints& ring, size_t most) {
  std::vector<int> values(most);
  values.resize(ring.pop_bulk(values));
  return values;
}

std::vector<int> last(const ints& ring, size_t n) {
  std::vector<int> values(n);
  values.resize(ring.get_last_n(n, values));
  return values;
}

std::vector<int> peeked(const ints& ring, size_t offset, size_t most) {
  std::vector<int> values(most);
  values.resize(ring.peek_bulk(offset, values));
  return values;
}

std::vector<int> observed(ints::observer_type& observer, size_t most) {
  std::vector<int> values(most);
  values.resize(observer.read(values));
  return values;
}

}  // namespace

TEST_CASE("elements leave a ring buffer in the order in which they came", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 4);
  CHECK(ring.name() == "ring");
  CHECK(ring.capacity() == 4);
  CHECK(ring.empty());
  CHECK(!ring.pop());
  for (int i = 0; i < 4; i++) {
    CHECK(ring.push(i));
  }
  CHECK(ring.full());
  CHECK(!ring.push(4));
  CHECK(ring.size() == 4);
  CHECK(ring.available_space() == 0);
  CHECK(ring.pop() == 0);
  CHECK(ring.push(4));
  for (int i = 1; i < 5; i++) {
    CHECK(ring.pop() == i);
  }
  int value = -1;
  CHECK(!ring.pop(value));
  CHECK(ring.push(5));
  CHECK(ring.pop(value));
  CHECK(value == 5);
  CHECK(ring.total_written() == 6);
  CHECK(ring.total_read() == 6);
}

TEST_CASE("bulk calls move as many elements as fit, or as there are", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 10);
  int next_in = 0;
  int next_out = 0;
  for (size_t step = 0; step < 200; step++) {
    const size_t room = ring.available_space();
    const auto values = numbers(next_in, step % 13);
    const size_t pushed = ring.push_bulk(values);
    CHECK(pushed == std::min(room, values.size()));
    next_in += static_cast<int>(pushed);
    const size_t size = ring.size();
    const auto out = popped(ring, step % 7);
    CHECK(out == numbers(next_out, std::min(size, step % 7)));
    next_out += static_cast<int>(out.size());
  }
  CHECK(ring.push_bulk({}) == 0);
  CHECK(ring.pop_bulk({}) == 0);
}

TEST_CASE("looking consumes nothing", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 8);
  CHECK(ring.push_bulk(numbers(0, 6)) == 6);
  CHECK(peeked(ring, 0, 3) == numbers(0, 3));
  CHECK(peeked(ring, 4, 9) == numbers(4, 2));
  CHECK(peeked(ring, 6, 9).empty());
  CHECK(peeked(ring, SIZE_MAX, 9).empty());
  CHECK(ring.peek_bulk(0, {}) == 0);
  CHECK(last(ring, 2) == numbers(4, 2));
  CHECK(last(ring, 100) == numbers(0, 6));
  std::array<int, 3> few{};
  CHECK(ring.get_last_n(5, few) == 3);
  CHECK(few == std::array{3, 4, 5});
  CHECK(ring.get_last_n(5, {}) == 0);
  CHECK(ring.size() == 6);
  ring.skip(2);
  CHECK(last(ring, 100) == numbers(2, 4));
  ring.skip(SIZE_MAX);
  CHECK(ring.empty());
  CHECK(ring.push(7));
  ring.clear();
  CHECK(ring.empty());
  CHECK(ring.total_read() == 7);
  CHECK(ring.lost() == 0);
}

TEST_CASE("overwriting drops the oldest elements, and counts them", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 4);
  for (int i = 0; i < 10; i++) {
    ring.push_overwrite(i);
    CHECK(ring.size() == std::min<size_t>(static_cast<size_t>(i) + 1, 4));
  }
  CHECK(ring.lost() == 6);
  CHECK(ring.total_read() == 6);
  CHECK(ring.pop() == 6);
  CHECK(popped(ring, 9) == numbers(7, 3));
  ring.overwrite_bulk(numbers(10, 3));
  CHECK(last(ring, 9) == numbers(10, 3));
  ring.overwrite_bulk(numbers(13, 7));
  CHECK(ring.total_written() == 20);
  CHECK(ring.total_read() == 16);
  CHECK(ring.lost() == 12);
  CHECK(popped(ring, 9) == numbers(16, 4));
  ring.overwrite_bulk({});
  CHECK(ring.empty());
}

TEST_CASE("an observer reads at its own pace and counts what it missed", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 4);
  CHECK(ring.push_bulk(numbers(0, 3)) == 3);
  auto first = ring.observer();
  CHECK(first.lag() == 3);
  CHECK(ring.pop() == 0);
  CHECK(observed(first, 2) == numbers(0, 2));
  CHECK(first.position() == 2);
  const auto second = first;
  ring.overwrite_bulk(numbers(3, 5));
  CHECK(first.lag() == 6);
  CHECK(first.lost() == 0);
  CHECK(observed(first, 9) == numbers(4, 4));
  CHECK(first.lost() == 2);
  CHECK(observed(first, 9).empty());
  CHECK(second.lag() == 6);
  first.seek_newest(3);
  CHECK(observed(first, 2) == numbers(5, 2));
  first.seek_newest();
  CHECK(observed(first, 2).empty());
  first.seek_oldest();
  CHECK(observed(first, 1) == numbers(4, 1));
  CHECK(first.lost() == 2);
}

TEST_CASE("a read-only attachment observes and cannot change anything", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 4);
  CHECK(ring.push_bulk(numbers(0, 3)) == 3);
  posix_shm reader(name, 0, {.read_only = true});
  ints view(reader, "ring");
  auto observer = view.observer();
  CHECK(observed(observer, 9) == numbers(0, 3));
  CHECK(last(view, 2) == numbers(1, 2));
  CHECK(view.size() == 3);
  CHECK(!view.push(1));
  CHECK(view.push_bulk(numbers(0, 1)) == 0);
  CHECK(!view.pop());
  CHECK(popped(view, 2).empty());
  view.push_overwrite(1);
  view.overwrite_bulk(numbers(0, 4));
  view.clear();
  view.skip(1);
  CHECK(std::string(shmds_last_error()).find("read-only") != std::string::npos);
  CHECK(failure_of([&] { static_cast<void>(view.wait_for(1, 1ms)); }).status == SHMDS_E_READ_ONLY);
  CHECK(ring.size() == 3);
}

TEST_CASE("an element need not be default-constructible or assignable", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 1 << 16);
  shm_ring_buffer<no_default> plain(shm, "plain", 3);
  CHECK(plain.push(no_default(5)));
  CHECK(plain.pop()->value == 5);
  CHECK(!plain.pop());
  CHECK(plain.push(no_default(6)));
  CHECK(plain.pop_for(1ms)->value == 6);
  shm_ring_buffer<constant> constants(shm, "constants", 3);
  constants.push_overwrite({7});
  CHECK(constants.pop()->value == 7);
  shm_ring_buffer<aligned> wide(shm, "aligned", 3);
  CHECK(wide.push({8}));
  CHECK(wide.pop()->value == 8);
}

TEST_CASE("opening a ring buffer checks what it is", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  CHECK(failure_of([&] { ints absent(shm, "ring"); }).status == SHMDS_E_NOT_FOUND);
  CHECK(!ints::exists(shm, "ring"));
  ints ring(shm, "ring", 4);
  CHECK(ints::exists(shm, "ring"));
  CHECK(failure_of([&] { ints other(shm, "ring", 5); }).status == SHMDS_E_MISMATCH);
  CHECK(failure_of([&] { shm_ring_buffer<char> other(shm, "ring"); }).status == SHMDS_E_MISMATCH);
  CHECK(failure_of([&] { shm_queue<int> queue(shm, "ring"); }).status == SHMDS_E_KIND);
  shm_queue<int> queue(shm, "queue", 4);
  CHECK(failure_of([&] { ints other(shm, "queue", 4); }).status == SHMDS_E_KIND);
  CHECK(failure_of([&] { ints large(shm, "large", 5000); }).status == SHMDS_E_SEGMENT_FULL);
  std::vector<ints> copies(3, ring);
  CHECK(copies[0].push(1));
  CHECK(copies[2].pop() == 1);
}

TEST_CASE("waits end when there is enough, or when their time is up", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 4);
  CHECK(!ring.wait_for(1, 2ms));
  CHECK(!ring.wait_until(1, steady_clock::now() + 2ms));
  CHECK(!ring.pop_for(2ms));
  CHECK(!ring.pop_until(steady_clock::now()));
  CHECK(ring.wait_space_for(4, 0s));
  std::thread producer([&] {
    for (int i = 0; i < 100; i++) {
      if (!ring.push_for(i, 10s)) {
        return;
      }
    }
  });
  int next = 0;
  while (next < 100) {
    REQUIRE(ring.wait_for(2, 10s));
    CHECK(popped(ring, 2) == numbers(next, 2));
    next += 2;
  }
  producer.join();
  CHECK(ring.push_bulk(numbers(0, 4)) == 4);
  CHECK(!ring.push_for(1, 2ms));
  CHECK(!ring.push_until(1, steady_clock::now() + 2ms));
  CHECK(!ring.wait_space_for(1, 2ms));
  CHECK(!ring.wait_space_until(1, steady_clock::now()));
  CHECK(ring.wait_until(4, std::chrono::system_clock::now()));
  CHECK(failure_of([&] { static_cast<void>(ring.wait_for(5, 1ms)); }).status == SHMDS_E_CAPACITY);
  CHECK(failure_of([&] { static_cast<void>(ring.wait_space_for(5, 1ms)); }).status ==
        SHMDS_E_CAPACITY);
}

TEST_CASE("roles are held only where that was asked for", "[ring]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  posix_shm second(name);
  ints free_for_all(shm, "free", 4);
  ints from_elsewhere(second, "free");
  CHECK(free_for_all.push(1));
  CHECK(from_elsewhere.push(2));
  CHECK(free_for_all.pop() == 1);
  CHECK(from_elsewhere.pop() == 2);

  ints held(shm, "held", 4, {.enforce_roles = true});
  ints refused(second, "held");
  CHECK(held.push(1));
  CHECK(!refused.push(2));
  CHECK(std::string(shmds_last_error()).find("producer") != std::string::npos);
  CHECK(failure_of([&] { static_cast<void>(refused.push_for(2, 1ms)); }).status == SHMDS_E_ROLE);
  CHECK(refused.pop() == 1);
  CHECK(!held.pop());
  held.leave();
  CHECK(refused.push(3));
  CHECK(!held.push(4));
  refused.leave();
  CHECK(held.push(5));
  CHECK(popped(held, 4) == std::vector{3, 5});
}

TEST_CASE("a child goes on with its parent's ring buffer", "[ring][fork]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  ints ring(shm, "ring", 100);
  CHECK(ring.push(1));
  child worker([&] {
    if (ring.pop() != 1) return false;
    for (int i = 0; i < 1000; i++) {
      if (!ring.push_for(i, 10s)) return false;
    }
    return true;
  });
  // Until the child has had its element, it is the consumer.
  REQUIRE(test::eventually([&] { return ring.total_read() == 1; }));
  for (int i = 0; i < 1000; i++) {
    REQUIRE(ring.pop_for(10s) == i);
  }
  CHECK(worker.wait() == 0);
}

TEST_CASE("readers see whole elements in order beside a process that overwrites",
          "[ring][stress]") {
  struct element {
    std::uint64_t number;
    std::array<std::uint64_t, 12> copies;
  };
  const segment_name name;
  posix_shm shm(name, 1 << 20);
  shm_ring_buffer<element> ring(shm, "ring", 500);
  child producer([&] {
    posix_shm mine(name);
    shm_ring_buffer<element> own(mine, "ring");
    for (std::uint64_t i = 0;; i++) {
      element next{i, {}};
      next.copies.fill(i);
      own.push_overwrite(next);
    }
    return true;
  });
  const auto whole = [](std::span<const element> elements) {
    return std::ranges::all_of(elements, [&](const element& each) {
      return each.number - elements[0].number == static_cast<size_t>(&each - elements.data()) &&
             std::ranges::all_of(each.copies, [&](auto copy) { return copy == each.number; });
    });
  };
  std::vector<element> values(100);
  auto observer = ring.observer();
  std::uint64_t reads = 0;
  std::uint64_t popped = 0;
  std::optional<std::uint64_t> latest;
  const auto end = steady_clock::now() + 500ms;
  while (steady_clock::now() < end) {
    const std::span<element> all(values);
    const size_t newest = ring.get_last_n(100, all);
    REQUIRE(whole(all.first(newest)));
    reads += newest == 100;
    REQUIRE(whole(all.first(ring.peek_bulk(200, all))));
    REQUIRE(whole(all.first(observer.read(all))));
    if (const auto one = ring.pop()) {
      REQUIRE(whole(std::span(&*one, 1)));
      REQUIRE((!latest || one->number > *latest));
      latest = one->number;
      popped++;
    }
  }
  producer.kill();
  CHECK(reads > 100);
  CHECK(popped > 0);
  CHECK(popped + ring.lost() == ring.total_read());
}
