// What the tests share: segments that never outlive a test, child processes that
// never outlive it either, and names for long waits.
#ifndef SHMDS_TESTS_SUPPORT_HPP
#define SHMDS_TESTS_SUPPORT_HPP

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "shmds.h"
#include "shmds/error.hpp"

namespace test {

// A segment name of this process, and nothing left of it when the test ends.
class segment_name {
 public:
  explicit segment_name(std::string_view tag = "segment")
      : text_("shmds-test-" + std::to_string(getpid()) + "-" + std::to_string(next()++) + "-" +
              std::string(tag)) {}
  segment_name(const segment_name&) = delete;
  segment_name& operator=(const segment_name&) = delete;
  ~segment_name() {
    if (owner_ == getpid()) shmds_unlink(text_.c_str());
  }

  operator const std::string&() const noexcept { return text_; }
  const std::string& str() const noexcept { return text_; }
  // The file behind the segment.
  std::string path() const { return "/dev/shm/" + text_; }

 private:
  static unsigned& next() noexcept {
    static unsigned counter = 0;
    return counter;
  }

  std::string text_;
  pid_t owner_ = getpid();
};

// Lets one process wait for another: open() by either lets wait() in both go on.
class gate {
 public:
  gate() {
    if (pipe(ends_.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;
  ~gate() {
    close(ends_[0]);
    close(ends_[1]);
  }

  void open() const {
    const char byte = 1;
    if (write(ends_[1], &byte, 1) != 1) throw std::runtime_error("gate::open failed");
  }

  // The byte stays in the pipe, so any number may wait for one open().
  void wait() const {
    pollfd event{ends_[0], POLLIN, 0};
    int ready = 0;
    do {
      ready = poll(&event, 1, 60'000);
    } while (ready < 0 && errno == EINTR);
    if (ready != 1) throw std::runtime_error("gate::wait: nobody opened it");
  }

 private:
  std::array<int, 2> ends_{};
};

// Thrown in a child process when this machine does not let it do what it must.
struct not_possible_here {};

// A forked process that runs `body` and exits: 0 when body returns true, 1 when
// it returns false, 2 when it throws. Assertions of the test framework belong to
// the parent; the child only tells.
class child {
 public:
  // What wait() returns when the body threw not_possible_here.
  static constexpr int skipped = 77;

  template <class Body>
  explicit child(Body&& body) : pid_(fork()) {
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) run(std::forward<Body>(body));
  }
  child(child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  child& operator=(child&&) = delete;
  ~child() { kill(); }

  pid_t pid() const noexcept { return pid_; }

  // Waits for its end; what it exited with, or 1000 + the signal that ended it.
  int wait() {
    int status = 0;
    pid_t ended = 0;
    do {
      ended = waitpid(pid_, &status, 0);
    } while (ended < 0 && errno == EINTR);
    pid_ = -1;
    if (ended < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  // Ends it at whatever it is doing.
  void kill() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }

 private:
  template <class Body>
  [[noreturn]] static void run(Body&& body) {
    alarm(120);
    // The test framework would report the child's end as the parent's.
    for (const int ending : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGINT}) {
      signal(ending, SIG_DFL);
    }
    int code = 2;
    try {
      code = body() ? 0 : 1;
    } catch (const not_possible_here&) {
      code = skipped;
    } catch (const std::exception& failure) {
      const std::string text = std::string("in a child process: ") + failure.what() + "\n";
      if (write(STDERR_FILENO, text.data(), text.size()) < 0) code = 3;
    }
    _exit(code);
  }

  pid_t pid_;
};

// Gives the calling process, which must be a child of the test, a /dev/shm of its
// own with room for `bytes`. What fills memory runs in there, so that no fault of
// the library can take the machine's.
inline void use_private_shm(size_t bytes) {
  const std::string room = "size=" + std::to_string(bytes);
  if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
      mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", "/dev/shm", "tmpfs", 0, room.c_str()) != 0) {
    throw not_possible_here();
  }
}

// Polls until `condition` holds; false when it does not within `limit`.
template <class Condition>
bool eventually(Condition condition,
                std::chrono::milliseconds limit = std::chrono::milliseconds(5000)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// What a call that must fail failed with; SHMDS_OK when it did not fail.
struct failure {
  shmds_status status = SHMDS_OK;
  std::string what;
};

template <class Call>
failure failure_of(Call call) {
  try {
    call();
  } catch (const shmds::error& error) {
    return {error.status(), error.what()};
  }
  return {};
}

}  // namespace test

#endif
