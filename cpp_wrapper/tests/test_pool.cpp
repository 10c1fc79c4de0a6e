#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_object_pool.h"
#include "shm_queue.h"
#include "support.hpp"

using test::failure_of;
using test::segment_name;

namespace {

template <class T>
concept an_object = requires { typename shm_object_pool<T>; };
static_assert(an_object<int> && !an_object<std::string>);

using ints = shm_object_pool<int>;
using handle = ints::handle_type;
static_assert(sizeof(ints) <= 5 * sizeof(void*));
static_assert(std::is_same_v<handle, uint32_t> && ints::invalid_handle == UINT32_MAX);
static_assert(std::is_nothrow_copy_constructible_v<ints> &&
              std::is_nothrow_copy_assignable_v<ints>);
static_assert(noexcept(std::declval<ints&>().acquire()));
static_assert(noexcept(std::declval<ints&>().release(0)));
static_assert(noexcept(std::declval<ints&>().acquire_batch(1, nullptr)));
static_assert(noexcept(std::declval<ints&>().release_batch({})));
static_assert(std::is_same_v<decltype(std::declval<ints&>().acquire()), handle>);
static_assert(
    std::is_same_v<decltype(std::declval<ints&>().acquire_construct(1)), std::optional<handle>>);
static_assert(std::is_same_v<decltype(std::declval<ints&>()[0]), int&>);
static_assert(std::is_same_v<decltype(std::declval<const ints&>()[0]), const int&>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().get(0)), int*>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().unsafe_all_objects()), std::span<int>>);

struct particle {
  double x, y, z;
  std::uint64_t id;
};
struct constructed {
  explicit constructed(int v, int w = 1) : value(v * w) {}
  int value;
};
struct throwing {
  explicit throwing(bool fails) {
    if (fails) throw std::runtime_error("no");
  }
  int value = 7;
};
struct alignas(256) aligned {
  int value;
};

}  // namespace

TEST_CASE("a pool gives each object out once, and says when there is none", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 100'000);
  shm_object_pool<particle> pool(shm, "particles", 100);
  CHECK(pool.capacity() == 100);
  CHECK(pool.name() == "particles");
  CHECK(pool.empty());
  CHECK(!pool.full());
  std::set<uint32_t> seen;
  for (size_t i = 0; i < 100; i++) {
    const auto got = pool.acquire();
    REQUIRE(pool.is_valid(got));
    REQUIRE(seen.insert(got).second);
    pool[got] = {1, 2, 3, got};
    CHECK(pool.num_allocated() == i + 1);
    CHECK(pool.num_available() == 99 - i);
  }
  CHECK(pool.full());
  CHECK(!pool.empty());
  CHECK(pool.acquire() == pool.invalid_handle);
  CHECK(!pool.acquire_construct());
  CHECK(pool.unsafe_all_objects().size() == 100);
  for (const particle& each : pool.unsafe_all_objects()) {
    CHECK(each.id == static_cast<size_t>(&each - pool.unsafe_all_objects().data()));
  }
  for (const auto each : seen)
    pool.release(each);
  CHECK(pool.empty());
  CHECK(pool.num_refused() == 0);
}

TEST_CASE("what is no handle is ignored, and what is free is refused", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  ints pool(shm, "pool", 3);
  const ints& constant = pool;
  pool.release(ints::invalid_handle);
  pool.release(3);
  CHECK(!pool.try_release(ints::invalid_handle));
  CHECK(!pool.try_release(3));
  CHECK(pool.num_refused() == 0);
  CHECK(pool.get(ints::invalid_handle) == nullptr);
  CHECK(pool.get(3) == nullptr);
  CHECK(constant.get(3) == nullptr);
  CHECK(!pool.is_valid(3));
  CHECK(pool.is_valid(2));
  const handle one = pool.acquire();
  CHECK(pool.get(one) == &pool[one]);
  CHECK(constant.get(one) == &constant[one]);
  CHECK(pool.try_release(one));
  CHECK(!pool.try_release(one));
  pool.release(one);
  CHECK(pool.num_refused() == 2);
  CHECK(pool.num_allocated() == 0);
  // Neither broke anything: three objects, each once.
  const std::set<handle> all{pool.acquire(), pool.acquire(), pool.acquire()};
  CHECK(all.size() == 3);
  CHECK(!all.contains(ints::invalid_handle));
  CHECK(pool.acquire() == ints::invalid_handle);
}

TEST_CASE("objects are constructed in place, and given back if that fails", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_object_pool<constructed> pool(shm, "pool", 2);
  const auto one = pool.acquire_construct(5);
  const auto two = pool.acquire_construct(5, 4);
  REQUIRE(one);
  REQUIRE(two);
  CHECK(pool[*one].value == 5);
  CHECK(pool[*two].value == 20);
  CHECK(!pool.acquire_construct(1));

  shm_object_pool<throwing> throwers(shm, "throwers", 1);
  CHECK_THROWS_AS(throwers.acquire_construct(true), std::runtime_error);
  CHECK(throwers.empty());
  const auto got = throwers.acquire_construct(false);
  REQUIRE(got);
  CHECK(throwers[*got].value == 7);

  shm_object_pool<particle> particles(shm, "particles", 1);
  const auto aggregate = particles.acquire_construct(1.0, 2.0, 3.0, 4U);
  REQUIRE(aggregate);
  CHECK(particles[*aggregate].z == 3.0);
  CHECK(particles[*aggregate].id == 4);
}

TEST_CASE("a thread alone gets back what it released last, at any depth", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 100'000);
  ints pool(shm, "pool", 300);
  ints copy = pool;
  std::minstd_rand random(1);
  std::vector<handle> held, released;
  for (int i = 0; i < 50'000; i++) {
    if (random() % 2 == 0 || held.empty()) {
      const handle got = copy.acquire();
      if (got == ints::invalid_handle) continue;
      if (!released.empty()) {
        REQUIRE(got == released.back());
        released.pop_back();
      }
      held.push_back(got);
    } else {
      std::swap(held[random() % held.size()], held.back());
      pool.release(held.back());
      released.push_back(held.back());
      held.pop_back();
    }
  }
  CHECK(pool.num_allocated() == held.size());
}

TEST_CASE("more pools than a thread has places for are used in turns", "[pool]") {
  const segment_name name;
  posix_shm_large shm(name, 1'000'000);
  std::vector<shm_object_pool<int, shm_table_large>> pools;
  for (int i = 0; i < 40; i++)
    pools.emplace_back(shm, "pool" + std::to_string(i), 10);
  std::vector<handle> last(pools.size(), ints::invalid_handle);
  for (int round = 0; round < 200; round++) {
    for (size_t i = 0; i < pools.size(); i++) {
      const handle got = pools[i].acquire();
      REQUIRE(pools[i].is_valid(got));
      if (round > 0) REQUIRE(got == last[i]);
      last[i] = got;
      REQUIRE(pools[i].num_allocated() == 1);
      pools[i].release(got);
    }
  }
}

TEST_CASE("a stale token is refused even after its object was acquired again", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  ints pool(shm, "pool", 1);
  const auto first = pool.acquire_token();
  REQUIRE(first);
  CHECK(first->handle() == 0);
  CHECK(pool.is_current(*first));
  CHECK(!pool.acquire_token());
  CHECK(pool.release_token(*first));
  CHECK(!pool.release_token(*first));
  const auto second = pool.acquire_token();
  REQUIRE(second);
  CHECK(*second != *first);
  CHECK(!pool.is_current(*first));
  CHECK(!pool.release_token(*first));
  CHECK(pool.num_refused() == 2);
  CHECK(pool.full());
  pool.release(second->handle());
  CHECK(!pool.release_token(*second));
  CHECK(!pool.release_token(ints::token()));
  CHECK(!pool.is_current(ints::token()));
}

TEST_CASE("batches acquire what there is, and release what is acquired", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  ints pool(shm, "pool", 10);
  std::array<handle, 20> handles{};
  CHECK(pool.acquire_batch(0, nullptr) == 0);
  CHECK(pool.acquire_batch(6, handles.data()) == 6);
  CHECK(pool.acquire_batch(14, handles.data() + 6) == 4);
  CHECK(pool.acquire_batch(1, handles.data() + 10) == 0);
  CHECK(std::set<handle>(handles.begin(), handles.begin() + 10).size() == 10);
  handles[10] = ints::invalid_handle;
  handles[11] = 77;
  handles[12] = handles[0];
  pool.release_batch(std::span<const handle>(handles).first(13));
  CHECK(pool.empty());
  CHECK(pool.num_refused() == 1);
  pool.release_batch({});
}

TEST_CASE("opening a pool checks what is there", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  CHECK(failure_of([&] { ints(shm, "pool"); }).status == SHMDS_E_NOT_FOUND);
  CHECK(!ints::exists(shm, "pool"));
  ints pool(shm, "pool", 10);
  CHECK(ints::exists(shm, "pool"));
  CHECK(ints(shm, "pool").capacity() == 10);
  CHECK(ints(shm, "pool", 10).native_handle() == pool.native_handle());
  CHECK(failure_of([&] { ints(shm, "pool", 11); }).status == SHMDS_E_MISMATCH);
  CHECK(failure_of([&] { shm_object_pool<double>(shm, "pool"); }).status == SHMDS_E_MISMATCH);
  CHECK(failure_of([&] { shm_queue<int>(shm, "pool"); }).status == SHMDS_E_KIND);
  shm_array<int> array(shm, "array", 10);
  CHECK(failure_of([&] { ints(shm, "array"); }).status == SHMDS_E_KIND);
  CHECK(!ints::exists(shm, "array"));
  CHECK(failure_of([&] { ints(shm, "large", 5'000); }).status == SHMDS_E_SEGMENT_FULL);
  CHECK(failure_of([&] { ints(shm, "huge", UINT32_MAX); }).status == SHMDS_E_CAPACITY);
  shm_object_pool<aligned> wide(shm, "aligned", 2);
  CHECK(reinterpret_cast<std::uintptr_t>(wide.unsafe_all_objects().data()) % 256 == 0);
#ifdef __cpp_lib_expected
  CHECK(ints::try_open(shm, "pool")->capacity() == 10);
  CHECK(ints::try_create(shm, "pool", 10).error().status() == SHMDS_E_EXISTS);
  CHECK(ints::try_open_or_create(shm, "new", 3)->capacity() == 3);
#endif
}

TEST_CASE("threads of several processes never share an object", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 100'000);
  ints pool(shm, "pool", 30);
  shm_array<int> users(shm, "users", 30);
  const auto work = [&](ints mine, shm_array<int> marks, unsigned seed) {
    std::minstd_rand random(seed);
    std::vector<handle> held;
    bool right = true;
    const auto give_back = [&](handle each) {
      right = std::atomic_ref(marks[each]).fetch_sub(1) == 1 && right;
      mine.release(each);
    };
    for (int i = 0; i < 30'000; i++) {
      if (random() % 2 == 0) {
        const handle got = mine.acquire();
        if (got == ints::invalid_handle) continue;
        right = std::atomic_ref(marks[got]).fetch_add(1) == 0 && right;
        held.push_back(got);
      } else if (!held.empty()) {
        std::swap(held[random() % held.size()], held.back());
        give_back(held.back());
        held.pop_back();
      }
    }
    for (const handle each : held)
      give_back(each);
    return right;
  };
  std::vector<test::child> children;
  for (unsigned process = 0; process < 3; process++) {
    children.emplace_back([&] {
      posix_shm own(name);
      // One inherited, one attached anew.
      const bool anew = process != 0;
      const ints used = anew ? ints(own, "pool") : pool;
      const shm_array<int> marks = anew ? shm_array<int>(own, "users") : users;
      std::atomic<bool> right = true;
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < 3; i++) {
        threads.emplace_back([&, i] {
          if (!work(used, marks, 10 * process + i + 1)) right = false;
        });
      }
      threads.clear();
      return right.load();
    });
  }
  for (auto& each : children)
    CHECK(each.wait() == 0);
  CHECK(pool.num_allocated() == 0);
  CHECK(pool.num_refused() == 0);
}

TEST_CASE("objects outlive their process until somebody reclaims them", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  ints pool(shm, "pool", 10);
  shm_array<handle> handles(shm, "handles", 3);
  const handle mine = pool.acquire();
  test::child other([&] {
    for (handle& each : handles) {
      each = pool.acquire();
      pool[each] = 42;
    }
    return pool.disown(handles[2]) && !pool.disown(mine) && !pool.adopt(mine);
  });
  CHECK(other.wait() == 0);
  CHECK(pool.num_allocated() == 4);
  CHECK(pool.owner_alive(mine));
  for (const handle each : handles) {
    CHECK(pool[each] == 42);
    CHECK(!pool.owner_alive(each));
  }
  CHECK(!pool.owner_alive(ints::invalid_handle));
  CHECK(pool.adopt(handles[0]));
  CHECK(pool.owner_alive(handles[0]));
  CHECK(pool.reclaim() == 1);
  CHECK(pool.num_allocated() == 3);
  CHECK(!pool.adopt(handles[1]));
  CHECK(pool.adopt(handles[2]));
  CHECK(pool.reclaim() == 0);
  pool.release_batch(std::array{handles[0], handles[2], mine});
  CHECK(pool.empty());
  CHECK(pool.num_refused() == 0);
}

TEST_CASE("an object goes to another process and is released there", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 100'000);
  shm_object_pool<particle> pool(shm, "pool", 16);
  shm_queue<handle> queue(shm, "queue", 16);
  constexpr std::uint64_t count = 20'000;
  test::child consumer([&] {
    std::uint64_t next = 0;
    while (next < count) {
      const auto got = queue.dequeue();
      if (!got) {
        std::this_thread::yield();
        continue;
      }
      if (pool[*got].id != next || !pool.try_release(*got)) return false;
      next++;
    }
    return true;
  });
  for (std::uint64_t i = 0; i < count;) {
    const handle got = pool.acquire();
    if (got == ints::invalid_handle) {
      std::this_thread::yield();
      continue;
    }
    pool[got].id = i++;
    REQUIRE(queue.enqueue(got));
  }
  CHECK(consumer.wait() == 0);
  CHECK(pool.empty());
}

TEST_CASE("a million objects, and one", "[pool]") {
  const segment_name name;
  constexpr size_t million = 1'000'003;
  posix_shm shm(name, million + 1);
  shm_object_pool<std::uint8_t> pool(shm, "pool", million);
  shm_object_pool<std::uint8_t> single(shm, "single", 1);
  std::vector<handle> handles(million + 5);
  CHECK(pool.acquire_batch(handles.size(), handles.data()) == million);
  CHECK(pool.full());
  CHECK(pool.num_allocated() == million);
  pool.release(777'777);
  CHECK(!pool.full());
  CHECK(pool.acquire() == 777'777);
  handles.resize(million);
  pool.release_batch(handles);
  CHECK(pool.empty());
  for (int i = 0; i < 3; i++) {
    CHECK(single.acquire() == 0);
    CHECK(single.acquire() == ints::invalid_handle);
    single.release(0);
  }
}

#if SHMDS_CHECKED
TEST_CASE("a handle out of range stops a checked program", "[pool]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  ints pool(shm, "pool", 3);
  test::child reads([&] { return pool[3] == 0; });
  CHECK(reads.wait() == 1000 + SIGABRT);
}
#endif
