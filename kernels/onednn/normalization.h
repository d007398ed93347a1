// Batch normalization of inference (statistics are constants) and local response normalization, float32. Any thread.
#pragma once

#include "kernels/onednn/kernel.h"

namespace ns::onednn {

struct BatchNormalizationSpec {
  Layout input;
  graph::Tensor scale, shift, mean, variance;  // float32 [C]
  float epsilon = 1e-5F;
};
Made make_batch_normalization(const BatchNormalizationSpec&);

// Across channels, as ONNX defines LRN.
Made make_local_response(const Layout& input, std::int64_t size, float alpha, float beta, float bias);

}  // namespace ns::onednn
