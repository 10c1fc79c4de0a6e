// shm_simd_utils.h, built for several sets of instructions: every count up to a few blocks
// and every alignment, compared with plain loops.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "posix_shm.h"
#include "shm_array.h"
#include "shm_simd_utils.h"

namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr size_t longest = 200;

int failures = 0;

void require(bool holds, const char* what, size_t count, size_t shift) {
  if (holds) return;
  std::fprintf(stderr, "%s, count %zu, shift %zu\n", what, count, shift);
  ++failures;
}

// Floats that begin `shift` bytes behind a multiple of 64, with a guard on either side.
class Floats {
 public:
  Floats(size_t count, size_t shift) : count_(count), bytes_(count * sizeof(float) + shift + 256) {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes_.data());
    start_ = bytes_.data() + (64 - address % 64) + 64 + shift;
    std::ranges::fill(bytes_, guard_);
  }
  float* data() { return reinterpret_cast<float*>(start_); }
  float get(size_t index) const {
    float value;
    std::memcpy(&value, start_ + index * sizeof(value), sizeof(value));
    return value;
  }
  void set(size_t index, float value) {
    std::memcpy(start_ + index * sizeof(value), &value, sizeof(value));
  }
  bool guarded() const {
    const auto* end = start_ + count_ * sizeof(float);
    const auto whole = [this](const char* from, const char* to) {
      return std::all_of(from, to, [this](char byte) { return byte == guard_; });
    };
    return whole(bytes_.data(), start_) && whole(end, bytes_.data() + bytes_.size());
  }

 private:
  static char next_guard() {
    static char next = 0;
    return next = static_cast<char>((next + 1) % 100);
  }

  char guard_ = next_guard();
  size_t count_;
  std::vector<char> bytes_;
  char* start_;
};

// Small whole numbers: their sums are exact in any order.
float number(size_t index) {
  return static_cast<float>(static_cast<int>((index * 37 + 11) % 61) - 30);
}

void folds(size_t count, size_t shift) {
  Floats a(count, shift);
  Floats b(count, (shift + 4) % 64);
  float sum = 0;
  float dot = 0;
  float least = infinity;
  float greatest = -infinity;
  for (size_t i = 0; i < count; ++i) {
    a.set(i, number(i));
    b.set(i, number(i + 5));
    sum += number(i);
    dot += number(i) * number(i + 5);
    least = std::min(least, number(i));
    greatest = std::max(greatest, number(i));
  }
  require(shm_simd::sum_floats(a.data(), count) == sum, "sum", count, shift);
  require(shm_simd::dot_product(a.data(), b.data(), count) == dot, "dot product", count, shift);
  require(shm_simd::min_float(a.data(), count) == least, "least", count, shift);
  require(shm_simd::max_float(a.data(), count) == greatest, "greatest", count, shift);
  for (size_t at = 0; at < count; ++at) {
    a.set(at, -1000);
    require(shm_simd::min_float(a.data(), count) == -1000, "least anywhere", count, at);
    a.set(at, 1000);
    require(shm_simd::max_float(a.data(), count) == 1000, "greatest anywhere", count, at);
    a.set(at, nan);
    const float low = shm_simd::min_float(a.data(), count);
    const float high = shm_simd::max_float(a.data(), count);
    const bool alone = count == 1;
    require(alone ? low == infinity : low >= -30 && low <= 30, "NaN and least", count, at);
    require(alone ? high == -infinity : high >= -30 && high <= 30, "NaN and greatest", count, at);
    a.set(at, number(at));
  }
}

void maps(size_t count, size_t shift) {
  Floats a(count, shift);
  Floats b(count, (shift + 8) % 64);
  Floats c(count, (shift + 20) % 64);
  Floats result(count, (shift + 33) % 64);
  const auto fill = [&] {
    for (size_t i = 0; i < count; ++i) {
      a.set(i, number(i));
      b.set(i, number(i + 3));
      c.set(i, number(i + 7));
    }
  };
  const auto expected = [](size_t i) { return number(i) * number(i + 3) + number(i + 7); };
  fill();
  shm_simd::fma_floats(a.data(), b.data(), c.data(), result.data(), count);
  bool right = true;
  for (size_t i = 0; i < count; ++i)
    right = right && result.get(i) == expected(i);
  require(right && result.guarded(), "fma", count, shift);
  for (Floats* into : {&a, &b, &c}) {
    fill();
    shm_simd::fma_floats(a.data(), b.data(), c.data(), into->data(), count);
    right = true;
    for (size_t i = 0; i < count; ++i)
      right = right && into->get(i) == expected(i);
    require(right && into->guarded(), "fma in place", count, shift);
  }

  fill();
  shm_simd::scale_floats(a.data(), 0.5F, count);
  shm_simd::scale_floats(b.data(), count, -2.0F);
  right = true;
  for (size_t i = 0; i < count; ++i)
    right = right && a.get(i) == number(i) / 2 && b.get(i) == number(i + 3) * -2;
  require(right && a.guarded() && b.guarded(), "scale", count, shift);

  for (size_t i = 0; i < count; ++i)
    result.set(i, 0);
  shm_simd::stream_store_floats(result.data(), c.data(), count);
  right = true;
  for (size_t i = 0; i < count; ++i)
    right = right && result.get(i) == number(i + 7);
  require(right && result.guarded(), "stream", count, shift);
}

void arrays() {
  posix_shm shm("shmds-test-simd-" + std::to_string(getpid()), 10'000);
  shm.unlink();
  shm_array<float> array(shm, "array", 1000);
  const auto& constant = array;
  shm_array<float> other(shm, "other", 1000);
  for (size_t i = 0; i < 1000; ++i) {
    array[i] = static_cast<float>(i);
    other[i] = 2;
  }
  shm_simd::SimdArray values(array);
  shm_simd::SimdArray readable(constant);
  shm_simd::SimdArray<shm_array<float>> twos(other);
  require(values.sum() == 499'500, "sum of an array", 1000, 0);
  require(readable.min() == 0 && readable.max() == 999, "extremes of an array", 1000, 0);
  require(values.dot(other) == 999'000 && values.dot(twos) == 999'000, "dot of arrays", 1000, 0);
  values.scale(3);
  require(array[999] == 2997 && readable.sum() == 1'498'500, "scale of an array", 1000, 0);
  require(shm_simd::is_aligned(array.data(), 64), "alignment", 1000, 0);
  require(!shm_simd::is_aligned(array.data() + 1, 64), "no alignment", 1000, 4);
  shm_simd::prefetch_read(array.data());
  shm_simd::prefetch_read<4096>(array.data());
  shm_simd::prefetch_write(array.data());
  shm_simd::prefetch_read<64>(nullptr);
}

}  // namespace

int main() {
#ifdef __AVX2__
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 77;
#endif
  for (size_t count = 0; count <= longest; ++count) {
    for (const size_t shift : {0UZ, 4UZ, 12UZ, 32UZ, 60UZ, 1UZ, 3UZ}) {
      folds(count, shift);
      maps(count, shift);
    }
  }
  require(shm_simd::sum_floats(nullptr, 0) == 0, "nothing", 0, 0);
  require(shm_simd::dot_product(nullptr, nullptr, 0) == 0, "nothing", 0, 0);
  require(shm_simd::min_float(nullptr, 0) == infinity, "nothing", 0, 0);
  require(shm_simd::max_float(nullptr, 0) == -infinity, "nothing", 0, 0);
  shm_simd::scale_floats(nullptr, 2, 0);
  shm_simd::stream_store_floats(nullptr, nullptr, 0);
  // More than one lane: a million ones are a million.
  const std::vector<float> ones(1'000'003, 1.0F);
  require(shm_simd::sum_floats(ones.data(), ones.size()) == 1'000'003, "ones", ones.size(), 0);
  arrays();
  return failures == 0 ? 0 : 1;
}
