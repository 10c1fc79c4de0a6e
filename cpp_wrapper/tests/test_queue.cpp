#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "shm_ring_buffer.h"
#include "shm_spsc_queue.h"
#include "support.hpp"

using test::failure_of;
using test::segment_name;

namespace {

template <class T>
concept an_element = requires { typename shm_queue<T>; };
static_assert(an_element<int> && !an_element<std::string>);

using ints = shm_queue<int>;
static_assert(sizeof(ints) <= 5 * sizeof(void*));
static_assert(std::is_nothrow_copy_constructible_v<ints> &&
              std::is_nothrow_copy_assignable_v<ints>);
static_assert(std::is_nothrow_move_constructible_v<ints> &&
              std::is_nothrow_move_assignable_v<ints>);
static_assert(noexcept(std::declval<ints&>().enqueue(1)));
static_assert(noexcept(std::declval<ints&>().dequeue()));
static_assert(noexcept(std::declval<ints&>().dequeue(std::declval<int&>())));
static_assert(noexcept(std::declval<const ints&>().empty()));
static_assert(noexcept(std::declval<const ints&>().full()));
static_assert(noexcept(std::declval<const ints&>().size()));
static_assert(noexcept(std::declval<const ints&>().capacity()));
static_assert(noexcept(std::declval<const ints&>().name()));
static_assert(std::is_same_v<decltype(std::declval<ints&>().dequeue()), std::optional<int>>);

struct event {
  std::uint64_t time;
  std::array<int, 9> data;
};
struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};
struct constant {
  const int value;
};
template <size_t Alignment>
struct alignas(Alignment) aligned {
  int value;
};

// Trivially copyable, though it cannot be copied.
struct alignas(64) move_only {
  explicit move_only(int v) : value(v) {}
  move_only(move_only&&) = default;
  move_only& operator=(move_only&&) = default;
  int value;
};

// An element that shows where it comes from and whether it is whole.
struct tagged {
  std::uint32_t producer;
  std::uint32_t number;
  std::array<std::uint64_t, 6> copies;

  static tagged make(std::uint32_t producer, std::uint32_t number) {
    tagged value{producer, number, {}};
    value.copies.fill(value.key());
    return value;
  }
  std::uint64_t key() const { return std::uint64_t{producer} << 32 | number; }
  bool whole() const {
    return std::ranges::all_of(copies, [&](std::uint64_t copy) { return copy == key(); });
  }
};

// What one consumer saw: nothing torn, and each producer's elements in order.
class witness {
 public:
  explicit witness(std::uint32_t producers) : last_(producers, -1) {}
  bool accept(const tagged& value) {
    if (!value.whole() || value.producer >= last_.size()) return false;
    auto& last = last_[value.producer];
    if (static_cast<std::int64_t>(value.number) <= last) return false;
    last = value.number;
    return true;
  }

 private:
  std::vector<std::int64_t> last_;
};

}  // namespace

TEST_CASE("a queue gives elements back in order", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<int> queue(shm, "queue", 10);
  CHECK(queue.empty());
  CHECK_FALSE(queue.dequeue().has_value());
  for (int i = 0; i < 5; ++i)
    CHECK(queue.enqueue(i));
  CHECK(queue.size() == 5);
  CHECK_FALSE(queue.empty());
  CHECK_FALSE(queue.full());
  for (int i = 0; i < 5; ++i)
    CHECK(queue.dequeue() == i);
  CHECK(queue.empty());
  CHECK(queue.size() == 0);
  CHECK(queue.capacity() == 10);
  CHECK(queue.name() == "queue");
}

TEST_CASE("all of a queue's capacity is usable, lap after lap", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  const size_t capacity = GENERATE(as<size_t>{}, 1, 2, 3, 5, 8, 100);
  shm_queue<int> queue(shm, "queue", capacity);
  int next = 0;
  int expected = 0;
  for (int lap = 0; lap < 20; ++lap) {
    for (size_t i = 0; i < capacity; ++i) {
      CHECK_FALSE(queue.full());
      CHECK(queue.size() == i);
      CHECK(queue.enqueue(next++));
    }
    CHECK(queue.full());
    CHECK(queue.size() == capacity);
    CHECK_FALSE(queue.enqueue(-1));
    for (size_t i = 0; i < capacity; ++i)
      CHECK(queue.dequeue() == expected++);
    CHECK(queue.empty());
    CHECK(queue.dequeue() == std::nullopt);
    CHECK(queue.enqueue(next++));
    CHECK(queue.dequeue() == expected++);
  }
}

TEST_CASE("dequeue into a variable leaves it alone when there is nothing", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<event> queue(shm, "queue", 3);
  event out{7, {}};
  CHECK_FALSE(queue.dequeue(out));
  CHECK(out.time == 7);
  CHECK(queue.enqueue({8, {1, 2, 3}}));
  CHECK(queue.dequeue(out));
  CHECK(out.time == 8);
  CHECK(out.data[2] == 3);
  CHECK(queue.enqueue({9, {}}));
  if (const auto taken = queue.dequeue()) CHECK(taken->time == 9);
}

TEST_CASE("a queue is found by name from another attachment", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  posix_shm other(name);
  CHECK_FALSE(shm_queue<int>::exists(shm, "queue"));
  shm_queue<int> queue(shm, "queue", 10);
  CHECK(shm_queue<int>::exists(shm, "queue"));
  CHECK(shm_queue<int>::exists(other, "queue"));
  CHECK(queue.enqueue(5));
  shm_queue<int> opened(other, "queue");
  CHECK(opened.capacity() == 10);
  CHECK(opened.dequeue() == 5);
  CHECK(queue.empty());

  shm_array<int> array(shm, "array", 3);
  CHECK_FALSE(shm_queue<int>::exists(shm, "array"));
  const posix_shm& constant_segment = shm;
  CHECK(shm_queue<int>::exists(constant_segment, "queue"));
}

TEST_CASE("a queue of another capacity, element or kind does not open", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<int> queue(shm, "queue", 37);
  CHECK(queue.enqueue(1));
  CHECK(shm_queue<int>(shm, "queue", 37).size() == 1);
  const auto capacity = failure_of([&] { shm_queue<int>(shm, "queue", 38); });
  CHECK(capacity.status == SHMDS_E_MISMATCH);
  CHECK_THAT(capacity.what,
             ContainsSubstring("queue") && ContainsSubstring("37") && ContainsSubstring("38"));
  const auto element = failure_of([&] { shm_queue<double>(shm, "queue"); });
  CHECK(element.status == SHMDS_E_MISMATCH);
  CHECK_THAT(element.what, ContainsSubstring("4") && ContainsSubstring("8"));
  const auto kind = failure_of([&] { shm_array<int>(shm, "queue", 37); });
  CHECK(kind.status == SHMDS_E_KIND);
  CHECK_THAT(kind.what, ContainsSubstring("array") && ContainsSubstring("queue"));
  const auto absent = failure_of([&] { shm_queue<int>(shm, "none"); });
  CHECK(absent.status == SHMDS_E_NOT_FOUND);
  CHECK_THAT(absent.what, ContainsSubstring("none"));
  CHECK_THROWS_AS(shm_queue<int>(shm, "none"), std::runtime_error);
}

TEST_CASE("queues of one byte work", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<unsigned char> queue(shm, "queue", 1);
  CHECK(queue.enqueue(200));
  CHECK(queue.full());
  CHECK_FALSE(queue.enqueue(1));
  CHECK(queue.dequeue() == 200);
  shm_queue<bool> flags(shm, "flags", 999);
  for (int i = 0; i < 999; ++i)
    CHECK(flags.enqueue(i % 3 == 0));
  CHECK(flags.full());
  for (int i = 0; i < 999; ++i)
    CHECK(flags.dequeue() == (i % 3 == 0));
}

TEST_CASE("queues of any trivially copyable type work", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<no_default> plain(shm, "plain", 3);
  CHECK(plain.enqueue(no_default(4)));
  CHECK(plain.dequeue()->value == 4);
  shm_queue<constant> fixed(shm, "fixed", 3);
  CHECK(fixed.enqueue({5}));
  CHECK(fixed.dequeue()->value == 5);
  shm_queue<std::array<char, 1000>> large(shm, "large", 3);
  std::array<char, 1000> text{};
  text.fill('t');
  CHECK(large.enqueue(text));
  CHECK(large.dequeue() == text);
  shm_queue<std::array<char, 3>> odd(shm, "odd", 3);
  CHECK(odd.enqueue({'a', 'b', 'c'}));
  CHECK(odd.enqueue({'d', 'e', 'f'}));
  CHECK(odd.dequeue() == std::array{'a', 'b', 'c'});
  CHECK(odd.dequeue() == std::array{'d', 'e', 'f'});
}

TEST_CASE("elements that can be moved only go through queues and ring buffers", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 10000);
  shm_queue<move_only> queue(shm, "queue", 4);
  shm_spsc_queue<move_only> spsc(shm, "spsc", 4);
  shm_ring_buffer<move_only> ring(shm, "ring", 4);
  const auto passes = [](auto push, auto pop) {
    move_only out(0);
    for (int value = 1; value < 10; ++value) {
      CHECK(push(move_only(value)));
      CHECK((pop(out) && out.value == value));
    }
  };
  passes([&](const move_only& in) { return queue.enqueue(in); },
         [&](move_only& out) {
           auto taken = queue.take();
           if (taken) out.value = taken->value;
           return static_cast<bool>(taken);
         });
  passes([&](const move_only& in) { return spsc.push(in); },
         [&](move_only& out) {
           const auto* const front = spsc.front();
           if (front != nullptr) out.value = front->value;
           return front != nullptr && (spsc.release(), true);
         });
  CHECK(ring.push(move_only(7)));
  CHECK(ring.size() == 1);
}

TEMPLATE_TEST_CASE("queues of aligned elements work", "[queue]", aligned<64>, aligned<256>,
                   aligned<1024>, aligned<4096>) {
  const segment_name name;
  posix_shm shm(name, 64 * 1024);
  shm_array<char> crooked(shm, "crooked", 3);
  shm_queue<TestType> queue(shm, "queue", 3);
  CHECK(reinterpret_cast<std::uintptr_t>(queue.data()) % alignof(TestType) == 0);
  for (int i = 0; i < 3; ++i)
    CHECK(queue.enqueue({i}));
  for (int i = 0; i < 3; ++i)
    CHECK(queue.dequeue()->value == i);
}

TEST_CASE("queues live in a vector and are copied and assigned", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  std::vector<shm_queue<int>> queues;
  for (int i = 0; i < 20; ++i) {
    queues.emplace_back(shm, "queue" + std::to_string(i), 4);
    CHECK(queues.back().enqueue(i));
  }
  for (int i = 0; i < 20; ++i) {
    CHECK(queues[static_cast<size_t>(i)].name() == "queue" + std::to_string(i));
  }
  queues.erase(queues.begin());
  queues.insert(queues.begin(), queues.back());
  std::ranges::reverse(queues);
  CHECK(queues.front().name() == "queue19");
  CHECK(queues.back().dequeue() == 19);
  CHECK(queues.front().empty());

  shm_queue<int> copy = queues[1];
  shm_queue<int> moved = std::move(copy);
  CHECK(moved.dequeue() == 18);
  moved = queues[2];
  CHECK(moved.dequeue() == 17);
  const std::vector<shm_queue<int>> all = queues;
  CHECK(all.size() == queues.size());
}

TEST_CASE("threads share one queue object and lose nothing", "[queue]") {
  constexpr std::uint32_t producers = 4;
  constexpr std::uint32_t each = 20'000;
  const segment_name name;
  posix_shm shm(name, 10'000);
  const size_t capacity = GENERATE(as<size_t>{}, 1, 7, 100);
  shm_queue<tagged> queue(shm, "queue", capacity);
  std::vector<std::atomic<int>> seen(producers * each);
  std::atomic<std::uint32_t> taken = 0;
  std::atomic<bool> sound = true;
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t p = 0; p < producers; ++p) {
      threads.emplace_back([&, p] {
        for (std::uint32_t i = 0; i < each; ++i) {
          while (!queue.enqueue(tagged::make(p, i)))
            std::this_thread::yield();
        }
      });
    }
    for (int c = 0; c < 4; ++c) {
      threads.emplace_back([&] {
        witness watch(producers);
        while (taken.load(std::memory_order_relaxed) < producers * each) {
          const auto value = queue.dequeue();
          if (!value) {
            std::this_thread::yield();
            continue;
          }
          if (!watch.accept(*value)) {
            sound = false;
          } else {
            seen[value->producer * each + value->number].fetch_add(1);
          }
          ++taken;
        }
      });
    }
  }
  CHECK(sound);
  CHECK(taken == producers * each);
  CHECK(std::ranges::all_of(seen, [](const auto& count) { return count == 1; }));
  CHECK(queue.empty());
}

TEST_CASE("processes share a queue and lose nothing", "[queue]") {
  constexpr std::uint32_t producers = 3;
  constexpr std::uint32_t each = 20'000;
  const segment_name name;
  posix_shm shm(name, 1'000'000);
  shm_queue<tagged> queue(shm, "queue", 50);
  shm_array<std::uint8_t> seen(shm, "seen", producers * each);
  shm_atomic<std::uint32_t> taken(shm, "taken");
  std::vector<test::child> children;
  for (std::uint32_t p = 0; p < producers; ++p) {
    children.emplace_back([&, p] {
      posix_shm mine(name);
      shm_queue<tagged> out(mine, "queue");
      for (std::uint32_t i = 0; i < each; ++i) {
        while (!out.enqueue(tagged::make(p, i)))
          std::this_thread::yield();
      }
      return true;
    });
  }
  for (int c = 0; c < 3; ++c) {
    children.emplace_back([&] {
      posix_shm mine(name);
      shm_queue<tagged> in(mine, "queue");
      witness watch(producers);
      while (taken.load() < producers * each) {
        const auto value = in.dequeue();
        if (!value) {
          std::this_thread::yield();
          continue;
        }
        if (!watch.accept(*value)) return false;
        std::atomic_ref<std::uint8_t>(seen[value->producer * each + value->number]).fetch_add(1);
        ++taken;
      }
      return true;
    });
  }
  for (auto& one : children)
    CHECK(one.wait() == 0);
  CHECK(taken == producers * each);
  CHECK(std::ranges::count(seen, 1) == producers * each);
  CHECK(queue.empty());
}

TEST_CASE("processes that create one queue at once share one queue", "[queue]") {
  const segment_name name;
  for (int round = 0; round < 20; ++round) {
    const test::gate start;
    std::vector<test::child> children;
    for (int c = 0; c < 4; ++c) {
      children.emplace_back([&, c] {
        start.wait();
        posix_shm mine(name, 10'000);
        shm_queue<int> queue(mine, "queue", 4);
        return queue.enqueue(c);
      });
    }
    start.open();
    for (auto& one : children)
      CHECK(one.wait() == 0);
    posix_shm shm(name);
    shm_queue<int> queue(shm, "queue", 4);
    CHECK(queue.full());
    std::vector<int> values;
    while (const auto value = queue.dequeue())
      values.push_back(*value);
    std::ranges::sort(values);
    CHECK(values == std::vector{0, 1, 2, 3});
    CHECK(shm.get_ref_count() == 1);
    CHECK(shm.unlink());
  }
}
