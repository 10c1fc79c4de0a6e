/// @file
/// A named ring buffer for one producer, one consumer and any number of observers.
#ifndef SHM_RING_BUFFER_H
#define SHM_RING_BUFFER_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "posix_shm.h"
#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"
#include "shmds/inline_ring_buffer.h"
#include "shmds/timeout.hpp"

namespace shmds {

/// How a ring buffer is created; for designated initialisers:
/// `shm_ring_buffer<tick> ring(shm, "ticks", 1024, {.enforce_roles = true});`
struct ring_buffer_options {
  /// Whether the first to push and the first to pop hold their role until they give
  /// it up or die, and others are refused. One that exists keeps what it was created with.
  bool enforce_roles = false;
};

}  // namespace shmds

/// A named ring buffer: the newest elements of a stream, for one producer, one
/// consumer and any number of observers, in any processes.
///
/// Roles: one thread at a time, in whichever process, is the producer (push,
/// overwrite), and one is the consumer (pop, skip, clear); they may be the same. The
/// roles may move at any time, as long as the old holder's last call ends before the
/// new one's first; the program sees to it. With
/// shmds::ring_buffer_options::enforce_roles the first to push is the producer and
/// the first to pop the consumer, until leave(), the end of their segment object, or
/// their death.
///
/// Everybody else only looks: peek_bulk(), get_last_n(), observer() and the numbers
/// need no role, write nothing, and work on a read-only attachment.
///
/// Overwriting waits for nobody, and no element is ever delivered torn: whoever was
/// reading one that is overwritten meanwhile drops it. What was overwritten before
/// it was consumed is counted by lost().
///
/// Death: a process may be killed anywhere. What it had published stays, once and
/// in order; what it was publishing is there as a whole or not at all. pop() gives
/// every element at most once: one that was copied but not yet taken when its
/// consumer died goes to the next.
///
/// A noexcept operation that meets an error - the segment was attached read-only, or
/// its object was destroyed before this one, somebody who lives holds the role, the
/// bytes make no sense - does what it does when the ring buffer is full or empty, and
/// leaves the sentence to shmds_last_error(). The others throw.
///
/// What lies in a span behind the elements delivered is unspecified after a call.
///
/// The object is a handle: copies refer to the same ring buffer, and destroying it
/// leaves the ring buffer in the segment. Not async-signal-safe.
///
/// @tparam T trivially copyable element; alignments up to 4096 are honoured
/// @tparam TableType table_type of the segment
template <shmds::trivially_copyable T, class TableType = shm_table>
class shm_ring_buffer {
 public:
  using value_type = T;      ///< element
  using size_type = size_t;  ///< counts

  /// Somebody who reads a ring buffer at a pace of their own, consumes nothing and
  /// writes nothing to the segment.
  ///
  /// The segment object must outlive it. Thread safety: that of a plain variable.
  class observer_type {
   public:
    /// Copies as many elements as there are and fit to the start of `values`, each
    /// once, in order, consumed or not; those that were overwritten before are added
    /// to lost().
    /// @return how many
    size_type read(std::span<T> values) noexcept {
      size_type seen = 0;
      static_cast<void>(
          !shmds_ring_buffer_observe(ring_, &observer_, values.data(), values.size(), &seen));
      return seen;
    }

    /// How many elements were written since the last one read, whether they are
    /// still there or not.
    [[nodiscard]] std::uint64_t lag() const noexcept {
      return shmds_ring_buffer_lag(ring_, &observer_);
    }

    /// How many elements were overwritten before they could be read; as read() found.
    [[nodiscard]] std::uint64_t lost() const noexcept { return observer_.lost; }

    /// Number of the element that is next, counted from the creation of the ring buffer.
    [[nodiscard]] std::uint64_t position() const noexcept { return observer_.cursor; }

    /// Goes on with the newest `count` elements, or with what is written from now on.
    /// What is jumped over does not count as lost.
    void seek_newest(size_type count = 0) noexcept {
      static_cast<void>(!shmds_ring_buffer_seek(ring_, &observer_, count));
    }

    /// Goes on with the oldest element that is there.
    void seek_oldest() noexcept { seek_newest(SIZE_MAX); }

   private:
    friend shm_ring_buffer;
    explicit observer_type(const shmds_ring_buffer* ring) noexcept : ring_(ring) { seek_oldest(); }

    const shmds_ring_buffer* ring_;
    shmds_ring_buffer_observer observer_{sizeof(shmds_ring_buffer_observer), 0, 0};
  };

  /// Creates or opens a ring buffer.
  /// @param segment where it lies; must outlive this object
  /// @param name cut at the table's MAX_NAME_SIZE - 1
  /// @param capacity elements that it holds when full. Greater than 0: creates it, or
  ///        opens one of exactly this capacity. 0: opens only.
  /// @param options of a new one
  /// @throws shmds::error (a std::runtime_error) on failure: absent, other kind, other
  ///         element size or capacity than expected, segment or table full
  shm_ring_buffer(posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity = 0,
                  shmds::ring_buffer_options options = {})
      : handle_(attach(segment, name, capacity, options)) {}
  /// Never called: a segment with another table is an error of the compiler.
  shm_ring_buffer(shmds::detail::unsuitable_segment<TableType>, std::string_view, size_type = 0,
                  shmds::ring_buffer_options = {});

#ifdef __cpp_lib_expected
  /// Opens a ring buffer that exists, without exceptions; see the constructor.
  /// @return the ring buffer, or why there is none
  [[nodiscard]] static shmds::result<shm_ring_buffer> try_open(posix_shm_impl<TableType>& segment,
                                                               std::string_view name,
                                                               size_type capacity = 0) noexcept {
    return attempt(shmds_ring_buffer_open, segment, name, capacity);
  }
  /// Creates a ring buffer, without exceptions; a name that exists is an error.
  /// @return the ring buffer, or why there is none
  [[nodiscard]] static shmds::result<shm_ring_buffer> try_create(
      posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity,
      shmds::ring_buffer_options options = {}) noexcept {
    return attempt(shmds_ring_buffer_create, segment, name, capacity, flags(options));
  }
  /// Opens a ring buffer, creating it if it does not exist, without exceptions.
  /// @return the ring buffer, or why there is none
  [[nodiscard]] static shmds::result<shm_ring_buffer> try_open_or_create(
      posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity,
      shmds::ring_buffer_options options = {}) noexcept {
    return attempt(shmds_ring_buffer_open_or_create, segment, name, capacity, flags(options));
  }
#endif

  /// Whether a ring buffer of this name exists in `segment`.
  static bool exists(const posix_shm_impl<TableType>& segment, std::string_view name) noexcept {
    shmds_entry_info info{};
    info.struct_size = sizeof(info);
    return shmds_segment_find(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(),
                              &info) == SHMDS_OK &&
           info.kind == SHMDS_KIND_RING_BUFFER;
  }

  /// Puts a copy of `value` at the end.
  /// @return false, with nothing changed, if there is no room
  [[nodiscard, gnu::always_inline]] bool push(const T& value) noexcept {
    return shmds_ring_buffer_try_push_inline(handle_, &value, 1, sizeof(T)) != 0 ||
           push_by_call(handle_, shmds::detail::copied(value));
  }

  /// Puts copies of as many elements at the end as fit, the first ones of `values`.
  /// They appear at once: a process that is killed has put all of them or none.
  /// @return how many
  size_type push_bulk(std::span<const T> values) noexcept {
    size_type pushed = 0;
    static_cast<void>(!shmds_ring_buffer_push_bulk_inline(handle_, values.data(), values.size(),
                                                          sizeof(T), &pushed));
    return pushed;
  }

  /// Puts a copy of `value` at the end, over the oldest element if there is no room.
  [[gnu::always_inline]] void push_overwrite(const T& value) noexcept {
    if (!shmds_ring_buffer_try_push_overwrite_inline(handle_, &value, sizeof(T))) [[unlikely]] {
      overwrite_by_call(handle_, shmds::detail::copied(value));
    }
  }

  /// Puts copies of all of `values` at the end, over the oldest elements if there is no
  /// room. They appear at once. Of more than capacity(), the newest are kept, and all
  /// are counted as written.
  void overwrite_bulk(std::span<const T> values) noexcept {
    static_cast<void>(!shmds_ring_buffer_overwrite_bulk(handle_, values.data(), values.size()));
  }

  /// Takes the oldest element.
  /// @return the element, nothing if there is none
  [[nodiscard, gnu::always_inline]] std::optional<T> pop() noexcept {
    shmds::detail::storage<T> out;
    const bool found = shmds_ring_buffer_try_pop_inline(handle_, &out, 1, sizeof(T)) != 0;
    return shmds::detail::found_or(found, out, [this]() noexcept { return pop_by_call(handle_); });
  }

  /// Takes the oldest element.
  /// @param[out] value the element; unspecified if there is none
  /// @return false if there is none
  [[nodiscard, gnu::always_inline]] bool pop(T& value) noexcept {
    if (shmds_ring_buffer_try_pop_inline(handle_, &value, 1, sizeof(T)) == 0) [[unlikely]] {
      return shmds::detail::copy_late(value, pop_by_call(handle_));
    }
    return true;
  }

  /// Takes as many of the oldest elements as there are and fit, to the start of
  /// `values`.
  /// @return how many
  size_type pop_bulk(std::span<T> values) noexcept {
    size_type popped = 0;
    static_cast<void>(!shmds_ring_buffer_pop_bulk_inline(handle_, values.data(), values.size(),
                                                         sizeof(T), &popped));
    return popped;
  }

  /// Copies as many elements as there are and fit to the start of `values`, from the one
  /// `offset` behind the oldest on, and takes none out. Those that are overwritten
  /// meanwhile are left out.
  /// @return how many
  size_type peek_bulk(size_type offset, std::span<T> values) const noexcept {
    size_type peeked = 0;
    static_cast<void>(
        !shmds_ring_buffer_peek_bulk(handle_, offset, values.data(), values.size(), &peeked));
    return peeked;
  }

  /// Copies the newest `n` elements, of those that are not consumed, to the start of
  /// `values`, oldest first; fewer if there are fewer, if fewer fit, or if some are
  /// overwritten meanwhile. Takes none out.
  /// @return how many
  size_type get_last_n(size_type n, std::span<T> values) const noexcept {
    size_type copied = 0;
    const size_type wanted = std::min(n, values.size());
    static_cast<void>(!shmds_ring_buffer_get_last_n(handle_, values.data(), wanted, &copied));
    return copied;
  }

  /// Drops the oldest `n` elements, or all if there are fewer.
  void skip(size_type n) noexcept {
    static_cast<void>(!shmds_ring_buffer_skip(handle_, n, nullptr));
  }

  /// Drops all elements.
  void clear() noexcept { static_cast<void>(!shmds_ring_buffer_clear(handle_)); }

  /// An observer that begins with the oldest element that is there.
  [[nodiscard]] observer_type observer() const noexcept { return observer_type(handle_); }

  /// Waits until there are at least `n` elements.
  /// @return false if there were not for `timeout`
  /// @throws shmds::error if `n` exceeds capacity(), or the attachment is read-only
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(size_type n, std::chrono::duration<Rep, Period> timeout) {
    return wait_within(n, shmds::detail::timeout_ns(timeout));
  }

  /// Waits until there are at least `n` elements.
  /// @return false if there were not until `end`
  /// @throws as wait_for()
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_until(size_type n, std::chrono::time_point<Clock, Duration> end) {
    return shmds::detail::wait_until(
        end, [&](std::uint64_t timeout) { return wait_within(n, timeout); });
  }

  /// Waits until there is room for at least `n` elements.
  /// @return false if there was not for `timeout`
  /// @throws as wait_for()
  template <class Rep, class Period>
  [[nodiscard]] bool wait_space_for(size_type n, std::chrono::duration<Rep, Period> timeout) {
    return wait_space_within(n, shmds::detail::timeout_ns(timeout));
  }

  /// Waits until there is room for at least `n` elements.
  /// @return false if there was not until `end`
  /// @throws as wait_for()
  template <class Clock, class Duration>
  [[nodiscard]] bool wait_space_until(size_type n, std::chrono::time_point<Clock, Duration> end) {
    return shmds::detail::wait_until(
        end, [&](std::uint64_t timeout) { return wait_space_within(n, timeout); });
  }

  /// Puts a copy of `value` at the end, waiting for room.
  /// @return false if there was none for `timeout`
  /// @throws shmds::error if the attachment is read-only, or somebody who lives holds
  ///         the role
  template <class Rep, class Period>
  [[nodiscard]] bool push_for(const T& value, std::chrono::duration<Rep, Period> timeout) {
    return push(value) || push_within(value, shmds::detail::timeout_ns(timeout));
  }

  /// Puts a copy of `value` at the end, waiting for room.
  /// @return false if there was none until `end`
  /// @throws as push_for()
  template <class Clock, class Duration>
  [[nodiscard]] bool push_until(const T& value, std::chrono::time_point<Clock, Duration> end) {
    return push(value) || shmds::detail::wait_until(end, [&](std::uint64_t timeout) {
             return push_within(value, timeout);
           });
  }

  /// Takes the oldest element, waiting for one.
  /// @return the element, nothing if there was none for `timeout`
  /// @throws as push_for()
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> pop_for(std::chrono::duration<Rep, Period> timeout) {
    shmds::detail::storage<T> out;
    if (!pop_within(out, shmds::detail::timeout_ns(timeout))) {
      return std::nullopt;
    }
    return out.value;
  }

  /// Takes the oldest element, waiting for one.
  /// @return the element, nothing if there was none until `end`
  /// @throws as push_for()
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> pop_until(std::chrono::time_point<Clock, Duration> end) {
    shmds::detail::storage<T> out;
    const auto within = [&](std::uint64_t timeout) { return pop_within(out, timeout); };
    if (!shmds::detail::wait_until(end, within)) {
      return std::nullopt;
    }
    return out.value;
  }

  /// Gives up the roles that this segment object holds here, where they are enforced;
  /// the next push or pop takes them again.
  void leave() noexcept { static_cast<void>(!shmds_ring_buffer_leave(handle_)); }

  /// Number of elements that fit.
  size_type capacity() const noexcept { return shmds_ring_buffer_capacity(handle_); }
  /// Number of elements that are there to pop at this moment, never more than capacity().
  size_type size() const noexcept { return shmds_ring_buffer_size(handle_); }
  /// Whether there is nothing to pop at this moment.
  bool empty() const noexcept { return shmds_ring_buffer_empty(handle_); }
  /// Whether there is no room at this moment.
  bool full() const noexcept { return shmds_ring_buffer_full(handle_); }
  /// Number of elements that there is room for at this moment.
  size_type available_space() const noexcept { return shmds_ring_buffer_available_space(handle_); }

  /// How many elements were ever written, since creation; never falls.
  std::uint64_t total_written() const noexcept { return shmds_ring_buffer_total_written(handle_); }
  /// How many elements were ever popped, skipped or lost, since creation; never falls.
  std::uint64_t total_read() const noexcept { return shmds_ring_buffer_total_read(handle_); }
  /// How many elements were overwritten before they were consumed, since creation.
  [[nodiscard]] std::uint64_t lost() const noexcept { return shmds_ring_buffer_lost(handle_); }

  /// The name as the table keeps it; valid until the segment object is destroyed.
  std::string_view name() const noexcept { return shmds_ring_buffer_name(handle_); }

  /// The ring buffer for calls of the C interface; belongs to the segment.
  [[nodiscard]] shmds_ring_buffer* native_handle() const noexcept { return handle_; }

 private:
  explicit shm_ring_buffer(shmds_ring_buffer* handle) noexcept : handle_(handle) {}

  static std::uint32_t flags(shmds::ring_buffer_options options) noexcept {
    return options.enforce_roles ? SHMDS_RING_BUFFER_ROLES : 0;
  }

#ifdef __cpp_lib_expected
  template <class Call, class... Flags>
  static shmds::result<shm_ring_buffer> attempt(Call call, posix_shm_impl<TableType>& segment,
                                                std::string_view name, size_type capacity,
                                                Flags... flags) noexcept {
    shmds_ring_buffer* handle = nullptr;
    const shmds_status status =
        call(segment.native_handle(), shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
             alignof(T), capacity, flags..., &handle);
    if (status != SHMDS_OK) {
      return shmds::detail::failure(status);
    }
    return shm_ring_buffer(handle);
  }
#endif

  static shmds_ring_buffer* attach(const posix_shm_impl<TableType>& segment, std::string_view name,
                                   size_type capacity, shmds::ring_buffer_options options) {
    const shmds::detail::table_name<TableType> cut(name);
    shmds_segment* in = segment.native_handle();
    shmds_ring_buffer* handle = nullptr;
    shmds::detail::check(
        capacity > 0 ? shmds_ring_buffer_open_or_create(in, cut.c_str(), sizeof(T), alignof(T),
                                                        capacity, flags(options), &handle)
                     : shmds_ring_buffer_open(in, cut.c_str(), sizeof(T), alignof(T), 0, &handle));
    return handle;
  }

  // What cannot be done in line. Not members, and a small element by value, so that callers may
  // keep the handle and the element in registers.
  [[gnu::cold, gnu::noinline]] static bool push_by_call(shmds_ring_buffer* handle,
                                                        shmds::detail::argument<T> value) noexcept {
    return shmds_ring_buffer_push(handle, &value) == SHMDS_OK;
  }
  [[gnu::cold, gnu::noinline]] static void overwrite_by_call(
      shmds_ring_buffer* handle, shmds::detail::argument<T> value) noexcept {
    static_cast<void>(!shmds_ring_buffer_push_overwrite(handle, &value));
  }
  [[gnu::cold, gnu::noinline]] static std::optional<T> pop_by_call(
      shmds_ring_buffer* handle) noexcept {
    shmds::detail::storage<T> out;
    if (shmds_ring_buffer_pop(handle, &out) != SHMDS_OK) {
      return std::nullopt;
    }
    return out.value;
  }

  bool wait_within(size_type n, std::uint64_t timeout) {
    return shmds::detail::check_or(shmds_ring_buffer_wait(handle_, n, timeout), SHMDS_TIMEOUT);
  }
  bool wait_space_within(size_type n, std::uint64_t timeout) {
    return shmds::detail::check_or(shmds_ring_buffer_wait_space(handle_, n, timeout),
                                   SHMDS_TIMEOUT);
  }
  bool push_within(const T& value, std::uint64_t timeout) {
    return shmds::detail::check_or(shmds_ring_buffer_push_wait(handle_, &value, timeout),
                                   SHMDS_TIMEOUT);
  }
  bool pop_within(shmds::detail::storage<T>& out, std::uint64_t timeout) {
    return shmds::detail::check_or(shmds_ring_buffer_pop_wait(handle_, &out, timeout),
                                   SHMDS_TIMEOUT);
  }

  shmds_ring_buffer* handle_;
};

#endif  // SHM_RING_BUFFER_H
