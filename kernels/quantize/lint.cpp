#include "kernels/quantize/lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/quantize/candidates.h"
#include "kernels/quantize/scales.h"

namespace ns::quantize {
namespace {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;

using Reason = std::string;  // empty: nothing is wrong

bool has_input(const Node& node, std::size_t index) {
  return index < node.inputs.size() && node.inputs[index] != kAbsent;
}

class Linter {
 public:
  explicit Linter(const Graph& graph) : graph_(graph), uses_(graph.uses()) {}

  std::vector<Finding> run() const {
    std::vector<Finding> findings;
    for (const Node& node : graph_.nodes) {
      if (Reason reason = check(node); !reason.empty())
        findings.push_back({node.name, node.op_type, std::move(reason)});
    }
    return findings;
  }

 private:
  Reason check(const Node& node) const {
    if (node.is("QuantizeLinear") || node.is("DequantizeLinear")) return check_parameters(node);
    if (node.is("Conv") || node.is("Gemm") || node.is("MatMul")) return check_weighted(node);
    // ONNX Runtime has no int8 Pad; it runs in float between a DQ and a Q of the same scale.
    if (moves_data(graph_, node) && !node.is("Pad")) return check_movement(node);
    static constexpr std::array kElementwise{"Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool"};
    const bool elementwise =
        std::any_of(kElementwise.begin(), kElementwise.end(), [&](const char* type) { return node.is(type); });
    return elementwise ? check_elementwise(node) : Reason{};
  }

  const Node* producer(ValueId id, std::string_view type) const {
    const std::int32_t index = uses_.producer[static_cast<std::size_t>(id)];
    if (index < 0 || !graph_.nodes[static_cast<std::size_t>(index)].is(type)) return nullptr;
    return &graph_.nodes[static_cast<std::size_t>(index)];
  }

  const Node* dequantizer(const Node& node, std::size_t index) const {
    return has_input(node, index) ? producer(node.inputs[index], "DequantizeLinear") : nullptr;
  }

  const Tensor* constant(const Node& node, std::size_t index) const {
    if (!has_input(node, index)) return nullptr;
    const Tensor& tensor = graph_.value(node.inputs[index]).constant;
    return tensor.defined() ? &tensor : nullptr;
  }

  static bool all_zero(const Tensor* tensor) {
    if (tensor == nullptr) return true;
    const auto* bytes = static_cast<const unsigned char*>(tensor->bytes());
    return std::all_of(bytes, bytes + tensor->byte_count(), [](unsigned char byte) { return byte == 0; });
  }

  // Type of the integers of a Q or DQ; Q without a zero point makes uint8.
  ElementType integers_of(const Node& node) const {
    if (const Tensor* zero_point = constant(node, 2)) return zero_point->type();
    if (node.is("QuantizeLinear")) return ElementType::uint8;
    return graph_.value(node.inputs[0]).type;
  }

  Reason check_parameters(const Node& node) const {
    const Tensor* scale = constant(node, 1);
    if (scale == nullptr || scale->type() != ElementType::float32) return "its scale is not a constant of float32";
    if (has_input(node, 2) && constant(node, 2) == nullptr) return "its zero point is not constant";
    const auto values = scale->values<float>();
    const bool fine =
        std::all_of(values.begin(), values.end(), [](float value) { return value > 0 && std::isnormal(value); });
    return fine ? Reason{} : "a scale is zero, negative, denormal or not a number";
  }

  bool same_parameters(const Node& left, const Node& right) const {
    const Tensor *left_scale = constant(left, 1), *right_scale = constant(right, 1);
    if (left_scale == nullptr || right_scale == nullptr || integers_of(left) != integers_of(right)) return false;
    const Tensor *left_zero = constant(left, 2), *right_zero = constant(right, 2);
    const bool both = left_zero != nullptr && right_zero != nullptr;
    const bool zeros = both ? same_bytes(*left_zero, *right_zero) : all_zero(left_zero) && all_zero(right_zero);
    return zeros && same_bytes(*left_scale, *right_scale);
  }

  static bool same_bytes(const Tensor& left, const Tensor& right) {
    return left.type() == right.type() && left.count() == right.count() &&
           std::memcmp(left.bytes(), right.bytes(), left.byte_count()) == 0;
  }

  // The Q behind a node's output, a Relu or Clip between them skipped; null with the reason when there is none alone.
  struct Behind {
    const Node* quantizer = nullptr;
    bool any_quantizer = false;  // though not alone
    Reason reason;
  };

  Behind behind(ValueId id, bool past_activation = false) const {
    const auto index = static_cast<std::size_t>(id);
    const auto& consumers = uses_.consumers[index];
    Behind found;
    for (const std::int32_t consumer : consumers) {
      found.any_quantizer |= graph_.nodes[static_cast<std::size_t>(consumer)].is("QuantizeLinear");
    }
    if (uses_.is_output[index])
      found.reason = "its float output is a graph output";
    else if (consumers.size() != 1)
      found.reason =
          fmt::format("its float output has {} readers; it needs one QuantizeLinear alone", consumers.size());
    if (!found.reason.empty()) return found;
    const Node& consumer = graph_.nodes[static_cast<std::size_t>(consumers[0])];
    if (found.any_quantizer) {
      found.quantizer = &consumer;
    } else if (!past_activation && (consumer.is("Relu") || consumer.is("Clip"))) {
      return behind_activation(consumer);
    } else {
      found.reason = "no QuantizeLinear follows";
    }
    return found;
  }

  Behind behind_activation(const Node& activation) const {
    Behind found = behind(activation.outputs[0], true);
    if (found.quantizer == nullptr) return found;
    const auto limits = limits_of(graph_, activation);
    if (limits && redundant(*limits, *found.quantizer)) return found;
    found.quantizer = nullptr;
    found.reason =
        fmt::format("the {} behind it is not redundant: the quantizer reaches beyond it", activation.op_type);
    return found;
  }

  bool redundant(const Limits& limits, const Node& quantizer) const {
    const Tensor* scale = constant(quantizer, 1);
    if (scale == nullptr || scale->type() != ElementType::float32 || scale->count() != 1) return false;
    const ElementType type = integers_of(quantizer);
    const bool is_unsigned = type == ElementType::uint8;
    if (!is_unsigned && type != ElementType::int8) return false;
    const Tensor* zero = constant(quantizer, 2);
    const int zero_point = zero == nullptr ? 0
                           : is_unsigned   ? zero->values<std::uint8_t>()[0]
                                           : zero->values<std::int8_t>()[0];
    const float unit = scale->values<float>()[0];
    const auto low = static_cast<float>((is_unsigned ? 0 : -128) - zero_point) * unit;
    const auto high = static_cast<float>((is_unsigned ? 255 : 127) - zero_point) * unit;
    return low >= limits.low && high <= limits.high;
  }

  // An activation: one scale for the whole tensor, 8 bits.
  Reason check_activation(const Node* dequantizer, std::size_t index) const {
    if (dequantizer == nullptr) return fmt::format("input {} has no DequantizeLinear", index);
    const Tensor* scale = constant(*dequantizer, 1);
    if (scale == nullptr || scale->count() != 1) return fmt::format("input {} has no constant scalar scale", index);
    const ElementType type = integers_of(*dequantizer);
    if (type != ElementType::uint8 && type != ElementType::int8)
      return fmt::format("input {} is not 8 bits wide", index);
    return {};
  }

  static std::size_t channel_axis(const Node& node, std::size_t rank) {
    if (node.is("Conv")) return 0;
    if (node.is("MatMul")) return rank - 1;
    return node.integer("transB", 0) != 0 ? 0 : 1;
  }

  Reason check_weights(const Node& node, const Node& dequantizer) const {
    const Tensor* weights = constant(dequantizer, 0);
    const Tensor* scale = constant(dequantizer, 1);
    if (scale == nullptr) return "the scale of its weights is not constant";
    if (weights == nullptr) return check_activation(&dequantizer, 1);  // MatMul of two activations
    if (weights->type() == ElementType::uint8) return "its weights are uint8, which runs slowly; they should be int8";
    if (weights->type() != ElementType::int8) return "its weights are not int8";
    if (!all_zero(constant(dequantizer, 2))) return "its weights have a zero point; they should be symmetric";
    const std::size_t rank = weights->shape().size();
    if (scale->count() == 1 || rank == 0) return {};
    const std::int64_t axis = dequantizer.integer("axis", 1);
    const auto wanted = static_cast<std::int64_t>(channel_axis(node, rank));
    const std::int64_t given = axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
    if (given != wanted) return fmt::format("its weights are scaled along axis {}; it must be {}", given, wanted);
    return {};
  }

  Reason check_bias(const Node& node, const Node& input, const Node& weights) const {
    const Node* bias = dequantizer(node, 2);
    if (bias == nullptr)
      return !has_input(node, 2) || constant(node, 2) != nullptr ? Reason{} : "its bias is not constant";
    const Tensor* integers = constant(*bias, 0);
    if (integers == nullptr || integers->type() != ElementType::int32) return "its quantized bias is not int32";
    if (!all_zero(constant(*bias, 2))) return "its bias has a zero point";
    const Tensor *scales = constant(*bias, 1), *input_scale = constant(input, 1), *weight_scales = constant(weights, 1);
    if (scales == nullptr || scales->count() != weight_scales->count())
      return "its bias has not as many scales as its weights";
    for (std::int64_t i = 0; i < scales->count(); ++i) {
      const auto index = static_cast<std::size_t>(i);
      const float wanted = input_scale->values<float>()[0] * weight_scales->values<float>()[index];
      const float given = scales->values<float>()[index];
      if (std::abs(given - wanted) > 1e-6f * wanted)
        return "the scale of its bias is not input scale * weight scale: the result may be wrong";
    }
    return {};
  }

  Reason check_weighted(const Node& node) const {
    const Node* weights = dequantizer(node, 1);
    if (weights == nullptr) return {};  // float by choice
    const Node* input = dequantizer(node, 0);
    if (Reason reason = check_activation(input, 0); !reason.empty()) return reason;
    if (Reason reason = check_weights(node, *weights); !reason.empty()) return reason;
    if (!node.is("MatMul")) {
      if (Reason reason = check_bias(node, *input, *weights); !reason.empty()) return reason;
    }
    const Behind found = behind(node.outputs[0]);
    if (found.quantizer == nullptr) {
      // Gemm and MatMul give float where nothing quantizes their output at all.
      const bool float_head = !node.is("Conv") && !found.any_quantizer;
      return float_head ? Reason{} : found.reason;
    }
    return integers_of(*found.quantizer) == integers_of(*input) ? Reason{}
                                                                : "input and output have different integer types";
  }

  Reason check_elementwise(const Node& node) const {
    const Behind found = behind(node.outputs[0]);
    const bool follows = found.quantizer != nullptr || found.any_quantizer;
    const auto dequantized = [&](std::size_t index) { return dequantizer(node, index) != nullptr; };
    bool any = false;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) any |= dequantized(i);
    if (!any || !follows) return {};  // float by choice
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (Reason reason = check_activation(dequantizer(node, i), i); !reason.empty()) return reason;
      if (found.quantizer != nullptr && integers_of(*dequantizer(node, i)) != integers_of(*found.quantizer)) {
        return "inputs and output have different integer types";
      }
    }
    return found.reason;
  }

  Reason check_movement(const Node& node) const {
    const Node* input = dequantizer(node, 0);
    if (input == nullptr) return {};
    Reason first;
    bool follows = false;
    for (const ValueId output : node.outputs) {
      if (output == kAbsent) continue;
      const Behind found = behind(output, true);
      follows |= found.any_quantizer;
      if (!first.empty()) continue;
      first = found.quantizer == nullptr ? found.reason
              : same_parameters(*input, *found.quantizer)
                  ? Reason{}
                  : "scale or zero point differ before and after; data movement keeps them";
    }
    return follows ? first : Reason{};
  }

  const Graph& graph_;
  const Graph::Uses uses_;
};

}  // namespace

std::vector<Finding> lint_qdq(const Graph& graph) { return Linter(graph).run(); }

}  // namespace ns::quantize
