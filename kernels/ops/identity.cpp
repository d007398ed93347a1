// Identity, and Dropout as it is served: nothing is dropped.
#include <array>
#include <cstring>

#include "kernels/ops/context.h"

namespace ns::ops {

namespace {

void compute_identity(const ComputeContext& context) { copy_bytes(input(context, 0), context.outputs[0]); }

std::vector<TensorType> infer_dropout(const InferContext& context) {
  const TensorType& x = input(context, 0);
  if (const Tensor* training = shape_input(context, 2)) {
    require(training->type() == ElementType::boolean && training->count() == 1, context.node,
            "training_mode must be one bool");
    if (training->values<bool>()[0]) unsupported(context.node, "training is not supported");
  }
  // The mask became bool with opset 10.
  return types(context, {x, {context.opset >= 10 ? ElementType::boolean : x.element, x.shape}});
}

template <typename T>
void fill_ones(Tensor& tensor) {
  for (T& value : tensor.values<T>()) value = T(1);
}

void compute_dropout(const ComputeContext& context) {
  if (has_output(context, 0)) copy_bytes(input(context, 0), context.outputs[0]);
  if (!has_output(context, 1)) return;
  Tensor& mask = context.outputs[1];
  if (mask.type() == ElementType::boolean) {
    fill_ones<bool>(mask);
  } else if (mask.type() == ElementType::float32) {
    fill_ones<float>(mask);
  } else if (mask.type() == ElementType::float64) {
    fill_ones<double>(mask);
  } else {
    unsupported(context.node, "a mask of this type is not supported");
  }
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Identity", 1, 1, 1, 1, 1, infer_same, compute_identity},
    OpDefinition{"", "Dropout", 1, 1, 3, 1, 2, infer_dropout, compute_dropout},
};

}  // namespace

std::span<const OpDefinition> identity_definitions() { return kDefinitions; }

}  // namespace ns::ops
