// Chains of functions of single numbers, normalization and reductions: the fused loops against plain operators and
// against double precision.
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/runtime/pointwise.h"
#include "tests/kernels/runtime/graph_builder.h"

namespace ns::runtime {
namespace {

using graph::Shape;
using graph::Tensor;
using graph::ValueId;
using Integers = std::vector<std::int64_t>;

struct FunctionCase {
  PointFunction function;
  double (*exact)(double);
  double low, high;
  double tolerance;  // relative to the value, and of 1e-7 beside it
};

std::vector<float> applied(PointFunction function, const std::vector<float>& x, float alpha = 0, float beta = 0) {
  PointProgram program{.count = x.size(),
                       .inputs = {{.period = x.size(), .repeat = 1, .constant = {}}},
                       .instructions = {},
                       .outputs = {1}};
  program.instructions.push_back({.function = function, .alpha = alpha, .beta = beta});
  std::vector<float> y(x.size()), scratch(scratch_bytes(program) / sizeof(float));
  void* const in = const_cast<float*>(x.data());
  void* const out = y.data();
  run(program, {&in, 1}, {&out, 1}, scratch.data());
  return y;
}

TEST(Pointwise, functions_are_right_to_a_few_units_in_the_last_place) {
  const FunctionCase cases[] = {
      {PointFunction::exponential, [](double x) { return std::exp(x); }, -86, 88, 4e-7},
      {PointFunction::tanh, [](double x) { return std::tanh(x); }, -12, 12, 4e-7},
      {PointFunction::erf, [](double x) { return std::erf(x); }, -6, 6, 5e-7},
      {PointFunction::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -80, 80, 5e-7},
      {PointFunction::softplus, [](double x) { return std::log1p(std::exp(x)); }, -60, 60, 5e-7},
      {PointFunction::logarithm, [](double x) { return std::log(x); }, 1e-3, 1e6, 4e-7},
      {PointFunction::square_root, [](double x) { return std::sqrt(x); }, 0, 1e6, 2e-7},
      {PointFunction::round, [](double x) { return std::nearbyint(x); }, -1000, 1000, 0},
  };
  for (const FunctionCase& one : cases) {
    std::vector<float> x;
    for (int i = 0; i <= 20000; ++i) x.push_back(static_cast<float>(one.low + (one.high - one.low) * i / 20000.0));
    for (double tiny = 1e-6; tiny < one.high && one.low < 0; tiny *= 3) x.push_back(static_cast<float>(-tiny));
    const std::vector<float> y = applied(one.function, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = one.exact(static_cast<double>(x[i]));
      const double most = std::abs(exact) * one.tolerance + (one.function == PointFunction::logarithm ? 1e-7 : 1e-37);
      ASSERT_NEAR(y[i], exact, most) << "function " << static_cast<int>(one.function) << " of " << x[i];
    }
  }
}

TEST(Pointwise, the_ends_of_the_number_line) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> ends{-infinity, infinity, nan, 0.0F, -1000.0F, 1000.0F};
  EXPECT_EQ(applied(PointFunction::exponential, ends)[0], 0);
  EXPECT_EQ(applied(PointFunction::exponential, ends)[1], infinity);
  EXPECT_EQ(applied(PointFunction::exponential, ends)[5], infinity);
  EXPECT_EQ(applied(PointFunction::tanh, ends)[0], -1);
  EXPECT_EQ(applied(PointFunction::tanh, ends)[1], 1);
  EXPECT_EQ(applied(PointFunction::erf, ends)[0], -1);
  EXPECT_EQ(applied(PointFunction::erf, ends)[5], 1);
  EXPECT_EQ(applied(PointFunction::sigmoid, ends)[0], 0);
  EXPECT_EQ(applied(PointFunction::sigmoid, ends)[1], 1);
  for (const PointFunction function :
       {PointFunction::exponential, PointFunction::tanh, PointFunction::erf, PointFunction::sigmoid,
        PointFunction::leaky_relu, PointFunction::clip, PointFunction::hard_swish, PointFunction::softplus}) {
    EXPECT_TRUE(std::isnan(applied(function, ends, 0.1F, 0.5F)[2])) << static_cast<int>(function);
  }
}

double relative_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  double largest = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.count()); ++i) {
    const double x = a.values<float>()[i], y = b.values<float>()[i];
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x == y) continue;
    const double apart = std::abs(x - y) / (1e-3 + std::abs(y));
    largest = std::isnan(apart) ? INFINITY : std::max(largest, apart);
  }
  return largest;
}

// Any graph of such functions: values used twice, kept, and of smaller shapes; the seed is the case.
class RandomChain : public testing::TestWithParam<std::uint32_t> {};

TEST_P(RandomChain, equals_the_plain_operators) {
  GraphBuilder builder(GetParam());
  const Shape shape{2, 3, builder.pick(1, 5), builder.pick(1, 300)};
  std::vector<ValueId> values{builder.input(shape), builder.input({shape[3]}), builder.input({1, 3, 1, 1}),
                              builder.input({2, 1, 1, 1}), builder.random_constant({})};
  std::vector<ValueId> made;
  for (int i = 0; i < 14; ++i) {
    static const std::vector<std::string> kOne{"Relu", "Sigmoid", "Tanh", "Erf", "Abs", "Neg", "HardSigmoid", "Floor"};
    static const std::vector<std::string> kTwo{"Add", "Sub", "Mul", "Max", "Min"};
    const ValueId x = made.empty() ? values[0]
                                   : made[static_cast<std::size_t>(builder.pick(
                                         std::max<std::int64_t>(0, static_cast<std::int64_t>(made.size()) - 3),
                                         static_cast<std::int64_t>(made.size()) - 1))];
    const auto choice = builder.pick(0, 9);
    if (choice < 3) {
      made.push_back(builder.node(kOne[static_cast<std::size_t>(builder.pick(0, 7))], {x}));
    } else if (choice == 3) {
      made.push_back(builder.node("Softmax", {x}));  // is not of this kind: the chain is cut
    } else {
      const ValueId y =
          builder.pick(0, 1) == 0 || made.empty()
              ? values[static_cast<std::size_t>(builder.pick(0, 4))]
              : made[static_cast<std::size_t>(builder.pick(0, static_cast<std::int64_t>(made.size()) - 1))];
      const bool swapped = builder.pick(0, 1) == 1;
      made.push_back(builder.node(kTwo[static_cast<std::size_t>(builder.pick(0, 4))],
                                  swapped ? std::vector{y, x} : std::vector{x, y}));
    }
  }
  builder.output(made.back()).output(made[static_cast<std::size_t>(builder.pick(0, 12))]);
  const std::vector<Tensor> inputs = builder.random_inputs(-2, 2);
  const std::vector<Tensor> expected = run_graph(builder, inputs, true);
  Session session(builder.graph(), {.threads = 1, .profile = true});
  for (int time = 0; time < 2; ++time) {
    const std::vector<Tensor> actual = session.run(inputs);
    for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_LE(relative_difference(actual[i], expected[i]), 1e-3) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(seeds, RandomChain, testing::Range(1U, 61U));

TEST(Pointwise, a_chain_is_one_step) {
  GraphBuilder builder;
  const ValueId x = builder.input({2, 64});
  const ValueId sum = builder.node("Add", {builder.node("Mul", {x, x}), builder.random_constant({64})});
  builder.output(builder.node("Mul", {builder.node("Sigmoid", {sum}), sum}));
  const Session session = expect_same(builder, builder.random_inputs(), 1e-5);
  EXPECT_TRUE(has_step(session, "Mul+Add+Sigmoid+Mul"));
}

TEST(Pointwise, does_not_take_a_residual_from_a_convolution) {
  GraphBuilder builder;
  const ValueId x = builder.input({1, 8, 6, 6});
  const ValueId shortcut = builder.node("Exp", {x});
  const ValueId convolution = builder.node("Conv", {x, builder.random_constant({8, 8, 1, 1})});
  builder.output(builder.node("Relu", {builder.node("Add", {shortcut, convolution})}));
  EXPECT_TRUE(has_step(expect_same(builder, builder.random_inputs(), 1e-4), "Conv+Add+Relu"));
}

TEST(Pointwise, batch_normalization_of_any_rank) {
  for (const Shape& shape : {Shape{4, 6}, Shape{2, 6, 17}, Shape{2, 6, 5, 7}, Shape{1, 6, 2, 3, 4}}) {
    GraphBuilder builder;
    const ValueId x = builder.input(shape);
    const ValueId y = builder.node("BatchNormalization",
                                   {x, builder.random_constant({6}), builder.random_constant({6}),
                                    builder.random_constant({6}), builder.random_constant({6}, 0.1F, 2)},
                                   {{"epsilon", 1e-3F}});
    builder.output(builder.node("Sigmoid", {y}));
    expect_same(builder, builder.random_inputs(), 1e-5);
  }
}

ValueId layer_norm(GraphBuilder& builder, ValueId x, std::int64_t axis, bool by_product, bool affine) {
  const std::map<std::string, graph::Attribute, std::less<>> axes{{"axes", Integers{axis}}};
  const ValueId centred = builder.node("Sub", {x, builder.node("ReduceMean", {x}, axes)});
  const ValueId square = by_product ? builder.node("Mul", {centred, centred})
                                    : builder.node("Pow", {centred, builder.constant(Tensor::scalar(2.0F))});
  const ValueId variance = builder.node("ReduceMean", {square}, axes);
  const ValueId sum = builder.node("Add", {variance, builder.constant(Tensor::scalar(1e-5F))});
  const ValueId quotient = builder.node("Div", {centred, builder.node("Sqrt", {sum})});
  if (!affine) return quotient;
  const ValueId scaled = builder.node("Mul", {builder.random_constant({37}), quotient});
  return builder.node("Add", {scaled, builder.random_constant({37})});
}

TEST(Normalization, its_parts_are_one_step) {
  for (const bool by_product : {false, true}) {
    for (const bool affine : {false, true}) {
      GraphBuilder builder;
      const ValueId x = builder.input({3, 5, 37});
      builder.output(layer_norm(builder, x, -1, by_product, affine));
      const Session session = expect_same(builder, builder.random_inputs(), 1e-5);
      EXPECT_TRUE(has_step(session, "LayerNormalization"));
      EXPECT_EQ(session.profile().size(), 1U);
    }
  }
}

TEST(Normalization, over_another_axis_or_with_parts_that_are_kept_is_left_alone) {
  GraphBuilder other;
  other.output(layer_norm(other, other.input({3, 37, 37}), 1, false, true));
  EXPECT_FALSE(has_step(expect_same(other, other.random_inputs(), 1e-5), "LayerNormalization"));
  GraphBuilder kept;
  kept.output(layer_norm(kept, kept.input({3, 37}), -1, false, true));
  kept.output(kept.graph()->find("Sub1_output"));
  EXPECT_FALSE(has_step(expect_same(kept, kept.random_inputs(), 1e-5), "LayerNormalization"));
}

TEST(Reduction, over_neighbouring_axes) {
  for (const char* type : {"ReduceSum", "ReduceMean", "ReduceMax"}) {
    for (const Integers& axes :
         {Integers{-1}, Integers{0}, Integers{1, 2}, Integers{0, 1, 2, 3}, Integers{2}, Integers{0, 2}}) {
      for (const std::int64_t keep : {std::int64_t{0}, std::int64_t{1}}) {
        GraphBuilder builder;
        const ValueId x = builder.input({3, 4, 5, 70});
        const bool as_input = std::string(type) == "ReduceSum";
        std::map<std::string, graph::Attribute, std::less<>> attributes{{"keepdims", keep}};
        if (!as_input) attributes["axes"] = axes;
        builder.output(
            builder.node(type, as_input ? std::vector{x, builder.integers(axes)} : std::vector{x}, attributes));
        expect_same(builder, builder.random_inputs(), 1e-3);
      }
    }
  }
}

TEST(Reduction, the_largest_of_a_row_with_nan_is_nan) {
  GraphBuilder builder;
  builder.output(builder.node("ReduceMax", {builder.input({2, 70})}, {{"axes", Integers{1}}}));
  std::vector<Tensor> inputs = builder.random_inputs();
  inputs[0].values<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  const Tensor made = run_graph(builder, inputs, false)[0];
  EXPECT_TRUE(std::isnan(made.values<float>()[0]));
  EXPECT_FALSE(std::isnan(made.values<float>()[1]));
}

TEST(Recurrent, equals_the_plain_operator) {
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    for (const bool states : {false, true}) {
      const std::int64_t directions = direction[0] == 'b' ? 2 : 1, hidden = 37, size = 19;
      GraphBuilder builder;
      std::vector<ValueId> inputs{builder.input({5, 3, size}), builder.random_constant({directions, 4 * hidden, size}),
                                  builder.random_constant({directions, 4 * hidden, hidden}),
                                  builder.random_constant({directions, 8 * hidden})};
      if (states) {
        inputs.push_back(graph::kAbsent);
        inputs.push_back(builder.input({directions, 3, hidden}));
        inputs.push_back(builder.input({directions, 3, hidden}));
      }
      builder.output(builder.node("LSTM", inputs, {{"hidden_size", hidden}, {"direction", std::string(direction)}}));
      graph::Graph& graph = builder.edit();
      for (const char* name : {"h", "c"}) {
        graph.nodes.back().outputs.push_back(graph.add_value({name, graph::ElementType::float32, {}, {}}));
        builder.output(graph.nodes.back().outputs.back());
      }
      const std::vector<Tensor> given = builder.random_inputs();
      Session session(builder.graph(), {.threads = 1});
      const std::vector<Tensor> expected = run_graph(builder, given, true);
      for (int time = 0; time < 2; ++time) EXPECT_LE(difference(session.run(given), expected), 1e-5);
      EXPECT_EQ(session.profile().at(0).implementation, "loop");
    }
  }
}

TEST(Recurrent, a_first_output_may_be_left_out) {
  for (const char* type : {"LSTM", "RNN"}) {
    const std::int64_t gates = type[0] == 'L' ? 4 : 1;
    GraphBuilder builder;
    const ValueId x = builder.input({3, 2, 5});
    builder.node(type, {x, builder.random_constant({1, gates * 4, 5}), builder.random_constant({1, gates * 4, 4})},
                 {{"hidden_size", std::int64_t{4}}});
    graph::Graph& graph = builder.edit();
    const ValueId last = graph.add_value({"last", graph::ElementType::float32, {}, {}});
    graph.nodes.back().outputs = {graph::kAbsent, last};
    builder.output(builder.node("Relu", {last}));
    expect_same(builder, builder.random_inputs(), 1e-5);
  }
}

TEST(ColumnConvolution, along_the_height_alone) {
  for (const std::int64_t groups : {std::int64_t{1}, std::int64_t{2}}) {
    GraphBuilder builder;
    const ValueId x = builder.input({2, 16, 40, 1});
    const ValueId y =
        builder.node("Conv", {x, builder.random_constant({16, 16 / groups, 5, 1}), builder.random_constant({16})},
                     {{"pads", Integers{2, 0, 1, 0}}, {"strides", Integers{2, 1}}, {"group", groups}});
    builder.output(builder.node("MaxPool", {builder.node("Relu", {y})}, {{"kernel_shape", Integers{2, 1}}}));
    EXPECT_TRUE(has_step(expect_same(builder, builder.random_inputs(), 1e-4), "Conv+Relu"));
  }
}

TEST(BlockedConcat, joins_what_convolutions_made) {
  for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{3}}) {
    for (const std::int64_t channels : {std::int64_t{16}, std::int64_t{48}, std::int64_t{6}}) {
      GraphBuilder builder;
      const ValueId x = builder.input({batch, 16, 9, 7});
      const ValueId left = builder.node("Conv", {x, builder.random_constant({32, 16, 1, 1})});
      const ValueId right = builder.node("Conv", {x, builder.random_constant({channels, 16, 1, 1})});
      const ValueId both = builder.node("Concat", {left, right}, {{"axis", std::int64_t{1}}});
      builder.output(builder.node("Conv", {both, builder.random_constant({8, 32 + channels, 1, 1})}));
      expect_same(builder, builder.random_inputs(), 1e-3);
    }
  }
}

}  // namespace
}  // namespace ns::runtime
