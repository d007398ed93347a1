// The rules by which ONNX Runtime fuses Q/DQ pairs into int8 operators, checked on any QDQ model: our exports and
// strangers'. Pure function; any thread.
#pragma once

#include <string>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::quantize {

struct Finding {
  std::string node;
  std::string op_type;
  std::string reason;
};

// One finding for every operator that is meant to be int8 and would compute in float (or wrongly), in execution order,
// with the first rule it breaks. Meant to be int8: Conv, Gemm and MatMul whose weights come from a DequantizeLinear;
// Add, Mul, Concat, pools and data movement that a DequantizeLinear feeds and a QuantizeLinear follows.
std::vector<Finding> lint_qdq(const graph::Graph&);

}  // namespace ns::quantize
