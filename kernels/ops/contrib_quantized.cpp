// The operators of com.microsoft on 8-bit tensors with scale and zero point: what they compute is the operator of the
// same name between a DequantizeLinear and a QuantizeLinear.
#include <algorithm>
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/quantized.h"
#include "kernels/ops/steps.h"

namespace ns::ops {

namespace {

constexpr std::string_view kDomain = "com.microsoft";
constexpr int kManyInputs = 1 << 20;

// Where a tensor, its scale and its zero point (which may be left out) stand among the inputs.
struct Operand {
  std::size_t value, scale, zero;
};
struct Scaling {
  std::size_t scale, zero;
};

Tensor real_of(const ComputeContext& context, const Operand& at) {
  return Steps(context.node)
      .run("DequantizeLinear",
           {&input(context, at.value), &input(context, at.scale), optional_input(context, at.zero)});
}

void store(const ComputeContext& context, const Tensor& real, const Scaling& at) {
  Tensor& y = context.outputs[0];
  copy_bytes(Steps(context.node)
                 .run("QuantizeLinear", {&real, &input(context, at.scale), optional_input(context, at.zero)},
                      {{"output_dtype", static_cast<std::int64_t>(y.type())}}),
             y);
}

// One scale and zero point for the whole tensor. Returns what the tensor is when dequantized.
TensorType check_operand(const InferContext& context, const Operand& at) {
  const TensorType& x = input(context, at.value);
  require_type(ByteTypes{}, context.node, x.element);
  check_zero_point_type(context, at.zero, x.element);
  for (const std::size_t index : {at.scale, at.zero}) {
    const TensorType* parameter = optional_input(context, index);
    require(parameter == nullptr || (graph::element_count(parameter->shape) == 1 && parameter->shape.size() <= 1),
            context.node, "input {} must be one number", index);
  }
  require_type(Types<float>{}, context.node, input(context, at.scale).element);
  return {ElementType::float32, x.shape};
}

std::vector<TensorType> quantized_like(const InferContext& context, ElementType type, const Shape& shape,
                                       const Scaling& at) {
  require_type(ByteTypes{}, context.node, type);
  require_type(Types<float>{}, context.node, input(context, at.scale).element);
  check_zero_point_type(context, at.zero, type);
  return types(context, {{type, shape}});
}

constexpr Operand kFirst{0, 1, 2};
constexpr Operand kSecond{3, 4, 5};
constexpr Scaling kUnaryResult{3, 4};
constexpr Scaling kBinaryResult{6, 7};

// --- two inputs ---

std::vector<TensorType> infer_binary(const InferContext& context) {
  const TensorType a = check_operand(context, kFirst);
  const TensorType b = check_operand(context, kSecond);
  return quantized_like(context, input(context, 0).element, broadcast_shape(context.node, a.shape, b.shape),
                        kBinaryResult);
}

template <typename Name>
void compute_binary(const ComputeContext& context) {
  const Tensor a = real_of(context, kFirst);
  const Tensor b = real_of(context, kSecond);
  store(context, Steps(context.node).run(Name::kType, {&a, &b}), kBinaryResult);
}

struct Add {
  static constexpr std::string_view kType = "Add";
};
struct Mul {
  static constexpr std::string_view kType = "Mul";
};

// --- one input ---

// The attribute opset of QLinearSoftmax says which Softmax it is; the others stay as they were.
std::int64_t step_opset(const Node& node) { return std::clamp<std::int64_t>(node.integer("opset", kStepOpset), 1, 21); }

bool has_channels_last(const Node& node) { return node.integer("channels_last", 0) != 0; }

Shape permuted(const Shape& shape, const std::vector<std::int64_t>& perm) {
  Shape result;
  for (const std::int64_t axis : perm) result.push_back(shape[static_cast<std::size_t>(axis)]);
  return result;
}

template <typename Name>
std::vector<TensorType> infer_unary(const InferContext& context) {
  const Node& node = context.node;
  TensorType x = check_operand(context, kFirst);
  const std::size_t rank = x.shape.size();
  const bool last = has_channels_last(node);
  require(!last || rank >= 3, node, "the input has the shape {}, wanted [batch, sizes ..., channels]",
          graph::to_string(x.shape));
  if (last) x.shape = permuted(x.shape, channels_first(rank));
  const TensorType y = Steps(node).infer(Name::kType, {x}, node.attributes, step_opset(node));
  return quantized_like(context, input(context, 0).element, last ? permuted(y.shape, channels_last(rank)) : y.shape,
                        kUnaryResult);
}

template <typename Name>
void compute_unary(const ComputeContext& context) {
  const Node& node = context.node;
  const Steps steps(node);
  Tensor x = real_of(context, kFirst);
  const std::size_t rank = x.shape().size();
  if (has_channels_last(node)) x = steps.transpose(x, channels_first(rank));
  Tensor y = steps.run(Name::kType, {&x}, node.attributes, step_opset(node));
  if (has_channels_last(node)) y = steps.transpose(y, channels_last(rank));
  store(context, y, kUnaryResult);
}

struct AveragePool {
  static constexpr std::string_view kType = "AveragePool";
};
struct GlobalAveragePool {
  static constexpr std::string_view kType = "GlobalAveragePool";
};
struct LeakyRelu {
  static constexpr std::string_view kType = "LeakyRelu";
};
struct Sigmoid {
  static constexpr std::string_view kType = "Sigmoid";
};
struct Softmax {
  static constexpr std::string_view kType = "Softmax";
};

// --- others ---

// Scale and zero point of the result first, then each input with its own.
std::vector<TensorType> infer_concat(const InferContext& context) {
  const std::size_t count = (context.inputs.size() - 2) / 3;
  require(context.inputs.size() == 2 + 3 * count, context.node, "has {} inputs, wanted 2 and 3 for each tensor",
          context.inputs.size());
  std::vector<TensorType> parts;
  for (std::size_t i = 0; i < count; ++i) parts.push_back(check_operand(context, {2 + 3 * i, 3 + 3 * i, 4 + 3 * i}));
  const TensorType y = Steps(context.node).infer("Concat", parts, context.node.attributes);
  return quantized_like(context, input(context, 2).element, y.shape, {0, 1});
}

void compute_concat(const ComputeContext& context) {
  std::vector<Tensor> parts;
  for (std::size_t i = 2; i < context.inputs.size(); i += 3) parts.push_back(real_of(context, {i, i + 1, i + 2}));
  std::vector<const Tensor*> pointers;
  for (const Tensor& part : parts) pointers.push_back(&part);
  store(context, Steps(context.node).run("Concat", pointers, context.node.attributes), {0, 1});
}

constexpr Operand kThen{1, 2, 3};
constexpr Operand kElse{4, 5, 6};

std::vector<TensorType> infer_where(const InferContext& context) {
  const TensorType x = check_operand(context, kThen);
  const TensorType y = check_operand(context, kElse);
  const TensorType z = Steps(context.node).infer("Where", {input(context, 0), x, y});
  return quantized_like(context, input(context, 1).element, z.shape, {7, 8});
}

void compute_where(const ComputeContext& context) {
  const Tensor x = real_of(context, kThen);
  const Tensor y = real_of(context, kElse);
  store(context, Steps(context.node).run("Where", {&input(context, 0), &x, &y}), {7, 8});
}

// NhwcMaxPool needs no scale: the largest is the largest.
std::vector<TensorType> infer_nhwc_max_pool(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const std::size_t rank = x.shape.size();
  require_type(ByteTypes{}, context.node, x.element);
  require(rank >= 3, context.node, "the input has the shape {}, wanted [batch, sizes ..., channels]",
          graph::to_string(x.shape));
  const TensorType y =
      Steps(context.node)
          .infer("MaxPool", {{x.element, permuted(x.shape, channels_first(rank))}}, context.node.attributes);
  return types(context, {{x.element, permuted(y.shape, channels_last(rank))}});
}

void compute_nhwc_max_pool(const ComputeContext& context) {
  const Steps steps(context.node);
  const std::size_t rank = input(context, 0).shape().size();
  const Tensor x = steps.transpose(input(context, 0), channels_first(rank));
  const Tensor y = steps.run("MaxPool", {&x}, context.node.attributes);
  copy_bytes(steps.transpose(y, channels_last(rank)), context.outputs[0]);
}

template <typename Name>
constexpr OpDefinition unary(std::string_view type) {
  return {kDomain, type, 1, 4, 5, 1, 1, infer_unary<Name>, compute_unary<Name>};
}

constexpr std::array kDefinitions{
    OpDefinition{kDomain, "NhwcMaxPool", 1, 1, 1, 1, 1, infer_nhwc_max_pool, compute_nhwc_max_pool},
    OpDefinition{kDomain, "QLinearAdd", 1, 7, 8, 1, 1, infer_binary, compute_binary<Add>},
    OpDefinition{kDomain, "QLinearConcat", 1, 5, kManyInputs, 1, 1, infer_concat, compute_concat},
    OpDefinition{kDomain, "QLinearMul", 1, 7, 8, 1, 1, infer_binary, compute_binary<Mul>},
    OpDefinition{kDomain, "QLinearWhere", 1, 9, 9, 1, 1, infer_where, compute_where},
    unary<AveragePool>("QLinearAveragePool"),
    unary<GlobalAveragePool>("QLinearGlobalAveragePool"),
    unary<LeakyRelu>("QLinearLeakyRelu"),
    unary<Sigmoid>("QLinearSigmoid"),
    unary<Softmax>("QLinearSoftmax"),
};

}  // namespace

std::span<const OpDefinition> contrib_quantized_definitions() { return kDefinitions; }

}  // namespace ns::ops
