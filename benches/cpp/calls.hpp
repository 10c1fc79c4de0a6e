// Operations for somebody who counts the system calls of this process: a marker, getppid(), stands
// before and behind each group.
#ifndef SHMDS_BENCH_CALLS_HPP
#define SHMDS_BENCH_CALLS_HPP

#include <sys/syscall.h>

#include <csignal>
#include <span>
#include <vector>

#include "ports.hpp"

// The groups, in their order. The last one has to sleep: whoever counts none there counts wrong.
inline constexpr const char* queue_groups =
    "enqueue,dequeue,enqueue-when-full,dequeue-when-empty,enqueue_wait,dequeue_wait,enqueue_bulk,"
    "dequeue_bulk,reserve-and-publish,take-and-done,size,sleep";
inline constexpr const char* spsc_groups =
    "push,pop,push-when-full,pop-when-empty,push_for,pop_for,push_bulk,pop_bulk,"
    "front-and-release,size,sleep";

inline void marker() {
  syscall(SYS_getppid);
}

// Runs every group once, so that everything is bound, mapped and owned; stops until the one who
// counts is there; and runs them again between markers.
template <class Groups>
void run_counted(Groups groups) {
  const auto run = [](auto work) {
    for (size_t i = 0; i < capacity; i++) {
      if (!work(i)) broken("an operation answered otherwise than expected");
    }
  };
  groups(run);
  kill(getpid(), SIGSTOP);
  marker();
  groups([run](auto work) {
    run(work);
    marker();
  });
}

inline void call_all_of_queue(ShmQueue<Element<8>> port) {
  shm_queue<Element<8>>& queue = port.queue;
  constexpr std::chrono::hours hour{1};
  const std::vector<Element<8>> many(capacity);
  std::vector<Element<8>> room(capacity);
  Element<8> element{};
  run_counted([&](auto group) {
    group([&](size_t) { return queue.enqueue(element); });
    group([&](size_t) { return queue.dequeue().has_value(); });
    while (queue.enqueue(element))
      continue;
    group([&](size_t) { return !queue.enqueue(element); });
    while (queue.dequeue(element))
      continue;
    group([&](size_t) { return !queue.dequeue(element); });
    group([&](size_t i) {
      if (i % 2 != 0) return queue.enqueue_for(element, hour);
      queue.enqueue_wait(element);
      return true;
    });
    group([&](size_t i) {
      if (i % 2 != 0) return queue.dequeue_for(element, hour);
      element = queue.dequeue_wait();
      return true;
    });
    group([&](size_t i) { return i != 0 || queue.enqueue_bulk(many) == capacity; });
    group([&](size_t i) { return i != 0 || queue.dequeue_bulk(room) == capacity; });
    group([&](size_t) {
      auto slot = queue.reserve();
      slot->set(1);
      return slot.publish();
    });
    group([&](size_t) {
      auto slot = queue.take();
      const bool got = slot.has_value();
      slot.done();
      return got;
    });
    group([&](size_t) { return queue.empty() && !queue.full() && queue.size() == 0; });
    group([&](size_t i) {
      return i != 0 || !queue.dequeue_for(element, std::chrono::milliseconds(1));
    });
    // Whoever gave up waiting left its mark, for the next one who publishes to clear.
    if (!queue.enqueue(element) || !queue.dequeue(element)) broken("no room for one element");
  });
}

inline void call_all_of_spsc(ShmSpsc<Element<8>> port) {
  shm_spsc_queue<Element<8>>& queue = port.queue;
  constexpr std::chrono::hours hour{1};
  const std::vector<Element<8>> many(capacity);
  std::vector<Element<8>> room(capacity);
  Element<8> element{};
  run_counted([&](auto group) {
    group([&](size_t) { return queue.push(element); });
    group([&](size_t) { return queue.pop().has_value(); });
    while (queue.push(element))
      continue;
    group([&](size_t) { return !queue.push(element); });
    while (queue.pop(element))
      continue;
    group([&](size_t) { return !queue.pop(element); });
    group([&](size_t) { return queue.push_for(element, hour); });
    group([&](size_t) { return queue.pop_for(hour).has_value(); });
    group([&](size_t i) { return i != 0 || queue.push_bulk(many) == capacity; });
    group([&](size_t i) { return i != 0 || queue.pop_bulk(room) == capacity; });
    static_cast<void>(queue.push_bulk(many));
    group([&](size_t) {
      if (queue.front() == nullptr) return false;
      queue.release();
      return true;
    });
    group([&](size_t) { return queue.empty() && !queue.full() && queue.size() == 0; });
    group([&](size_t i) { return i != 0 || !queue.pop_for(std::chrono::milliseconds(1)); });
    if (!queue.push(element) || !queue.pop(element)) broken("no room for one element");
  });
}

#endif
