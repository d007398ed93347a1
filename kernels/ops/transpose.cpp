// Transpose: axes in another order.
#include <algorithm>
#include <array>
#include <numeric>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<std::size_t> permutation(const Node& node, std::size_t rank) {
  std::vector<std::size_t> order(rank);
  if (!node.has("perm")) {
    for (std::size_t i = 0; i < rank; ++i) order[i] = rank - 1 - i;
    return order;
  }
  const std::vector<std::int64_t> perm = node.integers("perm");
  require(perm.size() == rank, node, "perm has {} entries, the input {} axes", perm.size(), rank);
  normal_axes(node, perm, rank);
  std::transform(perm.begin(), perm.end(), order.begin(),
                 [&](std::int64_t axis) { return normal_axis(node, axis, rank); });
  return order;
}

std::vector<TensorType> infer_transpose(const InferContext& context) {
  const TensorType& x = input(context, 0);
  Shape shape;
  for (const std::size_t axis : permutation(context.node, x.shape.size())) shape.push_back(x.shape[axis]);
  return types(context, {{x.element, shape}});
}

void compute_transpose(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  const std::vector<std::int64_t> dense = dense_strides(x.shape());
  std::vector<std::int64_t> strides;
  for (const std::size_t axis : permutation(context.node, x.shape().size())) strides.push_back(dense[axis]);
  dispatch_size(x.type(), [&](auto tag) {
    using T = decltype(tag);
    const RowLoop<2> loop(y.shape(), {strides, dense_strides(y.shape())});
    loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
      const T* from = data<T>(x) + offsets[0];
      T* to = data<T>(y) + offsets[1];
      for (std::int64_t i = 0; i < length; ++i) to[i * steps[1]] = from[i * steps[0]];
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Transpose", 1, 1, 1, 1, 1, infer_transpose, compute_transpose},
};

}  // namespace

std::span<const OpDefinition> transpose_definitions() { return kDefinitions; }

}  // namespace ns::ops
