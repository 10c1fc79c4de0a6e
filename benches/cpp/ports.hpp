// The queues that are measured, behind one interface: push, pop and size. `Owner` is what the queue
// lies in, made from the name of a segment; a port is a handle to copy.
#ifndef SHMDS_BENCH_PORTS_HPP
#define SHMDS_BENCH_PORTS_HPP

#include <posix_shm.h>
#include <shm_queue.h>
#include <shm_ring_buffer.h>
#include <shm_spsc_queue.h>
#include <shmds.h>
#include <shmds_inline.h>

#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstddef>
#include <optional>
#include <string>

#include "common.hpp"
#include "floor.hpp"

// Room for a queue of the largest elements, and for the two of a round trip.
inline constexpr size_t segment_size = 1 << 20;

// A segment that is created by who comes first.
struct Segment {
  explicit Segment(const std::string& name) : shm(name, segment_size) {}
  posix_shm shm;
};

// A queue in the memory of this process; the name of the segment means nothing.
template <class Queue>
struct Private {
  explicit Private(const std::string&) {}
  Queue queue{};
};

// What the ports add is inlined, as in the Rust program: so that what is measured is the queue.

// ---- The queue for any number of producers and consumers.

template <class E>
struct ShmQueue {
  using element = E;
  using Owner = Segment;
  static constexpr bool between_processes = true;

  explicit ShmQueue(Owner& owner, const char* name = "queue") : queue(owner.shm, name, capacity) {}
  [[gnu::always_inline]] bool push(const E& value) noexcept { return queue.enqueue(value); }
  [[gnu::always_inline]] bool pop(E& value) noexcept { return queue.dequeue(value); }
  size_t size() const noexcept { return queue.size(); }

  shm_queue<E> queue;
};

// The same with the dequeue that returns an optional.
template <class E>
struct ShmQueueOptional : ShmQueue<E> {
  using ShmQueue<E>::ShmQueue;
  [[gnu::always_inline]] bool pop(E& value) noexcept {
    const std::optional<E> got = this->queue.dequeue();
    if (!got) return false;
    value = *got;
    return true;
  }
};

// The same through the inline functions of the C header.
template <class E>
struct CInlineQueue : ShmQueue<E> {
  explicit CInlineQueue(Segment& owner) : ShmQueue<E>(owner), handle(this->queue.native_handle()) {}
  [[gnu::always_inline]] bool push(const E& value) noexcept {
    return shmds_queue_enqueue_inline(handle, &value, sizeof(E)) == SHMDS_OK;
  }
  [[gnu::always_inline]] bool pop(E& value) noexcept {
    return shmds_queue_dequeue_inline(handle, &value, sizeof(E)) == SHMDS_OK;
  }
  shmds_queue* handle;
};

// The same by calls into the shared library.
template <class E>
struct CCallQueue : ShmQueue<E> {
  explicit CCallQueue(Segment& owner) : ShmQueue<E>(owner), handle(this->queue.native_handle()) {}
  [[gnu::always_inline]] bool push(const E& value) noexcept {
    return shmds_queue_enqueue(handle, &value) == SHMDS_OK;
  }
  [[gnu::always_inline]] bool pop(E& value) noexcept {
    return shmds_queue_dequeue(handle, &value) == SHMDS_OK;
  }
  shmds_queue* handle;
};

template <class E>
struct BoostQueue {
  using element = E;
  using Queue = boost::lockfree::queue<E, boost::lockfree::fixed_sized<true>>;
  struct Owner {
    explicit Owner(const std::string&) {}
    Queue queue{capacity};
  };
  static constexpr bool between_processes = false;

  explicit BoostQueue(Owner& owner) : queue(&owner.queue) {}
  [[gnu::always_inline]] bool push(const E& value) { return queue->push(value); }
  [[gnu::always_inline]] bool pop(E& value) { return queue->pop(value); }
  size_t size() const { return queue->empty() ? 0 : 1; }

  Queue* queue;
};

// ---- The queue for one producer and one consumer.

template <class E>
struct ShmSpsc {
  using element = E;
  using Owner = Segment;
  static constexpr bool between_processes = true;

  explicit ShmSpsc(Owner& owner, const char* name = "queue") : queue(owner.shm, name, capacity) {}
  [[gnu::always_inline]] bool push(const E& value) { return queue.push(value); }
  [[gnu::always_inline]] bool pop(E& value) { return queue.pop(value); }
  size_t size() const { return queue.size(); }

  shm_spsc_queue<E> queue;
};

// The same with the pop that returns an optional.
template <class E>
struct ShmSpscOptional : ShmSpsc<E> {
  using ShmSpsc<E>::ShmSpsc;
  [[gnu::always_inline]] bool pop(E& value) {
    const std::optional<E> got = this->queue.pop();
    if (!got) return false;
    value = *got;
    return true;
  }
};

// The same through the inline functions of the C header.
template <class E>
struct CInlineSpsc : ShmSpsc<E> {
  explicit CInlineSpsc(Segment& owner) : ShmSpsc<E>(owner), handle(this->queue.native_handle()) {}
  [[gnu::always_inline]] bool push(const E& value) {
    return shmds_spsc_queue_push_inline(handle, &value, sizeof(E)) == SHMDS_OK;
  }
  [[gnu::always_inline]] bool pop(E& value) {
    return shmds_spsc_queue_pop_inline(handle, &value, sizeof(E)) == SHMDS_OK;
  }
  shmds_spsc_queue* handle;
};

// The same by calls into the shared library.
template <class E>
struct CCallSpsc : ShmSpsc<E> {
  explicit CCallSpsc(Segment& owner) : ShmSpsc<E>(owner), handle(this->queue.native_handle()) {}
  [[gnu::always_inline]] bool push(const E& value) {
    return shmds_spsc_queue_push(handle, &value) == SHMDS_OK;
  }
  [[gnu::always_inline]] bool pop(E& value) {
    return shmds_spsc_queue_pop(handle, &value) == SHMDS_OK;
  }
  shmds_spsc_queue* handle;
};

template <class E>
struct BoostSpsc {
  using element = E;
  using Queue = boost::lockfree::spsc_queue<E, boost::lockfree::capacity<capacity>>;
  using Owner = Private<Queue>;
  static constexpr bool between_processes = false;

  explicit BoostSpsc(Owner& owner) : queue(&owner.queue) {}
  [[gnu::always_inline]] bool push(const E& value) { return queue->push(value); }
  [[gnu::always_inline]] bool pop(E& value) { return queue->pop(value); }
  size_t size() const { return queue->read_available(); }

  Queue* queue;
};

// ---- The ring buffer, as a queue.

template <class E>
struct ShmRing {
  using element = E;
  using Owner = Segment;
  static constexpr bool between_processes = true;

  explicit ShmRing(Owner& owner) : ring(owner.shm, "ring", capacity) {}
  [[gnu::always_inline]] bool push(const E& value) noexcept { return ring.push(value); }
  [[gnu::always_inline]] bool pop(E& value) noexcept { return ring.pop(value); }
  size_t size() const noexcept { return ring.size(); }

  shm_ring_buffer<E> ring;
};

// The same with the pop that returns an optional.
template <class E>
struct ShmRingOptional : ShmRing<E> {
  using ShmRing<E>::ShmRing;
  [[gnu::always_inline]] bool pop(E& value) noexcept {
    const std::optional<E> got = this->ring.pop();
    if (!got) return false;
    value = *got;
    return true;
  }
};

// The same by calls into the shared library.
template <class E>
struct CCallRing : ShmRing<E> {
  explicit CCallRing(Segment& owner) : ShmRing<E>(owner), handle(this->ring.native_handle()) {}
  [[gnu::always_inline]] bool push(const E& value) noexcept {
    return shmds_ring_buffer_push(handle, &value) == SHMDS_OK;
  }
  [[gnu::always_inline]] bool pop(E& value) noexcept {
    return shmds_ring_buffer_pop(handle, &value) == SHMDS_OK;
  }
  shmds_ring_buffer* handle;
};

// Calls `use.operator()<Port>()` for the queue of that name and elements of that many bytes.
template <size_t Bytes, class Use>
void with_port(const std::string& kind, Use use) {
  using E = Element<Bytes>;
  if (kind == "queue") return use.template operator()<ShmQueue<E>>();
  if (kind == "queue-optional") return use.template operator()<ShmQueueOptional<E>>();
  if (kind == "queue-inline") return use.template operator()<CInlineQueue<E>>();
  if (kind == "queue-call") return use.template operator()<CCallQueue<E>>();
  if (kind == "boost-queue") return use.template operator()<BoostQueue<E>>();
  if (kind == "floor") return use.template operator()<FloorQueue<E, Floor::stores>>();
  if (kind == "floor-loads") return use.template operator()<FloorQueue<E, Floor::loads>>();
  if (kind == "floor-parts") return use.template operator()<PartsFloorQueue<E>>();
  if (kind == "spsc") return use.template operator()<ShmSpsc<E>>();
  if (kind == "spsc-optional") return use.template operator()<ShmSpscOptional<E>>();
  if (kind == "spsc-inline") return use.template operator()<CInlineSpsc<E>>();
  if (kind == "spsc-call") return use.template operator()<CCallSpsc<E>>();
  if (kind == "ring") return use.template operator()<ShmRing<E>>();
  if (kind == "ring-optional") return use.template operator()<ShmRingOptional<E>>();
  if (kind == "ring-call") return use.template operator()<CCallRing<E>>();
  if (kind == "boost-spsc") return use.template operator()<BoostSpsc<E>>();
  broken("no such queue");
}

template <class Use>
void with_port(const std::string& kind, const std::string& bytes, Use use) {
  if (bytes == "8") return with_port<8>(kind, use);
  if (bytes == "64") return with_port<64>(kind, use);
  broken("elements are of 8 or 64 bytes");
}

#endif
