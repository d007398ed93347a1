// Window geometry: how a kernel slides over the spatial axes of an input (convolutions and pools).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops/context.h"

namespace ns::ops {

inline constexpr std::size_t kMaxSpatialRank = 3;

// One entry a spatial axis.
struct Window {
  Shape kernel, strides, dilations;
  Shape pads_begin, pads_end;
  Shape input, output;

  std::size_t rank() const { return kernel.size(); }
  // How far the kernel reaches along an axis, dilation included.
  std::int64_t extent(std::size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
};

// Reads strides, dilations, pads, auto_pad and (pools only) ceil_mode. `spatial` and `kernel`: sizes along the spatial
// axes. Error(invalid) names what does not fit; Error(unsupported) for more than kMaxSpatialRank axes.
Window window_of(const Node&, const Shape& spatial, const Shape& kernel, bool ceil_mode);

// Attributes shared with the transposed convolution, checked: strides and dilations of at least 1, pads of both sides.
Window window_attributes(const Node&, const Shape& spatial, const Shape& kernel);

// The same window with leading axes of size 1 up to kMaxSpatialRank, so that one loop nest serves every rank.
Window padded_rank(const Window&);

// Outputs [first, last) along an axis for which tap `k` of the kernel lies inside the input.
struct TapRange {
  std::int64_t first, last;
};
TapRange inside(const Window&, std::size_t axis, std::int64_t k);

// Sizes behind batch and channel. Error(invalid) when the rank is below 3.
Shape spatial_of(const Node&, const Shape&);

// p of the L-p pools, 2 when left out; a float in opset 1. Error(invalid) when it is not positive.
double norm_exponent(const Node&);

}  // namespace ns::ops
