// One node alone, in float (views, transpositions and concatenations in any type).
#include <algorithm>

#include "kernels/onednn/binary.h"
#include "kernels/onednn/concat.h"
#include "kernels/onednn/elementwise.h"
#include "kernels/onednn/normalization.h"
#include "kernels/onednn/reorder.h"
#include "kernels/onednn/softmax.h"
#include "kernels/runtime/recognisers.h"
#include "kernels/runtime/shape_words.h"
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

bool is_float(Resolved& resolved, ValueId id) {
  return id != kAbsent && resolved.type(id).element == ElementType::float32 &&
         graph::element_count(resolved.shape(id)) > 0;
}

Group single(std::int32_t node, std::function<bool(Lowering&)> emit) {
  Group group;
  group.nodes = {node};
  group.emit = std::move(emit);
  return group;
}

// The kernel's one step, with inputs that lie as it wants them.
bool emit_kernel(Lowering& lowering, const onednn::Made& made, std::int32_t index, const std::vector<ValueId>& inputs) {
  if (!made.kernel) return false;
  const Node& node = lowering.node(index);
  std::vector<BufferId> buffers;
  for (std::size_t i = 0; i < inputs.size(); ++i) buffers.push_back(lowering.obtain(inputs[i], made.kernel->inputs[i]));
  const BufferId target = lowering.produce(node.outputs[0], made.kernel->output);
  lowering.add(node.name, node.op_type, primitive_step(made.kernel), std::move(buffers), {target});
  return true;
}

}  // namespace

std::optional<Group> quantization(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  if (!node.is("QuantizeLinear")) return std::nullopt;
  const auto quantization = lowering.resolved().quantization_of(node);
  if (!quantization) return std::nullopt;
  return single(index, [index, q = *quantization](Lowering& to) {
    const Node& one = to.node(index);
    const ValueId input = one.inputs[0], output = one.outputs[0];
    const Shape& shape = to.resolved().shape(input);
    const auto count = static_cast<std::size_t>(graph::element_count(shape));
    const Layout from = to.layout_of(input);
    const std::optional<Layout> wanted = to.wanted(output);
    if (!from.is_row_major() && from.is_channels_last()) {
      const BufferId source = to.obtain(input, from);
      const BufferId target = to.produce(output, Layout::channels_last(q.type, shape));
      to.add(one.name, one.op_type, loop_step([count, q](auto in, auto out, void*) {
               quantize(static_cast<const float*>(in[0]), out[0], count, q);
             }),
             {source}, {target});
      return true;
    }
    const BufferId source = to.obtain_plain(input);
    if (wanted && !wanted->is_row_major() && wanted->is_channels_last() && wanted->type() == q.type) {
      const auto batch = static_cast<std::size_t>(shape[0]), channels = static_cast<std::size_t>(shape[1]);
      const std::size_t pixels = count / batch / channels;
      const BufferId target = to.produce(output, *wanted);
      to.add(one.name, one.op_type, loop_step([batch, channels, pixels, q](auto in, auto out, void*) {
               quantize_to_channels_last(static_cast<const float*>(in[0]), out[0], batch, channels, pixels, q);
             }),
             {source}, {target});
      return true;
    }
    const BufferId target = to.produce(output, to.plain_layout(output));
    to.add(one.name, one.op_type, loop_step([count, q](auto in, auto out, void*) {
             quantize(static_cast<const float*>(in[0]), out[0], count, q);
           }),
           {source}, {target});
    return true;
  });
}

std::optional<Group> view(Lowering& lowering, std::int32_t index) {
  if (!is_view(lowering.node(index))) return std::nullopt;
  return single(index, [index](Lowering& to) {
    const Node& node = to.node(index);
    to.place(node.outputs[0], to.plain_layout(node.outputs[0]), to.obtain_plain(node.inputs[0]));
    return true;
  });
}

std::optional<Group> activation(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  const auto found = activation_of(lowering.resolved(), node);
  if (!found || !is_float(lowering.resolved(), node.inputs[0])) return std::nullopt;
  return single(index, [index, one = *found](Lowering& to) {
    const ValueId input = to.node(index).inputs[0];
    return emit_kernel(to, onednn::make_elementwise(to.layout_of(input), one.function, one.alpha, one.beta), index,
                       {input});
  });
}

std::optional<Group> pooling(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  if (node.inputs.empty() || !is_float(lowering.resolved(), node.inputs[0])) return std::nullopt;
  const auto pool = pool_of(lowering.resolved(), node);
  if (!pool) return std::nullopt;
  return single(index, [index, pool = *pool](Lowering& to) {
    const Node& one = to.node(index);
    const onednn::Made made = onednn::make_pooling({.kind = pool.kind,
                                                    .input = to.layout_of(one.inputs[0]),
                                                    .shape = pool.input,
                                                    .output = pool.output,
                                                    .kernel = pool.window.kernel,
                                                    .strides = pool.window.strides,
                                                    .dilations = pool.window.dilations,
                                                    .pads_begin = pool.window.pads_begin,
                                                    .pads_end = pool.window.pads_end,
                                                    .post = {}});
    // A node that drops the axes can only hand on plain bytes.
    const bool drops = to.resolved().shape(one.outputs[0]) != pool.output;
    if (!made.kernel || (drops && !made.kernel->output.is_row_major())) return false;
    return emit_kernel(to, made, index, {one.inputs[0]});
  });
}

namespace {

std::optional<onednn::Binary> binary_of(const Node& node) {
  if (node.is("Add")) return onednn::Binary::add;
  if (node.is("Sub")) return onednn::Binary::subtract;
  if (node.is("Mul")) return onednn::Binary::multiply;
  if (node.is("Div")) return onednn::Binary::divide;
  if (node.inputs.size() == 2 && node.is("Max")) return onednn::Binary::maximum;
  if (node.inputs.size() == 2 && node.is("Min")) return onednn::Binary::minimum;
  return std::nullopt;
}

bool commutes(onednn::Binary kind) { return kind != onednn::Binary::subtract && kind != onednn::Binary::divide; }

// `shape` with ones in front, if it can be broadcast to `output`.
std::optional<Shape> aligned_shape(const Shape& shape, const Shape& output) {
  if (shape.size() > output.size()) return std::nullopt;
  Shape result(output.size() - shape.size(), 1);
  result.insert(result.end(), shape.begin(), shape.end());
  for (std::size_t axis = 0; axis < result.size(); ++axis) {
    if (result[axis] != 1 && result[axis] != output[axis]) return std::nullopt;
  }
  return result;
}

bool emit_binary(Lowering& lowering, std::int32_t index, onednn::Binary kind) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  ValueId left = node.inputs[0], right = node.inputs[1];
  const Shape& output = resolved.shape(node.outputs[0]);
  if (resolved.shape(left) != output && commutes(kind)) std::swap(left, right);
  if (resolved.shape(left) != output) return false;
  const auto broadcast = aligned_shape(resolved.shape(right), output);
  if (!broadcast) return false;
  const Layout first = lowering.layout_of(left);
  if (resolved.shape(right) == output)
    return emit_kernel(lowering, onednn::make_binary(kind, first, first), index, {left, right});
  const Layout second = Layout::plain(ElementType::float32, *broadcast);
  return emit_kernel(lowering, onednn::make_binary(kind, first, second), index, {left, right});
}

}  // namespace

std::optional<Group> binary(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  const auto kind = binary_of(node);
  if (!kind || !is_float(lowering.resolved(), node.inputs[0]) || !is_float(lowering.resolved(), node.inputs[1])) {
    return std::nullopt;
  }
  return single(index, [index, kind = *kind](Lowering& to) { return emit_binary(to, index, kind); });
}

std::optional<Group> softmax(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  const bool logarithm = node.is("LogSoftmax");
  if ((!logarithm && !node.is("Softmax")) || !is_float(lowering.resolved(), node.inputs[0])) return std::nullopt;
  const Shape& shape = lowering.resolved().shape(node.inputs[0]);
  if (shape.empty()) return std::nullopt;
  const bool flattens = lowering.resolved().opset_of(node) < 13;
  std::int64_t axis = node.integer("axis", flattens ? 1 : -1);
  if (axis < 0) axis += static_cast<std::int64_t>(shape.size());
  // [before, along, after]: older models take everything from the axis on as one.
  const Shape before(shape.begin(), shape.begin() + axis);
  const Shape after(shape.begin() + std::min<std::int64_t>(axis + 1, static_cast<std::int64_t>(shape.size())),
                    shape.end());
  const std::int64_t rows = graph::element_count(before);
  const std::int64_t behind = flattens ? 1 : graph::element_count(after);
  const Shape blocks{rows, graph::element_count(shape) / rows / behind, behind};
  return single(index, [index, blocks, logarithm](Lowering& to) {
    const Layout layout = Layout::plain(ElementType::float32, blocks);
    return emit_kernel(to, onednn::make_softmax(layout, 1, logarithm), index, {to.node(index).inputs[0]});
  });
}

namespace {

// Row r of the output: row r of every input in turn.
void add_rows(Lowering& lowering, std::int32_t index, const std::vector<Layout>& parts, std::size_t rows,
              const Layout& whole) {
  const Node& node = lowering.node(index);
  std::vector<BufferId> inputs;
  std::vector<std::size_t> row_bytes;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    inputs.push_back(lowering.obtain(node.inputs[i], parts[i]));
    row_bytes.push_back(parts[i].bytes() / rows);
  }
  const BufferId target = lowering.produce(node.outputs[0], whole);
  lowering.add(node.name, node.op_type, loop_step([rows, row_bytes](auto in, auto out, void*) {
                 interleave_rows(in.data(), row_bytes.data(), row_bytes.size(), out[0], rows);
               }),
               std::move(inputs), {target});
}

// Row-major inputs side by side along any axis, or channels-last ones along the channels: rows of bytes.
bool emit_rows(Lowering& lowering, std::int32_t index, std::size_t axis) {
  const Node& node = lowering.node(index);
  const Shape& shape = lowering.resolved().shape(node.outputs[0]);
  const ElementType type = lowering.resolved().type(node.outputs[0]).element;
  const Layout first = lowering.layout_of(node.inputs[0]);
  const bool channels_last = axis == 1 && !first.is_row_major() && first.is_channels_last();
  std::vector<Layout> parts;
  std::size_t rows = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (channels_last ? i != 1 : i < axis) rows *= static_cast<std::size_t>(shape[i]);
  }
  for (const ValueId input : node.inputs) {
    const Shape& part = lowering.resolved().shape(input);
    const Layout layout = channels_last ? Layout::channels_last(type, part) : lowering.plain_layout(input);
    parts.push_back(layout);
  }
  add_rows(lowering, index, parts, rows,
           channels_last ? Layout::channels_last(type, shape) : lowering.plain_layout(node.outputs[0]));
  return true;
}

// Blocked inputs: oneDNN knows whether their blocks can be joined; where that is only copying, we copy.
bool emit_blocked_concat(Lowering& lowering, std::int32_t index, std::size_t axis) {
  const Node& node = lowering.node(index);
  std::vector<Layout> layouts;
  for (const ValueId input : node.inputs) layouts.push_back(lowering.layout_of(input));
  const onednn::Made made = onednn::make_concat(layouts, static_cast<int>(axis));
  if (made.kernel && axis == 1 && onednn::joins_as_rows(layouts, made.kernel->output)) {
    const auto rows = static_cast<std::size_t>(lowering.resolved().shape(node.outputs[0])[0]);
    add_rows(lowering, index, layouts, rows, made.kernel->output);
    return true;
  }
  return emit_kernel(lowering, made, index, node.inputs);
}

}  // namespace

std::optional<Group> concatenation(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  if (!node.is("Concat")) return std::nullopt;
  Resolved& resolved = lowering.resolved();
  const auto rank = static_cast<std::int64_t>(resolved.shape(node.outputs[0]).size());
  const std::int64_t declared = node.integer("axis", 0);
  const auto axis = static_cast<std::size_t>(declared < 0 ? declared + rank : declared);
  if (graph::element_count(resolved.shape(node.outputs[0])) == 0) return std::nullopt;
  return single(index, [index, axis](Lowering& to) {
    const Layout first = to.layout_of(to.node(index).inputs[0]);
    const bool rows = first.is_row_major() || first.is_channels_last();
    if (!rows && emit_blocked_concat(to, index, axis)) return true;
    return emit_rows(to, index, axis);
  });
}

std::optional<Group> transposition(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  if (!node.is("Transpose")) return std::nullopt;
  return single(index, [index](Lowering& to) {
    const Node& one = to.node(index);
    const ops::TensorType& type = to.resolved().type(one.inputs[0]);
    std::vector<std::int64_t> order = one.integers("perm");
    if (order.empty()) {
      for (std::size_t axis = type.shape.size(); axis > 0; --axis) order.push_back(static_cast<std::int64_t>(axis) - 1);
    }
    const onednn::Made made = onednn::make_transpose(type.element, type.shape, order);
    if (!made.kernel) return false;
    const BufferId source = to.obtain_plain(one.inputs[0]);
    const BufferId target = to.produce(one.outputs[0], to.plain_layout(one.outputs[0]));
    to.add(one.name, one.op_type, primitive_step(made.kernel), {source}, {target});
    return true;
  });
}

std::optional<Group> normalization(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  if (node.is("LRN") && is_float(resolved, node.inputs[0])) {
    return single(index, [index](Lowering& to) {
      const Node& one = to.node(index);
      return emit_kernel(
          to,
          onednn::make_local_response(to.layout_of(one.inputs[0]), one.integer("size", 1), one.real("alpha", 1e-4F),
                                      one.real("beta", 0.75F), one.real("bias", 1.0F)),
          index, {one.inputs[0]});
    });
  }
  if (!node.is("BatchNormalization") || node.inputs.size() != 5 || node.integer("training_mode", 0) != 0 ||
      !is_float(resolved, node.inputs[0]) || resolved.shape(node.inputs[0]).size() < 2) {
    return std::nullopt;
  }
  for (std::size_t i = 1; i < 5; ++i) {
    if (!resolved.is_constant(node.inputs[i]) || !is_float(resolved, node.inputs[i])) return std::nullopt;
  }
  return single(index, [index](Lowering& to) {
    const Node& one = to.node(index);
    const auto constant = [&](std::size_t i) { return *to.resolved().constant(one.inputs[i]); };
    return emit_kernel(to,
                       onednn::make_batch_normalization({.input = to.layout_of(one.inputs[0]),
                                                         .scale = constant(1),
                                                         .shift = constant(2),
                                                         .mean = constant(3),
                                                         .variance = constant(4),
                                                         .epsilon = one.real("epsilon", 1e-5F)}),
                       index, {one.inputs[0]});
  });
}

}  // namespace ns::runtime
