// What programs ask of the queues wrongly: an exception, or an answer and a sentence, that says
// which name, what was expected and what was found; and nothing has changed.
#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <ratio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_queue.h"
#include "shm_spsc_queue.h"
#include "support.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using std::chrono::system_clock;
using test::child;
using test::failure_of;
using test::segment_name;

namespace {

using ints = shm_queue<int>;
using single = shm_spsc_queue<int>;

// A segment that goes at once takes its queue with it: no temporary will do.
static_assert(std::constructible_from<ints, posix_shm&, std::string_view, size_t>);
static_assert(!std::constructible_from<ints, posix_shm, std::string_view, size_t>);
static_assert(std::constructible_from<single, posix_shm&, std::string_view, size_t>);
static_assert(!std::constructible_from<single, posix_shm, std::string_view, size_t>);

struct plain {
  std::array<char, 256> text;
};
struct alignas(256) wide {
  std::array<char, 256> text;
};

constexpr std::string_view closed =
    "\"queue\": its segment was closed in this process; expected an open one";

// Whether the call threw exactly this.
template <class Call>
bool fails(shmds_status status, std::string_view sentence, Call call) {
  const auto failure = failure_of(call);
  UNSCOPED_INFO("status " << failure.status << ": " << failure.what);
  return failure.status == status && failure.what == sentence;
}

// The same for calls that do not throw: what they did, and the sentence that they left.
template <class Call>
bool declines(std::string_view sentence, Call call) {
  shmds_unlink("shmds-test-nothing");  // another failure, so that an old sentence does not pass
  const bool declined = !call();
  UNSCOPED_INFO(shmds_last_error());
  return declined && shmds_last_error() == sentence;
}

struct account {
  size_t memory;
  size_t entries;
  friend bool operator==(const account&, const account&) = default;
};
account left_in(const posix_shm& shm) {
  const auto capacity = shm.get_capacity();
  return {capacity.available_memory, capacity.available_entries};
}

template <template <class, class> class Queue>
void refuses_what_cannot_be(std::string_view lower_limit) {
  using queue = Queue<int, shm_table>;
  const segment_name name;
  posix_shm shm(name, 1000);
  const auto before = left_in(shm);
  CHECK(fails(SHMDS_E_SEGMENT_FULL,
              "\"queue\" needs 1004 bytes; segment \"" + name.str() + "\" has 1000 left",
              [&] { queue(shm, "queue", 251); }));
  CHECK(fails(SHMDS_E_OVERFLOW,
              "\"queue\": 18446744073709551615 elements of 4 bytes overflow 64 bits",
              [&] { queue(shm, "queue", SIZE_MAX); }));
  // To the constructor 0 means what exists.
  CHECK(fails(SHMDS_E_NOT_FOUND, "structure \"queue\" does not exist",
              [&] { queue(shm, "queue", 0); }));
  CHECK(fails(SHMDS_E_NAME_EMPTY, "the structure name is empty; expected at least one character",
              [&] { queue(shm, "", 1); }));
#ifdef __cpp_lib_expected
  const auto sentence = "\"queue\": count 0; expected " + std::string(lower_limit);
  for (const auto& refused :
       {queue::try_create(shm, "queue", 0), queue::try_open_or_create(shm, "queue", 0)}) {
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().status() == SHMDS_E_CAPACITY);
    CHECK(refused.error().message() == sentence);
  }
#else
  static_cast<void>(lower_limit);
#endif
  CHECK(left_in(shm) == before);
  CHECK_FALSE(queue::exists(shm, "queue"));
  CHECK(queue(shm, "queue", 250).capacity() == 250);
}

template <template <class, class> class Queue>
void opens_as_nothing_else(std::string_view kind) {
  const segment_name name;
  posix_shm shm(name, 10'000);
  Queue<plain, shm_table> queue(shm, "queue", 4);
  const shm_array<int> array(shm, "array", 4);
  const auto before = left_in(shm);
  posix_shm other(name);
  for (posix_shm* segment : {&shm, &other}) {
    CHECK(fails(SHMDS_E_MISMATCH, "\"queue\": expected element size 4, found 256",
                [&] { Queue<int, shm_table>(*segment, "queue"); }));
    CHECK(fails(SHMDS_E_MISMATCH, "\"queue\": expected alignment 256, found 1",
                [&] { Queue<wide, shm_table>(*segment, "queue"); }));
    CHECK(fails(SHMDS_E_MISMATCH, "\"queue\": expected capacity 5, found 4",
                [&] { Queue<plain, shm_table>(*segment, "queue", 5); }));
    CHECK(fails(SHMDS_E_KIND, "\"array\": expected " + std::string(kind) + ", found an array",
                [&] { Queue<int, shm_table>(*segment, "array", 4); }));
  }
  CHECK(left_in(shm) == before);
  CHECK(Queue<plain, shm_table>(other, "queue").empty());
}

}  // namespace

TEST_CASE("a queue that cannot be is refused, and leaves nothing behind", "[queue][bad]") {
  refuses_what_cannot_be<shm_queue>("1 to 2^31 less the number of lanes to create a queue");
  refuses_what_cannot_be<shm_spsc_queue>("at least 1 to create a queue");
  // Lanes count as well.
  const segment_name name;
  posix_shm shm(name, 1000);
  const auto lanes = shm_queue<char>(shm, "small", 1).stats().lanes;
  const size_t most = (size_t{1} << 31) - lanes;
  CHECK(failure_of([&] { shm_queue<char>(shm, "queue", most); }).status == SHMDS_E_SEGMENT_FULL);
  for (const size_t capacity : {most + 1, size_t{1} << 31, SIZE_MAX}) {
    CHECK(fails(SHMDS_E_CAPACITY,
                "\"queue\": count " + std::to_string(capacity) +
                    "; expected 1 to 2^31 less the number of lanes to create a queue",
                [&] { shm_queue<char>(shm, "queue", capacity); }));
  }
}

TEST_CASE("a queue is not opened as something else, and keeps what it has", "[queue][bad]") {
  opens_as_nothing_else<shm_queue>("a queue");
  opens_as_nothing_else<shm_spsc_queue>("an SPSC queue");
}

TEST_CASE("a guard that holds nothing publishes nothing, and says why", "[queue][slot][bad]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  const auto publishes_nothing = [&](ints::reservation& slot) {
    const auto before = queue.stats();
    const bool refused =
        fails(SHMDS_E_STATE, "\"queue\": the slot was given back already, or never was one",
              [&] { static_cast<void>(slot.publish()); });
    const auto after = queue.stats();
    return refused && before.enqueued == after.enqueued && queue.size() == 1 &&
           before.lanes_in_use == after.lanes_in_use;
  };
  auto slot = queue.reserve();
  *slot = 1;
  CHECK(slot.publish());
  CHECK(publishes_nothing(slot));  // twice
  slot = queue.reserve();
  slot.abandon();
  CHECK(publishes_nothing(slot));
  slot = queue.reserve();
  auto moved = std::move(slot);
  CHECK(publishes_nothing(slot));
  slot.abandon();
  moved.abandon();
  // Two may be taken at once, and either ends its own.
  CHECK(queue.enqueue(2));
  auto first = queue.take();
  auto second = queue.take();
  CHECK_FALSE(queue.take());
  CHECK((*first == 1 && *second == 2 && first.get() != second.get()));
  first.done();
  first.done();
  CHECK(*second == 2);
  second.done();
  CHECK(queue.empty());
}

TEST_CASE("guards that were held across a fork are the parent's, who is told", "[queue][bad]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  ints queue(shm, "queue", 4);
  CHECK(queue.enqueue(1));
  auto taken = queue.take();
  auto slot = queue.reserve();
  *slot = 2;
  child heir([&] {
    const bool told = fails(
        SHMDS_E_STATE, "\"queue\": the slot is held by the process that this one was forked from",
        [&] { static_cast<void>(slot.publish()); });
    // It goes on on a lane of its own, and its end of the segment ends nothing of its parent's.
    const bool works = queue.enqueue(3) && queue.dequeue() == 3 && queue.stats().lanes_in_use == 4;
    const posix_shm ended = std::move(shm);
    return told && works;
  });
  CHECK(heir.wait() == 0);
  CHECK(queue.stats().lanes_in_use == 3);
  CHECK(*taken == 1);
  CHECK(slot.publish());
  taken.done();
  CHECK(queue.dequeue() == 2);
}

TEST_CASE("a queue of a closed segment refuses every call, and has lost nothing", "[queue][bad]") {
  const segment_name name;
  posix_shm keeper(name, 1000);
  std::optional<posix_shm> shm(std::in_place, name);
  ints queue(*shm, "queue", 4);
  CHECK((queue.enqueue(1) && queue.enqueue(2)));
  auto slot = queue.reserve();
  auto taken = queue.take();
  shm.reset();
  int value = 7;
  std::array<int, 2> values{7, 7};
  const auto never = steady_clock::time_point::max();
  CHECK(declines(closed, [&] { return queue.enqueue(3); }));
  CHECK(declines(closed, [&] { return queue.dequeue(); }));
  CHECK(declines(closed, [&] { return queue.dequeue(value); }));
  CHECK(declines(closed, [&] { return queue.enqueue_bulk(values); }));
  CHECK(declines(closed, [&] { return queue.dequeue_bulk(values); }));
  const auto throws = [&](auto call) { return fails(SHMDS_E_STATE, closed, call); };
  CHECK(throws([&] { queue.enqueue_wait(3); }));
  CHECK(throws([&] { (void)queue.enqueue_for(3, 1h); }));
  CHECK(throws([&] { (void)queue.enqueue_until(3, never); }));
  CHECK(throws([&] { (void)queue.dequeue_wait(); }));
  CHECK(throws([&] { (void)queue.dequeue_for(1h); }));
  CHECK(throws([&] { (void)queue.dequeue_for(value, 1h); }));
  CHECK(throws([&] { (void)queue.dequeue_until(never); }));
  CHECK(throws([&] { (void)queue.dequeue_until(value, never); }));
  CHECK(throws([&] { (void)queue.reserve(); }));
  CHECK(throws([&] { (void)queue.take(); }));
  CHECK(throws([&] { (void)slot.publish(); }));
  CHECK(throws([&] { (void)queue.stats(); }));
  CHECK((queue.empty() && !queue.full() && queue.size() == 0));
  CHECK((queue.capacity() == 4 && queue.name() == "queue"));
  CHECK((value == 7 && values == std::array{7, 7}));
  taken.done();
  ints same(keeper, "queue");
  CHECK((same.size() == 1 && same.dequeue() == 2));
  CHECK(same.stats().lanes_in_use == 1);
  queue = same;  // a handle to the open one by now
  CHECK((queue.enqueue(4) && same.dequeue() == 4));
}

TEST_CASE("an SPSC queue of a closed segment refuses every call, and has lost nothing",
          "[spsc][bad]") {
  const segment_name name;
  posix_shm keeper(name, 1000);
  std::optional<posix_shm> shm(std::in_place, name);
  single queue(*shm, "queue", 4);
  CHECK((queue.push(1) && queue.push(2)));
  REQUIRE(queue.front() != nullptr);
  shm.reset();
  int value = 7;
  std::array<int, 2> values{7, 7};
  const auto never = steady_clock::time_point::max();
  const auto throws = [&](auto call) { return fails(SHMDS_E_STATE, closed, call); };
  CHECK(throws([&] { (void)queue.push(3); }));
  CHECK(throws([&] { (void)queue.push_bulk(values); }));
  CHECK(throws([&] { (void)queue.push_for(3, 1h); }));
  CHECK(throws([&] { (void)queue.push_until(3, never); }));
  CHECK(throws([&] { (void)queue.pop(); }));
  CHECK(throws([&] { (void)queue.pop(value); }));
  CHECK(throws([&] { (void)queue.pop_bulk(values); }));
  CHECK(throws([&] { (void)queue.pop_for(1h); }));
  CHECK(throws([&] { (void)queue.pop_until(never); }));
  CHECK(throws([&] { (void)queue.front(); }));
  CHECK(throws([&] { queue.release(); }));
  queue.leave();
  CHECK((queue.empty() && !queue.full() && queue.size() == 0));
  CHECK((queue.capacity() == 4 && queue.name() == "queue"));
  CHECK((value == 7 && values == std::array{7, 7}));
  single same(keeper, "queue");
  CHECK((same.pop() == 1 && same.pop() == 2 && same.push(3) && same.pop() == 3));
}

TEST_CASE("times that have passed, and such as are none, are one try", "[queue][spsc][bad]") {
  using seconds = std::chrono::duration<double>;
  using limits = std::numeric_limits<double>;
  using days = std::chrono::duration<std::int64_t, std::ratio<86400>>;
  using day_point = std::chrono::time_point<system_clock, days>;
  const segment_name name;
  posix_shm shm(name, 1000);
  ints many(shm, "many", 1);
  single one(shm, "one", 1);
  const auto start = steady_clock::now();
  const auto waits_once = [&](auto timeout) {
    const bool empty = !many.dequeue_for(timeout) && !one.pop_for(timeout);
    const bool put = many.enqueue_for(5, timeout) && one.push_for(5, timeout);
    const bool full = !many.enqueue_for(6, timeout) && !one.push_for(6, timeout);
    return empty && put && full && many.dequeue_for(timeout) == 5 && one.pop_for(timeout) == 5;
  };
  CHECK(waits_once(0s));
  CHECK(waits_once(-1ns));
  CHECK(waits_once(std::chrono::nanoseconds::min()));
  CHECK(waits_once(std::chrono::hours::min()));
  CHECK(waits_once(days::min()));
  CHECK(waits_once(seconds(-0.0)));
  CHECK(waits_once(seconds(-0.5)));
  CHECK(waits_once(seconds(limits::lowest())));
  CHECK(waits_once(seconds(-limits::infinity())));
  CHECK(waits_once(seconds(limits::quiet_NaN())));
  CHECK(waits_once(seconds(limits::signaling_NaN())));
  CHECK(waits_once(std::chrono::duration<float>(-std::nanf(""))));
  const auto tries_once = [&](auto end) {
    const bool empty = !many.dequeue_until(end) && !one.pop_until(end);
    const bool put = many.enqueue_until(5, end) && one.push_until(5, end);
    const bool full = !many.enqueue_until(6, end) && !one.push_until(6, end);
    return empty && put && full && many.dequeue_until(end) == 5 && one.pop_until(end) == 5;
  };
  CHECK(tries_once(steady_clock::now() - 1h));
  CHECK(tries_once(steady_clock::time_point::min()));
  CHECK(tries_once(system_clock::time_point::min()));
  CHECK(tries_once(day_point::min()));
  CHECK(tries_once(std::chrono::time_point<steady_clock, seconds>(seconds(limits::lowest()))));
  CHECK(tries_once(std::chrono::time_point<steady_clock, seconds>(seconds(limits::quiet_NaN()))));
  CHECK(steady_clock::now() - start < 5s);
  CHECK((many.empty() && one.empty()));
}
