// fold_constants: what can be computed before the run is computed once.
//
//   W#  shape#                                       x [N, 3, 32, 32]
//     \  /                                               |
//    Reshape      becomes  W'#                         Shape            becomes  [N, 3, 32, 32]#   (N known)
//       |                   |                            |                         |
//     MatMul              MatMul                       Gather 1 -> 3#            the same, 3#, when only N is unknown
//
// Constant nodes become constants the same way. Sub-graphs are left alone.
#include <algorithm>

#include "common/error.h"
#include "kernels/passes/bypass.h"
#include "kernels/passes/pass_list.h"
#include "kernels/passes/value_types.h"

namespace ns::passes {

namespace {

using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;

// A small file must not become a large model: Expand and ConstantOfShape make gigabytes from nothing.
constexpr std::int64_t kMaxGrowth = std::int64_t{64} << 20;
// Multiplications that one node may cost; a second or two with the plain operators.
constexpr double kMaxCost = 2e9;

bool is_random(const Node& node) {
  return node.op_type.starts_with("Random") || node.is("Multinomial") || node.is("Bernoulli");
}

// Multiplications, roughly, of the operators that do more than a few for each output.
double cost_of(const Node& node, const std::vector<const Tensor*>& inputs, double output_count) {
  const auto size = [&](std::size_t index) {
    return index < inputs.size() && inputs[index] != nullptr ? static_cast<double>(inputs[index]->count()) : 1.0;
  };
  if (node.is("MatMul") || node.is("Gemm")) {
    const auto& shape = inputs.at(0)->shape();
    return shape.empty() ? 0 : output_count * static_cast<double>(*std::max_element(shape.begin(), shape.end()));
  }
  if (node.is("Conv") || node.is("ConvTranspose")) {
    const auto& shape = inputs.at(1)->shape();
    const double channels = shape.empty() ? 1 : static_cast<double>(std::max<std::int64_t>(shape[0], 1));
    return std::max(output_count, size(0)) * size(1) / channels;
  }
  if (node.has("kernel_shape") || node.has("size")) return output_count * size(0);
  return output_count + size(0);
}

class Folder {
 public:
  explicit Folder(Graph& graph) : graph_(graph), types_(known_types(graph)) {}

  int run() {
    std::vector<bool> folded(graph_.nodes.size(), false);
    int changes = 0;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (node.is("Shape") && remember_shape(node)) shape_nodes_[node.outputs[0]] = &node;
      folded[i] = fold(node);
      if (folded[i]) ++changes;
      if (!folded[i]) infer_into(graph_, node, types_);
    }
    remove_nodes(graph_, folded);
    return changes;
  }

 private:
  bool fold(const Node& node) {
    if (!node.domain.empty() || is_random(node) || node.outputs.empty() || !subgraphs_of(node).empty()) return false;
    if (node.is("Shape") || node.is("Size")) return fold_shape(node);
    if (node.is("Gather") && fold_picked_sizes(node)) return true;
    // Weights kept as integers with a DequantizeLinear behind them are how a quantized model says int8.
    if (node.is("DequantizeLinear")) return false;
    return fold_computation(node);
  }

  bool fold_computation(const Node& node) {
    std::vector<const Tensor*> inputs;
    std::int64_t input_bytes = 0;
    for (const ValueId id : node.inputs) {
      if (id != kAbsent && !graph_.value(id).constant.defined()) return false;
      inputs.push_back(id == kAbsent ? nullptr : &graph_.value(id).constant);
      if (id != kAbsent) input_bytes += static_cast<std::int64_t>(inputs.back()->byte_count());
    }
    return affordable(node, inputs, input_bytes) && compute(node, inputs);
  }

  bool affordable(const Node& node, const std::vector<const Tensor*>& inputs, std::int64_t input_bytes) {
    infer_into(graph_, node, types_);
    std::int64_t output_bytes = 0;
    double output_count = 0;
    for (const ValueId id : node.outputs) {
      if (id == kAbsent) continue;
      const auto& type = types_[static_cast<std::size_t>(id)];
      if (!type) return false;  // an operator that is not known, or wrong shapes
      const std::int64_t count = graph::element_count(type->shape);
      output_bytes += count * static_cast<std::int64_t>(size_of(type->element));
      output_count += static_cast<double>(count);
    }
    if (cost_of(node, inputs, output_count) > kMaxCost) return false;
    const std::int64_t growth = std::max<std::int64_t>(output_bytes - input_bytes, 0);
    if (growth > kMaxGrowth - grown_) return false;
    grown_ += growth;
    return true;
  }

  bool compute(const Node& node, const std::vector<const Tensor*>& inputs) {
    std::vector<Tensor> outputs;
    try {
      outputs = ops::run_node(node, graph_.opset_of(node), inputs);
    } catch (const Error&) {
      return false;  // an index out of range and the like: the run reports it, if it ever gets there
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs[i] != kAbsent) make_constant(node.outputs[i], std::move(outputs[i]));
    }
    return true;
  }

  void make_constant(ValueId id, Tensor tensor) {
    types_[static_cast<std::size_t>(id)] = ops::TensorType{tensor.type(), tensor.shape()};
    graph::Value& value = graph_.value(id);
    value.type = tensor.type();
    value.constant = std::move(tensor);
  }

  bool fold_shape(const Node& node) {
    if (node.inputs.size() != 1 || node.inputs[0] == kAbsent || node.outputs[0] == kAbsent) return false;
    const auto& type = types_[static_cast<std::size_t>(node.inputs[0])];
    if (!type) return false;
    // The bytes do not matter: a view of nothing with the right shape.
    const Tensor stand_in = Tensor::view(type->element, type->shape, nullptr, nullptr);
    return compute(node, {&stand_in});
  }

  // A whole Shape (no start, no end) of a graph input with some sizes known.
  bool remember_shape(const Node& node) const {
    return node.inputs.size() == 1 && node.inputs[0] != kAbsent && !node.outputs.empty() &&
           node.outputs[0] != kAbsent && !node.has("start") && !node.has("end") && declared_shape(node) != nullptr;
  }

  const std::vector<graph::Dimension>* declared_shape(const Node& shape_node) const {
    const ValueId id = shape_node.inputs[0];
    if (std::find(graph_.inputs.begin(), graph_.inputs.end(), id) == graph_.inputs.end()) return nullptr;
    const auto& shape = graph_.value(id).shape;
    return shape ? &*shape : nullptr;
  }

  // Gather of known sizes out of a Shape whose other sizes are not known.
  bool fold_picked_sizes(const Node& node) {
    if (node.inputs.size() != 2 || node.inputs[0] == kAbsent || node.inputs[1] == kAbsent) return false;
    const auto shape_node = shape_nodes_.find(node.inputs[0]);
    const Tensor& places = graph_.value(node.inputs[1]).constant;
    if (shape_node == shape_nodes_.end() || places.type() != graph::ElementType::int64) return false;
    const std::vector<graph::Dimension>& shape = *declared_shape(*shape_node->second);
    const auto rank = static_cast<std::int64_t>(shape.size());
    std::vector<std::int64_t> sizes;
    for (std::int64_t place : places.values<std::int64_t>()) {
      if (place < 0) place += rank;
      if (place < 0 || place >= rank || !shape[static_cast<std::size_t>(place)].known()) return false;
      sizes.push_back(shape[static_cast<std::size_t>(place)].size);
    }
    if (node.outputs[0] == kAbsent) return false;
    make_constant(node.outputs[0], Tensor::from<std::int64_t>(places.shape(), sizes));
    return true;
  }

  Graph& graph_;
  ValueTypes types_;
  std::map<ValueId, const Node*> shape_nodes_;
  std::int64_t grown_ = 0;
};

}  // namespace

int fold_constants(Graph& graph) { return Folder(graph).run(); }

}  // namespace ns::passes
