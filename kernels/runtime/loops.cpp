#include "kernels/runtime/loops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// One body, compiled once for any x86-64 and once for AVX-512; the compiler vectorizes both.
#if defined(__x86_64__)
#define NS_WIDE __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#else
#define NS_WIDE
#endif
#define NS_BODY [[gnu::always_inline]] inline

namespace ns::runtime {

using graph::ElementType;

namespace {

bool is_wide() {
#if defined(__x86_64__)
  static const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return wide;
#else
  return false;
#endif
}

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

// The bodies again, for wide vectors.
template <typename Stored>
NS_WIDE void quantize_wide(const float* from, Stored* to, std::size_t count, const Quantization& q) {
  quantize_body(from, to, count, q);
}
template <typename Stored>
NS_WIDE void dequantize_wide(const Stored* from, float* to, std::size_t count, const Quantization& q) {
  dequantize_body(from, to, count, q);
}
template <typename Stored>
NS_WIDE void channels_last_wide(const float* from, Stored* to, std::size_t channels, std::size_t pixels,
                                const Quantization& q) {
  channels_last_body(from, to, channels, pixels, q);
}
template <typename Left, typename Right, typename Stored>
NS_WIDE void add_wide(const Left* left, const Right* right, Stored* to, std::size_t count, const Addition& a) {
  add_body(left, right, to, count, a);
}
template <typename From, typename To>
NS_WIDE void average_wide(const From* from, To* to, std::int32_t* sums, std::size_t batch, std::size_t pixels,
                          std::size_t channels, const Quantization& input, const Quantization& output) {
  average_body(from, to, sums, batch, pixels, channels, input, output);
}

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
  with_type(to, q.type, [&](auto* target) {
    is_wide() ? quantize_wide(from, target, count, q) : quantize_body(from, target, count, q);
  });
}

void dequantize(const void* from, float* to, std::size_t count, const Quantization& q) {
  with_type(from, q.type, [&](const auto* source) {
    is_wide() ? dequantize_wide(source, to, count, q) : dequantize_body(source, to, count, q);
  });
}

void quantize_to_channels_last(const float* from, void* to, std::size_t batch, std::size_t channels, std::size_t pixels,
                               const Quantization& q) {
  with_type(to, q.type, [&](auto* target) {
    for (std::size_t image = 0; image < batch; ++image) {
      const std::size_t at = image * channels * pixels;
      is_wide() ? channels_last_wide(from + at, target + at, channels, pixels, q)
                : channels_last_body(from + at, target + at, channels, pixels, q);
    }
  });
}

void look_up(const std::uint8_t* from, std::uint8_t* to, std::size_t count, const Table& table) {
  for (std::size_t i = 0; i < count; ++i) to[i] = table[from[i]];
}

void add_quantized(const void* left, const void* right, void* to, std::size_t count, const Addition& a) {
  with_type(left, a.left.type, [&](const auto* l) {
    with_type(right, a.right.type, [&](const auto* r) {
      with_type(to, a.output.type,
                [&](auto* target) { is_wide() ? add_wide(l, r, target, count, a) : add_body(l, r, target, count, a); });
    });
  });
}

void average_channels_last(const void* from, void* to, std::int32_t* sums, std::size_t batch, std::size_t pixels,
                           std::size_t channels, const Quantization& input, const Quantization& output) {
  with_type(from, input.type, [&](const auto* source) {
    with_type(to, output.type, [&](auto* target) {
      is_wide() ? average_wide(source, target, sums, batch, pixels, channels, input, output)
                : average_body(source, target, sums, batch, pixels, channels, input, output);
    });
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
