// What the processes of the crash tests do: operations by number, on the release library through
// its C ABI and through the inline paths as this compiler makes them.
#ifndef SHMDS_CRASH_ACTOR_HPP
#define SHMDS_CRASH_ACTOR_HPP

#include <shmds_inline.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace crash {

/// What to do; src/op.rs has the same, in the same order.
enum class Code : uint32_t {
  // Segment and table.
  segment_create,
  segment_open,
  segment_open_or_create,
  segment_open_read_only,
  segment_close,
  ref_count,
  info,
  find,
  array_create,
  array_open_or_create,
  array_open,
  array_fill,
  array_check,
  erase,
  clear,
  add_raw,
  destroy,
  // Queue.
  queue_open_or_create,
  enqueue,
  dequeue,
  enqueue_bulk,
  dequeue_bulk,
  publish,
  abandon,
  take,
  enqueue_wait,
  dequeue_wait,
  queue_size,
  queue_stale_hints,
  queue_lanes,
  queue_slots,
  queue_sleepers,
  // SPSC queue.
  spsc_open_or_create,
  push,
  pop,
  push_bulk,
  pop_bulk,
  front_release,
  push_wait,
  pop_wait,
  leave,
  spsc_size,
  spsc_sleepers,
  // Atomic.
  atomic_open_or_create,
  atomic_load,
  atomic_store,
  atomic_exchange,
  atomic_compare_exchange,
  atomic_fetch_add,
  atomic_wait,
  atomic_notify,
  wide_open_or_create,
  wide_load,
  wide_compare_exchange,
  // Object pool.
  pool_open_or_create,
  acquire,
  release,
  acquire_batch,
  release_batch,
  reclaim,
  disown,
  adopt,
  num_allocated,
  acquire_token,
  release_token,
  release_at,
  // Ring buffer.
  ring_open_or_create,
  ring_push,
  ring_pop,
  ring_push_bulk,
  ring_pop_bulk,
  ring_overwrite,
  ring_overwrite_bulk,
  ring_last,
  ring_observe,
  ring_skip,
  ring_clear,
  ring_push_wait,
  ring_pop_wait,
  ring_size,
  ring_roles_open_or_create,
  ring_leave,
  // For the harness itself.
  fork,
  exit,
};

/// Through which code an operation goes.
enum Path : uint32_t { library = 0, in_line = 1 };

/// Operands and results.
constexpr size_t most_values = 6;

struct Op {
  Code code;
  /// Bit 0: `Path`. Bit 1: through the process's second attachment.
  uint32_t how;
  uint64_t a;
  uint64_t b;
};

struct Outcome {
  shmds_status status;
  uint32_t count;
  uint64_t values[most_values];
};

/// The status of an operation that gave an element which nobody put in.
constexpr shmds_status torn = -1000;

constexpr size_t most_ops = 192;

/// Memory that the harness shares with one process. src/channel.rs has the same.
struct Channel {
  /// Futex: 0 idle, 1 work to do, 2 to end.
  std::atomic<uint32_t> state;
  /// Number of operations to do.
  uint32_t count;
  /// Operations done.
  std::atomic<uint32_t> done;
  /// Stop before the next watched call; one more than its index among the operations.
  uint32_t armed;
  /// The watched call has returned.
  std::atomic<uint32_t> ended;
  uint32_t open_timeout_ms;
  /// The first operation has begun.
  std::atomic<uint32_t> started;
  /// Of a forked process that listens to this channel.
  uint32_t pid;
  uint64_t cpu_ns;
  uint64_t longest_ns;
  /// How often the process gave the processor up by itself.
  uint64_t sleeps;
  char name[64];
  Op ops[most_ops];
  Outcome outcomes[most_ops];
};

/// Objects that an attachment holds at once.
constexpr size_t most_held = 16;

/// One attachment, and the structures used through it.
struct Attachment {
  shmds_segment* segment;
  shmds_queue* queue;
  shmds_spsc_queue* spsc;
  shmds_atomic* atomic;
  shmds_atomic* wide;
  shmds_object_pool* pool;
  shmds_ring_buffer* ring;
  size_t queue_elem;
  size_t spsc_elem;
  size_t ring_elem;
  /// Objects of the pool, oldest first.
  uint32_t held[most_held];
  size_t held_count;
  /// The same of those acquired with a token.
  shmds_object_token tokens[most_held];
  size_t token_count;
};

struct Actor {
  Channel* channel;
  Attachment attachments[2];
  Attachment* at;
};

/// Makes the call, as the one to be stepped through if the harness wants that: a breakpoint
/// before it, a mark after it, and hardly an instruction more.
template <class Call>
inline __attribute__((always_inline)) auto watched(Actor& actor, Call call) {
  Channel* channel = actor.channel;
  if (__builtin_expect(channel->armed != 0, 0)) {
    channel->armed = 0;
    __asm__ volatile("int3" ::: "memory");
  }
  auto result = call();
  channel->ended.store(1, std::memory_order_release);
  return result;
}

/// An element: its first word says the others. Of a large one all but the last stay 0, so that
/// copying it does not change the segment with every word.
template <size_t Words>
struct Element {
  static constexpr size_t step = Words > 64 ? Words - 1 : 1;
  uint64_t words[Words];

  static Element of(uint64_t value) {
    Element element{};
    for (size_t index = 0; index < Words; index += step) {
      element.words[index] = value * (2 * index + 1);
    }
    return element;
  }

  bool whole() const {
    for (size_t index = step; index < Words; index += step) {
      if (words[index] != words[0] * (2 * index + 1)) return false;
    }
    return true;
  }

  /// Puts the value among the results.
  void report(Outcome& outcome, size_t index) const {
    outcome.values[index] = words[0];
    if (!whole()) outcome.status = torn;
  }
};

/// Calls `use` with the number of words of an element as a constant.
template <class Use>
inline __attribute__((always_inline)) void with_words(size_t elem_size, Use use) {
  switch (elem_size) {
    case 8:
      return use(std::integral_constant<size_t, 1>{});
    case 24:
      return use(std::integral_constant<size_t, 3>{});
    case 16384:
      return use(std::integral_constant<size_t, 2048>{});
    default:
      return use(std::integral_constant<size_t, 8>{});
  }
}

/// Where a structure lies; NULL if there is none of that name.
uint8_t* extent(shmds_segment* segment, const char* name);

/// Whether somebody sleeps at two words of a structure, or is said to: bit 0 of each.
void see_sleepers(const uint8_t* header, uint64_t one, uint64_t other, Outcome& outcome);

void on_segment(Actor& actor, const Op& op, Outcome& outcome);
void on_queue(Actor& actor, const Op& op, Outcome& outcome);
void on_spsc(Actor& actor, const Op& op, Outcome& outcome);
void on_atomic(Actor& actor, const Op& op, Outcome& outcome);
void on_pool(Actor& actor, const Op& op, Outcome& outcome);
void on_ring(Actor& actor, const Op& op, Outcome& outcome);

}  // namespace crash

#endif
