// Stored numbers -> the numbers a model wants: element conversion with normalization, in loops the compiler vectorizes.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/graph/tensor.h"

namespace ns::data {

// What is stored and what is wanted, checked once for a data set: null when every stored value can be fed (integers
// into floating point, a wider integer type whose values all fit, …), otherwise the sentence that says why not.
const char* why_not_convertible(const graph::Tensor& stored, graph::ElementType wanted);

// mean and std by channel: value = (stored - mean) / std. Empty: no normalization, the values themselves.
struct ChannelScaling {
  std::span<const float> mean;
  std::span<const float> std;
};

// Converts `samples` samples of channels * plane elements each. REQUIRES: convertible; mean and std have as many
// entries as channels, or none; with scaling `wanted` is float32, float64 or float16.
void convert(graph::ElementType stored, const void* from, graph::ElementType wanted, void* to, std::int64_t samples,
             std::int64_t channels, std::int64_t plane, const ChannelScaling&);

}  // namespace ns::data
