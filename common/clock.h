// Monotonic time, injected where behaviour depends on it, so that tests need not sleep.
// Durations only: wall-clock time in NS comes from Redis alone. Any thread for SteadyClock; ManualClock: one thread.
#pragma once

#include <chrono>

namespace ns {

class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual Time now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  Time now() const override { return std::chrono::steady_clock::now(); }
};

// Stands still until it is told to move.
class ManualClock final : public Clock {
 public:
  Time now() const override { return now_; }
  void advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  Time now_{};
};

// For whoever does not inject one.
const Clock& steady_clock();

}  // namespace ns
