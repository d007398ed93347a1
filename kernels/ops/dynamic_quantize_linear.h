// Scale and zero point of uint8 that follow from the numbers themselves, as DynamicQuantizeLinear has them.
#pragma once

#include <cstdint>

namespace ns::ops {

struct DynamicScale {
  float scale;
  std::uint8_t zero_point;
};

// The range is widened to hold zero, so that zero is exact. Numbers that are all zero have the scale 1.
DynamicScale dynamic_scale(const float* values, std::int64_t count);

void quantize_dynamically(const float* values, std::int64_t count, const DynamicScale&, std::uint8_t* to);

}  // namespace ns::ops
