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
  Core() {
    // Long enough to have seen it whole.
    for (const std::uint64_t begin = now_ns(); now_ns() - begin < 50'000'000;) {
      static_cast<void>(is_whole());
    }
  }

  // Nobody shares it, and its clock is no slower, by all that was seen since the program began.
  //
  // Out of line: a copy of the loop that lies elsewhere may take a tenth longer by that alone.
  [[gnu::noinline]] bool is_whole() {
    // As many additions at once as the processor is able to do: in no other's way but a
    // neighbour's.
    std::array<std::uint64_t, 8> sums{};
    const std::uint64_t begin = now_ns();
    for (int i = 0; i < 3000; i++) {
      asm volatile(
          "incq %0\n\tincq %1\n\tincq %2\n\tincq %3\n\t"
          "incq %4\n\tincq %5\n\tincq %6\n\tincq %7"
          : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3]), "+r"(sums[4]),
            "+r"(sums[5]), "+r"(sums[6]), "+r"(sums[7])::"cc");
    }
    const auto ns = static_cast<double>(now_ns() - begin);
    least_ns_ = std::min(least_ns_, ns);
    return ns <= 1.03 * least_ns_;
  }

 private:
  double least_ns_ = std::numeric_limits<double>::infinity();
};

// The one that this process measures on, if it does.
inline Core& this_core() {
  static Core core;
  return core;
}

// How many operations `work` does in a slice's time, the same for all that is measured: whoever is
// slower would be disturbed more often otherwise. Finding out warms up as well.
template <class Work>
std::uint64_t operations_in_a_slice(Work& work) {
  constexpr std::uint64_t slice_ns = 30'000;
  std::uint64_t operations = 256;
  while (true) {
    const std::uint64_t begin = now_ns();
    work(operations);
    if (now_ns() - begin >= slice_ns) return operations;
    operations += operations / 4;
  }
}

// Calls `work` with 0, 1, 2 and 3 as its template argument, in turns: for copies of a loop that lie
// differently in their cache lines, see `lie_elsewhere`.
template <class Work>
class InTurns {
 public:
  explicit InTurns(Work work) : work_(work) {}
  void operator()(std::uint64_t count) {
    switch (turn_++ % 4) {
      case 0:
        return work_.template operator()<0>(count);
      case 1:
        return work_.template operator()<1>(count);
      case 2:
        return work_.template operator()<2>(count);
      default:
        return work_.template operator()<3>(count);
    }
  }

 private:
  Work work_;
  unsigned turn_ = 0;
};

// Moves what follows in a function by 16 bytes times `Place`, as much as compilers align loops to.
// Where in a line a short loop begins is a matter of luck, and some take a tenth longer in one
// place than in another.
template <int Place>
[[gnu::always_inline]] inline void lie_elsewhere() {
#if defined(__x86_64__)
  asm volatile(".skip %c0, 0x90" ::"i"(16 * Place));
#endif
}

// What each operation takes of those that `work` does, so many at a time. It is called until about
// `count` of them were undisturbed. If that takes longer than a fifth of a second, the others count
// unless there are some.
template <class Work>
Timed undisturbed(std::uint64_t count, Work work) {
  constexpr std::uint64_t patience_ns = 200'000'000;
  Core& core = this_core();
  const std::uint64_t slice = operations_in_a_slice(work);
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
  return {ns / static_cast<double>(slice), static_cast<double>(whole) / static_cast<double>(all)};
}

#endif
