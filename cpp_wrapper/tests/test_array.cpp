#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "support.hpp"

using test::failure_of;
using test::segment_name;

namespace {

template <class T>
concept an_element = requires { typename shm_array<T>; };

struct point {
  double x, y;
};
struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

static_assert(an_element<int> && an_element<point> && an_element<no_default>);
static_assert(!an_element<std::string> && !an_element<std::vector<int>>);

static_assert(std::ranges::contiguous_range<shm_array<int>>);
static_assert(std::ranges::contiguous_range<const shm_array<int>>);
static_assert(std::ranges::sized_range<shm_array<int>>);
static_assert(std::is_same_v<std::ranges::iterator_t<shm_array<int>>, int*>);
static_assert(std::is_same_v<std::ranges::iterator_t<const shm_array<int>>, const int*>);

using ints = shm_array<int>;
static_assert(std::is_same_v<ints::value_type, int>);
static_assert(std::is_same_v<ints::size_type, size_t>);
static_assert(std::is_same_v<ints::difference_type, std::ptrdiff_t>);
static_assert(std::is_same_v<ints::reference, int&>);
static_assert(std::is_same_v<ints::const_reference, const int&>);
static_assert(std::is_same_v<ints::pointer, int*>);
static_assert(std::is_same_v<ints::const_pointer, const int*>);
static_assert(std::is_same_v<ints::iterator, int*>);
static_assert(std::is_same_v<ints::const_iterator, const int*>);
static_assert(std::is_same_v<ints::reverse_iterator, std::reverse_iterator<int*>>);
static_assert(std::is_same_v<ints::const_reverse_iterator, std::reverse_iterator<const int*>>);

template <class Array>
constexpr bool promised_noexcept =
    noexcept(std::declval<Array&>().empty()) && noexcept(std::declval<Array&>().size()) &&
    noexcept(std::declval<Array&>().max_size()) && noexcept(std::declval<Array&>().data()) &&
    noexcept(std::declval<Array&>().as_span()) && noexcept(std::declval<Array&>().begin()) &&
    noexcept(std::declval<Array&>().end()) && noexcept(std::declval<Array&>().cbegin()) &&
    noexcept(std::declval<Array&>().cend()) && noexcept(std::declval<Array&>().rbegin()) &&
    noexcept(std::declval<Array&>().rend()) && noexcept(std::declval<Array&>().crbegin()) &&
    noexcept(std::declval<Array&>().crend()) && noexcept(std::declval<Array&>().name());
static_assert(promised_noexcept<ints> && promised_noexcept<const ints>);
static_assert(sizeof(ints) <= 5 * sizeof(void*));
static_assert(std::is_nothrow_copy_constructible_v<ints> &&
              std::is_nothrow_copy_assignable_v<ints>);

template <size_t Alignment>
struct alignas(Alignment) aligned {
  unsigned char byte;
};

}  // namespace

TEST_CASE("a new array is all zero", "[array]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_array<std::uint64_t> array(shm, "array", 1000);
  CHECK(std::ranges::count(array, 0U) == 1000);
}

TEST_CASE("an array is found by name from another attachment", "[array]") {
  const segment_name name;
  posix_shm writer(name, 10'000);
  shm_array<double> written(writer, "sensors", 1000);
  written[0] = 3.14159;
  written[999] = -1;

  posix_shm reader(name);
  shm_array<double> read(reader, "sensors");
  CHECK(read.size() == 1000);
  CHECK(read[0] == 3.14159);
  CHECK(read[999] == -1);
  read[1] = 5;
  CHECK(written[1] == 5);
}

TEST_CASE("an array gives access as a container", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 5);
  const auto& constant = array;
  std::iota(array.begin(), array.end(), 10);

  CHECK(array.front() == 10);
  CHECK(array.back() == 14);
  CHECK(constant.front() == 10);
  CHECK(constant.back() == 14);
  CHECK(constant[2] == 12);
  CHECK_FALSE(array.empty());
  CHECK(array.size() == 5);
  CHECK(array.max_size() == 5);
  CHECK(array.data() == &array[0]);
  CHECK(constant.data() == array.data());
  CHECK(array.name() == "array");

  CHECK(std::vector<int>(array.cbegin(), array.cend()) == std::vector{10, 11, 12, 13, 14});
  CHECK(std::vector<int>(constant.begin(), constant.end()) == std::vector{10, 11, 12, 13, 14});
  CHECK(std::vector<int>(array.rbegin(), array.rend()) == std::vector{14, 13, 12, 11, 10});
  CHECK(std::vector<int>(constant.rbegin(), constant.rend()) == std::vector{14, 13, 12, 11, 10});
  CHECK(std::vector<int>(array.crbegin(), array.crend()) == std::vector{14, 13, 12, 11, 10});

  const std::span<int> span = array.as_span();
  const std::span<const int> constant_span = constant.as_span();
  span[0] = 99;
  CHECK(constant_span.front() == 99);
  CHECK(constant_span.size() == 5);

  std::ranges::sort(array, std::greater<>());
  CHECK(array[0] == 99);
  CHECK(array[4] == 11);
  array.fill(7);
  CHECK(std::ranges::all_of(constant, [](int value) { return value == 7; }));
}

TEST_CASE("at throws out_of_range and says which index", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 5);
  const auto& constant = array;
  array.at(4) = 3;
  CHECK(constant.at(4) == 3);
  CHECK_THROWS_AS(array.at(5), std::out_of_range);
  CHECK_THROWS_AS(constant.at(5), std::out_of_range);
  CHECK_THROWS_AS(array.at(SIZE_MAX), std::out_of_range);
  CHECK_THROWS_WITH(array.at(17), ContainsSubstring("array") && ContainsSubstring("17") &&
                                      ContainsSubstring("5"));
}

TEST_CASE("an index out of range stops a checked program", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 5);
  test::child reader([&] {
    close(STDERR_FILENO);
    volatile size_t index = 5;
    return array[index] == 0;
  });
#if SHMDS_CHECKED
  CHECK(reader.wait() == 1000 + SIGABRT);
#else
  CHECK(reader.wait() < 2);
#endif
}

TEST_CASE("opening an absent array throws", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  CHECK_THROWS_AS(shm_array<int>(shm, "none"), std::runtime_error);
  const auto failure = failure_of([&] { shm_array<int>(shm, "none"); });
  CHECK(failure.status == SHMDS_E_NOT_FOUND);
  CHECK_THAT(failure.what, ContainsSubstring("none"));
}

TEST_CASE("an array of another count, element or kind does not open", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 37);
  CHECK(shm_array<int>(shm, "array", 37).data() == array.data());

  const auto count = failure_of([&] { shm_array<int>(shm, "array", 38); });
  CHECK(count.status == SHMDS_E_MISMATCH);
  CHECK_THAT(count.what,
             ContainsSubstring("array") && ContainsSubstring("37") && ContainsSubstring("38"));
  const auto element = failure_of([&] { shm_array<point>(shm, "array"); });
  CHECK(element.status == SHMDS_E_MISMATCH);
  CHECK_THAT(element.what, ContainsSubstring("4") && ContainsSubstring("16"));
  const auto queue = failure_of([&] { shm_queue<int>(shm, "array", 37); });
  CHECK(queue.status == SHMDS_E_KIND);
  CHECK_THAT(queue.what, ContainsSubstring("queue") && ContainsSubstring("array"));
  CHECK(failure_of([&] { shm_queue<int>(shm, "array"); }).status == SHMDS_E_KIND);
  CHECK(failure_of([&] { shm_atomic<int>(shm, "array"); }).status == SHMDS_E_KIND);

  shm_queue<int> other(shm, "queue", 4);
  shm_atomic<int> word(shm, "word");
  CHECK(failure_of([&] { shm_array<int>(shm, "queue"); }).status == SHMDS_E_KIND);
  CHECK(failure_of([&] { shm_array<int>(shm, "word"); }).status == SHMDS_E_KIND);
}

TEST_CASE("an array's long name is cut and still found", "[array]") {
  const segment_name name;
  posix_shm_small shm(name, 1000);
  const std::string cut(15, 'n');
  using array_type = shm_array<int, shm_table_small>;
  array_type array(shm, cut + "-first", 4);
  array[0] = 8;
  CHECK(array.name() == cut);
  CHECK(array_type(shm, cut)[0] == 8);
  CHECK(array_type(shm, cut + "-second", 4)[0] == 8);
  const auto failure = failure_of([&] { array_type(shm, cut + "-third", 5); });
  CHECK(failure.status == SHMDS_E_MISMATCH);
  CHECK_THAT(failure.what, ContainsSubstring(cut));
  CHECK_THAT(failure.what, !ContainsSubstring("third"));
}

TEST_CASE("a name need not end where its string ends", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  const std::string_view text("sensors and more");
  shm_array<int> array(shm, text.substr(0, 7), 4);
  CHECK(array.name() == "sensors");
  CHECK(failure_of([&] { shm_array<int>(shm, text); }).status == SHMDS_E_NOT_FOUND);
}

TEST_CASE("an empty name is refused", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  CHECK(failure_of([&] { shm_array<int>(shm, "", 4); }).status == SHMDS_E_NAME_EMPTY);
}

TEMPLATE_TEST_CASE("an element's alignment is honoured", "[array]", aligned<64>, aligned<128>,
                   aligned<256>, aligned<512>, aligned<1024>, aligned<2048>, aligned<4096>) {
  const segment_name name;
  posix_shm shm(name, 64 * 1024);
  posix_shm other(name);
  shm_array<char> crooked(shm, "crooked", 3);
  for (const auto* label : {"first", "second", "third"}) {
    shm_array<TestType> array(shm, label, 3);
    CHECK(reinterpret_cast<std::uintptr_t>(array.data()) % alignof(TestType) == 0);
    shm_array<TestType> elsewhere(other, label);
    CHECK(reinterpret_cast<std::uintptr_t>(elsewhere.data()) % alignof(TestType) == 0);
    array[2].byte = 5;
    CHECK(elsewhere[2].byte == 5);
  }
}

TEST_CASE("structures start on lines of their own", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  for (int i = 0; i < 20; ++i) {
    shm_array<char> array(shm, "array" + std::to_string(i), static_cast<size_t>(i % 3 + 1));
    CHECK(reinterpret_cast<std::uintptr_t>(array.data()) % 64 == 0);
  }
}

TEST_CASE("copies and assigned arrays are handles to one array", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  posix_shm other(name);
  shm_array<int> first(shm, "first", 3);
  shm_array<int> second(other, "second", 5);
  shm_array<int> copy = first;
  copy[0] = 9;
  CHECK(first[0] == 9);

  copy = second;
  copy[0] = 4;
  CHECK(second[0] == 4);
  CHECK(first[0] == 9);
  CHECK(copy.size() == 5);
  CHECK(copy.name() == "second");
  auto& same = copy;
  copy = same;
  CHECK(copy.name() == "second");
  std::swap(first, second);
  CHECK(first.name() == "second");
  CHECK(second.name() == "first");
  CHECK(second[0] == 9);

  std::vector<shm_array<int>> kept;
  for (int i = 0; i < 5; ++i)
    kept.push_back(i % 2 == 0 ? first : second);
  kept.erase(kept.begin());
  CHECK(kept.front().name() == "first");
}

TEST_CASE("arrays of any trivially copyable type work", "[array]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_array<point> points(shm, "points", 2);
  points[1] = {1, 2};
  CHECK(shm_array<point>(shm, "points")[1].y == 2);
  shm_array<no_default> values(shm, "values", 2);
  values.fill(no_default(6));
  CHECK(values.back().value == 6);
  shm_array<std::array<char, 3>> odd(shm, "odd", 7);
  CHECK(odd.size() == 7);
}
