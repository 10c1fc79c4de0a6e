// shm_simd_utils.h beside the plain loops over AVX2 intrinsics that one would write first, both
// built with -mavx2 -mfma. Rounds alternate, the fastest counts. Exits 1 when a function of ours
// takes more than 1.1 times as long.
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <vector>

#include "common.hpp"
#include "shm_simd_utils.h"

namespace {

volatile float sink;
volatile float factor = 1.0F;  // not known to the compiler

float horizontal_sum(__m256 lanes) {
  alignas(32) std::array<float, 8> parts;
  _mm256_store_ps(parts.data(), lanes);
  float sum = 0;
  for (const float part : parts)
    sum += part;
  return sum;
}

[[gnu::noinline]] float plain_sum(const float* data, size_t count) {
  __m256 sums = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    sums = _mm256_add_ps(sums, _mm256_loadu_ps(data + i));
  float sum = horizontal_sum(sums);
  for (; i < count; ++i)
    sum += data[i];
  return sum;
}

[[gnu::noinline]] float plain_dot(const float* a, const float* b, size_t count) {
  __m256 sums = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    sums = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sums);
  float sum = horizontal_sum(sums);
  for (; i < count; ++i)
    sum += a[i] * b[i];
  return sum;
}

[[gnu::noinline]] float plain_min(const float* data, size_t count) {
  __m256 least = _mm256_set1_ps(std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    least = _mm256_min_ps(_mm256_loadu_ps(data + i), least);
  alignas(32) std::array<float, 8> parts;
  _mm256_store_ps(parts.data(), least);
  float result = *std::ranges::min_element(parts);
  for (; i < count; ++i)
    result = std::min(result, data[i]);
  return result;
}

[[gnu::noinline]] void plain_scale(float* data, float by, size_t count) {
  const __m256 factors = _mm256_set1_ps(by);
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(data + i, _mm256_mul_ps(_mm256_loadu_ps(data + i), factors));
  for (; i < count; ++i)
    data[i] *= by;
}

[[gnu::noinline]] void plain_fma(const float* a, const float* b, const float* c, float* result,
                                 size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(result + i, _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i),
                                                 _mm256_loadu_ps(c + i)));
  }
  for (; i < count; ++i)
    result[i] = a[i] * b[i] + c[i];
}

// Functions of their own too, so that neither is folded into the loop of the measurement.
[[gnu::noinline]] float our_sum(const float* data, size_t count) {
  return shm_simd::sum_floats(data, count);
}
[[gnu::noinline]] float our_dot(const float* a, const float* b, size_t count) {
  return shm_simd::dot_product(a, b, count);
}
[[gnu::noinline]] float our_min(const float* data, size_t count) {
  return shm_simd::min_float(data, count);
}
[[gnu::noinline]] void our_scale(float* data, float by, size_t count) {
  shm_simd::scale_floats(data, by, count);
}
[[gnu::noinline]] void our_fma(const float* a, const float* b, const float* c, float* result,
                               size_t count) {
  shm_simd::fma_floats(a, b, c, result, count);
}

template <class Call>
double nanoseconds(size_t count, Call call) {
  const size_t times = 200'000 / count + 1;
  const std::uint64_t begin = now_ns();
  for (size_t t = 0; t < times; ++t) {
    call();
    asm volatile("" ::: "memory");
  }
  return static_cast<double>(now_ns() - begin) / static_cast<double>(times * count);
}

template <class Plain, class Ours>
bool compare(const char* what, size_t count, Plain plain, Ours ours) {
  double plain_ns = std::numeric_limits<double>::infinity();
  double our_ns = plain_ns;
  for (int round = 0; round < 200; ++round) {
    plain_ns = std::min(plain_ns, nanoseconds(count, plain));
    our_ns = std::min(our_ns, nanoseconds(count, ours));
  }
  const double ratio = our_ns / plain_ns;
  std::printf("%-6s of %6zu  plain AVX2 %6.3f ns  ours %6.3f ns an element  ratio %.2f  %s\n", what,
              count, plain_ns, our_ns, ratio, ratio <= 1.1 ? "ok" : "SLOWER");
  return ratio <= 1.1;
}

}  // namespace

int main() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::puts("no AVX2 here: not measured");
    return 0;
  }
  bool good = true;
  for (const size_t count : std::array<size_t, 4>{100, 1000, 8000, 1'000'000}) {
    std::vector<float> a(count, 1.0F), b(count, 0.5F), c(count, 2.0F), result(count);
    good &= compare(
        "sum", count, [&] { sink = plain_sum(a.data(), count); },
        [&] { sink = our_sum(a.data(), count); });
    good &= compare(
        "dot", count, [&] { sink = plain_dot(a.data(), b.data(), count); },
        [&] { sink = our_dot(a.data(), b.data(), count); });
    good &= compare(
        "min", count, [&] { sink = plain_min(a.data(), count); },
        [&] { sink = our_min(a.data(), count); });
    good &= compare(
        "scale", count, [&] { plain_scale(c.data(), factor, count); },
        [&] { our_scale(c.data(), factor, count); });
    good &= compare(
        "fma", count, [&] { plain_fma(a.data(), b.data(), c.data(), result.data(), count); },
        [&] { our_fma(a.data(), b.data(), c.data(), result.data(), count); });
  }
  return good ? 0 : 1;
}
