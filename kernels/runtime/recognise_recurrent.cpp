// LSTM with weights that are known before the run, in float, in the form that exporters write: the usual functions, no
// peepholes, whole sequences. Anything else stays with the plain operator.
#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/runtime/recognisers.h"
#include "kernels/runtime/recurrent.h"

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;

namespace {

ValueId input_of(const Node& node, std::size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kAbsent;
}

bool is_usual(const Node& node) {
  static const std::vector<std::string> kNames{"Sigmoid", "Tanh", "Tanh"};
  if (node.integer("layout", 0) != 0 || node.integer("input_forget", 0) != 0 || node.has("clip")) return false;
  if (input_of(node, 4) != kAbsent || input_of(node, 7) != kAbsent) return false;
  const auto found = node.attributes.find("activations");
  if (found == node.attributes.end()) return true;
  const auto* names = std::get_if<std::vector<std::string>>(&found->second);
  if (names == nullptr) return false;
  for (std::size_t i = 0; i < names->size(); ++i) {
    if ((*names)[i] != kNames[i % kNames.size()]) return false;
  }
  return true;
}

const Tensor* constant_floats(Resolved& resolved, ValueId id) {
  const Tensor* constant = resolved.constant(id);
  return constant != nullptr && constant->type() == ElementType::float32 ? constant : nullptr;
}

// One for each direction; empty when something is not known before the run.
std::vector<LstmLayer> layers_of(Resolved& resolved, const Node& node, const LstmShape& shape) {
  const Tensor* weights = constant_floats(resolved, node.inputs[1]);
  const Tensor* recurrent = constant_floats(resolved, node.inputs[2]);
  const bool has_bias = input_of(node, 3) != kAbsent;
  const Tensor* bias = has_bias ? constant_floats(resolved, node.inputs[3]) : nullptr;
  if (weights == nullptr || recurrent == nullptr || (has_bias && bias == nullptr)) return {};
  const std::string direction = node.text("direction", "forward");
  const std::size_t rows = 4 * shape.hidden;
  std::vector<LstmLayer> layers;
  for (std::size_t d = 0; d < shape.directions; ++d) {
    LstmLayer layer{.input = {weights->values<float>().data() + d * rows * shape.input, shape.input, rows},
                    .state = {recurrent->values<float>().data() + d * rows * shape.hidden, shape.hidden, rows},
                    .bias = {},
                    .reversed = direction == "reverse" || d == 1};
    layer.bias.assign(layer.input.padded_columns(), 0.0F);
    for (std::size_t i = 0; has_bias && i < rows; ++i) {
      const float* both = bias->values<float>().data() + d * 2 * rows;
      layer.bias[i] = both[i] + both[rows + i];
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

struct Lstm {
  std::int32_t node;
  LstmShape shape;
  std::vector<LstmLayer> layers;
  bool has_h, has_c;       // first states are given
  std::size_t outputs[3];  // of the step: where Y, Y_h, Y_c are among its buffers; kNone
  static constexpr std::size_t kNone = 99;
};

void start_state(void* to, const void* from, std::size_t bytes) {
  if (from != nullptr) {
    std::memcpy(to, from, bytes);
  } else {
    std::memset(to, 0, bytes);
  }
}

// Scratch memory: gates, then the states, which leave for the outputs at the end.
void run_step(const Lstm& one, std::span<void* const> in, std::span<void* const> out, void* scratch) {
  const std::size_t states = one.shape.directions * one.shape.batch * one.shape.hidden;
  auto* const gates = static_cast<float*>(scratch);
  float* const h = gates + one.layers[0].input.padded_columns();
  float* const c = h + states;
  std::size_t next = 1;
  start_state(h, one.has_h ? in[next++] : nullptr, states * sizeof(float));
  start_state(c, one.has_c ? in[next++] : nullptr, states * sizeof(float));
  const auto output = [&](std::size_t index) {
    return one.outputs[index] == Lstm::kNone ? nullptr : static_cast<float*>(out[one.outputs[index]]);
  };
  run_lstm(one.shape, one.layers, static_cast<const float*>(in[0]), output(0), h, c, gates);
  if (output(1) != nullptr) std::memcpy(output(1), h, states * sizeof(float));
  if (output(2) != nullptr) std::memcpy(output(2), c, states * sizeof(float));
}

bool emit(Lowering& to, const std::shared_ptr<Lstm>& one) {
  const Node& node = to.node(one->node);
  std::vector<BufferId> inputs{to.obtain_plain(node.inputs[0])}, outputs;
  if (one->has_h) inputs.push_back(to.obtain_plain(node.inputs[5]));
  if (one->has_c) inputs.push_back(to.obtain_plain(node.inputs[6]));
  for (std::size_t i = 0; i < 3; ++i) {
    const bool there = i < node.outputs.size() && node.outputs[i] != kAbsent;
    one->outputs[i] = there ? outputs.size() : Lstm::kNone;
    if (there) outputs.push_back(to.produce(node.outputs[i], to.plain_layout(node.outputs[i])));
  }
  const std::size_t states = one->shape.directions * one->shape.batch * one->shape.hidden;
  const std::size_t scratch = (one->layers[0].input.padded_columns() + 2 * states) * sizeof(float);
  to.add(node.name, node.op_type,
         loop_step([one](auto in, auto out, void* room) { run_step(*one, in, out, room); }, scratch), std::move(inputs),
         std::move(outputs));
  return true;
}

}  // namespace

std::optional<Group> recurrent(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  if (!node.is("LSTM") || resolved.type(node.inputs[0]).element != ElementType::float32 || !is_usual(node)) {
    return std::nullopt;
  }
  const Shape &x = resolved.shape(node.inputs[0]), &r = resolved.shape(node.inputs[2]);
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  const LstmShape shape{
      .steps = size(x[0]), .batch = size(x[1]), .input = size(x[2]), .hidden = size(r[2]), .directions = size(r[0])};
  if (graph::element_count(x) == 0 || shape.hidden == 0) return std::nullopt;
  std::vector<LstmLayer> layers = layers_of(resolved, node, shape);
  if (layers.empty()) return std::nullopt;
  auto one = std::make_shared<Lstm>(Lstm{.node = index,
                                         .shape = shape,
                                         .layers = std::move(layers),
                                         .has_h = input_of(node, 5) != kAbsent,
                                         .has_c = input_of(node, 6) != kAbsent,
                                         .outputs = {}});
  Group group;
  group.nodes = {index};
  group.emit = [one = std::move(one)](Lowering& to) { return emit(to, one); };
  return group;
}

}  // namespace ns::runtime
