// Tight loops over 8-bit tensors that are cheaper than a primitive: they start at once and touch every byte once. The
// widest vectors that the processor has are chosen at the first call. Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/runtime/resolved.h"

namespace ns::runtime {

// stored = saturate(round_half_even(real / scale) + zero_point)
void quantize(const float* from, void* to, std::size_t count, const Quantization&);
void dequantize(const void* from, float* to, std::size_t count, const Quantization&);

// From [batch, channels, pixels] to channels innermost.
void quantize_to_channels_last(const float* from, void* to, std::size_t batch, std::size_t channels, std::size_t pixels,
                               const Quantization&);

// Any function of one 8-bit number: to[i] = table[from[i]], bytes as unsigned.
using Table = std::array<std::uint8_t, 256>;
void look_up(const std::uint8_t* from, std::uint8_t* to, std::size_t count, const Table&);

// Sum of two quantized tensors, cut to [low, high] (real numbers), quantized. Both inputs may be of either type.
struct Addition {
  Quantization left, right, output;
  float low, high;
};
void add_quantized(const void* left, const void* right, void* to, std::size_t count, const Addition&);

// [batch, pixels, channels]: the mean over the pixels, quantized anew. `sums` has room for `channels` numbers.
void average_channels_last(const void* from, void* to, std::int32_t* sums, std::size_t batch, std::size_t pixels,
                           std::size_t channels, const Quantization& input, const Quantization& output);

// Rows of several inputs side by side: output row r is row r of each input in turn.
void interleave_rows(const void* const* inputs, const std::size_t* row_bytes, std::size_t inputs_count, void* to,
                     std::size_t rows);

}  // namespace ns::runtime
