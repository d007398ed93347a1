// DynamicQuantizeLinear: to uint8, with scale and zero point taken from the input's own range.
#include "kernels/ops/dynamic_quantize_linear.h"

#include <algorithm>
#include <array>

#include "kernels/ops/quantized.h"

namespace ns::ops {

DynamicScale dynamic_scale(const float* values, std::int64_t count) {
  float low = 0;
  float high = 0;
  for (std::int64_t i = 0; i < count; ++i) {  // NaN is passed over
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  const float scale = high == low ? 1.0f : (high - low) / 255.0f;
  return {scale, requantize<std::uint8_t>(-low / scale, 0)};
}

void quantize_dynamically(const float* values, std::int64_t count, const DynamicScale& range, std::uint8_t* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = requantize<std::uint8_t>(values[i] / range.scale, range.zero_point);
}

namespace {

std::vector<TensorType> infer_dynamic(const InferContext& context) {
  const TensorType& x = input(context, 0);
  require_type(Types<float>{}, context.node, x.element);
  return types(context, {{ElementType::uint8, x.shape}, {ElementType::float32, {}}, {ElementType::uint8, {}}});
}

void compute_dynamic(const ComputeContext& context) {
  const Tensor& x = input(context, 0);
  const DynamicScale range = dynamic_scale(data<float>(x), x.count());
  if (has_output(context, 0)) {
    quantize_dynamically(data<float>(x), x.count(), range, data<std::uint8_t>(context.outputs[0]));
  }
  if (has_output(context, 1)) *data<float>(context.outputs[1]) = range.scale;
  if (has_output(context, 2)) *data<std::uint8_t>(context.outputs[2]) = range.zero_point;
}

constexpr std::array kDefinitions{
    OpDefinition{"", "DynamicQuantizeLinear", 11, 1, 1, 3, 3, infer_dynamic, compute_dynamic},
};

}  // namespace

std::span<const OpDefinition> dynamic_quantize_linear_definitions() { return kDefinitions; }

}  // namespace ns::ops
