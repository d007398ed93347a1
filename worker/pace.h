// Pace: how long a slot's jobs take, and how many beyond the running one are therefore worth holding: as many as keep
// the slot busy for the time of a round trip to a busy broker. A plain value; one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace ns::worker {

// Of --prefetch: a number of jobs, or nothing: by how long they take.
using Prefetch = std::optional<std::size_t>;

class Pace {
 public:
  static constexpr std::size_t kMostAhead = 256;  // what a broker leases at once

  explicit Pace(Prefetch prefetch) : prefetch_(prefetch) {}

  // So many jobs have ended, which took so long together.
  void add(std::uint64_t jobs, std::chrono::nanoseconds spent) {
    if (jobs == 0) return;
    const double mean = static_cast<double>(spent.count()) / static_cast<double>(jobs);
    const double kept = known_ ? std::pow(1 - kWeight, static_cast<double>(jobs)) : 0;
    average_ = kept * average_ + (1 - kept) * mean;
    known_ = true;
  }

  // Nothing while nothing is known: the first job may take hours.
  std::size_t ahead() const {
    if (prefetch_) return *prefetch_;
    if (!known_ || average_ > kLongestShort) return 0;
    return static_cast<std::size_t>(std::min(std::ceil(kAhead / std::max(average_, 1.0)), double{kMostAhead}));
  }

 private:
  static constexpr double kWeight = 0.125;      // of one job in the moving average
  static constexpr double kAhead = 8e6;         // ns of work to hold
  static constexpr double kLongestShort = 1e7;  // ns; a job that takes longer does not mind a round trip

  Prefetch prefetch_;
  bool known_ = false;
  double average_ = 0;  // ns
};

}  // namespace ns::worker
