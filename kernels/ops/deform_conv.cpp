// DeformConv: a 2-D convolution whose taps lie where offsets say, between pixels ("Deformable ConvNets v2", Zhu et al.,
// 2018).
//
//   offset [batch, offset_group * taps * 2, height, width]: for each tap down, then right
//   mask   [batch, offset_group * taps, height, width]: a factor for each tap; left out: 1
#include <array>
#include <cmath>

#include "kernels/ops/convolution.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/rows.h"

namespace ns::ops {

namespace {

std::int64_t offset_groups(const Node& node, const Shape& x) {
  const std::int64_t groups = node.integer("offset_group", 1);
  require(groups >= 1 && x[1] % groups == 0, node, "{} channels do not divide into offset_group = {}", x[1], groups);
  return groups;
}

std::vector<TensorType> infer_deform_conv(const InferContext& context) {
  const TensorType& x = input(context, 0);
  const TensorType& w = input(context, 1);
  require_type(FloatTypes{}, context.node, x.element);
  if (x.shape.size() > 4) unsupported(context.node, "only images (two spatial axes) are supported");
  require(x.shape.size() == 4, context.node, "the input has the shape {}, wanted [batch, channels, height, width]",
          graph::to_string(x.shape));
  const Convolution convolution = convolution_of(context.node, x.shape, w.shape);
  const std::int64_t taps = offset_groups(context.node, x.shape) * convolution.taps();
  const Shape& y = convolution.output;
  const auto check = [&](std::size_t index, const Shape& wanted) {
    const TensorType* given = optional_input(context, index);
    require(given == nullptr || (given->element == x.element && given->shape == wanted), context.node,
            "input {} has the shape {}, wanted {} of the input's type", index,
            given != nullptr ? graph::to_string(given->shape) : "", graph::to_string(wanted));
  };
  input(context, 2);  // must be there
  check(1, w.shape);
  check(2, {x.shape[0], taps * 2, y[2], y[3]});
  check(3, {w.shape[0]});
  check(4, {x.shape[0], taps, y[2], y[3]});
  return types(context, {{x.element, y}});
}

// Between the four pixels around; zero outside.
template <typename A>
A sample(const A* plane, std::int64_t height, std::int64_t width, A y, A x) {
  if (!(y > A(-1) && x > A(-1) && y < static_cast<A>(height) && x < static_cast<A>(width))) return A(0);
  const A top = std::floor(y);
  const A left = std::floor(x);
  const A down = y - top;
  const A right = x - left;
  const auto at = [&](std::int64_t row, std::int64_t column) {
    return row >= 0 && row < height && column >= 0 && column < width ? plane[row * width + column] : A(0);
  };
  const auto row = static_cast<std::int64_t>(top);
  const auto column = static_cast<std::int64_t>(left);
  return (A(1) - down) * ((A(1) - right) * at(row, column) + right * at(row, column + 1)) +
         down * ((A(1) - right) * at(row + 1, column) + right * at(row + 1, column + 1));
}

template <typename T>
class DeformConv {
 public:
  using A = Arithmetic<T>;

  explicit DeformConv(const ComputeContext& context)
      : context_(context),
        convolution_(convolution_of(context.node, input(context, 0).shape(), input(context, 1).shape())),
        groups_(offset_groups(context.node, input(context, 0).shape())),
        x_(&input(context, 0)),
        w_(&input(context, 1)),
        offsets_(&input(context, 2)),
        bias_(optional_input(context, 3)),
        mask_(optional_input(context, 4)),
        columns_(static_cast<std::size_t>(convolution_.in_channels * convolution_.group * convolution_.taps() *
                                          convolution_.out_plane())) {}

  void run() {
    for (std::int64_t n = 0; n < convolution_.output[0]; ++n) {
      fill_columns(n);
      for (std::int64_t channel = 0; channel < convolution_.out_channels; ++channel) write_channel(n, channel);
    }
  }

 private:
  // What every tap of every input channel sees, one plane each.
  void fill_columns(std::int64_t n) {
    const std::int64_t channels = convolution_.in_channels * convolution_.group;
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t tap = 0; tap < convolution_.taps(); ++tap) {
        const std::int64_t group = c / (channels / groups_);
        fill_tap((n * channels + c) * convolution_.in_plane(), (n * groups_ + group) * convolution_.taps() + tap, tap,
                 columns_.data() + (c * convolution_.taps() + tap) * convolution_.out_plane());
      }
    }
  }

  // `plane`: where the channel begins; `parameter`: number of the tap among all of batch and offset groups.
  void fill_tap(std::int64_t plane, std::int64_t parameter, std::int64_t tap, A* to) const {
    const Window& window = convolution_.window;
    const std::int64_t size = convolution_.out_plane();
    const A* down = offsets_.at(2 * parameter * size);
    const A* right = offsets_.at((2 * parameter + 1) * size);
    const A* mask = mask_.at(parameter * size);
    const std::int64_t tap_y = tap / window.kernel[2] * window.dilations[1] - window.pads_begin[1];
    const std::int64_t tap_x = tap % window.kernel[2] * window.dilations[2] - window.pads_begin[2];
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t y = i / window.output[2] * window.strides[1] + tap_y;
      const std::int64_t x = i % window.output[2] * window.strides[2] + tap_x;
      const A value = sample(x_.at(plane), window.input[1], window.input[2], static_cast<A>(y) + down[i],
                             static_cast<A>(x) + right[i]);
      to[i] = mask != nullptr ? value * mask[i] : value;
    }
  }

  void write_channel(std::int64_t n, std::int64_t channel) {
    const std::int64_t size = convolution_.out_plane();
    const std::int64_t inputs = convolution_.in_channels * convolution_.taps();
    const std::int64_t group = channel / (convolution_.out_channels / convolution_.group);
    std::vector<A> sums(static_cast<std::size_t>(size), bias_.at(0) != nullptr ? *bias_.at(channel) : A(0));
    for (std::int64_t i = 0; i < inputs; ++i) {
      const A weight = *w_.at(channel * inputs + i);
      const A* from = columns_.data() + (group * inputs + i) * size;
      for (std::int64_t j = 0; j < size; ++j) sums[static_cast<std::size_t>(j)] += weight * from[j];
    }
    T* to = data<T>(context_.outputs[0]) + (n * convolution_.out_channels + channel) * size;
    for (std::int64_t j = 0; j < size; ++j) to[j] = T(sums[static_cast<std::size_t>(j)]);
  }

  const ComputeContext& context_;
  Convolution convolution_;
  std::int64_t groups_;
  Numbers<T> x_, w_, offsets_, bias_, mask_;
  std::vector<A> columns_;
};

void compute_deform_conv(const ComputeContext& context) {
  dispatch(FloatTypes{}, context.node, input(context, 0).type(),
           [&](auto tag) { DeformConv<decltype(tag)>(context).run(); });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "DeformConv", 19, 3, 5, 1, 1, infer_deform_conv, compute_deform_conv},
};

}  // namespace

std::span<const OpDefinition> deform_conv_definitions() { return kDefinitions; }

}  // namespace ns::ops
