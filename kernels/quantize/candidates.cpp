#include "kernels/quantize/candidates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "kernels/quantize/quantize.h"

namespace ns::quantize {
namespace {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;

constexpr std::array kMovement{"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze",   "Slice",
                               "Split",   "Gather",  "Expand",    "Tile",    "DepthToSpace"};

// Operators through which int8 neighbours still see each other, for judging where an Add stands.
constexpr std::array kPassThrough{"Relu", "Clip", "Add", "Concat", "AveragePool", "GlobalAveragePool", "ReduceMean"};

template <std::size_t kCount>
bool is_one_of(const Node& node, const std::array<const char*, kCount>& types) {
  return node.domain.empty() &&
         std::any_of(types.begin(), types.end(), [&](const char* type) { return node.op_type == type; });
}

const Tensor* constant_input(const Graph& graph, const Node& node, std::size_t index) {
  if (index >= node.inputs.size() || node.inputs[index] == kAbsent) return nullptr;
  const Tensor& constant = graph.value(node.inputs[index]).constant;
  return constant.defined() ? &constant : nullptr;
}

bool has_input(const Node& node, std::size_t index) {
  return index < node.inputs.size() && node.inputs[index] != kAbsent;
}

bool finite_floats(const Tensor& tensor) {
  if (tensor.type() != ElementType::float32 || tensor.count() == 0) return false;
  const auto values = tensor.values<float>();
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

// An activation on input 0, weights of the given rank on input 1.
bool has_weights(const Graph& graph, const Node& node, std::size_t least_rank, std::size_t most_rank) {
  if (node.outputs.size() != 1 || node.outputs[0] == kAbsent || !has_input(node, 0)) return false;
  if (constant_input(graph, node, 0) != nullptr) return false;
  const Tensor* weights = constant_input(graph, node, 1);
  return weights != nullptr && weights->shape().size() >= least_rank && weights->shape().size() <= most_rank &&
         finite_floats(*weights);
}

// One bias a channel, whatever shape it is written in.
bool bias_fits(const Graph& graph, const Node& node, std::int64_t channels) {
  if (!has_input(node, 2)) return true;
  const Tensor* bias = constant_input(graph, node, 2);
  if (bias == nullptr || !finite_floats(*bias)) return false;
  const bool last_axis = bias->shape().empty() || bias->count() == bias->shape().back();
  return last_axis && (bias->count() == 1 || bias->count() == channels);
}

bool is_weighted(const Graph& graph, const Node& node) {
  if (node.is("Conv")) {
    return has_weights(graph, node, 3, 5) && bias_fits(graph, node, constant_input(graph, node, 1)->shape()[0]);
  }
  if (node.is("Gemm")) {
    if (!has_weights(graph, node, 2, 2) || node.integer("transA", 0) != 0) return false;
    const Tensor& weights = *constant_input(graph, node, 1);
    return bias_fits(graph, node, weights.shape()[node.integer("transB", 0) != 0 ? 0 : 1]);
  }
  return node.is("MatMul") && has_weights(graph, node, 2, 2);
}

bool is_zero_padding(const Graph& graph, const Node& node) {
  if (node.text("mode", "constant") != "constant") return false;
  if (constant_input(graph, node, 1) == nullptr) return false;
  if (!has_input(node, 2)) return true;
  const Tensor* value = constant_input(graph, node, 2);
  return value != nullptr && value->type() == ElementType::float32 && value->count() == 1 &&
         value->values<float>()[0] == 0.0f;
}

bool passes_through(const Graph& graph, const Node& node) {
  return is_one_of(node, kPassThrough) || moves_data(graph, node);
}

// Values that come from a weighted operator, and values that lead to one, by passing through only.
struct Neighbours {
  std::vector<bool> from_weighted, to_weighted;
};

Neighbours neighbours_of(const Graph& graph, const std::vector<Role>& roles) {
  Neighbours found{std::vector<bool>(graph.value_count()), std::vector<bool>(graph.value_count())};
  const auto any = [](const std::vector<bool>& set, const std::vector<ValueId>& ids) {
    return std::any_of(ids.begin(), ids.end(),
                       [&](ValueId id) { return id != kAbsent && set[static_cast<std::size_t>(id)]; });
  };
  const auto mark = [](std::vector<bool>& set, const std::vector<ValueId>& ids) {
    for (const ValueId id : ids) {
      if (id != kAbsent) set[static_cast<std::size_t>(id)] = true;
    }
  };
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool passed = passes_through(graph, node) && any(found.from_weighted, node.inputs);
    if (roles[i] == Role::weighted || passed) mark(found.from_weighted, node.outputs);
  }
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    const bool passed = passes_through(graph, node) && any(found.to_weighted, node.outputs);
    if (roles[i] == Role::weighted || passed) mark(found.to_weighted, node.inputs);
  }
  return found;
}

bool is_plain_add(const Graph& graph, const Node& node) {
  return node.is("Add") && node.inputs.size() == 2 && has_input(node, 0) && has_input(node, 1) &&
         constant_input(graph, node, 0) == nullptr && constant_input(graph, node, 1) == nullptr;
}

Role first_role(const Graph& graph, const Node& node) {
  if (is_weighted(graph, node)) return Role::weighted;
  if (moves_data(graph, node)) return Role::movement;
  if (node.is("AveragePool") || node.is("GlobalAveragePool") || node.is("Concat")) return Role::averaging;
  return Role::other;
}

// Input `index` of a Clip: its bound, the default when left out, none when it is not known before the run.
std::optional<float> clip_bound(const Graph& graph, const Node& node, std::size_t index, float fallback) {
  if (!has_input(node, index)) return fallback;
  const Tensor* bound = constant_input(graph, node, index);
  if (bound == nullptr || bound->type() != ElementType::float32 || bound->count() != 1) return std::nullopt;
  return bound->values<float>()[0];
}

}  // namespace

bool moves_data(const Graph& graph, const Node& node) {
  if (!has_input(node, 0) || constant_input(graph, node, 0) != nullptr) return false;
  if (is_one_of(node, kMovement)) return true;
  if (node.is("MaxPool")) return node.outputs.size() == 1 || node.outputs[1] == kAbsent;
  if (node.is("Resize")) {
    return node.text("mode", "nearest") == "nearest" &&
           node.text("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize";
  }
  return node.is("Pad") && is_zero_padding(graph, node);
}

std::vector<Role> roles_of(const Graph& graph) {
  std::vector<Role> roles;
  roles.reserve(graph.nodes.size());
  for (const Node& node : graph.nodes) roles.push_back(first_role(graph, node));
  const Neighbours neighbours = neighbours_of(graph, roles);
  const auto from_weighted = [&](ValueId id) { return neighbours.from_weighted[static_cast<std::size_t>(id)]; };
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!is_plain_add(graph, node) || !neighbours.to_weighted[static_cast<std::size_t>(node.outputs[0])]) continue;
    if (from_weighted(node.inputs[0]) || from_weighted(node.inputs[1])) roles[i] = Role::add;
  }
  return roles;
}

std::optional<Limits> limits_of(const Graph& graph, const Node& node) {
  Limits limits;
  if (node.is("Relu")) {
    limits.low = 0.0f;
    return limits;
  }
  if (!node.is("Clip")) return std::nullopt;
  const auto low = clip_bound(graph, node, 1, limits.low);
  const auto high = clip_bound(graph, node, 2, limits.high);
  // A quantized range always holds zero; written so that a NaN bound is none either.
  if (!low || !high || !(*low <= 0.0f && *high >= 0.0f && *low < *high)) return std::nullopt;
  return Limits{*low, *high};
}

Output quantized_output(const Graph& graph, const Graph::Uses& uses, const Node& node) {
  const ValueId made = node.outputs[0];
  const auto index = static_cast<std::size_t>(made);
  if (uses.is_output[index] || uses.consumers[index].size() != 1) return {made, {}};
  const Node& consumer = graph.nodes[static_cast<std::size_t>(uses.consumers[index][0])];
  if (consumer.inputs.empty() || consumer.inputs[0] != made) return {made, {}};
  const auto limits = limits_of(graph, consumer);
  return limits ? Output{consumer.outputs[0], *limits} : Output{made, {}};
}

std::vector<QuantizableNode> quantizable_nodes(const Graph& graph) {
  const std::vector<Role> roles = roles_of(graph);
  std::vector<QuantizableNode> nodes;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (roles[i] == Role::weighted) {
      nodes.push_back({node.name, node.op_type, graph.value(node.inputs[1]).constant.count()});
    } else if (roles[i] == Role::add) {
      nodes.push_back({node.name, node.op_type, 0});
    }
  }
  return nodes;
}

}  // namespace ns::quantize
