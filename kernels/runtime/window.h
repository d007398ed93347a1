// The sliding window of convolutions and pools: attributes of a node, with automatic padding worked out.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::runtime {

struct Window {
  std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;  // one a spatial axis
  bool has_pads() const;
};

// `input` and `output` are whole shapes [N, C, ...]; pads at the end are widened where the output needs them
// (ceil_mode).
Window window_of(const graph::Node&, const graph::Shape& input, const graph::Shape& output,
                 std::vector<std::int64_t> kernel);
// A window over everything.
Window whole_window(const graph::Shape& input);

}  // namespace ns::runtime
