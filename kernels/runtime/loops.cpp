#include "kernels/runtime/loops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/runtime/wide.h"

namespace ns::runtime {

using graph::ElementType;

namespace {

// Not a number becomes the lowest.
template <typename Stored>
NS_BODY Stored saturate(float value, float lowest, float highest) {
  value = value > lowest ? value : lowest;
  value = value < highest ? value : highest;
  return static_cast<Stored>(static_cast<std::int32_t>(value));
}

template <typename Stored>
NS_BODY void quantize_body(const float* from, Stored* to, std::size_t count, const Quantization& q) {
  const float scale = q.scale, zero = static_cast<float>(q.zero_point);
  const auto lowest = static_cast<float>(q.lowest()), highest = static_cast<float>(q.highest());
  for (std::size_t i = 0; i < count; ++i) {
    to[i] = saturate<Stored>(std::nearbyintf(from[i] / scale) + zero, lowest, highest);
  }
}

template <typename Stored>
NS_BODY void dequantize_body(const Stored* from, float* to, std::size_t count, const Quantization& q) {
  const float scale = q.scale;
  const std::int32_t zero = q.zero_point;
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i] - zero) * scale;
}

template <typename Stored>
NS_BODY void channels_last_body(const float* from, Stored* to, std::size_t channels, std::size_t pixels,
                                const Quantization& q) {
  const float scale = q.scale, zero = static_cast<float>(q.zero_point);
  const auto lowest = static_cast<float>(q.lowest()), highest = static_cast<float>(q.highest());
  // A block of pixels is quantized channel by channel into rows, then woven together.
  constexpr std::size_t kBlock = 64;
  Stored row[kBlock];
  for (std::size_t start = 0; start < pixels; start += kBlock) {
    const std::size_t length = std::min(kBlock, pixels - start);
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const float* source = from + channel * pixels + start;
      for (std::size_t i = 0; i < length; ++i) {
        row[i] = saturate<Stored>(std::nearbyintf(source[i] / scale) + zero, lowest, highest);
      }
      Stored* target = to + start * channels + channel;
      for (std::size_t i = 0; i < length; ++i) target[i * channels] = row[i];
    }
  }
}

template <typename Left, typename Right, typename Stored>
NS_BODY void add_body(const Left* left, const Right* right, Stored* to, std::size_t count, const Addition& a) {
  const float left_scale = a.left.scale, right_scale = a.right.scale, scale = a.output.scale;
  const std::int32_t left_zero = a.left.zero_point, right_zero = a.right.zero_point;
  const float zero = static_cast<float>(a.output.zero_point), low = a.low, high = a.high;
  const auto lowest = static_cast<float>(a.output.lowest()), highest = static_cast<float>(a.output.highest());
  for (std::size_t i = 0; i < count; ++i) {
    float sum =
        static_cast<float>(left[i] - left_zero) * left_scale + static_cast<float>(right[i] - right_zero) * right_scale;
    sum = sum > low ? sum : low;
    sum = sum < high ? sum : high;
    to[i] = saturate<Stored>(std::nearbyintf(sum / scale) + zero, lowest, highest);
  }
}

template <typename From, typename To>
NS_BODY void average_body(const From* from, To* to, std::int32_t* sums, std::size_t batch, std::size_t pixels,
                          std::size_t channels, const Quantization& input, const Quantization& output) {
  const float zero = static_cast<float>(output.zero_point), count = static_cast<float>(pixels);
  const auto lowest = static_cast<float>(output.lowest()), highest = static_cast<float>(output.highest());
  const auto offset = static_cast<std::int32_t>(pixels) * input.zero_point;
  const float in = input.scale, out = output.scale;
  for (std::size_t image = 0; image < batch; ++image, from += pixels * channels, to += channels) {
    for (std::size_t channel = 0; channel < channels; ++channel) sums[channel] = -offset;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      const From* row = from + pixel * channels;
      for (std::size_t channel = 0; channel < channels; ++channel) sums[channel] += row[channel];
    }
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const float mean = static_cast<float>(sums[channel]) * in / count;
      to[channel] = saturate<To>(std::nearbyintf(mean / out) + zero, lowest, highest);
    }
  }
}

// A body for the widest vectors that there are.
#define NS_WIDEST(name)                                  \
  template <typename... Arguments>                       \
  NS_AVX2 void name##_avx2(Arguments... arguments) {     \
    name##_body(arguments...);                           \
  }                                                      \
  template <typename... Arguments>                       \
  NS_AVX512 void name##_avx512(Arguments... arguments) { \
    name##_body(arguments...);                           \
  }                                                      \
  template <typename... Arguments>                       \
  void name##_widest(Arguments... arguments) {           \
    switch (widest()) {                                  \
      case Width::avx512:                                \
        return name##_avx512(arguments...);              \
      case Width::avx2:                                  \
        return name##_avx2(arguments...);                \
      case Width::any:                                   \
        return name##_body(arguments...);                \
    }                                                    \
  }
NS_WIDEST(quantize)
NS_WIDEST(dequantize)
NS_WIDEST(channels_last)
NS_WIDEST(add)
NS_WIDEST(average)
#undef NS_WIDEST

// Calls `use` with a pointer of the type that is stored.
template <typename Use>
void with_type(const void* bytes, ElementType type, Use&& use) {
  if (type == ElementType::uint8) {
    use(static_cast<const std::uint8_t*>(bytes));
  } else {
    use(static_cast<const std::int8_t*>(bytes));
  }
}
template <typename Use>
void with_type(void* bytes, ElementType type, Use&& use) {
  if (type == ElementType::uint8) {
    use(static_cast<std::uint8_t*>(bytes));
  } else {
    use(static_cast<std::int8_t*>(bytes));
  }
}

}  // namespace

void quantize(const float* from, void* to, std::size_t count, const Quantization& q) {
  with_type(to, q.type, [&](auto* target) { quantize_widest(from, target, count, q); });
}

void dequantize(const void* from, float* to, std::size_t count, const Quantization& q) {
  with_type(from, q.type, [&](const auto* source) { dequantize_widest(source, to, count, q); });
}

void quantize_to_channels_last(const float* from, void* to, std::size_t batch, std::size_t channels, std::size_t pixels,
                               const Quantization& q) {
  with_type(to, q.type, [&](auto* target) {
    for (std::size_t image = 0; image < batch; ++image) {
      const std::size_t at = image * channels * pixels;
      channels_last_widest(from + at, target + at, channels, pixels, q);
    }
  });
}

void look_up(const std::uint8_t* from, std::uint8_t* to, std::size_t count, const Table& table) {
  for (std::size_t i = 0; i < count; ++i) to[i] = table[from[i]];
}

void add_quantized(const void* left, const void* right, void* to, std::size_t count, const Addition& a) {
  with_type(left, a.left.type, [&](const auto* l) {
    with_type(right, a.right.type, [&](const auto* r) {
      with_type(to, a.output.type, [&](auto* target) { add_widest(l, r, target, count, a); });
    });
  });
}

void average_channels_last(const void* from, void* to, std::int32_t* sums, std::size_t batch, std::size_t pixels,
                           std::size_t channels, const Quantization& input, const Quantization& output) {
  with_type(from, input.type, [&](const auto* source) {
    with_type(to, output.type,
              [&](auto* target) { average_widest(source, target, sums, batch, pixels, channels, input, output); });
  });
}

void interleave_rows(const void* const* inputs, const std::size_t* row_bytes, std::size_t inputs_count, void* to,
                     std::size_t rows) {
  std::size_t stride = 0;
  for (std::size_t input = 0; input < inputs_count; ++input) stride += row_bytes[input];
  auto* start = static_cast<std::byte*>(to);
  for (std::size_t input = 0; input < inputs_count; ++input) {
    const auto* source = static_cast<const std::byte*>(inputs[input]);
    const std::size_t bytes = row_bytes[input];
    std::byte* target = start;
    for (std::size_t row = 0; row < rows; ++row, target += stride, source += bytes) std::memcpy(target, source, bytes);
    start += bytes;
  }
}

}  // namespace ns::runtime
