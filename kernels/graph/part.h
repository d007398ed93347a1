// Parts of a graph as graphs of their own. Pure functions; tensors are shared with the whole.
#pragma once

#include <span>

#include "kernels/graph/graph.h"

namespace ns::graph {

// These nodes (positions in graph.nodes, ascending, none with a sub-graph that captures) with these outputs. Its inputs
// are the values that the nodes use and that are neither made by them nor constant, in the order of their first use.
// Values keep their names.
Graph part_of(const Graph&, std::span<const std::int32_t> nodes, std::span<const ValueId> outputs);

struct Body {
  Graph graph;
  std::vector<ValueId> captured;  // values of the graph around it, which it takes as inputs after its own
};

// A sub-graph that stands alone: what it captures became constants, where it is constant in the graph around it, or
// inputs. Error(invalid) when it captures a value that is not there.
Body body_of(const Graph& around, const Graph& subgraph);

}  // namespace ns::graph
