// What was measured, as JSON and as tables for people. Pure but for printing; one thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/bench/queue/measure.h"
#include "tests/bench/queue/statistics.h"

namespace ns::bench {

using Json = nlohmann::ordered_json;

// Columns as wide as they need to be; the first is aligned to the left, the others to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string number(double value, int digits = 0);    // with thousands separated
std::string text_of(const Spread&, int digits = 0);  // "median (least-most)"

// Several repetitions of one measurement.
struct Repeated {
  std::vector<Cost> costs;

  std::uint32_t jobs() const { return costs.front().jobs; }
  Spread rate() const;
  // Of all repetitions together, microseconds a job; and their sum over the processes.
  std::map<std::string, CpuTime> cpu_us() const;
  double cpu_us_in_all() const;
  double append_only_bytes() const;             // a job
  double fcall_us() const;                      // a job, as Redis counts them
  std::map<std::string, double> calls() const;  // of each command of Redis, a job, also from within functions
};

Json json_of(const Spread&);
Json json_of(const Repeated&);

// Says on standard error what is being done, with the time since the start.
void progress(const std::string& what);

}  // namespace ns::bench
