// Softmax, LogSoftmax and Hardmax. Up to opset 12 the input counts as a matrix, cut in two at `axis` (default 1); since
// 13 they run along one axis (default the last).
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

// Groups of `size` elements that are `inner` apart; there are outer * inner groups.
struct Groups {
  std::int64_t outer, size, inner;
};

Groups groups_of(const Node& node, std::int64_t opset, const Shape& shape) {
  const std::size_t rank = shape.size();
  if (opset >= 13) {
    if (rank == 0) return {1, 1, 1};
    const std::size_t axis = normal_axis(node, node.integer("axis", -1), rank);
    return {product(shape, 0, axis), shape[axis], product(shape, axis + 1, rank)};
  }
  // The axis may lie behind the last: then each element is a group.
  const std::int64_t given = node.integer("axis", 1);
  const auto signed_rank = static_cast<std::int64_t>(rank);
  require(given >= -signed_rank && given <= signed_rank, node, "there is no axis {} in {} dimensions", given, rank);
  const auto axis = static_cast<std::size_t>(given < 0 ? given + signed_rank : given);
  return {product(shape, 0, axis), product(shape, axis, rank), 1};
}

std::vector<TensorType> infer_softmax(const InferContext& context) {
  require_type(FloatTypes{}, context.node, input(context, 0).element);
  groups_of(context.node, context.opset, input(context, 0).shape);
  return infer_same(context);
}

// One group: values[i * step], i < size.
struct Softmax {
  template <typename T>
  static void run(const T* x, T* y, std::int64_t size, std::int64_t step) {
    using A = Arithmetic<T>;
    A largest = -std::numeric_limits<A>::infinity();
    for (std::int64_t i = 0; i < size; ++i) largest = std::max(largest, static_cast<A>(x[i * step]));
    A sum = 0;
    for (std::int64_t i = 0; i < size; ++i) sum += std::exp(static_cast<A>(x[i * step]) - largest);
    for (std::int64_t i = 0; i < size; ++i) y[i * step] = T(std::exp(static_cast<A>(x[i * step]) - largest) / sum);
  }
};

struct LogSoftmax {
  template <typename T>
  static void run(const T* x, T* y, std::int64_t size, std::int64_t step) {
    using A = Arithmetic<T>;
    A largest = -std::numeric_limits<A>::infinity();
    for (std::int64_t i = 0; i < size; ++i) largest = std::max(largest, static_cast<A>(x[i * step]));
    A sum = 0;
    for (std::int64_t i = 0; i < size; ++i) sum += std::exp(static_cast<A>(x[i * step]) - largest);
    const A shift = largest + std::log(sum);
    // Subtracting in two steps keeps the small differences between large inputs.
    for (std::int64_t i = 0; i < size; ++i) {
      y[i * step] = T((static_cast<A>(x[i * step]) - largest) - (shift - largest));
    }
  }
};

struct Hardmax {
  template <typename T>
  static void run(const T* x, T* y, std::int64_t size, std::int64_t step) {
    using A = Arithmetic<T>;
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < size; ++i) {
      if (static_cast<A>(x[i * step]) > static_cast<A>(x[best * step])) best = i;
    }
    for (std::int64_t i = 0; i < size; ++i) y[i * step] = T(i == best ? A(1) : A(0));
  }
};

template <typename Function>
void compute_softmax(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Groups groups = groups_of(context.node, context.opset, x.shape());
  if (x.count() == 0) return;
  dispatch(FloatTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t outer = 0; outer < groups.outer; ++outer) {
      for (std::int64_t inner = 0; inner < groups.inner; ++inner) {
        const std::int64_t offset = outer * groups.size * groups.inner + inner;
        Function::run(data<T>(x) + offset, data<T>(context.outputs[0]) + offset, groups.size, groups.inner);
      }
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Softmax", 1, 1, 1, 1, 1, infer_softmax, compute_softmax<Softmax>},
    OpDefinition{"", "LogSoftmax", 1, 1, 1, 1, 1, infer_softmax, compute_softmax<LogSoftmax>},
    OpDefinition{"", "Hardmax", 1, 1, 1, 1, 1, infer_softmax, compute_softmax<Hardmax>},
};

}  // namespace

std::span<const OpDefinition> softmax_definitions() { return kDefinitions; }

}  // namespace ns::ops
