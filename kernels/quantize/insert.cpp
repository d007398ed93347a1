// Q/DQ insertion.
//
//   x ── Conv ── Relu ── y        x ─ Q ─ DQ ─ Conv ── Relu ─ Q ─ DQ ─ y
//          │ W, B           =>    Wq ──── DQ ───┤
//                                 Bq ──── DQ ───┘
//
// Each int8 operator reads its own DQ of a shared Q; float readers of an int8 value share one DQ. A value that is a
// graph output keeps its name on the DQ.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "kernels/quantize/placement.h"
#include "kernels/quantize/quantize.h"
#include "kernels/quantize/scales.h"

namespace ns::quantize {
namespace {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;

class Inserter {
 public:
  Inserter(const Graph& from, const Calibration& calibration, const QuantizeConfig& config)
      : from_(from),
        calibration_(calibration),
        config_(config),
        placement_(place(from, config.float_nodes)),
        to_(from) {
    for (const ValueId id : from.outputs) graph_outputs_.insert(id);
    for (const Node& node : from.nodes) node_names_.insert(node.name);
  }

  Graph run() {
    to_.nodes.clear();
    for (std::size_t i = 0; i < from_.nodes.size(); ++i) rewrite(from_.nodes[i], placement_.roles[i]);
    to_.prune_values();
    graph::verify(to_);
    return std::move(to_);
  }

 private:
  // Scale and zero point of a value, as initializers; shared by all values of the same range.
  struct ParameterIds {
    Parameters parameters;
    ValueId scale = kAbsent, zero_point = kAbsent;
  };

  void rewrite(const Node& original, Role role) {
    Node node = original;
    const auto activations = activations_of(original, role);
    std::map<ValueId, ValueId> own;  // this node's DQs: an Add of a value to itself has one
    for (ValueId& input : node.inputs) {
      if (input == kAbsent) continue;
      if (std::find(activations.begin(), activations.end(), input) != activations.end()) {
        const auto [found, fresh] = own.try_emplace(input, kAbsent);
        if (fresh) found->second = dequantize(input);
        input = found->second;
      } else {
        input = float_form(input);
      }
    }
    if (role == Role::weighted) quantize_constants(original, node);
    std::vector<std::pair<ValueId, ValueId>> made;  // values to quantize: named in the float graph, made here
    for (ValueId& output : node.outputs) {
      const auto found = placement_.values.find(output);
      if (output == kAbsent || found == placement_.values.end() || !found->second.made_in_int8) continue;
      const ValueId value = output;
      if (graph_outputs_.count(value) > 0) output = like(value, "_float");
      made.emplace_back(value, output);
    }
    to_.nodes.push_back(std::move(node));
    for (const auto& [value, source] : made) {
      quantize(value, source);
      if (source != value) float_forms_[value] = dequantize(value, value);
    }
  }

  // What a float operator reads: the exact value, or the DQ of one that was made in int8.
  ValueId float_form(ValueId value) {
    const auto found = placement_.values.find(value);
    if (found == placement_.values.end() || !found->second.made_in_int8) return value;
    const auto [form, fresh] = float_forms_.try_emplace(value, kAbsent);
    if (fresh) form->second = dequantize(value);
    return form->second;
  }

  // A fresh value with the type and shape of another.
  ValueId like(ValueId value, std::string_view suffix) {
    graph::Value fresh;
    fresh.name = to_.unused_name(from_.value(value).name + std::string(suffix));
    fresh.type = ElementType::float32;
    fresh.shape = from_.value(value).shape;
    return to_.add_value(std::move(fresh));
  }

  ValueId constant(const std::string& name, Tensor tensor) {
    return to_.add_constant(to_.unused_name(name), std::move(tensor));
  }

  void emit(std::string_view type, const std::string& stem, std::vector<ValueId> inputs, ValueId output,
            std::optional<std::int64_t> axis = std::nullopt) {
    Node node;
    node.op_type = type;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    if (axis) node.attributes.emplace("axis", *axis);
    node.name = fmt::format("{}_{}", stem, type);
    for (int i = 1; !node_names_.insert(node.name).second; ++i) node.name = fmt::format("{}_{}_{}", stem, type, i);
    to_.nodes.push_back(std::move(node));
  }

  ElementType activation_element() const {
    return config_.activation == ActivationType::uint8 ? ElementType::uint8 : ElementType::int8;
  }

  const ParameterIds& parameters_of(ValueId value) {
    const QuantizedValue& quantized = placement_.values.at(value);
    const auto [found, fresh] = parameters_.try_emplace(quantized.range_of);
    if (!fresh) return found->second;
    const std::string& name = from_.value(quantized.range_of).name;
    const auto range = calibration_.ranges.find(name);
    if (range == calibration_.ranges.end()) {
      throw Error(ErrorCode::invalid, fmt::format("the calibration has no range for value '{}'", name));
    }
    ParameterIds& ids = found->second;
    ids.parameters = activation_parameters(range->second, quantized.limits, config_.activation);
    ids.scale = constant(name + "_scale", Tensor::scalar(ids.parameters.scale));
    ids.zero_point =
        constant(name + "_zero_point", config_.activation == ActivationType::uint8
                                           ? Tensor::scalar(static_cast<std::uint8_t>(ids.parameters.zero_point))
                                           : Tensor::scalar(static_cast<std::int8_t>(ids.parameters.zero_point)));
    return ids;
  }

  // The one Q of a value, reading it from `source`.
  ValueId quantize(ValueId value, ValueId source) {
    const auto [found, fresh] = quantized_.try_emplace(value, kAbsent);
    if (!fresh) return found->second;
    const ParameterIds ids = parameters_of(value);
    const std::string& name = from_.value(value).name;
    found->second = like(value, "_quantized");
    to_.value(found->second).type = activation_element();
    emit("QuantizeLinear", name, {source, ids.scale, ids.zero_point}, found->second);
    return found->second;
  }

  // A new DQ of the value's Q.
  ValueId dequantize(ValueId value, ValueId into = kAbsent) {
    const ValueId integers = quantize(value, value);
    const ParameterIds ids = parameters_of(value);
    if (into == kAbsent) into = like(value, "_dequantized");
    emit("DequantizeLinear", from_.value(value).name, {integers, ids.scale, ids.zero_point}, into);
    return into;
  }

  ValueId dequantized_constant(const std::string& name, Tensor integers, Tensor scales, std::int64_t axis) {
    Tensor zeros(integers.type(), scales.shape());
    std::fill_n(static_cast<std::byte*>(zeros.bytes()), zeros.byte_count(), std::byte{0});
    const ValueId values = constant(name + "_quantized", std::move(integers));
    const ValueId scale = constant(name + "_scale", std::move(scales));
    const ValueId zero_point = constant(name + "_zero_point", std::move(zeros));
    graph::Value fresh;
    fresh.name = to_.unused_name(name + "_dequantized");
    fresh.type = ElementType::float32;
    const ValueId output = to_.add_value(std::move(fresh));
    emit("DequantizeLinear", name, {values, scale, zero_point}, output, axis);
    return output;
  }

  static std::size_t channel_axis(const Node& node) {
    if (node.is("Conv")) return 0;
    return node.is("Gemm") && node.integer("transB", 0) != 0 ? 0 : 1;
  }

  // Gemm's alpha and beta go into weights and bias, so that the products are those of int8 values and scales alone.
  static Tensor scaled(const Tensor& tensor, float factor) {
    if (factor == 1.0f) return tensor;
    Tensor result = tensor.clone();
    for (float& value : result.values<float>()) value *= factor;
    return result;
  }

  std::vector<float> bias_of(const Node& node, std::size_t channels) const {
    if (node.inputs.size() < 3 || node.inputs[2] == kAbsent) return {};
    const Tensor bias = scaled(from_.value(node.inputs[2]).constant, node.is("Gemm") ? node.real("beta", 1.0f) : 1.0f);
    const auto values = bias.values<float>();
    if (values.size() == channels) return {values.begin(), values.end()};
    return std::vector<float>(channels, values.front());
  }

  void quantize_constants(const Node& original, Node& node) {
    const std::string& weight_name = from_.value(original.inputs[1]).name;
    const Tensor weights =
        scaled(from_.value(original.inputs[1]).constant, node.is("Gemm") ? node.real("alpha", 1.0f) : 1.0f);
    const std::size_t axis = channel_axis(node);
    const auto channels = static_cast<std::size_t>(weights.shape()[axis]);
    const std::vector<float> bias = bias_of(original, channels);
    const float input_scale = parameters_of(original.inputs[0]).parameters.scale;
    const std::vector<float> scales = weight_scales(weights, axis, bias, input_scale);
    QuantizedWeights quantized = quantize_weights(weights, axis, scales);
    node.inputs[1] = dequantized_constant(weight_name, std::move(quantized.values), std::move(quantized.scales),
                                          static_cast<std::int64_t>(axis));
    if (!bias.empty()) node.inputs[2] = quantized_bias(original, bias, input_scale, scales);
    if (node.is("Gemm")) {
      node.attributes.erase("alpha");
      node.attributes.erase("beta");
    }
  }

  ValueId quantized_bias(const Node& original, const std::vector<float>& bias, float input_scale,
                         const std::vector<float>& scales) {
    const graph::Value& value = from_.value(original.inputs[2]);
    if (config_.bias == BiasType::float32) {
      const graph::Shape shape{static_cast<std::int64_t>(bias.size())};
      const bool as_it_is = value.constant.shape() == shape && original.real("beta", 1.0f) == 1.0f;
      return as_it_is ? original.inputs[2] : constant(value.name + "_channels", Tensor::from<float>(shape, bias));
    }
    QuantizedBias quantized = quantize_bias(bias, input_scale, scales);
    return dequantized_constant(value.name, std::move(quantized.values), std::move(quantized.scales), 0);
  }

  const Graph& from_;
  const Calibration& calibration_;
  const QuantizeConfig& config_;
  const Placement placement_;
  Graph to_;
  std::unordered_set<ValueId> graph_outputs_;
  std::unordered_set<std::string> node_names_;
  std::map<ValueId, ParameterIds> parameters_;  // by the value whose range it is
  std::map<ValueId, ValueId> quantized_;        // by value: its Q's output
  std::map<ValueId, ValueId> float_forms_;      // by value made in int8: the DQ that float operators read
};

void check_config(const Graph& graph, const QuantizeConfig& config) {
  if (graph.opset() < 13) {
    throw Error(ErrorCode::invalid,
                fmt::format("the model has opset {}; quantizing needs 13 (raise_opset first)", graph.opset()));
  }
  std::set<std::string> known;
  for (const QuantizableNode& node : quantizable_nodes(graph)) known.insert(node.node);
  for (const std::string& name : config.float_nodes) {
    if (known.count(name) > 0) continue;
    throw Error(ErrorCode::invalid, fmt::format("'{}' is not a quantizable node of the model", name), "float_nodes");
  }
}

}  // namespace

Graph insert(const Graph& graph, const Calibration& calibration, const QuantizeConfig& config) {
  check_config(graph, config);
  return Inserter(graph, calibration, config).run();
}

}  // namespace ns::quantize
