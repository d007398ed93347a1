#include "kernels/runtime/separable.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "kernels/runtime/resolved.h"

namespace ns::runtime {

using graph::ElementType;
using graph::Graph;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;

namespace {

// What a value is to the batch.
enum class Part {
  fixed,      // the same whatever the batch
  split,      // the samples' parts one behind the other along axis 0
  different,  // anything else
};

bool is_one_of(const Node& node, const std::set<std::string_view>& types) {
  return node.domain.empty() && types.count(node.op_type) > 0;
}

// Every element of the output depends on one element of each input, broadcast.
const std::set<std::string_view> kPointwise{
    "Abs",      "Acos",        "Acosh",      "Add",   "And",      "Asin",
    "Asinh",    "Atan",        "Atanh",      "Cast",  "Ceil",     "Celu",
    "Clip",     "Cos",         "Cosh",       "Div",   "Elu",      "Equal",
    "Erf",      "Exp",         "Floor",      "Gelu",  "Greater",  "GreaterOrEqual",
    "Identity", "HardSigmoid", "HardSwish",  "IsInf", "IsNaN",    "LeakyRelu",
    "Less",     "LessOrEqual", "Log",        "Max",   "Mean",     "Min",
    "Mish",     "Mod",         "Mul",        "Neg",   "Not",      "Or",
    "PRelu",    "Pow",         "Reciprocal", "Relu",  "Round",    "Selu",
    "Sigmoid",  "Sign",        "Sin",        "Sinh",  "Softplus", "Softsign",
    "Sqrt",     "Sub",         "Sum",        "Tan",   "Tanh",     "ThresholdedRelu",
    "Where",    "Xor",         "Shrink"};
// The first input by samples, with parameters that are the same for all.
const std::set<std::string_view> kBySample{
    "AveragePool",   "BatchNormalization",    "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool",
    "GlobalMaxPool", "InstanceNormalization", "LRN",  "MaxPool",       "SpaceToDepth"};
const std::set<std::string_view> kReductions{"ArgMax",       "ArgMin",          "ReduceL1",  "ReduceL2",
                                             "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
                                             "ReduceMin",    "ReduceProd",      "ReduceSum", "ReduceSumSquare"};
const std::set<std::string_view> kAlongAxis{"Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "LayerNormalization",
                                            "Split",   "Concat"};
const std::set<std::string_view> kViews{"Flatten", "Reshape", "Squeeze", "Unsqueeze"};

class Analysis {
 public:
  // The same graph for the whole batch and for one sample.
  Analysis(const Graph& graph, std::span<const ops::TensorType> inputs, std::span<const ops::TensorType> one,
           std::int64_t batch)
      : batch_(batch), whole_(graph, inputs), one_(graph, one), parts_(graph.value_count(), Part::different) {
    for (std::size_t id = 0; id < parts_.size(); ++id) parts_[id] = constant_part(static_cast<ValueId>(id));
    for (const ValueId id : graph.inputs) parts_[at(id)] = Part::split;
  }

  bool run() {
    const Graph& graph = whole_.graph();
    for (std::int32_t index = 0; index < static_cast<std::int32_t>(graph.nodes.size()); ++index) {
      if (!whole_.runs(index)) continue;
      const Node& node = whole_.node(index);
      if (!one_.runs(index) || !keeps_samples_apart(node)) return false;
      for (const ValueId id : node.outputs) {
        if (id == kAbsent) continue;
        if (!has_split_shape(id)) return false;
        parts_[at(id)] = Part::split;
      }
    }
    return std::all_of(graph.outputs.begin(), graph.outputs.end(), [&](ValueId id) { return is_split(id); });
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  bool is_split(ValueId id) const { return parts_[at(id)] == Part::split; }
  bool is_fixed(ValueId id) const { return id == kAbsent || parts_[at(id)] == Part::fixed; }
  const Shape& shape(ValueId id) const { return whole_.shape(id); }

  bool has_split_shape(ValueId id) const {
    const Shape& all = whole_.shape(id);
    const Shape& single = one_.shape(id);
    return !all.empty() && all.size() == single.size() && all[0] == single[0] * batch_ &&
           std::equal(all.begin() + 1, all.end(), single.begin() + 1);
  }

  // Known before the run: fixed when it is the same for one sample, split when it is that for each sample again.
  Part constant_part(ValueId id) {
    const Tensor* all = whole_.constant(id);
    const Tensor* single = one_.constant(id);
    if (all == nullptr || single == nullptr || all->type() != single->type()) return Part::different;
    const std::size_t bytes = single->byte_count();
    const auto same = [&](std::size_t offset) {
      return bytes == 0 ||
             std::memcmp(static_cast<const std::byte*>(all->bytes()) + offset, single->bytes(), bytes) == 0;
    };
    if (all->shape() == single->shape()) return same(0) ? Part::fixed : Part::different;
    if (!has_split_shape(id)) return Part::different;
    for (std::int64_t sample = 0; sample < batch_; ++sample) {
      if (!same(static_cast<std::size_t>(sample) * bytes)) return Part::different;
    }
    return Part::split;
  }

  bool keeps_samples_apart(const Node& node) {
    if (!node.domain.empty() || node.inputs.empty()) return false;
    if (is_one_of(node, kPointwise)) return pointwise(node);
    if (node.is("MatMul")) return matrix_product(node);
    if (node.is("Gather")) return gather(node);
    if (node.is("Concat")) return axis_of(node, 0) > 0 && all_split(node);
    if (!is_split(node.inputs[0])) return false;
    if (is_one_of(node, kViews)) return true;  // the order of numbers stays, so that shapes tell
    if (node.is("Expand")) return shape(node.inputs[0]).size() == shape(node.outputs[0]).size();
    if (!parameters_are_fixed(node)) return false;
    if (is_one_of(node, kBySample)) return true;
    if (is_one_of(node, kReductions)) return reduction(node);
    if (is_one_of(node, kAlongAxis))
      return axis_of(node, node.is("Softmax") || node.is("LogSoftmax") ? default_softmax_axis(node)
                           : node.is("Split")                          ? 0
                                                                       : -1) > 0;
    if (node.is("Gemm")) return node.integer("transA", 0) == 0 && addend(node);
    if (node.is("Transpose")) return keeps_first_axis(node);
    if (node.is("QuantizeLinear") || node.is("DequantizeLinear")) return quantization(node);
    if (node.is("Slice")) return slice(node);
    if (node.is("Pad")) return pad(node);
    return false;
  }

  bool all_split(const Node& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId id) { return id != kAbsent && is_split(id); });
  }
  bool parameters_are_fixed(const Node& node) const {
    return std::all_of(node.inputs.begin() + 1, node.inputs.end(), [&](ValueId id) { return is_fixed(id); });
  }

  // Not negative; -1 when there is none.
  std::int64_t axis_of(const Node& node, std::int64_t fallback) const {
    const auto rank = static_cast<std::int64_t>(shape(node.inputs[0]).size());
    const std::int64_t axis = node.integer("axis", fallback);
    return axis < 0 ? axis + rank : axis;
  }
  std::int64_t default_softmax_axis(const Node& node) const { return whole_.opset_of(node) < 13 ? 1 : -1; }

  bool pointwise(const Node& node) const {
    const std::size_t rank = shape(node.outputs[0]).size();
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      if (id == kAbsent) return true;
      const Shape& one = shape(id);
      if (is_split(id)) return one.size() == rank && one[0] == shape(node.outputs[0])[0];
      return is_fixed(id) && (one.size() < rank || one[0] == 1);
    });
  }

  bool matrix_product(const Node& node) const {
    const Shape &left = shape(node.inputs[0]), &right = shape(node.inputs[1]);
    const bool left_split = is_split(node.inputs[0]), right_split = is_split(node.inputs[1]);
    if (left_split && right_split) return left.size() == right.size() && left.size() > 2 && left[0] == right[0];
    // The other side's first axis must not be the one along which the samples lie.
    const auto is_shared = [](const Shape& fixed, const Shape& split) {
      return fixed.size() >= 2 && (fixed.size() < split.size() || fixed[0] == 1 || split.size() == 2);
    };
    if (left_split) {
      return is_fixed(node.inputs[1]) && left.size() >= 2 && right.size() <= left.size() && is_shared(right, left);
    }
    return right_split && is_fixed(node.inputs[0]) && right.size() > 2 && left.size() <= right.size() &&
           is_shared(left, right);
  }

  bool gather(const Node& node) const {
    const std::int64_t axis = axis_of(node, 0);
    if (is_split(node.inputs[0])) return is_fixed(node.inputs[1]) && axis > 0;
    return is_fixed(node.inputs[0]) && is_split(node.inputs[1]) && axis == 0;
  }

  bool addend(const Node& node) const {
    if (node.inputs.size() < 3 || node.inputs[2] == kAbsent) return true;
    const Shape& one = shape(node.inputs[2]);
    return one.size() < 2 || one[0] == 1;
  }

  bool keeps_first_axis(const Node& node) const {
    const std::vector<std::int64_t> order = node.integers("perm");
    return !order.empty() && order[0] == 0;
  }

  std::optional<std::vector<std::int64_t>> list(const Node& node, std::size_t input, std::string_view attribute) {
    if (input < node.inputs.size() && node.inputs[input] != kAbsent) {
      const Tensor* constant = whole_.constant(node.inputs[input]);
      if (constant == nullptr || constant->type() != ElementType::int64) return std::nullopt;
      const auto values = constant->values<std::int64_t>();
      return std::vector<std::int64_t>(values.begin(), values.end());
    }
    if (node.has(attribute)) return node.integers(attribute);
    return std::nullopt;
  }

  bool reduction(const Node& node) {
    if (node.is("ArgMax") || node.is("ArgMin")) return axis_of(node, 0) > 0;
    const auto axes = list(node, 1, "axes");
    const auto rank = static_cast<std::int64_t>(shape(node.inputs[0]).size());
    return axes && !axes->empty() &&
           std::all_of(axes->begin(), axes->end(), [&](std::int64_t axis) { return axis != 0 && axis != -rank; });
  }

  bool quantization(const Node& node) const {
    return node.integer("block_size", 0) == 0 &&
           (shape(node.inputs[1]).empty() || shape(node.inputs[1])[0] == 1 || axis_of(node, 1) > 0);
  }

  // Along the samples only a slice that takes all, in order.
  bool slice(const Node& node) {
    if (shape(node.inputs[0])[0] != shape(node.outputs[0])[0]) return false;
    if (node.inputs.size() < 5 || node.inputs[4] == kAbsent) return true;
    const auto steps = list(node, 4, "");
    return steps && std::all_of(steps->begin(), steps->end(), [](std::int64_t step) { return step > 0; });
  }

  bool pad(const Node& node) {
    const std::size_t rank = shape(node.inputs[0]).size();
    const auto pads = list(node, 1, "pads");
    return pads && node.inputs.size() <= 3 && pads->size() == 2 * rank && (*pads)[0] == 0 && (*pads)[rank] == 0;
  }

  const std::int64_t batch_;
  Resolved whole_, one_;
  std::vector<Part> parts_;
};

}  // namespace

std::optional<std::int64_t> separable_batch(const Graph& graph, std::span<const ops::TensorType> inputs) {
  if (inputs.empty() || graph.outputs.empty()) return std::nullopt;
  const std::int64_t batch = inputs[0].shape.empty() ? 0 : inputs[0].shape[0];
  if (batch < 2) return std::nullopt;
  std::vector<ops::TensorType> single(inputs.begin(), inputs.end());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const graph::Value& value = graph.value(graph.inputs[i]);
    const bool is_free = !value.shape || (!value.shape->empty() && !value.shape->front().known());
    if (!is_free || single[i].shape.empty() || single[i].shape[0] != batch) return std::nullopt;
    single[i].shape[0] = 1;
  }
  try {
    if (!Analysis(graph, inputs, single, batch).run()) return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // another size does not fit this graph, or a shape needs data
  }
  return batch;
}

}  // namespace ns::runtime
