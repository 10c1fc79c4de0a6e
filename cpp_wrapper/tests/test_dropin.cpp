// What programs written for the original do, and may count on: one test for each thing that
// it documents, and for what its users do without thinking about it.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "shm_table.h"
#include "support.hpp"

using test::child;
using test::segment_name;

namespace {

struct reading {
  double value;
  int sensor;
};

}  // namespace

TEST_CASE("drop-in: size creates, no size attaches, and nothing else", "[drop-in]") {
  const segment_name name;
  CHECK_THROWS_AS(posix_shm(name), std::runtime_error);
  CHECK_THROWS_AS(posix_shm(name, 0), std::runtime_error);
  posix_shm created(name, 5000);
  posix_shm attached(name);
  posix_shm with_size(name, 5000);
  CHECK(attached.get_total_size() == 5000);
  CHECK(with_size.get_total_size() == 5000);
  CHECK(created.get_ref_count() == 3);
  CHECK(posix_shm("/" + name.str()).get_ref_count() == 4);
}

TEST_CASE("drop-in: a segment outlives its objects until it is unlinked", "[drop-in]") {
  const segment_name name;
  {
    shm_array<int>(*std::make_unique<posix_shm>(name, 1000), "array", 3)[2] = 8;
  }
  posix_shm again(name);
  CHECK(shm_array<int>(again, "array")[2] == 8);
  CHECK(again.unlink());
  CHECK_FALSE(again.unlink());
  CHECK_THROWS_AS(posix_shm(name), std::runtime_error);
}

TEST_CASE("drop-in: a name used again after its unlink is a new segment", "[drop-in]") {
  const segment_name name;
  posix_shm old(name, 1000);
  shm_array<int> numbers(old, "numbers", 10);
  numbers[0] = 1;
  REQUIRE(old.unlink());
  posix_shm fresh(name, 2000);
  CHECK(fresh.get_total_size() == 2000);
  CHECK_THROWS_AS(shm_array<int>(fresh, "numbers"), std::runtime_error);
  shm_array<int> others(fresh, "numbers", 5);
  others[0] = 2;
  CHECK(numbers[0] == 1);
  CHECK(shm_array<int>(old, "numbers").size() == 10);
  CHECK(old.get_ref_count() == 1);
  CHECK(fresh.get_ref_count() == 1);
}

TEST_CASE("drop-in: the segment's capacity goes down by the payload", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  const auto before = shm.get_capacity();
  CHECK(before.max_entries == shm_table::MAX_ENTRIES);
  CHECK(before.available_entries == 64);
  CHECK(before.can_allocate(10'000));
  shm_array<double> array(shm, "array", 1000);
  const auto after = shm.get_capacity();
  CHECK(after.available_memory == 2000);
  CHECK(after.available_entries == 63);
  CHECK(after.can_allocate(2000));
  CHECK_FALSE(after.can_allocate(2001));
}

TEST_CASE("drop-in: the base address is the table, and offsets count from it", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_array<reading> readings(shm, "readings", 20);
  auto* table = static_cast<posix_shm::table_type*>(shm.get_base_addr());
  CHECK(table == shm.get_table());
  auto* entry = table->find("readings");
  REQUIRE(entry != nullptr);
  auto* first = reinterpret_cast<reading*>(static_cast<char*>(shm.get_base_addr()) + entry->offset);
  CHECK(first == readings.data());
  CHECK(entry->size == 20 * sizeof(reading));
  CHECK(entry->elem_size == sizeof(reading));
  CHECK(entry->num_elem == 20);
}

TEST_CASE("drop-in: a table works anywhere", "[drop-in]") {
  shm_table_impl<8, 3> table;
  CHECK(table.add("one", 1000, 10));
  CHECK(table.add(std::string_view("two"), 2000, 20, 4, 5));
  CHECK_FALSE(table.add("one", 3000, 10));
  CHECK(table.add("three", 500, 5));
  CHECK_FALSE(table.add("four", 3000, 10));
  CHECK(table.get_entry_count() == 3);
  CHECK(table.get_available_entries() == 0);
  CHECK(table.get_total_allocated_size() == 2020 - sizeof(table));
  CHECK(table.find("two")->num_elem == 5);
  CHECK(table.erase("two"));
  CHECK_FALSE(table.erase("two"));
  CHECK(table.find("two") == nullptr);
  CHECK(table.get_total_allocated_size() == 2020 - sizeof(table));
  table.clear();
  CHECK(table.get_entry_count() == 0);
  CHECK(table.get_total_allocated_size() == 0);
}

TEST_CASE("drop-in: names equal up to the cut are one name", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  const std::string cut(shm_table::MAX_NAME_SIZE - 1, 'n');
  shm_array<int> array(shm, cut + "_left", 4);
  shm_array<int> same(shm, cut + "_right");
  same[1] = 11;
  CHECK(array[1] == 11);
  CHECK(same.name() == cut);
  CHECK(shm.get_table()->get_entry_count() == 1);
  CHECK(shm.get_table()->find((cut + "_third").c_str()) == shm.get_table()->find(cut));
  CHECK_FALSE(shm.get_table()->add((cut + "_raw").c_str(), 0, 0));
  CHECK_THROWS_AS(shm_array<int>(shm, cut + "_other", 5), std::runtime_error);
  CHECK(shm.get_table()->erase(cut + "_whatever"));
}

TEST_CASE("drop-in: raw entries are respected and open as arrays", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_array<char> before(shm, "before", 77);
  auto* table = shm.get_table();
  const size_t offset = (sizeof(shm_table) + table->get_total_allocated_size() + 7) / 8 * 8;
  REQUIRE(table->add("raw", offset, 10 * sizeof(double), sizeof(double), 10));
  shm_array<char> after(shm, "after", 77);
  auto* memory = reinterpret_cast<double*>(static_cast<char*>(shm.get_base_addr()) + offset);
  std::iota(memory, memory + 10, 0.5);
  before.fill('b');
  after.fill('a');
  const shm_array<double> opened(shm, "raw");
  CHECK(opened.data() == memory);
  CHECK(opened.size() == 10);
  CHECK(opened[9] == 9.5);
}

TEST_CASE("drop-in: an array is a container and a contiguous range", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_array<int> array(shm, "array", 100);
  CHECK(std::ranges::count(array, 0) == 100);
  std::iota(array.begin(), array.end(), 0);
  CHECK(array.front() == 0);
  CHECK(array.back() == 99);
  CHECK(std::accumulate(array.cbegin(), array.cend(), 0) == 4950);
  CHECK(*array.rbegin() == 99);
  CHECK(*(array.crend() - 1) == 0);
  CHECK(array.as_span().subspan(10, 5).front() == 10);
  CHECK(array.max_size() == 100);
  CHECK_FALSE(array.empty());
  CHECK(array.name() == "array");
  auto odd = array | std::views::filter([](int n) { return n % 2 == 1; });
  CHECK(std::ranges::distance(odd) == 50);
  std::ranges::sort(array, std::greater{});
  CHECK(array[0] == 99);
  array.fill(7);
  CHECK(std::ranges::all_of(array, [](int n) { return n == 7; }));
  CHECK_THROWS_AS(array.at(100), std::out_of_range);
  CHECK_THROWS_AS(shm_array<int>(shm, "array", 99), std::runtime_error);
  CHECK_THROWS_AS(shm_array<int>(shm, "absent"), std::runtime_error);
  CHECK(shm_array<int>(shm, "array", 100).data() == array.data());
}

TEST_CASE("drop-in: a queue of n holds n", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  CHECK_FALSE(shm_queue<reading>::exists(shm, "queue"));
  shm_queue<reading> queue(shm, "queue", 10);
  CHECK(shm_queue<reading>::exists(shm, "queue"));
  for (int i = 0; i < 10; ++i)
    CHECK(queue.enqueue({i * 0.5, i}));
  CHECK(queue.full());
  CHECK(queue.size() == 10);
  CHECK_FALSE(queue.enqueue({0, 0}));
  const auto first = queue.dequeue();
  REQUIRE(first.has_value());
  CHECK(first->sensor == 0);
  reading next{};
  CHECK(queue.dequeue(next));
  CHECK(next.sensor == 1);
  CHECK(queue.size() == 8);
  CHECK(queue.capacity() == 10);
  CHECK_FALSE(queue.full());
  while (queue.dequeue()) {
  }
  CHECK(queue.empty());
  CHECK_FALSE(queue.dequeue(next));
  CHECK(next.sensor == 1);
  CHECK_THROWS_AS(shm_queue<reading>(shm, "queue", 11), std::runtime_error);
}

TEST_CASE("drop-in: an atomic keeps its value when it is opened", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_atomic<int> counter(shm, "counter", 40);
  shm_atomic<int> again(shm, "counter", 99);
  CHECK(again.load() == 40);
  CHECK(++again == 41);
  CHECK(counter++ == 41);
  counter += 8;
  CHECK(counter == 50);
  CHECK(again.exchange(1) == 50);
  int expected = 1;
  CHECK(again.compare_exchange_strong(expected, 2));
  CHECK_FALSE(again.compare_exchange_strong(expected, 3));
  CHECK(expected == 2);
  CHECK((counter = 6) == 6);
  CHECK((again |= 9) == 15);
  CHECK(again.name() == "counter");
#if __cpp_deduction_guides >= 201907L
  shm_atomic_int same(shm, "counter");
  CHECK(same == 15);
#endif
}

TEST_CASE("drop-in: a forked child goes on with its parent's objects, or attaches anew",
          "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_array<int> array(shm, "array", 2);
  shm_queue<int> queue(shm, "queue", 8);
  {
    child inherits([&] {
      array[0] = 10;
      return queue.enqueue(1);
    });
    child attaches([&] {
      posix_shm own(name);
      shm_array<int>(own, "array")[1] = 20;
      return shm_queue<int>(own, "queue").enqueue(2);
    });
    CHECK(inherits.wait() == 0);
    CHECK(attaches.wait() == 0);
  }
  CHECK(array[0] + array[1] == 30);
  CHECK(queue.size() == 2);
}

TEST_CASE("drop-in: text in the place of the table breaks nothing but names", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_array<int> array(shm, "array", 4);
  shm_queue<int> queue(shm, "queue", 4);
  for (const char* text : {"x", "Hello, shared memory!",
                           "a sentence that is longer than any name, and so reaches the numbers "
                           "that follow the name of the first entry, one after the other"}) {
    std::strcpy(static_cast<char*>(shm.get_base_addr()), text);
    array[3] = 5;
    CHECK(array[3] == 5);
    CHECK(queue.enqueue(1));
    CHECK(queue.dequeue() == 1);
    static_cast<void>(shm.get_table()->find("array"));
    static_cast<void>(shm.get_table()->get_entry_count());
    static_cast<void>(shm.get_table()->get_total_allocated_size());
    static_cast<void>(test::failure_of([&] { static_cast<void>(shm.get_capacity()); }));
    // Each either works or says why not.
    static_cast<void>(test::failure_of([&] { shm_array<int>(shm, "array", 4).fill(1); }));
    static_cast<void>(test::failure_of([&] { shm_queue<int>(shm, "queue"); }));
    static_cast<void>(
        test::failure_of([&] { shm_array<int>(shm, std::string("later ") + text[0], 4).fill(1); }));
    static_cast<void>(
        test::failure_of([&] { static_cast<void>(posix_shm(name).get_ref_count()); }));
    static_cast<void>(shm.get_table()->add("raw", sizeof(shm_table) + 9000, 10));
    static_cast<void>(shm.get_table()->erase("raw"));
  }
  CHECK(shm.get_ref_count() == 1);
  CHECK(shm.unlink());
}

TEST_CASE("drop-in: one queue object serves many threads", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  std::vector<shm_queue<int>> queues;
  for (int i = 0; i < 3; ++i)
    queues.emplace_back(shm, "queue" + std::to_string(i), 16);
  shm_atomic<long> sum(shm, "sum");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) {
        auto& queue = queues[static_cast<size_t>(t + i) % queues.size()];
        while (!queue.enqueue(i))
          std::this_thread::yield();
        std::optional<int> value;
        while (!(value = queue.dequeue()))
          std::this_thread::yield();
        sum += *value;
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  CHECK(sum == 4L * 1000 * 999 / 2);
}
