#include "kernels/runtime/resolved.h"

#include <algorithm>

#include "kernels/runtime/control_flow.h"

namespace ns::runtime {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;

namespace {

std::int64_t zero_point_of(const Tensor& tensor) {
  switch (tensor.type()) {
    case ElementType::uint8:
      return tensor.values<std::uint8_t>()[0];
    case ElementType::int8:
      return tensor.values<std::int8_t>()[0];
    default:
      return 0;
  }
}

const ops::OpDefinition& definition_of(const Node& node, std::int64_t opset) {
  const ops::OpDefinition* definition = ops::find_op(node.domain, node.op_type, opset);
  if (definition == nullptr && is_control_flow(node)) {
    throw ops::NeedsData(describe(node) + ": what it makes follows from the data");
  }
  if (definition == nullptr) {
    throw Error(ErrorCode::unsupported, "operator " + node.op_type + " (node " + node.name + ") is not known");
  }
  return *definition;
}

}  // namespace

Resolved::Resolved(const Graph& graph)
    : graph_(graph),
      types_(graph.value_count()),
      constants_(graph.value_count()),
      known_(graph.value_count(), false),
      maker_(graph.value_count(), -1) {
  for (std::size_t id = 0; id < graph.value_count(); ++id) {
    const graph::Value& value = graph.value(static_cast<ValueId>(id));
    if (!value.constant.defined()) continue;
    constants_[id] = value.constant;
    known_[id] = true;
    types_[id] = {value.constant.type(), value.constant.shape()};
  }
}

Resolved::Resolved(const Graph& graph, std::span<const ops::TensorType> inputs) : Resolved(graph) {
  for (std::size_t i = 0; i < inputs.size(); ++i) types_[at(graph.inputs[i])] = inputs[i];
  for (std::size_t index = 0; index < graph.nodes.size(); ++index) resolve_node(static_cast<std::int32_t>(index));
  find_what_runs();
}

std::vector<NodeState> Resolved::readiness(const Graph& graph, std::vector<std::optional<ops::TensorType>> have,
                                           const std::vector<bool>& done) {
  Resolved resolved(graph);
  std::vector<bool> there = resolved.known_;
  for (std::size_t id = 0; id < have.size(); ++id) {
    if (!have[id]) continue;
    there[id] = true;
    resolved.types_[id] = std::move(*have[id]);
  }
  const auto is_there = [&](ValueId id) { return id == kAbsent || there[at(id)]; };
  std::vector<NodeState> states(graph.nodes.size(), NodeState::done);
  for (std::size_t index = 0; index < states.size(); ++index) {
    if (done[index]) continue;
    const Node& node = graph.nodes[index];
    states[index] = NodeState::waiting;
    const std::vector<ValueId> captured = captured_values(graph, node);
    if (!std::all_of(node.inputs.begin(), node.inputs.end(), is_there)) continue;
    if (!std::all_of(captured.begin(), captured.end(), is_there)) continue;
    try {
      resolved.resolve_node(static_cast<std::int32_t>(index));
      states[index] = NodeState::ready;
      for (const ValueId output : node.outputs) {
        if (output != kAbsent) there[at(output)] = true;
      }
    } catch (const ops::NeedsData&) {
      states[index] = NodeState::needs_data;
    }
  }
  return states;
}

std::int64_t Resolved::opset_of(const Node& node) const { return graph_.opset_of(node); }

void Resolved::resolve_node(std::int32_t index) {
  const Node& node = this->node(index);
  for (const ValueId output : node.outputs) {
    if (output != kAbsent) maker_[at(output)] = index;
  }
  std::vector<const ops::TensorType*> types;
  std::vector<const Tensor*> constants;
  bool all_known = true;
  // Weights stay in int8 until somebody needs them in float.
  const bool dequantizes = node.is("DequantizeLinear");
  for (const ValueId input : node.inputs) {
    const bool absent = input == kAbsent;
    types.push_back(absent ? nullptr : &types_[at(input)]);
    constants.push_back(absent || !known_[at(input)] ? nullptr : constant(input));
    all_known = all_known && (absent || known_[at(input)]);
  }
  const std::int64_t opset = opset_of(node);
  std::vector<ops::TensorType> outputs =
      infer_types(definition_of(node, opset), {.node = node, .opset = opset, .inputs = types, .constants = constants});
  for (std::size_t i = 0; i < node.outputs.size() && i < outputs.size(); ++i) {
    if (node.outputs[i] != kAbsent) types_[at(node.outputs[i])] = std::move(outputs[i]);
  }
  if (fold_shape(node)) return;
  if (!all_known) return;
  for (const ValueId output : node.outputs) {
    if (output != kAbsent) known_[at(output)] = true;
  }
  if (!dequantizes) fold(index);
}

// Shape and Size are known as soon as the types are, whatever the bytes.
bool Resolved::fold_shape(const Node& node) {
  if (!node.is("Shape") && !node.is("Size")) return false;
  const graph::Shape& shape = types_[at(node.inputs[0])].shape;
  const auto rank = static_cast<std::int64_t>(shape.size());
  Tensor result;
  if (node.is("Size")) {
    result = Tensor::scalar<std::int64_t>(graph::element_count(shape));
  } else {
    const auto bound = [&](std::int64_t axis) {
      return std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
    };
    const std::int64_t start = bound(node.integer("start", 0)), end = bound(node.integer("end", rank));
    const graph::Shape part(shape.begin() + start, shape.begin() + std::max(start, end));
    result = Tensor::from<std::int64_t>({static_cast<std::int64_t>(part.size())}, part);
  }
  constants_[at(node.outputs[0])] = std::move(result);
  known_[at(node.outputs[0])] = true;
  return true;
}

void Resolved::fold(std::int32_t index) {
  const Node& node = this->node(index);
  std::vector<const Tensor*> inputs;
  for (const ValueId input : node.inputs) inputs.push_back(input == kAbsent ? nullptr : constant(input));
  std::vector<Tensor> outputs = ops::run_node(node, opset_of(node), inputs);
  for (std::size_t i = 0; i < node.outputs.size() && i < outputs.size(); ++i) {
    if (node.outputs[i] != kAbsent) constants_[at(node.outputs[i])] = std::move(outputs[i]);
  }
}

const Tensor* Resolved::constant(ValueId id) {
  if (!is_constant(id)) return nullptr;
  if (!constants_[at(id)].defined()) fold(maker_[at(id)]);
  return &constants_[at(id)];
}

void Resolved::find_what_runs() {
  runs_.assign(graph_.nodes.size(), false);
  producer_.assign(graph_.value_count(), -1);
  consumers_.assign(graph_.value_count(), {});
  is_output_.assign(graph_.value_count(), false);
  std::vector<bool> needed(graph_.value_count(), false);
  for (const ValueId output : graph_.outputs) needed[at(output)] = is_output_[at(output)] = true;
  for (auto index = static_cast<std::int32_t>(graph_.nodes.size()) - 1; index >= 0; --index) {
    const Node& node = this->node(index);
    const bool wanted = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
      return output != kAbsent && needed[at(output)] && !known_[at(output)];
    });
    if (!wanted) continue;
    runs_[static_cast<std::size_t>(index)] = true;
    for (const ValueId output : node.outputs) {
      if (output != kAbsent) producer_[at(output)] = index;
    }
    for (const ValueId input : node.inputs) {
      if (input == kAbsent) continue;
      needed[at(input)] = true;
      consumers_[at(input)].push_back(index);
    }
  }
}

std::int32_t Resolved::only_consumer(ValueId id) const {
  if (is_output(id) || consumers(id).size() != 1) return -1;
  return consumers(id)[0];
}

std::optional<Quantization> Resolved::quantization_of(const Node& node) {
  const bool dequantizes = node.is("DequantizeLinear");
  if (!dequantizes && !node.is("QuantizeLinear")) return std::nullopt;
  if (node.integer("block_size", 0) != 0) return std::nullopt;
  const ElementType type = dequantizes ? types_[at(node.inputs[0])].element : types_[at(node.outputs[0])].element;
  if (type != ElementType::uint8 && type != ElementType::int8) return std::nullopt;
  if (types_[at(dequantizes ? node.outputs[0] : node.inputs[0])].element != ElementType::float32) return std::nullopt;
  const Tensor* scale = constant(node.inputs[1]);
  if (scale == nullptr || scale->count() != 1 || scale->type() != ElementType::float32) return std::nullopt;
  Quantization result{.scale = scale->values<float>()[0], .zero_point = 0, .type = type};
  if (!(result.scale > 0)) return std::nullopt;
  if (node.inputs.size() > 2 && node.inputs[2] != kAbsent) {
    const Tensor* zero_point = constant(node.inputs[2]);
    if (zero_point == nullptr || zero_point->count() != 1) return std::nullopt;
    result.zero_point = static_cast<std::int32_t>(zero_point_of(*zero_point));
  }
  return result;
}

std::optional<Quantized> Resolved::dequantized(ValueId id) {
  if (id == kAbsent || producer(id) < 0) return std::nullopt;
  const Node& node = this->node(producer(id));
  if (!node.is("DequantizeLinear")) return std::nullopt;
  const std::optional<Quantization> quantization = quantization_of(node);
  if (!quantization) return std::nullopt;
  return Quantized{node.inputs[0], *quantization};
}

}  // namespace ns::runtime
