/// @file
/// A named atomic value in a segment.
#ifndef SHM_ATOMIC_H
#define SHM_ATOMIC_H

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "posix_shm.h"
#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"
#include "shmds/timeout.hpp"

/// A named std::atomic that every attached process shares.
///
/// The object is a handle: copies refer to the same value, and destroying it
/// leaves the value in the segment. As with std::atomic, assigning one object to
/// another is not possible; `a = b.load()` says which value is meant. On a
/// read-only segment only load() and what reads may be used.
///
/// Thread safety: any number of threads and processes may use one value, and one
/// object, at once. Every operation but waiting and notifying is lock-free and
/// async-signal-safe.
///
/// Values of 16 bytes need -mcx16; all their operations are sequentially consistent,
/// and load() works on a read-only segment only if compiled with AVX.
///
/// @tparam T trivially copyable value on which std::atomic never needs a lock
/// @tparam TableType table_type of the segment
template <shmds::always_lock_free T, class TableType = shm_table>
class shm_atomic {
  // Lock-free, it has no state but the value, so it may stand right on the word.
  // Unlike std::atomic_ref<T> it is aligned to its size, whatever T asks for.
  using word_type = shmds::detail::atomic_word<T>;
  static_assert(sizeof(word_type) == sizeof(T) && alignof(word_type) <= sizeof(T));

 public:
  using value_type = T;       ///< value
  using difference_type = T;  ///< operand of addition and subtraction

  /// True: no operation takes a lock.
  static constexpr bool is_always_lock_free = true;

  /// Creates the value, or opens the one that exists and leaves it alone.
  /// @param segment must outlive this object
  /// @param name cut at TableType::MAX_NAME_SIZE - 1 bytes
  /// @param initial the value if it is created
  /// @throws shmds::error (a std::runtime_error): another size or kind than
  ///         what exists, segment or table full
  shm_atomic(posix_shm_impl<TableType>& segment, std::string_view name, T initial = T{})
      : shm_atomic(attach(segment, name, initial)) {}
  /// Never called: a segment with another table is an error of the compiler.
  shm_atomic(shmds::detail::unsuitable_segment<TableType>, std::string_view, T = T{});

#ifdef __cpp_lib_expected
  /// Opens a value that exists, without exceptions.
  /// @return the atomic, or why there is none
  [[nodiscard]] static shmds::result<shm_atomic> try_open(posix_shm_impl<TableType>& segment,
                                                          std::string_view name) noexcept {
    return attempt(shmds_atomic_open, segment, name, nullptr);
  }
  /// Creates a value, without exceptions; a name that exists is an error.
  /// @return the atomic, or why there is none
  [[nodiscard]] static shmds::result<shm_atomic> try_create(posix_shm_impl<TableType>& segment,
                                                            std::string_view name,
                                                            T initial = T{}) noexcept {
    return attempt(shmds_atomic_create, segment, name, &initial);
  }
  /// Opens a value and leaves it alone, or creates it, without exceptions.
  /// @return the atomic, or why there is none
  [[nodiscard]] static shmds::result<shm_atomic> try_open_or_create(
      posix_shm_impl<TableType>& segment, std::string_view name, T initial = T{}) noexcept {
    return attempt(shmds_atomic_open_or_create, segment, name, &initial);
  }
#endif

  /// Another handle to the same value.
  shm_atomic(const shm_atomic&) noexcept = default;
  shm_atomic& operator=(const shm_atomic&) = delete;
  ~shm_atomic() = default;

  /// True: no operation takes a lock.
  bool is_lock_free() const noexcept { return true; }

  /// Replaces the value.
  void store(T desired, std::memory_order order = std::memory_order_seq_cst) noexcept {
    word_->store(desired, order);
  }
  /// store(desired); returns `desired`.
  T operator=(T desired) noexcept {
    store(desired);
    return desired;
  }

  /// The value.
  T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return word_->load(order);
  }
  /// load().
  operator T() const noexcept { return load(); }

  /// Replaces the value; returns the one before.
  T exchange(T desired, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return word_->exchange(desired, order);
  }

  /// Replaces the value by `desired` if it is bitwise equal to `expected`;
  /// otherwise loads it into `expected`. The weak forms may fail on equality.
  /// @return whether the value was replaced
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) noexcept {
    return word_->compare_exchange_weak(expected, desired, success, failure);
  }
  /// @copydoc compare_exchange_weak(T&, T, std::memory_order, std::memory_order)
  bool compare_exchange_weak(T& expected, T desired,
                             std::memory_order order = std::memory_order_seq_cst) noexcept {
    return word_->compare_exchange_weak(expected, desired, order);
  }
  /// @copydoc compare_exchange_weak(T&, T, std::memory_order, std::memory_order)
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) noexcept {
    return word_->compare_exchange_strong(expected, desired, success, failure);
  }
  /// @copydoc compare_exchange_weak(T&, T, std::memory_order, std::memory_order)
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst) noexcept {
    return word_->compare_exchange_strong(expected, desired, order);
  }

  /// Adds; returns the value before. Integers wrap.
  T fetch_add(T operand, std::memory_order order = std::memory_order_seq_cst) noexcept
    requires shmds::atomic_arithmetic<T>
  {
    return word_->fetch_add(operand, order);
  }
  /// Subtracts; returns the value before. Integers wrap.
  T fetch_sub(T operand, std::memory_order order = std::memory_order_seq_cst) noexcept
    requires shmds::atomic_arithmetic<T>
  {
    return word_->fetch_sub(operand, order);
  }
  /// Bitwise and; returns the value before.
  T fetch_and(T operand, std::memory_order order = std::memory_order_seq_cst) noexcept
    requires shmds::atomic_integer<T>
  {
    return word_->fetch_and(operand, order);
  }
  /// Bitwise or; returns the value before.
  T fetch_or(T operand, std::memory_order order = std::memory_order_seq_cst) noexcept
    requires shmds::atomic_integer<T>
  {
    return word_->fetch_or(operand, order);
  }
  /// Bitwise exclusive or; returns the value before.
  T fetch_xor(T operand, std::memory_order order = std::memory_order_seq_cst) noexcept
    requires shmds::atomic_integer<T>
  {
    return word_->fetch_xor(operand, order);
  }

  /// Adds one; returns the new value.
  T operator++() noexcept
    requires shmds::atomic_integer<T>
  {
    return ++*word_;
  }
  /// Adds one; returns the value before.
  T operator++(int) noexcept
    requires shmds::atomic_integer<T>
  {
    return (*word_)++;
  }
  /// Subtracts one; returns the new value.
  T operator--() noexcept
    requires shmds::atomic_integer<T>
  {
    return --*word_;
  }
  /// Subtracts one; returns the value before.
  T operator--(int) noexcept
    requires shmds::atomic_integer<T>
  {
    return (*word_)--;
  }
  /// Adds; returns the new value.
  T operator+=(T operand) noexcept
    requires shmds::atomic_arithmetic<T>
  {
    return *word_ += operand;
  }
  /// Subtracts; returns the new value.
  T operator-=(T operand) noexcept
    requires shmds::atomic_arithmetic<T>
  {
    return *word_ -= operand;
  }
  /// Bitwise and; returns the new value.
  T operator&=(T operand) noexcept
    requires shmds::atomic_integer<T>
  {
    return *word_ &= operand;
  }
  /// Bitwise or; returns the new value.
  T operator|=(T operand) noexcept
    requires shmds::atomic_integer<T>
  {
    return *word_ |= operand;
  }
  /// Bitwise exclusive or; returns the new value.
  T operator^=(T operand) noexcept
    requires shmds::atomic_integer<T>
  {
    return *word_ ^= operand;
  }

  /// Sleeps while the value is bitwise equal to `old`, until notify_one() or
  /// notify_all() is called in any process after it has changed. A change that
  /// nobody tells of is noticed some milliseconds later.
  void wait(T old, std::memory_order = std::memory_order_seq_cst) const noexcept {
    wait_in(old, SHMDS_WAIT_FOREVER);
  }
  /// wait(), for `timeout` at most.
  /// @return whether the value is another one
  template <class Rep, class Period>
  bool wait_for(T old, const std::chrono::duration<Rep, Period>& timeout) const noexcept {
    return wait_in(old, shmds::detail::timeout_ns(timeout));
  }
  /// wait(), until `end` at most.
  /// @return whether the value is another one
  template <class Clock, class Duration>
  bool wait_until(T old, const std::chrono::time_point<Clock, Duration>& end) const {
    return shmds::detail::wait_until(
        end, [&](std::uint64_t timeout_ns) { return wait_in(old, timeout_ns); });
  }
  /// Wakes at least one of those who wait, in all processes: here, all of them.
  void notify_one() noexcept { notify_all(); }
  /// Wakes everybody who waits, in all processes. To be called after the change.
  /// Costs a memory barrier, and a system call only if somebody sleeps.
  void notify_all() noexcept { static_cast<void>(shmds_atomic_notify(handle_)); }

  /// The name as the table keeps it; valid until the segment object is destroyed.
  std::string_view name() const noexcept { return shmds_atomic_name(handle_); }

  /// The value for calls of the C interface; belongs to the segment.
  [[nodiscard]] shmds_atomic* native_handle() const noexcept { return handle_; }

 private:
  explicit shm_atomic(shmds_atomic* handle) noexcept
      : handle_(handle), word_(static_cast<word_type*>(shmds_atomic_data(handle))) {}

#ifdef __cpp_lib_expected
  static shmds::result<shm_atomic> attempt(decltype(shmds_atomic_open)& call,
                                           const posix_shm_impl<TableType>& segment,
                                           std::string_view name, const T* initial) noexcept {
    shmds_atomic* handle = nullptr;
    const shmds_status status =
        call(segment.native_handle(), shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
             initial, &handle);
    if (status != SHMDS_OK) {
      return shmds::detail::failure(status);
    }
    return shm_atomic(handle);
  }
#endif

  static shmds_atomic* attach(const posix_shm_impl<TableType>& segment, std::string_view name,
                              const T& initial) {
    shmds_atomic* handle = nullptr;
    shmds::detail::check(shmds_atomic_open_or_create(
        segment.native_handle(), shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
        &initial, &handle));
    return handle;
  }

  bool wait_in(const T& old, std::uint64_t timeout_ns) const noexcept {
    return shmds_atomic_wait(handle_, &old, timeout_ns) == SHMDS_OK;
  }

  shmds_atomic* handle_;
  word_type* word_;
};

/// A named atomic bool.
template <class TableType = shm_table>
using shm_atomic_bool = shm_atomic<bool, TableType>;
/// A named atomic int.
template <class TableType = shm_table>
using shm_atomic_int = shm_atomic<int, TableType>;
/// A named atomic unsigned int.
template <class TableType = shm_table>
using shm_atomic_uint = shm_atomic<unsigned int, TableType>;
/// A named atomic std::int32_t.
template <class TableType = shm_table>
using shm_atomic_int32 = shm_atomic<std::int32_t, TableType>;
/// A named atomic std::uint32_t.
template <class TableType = shm_table>
using shm_atomic_uint32 = shm_atomic<std::uint32_t, TableType>;
/// A named atomic std::int64_t.
template <class TableType = shm_table>
using shm_atomic_int64 = shm_atomic<std::int64_t, TableType>;
/// A named atomic std::uint64_t.
template <class TableType = shm_table>
using shm_atomic_uint64 = shm_atomic<std::uint64_t, TableType>;
/// A named atomic size_t.
template <class TableType = shm_table>
using shm_atomic_size_t = shm_atomic<size_t, TableType>;

#endif  // SHM_ATOMIC_H
