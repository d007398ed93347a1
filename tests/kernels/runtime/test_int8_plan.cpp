// Q/DQ graphs: the plan in int8 against the same graph executed plainly, at most one quantization step apart.
#include "tests/kernels/runtime/graph_builder.h"

namespace ns::runtime {
namespace {

using graph::Shape;
using graph::Tensor;
using graph::ValueId;
using Integers = std::vector<std::int64_t>;

bool ran_in_int8(const Session& session, const std::string& type) {
  const std::vector<std::string> nodes = session.int8_nodes();
  return std::any_of(nodes.begin(), nodes.end(), [&](const std::string& node) { return node.starts_with(type); });
}

// The output is compared as stored numbers: one step is 1.
template <typename Stored>
class Int8Plan : public testing::Test {
 protected:
  // A zero point in the middle of things, or where Relu wants it.
  static constexpr bool kUnsigned = std::is_same_v<Stored, std::uint8_t>;
  static constexpr Stored kMiddle = kUnsigned ? 117 : 3;
  static constexpr Stored kLowest = kUnsigned ? 0 : -128;
  GraphBuilder builder{21};

  ValueId quantized_input(const Shape& shape, Stored zero) {
    return builder.dequantize(builder.quantize(builder.input(shape), 2.0F / 255, zero), 2.0F / 255, zero);
  }
  ValueId convolution(ValueId x, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t groups = 1) {
    const std::int64_t pad = kernel / 2;
    const ValueId weights = builder.int8_weights({out, in / groups, kernel, kernel}, 0, 0.01F);
    return builder.node("Conv", {x, weights, builder.random_constant({out})},
                        {{"pads", Integers{pad, pad, pad, pad}}, {"group", groups}});
  }
};
using StoredTypes = testing::Types<std::uint8_t, std::int8_t>;
TYPED_TEST_SUITE(Int8Plan, StoredTypes);

// Those with weights: where products are not summed in 32 bits, only uint8 inputs are multiplied in int8.
template <typename Stored>
class Int8Products : public Int8Plan<Stored> {
 protected:
  void SetUp() override {
    if (!Int8Plan<Stored>::kUnsigned && !onednn::sums_in_32_bits()) {
      GTEST_SKIP() << "this CPU has no VNNI: products of int8 inputs are computed in float";
    }
  }
};
TYPED_TEST_SUITE(Int8Products, StoredTypes);

TYPED_TEST(Int8Products, convolution_with_relu) {
  for (const std::int64_t groups : {1, 16}) {
    for (const TypeParam zero : {TestFixture::kMiddle, TestFixture::kLowest}) {
      GraphBuilder& builder = this->builder = GraphBuilder(31);
      const ValueId x = this->quantized_input({2, 16, 9, 7}, zero);
      const ValueId y = builder.node("Relu", {this->convolution(x, 16, 32, 3, groups)});
      builder.output(builder.quantize(y, 0.05F, TestFixture::kLowest));
      const Session session = expect_same(builder, builder.random_inputs(), 1);
      if (groups > 1 && !onednn::sums_in_32_bits()) continue;  // there oneDNN has a kernel for groups in float alone
      EXPECT_TRUE(ran_in_int8(session, "Conv"));
      EXPECT_TRUE(ran_in_int8(session, "Relu"));
      EXPECT_TRUE(has_step(session, "int8 Conv+Relu"));
    }
  }
}

TYPED_TEST(Int8Products, convolution_with_activations_that_are_not_redundant) {
  for (const std::string type : {"Relu", "Sigmoid", "LeakyRelu", "HardSwish"}) {
    GraphBuilder& builder = this->builder = GraphBuilder(32);
    builder.edit().opsets[""] = 14;
    const ValueId x = this->quantized_input({1, 3, 9, 7}, TestFixture::kMiddle);
    const ValueId y = builder.node(type, {this->convolution(x, 3, 24, 3)});
    builder.output(builder.quantize(y, type == "Sigmoid" ? 0.005F : 0.05F, TestFixture::kMiddle));
    SCOPED_TRACE(type);
    EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), 1), "Conv"));
  }
}

TYPED_TEST(Int8Products, convolution_with_clip_inside_the_range) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({1, 8, 6, 6}, TestFixture::kMiddle);
  const ValueId y = builder.node("Clip", {this->convolution(x, 8, 8, 1), builder.constant(Tensor::scalar(0.0F)),
                                          builder.constant(Tensor::scalar(1.5F))});
  builder.output(builder.quantize(y, 0.02F, TestFixture::kMiddle));
  EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), 1), "Conv"));
}

TYPED_TEST(Int8Products, convolution_with_int32_bias) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({1, 4, 6, 6}, TestFixture::kMiddle);
  const ValueId weights = builder.int8_weights({6, 4, 3, 3}, 0, 0.01F);
  const Tensor scales = builder.edit().value(builder.edit().nodes.back().inputs[1]).constant;
  std::vector<float> bias_scales;
  for (const float scale : scales.values<float>()) bias_scales.push_back(scale * (2.0F / 255));
  std::vector<std::int32_t> stored;
  for (std::size_t i = 0; i < 6; ++i) stored.push_back(static_cast<std::int32_t>(builder.pick(-9000, 9000)));
  const ValueId bias = builder.node("DequantizeLinear",
                                    {builder.constant(Tensor::from<std::int32_t>({6}, stored)),
                                     builder.constant(Tensor::from<float>({6}, bias_scales))},
                                    {{"axis", std::int64_t{0}}});
  builder.output(builder.quantize(builder.node("Conv", {x, weights, bias}), 0.05F, TestFixture::kMiddle));
  EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), 1), "Conv"));
}

TYPED_TEST(Int8Products, convolution_with_float_output) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({1, 16, 6, 6}, TestFixture::kMiddle);
  builder.output(builder.node("Relu", {this->convolution(x, 16, 16, 3)}));
  EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), 1e-3), "Conv"));
}

TYPED_TEST(Int8Products, residual_block) {
  // As the default export profile writes it: Q and DQ between the convolution and the sum.
  for (const bool quantized_between : {true, false}) {
    GraphBuilder& builder = this->builder = GraphBuilder(33);
    const ValueId x = this->quantized_input({1, 16, 8, 8}, TestFixture::kMiddle);
    const ValueId shortcut =
        builder.round_trip(builder.node("Relu", {this->convolution(x, 16, 16, 3)}), 0.04F, TestFixture::kLowest);
    ValueId y = this->convolution(shortcut, 16, 16, 3);
    if (quantized_between) y = builder.round_trip(y, 0.06F, TestFixture::kMiddle);
    const ValueId sum = builder.node("Relu", {builder.node("Add", {y, shortcut})});
    const ValueId end = builder.round_trip(sum, 0.07F, TestFixture::kLowest);
    builder.output(builder.quantize(this->convolution(end, 16, 8, 1), 0.1F, TestFixture::kMiddle));
    SCOPED_TRACE(quantized_between);
    // An inner step apart may become a few at the end.
    const Session session = expect_same(builder, builder.random_inputs(), 4);
    EXPECT_TRUE(ran_in_int8(session, "Add"));
    EXPECT_TRUE(has_step(session, "int8 Conv+Add+Relu"));
  }
}

TYPED_TEST(Int8Products, residual_sum_is_one_step_apart) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({1, 16, 8, 8}, TestFixture::kMiddle);
  const ValueId other = this->quantized_input({1, 16, 8, 8}, TestFixture::kMiddle);
  const ValueId y = builder.round_trip(this->convolution(x, 16, 16, 3), 0.06F, TestFixture::kMiddle);
  builder.output(builder.quantize(builder.node("Add", {y, other}), 0.07F, TestFixture::kMiddle));
  // A tie in the round trip may go the other way (one step of 0.06), and the sum then be a step off.
  EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), 1), "Add"));
}

TYPED_TEST(Int8Products, matrix_product) {
  for (const bool transposed : {false, true}) {
    for (const bool quantized : {true, false}) {
      GraphBuilder& builder = this->builder = GraphBuilder(34);
      const ValueId x = this->quantized_input({3, 45}, TestFixture::kMiddle);
      const ValueId weights =
          builder.int8_weights(transposed ? Shape{13, 45} : Shape{45, 13}, transposed ? 0 : 1, 0.01F);
      const ValueId y =
          builder.node("Gemm", {x, weights, builder.random_constant({13})}, {{"transB", std::int64_t{transposed}}});
      builder.output(quantized ? builder.quantize(y, 0.05F, TestFixture::kMiddle) : y);
      SCOPED_TRACE(transposed);
      EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), quantized ? 1 : 1e-3), "Gemm"));
    }
  }
}

TYPED_TEST(Int8Products, matmul_and_bias) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({2, 3, 20}, TestFixture::kMiddle);
  const ValueId y = builder.node("MatMul", {x, builder.int8_weights({20, 9}, 1, 0.01F)});
  const ValueId sum = builder.node("Add", {y, builder.random_constant({9})});
  builder.output(builder.quantize(builder.node("Relu", {sum}), 0.05F, TestFixture::kLowest));
  EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), 1), "MatMul"));
}

TYPED_TEST(Int8Plan, tables_addition_and_movement) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({2, 6, 5, 7}, TestFixture::kMiddle);
  const ValueId other = this->quantized_input({2, 6, 5, 7}, TestFixture::kLowest);
  builder.output(builder.quantize(builder.node("Sigmoid", {x}), 1.0F / 255, TestFixture::kLowest));
  builder.output(builder.quantize(x, 0.03F, TestFixture::kLowest));
  builder.output(
      builder.quantize(builder.node("Relu", {builder.node("Add", {x, other})}), 0.01F, TestFixture::kMiddle));
  builder.output(builder.quantize(builder.node("Transpose", {x}, {{"perm", Integers{0, 2, 3, 1}}}), 2.0F / 255,
                                  TestFixture::kMiddle));
  builder.output(builder.quantize(builder.node("Flatten", {x}), 2.0F / 255, TestFixture::kMiddle));
  const Session session = expect_same(builder, builder.random_inputs(), 1);
  for (const std::string type : {"Sigmoid", "Add", "Relu", "Transpose", "Flatten"})
    EXPECT_TRUE(ran_in_int8(session, type)) << type;
}

TYPED_TEST(Int8Plan, pools) {
  for (const bool same : {true, false}) {
    GraphBuilder& builder = this->builder = GraphBuilder(35);
    const float scale = same ? 2.0F / 255 : 0.02F;
    const ValueId x = this->quantized_input({2, 19, 10, 12}, TestFixture::kMiddle);
    const auto pool = [&](const std::string& type, Integers pads) {
      return builder.quantize(
          builder.node(type, {x},
                       {{"kernel_shape", Integers{3, 2}}, {"strides", Integers{2, 2}}, {"pads", std::move(pads)}}),
          scale, TestFixture::kMiddle);
    };
    builder.output(pool("MaxPool", {1, 1, 1, 1}));
    builder.output(pool("AveragePool", {0, 0, 0, 0}));
    builder.output(builder.quantize(builder.node("GlobalAveragePool", {x}), scale, TestFixture::kMiddle));
    const Session session = expect_same(builder, builder.random_inputs(), 1);
    for (const std::string type : {"MaxPool", "AveragePool", "GlobalAveragePool"})
      EXPECT_TRUE(ran_in_int8(session, type)) << type;
  }
}

TYPED_TEST(Int8Products, concatenation_of_different_scales) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({2, 8, 5, 7}, TestFixture::kMiddle);
  const ValueId a = builder.round_trip(this->convolution(x, 8, 16, 1), 0.05F, TestFixture::kMiddle);
  const ValueId b = builder.round_trip(this->convolution(x, 8, 24, 3), 0.08F, TestFixture::kLowest);
  builder.output(
      builder.quantize(builder.node("Concat", {a, b, x}, {{"axis", std::int64_t{1}}}), 0.08F, TestFixture::kMiddle));
  EXPECT_TRUE(ran_in_int8(expect_same(builder, builder.random_inputs(), 2), "Concat"));
}

TYPED_TEST(Int8Products, slices_and_pads_of_stored_bytes) {
  for (const float scale : {0.05F, 0.07F}) {  // the input's own and another
    GraphBuilder& builder = this->builder = GraphBuilder(36);
    const ValueId x = this->quantized_input({2, 8, 5, 7}, TestFixture::kMiddle);
    const ValueId y = builder.round_trip(this->convolution(x, 8, 16, 1), 0.05F, TestFixture::kMiddle);
    const ValueId slice = builder.node("Slice", {y, builder.integers({1, 0}), builder.integers({9, 5}),
                                                 builder.integers({1, 2}), builder.integers({1, 2})});
    builder.output(builder.quantize(slice, scale, TestFixture::kMiddle));
    builder.output(builder.quantize(builder.node("Pad", {y, builder.integers({0, 3, 1, 0, 0, 2, 0, 1})}), scale,
                                    TestFixture::kMiddle));
    builder.output(
        builder.quantize(builder.node("Reshape", {y, builder.integers({16, 70})}), scale, TestFixture::kMiddle));
    const Session session = expect_same(builder, builder.random_inputs(), 1);
    for (const std::string type : {"Slice", "Pad", "Reshape"}) EXPECT_TRUE(ran_in_int8(session, type)) << type;
  }
}

TYPED_TEST(Int8Products, values_that_others_need_stay_what_they_are) {
  GraphBuilder& builder = this->builder;
  const ValueId x = this->quantized_input({1, 8, 6, 6}, TestFixture::kMiddle);
  const ValueId y = this->convolution(x, 8, 8, 3);
  const ValueId q = builder.quantize(y, 0.05F, TestFixture::kMiddle);
  builder.output(y).output(q).output(builder.node("Relu", {builder.dequantize(q, 0.05F, TestFixture::kMiddle)}));
  expect_same(builder, builder.random_inputs(), 1);
}

TEST(Int8Plan, random_blocks_stay_close_to_plain_execution) {
  for (std::uint32_t seed = 200; seed < 220; ++seed) {
    GraphBuilder builder(seed);
    std::vector<ValueId> values{builder.round_trip<std::uint8_t>(builder.input({1, 8, 6, 6}), 2.0F / 255, 128)};
    const auto any = [&] {
      return values[static_cast<std::size_t>(builder.pick(0, static_cast<std::int64_t>(values.size()) - 1))];
    };
    const auto convolve = [&](ValueId x) {
      return builder.node("Conv", {x, builder.int8_weights({8, 8, 3, 3}, 0, 0.001F), builder.random_constant({8})},
                          {{"pads", Integers{1, 1, 1, 1}}});
    };
    for (int i = 0; i < 8; ++i) {
      ValueId y = convolve(any());
      if (builder.pick(0, 1) != 0) y = builder.round_trip<std::uint8_t>(y, 0.03F, 128);
      if (builder.pick(0, 1) != 0) y = builder.node("Add", {y, any()});
      if (builder.pick(0, 1) != 0) y = builder.node("Relu", {y});
      values.push_back(builder.round_trip<std::uint8_t>(y, 0.04F, 100));
    }
    for (std::size_t i = values.size() - 3; i < values.size(); ++i) builder.output(values[i]);
    SCOPED_TRACE(seed);
    expect_same(builder, builder.random_inputs(), 4 * 0.04);
  }
}

}  // namespace
}  // namespace ns::runtime
