// Ways to end that are no kill: what a process does to itself while attached.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "actor.hpp"

namespace {

/// Deeper than any stack.
__attribute__((noinline)) uint64_t overflow(const volatile uint64_t* above, uint64_t depth) {
  volatile uint64_t frame[512];
  frame[depth % 512] = above ? above[0] : depth;
  return depth == UINT64_MAX ? 0 : overflow(frame, depth + 1) + frame[0];
}

}  // namespace

/// Ends the process in the way of that number; src/exits.rs names them.
extern "C" void crash_exit(uint32_t way) {
  switch (way) {
    case 0:
      std::exit(0);
    case 1:
      _exit(0);
    case 2:
      std::abort();
    case 3:
      overflow(nullptr, 0);
      return;
    case 4: {
      // A program that knows nothing of it takes the process's place.
      const char* arguments[] = {"sleep", "1000", nullptr};
      execvp("sleep", const_cast<char* const*>(arguments));
      return;
    }
    case 5:
      raise(SIGTERM);
      return;
    default: {
      // All the memory there is.
      for (;;) {
        constexpr size_t size = 1 << 20;
        void* memory =
            mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) _exit(9);
        std::memset(memory, 1, size);
      }
    }
  }
}
