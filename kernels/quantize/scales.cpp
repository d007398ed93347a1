#include "kernels/quantize/scales.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/onednn/int8_arithmetic.h"

namespace ns::quantize {
namespace {

constexpr double kBiasLimit = 1 << 30;  // half of int32: the other half is for the sum of products

struct IntegerRange {
  int low, high;
};

// Narrow range: -128 would break the symmetry. Narrower where full-range weights would be computed wrongly.
int weight_limit() { return onednn::exact_weight_limit(); }

// Shrinks a scale until nothing that the quantizer can represent lies beyond the limits, as a runtime checks it: in
// single precision.
float within_limits(float scale, std::int32_t zero_point, IntegerRange integers, const Limits& limits) {
  const auto above = static_cast<float>(integers.high - zero_point);
  const auto below = static_cast<float>(zero_point - integers.low);
  if (above > 0) scale = std::min(scale, limits.high / above);
  if (below > 0) scale = std::min(scale, -limits.low / below);
  while (scale > kSmallestScale && (above * scale > limits.high || -below * scale < limits.low)) {
    scale = std::nextafter(scale, 0.0f);
  }
  return std::max(scale, kSmallestScale);
}

struct Axes {
  std::int64_t outer = 1, channels = 1, inner = 1;
};

Axes axes_of(const graph::Shape& shape, std::size_t axis) {
  Axes axes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    (i < axis ? axes.outer : i == axis ? axes.channels : axes.inner) *= shape[i];
  }
  return axes;
}

// Calls visit(channel, first element, count) for every run of elements that share a channel.
template <typename Visit>
void for_each_run(const Axes& axes, Visit&& visit) {
  for (std::int64_t outer = 0; outer < axes.outer; ++outer) {
    for (std::int64_t channel = 0; channel < axes.channels; ++channel) {
      visit(static_cast<std::size_t>(channel), static_cast<std::size_t>((outer * axes.channels + channel) * axes.inner),
            static_cast<std::size_t>(axes.inner));
    }
  }
}

std::int8_t quantize_weight(float value, float scale) {
  const float quotient = std::nearbyint(value / scale);
  return static_cast<std::int8_t>(
      std::clamp(quotient, static_cast<float>(-weight_limit()), static_cast<float>(weight_limit())));
}

}  // namespace

Parameters activation_parameters(const Range& range, const Limits& limits, ActivationType type) {
  if (!std::isfinite(range.low) || !std::isfinite(range.high) || range.low > range.high) {
    throw Error(ErrorCode::invalid, fmt::format("calibrated range [{}, {}] is not a range", range.low, range.high));
  }
  double low = std::clamp<double>(std::min(0.0f, range.low), limits.low, 0.0);
  double high = std::clamp<double>(std::max(0.0f, range.high), 0.0, limits.high);
  // Never anything but zero while calibrating: any scale is as good, 1/255 keeps later surprises small.
  if (low == 0 && high == 0) high = 1;
  const IntegerRange integers = type == ActivationType::uint8 ? IntegerRange{0, 255} : IntegerRange{-128, 127};
  Parameters parameters;
  if (type == ActivationType::uint8 || limits.low == 0.0f) {
    const double scale = (high - low) / 255.0;
    const double zero = integers.low - (scale > 0 ? low / scale : 0.0);
    parameters.zero_point =
        static_cast<std::int32_t>(std::clamp<double>(std::nearbyint(zero), integers.low, integers.high));
    parameters.scale = static_cast<float>(scale);
  } else {
    parameters.scale = static_cast<float>(std::max(-low, high) / 127.0);
  }
  parameters.scale = within_limits(parameters.scale, parameters.zero_point, integers, limits);
  return parameters;
}

std::vector<float> weight_scales(const graph::Tensor& weights, std::size_t axis, std::span<const float> bias,
                                 float input_scale) {
  const Axes axes = axes_of(weights.shape(), axis);
  const std::span<const float> values = weights.values<float>();
  std::vector<float> largest(static_cast<std::size_t>(axes.channels), 0.0f);
  for_each_run(axes, [&](std::size_t channel, std::size_t first, std::size_t count) {
    for (const float value : values.subspan(first, count))
      largest[channel] = std::max(largest[channel], std::abs(value));
  });
  std::vector<float> scales;
  scales.reserve(largest.size());
  for (std::size_t channel = 0; channel < largest.size(); ++channel) {
    double scale = largest[channel] / static_cast<double>(weight_limit());
    if (!bias.empty()) scale = std::max(scale, std::abs(double{bias[channel]}) / (input_scale * kBiasLimit));
    scales.push_back(std::max(static_cast<float>(scale), kSmallestScale));
  }
  return scales;
}

QuantizedWeights quantize_weights(const graph::Tensor& weights, std::size_t axis, std::vector<float> scales) {
  QuantizedWeights quantized{graph::Tensor(graph::ElementType::int8, weights.shape()),
                             graph::Tensor::from<float>({static_cast<std::int64_t>(scales.size())}, scales)};
  const std::span<const float> from = weights.values<float>();
  const std::span<std::int8_t> to = quantized.values.values<std::int8_t>();
  for_each_run(axes_of(weights.shape(), axis), [&](std::size_t channel, std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) to[i] = quantize_weight(from[i], scales[channel]);
  });
  return quantized;
}

QuantizedBias quantize_bias(std::span<const float> bias, float input_scale, std::span<const float> weight_scales) {
  const graph::Shape shape{static_cast<std::int64_t>(bias.size())};
  QuantizedBias quantized{graph::Tensor(graph::ElementType::int32, shape),
                          graph::Tensor(graph::ElementType::float32, shape)};
  for (std::size_t channel = 0; channel < bias.size(); ++channel) {
    // Single precision, as every runtime multiplies the two: the product must be met exactly.
    const float scale = input_scale * weight_scales[channel];
    const double quotient = std::nearbyint(double{bias[channel]} / scale);
    quantized.scales.values<float>()[channel] = scale;
    quantized.values.values<std::int32_t>()[channel] =
        static_cast<std::int32_t>(std::clamp(quotient, -2 * kBiasLimit + 1, 2 * kBiasLimit - 1));
  }
  return quantized;
}

}  // namespace ns::quantize
