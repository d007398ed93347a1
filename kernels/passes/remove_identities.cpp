// remove_identities: nodes that hand on what they get.
//
//   x -> Identity -> y             becomes   x
//   x -> Dropout -> y              becomes   x     (not in training, mask not used)
//   x float32 -> Cast float32 -> y becomes   x
#include "common/error.h"
#include "kernels/passes/bypass.h"
#include "kernels/passes/pass_list.h"
#include "kernels/passes/value_types.h"

namespace ns::passes {

namespace {

using graph::Graph;
using graph::kAbsent;
using graph::Node;

bool output_used(const Graph::Uses& uses, graph::ValueId id) {
  const auto place = static_cast<std::size_t>(id);
  return !uses.consumers[place].empty() || uses.is_output[place];
}

bool is_idle_dropout(const Graph& graph, const Graph::Uses& uses, const Node& node) {
  if (!node.is("Dropout")) return false;
  if (node.outputs.size() > 1 && node.outputs[1] != kAbsent && output_used(uses, node.outputs[1])) return false;
  if (node.inputs.size() < 3 || node.inputs[2] == kAbsent) return true;
  const graph::Tensor& training = graph.value(node.inputs[2]).constant;
  return training.type() == graph::ElementType::boolean && training.count() == 1 && !training.values<bool>()[0];
}

bool is_idle_cast(const ValueTypes& types, const Node& node) {
  if (!node.is("Cast")) return false;
  const auto& type = types[static_cast<std::size_t>(node.inputs[0])];
  const auto to = node.attributes.find("to");
  const auto* wanted = to != node.attributes.end() ? std::get_if<std::int64_t>(&to->second) : nullptr;
  return type && wanted != nullptr && *wanted == static_cast<std::int64_t>(type->element);
}

}  // namespace

int remove_identities(Graph& graph) {
  const ValueTypes types = example_types(graph);
  const Graph::Uses uses = graph.uses();
  std::vector<bool> removed(graph.nodes.size(), false);
  int changes = 0;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.inputs.empty() || node.inputs[0] == kAbsent || node.outputs.empty() || node.outputs[0] == kAbsent) {
      continue;
    }
    const bool idle = node.is("Identity") || is_idle_dropout(graph, uses, node) || is_idle_cast(types, node);
    if (!idle || !bypass(graph, i, node.inputs[0])) continue;
    removed[i] = true;
    ++changes;
  }
  remove_nodes(graph, removed);
  return changes;
}

}  // namespace ns::passes
