#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "kernels/onednn/int8_arithmetic.h"
#include "kernels/quantize/scales.h"

namespace ns::quantize {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const Limits kNone;
const Limits kRelu{0.0f, kInfinity};
const Limits kRelu6{0.0f, 6.0f};

TEST(ActivationParameters, uint8_spans_the_range_with_zero_exact) {
  const auto parameters = activation_parameters({-1.0f, 3.0f}, kNone, ActivationType::uint8);
  EXPECT_FLOAT_EQ(parameters.scale, 4.0f / 255);
  EXPECT_EQ(parameters.zero_point, 64);
}

TEST(ActivationParameters, ranges_are_widened_to_zero) {
  EXPECT_EQ(activation_parameters({1.0f, 3.0f}, kNone, ActivationType::uint8).zero_point, 0);
  EXPECT_FLOAT_EQ(activation_parameters({1.0f, 3.0f}, kNone, ActivationType::uint8).scale, 3.0f / 255);
  EXPECT_EQ(activation_parameters({-3.0f, -1.0f}, kNone, ActivationType::uint8).zero_point, 255);
}

TEST(ActivationParameters, behind_relu_the_zero_point_is_the_types_least) {
  EXPECT_EQ(activation_parameters({0.0f, 2.0f}, kRelu, ActivationType::uint8).zero_point, 0);
  EXPECT_EQ(activation_parameters({0.0f, 2.0f}, kRelu, ActivationType::int8).zero_point, -128);
  EXPECT_FLOAT_EQ(activation_parameters({0.0f, 2.0f}, kRelu, ActivationType::int8).scale, 2.0f / 255);
}

TEST(ActivationParameters, nothing_beyond_a_clip_is_represented) {
  for (const float high : {6.0f, 5.999f, 0.7f, 1e-3f}) {
    for (const ActivationType type : {ActivationType::uint8, ActivationType::int8}) {
      const auto parameters = activation_parameters({0.0f, 100.0f}, {0.0f, high}, type);
      EXPECT_LE(255.0f * parameters.scale, high);
      EXPECT_GT(255.0f * parameters.scale, 0.999f * high);
    }
  }
  for (const auto& [low, high] : {std::pair{-1.0f, 1.0f}, {-0.3f, 6.0f}, {-7.0f, 0.01f}}) {
    for (const ActivationType type : {ActivationType::uint8, ActivationType::int8}) {
      const auto parameters = activation_parameters({-10.0f, 10.0f}, {low, high}, type);
      const int least = type == ActivationType::uint8 ? 0 : -128;
      EXPECT_GE(static_cast<float>(least - parameters.zero_point) * parameters.scale, low);
      EXPECT_LE(static_cast<float>(least + 255 - parameters.zero_point) * parameters.scale, high);
    }
  }
}

TEST(ActivationParameters, int8_is_symmetric_with_zero_point_0) {
  const auto parameters = activation_parameters({-1.0f, 3.0f}, kNone, ActivationType::int8);
  EXPECT_FLOAT_EQ(parameters.scale, 3.0f / 127);
  EXPECT_EQ(parameters.zero_point, 0);
}

TEST(ActivationParameters, tiny_and_empty_ranges_give_usable_scales) {
  for (const ActivationType type : {ActivationType::uint8, ActivationType::int8}) {
    for (const Range& range : {Range{0, 0}, Range{0, 1e-40f}, Range{-1e-30f, 1e-30f}}) {
      for (const Limits& limits : {kNone, kRelu6}) {
        const float scale = activation_parameters(range, limits, type).scale;
        EXPECT_TRUE(std::isnormal(scale)) << range.high;
        EXPECT_GE(scale, kSmallestScale);
      }
    }
  }
  const float largest = std::numeric_limits<float>::max();
  EXPECT_TRUE(std::isfinite(activation_parameters({-largest, largest}, kNone, ActivationType::uint8).scale));
}

TEST(ActivationParameters, refuses_what_is_no_range) {
  EXPECT_THROW(activation_parameters({1.0f, 0.0f}, kNone, ActivationType::uint8), Error);
  EXPECT_THROW(activation_parameters({NAN, 0.0f}, kNone, ActivationType::uint8), Error);
  EXPECT_THROW(activation_parameters({0.0f, kInfinity}, kNone, ActivationType::uint8), Error);
}

TEST(Weights, are_symmetric_per_channel_within_what_is_exact_here) {
  const std::vector<float> values{-2.0f, 1.0f, 0.5f, 4.0f, -8.0f, 0.0f};
  for (const std::size_t axis : {0, 1}) {
    const auto tensor = graph::Tensor::from<float>({2, 3}, std::span<const float>(values));
    const auto scales = weight_scales(tensor, axis, {}, 0.1f);
    const auto quantized = quantize_weights(tensor, axis, scales);
    ASSERT_EQ(scales.size(), axis == 0 ? 2u : 3u);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float scale = scales[axis == 0 ? i / 3 : i % 3];
      const int integer = quantized.values.values<std::int8_t>()[i];
      EXPECT_LE(std::abs(integer), onednn::exact_weight_limit());
      EXPECT_NEAR(static_cast<float>(integer) * scale, values[i], scale / 2 * 1.0001f);
    }
  }
}

TEST(Weights, a_dead_channel_makes_room_for_its_bias) {
  const auto tensor = graph::Tensor::from<float>({2, 1}, std::vector<float>{0.0f, 1e-20f});
  const std::vector<float> bias{0.75f, -2.0f};
  const auto scales = weight_scales(tensor, 0, bias, 0.02f);
  const auto quantized = quantize_bias(bias, 0.02f, scales);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto integer = quantized.values.values<std::int32_t>()[i];
    EXPECT_LE(std::abs(std::int64_t{integer}), (std::int64_t{1} << 30) + 64);
    EXPECT_NEAR(static_cast<double>(integer) * quantized.scales.values<float>()[i], bias[i], 1e-6);
  }
}

TEST(Bias, has_exactly_the_product_of_the_scales) {
  const std::vector<float> bias{0.1f, -0.2f, 3.0f}, scales{0.01f, 0.003f, 0.7f};
  const auto quantized = quantize_bias(bias, 0.037f, scales);
  for (std::size_t i = 0; i < bias.size(); ++i) {
    EXPECT_EQ(quantized.scales.values<float>()[i], 0.037f * scales[i]);
    EXPECT_NEAR(static_cast<float>(quantized.values.values<std::int32_t>()[i]) * 0.037f * scales[i], bias[i],
                0.037f * scales[i]);
  }
}

}  // namespace
}  // namespace ns::quantize
