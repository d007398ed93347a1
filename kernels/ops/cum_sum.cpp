// CumSum: running sums along an axis, from either end, with or without the element itself.
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_cum_sum(const InferContext& context) {
  require_type(NumericTypes{}, context.node, input(context, 0).element);
  const TensorType& axis = input(context, 1);
  require_type(Types<std::int64_t, std::int32_t>{}, context.node, axis.element);
  require(axis.shape.size() <= 1 && graph::element_count(axis.shape) == 1, context.node, "the axis must be one number");
  return infer_same(context);
}

void compute_cum_sum(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::int64_t listed = integers_of(context.node, input(context, 1)).front();
  const AxisView view = view_along(x.shape(), normal_axis(context.node, listed, x.shape().size()));
  const bool exclusive = context.node.integer("exclusive", 0) != 0;
  const bool reverse = context.node.integer("reverse", 0) != 0;
  dispatch(NumericTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Accumulator<T>;
    std::vector<A> sums(static_cast<std::size_t>(view.inner));
    for (std::int64_t outer = 0; outer < view.outer; ++outer) {
      std::fill(sums.begin(), sums.end(), A(0));
      for (std::int64_t i = 0; i < view.size; ++i) {
        const std::int64_t first = (outer * view.size + (reverse ? view.size - 1 - i : i)) * view.inner;
        const T* from = data<T>(x) + first;
        T* to = data<T>(context.outputs[0]) + first;
        for (std::int64_t k = 0; k < view.inner; ++k) {
          A& sum = sums[static_cast<std::size_t>(k)];
          const A before = sum;
          sum = add(sum, static_cast<A>(from[k]));
          to[k] = static_cast<T>(exclusive ? before : sum);
        }
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "CumSum", 11, 2, 2, 1, 1, infer_cum_sum, compute_cum_sum},
};

}  // namespace

std::span<const OpDefinition> cum_sum_definitions() { return kDefinitions; }

}  // namespace ns::ops
