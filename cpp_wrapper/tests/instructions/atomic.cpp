// Pairs of functions that must become the same instructions: on a shm_atomic, and on a
// std::atomic that lies where a shm_atomic's value does.
#include <atomic>
#include <cstdint>

#include "shm_atomic.h"

namespace {

template <class T>
struct plain {
  void* handle;
  std::atomic<T>* word;
};

}  // namespace

#define PAIR(name, T, expression)                        \
  extern "C" T ours_##name(shm_atomic<T>& object, T x) { \
    auto& value = object;                                \
    return expression;                                   \
  }                                                      \
  extern "C" T plain_##name(plain<T>& object, T x) {     \
    auto& value = *object.word;                          \
    return expression;                                   \
  }

#define ALL(suffix, T)                                                                          \
  PAIR(load_##suffix, T, (static_cast<void>(x), value.load()))                                  \
  PAIR(load_acquire_##suffix, T, (static_cast<void>(x), value.load(std::memory_order_acquire))) \
  PAIR(store_##suffix, T, (value.store(x), x))                                                  \
  PAIR(store_release_##suffix, T, (value.store(x, std::memory_order_release), x))               \
  PAIR(exchange_##suffix, T, value.exchange(x))                                                 \
  PAIR(compare_exchange_##suffix, T, static_cast<T>(value.compare_exchange_strong(x, x)))

ALL(u8, std::uint8_t)
ALL(i16, std::int16_t)
ALL(u32, std::uint32_t)
ALL(i64, std::int64_t)
ALL(f32, float)
ALL(f64, double)
PAIR(fetch_add_u8, std::uint8_t, value.fetch_add(x))
PAIR(fetch_add_u32, std::uint32_t, value.fetch_add(x))
PAIR(fetch_add_i64, std::int64_t, value.fetch_add(x))
PAIR(fetch_add_relaxed_i64, std::int64_t, value.fetch_add(x, std::memory_order_relaxed))
PAIR(fetch_or_u32, std::uint32_t, value.fetch_or(x))
PAIR(increment_i64, std::int64_t, (static_cast<void>(x), ++value))
PAIR(fetch_add_f64, double, value.fetch_add(x))

// Must not be found equal: whoever compares these as equal compares nothing.
extern "C" std::int64_t ours_different(shm_atomic<std::int64_t>& object, std::int64_t x) {
  return object.fetch_add(x);
}
extern "C" std::int64_t plain_different(plain<std::int64_t>& object, std::int64_t x) {
  return object.word->fetch_sub(x);
}
