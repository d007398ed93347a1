// Convolutions and matrix products with their tails.
//
//   float:  Conv -> [Add constant] -> [Add residual] -> [activation]                      one float primitive
//   int8:   DQ(x), DQ(w), [bias] -> Conv -> ... as in tail.h ... -> [Q]                   one int8 primitive
#include <algorithm>
#include <cmath>

#include "kernels/onednn/convolution.h"
#include "kernels/onednn/int8_arithmetic.h"
#include "kernels/onednn/matmul.h"
#include "kernels/runtime/recognisers.h"
#include "kernels/runtime/tail.h"
#include "kernels/runtime/window.h"

namespace ns::runtime {

using graph::ElementType;
using graph::kAbsent;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using graph::ValueId;
using onednn::Layout;

namespace {

// A product before it is compiled: what convolutions and matrix products have in common.
struct Product {
  std::int32_t node;
  std::vector<ValueId> inputs;        // read at run time, as stored
  std::optional<Quantization> input;  // of the first, in int8 arithmetic
  Tensor weights;                     // float32, or int8 around zero; undefined: the second input
  std::vector<float> weight_scales;   // one, or one a channel
  std::vector<float> bias;            // real numbers; empty: none
  std::size_t channels;
  std::size_t channel_axis;
};

struct Int8Weights {
  Tensor stored;  // int8, zero point taken off
  std::vector<float> scales;
};

template <typename T>
bool take_off_zero_point(const Tensor& from, const std::vector<std::int32_t>& zero_points, std::size_t inner,
                         Tensor& to) {
  const auto source = from.values<T>();
  auto target = to.values<std::int8_t>();
  for (std::size_t i = 0; i < source.size(); ++i) {
    const std::int32_t value = source[i] - zero_points[i / inner % zero_points.size()];
    if (value < -128 || value > 127) return false;
    target[i] = static_cast<std::int8_t>(value);
  }
  return true;
}

std::vector<std::int32_t> zero_points_of(const Tensor* tensor) {
  if (tensor == nullptr) return {0};
  std::vector<std::int32_t> result;
  if (tensor->type() == ElementType::int8) {
    for (const std::int8_t one : tensor->values<std::int8_t>()) result.push_back(one);
  } else if (tensor->type() == ElementType::uint8) {
    for (const std::uint8_t one : tensor->values<std::uint8_t>()) result.push_back(one);
  }
  return result;
}

// DequantizeLinear of constant 8-bit weights with one scale, or one a channel along `axis`.
std::optional<Int8Weights> int8_weights(Resolved& resolved, ValueId id, std::int64_t axis) {
  if (id == kAbsent || resolved.maker(id) < 0) return std::nullopt;
  const Node& node = resolved.node(resolved.maker(id));
  if (!node.is("DequantizeLinear") || node.integer("block_size", 0) != 0) return std::nullopt;
  const Tensor* stored = resolved.constant(node.inputs[0]);
  const Tensor* scale = resolved.constant(node.inputs[1]);
  const bool has_zero = node.inputs.size() > 2 && node.inputs[2] != kAbsent;
  const std::vector<std::int32_t> zero_points = zero_points_of(has_zero ? resolved.constant(node.inputs[2]) : nullptr);
  if (stored == nullptr || scale == nullptr || zero_points.empty()) return std::nullopt;
  if (scale->type() != ElementType::float32) return std::nullopt;
  const Shape& shape = stored->shape();
  if (scale->count() > 1) {
    std::int64_t declared = node.integer("axis", 1);
    if (declared < 0) declared += static_cast<std::int64_t>(shape.size());
    if (declared != axis || scale->count() != shape[static_cast<std::size_t>(axis)]) return std::nullopt;
  }
  const Shape inner_shape(shape.begin() + axis + 1, shape.end());
  const auto inner = static_cast<std::size_t>(graph::element_count(inner_shape));
  Int8Weights result{.stored = Tensor(ElementType::int8, shape), .scales = {}};
  const auto scales = scale->values<float>();
  result.scales.assign(scales.begin(), scales.end());
  const bool fits = stored->type() == ElementType::int8
                        ? take_off_zero_point<std::int8_t>(*stored, zero_points, inner, result.stored)
                    : stored->type() == ElementType::uint8
                        ? take_off_zero_point<std::uint8_t>(*stored, zero_points, inner, result.stored)
                        : false;
  if (!fits) return std::nullopt;
  return result;
}

bool is_exact(const Quantization& input, const Int8Weights& weights) {
  if (onednn::sums_in_32_bits()) return true;
  const auto values = weights.stored.values<std::int8_t>();
  const int limit = onednn::exact_weight_limit();
  return input.type == ElementType::uint8 &&
         std::all_of(values.begin(), values.end(), [&](std::int8_t value) { return std::abs(int{value}) <= limit; });
}

// The real numbers that the weights stand for, one scale or one a channel along `axis`.
Tensor real_weights(const Int8Weights& weights, std::int64_t axis) {
  const Shape& shape = weights.stored.shape();
  const auto inner = static_cast<std::size_t>(graph::element_count({shape.begin() + axis + 1, shape.end()}));
  Tensor result(ElementType::float32, shape);
  const auto from = weights.stored.values<std::int8_t>();
  const auto to = result.values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = static_cast<float>(from[i]) * weights.scales[i / inner % weights.scales.size()];
  }
  return result;
}

// `input` is the dequantized one.
void become_float(Product& product, ValueId input, Int8Weights weights, std::int64_t axis) {
  product.inputs = {input};
  product.input.reset();
  product.weights = real_weights(weights, axis);
  product.weight_scales = {1.0F};
}

// Fills in weights and the way the inputs are read: int8 when both sides are dequantized and this CPU computes it
// exactly, float otherwise.
bool read_sides(Resolved& resolved, Product& product, ValueId input, ValueId weights, std::int64_t axis) {
  if (const auto stored = resolved.dequantized(input)) {
    auto int8 = int8_weights(resolved, weights, axis);
    if (int8 && !is_exact(stored->quantization, *int8)) {
      become_float(product, input, std::move(*int8), axis);
      return true;
    }
    if (int8) {
      product.inputs = {stored->stored};
      product.input = stored->quantization;
      product.weights = std::move(int8->stored);
      product.weight_scales = std::move(int8->scales);
      return true;
    }
  }
  const Tensor* constant = resolved.constant(weights);
  if (constant == nullptr || constant->type() != ElementType::float32) return false;
  product.inputs = {input};
  product.weights = *constant;
  product.weight_scales = {1.0F};
  return true;
}

std::vector<float> real_scales(const Product& product) {
  std::vector<float> scales = product.weight_scales;
  if (product.input) {
    for (float& scale : scales) scale *= product.input->scale;
  }
  return scales;
}

// The bias in units of the accumulator.
Tensor accumulator_bias(const Product& product, const Tail& tail, const std::vector<float>& scales) {
  if (product.bias.empty() && tail.bias.empty()) return {};
  std::vector<float> sum(product.channels, 0.0F);
  for (std::size_t channel = 0; channel < sum.size(); ++channel) {
    if (!product.bias.empty()) sum[channel] += product.bias[channel];
    if (!tail.bias.empty()) sum[channel] += tail.bias[channel];
    sum[channel] /= scales[scales.size() > 1 ? channel : 0];
  }
  return Tensor::from<float>({static_cast<std::int64_t>(sum.size())}, sum);
}

bool usable(const std::vector<float>& scales) {
  return std::all_of(scales.begin(), scales.end(), [](float scale) { return scale > 0 && std::isfinite(scale); });
}

using Compile = std::function<onednn::Made(const Product&, const Tail&, Epilogue, Tensor bias)>;

// Shares the residual's buffer with the output where the kernel sums in place.
bool emit_product(Lowering& lowering, const onednn::Kernel& kernel, std::shared_ptr<const onednn::Kernel> owner,
                  const std::vector<ValueId>& inputs, ValueId output, const std::string& name,
                  const std::string& operation) {
  std::vector<BufferId> buffers(inputs.size(), -1);
  const auto shared = static_cast<std::size_t>(kernel.shares_input);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (kernel.shares_input < 0 || i != shared) buffers[i] = lowering.obtain(inputs[i], kernel.inputs[i]);
  }
  BufferId target;
  if (kernel.shares_input >= 0) {
    target = buffers[shared] = lowering.obtain_to_overwrite(inputs[shared], kernel.inputs[shared], buffers);
    lowering.place(output, kernel.output, target);
  } else {
    target = lowering.produce(output, kernel.output);
  }
  lowering.add(name, operation, primitive_step(std::move(owner)), std::move(buffers), {target});
  return true;
}

// The longest tail that the primitive takes: with the residual, without it, none at all.
std::optional<Group> compile(Lowering& lowering, const Product& product, const Compile& compile_one) {
  const ValueId start = lowering.node(product.node).outputs[0];
  const std::vector<float> scales = real_scales(product);
  if (product.input && !usable(scales)) return std::nullopt;
  for (const bool residual : {true, false}) {
    const Tail tail =
        follow_tail(lowering.resolved(), lowering.taken(), start,
                    {.int8 = product.input.has_value(), .residual = residual, .channel_axis = product.channel_axis});
    Epilogue epilogue = epilogue_of(tail, scales);
    if (product.input) epilogue.arithmetic.input_zero_point = product.input->zero_point;
    std::vector<ValueId> inputs = product.inputs;
    inputs.insert(inputs.end(), epilogue.extra_inputs.begin(), epilogue.extra_inputs.end());
    const onednn::Made made = compile_one(product, tail, epilogue, accumulator_bias(product, tail, scales));
    if (!made.kernel) continue;
    Group group;
    group.nodes = {product.node};
    group.nodes.insert(group.nodes.end(), tail.nodes.begin(), tail.nodes.end());
    for (std::size_t i = 0; i < inputs.size(); ++i) group.wants.emplace_back(inputs[i], made.kernel->inputs[i]);
    if (product.input) {
      for (const std::int32_t node : group.nodes) {
        const Node& one = lowering.node(node);
        if (!one.is("QuantizeLinear") && !one.is("DequantizeLinear")) group.int8_nodes.push_back(node);
      }
    }
    const std::string operation = (product.input ? "int8 " : "") + lowering.name_of(group.nodes);
    group.emit = [kernel = made.kernel, inputs, output = tail.value, operation,
                  name = lowering.node(group.nodes.back()).name](Lowering& to) {
      return emit_product(to, *kernel, kernel, inputs, output, name, operation);
    };
    return group;
  }
  return std::nullopt;
}

// In float where there is no int8 kernel for it, such as grouped convolutions on some CPUs.
std::optional<Group> compile_either(Lowering& lowering, Product& product, ValueId input, std::int64_t axis,
                                    const Compile& compile_one) {
  auto group = compile(lowering, product, compile_one);
  if (group || !product.input) return group;
  become_float(product, input, {std::move(product.weights), std::move(product.weight_scales)}, axis);
  return compile(lowering, product, compile_one);
}

// Real bias of `channels` numbers; one number or one row is spread out. False: known only at run time or another shape.
bool read_bias(Resolved& resolved, ValueId id, std::size_t channels, float factor, std::vector<float>& bias) {
  if (id == kAbsent) return true;
  const Tensor* constant = resolved.constant(id);
  if (constant == nullptr || constant->type() != ElementType::float32) return false;
  const Shape& shape = constant->shape();
  const auto count = static_cast<std::size_t>(constant->count());
  if (count != 1 && (count != channels || shape.back() != constant->count())) return false;
  bias.resize(channels);
  for (std::size_t i = 0; i < channels; ++i) bias[i] = factor * constant->values<float>()[count == 1 ? 0 : i];
  return true;
}

}  // namespace

std::optional<Group> convolution(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  if (!node.is("Conv") || resolved.type(node.inputs[0]).element != ElementType::float32) return std::nullopt;
  const Shape& input = resolved.shape(node.inputs[0]);
  const Shape& output = resolved.shape(node.outputs[0]);
  Product product{.node = index,
                  .inputs = {},
                  .input = {},
                  .weights = {},
                  .weight_scales = {},
                  .bias = {},
                  .channels = static_cast<std::size_t>(output[1]),
                  .channel_axis = 1};
  if (!read_sides(resolved, product, node.inputs[0], node.inputs[1], 0)) return std::nullopt;
  if (!read_bias(resolved, node.inputs.size() > 2 ? node.inputs[2] : kAbsent, product.channels, 1.0F, product.bias)) {
    return std::nullopt;
  }
  const Shape& weights = product.weights.shape();
  const Window window = window_of(node, input, output, {weights.begin() + 2, weights.end()});
  const auto make = [&](const Product& one, const Tail&, Epilogue epilogue, Tensor bias) {
    return onednn::make_convolution({.input_type = one.input ? one.input->type : ElementType::float32,
                                     .input = input,
                                     .weights = one.weights,
                                     .bias = std::move(bias),
                                     .output_type = epilogue.output_type,
                                     .output = output,
                                     .strides = window.strides,
                                     .dilations = window.dilations,
                                     .pads_begin = window.pads_begin,
                                     .pads_end = window.pads_end,
                                     .groups = node.integer("group", 1),
                                     .arithmetic = std::move(epilogue.arithmetic),
                                     .post = std::move(epilogue.post)});
  };
  return compile_either(lowering, product, node.inputs[0], 0, make);
}

namespace {

// sum over k of (x - zero) * w = sum of x * w - zero * (sum of w): the last part is a constant, so that the primitive
// needs to know of no zero point.
void fold_zero_point(onednn::MatmulSpec& spec) {
  const std::int32_t zero = std::exchange(spec.arithmetic.input_zero_point, 0);
  if (zero == 0) return;
  const auto columns = static_cast<std::size_t>(spec.right.back());
  const auto rows = static_cast<std::size_t>(spec.right[spec.right.size() - 2]);
  const auto weights = spec.weights.values<std::int8_t>();
  std::vector<float> bias(columns, 0.0F);
  for (std::size_t column = 0; column < columns; ++column) {
    std::int64_t sum = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      sum += weights[spec.right_transposed ? column * rows + row : row * columns + column];
    }
    if (spec.bias.defined()) bias[column] = spec.bias.values<float>()[column];
    bias[column] -= static_cast<float>(sum * zero);
  }
  spec.bias = Tensor::from<float>({spec.right.back()}, bias);
}

Group dynamic_product(Lowering& lowering, std::int32_t index, std::shared_ptr<const onednn::Kernel> kernel) {
  const Node& node = lowering.node(index);
  Group group;
  group.nodes = {index};
  group.emit = [kernel = std::move(kernel), inputs = std::vector<ValueId>{node.inputs[0], node.inputs[1]},
                output = node.outputs[0], name = node.name](Lowering& to) {
    const BufferId left = to.obtain_plain(inputs[0]), right = to.obtain_plain(inputs[1]);
    const BufferId target = to.produce(output, to.plain_layout(output));
    to.add(name, "MatMul", primitive_step(kernel), {left, right}, {target});
    return true;
  };
  return group;
}

// Both sides known only at run time: batches of matrices.
std::optional<Group> dynamic_matmul(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  Shape left = resolved.shape(node.inputs[0]), right = resolved.shape(node.inputs[1]);
  if (left.size() < 2 || right.size() < 2) return std::nullopt;
  const std::size_t rank = std::max(left.size(), right.size());
  left.insert(left.begin(), rank - left.size(), 1);
  right.insert(right.begin(), rank - right.size(), 1);
  onednn::MatmulSpec spec;
  spec.left = left;
  spec.right = right;
  spec.output = resolved.shape(node.outputs[0]);
  const onednn::Made made = onednn::make_matmul(spec);
  if (!made.kernel) return std::nullopt;
  return dynamic_product(lowering, index, made.kernel);
}

}  // namespace

std::optional<Group> matrix_product(Lowering& lowering, std::int32_t index) {
  Resolved& resolved = lowering.resolved();
  const Node& node = lowering.node(index);
  const bool gemm = node.is("Gemm");
  if (!gemm && !node.is("MatMul")) return std::nullopt;
  if (resolved.type(node.inputs[0]).element != ElementType::float32) return std::nullopt;
  const bool left_transposed = gemm && node.integer("transA", 0) != 0;
  const bool right_transposed = gemm && node.integer("transB", 0) != 0;
  if (gemm && node.real("alpha", 1.0F) != 1.0F) return std::nullopt;
  const Shape& left = resolved.shape(node.inputs[0]);
  const Shape& right = resolved.shape(node.inputs[1]);
  const Shape& output = resolved.shape(node.outputs[0]);
  if (left.size() < 2 || right.size() != 2) return gemm ? std::nullopt : dynamic_matmul(lowering, index);
  Product product{.node = index,
                  .inputs = {},
                  .input = {},
                  .weights = {},
                  .weight_scales = {},
                  .bias = {},
                  .channels = static_cast<std::size_t>(output.back()),
                  .channel_axis = output.size() - 1};
  if (!read_sides(resolved, product, node.inputs[0], node.inputs[1], right_transposed ? 0 : 1)) {
    return gemm ? std::nullopt : dynamic_matmul(lowering, index);
  }
  if (gemm && !read_bias(resolved, node.inputs.size() > 2 ? node.inputs[2] : kAbsent, product.channels,
                         node.real("beta", 1.0F), product.bias)) {
    return std::nullopt;
  }
  const std::int64_t columns = output.back(), rows = graph::element_count(output) / std::max<std::int64_t>(1, columns);
  const std::int64_t depth = right_transposed ? right[1] : right[0];
  const auto make = [&](const Product& one, const Tail&, Epilogue epilogue, Tensor bias) {
    onednn::MatmulSpec spec{.input_type = one.input ? one.input->type : ElementType::float32,
                            .left = {rows, depth},
                            .right_type = one.weights.type(),
                            .right = {depth, columns},
                            .weights = one.weights,
                            .left_transposed = left_transposed,
                            .right_transposed = right_transposed,
                            .bias = std::move(bias),
                            .output_type = epilogue.output_type,
                            .output = {rows, columns},
                            .arithmetic = std::move(epilogue.arithmetic),
                            .post = std::move(epilogue.post)};
    fold_zero_point(spec);
    return onednn::make_matmul(spec);
  };
  return compile_either(lowering, product, node.inputs[0], right_transposed ? 0 : 1, make);
}

}  // namespace ns::runtime
