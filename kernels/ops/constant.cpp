// Constant: a tensor, or a number or list of numbers, as an attribute.
#include <array>

#include "kernels/ops/context.h"

namespace ns::ops {

namespace {

Tensor constant_of(const Node& node) {
  if (const Tensor* value = node.tensor("value")) return *value;
  if (node.has("value_float")) return Tensor::scalar<float>(node.real("value_float", 0));
  if (node.has("value_int")) return Tensor::scalar<std::int64_t>(node.integer("value_int", 0));
  if (node.has("value_floats")) {
    const std::vector<float> values = node.reals("value_floats");
    return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values);
  }
  if (node.has("value_ints")) {
    const std::vector<std::int64_t> values = node.integers("value_ints");
    return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
  }
  unsupported(node, "only value, value_float(s) and value_int(s) are supported");
}

std::vector<TensorType> infer_constant(const InferContext& context) {
  const Tensor value = constant_of(context.node);
  return types(context, {{value.type(), value.shape()}});
}

void compute_constant(const ComputeContext& context) { copy_bytes(constant_of(context.node), context.outputs[0]); }

constexpr std::array kDefinitions{
    OpDefinition{"", "Constant", 1, 0, 0, 1, 1, infer_constant, compute_constant},
};

}  // namespace

std::span<const OpDefinition> constant_definitions() { return kDefinitions; }

}  // namespace ns::ops
