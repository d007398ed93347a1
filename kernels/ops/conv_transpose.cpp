// ConvTranspose: the convolution backwards, every input spread over a window of outputs.
#include <algorithm>
#include <array>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/window.h"

namespace ns::ops {

namespace {

// `input` are the input sizes, `output` the output sizes; pads are those cut off the full result.
Window transposed_window(const Node& node, const Shape& x, const Shape& w) {
  const Shape spatial = spatial_of(node, x);
  require(w.size() == x.size(), node, "the weights have the shape {}, the input {}", graph::to_string(w),
          graph::to_string(x));
  const Shape kernel(w.begin() + 2, w.end());
  const Shape declared = node.integers("kernel_shape");
  require(declared.empty() || declared == kernel, node, "kernel_shape is {}, the weights have {}",
          graph::to_string(declared), graph::to_string(kernel));
  Window window = window_attributes(node, spatial, kernel);
  Shape extra = node.integers("output_padding");
  if (extra.empty()) extra.assign(window.rank(), 0);
  const Shape wanted = node.integers("output_shape");
  require(extra.size() == window.rank(), node, "output_padding has {} entries, wanted {}", extra.size(), window.rank());
  require(wanted.empty() || wanted.size() == window.rank(), node, "output_shape has {} entries, wanted {}",
          wanted.size(), window.rank());
  const std::string auto_pad = node.text("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  require(same || auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad.empty(), node, "auto_pad is '{}'", auto_pad);
  for (std::size_t axis = 0; axis < window.rank(); ++axis) {
    require(extra[axis] >= 0 && extra[axis] <= (std::int64_t{1} << 31), node, "output_padding holds {}", extra[axis]);
    if (auto_pad == "VALID") window.pads_begin[axis] = window.pads_end[axis] = 0;
    const std::int64_t full =
        std::max<std::int64_t>(window.input[axis] - 1, 0) * window.strides[axis] + window.extent(axis) + extra[axis];
    if (!wanted.empty() || same) {
      window.output[axis] = !wanted.empty() ? wanted[axis] : window.input[axis] * window.strides[axis];
      require(window.output[axis] >= 0 && window.output[axis] <= (std::int64_t{1} << 40), node, "output_shape holds {}",
              window.output[axis]);
      // What is too much is cut off, half at each side; what is missing stays zero at the end.
      const std::int64_t total = std::max<std::int64_t>(full - window.output[axis], 0);
      window.pads_begin[axis] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      window.pads_end[axis] = total - window.pads_begin[axis];
    } else {
      window.output[axis] = full - window.pads_begin[axis] - window.pads_end[axis];
      require(window.output[axis] >= 0, node, "the pads cut off more than there is");
    }
  }
  return window;
}

std::vector<TensorType> infer_conv_transpose(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& w = input(context, 1);
  const Node& node = context.node;
  require_type(FloatTypes{}, node, x.element);
  require(w.element == x.element, node, "the weights hold {}, the input {}", graph::name_of(w.element),
          graph::name_of(x.element));
  const Window window = transposed_window(node, x.shape, w.shape);
  const std::int64_t group = node.integer("group", 1);
  require(group >= 1 && x.shape[1] == w.shape[0] && x.shape[1] % group == 0, node,
          "the input has {} channels, the weights {} in {} groups", x.shape[1], w.shape[0], group);
  std::int64_t channels = 0;
  require(!__builtin_mul_overflow(w.shape[1], group, &channels), node, "group is {}", group);
  if (const TensorType* bias = optional_input(context, 2)) {
    require(bias->shape == Shape{channels} && bias->element == x.element, node,
            "the bias has the shape {}, wanted [{}] of the input's type", graph::to_string(bias->shape), channels);
  }
  Shape shape{x.shape[0], channels};
  shape.insert(shape.end(), window.output.begin(), window.output.end());
  return types(context, {{x.element, shape}});
}

// Spreads one input plane, weighted by one kernel, over the output plane.
template <typename T, typename A>
void spread_plane(const Window& window, const T* weights, const T* x, A* y) {
  std::array<std::int64_t, 3> i{};
  std::array<std::int64_t, 3> k{};
  const auto place = [&](std::size_t axis) {
    return i[axis] * window.strides[axis] + k[axis] * window.dilations[axis] - window.pads_begin[axis];
  };
  const auto outside = [&](std::size_t axis) { return place(axis) < 0 || place(axis) >= window.output[axis]; };
  for (k[0] = 0; k[0] < window.kernel[0]; ++k[0]) {
    for (k[1] = 0; k[1] < window.kernel[1]; ++k[1]) {
      for (k[2] = 0; k[2] < window.kernel[2]; ++k[2]) {
        const A weight = static_cast<A>(*weights++);
        for (i[0] = 0; i[0] < window.input[0]; ++i[0]) {
          if (outside(0)) continue;
          for (i[1] = 0; i[1] < window.input[1]; ++i[1]) {
            if (outside(1)) continue;
            const T* from = x + (i[0] * window.input[1] + i[1]) * window.input[2];
            A* to = y + (place(0) * window.output[1] + place(1)) * window.output[2];
            for (i[2] = 0; i[2] < window.input[2]; ++i[2]) {
              if (!outside(2)) to[place(2)] += weight * static_cast<A>(from[i[2]]);
            }
          }
        }
      }
    }
  }
}

template <typename T>
void spread(const ComputeContext& context) {
  using A = Arithmetic<T>;
  const Tensor& x = input(context, 0);
  const Tensor& w = input(context, 1);
  const Tensor* bias = optional_input(context, 2);
  Tensor& y = context.outputs[0];
  const Window window = padded_rank(transposed_window(context.node, x.shape(), w.shape()));
  const std::int64_t group = context.node.integer("group", 1);
  const std::int64_t in_plane = graph::element_count(window.input);
  const std::int64_t out_plane = graph::element_count(window.output);
  const std::int64_t taps = graph::element_count(window.kernel);
  const std::int64_t in_channels = x.shape()[1];
  const std::int64_t in_group = in_channels / group;
  const std::int64_t out_group = w.shape()[1];
  std::vector<A> sums(static_cast<std::size_t>(out_plane));
  for (std::int64_t n = 0; n < x.shape()[0]; ++n) {
    for (std::int64_t channel = 0; channel < out_group * group; ++channel) {
      std::fill(sums.begin(), sums.end(), bias != nullptr ? static_cast<A>(data<T>(*bias)[channel]) : A(0));
      const std::int64_t first = channel / out_group * in_group;
      for (std::int64_t i = first; i < first + in_group; ++i) {
        spread_plane(window, data<T>(w) + (i * out_group + channel % out_group) * taps,
                     data<T>(x) + (n * in_channels + i) * in_plane, sums.data());
      }
      T* to = data<T>(y) + (n * out_group * group + channel) * out_plane;
      for (std::size_t i = 0; i < sums.size(); ++i) to[i] = T(sums[i]);
    }
  }
}

void compute_conv_transpose(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(), [&](auto tag) { spread<decltype(tag)>(context); });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "ConvTranspose", 1, 2, 3, 1, 1, infer_conv_transpose, compute_conv_transpose},
};

}  // namespace

std::span<const OpDefinition> conv_transpose_definitions() { return kDefinitions; }

}  // namespace ns::ops
