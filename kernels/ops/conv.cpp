// Conv: a convolution over 1 to 3 axes, in groups.
#include <array>

#include "kernels/ops/convolution.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/rows.h"

namespace ns::ops {

Convolution convolution_of(const Node& node, const Shape& x, const Shape& w) {
  const Shape spatial = spatial_of(node, x);
  require(w.size() == x.size(), node, "the weights have the shape {}, the input {}", graph::to_string(w),
          graph::to_string(x));
  const Shape kernel(w.begin() + 2, w.end());
  const Shape declared = node.integers("kernel_shape");
  require(declared.empty() || declared == kernel, node, "kernel_shape is {}, the weights have {}",
          graph::to_string(declared), graph::to_string(kernel));
  const Window window = window_of(node, spatial, kernel, false);
  const std::int64_t group = node.integer("group", 1);
  require(group >= 1, node, "group is {}, wanted 1 or more", group);
  require(x[1] % group == 0 && x[1] / group == w[1], node,
          "the input has {} channels, the weights want {} in each of {} groups", x[1], w[1], group);
  require(w[0] % group == 0, node, "{} output channels do not divide into {} groups", w[0], group);
  Shape output{x[0], w[0]};
  output.insert(output.end(), window.output.begin(), window.output.end());
  return {padded_rank(window), group, w[1], w[0], output};
}

namespace {

std::vector<TensorType> infer_conv(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& w = input(context, 1);
  const Node& node = context.node;
  require_type(FloatTypes{}, node, x.element);
  require(w.element == x.element, node, "the weights hold {}, the input {}", graph::name_of(w.element),
          graph::name_of(x.element));
  const Convolution convolution = convolution_of(node, x.shape, w.shape);
  if (const TensorType* bias = optional_input(context, 2)) {
    require(bias->shape == Shape{w.shape[0]} && bias->element == x.element, node,
            "the bias has the shape {}, wanted [{}] of the input's type", graph::to_string(bias->shape), w.shape[0]);
  }
  return types(context, {{x.element, convolution.output}});
}

template <typename T>
void convolve(const ComputeContext& context) {
  using A = Arithmetic<T>;
  const Tensor* bias = optional_input(context, 2);
  const Convolution convolution = convolution_of(context.node, input(context, 0).shape(), input(context, 1).shape());
  const Numbers<T> x(&input(context, 0));
  const Numbers<T> w(&input(context, 1));
  const std::int64_t image = convolution.group * convolution.in_channels * convolution.in_plane();
  std::vector<A> sums(static_cast<std::size_t>(convolution.out_plane()));
  T* to = data<T>(context.outputs[0]);
  for (std::int64_t n = 0; n < convolution.output[0]; ++n) {
    for (std::int64_t channel = 0; channel < convolution.out_channels; ++channel) {
      std::fill(sums.begin(), sums.end(), bias != nullptr ? static_cast<A>(data<T>(*bias)[channel]) : A(0));
      add_channel(convolution, channel, x.at(n * image), w.at(0), sums.data());
      for (const A sum : sums) *to++ = T(sum);
    }
  }
}

void compute_conv(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(), [&](auto tag) { convolve<decltype(tag)>(context); });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Conv", 1, 2, 3, 1, 1, infer_conv, compute_conv},
};

}  // namespace

std::span<const OpDefinition> conv_definitions() { return kDefinitions; }

}  // namespace ns::ops
