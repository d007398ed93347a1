#include "kernels/data/convert.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/ops/half.h"

namespace ns::data {
namespace {

using graph::ElementType;

using ops::Half;

// A bool as the byte that stores it.
struct Boolean {
  std::uint8_t value;
};

template <typename T>
struct Type {
  using type = T;
};

// Calls visit(Type<T>{}) with the C++ type that stores the element type; false for the ones that no array holds.
template <typename Visit>
bool with_type(ElementType type, Visit&& visit) {
  switch (type) {
    case ElementType::float32:
      visit(Type<float>{});
      return true;
    case ElementType::float64:
      visit(Type<double>{});
      return true;
    case ElementType::float16:
      visit(Type<Half>{});
      return true;
    case ElementType::uint8:
      visit(Type<std::uint8_t>{});
      return true;
    case ElementType::int8:
      visit(Type<std::int8_t>{});
      return true;
    case ElementType::uint16:
      visit(Type<std::uint16_t>{});
      return true;
    case ElementType::int16:
      visit(Type<std::int16_t>{});
      return true;
    case ElementType::uint32:
      visit(Type<std::uint32_t>{});
      return true;
    case ElementType::int32:
      visit(Type<std::int32_t>{});
      return true;
    case ElementType::uint64:
      visit(Type<std::uint64_t>{});
      return true;
    case ElementType::int64:
      visit(Type<std::int64_t>{});
      return true;
    case ElementType::boolean:
      visit(Type<Boolean>{});
      return true;
    default:
      return false;
  }
}

template <typename T>
constexpr bool kFloating = std::is_floating_point_v<T> || std::is_same_v<T, Half>;

// Half and Boolean as numbers that C++ counts with.
template <typename T>
auto number(T value) {
  if constexpr (std::is_same_v<T, Half>) {
    return static_cast<float>(value);
  } else if constexpr (std::is_same_v<T, Boolean>) {
    return value.value;
  } else {
    return value;
  }
}

template <typename To, typename Number>
To from_number(Number value) {
  if constexpr (std::is_same_v<To, Half>) {
    return Half(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, Boolean>) {
    return Boolean{static_cast<std::uint8_t>(value != 0)};
  } else {
    return static_cast<To>(value);
  }
}

template <typename From, typename To>
void convert_plain(const From* from, To* to, std::int64_t count) {
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(From));
  } else if constexpr (kFloating<From> && !kFloating<To>) {
    // Refused by why_not_convertible.
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from_number<To>(number(from[i]));
  }
}

// Computed in float32 (float64 for doubles and 64-bit integers that are to stay doubles).
template <typename From, typename To>
void convert_scaled(const From* from, To* to, std::int64_t count, float mean, float std) {
  using Compute = std::conditional_t<std::is_same_v<To, double>, double, float>;
  const auto shift = static_cast<Compute>(mean);
  const auto divisor = static_cast<Compute>(std);
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = from_number<To>((static_cast<Compute>(number(from[i])) - shift) / divisor);
  }
}

template <typename From, typename To>
bool all_fit(const From* from, std::int64_t count) {
  return std::all_of(from, from + count, [](From value) { return std::in_range<To>(value); });
}

template <typename From, typename To>
const char* why_not(const From* from, std::int64_t count) {
  if constexpr (kFloating<To> || std::is_same_v<From, To> || std::is_same_v<From, Boolean>) {
    return nullptr;
  } else if constexpr (kFloating<From>) {
    return "floating-point values are not fed to an integer input";
  } else if constexpr (std::is_same_v<To, Boolean>) {
    const bool fits = std::all_of(from, from + count, [](From value) { return value == 0 || value == 1; });
    return fits ? nullptr : "some values are neither 0 nor 1";
  } else {
    return all_fit<From, To>(from, count) ? nullptr : "some values do not fit";
  }
}

}  // namespace

const char* why_not_convertible(const graph::Tensor& stored, ElementType wanted) {
  const char* reason = "no array can hold values of that type";
  with_type(stored.type(), [&](auto from) {
    with_type(wanted, [&](auto to) {
      using From = typename decltype(from)::type;
      using To = typename decltype(to)::type;
      reason = why_not<From, To>(static_cast<const From*>(stored.bytes()), stored.count());
    });
  });
  return reason;
}

void convert(ElementType stored, const void* from, ElementType wanted, void* to, std::int64_t samples,
             std::int64_t channels, std::int64_t plane, const ChannelScaling& scaling) {
  with_type(stored, [&](auto from_type) {
    with_type(wanted, [&](auto to_type) {
      using From = typename decltype(from_type)::type;
      using To = typename decltype(to_type)::type;
      const auto* source = static_cast<const From*>(from);
      auto* target = static_cast<To*>(to);
      if (scaling.std.empty()) {
        convert_plain(source, target, samples * channels * plane);
        return;
      }
      if constexpr (kFloating<To>) {
        for (std::int64_t i = 0; i < samples * channels; ++i) {
          const auto channel = static_cast<std::size_t>(i % channels);
          convert_scaled(source + i * plane, target + i * plane, plane, scaling.mean[channel], scaling.std[channel]);
        }
      }
    });
  });
}

}  // namespace ns::data
