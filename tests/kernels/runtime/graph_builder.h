// Small graphs by hand, random numbers from a fixed seed, and the comparison of a plan with the plain operators.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/onednn/int8_arithmetic.h"
#include "kernels/runtime/session.h"

namespace ns::runtime {

class GraphBuilder {
 public:
  explicit GraphBuilder(std::uint32_t seed = 1) : random_(seed) {
    graph_.opsets[""] = 13;
    graph_.name = "test";
  }

  graph::ValueId input(const graph::Shape& shape, graph::ElementType type = graph::ElementType::float32) {
    graph::Value value;
    value.name = "input" + std::to_string(graph_.inputs.size());
    value.type = type;
    value.shape.emplace();
    for (const std::int64_t size : shape) value.shape->push_back({.size = size, .name = ""});
    graph_.inputs.push_back(graph_.add_value(std::move(value)));
    input_types_.push_back({type, shape});
    return graph_.inputs.back();
  }

  graph::ValueId constant(graph::Tensor tensor) {
    return graph_.add_constant("constant" + std::to_string(graph_.value_count()), std::move(tensor));
  }
  graph::ValueId integers(std::vector<std::int64_t> values) {
    const graph::Shape shape{static_cast<std::int64_t>(values.size())};
    return constant(graph::Tensor::from<std::int64_t>(shape, values));
  }
  graph::ValueId random_constant(const graph::Shape& shape, float low = -1, float high = 1) {
    return constant(random_floats(shape, low, high));
  }

  graph::ValueId node(const std::string& type, std::vector<graph::ValueId> inputs,
                      std::map<std::string, graph::Attribute, std::less<>> attributes = {}) {
    const std::string name = type + std::to_string(graph_.nodes.size());
    graph::Value value;
    value.name = name + "_output";
    value.type = graph::ElementType::float32;
    if (type == "QuantizeLinear") value.type = graph_.value(inputs[2]).type;
    const graph::ValueId output = graph_.add_value(std::move(value));
    graph_.nodes.push_back({.name = name,
                            .domain = "",
                            .op_type = type,
                            .inputs = std::move(inputs),
                            .outputs = {output},
                            .attributes = std::move(attributes)});
    return output;
  }

  // One scale for the whole tensor.
  template <typename Stored>
  graph::ValueId quantize(graph::ValueId value, float scale, Stored zero_point) {
    return node("QuantizeLinear",
                {value, constant(graph::Tensor::scalar(scale)), constant(graph::Tensor::scalar(zero_point))});
  }
  template <typename Stored>
  graph::ValueId dequantize(graph::ValueId value, float scale, Stored zero_point) {
    return node("DequantizeLinear",
                {value, constant(graph::Tensor::scalar(scale)), constant(graph::Tensor::scalar(zero_point))});
  }
  template <typename Stored>
  graph::ValueId round_trip(graph::ValueId value, float scale, Stored zero_point) {
    return dequantize(quantize(value, scale, zero_point), scale, zero_point);
  }
  // Random int8 weights with one scale a channel along `axis`.
  graph::ValueId int8_weights(const graph::Shape& shape, std::int64_t axis, float scale) {
    graph::Tensor stored(graph::ElementType::int8, shape);
    const int limit = onednn::exact_weight_limit();  // as the quantizer of this machine makes them
    for (std::int8_t& one : stored.values<std::int8_t>()) one = static_cast<std::int8_t>(pick(-limit, limit));
    const std::int64_t channels = shape[static_cast<std::size_t>(axis)];
    std::vector<float> scales;
    for (std::int64_t i = 0; i < channels; ++i) scales.push_back(scale * real(0.5F, 1.5F));
    const std::vector<std::int8_t> zero_points(scales.size(), 0);
    return node("DequantizeLinear",
                {constant(std::move(stored)), constant(graph::Tensor::from<float>({channels}, scales)),
                 constant(graph::Tensor::from<std::int8_t>({channels}, zero_points))},
                {{"axis", axis}});
  }

  GraphBuilder& output(graph::ValueId value) {
    graph_.outputs.push_back(value);
    return *this;
  }

  std::shared_ptr<const graph::Graph> graph() const { return std::make_shared<const graph::Graph>(graph_); }
  graph::Graph& edit() { return graph_; }

  std::vector<graph::Tensor> random_inputs(float low = -1, float high = 1) {
    std::vector<graph::Tensor> inputs;
    for (const auto& [type, shape] : input_types_) {
      EXPECT_EQ(type, graph::ElementType::float32);
      inputs.push_back(random_floats(shape, low, high));
    }
    return inputs;
  }

  graph::Tensor random_floats(const graph::Shape& shape, float low, float high) {
    graph::Tensor tensor(graph::ElementType::float32, shape);
    for (float& one : tensor.values<float>()) one = real(low, high);
    return tensor;
  }
  float real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_); }
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }

 private:
  graph::Graph graph_;
  std::mt19937 random_;
  std::vector<std::pair<graph::ElementType, graph::Shape>> input_types_;
};

inline std::vector<graph::Tensor> run_graph(const GraphBuilder& builder, const std::vector<graph::Tensor>& inputs,
                                            bool plain) {
  Session session(builder.graph(), {.threads = 1, .plain = plain});
  return session.run(inputs);
}

// Largest absolute difference over all outputs, which must have equal types and shapes.
inline double difference(const std::vector<graph::Tensor>& left, const std::vector<graph::Tensor>& right) {
  double largest = 0;
  EXPECT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size() && i < right.size(); ++i) {
    EXPECT_EQ(left[i].shape(), right[i].shape());
    EXPECT_EQ(left[i].type(), right[i].type());
    const auto compare = [&](const auto a, const auto b) {
      for (std::size_t j = 0; j < a.size() && j < b.size(); ++j) {
        const double apart = std::abs(static_cast<double>(a[j]) - static_cast<double>(b[j]));
        largest = std::isnan(apart) ? INFINITY : std::max(largest, apart);
      }
    };
    if (left[i].type() == graph::ElementType::float32) compare(left[i].values<float>(), right[i].values<float>());
    if (left[i].type() == graph::ElementType::uint8) {
      compare(left[i].values<std::uint8_t>(), right[i].values<std::uint8_t>());
    }
    if (left[i].type() == graph::ElementType::int8) {
      compare(left[i].values<std::int8_t>(), right[i].values<std::int8_t>());
    }
  }
  return largest;
}

// The plan against the plain operators; returns the session that ran the plan, for further questions.
inline Session expect_same(GraphBuilder& builder, const std::vector<graph::Tensor>& inputs, double tolerance) {
  Session session(builder.graph(), {.threads = 1});
  const std::vector<graph::Tensor> fast = session.run(inputs);
  EXPECT_LE(difference(fast, run_graph(builder, inputs, true)), tolerance);
  // The arena is used again: a second run must not see the first.
  EXPECT_EQ(difference(session.run(inputs), run_graph(builder, inputs, false)), 0);
  return session;
}

inline bool has_step(const Session& session, const std::string& operation) {
  const std::vector<StepTime> steps = session.profile();
  return std::any_of(steps.begin(), steps.end(), [&](const StepTime& step) { return step.operation == operation; });
}

}  // namespace ns::runtime
