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
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "shmds.h"
#include "shmds/error.hpp"
#include "shmds/wide_atomic.hpp"

/// 1: operator[], front(), back() and handles check their index and abort the
/// program when it is out of range. 0: no check. Unless defined before the first
/// header of the wrapper, checks are on exactly when NDEBUG is not defined.
///
/// Translation units of one program may differ: nothing but the checks depends on
/// it, and they are expanded in line, so that each unit gets what it asked for.
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

/// A value for shm_atomic: trivially copyable, and never in need of a lock, because a
/// lock would be private to one process. Values of 16 bytes are among them where the
/// compiler may use the instruction that exchanges so many (-mcx16).
template <class T>
concept always_lock_free =
    trivially_copyable<T> && (std::atomic<T>::is_always_lock_free || detail::is_wide<T>);

/// The types on which std::atomic does integer arithmetic.
template <class T>
concept atomic_integer = std::integral<T> && !std::same_as<T, bool>;

/// The types on which std::atomic adds and subtracts.
template <class T>
concept atomic_arithmetic = atomic_integer<T> || std::floating_point<T>;

namespace detail {

// The namespaces below keep translation units with exceptions and without apart.
#ifdef __cpp_exceptions
inline namespace throwing {

/// Reports the failure of the call just made.
[[noreturn]] inline void fail(shmds_status status) {
  throw error(status);
}

/// Reports an index that at() was given.
[[noreturn]] inline void fail_range(const std::string& what) {
  throw std::out_of_range(what);
}
#else
inline namespace aborting {

/// Reports the failure of the call just made: without exceptions, its sentence is
/// the last thing that the program says.
[[noreturn]] inline void fail(shmds_status status) {
  std::fprintf(stderr, "shmds: %s\n", error_code(status).message().c_str());
  std::abort();
}

/// Reports an index that at() was given.
[[noreturn]] inline void fail_range(const std::string& what) {
  std::fprintf(stderr, "shmds: %s\n", what.c_str());
  std::abort();
}
#endif

/// Turns a failed call into the exception; must follow the call at once.
inline void check(shmds_status status) {
  if (status != SHMDS_OK) [[unlikely]] {
    fail(status);
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

}  // namespace

/// What the C functions have in common that create or open a structure.
template <class Handle>
using open_function = shmds_status(shmds_segment*, const char*, std::size_t, std::size_t,
                                   std::size_t, Handle**);

#ifdef __cpp_lib_expected
/// What a factory returns after a call that failed; must follow the call at once.
inline std::unexpected<error_code> failure(shmds_status status) {
  return std::unexpected<error_code>(error_code(status));
}
#endif

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

/// The check behind operator[]: see SHMDS_CHECKED. Whoever calls it is always
/// inline as well.
template <bool checked = SHMDS_CHECKED != 0>
[[gnu::always_inline]] inline void check_index(std::size_t index, std::size_t size) noexcept {
  if (checked && index >= size) [[unlikely]] {
    index_failure(index, size);
  }
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

/// How a copy of an element is best handed to a function that is called: in registers, if it fits
/// there. Otherwise not by value either: that would keep the element itself in memory.
template <class T>
using argument =
    std::conditional_t<sizeof(T) <= 2 * sizeof(void*) && std::is_copy_constructible_v<T>, T,
                       const T&>;

/// A copy to hand on; or, where there can be none, the element itself.
template <class T>
[[gnu::always_inline]] inline std::conditional_t<std::is_copy_constructible_v<T>, T, const T&>
copied(const T& value) noexcept {
  return value;
}

/// Copies an element out of a slot. A class is copied as what it is, so that compilers leave out
/// what nobody looks at. The bytes of anything else may be no value of it, if somebody has damaged
/// the segment: they come as they are.
template <class T>
[[gnu::always_inline]] inline void copy_out(T& value, const void* slot) noexcept {
  if constexpr (std::is_class_v<T>) {
    value = *static_cast<const T*>(slot);
  } else {
    std::memcpy(&value, slot, sizeof(T));
  }
  // Whoever checks the value must not look at the slot again.
  std::atomic_signal_fence(std::memory_order_acq_rel);
}

/// Room for a T that the library fills in; T needs no default constructor.
template <trivially_copyable T>
union storage {
  storage() noexcept {}
  T value;
};

/// Whether what is out of line has found something, which is in `value` then.
template <class T>
[[nodiscard, gnu::always_inline]] inline bool copy_late(T& value,
                                                        const std::optional<T>& late) noexcept {
  if (late) {
    value = *late;
  }
  return late.has_value();
}

/// What the code in line has put into `out`, if it has found something; or else what `otherwise`
/// finds.
///
/// Not straight into the optional, nor is one from elsewhere handed on: a compiler that has two
/// ways to get it puts it into memory, piece by piece, and waits to load it as a whole.
template <class T, class Otherwise>
[[gnu::always_inline]] inline std::optional<T> found_or(
    bool found, storage<T>& out, Otherwise otherwise) noexcept(noexcept(otherwise())) {
  if (!found) [[unlikely]] {
    const std::optional<T> late = otherwise();
    found = late.has_value();
    if (found) {
      std::construct_at(&out.value, *late);
    }
  }
  return found ? std::optional<T>(out.value) : std::nullopt;
}

}  // namespace detail
}  // namespace shmds

#endif  // SHMDS_DETAIL_HPP
