// Waiting on an atomic, as the original documents it, and across processes, which it could not.
#include <atomic>
#include <thread>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_atomic.h"
#include "support.hpp"
#include "surface.hpp"

using surface::an;
using test::child;
using test::segment_name;

namespace {

using atomic = shm_atomic<int>;
PROMISE(void, an<const atomic>().wait(1));
PROMISE(void, an<const atomic>().wait(1, std::memory_order_acquire));
PROMISE(void, an<atomic>().notify_one());
PROMISE(void, an<atomic>().notify_all());

}  // namespace

TEST_CASE("drop-in: threads wait for an atomic to change", "[drop-in]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<int> stage(shm, "stage");
  int seen = 0;
  std::thread waiter([&] {
    stage.wait(0);
    seen = stage;
    stage = 2;
    stage.notify_all();
  });
  stage.store(1);
  stage.notify_one();
  stage.wait(1);
  waiter.join();
  CHECK(seen == 1);
  CHECK(stage == 2);
  stage.wait(0);  // is not 0: does not wait
}

TEST_CASE("difference: a wait is ended from another process", "[differences]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shm_atomic<int> ping(shm, "ping");
  shm_atomic<bool> pong(shm, "pong");
  child other([&] {
    posix_shm own(name);
    shm_atomic<int> same(own, "ping");
    shm_atomic<bool> answer(own, "pong");
    for (int i = 0; i < 200; ++i) {
      same.wait(i);
      answer = !answer;
      answer.notify_one();
    }
    return same == 200;
  });
  bool before = false;
  for (int i = 0; i < 200; ++i) {
    ping = i + 1;
    ping.notify_all();
    pong.wait(before);
    before = !before;
  }
  CHECK(other.wait() == 0);
}
