#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "support.hpp"

using test::child;
using test::eventually;
using test::gate;
using test::segment_name;

TEST_CASE("a forked child uses its parent's objects at once", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_array<int> array(shm, "array", 10);
  shm_queue<int> queue(shm, "queue", 10);
  shm_atomic<int> value(shm, "value", 1);
  CHECK(queue.enqueue(41));

  child worker([&] {
    array[3] = 33;
    value += 4;
    const auto taken = queue.dequeue();
    return taken == 41 && queue.enqueue(*taken + 1) && queue.size() == 1;
  });
  CHECK(worker.wait() == 0);
  CHECK(array[3] == 33);
  CHECK(value == 5);
  CHECK(queue.dequeue() == 42);
}

TEST_CASE("a forked child creates structures through its parent's segment", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  child worker([&] {
    shm_array<int>(shm, "array", 10).fill(6);
    shm_queue<int> queue(shm, "queue", 3);
    return queue.enqueue(9) && shm.get_table()->add("raw", sizeof(shm_table) + 5000, 8, 8, 1);
  });
  CHECK(worker.wait() == 0);
  CHECK(shm_array<int>(shm, "array")[9] == 6);
  CHECK(shm_queue<int>(shm, "queue").dequeue() == 9);
  CHECK(shm.get_table()->find("raw") != nullptr);
}

TEST_CASE("a forked child works on in a segment whose name is gone", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<int> queue(shm, "queue", 3);
  CHECK(shm.unlink());
  child worker([&] { return queue.enqueue(1) && shm_queue<int>(shm, "late", 2).enqueue(2); });
  CHECK(worker.wait() == 0);
  CHECK(queue.dequeue() == 1);
  CHECK(shm_queue<int>(shm, "late").dequeue() == 2);
}

TEST_CASE("a child that destroys inherited objects takes nothing from its parent", "[fork]") {
  const segment_name name;
  auto shm = std::make_unique<posix_shm>(name, 10'000);
  auto queue = std::make_unique<shm_queue<int>>(*shm, "queue", 10);
  CHECK(queue->enqueue(1));
  for (const bool use_before : {false, true}) {
    child worker([&] {
      if (use_before && !queue->enqueue(2)) return false;
      queue.reset();
      shm.reset();
      posix_shm anew(name);
      return shm_queue<int>(anew, "queue").dequeue().has_value();
    });
    CHECK(worker.wait() == 0);
    CHECK(shm->get_ref_count() == 1);
    CHECK(posix_shm(name).get_ref_count() == 2);
  }
  CHECK(queue->enqueue(3));
  CHECK(queue->size() == 1);
}

TEST_CASE("a child may attach anew by name", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<int> queue(shm, "queue", 10);
  const gate attached;
  const gate go_on;
  child worker([&] {
    posix_shm mine(name);
    shm_queue<int> same(mine, "queue");
    const bool sent = same.enqueue(5);
    attached.open();
    go_on.wait();
    return sent;
  });
  attached.wait();
  CHECK(shm.get_ref_count() >= 2);
  go_on.open();
  CHECK(worker.wait() == 0);
  CHECK(eventually([&] { return shm.get_ref_count() == 1; }));
  CHECK(queue.dequeue() == 5);
}

TEST_CASE("a killed child leaves no reference behind", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  const gate attached;
  std::vector<child> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      posix_shm one(name);
      posix_shm two(name);
      attached.open();
      pause();
      return false;
    });
  }
  CHECK(eventually([&] { return shm.get_ref_count() == 7; }));
  workers.pop_back();
  CHECK(eventually([&] { return shm.get_ref_count() == 5; }));
  workers.clear();
  CHECK(eventually([&] { return shm.get_ref_count() == 1; }));
}

TEST_CASE("a stopped child still counts", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  const gate attached;
  child worker([&] {
    posix_shm mine(name);
    attached.open();
    pause();
    return false;
  });
  attached.wait();
  REQUIRE(kill(worker.pid(), SIGSTOP) == 0);
  CHECK(shm.get_ref_count() == 2);
  worker.kill();
  CHECK(eventually([&] { return shm.get_ref_count() == 1; }));
}

TEST_CASE("a parent's end leaves its child attached", "[fork]") {
  const segment_name name;
  posix_shm watcher(name, 10'000);
  shm_queue<int> results(watcher, "results", 4);
  const gate parent_gone;
  const gate child_done;
  child parent([&] {
    posix_shm shm(name);
    shm_queue<int> queue(shm, "results");
    if (fork() == 0) {
      alarm(60);
      parent_gone.wait();
      const bool sent = queue.enqueue(8);
      child_done.open();
      _exit(sent ? 0 : 1);
    }
    return true;
  });
  CHECK(parent.wait() == 0);
  parent_gone.open();
  child_done.wait();
  CHECK(results.dequeue() == 8);
  CHECK(eventually([&] { return watcher.get_ref_count() == 1; }));
}

TEST_CASE("grandchildren use the objects too", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<int> queue(shm, "queue", 10);
  child outer([&] {
    if (!queue.enqueue(1)) return false;
    child inner([&] { return queue.enqueue(2); });
    return inner.wait() == 0 && queue.enqueue(3);
  });
  CHECK(outer.wait() == 0);
  CHECK(queue.dequeue() == 1);
  CHECK(queue.dequeue() == 2);
  CHECK(queue.dequeue() == 3);
  CHECK(eventually([&] { return shm.get_ref_count() == 1; }));
}

TEST_CASE("parent and children work one inherited queue together", "[fork]") {
  constexpr int each = 20'000;
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<int> queue(shm, "queue", 16);
  shm_atomic<long> sum(shm, "sum");
  std::vector<child> workers;
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([&] {
      for (int i = 1; i <= each; ++i) {
        while (!queue.enqueue(i))
          std::this_thread::yield();
      }
      return true;
    });
  }
  for (int w = 0; w < 2; ++w) {
    workers.emplace_back([&] {
      for (int i = 0; i < each; ++i) {
        std::optional<int> value;
        while (!(value = queue.dequeue()))
          std::this_thread::yield();
        sum += *value;
      }
      return true;
    });
  }
  for (int i = 0; i < each; ++i) {
    std::optional<int> value;
    while (!(value = queue.dequeue()))
      std::this_thread::yield();
    sum += *value;
  }
  for (auto& one : workers)
    CHECK(one.wait() == 0);
  CHECK(sum == 3L * each * (each + 1) / 2);
  CHECK(queue.empty());
}

TEST_CASE("a worker killed at work harms nobody", "[fork]") {
  const segment_name name;
  posix_shm shm(name, 10'000);
  shm_queue<int> queue(shm, "queue", 4);
  for (int round = 0; round < 20; ++round) {
    child worker([&] {
      for (;;) {
        if (queue.enqueue(1)) static_cast<void>(queue.dequeue());
      }
      return false;
    });
    for (int i = 0; i < 2000; ++i) {
      static_cast<void>(queue.dequeue());
      static_cast<void>(queue.enqueue(2));
    }
    worker.kill();
    while (queue.dequeue()) {
    }
    for (int i = 0; i < 4; ++i)
      CHECK(queue.enqueue(i));
    CHECK(queue.full());
    for (int i = 0; i < 4; ++i)
      CHECK(queue.dequeue() == i);
  }
  CHECK(eventually([&] { return shm.get_ref_count() == 1; }));
}
