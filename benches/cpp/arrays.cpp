// Reads of a shm_array beside a heap array: in sequence and at random, in the cache and out of
// it. Ten million reads are cut into short slices; each round reads every slice from both, in
// turns, and the fastest round of each slice counts, so that what else runs on the machine is
// in neither figure. Nor is where the kernel happened to put them: two heap arrays differ by up
// to a tenth, so both are made anew a number of times. Exits 1 when ours is more than 2 % behind.
// One argument: how often they are made, 12 unless given.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "common.hpp"
#include "posix_shm.h"
#include "shm_array.h"

namespace {

constexpr size_t reads = 10'000'000;
constexpr size_t slices = 100;
volatile double sink;

// What is read in one go: elements [from, to), `times` times.
struct Slice {
  size_t from;
  size_t to;
  size_t times;
};

// The four loops. Each is a function of its own, compiled alike for both.
template <class Array>
[[gnu::noinline]] double in_sequence(const Array& array, const std::uint32_t*, Slice slice) {
  double sum = 0;
  for (size_t t = 0; t < slice.times; ++t) {
    for (size_t i = slice.from; i < slice.to; ++i)
      sum += array[i];
    asm volatile("" ::: "memory");
  }
  return sum;
}
template <class Array>
[[gnu::noinline]] double at_random(const Array& array, const std::uint32_t* order, Slice slice) {
  double sum = 0;
  for (size_t t = 0; t < slice.times; ++t) {
    for (size_t i = slice.from; i < slice.to; ++i)
      sum += array[order[i]];
    asm volatile("" ::: "memory");
  }
  return sum;
}

// An array on the heap, on pages of the same size as shared memory has: what is compared is the
// array, not the kernel's choice of pages.
using heap_array = std::unique_ptr<double[], decltype(&std::free)>;
heap_array make_heap_array(size_t size) {
  const size_t bytes = (size * sizeof(double) + 4095) / 4096 * 4096;
  auto* memory = static_cast<double*>(std::aligned_alloc(4096, bytes));
  if (memory == nullptr || madvise(memory, bytes, MADV_NOHUGEPAGE) != 0) broken("no heap array");
  return {memory, std::free};
}

class Figure {
 public:
  Figure() : fastest_(slices, std::numeric_limits<std::uint64_t>::max()) {}
  template <class Call>
  void measure(size_t slice, Call call) {
    const std::uint64_t begin = now_ns();
    sink = call();
    fastest_[slice] = std::min(fastest_[slice], now_ns() - begin);
  }
  double ns(size_t count) const {
    const auto total = std::accumulate(fastest_.begin(), fastest_.end(), std::uint64_t{0});
    return static_cast<double>(total) / static_cast<double>(count);
  }

 private:
  std::vector<std::uint64_t> fastest_;
};

// Both arrays, somewhere. What is made first lies elsewhere than what is made second.
struct Pair {
  Pair(size_t size, bool heap_first)
      : heap(heap_first ? make_heap_array(size) : heap_array(nullptr, std::free)),
        shm(name(), size * sizeof(double)),
        ours(shm, "ours", size) {
    shm.unlink();
    if (heap_first) fill(heap.get(), size);
    fill(ours.data(), size);
    if (heap_first) return;
    heap = make_heap_array(size);
    fill(heap.get(), size);
  }
  static std::string name() { return "shmds-bench-arrays-" + std::to_string(getpid()); }
  static void fill(double* first, size_t size) { std::iota(first, first + size, 0.0); }

  heap_array heap;
  posix_shm shm;
  shm_array<double> ours;
};

// One of the ways to read, with the figures of both arrays.
template <class Heap, class Ours>
struct Comparison {
  void measure(const Pair& pair, const std::vector<std::uint32_t>& order, size_t rounds) {
    const size_t size = pair.ours.size();
    const size_t times = std::max<size_t>(1, reads / size / slices);
    const size_t share = size * times < reads / 2 ? size : size / slices;
    count = share * times * slices;
    for (size_t round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < slices; ++i) {
        const size_t from = share == size ? 0 : i * share;
        const Slice slice{from, from + share, times};
        const auto first = [&] {
          heap.measure(i, [&] { return read_heap(pair.heap, order.data(), slice); });
        };
        const auto second = [&] {
          ours.measure(i, [&] { return read_ours(pair.ours, order.data(), slice); });
        };
        // Who reads first finds the order's slice out of the cache.
        if ((i + round) % 2 == 0) {
          first();
          second();
        } else {
          second();
          first();
        }
      }
    }
  }

  bool report(const char* where) const {
    const double ratio = ours.ns(count) / heap.ns(count);
    const std::string label = std::string(how) + ", " + where;
    std::printf("%-28s heap %7.3f ns  shm_array %7.3f ns  ratio %.3f  %s\n", label.c_str(),
                heap.ns(count), ours.ns(count), ratio,
                ratio <= 1.02 ? "ok" : "MORE THAN 2 % BEHIND");
    return ratio <= 1.02;
  }

  const char* how;
  Heap read_heap;
  Ours read_ours;
  Figure heap{};
  Figure ours{};
  size_t count = 0;
};

bool run(size_t size, const char* where, size_t places) {
  constexpr size_t rounds = 5;
  std::vector<std::uint32_t> order(size);
  std::uint64_t state = 1;
  for (auto& index : order) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    index = static_cast<std::uint32_t>((state >> 33) % size);
  }
  Comparison sequence{"in sequence", in_sequence<heap_array>, in_sequence<shm_array<double>>};
  Comparison random{"at random", at_random<heap_array>, at_random<shm_array<double>>};
  for (size_t place = 0; place < places; ++place) {
    const Pair pair(size, place % 2 == 0);
    sequence.measure(pair, order, rounds);
    random.measure(pair, order, rounds);
  }
  const bool met = sequence.report(where);
  return random.report(where) && met;
}

}  // namespace

int main(int count, char** arguments) {
  const size_t places = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 12;
  const bool near = run(2000, "in cache", places);
  return run(reads, "out of cache", places) && near ? 0 : 1;
}
