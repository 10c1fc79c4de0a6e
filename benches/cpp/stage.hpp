// One queue, from `open` to `close`, and what is measured on it in between.
#ifndef SHMDS_BENCH_STAGE_HPP
#define SHMDS_BENCH_STAGE_HPP

#include <algorithm>
#include <map>
#include <memory>

#include "control.hpp"
#include "flow.hpp"
#include "ports.hpp"
#include "quiet.hpp"

struct Crowd {
  size_t producers;
  size_t consumers;
  bool processes;         // or threads
  bool yields;            // see Backoff
  bool pinned;            // or free on both processors
  unsigned milliseconds;  // how long they produce
};

struct Transfer {
  double per_us;  // elements that came out, per microsecond
  bool stuck;     // they did not end when the time was up
};

// The stage as the commands see it, whatever the queue.
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  // A push and a pop by one thread.
  virtual Timed pair(std::uint64_t count) = 0;
  virtual Transfer flow(const Crowd& crowd) = 0;
  // That many pushes and pops, whatever else is in the queue.
  virtual void operate(std::uint64_t operations) = 0;
  // Nanoseconds of a single operation.
  virtual std::uint64_t one(const std::string& operation) = 0;
  virtual size_t size() = 0;
  // A process that has stopped itself right before an operation.
  virtual pid_t victim(const std::string& operation) = 0;
  // Lets a victim go on, and waits for its end.
  virtual void resume(pid_t victim) = 0;
  // Compares all that went in with all that came out.
  virtual void close() = 0;
};

// Names of segments are the process's own, so that the driver can clear up behind it.
class SegmentName {
 public:
  SegmentName()
      : name_("shmds-bench-" + std::to_string(getpid()) + "-" + std::to_string(next_++)) {}
  SegmentName(const SegmentName&) = delete;
  SegmentName& operator=(const SegmentName&) = delete;
  ~SegmentName() { static_cast<void>(shmds_unlink(name_.c_str())); }
  const std::string& str() const { return name_; }

 private:
  static inline unsigned next_ = 0;
  std::string name_;
};

template <class Port>
class StageOf final : public Stage {
 public:
  StageOf(std::string kind, std::string bytes, std::array<int, 2> cpus)
      : kind_(std::move(kind)), bytes_(std::move(bytes)), cpus_(cpus) {}

  Timed pair(std::uint64_t count) override {
    return undisturbed(
        count, InTurns([this]<int Place>(std::uint64_t pairs) { push_and_pop<Place>(pairs); }));
  }

  Transfer flow(const Crowd& crowd) override {
    if (crowd.producers + crowd.consumers > first_victim) throw Failure("too many participants");
    if (crowd.processes && !Port::between_processes) throw Failure("not between processes");
    control_->begin_round(crowd.producers);
    Crew crew(control_);
    for (size_t i = 0; i < crowd.producers; i++)
      add(crew, crowd, "produce", i, i);
    // Each processor has as many producers as consumers.
    for (size_t i = 0; i < crowd.consumers; i++) {
      add(crew, crowd, "consume", crowd.producers + i, i + 1);
    }
    crew.start();
    const std::uint64_t begin = now_ns();
    usleep(crowd.milliseconds * 1000);
    const std::uint64_t so_far = received_so_far();
    const std::uint64_t window = now_ns() - begin;
    control_->stop.store(1, std::memory_order_relaxed);
    if (crowd.processes && !ends(crew)) return {per_us(so_far, window), true};
    crew.join();
    return {per_us(received_so_far(), duration()), false};
  }

  void operate(std::uint64_t operations) override {
    Port port = port_;
    E in{};
    E out{};
    Participant& me = control_->participants[first_victim - 1];
    std::uint64_t in_sum = 0;
    std::uint64_t out_sum = 0;
    for (std::uint64_t i = 1; i <= operations / 2; i++) {
      in.set(i);
      if (!port.push(in) || !port.pop(out)) broken("an operation was refused");
      in_sum += i;
      out_sum += out.value();
    }
    me.sent_sum += in_sum;
    me.received_sum += out_sum;
  }

  std::uint64_t one(const std::string& operation) override {
    Participant& me = control_->participants[first_victim - 1];
    Port port = port_;
    E element{};
    element.set(1);
    const bool pop = operation == "pop";
    const std::uint64_t begin = now_ns();
    const bool done = pop ? port.pop(element) : port.push(element);
    const std::uint64_t end = now_ns();
    if (!done) throw Failure("the timed operation was refused");
    (pop ? me.received_sum : me.sent_sum) += element.value();
    return end - begin;
  }

  size_t size() override { return port_.size(); }

  pid_t victim(const std::string& operation) override {
    if (!Port::between_processes) throw Failure("not between processes");
    const size_t index = first_victim + victims_.size();
    if (index >= Control::most) throw Failure("too many victims");
    auto child = std::make_unique<Child>(arguments("inside", index, cpus_[0], operation));
    child->wait_for_stop();
    const pid_t pid = child->pid();
    victims_[pid] = std::move(child);
    return pid;
  }

  void resume(pid_t victim) override {
    const auto found = victims_.find(victim);
    if (found == victims_.end()) throw Failure("no such victim");
    kill(victim, SIGCONT);
    found->second->wait();
  }

  void close() override {
    for (auto& [pid, child] : victims_) {
      kill(pid, SIGCONT);
      child->wait();
    }
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    for (const Participant& each : control_->participants) {
      sent += each.sent_sum;
      received += each.received_sum;
    }
    E element{};
    while (sent != received && port_.pop(element))
      received += element.value();
    if (sent != received) throw Failure("what came out is not what went in");
    if (port_.size() != 0) throw Failure("more came out than went in");
  }

 private:
  using E = typename Port::element;

  // The last participants are victims, the one before is this process itself.
  static constexpr size_t first_victim = Control::most - 4;

  // By itself, as in the pool's benchmarks.
  template <int Place>
  [[gnu::noinline]] void push_and_pop(std::uint64_t count) const {
    lie_elsewhere<Place>();
    Port port = port_;
    E in{};
    E out{};
    for (std::uint64_t i = 0; i < count; i++) {
      in.set(i);
      if (!port.push(in)) broken("a push into an empty queue was refused");
      if (!port.pop(out) || out.value() != i || !out.whole()) broken("another element came out");
    }
  }

  std::vector<std::string> arguments(const char* part, size_t index, int cpu,
                                     const std::string& how) const {
    return {part,
            kind_,
            bytes_,
            segment_.str(),
            std::to_string(control_.fd()),
            std::to_string(index),
            std::to_string(cpu),
            how};
  }

  void add(Crew& crew, const Crowd& crowd, const std::string& part, size_t index, size_t place) {
    const int cpu = crowd.pinned ? cpus_[place % 2] : -1;
    if (crowd.processes) {
      crew.add(arguments(part.c_str(), index, cpu, crowd.yields ? "yield" : "spin"));
      return;
    }
    crew.add([this, part, index, cpu, yields = crowd.yields] {
      if (cpu >= 0) pin(cpu);
      const auto work = part == "produce" ? produce<Port> : consume<Port>;
      work(port_, *control_, index, yields);
    });
  }

  std::uint64_t received_so_far() {
    std::uint64_t all = 0;
    for (size_t i = 0; i < first_victim; i++) {
      all += control_->participants[i].received.load(std::memory_order_relaxed);
    }
    return all;
  }

  // From the first start to the last end.
  std::uint64_t duration() {
    std::uint64_t begin = UINT64_MAX;
    std::uint64_t end = 0;
    for (const Participant& each : control_->participants) {
      if (each.begin_ns == 0) continue;
      begin = std::min(begin, each.begin_ns);
      end = std::max(end, each.end_ns);
    }
    return end - begin;
  }

  static double per_us(std::uint64_t elements, std::uint64_t ns) {
    return static_cast<double>(elements) * 1000 / static_cast<double>(ns);
  }

  static bool ends(Crew& crew) {
    const std::uint64_t latest = now_ns() + 2'000'000'000;
    while (crew.running()) {
      if (now_ns() > latest) return false;
      usleep(100);
    }
    return true;
  }

  std::string kind_;
  std::string bytes_;
  std::array<int, 2> cpus_;
  SegmentName segment_;
  typename Port::Owner owner_{segment_.str()};
  Port port_{owner_};
  SharedControl control_;
  std::map<pid_t, std::unique_ptr<Child>> victims_;
};

#endif
