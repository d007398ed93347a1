// Numbers of 8 bits with a zero point, computed with in 32 bits, and sums of them brought back to 8 bits; shared by the
// operators that compute on quantized tensors directly.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/ops/dispatch.h"

namespace ns::ops {

using ByteTypes = Types<std::int8_t, std::uint8_t>;

// Sums of products in 32 bits that wrap around: what is stored is the same number as int32.
using WrappedSum = std::uint32_t;

// All elements minus the zero point. `zero_points` broadcast to the tensor; null: none.
std::vector<WrappedSum> without_zero_point(const Node&, const Tensor&, const Tensor* zero_points);

// As float32, repeated up to `shape`; ones when null. Error(invalid) when it does not broadcast.
std::vector<float> repeated_reals(const Node&, const Tensor*, const Shape& shape);
// Zero points likewise, of 8 bits; zeros when null.
std::vector<std::int32_t> repeated_zero_points(const Node&, const Tensor*, const Shape& shape);

// Error(invalid) when the zero point has another type than what it belongs to.
void check_zero_point_type(const InferContext&, std::size_t zero_point, ElementType);

// round_half_even(value) + zero_point, saturated; NaN becomes the zero point.
template <typename Q>
Q requantize(float value, std::int32_t zero_point) {
  constexpr auto kLow = static_cast<float>(std::numeric_limits<Q>::min());
  constexpr auto kHigh = static_cast<float>(std::numeric_limits<Q>::max());
  const float shifted = std::nearbyint(value) + static_cast<float>(zero_point);
  if (!(shifted == shifted)) return static_cast<Q>(zero_point);
  return static_cast<Q>(std::clamp(shifted, kLow, kHigh));
}

}  // namespace ns::ops
