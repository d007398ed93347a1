// Recovery: how long until work goes on after each thing that can happen to a part, measured on a healthy cluster with
// the broker's own lease and heartbeat. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ns::torture {

struct RecoveryOptions {
  int samples = 5;
  std::string obstacle;  // why there is no network; empty: there is one
  int lease_ms = 15'000;
  int heartbeat_ms = 500;
};

struct Recovery {
  std::string what;
  double goal_s = 0;
  std::vector<double> samples_s;
};

std::vector<Recovery> measure_recovery(const RecoveryOptions&);

std::string as_table(const std::vector<Recovery>&);
std::string as_json(const std::vector<Recovery>&);  // one line

}  // namespace ns::torture
