// Operations on the object pool. Each attachment knows the handles that it holds, oldest first.
#include <algorithm>
#include <array>

#include "actor.hpp"

namespace crash {
namespace {

void keep(Attachment& at, uint32_t handle) {
  if (at.held_count < most_held) at.held[at.held_count++] = handle;
}

/// Takes the oldest `count` handles out of what the attachment holds.
size_t give(Attachment& at, size_t count, uint32_t* handles) {
  count = std::min(count, at.held_count);
  std::copy_n(at.held, count, handles);
  std::copy(at.held + count, at.held + at.held_count, at.held);
  at.held_count -= count;
  return count;
}

}  // namespace

void on_pool(Actor& actor, const Op& op, Outcome& outcome) {
  Attachment& at = *actor.at;
  shmds_object_pool* pool = at.pool;
  const bool in_line = (op.how & 1) == Path::in_line;
  std::array<uint32_t, most_values> handles{};
  uint32_t handle = SHMDS_INVALID_HANDLE;
  size_t count = 0;
  switch (op.code) {
    case Code::pool_open_or_create:
      outcome.status = watched(actor, [&] {
        return shmds_object_pool_open_or_create(at.segment, "pool", op.b, 8, op.a, &at.pool);
      });
      return;
    case Code::acquire:
      outcome.status = watched(actor, [&] {
        return in_line ? shmds_object_pool_acquire_inline(pool, &handle)
                       : shmds_object_pool_acquire(pool, &handle);
      });
      if (outcome.status != SHMDS_OK) return;
      keep(at, handle);
      outcome.count = 1;
      outcome.values[0] = handle;
      return;
    case Code::release:
      give(at, 1, &handle);
      outcome.status = watched(actor, [&] {
        return in_line ? shmds_object_pool_release_inline(pool, handle)
                       : shmds_object_pool_release(pool, handle);
      });
      return;
    case Code::acquire_token: {
      shmds_object_token token{};
      outcome.status =
          watched(actor, [&] { return shmds_object_pool_acquire_token(pool, &token); });
      if (outcome.status != SHMDS_OK) return;
      if (at.token_count < most_held) at.tokens[at.token_count++] = token;
      outcome.count = 1;
      outcome.values[0] = token.index;
      return;
    }
    case Code::release_token: {
      shmds_object_token token{SHMDS_INVALID_HANDLE, 0};
      if (at.token_count > 0) {
        token = at.tokens[0];
        std::copy(at.tokens + 1, at.tokens + at.token_count--, at.tokens);
      }
      outcome.status = watched(actor, [&] { return shmds_object_pool_release_token(pool, token); });
      return;
    }
    case Code::release_at:
      outcome.status = watched(
          actor, [&] { return shmds_object_pool_release(pool, static_cast<uint32_t>(op.a)); });
      return;
    case Code::acquire_batch:
      outcome.status = watched(actor, [&] {
        return shmds_object_pool_acquire_batch(pool, handles.data(), op.b, &count);
      });
      outcome.count = static_cast<uint32_t>(count);
      for (size_t index = 0; index < count; ++index) {
        keep(at, handles[index]);
        outcome.values[index] = handles[index];
      }
      return;
    case Code::release_batch: {
      const size_t given = give(at, op.b, handles.data());
      outcome.status = watched(actor, [&] {
        return shmds_object_pool_release_batch(pool, handles.data(), given, &count);
      });
      outcome.count = static_cast<uint32_t>(count);
      return;
    }
    case Code::reclaim:
      outcome.status = watched(actor, [&] { return shmds_object_pool_reclaim(pool, &count); });
      outcome.count = static_cast<uint32_t>(count);
      return;
    case Code::disown:
      outcome.status = watched(
          actor, [&] { return shmds_object_pool_disown(pool, static_cast<uint32_t>(op.a)); });
      return;
    case Code::adopt:
      outcome.status = watched(
          actor, [&] { return shmds_object_pool_adopt(pool, static_cast<uint32_t>(op.a)); });
      return;
    case Code::num_allocated:
      outcome.count = static_cast<uint32_t>(shmds_object_pool_num_allocated(pool));
      return;
    default:
      outcome.status = SHMDS_E_ARGUMENT;
  }
}

}  // namespace crash
