// Static post-training quantization as Q/DQ insertion: what can be quantized, calibration, scales, and the rewritten
// graph.
//
// The float graph goes in simplified (passes::simplify) and raised to opset 13 or more; the result is an ordinary ONNX
// graph whose only new nodes are QuantizeLinear and DequantizeLinear, placed so that ONNX Runtime and our plan fuse
// them. Pure functions, seeded where chance plays a part; any thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kernels/data/dataset.h"
#include "kernels/graph/graph.h"

namespace ns::quantize {

struct QuantizableNode {
  std::string node;  // name in the graph
  std::string op_type;
  std::int64_t weight_count = 0;
};

// Nodes that insert() can put into int8, in execution order: the ones a configuration chooses among. Conv, Gemm and
// MatMul with constant weights, and the Adds on the way from one of them to another. Pools, Concat and data movement
// (Reshape, Slice, Pad with zeros, …) are no choice: they follow into int8 where both sides of them are int8, and Relu
// and Clip dissolve in the range of the quantizer behind them.
std::vector<QuantizableNode> quantizable_nodes(const graph::Graph&);

struct Range {
  float low = 0;
  float high = 0;
};

enum class CalibrationMethod { minmax };

struct Calibration {
  std::map<std::string, Range> ranges;  // by value name, of every float value a Q may be put on
  std::int64_t samples = 0;
};

// Runs the float model over the set and records the range of every value. `threads` batches at once; the result does
// not depend on the number of threads.
Calibration calibrate(std::shared_ptr<const graph::Graph>, const data::DataSet&, CalibrationMethod, int threads);

// Asymmetric uint8; or symmetric int8 with zero point 0, but -128 behind a Relu, which is then redundant.
enum class ActivationType { uint8, int8 };
// int32 is what ONNX Runtime fuses (1.22 leaves a Conv with a float bias in float); float32 is what other targets want.
enum class BiasType { int32, float32 };

struct QuantizeConfig {
  std::set<std::string> float_nodes;  // quantizable nodes that stay in float
  ActivationType activation = ActivationType::uint8;
  BiasType bias = BiasType::int32;
};

// The graph with Q/DQ pairs around every quantizable node that is not in float_nodes. Inputs and outputs keep their
// names; equal arguments give equal graphs. Error(invalid): opset below 13, a name in float_nodes that is not a
// quantizable node, a value without a calibrated range.
graph::Graph insert(const graph::Graph&, const Calibration&, const QuantizeConfig&);

struct NodeError {
  std::string node;
  double error = 0;
};

// How much each quantizable node alone harms the output: mean squared difference of the (first) output against float
// when only that node is in int8, relative to the output's power, over at most `samples` samples. Worst first; ties by
// name.
std::vector<NodeError> rank_by_error(std::shared_ptr<const graph::Graph>, const Calibration&, const QuantizeConfig&,
                                     const data::DataSet&, std::int64_t samples, int threads);

}  // namespace ns::quantize
