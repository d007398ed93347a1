#include <gtest/gtest.h>

#include <numeric>

#include "kernels/data/convert.h"

namespace ns::data {
namespace {

using graph::ElementType;
using graph::Tensor;

TEST(Convert, scales_each_channel_on_odd_sizes) {
  constexpr std::int64_t kSamples = 3, kChannels = 3, kPlane = 37;
  std::vector<std::uint8_t> stored(kSamples * kChannels * kPlane);
  std::iota(stored.begin(), stored.end(), std::uint8_t{0});
  const std::vector<float> mean{1.5f, 100.0f, -3.0f}, std{2.0f, 58.4f, 0.25f};
  std::vector<float> result(stored.size());
  convert(ElementType::uint8, stored.data(), ElementType::float32, result.data(), kSamples, kChannels, kPlane,
          {mean, std});
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const std::size_t channel = i / kPlane % kChannels;
    EXPECT_EQ(result[i], (static_cast<float>(stored[i]) - mean[channel]) / std[channel]) << i;
  }
}

TEST(Convert, keeps_values_without_scaling) {
  const std::vector<double> stored{0.5, -2.0, 1e300};
  std::vector<float> result(3);
  convert(ElementType::float64, stored.data(), ElementType::float32, result.data(), 1, 1, 3, {});
  EXPECT_EQ(result[1], -2.0f);
  const std::vector<std::int64_t> wide{-5, 7, 127};
  std::vector<std::int8_t> narrow(3);
  convert(ElementType::int64, wide.data(), ElementType::int8, narrow.data(), 1, 1, 3, {});
  EXPECT_EQ(narrow, (std::vector<std::int8_t>{-5, 7, 127}));
}

TEST(Convert, half_precision_goes_both_ways) {
  const std::vector<std::uint16_t> half{0x3c00, 0xc000, 0x0001, 0x7c00};
  std::vector<float> wide(4);
  convert(ElementType::float16, half.data(), ElementType::float32, wide.data(), 1, 1, 4, {});
  EXPECT_EQ(wide[0], 1.0f);
  EXPECT_EQ(wide[1], -2.0f);
  EXPECT_EQ(wide[2], 0x1p-24f);
  std::vector<std::uint16_t> back(4);
  convert(ElementType::float32, wide.data(), ElementType::float16, back.data(), 1, 1, 4, {});
  EXPECT_EQ(back, half);
}

template <typename T>
bool fits(std::vector<T> values, ElementType wanted) {
  const graph::Shape shape{static_cast<std::int64_t>(values.size())};
  return why_not_convertible(Tensor::from<T>(shape, std::span<const T>(values)), wanted) == nullptr;
}

TEST(Convert, refuses_what_would_change_the_values) {
  EXPECT_TRUE(fits<std::uint8_t>({255}, ElementType::float32));
  EXPECT_TRUE(fits<std::int64_t>({127, -128}, ElementType::int8));
  EXPECT_FALSE(fits<std::int64_t>({128}, ElementType::int8));
  EXPECT_FALSE(fits<std::int64_t>({-1}, ElementType::uint64));
  EXPECT_FALSE(fits<std::uint64_t>({1ull << 63}, ElementType::int64));
  EXPECT_FALSE(fits<float>({1.0f}, ElementType::int64));
  EXPECT_TRUE(fits<std::uint8_t>({0, 1}, ElementType::boolean));
  EXPECT_FALSE(fits<std::uint8_t>({2}, ElementType::boolean));
  EXPECT_FALSE(fits<float>({1.0f}, ElementType::string));
}

}  // namespace
}  // namespace ns::data
