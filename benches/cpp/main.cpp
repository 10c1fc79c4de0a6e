// Measures libshmds, through its installed headers and shared library, and Boost beside it. Takes
// one command a line and answers each with one line, "ok ..." or "error ...": see `commands`.
#include <boost/version.hpp>
#include <iostream>
#include <sstream>

#include "calls.hpp"
#include "pool.hpp"
#include "ring.hpp"
#include "stage.hpp"
#include "trip.hpp"

namespace {

// So many compare-and-swaps that succeed, on a line that nobody else uses; and, if asked, a plain
// store to another line before each, which it has to wait for.
template <bool Stored, int Place>
[[gnu::noinline]] void bare_cas(std::uint64_t count) {
  lie_elsewhere<Place>();
  alignas(64) static std::uint64_t line = 0;
  alignas(64) static std::uint64_t other = 0;
  asm volatile("" ::"r"(&other));  // Or nobody would ever see what is stored there.
  std::uint64_t value = __atomic_load_n(&line, __ATOMIC_RELAXED);
  for (std::uint64_t i = 0; i < count; i++) {
    std::uint64_t expected = value;
    if (Stored) __atomic_store_n(&other, value, __ATOMIC_RELEASE);
    if (!__atomic_compare_exchange_n(&line, &expected, value + 1, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
      broken("a compare-and-swap failed");
    }
    value++;
  }
}

class Commands {
 public:
  explicit Commands(std::array<int, 2> cpus) : cpus_(cpus) {}

  void run(std::istringstream& line, std::ostream& out) {
    const auto command = next(line);
    if (command == "about") {
      out << "compiler " << compiler() << " boost " << BOOST_LIB_VERSION << " library "
          << SHMDS_VERSION_MAJOR << '.' << SHMDS_VERSION_MINOR << '.' << SHMDS_VERSION_PATCH;
    } else if (command == "cas") {
      out << undisturbed(number(line), InTurns([]<int Place>(std::uint64_t times) {
                           bare_cas<false, Place>(times);
                         }));
    } else if (command == "stored-cas") {
      out << undisturbed(number(line), InTurns([]<int Place>(std::uint64_t times) {
                           bare_cas<true, Place>(times);
                         }));
    } else if (command == "open") {
      open(line);
    } else if (command == "pair") {
      out << stage().pair(number(line));
    } else if (command == "flow") {
      flow(line, out);
    } else if (command == "victim") {
      out << "pid " << stage().victim(next(line));
    } else if (command == "resume") {
      stage().resume(static_cast<pid_t>(number(line)));
    } else if (command == "operate") {
      stage().operate(number(line));
    } else if (command == "one") {
      out << "ns " << stage().one(next(line));
    } else if (command == "size") {
      out << "size " << stage().size();
    } else if (command == "close") {
      stage().close();
      stage_.reset();
    } else if (command == "trip") {
      const auto means = next(line);
      const auto count = number(line);
      with_means(means,
                 [&]<class Means>() { out << "ns " << round_trip<Means>(means, count, cpus_); });
    } else if (command == "blocks") {
      const auto bytes = number(line);
      const BlockTimes times = blocks(bytes, number(line));
      out << "ring_ns " << times.ring_ns << " memcpy_ns " << times.memcpy_ns;
    } else if (command == "overwrite") {
      overwrite_beside(line, out);
    } else if (command == "pool-pair") {
      const auto how = next(line);
      out << pool_pair(how, number(line));
    } else if (command == "pool-flow") {
      const auto processes = number(line);
      const auto how = next(line);
      out << "per_us " << pool_flow(processes, how, static_cast<unsigned>(number(line)), cpus_);
    } else if (command == "pool-search") {
      const auto how = next(line);
      out << "ns " << pool_search(how, number(line));
    } else if (command == "calls") {
      calls(next(line), out);
    } else if (command == "calls-end") {
      caller_->wait();
      caller_.reset();
    } else {
      throw Failure("no such command: " + command);
    }
  }

 private:
  static std::string next(std::istringstream& line) {
    std::string word;
    if (!(line >> word)) throw Failure("the command is not complete");
    return word;
  }
  static std::uint64_t number(std::istringstream& line) { return std::stoull(next(line)); }

  Stage& stage() {
    if (!stage_) throw Failure("no queue is open");
    return *stage_;
  }

  static std::string compiler() {
#ifdef __clang__
    return std::string("clang-") + std::to_string(__clang_major__) + "." +
           std::to_string(__clang_minor__);
#else
    return std::string("g++-") + __VERSION__;
#endif
  }

  // open KIND BYTES
  void open(std::istringstream& line) {
    const auto kind = next(line);
    const auto bytes = next(line);
    stage_.reset();
    with_port(kind, bytes,
              [&]<class Port>() { stage_ = std::make_unique<StageOf<Port>>(kind, bytes, cpus_); });
  }

  // flow PRODUCERS CONSUMERS threads|processes yield|spin pinned|free MILLISECONDS
  void flow(std::istringstream& line, std::ostream& out) {
    Crowd crowd{};
    crowd.producers = number(line);
    crowd.consumers = number(line);
    crowd.processes = next(line) == "processes";
    crowd.yields = next(line) == "yield";
    crowd.pinned = next(line) == "pinned";
    crowd.milliseconds = static_cast<unsigned>(number(line));
    const Transfer done = stage().flow(crowd);
    out << "per_us " << done.per_us << " stuck " << done.stuck;
  }

  // overwrite READER BYTES MILLISECONDS
  void overwrite_beside(std::istringstream& line, std::ostream& out) {
    const auto reader = next(line);
    const auto bytes = next(line);
    const auto milliseconds = number(line);
    const Overwritten done = bytes == "8" ? overwrite<Element<8>>(reader, milliseconds, cpus_)
                                          : overwrite<Element<64>>(reader, milliseconds, cpus_);
    out << "per_us " << done.per_us << " reads_per_us " << done.reads_per_us;
  }

  // calls queue|spsc
  void calls(const std::string& kind, std::ostream& out) {
    caller_name_ = std::make_unique<SegmentName>();
    caller_ = std::make_unique<Child>(std::vector<std::string>{"calls", kind, caller_name_->str()});
    caller_->wait_for_stop();
    out << "pid " << caller_->pid() << " groups " << (kind == "queue" ? queue_groups : spsc_groups);
  }

  std::array<int, 2> cpus_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<SegmentName> caller_name_;
  std::unique_ptr<Child> caller_;
};

// A participant: PARENT PART KIND BYTES SEGMENT CONTROL_FD INDEX CPU HOW
void take_part(const std::vector<std::string>& arguments) {
  const std::string& part = arguments[0];
  const std::string& how = arguments[7];
  Control& control = *SharedControl::map(std::stoi(arguments[4]));
  const auto index = static_cast<size_t>(std::stoi(arguments[5]));
  const int cpu = std::stoi(arguments[6]);
  if (cpu >= 0) pin(cpu);
  with_port(arguments[1], arguments[2], [&]<class Port>() {
    typename Port::Owner owner(arguments[3]);
    Port port(owner);
    if (part == "produce") produce(port, control, index, how == "yield");
    if (part == "consume") consume(port, control, index, how == "yield");
    if (part == "inside") be_stopped_inside(port, control, index, how);
  });
}

// The other side of a round trip: PARENT answer MEANS SEGMENT CONTROL_FD CPU COUNT PIPE PIPE PIPE
// PIPE
void take_part_in_trip(const std::vector<std::string>& arguments) {
  Segment segment(arguments[2]);
  Control& control = *SharedControl::map(std::stoi(arguments[3]));
  pin(std::stoi(arguments[4]));
  std::array<int, 4> pipes{};
  for (size_t i = 0; i < pipes.size(); i++)
    pipes[i] = std::stoi(arguments[6 + i]);
  with_means(arguments[1], [&]<class Means>() {
    answer<Means>(segment, control, pipes, std::stoull(arguments[5]));
  });
}

// PARENT pool SEGMENT CONTROL_FD INDEX CPU HOW
void take_part_in_pool(const std::vector<std::string>& arguments) {
  Control& control = *SharedControl::map(std::stoi(arguments[2]));
  pin(std::stoi(arguments[4]));
  share_pool(arguments[1], control, static_cast<size_t>(std::stoi(arguments[3])), arguments[5]);
}

// PARENT calls KIND SEGMENT
void be_counted(const std::vector<std::string>& arguments) {
  Segment segment(arguments[2]);
  if (arguments[1] == "queue") {
    call_all_of_queue(ShmQueue<Element<8>>(segment));
  } else {
    call_all_of_spsc(ShmSpsc<Element<8>>(segment));
  }
}

// commands CPU CPU
int commands(std::array<int, 2> cpus) {
  Commands all(cpus);
  std::string text;
  while (std::getline(std::cin, text)) {
    std::istringstream line(text);
    std::ostringstream out;
    try {
      pin(cpus[0]);
      all.run(line, out);
      std::cout << "ok " << out.str() << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 3 && arguments[0] == "commands") {
      return commands({std::stoi(arguments[1]), std::stoi(arguments[2])});
    }
    if (arguments.empty()) throw Failure("this program is run by the driver of the benchmarks");
    end_with_parent(std::stoi(arguments[0]));
    arguments.erase(arguments.begin());
    if (arguments.size() == 6 && arguments[0] == "read") {
      arguments.erase(arguments.begin());
      take_part_as_reader(arguments);
    } else if (arguments.size() == 10 && arguments[0] == "answer") {
      take_part_in_trip(arguments);
    } else if (arguments.size() == 6 && arguments[0] == "pool") {
      take_part_in_pool(arguments);
    } else if (arguments.size() == 8) {
      take_part(arguments);
    } else if (arguments.size() == 3 && arguments[0] == "calls") {
      be_counted(arguments);
    } else {
      throw Failure("no such part");
    }
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
