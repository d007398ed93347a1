#include <gtest/gtest.h>

#include "common/error.h"
#include "kernels/passes/passes.h"
#include "tests/kernels/graph/graph_builder.h"
#include "tests/kernels/ops/plain_run.h"

namespace ns::passes {
namespace {

using graph::Attribute;
using graph::Graph;
using graph::Tensor;
using test::GraphBuilder;
using test::sample;

struct Case {
  const char* name;
  std::int64_t from;
  const char* op_type;
  graph::Shape shape;
  std::map<std::string, Attribute, std::less<>> attributes;
  std::vector<std::pair<std::string, Tensor>> constants;
  std::vector<std::string> outputs{"y"};
};

using Integers = std::vector<std::int64_t>;

const std::vector<Case>& cases() {
  static const std::vector<Case> list{
      {"softmax_middle_axis", 11, "Softmax", {2, 3, 4}, {{"axis", std::int64_t{1}}}, {}},
      {"softmax_default_axis", 11, "Softmax", {2, 3}, {}, {}},
      {"log_softmax_first_axis", 9, "LogSoftmax", {2, 3, 4}, {{"axis", std::int64_t{0}}}, {}},
      {"squeeze", 11, "Squeeze", {2, 1, 3}, {{"axes", Integers{1}}}, {}},
      {"unsqueeze", 7, "Unsqueeze", {2, 3}, {{"axes", Integers{0, 3}}}, {}},
      {"reduce_sum", 11, "ReduceSum", {2, 3, 4}, {{"axes", Integers{1}}, {"keepdims", std::int64_t{0}}}, {}},
      {"reduce_mean", 11, "ReduceMean", {2, 3, 4}, {{"axes", Integers{0, 2}}}, {}},
      {"split", 11, "Split", {4, 2}, {{"split", Integers{1, 3}}}, {}, {"y", "z"}},
      {"split_equally", 11, "Split", {4, 2}, {}, {}, {"y", "z"}},
      {"clip", 7, "Clip", {3, 3}, {{"min", -0.5f}, {"max", 1.0f}}, {}},
      {"clip_one_side", 10, "Clip", {3, 3}, {{"max", 1.0f}}, {}},
      {"pad", 10, "Pad", {2, 3}, {{"pads", Integers{0, 1, 1, 0}}, {"value", 2.5f}}, {}},
      {"pad_reflect", 10, "Pad", {2, 3}, {{"pads", Integers{0, 1, 1, 0}}, {"mode", std::string("reflect")}}, {}},
      {"slice", 9, "Slice", {4, 5}, {{"starts", Integers{1}}, {"ends", Integers{-1}}, {"axes", Integers{1}}}, {}},
      {"dropout", 10, "Dropout", {2, 3}, {{"ratio", 0.3f}}, {}},
      {"upsample_nearest",
       7,
       "Upsample",
       {1, 1, 2, 3},
       {{"scales", std::vector<float>{1, 1, 2, 2}}, {"mode", std::string("nearest")}},
       {}},
      {"upsample_linear",
       9,
       "Upsample",
       {1, 1, 2, 3},
       {{"mode", std::string("linear")}},
       {{"scales", test::floats({4}, {1, 1, 2, 3})}}},
      {"resize_shrinks", 10, "Resize", {1, 1, 4, 6}, {}, {{"scales", test::floats({4}, {1, 1, 0.6f, 0.6f})}}},
      {"add_along_an_axis",
       6,
       "Add",
       {2, 3, 4},
       {{"broadcast", std::int64_t{1}}, {"axis", std::int64_t{1}}},
       {{"b", sample({3}, 4)}}},
      {"prelu_by_channel", 6, "PRelu", {2, 3, 4}, {}, {{"slope", sample({3}, 4)}}},
  };
  return list;
}

class RaiseOpset : public testing::TestWithParam<std::tuple<std::size_t, std::int64_t>> {};

TEST_P(RaiseOpset, keeps_what_a_node_computes) {
  const auto [number, to] = GetParam();
  const Case& c = cases()[number];
  GraphBuilder builder(c.from);
  builder.input("x", c.shape);
  std::vector<std::string> inputs{"x"};
  for (const auto& [name, tensor] : c.constants) {
    builder.constant(name, tensor);
    inputs.push_back(name);
  }
  builder.node(c.op_type, inputs, c.outputs, c.attributes);
  for (const std::string& name : c.outputs) builder.output(name);
  const Graph before = builder.build();
  Graph after = before;
  raise_opset(after, to);
  EXPECT_EQ(after.opset(), to);
  const std::vector<Tensor> x{sample(c.shape, 3)};
  const std::vector<Tensor> a = test::plain_run(before, x);
  const std::vector<Tensor> b = test::plain_run(after, x);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(equal(a[i], b[i])) << c.name;
}

INSTANTIATE_TEST_SUITE_P(Cases, RaiseOpset,
                         testing::Combine(testing::Range<std::size_t>(0, cases().size()), testing::Values(13, 18, 21)),
                         [](const auto& parameter) {
                           return std::string(cases()[std::get<0>(parameter.param)].name) + "_to_" +
                                  std::to_string(std::get<1>(parameter.param));
                         });

TEST(RaiseOpsetRefusals, softmax_of_unknown_rank_takes_the_general_form) {
  GraphBuilder builder(11);
  builder.input("x", {2, 3, 4}).node("Softmax", {"x"}, {"y"}).output("y");
  Graph before = builder.build();
  before.value(before.inputs[0]).shape.reset();
  Graph after = before;
  raise_opset(after, 13);
  EXPECT_EQ(after.nodes.size(), 4u);
  const std::vector<Tensor> x{sample({2, 3, 4})};
  EXPECT_TRUE(equal(test::plain_run(before, x)[0], test::plain_run(after, x)[0]));
}

TEST(RaiseOpsetRefusals, an_unknown_operator_is_named) {
  GraphBuilder builder(11);
  builder.input("x", {2}).node("Frobnicate", {"x"}, {"y"}).output("y");
  Graph graph = builder.build();
  try {
    raise_opset(graph, 13);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("Frobnicate"), std::string::npos);
  }
  EXPECT_EQ(graph.opset(), 11) << "a refused graph stays as it was";
}

TEST(RaiseOpsetRefusals, opsets_out_of_range_and_downwards) {
  GraphBuilder builder(17);
  builder.input("x", {2}).node("Relu", {"x"}, {"y"}).output("y");
  Graph graph = builder.build();
  EXPECT_THROW(raise_opset(graph, 12), Error);
  EXPECT_THROW(raise_opset(graph, 22), Error);
  raise_opset(graph, 13);
  EXPECT_EQ(graph.opset(), 17);
}

TEST(RaiseOpset, refuses_a_node_without_its_inputs) {
  const auto refused = [](const GraphBuilder& builder) {
    Graph graph = builder.build();
    try {
      raise_opset(graph, 13);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("raised");
  };
  EXPECT_NE(refused(GraphBuilder(5).input("x", {2}).node("Add", {"x"}, {"y"}).output("y")).find("no input 1"),
            std::string::npos);
  EXPECT_NE(refused(GraphBuilder(9).input("x", {2}).node("Softmax", {""}, {"y"}).output("y")).find("no input 0"),
            std::string::npos);
}

}  // namespace
}  // namespace ns::passes
