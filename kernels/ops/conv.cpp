// Conv: a convolution over 1 to 3 axes, in groups.
#include <array>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/window.h"

namespace ns::ops {

namespace {

Window conv_window(const Node& node, const Shape& x, const Shape& w) {
  const Shape spatial = spatial_of(node, x);
  require(w.size() == x.size(), node, "the weights have the shape {}, the input {}", graph::to_string(w),
          graph::to_string(x));
  const Shape kernel(w.begin() + 2, w.end());
  const Shape declared = node.integers("kernel_shape");
  require(declared.empty() || declared == kernel, node, "kernel_shape is {}, the weights have {}",
          graph::to_string(declared), graph::to_string(kernel));
  return window_of(node, spatial, kernel, false);
}

std::vector<TensorType> infer_conv(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& w = input(context, 1);
  const Node& node = context.node;
  require_type(FloatTypes{}, node, x.element);
  require(w.element == x.element, node, "the weights hold {}, the input {}", graph::name_of(w.element),
          graph::name_of(x.element));
  const Window window = conv_window(node, x.shape, w.shape);
  const std::int64_t group = node.integer("group", 1);
  require(group >= 1, node, "group is {}, wanted 1 or more", group);
  require(x.shape[1] % group == 0 && x.shape[1] / group == w.shape[1], node,
          "the input has {} channels, the weights want {} in each of {} groups", x.shape[1], w.shape[1], group);
  require(w.shape[0] % group == 0, node, "{} output channels do not divide into {} groups", w.shape[0], group);
  if (const TensorType* bias = optional_input(context, 2)) {
    require(bias->shape == Shape{w.shape[0]} && bias->element == x.element, node,
            "the bias has the shape {}, wanted [{}] of the input's type", graph::to_string(bias->shape), w.shape[0]);
  }
  Shape shape{x.shape[0], w.shape[0]};
  shape.insert(shape.end(), window.output.begin(), window.output.end());
  return types(context, {{x.element, shape}});
}

// Adds tap (kz, ky, kx) of one filter plane, times `weight`, to the output plane: rows of contiguous outputs.
template <typename T, typename A>
void add_tap(const Window& window, const std::array<std::int64_t, 3>& tap, A weight, const T* x, A* y) {
  std::array<TapRange, 3> range;
  std::array<std::int64_t, 3> shift;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    range[axis] = inside(window, axis, tap[axis]);
    shift[axis] = tap[axis] * window.dilations[axis] - window.pads_begin[axis];
  }
  const std::int64_t stride = window.strides[2];
  for (std::int64_t z = range[0].first; z < range[0].last; ++z) {
    const std::int64_t in_z = z * window.strides[0] + shift[0];
    for (std::int64_t row = range[1].first; row < range[1].last; ++row) {
      const std::int64_t in_row = row * window.strides[1] + shift[1];
      const T* from = x + (in_z * window.input[1] + in_row) * window.input[2];
      A* to = y + (z * window.output[1] + row) * window.output[2];
      for (std::int64_t column = range[2].first; column < range[2].last; ++column) {
        to[column] += weight * static_cast<A>(from[column * stride + shift[2]]);
      }
    }
  }
}

template <typename T, typename A>
void add_plane(const Window& window, const T* weights, const T* x, A* y) {
  std::array<std::int64_t, 3> tap{};
  for (tap[0] = 0; tap[0] < window.kernel[0]; ++tap[0]) {
    for (tap[1] = 0; tap[1] < window.kernel[1]; ++tap[1]) {
      for (tap[2] = 0; tap[2] < window.kernel[2]; ++tap[2]) {
        add_tap(window, tap, static_cast<A>(*weights++), x, y);
      }
    }
  }
}

template <typename T>
void convolve(const ComputeContext& context) {
  using A = Arithmetic<T>;
  const Tensor& x = input(context, 0);
  const Tensor& w = input(context, 1);
  const Tensor* bias = optional_input(context, 2);
  Tensor& y = context.outputs[0];
  const Window window = padded_rank(conv_window(context.node, x.shape(), w.shape()));
  const std::int64_t group = context.node.integer("group", 1);
  const std::int64_t in_plane = graph::element_count(window.input);
  const std::int64_t out_plane = graph::element_count(window.output);
  const std::int64_t taps = graph::element_count(window.kernel);
  const std::int64_t in_channels = w.shape()[1];
  const std::int64_t out_channels = w.shape()[0];
  std::vector<A> sums(static_cast<std::size_t>(out_plane));
  for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
    for (std::int64_t channel = 0; channel < out_channels; ++channel) {
      std::fill(sums.begin(), sums.end(), bias != nullptr ? static_cast<A>(data<T>(*bias)[channel]) : A(0));
      const std::int64_t first_input = channel / (out_channels / group) * in_channels;
      for (std::int64_t i = 0; i < in_channels; ++i) {
        add_plane(window, data<T>(w) + (channel * in_channels + i) * taps,
                  data<T>(x) + (n * x.shape()[1] + first_input + i) * in_plane, sums.data());
      }
      T* to = data<T>(y) + (n * out_channels + channel) * out_plane;
      for (std::size_t i = 0; i < sums.size(); ++i) to[i] = T(sums[i]);
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
