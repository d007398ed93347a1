// A convolution over 1 to 3 axes, in groups, in whatever numbers it is computed with; shared by Conv and its integer
// forms.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/ops/window.h"

namespace ns::ops {

struct Convolution {
  Window window;  // of kMaxSpatialRank axes
  std::int64_t group;
  std::int64_t in_channels;  // of one group
  std::int64_t out_channels;
  Shape output;  // [batch, channels, sizes ...]

  std::int64_t in_plane() const { return graph::element_count(window.input); }
  std::int64_t out_plane() const { return graph::element_count(window.output); }
  std::int64_t taps() const { return graph::element_count(window.kernel); }
};

// Of an input and weights of these shapes. Error(invalid) names what does not fit.
Convolution convolution_of(const Node&, const Shape& x, const Shape& w);

// Adds tap (kz, ky, kx) of one filter plane, times `weight`, to the output plane: rows of contiguous outputs.
template <typename A>
void add_tap(const Window& window, const std::array<std::int64_t, 3>& tap, A weight, const A* x, A* y) {
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
      const A* from = x + (in_z * window.input[1] + in_row) * window.input[2];
      A* to = y + (z * window.output[1] + row) * window.output[2];
      for (std::int64_t column = range[2].first; column < range[2].last; ++column) {
        to[column] += weight * from[column * stride + shift[2]];
      }
    }
  }
}

template <typename A>
void add_plane(const Window& window, const A* weights, const A* x, A* y) {
  std::array<std::int64_t, 3> tap{};
  for (tap[0] = 0; tap[0] < window.kernel[0]; ++tap[0]) {
    for (tap[1] = 0; tap[1] < window.kernel[1]; ++tap[1]) {
      for (tap[2] = 0; tap[2] < window.kernel[2]; ++tap[2]) add_tap(window, tap, *weights++, x, y);
    }
  }
}

// Adds one output channel of one image, all its input channels long, to `y`. `weights`: all of them.
template <typename A>
void add_channel(const Convolution& convolution, std::int64_t channel, const A* image, const A* weights, A* y) {
  const std::int64_t first = channel / (convolution.out_channels / convolution.group) * convolution.in_channels;
  for (std::int64_t i = 0; i < convolution.in_channels; ++i) {
    add_plane(convolution.window, weights + (channel * convolution.in_channels + i) * convolution.taps(),
              image + (first + i) * convolution.in_plane(), y);
  }
}

}  // namespace ns::ops
