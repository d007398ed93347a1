// Identity, and Dropout as it is served: nothing is dropped. Training with a ratio of zero drops nothing either.
#include <algorithm>
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

void compute_identity(const ComputeContext& context) { copy_bytes(input(context, 0), context.outputs[0]); }

std::vector<TensorType> infer_dropout(const InferContext& context) {
  const TensorType& x = input(context, 0);
  // The mask became bool with opset 10.
  return types(context, {x, {context.opset >= 10 ? ElementType::boolean : x.element, x.shape}});
}

// What is dropped in training is random: there is no right answer to compute.
void refuse_training(const ComputeContext& context) {
  const Tensor* training = optional_input(context, 2);
  if (training == nullptr) return;
  require(training->type() == ElementType::boolean && training->count() == 1, context.node,
          "training_mode must be one bool");
  if (!training->values<bool>()[0]) return;
  const Tensor* ratio = optional_input(context, 1);
  require(ratio == nullptr || ratio->count() == 1, context.node, "the ratio must be one number");
  if (ratio == nullptr || reals_of(context.node, *ratio).front() != 0) {
    unsupported(context.node, "dropping at random is not supported");
  }
}

void compute_dropout(const ComputeContext& context) {
  refuse_training(context);
  if (has_output(context, 0)) copy_bytes(input(context, 0), context.outputs[0]);
  if (!has_output(context, 1)) return;
  Tensor& mask = context.outputs[1];
  dispatch(AllTypes{}, context.node, mask.type(), [&](auto tag) {
    using T = decltype(tag);
    std::fill_n(data<T>(mask), mask.count(), convert<T>(1.0f));
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Identity", 1, 1, 1, 1, 1, infer_same, compute_identity},
    OpDefinition{"", "Dropout", 1, 1, 3, 1, 2, infer_dropout, compute_dropout},
};

}  // namespace

std::span<const OpDefinition> identity_definitions() { return kDefinitions; }

}  // namespace ns::ops
