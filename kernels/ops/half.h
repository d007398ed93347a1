// Numbers that are stored in fewer bits than they are computed with: float16, bfloat16 and the four kinds of float8
// count as float and are rounded to nearest even when stored; integers of 4 bits count as int8 or uint8.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/graph/tensor.h"

namespace ns::ops {

inline float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1Fu;
  const std::uint32_t fraction = bits & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float small = static_cast<float>(fraction) * 0x1p-24f;  // zero or subnormal
  return sign != 0 ? -small : small;
}

inline std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7E00u);   // NaN
  if (magnitude >= 0x477FF000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // rounds to infinity
  if (magnitude < 0x38800000u) {
    // Subnormal in float16: adding 0.5 leaves the rounded fraction in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u));
  }
  const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

inline float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);  // NaN stays NaN
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

struct Half {
  std::uint16_t bits = 0;
  Half() = default;
  explicit Half(float value) : bits(float_to_half(value)) {}
  operator float() const { return half_to_float(bits); }
};

struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) : bits(float_to_bfloat16(value)) {}
  operator float() const { return bfloat16_to_float(bits); }
};

// The largest number of a float8 has the code kLargest; what is larger becomes that number, or with saturate = false
// infinity where there is one (E5M2) and NaN elsewhere. The kinds "uz" have no negative zero: its code is their NaN.
template <int kFractionBits, int kBias, std::uint8_t kLargest, std::uint8_t kNan, bool kInfinity, bool kUnsignedZero>
struct Float8 {
  std::uint8_t bits = 0;
  Float8() = default;
  explicit Float8(float value, bool saturate = true) : bits(encode(value, saturate)) {}
  operator float() const { return decode(bits); }

  static float decode(std::uint8_t bits) {
    const int magnitude = bits & 0x7F;
    const bool negative = (bits & 0x80) != 0;
    if (kUnsignedZero ? bits == kNan : magnitude > kLargest + (kInfinity ? 1 : 0)) return NAN;
    if (kInfinity && magnitude == kLargest + 1) return negative ? -INFINITY : INFINITY;
    const int exponent = magnitude >> kFractionBits;
    const int fraction = magnitude & (kOne - 1);
    const float value = exponent == 0 ? std::ldexp(static_cast<float>(fraction), kSmallest)
                                      : std::ldexp(static_cast<float>(fraction + kOne), kSmallest + exponent - 1);
    return negative ? -value : value;
  }

  static std::uint8_t encode(float value, bool saturate) {
    if (value != value) return kNan;
    const auto sign = static_cast<std::uint8_t>(std::signbit(value) ? 0x80 : 0);
    const float magnitude = std::abs(value);
    if (magnitude == 0) return kUnsignedZero ? 0 : sign;
    int code = kLargest + 1;
    if (!std::isinf(magnitude)) {
      const int step = std::max(std::ilogb(magnitude) - kFractionBits, kSmallest);
      // Rounding up to the next power of two carries into the exponent by itself.
      const auto steps = static_cast<int>(std::nearbyint(std::ldexp(magnitude, -step)));
      code = std::min(steps + ((step - kSmallest) << kFractionBits), kLargest + 1);
    }
    if (code == 0) return kUnsignedZero ? 0 : sign;
    if (code <= kLargest || saturate) return static_cast<std::uint8_t>(sign | std::min<int>(code, kLargest));
    return kInfinity ? static_cast<std::uint8_t>(sign | (kLargest + 1)) : kNan;
  }

 private:
  static constexpr int kOne = 1 << kFractionBits;
  static constexpr int kSmallest = 1 - kBias - kFractionBits;  // exponent of the smallest number
};

using Float8E4M3FN = Float8<3, 7, 0x7E, 0x7F, false, false>;
using Float8E4M3FNUZ = Float8<3, 8, 0x7F, 0x80, false, true>;
using Float8E5M2 = Float8<2, 15, 0x7B, 0x7E, true, false>;
using Float8E5M2FNUZ = Float8<2, 16, 0x7F, 0x80, false, true>;

struct Int4 {
  std::int8_t value = 0;  // -8..7
  Int4() = default;
  explicit Int4(std::int8_t low_bits)  // the low 4 bits count
      : value(static_cast<std::int8_t>(((low_bits & 0xF) ^ 8) - 8)) {}
  operator std::int8_t() const { return value; }
  static constexpr int kLowest = -8, kLargest = 7;
};

struct UInt4 {
  std::uint8_t value = 0;  // 0..15
  UInt4() = default;
  explicit UInt4(std::uint8_t low_bits) : value(low_bits & 0xF) {}
  operator std::uint8_t() const { return value; }
  static constexpr int kLowest = 0, kLargest = 15;
};

}  // namespace ns::ops

namespace ns::graph {
template <>
constexpr ElementType element_type_of<ops::Half>() {
  return ElementType::float16;
}
template <>
constexpr ElementType element_type_of<ops::BFloat16>() {
  return ElementType::bfloat16;
}
template <>
constexpr ElementType element_type_of<ops::Float8E4M3FN>() {
  return ElementType::float8e4m3fn;
}
template <>
constexpr ElementType element_type_of<ops::Float8E4M3FNUZ>() {
  return ElementType::float8e4m3fnuz;
}
template <>
constexpr ElementType element_type_of<ops::Float8E5M2>() {
  return ElementType::float8e5m2;
}
template <>
constexpr ElementType element_type_of<ops::Float8E5M2FNUZ>() {
  return ElementType::float8e5m2fnuz;
}
template <>
constexpr ElementType element_type_of<ops::UInt4>() {
  return ElementType::uint4;
}
template <>
constexpr ElementType element_type_of<ops::Int4>() {
  return ElementType::int4;
}
}  // namespace ns::graph
