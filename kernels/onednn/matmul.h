// Matrix product with bias and post operations, in float or int8; batches broadcast. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

struct MatmulSpec {
  graph::ElementType input_type = graph::ElementType::float32;
  graph::Shape left;  // [..., M, K]
  graph::ElementType right_type = graph::ElementType::float32;
  graph::Shape right;             // [..., K, N], the same rank as `left`
  graph::Tensor weights;          // the right side when it is constant
  bool left_transposed = false;   // stored as [..., K, M]
  bool right_transposed = false;  // stored as [..., N, K]
  graph::Tensor bias;             // float32 [N], in units of the accumulator; undefined: none
  graph::ElementType output_type = graph::ElementType::float32;
  graph::Shape output;  // [..., M, N]
  Arithmetic arithmetic;
  std::vector<PostOperation> post;
};

// Run-time inputs: left, right unless constant, then those of the post operations. All but packed weights row-major.
Made make_matmul(const MatmulSpec&);

}  // namespace ns::onednn
