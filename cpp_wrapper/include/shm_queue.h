/// @file
/// A named first-in-first-out queue in a segment.
#ifndef SHM_QUEUE_H
#define SHM_QUEUE_H

#include <cstddef>
#include <optional>
#include <string_view>

#include "posix_shm.h"
#include "shm_span.h"
#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"

/// A named bounded queue for any number of producers and consumers.
///
/// Every element goes to exactly one consumer, whole and in order. A thread or
/// process that stops or dies in the middle of a call delays nobody; what dies
/// with it is at most the element it was just putting in or taking out.
///
/// The object is a handle: copies refer to the same queue, and destroying it
/// leaves the queue in the segment. What the base class shows, data() and
/// operator[], are payload slots in no particular order.
///
/// Thread safety: any number of threads and processes may use one queue, and one
/// object, at once. Not async-signal-safe.
///
/// @tparam T trivially copyable element; alignments up to 4096 are honoured
/// @tparam TableType table_type of the segment
template <shmds::trivially_copyable T, class TableType = shm_table>
class shm_queue : public shm_span<T, posix_shm_impl<TableType>> {
  using span_type = shm_span<T, posix_shm_impl<TableType>>;

 public:
  using value_type = T;      ///< element
  using size_type = size_t;  ///< counts

  /// Creates or opens a queue.
  /// @param segment must outlive this object
  /// @param name cut at TableType::MAX_NAME_SIZE - 1 bytes
  /// @param capacity number of elements, all of them usable. Greater than 0:
  ///        creates the queue, or opens one that has exactly this capacity. 0:
  ///        opens what exists.
  /// @throws shmds::error (a std::runtime_error): absent, other capacity, element
  ///         size or kind than asked, segment or table full
  shm_queue(posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity = 0)
      : shm_queue(segment, attach(segment, name, capacity)) {}
  /// Never called: a segment with another table is an error of the compiler.
  shm_queue(shmds::detail::unsuitable_segment<TableType>, std::string_view, size_type = 0);

  /// Another handle to the same queue.
  shm_queue(const shm_queue&) noexcept = default;
  /// Makes this object a handle to the queue of `other`; copies no elements.
  shm_queue& operator=(const shm_queue& other) noexcept {
    return shmds::detail::rebind(*this, other);
  }
  ~shm_queue() = default;

  /// Whether a queue of this name exists in `segment`.
  static bool exists(const posix_shm_impl<TableType>& segment, std::string_view name) noexcept {
    shmds_entry_info info{};
    info.struct_size = sizeof(info);
    return shmds_segment_find(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(),
                              &info) == SHMDS_OK &&
           info.kind == SHMDS_KIND_QUEUE;
  }

  /// Puts a copy of `value` at the end.
  /// @return false, with nothing changed, if the queue is full
  [[nodiscard]] bool enqueue(const T& value) noexcept {
    return shmds_queue_enqueue(handle_, &value) == SHMDS_OK;
  }

  /// Takes the oldest element.
  /// @return the element, nothing if the queue is empty
  [[nodiscard]] std::optional<T> dequeue() noexcept {
    // Not straight into the optional: returning one that is already filled on
    // one path costs more than the copy.
    shmds::detail::storage<T> out;
    if (shmds_queue_dequeue(handle_, &out) != SHMDS_OK) {
      return std::nullopt;
    }
    return out.value;
  }

  /// Takes the oldest element.
  /// @param[out] value the element; untouched if the queue is empty
  /// @return false if the queue is empty
  [[nodiscard]] bool dequeue(T& value) noexcept {
    return shmds_queue_dequeue(handle_, &value) == SHMDS_OK;
  }

  /// Whether there is nothing to take at this moment.
  [[nodiscard]] bool empty() const noexcept { return shmds_queue_empty(handle_); }
  /// Whether there is no room at this moment.
  [[nodiscard]] bool full() const noexcept { return shmds_queue_full(handle_); }
  /// Number of elements at this moment; while others work on the queue, an
  /// estimate between 0 and capacity().
  [[nodiscard]] size_type size() const noexcept { return shmds_queue_size(handle_); }
  /// Number of elements that fit.
  [[nodiscard]] size_type capacity() const noexcept { return this->num_elem; }

  /// The name as the table keeps it; valid until the segment object is destroyed.
  [[nodiscard]] std::string_view name() const noexcept { return shmds_queue_name(handle_); }

  /// The queue for calls of the C interface; belongs to the segment.
  [[nodiscard]] shmds_queue* native_handle() const noexcept { return handle_; }

 private:
  shm_queue(posix_shm_impl<TableType>& segment, shmds_queue* handle) noexcept
      : span_type(segment, shmds::detail::offset_in(segment, shmds_queue_slots(handle)),
                  shmds_queue_capacity(handle)),
        handle_(handle) {}

  static shmds_queue* attach(const posix_shm_impl<TableType>& segment, std::string_view name,
                             size_type capacity) {
    const auto call = capacity > 0 ? shmds_queue_open_or_create : shmds_queue_open;
    shmds_queue* handle = nullptr;
    shmds::detail::check(call(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
                              alignof(T), capacity, &handle));
    return handle;
  }

  shmds_queue* handle_;
};

#endif  // SHM_QUEUE_H
