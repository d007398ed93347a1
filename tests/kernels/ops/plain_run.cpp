#include "tests/kernels/ops/plain_run.h"

#include "kernels/ops/op.h"

namespace ns::test {

void require_known_operators(const graph::Graph& graph) {
  for (const graph::Node& node : graph.nodes) {
    if (ops::find_op(node.domain, node.op_type, graph.opset_of(node)) == nullptr) {
      throw Error(ErrorCode::unsupported, describe(node) + " is not known");
    }
  }
}

std::vector<graph::Tensor> plain_run(const graph::Graph& graph, const std::vector<graph::Tensor>& inputs) {
  std::vector<graph::Tensor> values(graph.value_count());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = graph.value(static_cast<graph::ValueId>(i)).constant;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    values[static_cast<std::size_t>(graph.inputs[i])] = inputs.at(i);
  }
  for (const graph::Node& node : graph.nodes) {
    std::vector<const graph::Tensor*> used;
    for (const graph::ValueId id : node.inputs) {
      used.push_back(id == graph::kAbsent ? nullptr : &values[static_cast<std::size_t>(id)]);
    }
    std::vector<graph::Tensor> made = ops::run_node(node, graph.opset_of(node), used);
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (node.outputs[i] != graph::kAbsent) values[static_cast<std::size_t>(node.outputs[i])] = std::move(made[i]);
    }
  }
  std::vector<graph::Tensor> outputs;
  for (const graph::ValueId id : graph.outputs) outputs.push_back(values[static_cast<std::size_t>(id)]);
  return outputs;
}

}  // namespace ns::test
