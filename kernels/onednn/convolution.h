// Convolution with groups, dilation, bias and post operations, in float or int8. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

struct ConvolutionSpec {
  graph::ElementType input_type = graph::ElementType::float32;  // float32, uint8, int8
  graph::Shape input;                                           // [N, C, ...]
  graph::Tensor weights;                                        // [O, C / groups, ...], float32 or int8, constant
  graph::Tensor bias;  // float32 [O], in units of the accumulator; undefined: none
  graph::ElementType output_type = graph::ElementType::float32;
  graph::Shape output;
  std::vector<std::int64_t> strides, dilations, pads_begin, pads_end;  // one a spatial axis; dilation 1 is dense
  std::int64_t groups = 1;
  Arithmetic arithmetic;
  std::vector<PostOperation> post;
};

// Run-time inputs: the input, then those of the post operations.
Made make_convolution(const ConvolutionSpec&);

}  // namespace ns::onednn
