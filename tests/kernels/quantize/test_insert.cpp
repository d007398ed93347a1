#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/quantize/lint.h"
#include "kernels/quantize/quantize.h"
#include "tests/kernels/quantize/graphs.h"

namespace ns::quantize {
namespace {

using graph::ElementType;
using graph::Graph;
using namespace testing;  // NOLINT: graphs.h

constexpr std::int64_t kBatch = -1;

Builder picture() { return std::move(Builder().input("x", {kBatch, 3, 8, 8})); }

Graph quantized(const Graph& graph, const QuantizeConfig& config = {}) {
  return insert(graph, calibrated(graph), config);
}

QuantizeConfig with_bias(BiasType type) {
  QuantizeConfig config;
  config.bias = type;
  return config;
}

QuantizeConfig with_activation(ActivationType type) {
  QuantizeConfig config;
  config.activation = type;
  return config;
}

std::string findings(const Graph& graph) {
  std::string text;
  for (const Finding& finding : lint_qdq(graph)) text += finding.node + ": " + finding.reason + "\n";
  return text;
}

std::vector<std::string> names(const Graph& graph) {
  std::vector<std::string> found;
  for (const QuantizableNode& node : quantizable_nodes(graph)) found.push_back(node.node);
  return found;
}

TEST(QuantizableNodes, are_the_weighted_ones_and_the_adds_between_them) {
  const Graph graph = picture()
                          .conv("x", "a", 3, 4)
                          .conv("a", "b", 4, 4)
                          .node("Add", {"a", "b"}, "sum")
                          .node("Relu", {"sum"}, "r")
                          .conv("r", "c", 4, 4)
                          .node("Add", {"c", "r"}, "last")
                          .output("last")
                          .build();
  EXPECT_EQ(names(graph), (std::vector<std::string>{"a_node", "b_node", "sum_node", "c_node"}));
  EXPECT_EQ(quantizable_nodes(graph)[0].weight_count, 4 * 3 * 9);
}

TEST(QuantizableNodes, need_constant_finite_weights_and_a_bias_per_channel) {
  Builder builder;
  builder.input("x", {kBatch, 4}).input("w", {4, 4}).weights("k", {4, 4}).weights("matrix_bias", {2, 4});
  builder.node("MatMul", {"x", "w"}, "both_vary").node("MatMul", {"k", "both_vary"}, "weights_first");
  builder.node("Gemm", {"x", "k", "matrix_bias"}, "bias_per_row");
  builder.node("Gemm", {"x", "k"}, "transposed", {{"transA", std::int64_t{1}}});
  builder.node("MatMul", {"x", "k"}, "fine");
  EXPECT_EQ(names(builder.output("fine").build()), (std::vector<std::string>{"fine_node"}));
}

TEST(Insert, conv_gets_pairs_on_both_sides_int8_weights_and_int32_bias) {
  const Graph graph = quantized(picture().conv("x", "y", 3, 4).node("Sigmoid", {"y"}, "z").output("z").build());
  EXPECT_EQ(path_to(graph, "z"), "x Q DQ Conv Q DQ Sigmoid");
  const graph::Node& conv = node_making(graph, "y");
  const graph::Node& weights = node_making(graph, graph.value(conv.inputs[1]).name);
  EXPECT_TRUE(weights.is("DequantizeLinear"));
  EXPECT_EQ(weights.integer("axis", -1), 0);
  EXPECT_EQ(graph.value(weights.inputs[0]).constant.type(), ElementType::int8);
  EXPECT_EQ(graph.value(weights.inputs[1]).constant.shape(), (graph::Shape{4}));
  const graph::Node& bias = node_making(graph, graph.value(conv.inputs[2]).name);
  EXPECT_EQ(graph.value(bias.inputs[0]).constant.type(), ElementType::int32);
  EXPECT_EQ(graph.find("y_w"), graph::kAbsent) << "float weights are left behind";
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, float_bias_stays_as_it_is) {
  const Graph graph = quantized(picture().conv("x", "y", 3, 4).output("y").build(), with_bias(BiasType::float32));
  EXPECT_EQ(graph.value(node_making(graph, "y_float").inputs[2]).name, "y_b");
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, relu_dissolves_in_the_quantizer_behind_it) {
  for (const ActivationType type : {ActivationType::uint8, ActivationType::int8}) {
    const Graph model =
        picture().conv("x", "y", 3, 4).node("Relu", {"y"}, "r").conv("r", "z", 4, 4).output("z").build();
    const Graph graph = quantized(model, with_activation(type));
    EXPECT_EQ(path_to(graph, "z"), "x Q DQ Conv Relu Q DQ Conv Q DQ");
    EXPECT_EQ(zero_point_of(graph, quantizer_of(graph, "r")), type == ActivationType::uint8 ? 0 : -128);
    EXPECT_EQ(findings(graph), "");
  }
}

TEST(Insert, clip_at_6_dissolves_too) {
  const Graph graph = quantized(picture()
                                    .scalar("low", 0)
                                    .scalar("high", 2.5f)
                                    .conv("x", "y", 3, 4)
                                    .node("Clip", {"y", "low", "high"}, "r")
                                    .conv("r", "z", 4, 4)
                                    .output("z")
                                    .build());
  EXPECT_LE(255 * scale_of(graph, quantizer_of(graph, "r")), 2.5f);
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, a_relu_that_is_not_the_only_reader_stays_in_float) {
  const Graph graph = quantized(picture()
                                    .conv("x", "y", 3, 4)
                                    .node("Relu", {"y"}, "r")
                                    .conv("r", "a", 4, 4)
                                    .conv("y", "b", 4, 4)
                                    .output("a")
                                    .output("b")
                                    .build());
  EXPECT_EQ(path_to(graph, "a"), "x Q DQ Conv Q DQ Relu Q DQ Conv Q DQ");
  EXPECT_EQ(path_to(graph, "b"), "x Q DQ Conv Q DQ Conv Q DQ");
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, several_consumers_read_one_quantizer_through_their_own_dequantizers) {
  const Graph graph = quantized(picture()
                                    .conv("x", "y", 3, 4)
                                    .conv("y", "a", 4, 4)
                                    .conv("y", "b", 4, 4)
                                    .node("Sigmoid", {"y"}, "s")
                                    .node("Tanh", {"y"}, "t")
                                    .output("a")
                                    .output("b")
                                    .output("s")
                                    .output("t")
                                    .build());
  quantizer_of(graph, "y");  // throws when there are two
  EXPECT_NE(node_making(graph, "a_float").inputs[0], node_making(graph, "b_float").inputs[0]);
  EXPECT_EQ(node_making(graph, "s").inputs[0], node_making(graph, "t").inputs[0]);
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, residual_add_has_dequantizers_on_both_sides) {
  const Graph graph = quantized(picture()
                                    .conv("x", "y", 3, 4)
                                    .node("Relu", {"y"}, "r")
                                    .conv("r", "z", 4, 4)
                                    .node("Add", {"z", "r"}, "sum")
                                    .node("Relu", {"sum"}, "s")
                                    .conv("s", "w", 4, 4)
                                    .output("w")
                                    .build());
  const graph::Node& add = node_making(graph, "sum");
  for (const graph::ValueId input : add.inputs) {
    EXPECT_TRUE(node_making(graph, graph.value(input).name).is("DequantizeLinear"));
  }
  EXPECT_EQ(path_to(graph, "w"), "x Q DQ Conv Relu Q DQ Conv Q DQ Add Relu Q DQ Conv Q DQ");
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, an_add_left_in_float_keeps_the_exact_residual) {
  const Graph model = picture()
                          .node("Sigmoid", {"x"}, "s")
                          .conv("s", "y", 3, 3)
                          .node("Add", {"y", "s"}, "sum")
                          .conv("sum", "z", 3, 3)
                          .output("z")
                          .build();
  const Graph graph = quantized(model, {.float_nodes = {"sum_node"}});
  const graph::Node& add = node_making(graph, "sum");
  EXPECT_EQ(graph.value(add.inputs[1]).name, "s");
  EXPECT_TRUE(node_making(graph, graph.value(add.inputs[0]).name).is("DequantizeLinear"));
}

TEST(Insert, data_movement_keeps_scale_and_zero_point) {
  const Graph graph = quantized(
      picture()
          .integers("shape", {0, -1})
          .weights("k", {64, 5})
          .conv("x", "y", 3, 4)
          .node("Relu", {"y"}, "r")
          .node("MaxPool", {"r"}, "p",
                {{"kernel_shape", std::vector<std::int64_t>{2, 2}}, {"strides", std::vector<std::int64_t>{2, 2}}})
          .node("Reshape", {"p", "shape"}, "f")
          .node("MatMul", {"f", "k"}, "out")
          .output("out")
          .build());
  EXPECT_EQ(path_to(graph, "out"), "x Q DQ Conv Relu Q DQ MaxPool Q DQ Reshape Q DQ MatMul");
  const graph::Node& first = quantizer_of(graph, "r");
  for (const char* value : {"p", "f"}) {
    EXPECT_EQ(quantizer_of(graph, value).inputs[1], first.inputs[1]);
    EXPECT_EQ(quantizer_of(graph, value).inputs[2], first.inputs[2]);
  }
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, followers_stay_in_float_where_a_neighbour_is) {
  const Graph graph = quantized(picture()
                                    .node("MaxPool", {"x"}, "p", {{"kernel_shape", std::vector<std::int64_t>{1, 1}}})
                                    .conv("p", "y", 3, 4)
                                    .node("GlobalAveragePool", {"y"}, "g")
                                    .node("Softmax", {"g"}, "s")
                                    .output("s")
                                    .build());
  EXPECT_EQ(path_to(graph, "s"), "x MaxPool Q DQ Conv Q DQ GlobalAveragePool Softmax");
}

TEST(Insert, concat_and_average_pools_have_their_own_range) {
  const Graph model = picture()
                          .conv("x", "a", 3, 4)
                          .conv("x", "b", 3, 4)
                          .node("Concat", {"a", "b"}, "c", {{"axis", std::int64_t{1}}})
                          .node("GlobalAveragePool", {"c"}, "g")
                          .node("Flatten", {"g"}, "f")
                          .weights("k", {5, 8})
                          .node("Gemm", {"f", "k"}, "out", {{"transB", std::int64_t{1}}})
                          .output("out")
                          .build();
  Calibration calibration = calibrated(model);
  calibration.ranges["g"] = {0.0f, 0.5f};
  const Graph graph = insert(model, calibration, {});
  EXPECT_EQ(path_to(graph, "out"), "x Q DQ Conv Q DQ Concat Q DQ GlobalAveragePool Q DQ Flatten Q DQ Gemm");
  EXPECT_FLOAT_EQ(scale_of(graph, quantizer_of(graph, "g")), 0.5f / 255);
  EXPECT_EQ(quantizer_of(graph, "f").inputs[1], quantizer_of(graph, "g").inputs[1]);
  EXPECT_EQ(node_making(graph, graph.value(node_making(graph, "out").inputs[1]).name).integer("axis", -1), 0);
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, gemm_and_matmul_heads_give_float) {
  const Graph graph = quantized(Builder()
                                    .input("x", {kBatch, 4})
                                    .weights("k", {4, 4})
                                    .weights("b", {4})
                                    .node("Gemm", {"x", "k", "b"}, "h")
                                    .node("Relu", {"h"}, "r")
                                    .node("MatMul", {"r", "k"}, "m")
                                    .node("Softmax", {"m"}, "s")
                                    .output("s")
                                    .build());
  EXPECT_EQ(path_to(graph, "s"), "x Q DQ Gemm Relu Q DQ MatMul Softmax");
  const graph::Node& weights = node_making(graph, graph.value(node_making(graph, "m").inputs[1]).name);
  EXPECT_EQ(weights.integer("axis", -1), 1);
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, gemm_factors_go_into_weights_and_bias) {
  const Graph model = Builder()
                          .input("x", {kBatch, 4})
                          .weights("k", {4, 2})
                          .scalar("b", 3.0f)
                          .node("Gemm", {"x", "k", "b"}, "y", {{"alpha", 2.0f}, {"beta", 0.5f}})
                          .output("y")
                          .build();
  const Graph graph = quantized(model);
  const graph::Node& gemm = node_making(graph, "y");
  EXPECT_FALSE(gemm.has("alpha") || gemm.has("beta"));
  const graph::Node& weights = node_making(graph, graph.value(gemm.inputs[1]).name);
  const graph::Node& bias = node_making(graph, graph.value(gemm.inputs[2]).name);
  const auto original = model.value(model.find("k")).constant.values<float>();
  for (std::size_t i = 0; i < original.size(); ++i) {
    const float scale = graph.value(weights.inputs[1]).constant.values<float>()[i % 2];
    const auto integer = graph.value(weights.inputs[0]).constant.values<std::int8_t>()[i];
    EXPECT_NEAR(static_cast<float>(integer) * scale, 2 * original[i], scale);
  }
  const graph::Tensor& integers = graph.value(bias.inputs[0]).constant;
  ASSERT_EQ(integers.shape(), (graph::Shape{2}));
  for (std::size_t i = 0; i < 2; ++i) {
    const float scale = graph.value(bias.inputs[1]).constant.values<float>()[i];
    EXPECT_NEAR(static_cast<float>(integers.values<std::int32_t>()[i]) * scale, 1.5f, scale);
  }
}

TEST(Insert, graph_inputs_and_outputs_keep_their_names) {
  const Graph model = picture()
                          .conv("x", "y", 3, 4)
                          .node("Relu", {"y"}, "out")
                          .conv("out", "second", 4, 4)
                          .output("out")
                          .output("second")
                          .build();
  const Graph graph = quantized(model);
  ASSERT_EQ(graph.outputs.size(), 2u);
  EXPECT_EQ(graph.value(graph.inputs[0]).name, "x");
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "out");
  EXPECT_EQ(graph.value(graph.outputs[1]).name, "second");
  EXPECT_EQ(path_to(graph, "out"), "x Q DQ Conv Relu Q DQ");
  EXPECT_EQ(findings(graph), "");
}

TEST(Insert, float_nodes_stay_in_float) {
  const Graph model = picture().conv("x", "y", 3, 4).conv("y", "z", 4, 4).conv("z", "w", 4, 4).output("w").build();
  EXPECT_EQ(path_to(quantized(model, {.float_nodes = {"z_node"}}), "w"), "x Q DQ Conv Q DQ Conv Q DQ Conv Q DQ");
  EXPECT_EQ(node_making(quantized(model, {.float_nodes = {"z_node"}}), "z").inputs[1],
            quantized(model, {.float_nodes = {"z_node"}}).find("z_w"));
  const Graph nothing = quantized(model, {.float_nodes = {"y_node", "z_node", "w_node"}});
  EXPECT_TRUE(graph::equal(nothing, model));
}

TEST(Insert, zero_padding_moves_data_other_padding_does_not) {
  for (const float value : {0.0f, 1.0f}) {
    const Graph graph = quantized(picture()
                                      .integers("pads", {0, 1, 0, 0, 0, 0, 0, 0})
                                      .scalar("fill", value)
                                      .conv("x", "y", 3, 4)
                                      .node("Pad", {"y", "pads", "fill"}, "p")
                                      .conv("p", "z", 5, 4)
                                      .output("z")
                                      .build());
    const bool shared = quantizer_of(graph, "p").inputs[1] == quantizer_of(graph, "y").inputs[1];
    EXPECT_EQ(shared, value == 0.0f);
    EXPECT_EQ(findings(graph), "");
  }
}

TEST(Insert, is_deterministic) {
  const auto model = [] {
    return picture().conv("x", "y", 3, 4).node("Relu", {"y"}, "r").conv("r", "z", 4, 4).output("z").build();
  };
  EXPECT_TRUE(graph::equal(quantized(model()), quantized(model())));
  EXPECT_EQ(graph::dump(quantized(model())), graph::dump(quantized(model())));
}

TEST(Insert, names_do_not_collide_with_the_models) {
  const Graph graph = quantized(picture()
                                    .conv("x", "y", 3, 4)
                                    .node("Sigmoid", {"y"}, "y_quantized")
                                    .node("Sigmoid", {"y_quantized"}, "x_scale")
                                    .output("x_scale")
                                    .build());
  EXPECT_EQ(path_to(graph, "x_scale"), "x Q DQ Conv Q DQ Sigmoid Sigmoid");
}

TEST(Insert, refuses_what_it_cannot_do) {
  Graph model = picture().conv("x", "y", 3, 4).output("y").build();
  EXPECT_THROW(insert(model, {}, {}), Error);
  EXPECT_THROW(quantized(model, {.float_nodes = {"nobody"}}), Error);
  model.opsets[""] = 12;
  EXPECT_THROW(quantized(model), Error);
}

}  // namespace
}  // namespace ns::quantize
