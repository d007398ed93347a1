// Corners that the official tests leave out, worked out by hand from the specification.
#include "kernels/ops/op.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/error.h"
#include "kernels/ops/half.h"
#include "tests/kernels/graph/graph_builder.h"

namespace ns::ops {
namespace {

using graph::Attribute;
using graph::ElementType;
using graph::Node;
using graph::Tensor;
using test::floats;
using test::integers;
using test::sample;

using Integers = std::vector<std::int64_t>;

std::vector<Tensor> run(const std::string& type, const std::vector<Tensor>& inputs,
                        std::map<std::string, Attribute, std::less<>> attributes = {}, std::int64_t opset = 13,
                        std::size_t outputs = 1, const std::string& domain = "") {
  Node node;
  node.name = "n";
  node.domain = domain;
  node.op_type = type;
  node.attributes = std::move(attributes);
  for (std::size_t i = 0; i < outputs; ++i) node.outputs.push_back(static_cast<graph::ValueId>(i));
  std::vector<const Tensor*> pointers;
  for (const Tensor& tensor : inputs) pointers.push_back(tensor.defined() ? &tensor : nullptr);
  return run_node(node, opset, pointers);
}

// An operator of com.microsoft.
std::vector<Tensor> run_contributed(const std::string& type, const std::vector<Tensor>& inputs,
                                    std::map<std::string, Attribute, std::less<>> attributes = {},
                                    std::size_t outputs = 1) {
  return run(type, inputs, std::move(attributes), 1, outputs, "com.microsoft");
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  const auto values = tensor.values<T>();
  return {values.begin(), values.end()};
}

TEST(Half, every_value_survives_a_round_trip) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
    } else {
      EXPECT_EQ(float_to_half(value), bits);
    }
  }
}

TEST(Half, rounds_to_nearest_even) {
  EXPECT_EQ(float_to_half(1.0f + 0x1p-11f), 0x3C00);      // half way: to even
  EXPECT_EQ(float_to_half(1.0f + 3 * 0x1p-11f), 0x3C02);  // half way: to even
  EXPECT_EQ(float_to_half(65519.0f), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_half(0x1p-25f), 0x0000);
  EXPECT_EQ(float_to_half(0x1.8p-25f), 0x0001);
}

template <typename T>
void expect_every_code_to_survive() {
  for (int code = 0; code < 256; ++code) {
    T number;
    number.bits = static_cast<std::uint8_t>(code);
    const auto value = static_cast<float>(number);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(T(value))));
    } else {
      EXPECT_EQ(T(value, false).bits, code) << value;
    }
  }
}

TEST(Float8, every_code_survives_a_round_trip) {
  expect_every_code_to_survive<Float8E4M3FN>();
  expect_every_code_to_survive<Float8E4M3FNUZ>();
  expect_every_code_to_survive<Float8E5M2>();
  expect_every_code_to_survive<Float8E5M2FNUZ>();
}

TEST(Float8, too_large_saturates_or_is_lost) {
  EXPECT_EQ(static_cast<float>(Float8E4M3FN(1000.0f)), 448.0f);
  EXPECT_EQ(static_cast<float>(Float8E4M3FNUZ(-1000.0f)), -240.0f);
  EXPECT_EQ(static_cast<float>(Float8E5M2(INFINITY)), 57344.0f);
  EXPECT_EQ(static_cast<float>(Float8E5M2(INFINITY, false)), INFINITY);
  EXPECT_EQ(static_cast<float>(Float8E4M3FN(464.0f, false)), 448.0f);  // half way: to even
  EXPECT_TRUE(std::isnan(static_cast<float>(Float8E4M3FN(465.0f, false))));
  EXPECT_TRUE(std::isnan(static_cast<float>(Float8E5M2FNUZ(1e6f, false))));
  EXPECT_EQ(Float8E5M2FNUZ(-0.0f).bits, 0);
  EXPECT_EQ(Float8E4M3FN(1.0625f).bits, Float8E4M3FN(1.0f).bits);  // half way: to even
}

TEST(Cast, integers_of_4_bits_saturate_and_wrap) {
  const auto y = run("Cast", {floats({4}, {-20, 7.9f, 20, NAN})}, {{"to", std::int64_t{22}}}, 21);
  const auto back = run("Cast", {y[0]}, {{"to", std::int64_t{7}}}, 21);
  EXPECT_EQ(values_of<std::int64_t>(back[0]), (std::vector<std::int64_t>{-8, 7, 7, 0}));
  const auto wrapped = run("Cast", {run("Cast", {integers({17, -1})}, {{"to", std::int64_t{21}}}, 21)[0]},
                           {{"to", std::int64_t{7}}}, 21);
  EXPECT_EQ(values_of<std::int64_t>(wrapped[0]), (std::vector<std::int64_t>{1, 15}));
}

TEST(QuantizeLinear, blocks_of_int4) {
  const auto y =
      run("QuantizeLinear", {floats({1, 5}, {1, 2, 3, 4, 50}), floats({1, 3}, {1, 2, 4})},
          {{"axis", std::int64_t{1}}, {"block_size", std::int64_t{2}}, {"output_dtype", std::int64_t{22}}}, 21);
  ASSERT_EQ(y[0].type(), ElementType::int4);
  const auto back = run("Cast", {y[0]}, {{"to", std::int64_t{7}}}, 21);
  EXPECT_EQ(values_of<std::int64_t>(back[0]), (std::vector<std::int64_t>{1, 2, 2, 2, 7}));
}

TEST(QuantizeLinear, rounds_half_to_even_and_saturates) {
  const auto y = run("QuantizeLinear", {floats({6}, {0.5f, 1.5f, 2.5f, -0.5f, 300, -300}), Tensor::scalar<float>(1),
                                        Tensor::scalar<std::int8_t>(0)});
  EXPECT_EQ(values_of<std::int8_t>(y[0]), (std::vector<std::int8_t>{0, 2, 2, 0, 127, -128}));
}

TEST(QuantizeLinear, per_channel_uses_the_axis) {
  const auto y =
      run("QuantizeLinear", {floats({2, 2}, {1, 1, 1, 1}), floats({2}, {1, 0.5f})}, {{"axis", std::int64_t{0}}});
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{1, 1, 2, 2}));
}

TEST(DequantizeLinear, int32_has_no_overflow) {
  const auto y = run("DequantizeLinear", {Tensor::scalar<std::int32_t>(std::numeric_limits<std::int32_t>::min()),
                                          Tensor::scalar<float>(1), Tensor::scalar<std::int32_t>(1)});
  EXPECT_EQ(values_of<float>(y[0])[0], -2147483648.0f);
}

TEST(IntegerArithmetic, dividing_by_zero_is_an_error_and_overflow_wraps) {
  EXPECT_THROW(run("Div", {integers({1}), integers({0})}), Error);
  EXPECT_THROW(run("Mod", {integers({1}), integers({0})}), Error);
  constexpr auto kSmallest = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(values_of<std::int64_t>(run("Div", {integers({kSmallest}), integers({-1})})[0])[0], kSmallest);
  EXPECT_EQ(values_of<std::int64_t>(run("Neg", {integers({kSmallest})})[0])[0], kSmallest);
  EXPECT_EQ(values_of<std::int64_t>(run("Abs", {integers({kSmallest})})[0])[0], kSmallest);
}

TEST(Cast, out_of_range_saturates) {
  const auto y = run("Cast", {floats({4}, {1e20f, -1e20f, NAN, -0.9f})}, {{"to", std::int64_t{6}}});
  EXPECT_EQ(values_of<std::int32_t>(y[0]), (std::vector<std::int32_t>{2147483647, -2147483647 - 1, 0, 0}));
}

TEST(Softmax, flattens_before_opset_13_and_runs_along_an_axis_after) {
  const Tensor x = floats({1, 2, 2}, {0, 0, 0, 0});
  EXPECT_EQ(values_of<float>(run("Softmax", {x}, {{"axis", std::int64_t{1}}}, 11)[0])[0], 0.25f);
  EXPECT_EQ(values_of<float>(run("Softmax", {x}, {{"axis", std::int64_t{1}}}, 13)[0])[0], 0.5f);
}

TEST(Conv, a_window_larger_than_the_input_is_refused) {
  EXPECT_THROW(run("Conv", {sample({1, 1, 2, 2}), sample({1, 1, 3, 3})}), Error);
}

TEST(Conv, groups_see_only_their_channels) {
  const auto y = run("Conv", {floats({1, 2, 1}, {1, 10}), floats({2, 1, 1}, {2, 3})}, {{"group", std::int64_t{2}}});
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{2, 30}));
}

TEST(ConvTranspose, groups_spread_their_channels) {
  const auto y =
      run("ConvTranspose", {floats({1, 2, 1}, {1, 10}), floats({2, 1, 2}, {1, 2, 3, 4})}, {{"group", std::int64_t{2}}});
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{1, 2, 30, 40}));
}

TEST(AveragePool, padding_counts_only_up_to_its_end) {
  const auto y = run("AveragePool", {floats({1, 1, 3}, {1, 2, 3})},
                     {{"kernel_shape", Integers{2}},
                      {"strides", Integers{2}},
                      {"ceil_mode", std::int64_t{1}},
                      {"count_include_pad", std::int64_t{1}}});
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{1.5f, 3}));
}

TEST(MaxPool, windows_that_start_in_the_padding_at_the_end_do_not_count) {
  const auto y = run("MaxPool", {floats({1, 1, 3}, {1, 2, 3})},
                     {{"kernel_shape", Integers{1}},
                      {"strides", Integers{2}},
                      {"pads", Integers{0, 1}},
                      {"ceil_mode", std::int64_t{1}}});
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{1, 3}));
}

TEST(Reshape, zero_keeps_a_size_unless_allowed) {
  EXPECT_EQ(run("Reshape", {sample({2, 3}), integers({0, -1})})[0].shape(), (graph::Shape{2, 3}));
  EXPECT_EQ(run("Reshape", {sample({0, 3}), integers({3, 0})}, {{"allowzero", std::int64_t{1}}}, 14)[0].shape(),
            (graph::Shape{3, 0}));
  EXPECT_THROW(run("Reshape", {sample({2, 3}), integers({-1, -1})}), Error);
  EXPECT_THROW(run("Reshape", {sample({2, 3}), integers({4})}), Error);
}

TEST(Gather, indices_out_of_range_are_refused) {
  EXPECT_THROW(run("Gather", {sample({3}), integers({3})}), Error);
  EXPECT_THROW(run("Gather", {sample({3}), integers({-4})}), Error);
}

TEST(Slice, extreme_limits_and_steps_are_clamped) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  const Tensor x = floats({3}, {1, 2, 3});
  const auto slice = [&](std::int64_t start, std::int64_t end, std::int64_t step) {
    return values_of<float>(run("Slice", {x, integers({start}), integers({end}), integers({0}), integers({step})})[0]);
  };
  EXPECT_EQ(slice(0, kMax, 1), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(slice(kMax, kMin, -1), (std::vector<float>{3, 2, 1}));
  EXPECT_EQ(slice(0, kMax, kMax), (std::vector<float>{1}));
  EXPECT_EQ(slice(-1, kMin, kMin), (std::vector<float>{3}));
}

TEST(Expand, absurd_sizes_are_refused) {
  EXPECT_THROW(run("Expand", {sample({1}), integers({std::int64_t{1} << 62})}), Error);
  EXPECT_THROW(run("ConstantOfShape", {integers({std::int64_t{1} << 40, std::int64_t{1} << 40})}), Error);
  EXPECT_THROW(run("Range", {Tensor::scalar<std::int64_t>(std::numeric_limits<std::int64_t>::min()),
                             Tensor::scalar<std::int64_t>(std::numeric_limits<std::int64_t>::max()),
                             Tensor::scalar<std::int64_t>(1)}),
               Error);
}

TEST(Reduce, of_nothing_is_the_neutral_element) {
  EXPECT_EQ(values_of<float>(run("ReduceSum", {sample({0})})[0])[0], 0);
  EXPECT_EQ(values_of<float>(run("ReduceProd", {sample({0})})[0])[0], 1);
}

TEST(TopK, equal_elements_keep_their_order_and_nan_is_largest) {
  const auto y = run("TopK", {floats({5}, {1, 3, NAN, 3, 2}), integers({3})}, {}, 11, 2);
  EXPECT_TRUE(std::isnan(values_of<float>(y[0])[0]));
  EXPECT_EQ(values_of<std::int64_t>(y[1]), (std::vector<std::int64_t>{2, 1, 3}));
  EXPECT_THROW(run("TopK", {sample({2}), integers({3})}, {}, 11, 2), Error);
  EXPECT_THROW(run("TopK", {sample({2}), integers({-1})}, {}, 11, 2), Error);
}

TEST(TopK, takes_k_from_an_attribute_before_opset_10) {
  const auto y = run("TopK", {floats({2, 2}, {1, 2, 4, 3})}, {{"k", std::int64_t{1}}, {"axis", std::int64_t{0}}}, 1, 2);
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{4, 3}));
  EXPECT_EQ(values_of<std::int64_t>(y[1]), (std::vector<std::int64_t>{1, 1}));
}

TEST(Einsum, diagonals_sums_and_three_inputs) {
  const Tensor x = floats({2, 2}, {1, 2, 3, 4});
  const auto einsum = [](const std::string& equation, const std::vector<Tensor>& inputs) {
    return values_of<float>(run("Einsum", inputs, {{"equation", equation}})[0]);
  };
  EXPECT_EQ(einsum("ii", {x}), (std::vector<float>{5}));
  EXPECT_EQ(einsum("ii->i", {x}), (std::vector<float>{1, 4}));
  EXPECT_EQ(einsum("ij->j", {x}), (std::vector<float>{4, 6}));
  EXPECT_EQ(einsum("ba", {x}), (std::vector<float>{1, 3, 2, 4}));  // implied output: ab
  EXPECT_EQ(einsum("ij,jk,k->i", {x, x, floats({2}, {1, 1})}), (std::vector<float>{17, 37}));
  EXPECT_EQ(einsum("i,i", {floats({2}, {1, 2}), floats({1}, {10})}), (std::vector<float>{30}));  // repeated
  EXPECT_EQ(einsum("...,...->...", {x, floats({2}, {1, 10})}), (std::vector<float>{1, 20, 3, 40}));
}

TEST(Einsum, equations_that_do_not_fit_are_refused) {
  for (const char* equation : {"", "i", "ijk", "ij->k", "ij->ii", "i.j", "ij,jk", "......", "i3"}) {
    EXPECT_THROW(run("Einsum", {sample({2, 2})}, {{"equation", std::string(equation)}}), Error) << equation;
  }
}

TEST(Scatter, indices_out_of_range_are_refused_and_reductions_count_every_update) {
  EXPECT_THROW(run("ScatterElements", {sample({3}), integers({3}), sample({1})}), Error);
  EXPECT_THROW(run("ScatterND", {sample({3}), integers({-4}), Tensor::scalar<float>(1)}), Error);
  const auto y = run("ScatterND", {floats({2}, {1, 1}), integers({1, 1}).reshaped({2, 1}), floats({2}, {2, 3})},
                     {{"reduction", std::string("add")}}, 16);
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{1, 6}));
}

// One unit, weights 1: the numbers can be followed by hand.
TEST(Recurrent, clip_and_affine_activations) {
  const auto y = run("RNN", {floats({2, 1, 1}, {1, 5}), floats({1, 1, 1}, {1}), floats({1, 1, 1}, {1})},
                     {{"activations", std::vector<std::string>{"Affine"}},
                      {"activation_alpha", std::vector<float>{2}},
                      {"activation_beta", std::vector<float>{1}},
                      {"clip", 4.0f}},
                     14, 2);
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{3, 9}));  // 2 * 1 + 1, then 2 * min(5 + 3, 4) + 1
}

TEST(Recurrent, short_sequences_end_early_in_both_directions) {
  const Tensor x = floats({3, 1, 1}, {1, 10, 100});
  const Tensor length = Tensor::from<std::int32_t>({1}, std::array<std::int32_t, 1>{2});
  const auto y = run(
      "RNN", {x, floats({2, 1, 1}, {1, 1}), floats({2, 1, 1}, {1, 1}), {}, length},
      {{"activations", std::vector<std::string>{"Relu", "Relu"}}, {"direction", std::string("bidirectional")}}, 14, 2);
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{1, 11, 11, 10, 0, 0}));
  EXPECT_EQ(values_of<float>(y[1]), (std::vector<float>{11, 11}));
}

TEST(Recurrent, lstm_couples_input_and_forget_gates) {
  // Gates i, o, f, c with W = 0, 0, 0, 1 and no R: i = 0.5, so C = 0.5 C + 0.5 x under Affine activations.
  const auto y =
      run("LSTM", {floats({2, 1, 1}, {2, 4}), floats({1, 4, 1}, {0, 0, 0, 1}), floats({1, 4, 1}, {0, 0, 0, 0})},
          {{"activations", std::vector<std::string>{"Sigmoid", "Affine", "Affine"}}, {"input_forget", std::int64_t{1}}},
          14, 3);
  EXPECT_EQ(values_of<float>(y[2]), (std::vector<float>{2.5f}));
  EXPECT_EQ(values_of<float>(y[1]), (std::vector<float>{1.25f}));
}

TEST(QLinearMatMul, saturates_and_takes_a_scale_for_each_row_and_column) {
  const Tensor a = Tensor::from<std::uint8_t>({2, 1}, std::array<std::uint8_t, 2>{10, 200});
  const Tensor b = Tensor::from<std::int8_t>({1, 2}, std::array<std::int8_t, 2>{2, -3});
  const Tensor none = Tensor::scalar<std::int8_t>(0);
  const auto y = run("QLinearMatMul",
                     {a, floats({2}, {1, 0.5f}), Tensor::scalar<std::uint8_t>(0), b, floats({2}, {1, 2}), none,
                      Tensor::scalar<float>(1), none},
                     {}, 21);
  EXPECT_EQ(values_of<std::int8_t>(y[0]), (std::vector<std::int8_t>{20, -60, 127, -128}));
}

TEST(QLinearConv, pads_with_the_zero_point_and_scales_by_channel) {
  const Tensor x = Tensor::from<std::uint8_t>({1, 1, 2}, std::array<std::uint8_t, 2>{11, 13});
  const Tensor w = Tensor::from<std::int8_t>({2, 1, 2}, std::array<std::int8_t, 4>{1, 1, 2, 2});
  const Tensor bias = Tensor::from<std::int32_t>({2}, std::array<std::int32_t, 2>{1, -1});
  const auto y =
      run("QLinearConv",
          {x, Tensor::scalar<float>(1), Tensor::scalar<std::uint8_t>(10), w, floats({2}, {1, 0.5f}),
           Tensor::scalar<std::int8_t>(0), Tensor::scalar<float>(1), Tensor::scalar<std::uint8_t>(100), bias},
          {{"pads", Integers{1, 0}}});
  // Sums: 1, 1 + 3 and 2, 8; with the bias 2, 5 and 1, 7; the second channel halved, ties to even.
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{102, 105, 100, 104}));
}

TEST(DynamicQuantizeLinear, zeros_have_a_scale) {
  const auto y = run("DynamicQuantizeLinear", {floats({2}, {0, 0})}, {}, 11, 3);
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{0, 0}));
  EXPECT_EQ(values_of<float>(y[1])[0], 1.0f);
}

TEST(MaxRoiPool, takes_the_largest_of_each_bin) {
  const Tensor x = floats({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const auto y =
      run("MaxRoiPool", {x, floats({2, 5}, {0, 0, 0, 2, 2, 0, 0, 0, 0, 0})}, {{"pooled_shape", Integers{2, 1}}});
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{6, 9, 1, 1}));
  EXPECT_THROW(run("MaxRoiPool", {x, floats({1, 5}, {1, 0, 0, 2, 2})}, {{"pooled_shape", Integers{2, 1}}}), Error);
}

TEST(GlobalLpPool, is_the_norm_of_each_channel) {
  const Tensor x = floats({1, 2, 2}, {3, -4, 0, 0});
  EXPECT_EQ(values_of<float>(run("GlobalLpPool", {x})[0]), (std::vector<float>{5, 0}));
  EXPECT_EQ(values_of<float>(run("GlobalLpPool", {x}, {{"p", std::int64_t{1}}})[0]), (std::vector<float>{7, 0}));
  EXPECT_THROW(run("GlobalLpPool", {x}, {{"p", std::int64_t{0}}}), Error);
}

// A transform of any length and back is what it was; lengths that are summed, halved and convolved.
TEST(DFT, an_inverse_undoes_a_transform_of_any_length) {
  for (const std::int64_t length : {1, 5, 32, 64, 100, 257}) {
    const Tensor x = sample({1, length, 2});
    const auto there = run("DFT", {x}, {}, 17);
    const auto back = run("DFT", {there[0]}, {{"inverse", std::int64_t{1}}}, 17);
    double sum = 0;
    for (std::int64_t i = 0; i < length; ++i) sum += static_cast<double>(values_of<float>(x)[2 * i]);
    EXPECT_NEAR(values_of<float>(there[0])[0], sum, 1e-4);
    for (std::int64_t i = 0; i < 2 * length; ++i) {
      EXPECT_NEAR(values_of<float>(back[0])[i], values_of<float>(x)[i], 1e-5) << length;
    }
  }
}

TEST(Unique, nan_is_one_element_and_comes_last) {
  const auto y = run("Unique", {floats({4}, {NAN, 2, NAN, 1})}, {}, 11, 4);
  EXPECT_EQ(y[0].shape(), (graph::Shape{3}));
  EXPECT_TRUE(std::isnan(values_of<float>(y[0])[2]));
  EXPECT_EQ(values_of<std::int64_t>(y[3]), (std::vector<std::int64_t>{1, 1, 2}));
}

TEST(NonMaxSuppression, chooses_none_unless_told_how_many) {
  const Tensor boxes = floats({1, 2, 4}, {0, 0, 1, 1, 2, 2, 3, 3});
  const Tensor scores = floats({1, 1, 2}, {0.1f, 0.2f});
  EXPECT_EQ(run("NonMaxSuppression", {boxes, scores})[0].shape(), (graph::Shape{0, 3}));
  const auto y = run("NonMaxSuppression", {boxes, scores, integers({9})});
  EXPECT_EQ(values_of<std::int64_t>(y[0]), (std::vector<std::int64_t>{0, 0, 1, 0, 0, 0}));
}

TEST(GridSample, places_that_are_no_numbers_read_the_padding) {
  const Tensor x = floats({1, 1, 1, 2}, {5, 7});
  const Tensor grid = floats({1, 1, 3, 2}, {NAN, 0, INFINITY, 0, -INFINITY, NAN});
  EXPECT_EQ(values_of<float>(run("GridSample", {x, grid}, {}, 16)[0]), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(values_of<float>(run("GridSample", {x, grid}, {{"padding_mode", std::string("border")}}, 16)[0]),
            (std::vector<float>{5, 7, 5}));
}

// At x = -0.58 of [1, 2, ...] a cubic still swings below the border that it repeats.
TEST(GridSample, a_cubic_sees_the_border_repeated) {
  const Tensor grid = floats({1, 1, 1, 2}, {-1.04f, 0});
  const auto y = run("GridSample", {floats({1, 1, 1, 4}, {1, 2, 4, 8}), grid},
                     {{"mode", std::string("cubic")}, {"padding_mode", std::string("border")}}, 20);
  // The last of the four taps is 2; its weight at a distance of 1.58 is -0.0767.
  EXPECT_NEAR(values_of<float>(y[0])[0], 1 - 0.07673, 1e-4);
}

TEST(BatchNormalization, training_moves_the_running_statistics) {
  const auto y =
      run("BatchNormalization",
          {floats({2, 1, 1}, {1, 3}), floats({1}, {1}), floats({1}, {0}), floats({1}, {10}), floats({1}, {5})},
          {{"training_mode", std::int64_t{1}}, {"momentum", 0.5f}, {"epsilon", 0.0f}}, 15, 3);
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{-1, 1}));
  EXPECT_EQ(values_of<float>(y[1])[0], 6);  // (10 + 2) / 2
  EXPECT_EQ(values_of<float>(y[2])[0], 3);  // (5 + 1) / 2
}

Tensor bytes_of(const graph::Shape& shape, std::vector<std::uint8_t> values) {
  return Tensor::from<std::uint8_t>(shape, values);
}

TEST(QLinearAdd, adds_what_the_bytes_mean) {
  const Tensor half = Tensor::scalar<float>(0.5f);
  const Tensor one = Tensor::scalar<float>(1);
  const Tensor ten = Tensor::scalar<std::uint8_t>(10);
  const auto y =
      run_contributed("QLinearAdd", {bytes_of({2}, {12, 255}), half, ten, bytes_of({1}, {3}), one, {}, half, ten});
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{18, 255}));  // (1 + 3) / 0.5 + 10
}

TEST(QLinearConcat, brings_every_part_to_the_scale_of_the_result) {
  const auto y = run_contributed("QLinearConcat",
                                 {Tensor::scalar<float>(1), Tensor::scalar<std::uint8_t>(0), bytes_of({1}, {8}),
                                  Tensor::scalar<float>(0.5f), Tensor::scalar<std::uint8_t>(2), bytes_of({2}, {1, 2}),
                                  Tensor::scalar<float>(3), Tensor::scalar<std::uint8_t>(0)},
                                 {{"axis", std::int64_t{0}}});
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{3, 3, 6}));
}

TEST(QLinearGlobalAveragePool, takes_channels_from_the_last_axis) {
  const Tensor one = Tensor::scalar<float>(1);
  const Tensor none = Tensor::scalar<std::uint8_t>(0);
  const auto y =
      run_contributed("QLinearGlobalAveragePool", {bytes_of({1, 2, 1, 2}, {1, 10, 3, 30}), one, none, one, none},
                      {{"channels_last", std::int64_t{1}}});
  EXPECT_EQ(y[0].shape(), (graph::Shape{1, 1, 1, 2}));
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{2, 20}));
}

TEST(QGemm, scales_columns_and_gives_real_numbers_without_a_scale_of_the_result) {
  const Tensor b = bytes_of({2, 2}, {1, 2, 3, 4});  // transposed: columns [1, 2] and [3, 4]
  const Tensor c = Tensor::from<std::int32_t>({2}, std::array<std::int32_t, 2>{100, 0});
  const auto y =
      run_contributed("QGemm",
                      {bytes_of({1, 2}, {11, 12}), Tensor::scalar<float>(2), Tensor::scalar<std::uint8_t>(10), b,
                       floats({2}, {1, 0.5f}), bytes_of({2}, {0, 1}), c},
                      {{"transB", std::int64_t{1}}, {"alpha", 0.5f}});
  // Sums: 1 * 1 + 2 * 2 + 100 and 1 * 2 + 2 * 3; times 0.5 * 2 * 1 and 0.5 * 2 * 0.5.
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{105, 4}));
}

TEST(MatMulNBits, unpacks_low_bits_first_and_knows_zero_points) {
  std::vector<std::uint8_t> packed(8, 0x88);  // 8 is zero when no zero point is given
  packed[0] = 0x9A;                           // elements 0 and 1: 10 and 9
  std::vector<float> row(16, 1.0f);
  const auto run_bits = [&](const std::vector<Tensor>& more) {
    std::vector<Tensor> inputs{floats({1, 16}, row), bytes_of({1, 1, 8}, packed), floats({1}, {0.5f})};
    inputs.insert(inputs.end(), more.begin(), more.end());
    return values_of<float>(run_contributed(
        "MatMulNBits", inputs, {{"N", std::int64_t{1}}, {"K", std::int64_t{16}}, {"block_size", std::int64_t{16}}})[0]);
  };
  EXPECT_EQ(run_bits({}), (std::vector<float>{1.5f}));                     // (2 + 1) / 2
  EXPECT_EQ(run_bits({bytes_of({1}, {7})}), (std::vector<float>{9.5f}));   // all 16 one more
  EXPECT_EQ(run_bits({floats({1}, {7.5f})}), (std::vector<float>{5.5f}));  // a zero point between
}

TEST(FusedMatMul, a_batch_inside_moves_out) {
  // A is [m, batch, k].
  const auto y = run_contributed("FusedMatMul", {floats({1, 2, 2}, {1, 2, 3, 4}), floats({2, 2, 1}, {1, 1, 10, 10})},
                                 {{"transBatchA", std::int64_t{1}}, {"alpha", 2.0f}});
  EXPECT_EQ(y[0].shape(), (graph::Shape{2, 1, 1}));
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{6, 140}));
}

TEST(FusedConv, adds_before_the_activation) {
  const auto y =
      run_contributed("FusedConv", {floats({1, 1, 2}, {1, -5}), floats({1, 1, 1}, {1}), {}, floats({1, 1, 2}, {1, 1})},
                      {{"activation", std::string("Relu")}});
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{2, 0}));
}

TEST(SkipSimplifiedLayerNormalization, hands_out_what_it_normalized) {
  const auto y =
      run_contributed("SkipSimplifiedLayerNormalization",
                      {floats({1, 2}, {1, 2}), floats({1, 2}, {2, 2}), floats({2}, {1, 10})}, {{"epsilon", 0.0f}}, 4);
  EXPECT_EQ(values_of<float>(y[3]), (std::vector<float>{3, 4}));
  EXPECT_NEAR(values_of<float>(y[0])[0], 3 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(values_of<float>(y[0])[1], 40 / std::sqrt(12.5), 1e-5);
}

TEST(MultiHeadAttention, equal_scores_average_what_is_not_masked) {
  const Tensor zeros = floats({1, 2, 1}, {0, 0});
  const Tensor values = floats({1, 2, 1}, {1, 3});
  const auto attend = [&](const Tensor& mask, std::int64_t unidirectional) {
    return values_of<float>(run_contributed("MultiHeadAttention", {zeros, zeros, values, {}, mask},
                                            {{"num_heads", std::int64_t{1}}, {"unidirectional", unidirectional}})[0]);
  };
  EXPECT_EQ(attend({}, 0), (std::vector<float>{2, 2}));
  EXPECT_EQ(attend({}, 1), (std::vector<float>{1, 2}));
  EXPECT_EQ(attend(Tensor::from<std::int32_t>({1, 2}, std::array<std::int32_t, 2>{0, 1}), 0),
            (std::vector<float>{3, 3}));
  EXPECT_EQ(attend(Tensor::from<std::int32_t>({1}, std::array<std::int32_t, 1>{1}), 0), (std::vector<float>{1, 1}));
}

TEST(Attention, the_past_comes_before_the_present) {
  // One head of one element; the weights make query and key zero and hand on the value.
  const auto y = run_contributed(
      "Attention",
      {floats({1, 1, 1}, {4}), floats({1, 3}, {0, 0, 1}), floats({3}, {0, 7, 0}), {}, floats({2, 1, 1, 1, 1}, {5, 2})},
      {{"num_heads", std::int64_t{1}}}, 2);
  EXPECT_EQ(values_of<float>(y[0]), (std::vector<float>{3}));
  EXPECT_EQ(values_of<float>(y[1]), (std::vector<float>{5, 7, 2, 4}));  // keys, then values
}

TEST(RotaryEmbedding, a_quarter_turn_of_halves_and_of_neighbours) {
  const Tensor x = floats({1, 1, 4}, {1, 2, 3, 4});
  const Tensor cosines = floats({2, 2}, {1, 1, 0, 1});
  const Tensor sines = floats({2, 2}, {0, 0, 1, 0});
  const auto turn = [&](std::int64_t interleaved) {
    return values_of<float>(
        run_contributed("RotaryEmbedding", {x, integers({1}), cosines, sines}, {{"interleaved", interleaved}})[0]);
  };
  EXPECT_EQ(turn(0), (std::vector<float>{-3, 2, 1, 4}));
  EXPECT_EQ(turn(1), (std::vector<float>{-2, 1, 3, 4}));
  EXPECT_THROW(run_contributed("RotaryEmbedding", {x, integers({2}), cosines, sines}), Error);
}

// One token at a time with the past handed on, or all at once: the last token sees the same.
TEST(GroupQueryAttention, a_step_with_the_past_is_the_last_row_of_the_whole) {
  const Tensor q = sample({1, 3, 4});
  const Tensor k = sample({1, 3, 2}, 2);
  const Tensor v = sample({1, 3, 2}, 3);
  const auto rows = [](const Tensor& x, std::int64_t first, std::int64_t last) {
    return run("Slice", {x, integers({first}), integers({last}), integers({1})})[0];
  };
  const auto step = [&](std::int64_t first, std::int64_t last, const Tensor& past_key, const Tensor& past_value) {
    const auto length = static_cast<std::int32_t>(last);
    return run_contributed("GroupQueryAttention",
                           {rows(q, first, last), rows(k, first, last), rows(v, first, last), past_key, past_value,
                            Tensor::from<std::int32_t>({1}, std::array<std::int32_t, 1>{length - 1}),
                            Tensor::scalar<std::int32_t>(length), sample({4, 1}, 5), sample({4, 1}, 6)},
                           {{"num_heads", std::int64_t{2}},
                            {"kv_num_heads", std::int64_t{1}},
                            {"do_rotary", std::int64_t{1}},
                            {"local_window_size", std::int64_t{2}}},
                           3);
  };
  const auto whole = step(0, 3, {}, {});
  const auto start = step(0, 2, {}, {});
  const auto last = step(2, 3, start[1], start[2]);
  EXPECT_TRUE(equal(last[1], whole[1]));
  EXPECT_TRUE(equal(last[0], rows(whole[0], 2, 3)));
}

TEST(Infer, says_which_bytes_it_needs_before_the_run) {
  Node node;
  node.name = "n";
  node.op_type = "Reshape";
  node.outputs = {0};
  const TensorType x{ElementType::float32, {2, 3}};
  const TensorType shape{ElementType::int64, {1}};
  const std::array<const TensorType*, 2> inputs{&x, &shape};
  const std::array<const Tensor*, 2> constants{nullptr, nullptr};
  try {
    infer_types(*find_op("", "Reshape", 13), {node, 13, inputs, constants});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
  }
}

}  // namespace
}  // namespace ns::ops
