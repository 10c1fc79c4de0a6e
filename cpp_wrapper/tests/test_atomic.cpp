#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_atomic.h"
#include "support.hpp"

using test::failure_of;
using test::segment_name;

namespace {

struct pair {
  int a;
  float b;
};
struct big {
  std::array<long, 4> words;
};
enum class color : unsigned char { red, green };

template <class T>
concept a_value = requires { typename shm_atomic<T>; };
static_assert(a_value<bool> && a_value<int> && a_value<double> && a_value<pair> && a_value<color>);
static_assert(!a_value<big> && !a_value<std::string>);

template <class T>
concept adds = requires(shm_atomic<T>& value) { value.fetch_add(T{}); };
template <class T>
concept masks = requires(shm_atomic<T>& value) { value.fetch_and(T{}); };
template <class T>
concept steps = requires(shm_atomic<T>& value) { ++value; };
static_assert(adds<int> && masks<int> && steps<int>);
static_assert(adds<double> && !masks<double> && !steps<double>);
static_assert(!adds<bool> && !masks<bool> && !steps<bool>);
static_assert(!adds<pair> && !masks<pair> && !steps<pair>);

static_assert(sizeof(shm_atomic<int>) == 2 * sizeof(void*));
static_assert(std::is_nothrow_copy_constructible_v<shm_atomic<int>>);
static_assert(!std::is_copy_assignable_v<shm_atomic<int>>);
static_assert(shm_atomic<int>::is_always_lock_free);
static_assert(std::is_same_v<shm_atomic<int>::value_type, int>);

static_assert(std::is_same_v<shm_atomic_bool<>, shm_atomic<bool>>);
static_assert(std::is_same_v<shm_atomic_int<>, shm_atomic<int>>);
static_assert(std::is_same_v<shm_atomic_uint<>, shm_atomic<unsigned>>);
static_assert(std::is_same_v<shm_atomic_int32<>, shm_atomic<std::int32_t>>);
static_assert(std::is_same_v<shm_atomic_uint32<>, shm_atomic<std::uint32_t>>);
static_assert(std::is_same_v<shm_atomic_int64<>, shm_atomic<std::int64_t>>);
static_assert(std::is_same_v<shm_atomic_uint64<>, shm_atomic<std::uint64_t>>);
static_assert(std::is_same_v<shm_atomic_size_t<>, shm_atomic<size_t>>);
static_assert(std::is_same_v<shm_atomic_int<shm_table_small>, shm_atomic<int, shm_table_small>>);

}  // namespace

TEST_CASE("an atomic is created with its initial value, and opened with its own", "[atomic]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  posix_shm other(name);
  shm_atomic<int> created(shm, "count", 5);
  CHECK(created.load() == 5);
  shm_atomic<int> opened(other, "count", 77);
  CHECK(opened.load() == 5);
  opened.store(6);
  CHECK(created == 6);
  CHECK(shm_atomic<int>(shm, "count") == 6);
  CHECK(shm_atomic<int>(shm, "fresh") == 0);
  CHECK(created.name() == "count");
}

TEMPLATE_TEST_CASE("an atomic integer does what std::atomic does", "[atomic]", signed char,
                   unsigned char, short, unsigned short, int, unsigned, long, unsigned long, char) {
  using T = TestType;
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<T> ours(shm, "value", T{10});
  std::atomic<T> theirs(T{10});
  const auto both = [&](auto operation) {
    const auto one = operation(ours);
    const auto two = operation(theirs);
    CHECK(one == two);
    CHECK(ours.load() == theirs.load());
    static_assert(std::is_same_v<decltype(one), decltype(two)>);
  };
  both([](auto& value) { return value.exchange(T{20}); });
  both([](auto& value) { return value.exchange(T{21}, std::memory_order_acq_rel); });
  both([](auto& value) { return value.fetch_add(T{3}); });
  both([](auto& value) { return value.fetch_sub(T{1}); });
  both([](auto& value) { return value.fetch_and(T{0x36}); });
  both([](auto& value) { return value.fetch_or(T{0x41}); });
  both([](auto& value) { return value.fetch_xor(T{0x0f}, std::memory_order_relaxed); });
  both([](auto& value) { return ++value; });
  both([](auto& value) { return value++; });
  both([](auto& value) { return --value; });
  both([](auto& value) { return value--; });
  both([](auto& value) { return value += T{5}; });
  both([](auto& value) { return value -= T{2}; });
  both([](auto& value) { return value &= T{0x77}; });
  both([](auto& value) { return value |= T{0x18}; });
  both([](auto& value) { return value ^= T{0x21}; });
  both([](auto& value) { return value = T{9}; });
  both([](auto& value) { return static_cast<T>(value); });
  both([](auto& value) { return value.load(std::memory_order_acquire); });
  both([](auto& value) {
    value.store(std::numeric_limits<T>::max(), std::memory_order_release);
    return value.fetch_add(T{1});
  });
  for (const bool matches : {true, false}) {
    both([=](auto& value) {
      value = T{7};
      T expected = matches ? T{7} : T{8};
      const bool done = value.compare_exchange_strong(expected, T{9});
      return std::make_pair(done, expected);
    });
    both([=](auto& value) {
      value = T{7};
      T expected = matches ? T{7} : T{8};
      const bool done = value.compare_exchange_strong(expected, T{9}, std::memory_order_acq_rel,
                                                      std::memory_order_relaxed);
      return std::make_pair(done, expected);
    });
  }
  T expected = 7;
  ours = T{7};
  while (!ours.compare_exchange_weak(expected, T{11})) {
  }
  while (!ours.compare_exchange_weak(expected = T{11}, T{12}, std::memory_order_release,
                                     std::memory_order_relaxed)) {
  }
  CHECK(ours == T{12});
  CHECK(ours.is_lock_free());
}

TEMPLATE_TEST_CASE("an atomic floating point value adds and subtracts", "[atomic]", float, double) {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<TestType> value(shm, "value", TestType(1.5));
  CHECK(value.fetch_add(TestType(2)) == TestType(1.5));
  CHECK(value.fetch_sub(TestType(0.5)) == TestType(3.5));
  CHECK((value += TestType(1)) == TestType(4));
  CHECK((value -= TestType(3)) == TestType(1));
  CHECK((value = TestType(8)) == TestType(8));
  CHECK(value == TestType(8));
}

TEST_CASE("atomic flags, enumerations and small structures work", "[atomic]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<bool> flag(shm, "flag");
  CHECK_FALSE(flag);
  CHECK_FALSE(flag.exchange(true));
  CHECK(flag);
  flag = false;
  CHECK_FALSE(flag.load());
  shm_atomic<color> shade(shm, "shade", color::green);
  CHECK(shade == color::green);
  shm_atomic<pair> both(shm, "both", {1, 2.5F});
  const pair seen = both.exchange({3, 4.5F});
  CHECK(seen.a == 1);
  CHECK(seen.b == 2.5F);
  pair expected{3, 4.5F};
  CHECK(both.compare_exchange_strong(expected, pair{5, 6}));
  CHECK(both.load().a == 5);
}

TEST_CASE("the aliases name every integer, in any table", "[atomic]") {
  const segment_name name;
  posix_shm_small shm(name, 1000);
  shm_atomic_bool<shm_table_small> a(shm, "a", true);
  shm_atomic_int<shm_table_small> b(shm, "b", -1);
  shm_atomic_uint<shm_table_small> c(shm, "c", 1);
  shm_atomic_int32<shm_table_small> d(shm, "d", -2);
  shm_atomic_uint32<shm_table_small> e(shm, "e", 2);
  shm_atomic_int64<shm_table_small> f(shm, "f", -3);
  shm_atomic_uint64<shm_table_small> g(shm, "g", 3);
  shm_atomic_size_t<shm_table_small> h(shm, "h", 4);
  CHECK((a && b == -1 && c == 1 && d == -2 && e == 2 && f == -3 && g == 3 && h == 4));
}

// clang 16 cannot deduce template arguments through an alias.
#if !defined(__clang__) || __clang_major__ >= 19
TEST_CASE("the aliases take their table from the segment", "[atomic]") {
  struct derived_segment : posix_shm_huge {
    using posix_shm_huge::posix_shm_huge;
  };
  const segment_name name;
  const segment_name large_name;
  const segment_name huge_name;
  posix_shm shm(name, 1000);
  posix_shm_large large(large_name, 1000);
  derived_segment huge(huge_name, 1000);
  shm_atomic_int counter(shm, "counter");
  shm_atomic_uint in_large(large, "counter", 5);
  shm_atomic_size_t in_huge(huge, "counter", 6);
  shm_atomic_bool flag(shm, "flag", true);
  shm_atomic_int32 i32(shm, "i32");
  shm_atomic_uint32 u32(shm, "u32");
  shm_atomic_int64 i64(shm, "i64", 1);
  shm_atomic_uint64 u64(shm, "u64", 2);
  shm_atomic deduced(shm, "deduced", 2.5);
  static_assert(std::is_same_v<decltype(counter), shm_atomic<int>>);
  static_assert(std::is_same_v<decltype(in_large), shm_atomic<unsigned, shm_table_large>>);
  static_assert(std::is_same_v<decltype(in_huge), shm_atomic<size_t, shm_table_huge>>);
  static_assert(std::is_same_v<decltype(deduced), shm_atomic<double>>);
  ++counter;
  CHECK((counter == 1 && in_large == 5U && in_huge == 6U && flag && i32 == 0 && u32 == 0U));
  CHECK((i64 == 1 && u64 == 2U && deduced == 2.5));
}
#endif

TEST_CASE("an atomic of another size does not open", "[atomic]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<int> value(shm, "value");
  const auto failure = failure_of([&] { shm_atomic<std::int64_t>(shm, "value"); });
  CHECK(failure.status == SHMDS_E_MISMATCH);
  CHECK_THAT(failure.what,
             ContainsSubstring("value") && ContainsSubstring("4") && ContainsSubstring("8"));
}

TEST_CASE("a long atomic name is cut and still found", "[atomic]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  const std::string cut(31, 'c');
  shm_atomic<int> value(shm, cut + "one", 3);
  CHECK(value.name() == cut);
  CHECK(shm_atomic<int>(shm, cut + "two") == 3);
}

TEST_CASE("copies of an atomic are handles to one value", "[atomic]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  std::vector<shm_atomic<int>> kept;
  for (int i = 0; i < 5; ++i)
    kept.emplace_back(shm, "value" + std::to_string(i), i);
  auto copy = kept[3];
  copy += 10;
  CHECK(kept[3] == 13);
}

TEST_CASE("threads that count on one atomic lose nothing", "[atomic]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<int> counter(shm, "counter");
  shm_atomic<double> sum(shm, "sum");
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10'000; ++i) {
          ++counter;
          sum.fetch_add(1.0, std::memory_order_relaxed);
        }
      });
    }
  }
  CHECK(counter == 40'000);
  CHECK(sum == 40'000.0);
}

TEST_CASE("processes that count on one atomic lose nothing", "[atomic]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  std::vector<test::child> children;
  for (int c = 0; c < 4; ++c) {
    children.emplace_back([&] {
      posix_shm mine(name);
      shm_atomic<int> counter(mine, "counter");
      for (int i = 0; i < 10'000; ++i)
        counter.fetch_add(1);
      return true;
    });
  }
  for (auto& one : children)
    CHECK(one.wait() == 0);
  CHECK(shm_atomic<int>(shm, "counter") == 40'000);
}
