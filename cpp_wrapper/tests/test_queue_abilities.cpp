// What a queue does beyond one element at a time: bulk, waiting, statistics. The
// slots that are held in place are in test_queue_slots.cpp.
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
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
#include "queue_elsewhere.hpp"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "support.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using std::chrono::system_clock;
using test::child;
using test::eventually;
using test::failure_of;
using test::segment_name;

namespace {

using ints = shm_queue<int>;
static_assert(noexcept(std::declval<ints&>().enqueue_bulk(std::declval<std::span<const int>>())));
static_assert(noexcept(std::declval<ints&>().dequeue_bulk(std::declval<std::span<int>>())));
static_assert(std::is_same_v<decltype(std::declval<ints&>().dequeue_for(1s)), std::optional<int>>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().dequeue_wait()), int>);
static_assert(std::is_same_v<decltype(std::declval<ints&>().dequeue_until(steady_clock::now())),
                             std::optional<int>>);

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

// Whether somebody sleeps until an element comes, or did.
bool awaits_an_element(const ints& queue) {
  return __atomic_load_n(&shmds_queue_get_view(queue.native_handle())->parts.ends->items,
                         __ATOMIC_SEQ_CST) != 0;
}
bool awaits_room(const ints& queue) {
  return __atomic_load_n(&shmds_queue_get_view(queue.native_handle())->parts.ends->space,
                         __ATOMIC_SEQ_CST) != 0;
}

// What `wait` finds in an empty queue into which 5 is put as soon as it sleeps.
template <class Wait>
std::optional<int> woken_by_an_element(Wait wait) {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  std::jthread producer([&] {
    eventually([&] { return awaits_an_element(queue); });
    std::this_thread::sleep_for(2ms);  // a deadline that wraps to a short one passes here
    queue.enqueue_wait(5);
  });
  return wait(queue);
}

// The same for a full queue out of which an element is taken.
template <class Wait>
bool woken_by_room(Wait wait) {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  queue.enqueue_wait(1);
  std::jthread consumer([&] {
    eventually([&] { return awaits_room(queue); });
    std::this_thread::sleep_for(2ms);
    static_cast<void>(queue.dequeue_wait());
  });
  return wait(queue);
}

template <class Call>
steady_clock::duration time_of(Call call) {
  const auto start = steady_clock::now();
  call();
  return steady_clock::now() - start;
}

// Processor time that the calling thread spends in a call.
template <class Call>
std::chrono::nanoseconds work_of(Call call) {
  const auto now = [] {
    timespec spent{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
  };
  const auto start = now();
  call();
  return now() - start;
}

// A clock that stands for its first looks, and then has reached any time.
struct stubborn_clock {
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<stubborn_clock>;
  static inline int looks = 0;
  static time_point now() { return time_point(++looks < 5 ? 0us : 1h); }
};

}  // namespace

TEST_CASE("bulk calls keep the order and say how many", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 10);
  std::vector<int> values(15);
  std::iota(values.begin(), values.end(), 0);
  std::array<int, 15> out{};
  CHECK(queue.enqueue_bulk({}) == 0);
  CHECK(queue.dequeue_bulk({}) == 0);
  CHECK(queue.dequeue_bulk(out) == 0);
  CHECK(queue.enqueue_bulk(values) == 10);
  CHECK(queue.full());
  CHECK(queue.enqueue_bulk(values) == 0);
  CHECK(queue.enqueue_bulk({}) == 0);
  out.fill(-1);
  CHECK(queue.dequeue_bulk(std::span(out).first(4)) == 4);
  CHECK(std::span(out).first(5).back() == -1);
  CHECK(queue.enqueue_bulk(std::span(values).subspan(10)) == 4);
  CHECK(queue.dequeue_bulk(std::span(out).subspan(4)) == 10);
  CHECK(std::ranges::equal(std::span(out).first(14), std::span(values).first(14)));
  CHECK(out[14] == -1);
  CHECK(queue.empty());
}

TEST_CASE("bulk calls take elements of any trivially copyable type", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<aligned> far(shm, "aligned", 3);
  std::array<aligned, 4> wide{{{1}, {2}, {3}, {4}}};
  CHECK(far.enqueue_bulk(wide) == 3);
  std::array<aligned, 3> wide_out{};
  CHECK(far.dequeue_bulk(wide_out) == 3);
  CHECK((wide_out[0].value == 1 && wide_out[1].value == 2 && wide_out[2].value == 3));
  shm_queue<std::array<char, 3>> odd(shm, "odd", 5);
  const std::array<std::array<char, 3>, 2> letters{{{'a', 'b', 'c'}, {'d', 'e', 'f'}}};
  std::array<std::array<char, 3>, 2> letters_out{};
  CHECK(odd.enqueue_bulk(letters) == 2);
  CHECK(odd.dequeue_bulk(letters_out) == 2);
  CHECK(letters_out == letters);
  shm_queue<constant> fixed(shm, "fixed", 5);
  std::array<constant, 2> constants{{{1}, {2}}};
  CHECK(fixed.enqueue_bulk(constants) == 2);
  CHECK(fixed.dequeue_bulk(constants) == 2);
}

TEST_CASE("threads that call in bulk lose nothing and keep each producer's order", "[queue]") {
  constexpr std::uint64_t each = 30'000;
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<std::uint64_t> queue(shm, "queue", 50);
  std::vector<std::atomic<int>> seen(3 * each);
  std::atomic<std::uint64_t> taken = 0;
  std::atomic<bool> in_order = true;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t producer = 0; producer < 3; ++producer) {
      threads.emplace_back([&, producer] {
        std::vector<std::uint64_t> values(each);
        std::iota(values.begin(), values.end(), producer * each);
        for (auto rest = std::span<const std::uint64_t>(values); !rest.empty();) {
          const auto done = queue.enqueue_bulk(rest.first(std::min<size_t>(rest.size(), 17)));
          if (done == 0) std::this_thread::yield();
          rest = rest.subspan(done);
        }
      });
    }
    for (int consumer = 0; consumer < 3; ++consumer) {
      threads.emplace_back([&] {
        std::array<std::int64_t, 3> last{-1, -1, -1};
        std::array<std::uint64_t, 11> values{};
        while (taken < 3 * each) {
          const auto done = queue.dequeue_bulk(values);
          if (done == 0) std::this_thread::yield();
          for (const auto value : std::span(values).first(done)) {
            auto& before = last[value / each];
            if (static_cast<std::int64_t>(value) <= before) in_order = false;
            before = static_cast<std::int64_t>(value);
            seen[value].fetch_add(1);
          }
          taken += done;
        }
      });
    }
  }
  CHECK(in_order);
  CHECK(std::ranges::all_of(seen, [](const auto& count) { return count == 1; }));
  CHECK(queue.empty());
}

TEST_CASE("durations never wrap, and are rounded up", "[queue]") {
  using shmds::detail::timeout_ns;
  using limits = std::numeric_limits<double>;
  constexpr std::uint64_t longest = SHMDS_WAIT_FOREVER - 1;
  using days = std::chrono::duration<std::int64_t, std::ratio<86400>>;
  using seconds = std::chrono::duration<double>;
  static_assert(timeout_ns(0s) == 0 && timeout_ns(1ns) == 1 && timeout_ns(1s) == 1'000'000'000);
  static_assert(timeout_ns(-1ns) == 0 && timeout_ns(std::chrono::hours::min()) == 0);
  static_assert(timeout_ns(std::chrono::nanoseconds::max()) == INT64_MAX);
  static_assert(timeout_ns(std::chrono::nanoseconds(INT64_MAX - 1)) == INT64_MAX - 1);
  static_assert(timeout_ns(std::chrono::microseconds::max()) == longest);
  static_assert(timeout_ns(std::chrono::hours::max()) == longest);
  static_assert(timeout_ns(std::chrono::hours(5'124'095)) == 18'446'742'000'000'000'000U);
  static_assert(timeout_ns(std::chrono::hours(5'124'096)) == longest);
  static_assert(timeout_ns(days::max()) == longest && timeout_ns(days::min()) == 0);
  static_assert(timeout_ns(std::chrono::duration<std::uint64_t, std::nano>(UINT64_MAX)) == longest);
  static_assert(timeout_ns(std::chrono::duration<std::uint8_t>(200)) == 200'000'000'000);
  static_assert(timeout_ns(seconds(0.5)) == 500'000'000);
  static_assert(timeout_ns(std::chrono::duration<int, std::pico>(1)) == 1);
  static_assert(timeout_ns(std::chrono::duration<int, std::pico>(1001)) == 2);
  static_assert(timeout_ns(seconds(limits::denorm_min())) == 1);
  static_assert(timeout_ns(seconds(limits::infinity())) == longest);
  static_assert(timeout_ns(seconds(limits::max())) == longest);
  static_assert(timeout_ns(seconds(-limits::infinity())) == 0);
  CHECK(timeout_ns(seconds(limits::quiet_NaN())) == 0);  // no constant for clang
  static_assert(timeout_ns(std::chrono::duration<float>(0x1p40F)) == longest);
}

TEST_CASE("a wait for what is there already is no wait", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 10);
  const auto past = steady_clock::now() - 1h;
  CHECK(queue.enqueue_for(1, 0s));
  CHECK(queue.enqueue_for(2, -1s));
  CHECK(queue.enqueue_for(3, std::chrono::duration<double>(std::nan(""))));
  CHECK(queue.enqueue_until(4, past));
  CHECK(queue.enqueue_until(5, system_clock::time_point::min()));
  queue.enqueue_wait(6);
  CHECK(queue.dequeue_for(0s) == 1);
  CHECK(queue.dequeue_for(std::chrono::hours::min()) == 2);
  CHECK(queue.dequeue_until(past) == 3);
  int value = 0;
  CHECK(queue.dequeue_for(value, -1s));
  CHECK(value == 4);
  CHECK(queue.dequeue_until(value, steady_clock::time_point::min()));
  CHECK(value == 5);
  CHECK(queue.dequeue_wait() == 6);
}

TEST_CASE("a wait for nothing ends when its time has passed and no earlier", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  int value = 7;
  const auto passes = [](auto expected, auto wait) {
    const auto took = time_of(wait);
    CHECK(took >= expected);
    CHECK(took < expected + 2s);
  };
  passes(20ms, [&] { CHECK_FALSE(queue.dequeue_for(20ms)); });
  passes(20ms, [&] { CHECK_FALSE(queue.dequeue_for(value, 20ms)); });
  passes(20ms, [&] { CHECK_FALSE(queue.dequeue_until(steady_clock::now() + 20ms)); });
  passes(20ms, [&] { CHECK_FALSE(queue.dequeue_until(value, system_clock::now() + 20ms)); });
  passes(0s, [&] { CHECK_FALSE(queue.dequeue_for(-1h)); });
  passes(0s, [&] { CHECK_FALSE(queue.dequeue_for(std::chrono::duration<float>(std::nanf("")))); });
  passes(0s, [&] { CHECK_FALSE(queue.dequeue_until(steady_clock::time_point::min())); });
  passes(0s, [&] { CHECK_FALSE(queue.dequeue_until(system_clock::now() - 1h)); });
  CHECK(value == 7);
  queue.enqueue_wait(1);
  passes(20ms, [&] { CHECK_FALSE(queue.enqueue_for(2, 20ms)); });
  passes(20ms, [&] { CHECK_FALSE(queue.enqueue_until(2, system_clock::now() + 20ms)); });
  passes(0s, [&] { CHECK_FALSE(queue.enqueue_until(2, steady_clock::now() - 1h)); });
  CHECK(queue.dequeue() == 1);
  CHECK(queue.empty());
}

TEST_CASE("a wait sleeps", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  CHECK(work_of([&] { CHECK_FALSE(queue.dequeue_for(100ms)); }) < 50ms);
  CHECK(work_of([&] { CHECK_FALSE(queue.dequeue_until(steady_clock::now() + 100ms)); }) < 50ms);
  queue.enqueue_wait(1);
  CHECK(work_of([&] { CHECK_FALSE(queue.enqueue_for(2, 100ms)); }) < 50ms);
  CHECK(work_of([&] { CHECK_FALSE(queue.enqueue_until(2, system_clock::now() + 100ms)); }) < 50ms);
}

TEST_CASE("a sleeper is woken in time however far its end is", "[queue]") {
  using hour_point = std::chrono::time_point<system_clock, std::chrono::hours>;
  using seconds = std::chrono::duration<double>;
  CHECK(woken_by_an_element([](ints& q) { return q.dequeue_wait(); }) == 5);
  CHECK(woken_by_an_element([](ints& q) { return q.dequeue_for(30s); }) == 5);
  CHECK(woken_by_an_element([](ints& q) { return q.dequeue_for(std::chrono::hours::max()); }) == 5);
  CHECK(woken_by_an_element([](ints& q) {
          return q.dequeue_for(seconds(std::numeric_limits<double>::infinity()));
        }) == 5);
  CHECK(woken_by_an_element([](ints& q) { return q.dequeue_until(hour_point::max()); }) == 5);
  CHECK(woken_by_an_element(
            [](ints& q) { return q.dequeue_until(steady_clock::time_point::max()); }) == 5);
  CHECK(woken_by_an_element([](ints& q) {
          int value = 0;
          CHECK(q.dequeue_until(value, system_clock::time_point::max()));
          return value;
        }) == 5);
  CHECK(woken_by_room([](ints& q) {
    q.enqueue_wait(2);
    return true;
  }));
  CHECK(woken_by_room([](ints& q) { return q.enqueue_for(2, std::chrono::hours::max()); }));
  CHECK(woken_by_room([](ints& q) { return q.enqueue_until(2, hour_point::max()); }));
}

TEST_CASE("a wait until a time goes on while the clock has not reached it", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 1);
  stubborn_clock::looks = 0;
  CHECK_FALSE(queue.dequeue_until(stubborn_clock::time_point(100us)));
  CHECK(stubborn_clock::looks == 5);
  queue.enqueue_wait(1);
  stubborn_clock::looks = 0;
  CHECK_FALSE(queue.enqueue_until(2, stubborn_clock::time_point(100us)));
  CHECK(stubborn_clock::looks == 5);
  stubborn_clock::looks = 0;
  CHECK(queue.dequeue_until(stubborn_clock::time_point(100us)) == 1);
  CHECK(stubborn_clock::looks == 1);
}

TEST_CASE("elements of any trivially copyable type are waited for", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<no_default> plain(shm, "plain", 3);
  plain.enqueue_wait(no_default(1));
  CHECK(plain.enqueue_for(no_default(2), 1s));
  CHECK(plain.dequeue_wait().value == 1);
  CHECK(plain.dequeue_for(1s)->value == 2);
  shm_queue<constant> fixed(shm, "fixed", 3);
  fixed.enqueue_wait({3});
  fixed.enqueue_wait({4});
  CHECK(fixed.dequeue_wait().value == 3);
  CHECK(fixed.dequeue_until(steady_clock::now() + 1s)->value == 4);
}

TEST_CASE("processes wake each other up", "[queue]") {
  constexpr int rounds = 3000;
  const segment_name name;
  posix_shm shm(name, 1000);
  ints ping(shm, "ping", 1);
  ints pong(shm, "pong", 1);
  child partner([&] {
    posix_shm mine(name);
    ints in(mine, "ping");
    ints out(mine, "pong");
    for (int round = 0; round < rounds; ++round) {
      if (in.dequeue_wait() != round || !out.enqueue_for(round, 30s)) return false;
    }
    return true;
  });
  // A wake-up that is lost costs a second look after 10 ms: more than there is time for.
  const auto took = time_of([&] {
    for (int round = 0; round < rounds; ++round) {
      ping.enqueue_wait(round);
      CHECK(pong.dequeue_for(30s) == round);
    }
  });
  CHECK(partner.wait() == 0);
  CHECK(took < 15s);
}

TEST_CASE("processes that wait for room and for elements lose nothing", "[queue]") {
  constexpr int each = 5000;
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 3);
  shm_atomic<long> sum(shm, "sum");
  std::vector<child> workers;
  for (int worker = 0; worker < 2; ++worker) {
    workers.emplace_back([&] {
      for (int value = 1; value <= each; ++value)
        queue.enqueue_wait(value);
      return true;
    });
    workers.emplace_back([&] {
      for (int count = 0; count < each; ++count) {
        const auto value = queue.dequeue_until(system_clock::now() + 30s);
        if (!value) return false;
        sum += *value;
      }
      return true;
    });
  }
  for (auto& worker : workers)
    CHECK(worker.wait() == 0);
  CHECK(sum == 2L * each * (each + 1) / 2);
  CHECK(queue.empty());
}

TEST_CASE("a killed sleeper takes no wake-up with it", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  child victim([&] { return queue.dequeue_wait() == 0; });
  CHECK(eventually([&] { return awaits_an_element(queue); }));
  child survivor([&] { return queue.dequeue_for(30s) == 5; });
  victim.kill();
  CHECK(queue.enqueue(5));
  CHECK(survivor.wait() == 0);
}

TEST_CASE("waiting reports what is wrong, and bulk does as enqueue does", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 3);
  CHECK(queue.enqueue(1));
  posix_shm reader(name, 0, {.read_only = true});
  ints seen(reader, "queue");
  const auto soon = steady_clock::now() + 1h;
  int value = 7;
  std::array<int, 2> values{7, 7};
  for (const auto& failure : {
           failure_of([&] { seen.enqueue_wait(1); }),
           failure_of([&] { static_cast<void>(seen.enqueue_for(1, 1h)); }),
           failure_of([&] { static_cast<void>(seen.enqueue_until(1, soon)); }),
           failure_of([&] { static_cast<void>(seen.dequeue_wait()); }),
           failure_of([&] { static_cast<void>(seen.dequeue_for(1h)); }),
           failure_of([&] { static_cast<void>(seen.dequeue_for(value, 1h)); }),
           failure_of([&] { static_cast<void>(seen.dequeue_until(soon)); }),
           failure_of([&] { static_cast<void>(seen.dequeue_until(value, soon)); }),
           failure_of([&] { static_cast<void>(seen.reserve()); }),
           failure_of([&] { static_cast<void>(seen.take()); }),
       }) {
    CHECK(failure.status == SHMDS_E_READ_ONLY);
    CHECK_THAT(failure.what, ContainsSubstring("queue"));
  }
  CHECK_FALSE(seen.enqueue(1));
  CHECK_FALSE(seen.dequeue());
  CHECK(seen.enqueue_bulk(values) == 0);
  CHECK(seen.dequeue_bulk(values) == 0);
  CHECK((value == 7 && values == std::array{7, 7}));
  CHECK(seen.stats().enqueued == 1);
  CHECK(queue.dequeue() == 1);
}

TEST_CASE("a forked child without an attachment slot is told", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000, {.max_attachments = 1});
  ints queue(shm, "queue", 3);
  CHECK(queue.enqueue(1));
  child worker([&] {
    std::array<int, 1> one{7};
    const auto told = [](auto call) { return failure_of(call).status == SHMDS_E_ATTACHMENTS; };
    return !queue.enqueue(2) && !queue.dequeue() && queue.enqueue_bulk(one) == 0 &&
           queue.dequeue_bulk(one) == 0 && one[0] == 7 && told([&] { queue.enqueue_wait(2); }) &&
           told([&] { static_cast<void>(queue.dequeue_for(1h)); }) &&
           told([&] { static_cast<void>(queue.reserve()); }) &&
           told([&] { static_cast<void>(queue.take()); });
  });
  CHECK(worker.wait() == 0);
  CHECK(queue.dequeue() == 1);
  CHECK(queue.empty());
}

TEST_CASE("a queue counts what it has seen", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 2);
  const auto fresh = queue.stats();
  CHECK((fresh.enqueued == 0 && fresh.dequeued == 0 && fresh.refused == 0));
  CHECK(fresh.lanes > 0);
  CHECK(fresh.lanes_in_use == 0);
  CHECK(queue.enqueue(1));
  CHECK(queue.enqueue_bulk(std::array{2, 3}) == 1);
  CHECK_FALSE(queue.enqueue(4));
  CHECK_FALSE(queue.enqueue_for(4, 1ms));
  CHECK(queue.dequeue() == 1);
  CHECK(queue.take());
  CHECK_FALSE(queue.dequeue());
  child other([&] { return queue.enqueue(5); });
  CHECK(other.wait() == 0);
  const auto seen = std::as_const(queue).stats();
  CHECK(seen.enqueued == 3);
  CHECK(seen.dequeued == 2);
  CHECK(seen.refused == 3);  // the waits do not count
  CHECK(seen.lanes == fresh.lanes);
  CHECK((seen.lanes_in_use >= 1 && seen.lanes_in_use <= 2));
}

TEST_CASE("threads that come and go leave no lane behind", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 8);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&] {
        queue.enqueue_wait(thread);
        static_cast<void>(queue.dequeue_wait());
      });
    }
  }
  CHECK(queue.stats().lanes_in_use <= 5);
  CHECK(queue.stats().dequeued == 800);
}

TEST_CASE("threads of two translation units use one queue object", "[queue]") {
  constexpr long each = 2000;
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<long> queue(shm, "queue", 5);
  std::atomic<long> sum = 0;
  const auto here = [&] {
    for (long value = 1; value <= each; ++value) {
      if (!queue.enqueue_for(value, 30s)) return;
      if (const auto taken = elsewhere::dequeue(queue)) sum += *taken;
    }
  };
  const auto there = [&] {
    for (long value = 1; value <= each; ++value) {
      if (!elsewhere::enqueue(queue, value)) return;
      sum += queue.dequeue_wait();
    }
  };
  {
    const std::array threads{std::jthread(here), std::jthread(there), std::jthread(here)};
    there();
  }
  CHECK(sum == 4 * each * (each + 1) / 2);
  CHECK(queue.empty());

  CHECK(elsewhere::enqueue_three(queue, 10) == 3);
  CHECK(elsewhere::reserve(queue, 13).publish());
  for (const long expected : {10, 11, 12, 13}) {
    auto taken = queue.take();
    CHECK(*taken == expected);
    elsewhere::finish(std::move(taken));
  }
  CHECK(queue.empty());
}

TEST_CASE("each translation unit remembers the queue that a thread uses often", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<long> queue(shm, "queue", 5);
  const auto often = [&] {
    for (long value = 0; value < 100; ++value) {
      CHECK(elsewhere::pass(queue, value) == value);
      CHECK(queue.enqueue(value));
      CHECK(queue.dequeue() == value);
    }
    CHECK(elsewhere::remembers(queue));
    CHECK(shmds_queue_thread_memory.often.pass.key ==
          shmds_queue_key_inline(queue.native_handle()));
  };
  often();
  std::jthread(often).join();
}

TEST_CASE("two shared objects use one lane in a thread, and one may be unloaded", "[queue]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_queue<long> queue(shm, "queue", 5);
  for (int round = 0; round < 3; ++round) {
    void* plugin = dlopen(QUEUE_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(plugin != nullptr);
    const auto enqueue =
        reinterpret_cast<shmds_status (*)(shmds_queue*, long)>(dlsym(plugin, "plugin_enqueue"));
    const auto dequeue =
        reinterpret_cast<shmds_status (*)(shmds_queue*, long*)>(dlsym(plugin, "plugin_dequeue"));
    REQUIRE(enqueue != nullptr);
    REQUIRE(dequeue != nullptr);
    for (long value = 0; value < 20; ++value) {
      long seen = -1;
      CHECK(queue.enqueue(value));
      CHECK(dequeue(queue.native_handle(), &seen) == SHMDS_OK);
      CHECK(seen == value);
      CHECK(enqueue(queue.native_handle(), value + 1) == SHMDS_OK);
      CHECK(queue.dequeue() == value + 1);
    }
    CHECK(queue.stats().lanes_in_use == (round == 0 ? 1 : 2));
    std::jthread([&] {
      CHECK(enqueue(queue.native_handle(), 7) == SHMDS_OK);
      CHECK(queue.dequeue() == 7);
    }).join();
    CHECK(dlclose(plugin) == 0);
  }
  // The lane of the threads that ended is kept for the next one.
  CHECK(queue.stats().lanes_in_use == 2);
}

TEST_CASE("a queue object outlives its segment without harm", "[queue]") {
  const segment_name name;
  std::optional<posix_shm> shm(std::in_place, name, 1000);
  shm_queue<long> queue(*shm, "queue", 5);
  auto slot = queue.reserve();
  CHECK(queue.enqueue(1));
  shm.reset();
  CHECK_FALSE(queue.enqueue(2));
  CHECK_FALSE(queue.dequeue());
  CHECK(std::string(shmds_last_error()).find("closed") != std::string::npos);
  CHECK(queue.empty());
  CHECK_THROWS_AS(queue.enqueue_wait(3), shmds::error);
  CHECK_THROWS_AS(slot.publish(), shmds::error);
}
