// Gemm: alpha * A * B + beta * C, with A and B transposed on request.
#include <array>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

using GemmTypes = Joined<FloatTypes, Types<std::int32_t, std::int64_t, std::uint32_t, std::uint64_t>>;

struct GemmSizes {
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
};

GemmSizes gemm_sizes(const Node& node, const Shape& a, const Shape& b) {
  require(a.size() == 2 && b.size() == 2, node, "inputs have the shapes {} and {}, wanted matrices",
          graph::to_string(a), graph::to_string(b));
  GemmSizes sizes{};
  sizes.transpose_a = node.integer("transA", 0) != 0;
  sizes.transpose_b = node.integer("transB", 0) != 0;
  sizes.m = a[sizes.transpose_a ? 1 : 0];
  sizes.k = a[sizes.transpose_a ? 0 : 1];
  sizes.n = b[sizes.transpose_b ? 0 : 1];
  require(b[sizes.transpose_b ? 1 : 0] == sizes.k, node, "matrices {} and {} cannot be multiplied", graph::to_string(a),
          graph::to_string(b));
  return sizes;
}

std::vector<TensorType> infer_gemm(const InferContext& context) {
  const TensorType& a = input(context, 0);
  const TensorType& b = input(context, 1);
  require_type(GemmTypes{}, context.node, a.element);
  require(a.element == b.element, context.node, "inputs hold {} and {}, which must be the same",
          graph::name_of(a.element), graph::name_of(b.element));
  const GemmSizes sizes = gemm_sizes(context.node, a.shape, b.shape);
  const Shape shape{sizes.m, sizes.n};
  if (const TensorType* c = optional_input(context, 2)) {
    require(c->element == a.element && c->shape.size() <= 2 && broadcast_shape(context.node, c->shape, shape) == shape,
            context.node, "C has the shape {}, wanted what broadcasts to {}, of the inputs' type",
            graph::to_string(c->shape), graph::to_string(shape));
  }
  return types(context, {{a.element, shape}});
}

// Row i of A * B.
template <typename T, typename A>
void add_row(const GemmSizes& sizes, const T* a, const T* b, std::int64_t i, std::vector<A>& row) {
  for (std::int64_t k = 0; k < sizes.k; ++k) {
    const A factor = static_cast<A>(a[sizes.transpose_a ? k * sizes.m + i : i * sizes.k + k]);
    const T* from = b + (sizes.transpose_b ? k : k * sizes.n);
    const std::int64_t step = sizes.transpose_b ? sizes.k : 1;
    for (std::int64_t j = 0; j < sizes.n; ++j) {
      A& sum = row[static_cast<std::size_t>(j)];
      sum = add(sum, multiply(factor, static_cast<A>(from[j * step])));
    }
  }
}

template <typename T>
void run_gemm(const ComputeContext& context) {
  using A = Accumulator<T>;
  const Tensor& a = input(context, 0);
  const Tensor& b = input(context, 1);
  const Tensor* c = optional_input(context, 2);
  Tensor& y = context.outputs[0];
  const GemmSizes sizes = gemm_sizes(context.node, a.shape(), b.shape());
  const auto alpha = convert<A>(context.node.real("alpha", 1.0f));
  const auto beta = convert<A>(context.node.real("beta", 1.0f));
  const std::vector<std::int64_t> c_strides =
      c != nullptr ? broadcast_strides(c->shape(), y.shape()) : std::vector<std::int64_t>(2, 0);
  std::vector<A> row(static_cast<std::size_t>(sizes.n));
  for (std::int64_t i = 0; i < sizes.m; ++i) {
    std::fill(row.begin(), row.end(), A(0));
    add_row(sizes, data<T>(a), data<T>(b), i, row);
    for (std::int64_t j = 0; j < sizes.n; ++j) {
      A value = multiply(alpha, row[static_cast<std::size_t>(j)]);
      if (c != nullptr) {
        value = add(value, multiply(beta, static_cast<A>(data<T>(*c)[i * c_strides[0] + j * c_strides[1]])));
      }
      data<T>(y)[i * sizes.n + j] = static_cast<T>(value);
    }
  }
}

void compute_gemm(const ComputeContext& context) {
  dispatch(GemmTypes{}, context.node, input(context, 0).type(), [&](auto tag) { run_gemm<decltype(tag)>(context); });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Gemm", 1, 2, 3, 1, 1, infer_gemm, compute_gemm},
};

}  // namespace

std::span<const OpDefinition> gemm_definitions() { return kDefinitions; }

}  // namespace ns::ops
