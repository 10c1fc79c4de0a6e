// The object pool as the original documents it, and where it differs on purpose.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_object_pool.h"
#include "shm_queue.h"
#include "support.hpp"
#include "surface.hpp"

using surface::an;
using test::child;
using test::failure_of;
using test::segment_name;

namespace {

struct particle {
  double x, y;
};

using pool = shm_object_pool<particle>;
using handle = std::uint32_t;
static_assert(std::same_as<pool, shm_object_pool<particle, shm_table>>);
static_assert(std::same_as<pool::handle_type, std::uint32_t>);
static_assert(pool::invalid_handle == UINT32_MAX);
static_assert(std::constructible_from<pool, posix_shm&, std::string_view>);
static_assert(std::constructible_from<pool, posix_shm&, const char*, int>);
static_assert(surface::words<pool> <= 2);
PROMISE_NX(handle, an<pool>().acquire());
PROMISE(std::optional<handle>, an<pool>().acquire_construct(1.0, 2.0));
PROMISE(std::optional<handle>, an<pool>().acquire_construct());
PROMISE_NX(void, an<pool>().release(handle{1}));
PROMISE(particle&, an<pool>()[handle{1}]);
PROMISE(const particle&, an<const pool>()[handle{1}]);
PROMISE(particle*, an<pool>().get(handle{1}));
PROMISE(const particle*, an<const pool>().get(handle{1}));
PROMISE(bool, an<const pool>().is_valid(handle{1}));
PROMISE(size_t, an<const pool>().capacity());
PROMISE(size_t, an<const pool>().num_allocated());
PROMISE(size_t, an<const pool>().num_available());
PROMISE(bool, an<const pool>().empty());
PROMISE(bool, an<const pool>().full());
PROMISE(std::string_view, an<const pool>().name());
PROMISE_NX(size_t, an<pool>().acquire_batch(size_t{1}, an<handle*>()));
PROMISE_NX(void, an<pool>().release_batch(an<std::span<const handle>>()));
PROMISE_NX(void, an<pool>().release_batch(an<std::vector<handle>>()));
PROMISE(std::span<particle>, an<pool>().unsafe_all_objects());

}  // namespace

TEST_CASE("drop-in: a pool gives objects by index and takes them back", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_object_pool<particle> objects(shm, "pool", 4);
  CHECK(objects.capacity() == 4);
  CHECK(objects.empty());
  std::vector<handle> held;
  for (int i = 0; i < 4; ++i) {
    const auto one =
        i % 2 == 0 ? std::optional(objects.acquire()) : objects.acquire_construct(i * 1.0, i * 2.0);
    REQUIRE(one.has_value());
    REQUIRE(*one < 4);
    objects[*one].x = i;
    held.push_back(*one);
  }
  CHECK(objects.full());
  CHECK(objects.num_allocated() == 4);
  CHECK(objects.acquire() == objects.invalid_handle);
  CHECK_FALSE(objects.acquire_construct(1.0, 2.0).has_value());
  for (size_t i = 0; i < 4; ++i)
    CHECK(objects.get(held[i])->x == static_cast<double>(i));
  CHECK(objects[held[3]].y == 6.0);
  CHECK(objects.get(objects.invalid_handle) == nullptr);
  CHECK(objects.is_valid(3));
  CHECK_FALSE(objects.is_valid(4));
  objects.release(held[2]);
  CHECK(objects.num_available() == 1);
  CHECK(objects.acquire() == held[2]);
  objects.release(held[1]);
  objects.release(held[0]);
  CHECK(objects.acquire() == held[0]);
  CHECK(objects.acquire() == held[1]);
  std::array<handle, 6> batch{};
  CHECK(objects.acquire_batch(6, batch.data()) == 0);
  objects.release_batch(held);
  CHECK(objects.empty());
  CHECK(objects.acquire_batch(6, batch.data()) == 4);
  CHECK(objects.unsafe_all_objects().size() == 4);
  CHECK(&objects.unsafe_all_objects()[batch[0]] == objects.get(batch[0]));
  CHECK(objects.name() == "pool");
}

TEST_CASE("drop-in: objects stay when their process ends, and anyone may release them",
          "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_object_pool<particle> objects(shm, "pool", 4);
  shm_queue<handle> sent(shm, "sent", 4);
  child maker([&] {
    posix_shm own(name);
    shm_object_pool<particle> same(own, "pool");
    const auto made = same.acquire_construct(3.0, 4.0);
    return made && shm_queue<handle>(own, "sent").enqueue(*made);
  });
  CHECK(maker.wait() == 0);
  const auto got = sent.dequeue();
  REQUIRE(got.has_value());
  CHECK(objects.num_allocated() == 1);
  CHECK(objects[*got].y == 4.0);
  objects.release(*got);
  CHECK(objects.empty());
}

TEST_CASE("drop-in: bad input to a pool is harmless", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  CHECK_THROWS_AS(shm_object_pool<particle>(shm, "pool"), std::runtime_error);
  shm_object_pool<particle> objects(shm, "pool", 4);
  CHECK_THROWS_AS(shm_object_pool<particle>(shm, "pool", 5), std::runtime_error);
  objects.release(objects.invalid_handle);
  objects.release(4);
  objects.release(1000);
  CHECK(objects.acquire_batch(0, nullptr) == 0);
  objects.release_batch({});
  const std::array<handle, 3> wrong{4, objects.invalid_handle, 77};
  objects.release_batch(wrong);
  CHECK(objects.empty());
  CHECK(objects.num_available() == 4);
}

TEST_CASE("difference: a double release is refused, and the pool stays whole", "[differences]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_object_pool<particle> objects(shm, "pool", 4);
  const handle one = objects.acquire();
  const handle two = objects.acquire();
  objects.release(one);
  objects.release(one);
  objects.release(one);
  CHECK(objects.num_refused() == 2);
  std::vector<handle> all{two};
  for (handle next = objects.acquire(); next != objects.invalid_handle; next = objects.acquire())
    all.push_back(next);
  std::ranges::sort(all);
  CHECK(all == std::vector<handle>{0, 1, 2, 3});
}

TEST_CASE("difference: processes never get one object twice", "[differences]") {
  constexpr int workers = 4;
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_object_pool<particle> objects(shm, "pool", 6);
  shm_array<int> holders(shm, "holders", 6);
  std::vector<child> children;
  for (int w = 0; w < workers; ++w) {
    children.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        std::array<handle, 2> mine{};
        const size_t count = objects.acquire_batch(2, mine.data());
        for (size_t k = 0; k < count; ++k) {
          if (__atomic_fetch_add(&holders[mine[k]], 1, __ATOMIC_ACQ_REL) != 0) return false;
        }
        for (size_t k = 0; k < count; ++k) {
          __atomic_fetch_sub(&holders[mine[k]], 1, __ATOMIC_ACQ_REL);
          objects.release(mine[k]);
        }
        if (count == 0) sched_yield();
      }
      return true;
    });
  }
  for (auto& one : children)
    CHECK(one.wait() == 0);
  CHECK(objects.empty());
}

TEST_CASE("difference: a pool that does not fit, or is something else, is an error",
          "[differences]") {
  const segment_name name;
  posix_shm shm(name, 1024);
  CHECK(failure_of([&] { shm_object_pool<particle>(shm, "pool", 10'000); }).status ==
        SHMDS_E_SEGMENT_FULL);
  CHECK(shm.get_table()->get_entry_count() == 0);
  shm_array<particle> array(shm, "array", 4);
  CHECK(failure_of([&] { shm_object_pool<particle>(shm, "array", 4); }).status == SHMDS_E_KIND);
  shm_object_pool<particle> objects(shm, "pool", 4);
  CHECK(failure_of([&] { shm_object_pool<int>(shm, "pool"); }).status == SHMDS_E_MISMATCH);
}

#if SHMDS_CHECKED
TEST_CASE("difference: a handle out of range ends a program with NDEBUG off", "[differences]") {
  const segment_name name;
  posix_shm shm(name, 1024);
  shm_object_pool<int> objects(shm, "pool", 4);
  child reader([&] {
    close(STDERR_FILENO);
    volatile handle wrong = 4;
    return objects[wrong] == 0;
  });
  CHECK(reader.wait() == 1000 + SIGABRT);
}
#endif
