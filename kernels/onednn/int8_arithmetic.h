// What int8 arithmetic of this CPU is exact. Any thread.
//
// Without VNNI (AVX2, AVX-512 before it) the products of two neighbouring uint8 inputs and int8 weights are summed in
// 16 bits, which saturate: full-range weights give wrong results there, silently. 255 * (64 + 64) still fits.
#pragma once

namespace ns::onednn {

// Products are summed in 32 bits: every weight and either type of input is exact.
bool sums_in_32_bits();

// The largest magnitude of an int8 weight with which products of uint8 inputs are exact: 127, or 64.
int exact_weight_limit();

}  // namespace ns::onednn
