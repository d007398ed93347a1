// Where: from the second input where the first is true, else from the third, with numpy broadcasting.
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_where(const InferContext& context) {
  require(input(context, 0).element == ElementType::boolean, context.node, "the condition holds {}, wanted bool",
          graph::name_of(input(context, 0).element));
  require(input(context, 1).element == input(context, 2).element, context.node, "the inputs hold {} and {}",
          graph::name_of(input(context, 1).element), graph::name_of(input(context, 2).element));
  return types(context, {{input(context, 1).element, broadcast_shape(context)}});
}

void compute_where(const ComputeContext& context) {
  const Tensor& condition = input(context, 0);
  const Tensor& a = input(context, 1);
  const Tensor& b = input(context, 2);
  Tensor& y = context.outputs[0];
  dispatch_size(a.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<4> loop(y.shape(),
                          {broadcast_strides(condition.shape(), y.shape()), broadcast_strides(a.shape(), y.shape()),
                           broadcast_strides(b.shape(), y.shape()), dense_strides(y.shape())});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      for (std::int64_t i = 0; i < length; ++i) {
        const bool first = data<bool>(condition)[offsets[0] + i * steps[0]];
        data<T>(y)[offsets[3] + i * steps[3]] =
            first ? data<T>(a)[offsets[1] + i * steps[1]] : data<T>(b)[offsets[2] + i * steps[2]];
      }
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Where", 9, 3, 3, 1, 1, infer_where, compute_where},
};

}  // namespace

std::span<const OpDefinition> where_definitions() { return kDefinitions; }

}  // namespace ns::ops
