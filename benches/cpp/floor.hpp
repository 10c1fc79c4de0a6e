// What no queue that exchanges slots can do without: the payload there and back, two
// compare-and-swaps, and what has to be stored for those who might recover a dead process. No more.
// One thread only.
#ifndef SHMDS_BENCH_FLOOR_HPP
#define SHMDS_BENCH_FLOOR_HPP

#include <memory>

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

#endif
