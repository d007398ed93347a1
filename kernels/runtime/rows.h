// Loops over rows of floats: sums, means and normalization along the last axis. Pure; any thread.
#pragma once

#include <cstddef>

namespace ns::runtime {

// [rows, length]: each row less its mean, divided by the root of its variance plus epsilon, times scale (length
// numbers; null: one) plus shift (null: zero). `to` may be `from`.
void normalize_rows(const float* from, float* to, std::size_t rows, std::size_t length, float epsilon,
                    const float* scale, const float* shift);

enum class RowReduction { sum, mean, maximum };

// [outer, length, inner] to [outer, inner]: over the middle.
void reduce_rows(const float* from, float* to, std::size_t outer, std::size_t length, std::size_t inner, RowReduction);

}  // namespace ns::runtime
