// Particles and a grid: workers share the work on arrays of the parent, step by step; the
// parent checks against the same simulation in private memory.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_simd_utils.h"
#include "worker.hpp"

namespace {

constexpr size_t particles = 10'000;
constexpr size_t side = 128;
constexpr int steps = 20;
constexpr int workers = 3;

struct Particle {
  float x, y, z;
  float vx, vy, vz;
};

Particle initial(size_t i) {
  const auto f = static_cast<float>(i);
  return {std::sin(f), std::cos(f), f * 0.001F, 0.01F, -0.02F, 0.5F};
}

void move(Particle& p) {
  p.vz -= 0.0981F;
  p.x += p.vx * 0.01F;
  p.y += p.vy * 0.01F;
  p.z += p.vz * 0.01F;
}

double initial_heat(size_t row, size_t column) {
  return row == 0 || column == 0 ? 100.0 : 0.0;
}

template <class Grid>
void relax(const Grid& from, Grid& to, size_t first_row, size_t last_row) {
  for (size_t row = std::max<size_t>(first_row, 1); row < std::min(last_row, side - 1); ++row) {
    for (size_t column = 1; column + 1 < side; ++column) {
      const size_t i = row * side + column;
      to[i] = 0.25 * (from[i - 1] + from[i + 1] + from[i - side] + from[i + side]);
    }
  }
}

class Simulation {
 public:
  explicit Simulation(posix_shm_large& segment)
      : bodies(segment, "particles", particles),
        heat{grid_type(segment, "heat_a", side * side), grid_type(segment, "heat_b", side * side)},
        energy(segment, "energy", particles),
        arrived(segment, "arrived"),
        step(segment, "step") {}

  void start() {
    for (size_t i = 0; i < bodies.size(); ++i)
      bodies[i] = initial(i);
    for (auto& grid : heat) {
      for (size_t i = 0; i < grid.size(); ++i)
        grid[i] = initial_heat(i / side, i % side);
    }
  }

  // The share of one worker.
  void work(size_t me) {
    for (int n = 0; n < steps; ++n) {
      const auto mine = bodies.as_span().subspan(
          particles * me / workers, particles * (me + 1) / workers - particles * me / workers);
      for (Particle& p : mine)
        move(p);
      relax(heat[static_cast<size_t>(n) % 2], heat[1 - static_cast<size_t>(n) % 2],
            side * me / workers, side * (me + 1) / workers);
      barrier(n + 1);
    }
    for (size_t i = particles * me / workers; i < particles * (me + 1) / workers; ++i) {
      const Particle& p = bodies[i];
      energy[i] = p.vx * p.vx + p.vy * p.vy + p.vz * p.vz;
    }
  }

  bool right() {
    std::vector<Particle> alone(particles);
    for (size_t i = 0; i < particles; ++i)
      alone[i] = initial(i);
    std::vector<double> before(side * side);
    for (size_t i = 0; i < before.size(); ++i)
      before[i] = initial_heat(i / side, i % side);
    std::vector<double> after = before;
    for (int n = 0; n < steps; ++n) {
      std::ranges::for_each(alone, move);
      relax(before, after, 0, side);
      std::swap(before, after);
    }
    const auto same = [](const Particle& a, const Particle& b) {
      return a.x == b.x && a.y == b.y && a.z == b.z && a.vz == b.vz;
    };
    const auto& grid = heat[steps % 2];
    float sum = 0;
    for (const float e : energy)
      sum += e;
    const float fast = shm_simd::SimdArray(energy).sum();
    return std::ranges::equal(bodies, alone, same) && std::ranges::equal(grid, before) &&
           std::fabs(fast - sum) < sum * 1e-3F && shm_simd::is_aligned(energy.data(), 32);
  }

 private:
  using table = shm_table_large;
  using grid_type = shm_array<double, table>;

  void barrier(int round) {
    if (arrived.fetch_add(1) + 1 == workers * round) {
      step.store(round, std::memory_order_release);
    }
    while (step.load(std::memory_order_acquire) < round)
      std::this_thread::yield();
  }

  shm_array<Particle, table> bodies;
  grid_type heat[2];
  shm_array<float, table> energy;
  shm_atomic_int<table> arrived;
  shm_atomic<int, table> step;
};

}  // namespace

int main() {
  const std::string name = "simulation_" + std::to_string(getpid());
  posix_shm_large shm(name, 2 * 1024 * 1024);
  Simulation simulation(shm);
  simulation.start();
  for (size_t me = 0; me < workers; ++me) {
    if (fork_worker() == 0) {
      if (me == 0) {  // this one attaches anew, the others go on with what they inherited
        posix_shm_large own(name);
        Simulation(own).work(me);
      } else {
        simulation.work(me);
      }
      _exit(0);
    }
  }
  bool right = true;
  for (int i = 0; i < workers; ++i) {
    int status = 0;
    wait(&status);
    right = right && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  right = right && simulation.right() && shm.get_table()->get_entry_count() == 6;

  // What an earlier run forgot to remove is not opened by mistake.
  shm.unlink();
  try {
    posix_shm_large again(name);
    right = false;
  } catch (const std::runtime_error&) {
  }
  std::printf("simulation: %s\n", right ? "workers and a single thread agree" : "WRONG");
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
