// Where a model's time goes: by node (a fused group is named after its last one) and by kind of group, with the share
// of what the machine gives at most.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::worker {

struct ProfiledStep {
  std::string node, operation, implementation;
  double microseconds = 0;
  int steps = 1;                  // together, when this stands for a kind of group
  std::optional<double> of_peak;  // operations a second by the machine's peak; where matrices are multiplied
};

class Profile {
 public:
  std::vector<ProfiledStep> steps;       // in order
  std::vector<ProfiledStep> groups;      // by operation, slowest first
  double peak_float = 0, peak_int8 = 0;  // operations a second; 0: not needed, so not measured
  double whole_microseconds = 0;         // of all steps

  nlohmann::json as_json() const;
  void print() const;
};

// Runs the model for so long in a session that takes the time of each step.
Profile profile_of(std::shared_ptr<const graph::Graph>, const std::vector<std::vector<graph::Tensor>>& inputs,
                   int threads, double seconds);

}  // namespace ns::worker
