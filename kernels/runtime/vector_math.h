// Functions of one float without branches and tables, which a compiler turns into vectors inside of loops (wide.h).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/runtime/wide.h"

namespace ns::runtime {

// e^x. Range reduction by multiples of ln 2 (Cody and Waite), a polynomial of degree 6 on the rest; relative error
// below 2e-7, results below 1.2e-38 become zero, NaN stays.
NS_BODY float exponential(float x) {
  constexpr float kLog2E = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  constexpr float kRounder = 12582912.0F;  // 1.5 * 2^23: what is added to it is rounded to an integer
  x = x < -87.3F ? -87.3F : x;
  x = x > 89.0F ? 89.0F : x;
  const float shifted = x * kLog2E + kRounder;
  const float turns = shifted - kRounder;
  const float rest = (x - turns * kLn2High) - turns * kLn2Low;
  float sum = 1.9875691500e-4F;
  sum = sum * rest + 1.3981999507e-3F;
  sum = sum * rest + 8.3334519073e-3F;
  sum = sum * rest + 4.1665795894e-2F;
  sum = sum * rest + 1.6666665459e-1F;
  sum = sum * rest + 5.0000001201e-1F;
  sum = sum * rest * rest + rest + 1.0F;
  // 2^(turns - 1), then once more times two: 2^128 alone would be infinite.
  const std::uint32_t half = (std::bit_cast<std::uint32_t>(shifted) << 23) + (std::uint32_t{126} << 23);
  return sum * std::bit_cast<float>(half) * 2.0F;
}

// Odd polynomial near zero, where 1 - 2 / (e^2x + 1) would lose digits.
NS_BODY float hyperbolic_tangent(float x) {
  const float size = std::fabs(x), z = x * x;
  float sum = -5.70498872745e-3F;
  sum = sum * z + 2.06390887954e-2F;
  sum = sum * z - 5.37397155531e-2F;
  sum = sum * z + 1.33314422036e-1F;
  sum = sum * z - 3.33332819422e-1F;
  const float near = x + x * z * sum;
  const float far = std::copysign(1.0F - 2.0F / (exponential(2.0F * size) + 1.0F), x);
  return size < 0.625F ? near : far;
}

// Near zero the series of the definition; further out 1 - t * e^(-x^2 + P(t)), t = 1 / (1 + |x| / 2), with the
// polynomial P of W. J. Cody's kind that Numerical Recipes gives for erfc (relative error 1.2e-7).
NS_BODY float error_function(float x) {
  const float size = std::fabs(x), z = x * x;
  float series = 1.0F / 9360.0F;
  series = series * z - 1.0F / 1320.0F;
  series = series * z + 1.0F / 216.0F;
  series = series * z - 1.0F / 42.0F;
  series = series * z + 1.0F / 10.0F;
  series = series * z - 1.0F / 3.0F;
  series = series * z + 1.0F;
  const float near = 1.12837917F * x * series;
  const float t = 1.0F / (1.0F + 0.5F * size);
  float sum = 0.17087277F;
  sum = sum * t - 0.82215223F;
  sum = sum * t + 1.48851587F;
  sum = sum * t - 1.13520398F;
  sum = sum * t + 0.27886807F;
  sum = sum * t - 0.18628806F;
  sum = sum * t + 0.09678418F;
  sum = sum * t + 0.37409196F;
  sum = sum * t + 1.00002368F;
  sum = sum * t - 1.26551223F;
  const float far = std::copysign(1.0F - t * exponential(sum - z), x);
  return size < 0.5F ? near : far;
}

NS_BODY float logistic(float x) { return 1.0F / (1.0F + exponential(-x)); }

}  // namespace ns::runtime
