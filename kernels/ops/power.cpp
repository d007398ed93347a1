// Pow, whose exponent may be of another type (since opset 12), and PRelu, whose slope broadcasts to the input.
#include <array>
#include <cmath>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

using BaseTypes = Types<float, double, Half, std::int32_t, std::int64_t>;

// `b_shape`: the second input's shape as it broadcasts.
template <typename T, typename Function>
void for_each_pair(const ComputeContext& context, const Shape& b_shape, const Function& function) {
  const Tensor& a = input(context, 0);
  Tensor& y = context.outputs[0];
  const RowLoop<3> loop(y.shape(), {broadcast_strides(a.shape(), y.shape()), broadcast_strides(b_shape, y.shape()),
                                    dense_strides(y.shape())});
  loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
    for (std::int64_t i = 0; i < length; ++i) {
      data<T>(y)[offsets[2] + i * steps[2]] = function(offsets[0] + i * steps[0], offsets[1] + i * steps[1]);
    }
  });
}

std::vector<TensorType> infer_pow(const InferContext& context) {
  const TensorType& base = input(context, 0);
  const TensorType& exponent = input(context, 1);
  require_type(BaseTypes{}, context.node, base.element);
  require_type(NumericTypes{}, context.node, exponent.element);
  return types(context, {{base.element, broadcast_shape(context.node, base.shape, exponent.shape)}});
}

// By squaring, wrapping around like all integer arithmetic here.
template <typename T>
T integer_power(T base, std::int64_t exponent) {
  if (exponent < 0) return base == 1 ? T(1) : (base == -1 ? (exponent % 2 == 0 ? T(1) : T(-1)) : T(0));
  T result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 != 0) result = multiply(result, base);
    base = multiply(base, base);
  }
  return result;
}

template <typename T, typename E>
T power(T base, E exponent) {
  if constexpr (std::is_integral_v<T> && std::is_integral_v<E>) {
    return integer_power(base, convert<std::int64_t>(exponent));
  } else if constexpr (std::is_same_v<T, double> || std::is_integral_v<T>) {
    return convert<T>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  } else {
    return T(std::pow(static_cast<float>(base), static_cast<float>(exponent)));
  }
}

void compute_pow(const ComputeContext& context) {
  const Tensor& base = input(context, 0);
  const Tensor& exponent = input(context, 1);
  dispatch(BaseTypes{}, context.node, base.type(), [&](auto base_tag) {
    using T = decltype(base_tag);
    dispatch(NumericTypes{}, context.node, exponent.type(), [&](auto exponent_tag) {
      using E = decltype(exponent_tag);
      for_each_pair<T>(context, exponent.shape(), [&](std::int64_t i, std::int64_t j) {
        return power(data<T>(base)[i], static_cast<Arithmetic<E>>(data<E>(exponent)[j]));
      });
    });
  });
}

using PreluTypes = Joined<FloatTypes, Types<std::int32_t, std::int64_t, std::uint32_t, std::uint64_t>>;

// Up to opset 6 a list of slopes has one for each channel.
Shape slope_shape(std::int64_t opset, const Shape& x, const Shape& slope) {
  if (opset >= 7 || slope.size() != 1 || x.size() < 2 || slope[0] != x[1]) return slope;
  Shape shape = slope;
  shape.resize(x.size() - 1, 1);
  return shape;
}

std::vector<TensorType> infer_prelu(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& slope = input(context, 1);
  require_type(PreluTypes{}, context.node, x.element);
  const Shape shape = slope_shape(context.opset, x.shape, slope.shape);
  require(slope.element == x.element && broadcast_shape(context.node, x.shape, shape) == x.shape, context.node,
          "the slope of shape {} must broadcast to {} and hold the same type", graph::to_string(slope.shape),
          graph::to_string(x.shape));
  return infer_same(context);
}

void compute_prelu(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& slope = input(context, 1);
  const Shape shape = slope_shape(context.opset, x.shape(), slope.shape());
  dispatch(PreluTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    for_each_pair<T>(context, shape, [&](std::int64_t i, std::int64_t j) {
      const A value = static_cast<A>(data<T>(x)[i]);
      return T(value < A(0) ? multiply(value, static_cast<A>(data<T>(slope)[j])) : value);
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Pow", 1, 2, 2, 1, 1, infer_pow, compute_pow},
    OpDefinition{"", "PRelu", 1, 2, 2, 1, 1, infer_prelu, compute_prelu},
};

}  // namespace

std::span<const OpDefinition> power_definitions() { return kDefinitions; }

}  // namespace ns::ops
