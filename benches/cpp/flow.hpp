// The two sides of a queue, and processes that stop inside an operation.
#ifndef SHMDS_BENCH_FLOW_HPP
#define SHMDS_BENCH_FLOW_HPP

#include "common.hpp"
#include "control.hpp"

// How often a participant says how far it is, and looks whether the time is up.
inline constexpr std::uint64_t look_every = 64;

// Elements are numbered from 1; the part above says who made them.
inline constexpr unsigned maker_shift = 48;

template <class Port>
void received(Participant& me, const typename Port::element& element, std::uint64_t& count,
              std::uint64_t& sum) {
  if (!element.whole()) broken("a torn element");
  sum += element.value();
  if (++count % look_every == 0) me.received.store(count, std::memory_order_relaxed);
}

// Puts elements in until the time is up.
template <class Port>
void produce(Port port, Control& control, size_t index, bool yields) {
  Participant& me = control.participants[index];
  const std::uint64_t maker = static_cast<std::uint64_t>(index + 1) << maker_shift;
  typename Port::element element{};
  Backoff backoff(yields);
  std::uint64_t number = 0;
  const auto time_is_up = [&] { return control.stop.load(std::memory_order_relaxed) != 0; };
  control.start(me);
  for (bool up = false; !up;) {
    element.set(maker | (number + 1));
    while (!port.push(element)) {
      if (time_is_up()) {
        up = true;
        break;
      }
      backoff.wait();
    }
    if (up) break;
    backoff.reset();
    number++;
    up = number % look_every == 0 && time_is_up();
  }
  me.sent = number;
  me.sent_sum += number * (number + 1) / 2 + number * maker;
  me.end_ns = now_ns();
  control.producing.fetch_sub(1, std::memory_order_release);
}

// Takes elements out until nobody makes more and there are none left.
template <class Port>
void consume(Port port, Control& control, size_t index, bool yields) {
  Participant& me = control.participants[index];
  typename Port::element element{};
  Backoff backoff(yields);
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  control.start(me);
  for (;;) {
    if (port.pop(element)) {
      received<Port>(me, element, count, sum);
      backoff.reset();
    } else if (control.producing.load(std::memory_order_acquire) != 0) {
      backoff.wait();
    } else if (port.pop(element)) {
      received<Port>(me, element, count, sum);
    } else {
      break;
    }
  }
  me.received.store(count, std::memory_order_relaxed);
  me.received_sum += sum;
  me.end_ns = now_ns();
}

// Does everything once, stops itself, and does one operation when it is let go on. Whoever steps it
// through that finds it at the instruction that publishes.
template <class Port>
void be_stopped_inside(Port port, Control& control, size_t index, const std::string& operation) {
  Participant& me = control.participants[index];
  typename Port::element element{};
  std::uint64_t count = 0;
  const auto push = [&] {
    element.set(static_cast<std::uint64_t>(index + 1) << maker_shift | (me.sent + 1));
    if (!port.push(element)) return;
    me.sent++;
    me.sent_sum += element.value();
  };
  const auto pop = [&] {
    if (port.pop(element)) received<Port>(me, element, count, me.received_sum);
  };
  push();
  pop();
  if (operation == "pop") push();
  kill(getpid(), SIGSTOP);
  if (operation == "pop") {
    pop();
  } else {
    push();
  }
  me.received.store(count, std::memory_order_relaxed);
}

#endif
