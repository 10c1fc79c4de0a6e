// shm_spsc_queue: all that a program can do with it.
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <ratio>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_queue.h"
#include "shm_spsc_queue.h"
#include "shmds_inline.h"
#include "spsc_elsewhere.hpp"
#include "support.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using std::chrono::system_clock;
using test::child;
using test::eventually;
using test::failure_of;
using test::gate;
using test::segment_name;

namespace {

using ints = shm_spsc_queue<int>;
static_assert(std::is_same_v<ints::value_type, int> && std::is_same_v<ints::size_type, size_t>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().pop()), std::optional<int>>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().pop_for(1s)), std::optional<int>>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().front()), int*>);
static_assert(noexcept(std::declval<ints&>().leave()));
static_assert(noexcept(std::declval<const ints&>().size()));
static_assert(std::is_copy_constructible_v<ints> && std::is_copy_assignable_v<ints>);
static_assert(std::is_nothrow_move_constructible_v<ints> && sizeof(ints) == sizeof(void*));

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};
struct constant {
  const int value;
};
struct alignas(256) aligned {
  int value;
};

// Whether somebody sleeps at that end, or did; known once the role next to it is held.
bool somebody_sleeps(const shmds_spsc_queue_end* end) {
  return __atomic_load_n(&end->waiters, __ATOMIC_SEQ_CST) != 0;
}
const shmds_spsc_queue_view& view_of(const ints& queue) {
  return *reinterpret_cast<const shmds_spsc_queue_view*>(queue.native_handle());
}

// What `wait` finds in an empty queue into which 5 is put as soon as it sleeps.
template <class Wait>
std::optional<int> woken_by_an_element(Wait wait) {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  REQUIRE(queue.push(1));
  REQUIRE(queue.pop() == 1);
  std::jthread producer([&] {
    eventually([&] { return somebody_sleeps(view_of(queue).producer.own); });
    std::this_thread::sleep_for(2ms);  // a deadline that wraps to a short one passes here
    while (!queue.push(5)) {
    }
  });
  return wait(queue);
}

// The same for a full queue out of which an element is taken.
template <class Wait>
bool woken_by_room(Wait wait) {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  REQUIRE(queue.push(1));
  REQUIRE(queue.front() != nullptr);
  std::jthread consumer([&] {
    eventually([&] { return somebody_sleeps(view_of(queue).consumer.own); });
    std::this_thread::sleep_for(2ms);
    queue.release();
  });
  return wait(queue);
}

}  // namespace

TEST_CASE("an SPSC queue gives elements back in order, lap after lap", "[spsc]") {
  for (const size_t capacity : {1U, 2U, 3U, 7U, 64U}) {
    const segment_name name;
    posix_shm shm(name, 10000);
    shm_spsc_queue<std::uint64_t> queue(shm, "queue", capacity);
    CHECK(queue.capacity() == capacity);
    CHECK(queue.name() == "queue");
    std::uint64_t next_in = 0;
    std::uint64_t next_out = 0;
    for (int lap = 0; lap < 5; ++lap) {
      CHECK((queue.empty() && !queue.full() && queue.size() == 0));
      while (queue.push(next_in))
        ++next_in;
      CHECK((queue.full() && !queue.empty() && queue.size() == capacity));
      while (const auto value = queue.pop())
        CHECK(*value == next_out++);
      CHECK(next_out == next_in);
    }
  }
}

TEST_CASE("pop into a variable leaves it alone when there is nothing", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  int value = 7;
  CHECK_FALSE(queue.pop(value));
  CHECK(value == 7);
  CHECK(queue.push(3));
  CHECK(queue.pop(value));
  CHECK(value == 3);
  CHECK(queue.pop() == std::nullopt);
}

TEST_CASE("elements of any trivially copyable type pass an SPSC queue", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 10000);
  shm_spsc_queue<no_default> first(shm, "first", 2);
  CHECK(first.push(no_default(5)));
  CHECK(first.pop()->value == 5);
  CHECK(first.push(no_default(6)));
  CHECK(first.pop_for(1s)->value == 6);
  shm_spsc_queue<constant> second(shm, "second", 2);
  CHECK(second.push(constant{7}));
  CHECK(second.front()->value == 7);
  CHECK(second.pop()->value == 7);
  shm_spsc_queue<aligned> third(shm, "third", 3);
  for (int i = 0; i < 10; ++i) {
    CHECK(third.push(aligned{i}));
    const aligned* const front = third.front();
    REQUIRE(front != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(front) % alignof(aligned) == 0);
    CHECK(front->value == i);
    third.release();
  }
}

TEST_CASE("an SPSC queue shows its front until that is released or popped", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 2);
  CHECK(queue.front() == nullptr);
  CHECK(failure_of([&] { queue.release(); }).status == SHMDS_E_STATE);
  REQUIRE((queue.push(1) && queue.push(2)));
  REQUIRE(queue.front() != nullptr);
  CHECK(*queue.front() == 1);
  *queue.front() = 11;  // the slot is the consumer's
  CHECK(*queue.front() == 11);
  CHECK(queue.full());
  queue.release();
  CHECK(failure_of([&] { queue.release(); }).status == SHMDS_E_STATE);
  CHECK(*queue.front() == 2);
  CHECK(queue.pop() == 2);
  CHECK(failure_of([&] { queue.release(); }).status == SHMDS_E_STATE);
}

TEST_CASE("bulk calls of an SPSC queue move as many as fit", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 5);
  std::vector<int> in(8);
  std::iota(in.begin(), in.end(), 1);
  for (int round = 0; round < 7; ++round) {
    std::array<int, 8> out{};
    CHECK(queue.push_bulk(std::span(in).first(3)) == 3);
    CHECK(queue.push_bulk(std::span(in).subspan(3)) == 2);
    CHECK(queue.push_bulk(in) == 0);
    CHECK(queue.pop_bulk(std::span(out).first(2)) == 2);
    CHECK(queue.pop_bulk(std::span(out).subspan(2)) == 3);
    CHECK(out == std::array{1, 2, 3, 4, 5, 0, 0, 0});
    CHECK(queue.pop_bulk(out) == 0);
    CHECK((queue.push(0) && queue.pop() == 0));  // the next round starts elsewhere
  }
  CHECK(queue.push_bulk(std::span<const int>()) == 0);
  CHECK(queue.pop_bulk(std::span<int>()) == 0);
}

TEST_CASE("an SPSC queue is found by name, and by nothing that does not fit", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 10000);
  CHECK_FALSE(ints::exists(shm, "queue"));
  CHECK(failure_of([&] { ints(shm, "queue"); }).status == SHMDS_E_NOT_FOUND);
  ints queue(shm, "queue", 4);
  CHECK(ints::exists(shm, "queue"));
  CHECK_FALSE(shm_queue<int>::exists(shm, "queue"));
  posix_shm other(name, 0);
  ints same(other, "queue");
  REQUIRE(queue.push(8));
  CHECK(same.size() == 1);
  CHECK(same.pop() == 8);
  CHECK(failure_of([&] { ints(other, "queue", 5); }).status == SHMDS_E_MISMATCH);
  CHECK(failure_of([&] { shm_spsc_queue<long>(other, "queue"); }).status == SHMDS_E_MISMATCH);
  CHECK(failure_of([&] { shm_queue<int>(other, "queue"); }).status == SHMDS_E_KIND);
  const shm_queue<int> many(shm, "many", 4);
  CHECK_FALSE(ints::exists(shm, "many"));
  CHECK(failure_of([&] { ints(shm, "many", 4); }).status == SHMDS_E_KIND);
  CHECK(failure_of([&] { ints(shm, "huge", 100000); }).status == SHMDS_E_SEGMENT_FULL);
#ifdef __cpp_lib_expected
  CHECK(ints::try_open(shm, "absent").error().status() == SHMDS_E_NOT_FOUND);
  CHECK(ints::try_create(shm, "queue", 4).error().status() == SHMDS_E_EXISTS);
  CHECK(ints::try_open_or_create(shm, "queue", 4).value().native_handle() == queue.native_handle());
#endif
}

TEST_CASE("a role that somebody alive holds is refused by every call", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  posix_shm other(name, 0);
  ints mine(shm, "the queue", 2);
  ints theirs(other, "the queue");
  REQUIRE(mine.push(1));
  const std::array<int, 1> one{1};
  std::array<int, 1> room{7};
  const auto refused = [](auto call, std::string_view role) {
    const auto failure = failure_of(call);
    return failure.status == SHMDS_E_ROLE && failure.what.find("the queue") != std::string::npos &&
           failure.what.find(role) != std::string::npos;
  };
  CHECK(refused([&] { (void)theirs.push(2); }, "producer"));
  CHECK(refused([&] { (void)theirs.push_bulk(one); }, "producer"));
  CHECK(refused([&] { (void)theirs.push_for(2, 1h); }, "producer"));
  CHECK(refused([&] { (void)theirs.push_until(2, steady_clock::now() + 1h); }, "producer"));
  REQUIRE(theirs.pop() == 1);
  CHECK(refused([&] { (void)mine.pop(); }, "consumer"));
  CHECK(refused([&] { (void)mine.pop(room[0]); }, "consumer"));
  CHECK(refused([&] { (void)mine.pop_bulk(room); }, "consumer"));
  CHECK(refused([&] { (void)mine.pop_for(1h); }, "consumer"));
  CHECK(refused([&] { (void)mine.pop_until(system_clock::now() + 1h); }, "consumer"));
  CHECK(refused([&] { (void)mine.front(); }, "consumer"));
  CHECK(room[0] == 7);
  mine.leave();
  theirs.leave();
  CHECK((theirs.push(3) && mine.pop() == 3));
}

TEST_CASE("copies of an SPSC queue share its roles", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  std::vector<ints> queues;
  queues.emplace_back(shm, "one", 2);
  queues.emplace_back(shm, "two", 2);
  ints copy = queues[0];
  REQUIRE(copy.push(1));
  REQUIRE(queues[0].push(2));
  copy = queues[1];
  CHECK(copy.pop() == std::nullopt);
  CHECK((queues[0].pop() == 1 && queues[0].pop() == 2));
}

TEST_CASE("the roles of a killed process are taken over", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  for (int round = 0; round < 10; ++round) {
    const gate ready;
    child victim([&] {
      posix_shm own(name, 0);
      ints inside(own, "queue");
      if (!inside.push(round) || !inside.push(round + 100) || *inside.front() != round)
        return false;
      ready.open();
      std::this_thread::sleep_for(60s);
      return true;
    });
    ready.wait();
    CHECK(failure_of([&] { (void)queue.push(0); }).status == SHMDS_E_ROLE);
    victim.kill();
    REQUIRE(queue.pop() == round);  // looked at and not released
    REQUIRE(queue.pop() == round + 100);
    REQUIRE(queue.push(1));
    REQUIRE(queue.pop() == 1);
    queue.leave();
  }
}

TEST_CASE("a forked child holds no role of an SPSC queue", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  REQUIRE(queue.push(1));
  REQUIRE(queue.front() != nullptr);
  child heir([&] {
    const auto status = [&](auto call) { return failure_of(call).status; };
    return status([&] { (void)queue.push(2); }) == SHMDS_E_ROLE &&
           status([&] { (void)queue.pop(); }) == SHMDS_E_ROLE &&
           status([&] { queue.release(); }) == SHMDS_E_STATE && queue.size() == 1;
  });
  CHECK(heir.wait() == 0);
  queue.release();
  queue.leave();
  child taker([&] { return queue.push(2) && queue.push(3) && queue.pop() == 2; });
  CHECK(taker.wait() == 0);
  CHECK(queue.pop() == 3);
}

TEST_CASE("library, inline header and wrapper mix on one SPSC queue", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_spsc_queue<long> queue(shm, "queue", 7);
  shmds_spsc_queue* const handle = queue.native_handle();
  long in = 0;
  long out = 0;
  for (int step = 0; step < 2000; ++step) {
    for (int way = 0; way < step % 7; ++way, ++in) {
      switch ((step + way) % 4) {
        case 0:
          REQUIRE(queue.push(in));
          break;
        case 1:
          REQUIRE(shmds_spsc_queue_push(handle, &in) == SHMDS_OK);
          break;
        case 2:
          REQUIRE(shmds_spsc_queue_push_inline(handle, &in, sizeof in) == SHMDS_OK);
          break;
        default:
          REQUIRE(elsewhere::push(queue, in));
      }
    }
    for (; out < in; ++out) {
      long value = -1;
      switch ((step + out) % 5) {
        case 0:
          REQUIRE(queue.pop(value));
          break;
        case 1:
          REQUIRE(shmds_spsc_queue_pop(handle, &value) == SHMDS_OK);
          break;
        case 2:
          REQUIRE(shmds_spsc_queue_pop_inline(handle, &value, sizeof value) == SHMDS_OK);
          break;
        case 3:
          value = elsewhere::pop(queue).value();
          break;
        default:
          value = *queue.front();
          elsewhere::release(queue);
      }
      REQUIRE(value == out);
    }
    REQUIRE(elsewhere::front(queue) == nullptr);
  }
}

TEST_CASE("two threads in two translation units pass every element in order", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_spsc_queue<long> queue(shm, "queue", 11);
  constexpr long count = 200'000;
  std::jthread producer([&] {
    for (long value = 0; value < count; ++value) {
      while (!(value % 2 == 0 ? queue.push(value) : elsewhere::push(queue, value))) {
        std::this_thread::yield();
      }
    }
  });
  for (long expected = 0; expected < count;) {
    const auto value = expected % 3 == 0 ? elsewhere::pop(queue) : queue.pop();
    if (value) {
      REQUIRE(*value == expected++);
    } else {
      std::this_thread::yield();
    }
  }
}

TEST_CASE("processes that wait at an SPSC queue lose nothing", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 3);
  constexpr int count = 20'000;
  child producer([&] {
    for (int value = 0; value < count; ++value) {
      if (!queue.push_for(value, 60s)) return false;
    }
    return true;
  });
  for (int expected = 0; expected < count; ++expected) {
    REQUIRE(queue.pop_until(steady_clock::now() + 60s) == expected);
  }
  CHECK(producer.wait() == 0);
}

TEST_CASE("a wait at an SPSC queue ends when its time has passed and no earlier", "[spsc]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  const auto lasts = [](auto wait) {
    const auto start = steady_clock::now();
    const bool ended = !wait();
    const auto took = steady_clock::now() - start;
    return ended && took >= 20ms && took < 5s;
  };
  CHECK(lasts([&] { return queue.pop_for(20ms).has_value(); }));
  CHECK(lasts([&] { return queue.pop_until(steady_clock::now() + 20ms).has_value(); }));
  REQUIRE(queue.push(1));
  CHECK(lasts([&] { return queue.push_for(2, 20'000us); }));
  CHECK(lasts([&] { return queue.push_until(2, steady_clock::now() + 20ms); }));
  // Times that have passed already, and such as are none.
  CHECK_FALSE(queue.push_for(2, -1h));
  CHECK_FALSE(queue.push_for(2, std::chrono::duration<double>(std::nan(""))));
  CHECK_FALSE(queue.push_until(2, system_clock::time_point{}));
  // What is there needs no time.
  CHECK(queue.pop_for(0s) == 1);
  CHECK(queue.pop_for(0s) == std::nullopt);
}

TEST_CASE("no timeout of an SPSC queue overflows", "[spsc]") {
  using years = std::chrono::duration<std::int64_t, std::ratio<31556952>>;
  CHECK(woken_by_an_element([](ints& q) { return q.pop_for(std::chrono::hours::max()); }) == 5);
  CHECK(woken_by_an_element([](ints& q) { return q.pop_for(years::max()); }) == 5);
  CHECK(woken_by_an_element([](ints& q) {
          return q.pop_for(std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
        }) == 5);
  CHECK(woken_by_an_element([](ints& q) { return q.pop_until(steady_clock::time_point::max()); }) ==
        5);
  CHECK(woken_by_an_element([](ints& q) { return q.pop_until(system_clock::time_point::max()); }) ==
        5);
  CHECK(woken_by_room([](ints& q) { return q.push_for(2, std::chrono::nanoseconds::max()); }));
  CHECK(woken_by_room([](ints& q) { return q.push_for(2, years::max()); }));
  CHECK(woken_by_room([](ints& q) {
    return q.push_for(2, std::chrono::duration<double>(std::numeric_limits<double>::max()));
  }));
  CHECK(woken_by_room([](ints& q) { return q.push_until(2, steady_clock::time_point::max()); }));
  CHECK(woken_by_room([](ints& q) { return q.push_until(2, system_clock::time_point::max()); }));
}

TEST_CASE("an SPSC queue object outlives its segment without harm", "[spsc]") {
  const segment_name name;
  std::optional<posix_shm> shm(std::in_place, name, 1000);
  ints queue(*shm, "queue", 2);
  REQUIRE(queue.push(1));
  REQUIRE(queue.front() != nullptr);
  shm.reset();
  CHECK(failure_of([&] { (void)queue.push(2); }).status == SHMDS_E_STATE);
  CHECK(failure_of([&] { (void)queue.pop(); }).status == SHMDS_E_STATE);
  CHECK(failure_of([&] { (void)queue.front(); }).status == SHMDS_E_STATE);
  CHECK(failure_of([&] { queue.release(); }).status == SHMDS_E_STATE);
  CHECK(failure_of([&] { (void)queue.pop_for(1h); }).status == SHMDS_E_STATE);
  queue.leave();
  CHECK((queue.empty() && queue.size() == 0));
}
