// fold_batch_normalization: a BatchNormalization with constant statistics goes into the layer before it.
//
//   x -> Conv(W#, b#) -> c -> BatchNormalization(scale#, shift#, mean#, variance#) -> y
//
//   becomes   x -> Conv(W * f, (b - mean) * f + shift) -> y     with f = scale / sqrt(variance + epsilon)
//
// Likewise ConvTranspose and Gemm. Only when nothing else uses c.
#include <array>
#include <cmath>
#include <optional>

#include "common/error.h"
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

struct Affine {  // y = x * factor + offset, by channel
  std::vector<double> factor, offset;
};

const Tensor* constant_input(const Graph& graph, const Node& node, std::size_t index) {
  if (index >= node.inputs.size() || node.inputs[index] == kAbsent) return nullptr;
  const Tensor& constant = graph.value(node.inputs[index]).constant;
  return constant.type() == ElementType::float32 ? &constant : nullptr;
}

bool has_input(const Node& node, std::size_t index) {
  return index < node.inputs.size() && node.inputs[index] != kAbsent;
}

std::optional<Affine> affine_of(const Graph& graph, const Node& node) {
  if (!node.is("BatchNormalization") || node.inputs.size() != 5 || node.integer("training_mode", 0) != 0 ||
      (graph.opset() < 9 && node.integer("spatial", 1) == 0)) {
    return std::nullopt;
  }
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kAbsent) return std::nullopt;
  }
  std::array<const Tensor*, 4> statistics{};
  for (std::size_t i = 0; i < 4; ++i) {
    statistics[i] = constant_input(graph, node, i + 1);
    if (statistics[i] == nullptr || statistics[i]->shape().size() != 1 ||
        statistics[i]->shape() != statistics[0]->shape()) {
      return std::nullopt;
    }
  }
  const auto epsilon = static_cast<double>(node.real("epsilon", 1e-5f));
  Affine affine;
  for (std::size_t c = 0; c < static_cast<std::size_t>(statistics[0]->count()); ++c) {
    const auto number = [&](std::size_t i) { return static_cast<double>(statistics[i]->values<float>()[c]); };
    affine.factor.push_back(number(0) / std::sqrt(number(3) + epsilon));
    affine.offset.push_back(number(1) - number(2) * affine.factor.back());
  }
  return affine;
}

// The output channel of each weight: the weights are [outer, channels, inner], and in a grouped ConvTranspose the first
// axis tells the group.
struct ChannelLayout {
  std::int64_t outer, channels, inner;
  std::int64_t outer_per_group;
  std::int64_t channel_count() const { return channels * (outer / std::max<std::int64_t>(outer_per_group, 1)); }
};

std::optional<ChannelLayout> layout_of(const Node& layer, const Shape& weights) {
  if (layer.is("Conv") && weights.size() >= 3) {
    const std::int64_t inner = graph::element_count({weights.begin() + 1, weights.end()});
    return ChannelLayout{1, weights[0], inner, 1};
  }
  if (layer.is("ConvTranspose") && weights.size() >= 3) {
    const std::int64_t group = layer.integer("group", 1);
    if (group < 1 || weights[0] % group != 0) return std::nullopt;
    const std::int64_t inner = graph::element_count({weights.begin() + 2, weights.end()});
    return ChannelLayout{weights[0], weights[1], inner, weights[0] / group};
  }
  if (layer.is("Gemm") && weights.size() == 2) {
    if (layer.integer("transB", 0) != 0) return ChannelLayout{1, weights[0], weights[1], 1};
    return ChannelLayout{weights[0], weights[1], 1, std::max<std::int64_t>(weights[0], 1)};
  }
  return std::nullopt;
}

Tensor scaled_weights(const Tensor& weights, const ChannelLayout& layout, const Affine& affine) {
  Tensor scaled = weights.clone();
  auto* values = scaled.values<float>().data();
  for (std::int64_t o = 0; o < layout.outer; ++o) {
    const std::int64_t first = o / std::max<std::int64_t>(layout.outer_per_group, 1) * layout.channels;
    for (std::int64_t c = 0; c < layout.channels; ++c) {
      const double factor = affine.factor[static_cast<std::size_t>(first + c)];
      for (std::int64_t i = 0; i < layout.inner; ++i, ++values) {
        *values = static_cast<float>(static_cast<double>(*values) * factor);
      }
    }
  }
  return scaled;
}

// The layer's bias by channel; none when it is there but is not a constant of one number a channel.
std::optional<std::vector<double>> bias_of(const Graph& graph, const Node& layer, std::size_t channels) {
  std::vector<double> bias(channels, 0.0);
  if (!has_input(layer, 2)) return bias;
  const Tensor* constant = constant_input(graph, layer, 2);
  if (constant == nullptr) return std::nullopt;
  const auto values = constant->values<float>();
  const bool one_for_all = constant->count() == 1;
  const bool along_last = !constant->shape().empty() && constant->shape().back() == static_cast<std::int64_t>(channels);
  if (!one_for_all && !(values.size() == channels && along_last)) return std::nullopt;
  const double beta = layer.is("Gemm") ? static_cast<double>(layer.real("beta", 1.0f)) : 1.0;
  for (std::size_t c = 0; c < channels; ++c) bias[c] = beta * static_cast<double>(values[one_for_all ? 0 : c]);
  return bias;
}

bool fold_into(Graph& graph, Node& layer, const Node& normalization) {
  const Tensor* weights = constant_input(graph, layer, 1);
  const std::optional<Affine> affine = affine_of(graph, normalization);
  if (weights == nullptr || !affine) return false;
  const std::optional<ChannelLayout> layout = layout_of(layer, weights->shape());
  if (!layout || layout->channel_count() != static_cast<std::int64_t>(affine->factor.size())) return false;
  const std::optional<std::vector<double>> bias = bias_of(graph, layer, affine->factor.size());
  if (!bias) return false;

  Tensor folded_bias(ElementType::float32, {static_cast<std::int64_t>(bias->size())});
  for (std::size_t c = 0; c < bias->size(); ++c) {
    folded_bias.values<float>()[c] = static_cast<float>((*bias)[c] * affine->factor[c] + affine->offset[c]);
  }
  Tensor folded_weights = scaled_weights(*weights, *layout, *affine);
  const std::string stem = layer.name;
  const ValueId weights_id = graph.add_constant(graph.unused_name(stem + "_weight"), std::move(folded_weights));
  const ValueId bias_id = graph.add_constant(graph.unused_name(stem + "_bias"), std::move(folded_bias));
  layer.inputs.resize(3, kAbsent);
  layer.inputs[1] = weights_id;
  layer.inputs[2] = bias_id;
  if (layer.is("Gemm")) layer.attributes["beta"] = 1.0f;
  layer.outputs[0] = normalization.outputs[0];
  return true;
}

ValueId normalized_input(const Graph&, const Node& node) {
  return node.is("BatchNormalization") && !node.inputs.empty() ? node.inputs[0] : kAbsent;
}

}  // namespace

int fold_batch_normalization(Graph& graph) { return fold_into_layers(graph, {normalized_input, fold_into}); }

}  // namespace ns::passes
