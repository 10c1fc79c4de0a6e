// What the demo shows while it runs: one screen on a terminal, plain lines elsewhere.
#ifndef SHMDS_DEMO_VIEW_HPP
#define SHMDS_DEMO_VIEW_HPP

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>

#include "demo.h"
#include "posix_shm.h"
#include "sensors.hpp"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"

// The segment as anyone may open it who knows the names.
struct Simulation {
  posix_shm shm{DEMO_SEGMENT};
  shm_queue<Event> events{shm, DEMO_EVENTS};
  shm_array<double> sensors{shm, DEMO_SENSORS, sensor_list.size()};
  shm_atomic<std::uint64_t> samples{shm, DEMO_SAMPLES};
  shm_atomic<std::uint64_t> produced{shm, DEMO_PRODUCED};
  shm_atomic<std::uint64_t> waits{shm, DEMO_WAITS};
  shm_atomic<bool> done{shm, DEMO_DONE};
};

class View {
 public:
  explicit View(double seconds) : seconds_(seconds), terminal_(isatty(STDOUT_FILENO) == 1) {
    const char* term = std::getenv("TERM");
    if (term == nullptr || std::string_view(term) == "dumb") terminal_ = false;
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View() { finish(); }

  // Draws the state at `time` seconds; `consumed` by the C++ and by the C consumer.
  void draw(Simulation& simulation, double time, std::array<std::uint64_t, 2> consumed) {
    Frame frame{time, simulation.samples, simulation.produced, {}};
    for (size_t i = 0; i < sensor_list.size(); ++i) {
      frame.sensors[i] = std::atomic_ref(simulation.sensors[i]).load(std::memory_order_relaxed);
    }
    past_.push_back(frame);
    while (past_.size() > 2 && time - past_[1].time >= 1)
      past_.pop_front();

    if (terminal_) {
      draw_screen(simulation, consumed);
    } else if (time >= next_line_) {
      next_line_ = time + 0.5;
      draw_line(simulation, consumed);
    }
    std::fflush(stdout);
  }

  // Leaves the last picture where it is, and the terminal as it was.
  void finish() {
    if (lines_drawn_ > 0) std::fputs("\x1b[?25h\n", stdout);
    lines_drawn_ = 0;
    std::fflush(stdout);
  }

 private:
  struct Frame {
    double time;
    std::uint64_t samples;
    std::uint64_t produced;
    std::array<double, sensor_list.size()> sensors;
  };

  static constexpr size_t bar_width = 40;

  static std::string grouped(double value, int decimals = 0) {
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%.*f", decimals, std::abs(value));
    std::string digits = text.data();
    const size_t point = std::min(digits.find('.'), digits.size());
    for (size_t at = point; at > 3;)
      digits.insert(at -= 3, 1, ',');
    return (value < 0 ? "-" : "") + digits;
  }
  static std::string padded(std::string text, size_t width) {
    return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
  }
  static std::string bar(double share) {
    const auto filled = static_cast<size_t>(
        std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(bar_width)));
    return "[" + std::string(filled, '#') + std::string(bar_width - filled, '.') + "]";
  }
  static double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
  static std::string percent(double share) { return padded(grouped(share * 100), 3) + " %"; }

  // Change per second of what `value` takes from a frame, over the last second.
  template <class Value>
  double rate(Value value) const {
    const double time = past_.back().time - past_.front().time;
    return time > 0 ? (static_cast<double>(value(past_.back())) -
                       static_cast<double>(value(past_.front()))) /
                          time
                    : 0;
  }
  std::string sample_rate() const {
    return grouped(rate([](const Frame& frame) { return frame.samples; }));
  }
  std::string event_rate() const {
    return grouped(rate([](const Frame& frame) { return frame.produced; }));
  }

  void line(const std::string& text) {
    std::printf("%s\x1b[K\n", text.c_str());
    ++lines_drawn_;
  }

  void draw_screen(const Simulation& simulation, std::array<std::uint64_t, 2> consumed) {
    const auto& now = past_.back();
    winsize window{};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
    constexpr size_t other_lines = 10;
    const size_t rows = window.ws_row == 0 ? 24 : window.ws_row;
    const size_t sensors =
        std::min(sensor_list.size(), rows > other_lines ? rows - other_lines : 0);

    if (lines_drawn_ > 0) {
      std::printf("\x1b[%zuA", lines_drawn_);
    } else {
      std::fputs("\x1b[?25l", stdout);
    }
    lines_drawn_ = 0;
    const double size = static_cast<double>(simulation.shm.get_total_size()) / (1024 * 1024);
    line("\x1b[1m segment \"" DEMO_SEGMENT "\"\x1b[0m   " + grouped(size) + " MiB   " +
         std::to_string(simulation.shm.get_ref_count()) + " attached   " + grouped(now.time, 1) +
         " of " + grouped(seconds_, 1) + " s");
    line("");
    line("\x1b[2m sensor                              value        per second\x1b[0m");
    for (size_t i = 0; i < sensors; ++i) {
      const auto& sensor = sensor_list[i];
      const int decimals = sensor.file == 2 ? 2 : 0;
      std::string name(sensor.name);
      name.resize(24, ' ');
      std::string unit(sensor.unit);
      unit.resize(6, ' ');
      line(" " + name + padded(grouped(now.sensors[i], decimals), 17) + " " + unit +
           padded(grouped(rate([i](const Frame& frame) { return frame.sensors[i]; }), decimals),
                  12));
    }
    line("");
    line(" samples  " + padded(grouped(static_cast<double>(now.samples)), 11) +
         padded(sample_rate(), 11) + " per second");
    line(" events   " + padded(grouped(static_cast<double>(now.produced)), 11) +
         padded(event_rate(), 11) + " per second   " +
         grouped(static_cast<double>(simulation.waits.load())) + " waited for room");
    const size_t capacity = simulation.events.capacity();
    const size_t waiting = simulation.events.size();
    line(" in queue " + padded(grouped(static_cast<double>(waiting)), 11) + "   \x1b[33m" +
         bar(share(waiting, capacity)) + "\x1b[0m of " + grouped(static_cast<double>(capacity)));
    constexpr std::array names{" to C++  ", " to C    "};
    for (size_t i = 0; i < names.size(); ++i) {
      const double part = share(consumed[i], consumed[0] + consumed[1]);
      line(names[i] + padded(grouped(static_cast<double>(consumed[i])), 12) + "   \x1b[36m" +
           bar(part) + "\x1b[0m " + percent(part));
    }
  }

  void draw_line(const Simulation& simulation, std::array<std::uint64_t, 2> consumed) {
    const auto& now = past_.back();
    const std::uint64_t both = consumed[0] + consumed[1];
    std::printf(
        "%4s s  %s samples, %s/s; %s events, %s/s; queue %zu of %zu; C++ %s, C %s; %d attached\n",
        grouped(now.time, 1).c_str(), grouped(static_cast<double>(now.samples)).c_str(),
        sample_rate().c_str(), grouped(static_cast<double>(now.produced)).c_str(),
        event_rate().c_str(), simulation.events.size(), simulation.events.capacity(),
        percent(share(consumed[0], both)).c_str(), percent(share(consumed[1], both)).c_str(),
        simulation.shm.get_ref_count());
  }

  double seconds_;
  bool terminal_;
  double next_line_ = 0.5;
  size_t lines_drawn_ = 0;
  std::deque<Frame> past_;
};

#endif
