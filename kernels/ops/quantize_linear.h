// How scale and zero point of QuantizeLinear and DequantizeLinear belong to the elements of a tensor.
#pragma once

#include <cstdint>

#include "kernels/ops/context.h"

namespace ns::ops {

// The element at position (outer, i, inner) of an input seen as [outer, size, inner] uses parameter
// outer * outer_step + i / block * axis_step + inner * inner_step.
struct ScaleLayout {
  std::int64_t outer = 1, size = 1, inner = 1;
  std::int64_t block = 1;
  std::int64_t outer_step = 0, axis_step = 0, inner_step = 0;
};

// One scale for all, one for each slice of `axis`, or (since opset 21) one for each block of block_size along it.
// Error(invalid) names the shapes that do not fit.
ScaleLayout scale_layout(const Node&, const Shape& input, const Shape& scale);

}  // namespace ns::ops
