// Operations on the ring buffer.
#include <array>

#include "actor.hpp"

namespace crash {
namespace {

template <size_t Words>
void with_elements(Actor& actor, const Op& op, Outcome& outcome) {
  using Item = Element<Words>;
  shmds_ring_buffer* ring = actor.at->ring;
  const bool in_line = (op.how & 1) == Path::in_line;
  std::array<Item, most_values> items{};
  size_t count = 0;
  for (size_t index = 0; index < op.b && index < items.size(); ++index) {
    items[index] = Item::of(op.a + index);
  }
  const Item item = Item::of(op.a);
  const auto call = [&](auto library_call, auto inline_call) {
    outcome.status = in_line ? watched(actor, inline_call) : watched(actor, library_call);
  };
  switch (op.code) {
    case Code::ring_push:
      return call([&] { return shmds_ring_buffer_push(ring, &item); },
                  [&] { return shmds_ring_buffer_push_inline(ring, &item, sizeof item); });
    case Code::ring_overwrite:
      return call(
          [&] { return shmds_ring_buffer_push_overwrite(ring, &item); },
          [&] { return shmds_ring_buffer_push_overwrite_inline(ring, &item, sizeof item); });
    case Code::ring_overwrite_bulk:
      outcome.status = watched(
          actor, [&] { return shmds_ring_buffer_overwrite_bulk(ring, items.data(), op.b); });
      return;
    case Code::ring_push_bulk:
      call([&] { return shmds_ring_buffer_push_bulk(ring, items.data(), op.b, &count); },
           [&] {
             return shmds_ring_buffer_push_bulk_inline(ring, items.data(), op.b, sizeof(Item),
                                                       &count);
           });
      outcome.count = static_cast<uint32_t>(count);
      return;
    case Code::ring_pop:
      call([&] { return shmds_ring_buffer_pop(ring, items.data()); },
           [&] { return shmds_ring_buffer_pop_inline(ring, items.data(), sizeof(Item)); });
      if (outcome.status == SHMDS_OK) items[0].report(outcome, 0);
      return;
    case Code::ring_pop_bulk:
      call([&] { return shmds_ring_buffer_pop_bulk(ring, items.data(), op.b, &count); },
           [&] {
             return shmds_ring_buffer_pop_bulk_inline(ring, items.data(), op.b, sizeof(Item),
                                                      &count);
           });
      break;
    case Code::ring_last:
      outcome.status = watched(
          actor, [&] { return shmds_ring_buffer_get_last_n(ring, items.data(), op.b, &count); });
      break;
    case Code::ring_observe: {
      shmds_ring_buffer_observer observer{};
      observer.struct_size = sizeof observer;
      outcome.status = watched(actor, [&] {
        return shmds_ring_buffer_observe(ring, &observer, items.data(), op.b, &count);
      });
      break;
    }
    case Code::ring_skip:
      outcome.status = watched(actor, [&] { return shmds_ring_buffer_skip(ring, op.b, &count); });
      outcome.count = static_cast<uint32_t>(count);
      return;
    case Code::ring_clear:
      outcome.status = watched(actor, [&] { return shmds_ring_buffer_clear(ring); });
      return;
    case Code::ring_push_wait:
      outcome.status =
          watched(actor, [&] { return shmds_ring_buffer_push_wait(ring, &item, op.b); });
      return;
    case Code::ring_pop_wait:
      outcome.status =
          watched(actor, [&] { return shmds_ring_buffer_pop_wait(ring, items.data(), op.b); });
      if (outcome.status == SHMDS_OK) items[0].report(outcome, 0);
      return;
    default:
      outcome.status = SHMDS_E_ARGUMENT;
      return;
  }
  outcome.count = static_cast<uint32_t>(count);
  for (size_t index = 0; index < count; ++index)
    items[index].report(outcome, index);
}

}  // namespace

void on_ring(Actor& actor, const Op& op, Outcome& outcome) {
  Attachment& at = *actor.at;
  switch (op.code) {
    case Code::ring_open_or_create:
      at.ring_elem = op.b;
      outcome.status = watched(actor, [&] {
        return shmds_ring_buffer_open_or_create(at.segment, "ring", op.b, 8, op.a, 0, &at.ring);
      });
      return;
    case Code::ring_roles_open_or_create:
      at.ring_elem = op.b;
      outcome.status = watched(actor, [&] {
        return shmds_ring_buffer_open_or_create(at.segment, "ring", op.b, 8, op.a,
                                                SHMDS_RING_BUFFER_ROLES, &at.ring);
      });
      return;
    case Code::ring_leave:
      outcome.status = watched(actor, [&] { return shmds_ring_buffer_leave(at.ring); });
      return;
    case Code::ring_size:
      outcome.count = static_cast<uint32_t>(shmds_ring_buffer_size(at.ring));
      return;
    default:
      return with_words(at.ring_elem, [&](auto words) {
        with_elements<decltype(words)::value>(actor, op, outcome);
      });
  }
}

}  // namespace crash
