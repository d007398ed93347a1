#include "kernels/runtime/rows.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/runtime/wide.h"

namespace ns::runtime {

namespace {

constexpr std::size_t kLanes = 32;  // partial sums, so that the compiler may add vectors

template <typename Value>
NS_BODY float sum_of(std::size_t length, Value&& value) {
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += value(i + lane);
  }
  float rest = 0;
  for (; i < length; ++i) rest += value(i);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0] + rest;
}

NS_BODY float maximum_of(const float* row, std::size_t length) {
  std::array<float, kLanes> most;
  most.fill(row[0]);
  std::size_t i = 0;
  const auto larger = [](float a, float b) { return a > b || a != a ? a : b; };  // NaN of either stays
  for (; i + kLanes <= length; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) most[lane] = larger(most[lane], row[i + lane]);
  }
  for (; i < length; ++i) most[0] = larger(most[0], row[i]);
  return *std::max_element(most.begin(), most.end(), [](float a, float b) { return a < b || b != b; });
}

NS_BODY void normalize_body(const float* from, float* to, std::size_t rows, std::size_t length, float epsilon,
                            const float* scale, const float* shift) {
  const float share = 1.0F / static_cast<float>(length);
  for (std::size_t row = 0; row < rows; ++row, from += length, to += length) {
    const float mean = sum_of(length, [&](std::size_t i) { return from[i]; }) * share;
    const float variance = sum_of(length, [&](std::size_t i) { return (from[i] - mean) * (from[i] - mean); }) * share;
    const float factor = 1.0F / std::sqrt(variance + epsilon);
    if (scale != nullptr && shift != nullptr) {
      for (std::size_t i = 0; i < length; ++i) to[i] = (from[i] - mean) * factor * scale[i] + shift[i];
    } else if (scale != nullptr) {
      for (std::size_t i = 0; i < length; ++i) to[i] = (from[i] - mean) * factor * scale[i];
    } else {
      for (std::size_t i = 0; i < length; ++i) to[i] = (from[i] - mean) * factor + (shift == nullptr ? 0.0F : shift[i]);
    }
  }
}

NS_BODY void reduce_body(const float* from, float* to, std::size_t outer, std::size_t length, std::size_t inner,
                         RowReduction reduction) {
  const float share = reduction == RowReduction::mean ? 1.0F / static_cast<float>(length) : 1.0F;
  for (std::size_t block = 0; block < outer; ++block, from += length * inner, to += inner) {
    if (inner == 1) {
      to[0] = reduction == RowReduction::maximum ? maximum_of(from, length)
                                                 : sum_of(length, [&](std::size_t i) { return from[i]; }) * share;
      continue;
    }
    std::copy_n(from, inner, to);
    for (std::size_t row = 1; row < length; ++row) {
      const float* next = from + row * inner;
      if (reduction == RowReduction::maximum) {
        for (std::size_t i = 0; i < inner; ++i) to[i] = to[i] > next[i] || to[i] != to[i] ? to[i] : next[i];
      } else {
        for (std::size_t i = 0; i < inner; ++i) to[i] += next[i];
      }
    }
    for (std::size_t i = 0; i < inner; ++i) to[i] *= share;
  }
}

NS_AVX2 void normalize_avx2(const float* from, float* to, std::size_t rows, std::size_t length, float epsilon,
                            const float* scale, const float* shift) {
  normalize_body(from, to, rows, length, epsilon, scale, shift);
}
NS_AVX512 void normalize_avx512(const float* from, float* to, std::size_t rows, std::size_t length, float epsilon,
                                const float* scale, const float* shift) {
  normalize_body(from, to, rows, length, epsilon, scale, shift);
}
NS_AVX2 void reduce_avx2(const float* from, float* to, std::size_t outer, std::size_t length, std::size_t inner,
                         RowReduction reduction) {
  reduce_body(from, to, outer, length, inner, reduction);
}
NS_AVX512 void reduce_avx512(const float* from, float* to, std::size_t outer, std::size_t length, std::size_t inner,
                             RowReduction reduction) {
  reduce_body(from, to, outer, length, inner, reduction);
}

}  // namespace

void normalize_rows(const float* from, float* to, std::size_t rows, std::size_t length, float epsilon,
                    const float* scale, const float* shift) {
  switch (widest()) {
    case Width::avx512:
      return normalize_avx512(from, to, rows, length, epsilon, scale, shift);
    case Width::avx2:
      return normalize_avx2(from, to, rows, length, epsilon, scale, shift);
    case Width::any:
      return normalize_body(from, to, rows, length, epsilon, scale, shift);
  }
}

void reduce_rows(const float* from, float* to, std::size_t outer, std::size_t length, std::size_t inner,
                 RowReduction reduction) {
  switch (widest()) {
    case Width::avx512:
      return reduce_avx512(from, to, outer, length, inner, reduction);
    case Width::avx2:
      return reduce_avx2(from, to, outer, length, inner, reduction);
    case Width::any:
      return reduce_body(from, to, outer, length, inner, reduction);
  }
}

}  // namespace ns::runtime
