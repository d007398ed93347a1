// Small graphs for tests, written down in a few lines.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"

namespace ns::test {

class GraphBuilder {
 public:
  explicit GraphBuilder(std::int64_t opset = 13) {
    graph_.name = "test";
    graph_.opsets[""] = opset;
  }

  // Sizes of -1 are not known before the run.
  GraphBuilder& input(const std::string& name, const graph::Shape& shape,
                      graph::ElementType type = graph::ElementType::float32) {
    graph::Value value{name, type, std::vector<graph::Dimension>{}, {}};
    for (const std::int64_t size : shape) value.shape->push_back({size, size < 0 ? "N" : ""});
    graph_.inputs.push_back(graph_.add_value(std::move(value)));
    return *this;
  }
  GraphBuilder& constant(const std::string& name, graph::Tensor tensor) {
    graph_.add_constant(name, std::move(tensor));
    return *this;
  }
  // An empty input name leaves the input out. The node is named after its first output.
  GraphBuilder& node(const std::string& op_type, const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs,
                     std::map<std::string, graph::Attribute, std::less<>> attributes = {}) {
    graph::Node node;
    node.name = outputs.at(0) + "_node";
    node.op_type = op_type;
    for (const std::string& name : inputs) node.inputs.push_back(value(name));
    for (const std::string& name : outputs) node.outputs.push_back(value(name));
    node.attributes = std::move(attributes);
    graph_.nodes.push_back(std::move(node));
    return *this;
  }
  GraphBuilder& output(const std::string& name) {
    graph_.outputs.push_back(value(name));
    return *this;
  }
  graph::Graph build() const { return graph_; }

 private:
  graph::ValueId value(const std::string& name) {
    if (name.empty()) return graph::kAbsent;
    const graph::ValueId known = graph_.find(name);
    return known != graph::kAbsent ? known : graph_.add_value({name, graph::ElementType::undefined, {}, {}});
  }

  graph::Graph graph_;
};

inline graph::Tensor floats(const graph::Shape& shape, std::vector<float> values) {
  return graph::Tensor::from<float>(shape, values);
}
inline graph::Tensor integers(std::vector<std::int64_t> values) {
  return graph::Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

// Numbers that look random and are always the same.
inline graph::Tensor sample(const graph::Shape& shape, unsigned seed = 1) {
  graph::Tensor tensor(graph::ElementType::float32, shape);
  for (float& value : tensor.values<float>()) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int>(seed >> 16) % 200 - 100) / 50.0f;
  }
  return tensor;
}

}  // namespace ns::test
