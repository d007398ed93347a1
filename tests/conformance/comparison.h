// When two tensors agree, by the rule of the official ONNX backend tests.
#pragma once

#include <string>

#include "kernels/graph/tensor.h"

namespace ns::conformance {

struct Tolerance {
  double relative = 1e-3, absolute = 1e-7;
};

// Empty when they agree: equal types and shapes, |actual - expected| <= absolute + relative * |expected| everywhere,
// NaN where NaN is expected, infinities with their sign; types of one byte exactly.
std::string difference(const graph::Tensor& actual, const graph::Tensor& expected, Tolerance);

}  // namespace ns::conformance
