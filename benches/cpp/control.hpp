// The participants of a measurement with several sides, threads or processes, and the memory by
// which they are started, stopped and counted.
#ifndef SHMDS_BENCH_CONTROL_HPP
#define SHMDS_BENCH_CONTROL_HPP

#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <list>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common.hpp"

// Something to be reported to the driver, as the answer to its command.
using Failure = std::runtime_error;

// What one participant did. `received` is kept up to date while it works.
struct alignas(64) Participant {
  std::atomic<std::uint64_t> received;
  std::uint64_t received_sum;
  std::uint64_t sent;
  std::uint64_t sent_sum;
  std::uint64_t begin_ns;
  std::uint64_t end_ns;
};

struct Control {
  static constexpr size_t most = 16;

  alignas(64) std::atomic<std::uint32_t> ready;      // participants that wait for the start
  alignas(64) std::atomic<std::uint32_t> go;         // set at the start
  alignas(64) std::atomic<std::uint32_t> stop;       // set when the time is up
  alignas(64) std::atomic<std::uint32_t> producing;  // producers still at work
  std::array<Participant, most> participants;

  // Forgets who took part in the round before; what went in and out is kept.
  void begin_round(size_t producers) {
    for (Participant& each : participants) {
      each.received.store(0, std::memory_order_relaxed);
      each.begin_ns = each.end_ns = 0;
    }
    ready.store(0);
    go.store(0);
    stop.store(0);
    producing.store(static_cast<std::uint32_t>(producers));
  }

  // Waits for the start with everybody else.
  void start(Participant& me) {
    ready.fetch_add(1);
    while (go.load(std::memory_order_acquire) == 0)
      sched_yield();
    me.begin_ns = now_ns();
  }
};

// A Control in memory that programs started by this one can map.
class SharedControl {
 public:
  SharedControl() : fd_(memfd_create("bench", 0)) {
    if (fd_ < 0 || ftruncate(fd_, sizeof(Control)) != 0) throw Failure("no shared memory");
    control_ = map(fd_);
  }
  SharedControl(const SharedControl&) = delete;
  SharedControl& operator=(const SharedControl&) = delete;
  ~SharedControl() {
    munmap(control_, sizeof(Control));
    close(fd_);
  }

  static Control* map(int fd) {
    void* at = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) throw Failure("cannot map the control block");
    return static_cast<Control*>(at);
  }

  int fd() const { return fd_; }
  Control* operator->() const { return control_; }
  Control& operator*() const { return *control_; }

 private:
  int fd_;
  Control* control_;
};

// To be called first by a process with a part to play: it ends with the one that started it.
inline void end_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

// This program again, as another process with a part to play; killed at the end if it still runs.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments) {
    const std::string parent = std::to_string(getpid());
    std::vector<char*> argv{const_cast<char*>("bench"), const_cast<char*>(parent.c_str())};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    // Not by fork, after which this process would have to copy each page that it writes.
    if (posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, argv.data(), environ) != 0) {
      pid_ = -1;
      throw Failure("cannot start a process");
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  pid_t pid() const { return pid_; }

  // Whether it still runs; failing is an error of the measurement.
  bool running() {
    int status = 0;
    if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) ended(status);
    return pid_ > 0;
  }

  void wait() {
    int status = 0;
    if (pid_ > 0 && waitpid(pid_, &status, 0) == pid_) ended(status);
  }

  // Waits until it has stopped itself.
  void wait_for_stop() {
    int status = 0;
    if (waitpid(pid_, &status, WUNTRACED) != pid_) throw Failure("lost a process");
    if (WIFSTOPPED(status)) return;
    ended(status);
    throw Failure("a process ended before its operation");
  }

 private:
  void ended(int status) {
    pid_ = -1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      throw Failure("a participant failed, status " + std::to_string(status));
    }
  }

  pid_t pid_ = -1;
};

// Threads and processes that take part in one round.
class Crew {
 public:
  explicit Crew(SharedControl& control) : control_(control) {}
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    control_->go.store(1, std::memory_order_release);
    control_->stop.store(1, std::memory_order_relaxed);
  }

  void add(const std::vector<std::string>& arguments) { children_.emplace_back(arguments); }
  void add(std::function<void()> work) { threads_.emplace_back(std::move(work)); }

  // Releases all at once when they are ready.
  void start() {
    const size_t all = children_.size() + threads_.size();
    while (control_->ready.load() < all) {
      running();
      usleep(50);
    }
    control_->go.store(1, std::memory_order_release);
  }

  bool running() {
    bool any = false;
    for (Child& child : children_)
      any = child.running() || any;
    return any;
  }

  void join() {
    for (Child& child : children_)
      child.wait();
    threads_.clear();
  }

 private:
  SharedControl& control_;
  std::list<Child> children_;
  std::vector<std::jthread> threads_;
};

#endif
