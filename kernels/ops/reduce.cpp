// Reductions over some axes. Axes are an attribute, for ReduceSum an input since opset 13 and for the others since 18.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

// By axis: is it reduced?
template <typename Context>
std::vector<bool> reduced_axes(const Context& context, std::size_t rank) {
  const auto axes = integers_from(context, 1, "axes");
  if (!axes || axes->empty()) return std::vector<bool>(rank, context.node.integer("noop_with_empty_axes", 0) == 0);
  std::vector<bool> reduced(rank, false);
  for (const std::size_t axis : normal_axes(context.node, *axes, rank)) reduced[axis] = true;
  return reduced;
}

template <typename List>
std::vector<TensorType> infer_reduce(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(List{}, context.node, x.element);
  const std::vector<bool> reduced = reduced_axes(context, x.shape.size());
  const bool keep = context.node.integer("keepdims", 1) != 0;
  Shape shape;
  for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
    if (!reduced[axis]) {
      shape.push_back(x.shape[axis]);
    } else if (keep) {
      shape.push_back(1);
    }
  }
  return types(context, {{x.element, shape}});
}

// Offsets of all positions along the given axes, in row-major order.
std::vector<std::int64_t> offsets_along(const Shape& shape, const std::vector<bool>& reduced, bool wanted) {
  const std::vector<std::int64_t> strides = dense_strides(shape);
  std::vector<std::int64_t> offsets{0};
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (reduced[axis] != wanted) continue;
    std::vector<std::int64_t> next;
    next.reserve(offsets.size() * static_cast<std::size_t>(shape[axis]));
    for (const std::int64_t offset : offsets) {
      for (std::int64_t i = 0; i < shape[axis]; ++i) next.push_back(offset + i * strides[axis]);
    }
    offsets = std::move(next);
  }
  return offsets;
}

// The elements that make one output.
template <typename T>
struct Elements {
  const T* values;
  const std::vector<std::int64_t>& offsets;

  template <typename A, typename Function>
  A fold(A start, const Function& function) const {
    for (const std::int64_t offset : offsets) start = function(start, static_cast<A>(values[offset]));
    return start;
  }
  double count() const { return static_cast<double>(offsets.size()); }
};

// Sums are kept in float64 or 64-bit integers.
template <typename T>
using Wide = std::conditional_t<std::is_integral_v<T>, Accumulator<T>, double>;

template <typename T, typename Function>
Wide<T> sum_of(const Elements<T>& elements, const Function& term) {
  return elements.template fold<Wide<T>>(0, [&](Wide<T> sum, Wide<T> x) { return add(sum, term(x)); });
}

struct Sum {
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    return sum_of(elements, [](auto x) { return x; });
  }
};
struct SumSquare {
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    return sum_of(elements, [](auto x) { return multiply(x, x); });
  }
};
struct L1 {
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    return sum_of(elements, [](auto x) { return x < 0 ? multiply(x, static_cast<decltype(x)>(-1)) : x; });
  }
};
struct L2 {
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    return convert<Wide<T>>(std::sqrt(static_cast<double>(SumSquare::run(elements))));
  }
};
struct Mean {
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    return convert<Wide<T>>(static_cast<double>(Sum::run(elements)) / elements.count());
  }
};
struct Product {
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    return elements.template fold<Wide<T>>(1, [](auto product, auto x) { return multiply(product, x); });
  }
};
struct LogSum {
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    return convert<Wide<T>>(std::log(static_cast<double>(Sum::run(elements))));
  }
};
struct LogSumExp {  // relative to the largest, so that nothing overflows
  template <typename T>
  static Wide<T> run(const Elements<T>& elements) {
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    const double largest = elements.template fold<double>(kNone, [](double a, double b) { return a > b ? a : b; });
    const double shift = std::isfinite(largest) ? largest : 0.0;
    const double sum = elements.template fold<double>(0, [&](double s, double x) { return s + std::exp(x - shift); });
    return convert<Wide<T>>(shift + std::log(sum));
  }
};
struct Maximum {
  template <typename T>
  static Arithmetic<T> run(const Elements<T>& elements) {
    using A = Arithmetic<T>;
    const A none =
        std::numeric_limits<A>::has_infinity ? -std::numeric_limits<A>::infinity() : std::numeric_limits<A>::lowest();
    return elements.template fold<A>(none, [](A a, A b) { return a > b || a != a ? a : b; });
  }
};
struct Minimum {
  template <typename T>
  static Arithmetic<T> run(const Elements<T>& elements) {
    using A = Arithmetic<T>;
    const A none =
        std::numeric_limits<A>::has_infinity ? std::numeric_limits<A>::infinity() : std::numeric_limits<A>::max();
    return elements.template fold<A>(none, [](A a, A b) { return a < b || a != a ? a : b; });
  }
};

template <typename List, typename Function>
void compute_reduce(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  if (y.count() == 0) return;
  const std::vector<bool> reduced = reduced_axes(context, x.shape().size());
  // With no axes and noop_with_empty_axes the input is handed on as it is.
  const bool idle = std::find(reduced.begin(), reduced.end(), true) == reduced.end() && !x.shape().empty();
  if (idle && context.node.integer("noop_with_empty_axes", 0) != 0) return copy_bytes(x, y);
  const std::vector<std::int64_t> starts = offsets_along(x.shape(), reduced, false);
  const std::vector<std::int64_t> offsets = offsets_along(x.shape(), reduced, true);
  dispatch(List{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      data<T>(y)[i] = T(Function::run(Elements<T>{data<T>(x) + starts[i], offsets}));
    }
  });
}

using SumTypes = Types<float, double, Half, std::int32_t, std::int64_t, std::uint32_t, std::uint64_t>;

template <typename List, typename Function>
constexpr OpDefinition reduction(std::string_view type) {
  return {"", type, 1, 1, 2, 1, 1, infer_reduce<List>, compute_reduce<List, Function>};
}

constexpr std::array kDefinitions{
    reduction<SumTypes, L1>("ReduceL1"),         reduction<SumTypes, L2>("ReduceL2"),
    reduction<SumTypes, LogSum>("ReduceLogSum"), reduction<SumTypes, LogSumExp>("ReduceLogSumExp"),
    reduction<AllTypes, Maximum>("ReduceMax"),   reduction<SumTypes, Mean>("ReduceMean"),
    reduction<AllTypes, Minimum>("ReduceMin"),   reduction<SumTypes, Product>("ReduceProd"),
    reduction<SumTypes, Sum>("ReduceSum"),       reduction<SumTypes, SumSquare>("ReduceSumSquare"),
};

}  // namespace

std::span<const OpDefinition> reduce_definitions() { return kDefinitions; }

}  // namespace ns::ops
