// One measurement each: starts a Service of its own, warms it up, measures, ends it. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/bench/queue/service.h"

namespace ns::bench {

// What a stretch of work took and cost.
struct Cost {
  std::uint32_t jobs = 0;
  double seconds = 0;
  CpuTimes cpu;
  RedisFigures redis;

  double rate() const { return jobs / seconds; }
};

// The stretch between begin() and end(), for whoever owns the service.
class CostMeter {
 public:
  explicit CostMeter(Service& service) : service_(service) {}

  void begin();
  Cost end(std::uint32_t jobs, double seconds);

 private:
  Service& service_;
  CpuTimes cpu_;
  RedisFigures redis_;
};

struct ThroughputPlan {
  Deployment deployment;
  Crew crew;
  std::uint32_t jobs = 0;
  std::uint32_t window = 0;  // jobs submitted whose results are not seen yet
};
Cost measure_throughput(const ThroughputPlan&);

// All jobs are enqueued before the first is leased.
struct Phases {
  Cost enqueued;
  Cost done;
  std::uint64_t history_bytes = 0;  // of memory_bytes after both, the events' part
};
Phases measure_phases(const ThroughputPlan&);

// Each job is sent when the result of the one before it has been seen.
struct RoundTrips {
  std::vector<double> milliseconds;
  Cost cost;
};
RoundTrips measure_round_trips(const ThroughputPlan&);

}  // namespace ns::bench
