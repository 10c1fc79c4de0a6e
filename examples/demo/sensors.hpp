// The counters of this machine that the demo watches.
#ifndef SHMDS_DEMO_SENSORS_HPP
#define SHMDS_DEMO_SENSORS_HPP

#include <array>
#include <cstddef>
#include <string_view>

// Where a value stands: the field-th number behind `key` at the start of a line.
struct Sensor {
  std::string_view name;
  std::string_view unit;
  size_t file;  // index into sensor_files
  std::string_view key;
  int field;
};

inline constexpr std::array sensor_files{"/proc/stat", "/proc/meminfo", "/proc/loadavg"};

inline constexpr std::array sensor_list{
    Sensor{"cpu, user", "ticks", 0, "cpu ", 0},
    Sensor{"cpu, system", "ticks", 0, "cpu ", 2},
    Sensor{"cpu, idle", "ticks", 0, "cpu ", 3},
    Sensor{"cpu, waiting for disk", "ticks", 0, "cpu ", 4},
    Sensor{"interrupts", "", 0, "intr ", 0},
    Sensor{"soft interrupts", "", 0, "softirq ", 0},
    Sensor{"context switches", "", 0, "ctxt ", 0},
    Sensor{"processes started", "", 0, "processes ", 0},
    Sensor{"processes running", "", 0, "procs_running ", 0},
    Sensor{"memory available", "kB", 1, "MemAvailable:", 0},
    Sensor{"memory free", "kB", 1, "MemFree:", 0},
    Sensor{"page cache", "kB", 1, "Cached:", 0},
    Sensor{"load, 1 minute", "", 2, "", 0},
};

#endif
