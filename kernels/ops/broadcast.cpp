#include "kernels/ops/broadcast.h"

#include <algorithm>

namespace ns::ops {

Shape broadcast_shape(const Node& node, const Shape& a, const Shape& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  Shape shape(rank, 1);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    require(x == y || x == 1 || y == 1, node, "shapes {} and {} do not broadcast", graph::to_string(a),
            graph::to_string(b));
    shape[rank - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

Shape broadcast_shape(const InferContext& context) {
  Shape shape = input(context, 0).shape;
  for (std::size_t i = 1; i < context.inputs.size(); ++i) {
    shape = broadcast_shape(context.node, shape, input(context, i).shape);
  }
  return shape;
}

std::vector<std::int64_t> dense_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<std::int64_t>(shape[i], 1);
  return strides;
}

std::vector<std::int64_t> broadcast_strides(const Shape& shape, const Shape& output) {
  const std::vector<std::int64_t> dense = dense_strides(shape);
  std::vector<std::int64_t> strides(output.size(), 0);
  const std::size_t missing = output.size() - shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) strides[missing + i] = dense[i];
  }
  return strides;
}

}  // namespace ns::ops
