// What the broker's own functions reach when nothing but one pipelined connection stands between them and their caller:
// the ceiling of the product. One thread; each measurement has a redis-server of its own.
#pragma once

#include <map>
#include <string>

#include "tests/bench/queue/measure.h"

namespace ns::bench {

inline constexpr std::uint32_t kCeilingBatch = 256;

// Enqueue, lease and commit of so many jobs, 256 in a call.
Cost measure_ceiling(Persistence, std::uint32_t jobs);

// By function, the microseconds a job that Redis counts for calls with so many jobs in each: medians.
std::map<std::string, double> measure_functions(Persistence, std::uint32_t jobs_in_call, std::uint32_t calls);

}  // namespace ns::bench
