#include "kernels/passes/bypass.h"

#include <algorithm>

namespace ns::passes {

using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::ValueId;

bool bypass(Graph& graph, std::size_t number, ValueId input) {
  const ValueId output = graph.nodes[number].outputs[0];
  const auto listed = [&](ValueId id) {
    return std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
  };
  if (!listed(output)) {
    graph.replace_uses(output, input);
    return true;
  }
  if (graph.value(input).constant.defined()) {
    graph::Value& value = graph.value(output);
    value.constant = graph.value(input).constant;
    value.type = value.constant.type();
    graph.nodes[number].outputs[0] = graph::kAbsent;
    return true;
  }
  if (listed(input)) return false;
  // The producer makes the output's value under the output's name.
  for (Node& producer : graph.nodes) {
    const auto made = std::find(producer.outputs.begin(), producer.outputs.end(), input);
    if (made == producer.outputs.end()) continue;
    graph.nodes[number].outputs[0] = graph::kAbsent;
    *made = output;
    graph.replace_uses(input, output);
    return true;
  }
  return false;
}

void remove_nodes(Graph& graph, const std::vector<bool>& marked) {
  std::vector<Node> kept;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (i >= marked.size() || !marked[i]) kept.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
}

int fold_into_layers(Graph& graph, const Fold& fold) {
  std::vector<bool> removed(graph.nodes.size(), false);
  int changes = 0;
  Graph::Uses uses = graph.uses();
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.outputs.empty() || node.outputs[0] == kAbsent) continue;
    const ValueId between = fold.input(graph, node);
    if (between == kAbsent) continue;
    const auto place = static_cast<std::size_t>(between);
    if (uses.producer[place] < 0 || uses.consumers[place].size() != 1 || uses.is_output[place]) continue;
    Node& layer = graph.nodes[static_cast<std::size_t>(uses.producer[place])];
    if (layer.outputs.size() != 1 || !fold.fold_into(graph, layer, node)) continue;
    removed[i] = true;
    ++changes;
    // The layer may take more than one.
    uses.producer[static_cast<std::size_t>(node.outputs[0])] = uses.producer[place];
    uses.producer[place] = -1;
  }
  remove_nodes(graph, removed);
  return changes;
}

}  // namespace ns::passes
