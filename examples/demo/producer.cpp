// producer [REPORT_FD [SECONDS]]
// Creates the segment, reads this machine's counters 2000 times a second into an array, and puts
// every change into a queue. Ends after SECONDS (5), or earlier on SIGTERM or SIGINT.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "demo.h"
#include "posix_shm.h"
#include "sensors.hpp"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr size_t segment_size = 10 * 1024 * 1024;
constexpr size_t queue_capacity = 1024;
constexpr auto sample_period = 500us;

volatile std::sig_atomic_t stopping = 0;

// A file of /proc, read anew from its start each time.
class ProcFile {
 public:
  explicit ProcFile(const char* path) : file_(open(path, O_RDONLY | O_CLOEXEC)) {}
  ProcFile(const ProcFile&) = delete;
  ProcFile& operator=(const ProcFile&) = delete;
  ProcFile(ProcFile&& other) noexcept : file_(other.file_), text_(std::move(other.text_)) {
    other.file_ = -1;
  }
  ~ProcFile() {
    if (file_ >= 0) close(file_);
  }

  void refresh() {
    size_t used = 0;
    for (;;) {
      if (text_.size() - used < 4096) text_.resize(used + 64 * 1024);
      const ssize_t got =
          pread(file_, text_.data() + used, text_.size() - used, static_cast<off_t>(used));
      if (got <= 0) break;
      used += static_cast<size_t>(got);
    }
    length_ = used;
  }

  // The field-th number behind `key`; 0 where this machine has none.
  double number(std::string_view key, int field) const {
    std::string_view rest(text_.data(), length_);
    while (!rest.starts_with(key)) {
      const auto line_end = rest.find('\n');
      if (line_end == rest.npos) return 0;
      rest.remove_prefix(line_end + 1);
    }
    rest.remove_prefix(key.size());
    double value = 0;
    for (int i = 0; i <= field; ++i) {
      rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
      const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), value);
      if (parsed.ec != std::errc()) return 0;
      rest.remove_prefix(static_cast<size_t>(parsed.ptr - rest.data()));
    }
    return value;
  }

 private:
  int file_;
  std::string text_;
  size_t length_ = 0;
};

class Producer {
 public:
  Producer() : shm_(DEMO_SEGMENT, segment_size) {
    done_ = false;
    for (const char* path : sensor_files)
      files_.emplace_back(path);
  }

  void run(clock_type::time_point end) {
    auto next_sample = clock_type::now();
    while (stopping == 0 && clock_type::now() < end) {
      sample();
      next_sample = std::max(next_sample + sample_period, clock_type::now() - sample_period);
      std::this_thread::sleep_until(next_sample);
    }
    done_ = true;
  }

  std::uint64_t produced() const { return produced_; }

 private:
  void sample() {
    for (auto& file : files_)
      file.refresh();
    for (size_t i = 0; i < sensor_list.size(); ++i) {
      const double value =
          files_[sensor_list[i].file].number(sensor_list[i].key, sensor_list[i].field);
      const double before = sensors_[i];
      if (value == before) continue;
      // Others read this element at any time: an atomic store, at no cost.
      std::atomic_ref(sensors_[i]).store(value, std::memory_order_relaxed);
      put(i, before, value);
    }
    ++samples_;
  }

  void put(size_t sensor, double before, double value) {
    Event event{produced_, now_ns(), sensor, before, value, 0};
    event.checksum = event_checksum(&event);
    if (!events_.enqueue(event)) {
      ++waits_;
      const auto give_up = clock_type::now() + 2s;
      do {
        // Asked to stop while nobody takes anything: this event was never sent.
        if (stopping != 0 && clock_type::now() > give_up) return;
        sleep_us(20);
      } while (!events_.enqueue(event));
    }
    ++produced_;
  }

  posix_shm shm_;
  shm_array<double> sensors_{shm_, DEMO_SENSORS, sensor_list.size()};
  shm_atomic<std::uint64_t> samples_{shm_, DEMO_SAMPLES};
  shm_atomic<std::uint64_t> produced_{shm_, DEMO_PRODUCED};
  shm_atomic<std::uint64_t> waits_{shm_, DEMO_WAITS};
  shm_atomic<bool> done_{shm_, DEMO_DONE};
  // Last: who finds the queue finds everything.
  shm_queue<Event> events_{shm_, DEMO_EVENTS, queue_capacity};
  std::vector<ProcFile> files_;
};

void stop(int) {
  stopping = 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int report = argc > 1 ? std::atoi(argv[1]) : -1;
  const std::chrono::duration<double> seconds(argc > 2 ? std::atof(argv[2]) : 5.0);
  std::signal(SIGTERM, stop);
  std::signal(SIGINT, stop);
  try {
    Producer producer;
    producer.run(clock_type::now() + std::chrono::duration_cast<clock_type::duration>(seconds));
    const std::uint64_t produced = producer.produced();
    if (report < 0) {
      std::printf("produced %llu events\n", static_cast<unsigned long long>(produced));
    } else if (write(report, &produced, sizeof(produced)) != sizeof(produced)) {
      throw std::system_error(errno, std::generic_category(), "report");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "producer: %s\n", error.what());
    return 1;
  }
  return 0;
}
