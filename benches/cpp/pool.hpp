// The object pool: a pair of operations by one thread, processes that share a pool, and the search
// for the last free objects of a million.
#ifndef SHMDS_BENCH_POOL_HPP
#define SHMDS_BENCH_POOL_HPP

#include <shm_object_pool.h>

#include <random>
#include <vector>

#include "stage.hpp"

using PoolObject = Element<64>;
using Pool = shm_object_pool<PoolObject>;

// Does `pair` so often. By itself: in the midst of other code a compiler runs short of registers,
// and what it then stores in a round is not the pool's.
template <class Pair>
[[gnu::noinline]] void pool_pairs(Pool pool, std::uint64_t count, Pair pair) {
  for (std::uint64_t i = 0; i < count; i++) {
    if (!pair(pool)) broken("a pool refused");
  }
}

// An acquisition and a release by one thread: through the C++ "wrapper", "inline" in C, or by a
// "call" of the library.
inline Timed pool_pair(const std::string& how, std::uint64_t count) {
  const SegmentName name;
  Segment segment(name.str());
  const Pool pool(segment.shm, "pool", capacity);
  const auto timed = [&](auto pair) {
    return undisturbed(count, [&](std::uint64_t pairs) { pool_pairs(pool, pairs, pair); });
  };
  if (how == "wrapper") {
    return timed([](Pool& shared) {
      const Pool::handle_type got = shared.acquire();
      return got != Pool::invalid_handle && shared.try_release(got);
    });
  }
  if (how == "inline") {
    return timed([](Pool& shared) {
      std::uint32_t got = 0;
      return shmds_object_pool_acquire_inline(shared.native_handle(), &got) == SHMDS_OK &&
             shmds_object_pool_release_inline(shared.native_handle(), got) == SHMDS_OK;
    });
  }
  if (how == "call") {
    return timed([](Pool& shared) {
      std::uint32_t got = 0;
      return shmds_object_pool_acquire(shared.native_handle(), &got) == SHMDS_OK &&
             shmds_object_pool_release(shared.native_handle(), got) == SHMDS_OK;
    });
  }
  throw Failure("no such way: " + how);
}

// What a participant does with a pool that others use: "one" object at a time, or "many", sixteen
// acquired and then released in the same order.
inline void share_pool(const std::string& segment_name, Control& control, size_t index,
                       const std::string& how) {
  Segment segment(segment_name);
  Pool pool(segment.shm, "pool");
  Participant& me = control.participants[index];
  std::array<Pool::handle_type, 16> held{};
  const size_t at_once = how == "many" ? held.size() : 1;
  std::uint64_t count = 0;
  control.start(me);
  while (control.stop.load(std::memory_order_relaxed) == 0) {
    for (unsigned round = 0; round < look_every / 16; round++) {
      for (size_t i = 0; i < at_once; i++) {
        held[i] = pool.acquire();
        if (held[i] == Pool::invalid_handle) broken("there was an object for everybody");
        pool[held[i]].set(index);
      }
      for (size_t i = 0; i < at_once; i++) {
        if (pool[held[i]].value() != index || !pool.try_release(held[i])) {
          broken("two have one object");
        }
      }
    }
    count += look_every / 16 * at_once;
    me.received.store(count, std::memory_order_relaxed);
  }
  me.end_ns = now_ns();
}

// Pairs per microsecond, of that many processes together.
inline double pool_flow(size_t processes, const std::string& how, unsigned milliseconds,
                        const std::array<int, 2>& cpus) {
  const SegmentName name;
  Segment segment(name.str());
  Pool pool(segment.shm, "pool", capacity);
  SharedControl control;
  control->begin_round(processes);
  Crew crew(control);
  for (size_t i = 0; i < processes; i++) {
    crew.add({"pool", name.str(), std::to_string(control.fd()), std::to_string(i),
              std::to_string(cpus[i % 2]), how});
  }
  crew.start();
  const auto done = [&] {
    std::uint64_t all = 0;
    for (const Participant& each : control->participants) {
      all += each.received.load(std::memory_order_relaxed);
    }
    return all;
  };
  const std::uint64_t before = done();
  const std::uint64_t begin = now_ns();
  usleep(milliseconds * 1000);
  const double pairs = static_cast<double>(done() - before);
  const double microseconds = static_cast<double>(now_ns() - begin) / 1000;
  control->stop.store(1, std::memory_order_relaxed);
  crew.join();
  if (!pool.empty() || pool.num_refused() != 0) throw Failure("an object was lost");
  return pairs / microseconds;
}

// Nanoseconds of an acquisition by a thread that knows of no free object, in a pool of a million:
// of which all are free, or only as many as it acquires.
inline double pool_search(const std::string& how, std::uint64_t count) {
  constexpr size_t million = 1'000'000;
  using Million = shm_object_pool<std::uint64_t>;
  const SegmentName name;
  posix_shm shm(name.str(), million * sizeof(std::uint64_t));
  posix_shm other(name.str());
  Million pool(shm, "pool", million);
  // What is released here is unknown there.
  Million elsewhere(other, "pool");
  std::vector<Million::handle_type> handles(million);
  if (elsewhere.acquire_batch(million, handles.data()) != million) broken("a pool is too small");
  std::shuffle(handles.begin(), handles.end(), std::minstd_rand(1));
  const std::span all(handles);
  const auto acquire = [&](std::uint64_t objects) {
    for (std::uint64_t i = 0; i < objects; i++) {
      handles[i] = pool.acquire();
      if (handles[i] == Million::invalid_handle) broken("a free object was not found");
    }
  };
  elsewhere.release_batch(how == "full" ? all.first(count) : all);
  // The pages of this mapping, and of what is to be found next.
  acquire(count);
  elsewhere.release_batch(all.first(count));
  const std::uint64_t begin = now_ns();
  acquire(count);
  return static_cast<double>(now_ns() - begin) / static_cast<double>(count);
}

#endif
