// One program, two translation units: one checks indices, one does not. Each gets what
// it asked for, whatever the linker keeps of their common functions.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "checked.hpp"

namespace {

template <class Body>
bool aborts(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    close(STDERR_FILENO);
    _exit(body() == 0 ? 0 : 1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

int main() {
  posix_shm shm("shmds-test-checked-" + std::to_string(getpid()), 1000);
  shm.unlink();
  const shm_array<int> array(shm, "array", 5);
  const size_t beyond = 7;  // still memory of the segment
  const bool right = read_checked(array, 4) == 0 && read_unchecked(array, beyond) == 0 &&
                     span_unchecked(array, beyond) == 0 &&
                     aborts([&] { return read_checked(array, beyond); }) &&
                     aborts([&] { return span_checked(array, beyond); }) &&
                     !aborts([&] { return read_unchecked(array, beyond); });
  if (!right) std::fputs("a unit did not get the checks that it asked for\n", stderr);
  return right ? 0 : 1;
}
