#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_queue.h"
#include "shm_span.h"
#include "support.hpp"

using test::segment_name;

static_assert(sizeof(shm_span<int, posix_shm>) <= 5 * sizeof(void*));
static_assert(std::is_base_of_v<shm_span<int, posix_shm>, shm_array<int>>);
static_assert(std::is_base_of_v<shm_span<int, posix_shm>, shm_queue<int>>);
static_assert(std::is_copy_constructible_v<shm_span<int, posix_shm>>);

namespace {

// A stack as a program might have written it for the original: the extent is
// taken behind what is allocated, and set in the constructor's body.
template <class T, class TableType = shm_table>
class user_stack : public shm_span<T, posix_shm_impl<TableType>> {
 public:
  template <class ShmType>
  user_stack(ShmType& segment, std::string_view name, size_t capacity = 0)
      : shm_span<T, posix_shm_impl<TableType>>(segment, 0, 0) {
    auto* table = static_cast<TableType*>(segment.get_base_addr());
    if (const auto* entry = table->find(name)) {
      if (capacity != 0 && entry->num_elem != capacity) throw std::runtime_error("other capacity");
      this->offset = entry->offset;
      this->num_elem = entry->num_elem;
      return;
    }
    if (capacity == 0) throw std::runtime_error("no such stack");
    this->offset = sizeof(TableType) + table->get_total_allocated_size();
    this->num_elem = capacity;
    if (!table->add(name, this->offset, sizeof(T) * capacity, sizeof(T), capacity)) {
      throw std::runtime_error("table full");
    }
  }

  size_t position() const { return this->offset; }
  void* base() const { return this->shm.get_base_addr(); }
  size_t count() const { return this->num_elem; }
};

template <class T>
class fixed_window : public shm_span<T, posix_shm> {
 public:
  using shm_span<T, posix_shm>::shm_span;
};

}  // namespace

TEST_CASE("a span is a window at its offset", "[span]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 10);
  const auto offset = shm.get_table()->find("array")->offset;
  shm_span<int, posix_shm> span(shm, offset + 2 * sizeof(int), 5);
  const auto& constant = span;
  CHECK(span.data() == array.data() + 2);
  CHECK(constant.data() == span.data());
  CHECK(span.size() == 5);
  span[0] = 7;
  CHECK(array[2] == 7);
  CHECK(constant[0] == 7);
  static_assert(std::is_same_v<decltype(constant[0]), const int&>);
  static_assert(std::is_same_v<decltype(constant.data()), const int*>);

  shm_span<int, posix_shm> copy = span;
  CHECK(copy.data() == span.data());
  fixed_window<int> derived(shm, offset, 10);
  CHECK(derived[2] == 7);
}

TEST_CASE("arrays and queues are spans over their elements", "[span]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 10);
  shm_span<int, posix_shm>& window = array;
  CHECK(window.data() == array.data());
  CHECK(window.size() == 10);
  shm_queue<int> queue(shm, "queue", 10);
  const shm_span<int, posix_shm>& slots = queue;
  CHECK(slots.size() == 10);
  const auto* base = static_cast<const char*>(shm.get_base_addr());
  CHECK(reinterpret_cast<const char*>(slots.data()) > base);
}

TEST_CASE("a structure of a user works beside ours", "[span]") {
  const segment_name name;
  posix_shm shm(name, 100'000);
  std::vector<shm_array<unsigned char>> arrays;
  std::vector<user_stack<unsigned char>> stacks;
  std::vector<shm_queue<int>> queues;
  for (int i = 0; i < 12; ++i) {
    const auto count = static_cast<size_t>(1 + i * 37);
    arrays.emplace_back(shm, "array" + std::to_string(i), count);
    stacks.emplace_back(shm, "stack" + std::to_string(i), count);
    queues.emplace_back(shm, "queue" + std::to_string(i), 5);
  }
  for (size_t i = 0; i < 12; ++i) {
    std::ranges::fill_n(stacks[i].data(), static_cast<std::ptrdiff_t>(stacks[i].size()),
                        static_cast<unsigned char>(100 + i));
    arrays[i].fill(static_cast<unsigned char>(i));
    for (int k = 0; k < 5; ++k)
      CHECK(queues[i].enqueue(k));
  }
  for (size_t i = 0; i < 12; ++i) {
    const auto count = 1 + i * 37;
    CHECK(stacks[i].count() == count);
    CHECK(stacks[i].base() == shm.get_base_addr());
    CHECK(std::count(stacks[i].data(), stacks[i].data() + count,
                     static_cast<unsigned char>(100 + i)) == static_cast<std::ptrdiff_t>(count));
    CHECK(std::ranges::count(arrays[i], static_cast<unsigned char>(i)) ==
          static_cast<std::ptrdiff_t>(count));
    for (int k = 0; k < 5; ++k)
      CHECK(queues[i].dequeue() == k);
  }

  posix_shm other(name);
  user_stack<unsigned char> found(other, "stack7");
  CHECK(found.position() == stacks[7].position());
  CHECK(found[3] == 107);
  CHECK(shm_array<unsigned char>(other, "stack7").size() == stacks[7].size());
  CHECK_THROWS(user_stack<unsigned char>(other, "none"));
}

TEST_CASE("a structure of a user may fill the rest of a segment", "[span]") {
  const segment_name name;
  posix_shm shm(name, 2048);
  shm_array<char> array(shm, "array", 1000);
  user_stack<char> stack(shm, "stack", 1048);
  std::fill_n(stack.data(), stack.size(), 's');
  array.fill('a');
  CHECK(std::count(stack.data(), stack.data() + stack.size(), 's') == 1048);
}

TEST_CASE("an index out of a span's range stops a checked program", "[span]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_span<char, posix_shm> span(shm, sizeof(shm_table), 5);
  test::child reader([&] {
    close(STDERR_FILENO);
    volatile size_t index = 5;
    return span[index] == 0;
  });
#if SHMDS_CHECKED
  CHECK(reader.wait() == 1000 + SIGABRT);
#else
  CHECK(reader.wait() < 2);
#endif
}
