/// @file
/// Sums, products and extremes of many floats at once, over plain memory or over
/// an array in a segment.
///
/// Correct on every processor, for every count, 0 among them, and for pointers of
/// any alignment. The instructions are those that the compiler may use: build with
/// -mavx2 -mfma, or -march=native, where that is at hand. Nothing is chosen at run
/// time.
///
/// Sums are added up in several lanes, so the last digits differ from those of a
/// simple loop, mostly for the better, and may differ between builds. The elements
/// are read as plain memory: whoever shares them with writers needs an order agreed
/// on elsewhere.
#ifndef SHM_SIMD_UTILS_H
#define SHM_SIMD_UTILS_H

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ranges>
#include <type_traits>
#include <utility>

#include "shm_array.h"
#include "shmds/detail.hpp"

#if defined(__AVX__) && defined(__FMA__)
#include <immintrin.h>
#elif defined(__SSE__)
#include <xmmintrin.h>
#endif

// Translation units of one program may be built for different instructions; the name
// keeps the linker from using one's functions for the other.
/// @cond a macro for this header alone
#if defined(__AVX512F__) && defined(__FMA__)
#define SHMDS_SIMD_LEVEL avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define SHMDS_SIMD_LEVEL avx2_fma
#elif defined(__AVX2__)
#define SHMDS_SIMD_LEVEL avx2
#elif defined(__AVX__) && defined(__FMA__)
#define SHMDS_SIMD_LEVEL avx_fma
#elif defined(__AVX__)
#define SHMDS_SIMD_LEVEL avx
#else
#define SHMDS_SIMD_LEVEL plain
#endif
/// @endcond

namespace shm_simd {
inline namespace SHMDS_SIMD_LEVEL {

namespace detail {

/// Eight floats that the compiler keeps in as few registers as it can.
using lanes [[gnu::vector_size(32)]] = float;

inline constexpr size_t width = sizeof(lanes) / sizeof(float);
/// Vectors in flight: enough to hide the latency of an addition.
inline constexpr size_t flights = 8;

// By way of void: the pointers may have any alignment.
[[gnu::always_inline]] inline void load(lanes& to, const float* from) noexcept {
  std::memcpy(&to, static_cast<const void*>(from), sizeof(to));
}
[[gnu::always_inline]] inline void store(float* to, const lanes& from) noexcept {
  std::memcpy(static_cast<void*>(to), &from, sizeof(from));
}
[[gnu::always_inline]] inline void load(float& to, const float* from) noexcept {
  std::memcpy(&to, static_cast<const void*>(from), sizeof(to));
}
[[gnu::always_inline]] inline void store(float* to, float from) noexcept {
  std::memcpy(static_cast<void*>(to), &from, sizeof(from));
}

/// c += a * b, fused where the processor can.
[[gnu::always_inline]] inline void multiply_add(lanes& c, const lanes& a, const lanes& b) noexcept {
#if defined(__AVX__) && defined(__FMA__)
  c = _mm256_fmadd_ps(a, b, c);
#else
  c += a * b;
#endif
}
[[gnu::always_inline]] inline void multiply_add(float& c, float a, float b) noexcept {
#ifdef __FMA__
  c = __builtin_fmaf(a, b, c);
#else
  c += a * b;
#endif
}

/// Calls `step` with each index at which a vector of the first `count` elements begins.
/// @return how many elements those vectors hold
template <class Step>
[[gnu::always_inline]] inline size_t for_lanes(size_t count, Step step) noexcept {
  size_t i = 0;
  for (; count - i >= 4 * width; i += 4 * width) {
    step(i);
    step(i + width);
    step(i + 2 * width);
    step(i + 3 * width);
  }
  for (; count - i >= width; i += width) {
    step(i);
  }
  return i;
}

/// Folds eight results into the first, in the fewest steps that wait for each other.
template <class Value, class Operation>
[[gnu::always_inline]] inline void join_eight(std::array<Value, 8>& parts,
                                              Operation operation) noexcept {
  operation.join(parts[0], parts[4]);
  operation.join(parts[1], parts[5]);
  operation.join(parts[2], parts[6]);
  operation.join(parts[3], parts[7]);
  operation.join(parts[0], parts[2]);
  operation.join(parts[1], parts[3]);
  operation.join(parts[0], parts[1]);
}

/// Folds `count` elements to one float.
///
/// An Operation has `start`, what folding begins with; `take(lanes&, i)` and
/// `take(float&, i)`, which fold the elements from `i` on; and `join(into, value)`, which
/// folds two results, of vectors or of floats.
template <class Operation>
[[gnu::always_inline]] inline float fold(size_t count, Operation operation) noexcept {
  float result = operation.start;
  size_t i = 0;
  if (count >= width) {
    lanes all = lanes{} + operation.start;
    if (count >= flights * width) {
      std::array<lanes, flights> parts;
      parts.fill(all);
      for (; count - i >= flights * width; i += flights * width) {
#pragma GCC unroll 8
        for (size_t k = 0; k < flights; ++k) {
          operation.take(parts[k], i + k * width);
        }
      }
      join_eight(parts, operation);
      all = parts[0];
    }
    for (; count - i >= width; i += width) {
      operation.take(all, i);
    }
    std::array<float, width> parts;
    store(parts.data(), all);
    join_eight(parts, operation);
    result = parts[0];
  }
  for (; i < count; ++i) {
    operation.take(result, i);
  }
  return result;
}

struct sum_of {
  static constexpr float start = 0;
  const float* data;

  template <class Value>
  [[gnu::always_inline]] void take(Value& sum, size_t at) const noexcept {
    Value value;
    load(value, data + at);
    sum += value;
  }
  template <class Value>
  [[gnu::always_inline]] static void join(Value& into, const Value& value) noexcept {
    into += value;
  }
};

struct product_of {
  static constexpr float start = 0;
  const float* a;
  const float* b;

  template <class Value>
  [[gnu::always_inline]] void take(Value& sum, size_t at) const noexcept {
    Value left;
    Value right;
    load(left, a + at);
    load(right, b + at);
    multiply_add(sum, left, right);
  }
  template <class Value>
  [[gnu::always_inline]] static void join(Value& into, const Value& value) noexcept {
    into += value;
  }
};

// The comparisons keep `into` where `value` is no number. One instruction on x86.
struct least_of {
  static constexpr float start = std::numeric_limits<float>::infinity();
  const float* data;

  template <class Value>
  [[gnu::always_inline]] void take(Value& into, size_t at) const noexcept {
    Value value;
    load(value, data + at);
    join(into, value);
  }
  template <class Value>
  [[gnu::always_inline]] static void join(Value& into, const Value& value) noexcept {
    into = value < into ? value : into;
  }
};

struct greatest_of {
  static constexpr float start = -std::numeric_limits<float>::infinity();
  const float* data;

  template <class Value>
  [[gnu::always_inline]] void take(Value& into, size_t at) const noexcept {
    Value value;
    load(value, data + at);
    join(into, value);
  }
  template <class Value>
  [[gnu::always_inline]] static void join(Value& into, const Value& value) noexcept {
    into = value > into ? value : into;
  }
};

}  // namespace detail

/// Whether `address` is a multiple of `alignment`, a power of two.
[[nodiscard]] inline bool is_aligned(const void* address, size_t alignment) noexcept {
  return (reinterpret_cast<std::uintptr_t>(address) & (alignment - 1)) == 0;
}

/// The sum of `count` floats; 0 for none.
[[nodiscard]] inline float sum_floats(const float* data, size_t count) noexcept {
  return detail::fold(count, detail::sum_of{data});
}

/// The sum of the products of `count` pairs; 0 for none.
[[nodiscard]] inline float dot_product(const float* a, const float* b, size_t count) noexcept {
  return detail::fold(count, detail::product_of{a, b});
}

/// Multiplies `count` floats by `factor`, in place.
inline void scale_floats(float* data, float factor, size_t count) noexcept {
  const auto step = [data, factor]<class Value>(Value&& value, size_t at) {
    detail::load(value, data + at);
    value *= factor;
    detail::store(data + at, value);
  };
  size_t i = detail::for_lanes(count, [step](size_t at) { step(detail::lanes{}, at); });
  for (; i < count; ++i) {
    step(0.0F, i);
  }
}
/// The same, for programs that name the count first.
template <std::integral Count, std::floating_point Factor>
void scale_floats(float* data, Count count, Factor factor) noexcept {
  scale_floats(data, static_cast<float>(factor), static_cast<size_t>(count));
}

/// `result[i] = a[i] * b[i] + c[i]` for `count` elements, fused (rounded once) where
/// the build may use FMA instructions. `result` may be any of the others; arrays that
/// overlap otherwise are not allowed.
inline void fma_floats(const float* a, const float* b, const float* c, float* result,
                       size_t count) noexcept {
  const auto step = [a, b, c, result]<class Value>(Value&& sum, size_t at) {
    Value left;
    Value right;
    detail::load(left, a + at);
    detail::load(right, b + at);
    detail::load(sum, c + at);
    detail::multiply_add(sum, left, right);
    detail::store(result + at, sum);
  };
  size_t i = detail::for_lanes(count, [step](size_t at) { step(detail::lanes{}, at); });
  for (; i < count; ++i) {
    step(0.0F, i);
  }
}

/// The least of `count` floats. What is no number (NaN) is passed over; infinity if
/// nothing else is there. Of 0 and -0 either.
[[nodiscard]] inline float min_float(const float* data, size_t count) noexcept {
  return detail::fold(count, detail::least_of{data});
}

/// The greatest of `count` floats. What is no number (NaN) is passed over; minus
/// infinity if nothing else is there. Of 0 and -0 either.
[[nodiscard]] inline float max_float(const float* data, size_t count) noexcept {
  return detail::fold(count, detail::greatest_of{data});
}

/// Asks for the line `distance` bytes behind `address`, to be read soon. A hint: the
/// address need not be valid.
template <std::ptrdiff_t distance = 0>
inline void prefetch_read(const void* address) noexcept {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(address) +
                                                   static_cast<std::uintptr_t>(distance)),
                     0, 3);
}

/// Asks for the line `distance` bytes behind `address`, to be written soon. A hint:
/// the address need not be valid.
template <std::ptrdiff_t distance = 0>
inline void prefetch_write(const void* address) noexcept {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(address) +
                                                   static_cast<std::uintptr_t>(distance)),
                     1, 3);
}

/// Copies `count` floats past the cache, for data that nobody here reads soon. The two
/// must not overlap. When it returns, the copy is as visible to others as one made by
/// plain stores.
inline void stream_store_floats(float* dest, const float* src, size_t count) noexcept {
  size_t i = 0;
#ifdef __SSE__
  if (is_aligned(dest, alignof(float))) {
    for (; i < count && !is_aligned(dest + i, 64); ++i) {
      float value;
      detail::load(value, src + i);
      detail::store(dest + i, value);
    }
    const size_t head = i;
    // A line at a time: what fills it leaves in one piece.
    for (; count - i >= 16; i += 16) {
      const auto* from = src + i;
      auto* to = dest + i;
      const __m128 first = _mm_loadu_ps(from);
      const __m128 second = _mm_loadu_ps(from + 4);
      const __m128 third = _mm_loadu_ps(from + 8);
      const __m128 fourth = _mm_loadu_ps(from + 12);
      _mm_stream_ps(to, first);
      _mm_stream_ps(to + 4, second);
      _mm_stream_ps(to + 8, third);
      _mm_stream_ps(to + 12, fourth);
    }
    if (i > head) {
      _mm_sfence();  // these stores keep no order with the later ones otherwise
    }
  }
#endif
  if (i < count) {
    std::memcpy(static_cast<void*>(dest + i), static_cast<const void*>(src + i),
                (count - i) * sizeof(float));
  }
}

/// The operations above over an array, which it refers to and which must outlive it.
/// The type is deduced: `shm_simd::SimdArray values(array);`
///
/// @tparam Array a shm_array<float>, or whatever else has floats side by side
template <class Array>
  requires std::ranges::contiguous_range<Array> &&
           std::same_as<std::remove_cv_t<std::ranges::range_value_t<Array>>, float>
class SimdArray {
 public:
  /// Refers to `array`.
  explicit SimdArray(Array& array) noexcept : array_(array) {}

  /// The sum of all elements; 0 for none.
  [[nodiscard]] float sum() const noexcept { return sum_floats(data(), size()); }
  /// The least element; see min_float().
  [[nodiscard]] float min() const noexcept { return min_float(data(), size()); }
  /// The greatest element; see max_float().
  [[nodiscard]] float max() const noexcept { return max_float(data(), size()); }

  /// Multiplies all elements by `factor`.
  void scale(float factor) noexcept
    requires(!std::is_const_v<
             std::remove_pointer_t<decltype(std::ranges::data(std::declval<Array&>()))>>)
  {
    scale_floats(std::ranges::data(array_), factor, size());
  }

  /// The sum of the products of elements of equal index. Both need the same size:
  /// checked as an index is, see SHMDS_CHECKED; otherwise the shorter decides.
  template <class Other>
  [[nodiscard, gnu::always_inline]] float dot(const SimdArray<Other>& other) const noexcept {
    return dot_with(other.data(), other.size());
  }
  /// @copydoc dot()
  template <std::ranges::contiguous_range Other>
    requires std::same_as<std::remove_cv_t<std::ranges::range_value_t<Other>>, float>
  [[nodiscard, gnu::always_inline]] float dot(const Other& other) const noexcept {
    return dot_with(std::ranges::data(other), std::ranges::size(other));
  }

  /// Address of the first element.
  [[nodiscard]] const float* data() const noexcept { return std::ranges::data(array_); }
  /// Number of elements.
  [[nodiscard]] size_t size() const noexcept { return std::ranges::size(array_); }

 private:
  [[gnu::always_inline]] float dot_with(const float* other, size_t count) const noexcept {
    const size_t common = std::min(size(), count);
    if (size() != count) {
      shmds::detail::check_index(common, common);
    }
    return dot_product(data(), other, common);
  }

  Array& array_;
};

}  // namespace SHMDS_SIMD_LEVEL
}  // namespace shm_simd

#undef SHMDS_SIMD_LEVEL

#endif  // SHM_SIMD_UTILS_H
