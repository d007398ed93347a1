// Taking a node out of a graph: its output equals one of its inputs, or the layer before it does its work.
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

// A node that a pass may fold into the layer that makes its input.
struct Fold {
  // The input of the node that such a layer would make, or kAbsent when the node is not of the kind.
  graph::ValueId (*input)(const graph::Graph&, const graph::Node&);
  // Takes the node into the layer, which then makes the node's output; false when it cannot.
  bool (*fold_into)(graph::Graph&, graph::Node& layer, const graph::Node& node);
};

// Folds wherever nothing but the node uses what lies between; returns how often.
int fold_into_layers(graph::Graph&, const Fold&);

}  // namespace ns::passes
