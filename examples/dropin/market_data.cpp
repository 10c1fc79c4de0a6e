// Market data: a feed handler publishes prices into shared memory; strategies read them and
// send orders back. The workers are forked and use the objects of their parent at once.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "worker.hpp"

namespace {

constexpr size_t symbols = 64;
constexpr int ticks_per_symbol = 500;
constexpr int strategies = 3;

struct Quote {
  double bid;
  double ask;
  uint64_t time;
};

struct Tick {
  uint32_t symbol;
  uint32_t number;
  double price;
};

struct Order {
  uint32_t strategy;
  uint32_t symbol;
  int32_t quantity;
  double price;
};

// One per process, as the original's users write it: everything a member.
class MarketData {
 public:
  MarketData(const std::string& name, size_t size)
      : shm(name, size),
        quotes(shm, "quotes", symbols),
        ticks(shm, "ticks", 256),
        orders(shm, "orders", 1024),
        sequence(shm, "sequence"),
        feed_done(shm, "feed_done"),
        strategies_done(shm, "strategies_done") {}
  explicit MarketData(const std::string& name)
      : shm(name),
        quotes(shm, "quotes"),
        ticks(shm, "ticks"),
        orders(shm, "orders"),
        sequence(shm, "sequence"),
        feed_done(shm, "feed_done"),
        strategies_done(shm, "strategies_done") {}

  posix_shm shm;
  shm_array<Quote> quotes;
  shm_queue<Tick> ticks;
  shm_queue<Order> orders;
  shm_atomic<uint64_t> sequence;
  shm_atomic_bool<> feed_done;
  shm_atomic_int<> strategies_done;
};

int run_feed(MarketData& market) {
  for (int n = 0; n < ticks_per_symbol; ++n) {
    for (uint32_t s = 0; s < symbols; ++s) {
      const double price = 100.0 + s + 0.01 * n;
      market.quotes[s] = {price - 0.01, price + 0.01, market.sequence.fetch_add(1)};
      const Tick tick{s, static_cast<uint32_t>(n), price};
      while (!market.ticks.enqueue(tick))
        std::this_thread::yield();
    }
  }
  market.feed_done = true;
  return 0;
}

// Attaches anew, by name: as a program of its own would.
int run_strategy(const std::string& name, uint32_t me) {
  MarketData market(name);
  if (market.shm.get_ref_count() < 2) return 1;
  for (;;) {
    const bool last_look = market.feed_done.load();
    if (auto tick = market.ticks.dequeue()) {
      const Order order{me, tick->symbol, tick->number % 2 == 0 ? 100 : -100, tick->price};
      while (!market.orders.enqueue(order))
        std::this_thread::yield();
    } else if (last_look) {
      break;
    } else {
      std::this_thread::yield();
    }
  }
  ++market.strategies_done;
  return 0;
}

bool check_orders(MarketData& market) {
  size_t count = 0;
  double turnover = 0;
  std::vector<long> position(symbols, 0);
  std::vector<std::vector<bool>> seen(symbols, std::vector<bool>(ticks_per_symbol, false));
  Order order{};
  while (market.strategies_done < strategies || !market.orders.empty()) {
    if (!market.orders.dequeue(order)) {
      std::this_thread::yield();
      continue;
    }
    ++count;
    turnover += order.price;
    position[order.symbol] += order.quantity;
    const auto number =
        static_cast<size_t>(std::lround((order.price - 100.0 - order.symbol) / 0.01));
    if (seen[order.symbol][number]) return false;  // twice
    seen[order.symbol][number] = true;
  }
  const double n = ticks_per_symbol;
  const double expected =
      symbols * n * 100.0 + n * symbols * (symbols - 1) / 2.0 + symbols * 0.01 * n * (n - 1) / 2.0;
  return count == symbols * ticks_per_symbol && std::fabs(turnover - expected) < 0.01 &&
         std::accumulate(position.begin(), position.end(), 0L) == 0 &&
         market.sequence.load() == symbols * ticks_per_symbol;
}

}  // namespace

int main() {
  const std::string name = "/market_data_" + std::to_string(getpid());
  MarketData market(name, 4 * 1024 * 1024);

  std::vector<pid_t> workers;
  for (uint32_t me = 0; me <= strategies; ++me) {
    const pid_t pid = fork_worker();
    if (pid == 0) _exit(me == strategies ? run_feed(market) : run_strategy(name, me));
    workers.push_back(pid);
  }
  bool right = check_orders(market);
  for (const pid_t pid : workers) {
    int status = 0;
    waitpid(pid, &status, 0);
    right = right && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  const Quote& last = market.quotes[symbols - 1];
  right = right && std::fabs(last.ask - last.bid - 0.02) < 1e-9;
  market.shm.unlink();
  std::printf("market data: %s\n", right ? "every tick became one order" : "WRONG");
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
