// Col2Im: the inverse of laying out convolution windows as columns; where windows overlap their elements add up.
//
//   [batch, channels * block, windows]  ->  [batch, channels, image ...]
#include <algorithm>
#include <array>

#include "kernels/ops/dispatch.h"
#include "kernels/ops/window.h"

namespace ns::ops {

namespace {

template <typename Context>
Window image_window(const Context& context) {
  const auto image = integers_from(context, 1, "");
  const auto block = integers_from(context, 2, "");
  require(image.has_value() && block.has_value() && !image->empty(), context.node, "image or block shape is missing");
  for (const std::int64_t size : *image) require(size >= 1, context.node, "the image has the size {}", size);
  return window_of(context.node, *image, *block, false);
}

std::vector<TensorType> infer_col2im(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(NumericTypes{}, context.node, x.element);
  require(x.shape.size() == 3, context.node, "the input has the shape {}, wanted three axes",
          graph::to_string(x.shape));
  const Window window = image_window(context);
  const std::int64_t block = graph::element_count(window.kernel);
  const std::int64_t windows = graph::element_count(window.output);
  require(x.shape[1] % block == 0 && x.shape[2] == windows, context.node,
          "the input has the shape {}, wanted [batch, channels * {}, {}]", graph::to_string(x.shape), block, windows);
  Shape shape{x.shape[0], x.shape[1] / block};
  shape.insert(shape.end(), window.input.begin(), window.input.end());
  return types(context, {{x.element, shape}});
}

// Adds what one tap of every window holds: rows of contiguous windows.
template <typename T, typename A>
void add_tap(const Window& window, const std::array<std::int64_t, 3>& tap, const T* columns, A* image) {
  std::array<TapRange, 3> range;
  std::array<std::int64_t, 3> shift;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    range[axis] = inside(window, axis, tap[axis]);
    shift[axis] = tap[axis] * window.dilations[axis] - window.pads_begin[axis];
  }
  for (std::int64_t z = range[0].first; z < range[0].last; ++z) {
    for (std::int64_t y = range[1].first; y < range[1].last; ++y) {
      const T* from = columns + (z * window.output[1] + y) * window.output[2];
      const std::int64_t plane = z * window.strides[0] + shift[0];
      A* to = image + (plane * window.input[1] + y * window.strides[1] + shift[1]) * window.input[2] + shift[2];
      for (std::int64_t x = range[2].first; x < range[2].last; ++x) {
        A& sum = to[x * window.strides[2]];
        sum = add(sum, static_cast<A>(from[x]));
      }
    }
  }
}

void compute_col2im(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  Tensor& y = context.outputs[0];
  const Window window = padded_rank(image_window(context));
  const std::int64_t windows = graph::element_count(window.output);
  const std::int64_t plane = graph::element_count(window.input);
  dispatch(NumericTypes{}, context.node, x.type(), [&](auto tag) {
    using T = decltype(tag);
    std::vector<Accumulator<T>> sums(static_cast<std::size_t>(plane));
    const T* from = data<T>(x);
    T* to = data<T>(y);
    for (std::int64_t image = 0; image < y.shape()[0] * y.shape()[1]; ++image) {
      std::fill(sums.begin(), sums.end(), Accumulator<T>(0));
      std::array<std::int64_t, 3> tap{};
      for (tap[0] = 0; tap[0] < window.kernel[0]; ++tap[0]) {
        for (tap[1] = 0; tap[1] < window.kernel[1]; ++tap[1]) {
          for (tap[2] = 0; tap[2] < window.kernel[2]; ++tap[2], from += windows) {
            add_tap(window, tap, from, sums.data());
          }
        }
      }
      for (const auto sum : sums) *to++ = static_cast<T>(sum);
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Col2Im", 18, 3, 3, 1, 1, infer_col2im, compute_col2im},
};

}  // namespace

std::span<const OpDefinition> col2im_definitions() { return kDefinitions; }

}  // namespace ns::ops
