// Max and average pooling, in float or int8 (input and output of one type and scale). Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

enum class Pooling { max, average_with_padding, average_without_padding };

struct PoolingSpec {
  Pooling kind = Pooling::max;
  Layout input;                                                                // kept for the output
  graph::Shape shape;                                                          // of the input
  graph::Shape output;                                                         // of the output
  std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;  // one a spatial axis
  std::vector<PostOperation> post;
};

Made make_pooling(const PoolingSpec&);

}  // namespace ns::onednn
