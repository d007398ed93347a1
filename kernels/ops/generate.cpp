// Operators that make a tensor from a few numbers: ConstantOfShape, EyeLike and Range.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

std::vector<TensorType> infer_constant_of_shape(const InferContext& context) {
  const auto shape = integers_from(context, 0, "");
  require(shape.has_value(), context.node, "the shape is missing");
  for (const std::int64_t size : *shape) require(size >= 0, context.node, "the shape has the size {}", size);
  const Tensor* value = context.node.tensor("value");
  require(value == nullptr || value->count() == 1, context.node, "value must hold one element");
  return types(context, {{value != nullptr ? value->type() : ElementType::float32, *shape}});
}

void compute_constant_of_shape(const ComputeContext& context) {
  Tensor& y = context.outputs[0];
  const Tensor* value = context.node.tensor("value");
  dispatch_size(y.type(), [&](auto tag) {
    using T = decltype(tag);
    const T element = value != nullptr ? *data<T>(*value) : T(0);
    for (std::int64_t i = 0; i < y.count(); ++i) data<T>(y)[i] = element;
  });
}

using RangeTypes = Types<float, double, std::int16_t, std::int32_t, std::int64_t>;

const Tensor& range_input(const InferContext& context, std::size_t index) {
  const Tensor* tensor = shape_input(context, index);
  require(tensor != nullptr && tensor->count() == 1, context.node, "start, limit and delta must be one number each");
  require(tensor->type() == input(context, 0).element, context.node, "start, limit and delta must be of one type");
  return *tensor;
}

template <typename T>
double range_length(const Node& node, T start, T limit, T delta) {
  require(delta != T(0), node, "delta is 0");
  if constexpr (std::is_integral_v<T>) {
    // 128 bits: the distance of two 64-bit numbers may not fit in 64.
    const __int128_t distance = static_cast<__int128_t>(limit) - static_cast<__int128_t>(start);
    const __int128_t step = delta;
    if ((distance > 0) != (step > 0) || distance == 0) return 0;
    const __int128_t length = (distance + step - (step > 0 ? 1 : -1)) / step;
    return static_cast<double>(length);
  } else {
    const double length =
        std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
    return std::isnan(length) || length < 0 ? 0 : length;
  }
}

std::vector<TensorType> infer_range(const InferContext& context) {
  const ElementType type = input(context, 0).element;
  double length = 0;
  dispatch(RangeTypes{}, context.node, type, [&](auto tag) {
    using T = decltype(tag);
    length = range_length(context.node, *data<T>(range_input(context, 0)), *data<T>(range_input(context, 1)),
                          *data<T>(range_input(context, 2)));
  });
  require(length < static_cast<double>(graph::kMaxTensorBytes), context.node, "the range is too long");
  return types(context, {{type, {static_cast<std::int64_t>(length)}}});
}

void compute_range(const ComputeContext& context) {
  Tensor& y = context.outputs[0];
  dispatch(RangeTypes{}, context.node, y.type(), [&](auto tag) {
    using T = decltype(tag);
    const T start = *data<T>(input(context, 0));
    const T delta = *data<T>(input(context, 2));
    for (std::int64_t i = 0; i < y.count(); ++i) data<T>(y)[i] = add(start, multiply(static_cast<T>(i), delta));
  });
}

std::vector<TensorType> infer_eye_like(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require(x.shape.size() == 2, context.node, "the input has the shape {}, wanted a matrix", graph::to_string(x.shape));
  const std::int64_t type = context.node.integer("dtype", static_cast<std::int64_t>(x.element));
  require(type > 0 && type < 256, context.node, "dtype is {}", type);
  require_type(AllTypes{}, context.node, static_cast<ElementType>(type));
  return types(context, {{static_cast<ElementType>(type), x.shape}});
}

void compute_eye_like(const ComputeContext& context) {
  Tensor& y = context.outputs[0];
  const std::int64_t rows = y.shape()[0];
  const std::int64_t columns = y.shape()[1];
  // Further off than the matrix reaches makes no difference, and keeps the sums below in range.
  const std::int64_t k = std::clamp(context.node.integer("k", 0), -rows - 1, columns + 1);
  dispatch(AllTypes{}, context.node, y.type(), [&](auto tag) {
    using T = decltype(tag);
    std::fill_n(data<T>(y), y.count(), convert<T>(0.0f));
    for (std::int64_t i = 0; i < rows; ++i) {
      if (i + k >= 0 && i + k < columns) data<T>(y)[i * columns + i + k] = convert<T>(1.0f);
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "ConstantOfShape", 9, 1, 1, 1, 1, infer_constant_of_shape, compute_constant_of_shape},
    OpDefinition{"", "EyeLike", 9, 1, 1, 1, 1, infer_eye_like, compute_eye_like},
    OpDefinition{"", "Range", 11, 3, 3, 1, 1, infer_range, compute_range},
};

}  // namespace

std::span<const OpDefinition> generate_definitions() { return kDefinitions; }

}  // namespace ns::ops
