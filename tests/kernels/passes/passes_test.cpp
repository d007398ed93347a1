// Passes keep what a graph computes: each is run on a small graph whose outputs are compared before and after.
#include "kernels/passes/passes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "common/error.h"
#include "kernels/onnx/onnx.h"
#include "tests/kernels/graph/graph_builder.h"
#include "tests/kernels/ops/plain_run.h"
#include "tests/support/shared_folder.h"

namespace ns::passes {
namespace {

using graph::Graph;
using graph::Tensor;
using test::floats;
using test::GraphBuilder;
using test::integers;
using test::sample;

int run_pass(Graph& graph, std::string_view name) {
  for (const Pass& pass : all_passes()) {
    if (pass.name != name) continue;
    const int changes = pass.run(graph);
    verify(graph);
    return changes;
  }
  ADD_FAILURE() << "no pass " << name;
  return 0;
}

void expect_close(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.type(), b.type());
  ASSERT_EQ(a.shape(), b.shape());
  if (a.type() != graph::ElementType::float32) {
    EXPECT_TRUE(equal(a, b));
    return;
  }
  for (std::size_t i = 0; i < a.values<float>().size(); ++i) {
    EXPECT_NEAR(a.values<float>()[i], b.values<float>()[i], 1e-4f * (1 + std::abs(a.values<float>()[i])));
  }
}

void expect_same_results(const Graph& before, const Graph& after, const std::vector<Tensor>& inputs) {
  const std::vector<Tensor> a = test::plain_run(before, inputs);
  const std::vector<Tensor> b = test::plain_run(after, inputs);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(before.value(before.outputs[i]).name, after.value(after.outputs[i]).name);
    expect_close(a[i], b[i]);
  }
}

GraphBuilder& add_statistics(GraphBuilder& builder, std::int64_t channels) {
  Tensor variance = sample({channels}, 9);
  for (float& value : variance.values<float>()) value = std::abs(value) + 0.1f;
  builder.constant("scale", sample({channels}, 6)).constant("shift", sample({channels}, 7));
  return builder.constant("mean", sample({channels}, 8)).constant("variance", std::move(variance));
}

const std::vector<std::string> kNormalized{"c", "scale", "shift", "mean", "variance"};

TEST(FoldConstants, computes_what_hangs_on_constants_alone) {
  GraphBuilder builder;
  builder.input("x", {1, 4}).constant("w", sample({2, 2, 2})).constant("shape", integers({4, 2}));
  builder.node("Reshape", {"w", "shape"}, {"m"}).node("MatMul", {"x", "m"}, {"y"}).output("y");
  const Graph before = builder.build();
  Graph after = before;
  EXPECT_EQ(run_pass(after, "fold_constants"), 1);
  EXPECT_EQ(after.nodes.size(), 1u);
  expect_same_results(before, after, {sample({1, 4}, 3)});
}

TEST(FoldConstants, makes_constant_nodes_constants) {
  GraphBuilder builder;
  builder.input("x", {2}).node("Constant", {}, {"c"}, {{"value_floats", std::vector<float>{1, 2}}});
  builder.node("Add", {"x", "c"}, {"y"}).output("y");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "fold_constants"), 1);
  EXPECT_EQ(graph.value(graph.find("c")).constant.values<float>()[1], 2);
}

TEST(FoldConstants, knows_the_shape_of_what_has_a_full_shape) {
  GraphBuilder builder;
  builder.input("x", {2, 3}).node("Relu", {"x"}, {"r"}).node("Shape", {"r"}, {"s"}).output("s");
  Graph graph = builder.build();
  run_pass(graph, "fold_constants");
  EXPECT_TRUE(equal(graph.value(graph.find("s")).constant, integers({2, 3})));
}

TEST(FoldConstants, picks_known_sizes_out_of_an_unknown_shape) {
  GraphBuilder builder;
  builder.input("x", {-1, 3}).constant("one", integers({1})).constant("zero", integers({0}));
  builder.node("Shape", {"x"}, {"s"})
      .node("Gather", {"s", "one"}, {"known"})
      .node("Gather", {"s", "zero"}, {"unknown"});
  builder.output("known").output("unknown");
  Graph graph = builder.build();
  run_pass(graph, "fold_constants");
  EXPECT_TRUE(equal(graph.value(graph.find("known")).constant, integers({3})));
  EXPECT_FALSE(graph.value(graph.find("unknown")).constant.defined());
}

TEST(FoldConstants, does_not_grow_a_model_without_bound) {
  GraphBuilder builder;
  builder.constant("shape", integers({1 << 14, 1 << 14})).node("ConstantOfShape", {"shape"}, {"y"}).output("y");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "fold_constants"), 0);
}

TEST(FoldConstants, leaves_what_takes_long_to_compute) {
  GraphBuilder builder;
  builder.constant("a", Tensor(graph::ElementType::uint32, {1 << 11, 1 << 11}));
  builder.node("MatMul", {"a", "a"}, {"y"}).output("y");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "fold_constants"), 0);
}

TEST(FoldConstants, leaves_errors_to_the_run) {
  GraphBuilder builder;
  builder.constant("x", floats({2}, {1, 2})).constant("i", integers({5})).node("Gather", {"x", "i"}, {"y"}).output("y");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "fold_constants"), 0);
}

TEST(FoldConstants, leaves_the_weights_of_a_quantized_model) {
  GraphBuilder builder;
  builder.constant("q", Tensor::from<std::int8_t>({2}, std::vector<std::int8_t>{1, 2}));
  builder.constant("s", Tensor::scalar<float>(0.5f)).node("DequantizeLinear", {"q", "s"}, {"y"}).output("y");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "fold_constants"), 0);
}

TEST(RemoveIdentities, hands_on_and_keeps_the_names_of_outputs) {
  GraphBuilder builder;
  builder.input("x", {2}).node("Relu", {"x"}, {"r"}).node("Identity", {"r"}, {"y"}).node("Abs", {"r"}, {"z"});
  builder.node("Identity", {"z"}, {"i"}).node("Neg", {"i"}, {"n"}).output("y").output("n");
  const Graph before = builder.build();
  Graph after = before;
  EXPECT_EQ(run_pass(after, "remove_identities"), 2);
  EXPECT_EQ(after.nodes.size(), 3u);
  expect_same_results(before, after, {sample({2})});
}

TEST(RemoveIdentities, keeps_what_joins_an_input_to_an_output) {
  GraphBuilder builder;
  builder.input("x", {2}).node("Identity", {"x"}, {"y"}).output("y");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "remove_identities"), 0);
}

TEST(RemoveIdentities, keeps_what_gives_one_value_two_output_names) {
  GraphBuilder builder;
  builder.input("x", {2}).node("Relu", {"x"}, {"a"}).node("Identity", {"a"}, {"b"}).output("a").output("b");
  const Graph before = builder.build();
  Graph after = before;
  run_pass(after, "remove_identities");
  expect_same_results(before, after, {sample({2})});
}

TEST(RemoveIdentities, takes_dropout_and_idle_casts_but_not_used_masks) {
  GraphBuilder builder;
  builder.input("x", {2}).node("Dropout", {"x"}, {"d"}).node("Cast", {"d"}, {"c"}, {{"to", std::int64_t{1}}});
  builder.node("Dropout", {"c"}, {"e", "mask"}).node("Neg", {"e"}, {"y"}).output("y").output("mask");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "remove_identities"), 2);
  EXPECT_EQ(graph.nodes.size(), 2u);
}

TEST(FoldBatchNormalization, goes_into_convolution) {
  for (const bool with_bias : {false, true}) {
    GraphBuilder builder;
    builder.input("x", {1, 2, 5, 5}).constant("w", sample({4, 1, 3, 3})).constant("b", sample({4}, 5));
    builder.node("Conv", with_bias ? std::vector<std::string>{"x", "w", "b"} : std::vector<std::string>{"x", "w"},
                 {"c"}, {{"group", std::int64_t{2}}});
    add_statistics(builder, 4).node("BatchNormalization", kNormalized, {"y"}).output("y");
    const Graph before = builder.build();
    Graph after = before;
    EXPECT_EQ(run_pass(after, "fold_batch_normalization"), 1);
    EXPECT_EQ(after.nodes.size(), 1u);
    expect_same_results(before, after, {sample({1, 2, 5, 5}, 3)});
  }
}

TEST(FoldBatchNormalization, goes_into_grouped_transposed_convolution) {
  GraphBuilder builder;
  builder.input("x", {1, 4, 3, 3}).constant("w", sample({4, 3, 2, 2}));
  builder.node("ConvTranspose", {"x", "w"}, {"c"}, {{"group", std::int64_t{2}}});
  add_statistics(builder, 6).node("BatchNormalization", kNormalized, {"y"}).output("y");
  const Graph before = builder.build();
  Graph after = before;
  EXPECT_EQ(run_pass(after, "fold_batch_normalization"), 1);
  expect_same_results(before, after, {sample({1, 4, 3, 3}, 3)});
}

TEST(FoldBatchNormalization, goes_into_gemm_of_either_layout) {
  for (const std::int64_t transposed : {0, 1}) {
    GraphBuilder builder;
    builder.input("x", {2, 3}).constant("w", sample(transposed != 0 ? graph::Shape{4, 3} : graph::Shape{3, 4}));
    builder.constant("b", sample({4}, 5));
    builder.node("Gemm", {"x", "w", "b"}, {"c"}, {{"transB", transposed}, {"alpha", 0.5f}, {"beta", 2.0f}});
    add_statistics(builder, 4).node("BatchNormalization", kNormalized, {"y"}).output("y");
    const Graph before = builder.build();
    Graph after = before;
    EXPECT_EQ(run_pass(after, "fold_batch_normalization"), 1);
    expect_same_results(before, after, {sample({2, 3}, 3)});
  }
}

TEST(FoldBatchNormalization, stays_when_something_else_uses_what_lies_between) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 5, 5}).constant("w", sample({4, 2, 3, 3})).node("Conv", {"x", "w"}, {"c"});
  add_statistics(builder, 4).node("BatchNormalization", kNormalized, {"y"}).output("y").output("c");
  Graph graph = builder.build();
  EXPECT_EQ(run_pass(graph, "fold_batch_normalization"), 0);
}

TEST(FoldBias, goes_into_convolution_with_and_without_a_bias) {
  const std::vector<graph::Shape> shapes{{4, 1, 1}, {1, 4, 1, 1}, {1}, {}};
  for (const graph::Shape& shape : shapes) {
    for (const bool with_bias : {false, true}) {
      GraphBuilder builder;
      builder.input("x", {2, 3, 5, 5}).constant("w", sample({4, 3, 3, 3})).constant("b", sample({4}, 5));
      builder.constant("k", sample(shape, 8));
      builder.node("Conv", with_bias ? std::vector<std::string>{"x", "w", "b"} : std::vector<std::string>{"x", "w"},
                   {"c"});
      builder.node("Add", with_bias ? std::vector<std::string>{"k", "c"} : std::vector<std::string>{"c", "k"}, {"y"});
      builder.output("y");
      const Graph before = builder.build();
      Graph after = before;
      EXPECT_EQ(run_pass(after, "fold_bias"), 1);
      EXPECT_EQ(after.nodes.size(), 1u);
      expect_same_results(before, after, {sample({2, 3, 5, 5}, 3)});
    }
  }
}

TEST(FoldBias, takes_two_additions_in_a_row) {
  GraphBuilder builder;
  builder.input("x", {1, 3, 5, 5}).constant("w", sample({4, 3, 3, 3})).constant("k", sample({4, 1, 1}, 8));
  builder.node("Conv", {"x", "w"}, {"c"}).node("Add", {"c", "k"}, {"d"}).node("Add", {"d", "k"}, {"y"}).output("y");
  const Graph before = builder.build();
  Graph after = before;
  EXPECT_EQ(run_pass(after, "fold_bias"), 2);
  EXPECT_EQ(after.nodes.size(), 1u);
  expect_same_results(before, after, {sample({1, 3, 5, 5}, 3)});
}

TEST(FoldBias, leaves_what_is_no_bias_or_is_used_elsewhere) {
  GraphBuilder wide;
  wide.input("x", {1, 3, 5, 5}).constant("w", sample({4, 3, 3, 3})).constant("k", sample({3}, 8));
  wide.node("Conv", {"x", "w"}, {"c"}).node("Add", {"c", "k"}, {"y"}).output("y");
  Graph along_the_width = wide.build();
  EXPECT_EQ(run_pass(along_the_width, "fold_bias"), 0);

  GraphBuilder shared;
  shared.input("x", {1, 3, 5, 5}).constant("w", sample({4, 3, 3, 3})).constant("k", sample({4, 1, 1}, 8));
  shared.node("Conv", {"x", "w"}, {"c"}).node("Add", {"c", "k"}, {"y"}).output("y").output("c");
  Graph used_twice = shared.build();
  EXPECT_EQ(run_pass(used_twice, "fold_bias"), 0);
}

TEST(RemoveDead, takes_unused_nodes_outputs_and_values) {
  GraphBuilder builder;
  builder.input("x", {1, 1, 4, 4}).constant("unused", sample({3})).node("Shape", {"x"}, {"s"});
  builder.node("MaxPool", {"x"}, {"y", "places"}, {{"kernel_shape", std::vector<std::int64_t>{2, 2}}}).output("y");
  Graph graph = builder.build();
  EXPECT_GT(run_pass(graph, "remove_dead"), 0);
  EXPECT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].outputs.size(), 1u);
  EXPECT_EQ(graph.find("unused"), graph::kAbsent);
}

TEST(Simplify, passes_can_be_switched_off_and_report) {
  GraphBuilder builder;
  builder.input("x", {2}).node("Identity", {"x"}, {"i"}).node("Relu", {"i"}, {"y"}).output("y");
  Graph graph = builder.build();
  const std::vector<std::string> off{"remove_identities"};
  EXPECT_EQ(simplify(graph, off).size(), all_passes().size() - 1);
  EXPECT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(simplify(graph).size(), all_passes().size());
  EXPECT_EQ(graph.nodes.size(), 1u);
}

TEST(Simplify, captured_values_survive) {
  GraphBuilder inner;
  inner.node("Neg", {"hidden"}, {"n"}).output("n");
  GraphBuilder builder;
  builder.input("x", {2}).input("cond", {}, graph::ElementType::boolean).node("Identity", {"x"}, {"hidden"});
  builder.node("If", {"cond"}, {"y"}, {{"then_branch", std::make_shared<const Graph>(inner.build())}}).output("y");
  Graph graph = builder.build();
  simplify(graph);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(captured_names(*subgraphs_of(graph.nodes[0])[0]), (std::vector<std::string>{"x"}));
}

TEST(Simplify, leaves_nodes_without_their_inputs_alone) {
  GraphBuilder builder;
  builder.input("x", {1, 2, 3, 3}).constant("b", sample({2, 1, 1}));
  builder.node("Conv", {"x"}, {"c"}).node("Add", {"c", "b"}, {"y"}).output("y");
  builder.node("Add", {"b", ""}, {"z"}).node("Add", {"", ""}, {"w"}).output("z").output("w");
  Graph graph = builder.build();
  simplify(graph);
  EXPECT_EQ(graph.nodes.size(), 4u);
}

TEST(Simplify, real_models_compute_the_same) {
  const std::filesystem::path models = test::shared_folder(NS_SOURCE_DIR) / "models";
  if (!std::filesystem::exists(models)) GTEST_SKIP() << models << " is not there";
  for (const char* name : {"mnist8", "resnet20-cifar10", "kws-dscnn"}) {
    const Graph before = onnx::read_file(models / name / "model.onnx");
    Graph after = before;
    simplify(after);
    raise_opset(after, 17);
    simplify(after);
    std::vector<Tensor> inputs;
    for (const graph::ValueId id : before.inputs) {
      graph::Shape shape;
      for (const graph::Dimension& dimension : *before.value(id).shape)
        shape.push_back(std::max<std::int64_t>(dimension.size, 1));
      inputs.push_back(sample(shape));
    }
    expect_same_results(before, after, inputs);
  }
}

}  // namespace
}  // namespace ns::passes
