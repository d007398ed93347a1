// The shapes of a product of stacks of matrices, as numpy.matmul has them; shared by MatMul and its integer forms.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops/context.h"

namespace ns::ops {

struct MatMulShape {
  std::int64_t m, k, n;
  Shape batch;                       // the common leading sizes
  Shape output;                      // with the axes of size 1 dropped that a vector input brought
  std::vector<std::int64_t> a_step;  // elements to the next matrix along each batch axis; 0 where it is repeated
  std::vector<std::int64_t> b_step;
};

// Error(invalid) names the shapes that cannot be multiplied.
MatMulShape matmul_shape(const Node&, const Shape& a, const Shape& b);

}  // namespace ns::ops
