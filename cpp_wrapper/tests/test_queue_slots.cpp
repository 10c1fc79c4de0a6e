// Slots of a queue that are held in place: reserved to build an element in, or
// taken to read one.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "support.hpp"

using namespace std::chrono_literals;
using test::child;
using test::failure_of;
using test::gate;
using test::segment_name;

namespace {

using ints = shm_queue<int>;
using reservation = ints::reservation;
using taken_element = ints::taken_element;

template <class Guard>
constexpr bool is_a_guard =
    !std::is_copy_constructible_v<Guard> && !std::is_copy_assignable_v<Guard> &&
    std::is_nothrow_move_constructible_v<Guard> && std::is_nothrow_move_assignable_v<Guard> &&
    std::is_nothrow_destructible_v<Guard> && !std::is_default_constructible_v<Guard> &&
    std::is_constructible_v<bool, Guard> && !std::is_convertible_v<Guard, bool>;
static_assert(is_a_guard<reservation> && is_a_guard<taken_element>);
static_assert(std::is_same_v<decltype(std::declval<const reservation&>().get()), int*>);
static_assert(std::is_same_v<decltype(*std::declval<const taken_element&>()), int&>);
static_assert(!noexcept(std::declval<reservation&>().publish()));
static_assert(noexcept(std::declval<reservation&>().abandon()));
static_assert(noexcept(std::declval<taken_element&>().done()));
static_assert(!std::is_convertible_v<reservation, taken_element>);

// So large that the queue has few lanes: what a guard forgets to give back is soon missed.
struct huge {
  std::array<int, 65536> numbers;
};

struct constant {
  const int value;
};

struct alignas(1024) aligned {
  int value;
};

shmds_status publish_status(reservation& slot) {
  return failure_of([&] { static_cast<void>(slot.publish()); }).status;
}

}  // namespace

TEST_CASE("an element is built and read in place", "[queue][slot]") {
  struct pair {
    std::uint64_t first, second;
  };
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<pair> queue(shm, "queue", 2);
  const auto* begin = queue.data();
  {
    auto slot = queue.reserve();
    CHECK(slot);
    CHECK(slot.get() >= begin);
    slot->first = 1;
    (*slot).second = 2;
    CHECK(queue.empty());
    const auto* place = slot.get();
    CHECK(slot.publish());
    CHECK_FALSE(slot);
    CHECK(slot.get() == nullptr);
    CHECK(queue.size() == 1);
    auto taken = queue.take();
    CHECK(taken.has_value());
    CHECK(taken.get() == place);  // not copied
    CHECK((taken->first == 1 && (*taken).second == 2));
    CHECK(queue.empty());
    taken->first = 9;
    taken.done();
    CHECK_FALSE(taken);
    CHECK(taken.get() == nullptr);
    taken.done();
  }
  CHECK_FALSE(queue.take());
  CHECK(queue.enqueue({3, 4}));
  CHECK(queue.enqueue({5, 6}));
  int count = 0;
  while (const auto taken = queue.take())
    CHECK(taken->first == static_cast<std::uint64_t>(3 + 2 * count++));
  CHECK(count == 2);
}

TEST_CASE("elements in place are aligned, and need no assignment", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 64 * 1024);
  shm_queue<aligned> far(shm, "aligned", 3);
  std::vector<shm_queue<aligned>::reservation> slots;
  for (int i = 0; i < 3; ++i) {
    slots.push_back(far.reserve());
    CHECK(reinterpret_cast<std::uintptr_t>(slots.back().get()) % alignof(aligned) == 0);
    slots.back()->value = i;
  }
  std::ranges::reverse(slots);
  for (auto& slot : slots)
    CHECK(slot.publish());
  for (const int expected : {2, 1, 0})
    CHECK(far.dequeue()->value == expected);

  shm_queue<constant> fixed(shm, "fixed", 3);
  auto slot = fixed.reserve();
  std::construct_at(slot.get(), constant{5});
  CHECK(slot.publish());
  CHECK(fixed.take()->value == 5);
}

TEST_CASE("publishing into a full queue keeps the reservation", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 2);
  auto slot = queue.reserve();
  CHECK(queue.enqueue(1));
  CHECK(queue.enqueue(2));
  *slot = 3;
  CHECK_FALSE(slot.publish());
  CHECK(slot);
  CHECK(*slot == 3);
  CHECK(queue.reserve());  // needs no room
  CHECK(queue.dequeue() == 1);
  CHECK(slot.publish());
  CHECK(queue.dequeue() == 2);
  CHECK(queue.dequeue() == 3);
}

TEST_CASE("the queue keeps its capacity beside what is held", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 3);
  CHECK(queue.enqueue(0));
  const auto taken = queue.take();
  const auto reserved = queue.reserve();
  for (int i = 1; i <= 3; ++i)
    CHECK(queue.enqueue(i));
  CHECK(queue.full());
  for (int i = 1; i <= 3; ++i)
    CHECK(queue.dequeue() == i);
  CHECK(*taken == 0);
}

TEST_CASE("what is not published never was", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 2);
  for (int i = 0; i < 1000; ++i) {
    auto slot = queue.reserve();
    *slot = i;
    if (i % 2 == 0) {
      slot.abandon();
      CHECK_FALSE(slot);
      slot.abandon();
    }
  }
  const auto build = [&] {
    auto slot = queue.reserve();
    *slot = 1;
    throw std::runtime_error("while building");
  };
  CHECK_THROWS_AS(build(), std::runtime_error);
  CHECK(queue.empty());
  CHECK(queue.stats().enqueued == 0);
  CHECK(queue.stats().lanes_in_use <= 2);
}

TEST_CASE("guards give every lane back, and without one everything says so", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, sizeof(huge), {.open_timeout = 20ms});
  shm_queue<huge> queue(shm, "queue", 1);
  const auto lanes = queue.stats().lanes;
  REQUIRE(lanes < 16);
  const auto no_lane_is_left = [&] {
    return failure_of([&] { static_cast<void>(queue.reserve()); }).status == SHMDS_E_BUSY;
  };
  for (int round = 0; round < 3; ++round) {
    std::vector<shm_queue<huge>::reservation> slots;
    for (std::uint64_t i = 0; i < lanes; ++i)
      slots.push_back(queue.reserve());
    CHECK(no_lane_is_left());
    const auto value = std::make_unique<huge>();
    CHECK_FALSE(queue.enqueue(*value));
    CHECK_FALSE(queue.dequeue(*value));
    CHECK(queue.enqueue_bulk({value.get(), 1}) == 0);
    CHECK_FALSE(queue.enqueue_for(*value, 1ms));
    CHECK(failure_of([&] { static_cast<void>(queue.take()); }).status == SHMDS_E_BUSY);
    slots.back()->numbers[0] = round;
    CHECK(slots.back().publish());
    {
      const auto taken = queue.take();
      CHECK(taken->numbers[0] == round);
      CHECK(no_lane_is_left());
    }
    CHECK_FALSE(queue.take());  // finds nothing, and keeps nothing
    CHECK(queue.reserve());
  }
  CHECK(queue.stats().lanes_in_use == 0);
}

TEST_CASE("a moved-from guard holds nothing, and the other everything", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  auto first = queue.reserve();
  *first = 1;
  int* const place = first.get();
  auto second = std::move(first);
  CHECK_FALSE(first);
  CHECK(first.get() == nullptr);
  CHECK(publish_status(first) == SHMDS_E_STATE);
  first.abandon();
  CHECK(second.get() == place);
  CHECK(second.publish());
  CHECK(publish_status(second) == SHMDS_E_STATE);
  CHECK(queue.size() == 1);

  auto taken = queue.take();
  auto other = std::move(taken);
  CHECK_FALSE(taken.has_value());
  CHECK(taken.get() == nullptr);
  taken.done();
  CHECK(*other == 1);
  taken = std::move(other);
  CHECK(*taken == 1);
  auto& same = taken;
  taken = std::move(same);
  CHECK(*taken == 1);
  CHECK_FALSE(other);
}

TEST_CASE("assigning to a guard gives back what it held", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 2 * sizeof(huge) + 1000, {.open_timeout = 20ms});
  shm_queue<huge> queue(shm, "queue", 1);
  shm_queue<huge> another(shm, "another", 1);
  auto slot = queue.reserve();
  for (int i = 0; i < 20; ++i)
    slot = queue.reserve();
  slot = another.reserve();
  CHECK(queue.stats().lanes_in_use == 0);
  CHECK(another.stats().lanes_in_use == 1);
  slot->numbers[7] = 8;
  CHECK(slot.publish());
  CHECK(queue.empty());
  auto taken = another.take();
  CHECK(taken->numbers[7] == 8);
  taken = queue.take();
  CHECK_FALSE(taken);
  CHECK(another.stats().lanes_in_use == 0);
}

TEST_CASE("any thread may end what another began", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  std::optional<reservation> slot;
  std::jthread([&] {
    slot = queue.reserve();
    **slot = 5;
  }).join();
  CHECK(slot->publish());
  std::optional<taken_element> taken;
  std::jthread([&] { taken = queue.take(); }).join();
  CHECK(**taken == 5);
  std::jthread([&] { taken.reset(); }).join();
  std::jthread([guard = queue.reserve()] { CHECK(guard); }).join();
  CHECK(queue.enqueue(6));
  CHECK(queue.dequeue() == 6);
}

TEST_CASE("threads that work in place and by copy lose and tear nothing", "[queue][slot]") {
  struct wide {
    std::array<std::uint32_t, 30> copies;
  };
  constexpr std::uint32_t each = 10'000;
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<wide> queue(shm, "queue", 7);
  std::vector<std::atomic<int>> seen(4 * each);
  std::atomic<std::uint32_t> taken = 0;
  std::atomic<bool> whole = true;
  const auto accept = [&](const wide& value) {
    const auto number = value.copies[0];
    if (number >= seen.size() || std::ranges::count(value.copies, number) != 30) {
      whole = false;
    } else {
      seen[number].fetch_add(1);
    }
    ++taken;
  };
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t producer = 0; producer < 4; ++producer) {
      threads.emplace_back([&, producer] {
        for (std::uint32_t i = 0; i < each; ++i) {
          if (producer % 2 == 0) {
            auto slot = queue.reserve();
            slot->copies.fill(producer * each + i);
            while (!slot.publish())
              std::this_thread::yield();
          } else {
            wide value{};
            value.copies.fill(producer * each + i);
            queue.enqueue_wait(value);
          }
        }
      });
    }
    for (int consumer = 0; consumer < 3; ++consumer) {
      threads.emplace_back([&, consumer] {
        while (taken < 4 * each) {
          if (consumer == 0) {
            if (const auto value = queue.dequeue_for(1ms)) accept(*value);
          } else if (const auto value = queue.take()) {
            accept(*value);
          } else {
            std::this_thread::yield();
          }
        }
      });
    }
  }
  CHECK(whole);
  CHECK(std::ranges::all_of(seen, [](const auto& count) { return count == 1; }));
}

TEST_CASE("a forked child takes no held slot from its parent", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 8);
  CHECK(queue.enqueue(1));
  auto taken = std::make_optional(queue.take());
  auto reserved = std::make_optional(queue.reserve());
  **reserved = 2;
  // Once as the first thing that the child does, once after it has lanes of its own.
  for (const bool use_before : {false, true}) {
    child worker([&] {
      if (use_before && (!queue.enqueue(10) || queue.dequeue() != 10)) return false;
      const bool refused = publish_status(*reserved) == SHMDS_E_STATE;
      taken.reset();
      reserved.reset();
      // What the child could take from the parent by now, it would get here.
      std::vector<reservation> own;
      for (int i = 0; i < 20; ++i) {
        own.push_back(queue.reserve());
        *own.back() = 100 + i;
      }
      if (!own[0].publish() || !queue.enqueue(200)) return false;
      const auto first = queue.take();
      return refused && *first == 100 && queue.dequeue() == 200;
    });
    CHECK(worker.wait() == 0);
    CHECK(**taken == 1);
    CHECK(**reserved == 2);
    CHECK(queue.empty());
  }
  CHECK(reserved->publish());
  CHECK(queue.dequeue() == 2);
  taken->done();
  CHECK(queue.enqueue(3));
  CHECK(*queue.take() == 3);
}

TEST_CASE("a forked child takes no lane from a parent that has few", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, sizeof(huge), {.open_timeout = 20ms});
  shm_queue<huge> queue(shm, "queue", 1);
  auto slot = std::make_optional(queue.reserve());
  (*slot)->numbers.fill(4);
  child worker([&] {
    slot.reset();
    if (queue.stats().lanes_in_use != 1) return false;
    auto own = queue.reserve();
    own->numbers.fill(5);
    return own.publish() && queue.take()->numbers.back() == 5;
  });
  CHECK(worker.wait() == 0);
  CHECK((*slot)->numbers.back() == 4);
  CHECK(slot->publish());
  CHECK(queue.take()->numbers.front() == 4);
  CHECK(queue.stats().lanes_in_use == 0);
}

TEST_CASE("what a killed process held is all that goes with it", "[queue][slot]") {
  const segment_name name;
  posix_shm shm(name, sizeof(huge) * 3);
  shm_queue<huge> queue(shm, "queue", 3);
  const auto lanes = queue.stats().lanes;
  const auto value = std::make_unique<huge>();
  for (std::uint64_t round = 0; round < 2 * lanes; ++round) {
    for (value->numbers[0] = 0; value->numbers[0] < 3; ++value->numbers[0])
      CHECK(queue.enqueue(*value));
    const gate holds;
    child victim([&] {
      posix_shm mine(name);
      shm_queue<huge> same(mine, "queue");
      const auto taken = same.take();
      auto slot = same.reserve();
      slot->numbers.fill(-1);
      holds.open();
      for (;;)
        std::this_thread::sleep_for(1s);
      return taken.has_value();
    });
    holds.wait();
    victim.kill();
    for (const int expected : {1, 2})
      CHECK(queue.take()->numbers[0] == expected);
    CHECK_FALSE(queue.take());
  }
  CHECK(queue.stats().lanes_in_use <= 2);
}
