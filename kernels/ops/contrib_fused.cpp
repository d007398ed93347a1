// Operators of com.microsoft that are others fused: an activation, a bias or a sum behind them.
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/steps.h"

namespace ns::ops {

namespace {

constexpr std::string_view kDomain = "com.microsoft";

Tensor real_like(const Steps& steps, float value, ElementType type) {
  return steps.cast(Tensor::scalar<float>(value), type);
}

void check_same_type(const InferContext& context, std::size_t index) {
  const TensorType* given = optional_input(context, index);
  require(given == nullptr || given->element == input(context, 0).element, context.node,
          "input {} holds {}, the first {}", index, graph::name_of(given != nullptr ? given->element : ElementType()),
          graph::name_of(input(context, 0).element));
}

// --- Gelu and its relatives ---

// The bias, where there is one, belongs to the last axis.
std::vector<TensorType> infer_biased(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  check_same_type(context, 1);
  if (const TensorType* bias = optional_input(context, 1)) {
    require(!x.shape.empty() && bias->shape == Shape{x.shape.back()}, context.node,
            "the bias has the shape {}, the input {}", graph::to_string(bias->shape), graph::to_string(x.shape));
  }
  return infer_same(context);
}

template <bool kTanh>
void compute_gelu(const ComputeContext& context) {
  const Steps steps(context.node);
  Tensor x = input(context, 0);
  if (const Tensor* bias = optional_input(context, 1)) x = steps.run("Add", {&x, bias});
  copy_bytes(steps.run("Gelu", {&x}, {{"approximate", std::string(kTanh ? "tanh" : "none")}}), context.outputs[0]);
}

// x * sigmoid(alpha * x)
void compute_quick_gelu(const ComputeContext& context) {
  const Steps steps(context.node);
  const Tensor& x = input(context, 0);
  const Tensor alpha = real_like(steps, context.node.real("alpha", 1.702f), x.type());
  const Tensor scaled = steps.run("Mul", {&x, &alpha});
  const Tensor gate = steps.run("Sigmoid", {&scaled});
  copy_bytes(steps.run("Mul", {&x, &gate}), context.outputs[0]);
}

// x + bias + skip
std::vector<TensorType> infer_bias_add(const InferContext& context) {
  check_same_type(context, 2);
  require(input(context, 2).shape == input(context, 0).shape, context.node, "input and skip differ in shape");
  return infer_biased(context);
}

void compute_bias_add(const ComputeContext& context) {
  const Steps steps(context.node);
  const Tensor biased = steps.run("Add", {&input(context, 0), &input(context, 1)});
  copy_bytes(steps.run("Add", {&biased, &input(context, 2)}), context.outputs[0]);
}

// Softmax over all axes from `axis` on, together.
std::vector<TensorType> infer_bias_softmax(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  check_same_type(context, 1);
  require(broadcast_shape(context.node, x.shape, input(context, 1).shape) == x.shape, context.node,
          "the bias {} does not fit {}", graph::to_string(input(context, 1).shape), graph::to_string(x.shape));
  normal_axis(context.node, context.node.integer("axis", 1), x.shape.size());
  return infer_same(context);
}

void compute_bias_softmax(const ComputeContext& context) {
  const Steps steps(context.node);
  const Tensor x = steps.run("Add", {&input(context, 0), &input(context, 1)});
  copy_bytes(steps.run("Softmax", {&x}, {{"axis", context.node.integer("axis", 1)}}, 11), context.outputs[0]);
}

// --- an activation behind ---

// Its parameters have names of their own in FusedGemm and stand in a list in FusedConv.
Tensor activated(const Steps& steps, const Node& node, const Tensor& x) {
  const std::string type = node.text("activation", "");
  if (type.empty()) return x;
  const std::vector<float> list = node.reals("activation_params");
  const auto parameter = [&](std::size_t index, std::string_view name, float fallback) {
    return index < list.size() ? list[index] : node.real(name, fallback);
  };
  if (type == "Relu" || type == "Sigmoid" || type == "Tanh") return steps.run(type, {&x});
  if (type == "LeakyRelu") return steps.run(type, {&x}, {{"alpha", parameter(0, "activation_alpha", 0.01f)}});
  if (type == "HardSigmoid") {
    return steps.run(
        type, {&x},
        {{"alpha", parameter(0, "activation_alpha", 0.2f)}, {"beta", parameter(1, "activation_beta", 0.5f)}});
  }
  if (type == "Clip" && list.size() == 2) {
    const Tensor low = real_like(steps, list[0], x.type());
    const Tensor high = real_like(steps, list[1], x.type());
    return steps.run(type, {&x, &low, &high});
  }
  unsupported(node, "the activation '" + type + "' is not supported");
}

// activation(Conv(x, w, bias) + sum)
std::vector<TensorType> infer_fused_conv(const InferContext& context) {
  for (std::size_t i = 1; i < 4; ++i) check_same_type(context, i);
  std::vector<TensorType> inputs{input(context, 0), input(context, 1)};
  if (const TensorType* bias = optional_input(context, 2)) inputs.push_back(*bias);
  const TensorType y = Steps(context.node).infer("Conv", inputs, context.node.attributes);
  const TensorType* sum = optional_input(context, 3);
  require(sum == nullptr || sum->shape == y.shape, context.node, "what is added does not have the shape {}",
          graph::to_string(y.shape));
  return types(context, {y});
}

void compute_fused_conv(const ComputeContext& context) {
  const Steps steps(context.node);
  Tensor y =
      steps.run("Conv", {&input(context, 0), &input(context, 1), optional_input(context, 2)}, context.node.attributes);
  if (const Tensor* sum = optional_input(context, 3)) y = steps.run("Add", {&y, sum});
  copy_bytes(activated(steps, context.node, y), context.outputs[0]);
}

std::vector<TensorType> infer_fused_gemm(const InferContext& context) {
  std::vector<TensorType> inputs{input(context, 0), input(context, 1)};
  if (const TensorType* c = optional_input(context, 2)) inputs.push_back(*c);
  require_type(FloatTypes{}, context.node, inputs[0].element);
  return types(context, {Steps(context.node).infer("Gemm", inputs, context.node.attributes)});
}

void compute_fused_gemm(const ComputeContext& context) {
  const Steps steps(context.node);
  const Tensor y =
      steps.run("Gemm", {&input(context, 0), &input(context, 1), optional_input(context, 2)}, context.node.attributes);
  copy_bytes(activated(steps, context.node, y), context.outputs[0]);
}

// --- FusedMatMul: alpha * A * B, with axes exchanged on request ---

// trans: the matrix axes; transBatch: the first axis is the matrix' first one and goes behind the batch.
std::vector<std::int64_t> matrix_axes(const Node& node, std::size_t rank, const char* trans, const char* trans_batch) {
  std::vector<std::int64_t> perm;
  const auto last = static_cast<std::int64_t>(rank) - 1;
  const bool batch_inside = node.integer(trans_batch, 0) != 0 && rank > 2;
  for (std::int64_t i = 0; i <= last; ++i) perm.push_back(i);
  if (batch_inside) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
  if (node.integer(trans, 0) != 0 && rank > 1) std::swap(perm[rank - 1], perm[rank - 2]);
  return perm;
}

std::vector<TensorType> infer_fused_matmul(const InferContext& context) {
  const Steps steps(context.node);
  require_type(FloatTypes{}, context.node, input(context, 0).element);
  const auto arranged = [&](std::size_t index, const char* trans, const char* trans_batch) {
    const TensorType& x = input(context, index);
    return steps.infer("Transpose", {x}, {{"perm", matrix_axes(context.node, x.shape.size(), trans, trans_batch)}});
  };
  const TensorType a = arranged(0, "transA", "transBatchA");
  const TensorType b = arranged(1, "transB", "transBatchB");
  return types(context, {steps.infer("MatMul", {a, b})});
}

void compute_fused_matmul(const ComputeContext& context) {
  const Node& node = context.node;
  const Steps steps(node);
  const auto arranged = [&](std::size_t index, const char* trans, const char* trans_batch) {
    const Tensor& x = input(context, index);
    return steps.transpose(x, matrix_axes(node, x.shape().size(), trans, trans_batch));
  };
  const Tensor a = arranged(0, "transA", "transBatchA");
  const Tensor b = arranged(1, "transB", "transBatchB");
  const Tensor product = steps.run("MatMul", {&a, &b});
  const Tensor alpha = real_like(steps, node.real("alpha", 1.0f), product.type());
  copy_bytes(steps.run("Mul", {&product, &alpha}), context.outputs[0]);
}

constexpr std::array kDefinitions{
    OpDefinition{kDomain, "BiasAdd", 1, 3, 3, 1, 1, infer_bias_add, compute_bias_add},
    OpDefinition{kDomain, "BiasGelu", 1, 2, 2, 1, 1, infer_biased, compute_gelu<false>},
    OpDefinition{kDomain, "BiasSoftmax", 1, 2, 2, 1, 1, infer_bias_softmax, compute_bias_softmax},
    OpDefinition{kDomain, "FastGelu", 1, 1, 2, 1, 1, infer_biased, compute_gelu<true>},
    OpDefinition{kDomain, "FusedConv", 1, 2, 4, 1, 1, infer_fused_conv, compute_fused_conv},
    OpDefinition{kDomain, "FusedGemm", 1, 2, 3, 1, 1, infer_fused_gemm, compute_fused_gemm},
    OpDefinition{kDomain, "FusedMatMul", 1, 2, 2, 1, 1, infer_fused_matmul, compute_fused_matmul},
    OpDefinition{kDomain, "Gelu", 1, 1, 1, 1, 1, infer_biased, compute_gelu<false>},
    OpDefinition{kDomain, "QuickGelu", 1, 1, 1, 1, 1, infer_biased, compute_quick_gelu},
};

}  // namespace

std::span<const OpDefinition> contrib_fused_definitions() { return kDefinitions; }

}  // namespace ns::ops
