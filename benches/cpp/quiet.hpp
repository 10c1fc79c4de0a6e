// Times what one thread does while it has its processor for itself.
//
// The other half of a processor's core may belong to somebody of whom nobody here knows: another
// guest of the host. Then all takes up to twice as long, except for a bare compare-and-swap, and
// the ratio of the two tells of the neighbour. So what is timed is cut into slices, and a known
// piece of work before and after each one tells whether the core was whole. What is timed has no
// say in it.
#ifndef SHMDS_BENCH_QUIET_HPP
#define SHMDS_BENCH_QUIET_HPP

#include <algorithm>
#include <limits>
#include <ostream>

#include "common.hpp"

// What operations took.
struct Timed {
  double ns;           // each of them, in slices that nobody disturbed, if there were any
  double undisturbed;  // the share of those slices
};

inline std::ostream& operator<<(std::ostream& out, const Timed& timed) {
  return out << "ns " << timed.ns << " undisturbed " << timed.undisturbed;
}

// Tells whether the core is whole; the same in the Rust program.
class Core {
 public:
  // Nobody shares it, by all that was seen since the program began.
  bool is_whole() { return additions_ns() <= 1.1 * least_ns_; }

 private:
  // As many at once as the processor is able to do; they are in no other's way but a neighbour's.
  double additions_ns() {
    std::array<std::uint64_t, 8> sums{};
    const std::uint64_t begin = now_ns();
    for (int i = 0; i < 1000; i++) {
      asm volatile(
          "inc %0\n\tinc %1\n\tinc %2\n\tinc %3\n\t"
          "inc %4\n\tinc %5\n\tinc %6\n\tinc %7"
          : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3]), "+r"(sums[4]),
            "+r"(sums[5]), "+r"(sums[6]), "+r"(sums[7])::"cc");
    }
    const auto ns = static_cast<double>(now_ns() - begin);
    least_ns_ = std::min(least_ns_, ns);
    return ns;
  }

  double least_ns_ = std::numeric_limits<double>::infinity();
};

// The one that the program measures on.
inline Core core;

// What each operation takes of those that `work` does, so many at a time. It is called until about
// `count` of them were undisturbed. If that takes longer than a fifth of a second, the others count
// unless there are some.
template <class Work>
Timed undisturbed(std::uint64_t count, Work work) {
  constexpr std::uint64_t slice = 4096;
  constexpr std::uint64_t patience_ns = 200'000'000;
  const std::uint64_t wanted = count / slice + 1;
  const std::uint64_t start = now_ns();
  std::uint64_t all = 0;
  std::uint64_t whole = 0;
  double all_ns = 0;
  double whole_ns = 0;
  while (whole < wanted) {
    const bool before = core.is_whole();
    if (now_ns() - start > patience_ns) {
      if (all >= wanted) break;
    } else if (!before) {
      continue;
    }
    const std::uint64_t begin = now_ns();
    work(slice);
    const auto ns = static_cast<double>(now_ns() - begin);
    all++;
    all_ns += ns;
    if (before && core.is_whole()) {
      whole++;
      whole_ns += ns;
    }
  }
  const double ns =
      whole > 0 ? whole_ns / static_cast<double>(whole) : all_ns / static_cast<double>(all);
  return {ns / slice, static_cast<double>(whole) / static_cast<double>(all)};
}

#endif
