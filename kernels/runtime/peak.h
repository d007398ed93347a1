// What this machine gives at most, measured here and now: large matrix products, which come nearest to it.
#pragma once

#include "kernels/graph/tensor.h"

namespace ns::runtime {

// Operations a second (a multiplication and an addition are two) with so many threads; `element` is float32, or uint8
// for int8 arithmetic. Takes about a fifth of a second.
double measured_peak(graph::ElementType element, int threads);

}  // namespace ns::runtime
