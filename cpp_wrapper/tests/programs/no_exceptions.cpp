// The wrapper in a program without exceptions and without run-time type information:
// factories return what failed as a value, and a constructor that fails aborts.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_object_pool.h"
#include "shm_queue.h"
#include "shm_ring_buffer.h"
#include "shm_spsc_queue.h"

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this program is about builds without them"
#endif

namespace {

bool aborts(void (*body)(posix_shm&), posix_shm& shm) {
  const pid_t child = fork();
  if (child == 0) {
    close(STDERR_FILENO);
    body(shm);
    _exit(0);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

int failed(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  return 1;
}

}  // namespace

int main() {
  const std::string name = "shmds-test-no-exceptions-" + std::to_string(getpid());
  posix_shm shm(name, 10'000);
  shm.unlink();
  shm_array<int> numbers(shm, "numbers", 10);
  shm_atomic<int> word(shm, "word", 7);
  shm_queue<int> queue(shm, "queue", 4);
  shm_spsc_queue<int> pipe(shm, "pipe", 4);
  shm_object_pool<int> objects(shm, "objects", 4);
  shm_ring_buffer<int> ring(shm, "ring", 4);
  numbers.at(9) = 3;
  if (!objects.acquire_construct(5) || !ring.push(6) || ring.pop() != 6) return failed("no room");
  if (!queue.enqueue(1) || !pipe.push(2)) return failed("no room");
  if (queue.dequeue() != 1 || pipe.pop() != 2 || word != 7) return failed("not what went in");

#ifdef __cpp_lib_expected
  const auto absent = posix_shm::try_open(name);
  if (absent || absent.error() != SHMDS_E_NOT_FOUND) return failed("opened what is not there");
  if (absent.error().message().find(name) == std::string::npos) return failed("no sentence");
  auto second = shm_array<int>::try_create(shm, "second", 5);
  if (!second || second->size() != 5) return failed("not created");
  if (shm_queue<int>::try_open(shm, "second").has_value()) return failed("another kind opened");
#endif

  if (!aborts([](posix_shm& segment) { shm_array<int> none(segment, "none"); }, shm)) {
    return failed("a constructor that fails goes on");
  }
  if (!aborts([](posix_shm& segment) { shm_array<int>(segment, "numbers").at(10) = 1; }, shm)) {
    return failed("at() goes on beyond the end");
  }
  return 0;
}
