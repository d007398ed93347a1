// remove_dead: what nothing uses goes.
//
//   x -> Relu -> y            becomes   x -> Relu -> y
//    \-> Shape -> s (unused)
//
// Optional outputs that nothing uses are left out, and values that nothing mentions are forgotten.
#include "kernels/ops/op.h"
#include "kernels/passes/bypass.h"
#include "kernels/passes/pass_list.h"

namespace ns::passes {

namespace {

using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::ValueId;

// Values that a node takes, those of its sub-graphs included.
std::vector<ValueId> taken_values(const Graph& graph, const Node& node) {
  std::vector<ValueId> values;
  for (const ValueId id : node.inputs) {
    if (id != kAbsent) values.push_back(id);
  }
  for (const auto& subgraph : subgraphs_of(node)) {
    for (const std::string& name : captured_names(*subgraph)) {
      const ValueId id = graph.find(name);
      if (id != kAbsent) values.push_back(id);
    }
  }
  return values;
}

void leave_out_unused(const Graph& graph, Node& node, const std::vector<bool>& needed) {
  const ops::OpDefinition* definition = ops::find_op(node.domain, node.op_type, graph.opset_of(node));
  if (!node.domain.empty() || definition == nullptr || definition->max_outputs == definition->min_outputs) return;
  for (std::size_t i = static_cast<std::size_t>(definition->min_outputs); i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kAbsent && !needed[static_cast<std::size_t>(node.outputs[i])]) node.outputs[i] = kAbsent;
  }
  while (static_cast<int>(node.outputs.size()) > definition->min_outputs && node.outputs.back() == kAbsent) {
    node.outputs.pop_back();
  }
}

}  // namespace

int remove_dead(Graph& graph) {
  std::vector<bool> needed(graph.value_count(), false);
  for (const ValueId id : graph.outputs) needed[static_cast<std::size_t>(id)] = true;
  std::vector<bool> dead(graph.nodes.size(), false);
  int changes = 0;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    Node& node = graph.nodes[i];
    dead[i] = true;
    for (const ValueId id : node.outputs) {
      if (id != kAbsent && needed[static_cast<std::size_t>(id)]) dead[i] = false;
    }
    if (dead[i]) {
      ++changes;
      continue;
    }
    leave_out_unused(graph, node, needed);
    for (const ValueId id : taken_values(graph, node)) needed[static_cast<std::size_t>(id)] = true;
  }
  remove_nodes(graph, dead);
  return changes + graph.prune_values();
}

}  // namespace ns::passes
