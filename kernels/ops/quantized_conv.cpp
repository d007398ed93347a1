// ConvInteger: a convolution of 8-bit numbers as int32; QLinearConv: the same, scaled back to 8 bits (saturating). The
// padding counts as the zero point. Weights have one scale and zero point for all, or one an output channel.
#include <array>

#include "kernels/ops/convolution.h"
#include "kernels/ops/quantized.h"

namespace ns::ops {

namespace {

struct Operands {
  std::size_t x, x_zero, w, w_zero;
};
constexpr Operands kInteger{0, 2, 1, 3};
constexpr Operands kLinear{0, 2, 3, 5};

Convolution check_operands(const InferContext& context, const Operands& at) {
  for (const auto& [tensor, zero] : {std::pair{at.x, at.x_zero}, std::pair{at.w, at.w_zero}}) {
    require_type(ByteTypes{}, context.node, input(context, tensor).element);
    check_zero_point_type(context, zero, input(context, tensor).element);
  }
  const TensorType* zero = optional_input(context, at.x_zero);
  require(zero == nullptr || graph::element_count(zero->shape) == 1, context.node,
          "the input's zero point must be one number");
  return convolution_of(context.node, input(context, at.x).shape, input(context, at.w).shape);
}

// A list of one number a channel, in a shape that broadcasts to the weights.
Tensor by_channel(const Node& node, const Tensor& parameter, const Shape& weights) {
  if (parameter.count() == 1) return parameter;
  require(parameter.shape() == Shape{weights[0]}, node, "zero points of shape {} do not fit {} channels",
          graph::to_string(parameter.shape()), weights[0]);
  Shape shape(weights.size(), 1);
  shape[0] = weights[0];
  return parameter.reshaped(shape);
}

// Calls store(number of the plane, channel, sums of the plane).
template <typename Store>
void convolve(const ComputeContext& context, const Operands& at, const Tensor* bias, const Store& store) {
  const Tensor& x = input(context, at.x);
  const Tensor& w = input(context, at.w);
  const Convolution convolution = convolution_of(context.node, x.shape(), w.shape());
  const Tensor* w_zero = optional_input(context, at.w_zero);
  const Tensor w_zero_channels = w_zero != nullptr ? by_channel(context.node, *w_zero, w.shape()) : Tensor();
  const std::vector<WrappedSum> images = without_zero_point(context.node, x, optional_input(context, at.x_zero));
  const std::vector<WrappedSum> weights =
      without_zero_point(context.node, w, w_zero != nullptr ? &w_zero_channels : nullptr);
  const std::int64_t image = convolution.group * convolution.in_channels * convolution.in_plane();
  std::vector<WrappedSum> sums(static_cast<std::size_t>(convolution.out_plane()));
  for (std::int64_t plane = 0; plane < convolution.output[0] * convolution.out_channels; ++plane) {
    const std::int64_t channel = plane % convolution.out_channels;
    const auto start = bias != nullptr ? static_cast<WrappedSum>(data<std::int32_t>(*bias)[channel]) : WrappedSum{0};
    std::fill(sums.begin(), sums.end(), start);
    add_channel(convolution, channel, images.data() + plane / convolution.out_channels * image, weights.data(),
                sums.data());
    store(plane, channel, sums);
  }
}

std::vector<TensorType> infer_integer(const InferContext& context) {
  return types(context, {{ElementType::int32, check_operands(context, kInteger).output}});
}

void compute_integer(const ComputeContext& context) {
  std::int32_t* to = data<std::int32_t>(context.outputs[0]);
  convolve(context, kInteger, nullptr, [&](std::int64_t, std::int64_t, const std::vector<WrappedSum>& sums) {
    for (const WrappedSum sum : sums) *to++ = static_cast<std::int32_t>(sum);
  });
}

std::vector<TensorType> infer_linear(const InferContext& context) {
  const Convolution convolution = check_operands(context, kLinear);
  for (const std::size_t scale : {1, 4, 6}) require_type(FloatTypes{}, context.node, input(context, scale).element);
  for (const std::size_t single : {1, 6, 7}) {
    require(graph::element_count(input(context, single).shape) == 1, context.node, "input {} must be one number",
            single);
  }
  require_type(ByteTypes{}, context.node, input(context, 7).element);
  if (const TensorType* bias = optional_input(context, 8)) {
    require(bias->element == ElementType::int32 && bias->shape == Shape{convolution.out_channels}, context.node,
            "the bias is {} {}, wanted int32 [{}]", graph::name_of(bias->element), graph::to_string(bias->shape),
            convolution.out_channels);
  }
  return types(context, {{input(context, 7).element, convolution.output}});
}

void compute_linear(const ComputeContext& context) {
  const Node& node = context.node;
  const float x_scale = repeated_reals(node, &input(context, 1), {}).front();
  const float y_scale = repeated_reals(node, &input(context, 6), {}).front();
  const std::int32_t y_zero = repeated_zero_points(node, &input(context, 7), {}).front();
  const std::vector<float> w_scale = repeated_reals(node, &input(context, 4), {input(context, 3).shape()[0]});
  dispatch(ByteTypes{}, node, context.outputs[0].type(), [&](auto tag) {
    using Q = decltype(tag);
    Q* to = data<Q>(context.outputs[0]);
    convolve(context, kLinear, optional_input(context, 8),
             [&](std::int64_t, std::int64_t channel, const std::vector<WrappedSum>& sums) {
               const float scale = x_scale * w_scale[static_cast<std::size_t>(channel)] / y_scale;
               for (const WrappedSum sum : sums) {
                 *to++ = requantize<Q>(static_cast<float>(static_cast<std::int32_t>(sum)) * scale, y_zero);
               }
             });
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "ConvInteger", 10, 2, 4, 1, 1, infer_integer, compute_integer},
    OpDefinition{"", "QLinearConv", 10, 8, 9, 1, 1, infer_linear, compute_linear},
};

}  // namespace

std::span<const OpDefinition> quantized_conv_definitions() { return kDefinitions; }

}  // namespace ns::ops
