// The loop of a process: takes operations from its channel and does them.
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "actor.hpp"

extern "C" void crash_exit(uint32_t way);
/// Does what it is told through a channel, for good.
extern "C" [[noreturn]] void crash_serve(crash::Actor* actor, crash::Channel* channel);

namespace crash {
namespace {

uint64_t now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

uint64_t sleeps() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<uint64_t>(usage.ru_nvcsw);
}

/// Forks a process that goes on with what this one has open, and listens to the channel at `a`.
void on_fork(Actor& actor, const Op& op, Outcome& outcome) {
  auto* channel = reinterpret_cast<Channel*>(op.a);
  // It is the harness that waits for its end.
  signal(SIGCHLD, SIG_IGN);
  const pid_t child = fork();
  if (child == 0) {
    actor.channel = channel;
    crash_serve(&actor, channel);
  }
  channel->pid = static_cast<uint32_t>(child);
  outcome.status = child > 0 ? SHMDS_OK : SHMDS_E_SYSTEM;
}

void act(Actor& actor, const Op& op, Outcome& outcome) {
  actor.at = &actor.attachments[op.how >> 1 & 1];
  outcome = Outcome{};
  if (op.code < Code::queue_open_or_create) return on_segment(actor, op, outcome);
  if (op.code < Code::spsc_open_or_create) return on_queue(actor, op, outcome);
  if (op.code < Code::atomic_open_or_create) return on_spsc(actor, op, outcome);
  if (op.code < Code::pool_open_or_create) return on_atomic(actor, op, outcome);
  if (op.code < Code::ring_open_or_create) return on_pool(actor, op, outcome);
  if (op.code < Code::fork) return on_ring(actor, op, outcome);
  if (op.code < Code::exit) return on_fork(actor, op, outcome);
  crash_exit(static_cast<uint32_t>(op.a));
}

}  // namespace

uint8_t* extent(shmds_segment* segment, const char* name) {
  shmds_entry_info entry{};
  entry.struct_size = sizeof entry;
  if (shmds_segment_find(segment, name, &entry) != SHMDS_OK) return nullptr;
  return static_cast<uint8_t*>(shmds_segment_base(segment)) + entry.offset;
}

void see_sleepers(const uint8_t* header, uint64_t one, uint64_t other, Outcome& outcome) {
  for (const uint64_t offset : {one, other}) {
    const auto* word = reinterpret_cast<const uint32_t*>(header + offset);
    outcome.values[outcome.count++] = __atomic_load_n(word, __ATOMIC_ACQUIRE) & 1;
  }
}

}  // namespace crash

extern "C" crash::Actor* crash_actor(crash::Channel* channel) {
  return new crash::Actor{channel, {}, nullptr};
}

/// Does all operations of the channel; the operation `armed - 1` is the one to be stepped through.
extern "C" void crash_run(crash::Actor* actor) {
  using namespace crash;
  Channel* channel = actor->channel;
  const uint32_t victim = channel->armed;
  channel->armed = 0;
  const uint64_t sleeps_before = sleeps();
  const uint64_t cpu_before = now(CLOCK_THREAD_CPUTIME_ID);
  uint64_t longest = 0;
  channel->started.store(1, std::memory_order_release);
  uint64_t start = now(CLOCK_MONOTONIC);
  for (uint32_t index = 0; index < channel->count; ++index) {
    channel->armed = index + 1 == victim ? victim : 0;
    act(*actor, channel->ops[index], channel->outcomes[index]);
    channel->done.store(index + 1, std::memory_order_release);
    const uint64_t end = now(CLOCK_MONOTONIC);
    longest = end - start > longest ? end - start : longest;
    start = end;
  }
  channel->longest_ns = longest;
  channel->cpu_ns = now(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
  channel->sleeps = sleeps() - sleeps_before;
}
