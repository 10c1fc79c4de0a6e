// demo: runs a producer and two consumers, one in C++ and one in C, around one segment, and shows
// what they do. Afterwards it checks that every event reached exactly one consumer, whole.
//
// DEMO_SECONDS sets how long the producer works (5). The last line is the verdict; the exit code is
// 0 only if it is perfect.
#include <poll.h>

#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "demo.h"
#include "shmds.h"
#include "tally.hpp"
#include "view.hpp"
#include "worker.hpp"

namespace {

using clock_type = std::chrono::steady_clock;

// Longest time from the producer's end to the consumers'.
constexpr double drain_seconds = 10;

volatile std::sig_atomic_t interrupts = 0;
volatile std::sig_atomic_t interrupted_by = 0;

void interrupt(int number) {
  interrupts = interrupts + 1;
  interrupted_by = number;
}

double seconds_to_run() {
  const char* text = std::getenv("DEMO_SECONDS");
  if (text == nullptr || *text == '\0') return 5;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  if (*end != '\0' || !std::isfinite(seconds) || seconds <= 0) {
    throw std::runtime_error("DEMO_SECONDS is \"" + std::string(text) +
                             "\"; expected a number greater than 0");
  }
  return seconds;
}

// The name of the segment, taken for this run and removed at its end.
class SegmentName {
 public:
  // Removes what a killed demo left. A segment that somebody is attached to is not ours to remove.
  SegmentName() {
    shmds_segment* segment = nullptr;
    switch (shmds_segment_open(DEMO_SEGMENT, nullptr, &segment)) {
      case SHMDS_E_NOT_FOUND:
        return;
      case SHMDS_OK: {
        // The kernel may need a moment to end the attachments of the killed.
        const std::uint64_t deadline = now_ns() + std::uint64_t{2'000'000'000};
        std::uint32_t attached = 0;
        while (shmds_segment_ref_count(segment, &attached) == SHMDS_OK && attached > 1 &&
               now_ns() < deadline) {
          sleep_us(10'000);
        }
        shmds_segment_close(segment);
        if (attached > 1) {
          throw std::runtime_error("the segment \"" DEMO_SEGMENT "\" is in use by " +
                                   std::to_string(attached - 1) + " other attachments");
        }
        break;
      }
      default:  // Nothing that anyone could be attached to.
        break;
    }
    if (const auto status = shmds_unlink(DEMO_SEGMENT);
        status != SHMDS_OK && status != SHMDS_E_NOT_FOUND) {
      throw std::runtime_error(std::string("cannot remove the old segment: ") + shmds_last_error());
    }
  }
  SegmentName(const SegmentName&) = delete;
  SegmentName& operator=(const SegmentName&) = delete;
  ~SegmentName() { shmds_unlink(DEMO_SEGMENT); }
};

class Demo {
 public:
  explicit Demo(double seconds)
      : seconds_(seconds),
        view_(seconds),
        producer_(beside("producer"), std::to_string(seconds)),
        consumers_{Worker(beside("consumer_cpp")), Worker(beside("consumer_c"))} {}

  // Until every worker has ended.
  void run() {
    auto next_frame = clock_type::now();
    while (producer_.running() || consumers_[0].running() || consumers_[1].running()) {
      wait_for_reports(next_frame);
      read_reports();
      watch_workers();
      if (clock_type::now() >= next_frame) {
        show();
        next_frame = clock_type::now() + std::chrono::milliseconds(100);
      }
    }
    read_reports();
    show();
    view_.finish();
  }

  bool failed() const { return failed_; }

  Tally::Result result() const {
    std::uint64_t produced = reported_produced_;
    if (!producer_.succeeded() && simulation_) produced = simulation_->produced;
    return tally_.judge(produced);
  }

 private:
  static std::string beside(const char* program) {
    return std::filesystem::read_symlink("/proc/self/exe").replace_filename(program).string();
  }

  double elapsed() const {
    return std::chrono::duration<double>(clock_type::now() - start_).count();
  }

  void wait_for_reports(clock_type::time_point until) const {
    std::array<pollfd, 3> pipes{{{producer_.pipe(), POLLIN, 0},
                                 {consumers_[0].pipe(), POLLIN, 0},
                                 {consumers_[1].pipe(), POLLIN, 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_type::now());
    poll(pipes.data(), pipes.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  }

  void read_reports() {
    producer_.read_reports([this](std::uint64_t produced) { reported_produced_ = produced; });
    for (size_t i = 0; i < consumers_.size(); ++i) {
      consumers_[i].read_reports([this, i](std::uint64_t seen) {
        tally_.add(seen);
        ++consumed_[i];
      });
    }
  }

  void watch_workers() {
    for (auto* worker : {&producer_, &consumers_[0], &consumers_[1]}) {
      const bool ran = worker->running();
      worker->poll_end();
      if (!ran || worker->running() || worker->succeeded()) continue;
      view_.finish();
      std::fprintf(stderr, "demo: %s %s\n", worker->program().c_str(), worker->end().c_str());
      failed_ = true;
    }
    if (producer_.running()) {
      if ((failed_ || interrupts > 0) && !asked_to_stop_) {
        producer_.signal(SIGTERM);
        asked_to_stop_ = true;
      }
    } else {
      if (!producer_ended_) producer_ended_ = elapsed();
      // A producer that died did not say that nothing more will come.
      if (!producer_.succeeded()) {
        if (simulation_) {
          simulation_->done = true;
        } else {
          end_consumers();
        }
      }
    }
    const double latest = producer_ended_.value_or(seconds_) + drain_seconds;
    if (interrupts > 1 || elapsed() > latest) {
      if (!failed_) std::fprintf(stderr, "demo: ending the workers by force\n");
      failed_ = true;
      producer_.signal(SIGKILL);
      end_consumers();
    }
  }

  void end_consumers() const {
    for (const auto& consumer : consumers_)
      consumer.signal(SIGKILL);
  }

  void show() {
    if (!simulation_) {
      try {
        simulation_.emplace();
      } catch (const shmds::error& error) {
        if (error.status() != SHMDS_E_NOT_FOUND) throw;
        return;  // The producer is about to create it.
      }
    }
    view_.draw(*simulation_, elapsed(), consumed_);
  }

  double seconds_;
  clock_type::time_point start_ = clock_type::now();
  View view_;
  Worker producer_;
  std::array<Worker, 2> consumers_;
  std::optional<Simulation> simulation_;
  Tally tally_;
  std::array<std::uint64_t, 2> consumed_{};
  std::uint64_t reported_produced_ = 0;
  std::optional<double> producer_ended_;
  bool asked_to_stop_ = false;
  bool failed_ = false;
};

}  // namespace

int main() {
  struct sigaction action{};
  action.sa_handler = interrupt;
  for (const int number : {SIGINT, SIGTERM, SIGHUP})
    sigaction(number, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const double seconds = seconds_to_run();
    const SegmentName name;
    Demo demo(seconds);
    demo.run();
    const auto result = demo.result();
    std::printf("%s\n", result.text().c_str());
    std::fflush(stdout);
    if (interrupts > 0) return 128 + interrupted_by;
    return result.perfect() && !demo.failed() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "demo: %s\n", error.what());
    return 1;
  }
}
