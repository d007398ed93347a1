#include "kernels/ops/steps.h"

namespace ns::ops {

Node Steps::step(std::string_view type, const Attributes& attributes, std::size_t outputs) const {
  Node step;
  step.name = node_.name;
  step.op_type = std::string(type);
  step.attributes = attributes;
  for (std::size_t i = 0; i < outputs; ++i) step.outputs.push_back(static_cast<graph::ValueId>(i));
  return step;
}

std::vector<Tensor> Steps::run_all(std::string_view type, std::vector<const Tensor*> inputs,
                                   const Attributes& attributes, std::size_t outputs, std::int64_t opset) const {
  return run_node(step(type, attributes, outputs), opset, inputs);
}

Tensor Steps::cast(const Tensor& x, ElementType type) const {
  return run("Cast", {&x}, {{"to", static_cast<std::int64_t>(type)}});
}

Tensor Steps::transpose(const Tensor& x, const std::vector<std::int64_t>& perm) const {
  return run("Transpose", {&x}, {{"perm", perm}});
}

TensorType Steps::infer(std::string_view type, const std::vector<TensorType>& inputs, const Attributes& attributes,
                        std::int64_t opset) const {
  const Node node = step(type, attributes, 1);
  std::vector<const TensorType*> present;
  for (const TensorType& input : inputs) present.push_back(&input);
  return infer_types(*find_op("", type, opset), {node, opset, present, {}}).front();
}

std::vector<std::int64_t> channels_first(std::size_t rank) {
  std::vector<std::int64_t> perm{0, static_cast<std::int64_t>(rank) - 1};
  for (std::size_t i = 2; i < rank; ++i) perm.push_back(static_cast<std::int64_t>(i) - 1);
  return perm;
}

std::vector<std::int64_t> channels_last(std::size_t rank) {
  std::vector<std::int64_t> perm{0};
  for (std::size_t i = 2; i < rank; ++i) perm.push_back(static_cast<std::int64_t>(i));
  perm.push_back(1);
  return perm;
}

}  // namespace ns::ops
