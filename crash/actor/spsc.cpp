// Operations on the queue for one producer and one consumer.
#include <array>

#include "actor.hpp"

namespace crash {
namespace {

template <size_t Words>
void with_elements(Actor& actor, const Op& op, Outcome& outcome) {
  using Item = Element<Words>;
  shmds_spsc_queue* queue = actor.at->spsc;
  const bool in_line = (op.how & 1) == Path::in_line;
  std::array<Item, most_values> items{};
  size_t count = 0;
  const void* oldest = nullptr;
  switch (op.code) {
    case Code::push: {
      const Item item = Item::of(op.a);
      if (in_line) {
        outcome.status =
            watched(actor, [&] { return shmds_spsc_queue_push_inline(queue, &item, sizeof item); });
      } else {
        outcome.status = watched(actor, [&] { return shmds_spsc_queue_push(queue, &item); });
      }
      return;
    }
    case Code::pop: {
      Item item;
      if (in_line) {
        outcome.status =
            watched(actor, [&] { return shmds_spsc_queue_pop_inline(queue, &item, sizeof item); });
      } else {
        outcome.status = watched(actor, [&] { return shmds_spsc_queue_pop(queue, &item); });
      }
      if (outcome.status == SHMDS_OK) item.report(outcome, 0);
      return;
    }
    case Code::push_bulk:
      for (size_t index = 0; index < op.b; ++index)
        items[index] = Item::of(op.a + index);
      outcome.status = watched(
          actor, [&] { return shmds_spsc_queue_push_bulk(queue, items.data(), op.b, &count); });
      outcome.count = static_cast<uint32_t>(count);
      return;
    case Code::pop_bulk:
      outcome.status = watched(
          actor, [&] { return shmds_spsc_queue_pop_bulk(queue, items.data(), op.b, &count); });
      outcome.count = static_cast<uint32_t>(count);
      for (size_t index = 0; index < count; ++index)
        items[index].report(outcome, index);
      return;
    case Code::front_release:
      outcome.status = watched(actor, [&] {
        const shmds_status status =
            in_line ? shmds_spsc_queue_front_inline(queue, &oldest, sizeof(Item))
                    : shmds_spsc_queue_front(queue, &oldest);
        if (status != SHMDS_OK) return status;
        items[0] = *static_cast<const Item*>(oldest);
        return in_line ? shmds_spsc_queue_release_inline(queue) : shmds_spsc_queue_release(queue);
      });
      if (outcome.status == SHMDS_OK) items[0].report(outcome, 0);
      return;
    case Code::push_wait: {
      const Item item = Item::of(op.a);
      outcome.status =
          watched(actor, [&] { return shmds_spsc_queue_push_wait(queue, &item, op.b); });
      return;
    }
    case Code::pop_wait: {
      Item item;
      outcome.status =
          watched(actor, [&] { return shmds_spsc_queue_pop_wait(queue, &item, op.b); });
      if (outcome.status == SHMDS_OK) item.report(outcome, 0);
      return;
    }
    default:
      outcome.status = SHMDS_E_ARGUMENT;
  }
}

}  // namespace

void on_spsc(Actor& actor, const Op& op, Outcome& outcome) {
  Attachment& at = *actor.at;
  switch (op.code) {
    case Code::spsc_open_or_create:
      at.spsc_elem = op.b;
      outcome.status = watched(actor, [&] {
        return shmds_spsc_queue_open_or_create(at.segment, "spsc", op.b, 8, op.a, &at.spsc);
      });
      return;
    case Code::leave:
      outcome.status = watched(actor, [&] { return shmds_spsc_queue_leave(at.spsc); });
      return;
    case Code::spsc_size:
      outcome.count = static_cast<uint32_t>(shmds_spsc_queue_size(at.spsc));
      return;
    case Code::spsc_sleepers:
      return see_sleepers(extent(at.segment, "spsc"), 128, 256, outcome);
    default:
      return with_words(at.spsc_elem, [&](auto words) {
        with_elements<decltype(words)::value>(actor, op, outcome);
      });
  }
}

}  // namespace crash
