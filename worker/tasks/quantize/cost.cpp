#include "worker/tasks/quantize/cost.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "common/error.h"
#include "kernels/ops/op.h"
#include "kernels/quantize/quantize.h"

namespace ns::worker::tasks {
namespace {

using graph::Graph;
using graph::Node;
using graph::ValueId;

// Types of every value for one sample, as far as shapes can be told without running.
class Types {
 public:
  Types(const Graph& graph, const std::vector<graph::Tensor>& inputs) : graph_(graph), types_(graph.value_count()) {
    for (std::size_t id = 0; id < types_.size(); ++id) {
      const graph::Tensor& constant = graph.value(static_cast<ValueId>(id)).constant;
      if (constant.defined()) types_[id] = ops::TensorType{constant.type(), constant.shape()};
    }
    for (std::size_t index = 0; index < inputs.size(); ++index) {
      types_[static_cast<std::size_t>(graph.inputs[index])] =
          ops::TensorType{inputs[index].type(), inputs[index].shape()};
    }
    for (const Node& node : graph.nodes) infer(node);
  }

  const ops::TensorType* of(ValueId id) const {
    if (id == graph::kAbsent) return nullptr;
    const auto& type = types_[static_cast<std::size_t>(id)];
    return type ? &*type : nullptr;
  }

 private:
  void infer(const Node& node) {
    const std::int64_t opset = graph_.opset_of(node);
    const ops::OpDefinition* definition = ops::find_op(node.domain, node.op_type, opset);
    if (definition == nullptr) return;
    std::vector<const ops::TensorType*> inputs;
    std::vector<const graph::Tensor*> constants;
    for (ValueId id : node.inputs) {
      if (id != graph::kAbsent && of(id) == nullptr) return;
      inputs.push_back(of(id));
      const bool constant = id != graph::kAbsent && graph_.value(id).constant.defined();
      constants.push_back(constant ? &graph_.value(id).constant : nullptr);
    }
    try {
      const std::vector<ops::TensorType> outputs = infer_types(*definition, {node, opset, inputs, constants});
      for (std::size_t index = 0; index < std::min(outputs.size(), node.outputs.size()); ++index) {
        const ValueId id = node.outputs[index];
        if (id != graph::kAbsent) types_[static_cast<std::size_t>(id)] = outputs[index];
      }
    } catch (const Error&) {
      // Shapes that depend on values stay unknown; the costs behind them are estimated from the weights alone.
    }
  }

  const Graph& graph_;
  std::vector<std::optional<ops::TensorType>> types_;
};

double multiplications(const Graph& graph, const Node& node, const Types& types, std::int64_t weight_count) {
  constexpr double kElementwise = 1e-3;  // an element moved or added, against one multiplied
  const ops::TensorType* output = node.outputs.empty() ? nullptr : types.of(node.outputs[0]);
  const double elements = output == nullptr ? 1 : static_cast<double>(graph::element_count(output->shape));
  if (weight_count == 0) return elements * kElementwise;
  const graph::Tensor* weights = nullptr;
  for (ValueId id : node.inputs) {
    if (id == graph::kAbsent || graph.value(id).constant.count() != weight_count) continue;
    weights = &graph.value(id).constant;
    break;
  }
  if (output == nullptr || weights == nullptr || weights->shape().empty()) return static_cast<double>(weight_count);
  const bool rows_are_outputs = node.is("Conv") || (node.is("Gemm") && node.integer("transB", 0) != 0);
  const std::int64_t outputs = rows_are_outputs ? weights->shape().front() : weights->shape().back();
  return elements * static_cast<double>(weight_count) / static_cast<double>(std::max<std::int64_t>(1, outputs));
}

}  // namespace

std::vector<NodeCost> rank_by_cost(const Graph& graph, const data::DataSet& set) {
  const Types types(graph, set.batch(0, 1));
  std::unordered_map<std::string, const Node*> by_name;
  for (const Node& node : graph.nodes) by_name[node.name] = &node;
  std::vector<NodeCost> costs;
  for (const quantize::QuantizableNode& node : quantize::quantizable_nodes(graph)) {
    costs.push_back({node.node, multiplications(graph, *by_name.at(node.node), types, node.weight_count)});
  }
  std::sort(costs.begin(), costs.end(), [](const NodeCost& left, const NodeCost& right) {
    if (left.multiplications != right.multiplications) return left.multiplications > right.multiplications;
    return left.node < right.node;
  });
  return costs;
}

}  // namespace ns::worker::tasks
