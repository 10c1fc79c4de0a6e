#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_table.h"
#include "support.hpp"

using test::failure_of;
using test::segment_name;

namespace {

template <size_t NameSize, size_t Entries>
constexpr bool has_promised_size =
    sizeof(shm_table_impl<NameSize, Entries>) == Entries * ((NameSize + 7) / 8 * 8 + 40) + 8;

static_assert(sizeof(shm_table_small) == 904);
static_assert(sizeof(shm_table) == 4616);
static_assert(sizeof(shm_table_large) == 26632);
static_assert(sizeof(shm_table_huge) == 303112);
static_assert(has_promised_size<2, 1> && has_promised_size<13, 7> && has_promised_size<33, 100>);
static_assert(shm_table::size_bytes() == sizeof(shm_table));
static_assert(shm_table_large::MAX_NAME_SIZE == 64 && shm_table_large::MAX_ENTRIES == 256);
static_assert(std::is_same_v<shm_table, shm_table_impl<>>);
static_assert(std::is_same_v<decltype(shm_table::entry::name), std::array<char, 32>>);
static_assert(std::is_same_v<decltype(shm_table::entry::active), bool>);
static_assert(offsetof(shm_table::entry, offset) == 32);
static_assert(offsetof(shm_table::entry, size) == 40);
static_assert(offsetof(shm_table::entry, elem_size) == 48);
static_assert(offsetof(shm_table::entry, num_elem) == 56);
static_assert(offsetof(shm_table::entry, active) == 64);
static_assert(sizeof(shm_table::entry) == 72);
static_assert(std::is_trivially_copyable_v<shm_table_impl<13, 7>>);

// A private table, or that of a segment: both must do the same.
template <class Table>
struct on_stack {
  using type = Table;
  Table table;
  Table& get() { return table; }
};
template <class Table>
struct in_segment {
  using type = Table;
  segment_name name{"table"};
  posix_shm_impl<Table> shm{name, 100'000};
  Table& get() { return *shm.get_table(); }
};

}  // namespace

TEST_CASE("a new table is all zero bytes, wherever it stands", "[table]") {
  alignas(shm_table) std::array<unsigned char, sizeof(shm_table_impl<13, 7>)> room;
  room.fill(0xff);
  const auto* table = new (room.data()) shm_table_impl<13, 7>;
  CHECK(std::ranges::count(room, 0) == static_cast<std::ptrdiff_t>(room.size()));
  CHECK(table->get_entry_count() == 0);
  CHECK(table->get_available_entries() == 7);
  CHECK(table->get_total_allocated_size() == 0);
  CHECK(table->find("anything") == nullptr);
}

TEMPLATE_PRODUCT_TEST_CASE("a table adds, finds and erases", "[table]", (on_stack, in_segment),
                           (shm_table_small, shm_table, shm_table_large, shm_table_huge,
                            (shm_table_impl<13, 7>))) {
  auto holder = std::make_unique<TestType>();
  auto& table = holder->get();
  const auto& constant = table;
  using table_type = typename TestType::type;

  CHECK(table.add("plain", 100, 40, 4, 10));
  CHECK(table.add(std::string_view("viewed-cut", 6), 200, 8));
  CHECK(table.add(std::string("string"), 300, 24, 8, 3));
  CHECK(table.get_entry_count() == 3);
  CHECK(table.get_available_entries() == table_type::MAX_ENTRIES - 3);

  auto* plain = table.find("plain");
  REQUIRE(plain != nullptr);
  CHECK(std::string_view(plain->name.data()) == "plain");
  CHECK(plain->offset == 100);
  CHECK(plain->size == 40);
  CHECK(plain->elem_size == 4);
  CHECK(plain->num_elem == 10);
  CHECK(plain->active);
  CHECK(constant.find("plain") == plain);
  CHECK(constant.find(std::string_view("plain as day", 5)) == plain);

  const auto* viewed = table.find("viewed");
  REQUIRE(viewed != nullptr);
  CHECK(viewed->elem_size == 0);
  CHECK(viewed->num_elem == 0);
  CHECK(table.find("view") == nullptr);
  CHECK(table.find("viewed-cut") == nullptr);
  CHECK(table.find(std::string("string"))->num_elem == 3);

  CHECK(table.erase("plain"));
  CHECK_FALSE(table.erase("plain"));
  CHECK(table.find("plain") == nullptr);
  CHECK(table.erase(std::string_view("viewed")));
  CHECK(table.get_entry_count() == 1);
  CHECK(table.add("plain", 500, 1));
  CHECK(table.find("plain")->offset == 500);

  table.clear();
  CHECK(table.get_entry_count() == 0);
  CHECK(table.get_available_entries() == table_type::MAX_ENTRIES);
  CHECK(table.find("string") == nullptr);
}

TEMPLATE_PRODUCT_TEST_CASE("a taken name is refused and keeps its entry", "[table]",
                           (on_stack, in_segment), (shm_table_small, shm_table)) {
  TestType holder;
  auto& table = holder.get();
  CHECK(table.add("name", 1000, 1));
  CHECK_FALSE(table.add("name", 2000, 2));
  CHECK_FALSE(table.add(std::string_view("name"), 2000, 2));
  CHECK(table.find("name")->offset == 1000);
  CHECK(table.get_entry_count() == 1);
}

TEMPLATE_PRODUCT_TEST_CASE("a table takes as many names as it has entries", "[table]",
                           (on_stack, in_segment),
                           (shm_table_small, shm_table, shm_table_large, shm_table_huge)) {
  auto holder = std::make_unique<TestType>();
  auto& table = holder->get();
  constexpr size_t entries = TestType::type::MAX_ENTRIES;
  for (size_t i = 0; i < entries; ++i) {
    REQUIRE(table.add("n" + std::to_string(i), i * 8, 8));
  }
  CHECK(table.get_available_entries() == 0);
  CHECK_FALSE(table.add("one more", 0, 8));
  CHECK(table.find("one more") == nullptr);
  for (size_t i = 0; i < entries; ++i) {
    const auto* entry = table.find("n" + std::to_string(i));
    REQUIRE(entry != nullptr);
    REQUIRE(entry->offset == i * 8);
  }
  CHECK(table.erase("n5"));
  CHECK(table.add("one more", 0, 8));
  CHECK_FALSE(table.add("n5", 0, 8));
}

TEMPLATE_PRODUCT_TEST_CASE("a long name is cut, on every path", "[table]", (on_stack, in_segment),
                           (shm_table_small, shm_table, (shm_table_impl<13, 7>))) {
  TestType holder;
  auto& table = holder.get();
  constexpr size_t longest = TestType::type::MAX_NAME_SIZE - 1;
  const std::string whole(longest, 'n');
  const std::string longer = whole + "-and-more";
  const std::string other_tail = whole + "+else";

  CHECK(table.add(longer, 0, 8));
  const auto* entry = table.find(longer);
  REQUIRE(entry != nullptr);
  CHECK(entry->name[longest] == '\0');
  CHECK(std::string_view(entry->name.data()) == whole);
  CHECK(table.find(whole) == entry);
  CHECK(table.find(longer.c_str()) == entry);
  CHECK(table.find(other_tail) == entry);
  CHECK_FALSE(table.add(whole, 0, 8));
  CHECK_FALSE(table.add(other_tail.c_str(), 0, 8));
  CHECK(table.find(whole.substr(1)) == nullptr);
  CHECK(table.erase(other_tail));
  CHECK(table.find(longer) == nullptr);
}

TEST_CASE("no name is no entry", "[table]") {
  shm_table table;
  const char* const none = nullptr;
  CHECK_FALSE(table.add(none, 0, 8));
  CHECK_FALSE(table.add(std::string_view(), 0, 8));
  CHECK(table.find(none) == nullptr);
  CHECK_FALSE(table.erase(none));
  CHECK(table.get_entry_count() == 0);
}

TEMPLATE_PRODUCT_TEST_CASE("the allocated size is the furthest end ever added, and wraps",
                           "[table]", (on_stack, in_segment), (shm_table_small, shm_table)) {
  TestType holder;
  auto& table = holder.get();
  const size_t header = sizeof(table);
  CHECK(table.get_total_allocated_size() == 0);
  CHECK(table.add("a", header, 100));
  CHECK(table.get_total_allocated_size() == 100);
  CHECK(table.add("b", header + 100, 50));
  CHECK(table.get_total_allocated_size() == 150);
  CHECK(table.add("inside", header + 10, 20));
  CHECK(table.get_total_allocated_size() == 150);
  CHECK(table.erase("b"));
  CHECK(table.get_total_allocated_size() == 150);
  CHECK_FALSE(table.add("a", header + 1000, 50));
  CHECK(table.get_total_allocated_size() == 150);
  table.clear();
  CHECK(table.get_total_allocated_size() == 0);

  const size_t wrapped = size_t{0} + 10 - header;
  CHECK(table.add("below", 0, 10));
  CHECK(table.get_total_allocated_size() == wrapped);
  CHECK(table.add("c", header, 100));
  CHECK(table.get_total_allocated_size() == wrapped);
}

TEST_CASE("a copy of a private table is a table of its own", "[table]") {
  shm_table first;
  CHECK(first.add("shared", 1, 2, 3, 4));
  shm_table second = first;
  CHECK(second.add("own", 5, 6));
  CHECK(second.find("shared")->num_elem == 4);
  CHECK(first.find("own") == nullptr);
  first = second;
  CHECK(first.find("own") != nullptr);
}

TEST_CASE("a private table does not touch a segment's", "[table]") {
  const segment_name name;
  posix_shm shm(name, 1024);
  shm_array<int> array(shm, "array", 4);
  shm_table table = *shm.get_table();
  table.clear();
  CHECK(table.add("private", 0, 1));
  CHECK(shm.get_table()->find("array") != nullptr);
  CHECK(shm.get_table()->find("private") == nullptr);
}

TEST_CASE("every attacher sees an entry at once", "[table]") {
  const segment_name name;
  posix_shm first(name, 1024);
  posix_shm second(name);
  CHECK(first.get_table()->add("raw", sizeof(shm_table), 64, 4, 16));
  CHECK(second.get_table()->find("raw")->num_elem == 16);
  CHECK_FALSE(second.get_table()->add("raw", 0, 0));
  CHECK(second.get_table()->erase("raw"));
  CHECK(first.get_table()->find("raw") == nullptr);
}

TEST_CASE("the allocated size of a segment grows with every structure", "[table]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  size_t before = shm.get_table()->get_total_allocated_size();
  CHECK(before == 0);
  for (int i = 0; i < 10; ++i) {
    shm_array<char> array(shm, "array" + std::to_string(i), 10);
    const size_t after = shm.get_table()->get_total_allocated_size();
    CHECK(after >= before + 10);
    CHECK(shm.get_table()->find(array.name())->offset + 10 <= sizeof(shm_table) + after);
    before = after;
  }
  CHECK(shm.get_table()->erase("array9"));
  CHECK(shm.get_table()->get_total_allocated_size() == before);
}

TEST_CASE("a raw entry opens as an array", "[table]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  shm_array<char> before(shm, "before", 100);
  auto* table = shm.get_table();
  const size_t offset = (sizeof(shm_table) + table->get_total_allocated_size() + 7) / 8 * 8;
  REQUIRE(table->add("raw", offset, 10 * sizeof(double), sizeof(double), 10));
  auto* raw = reinterpret_cast<double*>(static_cast<char*>(shm.get_base_addr()) + offset);
  raw[9] = 2.5;

  shm_array<double> array(shm, "raw");
  CHECK(array.data() == raw);
  CHECK(array.size() == 10);
  CHECK(array[9] == 2.5);
  CHECK(shm_array<double>(shm, "raw", 10).data() == raw);
  CHECK(failure_of([&] { shm_array<double>(shm, "raw", 11); }).status == SHMDS_E_MISMATCH);
  CHECK(failure_of([&] { shm_array<float>(shm, "raw"); }).status == SHMDS_E_MISMATCH);

  shm_array<double> after(shm, "after", 10);
  after.fill(1);
  before.fill('x');
  CHECK(array[9] == 2.5);

  posix_shm other(name);
  CHECK(shm_array<double>(other, "raw")[9] == 2.5);
}

TEST_CASE("a raw entry that was replaced opens as what it is now", "[table]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  auto* table = shm.get_table();
  const size_t start = sizeof(shm_table) + 8;
  REQUIRE(table->add("raw", start, 80, 8, 10));
  CHECK(shm_array<double>(shm, "raw").size() == 10);
  REQUIRE(table->erase("raw"));
  REQUIRE(table->add("raw", start + 80, 40, 4, 10));
  CHECK(failure_of([&] { shm_array<double>(shm, "raw"); }).status == SHMDS_E_MISMATCH);
  shm_array<float> array(shm, "raw");
  CHECK(reinterpret_cast<char*>(array.data()) ==
        static_cast<char*>(shm.get_base_addr()) + start + 80);
}

TEST_CASE("a raw entry that reaches out of the segment does not open", "[table]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  auto* table = shm.get_table();
  REQUIRE(table->add("beyond", size_t{1} << 50, 80, 8, 10));
  REQUIRE(table->add("wraps", SIZE_MAX - 16, 80, 8, 10));
  CHECK(failure_of([&] { shm_array<double>(shm, "beyond"); }).status < 0);
  CHECK(failure_of([&] { shm_array<double>(shm, "wraps"); }).status < 0);
}

TEST_CASE("erase unregisters and living handles go on", "[table]") {
  const segment_name name;
  posix_shm shm(name, 4096);
  shm_array<int> array(shm, "array", 10);
  array.fill(3);
  CHECK(shm.get_table()->erase("array"));
  CHECK(failure_of([&] { shm_array<int>(shm, "array"); }).status == SHMDS_E_NOT_FOUND);
  shm_array<int> again(shm, "array", 20);
  again.fill(4);
  CHECK(std::ranges::count(array, 3) == 10);
  CHECK(again.size() == 20);
  CHECK(again.data() != array.data());
  CHECK(array.size() == 10);
}

TEST_CASE("threads that add different names all succeed", "[table]") {
  const segment_name name;
  posix_shm_large shm(name, 100'000);
  std::vector<std::jthread> threads;
  std::atomic<int> added = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 32; ++i) {
        const auto text = std::to_string(t) + "-" + std::to_string(i);
        added += shm.get_table()->add(text, 0, 0) ? 1 : 0;
      }
    });
  }
  threads.clear();
  CHECK(added == 256);
  CHECK(shm.get_table()->get_available_entries() == 0);
}

TEST_CASE("of threads that add one name exactly one succeeds", "[table]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  for (int round = 0; round < 50; ++round) {
    const auto text = "name" + std::to_string(round);
    std::atomic<int> added = 0;
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] { added += shm.get_table()->add(text, 0, 0) ? 1 : 0; });
      }
    }
    CHECK(added == 1);
  }
}
