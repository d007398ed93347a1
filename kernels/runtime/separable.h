// Whether a graph treats the samples of a batch each by itself, so that a batch may be run in parts.
//
// Pure; any thread.
#pragma once

#include <optional>
#include <span>

#include "kernels/ops/op.h"

namespace ns::runtime {

// The number of samples (axis 0 of every input), when every output is, sample by sample, what the samples alone would
// give; none when the graph's inputs do not have one batch axis or an operator is not known to keep samples apart.
// REQUIRES: the types fit the graph's inputs.
std::optional<std::int64_t> separable_batch(const graph::Graph&, std::span<const ops::TensorType> inputs);

}  // namespace ns::runtime
