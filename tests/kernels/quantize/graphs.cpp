#include "tests/kernels/quantize/graphs.h"

#include <stdexcept>

namespace ns::quantize::testing {

using graph::ElementType;
using graph::Node;
using graph::Tensor;
using graph::ValueId;

Builder::Builder() {
  graph_.name = "test";
  graph_.opsets[""] = 13;
}

Builder& Builder::input(const std::string& name, graph::Shape shape) {
  graph::Value value;
  value.name = name;
  value.type = ElementType::float32;
  value.shape.emplace();
  for (const std::int64_t size : shape) value.shape->push_back({size, size < 0 ? "N" : ""});
  graph_.inputs.push_back(graph_.add_value(std::move(value)));
  return *this;
}

Builder& Builder::output(const std::string& name) {
  graph_.outputs.push_back(value(name));
  return *this;
}

Builder& Builder::weights(const std::string& name, graph::Shape shape) {
  Tensor tensor(ElementType::float32, std::move(shape));
  for (float& value : tensor.values<float>()) {
    random_ = random_ * 1664525u + 1013904223u;
    value = static_cast<float>(random_ >> 8) / static_cast<float>(1 << 23) - 1.0f;
  }
  graph_.add_constant(name, std::move(tensor));
  return *this;
}

Builder& Builder::scalar(const std::string& name, float value) {
  graph_.add_constant(name, Tensor::scalar(value));
  return *this;
}

Builder& Builder::integers(const std::string& name, const std::vector<std::int64_t>& values) {
  graph_.add_constant(name, Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())},
                                                       std::span<const std::int64_t>(values)));
  return *this;
}

Builder& Builder::node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
                       std::map<std::string, graph::Attribute, std::less<>> attributes) {
  Node node;
  node.name = output + "_node";
  node.op_type = type;
  node.attributes = std::move(attributes);
  for (const std::string& name : inputs) node.inputs.push_back(name.empty() ? graph::kAbsent : value(name));
  node.outputs.push_back(value(output));
  graph_.nodes.push_back(std::move(node));
  return *this;
}

Builder& Builder::conv(const std::string& input, const std::string& output, std::int64_t from, std::int64_t to) {
  weights(output + "_w", {to, from, 3, 3}).weights(output + "_b", {to});
  return node("Conv", {input, output + "_w", output + "_b"}, output,
              {{"pads", std::vector<std::int64_t>{1, 1, 1, 1}}, {"kernel_shape", std::vector<std::int64_t>{3, 3}}});
}

ValueId Builder::value(const std::string& name) {
  if (const ValueId id = graph_.find(name); id != graph::kAbsent) return id;
  graph::Value value;
  value.name = name;
  value.type = ElementType::float32;
  return graph_.add_value(std::move(value));
}

Calibration calibrated(const graph::Graph& graph, Range range) {
  Calibration calibration;
  for (std::size_t i = 0; i < graph.value_count(); ++i) {
    const graph::Value& value = graph.value(static_cast<ValueId>(i));
    if (!value.constant.defined()) calibration.ranges[value.name] = range;
  }
  calibration.samples = 1;
  return calibration;
}

const Node& node_making(const graph::Graph& graph, const std::string& value) {
  const ValueId id = graph.find(value);
  for (const Node& node : graph.nodes) {
    for (const ValueId output : node.outputs) {
      if (output == id) return node;
    }
  }
  throw std::runtime_error("no node makes " + value);
}

std::string path_to(const graph::Graph& graph, const std::string& value) {
  const ValueId id = graph.find(value);
  for (const Node& node : graph.nodes) {
    if (node.outputs[0] != id) continue;
    const std::string before = path_to(graph, graph.value(node.inputs[0]).name);
    const std::string name = node.is("QuantizeLinear") ? "Q" : node.is("DequantizeLinear") ? "DQ" : node.op_type;
    return before + " " + name;
  }
  return value;
}

int count(const graph::Graph& graph, std::string_view op_type) {
  int found = 0;
  for (const Node& node : graph.nodes) found += node.op_type == op_type;
  return found;
}

float scale_of(const graph::Graph& graph, const Node& quantizer) {
  return graph.value(quantizer.inputs[1]).constant.values<float>()[0];
}

std::int64_t zero_point_of(const graph::Graph& graph, const Node& quantizer) {
  const Tensor& zero = graph.value(quantizer.inputs[2]).constant;
  return zero.type() == ElementType::uint8 ? zero.values<std::uint8_t>()[0] : zero.values<std::int8_t>()[0];
}

const Node& quantizer_of(const graph::Graph& graph, const std::string& value) {
  const ValueId id = graph.find(value);
  const Node* found = nullptr;
  for (const Node& node : graph.nodes) {
    if (!node.is("QuantizeLinear") || node.inputs[0] != id) continue;
    if (found != nullptr) throw std::runtime_error("two quantizers read " + value);
    found = &node;
  }
  if (found == nullptr) throw std::runtime_error("no quantizer reads " + value);
  return *found;
}

}  // namespace ns::quantize::testing
