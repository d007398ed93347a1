// ArgMax and ArgMin: where along an axis the largest or smallest element lies.
#include <array>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_arg(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(NumericTypes{}, context.node, x.element);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), x.shape.size());
  require(x.shape[axis] > 0, context.node, "axis {} of {} is empty", axis, graph::to_string(x.shape));
  Shape shape = x.shape;
  if (context.node.integer("keepdims", 1) != 0) {
    shape[axis] = 1;
  } else {
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  return types(context, {{ElementType::int64, shape}});
}

template <bool kLargest>
void compute_arg(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const std::size_t axis = normal_axis(context.node, context.node.integer("axis", 0), x.shape().size());
  const bool last = context.node.integer("select_last_index", 0) != 0;
  const std::int64_t size = x.shape()[axis];
  const std::int64_t inner = product(x.shape(), axis + 1, x.shape().size());
  dispatch(NumericTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    std::int64_t* to = data<std::int64_t>(context.outputs[0]);
    for (std::int64_t i = 0; i < context.outputs[0].count(); ++i) {
      const T* from = data<T>(x) + i / inner * size * inner + i % inner;
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < size; ++k) {
        const A a = static_cast<A>(from[k * inner]);
        const A b = static_cast<A>(from[best * inner]);
        if ((kLargest ? a > b : a < b) || (last && a == b)) best = k;
      }
      to[i] = best;
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "ArgMax", 1, 1, 1, 1, 1, infer_arg, compute_arg<true>},
    OpDefinition{"", "ArgMin", 1, 1, 1, 1, 1, infer_arg, compute_arg<false>},
};

}  // namespace

std::span<const OpDefinition> arg_extreme_definitions() { return kDefinitions; }

}  // namespace ns::ops
