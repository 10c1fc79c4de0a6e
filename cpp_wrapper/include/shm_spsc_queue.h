/// @file
/// A named first-in-first-out queue for one producer and one consumer.
#ifndef SHM_SPSC_QUEUE_H
#define SHM_SPSC_QUEUE_H

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "posix_shm.h"
#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"
#include "shmds/inline_spsc_queue.h"
#include "shmds/timeout.hpp"

/// A named bounded queue for one producer and one consumer at a time: the fastest
/// way for elements from one thread or process to another.
///
/// Roles: the first push through a segment object makes it the producer, the first
/// pop the consumer; it may be both. While somebody who lives holds a role, the
/// calls of others throw; leave() and the end of the segment object give the roles
/// up, and those of the dead are taken over. A forked child holds no role at first.
///
/// Death: a process may be killed anywhere. What it had published stays, once and
/// in order; what it was publishing is there as a whole or not at all. pop() gives
/// every element at most once: one that was copied but not yet taken when its
/// consumer died goes to the next. front() with release() gives every element at
/// least once: one that was not released is at the front for the next consumer.
///
/// The object is a handle: copies refer to the same queue and share its roles, and
/// destroying it leaves the queue in the segment.
///
/// Thread safety: one thread at a time pushes, and one at a time pops, through all
/// the handles that one segment object gave. Not async-signal-safe.
///
/// @tparam T trivially copyable element; alignments up to 4096 are honoured
/// @tparam TableType table_type of the segment
template <shmds::trivially_copyable T, class TableType = shm_table>
class shm_spsc_queue {
 public:
  using value_type = T;      ///< element
  using size_type = size_t;  ///< counts

  /// Creates or opens a queue; takes no role yet.
  /// @param segment must outlive this object
  /// @param name cut at TableType::MAX_NAME_SIZE - 1 bytes
  /// @param capacity number of elements, all of them usable. Greater than 0:
  ///        creates the queue, or opens one that has exactly this capacity. 0:
  ///        opens what exists.
  /// @throws shmds::error (a std::runtime_error): absent, other capacity, element
  ///         size or kind than asked, segment or table full
  shm_spsc_queue(posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity = 0)
      : handle_(attach(segment, name, capacity)) {}
  /// Never called: a segment with another table is an error of the compiler.
  shm_spsc_queue(shmds::detail::unsuitable_segment<TableType>, std::string_view, size_type = 0);

#ifdef __cpp_lib_expected
  /// Opens a queue that exists, without exceptions; see the constructor.
  /// @return the queue, or why there is none
  [[nodiscard]] static shmds::result<shm_spsc_queue> try_open(posix_shm_impl<TableType>& segment,
                                                              std::string_view name,
                                                              size_type capacity = 0) noexcept {
    return attempt(shmds_spsc_queue_open, segment, name, capacity);
  }
  /// Creates a queue, without exceptions; a name that exists is an error.
  /// @return the queue, or why there is none
  [[nodiscard]] static shmds::result<shm_spsc_queue> try_create(posix_shm_impl<TableType>& segment,
                                                                std::string_view name,
                                                                size_type capacity) noexcept {
    return attempt(shmds_spsc_queue_create, segment, name, capacity);
  }
  /// Opens a queue, creating it if it does not exist, without exceptions.
  /// @return the queue, or why there is none
  [[nodiscard]] static shmds::result<shm_spsc_queue> try_open_or_create(
      posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity) noexcept {
    return attempt(shmds_spsc_queue_open_or_create, segment, name, capacity);
  }
#endif

  /// Whether an SPSC queue of this name exists in `segment`.
  static bool exists(const posix_shm_impl<TableType>& segment, std::string_view name) noexcept {
    shmds_entry_info info{};
    info.struct_size = sizeof(info);
    return shmds_segment_find(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(),
                              &info) == SHMDS_OK &&
           info.kind == SHMDS_KIND_SPSC_QUEUE;
  }

  /// Puts a copy of `value` at the end.
  /// @return false, with nothing changed, if the queue is full
  /// @throws shmds::error if somebody else is the producer, and lives
  [[nodiscard, gnu::always_inline]] bool push(const T& value) {
    return shmds_spsc_queue_try_push_inline(handle_, &value, sizeof(T)) ||
           push_by_call(handle_, shmds::detail::copied(value));
  }

  /// Takes the oldest element.
  /// @return the element, nothing if the queue is empty
  /// @throws shmds::error if somebody else is the consumer, and lives
  [[nodiscard, gnu::always_inline]] std::optional<T> pop() {
    shmds::detail::storage<T> out;
    const bool found = shmds_spsc_queue_try_pop_inline(handle_, &out, sizeof(T));
    return shmds::detail::found_or(found, out, [this] { return pop_by_call(handle_); });
  }

  /// Takes the oldest element.
  /// @param[out] value the element; untouched if the queue is empty
  /// @return false if the queue is empty
  /// @throws as pop()
  [[nodiscard, gnu::always_inline]] bool pop(T& value) {
    shmds_spsc_queue_popping popping;
    if (!shmds_spsc_queue_begin_pop_inline(handle_, sizeof(T), &popping)) [[unlikely]] {
      return shmds::detail::copy_late(value, pop_by_call(handle_));
    }
    shmds::detail::copy_out(value, popping.element);
    shmds_spsc_queue_end_pop_inline(handle_, &popping);
    return true;
  }

  /// The oldest element where it lies, null if the queue is empty. Valid until it is
  /// released or popped, or the role given up.
  /// @throws as pop()
  [[nodiscard]] T* front() {
    const void* element = nullptr;
    if (!done(shmds_spsc_queue_front_inline(handle_, &element, sizeof(T)), SHMDS_EMPTY)) {
      return nullptr;
    }
    // The slot is the consumer's until the release.
    return static_cast<T*>(const_cast<void*>(element));
  }

  /// Takes the element that front() gave.
  /// @throws shmds::error if front() gave none, or it has been taken since, or the
  ///         segment was closed
  void release() { shmds::detail::check(shmds_spsc_queue_release_inline(handle_)); }

  /// Puts copies of as many elements at the end as fit, the first ones of `values`.
  /// They appear at once: a process that is killed has put all of them or none.
  /// @return how many
  /// @throws as push()
  [[nodiscard]] size_type push_bulk(std::span<const T> values) {
    size_type pushed = 0;
    done(shmds_spsc_queue_push_bulk(handle_, values.data(), values.size(), &pushed), SHMDS_FULL);
    return pushed;
  }

  /// Takes as many of the oldest elements as there are and fit, to the start of
  /// `values`.
  /// @return how many
  /// @throws as pop()
  [[nodiscard]] size_type pop_bulk(std::span<T> values) {
    size_type popped = 0;
    done(shmds_spsc_queue_pop_bulk(handle_, values.data(), values.size(), &popped), SHMDS_EMPTY);
    return popped;
  }

  /// Puts a copy of `value` at the end, waiting for room.
  /// @return false if there was none for `timeout`
  /// @throws as push()
  template <class Rep, class Period>
  [[nodiscard]] bool push_for(const T& value, std::chrono::duration<Rep, Period> timeout) {
    return push(value) || push_within(value, shmds::detail::timeout_ns(timeout));
  }

  /// Puts a copy of `value` at the end, waiting for room.
  /// @return false if there was none until `end`
  /// @throws as push()
  template <class Clock, class Duration>
  [[nodiscard]] bool push_until(const T& value, std::chrono::time_point<Clock, Duration> end) {
    return push(value) || shmds::detail::wait_until(end, [&](std::uint64_t timeout) {
             return push_within(value, timeout);
           });
  }

  /// Takes the oldest element, waiting for one.
  /// @return the element, nothing if there was none for `timeout`
  /// @throws as pop()
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> pop_for(std::chrono::duration<Rep, Period> timeout) {
    shmds::detail::storage<T> out;
    if (!pop(out.value) && !pop_within(out.value, shmds::detail::timeout_ns(timeout))) {
      return std::nullopt;
    }
    return out.value;
  }

  /// Takes the oldest element, waiting for one.
  /// @return the element, nothing if there was none until `end`
  /// @throws as pop()
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> pop_until(std::chrono::time_point<Clock, Duration> end) {
    shmds::detail::storage<T> out;
    const auto within = [&](std::uint64_t timeout) { return pop_within(out.value, timeout); };
    if (!pop(out.value) && !shmds::detail::wait_until(end, within)) {
      return std::nullopt;
    }
    return out.value;
  }

  /// Gives up the roles that this segment object holds here; the next push or pop
  /// takes them again.
  void leave() noexcept { shmds_spsc_queue_leave(handle_); }

  /// Whether there is nothing to take at this moment.
  [[nodiscard]] bool empty() const noexcept { return shmds_spsc_queue_empty(handle_); }
  /// Whether there is no room at this moment.
  [[nodiscard]] bool full() const noexcept { return shmds_spsc_queue_full(handle_); }
  /// Number of elements at this moment; while others work on the queue, an
  /// estimate between 0 and capacity().
  [[nodiscard]] size_type size() const noexcept { return shmds_spsc_queue_size(handle_); }
  /// Number of elements that fit.
  [[nodiscard]] size_type capacity() const noexcept { return shmds_spsc_queue_capacity(handle_); }

  /// The name as the table keeps it; valid until the segment object is destroyed.
  [[nodiscard]] std::string_view name() const noexcept { return shmds_spsc_queue_name(handle_); }

  /// The queue for calls of the C interface; belongs to the segment.
  [[nodiscard]] shmds_spsc_queue* native_handle() const noexcept { return handle_; }

 private:
  explicit shm_spsc_queue(shmds_spsc_queue* handle) noexcept : handle_(handle) {}

  static shmds_spsc_queue* attach(const posix_shm_impl<TableType>& segment, std::string_view name,
                                  size_type capacity) {
    const auto call = capacity > 0 ? shmds_spsc_queue_open_or_create : shmds_spsc_queue_open;
    shmds_spsc_queue* handle = nullptr;
    shmds::detail::check(call(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
                              alignof(T), capacity, &handle));
    return handle;
  }

#ifdef __cpp_lib_expected
  static shmds::result<shm_spsc_queue> attempt(shmds::detail::open_function<shmds_spsc_queue>& call,
                                               posix_shm_impl<TableType>& segment,
                                               std::string_view name, size_type capacity) noexcept {
    shmds_spsc_queue* handle = nullptr;
    const shmds_status status =
        call(segment.native_handle(), shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
             alignof(T), capacity, &handle);
    if (status != SHMDS_OK) {
      return shmds::detail::failure(status);
    }
    return shm_spsc_queue(handle);
  }
#endif

  /// Whether a call succeeded; false if it had to wait, which `blocked` stands for.
  static bool done(shmds_status status, shmds_status blocked) {
    if (status == SHMDS_OK) [[likely]] {
      return true;
    }
    if (status != blocked) {
      shmds::detail::fail(status);
    }
    return false;
  }

  // What cannot be done in line. Not members, and a small element by value, so that callers may
  // keep the handle and the element in registers.
  [[gnu::cold, gnu::noinline]] static bool push_by_call(shmds_spsc_queue* handle,
                                                        shmds::detail::argument<T> value) {
    return done(shmds_spsc_queue_push(handle, &value), SHMDS_FULL);
  }
  [[gnu::cold, gnu::noinline]] static std::optional<T> pop_by_call(shmds_spsc_queue* handle) {
    shmds::detail::storage<T> out;
    if (!done(shmds_spsc_queue_pop(handle, &out), SHMDS_EMPTY)) {
      return std::nullopt;
    }
    return out.value;
  }

  bool push_within(const T& value, std::uint64_t timeout) {
    return done(shmds_spsc_queue_push_wait(handle_, &value, timeout), SHMDS_TIMEOUT);
  }
  bool pop_within(T& value, std::uint64_t timeout) {
    return done(shmds_spsc_queue_pop_wait(handle_, &value, timeout), SHMDS_TIMEOUT);
  }

  shmds_spsc_queue* handle_;
};

#endif  // SHM_SPSC_QUEUE_H
