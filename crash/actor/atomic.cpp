// Operations on the atomic.
#include "actor.hpp"

namespace crash {

void on_atomic(Actor& actor, const Op& op, Outcome& outcome) {
  Attachment& at = *actor.at;
  shmds_atomic* atomic = at.atomic;
  uint64_t value = op.a;
  using Wide = Element<2>;
  alignas(16) Wide wide = Wide::of(op.a);
  switch (op.code) {
    case Code::atomic_open_or_create:
      outcome.status = watched(actor, [&] {
        return shmds_atomic_open_or_create(at.segment, "atomic", 8, &value, &at.atomic);
      });
      return;
    case Code::wide_open_or_create:
      outcome.status = watched(actor, [&] {
        return shmds_atomic_open_or_create(at.segment, "wide", sizeof wide, &wide, &at.wide);
      });
      return;
    case Code::wide_load:
      outcome.status = watched(actor, [&] { return shmds_atomic_load_wide(at.wide, &wide); });
      if (outcome.status == SHMDS_OK) wide.report(outcome, 0);
      return;
    case Code::wide_compare_exchange: {
      const Wide desired = Wide::of(op.b);
      Wide before{};
      bool exchanged = false;
      outcome.status = watched(actor, [&] {
        return shmds_atomic_compare_exchange_wide(at.wide, &wide, &desired, &before, &exchanged);
      });
      outcome.count = exchanged;
      if (outcome.status == SHMDS_OK) before.report(outcome, 0);
      return;
    }
    case Code::atomic_load:
      outcome.status = watched(actor, [&] { return shmds_atomic_load(atomic, &value); });
      break;
    case Code::atomic_store:
      outcome.status = watched(actor, [&] { return shmds_atomic_store(atomic, value); });
      break;
    case Code::atomic_exchange:
      outcome.status = watched(actor, [&] { return shmds_atomic_exchange(atomic, op.a, &value); });
      break;
    case Code::atomic_compare_exchange: {
      bool exchanged = false;
      outcome.status = watched(actor, [&] {
        return shmds_atomic_compare_exchange(atomic, op.a, op.b, &value, &exchanged);
      });
      outcome.count = exchanged;
      break;
    }
    case Code::atomic_wait:
      outcome.status = watched(actor, [&] { return shmds_atomic_wait(atomic, &value, op.b); });
      return;
    case Code::atomic_notify:
      // As programs do it: first the change, then the news of it.
      outcome.status = watched(actor, [&] {
        const shmds_status status = shmds_atomic_store(atomic, op.a);
        return status == SHMDS_OK ? shmds_atomic_notify(atomic) : status;
      });
      return;
    default:
      outcome.status = watched(actor, [&] { return shmds_atomic_fetch_add(atomic, op.a, &value); });
      break;
  }
  outcome.values[0] = value;
}

}  // namespace crash
