#include "kernels/passes/value_types.h"

#include "common/error.h"

namespace ns::passes {

namespace {

using graph::Graph;
using graph::Node;
using graph::ValueId;

constexpr std::int64_t kExampleSize = 2;  // not 1, which broadcasts and squeezes

ValueTypes propagate(const Graph& graph, std::optional<std::int64_t> example) {
  ValueTypes types(graph.value_count());
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const graph::Tensor& constant = graph.value(static_cast<ValueId>(i)).constant;
    if (constant.defined()) types[i] = ops::TensorType{constant.type(), constant.shape()};
  }
  for (const ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    if (!value.shape || value.type == graph::ElementType::undefined) continue;
    ops::TensorType type{value.type, {}};
    bool known = true;
    for (const graph::Dimension& dimension : *value.shape) {
      known = known && (dimension.known() || example.has_value());
      type.shape.push_back(dimension.known() ? dimension.size : example.value_or(0));
    }
    if (known) types[static_cast<std::size_t>(id)] = std::move(type);
  }
  for (const Node& node : graph.nodes) {
    // Which axes are squeezed away would follow from the example.
    const bool depends_on_sizes = node.is("Squeeze") && !node.has("axes") && node.inputs.size() < 2;
    if (!example || !depends_on_sizes) infer_into(graph, node, types);
  }
  return types;
}

}  // namespace

void infer_into(const Graph& graph, const Node& node, ValueTypes& types) {
  const std::int64_t opset = graph.opset_of(node);
  const ops::OpDefinition* definition = ops::find_op(node.domain, node.op_type, opset);
  if (definition == nullptr) return;
  std::vector<const ops::TensorType*> inputs;
  std::vector<const graph::Tensor*> constants;
  for (const ValueId id : node.inputs) {
    const auto place = static_cast<std::size_t>(id);
    if (id != graph::kAbsent && !types[place]) return;
    inputs.push_back(id == graph::kAbsent ? nullptr : &*types[place]);
    const bool constant = id != graph::kAbsent && graph.value(id).constant.defined();
    constants.push_back(constant ? &graph.value(id).constant : nullptr);
  }
  try {
    std::vector<ops::TensorType> made = infer_types(*definition, {node, opset, inputs, constants});
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != graph::kAbsent) types[static_cast<std::size_t>(node.outputs[i])] = std::move(made[i]);
    }
  } catch (const Error&) {
    // Not known before the run, or wrong: the plan says so when it comes to it.
  }
}

ValueTypes known_types(const Graph& graph) { return propagate(graph, std::nullopt); }

ValueTypes example_types(const Graph& graph) { return propagate(graph, kExampleSize); }

}  // namespace ns::passes
