// Plans of float graphs against the plain operators, over odd shapes with fixed seeds.
#include <thread>

#include "common/error.h"
#include "kernels/runtime/plan_cache.h"
#include "tests/kernels/runtime/graph_builder.h"

namespace ns::runtime {
namespace {

using graph::Shape;
using graph::Tensor;
using graph::ValueId;
using Integers = std::vector<std::int64_t>;

struct ConvolutionCase {
  std::int64_t batch, channels, height, width, outputs, kernel, stride, dilation, pad, groups;
};

class ConvolutionPlan : public testing::TestWithParam<ConvolutionCase> {
 protected:
  GraphBuilder builder{7};
  ValueId convolution(ValueId x, const ConvolutionCase& c, bool bias) {
    std::vector<ValueId> inputs{x, builder.random_constant({c.outputs, c.channels / c.groups, c.kernel, c.kernel})};
    if (bias) inputs.push_back(builder.random_constant({c.outputs}));
    return builder.node("Conv", inputs,
                        {{"strides", Integers{c.stride, c.stride}},
                         {"dilations", Integers{c.dilation, c.dilation}},
                         {"pads", Integers{c.pad, c.pad, c.pad, c.pad}},
                         {"group", c.groups}});
  }
};

TEST_P(ConvolutionPlan, equals_plain) {
  const ConvolutionCase c = GetParam();
  const ValueId x = builder.input({c.batch, c.channels, c.height, c.width});
  builder.output(convolution(x, c, true));
  expect_same(builder, builder.random_inputs(), 1e-3);
}

TEST_P(ConvolutionPlan, fuses_bias_and_activation) {
  const ConvolutionCase c = GetParam();
  const ValueId x = builder.input({c.batch, c.channels, c.height, c.width});
  const ValueId sum = builder.node("Add", {convolution(x, c, false), builder.random_constant({c.outputs, 1, 1})});
  builder.output(builder.node("Relu", {sum}));
  EXPECT_TRUE(has_step(expect_same(builder, builder.random_inputs(), 1e-3), "Conv+Add+Relu"));
}

TEST_P(ConvolutionPlan, adds_a_residual_that_is_needed_later) {
  const ConvolutionCase c = GetParam();
  const ValueId x = builder.input({c.batch, c.channels, c.height, c.width});
  const ValueId shortcut = builder.node("Sigmoid", {convolution(x, c, true)});
  const ValueId sum = builder.node("Add", {convolution(x, c, true), shortcut});
  const ValueId y = builder.node("Relu", {sum});
  builder.output(builder.node("Mul", {y, shortcut}));
  expect_same(builder, builder.random_inputs(), 2e-3);
}

TEST_P(ConvolutionPlan, adds_a_residual_in_place) {
  const ConvolutionCase c = GetParam();
  const ValueId x = builder.input({c.batch, c.channels, c.height, c.width});
  const ValueId shortcut = convolution(x, c, true);
  const ValueId sum = builder.node("Add", {shortcut, convolution(x, c, true)});
  builder.output(builder.node("LeakyRelu", {sum}, {{"alpha", 0.2F}}));
  expect_same(builder, builder.random_inputs(), 2e-3);
}

INSTANTIATE_TEST_SUITE_P(
    shapes, ConvolutionPlan,
    testing::Values(ConvolutionCase{1, 3, 9, 7, 5, 3, 1, 1, 1, 1}, ConvolutionCase{2, 16, 14, 14, 32, 3, 2, 1, 1, 1},
                    ConvolutionCase{1, 8, 11, 13, 8, 3, 1, 1, 1, 8}, ConvolutionCase{3, 12, 10, 10, 18, 3, 1, 2, 2, 3},
                    ConvolutionCase{1, 17, 5, 5, 33, 1, 1, 1, 0, 1}, ConvolutionCase{2, 1, 28, 28, 8, 5, 1, 1, 2, 1},
                    ConvolutionCase{1, 64, 6, 6, 64, 3, 1, 1, 1, 64}, ConvolutionCase{1, 5, 1, 9, 7, 1, 3, 1, 0, 1}));

TEST(FloatPlan, residual_that_is_also_the_input) {
  GraphBuilder builder(3);
  const ValueId x = builder.input({1, 16, 6, 6});
  const ValueId before = builder.node("Relu", {builder.node("Conv", {x, builder.random_constant({16, 16, 1, 1})})});
  const ValueId y =
      builder.node("Conv", {before, builder.random_constant({16, 16, 3, 3})}, {{"pads", Integers{1, 1, 1, 1}}});
  builder.output(builder.node("Relu", {builder.node("Add", {y, before})}));
  expect_same(builder, builder.random_inputs(), 1e-3);
}

TEST(FloatPlan, input_as_residual_is_not_overwritten) {
  GraphBuilder builder(4);
  const ValueId x = builder.input({1, 16, 6, 6});
  const ValueId y = builder.node("Conv", {x, builder.random_constant({16, 16, 1, 1})});
  builder.output(builder.node("Add", {y, x}));
  const std::vector<Tensor> inputs = builder.random_inputs();
  const Tensor before = inputs[0].clone();
  expect_same(builder, inputs, 1e-3);
  EXPECT_EQ(difference({before}, {inputs[0]}), 0);
}

TEST(FloatPlan, matrix_products) {
  for (const bool transposed : {false, true}) {
    GraphBuilder builder(5);
    const ValueId x = builder.input({5, 37});
    const ValueId weights = builder.random_constant(transposed ? Shape{11, 37} : Shape{37, 11});
    const ValueId y =
        builder.node("Gemm", {x, weights, builder.random_constant({11})}, {{"transB", std::int64_t{transposed}}});
    builder.output(builder.node("Relu", {y}));
    Session session = expect_same(builder, builder.random_inputs(), 1e-4);
    EXPECT_EQ(session.profile().size(), 1U);
  }
}

TEST(FloatPlan, matmul_of_many_rows_and_bias) {
  GraphBuilder builder(6);
  const ValueId x = builder.input({2, 3, 19});
  const ValueId y = builder.node("MatMul", {x, builder.random_constant({19, 7})});
  builder.output(builder.node("Sigmoid", {builder.node("Add", {y, builder.random_constant({7})})}));
  expect_same(builder, builder.random_inputs(), 1e-4);
}

TEST(FloatPlan, matmul_of_two_runtime_sides) {
  GraphBuilder builder(7);
  const ValueId a = builder.input({2, 3, 5, 4}), b = builder.input({3, 4, 6});
  builder.output(builder.node("MatMul", {a, b}));
  expect_same(builder, builder.random_inputs(), 1e-4);
}

TEST(FloatPlan, pools) {
  for (const std::string type : {"MaxPool", "AveragePool"}) {
    for (const std::int64_t pad : {0, 1}) {
      GraphBuilder builder(8);
      const ValueId x = builder.input({2, 9, 11, 7});
      const ValueId y = builder.node("Conv", {x, builder.random_constant({19, 9, 1, 1})});
      builder.output(builder.node(type, {y},
                                  {{"kernel_shape", Integers{3, 3}},
                                   {"strides", Integers{2, 2}},
                                   {"pads", Integers{pad, pad, pad, pad}},
                                   {"ceil_mode", std::int64_t{1}}}));
      expect_same(builder, builder.random_inputs(), 1e-4);
    }
  }
}

TEST(FloatPlan, whole_means) {
  GraphBuilder builder(9);
  const ValueId x = builder.input({2, 6, 5, 7});
  const ValueId y = builder.node("Conv", {x, builder.random_constant({20, 6, 1, 1})});
  builder.output(builder.node("GlobalAveragePool", {y}));
  builder.output(builder.node("Flatten", {builder.node("GlobalAveragePool", {builder.node("Relu", {y})})}));
  expect_same(builder, builder.random_inputs(), 1e-4);
}

TEST(FloatPlan, concatenations_in_both_layouts) {
  GraphBuilder builder(10);
  const ValueId x = builder.input({2, 6, 5, 7});
  const ValueId a = builder.node("Conv", {x, builder.random_constant({20, 6, 1, 1})});
  const ValueId b = builder.node("Conv", {x, builder.random_constant({7, 6, 1, 1})});
  builder.output(builder.node("Concat", {a, b, x}, {{"axis", std::int64_t{1}}}));
  builder.output(builder.node("Concat", {a, a}, {{"axis", std::int64_t{-1}}}));
  builder.output(builder.node("Concat", {x, x}, {{"axis", std::int64_t{0}}}));
  expect_same(builder, builder.random_inputs(), 1e-4);
}

TEST(FloatPlan, binary_operators_broadcast) {
  for (const std::string type : {"Add", "Sub", "Mul", "Div"}) {
    GraphBuilder builder(11);
    const ValueId x = builder.input({2, 6, 5, 7});
    const ValueId y = builder.node("Conv", {x, builder.random_constant({6, 6, 1, 1})});
    builder.output(builder.node(type, {y, builder.random_constant({6, 1, 1}, 1, 2)}));
    builder.output(builder.node(type, {builder.random_constant({}, 1, 2), x}));
    builder.output(builder.node(type, {y, builder.node("Sigmoid", {x})}));
    builder.output(builder.node(type, {builder.random_constant({3, 1, 1, 1, 1}, 1, 2), builder.node("Exp", {x})}));
    expect_same(builder, builder.random_inputs(), 1e-3);
  }
}

TEST(FloatPlan, softmax_along_any_axis) {
  for (const std::int64_t axis : {0, 1, 2, -1}) {
    GraphBuilder builder(12);
    builder.output(builder.node("Softmax", {builder.input({3, 5, 7})}, {{"axis", axis}}));
    expect_same(builder, builder.random_inputs(-5, 5), 1e-5);
  }
}

TEST(FloatPlan, views_and_transposes_after_blocked_layouts) {
  GraphBuilder builder(13);
  const ValueId x = builder.input({2, 6, 4, 4});
  const ValueId y = builder.node("Conv", {x, builder.random_constant({10, 6, 3, 3})});
  builder.output(builder.node("Reshape", {y, builder.integers({2, 5, -1})}));
  builder.output(builder.node("Transpose", {y}, {{"perm", Integers{0, 2, 3, 1}}}));
  builder.output(builder.node("Flatten", {builder.node("Transpose", {x})}));
  expect_same(builder, builder.random_inputs(), 1e-4);
}

TEST(FloatPlan, slices_and_pads_in_both_layouts) {
  GraphBuilder builder(19);
  const ValueId x = builder.input({2, 6, 7, 9});
  const ValueId y = builder.node("Conv", {x, builder.random_constant({10, 6, 1, 1})});
  for (const ValueId from : {x, y}) {
    builder.output(builder.node("Slice", {from, builder.integers({0, -4, 1}), builder.integers({2, 100, -1}),
                                          builder.integers({1, 2, -1}), builder.integers({1, 1, 2})}));
    builder.output(builder.node("Slice", {from, builder.integers({-1}), builder.integers({-100}), builder.integers({2}),
                                          builder.integers({-2})}));
    builder.output(builder.node("Pad", {from, builder.integers({0, 2, 0, 1, 1, 0, 3, 0})}));
    builder.output(builder.node(
        "Pad", {from, builder.integers({0, -2, 0, 1, 0, 1, -1, 2}), builder.constant(Tensor::scalar(1.5F))}));
  }
  EXPECT_TRUE(has_step(expect_same(builder, builder.random_inputs(), 1e-5), "Pad"));
}

TEST(FloatPlan, constants_inputs_and_repeats_as_outputs) {
  GraphBuilder builder(14);
  const ValueId x = builder.input({2, 3});
  const ValueId c = builder.random_constant({4});
  builder.output(x).output(c).output(builder.node("Identity", {x})).output(builder.node("Neg", {c}));
  const ValueId y = builder.node("Relu", {x});
  builder.output(y).output(y);
  expect_same(builder, builder.random_inputs(), 0);
}

TEST(FloatPlan, several_shapes_of_one_session) {
  GraphBuilder builder(15);
  const ValueId x = builder.input({1, 4, 8, 8});
  (*builder.edit().value(x).shape)[0] = {.size = -1, .name = "N"};
  const ValueId y = builder.node("Conv", {x, builder.random_constant({8, 4, 3, 3})});
  builder.output(builder.node("Relu", {y}));
  Session fast(builder.graph(), {.threads = 1});
  Session plain(builder.graph(), {.threads = 1, .plain = true});
  for (std::int64_t round = 0; round < 3; ++round) {
    for (std::int64_t batch = 1; batch <= 12; ++batch) {
      const std::vector<Tensor> inputs{builder.random_floats({batch, 4, 8, 8}, -1, 1)};
      EXPECT_LE(difference(fast.run(inputs), plain.run(inputs)), 1e-4);
    }
  }
}

TEST(FloatPlan, cache_keeps_the_plans_used_last) {
  GraphBuilder builder(20);
  builder.output(builder.node("Relu", {builder.input({1, 3})}));
  PlanCache cache(builder.graph(), {});
  const auto plan_for = [&](std::int64_t batch) {
    return cache.find_or_make({{graph::ElementType::float32, {batch, 3}}});
  };
  const auto first = plan_for(1);
  for (std::int64_t batch = 2; batch < 30; ++batch) {
    plan_for(batch);
    EXPECT_EQ(plan_for(1), first);  // in use, so it stays
    EXPECT_LE(cache.size(), kMaxPlans);
  }
  EXPECT_EQ(cache.size(), kMaxPlans);
}

TEST(FloatPlan, one_plan_on_several_threads) {
  GraphBuilder builder(16);
  const ValueId x = builder.input({1, 8, 12, 12});
  const ValueId y = builder.node("Conv", {x, builder.random_constant({16, 8, 3, 3})});
  builder.output(builder.node("GlobalAveragePool", {builder.node("Relu", {y})}));
  const Session session(builder.graph(), {.threads = 1});
  std::vector<std::vector<Tensor>> inputs;
  for (int i = 0; i < 4; ++i) inputs.push_back(builder.random_inputs());
  std::vector<double> apart(inputs.size(), 0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    threads.emplace_back([&, i] {
      Session own = session.share();
      const std::vector<Tensor> expected = run_graph(builder, inputs[i], true);
      for (int run = 0; run < 50; ++run) apart[i] = std::max(apart[i], difference(own.run(inputs[i]), expected));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const double one : apart) EXPECT_LE(one, 1e-4);
}

TEST(FloatPlan, names_every_unknown_operator) {
  GraphBuilder builder(17);
  const ValueId x = builder.input({2});
  builder.output(builder.node("Frobnicate", {builder.node("Twiddle", {x})}));
  try {
    Session session(builder.graph(), {});
    FAIL() << "an unknown operator was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    const std::string text = error.what();
    EXPECT_NE(text.find("Twiddle (node Twiddle0)"), std::string::npos) << text;
    EXPECT_NE(text.find("Frobnicate (node Frobnicate1)"), std::string::npos) << text;
  }
}

TEST(FloatPlan, names_the_input_that_does_not_fit) {
  GraphBuilder builder(18);
  builder.output(builder.node("Relu", {builder.input({2, 3})}));
  Session session(builder.graph(), {});
  const auto refused = [&](const std::vector<Tensor>& inputs) {
    try {
      session.run(inputs);
      return std::string("accepted");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(refused({Tensor(graph::ElementType::float32, {3, 2})}),
            "input input0 has the shape [3, 2], the model wants [2, 3]");
  EXPECT_EQ(refused({Tensor(graph::ElementType::int32, {2, 3})}), "input input0 is int32, the model wants float32");
  EXPECT_EQ(refused({}), "0 inputs, the model wants 1");
}

// Random graphs of convolutions, sums, products and pools with several readers of every value: any overlap of live
// buffers changes a number.
TEST(FloatPlan, random_graphs_never_overwrite_what_is_alive) {
  for (std::uint32_t seed = 100; seed < 130; ++seed) {
    GraphBuilder builder(seed);
    std::vector<ValueId> values{builder.input({1, 8, 5, 5}), builder.input({1, 8, 5, 5})};
    const auto any = [&] {
      return values[static_cast<std::size_t>(builder.pick(0, static_cast<std::int64_t>(values.size()) - 1))];
    };
    for (int i = 0; i < 14; ++i) {
      switch (builder.pick(0, 5)) {
        case 0:
          values.push_back(builder.node("Relu", {any()}));
          break;
        case 1:
          values.push_back(builder.node("Tanh", {builder.node("Add", {any(), any()})}));
          break;
        case 2:
          values.push_back(builder.node("Sigmoid", {builder.node("Mul", {any(), any()})}));
          break;
        case 3: {
          const ValueId y = builder.node("Conv", {any(), builder.random_constant({8, 8, 1, 1}, -0.2F, 0.2F)});
          values.push_back(builder.node("Relu", {builder.node("Add", {y, any()})}));
          break;
        }
        case 4:
          values.push_back(builder.node("Conv", {any(), builder.random_constant({8, 8, 3, 3}, -0.1F, 0.1F)},
                                        {{"pads", Integers{1, 1, 1, 1}}}));
          break;
        default:
          values.push_back(builder.node("Reshape", {builder.node("Reshape", {any(), builder.integers({8, 25})}),
                                                    builder.integers({1, 8, 5, 5})}));
      }
    }
    for (std::size_t i = values.size() - 3; i < values.size(); ++i) builder.output(values[i]);
    SCOPED_TRACE(seed);
    expect_same(builder, builder.random_inputs(), 1e-3);
  }
}

}  // namespace
}  // namespace ns::runtime
