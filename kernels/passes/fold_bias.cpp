// fold_bias: a constant that is added to every channel goes into the bias of the layer before it.
//
//   x -> Conv(W#, b#?) -> c -> Add(c, k#) -> y        becomes   x -> Conv(W#, b + k) -> y
//
// k is one number or one a channel ([C, 1, 1] or [1, C, 1, 1]). Only when nothing else uses c. So the quantizer sees
// one layer with a bias, as the exporters of today write it, and not a sum that would have to stay in float.
#include <optional>
#include <vector>

#include "kernels/passes/bypass.h"
#include "kernels/passes/pass_list.h"

namespace ns::passes {

namespace {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;

// The addend by channel, if it lies along the channel axis of a tensor of `rank` axes alone.
std::optional<std::vector<float>> addend_of(const Tensor& constant, std::size_t rank, std::int64_t channels) {
  const Shape& shape = constant.shape();
  if (constant.type() != ElementType::float32 || shape.size() > rank) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t axis = i + rank - shape.size();
    if (shape[i] != 1 && (axis != 1 || shape[i] != channels)) return std::nullopt;
  }
  const auto values = constant.values<float>();
  if (values.size() == 1) return std::vector<float>(static_cast<std::size_t>(channels), values[0]);
  return std::vector<float>(values.begin(), values.end());
}

// Where the constant of the sum stands; 2 when it has none or nothing else.
std::size_t constant_place(const Graph& graph, const Node& sum) {
  if (!sum.is("Add") || sum.inputs.size() != 2 || sum.inputs[0] == kAbsent || sum.inputs[1] == kAbsent) return 2;
  const bool first = graph.value(sum.inputs[0]).constant.defined(),
             second = graph.value(sum.inputs[1]).constant.defined();
  return first == second ? 2 : first ? 0 : 1;
}

ValueId varying_input(const Graph& graph, const Node& sum) {
  const std::size_t place = constant_place(graph, sum);
  return place == 2 ? kAbsent : sum.inputs[1 - place];
}

bool fold_into(Graph& graph, Node& layer, const Node& sum) {
  if (!layer.is("Conv") || layer.inputs.size() < 2 || layer.inputs[1] == kAbsent) return false;
  const ValueId addend = sum.inputs[constant_place(graph, sum)];
  const Tensor& weights = graph.value(layer.inputs[1]).constant;
  if (!weights.defined() || weights.type() != ElementType::float32 || weights.shape().size() < 3) return false;
  const std::int64_t channels = weights.shape()[0];
  std::optional<std::vector<float>> bias = addend_of(graph.value(addend).constant, weights.shape().size(), channels);
  if (!bias) return false;
  if (layer.inputs.size() > 2 && layer.inputs[2] != kAbsent) {
    const Tensor& before = graph.value(layer.inputs[2]).constant;
    if (!before.defined() || before.type() != ElementType::float32 || before.count() != channels) return false;
    for (std::size_t c = 0; c < bias->size(); ++c) (*bias)[c] += before.values<float>()[c];
  }
  layer.inputs.resize(3, kAbsent);
  layer.inputs[2] = graph.add_constant(graph.unused_name(layer.name + "_bias"), Tensor::from<float>({channels}, *bias));
  layer.outputs[0] = sum.outputs[0];
  return true;
}

}  // namespace

int fold_bias(Graph& graph) { return fold_into_layers(graph, {varying_input, fold_into}); }

}  // namespace ns::passes
