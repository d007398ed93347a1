// Small questions about nodes that several recognisers ask.
#pragma once

#include <optional>

#include "kernels/onednn/pooling.h"
#include "kernels/runtime/resolved.h"
#include "kernels/runtime/window.h"

namespace ns::runtime {

// The output is the first input's bytes under another shape.
bool is_view(const graph::Node&);

// A pool over a sliding window or over everything; ReduceMean over all spatial axes is one.
struct Pool {
  onednn::Pooling kind;
  Window window;
  graph::Shape input;
  graph::Shape output;  // [N, C, ...], even where the node drops the axes
};
std::optional<Pool> pool_of(Resolved&, const graph::Node&);

}  // namespace ns::runtime
