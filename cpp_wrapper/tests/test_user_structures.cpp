#include <sched.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "support.hpp"
#include "user_structures.hpp"

using test::child;
using test::segment_name;

TEST_CASE("a user's stack and hash map are found by name", "[user]") {
  const segment_name name;
  posix_shm shm(name, 100'000);
  shm_stack<double> stack(shm, "stack", 10);
  shm_count_map map(shm, "map", 64);
  CHECK(stack.push(1.5));
  CHECK(stack.push(2.5));
  CHECK(map.add(42, 7));

  posix_shm other(name);
  shm_stack<double> same_stack(other, "stack");
  shm_count_map same_map(other, "map");
  CHECK(same_stack.size() == 10);
  CHECK(same_stack.pop() == 2.5);
  CHECK(stack.pop() == 1.5);
  CHECK_FALSE(stack.pop().has_value());
  CHECK(same_map.find(42) == 7);
  CHECK_FALSE(same_map.find(43).has_value());
  CHECK_THROWS_AS(shm_stack<double>(other, "stack", 11), std::runtime_error);
  CHECK_THROWS_AS(shm_stack<double>(other, "none"), std::runtime_error);
  for (int i = 0; i < 10; ++i)
    CHECK(stack.push(i));
  CHECK_FALSE(stack.push(10));
}

TEST_CASE("a user's structures and ours never share a byte", "[user]") {
  const segment_name name;
  posix_shm shm(name, 1'000'000);
  std::vector<shm_stack<int>> stacks;
  std::vector<shm_count_map> maps;
  std::vector<shm_array<unsigned char>> arrays;
  std::vector<shm_queue<std::uint64_t>> queues;
  for (int i = 0; i < 8; ++i) {
    const std::string number = std::to_string(i);
    arrays.emplace_back(shm, "array" + number, 101 + static_cast<size_t>(i));
    stacks.emplace_back(shm, "stack" + number, 50 + static_cast<size_t>(i));
    queues.emplace_back(shm, "queue" + number, 33);
    maps.emplace_back(shm, "map" + number, 31);
  }
  struct extent {
    size_t begin, end;
  };
  std::vector<extent> extents;
  for (const char* kind : {"array", "stack", "queue", "map"}) {
    for (int i = 0; i < 8; ++i) {
      const auto* entry = shm.get_table()->find(kind + std::to_string(i));
      REQUIRE(entry != nullptr);
      CHECK(entry->offset >= sizeof(shm_table));
      for (const auto& taken : extents) {
        CHECK((entry->offset >= taken.end || entry->offset + entry->size <= taken.begin));
      }
      extents.push_back({entry->offset, entry->offset + entry->size});
    }
  }
  for (size_t i = 0; i < 8; ++i) {
    arrays[i].fill(0xFF);
    while (stacks[i].push(static_cast<int>(i))) {
    }
    while (queues[i].enqueue(i)) {
    }
    for (std::uint64_t key = 1; key <= 31; ++key)
      CHECK(maps[i].add(key, static_cast<std::int64_t>(i + key)));
  }
  for (size_t i = 0; i < 8; ++i) {
    for (const auto byte : arrays[i])
      CHECK(byte == 0xFF);
    size_t depth = 0;
    while (const auto value = stacks[i].pop()) {
      CHECK(*value == static_cast<int>(i));
      ++depth;
    }
    CHECK(depth == stacks[i].size());
    for (size_t k = 0; k < 33; ++k)
      CHECK(queues[i].dequeue() == i);
    CHECK(queues[i].empty());
    for (std::uint64_t key = 1; key <= 31; ++key)
      CHECK(maps[i].find(key) == static_cast<std::int64_t>(i + key));
  }
}

TEST_CASE("processes work a user's structures and ours together", "[user]") {
  constexpr int workers = 4;
  constexpr int each = 3000;
  const segment_name name;
  posix_shm shm(name, 200'000);
  shm_queue<int> todo(shm, "todo", 64);
  shm_stack<int> stack(shm, "stack", 100);
  shm_count_map sums(shm, "sums", 256);
  shm_atomic<int> popped(shm, "popped");
  std::vector<child> children;
  for (int w = 0; w < workers; ++w) {
    children.emplace_back([&, w] {
      // Half of them attach anew, half go on with what they inherited.
      std::optional<posix_shm> own;
      if (w % 2 == 0) own.emplace(name);
      posix_shm& mine = own ? *own : shm;
      shm_queue<int> queue(mine, "todo");
      shm_stack<int> my_stack(mine, "stack");
      shm_count_map my_sums(mine, "sums");
      shm_atomic<int> count(mine, "popped");
      for (int i = 0; i < each; ++i) {
        std::optional<int> job;
        while (!(job = queue.dequeue()))
          sched_yield();
        while (!my_stack.push(*job))
          sched_yield();
        const auto value = my_stack.pop();
        if (!value || !my_sums.add(static_cast<std::uint64_t>(*value % 100 + 1), 1)) return false;
        ++count;
      }
      return true;
    });
  }
  for (int i = 0; i < workers * each; ++i) {
    while (!todo.enqueue(i))
      sched_yield();
  }
  for (auto& one : children)
    CHECK(one.wait() == 0);
  CHECK(popped == workers * each);
  for (std::uint64_t key = 1; key <= 100; ++key)
    CHECK(sums.find(key) == workers * each / 100);
  CHECK_FALSE(stack.pop().has_value());
  CHECK(todo.empty());
}
