// Two structures as users of the original wrote their own: on shm_span, in space taken
// behind what the table says is allocated, registered with table->add.
#ifndef SHMDS_TESTS_USER_STRUCTURES_HPP
#define SHMDS_TESTS_USER_STRUCTURES_HPP

#include <atomic>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "posix_shm.h"
#include "shm_span.h"

// A lock-free stack: nodes linked by index, with a count in the upper half of each end.
template <typename T>
struct shm_stack_node {
  T value;
  uint32_t next;
};

template <typename T, typename TableType = shm_table>
  requires std::is_trivially_copyable_v<T>
class shm_stack : public shm_span<shm_stack_node<T>, posix_shm_impl<TableType>> {
  using node = shm_stack_node<T>;
  using base = shm_span<node, posix_shm_impl<TableType>>;
  struct ends {
    std::atomic<uint64_t> top;
    std::atomic<uint64_t> unused;
  };

 public:
  shm_stack(posix_shm_impl<TableType>& segment, std::string_view name, size_t capacity = 0)
      : base(segment, 0, 0) {
    auto* table = static_cast<TableType*>(this->shm.get_base_addr());
    if (auto* entry = table->find(name)) {
      if (capacity != 0 && entry->num_elem != capacity) throw std::runtime_error("size mismatch");
      this->offset = entry->offset + sizeof(ends);
      this->num_elem = entry->num_elem;
      return;
    }
    if (capacity == 0) throw std::runtime_error("no such stack");
    const size_t needed = sizeof(ends) + capacity * sizeof(node);
    const size_t used = sizeof(TableType) + table->get_total_allocated_size();
    const size_t start = (used + alignof(ends) - 1) / alignof(ends) * alignof(ends);
    if (!table->add(name, start, needed, sizeof(node), capacity)) {
      throw std::runtime_error("table full");
    }
    this->offset = start + sizeof(ends);
    this->num_elem = capacity;
    for (uint32_t i = 0; i < capacity; ++i)
      (*this)[i].next = i + 1 < capacity ? i + 1 : none;
    new (header()) ends{none, 0};
  }

  bool push(const T& value) {
    const uint32_t index = take(header()->unused);
    if (index == none) return false;
    (*this)[index].value = value;
    put(header()->top, index);
    return true;
  }
  std::optional<T> pop() {
    const uint32_t index = take(header()->top);
    if (index == none) return std::nullopt;
    const T value = (*this)[index].value;
    put(header()->unused, index);
    return value;
  }

 private:
  static constexpr uint32_t none = UINT32_MAX;

  ends* header() {
    return reinterpret_cast<ends*>(static_cast<char*>(this->shm.get_base_addr()) + this->offset -
                                   sizeof(ends));
  }
  uint32_t take(std::atomic<uint64_t>& end) {
    uint64_t seen = end.load(std::memory_order_acquire);
    for (;;) {
      const auto index = static_cast<uint32_t>(seen);
      if (index == none) return none;
      const uint32_t next =
          std::atomic_ref<uint32_t>((*this)[index].next).load(std::memory_order_relaxed);
      if (end.compare_exchange_weak(seen, advanced(seen, next))) return index;
    }
  }
  void put(std::atomic<uint64_t>& end, uint32_t index) {
    uint64_t seen = end.load(std::memory_order_relaxed);
    do {
      std::atomic_ref<uint32_t>((*this)[index].next)
          .store(static_cast<uint32_t>(seen), std::memory_order_relaxed);
    } while (!end.compare_exchange_weak(seen, advanced(seen, index)));
  }
  static uint64_t advanced(uint64_t end, uint32_t index) { return ((end >> 32) + 1) << 32 | index; }
};

// A hash map from a number to a sum: open addressing, keys are never removed.
struct shm_map_slot {
  std::atomic<uint64_t> key;  // 0: nobody's
  std::atomic<int64_t> sum;
};

class shm_count_map {
 public:
  shm_count_map(posix_shm& segment, const std::string& name, size_t slots = 0)
      : table_(static_cast<shm_table*>(segment.get_base_addr())),
        slots_(place(segment, name, slots)) {}

  bool add(uint64_t key, int64_t amount) {
    for (size_t probe = 0; probe < slots_.size(); ++probe) {
      auto& slot = slots_[(key * 0x9E3779B97F4A7C15U + probe) % slots_.size()];
      uint64_t seen = 0;
      if (slot.key.compare_exchange_strong(seen, key) || seen == key) {
        slot.sum += amount;
        return true;
      }
    }
    return false;
  }
  std::optional<int64_t> find(uint64_t key) {
    for (size_t probe = 0; probe < slots_.size(); ++probe) {
      auto& slot = slots_[(key * 0x9E3779B97F4A7C15U + probe) % slots_.size()];
      if (slot.key == key) return slot.sum.load();
      if (slot.key == 0) return std::nullopt;
    }
    return std::nullopt;
  }
  size_t capacity() const { return slots_.size(); }

 private:
  // The elements are atomics, which are not trivially copyable for every compiler: bytes.
  struct alignas(8) cell {
    unsigned char bytes[sizeof(shm_map_slot)];
  };
  class window : public shm_span<cell, posix_shm> {
   public:
    using shm_span<cell, posix_shm>::shm_span;
    shm_map_slot& operator[](size_t i) { return reinterpret_cast<shm_map_slot*>(data())[i]; }
  };

  window place(posix_shm& segment, const std::string& name, size_t slots) {
    if (const auto* entry = table_->find(name.c_str())) {
      return {segment, entry->offset, entry->num_elem};
    }
    if (slots == 0) throw std::runtime_error("no such map");
    const size_t start = (sizeof(shm_table) + table_->get_total_allocated_size() + 7) / 8 * 8;
    if (!table_->add(name.c_str(), start, slots * sizeof(cell), sizeof(cell), slots)) {
      throw std::runtime_error("table full");
    }
    window made(segment, start, slots);
    for (size_t i = 0; i < slots; ++i)
      new (&made[i]) shm_map_slot{0, 0};
    return made;
  }

  shm_table* table_;
  window slots_;
};

#endif
