/// @file
/// A value of 16 bytes that is changed by one instruction, where the compiler may use it.
#ifndef SHMDS_WIDE_ATOMIC_HPP
#define SHMDS_WIDE_ATOMIC_HPP

#include <atomic>
#include <bit>
#include <type_traits>
#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace shmds::detail {

/// Whether T has 16 bytes that std::atomic would guard with a lock, although this
/// translation unit is compiled for processors that exchange 16 bytes at once (-mcx16).
template <class T>
inline constexpr bool is_wide =
#ifdef __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16
    sizeof(T) == 16 && std::is_trivially_copyable_v<T> && !std::atomic<T>::is_always_lock_free;
#else
    false;
#endif

#ifdef __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16

__extension__ using wide_bits = unsigned __int128;

/// The operations of std::atomic<T> that need no arithmetic; all are sequentially consistent.
template <class T>
class wide_atomic {
 public:
  T load(std::memory_order = std::memory_order_seq_cst) const noexcept {
#if defined(__AVX__)
    // One access on every processor with AVX, and none that writes.
    __m128i value;
    __asm__ __volatile__("vmovdqa %1, %0" : "=x"(value) : "m"(bits_) : "memory");
    return std::bit_cast<T>(value);
#else
    return std::bit_cast<T>(__sync_val_compare_and_swap(const_cast<wide_bits*>(&bits_), 0, 0));
#endif
  }

  void store(T desired, std::memory_order = std::memory_order_seq_cst) noexcept {
    exchange(desired);
  }

  T exchange(T desired, std::memory_order = std::memory_order_seq_cst) noexcept {
    T expected = load();
    while (!compare_exchange_strong(expected, desired)) {
    }
    return expected;
  }

  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) noexcept {
    const auto wanted = std::bit_cast<wide_bits>(expected);
    const wide_bits found =
        __sync_val_compare_and_swap(&bits_, wanted, std::bit_cast<wide_bits>(desired));
    if (found == wanted) {
      return true;
    }
    expected = std::bit_cast<T>(found);
    return false;
  }

  bool compare_exchange_weak(T& expected, T desired,
                             std::memory_order success = std::memory_order_seq_cst,
                             std::memory_order failure = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, desired, success, failure);
  }

 private:
  wide_bits bits_;
};

#else

template <class T>
class wide_atomic;

#endif

/// What an atomic value is reached as.
template <class T>
using atomic_word = std::conditional_t<is_wide<T>, wide_atomic<T>, std::atomic<T>>;

}  // namespace shmds::detail

#endif  // SHMDS_WIDE_ATOMIC_HPP
