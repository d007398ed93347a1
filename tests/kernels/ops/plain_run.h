// Runs a whole graph with the plain operators, node by node.
#pragma once

#include <vector>

#include "kernels/graph/graph.h"

namespace ns::test {

// Inputs in the order of graph.inputs; outputs in the order of graph.outputs.
std::vector<graph::Tensor> plain_run(const graph::Graph&, const std::vector<graph::Tensor>& inputs);

// Error(unsupported) when an operator of the graph is not known.
void require_known_operators(const graph::Graph&);

}  // namespace ns::test
