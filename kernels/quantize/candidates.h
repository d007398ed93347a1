// What each operator can be in a quantized graph, told from the float graph alone.
//
// Pure functions; any thread.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::quantize {

// Weighted and add are what a configuration chooses among; movement and averaging follow their neighbours into int8
// when both sides of them are int8; everything else computes in float.
enum class Role { other, weighted, add, movement, averaging };

// By node. Adds are chosen only on the way from one weighted operator to another: elsewhere int8 costs accuracy and
// saves nothing.
std::vector<Role> roles_of(const graph::Graph&);

// Whether the operator hands its input on with the same scale (MaxPool, Reshape, Slice, …; Pad with zeros).
bool moves_data(const graph::Graph&, const graph::Node&);

// What a Relu or Clip lets through.
struct Limits {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  bool operator==(const Limits&) const = default;
};

// Of a Relu, or of a Clip with constant bounds that lets zero through; otherwise none.
std::optional<Limits> limits_of(const graph::Graph&, const graph::Node&);

// The value that a quantizer of this node's output stands on: the output itself or, when its only use is a Relu or a
// Clip whose work the quantizer's range can do, what comes out of that.
struct Output {
  graph::ValueId value = graph::kAbsent;
  Limits limits;
};
Output quantized_output(const graph::Graph&, const graph::Graph::Uses&, const graph::Node&);

}  // namespace ns::quantize
