// MatMulInteger: products of 8-bit matrices as int32; QLinearMatMul: the same, scaled back to 8 bits (saturating).
//
// Zero points and scales: one for all, one a row of A (and of the result), one a column of B.
#include <array>

#include "kernels/ops/matmul.h"
#include "kernels/ops/quantized.h"

namespace ns::ops {

namespace {

// Where the six or so inputs of the two operators stand.
struct Operands {
  std::size_t a, a_zero, b, b_zero;
};
constexpr Operands kInteger{0, 2, 1, 3};
constexpr Operands kLinear{0, 2, 3, 5};

// A list of one number a row is a column of numbers.
Tensor by_row(const Node& node, const Tensor& parameter, std::int64_t rows) {
  if (parameter.count() == 1 || parameter.shape().size() != 1) return parameter;
  require(parameter.count() == rows, node, "there are {} scales or zero points for {} rows", parameter.count(), rows);
  return parameter.reshaped({rows, 1});
}

struct Sums {
  MatMulShape shape;
  std::vector<WrappedSum> a, b;
};

Sums operands_of(const ComputeContext& context, const Operands& at) {
  const Tensor& a = input(context, at.a);
  const Tensor& b = input(context, at.b);
  const MatMulShape shape = matmul_shape(context.node, a.shape(), b.shape());
  const Tensor* a_zero = optional_input(context, at.a_zero);
  const Tensor a_zero_rows = a_zero != nullptr ? by_row(context.node, *a_zero, shape.m) : Tensor();
  return {shape, without_zero_point(context.node, a, a_zero != nullptr ? &a_zero_rows : nullptr),
          without_zero_point(context.node, b, optional_input(context, at.b_zero))};
}

MatMulShape check_operands(const InferContext& context, const Operands& at) {
  for (const auto& [tensor, zero] : {std::pair{at.a, at.a_zero}, std::pair{at.b, at.b_zero}}) {
    require_type(ByteTypes{}, context.node, input(context, tensor).element);
    check_zero_point_type(context, zero, input(context, tensor).element);
  }
  return matmul_shape(context.node, input(context, at.a).shape, input(context, at.b).shape);
}

// Calls store(number of the product, row, sums of the row).
template <typename Store>
void multiply(const Sums& sums, const Store& store) {
  if (graph::element_count(sums.shape.output) == 0) return;
  for_each_product(sums.shape, [&](std::int64_t a, std::int64_t b, std::int64_t number) {
    multiply_matrices<WrappedSum>(sums.shape, sums.a.data() + a, sums.b.data() + b,
                                  [&](std::int64_t row, const WrappedSum* values) { store(number, row, values); });
  });
}

std::vector<TensorType> infer_integer(const InferContext& context) {
  return types(context, {{ElementType::int32, check_operands(context, kInteger).output}});
}

void compute_integer(const ComputeContext& context) {
  const Sums sums = operands_of(context, kInteger);
  std::int32_t* y = data<std::int32_t>(context.outputs[0]);
  multiply(sums, [&](std::int64_t number, std::int64_t row, const WrappedSum* values) {
    std::int32_t* to = y + (number * sums.shape.m + row) * sums.shape.n;
    for (std::int64_t j = 0; j < sums.shape.n; ++j) to[j] = static_cast<std::int32_t>(values[j]);
  });
}

std::vector<TensorType> infer_linear(const InferContext& context) {
  const MatMulShape shape = check_operands(context, kLinear);
  for (const std::size_t scale : {1, 4, 6}) require_type(FloatTypes{}, context.node, input(context, scale).element);
  require_type(ByteTypes{}, context.node, input(context, 7).element);
  return types(context, {{input(context, 7).element, shape.output}});
}

void compute_linear(const ComputeContext& context) {
  const Node& node = context.node;
  const Sums sums = operands_of(context, kLinear);
  const MatMulShape& shape = sums.shape;
  Shape rows = shape.batch;
  rows.insert(rows.end(), {shape.m, 1});
  Shape columns = shape.batch;
  columns.insert(columns.end(), {1, shape.n});
  const auto row_parameter = [&](std::size_t index) { return by_row(node, input(context, index), shape.m); };
  const Tensor a_scale_rows = row_parameter(1);
  const Tensor y_scale_rows = row_parameter(6);
  const Tensor y_zero_rows = row_parameter(7);
  const std::vector<float> a_scale = repeated_reals(node, &a_scale_rows, rows);
  const std::vector<float> b_scale = repeated_reals(node, &input(context, 4), columns);
  const std::vector<float> y_scale = repeated_reals(node, &y_scale_rows, rows);
  const std::vector<std::int32_t> y_zero = repeated_zero_points(node, &y_zero_rows, rows);
  dispatch(ByteTypes{}, node, context.outputs[0].type(), [&](auto tag) {
    using Q = decltype(tag);
    multiply(sums, [&](std::int64_t number, std::int64_t row, const WrappedSum* values) {
      const std::int64_t place = number * shape.m + row;
      const auto parameter = static_cast<std::size_t>(place);
      Q* to = data<Q>(context.outputs[0]) + place * shape.n;
      for (std::int64_t j = 0; j < shape.n; ++j) {
        const float scale = a_scale[parameter] * b_scale[static_cast<std::size_t>(number * shape.n + j)];
        const auto sum = static_cast<float>(static_cast<std::int32_t>(values[j]));
        to[j] = requantize<Q>(sum * (scale / y_scale[parameter]), y_zero[parameter]);
      }
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "MatMulInteger", 10, 2, 4, 1, 1, infer_integer, compute_integer},
    OpDefinition{"", "QLinearMatMul", 10, 8, 8, 1, 1, infer_linear, compute_linear},
};

}  // namespace

std::span<const OpDefinition> quantized_matmul_definitions() { return kDefinitions; }

}  // namespace ns::ops
