// Taking a node out of a graph whose output equals one of its inputs.
#pragma once

#include "kernels/graph/graph.h"

namespace ns::passes {

// Makes everything that used output 0 of the node use `input` instead, so that the node is dead. The names of graph
// outputs stay. False when the node must stay: it hands a graph input, or a second graph output, to a graph output.
//
//   x -> node -> y -> ...     becomes     x -> ...
//   P -> x -> node -> y (out)     becomes     P -> y (out)
bool bypass(graph::Graph&, std::size_t node, graph::ValueId input);

// Removes the nodes whose number is marked.
void remove_nodes(graph::Graph&, const std::vector<bool>& marked);

}  // namespace ns::passes
