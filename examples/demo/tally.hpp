// The demo's proof: which event reached how many consumers.
#ifndef SHMDS_DEMO_TALLY_HPP
#define SHMDS_DEMO_TALLY_HPP

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "demo.h"

class Tally {
 public:
  // What a consumer reported: a sequence number or DEMO_TORN.
  void add(std::uint64_t seen) {
    ++consumed_;
    // A number beyond all reason was never sent either.
    if (seen >= limit) {
      ++torn_;
      return;
    }
    if (seen >= count_.size()) count_.resize(seen + 1 + count_.size() / 2);
    if (count_[seen] == 0) {
      ++distinct_;
    } else {
      ++duplicated_;
    }
    if (count_[seen] < std::numeric_limits<std::uint8_t>::max()) ++count_[seen];
  }

  // The verdict on `produced` events, numbered from 0.
  struct Result {
    std::uint64_t produced, consumed, lost, duplicated, torn;

    bool perfect() const {
      return produced > 0 && consumed == produced && lost == 0 && duplicated == 0 && torn == 0;
    }
    std::string text() const {
      return "demo: " + std::to_string(produced) + " produced, " + std::to_string(consumed) +
             " consumed, " + std::to_string(lost) + " lost, " + std::to_string(duplicated) +
             " duplicated, " + std::to_string(torn) + " torn";
    }
  };
  Result judge(std::uint64_t produced) const {
    std::uint64_t arrived = 0;
    for (std::uint64_t i = 0; i < produced && i < count_.size(); ++i)
      arrived += count_[i] > 0;
    // Whole, but never sent: as wrong as torn.
    const std::uint64_t invented = distinct_ - arrived;
    return {produced, consumed_, produced - arrived, duplicated_, torn_ + invented};
  }

 private:
  static constexpr std::uint64_t limit = std::uint64_t{1} << 32;

  std::vector<std::uint8_t> count_;  // by sequence number
  std::uint64_t consumed_ = 0;
  std::uint64_t distinct_ = 0;
  std::uint64_t duplicated_ = 0;
  std::uint64_t torn_ = 0;
};

#endif
