// What each quantizable operator costs to run: the multiplications of one sample. Counted from shapes, not timed, so
// that the same model gives the same order everywhere. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/data/dataset.h"
#include "kernels/graph/graph.h"

namespace ns::worker::tasks {

struct NodeCost {
  std::string node;
  double multiplications = 0;  // of an operator without weights: its output elements count a little
};

// Most costly first; ties by name.
std::vector<NodeCost> rank_by_cost(const graph::Graph&, const data::DataSet&);

}  // namespace ns::worker::tasks
