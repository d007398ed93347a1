// MatMul: products of stacks of matrices, as numpy.matmul.
#include "kernels/ops/matmul.h"

#include <algorithm>
#include <array>

namespace ns::ops {

MatMulShape matmul_shape(const Node& node, const Shape& a, const Shape& b) {
  require(!a.empty() && !b.empty(), node, "a scalar cannot be multiplied as a matrix");
  Shape left = a;
  Shape right = b;
  if (a.size() == 1) left.insert(left.begin(), 1);
  if (b.size() == 1) right.push_back(1);
  MatMulShape shape{};
  shape.m = left[left.size() - 2];
  shape.k = left.back();
  shape.n = right.back();
  require(right[right.size() - 2] == shape.k, node, "shapes {} and {} cannot be multiplied", graph::to_string(a),
          graph::to_string(b));
  const Shape left_batch(left.begin(), left.end() - 2);
  const Shape right_batch(right.begin(), right.end() - 2);
  shape.batch = broadcast_shape(node, left_batch, right_batch);
  shape.a_step = broadcast_strides(left_batch, shape.batch);
  shape.b_step = broadcast_strides(right_batch, shape.batch);
  for (std::int64_t& step : shape.a_step) step *= shape.m * shape.k;
  for (std::int64_t& step : shape.b_step) step *= shape.k * shape.n;
  shape.output = shape.batch;
  if (a.size() > 1) shape.output.push_back(shape.m);
  if (b.size() > 1) shape.output.push_back(shape.n);
  return shape;
}

namespace {

using MatMulTypes = Joined<FloatTypes, Types<std::int32_t, std::int64_t, std::uint32_t, std::uint64_t>>;

std::vector<TensorType> infer_matmul(const InferContext& context) {
  const TensorType& a = input(context, 0);
  const TensorType& b = input(context, 1);
  require_type(MatMulTypes{}, context.node, a.element);
  require(a.element == b.element, context.node, "inputs hold {} and {}, which must be the same",
          graph::name_of(a.element), graph::name_of(b.element));
  return types(context, {{a.element, matmul_shape(context.node, a.shape, b.shape).output}});
}

void compute_matmul(const ComputeContext& context) {
  const Tensor& a = input(context, 0);
  const Tensor& b = input(context, 1);
  const MatMulShape shape = matmul_shape(context.node, a.shape(), b.shape());
  if (context.outputs[0].count() == 0) return;
  dispatch(MatMulTypes{}, context.node, a.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Accumulator<T>;
    for_each_product(shape, [&](std::int64_t from_a, std::int64_t from_b, std::int64_t number) {
      T* y = data<T>(context.outputs[0]) + number * shape.m * shape.n;
      multiply_matrices<A>(shape, data<T>(a) + from_a, data<T>(b) + from_b, [&](std::int64_t row, const A* sums) {
        for (std::int64_t j = 0; j < shape.n; ++j) y[row * shape.n + j] = static_cast<T>(sums[j]);
      });
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "MatMul", 1, 2, 2, 1, 1, infer_matmul, compute_matmul},
};

}  // namespace

std::span<const OpDefinition> matmul_definitions() { return kDefinitions; }

}  // namespace ns::ops
