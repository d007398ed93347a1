// Small float graphs with seeded weights, for telling where quantizers go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"
#include "kernels/quantize/quantize.h"

namespace ns::quantize::testing {

// Builds a graph node by node; values are named by the caller, nodes after their first output.
class Builder {
 public:
  Builder();

  Builder& input(const std::string& name, graph::Shape shape);  // -1: a dynamic axis
  Builder& output(const std::string& name);
  Builder& weights(const std::string& name, graph::Shape shape);  // seeded, in [-1, 1]
  Builder& scalar(const std::string& name, float value);
  Builder& integers(const std::string& name, const std::vector<std::int64_t>& values);
  Builder& node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
                std::map<std::string, graph::Attribute, std::less<>> attributes = {});
  // A Conv with 3x3 weights (channels from and to), padding 1 and a bias.
  Builder& conv(const std::string& input, const std::string& output, std::int64_t from, std::int64_t to);

  graph::Graph build() const { return graph_; }

 private:
  graph::ValueId value(const std::string& name);
  graph::Graph graph_;
  std::uint32_t random_ = 1978;
};

// The same range for every value.
Calibration calibrated(const graph::Graph&, Range range = {-1.0f, 3.0f});

// "x > QuantizeLinear > DequantizeLinear > Conv": operators on the way to a value along first inputs, from the input.
std::string path_to(const graph::Graph&, const std::string& value);

int count(const graph::Graph&, std::string_view op_type);
const graph::Node& node_making(const graph::Graph&, const std::string& value);
float scale_of(const graph::Graph&, const graph::Node& quantizer);
std::int64_t zero_point_of(const graph::Graph&, const graph::Node& quantizer);
// The one Q that reads this value.
const graph::Node& quantizer_of(const graph::Graph&, const std::string& value);

}  // namespace ns::quantize::testing
