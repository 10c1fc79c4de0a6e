// Sensor fusion: one process per sensor streams its samples; a fusion process joins them by
// time. A table of the program's own geometry, and a vector of queues.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "worker.hpp"

using robot_table = shm_table_impl<48, 128>;
using robot_shm = posix_shm_impl<robot_table>;

namespace {

constexpr int sensors = 6;
constexpr int samples = 2000;

struct Sample {
  int64_t time;
  std::array<float, 3> value;
};

struct Pose {
  int64_t time;
  std::array<double, 3> position;
};

std::string channel(int sensor) {
  return "sensors/imu/channel_" + std::to_string(sensor);
}

// A sensor knows only the name of the segment and its own.
int run_sensor(const std::string& name, int me) {
  robot_shm shm(name);
  shm_queue<Sample, robot_table> out(shm, channel(me));
  shm_array<uint64_t, robot_table> health(shm, "sensors/health");
  for (int n = 0; n < samples; ++n) {
    const auto f = static_cast<float>(n);
    const Sample sample{n, {f + static_cast<float>(me), -f, static_cast<float>(me)}};
    while (!out.enqueue(sample))
      std::this_thread::yield();
    ++health[static_cast<size_t>(me)];
  }
  shm_atomic_int<robot_table> done(shm, "sensors/done");
  done++;
  return 0;
}

// One sample of each channel with the same time makes one pose.
bool fuse(std::vector<shm_queue<Sample, robot_table>>& channels,
          shm_queue<Pose, robot_table>& poses) {
  for (int n = 0; n < samples; ++n) {
    Pose pose{n, {0, 0, 0}};
    for (auto& one : channels) {
      std::optional<Sample> sample;
      while (!(sample = one.dequeue()))
        std::this_thread::yield();
      if (sample->time != n) return false;
      for (size_t k = 0; k < 3; ++k)
        pose.position[k] += static_cast<double>(sample->value[k]) / sensors;
    }
    while (!poses.enqueue(pose))
      std::this_thread::yield();
  }
  return true;
}

bool check(shm_queue<Pose, robot_table>& poses) {
  for (int n = 0; n < samples; ++n) {
    Pose pose{};
    while (!poses.dequeue(pose))
      std::this_thread::yield();
    const double offset = (sensors - 1) / 2.0;
    if (pose.time != n || std::fabs(pose.position[0] - (n + offset)) > 1e-3 ||
        std::fabs(pose.position[1] + n) > 1e-3 || std::fabs(pose.position[2] - offset) > 1e-3) {
      return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  const std::string name = "/sensor_fusion_" + std::to_string(getpid());
  robot_shm shm(name, 1024 * 1024);
  shm_array<uint64_t, robot_table> health(shm, "sensors/health", sensors);
  shm_atomic<int, robot_table> done(shm, "sensors/done");
  std::vector<shm_queue<Sample, robot_table>> channels;
  for (int i = 0; i < sensors; ++i)
    channels.emplace_back(shm, channel(i), 64);
  shm_queue<Pose, robot_table> poses(shm, "fusion/poses", 32);

  for (int i = 0; i < sensors; ++i) {
    if (fork_worker() == 0) _exit(run_sensor(name, i));
  }
  if (fork_worker() == 0) _exit(fuse(channels, poses) ? 0 : 1);
  bool right = check(poses);
  for (int i = 0; i <= sensors; ++i) {
    int status = 0;
    wait(&status);
    right = right && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  // The table tells what there is, by name.
  robot_table* table = static_cast<robot_table*>(shm.get_base_addr());
  const auto* entry = table->find(channel(3));
  right = right && done == sensors && entry != nullptr && entry->active &&
          entry->elem_size == sizeof(Sample) && entry->num_elem == 64 &&
          std::strcmp(entry->name.data(), channel(3).c_str()) == 0 &&
          table->get_available_entries() == robot_table::MAX_ENTRIES - 9 &&
          shm_queue<Sample, robot_table>::exists(shm, channel(0)) &&
          !shm_queue<Sample, robot_table>::exists(shm, "sensors/lidar");
  for (const uint64_t count : health)
    right = right && count == samples;
  shm.unlink();
  std::printf("sensor fusion: %s\n", right ? "every pose is right" : "WRONG");
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
