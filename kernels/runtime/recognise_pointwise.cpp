// Functions of single numbers that follow each other in any graph with one shape, as one loop over memory:
//
//   x ── Mul ── Add ─┐
//   └── Sigmoid ─────┴─ Mul ── y      one loop: reads x once, writes y once
//
// Inputs may be smaller: one number, a row, or one number a channel. BatchNormalization counts as such a function.
#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/runtime/pointwise.h"
#include "kernels/runtime/recognisers.h"
#include "kernels/runtime/tail.h"

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;
using onednn::Layout;

namespace {

constexpr std::size_t kMostNodes = 24;
constexpr std::size_t kMostSources = 60;

struct Function {
  PointFunction kind;
  float alpha = 0, beta = 0;
};

bool is_float(const Resolved& resolved, ValueId id) {
  return id != kAbsent && resolved.type(id).element == ElementType::float32;
}

std::optional<Function> of_activation(const Activation& activation) {
  switch (activation.function) {
    case onednn::Function::relu:
      return Function{PointFunction::leaky_relu, activation.alpha};
    case onednn::Function::logistic:
      return Function{PointFunction::sigmoid};
    case onednn::Function::tanh:
      return Function{PointFunction::tanh};
    case onednn::Function::elu:
      return Function{PointFunction::elu, activation.alpha};
    case onednn::Function::hardswish:
      return Function{PointFunction::hard_swish};
    case onednn::Function::clip:
      return Function{PointFunction::clip, activation.alpha, activation.beta};
    default:
      return std::nullopt;
  }
}

std::optional<Function> one_input_function(Resolved& resolved, const Node& node) {
  static const std::map<std::string_view, PointFunction> kPlain{
      {"Neg", PointFunction::negate},       {"Abs", PointFunction::absolute},
      {"Sqrt", PointFunction::square_root}, {"Reciprocal", PointFunction::reciprocal},
      {"Exp", PointFunction::exponential},  {"Log", PointFunction::logarithm},
      {"Erf", PointFunction::erf},          {"Softplus", PointFunction::softplus},
      {"Floor", PointFunction::floor},      {"Ceil", PointFunction::ceil},
      {"Round", PointFunction::round}};
  if (!node.domain.empty()) return std::nullopt;
  if (const auto found = kPlain.find(node.op_type); found != kPlain.end()) return Function{found->second};
  if (node.is("HardSigmoid")) {
    return Function{PointFunction::hard_sigmoid, node.real("alpha", 0.2F), node.real("beta", 0.5F)};
  }
  const std::optional<Activation> activation = activation_of(resolved, node);
  return activation ? of_activation(*activation) : std::nullopt;
}

std::optional<PointFunction> two_input_function(const Node& node) {
  static const std::map<std::string_view, PointFunction> kKnown{
      {"Add", PointFunction::add},    {"Sub", PointFunction::subtract}, {"Mul", PointFunction::multiply},
      {"Div", PointFunction::divide}, {"Max", PointFunction::maximum},  {"Min", PointFunction::minimum},
      {"Sum", PointFunction::add},    {"Pow", PointFunction::power}};
  if (!node.domain.empty() || node.inputs.size() != 2) return std::nullopt;
  const auto found = kKnown.find(node.op_type);
  return found == kKnown.end() ? std::nullopt : std::optional(found->second);
}

// One number, or a block of axes that both have between axes where the input has one: how its elements repeat.
std::optional<PointInput> repetition(const Shape& shape, const Shape& output) {
  if (shape.size() > output.size()) return std::nullopt;
  Shape padded(output.size() - shape.size(), 1);
  padded.insert(padded.end(), shape.begin(), shape.end());
  std::size_t first = 0, last = padded.size();
  while (first < last && padded[first] == 1) ++first;
  while (last > first && padded[last - 1] == 1) --last;
  for (std::size_t axis = first; axis < last; ++axis) {
    if (padded[axis] != output[axis]) return std::nullopt;
  }
  PointInput result;
  for (std::size_t axis = first; axis < last; ++axis) result.period *= static_cast<std::size_t>(output[axis]);
  for (std::size_t axis = last; axis < output.size(); ++axis) result.repeat *= static_cast<std::size_t>(output[axis]);
  if (result.period == 1) result.repeat = 1;
  return result;
}

// Grows a region from one node and writes its program.
class Region {
 public:
  Region(Lowering& lowering, std::int32_t first)
      : lowering_(lowering),
        resolved_(lowering.resolved()),
        shape_(resolved_.shape(lowering.node(first).outputs[0])),
        tainted_(resolved_.graph().value_count(), false) {
    program_.count = static_cast<std::size_t>(graph::element_count(shape_));
    if (program_.count == 0 || !take(first)) return;
    const auto end = static_cast<std::int32_t>(resolved_.graph().nodes.size());
    for (std::int32_t index = first + 1; index < end && nodes_.size() < kMostNodes; ++index) {
      if (!resolved_.runs(index)) continue;
      const Node& node = lowering_.node(index);
      const bool continues = uses(node, [&](ValueId id) { return made_.count(id) > 0; });
      const bool behind = uses(node, [&](ValueId id) { return tainted_[at(id)]; });
      if (continues && !behind && !lowering_.is_taken(index) && take(index)) continue;
      // Somebody else wants what was made so far: it has to be there by then.
      if (continues) break;
      if (behind) taint(node);
    }
  }

  // What is used by others leaves the region.
  std::optional<Group> group() {
    if (nodes_.empty()) return std::nullopt;
    for (const std::int32_t index : nodes_) {
      const ValueId id = lowering_.node(index).outputs[0];
      const auto& consumers = resolved_.consumers(id);
      const bool outside = std::any_of(consumers.begin(), consumers.end(), [&](std::int32_t user) {
        return std::find(nodes_.begin(), nodes_.end(), user) == nodes_.end();
      });
      if (!outside && !resolved_.is_output(id)) continue;
      outputs_.push_back(id);
    }
    if (outputs_.empty()) return std::nullopt;
    const auto given = static_cast<std::uint32_t>(program_.inputs.size());
    for (PointInstruction& one : program_.instructions) {
      one.left = final_number(one.left, given);
      one.right = final_number(one.right, given);
    }
    for (const ValueId id : outputs_) program_.outputs.push_back(final_number(made_.at(id), given));
    Group group;
    group.nodes = nodes_;
    group.emit = [region = *this](Lowering& to) { return region.emit(to); };
    return group;
  }

 private:
  // While the region grows, sources that are instructions have this bit.
  static constexpr std::uint32_t kMade = 1U << 31;

  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  static std::uint32_t final_number(std::uint32_t source, std::uint32_t given) {
    return (source & kMade) != 0 ? given + (source & ~kMade) : source;
  }

  template <typename Test>
  bool uses(const Node& node, Test&& test) const {
    return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return id != kAbsent && test(id); });
  }

  void taint(const Node& node) {
    for (const ValueId id : node.outputs) {
      if (id != kAbsent) tainted_[at(id)] = true;
    }
  }

  bool take(std::int32_t index) {
    const Node& node = lowering_.node(index);
    if (node.outputs.size() != 1 || !is_float(resolved_, node.outputs[0]) || node.inputs.empty()) return false;
    if (resolved_.shape(node.outputs[0]) != shape_) return false;
    const std::size_t inputs = program_.inputs.size(), instructions = program_.instructions.size();
    if (inputs + instructions + 4 > kMostSources) return false;
    if (!write(node)) {
      forget(inputs, instructions);
      return false;
    }
    made_[node.outputs[0]] = last_made();
    nodes_.push_back(index);
    return true;
  }

  void forget(std::size_t inputs, std::size_t instructions) {
    std::erase_if(known_, [&](const auto& entry) { return entry.second >= inputs; });
    program_.inputs.resize(inputs);
    sources_.resize(inputs);
    program_.instructions.resize(instructions);
  }

  std::uint32_t last_made() const { return kMade | static_cast<std::uint32_t>(program_.instructions.size() - 1); }

  bool write(const Node& node) {
    if (node.is("BatchNormalization")) return write_batch_normalization(node);
    if (const auto function = one_input_function(resolved_, node)) {
      const auto x = source(node.inputs[0]);
      if (!x) return false;
      program_.instructions.push_back({function->kind, *x, *x, function->alpha, function->beta});
      return true;
    }
    const auto function = two_input_function(node);
    return function && write_two(node, *function);
  }

  bool write_two(const Node& node, PointFunction function) {
    const auto x = source(node.inputs[0]);
    if (!x) return false;
    if (function == PointFunction::power) {
      const std::optional<Function> simple = simple_power(node.inputs[1]);
      if (simple) {
        program_.instructions.push_back({simple->kind, *x, *x});
        return true;
      }
    }
    const auto y = source(node.inputs[1]);
    if (!y) return false;
    program_.instructions.push_back({function, *x, *y});
    return true;
  }

  std::optional<Function> simple_power(ValueId id) {
    const Tensor* constant = resolved_.constant(id);
    if (constant == nullptr || constant->count() != 1 || constant->type() != ElementType::float32) return std::nullopt;
    const float exponent = constant->values<float>()[0];
    if (exponent == 2.0F) return Function{PointFunction::square};
    if (exponent == 0.5F) return Function{PointFunction::square_root};
    return std::nullopt;
  }

  // y = x * factor + offset with numbers a channel, known before the run.
  bool write_batch_normalization(const Node& node) {
    if (node.inputs.size() != 5 || node.integer("training_mode", 0) != 0 || shape_.size() < 2) return false;
    const auto channels = static_cast<std::size_t>(shape_[1]);
    const float* parts[4];
    for (std::size_t i = 0; i < 4; ++i) {
      const Tensor* part = resolved_.constant(node.inputs[i + 1]);
      if (part == nullptr || part->type() != ElementType::float32 || part->count() != shape_[1]) return false;
      parts[i] = part->values<float>().data();
    }
    const float epsilon = node.real("epsilon", 1e-5F);
    std::vector<float> factors(channels), offsets(channels);
    for (std::size_t channel = 0; channel < channels; ++channel) {
      factors[channel] = parts[0][channel] / std::sqrt(parts[3][channel] + epsilon);
      offsets[channel] = parts[1][channel] - parts[2][channel] * factors[channel];
    }
    const auto x = source(node.inputs[0]);
    if (!x) return false;
    std::size_t behind = 1;
    for (std::size_t axis = 2; axis < shape_.size(); ++axis) behind *= static_cast<std::size_t>(shape_[axis]);
    const std::uint32_t factor = add_input({channels, behind, std::move(factors)}, kAbsent);
    const std::uint32_t offset = add_input({channels, behind, std::move(offsets)}, kAbsent);
    program_.instructions.push_back({PointFunction::multiply, *x, factor});
    program_.instructions.push_back({PointFunction::add, last_made(), offset});
    return true;
  }

  std::uint32_t add_input(PointInput input, ValueId id) {
    program_.inputs.push_back(std::move(input));
    sources_.push_back(id);
    return static_cast<std::uint32_t>(program_.inputs.size() - 1);
  }

  std::optional<std::uint32_t> source(ValueId id) {
    if (!is_float(resolved_, id)) return std::nullopt;
    if (const auto made = made_.find(id); made != made_.end()) return made->second;
    if (const auto known = known_.find(id); known != known_.end()) return known->second;
    const std::optional<PointInput> input = repetition(resolved_.shape(id), shape_);
    if (!input) return std::nullopt;
    return known_[id] = add_input(*input, id);
  }

  bool is_whole(const PointInput& input) const { return input.period == program_.count && input.repeat == 1; }

  // The layout in which all inputs of the full size lie, if numbers may be taken as they come in it.
  std::optional<Layout> common_layout(Lowering& to) const {
    std::optional<Layout> common;
    bool small = false;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      const PointInput& input = program_.inputs[i];
      if (!is_whole(input)) {
        small = small || input.period != 1;
        continue;
      }
      if (sources_[i] == kAbsent) continue;
      const Layout layout = to.layout_of(sources_[i]);
      if (!common) common = layout;
      if (!layout.same_bytes(*common)) return std::nullopt;
    }
    if (!common || common->is_row_major()) return to.plain_layout(outputs_[0]);
    if (small || common->is_padded()) return std::nullopt;
    return common;
  }

  bool emit(Lowering& to) const {
    const std::optional<Layout> layout = common_layout(to);
    if (!layout) return false;
    std::vector<BufferId> inputs, outputs;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i] == kAbsent) continue;
      const bool whole = is_whole(program_.inputs[i]) && !layout->is_row_major();
      inputs.push_back(whole ? to.obtain(sources_[i], *layout) : to.obtain_plain(sources_[i]));
    }
    for (const ValueId id : outputs_)
      outputs.push_back(to.produce(id, layout->is_row_major() ? to.plain_layout(id) : *layout));
    const Node& last = to.node(nodes_.back());
    to.add(
        last.name, to.name_of(nodes_),
        loop_step([program = program_](auto in, auto out, void* scratch) { runtime::run(program, in, out, scratch); },
                  scratch_bytes(program_)),
        std::move(inputs), std::move(outputs));
    return true;
  }

  Lowering& lowering_;
  Resolved& resolved_;
  const Shape& shape_;
  std::vector<bool> tainted_;  // by value: made behind the region by somebody else
  std::vector<std::int32_t> nodes_;
  PointProgram program_;
  std::vector<ValueId> sources_;            // by input of the program; kAbsent: a constant of its own
  std::map<ValueId, std::uint32_t> known_;  // inputs
  std::map<ValueId, std::uint32_t> made_;   // results
  std::vector<ValueId> outputs_;
};

}  // namespace

std::optional<Group> pointwise(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  if (node.outputs.size() != 1 || node.outputs[0] == kAbsent) return std::nullopt;
  return Region(lowering, index).group();
}

}  // namespace ns::runtime
