/// @file
/// Durations and time points of std::chrono as timeouts of the C interface.
#ifndef SHMDS_TIMEOUT_HPP
#define SHMDS_TIMEOUT_HPP

#include <chrono>
#include <cstdint>
#include <ratio>

#include "shmds.h"

namespace shmds::detail {

/// What every duration converts to without overflow: any period, any
/// representation, infinities and values that are no number among them.
using wide_nanoseconds = std::chrono::duration<long double, std::nano>;

/// A duration as a timeout: rounded up, 0 for what is negative or no number, and
/// at most SHMDS_WAIT_FOREVER - 1, 584 years.
[[nodiscard]] constexpr std::uint64_t timeout_ns(wide_nanoseconds timeout) noexcept {
  constexpr std::uint64_t longest = SHMDS_WAIT_FOREVER - 1;
  const long double count = timeout.count();
  if (!(count > 0)) {
    return 0;
  }
  if (count >= static_cast<long double>(longest)) {
    return longest;
  }
  const auto whole = static_cast<std::uint64_t>(count);
  return static_cast<long double>(whole) < count ? whole + 1 : whole;
}

/// What is left until `end`, as a timeout.
template <class Clock, class Duration>
[[nodiscard]] std::uint64_t timeout_until(const std::chrono::time_point<Clock, Duration>& end) {
  return timeout_ns(wide_nanoseconds(end.time_since_epoch()) -
                    wide_nanoseconds(Clock::now().time_since_epoch()));
}

/// Calls `wait` with what is left until `end`, at least once, until it returns
/// true; false when the clock has reached `end`. The C interface counts
/// nanoseconds of its own: a clock that was set back meanwhile, or that runs
/// slower, is not there yet when they have passed.
template <class Clock, class Duration, class Wait>
bool wait_until(const std::chrono::time_point<Clock, Duration>& end, Wait wait) {
  std::uint64_t left = timeout_until(end);
  do {
    if (wait(left)) {
      return true;
    }
    left = timeout_until(end);
  } while (left > 0);
  return false;
}

}  // namespace shmds::detail

#endif  // SHMDS_TIMEOUT_HPP
