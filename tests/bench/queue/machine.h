// The machine that measures, and how fast it is just now: for comparing figures of different days. One thread.
#pragma once

#include <string>

namespace ns::bench {

struct Machine {
  std::string processor;
  unsigned cores = 0;
  std::string redis;            // its version
  double sets_per_second = 0;   // plain SETs of 200 bytes, one connection, 64 in a write, nothing stored on disk
  double redis_us_per_set = 0;  // CPU
};
Machine measure_machine();

}  // namespace ns::bench
