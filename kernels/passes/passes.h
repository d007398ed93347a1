// Rewrites of a graph that keep what it computes. One file a rewrite, with a before/after picture on top; pass_list.cpp
// is the ordered list. Every pass runs in one frame: named, switchable, timed, graph verified afterwards.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::passes {

struct Pass {
  std::string_view name;
  // Returns how many places it changed.
  int (*run)(graph::Graph&);
};

std::span<const Pass> all_passes();  // in order

struct PassReport {
  std::string_view name;
  int changes;
  double milliseconds;
};

// Runs the list (repeating nothing); names in `off` are skipped. What is left after this is what the quantizer and the
// plan start from: no Constant, Identity or Dropout nodes, constants folded, BatchNormalization folded into Conv, dead
// code gone.
std::vector<PassReport> simplify(graph::Graph&, std::span<const std::string> off = {});

// Rewrites an ai.onnx model of an older opset into the same model at `opset` (at least 13; per-channel Q/DQ needs it).
// Error(unsupported) names a node that cannot be raised.
void raise_opset(graph::Graph&, std::int64_t opset);

}  // namespace ns::passes
