// From an element type known at run time to a C++ type: the function is called with a value of that type as a tag.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "kernels/ops/context.h"
#include "kernels/ops/half.h"

namespace ns::ops {

template <typename... T>
struct Types {};

template <typename A, typename B>
struct JoinTypes;
template <typename... A, typename... B>
struct JoinTypes<Types<A...>, Types<B...>> {
  using type = Types<A..., B...>;
};
template <typename A, typename B>
using Joined = typename JoinTypes<A, B>::type;

using FloatTypes = Types<float, double, Half, BFloat16>;
using SignedTypes = Types<std::int8_t, std::int16_t, std::int32_t, std::int64_t>;
using UnsignedTypes = Types<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>;
using IntegerTypes = Joined<SignedTypes, UnsignedTypes>;
using NumericTypes = Joined<FloatTypes, IntegerTypes>;
using AllTypes = Joined<NumericTypes, Types<bool>>;
using Float8Types = Types<Float8E4M3FN, Float8E4M3FNUZ, Float8E5M2, Float8E5M2FNUZ>;
using NibbleTypes = Types<Int4, UInt4>;

template <typename... T, typename Function>
void dispatch(Types<T...>, const Node& node, ElementType type, Function&& function) {
  const bool known = ((type == graph::element_type_of<T>() ? (function(T{}), true) : false) || ...);
  if (!known) unsupported(node, "elements of " + std::string(graph::name_of(type)) + " are not supported");
}

template <typename... T>
bool contains(Types<T...>, ElementType type) {
  return ((type == graph::element_type_of<T>()) || ...);
}

template <typename List>
void require_type(List list, const Node& node, ElementType type) {
  if (!contains(list, type)) {
    unsupported(node, "elements of " + std::string(graph::name_of(type)) + " are not supported");
  }
}

// For operators that only move elements: by their size.
template <typename Function>
void dispatch_size(ElementType type, Function&& function) {
  switch (graph::size_of(type)) {
    case 1:
      return function(std::uint8_t{});
    case 2:
      return function(std::uint16_t{});
    case 4:
      return function(std::uint32_t{});
    default:
      return function(std::uint64_t{});
  }
}

template <typename T>
const T* data(const Tensor& tensor) {
  return static_cast<const T*>(tensor.bytes());
}
template <typename T>
T* data(Tensor& tensor) {
  return static_cast<T*>(tensor.bytes());
}

template <typename T, typename... Of>
constexpr bool is_one_of(Types<Of...>) {
  return (std::is_same_v<T, Of> || ...);
}
template <typename T>
inline constexpr bool kIsFloat8 = is_one_of<T>(Float8Types{});
// Stored in 8 or 16 bits and computed with in float32.
template <typename T>
inline constexpr bool kIsShortFloat = kIsFloat8<T> || is_one_of<T>(Types<Half, BFloat16>{});
template <typename T>
inline constexpr bool kIsNibble = is_one_of<T>(NibbleTypes{});

// What is computed with: the short floats in float32, everything else in itself.
template <typename T>
using Arithmetic = std::conditional_t<kIsShortFloat<T>, float, T>;
// What sums are kept in.
template <typename T>
using Accumulator =
    std::conditional_t<std::is_integral_v<T>, std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>,
                       std::conditional_t<std::is_same_v<T, double>, double, float>>;

// Integer arithmetic wraps around, whatever the sign: overflow is never undefined.
template <typename T, typename Function>
T wrapped(T a, T b, Function function) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(function(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  } else {
    return function(a, b);
  }
}

template <typename T>
T add(T a, T b) {
  return wrapped(a, b, [](auto x, auto y) { return x + y; });
}
template <typename T>
T multiply(T a, T b) {
  return wrapped(a, b, [](auto x, auto y) { return x * y; });
}

// A number as another type: a floating number out of range saturates, an integer keeps its low bits; NaN becomes 0 in
// an integer.
template <typename To, typename From>
To convert(From value) {
  if constexpr (kIsNibble<From>) {
    return convert<To>(value.value);
  } else if constexpr (kIsNibble<To> && std::is_integral_v<From>) {
    return To(static_cast<decltype(To::value)>(value));
  } else if constexpr (kIsNibble<To>) {
    const int wide = std::clamp<int>(convert<std::int8_t>(value), To::kLowest, To::kLargest);
    return To(static_cast<decltype(To::value)>(wide));
  } else if constexpr (std::is_same_v<To, bool>) {
    return static_cast<Arithmetic<From>>(value) != Arithmetic<From>{};
  } else if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>) {
    using Wide = std::conditional_t<std::is_same_v<From, double>, double, float>;
    const Wide wide = static_cast<Wide>(value);
    if (!(wide == wide)) return To{};
    // 2^bits is exact in every floating type, the largest integer may not be.
    constexpr Wide kLimit = static_cast<Wide>(std::numeric_limits<To>::max() / 2 + 1) * 2;
    if (wide >= kLimit) return std::numeric_limits<To>::max();
    if (wide < static_cast<Wide>(std::numeric_limits<To>::min())) {
      // Between the smallest value minus one and the smallest value the fraction is cut off.
      return std::numeric_limits<To>::min();
    }
    return static_cast<To>(wide);
  } else if constexpr (kIsShortFloat<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (kIsShortFloat<From>) {
    return static_cast<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace ns::ops
