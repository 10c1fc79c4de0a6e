// What no queue that exchanges slots can do without: the payload there and back, two
// compare-and-swaps, and what has to be stored for those who might recover a dead process:
// FloorQueue. If it learns only when it is opened where its parts are and how large, and checks
// what others could have damaged: PartsFloorQueue. No more. One thread only.
#ifndef SHMDS_BENCH_FLOOR_HPP
#define SHMDS_BENCH_FLOOR_HPP

#include <bit>
#include <memory>
#include <numeric>

#include "common.hpp"

// How much of the work is done.
enum class Floor {
  stores,  // everything that shm_queue stores, in the same pattern; nothing is loaded before
  loads,   // and it looks at the hint and at the ring word first, as it must among others
};

template <class E, Floor Work>
struct FloorQueue {
  using element = E;
  struct Memory {
    alignas(64) std::uint64_t tail = 0;
    alignas(64) std::uint64_t head = 0;
    alignas(64) std::uint64_t spare = 0;
    std::uint64_t intent = 0;
    alignas(64) std::array<std::uint64_t, capacity> words{};
    alignas(64) E slot{};
  };
  struct Owner {
    explicit Owner(const std::string&) {}
    std::unique_ptr<Memory> memory = std::make_unique<Memory>();
  };
  static constexpr bool between_processes = false;

  explicit FloorQueue(Owner& owner) : memory(owner.memory.get()) {}
  // A copy goes on where the one before it stopped.
  FloorQueue(const FloorQueue& other)
      : memory(other.memory), tail(memory->tail), head(memory->head) {}
  FloorQueue& operator=(const FloorQueue&) = delete;

  [[gnu::always_inline]] bool push(const E& value) {
    shmds_copy_in_inline(&memory->slot, &value, sizeof(E));
    return exchange<false>(memory->tail, tail);
  }
  [[gnu::always_inline]] bool pop(E& value) {
    if (!exchange<true>(memory->head, head)) return false;
    value = memory->slot;
    return true;
  }
  size_t size() const { return 0; }

  // Twice per lap a word counts up by one, by whichever side.
  template <bool FromFull>
  [[gnu::always_inline]] bool exchange(std::uint64_t& hint, std::uint64_t& position) {
    std::uint64_t at = position;
    if (Work == Floor::loads) at = __atomic_load_n(&hint, __ATOMIC_ACQUIRE);
    std::uint64_t* const cell = &memory->words[at % capacity];
    std::uint64_t word = at / capacity * 2 + FromFull;
    if (Work == Floor::loads) word = __atomic_load_n(cell, __ATOMIC_SEQ_CST);
    __atomic_store_n(&memory->intent, word, __ATOMIC_RELEASE);
    if (!__atomic_compare_exchange_n(cell, &word, word + 1, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
      return false;
    }
    __atomic_store_n(&memory->spare, word, __ATOMIC_RELEASE);
    position = at + 1;
    __atomic_store_n(&hint, position, __ATOMIC_RELEASE);
    return true;
  }

  Memory* memory;
  std::uint64_t tail = 0;
  std::uint64_t head = 0;
};

// All that shm_queue does for a thread that dequeues at once what it has enqueued, but for finding
// the thread's lane (and with it the number of slots), and noticing when somebody else is there.
template <class E>
struct PartsFloorQueue {
  using element = E;
  static constexpr std::uint64_t slot_count = capacity + 1;
  // The full bit of a word, above the number of a slot; the lap is above that.
  static constexpr std::uint64_t unit = std::bit_ceil(slot_count);
  static constexpr std::uint64_t nothing = UINT64_MAX;
  static constexpr int tail = 0;
  static constexpr int head = 1;

  struct Record {
    std::uint64_t spare = capacity;
    std::uint64_t intent = 0;
  };
  struct Side {
    std::uint64_t at;      // the next position
    std::uint64_t word;    // what is there
    std::uint64_t end;     // the last position of the lap
    std::uintptr_t words;  // where the lap's words are, less its first position
    std::uint64_t from;    // what the side exchanges in the lap, less the number of a slot
    std::uint64_t to;      // and for what
  };
  struct Parts {
    std::uint64_t* hints;
    Record* record;
    E* slots;
    std::array<Side, 2> sides;
  };
  struct Memory {
    alignas(64) std::array<std::uint64_t, 16> hints{};
    alignas(64) std::array<E, slot_count> slots{};
    alignas(64) Record record;
    // One more, to be looked at behind the last.
    alignas(64) std::array<std::uint64_t, capacity + 1> words{};
    alignas(64) Parts parts{};
  };
  struct Owner {
    explicit Owner(const std::string&) {
      std::iota(memory->words.begin(), memory->words.end(), 0);
      memory->parts = {memory->hints.data(), &memory->record, memory->slots.data(), {}};
      begin_lap<tail>(*memory, 0);
      begin_lap<head>(*memory, 0);
    }
    std::unique_ptr<Memory> memory = std::make_unique<Memory>();
  };
  static constexpr bool between_processes = false;

  explicit PartsFloorQueue(Owner& owner) : memory(owner.memory.get()) {}

  [[gnu::always_inline]] bool push(const E& value) {
    Parts& parts = memory->parts;
    const std::uint64_t spare = intend<tail>(parts);
    if (spare == nothing) [[unlikely]]
      return false;
    const std::uint64_t got = parts.sides[tail].word - parts.sides[tail].from;
    std::uint64_t* const hints = parts.hints;
    shmds_copy_in_inline(slots(parts, hints) + spare, &value, sizeof(E));
    return exchange<tail>(parts, hints, spare, got);
  }
  [[gnu::always_inline]] bool pop(E& value) {
    Parts& parts = memory->parts;
    const std::uint64_t spare = intend<head>(parts);
    if (spare == nothing) [[unlikely]]
      return false;
    const std::uint64_t got = parts.sides[head].word - parts.sides[head].from;
    std::uint64_t* const hints = parts.hints;
    if (!exchange<head>(parts, hints, spare, got)) [[unlikely]]
      return false;
    value = slots(parts, hints)[got];
    return true;
  }
  size_t size() const { return 0; }

  // Says which word is in play, and tells the spare slot.
  template <int Which>
  [[gnu::always_inline]] std::uint64_t intend(Parts& parts) {
    const std::uint64_t spare = __atomic_load_n(&parts.record->spare, __ATOMIC_RELAXED);
    if (spare >= slot_count) [[unlikely]]
      return nothing;
    __atomic_store_n(&parts.record->intent, parts.sides[Which].word, __ATOMIC_RELEASE);
    return spare;
  }

  // Found behind the hints where shm_queue finds them behind its ends.
  static E* slots(const Parts& parts, std::uint64_t* hints) {
    if (sizeof(E) > SHMDS_QUEUE_LARGEST_NEAR) return parts.slots;
    constexpr std::size_t distance = offsetof(Memory, slots) - offsetof(Memory, hints);
    return reinterpret_cast<E*>(reinterpret_cast<std::uintptr_t>(hints) + distance);
  }

  // Exchanges a slot for the one that is to be got.
  template <int Which>
  [[gnu::always_inline]] bool exchange(Parts& parts, std::uint64_t* hints, std::uint64_t slot,
                                       std::uint64_t got) {
    Side& side = parts.sides[Which];
    std::uint64_t word = side.word;
    const std::uint64_t at = side.at;
    const std::uint64_t desired = side.to + slot;
    if (got >= slot_count) [[unlikely]]
      return false;
    auto* const cell = reinterpret_cast<std::uint64_t*>(side.words + at * sizeof(std::uint64_t));
    const std::uint64_t ahead = __atomic_load_n(cell + 1, __ATOMIC_RELAXED);
    if (!__atomic_compare_exchange_n(cell, &word, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) [[unlikely]] {
      return false;
    }
    __atomic_store_n(&hints[Which * 8], at + 1, __ATOMIC_RELEASE);
    if (Which == tail) parts.sides[head].word = desired;
    side.at = at + 1;
    side.word = ahead;
    __atomic_store_n(&parts.record->spare, got, __ATOMIC_RELEASE);
    if (at >= side.end) [[unlikely]]
      begin_lap<Which>(*memory, side.end + 1 - capacity + 2 * unit);
    return true;
  }

  // To be called by the tail when the first word is empty.
  template <int Which>
  [[gnu::noinline]] static void begin_lap(Memory& memory, std::uint64_t first) {
    const std::uint64_t from = first + (Which == head ? unit : 0);
    const auto words = reinterpret_cast<std::uintptr_t>(memory.words.data());
    memory.parts.sides[Which] = {
        first, memory.words[0], first + capacity - 1, words - first * sizeof(std::uint64_t),
        from,  from + unit};
  }

  Memory* memory;
};

#endif
