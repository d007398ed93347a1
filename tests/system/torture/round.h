// One round of torture: harm for a while, healing, rest, and the verdict. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/system/torture/checker.h"
#include "tests/system/torture/network.h"

namespace ns::torture {

struct RoundOptions {
  std::uint64_t seed = 1;
  int seconds = 45;
  int mean_pause_ms = 350;
  int patience_s = 40;  // without a change anywhere: what is open then never ends
  double real_tasks = 0.1;
  std::string broker = "ns-broker";
  std::string obstacle;        // why there is no network; empty: there is one
  std::filesystem::path keep;  // empty: a temporary folder
};

struct RoundReport {
  std::uint64_t seed = 0;
  int seconds = 0;
  std::string obstacle;
  double rested_s = 0;  // from healing until all had ended
  std::map<std::string, int> faults;
  PacketCounts packets;
  std::map<std::string, std::uint64_t> tally;
  std::vector<Violation> violations;

  std::string text() const;
  std::string json() const;  // one line
};

RoundReport run_round(const RoundOptions&);

}  // namespace ns::torture
