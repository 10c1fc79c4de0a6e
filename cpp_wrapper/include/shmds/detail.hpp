/// @file
/// What the headers of the wrapper share: the constraints on element types, and
/// the steps between C++ arguments and the C interface.
#ifndef SHMDS_DETAIL_HPP
#define SHMDS_DETAIL_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <type_traits>

#include "shmds.h"
#include "shmds/error.hpp"

/// 1: operator[], front() and back() check their index and abort the program
/// when it is out of range. 0: no check. Unless defined before the first header
/// of the wrapper, checks are on exactly when NDEBUG is not defined. Every
/// translation unit of a program should agree on it.
#ifndef SHMDS_CHECKED
#ifdef NDEBUG
#define SHMDS_CHECKED 0
#else
#define SHMDS_CHECKED 1
#endif
#endif

namespace shmds {

/// An element type must be trivially copyable: other processes see its bytes,
/// and no constructor or destructor ever runs there.
template <class T>
concept trivially_copyable = std::is_trivially_copyable_v<T>;

/// A value for shm_atomic: trivially copyable, and std::atomic<T> never needs a
/// lock, because a lock would be private to one process.
template <class T>
concept always_lock_free = trivially_copyable<T> && std::atomic<T>::is_always_lock_free;

/// The types on which std::atomic does integer arithmetic.
template <class T>
concept atomic_integer = std::integral<T> && !std::same_as<T, bool>;

/// The types on which std::atomic adds and subtracts.
template <class T>
concept atomic_arithmetic = atomic_integer<T> || std::floating_point<T>;

namespace detail {

/// Turns a failed call into the exception; must follow the call at once.
inline void check(shmds_status status) {
  if (status != SHMDS_OK) [[unlikely]] {
    throw error(status);
  }
}

/// True for success, false for `refusal`; any other status becomes the exception.
inline bool check_or(shmds_status status, shmds_status refusal) {
  if (status == refusal) {
    return false;
  }
  check(status);
  return true;
}

/// A structure's name as the table keeps it: cut to the table's width, with the
/// NUL that a string_view lacks.
template <class TableType>
class table_name {
 public:
  explicit table_name(std::string_view name) noexcept {
    name.copy(text_.data(), TableType::MAX_NAME_SIZE - 1);
  }

  [[nodiscard]] const char* c_str() const noexcept { return text_.data(); }

 private:
  std::array<char, TableType::MAX_NAME_SIZE> text_{};
};

/// Stops the program on an index out of range, as assert would.
[[noreturn]] inline void index_failure(std::size_t index, std::size_t size) noexcept {
  std::fprintf(stderr, "shmds: index %zu is out of range for size %zu\n", index, size);
  std::abort();
}

/// The check behind operator[]: see SHMDS_CHECKED.
inline void check_index([[maybe_unused]] std::size_t index,
                        [[maybe_unused]] std::size_t size) noexcept {
#if SHMDS_CHECKED
  if (index >= size) [[unlikely]] {
    index_failure(index, size);
  }
#endif
}

/// Makes `self` a copy of `other` where a reference member rules out a
/// defaulted assignment. Copies do not throw, so `self` never stays destroyed.
template <class Handle>
  requires std::is_nothrow_copy_constructible_v<Handle>
Handle& rebind(Handle& self, const Handle& other) noexcept {
  if (&self == &other) {
    return self;
  }
  std::destroy_at(&self);
  return *std::construct_at(&self, other);
}

/// Room for a T that the library fills in; T needs no default constructor.
template <trivially_copyable T>
union storage {
  storage() noexcept {}
  T value;
};

}  // namespace detail
}  // namespace shmds

#endif  // SHMDS_DETAIL_HPP
