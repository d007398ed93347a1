#include "kernels/runtime/tail.h"

#include <algorithm>
#include <limits>

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Tensor;
using graph::ValueId;
using onednn::Function;
using onednn::PostOperation;

namespace {

constexpr float kLargest = std::numeric_limits<float>::max();

// A bound of Clip: an input from opset 11 on, an attribute before. None when it is known only at run time.
std::optional<float> clip_bound(Resolved& resolved, const Node& node, std::size_t input, const char* name,
                                float fallback) {
  if (resolved.opset_of(node) < 11) return node.real(name, fallback);
  if (node.inputs.size() <= input || node.inputs[input] == kAbsent) return fallback;
  const Tensor* bound = resolved.constant(node.inputs[input]);
  if (bound == nullptr || bound->type() != ElementType::float32 || bound->count() != 1) return std::nullopt;
  return bound->values<float>()[0];
}

// The constant as one number a channel, when it is one number or lies along the channel axis alone.
std::vector<float> per_channel(const Tensor& constant, const graph::Shape& output, std::size_t axis) {
  if (constant.type() != ElementType::float32 || constant.shape().size() > output.size()) return {};
  const std::size_t missing = output.size() - constant.shape().size();
  for (std::size_t i = 0; i < constant.shape().size(); ++i) {
    const std::int64_t size = constant.shape()[i];
    if (size != 1 && (i + missing != axis || size != output[axis])) return {};
  }
  const auto values = constant.values<float>();
  if (constant.count() == 1) return std::vector<float>(static_cast<std::size_t>(output[axis]), values[0]);
  return {values.begin(), values.end()};
}

class Follower {
 public:
  Follower(Resolved& resolved, const std::vector<bool>& taken, ValueId start, const TailRules& rules)
      : resolved_(resolved), taken_(taken), rules_(rules), shape_(resolved.shape(start)) {
    current_.value = start;
  }

  Tail follow() {
    Tail best = current_;
    std::optional<Tail> quantized;
    while (step()) {
      if (current_.output) {
        quantized = current_;
        if (!pass_through()) break;
      } else if (!has_quantized_residual()) {
        best = current_;
      }
    }
    return quantized ? *quantized : best;
  }

 private:
  bool step() {
    const std::int32_t next = resolved_.only_consumer(current_.value);
    if (next < 0 || taken_[static_cast<std::size_t>(next)]) return false;
    const Node& node = resolved_.node(next);
    if (take_activation(node) || take_add(node) || take_quantize(node)) {
      current_.nodes.push_back(next);
      current_.value = node.outputs[0];
      return true;
    }
    return false;
  }

  bool take_activation(const Node& node) {
    const std::optional<Activation> activation = activation_of(resolved_, node);
    if (!activation) return false;
    current_.steps.push_back({.kind = TailStep::Kind::activation, .activation = *activation});
    return true;
  }

  bool take_add(const Node& node) {
    if (!node.is("Add") || node.inputs[0] == node.inputs[1]) return false;
    const ValueId other = node.inputs[0] == current_.value ? node.inputs[1] : node.inputs[0];
    if (const Tensor* constant = resolved_.constant(other)) return take_bias(node, *constant);
    if (!rules_.residual || has_residual() || resolved_.shape(other) != shape_) return false;
    if (resolved_.type(other).element != ElementType::float32) return false;
    TailStep step{.kind = TailStep::Kind::residual, .residual = other};
    if (rules_.int8) {
      // The sum is made in the output's own buffer, so that the residual must be stored in 8 bits as well.
      const std::optional<Quantized> stored = resolved_.dequantized(other);
      if (!stored) return false;
      step.residual = stored->stored;
      step.quantization = stored->quantization;
      step.residual_is_quantized = true;
    }
    current_.steps.push_back(step);
    return true;
  }

  bool take_bias(const Node& node, const Tensor& constant) {
    if (!current_.steps.empty() || resolved_.shape(node.outputs[0]) != shape_) return false;
    const std::vector<float> more = per_channel(constant, shape_, rules_.channel_axis);
    if (more.empty()) return false;
    if (current_.bias.empty()) current_.bias.assign(more.size(), 0.0F);
    for (std::size_t i = 0; i < more.size(); ++i) current_.bias[i] += more[i];
    return true;
  }

  bool take_quantize(const Node& node) {
    if (!rules_.int8 || !node.is("QuantizeLinear")) return false;
    current_.output = resolved_.quantization_of(node);
    return current_.output.has_value();
  }

  // Q -> DQ -> Add: the round trip is done in registers, so that the residual can be added there as well.
  bool pass_through() {
    if (!rules_.residual || has_residual()) return false;
    const std::int32_t next = resolved_.only_consumer(current_.value);
    if (next < 0 || !resolved_.node(next).is("DequantizeLinear")) return false;
    if (resolved_.quantization_of(resolved_.node(next)) != current_.output) return false;
    const ValueId real = resolved_.node(next).outputs[0];
    const std::int32_t add = resolved_.only_consumer(real);
    if (add < 0 || !resolved_.node(add).is("Add")) return false;
    current_.steps.push_back({.kind = TailStep::Kind::round_trip, .quantization = *current_.output});
    current_.output.reset();
    current_.nodes.push_back(next);
    current_.value = real;
    return true;
  }

  bool has_residual() const {
    return std::any_of(current_.steps.begin(), current_.steps.end(),
                       [](const TailStep& step) { return step.kind == TailStep::Kind::residual; });
  }
  bool has_quantized_residual() const {
    return std::any_of(current_.steps.begin(), current_.steps.end(), [](const TailStep& step) {
      return step.residual_is_quantized || step.kind == TailStep::Kind::round_trip;
    });
  }

  Resolved& resolved_;
  const std::vector<bool>& taken_;
  const TailRules rules_;
  const graph::Shape& shape_;
  Tail current_;
};

bool is_homogeneous(Function function) { return function == Function::relu; }

// The unit in which a step wants its numbers; none: any will do.
std::optional<float> unit_of(const TailStep& step) {
  if (step.kind == TailStep::Kind::round_trip) return step.quantization.scale;
  if (step.kind == TailStep::Kind::residual) return std::nullopt;
  const Function function = step.activation.function;
  return is_homogeneous(function) || function == Function::clip ? std::nullopt : std::optional(1.0F);
}

// An activation that the saturation of the last store does as well.
bool is_redundant(const Activation& activation, const Quantization& output) {
  if (output.zero_point != output.lowest()) return false;
  if (activation.function == Function::relu) return activation.alpha == 0;
  const float highest = output.scale * static_cast<float>(output.highest() - output.zero_point);
  return activation.function == Function::clip && activation.alpha == 0 && highest <= activation.beta;
}

class Writer {
 public:
  Writer(Epilogue& epilogue, float unit) : epilogue_(epilogue), unit_(unit) {}

  void change_unit(float unit) {
    if (unit == unit_) return;
    epilogue_.post.push_back(PostOperation::linear(unit_ / unit, 0));
    unit_ = unit;
  }

  void write(const TailStep& step) {
    if (const auto unit = unit_of(step)) change_unit(*unit);
    switch (step.kind) {
      case TailStep::Kind::activation:
        write(step.activation);
        break;
      case TailStep::Kind::round_trip:
        write_round_trip(step.quantization);
        break;
      case TailStep::Kind::residual:
        write_residual(step);
        break;
    }
  }

 private:
  void write(Activation activation) {
    if (activation.function == Function::clip) {
      activation.alpha /= unit_;
      activation.beta /= unit_;
    }
    epilogue_.post.push_back(PostOperation::of(activation.function, activation.alpha, activation.beta));
  }

  void write_round_trip(const Quantization& q) {
    epilogue_.post.push_back(PostOperation::of(Function::round));
    epilogue_.post.push_back(PostOperation::of(Function::clip, static_cast<float>(q.lowest() - q.zero_point),
                                               static_cast<float>(q.highest() - q.zero_point)));
  }

  void write_residual(const TailStep& step) {
    PostOperation sum;
    sum.kind = PostOperation::Kind::sum;
    if (step.residual_is_quantized) {
      sum.scale = step.quantization.scale / unit_;
      sum.zero_point = step.quantization.zero_point;
      sum.type = step.quantization.type;
    } else {
      sum.scale = 1 / unit_;
    }
    epilogue_.post.push_back(sum);
    epilogue_.extra_inputs.push_back(step.residual);
  }

  Epilogue& epilogue_;
  float unit_;
};

}  // namespace

std::optional<Activation> activation_of(Resolved& resolved, const Node& node) {
  if (node.inputs.empty() || node.inputs[0] == kAbsent) return std::nullopt;
  if (resolved.type(node.inputs[0]).element != ElementType::float32) return std::nullopt;
  if (node.is("Relu")) return Activation{Function::relu};
  if (node.is("LeakyRelu")) return Activation{Function::relu, node.real("alpha", 0.01F)};
  if (node.is("Sigmoid")) return Activation{Function::logistic};
  if (node.is("Tanh")) return Activation{Function::tanh};
  if (node.is("Elu")) return Activation{Function::elu, node.real("alpha", 1.0F)};
  if (node.is("HardSwish")) return Activation{Function::hardswish};
  if (!node.is("Clip")) return std::nullopt;
  const std::optional<float> low = clip_bound(resolved, node, 1, "min", -kLargest);
  const std::optional<float> high = clip_bound(resolved, node, 2, "max", kLargest);
  if (!low || !high) return std::nullopt;
  return Activation{Function::clip, *low, *high};
}

Tail follow_tail(Resolved& resolved, const std::vector<bool>& taken, ValueId start, const TailRules& rules) {
  return Follower(resolved, taken, start, rules).follow();
}

Epilogue epilogue_of(const Tail& tail, std::vector<float> scales) {
  Epilogue result;
  std::vector<TailStep> steps = tail.steps;
  if (tail.output && !steps.empty() && steps.back().kind == TailStep::Kind::activation &&
      is_redundant(steps.back().activation, *tail.output)) {
    steps.pop_back();
  }
  const float last = tail.output ? tail.output->scale : 1.0F;
  // The first unit that is asked for is the one to begin with: it costs nothing, the primitive scales anyway.
  float first = last;
  for (const TailStep& step : steps) {
    if (const auto unit = unit_of(step)) {
      first = *unit;
      break;
    }
  }
  for (float& scale : scales) scale /= first;
  result.arithmetic.output_scales = std::move(scales);
  Writer writer(result, first);
  for (const TailStep& step : steps) writer.write(step);
  writer.change_unit(last);
  if (tail.output) {
    result.output_type = tail.output->type;
    result.arithmetic.output_zero_point = tail.output->zero_point;
  }
  return result;
}

}  // namespace ns::runtime
