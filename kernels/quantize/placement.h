// Where the quantizers stand: which operators of a configuration compute in int8, and which values get a Q.
//
// Pure functions; any thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"
#include "kernels/quantize/candidates.h"

namespace ns::quantize {

// A value with a Q behind it.
struct QuantizedValue {
  graph::ValueId range_of = graph::kAbsent;  // the value whose range gives the scale: another one behind data movement
  Limits limits;                             // of the Relu or Clip that the range makes redundant
  // Made by an int8 operator: every use, graph outputs too, goes through the Q. Otherwise only int8 operators read the
  // quantized form and float ones keep the exact value.
  bool made_in_int8 = false;
};

struct Placement {
  std::vector<Role> roles;  // by node; Role::other for what stays in float in this configuration
  std::map<graph::ValueId, QuantizedValue> values;
};

Placement place(const graph::Graph&, const std::set<std::string>& float_nodes);

// The inputs of a node that are activations: those that get a DQ when the node is int8.
std::vector<graph::ValueId> activations_of(const graph::Node&, Role);

}  // namespace ns::quantize
