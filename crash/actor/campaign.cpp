// A process of the campaign: does everything at random, and writes down what and when.
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "actor.hpp"

namespace crash {

/// What was done; src/history.rs has the same.
enum class Kind : uint32_t {
  enqueue,
  dequeue,
  push,
  pop,
  ring_push,
  ring_pop,
  add,
  acquire,
  release,
  reclaim,
  create,
  destroy,
  attach,
};

/// Written before the operation, completed after it.
struct Record {
  uint64_t begin;
  /// 0 as long as it has not returned.
  uint64_t end;
  Kind kind;
  shmds_status status;
  /// Element, handle, or what the atomic was.
  uint64_t value;
};

struct Log {
  std::atomic<uint64_t> count;
  uint64_t capacity;
  std::atomic<uint32_t> stop;
  uint32_t serial;
  char name[64];
  Record records[1];
};

namespace {

constexpr size_t capacity = 16;
constexpr size_t most_objects = 8;
using Item = Element<3>;

uint64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

struct Random {
  uint64_t state;
  uint64_t below(uint64_t limit) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1d >> 32) % limit;
  }
};

class Worker {
 public:
  explicit Worker(Log* log) : log_(log), random_{0x9e3779b97f4a7c15 * (log->serial + 1)} {}

  void run() {
    if (!attach()) return;
    while (log_->stop.load(std::memory_order_relaxed) == 0) {
      // Room for one whole step.
      if (log_->count.load(std::memory_order_relaxed) + 16 > log_->capacity) {
        usleep(200);
        continue;
      }
      act();
    }
    (void)!shmds_segment_close(segment_);
  }

 private:
  /// Notes that something begins, does it, and notes what came of it.
  template <class Call>
  shmds_status note(Kind kind, uint64_t value, Call call) {
    const uint64_t at = log_->count.load(std::memory_order_relaxed);
    Record& record = log_->records[at];
    record = Record{now(), 0, kind, -10000, value};
    log_->count.store(at + 1, std::memory_order_release);
    const shmds_status status = call(record.value);
    record.status = status;
    std::atomic_thread_fence(std::memory_order_release);
    record.end = now();
    return status;
  }

  bool attach() {
    shmds_segment_options options{};
    options.struct_size = sizeof options;
    options.size = 1 << 16;
    options.max_attachments = 32;
    options.open_timeout_ms = 5000;
    const shmds_status status = note(Kind::attach, 0, [&](uint64_t&) {
      shmds_status got = shmds_segment_open_or_create(log_->name, &options, &segment_);
      const auto then = [&](auto open) {
        if (got == SHMDS_OK) got = open();
      };
      then([&] {
        return shmds_queue_open_or_create(segment_, "queue", sizeof(Item), 8, capacity, &queue_);
      });
      then([&] {
        return shmds_spsc_queue_open_or_create(segment_, "spsc", sizeof(Item), 8, capacity, &spsc_);
      });
      then([&] {
        return shmds_ring_buffer_open_or_create(segment_, "ring", sizeof(Item), 8, capacity,
                                                SHMDS_RING_BUFFER_ROLES, &ring_);
      });
      then([&] { return shmds_object_pool_open_or_create(segment_, "pool", 64, 8, 64, &pool_); });
      const uint64_t zero = 0;
      then([&] { return shmds_atomic_open_or_create(segment_, "atomic", 8, &zero, &atomic_); });
      return got;
    });
    return status == SHMDS_OK;
  }

  uint64_t unique() { return static_cast<uint64_t>(log_->serial) << 32 | ++made_; }

  /// An element that goes in.
  template <class Call>
  void put(Kind kind, Call call) {
    const uint64_t value = unique();
    const Item item = Item::of(value);
    note(kind, value, [&](uint64_t&) { return call(&item); });
  }

  /// An element that comes out.
  template <class Call>
  void take(Kind kind, Call call) {
    note(kind, 0, [&](uint64_t& value) {
      Item item;
      shmds_status status = call(&item);
      if (status == SHMDS_OK) {
        value = item.words[0];
        if (!item.whole()) status = torn;
      }
      return status;
    });
  }

  void act() {
    constexpr uint64_t patience = 2'000'000;
    switch (random_.below(22)) {
      case 0:
        return put(Kind::enqueue, [&](auto* item) { return shmds_queue_enqueue(queue_, item); });
      case 1:
      case 2:
        return put(Kind::enqueue, [&](auto* item) {
          return shmds_queue_enqueue_inline(queue_, item, sizeof *item);
        });
      case 3:
        return take(Kind::dequeue, [&](auto* item) { return shmds_queue_dequeue(queue_, item); });
      case 4:
      case 5:
        return take(Kind::dequeue, [&](auto* item) {
          return shmds_queue_dequeue_inline(queue_, item, sizeof *item);
        });
      case 6:
        return put(Kind::enqueue, [&](auto* item) { return publish(*item); });
      case 7:
        return take(Kind::dequeue, [&](auto* item) { return take_in_place(*item); });
      case 8:
        return random_.below(16) != 0 ? void() : put(Kind::enqueue, [&](auto* item) {
          return shmds_queue_enqueue_wait(queue_, item, patience);
        });
      case 9:
        return random_.below(16) != 0 ? void() : take(Kind::dequeue, [&](auto* item) {
          return shmds_queue_dequeue_wait(queue_, item, patience);
        });
      case 10:
      case 11:
        return put(Kind::push, [&](auto* item) {
          return shmds_spsc_queue_push_inline(spsc_, item, sizeof *item);
        });
      case 12:
      case 13:
        return take(Kind::pop, [&](auto* item) {
          return shmds_spsc_queue_pop_inline(spsc_, item, sizeof *item);
        });
      case 14:
        return put(Kind::ring_push, [&](auto* item) {
          return shmds_ring_buffer_push_inline(ring_, item, sizeof *item);
        });
      case 15:
        return take(Kind::ring_pop, [&](auto* item) {
          return shmds_ring_buffer_pop_inline(ring_, item, sizeof *item);
        });
      case 16:
        note(Kind::add, 0,
             [&](uint64_t& before) { return shmds_atomic_fetch_add(atomic_, 1, &before); });
        return;
      case 17:
      case 18:
        return acquire();
      case 19:
        return release();
      case 20:
        if (random_.below(64) == 0) {
          note(Kind::reclaim, 0, [&](uint64_t& count) {
            size_t freed = 0;
            const shmds_status status = shmds_object_pool_reclaim(pool_, &freed);
            count = freed;
            return status;
          });
        }
        // Roles move on now and then.
        if (random_.below(64) == 0) (void)!shmds_spsc_queue_leave(spsc_);
        if (random_.below(64) == 0) (void)!shmds_ring_buffer_leave(ring_);
        return;
      default:
        return random_.below(8) != 0 ? void() : change_table();
    }
  }

  shmds_status publish(const Item& item) {
    shmds_queue_slot slot{};
    const shmds_status status = shmds_queue_reserve(queue_, &slot);
    if (status != SHMDS_OK) return status;
    *static_cast<Item*>(slot.element) = item;
    const shmds_status published = shmds_queue_publish(queue_, &slot);
    if (published != SHMDS_OK) (void)!shmds_queue_abandon(queue_, &slot);
    return published;
  }

  shmds_status take_in_place(Item& item) {
    shmds_queue_slot slot{};
    const shmds_status status = shmds_queue_take(queue_, &slot);
    if (status != SHMDS_OK) return status;
    item = *static_cast<const Item*>(slot.element);
    return shmds_queue_done(queue_, &slot);
  }

  void acquire() {
    if (held_ == most_objects) return release();
    note(Kind::acquire, 0, [&](uint64_t& value) {
      uint32_t handle = 0;
      const shmds_status status = shmds_object_pool_acquire_inline(pool_, &handle);
      if (status == SHMDS_OK) objects_[held_++] = handle;
      value = handle;
      return status;
    });
  }

  void release() {
    if (held_ == 0) return;
    const uint32_t handle = objects_[--held_];
    note(Kind::release, handle,
         [&](uint64_t&) { return shmds_object_pool_release_inline(pool_, handle); });
  }

  void change_table() {
    char name[16];
    const uint64_t number = random_.below(8);
    std::snprintf(name, sizeof name, "array %u", static_cast<unsigned>(number));
    if (random_.below(2) == 0) {
      note(Kind::create, number, [&](uint64_t&) {
        shmds_array* array = nullptr;
        return shmds_array_open_or_create(segment_, name, 8, 0, 16 + number, &array);
      });
    } else {
      note(Kind::destroy, number, [&](uint64_t&) { return shmds_segment_destroy(segment_, name); });
    }
  }

  Log* log_;
  Random random_;
  uint64_t made_ = 0;
  shmds_segment* segment_ = nullptr;
  shmds_queue* queue_ = nullptr;
  shmds_spsc_queue* spsc_ = nullptr;
  shmds_ring_buffer* ring_ = nullptr;
  shmds_object_pool* pool_ = nullptr;
  shmds_atomic* atomic_ = nullptr;
  std::array<uint32_t, most_objects> objects_{};
  size_t held_ = 0;
};

}  // namespace
}  // namespace crash

extern "C" void crash_campaign(crash::Log* log) {
  crash::Worker(log).run();
}
