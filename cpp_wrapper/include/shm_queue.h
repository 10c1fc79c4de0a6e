/// @file
/// A named first-in-first-out queue in a segment.
#ifndef SHM_QUEUE_H
#define SHM_QUEUE_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "posix_shm.h"
#include "shm_span.h"
#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"
#include "shmds/inline_queue.h"
#include "shmds/timeout.hpp"

namespace shmds::detail {

/// A slot of a queue that is held, or none: what shm_queue's reservation and
/// taken_element share.
/// @tparam give_back the call that ends holding it
template <class T, shmds_status (*give_back)(shmds_queue*, shmds_queue_slot*)>
class held_slot {
 public:
  using value_type = T;  ///< element

  /// Whether a slot is held.
  explicit operator bool() const noexcept { return slot_.queue != 0; }

  /// Address of the element; null if no slot is held.
  [[nodiscard]] T* get() const noexcept {
    return slot_.queue != 0 ? static_cast<T*>(slot_.element) : nullptr;
  }
  /// The element; a slot must be held.
  [[nodiscard]] T& operator*() const noexcept { return *static_cast<T*>(slot_.element); }
  /// Access to the element; a slot must be held.
  [[nodiscard]] T* operator->() const noexcept { return static_cast<T*>(slot_.element); }

 protected:
  explicit held_slot(shmds_queue* queue) noexcept : queue_(queue) {}
  held_slot(held_slot&& other) noexcept : queue_(other.queue_), slot_(other.slot_) {
    other.slot_.queue = 0;
  }
  held_slot& operator=(held_slot&& other) noexcept {
    held_slot moved(std::move(other));
    std::swap(queue_, moved.queue_);
    std::swap(slot_, moved.slot_);
    return *this;
  }
  ~held_slot() { release(); }

  /// Gives the slot back if one is held. In a forked child the slot is the
  /// parent's: the library refuses, and the parent keeps it.
  void release() noexcept {
    if (slot_.queue != 0) {
      static_cast<void>(give_back(queue_, &slot_));
      slot_.queue = 0;
    }
  }

  shmds_queue* queue_;       ///< the queue of the slot
  shmds_queue_slot slot_{};  ///< its `queue` is 0 when none is held
};

}  // namespace shmds::detail

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
/// A noexcept operation that meets an error - the segment was attached read-only, or
/// its object was destroyed before this one, a forked child finds no attachment slot, no lane is
/// free, the bytes make no sense - does what it does when the queue is full or empty, and leaves
/// the sentence to shmds_last_error(). The others throw.
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

  /// A slot of the queue to build an element in, from reserve() to publish().
  ///
  /// The bytes there are what an earlier element left: assign to it, or begin a
  /// new one with std::construct_at(get(), ...). The destructor gives the slot up
  /// without publishing it. A held slot takes no room in the queue, but keeps one
  /// of its lanes from others. A moved-from object holds nothing.
  ///
  /// After fork() only the parent holds the slot; what the child does with its
  /// copy of this object takes nothing away, but it must not write the element.
  /// The segment must outlive the object while that holds a slot.
  ///
  /// Thread safety: that of a plain variable, and any thread may end what
  /// another began.
  class reservation : public shmds::detail::held_slot<T, shmds_queue_abandon> {
    using slot_type = shmds::detail::held_slot<T, shmds_queue_abandon>;

   public:
    /// Puts the element at the end of the queue and ends the reservation.
    /// @return false, with the slot still reserved, if the queue is full
    /// @throws shmds::error nothing is reserved, or by the parent of this process; the
    ///         segment was closed; the queue was destroyed, or is damaged
    [[nodiscard]] bool publish() {
      return shmds::detail::check_or(shmds_queue_publish(this->queue_, &this->slot_), SHMDS_FULL);
    }

    /// Gives the slot up without publishing it; nothing happens if none is held.
    void abandon() noexcept { this->release(); }

   private:
    friend shm_queue;
    explicit reservation(shmds_queue* queue) : slot_type(queue) {
      shmds::detail::check(shmds_queue_reserve(queue, &this->slot_));
    }
  };

  /// The oldest element, taken out of the queue, to be used where it lies, from
  /// take() to done(); or nothing, if the queue was empty.
  ///
  /// Nobody else has access to the element. The destructor gives its slot back. A
  /// held slot takes no room in the queue, but keeps one of its lanes from others.
  /// A moved-from object holds nothing.
  ///
  /// After fork() only the parent holds the slot; what the child does with its
  /// copy of this object takes nothing away, but what it reads there may change.
  /// The segment must outlive the object while that holds a slot.
  ///
  /// Thread safety: that of a plain variable, and any thread may end what
  /// another began.
  class taken_element : public shmds::detail::held_slot<T, shmds_queue_done> {
    using slot_type = shmds::detail::held_slot<T, shmds_queue_done>;

   public:
    /// Whether there was an element, and it is still held.
    [[nodiscard]] bool has_value() const noexcept { return static_cast<bool>(*this); }

    /// Gives the slot back; nothing happens if none is held.
    void done() noexcept { this->release(); }

   private:
    friend shm_queue;
    explicit taken_element(shmds_queue* queue) : slot_type(queue) {
      shmds::detail::check_or(shmds_queue_take(queue, &this->slot_), SHMDS_EMPTY);
    }
  };

  /// What a queue has seen since it was created.
  struct statistics {
    std::uint64_t enqueued;      ///< elements that ever went in
    std::uint64_t dequeued;      ///< elements that ever came out
    std::uint64_t refused;       ///< operations that found it full, or empty; waits do not count
    std::uint64_t lanes;         ///< how many may be inside an operation, or hold a slot, at once
    std::uint64_t lanes_in_use;  ///< lanes that living processes hold
  };

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

#ifdef __cpp_lib_expected
  /// Opens a queue that exists, without exceptions; see the constructor.
  /// @return the queue, or why there is none
  [[nodiscard]] static shmds::result<shm_queue> try_open(posix_shm_impl<TableType>& segment,
                                                         std::string_view name,
                                                         size_type capacity = 0) noexcept {
    return attempt(shmds_queue_open, segment, name, capacity);
  }
  /// Creates a queue, without exceptions; a name that exists is an error.
  /// @return the queue, or why there is none
  [[nodiscard]] static shmds::result<shm_queue> try_create(posix_shm_impl<TableType>& segment,
                                                           std::string_view name,
                                                           size_type capacity) noexcept {
    return attempt(shmds_queue_create, segment, name, capacity);
  }
  /// Opens a queue, creating it if it does not exist, without exceptions.
  /// @return the queue, or why there is none
  [[nodiscard]] static shmds::result<shm_queue> try_open_or_create(
      posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity) noexcept {
    return attempt(shmds_queue_open_or_create, segment, name, capacity);
  }
#endif

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
  [[nodiscard, gnu::always_inline]] bool enqueue(const T& value) noexcept {
    shmds_queue* const handle = handle_;
    return shmds_queue_try_enqueue_inline(handle, &value, sizeof(T)) ||
           enqueue_otherwise(handle, &shmds_queue_thread_memory, shmds::detail::copied(value));
  }

  /// Takes the oldest element.
  /// @return the element, nothing if the queue is empty
  [[nodiscard, gnu::always_inline]] std::optional<T> dequeue() noexcept {
    shmds::detail::storage<T> out;
    shmds_queue* const handle = handle_;
    const bool found = shmds_queue_try_dequeue_inline(handle, &out, sizeof(T));
    return shmds::detail::found_or(found, out, [handle]() noexcept {
      return dequeue_otherwise(handle, &shmds_queue_thread_memory);
    });
  }

  /// Takes the oldest element.
  /// @param[out] value the element; untouched if the queue is empty
  /// @return false if the queue is empty
  [[nodiscard, gnu::always_inline]] bool dequeue(T& value) noexcept {
    shmds_queue* const handle = handle_;
    const void* taken = nullptr;
    if (!shmds_queue_try_take_inline(handle, sizeof(T), &taken)) [[unlikely]] {
      return shmds::detail::copy_late(value, dequeue_otherwise(handle, &shmds_queue_thread_memory));
    }
    shmds::detail::copy_out(value, taken);
    return true;
  }

  /// Puts copies of `values` at the end, in their order, as many as there is room
  /// for; elements of others may come in between.
  /// @return how many, counted from the first
  [[nodiscard]] size_type enqueue_bulk(std::span<const T> values) noexcept {
    size_type done = 0;
    shmds_queue_enqueue_bulk(handle_, values.data(), values.size(), &done);
    return done;
  }

  /// Takes the oldest elements, as many as there are and `values` has room for.
  /// @param[out] values the elements; untouched behind those
  /// @return how many
  [[nodiscard]] size_type dequeue_bulk(std::span<T> values) noexcept {
    size_type done = 0;
    shmds_queue_dequeue_bulk(handle_, values.data(), values.size(), &done);
    return done;
  }

  /// Puts a copy of `value` at the end, sleeping while the queue is full.
  /// @throws shmds::error see the class
  void enqueue_wait(const T& value) {
    shmds::detail::check(shmds_queue_enqueue_wait(handle_, &value, SHMDS_WAIT_FOREVER));
  }

  /// Puts a copy of `value` at the end, sleeping while the queue is full, at most
  /// for `timeout`. One that is negative, or no number, is 0; one beyond 584 years
  /// is that.
  /// @return false, with nothing changed, if the queue was full all the time
  /// @throws shmds::error see the class
  template <class Rep, class Period>
  [[nodiscard]] bool enqueue_for(const T& value,
                                 const std::chrono::duration<Rep, Period>& timeout) {
    return enqueue_in(value, shmds::detail::timeout_ns(timeout));
  }

  /// Puts a copy of `value` at the end, sleeping while the queue is full, at most
  /// until `end`. Tries once if that has passed.
  /// @return false, with nothing changed, if the queue was full all the time
  /// @throws shmds::error see the class
  template <class Clock, class Duration>
  [[nodiscard]] bool enqueue_until(const T& value,
                                   const std::chrono::time_point<Clock, Duration>& end) {
    return shmds::detail::wait_until(
        end, [&](std::uint64_t timeout_ns) { return enqueue_in(value, timeout_ns); });
  }

  /// Takes the oldest element, sleeping while the queue is empty.
  /// @throws shmds::error see the class
  [[nodiscard]] T dequeue_wait() {
    shmds::detail::storage<T> out;
    shmds::detail::check(shmds_queue_dequeue_wait(handle_, &out, SHMDS_WAIT_FOREVER));
    return out.value;
  }

  /// Takes the oldest element, sleeping while the queue is empty, at most for
  /// `timeout`. One that is negative, or no number, is 0; one beyond 584 years is
  /// that.
  /// @return the element, nothing if the queue was empty all the time
  /// @throws shmds::error see the class
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> dequeue_for(const std::chrono::duration<Rep, Period>& timeout) {
    shmds::detail::storage<T> out;
    if (!dequeue_in(&out, shmds::detail::timeout_ns(timeout))) {
      return std::nullopt;
    }
    return out.value;
  }

  /// The same into a variable.
  /// @param[out] value the element; untouched if the queue was empty all the time
  /// @return false if the queue was empty all the time
  /// @throws shmds::error see the class
  template <class Rep, class Period>
  [[nodiscard]] bool dequeue_for(T& value, const std::chrono::duration<Rep, Period>& timeout) {
    return dequeue_in(&value, shmds::detail::timeout_ns(timeout));
  }

  /// Takes the oldest element, sleeping while the queue is empty, at most until
  /// `end`. Tries once if that has passed.
  /// @return the element, nothing if the queue was empty all the time
  /// @throws shmds::error see the class
  template <class Clock, class Duration>
  [[nodiscard]] std::optional<T> dequeue_until(
      const std::chrono::time_point<Clock, Duration>& end) {
    shmds::detail::storage<T> out;
    const auto wait = [&](std::uint64_t timeout_ns) { return dequeue_in(&out, timeout_ns); };
    if (!shmds::detail::wait_until(end, wait)) {
      return std::nullopt;
    }
    return out.value;
  }

  /// The same into a variable.
  /// @param[out] value the element; untouched if the queue was empty all the time
  /// @return false if the queue was empty all the time
  /// @throws shmds::error see the class
  template <class Clock, class Duration>
  [[nodiscard]] bool dequeue_until(T& value, const std::chrono::time_point<Clock, Duration>& end) {
    return shmds::detail::wait_until(
        end, [&](std::uint64_t timeout_ns) { return dequeue_in(&value, timeout_ns); });
  }

  /// A slot to build an element in, without copying it later. Also possible when
  /// the queue is full: publish() is what needs room. Whatever this thread does
  /// with the queue meanwhile goes on.
  /// @throws shmds::error see the class
  [[nodiscard]] reservation reserve() { return reservation(handle_); }

  /// Takes the oldest element, to be used where it lies. Whatever this thread does
  /// with the queue meanwhile goes on.
  /// @return converts to false if the queue is empty
  /// @throws shmds::error see the class
  [[nodiscard]] taken_element take() { return taken_element(handle_); }

  /// What the queue has seen. Exact while nobody operates.
  /// @throws shmds::error if the queue is damaged
  [[nodiscard]] statistics stats() const {
    shmds_queue_stats seen{};
    seen.struct_size = sizeof(seen);
    shmds::detail::check(shmds_queue_get_stats(handle_, &seen));
    return {seen.enqueued, seen.dequeued, seen.refused, seen.lanes, seen.lanes_in_use};
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

  // What cannot be done in line. Not members, and a small element by value, so that callers may
  // keep the handle and the element in registers.
  [[gnu::noinline]] static bool enqueue_otherwise(shmds_queue* handle, shmds_queue_memory* memory,
                                                  shmds::detail::argument<T> value) noexcept {
    return shmds_queue_enqueue_otherwise_inline(handle, memory, &value, sizeof(T)) == SHMDS_OK;
  }
  [[gnu::noinline]] static std::optional<T> dequeue_otherwise(shmds_queue* handle,
                                                              shmds_queue_memory* memory) noexcept {
    shmds::detail::storage<T> out;
    if (shmds_queue_dequeue_otherwise_inline(handle, memory, &out, sizeof(T)) != SHMDS_OK) {
      return std::nullopt;
    }
    return out.value;
  }

  bool enqueue_in(const T& value, std::uint64_t timeout_ns) {
    return shmds::detail::check_or(shmds_queue_enqueue_wait(handle_, &value, timeout_ns),
                                   SHMDS_TIMEOUT);
  }

  bool dequeue_in(void* out, std::uint64_t timeout_ns) {
    return shmds::detail::check_or(shmds_queue_dequeue_wait(handle_, out, timeout_ns),
                                   SHMDS_TIMEOUT);
  }

  static shmds_queue* attach(const posix_shm_impl<TableType>& segment, std::string_view name,
                             size_type capacity) {
    const auto call = capacity > 0 ? shmds_queue_open_or_create : shmds_queue_open;
    shmds_queue* handle = nullptr;
    shmds::detail::check(call(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
                              alignof(T), capacity, &handle));
    return handle;
  }

#ifdef __cpp_lib_expected
  static shmds::result<shm_queue> attempt(shmds::detail::open_function<shmds_queue>& call,
                                          posix_shm_impl<TableType>& segment, std::string_view name,
                                          size_type capacity) noexcept {
    shmds_queue* handle = nullptr;
    const shmds_status status =
        call(segment.native_handle(), shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
             alignof(T), capacity, &handle);
    if (status != SHMDS_OK) {
      return shmds::detail::failure(status);
    }
    return shm_queue(segment, handle);
  }
#endif

  shmds_queue* handle_;
};

#endif  // SHM_QUEUE_H
