// The arithmetic of quantization: ranges to scales, weights and biases to integers. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/graph/tensor.h"
#include "kernels/quantize/candidates.h"
#include "kernels/quantize/quantize.h"

namespace ns::quantize {

// No scale is smaller: products of two of them, and their reciprocals, are still normal numbers.
inline constexpr float kSmallestScale = 1e-12f;

struct Parameters {
  float scale = 1.0f;
  std::int32_t zero_point = 0;
};

// uint8: asymmetric. int8: symmetric with zero point 0, or behind a Relu the asymmetric [-128, 127] with zero point
// -128, so that the Relu is redundant. Zero is always represented exactly, and where there are limits, nothing beyond
// them is represented at all. Error(invalid) when the range is not a pair of finite, ordered numbers.
Parameters activation_parameters(const Range&, const Limits&, ActivationType);

// Weights as outer * channels * inner, symmetric within [-127, 127] ([-64, 64] on a CPU that needs it, see
// onednn/int8_arithmetic.h), one scale a channel.
struct QuantizedWeights {
  graph::Tensor values;  // int8, the weights' shape
  graph::Tensor scales;  // float32 [channels]
};

// The scale of each channel: the least that holds its weights and, so that the int32 accumulator has room, for which
// |bias| / (input_scale * scale) stays within 2^30. `bias` is empty or one a channel.
std::vector<float> weight_scales(const graph::Tensor& weights, std::size_t axis, std::span<const float> bias,
                                 float input_scale);
QuantizedWeights quantize_weights(const graph::Tensor& weights, std::size_t axis, std::vector<float> scales);

// int32 with scale input_scale * weight scale.
struct QuantizedBias {
  graph::Tensor values;  // int32 [channels]
  graph::Tensor scales;  // float32 [channels]
};
QuantizedBias quantize_bias(std::span<const float> bias, float input_scale, std::span<const float> weight_scales);

}  // namespace ns::quantize
