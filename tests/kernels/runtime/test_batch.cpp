// Batches run in parts: which graphs keep their samples apart, and that the parts make the whole.
#include <array>

#include "kernels/runtime/batch_runner.h"
#include "kernels/runtime/separable.h"
#include "tests/kernels/graph/graph_builder.h"
#include "tests/kernels/runtime/graph_builder.h"

namespace ns::runtime {
namespace {

using graph::Graph;
using graph::Shape;
using graph::Tensor;
using test::floats;
using test::integers;
using test::sample;
using Named = test::GraphBuilder;
using Attributes = std::map<std::string, graph::Attribute, std::less<>>;
using Integers = std::vector<std::int64_t>;

// x [N, 4, 6] -> one node -> y
bool keeps_apart(const std::string& type, const Attributes& attributes, const std::vector<Tensor>& constants = {},
                 const Shape& shape = {-1, 4, 6}) {
  Named builder;
  builder.input("x", shape);
  std::vector<std::string> inputs{"x"};
  for (const Tensor& constant : constants) {
    inputs.push_back("c" + std::to_string(inputs.size()));
    builder.constant(inputs.back(), constant);
  }
  builder.node(type, inputs, {"y"}, attributes).output("y");
  Shape all = shape;
  all[0] = 5;
  const std::vector<ops::TensorType> types{{graph::ElementType::float32, all}};
  return separable_batch(builder.build(), types) == 5;
}

TEST(Separable, operators_that_keep_samples_apart) {
  EXPECT_TRUE(keeps_apart("Relu", {}));
  EXPECT_TRUE(keeps_apart("Add", {}, {sample({4, 6})}));
  EXPECT_TRUE(keeps_apart("Mul", {}, {sample({1, 4, 1})}));
  EXPECT_TRUE(keeps_apart("MatMul", {}, {sample({6, 3})}));
  EXPECT_TRUE(keeps_apart("MatMul", {}, {sample({1, 6, 3})}));
  EXPECT_TRUE(keeps_apart("Softmax", {{"axis", std::int64_t{-1}}}));
  EXPECT_TRUE(keeps_apart("Reshape", {}, {integers({-1, 24})}));
  EXPECT_TRUE(keeps_apart("Reshape", {}, {integers({-1, 6})}));
  EXPECT_TRUE(keeps_apart("Transpose", {{"perm", Integers{0, 2, 1}}}));
  EXPECT_TRUE(keeps_apart("ReduceMean", {{"axes", Integers{1}}}));
  EXPECT_TRUE(keeps_apart("Slice", {}, {integers({0, 1}), integers({1000, 3}), integers({0, 1})}));
  EXPECT_TRUE(keeps_apart("Pad", {}, {integers({0, 0, 1, 0, 0, 2})}));
  EXPECT_TRUE(keeps_apart("Gather", {{"axis", std::int64_t{2}}}, {integers({1, 0})}));
  EXPECT_TRUE(keeps_apart("Unsqueeze", {}, {integers({1})}));
}

TEST(Separable, operators_that_mix_samples) {
  EXPECT_FALSE(keeps_apart("Add", {}, {sample({5, 4, 6})})) << "another constant for each sample";
  EXPECT_FALSE(keeps_apart("Softmax", {{"axis", std::int64_t{0}}}));
  EXPECT_FALSE(keeps_apart("Softmax", {{"axis", std::int64_t{-3}}}));
  EXPECT_FALSE(keeps_apart("Reshape", {}, {integers({4, -1})}));
  EXPECT_FALSE(keeps_apart("Reshape", {}, {integers({1, -1})}));
  EXPECT_FALSE(keeps_apart("Transpose", {{"perm", Integers{1, 0, 2}}}));
  EXPECT_FALSE(keeps_apart("Transpose", {}));
  EXPECT_FALSE(keeps_apart("ReduceMean", {{"axes", Integers{0}}}));
  EXPECT_FALSE(keeps_apart("ReduceMean", {{"axes", Integers{-3, 1}}}));
  EXPECT_FALSE(keeps_apart("ReduceMean", {}));
  EXPECT_FALSE(keeps_apart("Slice", {}, {integers({1}), integers({1000}), integers({0})}));
  EXPECT_FALSE(keeps_apart("Slice", {}, {integers({-1}), integers({-1000}), integers({0}), integers({-1})}));
  EXPECT_FALSE(keeps_apart("Pad", {}, {integers({1, 0, 0, -1, 0, 0})}));
  EXPECT_FALSE(keeps_apart("Gather", {{"axis", std::int64_t{0}}}, {integers({1, 0, 2, 3, 4})}));
  EXPECT_FALSE(keeps_apart("Unsqueeze", {}, {integers({0})}));
  EXPECT_FALSE(keeps_apart("Concat", {{"axis", std::int64_t{0}}}, {sample({1, 4, 6})}));
  EXPECT_FALSE(keeps_apart("Relu", {}, {}, {5, 4, 6})) << "the model wants five";
}

TEST(Separable, a_product_with_the_batch_itself_mixes) {
  Named builder;
  builder.input("x", {-1, 4}).node("Transpose", {"x"}, {"t"}, {{"perm", Integers{1, 0}}});
  builder.node("MatMul", {"x", "t"}, {"y"}).output("y");
  EXPECT_FALSE(separable_batch(builder.build(), std::vector<ops::TensorType>{{graph::ElementType::float32, {4, 4}}}));
}

TEST(Separable, numbers_that_follow_from_the_size_of_the_batch_mix) {
  Named builder;
  builder.input("x", {-1, 4}).node("Shape", {"x"}, {"s"}).constant("zero", integers({0}));
  builder.node("Gather", {"s", "zero"}, {"n"}).node("Cast", {"n"}, {"f"}, {{"to", std::int64_t{1}}});
  builder.node("Div", {"x", "f"}, {"y"}).output("y");
  EXPECT_FALSE(separable_batch(builder.build(), std::vector<ops::TensorType>{{graph::ElementType::float32, {4, 4}}}));
}

TEST(Separable, a_token_expanded_to_the_batch_is_the_same_for_each) {
  Named builder;
  builder.input("x", {-1, 3, 4}).constant("token", sample({1, 1, 4})).node("Shape", {"x"}, {"s"});
  builder.constant("zero", integers({0})).node("Gather", {"s", "zero"}, {"n"}).constant("rest", integers({1, 4}));
  builder.node("Concat", {"n", "rest"}, {"wanted"}, {{"axis", std::int64_t{0}}});
  builder.node("Expand", {"token", "wanted"}, {"tokens"});
  builder.node("Concat", {"tokens", "x"}, {"y"}, {{"axis", std::int64_t{1}}}).output("y");
  const Graph graph = builder.build();
  EXPECT_EQ(separable_batch(graph, std::vector<ops::TensorType>{{graph::ElementType::float32, {7, 3, 4}}}), 7);
}

std::shared_ptr<const Graph> network() {
  Named builder;
  builder.input("x", {-1, 3, 8, 8}).constant("w", sample({6, 3, 3, 3})).constant("v", sample({6, 10}, 3));
  builder.node("Conv", {"x", "w"}, {"a"}, {{"pads", Integers{1, 1, 1, 1}}}).node("Relu", {"a"}, {"b"});
  builder.node("GlobalAveragePool", {"b"}, {"c"}).node("Flatten", {"c"}, {"d"}).node("MatMul", {"d", "v"}, {"y"});
  builder.output("y").output("b");
  return std::make_shared<const Graph>(builder.build());
}

TEST(BatchRunner, parts_of_any_size_make_the_whole) {
  const Tensor x = sample({11, 3, 8, 8}, 5);
  const std::vector<ops::TensorType> types{{x.type(), x.shape()}};
  Session whole(network(), {.threads = 1, .profile = true});
  const std::vector<Tensor> expected = whole.run({&x, 1});
  const auto plans = std::make_shared<PlanCache>(network(), PlanOptions{.threads = 1});
  for (const int threads : {1, 2, 3}) {
    for (const std::int64_t samples : {std::int64_t{1}, std::int64_t{3}, std::int64_t{4}, std::int64_t{11}}) {
      BatchRunner runner(plans, {.inputs = types, .batch = 11, .samples = samples}, threads);
      for (int time = 0; time < 3; ++time) EXPECT_LE(difference(runner.run({&x, 1}), expected), 1e-5);
    }
  }
}

TEST(BatchRunner, a_session_gives_the_same_whatever_it_chooses) {
  Session session(network(), {.threads = 2});
  for (const std::int64_t batch :
       {std::int64_t{1}, std::int64_t{2}, std::int64_t{9}, std::int64_t{33}, std::int64_t{9}}) {
    const Tensor x = sample({batch, 3, 8, 8}, static_cast<unsigned>(batch));
    Session plain(network(), {.threads = 1, .plain = true});
    const std::vector<Tensor> expected = plain.run({&x, 1});
    for (int time = 0; time < 2; ++time) EXPECT_LE(difference(session.run({&x, 1}), expected), 1e-4);
  }
}

}  // namespace
}  // namespace ns::runtime
