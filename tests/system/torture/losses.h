// Losses: how much of what was acknowledged is gone when a Redis is lost, counted for each way of keeping it.
// One thread beside the one that submits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ns::torture {

struct LossOptions {
  int seconds = 3;       // of submitting before the harm
  int cut_off = 12;      // seconds that the primary is cut off, with a broker and a client that go on
  std::string obstacle;  // why there is no network; empty: there is one
};

struct Loss {
  std::string harm;
  std::string kept;  // how the broker and Redis were told to keep it
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;
  bool nothing_may_be_lost = false;
};

std::vector<Loss> measure_losses(const LossOptions&);

bool as_promised(const std::vector<Loss>&);
std::string as_table(const std::vector<Loss>&);
std::string as_json(const std::vector<Loss>&);  // one line

}  // namespace ns::torture
