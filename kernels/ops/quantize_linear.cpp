// QuantizeLinear: saturate(round_half_even(x / scale) + zero_point), or the nearest float8; DequantizeLinear:
// (x - zero_point) * scale.
#include "kernels/ops/quantize_linear.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

ScaleLayout scale_layout(const Node& node, const Shape& input, const Shape& scale) {
  ScaleLayout layout;
  const std::int64_t block_size = node.integer("block_size", 0);
  if (graph::element_count(scale) == 1 && scale.size() <= 1 && block_size == 0) {
    layout.inner = graph::element_count(input);
    return layout;
  }
  const std::size_t axis = normal_axis(node, node.integer("axis", 1), input.size());
  layout.outer = product(input, 0, axis);
  layout.size = input[axis];
  layout.inner = product(input, axis + 1, input.size());
  if (block_size == 0) {
    require(scale == Shape{layout.size}, node, "the scale has the shape {}, wanted [{}] for axis {}",
            graph::to_string(scale), layout.size, axis);
    layout.axis_step = 1;
    return layout;
  }
  require(block_size > 0, node, "block_size is {}", block_size);
  Shape expected = input;
  expected[axis] = (layout.size + std::min(block_size, layout.size) - 1) / std::max<std::int64_t>(block_size, 1);
  if (block_size > layout.size) expected[axis] = 1;
  require(scale == expected, node, "the scale has the shape {}, wanted {} for blocks of {}", graph::to_string(scale),
          graph::to_string(expected), block_size);
  layout.block = block_size;
  layout.outer_step = expected[axis] * layout.inner;
  layout.axis_step = layout.inner;
  layout.inner_step = 1;
  return layout;
}

namespace {

using QuantizedTypes =
    Joined<Types<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t>, Joined<NibbleTypes, Float8Types>>;
using StoredTypes = Joined<QuantizedTypes, Types<std::int32_t>>;

template <typename T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;

void check_zero_point(const InferContext& context, const TensorType& scale) {
  const TensorType* zero = optional_input(context, 2);
  if (zero == nullptr) return;
  require(
      zero->shape == scale.shape || (graph::element_count(zero->shape) == 1 && graph::element_count(scale.shape) == 1),
      context.node, "the zero point has the shape {}, the scale {}", graph::to_string(zero->shape),
      graph::to_string(scale.shape));
}

std::vector<TensorType> infer_quantize(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& scale = input(context, 1);
  require_type(Joined<FloatTypes, Types<std::int32_t>>{}, context.node, x.element);
  require_type(FloatTypes{}, context.node, scale.element);
  require(x.element == scale.element || x.element == ElementType::int32, context.node,
          "the scale holds {}, the input {}", graph::name_of(scale.element), graph::name_of(x.element));
  check_zero_point(context, scale);
  scale_layout(context.node, x.shape, scale.shape);
  ElementType type = ElementType::uint8;
  if (const std::int64_t declared = context.node.integer("output_dtype", 0); declared != 0) {
    if (declared < 0 || declared > 255) unsupported(context.node, "the output type is not supported");
    type = static_cast<ElementType>(declared);
  }
  if (const TensorType* zero = optional_input(context, 2)) type = zero->element;
  require_type(QuantizedTypes{}, context.node, type);
  return types(context, {{type, x.shape}});
}

template <typename Function>
void for_each_element(const ScaleLayout& layout, const Function& function) {
  std::int64_t place = 0;
  for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
    for (std::int64_t i = 0; i < layout.size; ++i) {
      const std::int64_t first = outer * layout.outer_step + i / layout.block * layout.axis_step;
      for (std::int64_t inner = 0; inner < layout.inner; ++inner) {
        function(place++, first + inner * layout.inner_step);
      }
    }
  }
}

template <typename Q>
constexpr int lowest_of() {
  if constexpr (kIsNibble<Q>) {
    return Q::kLowest;
  } else {
    return std::numeric_limits<Q>::min();
  }
}
template <typename Q>
constexpr int largest_of() {
  if constexpr (kIsNibble<Q>) {
    return Q::kLargest;
  } else {
    return std::numeric_limits<Q>::max();
  }
}

// The nearest number of the quantized type. What is at one half goes to the even one.
template <typename Q, typename R>
Q nearest(R value, Q zero_point, bool saturate) {
  if constexpr (kIsFloat8<Q>) {
    return Q(static_cast<float>(value) + static_cast<float>(zero_point), saturate);
  } else {
    // In this order NaN, which an integer has no place for, becomes the smallest number.
    const R shifted = std::nearbyint(value) + static_cast<R>(zero_point);
    return convert<Q>(std::min<R>(largest_of<Q>(), std::max<R>(lowest_of<Q>(), shifted)));
  }
}

template <typename X, typename S, typename Q>
void quantize(const ComputeContext& context, const ScaleLayout& layout) {
  using R = Real<S>;
  const X* x = data<X>(input(context, 0));
  const S* scale = data<S>(input(context, 1));
  const Tensor* zero = optional_input(context, 2);
  Q* y = data<Q>(context.outputs[0]);
  const bool saturate = context.node.integer("saturate", 1) != 0;
  for_each_element(layout, [&](std::int64_t place, std::int64_t parameter) {
    const R value = static_cast<R>(x[place]) / static_cast<R>(scale[parameter]);
    y[place] = nearest<Q>(value, zero != nullptr ? data<Q>(*zero)[parameter] : Q(), saturate);
  });
}

void compute_quantize(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& scale = input(context, 1);
  const ScaleLayout layout = scale_layout(context.node, x.shape(), scale.shape());
  dispatch(FloatTypes{}, context.node, scale.type(), [&](auto scale_tag) {
    using S = decltype(scale_tag);
    dispatch(QuantizedTypes{}, context.node, context.outputs[0].type(), [&](auto quantized_tag) {
      using Q = decltype(quantized_tag);
      if (x.type() == ElementType::int32) {
        quantize<std::int32_t, S, Q>(context, layout);
      } else {
        quantize<S, S, Q>(context, layout);
      }
    });
  });
}

std::vector<TensorType> infer_dequantize(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& scale = input(context, 1);
  require_type(StoredTypes{}, context.node, x.element);
  require_type(FloatTypes{}, context.node, scale.element);
  if (const TensorType* zero = optional_input(context, 2)) {
    require(zero->element == x.element, context.node, "the zero point holds {}, the input {}",
            graph::name_of(zero->element), graph::name_of(x.element));
  }
  check_zero_point(context, scale);
  scale_layout(context.node, x.shape, scale.shape);
  return types(context, {{scale.element, x.shape}});
}

void compute_dequantize(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const Tensor& scale = input(context, 1);
  const Tensor* zero = optional_input(context, 2);
  Tensor& y = context.outputs[0];
  const ScaleLayout layout = scale_layout(context.node, x.shape(), scale.shape());
  dispatch(FloatTypes{}, context.node, scale.type(), [&](auto scale_tag) {
    using S = decltype(scale_tag);
    using R = Real<S>;
    dispatch(StoredTypes{}, context.node, x.type(), [&](auto stored_tag) {
      using Q = decltype(stored_tag);
      for_each_element(layout, [&](std::int64_t place, std::int64_t parameter) {
        using Wide = std::conditional_t<kIsFloat8<Q>, float, std::int64_t>;
        Wide value = static_cast<Wide>(data<Q>(x)[place]);
        if (zero != nullptr) value -= static_cast<Wide>(data<Q>(*zero)[parameter]);
        data<S>(y)[place] = S(static_cast<R>(value) * static_cast<R>(data<S>(scale)[parameter]));
      });
    });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "QuantizeLinear", 10, 2, 3, 1, 1, infer_quantize, compute_quantize},
    OpDefinition{"", "DequantizeLinear", 10, 2, 3, 1, 1, infer_dequantize, compute_dequantize},
    // Of more types, before the operators themselves had them.
    OpDefinition{"com.microsoft", "QuantizeLinear", 1, 2, 3, 1, 1, infer_quantize, compute_quantize},
    OpDefinition{"com.microsoft", "DequantizeLinear", 1, 2, 3, 1, 1, infer_dequantize, compute_dequantize},
};

}  // namespace

std::span<const OpDefinition> quantize_linear_definitions() { return kDefinitions; }

}  // namespace ns::ops
