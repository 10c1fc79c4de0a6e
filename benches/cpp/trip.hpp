// Round trips: a message to another process and its answer, by several means.
#ifndef SHMDS_BENCH_TRIP_HPP
#define SHMDS_BENCH_TRIP_HPP

#include <linux/futex.h>
#include <sys/syscall.h>

#include <chrono>

#include "control.hpp"
#include "ports.hpp"
#include "shm_atomic.h"
#include "stage.hpp"

using Message = Element<8>;

// Far beyond any measurement.
inline constexpr std::chrono::hours for_long{1};

// Each means has two ends. The first sends and then receives, the second the other way round.

// Looking again and again; after many looks others get the processor.
template <class Port>
struct Polling {
  Polling(Segment& segment, bool first, const std::array<int, 4>&)
      : to(segment, first ? "there" : "back"), from(segment, first ? "back" : "there") {}
  void send(std::uint64_t value) {
    Message message{};
    message.set(value);
    if (!to.push(message)) broken("no room for one message");
  }
  std::uint64_t receive() {
    Message message{};
    for (unsigned looks = 1; !from.pop(message); looks++) {
      pause_once();
      if (looks % 4096 == 0) sched_yield();
    }
    return message.value();
  }
  Port to;
  Port from;
};

struct WaitingQueue : Polling<ShmQueue<Message>> {
  using Polling::Polling;
  std::uint64_t receive() { return from.queue.dequeue_wait().value(); }
};

struct WaitingSpsc : Polling<ShmSpsc<Message>> {
  using Polling::Polling;
  std::uint64_t receive() {
    Message message{};
    const std::optional<Message> got = from.queue.pop_for(for_long);
    if (!got) broken("no answer for an hour");
    message = *got;
    return message.value();
  }
};

// A value for each direction, changed by a store.
struct WaitingAtomic {
  WaitingAtomic(Segment& segment, bool first, const std::array<int, 4>&)
      : to(segment.shm, first ? "there" : "back"), from(segment.shm, first ? "back" : "there") {}
  void send(std::uint64_t value) {
    to.store(value, std::memory_order_release);
    to.notify_one();
  }
  std::uint64_t receive() {
    from.wait(last);
    return last = from.load(std::memory_order_acquire);
  }
  shm_atomic<std::uint64_t> to;
  shm_atomic<std::uint64_t> from;
  std::uint64_t last = 0;
};

// The least that two processes which sleep can do: a word for each direction, one call to wake and
// one to sleep.
struct BareFutex {
  BareFutex(Segment& segment, bool first, const std::array<int, 4>&) {
    auto* words = static_cast<Words*>(shm_words(segment));
    to = first ? &words->there : &words->back;
    from = first ? &words->back : &words->there;
  }
  void send(std::uint64_t value) {
    to->word.store(static_cast<std::uint32_t>(value), std::memory_order_release);
    call(to, FUTEX_WAKE, 1);
  }
  std::uint64_t receive() {
    for (;;) {
      const std::uint32_t seen = from->word.load(std::memory_order_acquire);
      if (seen != last) return last = seen;
      call(from, FUTEX_WAIT, last);
    }
  }

 private:
  struct alignas(64) Word {
    std::atomic<std::uint32_t> word;
  };
  struct Words {
    Word there;
    Word back;
  };
  static void* shm_words(Segment& segment) {
    shmds_array* array = nullptr;
    shmds::detail::check(
        shmds_array_open_or_create(segment.shm.native_handle(), "words", 64, 64, 2, &array));
    return shmds_array_data(array);
  }
  static void call(Word* word, int operation, std::uint32_t value) {
    syscall(SYS_futex, &word->word, operation, value, nullptr, nullptr, 0);
  }
  Word* to;
  Word* from;
  std::uint32_t last = 0;
};

struct Pipe {
  Pipe(Segment&, bool first, const std::array<int, 4>& ends)
      : to(first ? ends[1] : ends[3]), from(first ? ends[2] : ends[0]) {}
  void send(std::uint64_t value) {
    if (write(to, &value, sizeof(value)) != sizeof(value)) broken("cannot write to the pipe");
  }
  std::uint64_t receive() {
    std::uint64_t value = 0;
    if (read(from, &value, sizeof(value)) != sizeof(value)) broken("cannot read from the pipe");
    return value;
  }
  int to;
  int from;
};

template <class Use>
void with_means(const std::string& means, Use use) {
  if (means == "queue-poll") return use.template operator()<Polling<ShmQueue<Message>>>();
  if (means == "spsc-poll") return use.template operator()<Polling<ShmSpsc<Message>>>();
  if (means == "queue-wait") return use.template operator()<WaitingQueue>();
  if (means == "spsc-wait") return use.template operator()<WaitingSpsc>();
  if (means == "atomic-wait") return use.template operator()<WaitingAtomic>();
  if (means == "futex") return use.template operator()<BareFutex>();
  if (means == "pipe") return use.template operator()<Pipe>();
  broken("no such means");
}

// The process that answers.
template <class Means>
void answer(Segment& segment, Control& control, const std::array<int, 4>& pipes,
            std::uint64_t count) {
  Means means(segment, false, pipes);
  control.start(control.participants[0]);
  for (std::uint64_t i = 1; i <= count; i++)
    means.send(means.receive());
}

// Nanoseconds of a round trip.
template <class Means>
double round_trip(const std::string& name, std::uint64_t count, std::array<int, 2> cpus) {
  const SegmentName segment_name;
  Segment segment(segment_name.str());
  SharedControl control;
  std::array<int, 4> pipes{};
  if (pipe(pipes.data()) != 0 || pipe(pipes.data() + 2) != 0) throw Failure("no pipe");
  double result = 0;
  {
    // A tenth to warm up.
    const std::uint64_t warm = count / 10 + 1;
    Means means(segment, true, pipes);
    std::vector<std::string> arguments{"answer",
                                       name,
                                       segment_name.str(),
                                       std::to_string(control.fd()),
                                       std::to_string(cpus[1]),
                                       std::to_string(warm + count)};
    for (const int end : pipes)
      arguments.push_back(std::to_string(end));
    Crew crew(control);
    crew.add(arguments);
    crew.start();
    std::uint64_t begin = 0;
    for (std::uint64_t i = 1; i <= warm + count; i++) {
      if (i == warm + 1) begin = now_ns();
      means.send(i);
      if (means.receive() != i) broken("another message came back");
    }
    result = static_cast<double>(now_ns() - begin) / static_cast<double>(count);
    crew.join();
  }
  for (const int end : pipes)
    ::close(end);
  return result;
}

#endif
