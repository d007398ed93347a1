// How many arithmetic operations a node takes, from its shapes: what inspect and a profile count in.
#pragma once

#include "kernels/runtime/resolved.h"

namespace ns::runtime {

// Products of matrices, convolutions and recurrent layers: two a multiplication with its addition. Other operators that
// compute: one for each element that they make, or read where they reduce. What only moves numbers takes none.
double operations_of(const Resolved&, const graph::Node&);

}  // namespace ns::runtime
