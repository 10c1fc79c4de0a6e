// A program of the demo as a child process with a pipe to report through.
#ifndef SHMDS_DEMO_WORKER_HPP
#define SHMDS_DEMO_WORKER_HPP

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

class Worker {
 public:
  // Runs `program FD arguments...` in a process group of its own, so that a Ctrl-C reaches the demo
  // alone, which then ends everything in order. The worker never outlives the demo.
  template <class... Arguments>
  explicit Worker(std::string program, const Arguments&... arguments)
      : program_(std::move(program)) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
    const pid_t demo = getpid();
    pid_ = fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) {
      setpgid(0, 0);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != demo) _exit(1);
      fcntl(ends[1], F_SETFD, 0);
      execl(program_.c_str(), program_.c_str(), std::to_string(ends[1]).c_str(),
            arguments.c_str()..., static_cast<char*>(nullptr));
      std::fprintf(stderr, "demo: %s: %s\n", program_.c_str(), std::strerror(errno));
      _exit(127);
    }
    close(ends[1]);
    pipe_ = ends[0];
    fcntl(pipe_, F_SETFL, O_NONBLOCK);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    signal(SIGKILL);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    if (pipe_ >= 0) close(pipe_);
  }

  // Readable while there are reports to come; -1 at their end.
  int pipe() const { return pipe_; }
  bool running() const { return pid_ > 0; }
  bool succeeded() const { return pid_ <= 0 && status_ == 0; }
  const std::string& program() const { return program_; }

  void signal(int number) const {
    if (pid_ > 0) kill(pid_, number);
  }

  // How it ended, if not well.
  std::string end() const {
    if (WIFSIGNALED(status_)) return "was ended by signal " + std::to_string(WTERMSIG(status_));
    return "failed with exit code " + std::to_string(WEXITSTATUS(status_));
  }

  // Looks whether it has ended.
  void poll_end() {
    if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  }

  // Hands each number that has been reported to `use`.
  template <class Use>
  void read_reports(Use use) {
    std::array<char, 64 * 1024> block;
    while (pipe_ >= 0) {
      std::copy_n(part_.begin(), part_length_, block.begin());
      const ssize_t got = read(pipe_, block.data() + part_length_, block.size() - part_length_);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (got <= 0) {
        close(std::exchange(pipe_, -1));
        return;
      }
      const size_t length = part_length_ + static_cast<size_t>(got);
      size_t at = 0;
      for (std::uint64_t number = 0; length - at >= sizeof(number); at += sizeof(number)) {
        std::memcpy(&number, block.data() + at, sizeof(number));
        use(number);
      }
      part_length_ = length - at;
      std::copy_n(block.begin() + static_cast<ptrdiff_t>(at), part_length_, part_.begin());
    }
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
  }

  std::string program_;
  pid_t pid_ = -1;
  int status_ = 0;
  int pipe_ = -1;
  std::array<char, sizeof(std::uint64_t)> part_{};  // of a number that has not arrived whole
  size_t part_length_ = 0;
};

#endif
