// Operators between DequantizeLinear and QuantizeLinear that run on the stored 8-bit numbers.
//
//   DQ(x) -> unary … -> Q                    one table of 256 entries
//   DQ(a), DQ(b) -> Add -> [Relu | Clip] -> Q   one loop
//   DQ(x) -> pool -> Q                       8-bit pool; a mean is quantized anew
//   DQ(x)… -> Concat -> Q                    bytes side by side; inputs of another scale through a table
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/runtime/int8_group.h"
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

Table table_of(const Tensor& reals, const Quantization& output) {
  Table table;
  quantize(reals.values<float>().data(), table.data(), table.size(), output);
  return table;
}

// The layout if bytes can be taken one by one in it, row-major otherwise.
Layout bytewise_layout(Lowering& lowering, ValueId stored) {
  const Layout layout = lowering.layout_of(stored);
  return layout.is_row_major() || layout.is_channels_last() ? layout : lowering.plain_layout(stored);
}

Layout same_form(const Layout& like, ElementType type, const Shape& shape) {
  return !like.is_row_major() && like.is_channels_last() ? Layout::channels_last(type, shape)
                                                         : Layout::plain(type, shape);
}

// Operators that treat each number alone and whose other inputs, if any, are constants.
bool is_unary(Resolved& resolved, const Node& node) {
  static constexpr std::string_view kTypes[] = {
      "Relu", "LeakyRelu",   "Clip",     "Sigmoid",  "Tanh", "Elu",  "Selu",  "HardSwish",
      "Exp",  "HardSigmoid", "Softplus", "Softsign", "Sqrt", "Abs",  "Neg",   "Erf",
      "Gelu", "Mish",        "Floor",    "Ceil",     "Log",  "Celu", "Round", "ThresholdedRelu"};
  if (!node.domain.empty() || std::find(std::begin(kTypes), std::end(kTypes), node.op_type) == std::end(kTypes))
    return false;
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    if (node.inputs[i] != kAbsent && !resolved.is_constant(node.inputs[i])) return false;
  }
  return true;
}

Tensor apply(Resolved& resolved, const Node& node, const Tensor& values) {
  std::vector<const Tensor*> inputs{&values};
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    inputs.push_back(node.inputs[i] == kAbsent ? nullptr : resolved.constant(node.inputs[i]));
  }
  return ops::run_node(node, resolved.opset_of(node), inputs).at(0);
}

}  // namespace

std::optional<Group> int8_table(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& first = lowering.node(index);
  if (first.inputs.empty()) return std::nullopt;
  const auto stored = resolved.dequantized(first.inputs[0]);
  if (!stored) return std::nullopt;
  Group group;
  std::int32_t last = index;
  while (is_unary(resolved, lowering.node(last))) {
    group.nodes.push_back(last);
    group.int8_nodes.push_back(last);
    last = resolved.only_consumer(lowering.node(last).outputs[0]);
    if (last < 0 || lowering.is_taken(last)) return std::nullopt;
  }
  const auto output = resolved.quantization_of(lowering.node(last));
  if (!lowering.node(last).is("QuantizeLinear") || !output) return std::nullopt;
  Tensor values = all_values(stored->quantization);
  for (const std::int32_t node : group.nodes) values = apply(resolved, lowering.node(node), values);
  group.nodes.push_back(last);
  group.emit = [nodes = group.nodes, input = stored->stored, table = table_of(values, *output)](Lowering& to) {
    const ValueId value = to.node(nodes.back()).outputs[0];
    const Layout layout = bytewise_layout(to, input);
    const Shape& shape = to.resolved().shape(value);
    const BufferId source = to.obtain(input, layout);
    const BufferId target = to.produce(value, same_form(layout, to.resolved().type(value).element, shape));
    add_table(to, to.node(nodes.back()).name, "int8 " + to.name_of(nodes), source, target,
              static_cast<std::size_t>(graph::element_count(shape)), table);
    return true;
  };
  return group;
}

std::optional<Group> int8_addition(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  if (!node.is("Add")) return std::nullopt;
  const auto left = resolved.dequantized(node.inputs[0]), right = resolved.dequantized(node.inputs[1]);
  if (!left || !right || resolved.shape(left->stored) != resolved.shape(right->stored)) return std::nullopt;
  Addition addition{.left = left->quantization,
                    .right = right->quantization,
                    .output = {},
                    .low = -std::numeric_limits<float>::max(),
                    .high = std::numeric_limits<float>::max()};
  Group group;
  group.nodes = {index};
  ValueId value = node.outputs[0];
  auto end = quantized_by(lowering, value);
  if (!end) {
    const std::int32_t next = resolved.only_consumer(value);
    if (next < 0 || lowering.is_taken(next)) return std::nullopt;
    const auto activation = activation_of(resolved, lowering.node(next));
    if (!activation) return std::nullopt;
    if (activation->function == onednn::Function::relu && activation->alpha == 0) {
      addition.low = 0;
    } else if (activation->function == onednn::Function::clip) {
      addition.low = activation->alpha;
      addition.high = activation->beta;
    } else {
      return std::nullopt;
    }
    group.nodes.push_back(next);
    end = quantized_by(lowering, lowering.node(next).outputs[0]);
    if (!end) return std::nullopt;
  }
  group.int8_nodes = group.nodes;
  group.nodes.push_back(end->node);
  addition.output = end->quantization;
  group.emit = [nodes = group.nodes, addition, a = left->stored, b = right->stored, output = end->value](Lowering& to) {
    const Layout layout = bytewise_layout(to, a);
    const Shape& shape = to.resolved().shape(output);
    const BufferId first = to.obtain(a, layout), second = to.obtain(b, same_form(layout, addition.right.type, shape));
    const BufferId target = to.produce(output, same_form(layout, addition.output.type, shape));
    const auto count = static_cast<std::size_t>(graph::element_count(shape));
    to.add(to.node(nodes.back()).name, "int8 " + to.name_of(nodes),
           loop_step(
               [addition, count](auto in, auto out, void*) { add_quantized(in[0], in[1], out[0], count, addition); }),
           {first, second}, {target});
    return true;
  };
  return group;
}

namespace {

struct Int8Pool {
  std::int32_t node;
  Pool pool;
  Quantized input;
  QuantizedEnd end;
};

bool covers_everything(const Int8Pool& one) {
  const Shape spatial(one.pool.input.begin() + 2, one.pool.input.end());
  return one.pool.window.kernel == spatial && !one.pool.window.has_pads();
}

std::string operation_of(const Lowering& lowering, const Int8Pool& one) {
  return "int8 " + lowering.node(one.node).op_type;
}

// The mean over all pixels by our own loop: the sum stays exact.
bool emit_whole_mean(Lowering& lowering, const Int8Pool& one) {
  const Shape& shape = one.pool.input;
  const BufferId source = lowering.obtain(one.input.stored, Layout::channels_last(one.input.quantization.type, shape));
  const BufferId target = lowering.produce(one.end.value, lowering.plain_layout(one.end.value));
  const auto batch = static_cast<std::size_t>(shape[0]), channels = static_cast<std::size_t>(shape[1]);
  const std::size_t pixels = static_cast<std::size_t>(graph::element_count(shape)) / batch / channels;
  lowering.add(lowering.node(one.end.node).name, operation_of(lowering, one),
               loop_step(
                   [=, in = one.input.quantization, out = one.end.quantization](auto inputs, auto outputs, void* sums) {
                     average_channels_last(inputs[0], outputs[0], static_cast<std::int32_t*>(sums), batch, pixels,
                                           channels, in, out);
                   },
                   channels * sizeof(std::int32_t)),
               {source}, {target});
  return true;
}

bool emit_int8_pool(Lowering& lowering, const Int8Pool& one) {
  const bool mean = one.pool.kind != onednn::Pooling::max;
  const Quantization &in = one.input.quantization, &out = one.end.quantization;
  if (mean && covers_everything(one)) return emit_whole_mean(lowering, one);
  if (lowering.resolved().shape(one.end.value) != one.pool.output) return false;
  onednn::PoolingSpec spec{.kind = one.pool.kind,
                           .input = Layout::channels_last(in.type, one.pool.input),
                           .shape = one.pool.input,
                           .output = one.pool.output,
                           .kernel = one.pool.window.kernel,
                           .strides = one.pool.window.strides,
                           .dilations = one.pool.window.dilations,
                           .pads_begin = one.pool.window.pads_begin,
                           .pads_end = one.pool.window.pads_end,
                           .post = {}};
  if (mean) {
    // Padding counts as stored zeros, which are real zeros only where the zero point is 0.
    if (spec.kind == onednn::Pooling::average_with_padding && one.pool.window.has_pads() && in.zero_point != 0)
      return false;
    if (in.type != out.type) return false;
    if (in != out) {
      const float factor = in.scale / out.scale;
      spec.post.push_back(onednn::PostOperation::linear(
          factor, static_cast<float>(out.zero_point) - factor * static_cast<float>(in.zero_point)));
    }
  }
  const onednn::Made made = onednn::make_pooling(spec);
  if (!made.kernel) return false;
  const std::string& name = lowering.node(one.end.node).name;
  const BufferId source = lowering.obtain(one.input.stored, made.kernel->inputs[0]);
  if (mean || in == out) {
    lowering.add(name, operation_of(lowering, one), primitive_step(made.kernel), {source},
                 {lowering.produce(one.end.value, made.kernel->output)});
    return true;
  }
  // The largest stored number is the largest real one, in any scale.
  const BufferId pooled = lowering.temporary(made.kernel->output.bytes());
  lowering.add(name, operation_of(lowering, one), primitive_step(made.kernel), {source}, {pooled});
  const BufferId target = lowering.produce(one.end.value, Layout::channels_last(out.type, one.pool.output));
  add_table(lowering, name, "int8 requantize", pooled, target,
            static_cast<std::size_t>(graph::element_count(one.pool.output)), requantizing(in, out));
  return true;
}

}  // namespace

std::optional<Group> int8_pooling(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  if (node.inputs.empty()) return std::nullopt;
  const auto input = resolved.dequantized(node.inputs[0]);
  if (!input) return std::nullopt;
  const auto pool = pool_of(resolved, node);
  if (!pool) return std::nullopt;
  const auto end = quantized_by(lowering, node.outputs[0]);
  if (!end) return std::nullopt;
  Group group;
  group.nodes = {index, end->node};
  group.int8_nodes = {index};
  group.wants = {{input->stored, Layout::channels_last(input->quantization.type, pool->input)}};
  group.emit = [one = Int8Pool{index, *pool, *input, *end}](Lowering& to) { return emit_int8_pool(to, one); };
  return group;
}

namespace {

bool emit_int8_concat(Lowering& lowering, std::int32_t index, const std::vector<Quantized>& inputs,
                      const QuantizedEnd& end) {
  const Node& node = lowering.node(index);
  const Shape& shape = lowering.resolved().shape(end.value);
  const std::int64_t declared = node.integer("axis", 0);
  const auto axis =
      static_cast<std::size_t>(declared < 0 ? declared + static_cast<std::int64_t>(shape.size()) : declared);
  const Layout first = lowering.layout_of(inputs[0].stored);
  const bool channels_last = axis == 1 && shape.size() > 2 && (!first.is_row_major() && first.is_channels_last());
  std::size_t rows = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (channels_last ? i != 1 : i < axis) rows *= static_cast<std::size_t>(shape[i]);
  }
  std::vector<BufferId> buffers;
  std::vector<std::size_t> row_bytes;
  std::vector<std::optional<Table>> tables;
  for (const Quantized& input : inputs) {
    const Shape& part = lowering.resolved().shape(input.stored);
    const ElementType type = input.quantization.type;
    const Layout layout = channels_last ? Layout::channels_last(type, part) : Layout::plain(type, part);
    buffers.push_back(lowering.obtain(input.stored, layout));
    row_bytes.push_back(layout.bytes() / rows);
    tables.push_back(input.quantization == end.quantization
                         ? std::nullopt
                         : std::optional(requantizing(input.quantization, end.quantization)));
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    if (!tables[i]) continue;
    const BufferId requantized = lowering.temporary(row_bytes[i] * rows);
    add_table(lowering, node.name, "int8 requantize", buffers[i], requantized, row_bytes[i] * rows, *tables[i]);
    buffers[i] = requantized;
  }
  const ElementType type = end.quantization.type;
  const BufferId target =
      lowering.produce(end.value, channels_last ? Layout::channels_last(type, shape) : Layout::plain(type, shape));
  lowering.add(lowering.node(end.node).name, "int8 Concat", loop_step([rows, row_bytes](auto in, auto out, void*) {
                 interleave_rows(in.data(), row_bytes.data(), row_bytes.size(), out[0], rows);
               }),
               std::move(buffers), {target});
  return true;
}

}  // namespace

std::optional<Group> int8_concatenation(Lowering& lowering, std::int32_t index) {
  const Node& node = lowering.node(index);
  if (!node.is("Concat")) return std::nullopt;
  std::vector<Quantized> inputs;
  for (const ValueId input : node.inputs) {
    const auto stored = lowering.resolved().dequantized(input);
    if (!stored) return std::nullopt;
    inputs.push_back(*stored);
  }
  const auto end = quantized_by(lowering, node.outputs[0]);
  if (!end || graph::element_count(lowering.resolved().shape(end->value)) == 0) return std::nullopt;
  Group group;
  group.nodes = {index, end->node};
  group.int8_nodes = {index};
  group.emit = [index, inputs, end = *end](Lowering& to) { return emit_int8_concat(to, index, inputs, end); };
  return group;
}

}  // namespace ns::runtime
