// Det: the determinant of each square matrix, by elimination with pivots.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_det(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  require(x.shape.size() >= 2 && x.shape.back() == x.shape[x.shape.size() - 2], context.node,
          "the input has the shape {}, wanted square matrices", graph::to_string(x.shape));
  return types(context, {{x.element, Shape(x.shape.begin(), x.shape.end() - 2)}});
}

double determinant(std::vector<double>& matrix, std::size_t n) {
  double result = 1;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t row = k + 1; row < n; ++row) {
      if (std::abs(matrix[row * n + k]) > std::abs(matrix[pivot * n + k])) pivot = row;
    }
    if (pivot != k) {
      std::swap_ranges(matrix.begin() + static_cast<std::ptrdiff_t>(k * n),
                       matrix.begin() + static_cast<std::ptrdiff_t>((k + 1) * n),
                       matrix.begin() + static_cast<std::ptrdiff_t>(pivot * n));
      result = -result;
    }
    const double diagonal = matrix[k * n + k];
    result *= diagonal;
    if (diagonal == 0) return 0;
    for (std::size_t row = k + 1; row < n; ++row) {
      const double factor = matrix[row * n + k] / diagonal;
      for (std::size_t j = k; j < n; ++j) matrix[row * n + j] -= factor * matrix[k * n + j];
    }
  }
  return result;
}

void compute_det(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const auto n = static_cast<std::size_t>(x.shape().back());
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    std::vector<double> matrix(n * n);
    for (std::int64_t i = 0; i < context.outputs[0].count(); ++i) {
      const T* from = data<T>(x) + static_cast<std::size_t>(i) * n * n;
      for (std::size_t k = 0; k < n * n; ++k) matrix[k] = static_cast<double>(static_cast<Arithmetic<T>>(from[k]));
      data<T>(context.outputs[0])[i] = convert<T>(determinant(matrix, n));
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Det", 11, 1, 1, 1, 1, infer_det, compute_det},
};

}  // namespace

std::span<const OpDefinition> det_definitions() { return kDefinitions; }

}  // namespace ns::ops
