// Operations on the queue.
#include <array>
#include <vector>

#include "actor.hpp"

namespace crash {
namespace {

constexpr const char* queue_name = "queue";

uint64_t word(const uint8_t* bytes, uint64_t offset) {
  return __atomic_load_n(reinterpret_cast<const uint64_t*>(bytes + offset), __ATOMIC_ACQUIRE);
}

/// The hints as a process leaves them that was stopped before its store for as long as the queue
/// exists.
void make_hints_stale(shmds_segment* segment) {
  uint8_t* header = extent(segment, queue_name);
  if (!header) return;
  __atomic_store_n(reinterpret_cast<uint64_t*>(header + 64), 0, __ATOMIC_RELEASE);
  __atomic_store_n(reinterpret_cast<uint64_t*>(header + 128), 0, __ATOMIC_RELEASE);
}

/// How many lanes beside its own this process can have at once.
void count_lanes(shmds_queue* queue, Outcome& outcome) {
  std::array<shmds_queue_slot, 128> held;
  size_t count = 0;
  shmds_status status = SHMDS_OK;
  while (count < held.size() && status == SHMDS_OK) {
    status = shmds_queue_reserve(queue, &held[count]);
    if (status == SHMDS_OK) ++count;
  }
  outcome.status = status == SHMDS_E_BUSY ? SHMDS_OK : status;
  outcome.count = static_cast<uint32_t>(count);
  while (count > 0) {
    const shmds_status given = shmds_queue_abandon(queue, &held[--count]);
    if (given != SHMDS_OK) outcome.status = given;
  }
}

/// Whether each payload slot is in exactly one ring word, or with one lane at rest; reads the
/// bytes as docs/architecture.md gives them. `values`: lanes not at rest, slots not seen once.
void check_slots(shmds_segment* segment, Outcome& outcome) {
  const uint8_t* header = extent(segment, queue_name);
  if (!header) {
    outcome.status = SHMDS_E_NOT_FOUND;
    return;
  }
  const uint64_t capacity = word(header, 16);
  const uint64_t lanes = word(header, 24) >> 32;
  const uint64_t slot_bits = word(header, 32) & 0xffffffff;
  const uint64_t lanes_offset = word(header, 40);
  const uint64_t words_offset = word(header, 48);
  std::vector<unsigned> seen(capacity + lanes);
  for (uint64_t index = 0; index < capacity; ++index) {
    const uint64_t slot = word(header, words_offset + 8 * index) & ((1ULL << slot_bits) - 1);
    if (slot < seen.size()) ++seen[slot];
  }
  for (uint64_t lane = 0; lane < lanes; ++lane) {
    const uint64_t record = word(header, lanes_offset + 64 * lane + 8);
    if (record >> 31 != 0) {
      ++outcome.values[0];
    } else if (record < seen.size()) {
      ++seen[record];
    }
  }
  for (const unsigned times : seen)
    outcome.values[1] += times != 1;
}

template <size_t Words>
void with_elements(Actor& actor, const Op& op, Outcome& outcome) {
  using Item = Element<Words>;
  shmds_queue* queue = actor.at->queue;
  const bool in_line = (op.how & 1) == Path::in_line;
  std::array<Item, most_values> items{};
  size_t count = 0;
  shmds_queue_slot slot{};
  switch (op.code) {
    case Code::enqueue: {
      const Item item = Item::of(op.a);
      if (in_line) {
        outcome.status =
            watched(actor, [&] { return shmds_queue_enqueue_inline(queue, &item, sizeof item); });
      } else {
        outcome.status = watched(actor, [&] { return shmds_queue_enqueue(queue, &item); });
      }
      return;
    }
    case Code::dequeue: {
      Item item;
      if (in_line) {
        outcome.status =
            watched(actor, [&] { return shmds_queue_dequeue_inline(queue, &item, sizeof item); });
      } else {
        outcome.status = watched(actor, [&] { return shmds_queue_dequeue(queue, &item); });
      }
      if (outcome.status == SHMDS_OK) item.report(outcome, 0);
      return;
    }
    case Code::enqueue_bulk:
      for (size_t index = 0; index < op.b; ++index)
        items[index] = Item::of(op.a + index);
      outcome.status = watched(
          actor, [&] { return shmds_queue_enqueue_bulk(queue, items.data(), op.b, &count); });
      outcome.count = static_cast<uint32_t>(count);
      return;
    case Code::dequeue_bulk:
      outcome.status = watched(
          actor, [&] { return shmds_queue_dequeue_bulk(queue, items.data(), op.b, &count); });
      outcome.count = static_cast<uint32_t>(count);
      for (size_t index = 0; index < count; ++index)
        items[index].report(outcome, index);
      return;
    case Code::publish:
      outcome.status = watched(actor, [&] {
        shmds_status status = shmds_queue_reserve(queue, &slot);
        if (status != SHMDS_OK) return status;
        *static_cast<Item*>(slot.element) = Item::of(op.a);
        status = shmds_queue_publish(queue, &slot);
        if (status != SHMDS_OK) (void)!shmds_queue_abandon(queue, &slot);
        return status;
      });
      return;
    case Code::abandon:
      outcome.status = watched(actor, [&] {
        const shmds_status status = shmds_queue_reserve(queue, &slot);
        if (status != SHMDS_OK) return status;
        *static_cast<Item*>(slot.element) = Item::of(op.a);
        return shmds_queue_abandon(queue, &slot);
      });
      return;
    case Code::take:
      outcome.status = watched(actor, [&] {
        const shmds_status status = shmds_queue_take(queue, &slot);
        if (status != SHMDS_OK) return status;
        items[0] = *static_cast<const Item*>(slot.element);
        return shmds_queue_done(queue, &slot);
      });
      if (outcome.status == SHMDS_OK) items[0].report(outcome, 0);
      return;
    case Code::enqueue_wait: {
      const Item item = Item::of(op.a);
      outcome.status = watched(actor, [&] { return shmds_queue_enqueue_wait(queue, &item, op.b); });
      return;
    }
    case Code::dequeue_wait: {
      Item item;
      outcome.status = watched(actor, [&] { return shmds_queue_dequeue_wait(queue, &item, op.b); });
      if (outcome.status == SHMDS_OK) item.report(outcome, 0);
      return;
    }
    default:
      outcome.status = SHMDS_E_ARGUMENT;
  }
}

}  // namespace

void on_queue(Actor& actor, const Op& op, Outcome& outcome) {
  Attachment& at = *actor.at;
  switch (op.code) {
    case Code::queue_open_or_create:
      at.queue_elem = op.b;
      outcome.status = watched(actor, [&] {
        return shmds_queue_open_or_create(at.segment, queue_name, op.b, 8, op.a, &at.queue);
      });
      return;
    case Code::queue_size:
      outcome.count = static_cast<uint32_t>(shmds_queue_size(at.queue));
      return;
    case Code::queue_stale_hints:
      return make_hints_stale(at.segment);
    case Code::queue_lanes:
      (void)watched(actor, [&] {
        count_lanes(at.queue, outcome);
        return SHMDS_OK;
      });
      return;
    case Code::queue_slots:
      return check_slots(at.segment, outcome);
    case Code::queue_sleepers:
      return see_sleepers(extent(at.segment, queue_name), 192, 196, outcome);
    default:
      return with_words(at.queue_elem, [&](auto words) {
        with_elements<decltype(words)::value>(actor, op, outcome);
      });
  }
}

}  // namespace crash
